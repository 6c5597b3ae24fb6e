//! Goal: three operators make a network by the handbook, and one that lost its disk comes back
//! without signing twice.
//! Method: the commands of docs/operator.md are run as they stand, with real processes, on three
//! loopback addresses. Then the chain is asked what the returned validator has signed.

use std::net::Ipv4Addr;
use std::time::Duration;

use allod_identity_client::rpc::{Client, ClientConfig};
use allod_primitives::{Certificate, decode_strict};
use allod_tests::devnet;
use jsonrpsee::core::params::ArrayParams;
use serde_json::Value;

use crate::readme::Shell;
use crate::support::{height, until};

/// A guard is silent for a minute after its loss, and the page has taken part of it.
const SILENCE_MAX: Duration = Duration::from_secs(150);

async fn ask(client: &Client, method: &'static str, params: &[Value]) -> Option<Value> {
    let mut array = ArrayParams::new();
    for param in params {
        array.insert(param).unwrap();
    }
    client.call(method, array, Duration::ZERO).await.ok()
}

/// Returns how many validators certified a block.
async fn signers(client: &Client, at: u64) -> Option<usize> {
    let hash = ask(client, "chain_getBlockHash", &[at.into()]).await?;
    let block = ask(client, "chain_getBlock", &[hash]).await?;
    let bytes = &block["justifications"][0][1];
    let bytes: Vec<u8> = match bytes.as_str() {
        Some(text) => hex::decode(text.trim_start_matches("0x")).ok()?,
        None => serde_json::from_value(bytes.clone()).ok()?,
    };
    let certificate: Certificate = decode_strict(&bytes).ok()?;
    Some(certificate.signatures.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_operators_found_a_network_and_one_survives_the_loss_of_its_disk() {
    let _turn = devnet::turn().await;
    let folder = tempfile::tempdir().unwrap();
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let host = |last: u8| Ipv4Addr::new(127, 64 | (high & 63), middle ^ low, last).to_string();
    let hosts = [host(201), host(202), host(203)];
    let variables = [
        ("ALPHA", hosts[0].as_ref()),
        ("BETA", hosts[1].as_ref()),
        ("GAMMA", hosts[2].as_ref()),
    ];
    let mut shell = Shell::start(folder.path(), &variables).await;
    shell.run_page("docs/operator.md").await;

    let client =
        |host: &str| Client::new(&ClientConfig::new(format!("http://{host}:9944"))).unwrap();
    let (alpha, gamma) = (client(&hosts[0]), client(&hosts[2]));
    // Gamma is back when a block has the signatures of all three again.
    let back = until("gamma votes again", SILENCE_MAX, || async {
        let tip = height(&alpha).await?;
        (signers(&alpha, tip).await? == 3).then_some(tip)
    })
    .await;
    // Nobody has seen it sign twice, and all have the same chain.
    for host in &hosts {
        let told = shell
            .run(&format!(
                "curl -sf http://{host}:9944/metrics | grep '^allod_evidence_total'"
            ))
            .await;
        assert_eq!(told, ["allod_evidence_total 0"]);
    }
    let hash = ask(&alpha, "chain_getBlockHash", &[back.into()]).await;
    let other = until("gamma has the block", Duration::from_secs(20), || async {
        let hash = ask(&gamma, "chain_getBlockHash", &[back.into()]).await?;
        hash.is_string().then_some(hash)
    })
    .await;
    assert_eq!(hash, Some(other));
}
