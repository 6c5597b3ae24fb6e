//! Clients of a test network that believe nobody.

use std::future::Future;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use allod_identity_client::clock::Clock;
use allod_identity_client::jwt::{Challenge, login_answer};
use allod_identity_client::light::{
    Anchor, LightClient, LightConfig, Now, Prefetch, VerifiedView, ViewConfig,
};
use allod_primitives::{H256, NetworkId};
use allod_rpc_api::login::VerifyLoginRequest;
use allod_rpc_api::revocation::RevocationCheckRequest;
use anyhow::ensure;

use crate::devnet::Devnet;
use crate::people::Person;

/// Opens a client of all nodes of `net` that begins at its genesis block and compares every new
/// block with another node's. `folder`: where it keeps what it verified.
///
/// # Errors
/// The network's, or the client's.
pub async fn light_client(net: &Devnet, folder: Option<&Path>) -> anyhow::Result<LightClient> {
    let network: NetworkId = net.client(0)?.context().await?.network.parse()?;
    let urls = (0..net.count()).map(|node| net.text(&format!("/nodes/{node}/rpc")));
    let urls = urls.collect::<anyhow::Result<Vec<&str>>>()?;
    let config = LightConfig {
        folder: folder.map(Path::to_owned),
        compare_every: Duration::ZERO,
        now: Now::from(Clock::devnet(net.dir(), &[])?),
        ..LightConfig::new(
            urls.into_iter().map(str::to_owned).collect(),
            Anchor::Network(network),
        )
    };
    Ok(LightClient::open(config).await?)
}

/// Starts a view that holds every value.
///
/// # Errors
/// The client's.
pub async fn verified_view(client: LightClient) -> anyhow::Result<VerifiedView> {
    let config = ViewConfig {
        prefetch: Prefetch::All,
        ..ViewConfig::default()
    };
    Ok(VerifiedView::start(client, config).await?)
}

/// Does `work`, and meanwhile looks twenty times a second how many blocks `view` is behind node 0.
/// Returns what came of the work, and the lags seen.
///
/// # Errors
/// The network's.
pub async fn lag_during<T>(
    net: &Devnet,
    view: &VerifiedView,
    work: impl Future<Output = T>,
) -> anyhow::Result<(T, Vec<u64>)> {
    let client = net.client(0)?;
    let mut lags = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Ok((done, lags)),
            _ = tick.tick() => {
                // The view first: what comes while the node is asked counts as lag.
                let follows = view.status().head.height.0;
                let height = client.context().await?.height;
                lags.push(height.saturating_sub(follows));
            }
        }
    }
}

/// What a question costs whoever asks it, µs of real time on average.
#[derive(Clone, Copy, Debug)]
pub struct ChecksUs {
    /// A login judged from a view.
    pub login: f64,
    /// A revocation looked up in a view.
    pub revocation: f64,
    /// A login judged by a client that fetches and checks its proof.
    pub proven_login: f64,
}

/// Measures questions about `person`, whose login is allowed.
///
/// # Errors
/// A question has another answer, or none.
pub async fn checks_us(
    client: &LightClient,
    view: &VerifiedView,
    person: &Person,
    now_s: u64,
) -> anyhow::Result<ChecksUs> {
    let request = login(person, "https://gateway.example", now_s)?;
    let tag = RevocationCheckRequest {
        tag: Some(H256([7; 32]).into()),
        ..RevocationCheckRequest::default()
    };
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        let verdict = black_box(view).verify_login(&request)?;
        ensure!(verdict.answer.is_allowed(), "{:?}", verdict.answer);
    }
    let login = each_us(begun);
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        ensure!(!black_box(view).revocation_check(&tag)?.answer.revoked);
    }
    let revocation = each_us(begun);
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        let verdict = client.verify_login(&request, None).await?;
        ensure!(verdict.answer.is_allowed(), "{:?}", verdict.answer);
    }
    Ok(ChecksUs {
        login,
        revocation,
        proven_login: each_us(begun),
    })
}

/// Questions of each kind that are measured.
const ROUNDS: u32 = 500;

fn each_us(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS)
}

/// Returns a login of `person` at `audience`, good for ten minutes.
///
/// # Errors
/// None that a test could cause.
pub fn login(person: &Person, audience: &str, now_s: u64) -> anyhow::Result<VerifyLoginRequest> {
    let challenge = Challenge::new(audience, now_s, 600)?;
    Ok(VerifyLoginRequest {
        jws: login_answer(&person.did, &person.login_method(), &challenge, now_s)?,
        audience: challenge.audience,
        nonce: challenge.nonce,
        time: None,
        max_staleness_ms: None,
    })
}
