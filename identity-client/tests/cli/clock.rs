//! Whose time tokens and challenges have: this machine's, or that of a local network.

use std::path::Path;

use allod_identity_client::clock::{Clock, DEVNET_FILE};
use allod_primitives::H256;
use serde_json::json;

use crate::ledger::{Ledger, genesis};
use crate::process::User;

const DAYS_3_S: u64 = 3 * 24 * 3600;

/// Writes the file of a local network that is ahead by so much.
pub(crate) fn devnet(directory: &Path, genesis: H256, node: &str, ahead_ms: u64) {
    let file = json!({
        "chain": { "genesis": genesis.to_string() },
        "nodes": [{ "rpc": node, "ws": "ws://127.0.0.1:1" }],
        "clockAheadMs": ahead_ms,
    });
    std::fs::write(directory.join(DEVNET_FILE), file.to_string()).unwrap();
}

/// Returns how many seconds after now a new token of alice and a new challenge begin.
async fn ahead(user: &User) -> (u64, u64) {
    let now = Clock::system().now().seconds();
    let issue = ["token", "issue", "alice", "--audience", "https://a.example"];
    let token = user
        .json(&[&issue[..], &["--lifetime", "10m"]].concat())
        .await;
    let challenge = ["login", "challenge", "--audience", "https://a.example"];
    let challenge = user
        .json(&[&challenge[..], &["--lifetime", "10m"]].concat())
        .await;
    let rounded = |exp: &serde_json::Value| (exp.as_u64().unwrap() - now - 600) / 60 * 60;
    (rounded(&token["exp"]), rounded(&challenge["expires"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_have_the_time_of_a_local_network_only_with_its_nodes_and_identities() {
    let ledger = Ledger::start().await;
    let user = User::new(&ledger.url);
    user.ok(&["did", "create", "alice"]).await;
    let folder = user.home.path();
    assert_eq!(ahead(&user).await, (0, 0), "a node never sets the time");
    devnet(folder, genesis(), &ledger.url, DAYS_3_S * 1000);
    assert_eq!(
        ahead(&user).await,
        (DAYS_3_S, DAYS_3_S),
        "above the home folder"
    );
    devnet(folder, H256([0xee; 32]), &ledger.url, DAYS_3_S * 1000);
    assert_eq!(
        ahead(&user).await,
        (0, DAYS_3_S),
        "an identity of another network"
    );
    devnet(folder, genesis(), "http://127.0.0.1:1", DAYS_3_S * 1000);
    assert_eq!(ahead(&user).await, (0, 0), "a node of another network");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_network_whose_time_is_not_followed_is_said() {
    let ledger = Ledger::start().await;
    let user = User::new(&ledger.url);
    devnet(user.home.path(), genesis(), "http://127.0.0.1:1", 1);
    let issue = ["login", "challenge", "--audience", "https://a.example"];
    let folder = user.path("");
    let named = [("ALLOD_DEVNET", folder.as_str())];
    let said = user.run_with(&issue, &named, "").await.stderr;
    assert!(said.contains("is no node of the network in"), "{said}");
    assert!(said.contains("the time is this machine's"), "{said}");
    assert_eq!(user.run(&issue).await.stderr, "", "nobody named it");
}
