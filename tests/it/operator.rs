//! Goal: three operators make a network by the handbook, a fourth joins as observer and then as
//! validator, one is replaced by a new machine, and one that lost its disk comes back without
//! signing twice.
//! Method: the commands of docs/operator.md are run as they stand, with real processes, on five
//! loopback addresses. Then the chain is asked who has certified and proposed which blocks.

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::time::Duration;

use allod_identity_client::rpc::{Client, ClientConfig};
use allod_primitives::{Certificate, PublicKey, decode_strict};
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

fn key(text: &str) -> PublicKey {
    let bytes = hex::decode(text.trim_start_matches("0x")).unwrap();
    PublicKey(bytes.try_into().unwrap())
}

/// Returns who certified a block.
async fn signers(client: &Client, at: u64) -> Option<Vec<PublicKey>> {
    let hash = ask(client, "chain_getBlockHash", &[at.into()]).await?;
    let block = ask(client, "chain_getBlock", &[hash]).await?;
    let bytes = &block["justifications"][0][1];
    let bytes: Vec<u8> = match bytes.as_str() {
        Some(text) => hex::decode(text.trim_start_matches("0x")).ok()?,
        None => serde_json::from_value(bytes.clone()).ok()?,
    };
    let certificate: Certificate = decode_strict(&bytes).ok()?;
    // Signers are positions in the set that the state before the block names.
    let before = ask(client, "chain_getBlockHash", &[(at - 1).into()]).await?;
    let set = client.membership(before.as_str()?).await.ok()?.current.set;
    let signers = certificate.signatures.iter().map(|it| {
        let member = set.validators().get(usize::from(it.signer))?;
        Some(member.public_key)
    });
    signers.collect()
}

/// Returns who proposed a block, from its first digest item.
async fn proposer(client: &Client, at: u64) -> Option<PublicKey> {
    let hash = ask(client, "chain_getBlockHash", &[at.into()]).await?;
    let header = ask(client, "chain_getHeader", &[hash]).await?;
    let item = header["digest"]["logs"][0].as_str()?;
    let item = hex::decode(item.trim_start_matches("0x")).ok()?;
    Some(PublicKey(item.get(6..38)?.try_into().ok()?))
}

/// What the blocks up to `tip` say of validators that came, left or stayed.
async fn check_turnover(client: &Client, tip: u64, [delta, epsilon, beta]: [PublicKey; 3]) {
    let mut certified: Vec<Vec<PublicKey>> = Vec::new();
    let mut proposed = Vec::new();
    for at in 1..=tip {
        certified.push(signers(client, at).await.unwrap());
        proposed.push(proposer(client, at).await.unwrap());
    }
    let first = |key: &PublicKey| certified.iter().position(|it| it.contains(key)).unwrap();
    let last = |key: &PublicKey| certified.iter().rposition(|it| it.contains(key)).unwrap();
    assert!(first(&beta) < first(&delta), "delta comes after the start");
    assert!(first(&delta) < first(&epsilon), "epsilon comes after delta");
    assert!(last(&beta) < first(&epsilon), "beta's place is epsilon's");
    for newcomer in [delta, epsilon] {
        assert!(proposed.contains(&newcomer), "{newcomer} proposes");
        assert!(proposed.iter().position(|it| *it == newcomer) >= Some(first(&newcomer)));
    }
    assert!(proposed.contains(&beta));
    assert!(!proposed[first(&epsilon)..].contains(&beta), "beta is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_found_a_network_join_it_replace_a_validator_and_survive_a_lost_disk() {
    let _turn = devnet::turn().await;
    let folder = tempfile::tempdir().unwrap();
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let host = |last: u8| Ipv4Addr::new(127, 64 | (high & 63), middle ^ low, last).to_string();
    let names = ["ALPHA", "BETA", "GAMMA", "DELTA", "EPSILON"];
    let hosts: Vec<String> = (201..).take(names.len()).map(host).collect();
    let variables: Vec<(&str, &OsStr)> = names
        .into_iter()
        .zip(hosts.iter().map(AsRef::as_ref))
        .collect();
    let mut shell = Shell::start(folder.path(), &variables).await;
    shell.run_page("docs/operator.md").await;

    let client =
        |host: &str| Client::new(&ClientConfig::new(format!("http://{host}:9944"))).unwrap();
    let (alpha, gamma) = (client(&hosts[0]), client(&hosts[2]));
    let told = "allod-node keys show gamma/validator.key | sed -n 's/^public *//p'";
    let gamma_key = key(&shell.run(told).await[0]);
    // Gamma is back when one of the blocks made since has its signature.
    let lost = height(&alpha).await.unwrap();
    let back = until("gamma votes again", SILENCE_MAX, || async {
        let tip = height(&alpha).await?;
        let voted = signers(&alpha, tip).await?.contains(&gamma_key);
        (tip > lost && voted).then_some(tip)
    })
    .await;
    // Nobody has seen anybody sign twice, and all have the same chain.
    for host in [0, 2, 3, 4].map(|index| &hosts[index]) {
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

    let mut keys = Vec::new();
    for name in ["DELTA_KEY", "EPSILON_KEY", "BETA_KEY"] {
        let told = shell.run(&format!("echo ${name}")).await;
        keys.push(key(&told[0]));
    }
    check_turnover(&alpha, back, keys.try_into().unwrap()).await;
}
