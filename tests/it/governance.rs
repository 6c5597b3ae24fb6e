//! Goal: trustees replace a validator while the network runs, and nobody uninvited takes part.

use std::time::Duration;

use allod_identity_client::rpc::{Client, ClientConfig, chain_id};
use allod_primitives::governance::proposal_hash;
use allod_primitives::{BoundedVec, PublicKey, Text, TimeMs};
use allod_runtime::RuntimeCall;
use allod_runtime::authority::types::{Action, ValidatorInfo};
use allod_runtime::authority::{self};
use allod_tests::devnet::Devnet;
use allod_tests::people::Account;
use jsonrpsee::core::params::ArrayParams;
use parity_scale_codec::Encode;

use crate::support::{height, submit_all, until, wait_height};

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.trim_start_matches("0x")).unwrap()
}

fn key(text: &str) -> PublicKey {
    PublicKey(bytes(text).try_into().unwrap())
}

/// Returns who proposed the newest block of a node, from the first digest item.
async fn proposer(client: &Client) -> Option<PublicKey> {
    let header: serde_json::Value = client
        .call("chain_getHeader", ArrayParams::new(), Duration::ZERO)
        .await
        .ok()?;
    let item = bytes(header["digest"]["logs"][0].as_str()?);
    Some(PublicKey(item[6..38].try_into().ok()?))
}

/// Has two trustees put the added node in the place of validator 3; returns the keys of the one
/// that leaves and the one that comes.
async fn replace_last(net: &Devnet, added: &serde_json::Value) -> (PublicKey, PublicKey) {
    let client = net.client(0).unwrap();
    let newcomer = key(added["validator"].as_str().unwrap());
    let removed = key(net.text("/nodes/3/validator").unwrap());
    let info = ValidatorInfo {
        public_key: newcomer,
        power: 1,
        peer_id: bytes(added["peerIdHex"].as_str().unwrap())
            .try_into()
            .unwrap(),
        address: Text::new(added["consensusAddress"].as_str().unwrap()).unwrap(),
    };
    let action = Action::ReplaceValidator {
        remove: Some(removed),
        add: Some(info),
    };
    let actions: BoundedVec<Action, 8> = vec![action].try_into().unwrap();
    let expires = TimeMs(client.context().await.unwrap().time + 3_600_000);
    let trustee = key(net.text("/keys/trustees/0/account").unwrap());
    let chain = chain_id(&client.context().await.unwrap());
    let hash = proposal_hash(&chain, 0, &trustee, &actions, expires);
    let vote = RuntimeCall::Authority(authority::Call::vote { proposal: 0, hash });
    let propose = RuntimeCall::Authority(authority::Call::propose { actions, expires });
    for (trustee, call) in [("/keys/trustees/0", propose), ("/keys/trustees/1", vote)] {
        let mut account = Account::new(&client, net.secret(trustee).unwrap())
            .await
            .unwrap();
        let item = account.sign(call.encode());
        submit_all(&client, vec![item]).await;
    }
    (removed, newcomer)
}

/// Adds a node, has it put in the place of validator 3, and returns its client once it has caught
/// up.
pub(crate) async fn replace_last_validator(net: &Devnet) -> Client {
    let added = net.control(&["add"]).await.unwrap();
    let added: serde_json::Value = serde_json::from_str(added["done"].as_str().unwrap()).unwrap();
    replace_last(net, &added).await;
    let fifth = Client::new(&ClientConfig::new(added["rpc"].as_str().unwrap())).unwrap();
    let limit = Duration::from_secs(90);
    until("the newcomer answers", limit, || height(&fifth)).await;
    let tip = height(&net.client(0).unwrap()).await.unwrap();
    wait_height(&fifth, tip, limit).await;
    fifth
}

/// Method: a fifth node starts uninvited and learns nothing. Two of three trustees then vote it in
/// for validator 3. It catches up and proposes; the removed one never does again; with the
/// removed one dead, the chain goes on.
#[tokio::test(flavor = "multi_thread")]
async fn trustees_replace_a_validator_while_the_network_runs() {
    let net = Devnet::start(4, &[]).await.unwrap();
    let client = net.client(0).unwrap();
    let added = net.control(&["add"]).await.unwrap();
    let added: serde_json::Value = serde_json::from_str(added["done"].as_str().unwrap()).unwrap();
    let url = added["rpc"].as_str().unwrap();
    let fifth = Client::new(&ClientConfig::new(url)).unwrap();
    until(
        "the uninvited node answers",
        Duration::from_secs(30),
        || height(&fifth),
    )
    .await;
    let tip = height(&client).await.unwrap();
    wait_height(&client, tip + 3, Duration::from_secs(60)).await;
    assert_eq!(
        height(&fifth).await,
        Some(0),
        "an unlisted peer cannot join"
    );
    assert_eq!(fifth.health().await.unwrap().peers, 0);

    let (removed, newcomer) = replace_last(&net, &added).await;
    until(
        "the newcomer proposes a block",
        Duration::from_secs(90),
        || async { (proposer(&fifth).await? == newcomer).then_some(()) },
    )
    .await;
    net.kill(3).await.unwrap();
    let from = height(&client).await.unwrap();
    let mut at = from;
    while at < from + 12 {
        at = wait_height(&client, at, Duration::from_secs(30)).await;
        assert_ne!(
            proposer(&client).await.unwrap(),
            removed,
            "a removed validator proposes"
        );
    }
    net.stop().await.unwrap();
}
