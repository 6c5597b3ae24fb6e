//! Goal: a network takes up another version of the state machine, and nothing is lost or forked.
//!
//! The nodes are real processes of two programs: `allod-node` knows version 1, `allod-node-next`
//! knows versions 1 and 2.

use std::time::Duration;

use allod_identity_client::governance;
use allod_identity_client::rpc::{Client, chain_id};
use allod_primitives::governance::Action;
use allod_primitives::header::LedgerDigest;
use allod_primitives::{Height, TimeMs, decode_strict};
use allod_runtime::authority::types::Registrar;
use allod_runtime::frame::Value as Item;
use allod_tests::devnet::{Devnet, program};
use allod_tests::people::{Account, Person};
use jsonrpsee::core::params::ArrayParams;
use serde_json::Value;

use crate::faults::all_there;
use crate::support::{height, submit_all, submit_batches, until, wait_height};

/// What the migration of version 2 writes.
const MIGRATED: Item<(u64, u32)> = Item::new("Rehearsal", "Migrated");
const MINUTE: Duration = Duration::from_secs(60);
/// Exit code of a node that lacks the version it needs.
const UPGRADE_NEEDED: &str = "exit status: 14";

async fn ask(client: &Client, method: &'static str, params: &[Value]) -> Option<Value> {
    let mut array = ArrayParams::new();
    for param in params {
        array.insert(param).unwrap();
    }
    client.call(method, array, Duration::ZERO).await.ok()
}

async fn header(client: &Client, at: u64) -> Option<Value> {
    let hash = ask(client, "chain_getBlockHash", &[at.into()]).await?;
    let header = ask(client, "chain_getHeader", &[hash]).await?;
    header.is_object().then_some(header)
}

/// Returns the version that executed a block, from its digest.
async fn executed_by(client: &Client, at: u64) -> u32 {
    let header = header(client, at).await.unwrap();
    let item = header["digest"]["logs"][1].as_str().unwrap();
    let bytes = hex::decode(item.trim_start_matches("0x")).unwrap();
    let (_, _, digest): (u8, [u8; 4], Vec<u8>) = decode_strict(&bytes).unwrap();
    decode_strict::<LedgerDigest>(&digest).unwrap().spec_version
}

async fn runtime_version(client: &Client) -> u64 {
    let version = ask(client, "state_getRuntimeVersion", &[]).await.unwrap();
    version["specVersion"].as_u64().unwrap()
}

/// Reads an item of the state, now.
async fn storage(client: &Client, key: &[u8]) -> Option<Vec<u8>> {
    let key = format!("0x{}", hex::encode(key));
    let value = ask(client, "state_getStorage", &[key.into()]).await?;
    Some(hex::decode(value.as_str()?.trim_start_matches("0x")).unwrap())
}

async fn registrar(net: &Devnet, client: &Client) -> Registrar {
    let account = net.secret("/keys/registrar").unwrap().public();
    let key = allod_runtime::authority::storage::REGISTRARS.key(&account);
    let value = storage(client, &key).await.expect("the devnet has one");
    decode_strict(&value).unwrap()
}

/// Two of three trustees schedule a version.
async fn schedule(net: &Devnet, number: u32, spec_version: u32, height: u64) {
    let client = net.client(0).unwrap();
    let action = Action::ScheduleUpgrade {
        spec_version,
        height: Height(height),
    };
    let actions = governance::actions([action]).unwrap();
    let context = client.context().await.unwrap();
    let expires = TimeMs(context.time + 3_600_000);
    let proposer = net.secret("/keys/trustees/0").unwrap().public();
    let chain = chain_id(&context);
    let hash = governance::proposal_hash(&chain, number, &proposer, &actions, expires);
    let vote = governance::vote(number, &hash);
    let calls = [governance::propose(&actions, expires), vote];
    for (trustee, call) in calls.into_iter().enumerate() {
        let secret = net.secret(&format!("/keys/trustees/{trustee}")).unwrap();
        let mut account = Account::new(&client, secret).await.unwrap();
        submit_all(&client, vec![account.sign(call)]).await;
    }
}

/// Registers `count` people through node 0.
async fn register(net: &Devnet, seed: u64, count: u64) -> Vec<Person> {
    let client = net.client(0).unwrap();
    let context = client.context().await.unwrap();
    let people = (0..count).map(|number| Person::new(&context, seed, number).unwrap());
    let (people, operations): (Vec<_>, Vec<_>) = people.unzip();
    let secret = net.secret("/keys/registrar").unwrap();
    let mut account = Account::new(&client, secret).await.unwrap();
    submit_batches(&client, &mut account, &operations, 16).await;
    people
}

async fn node_ended(net: &Devnet, index: usize) -> Option<String> {
    let status = net.control(&["status"]).await.ok()?;
    let ended = &status["nodes"][index]["ended"];
    ended.as_str().map(str::to_owned)
}

/// Asserts that all nodes have the same header, and so the same state root, at `at`.
async fn agree(net: &Devnet, at: u64) {
    let mut headers = Vec::new();
    for index in 0..4 {
        let client = net.client(index).unwrap();
        let found = until("a node has the block", MINUTE, || header(&client, at)).await;
        headers.push(found);
    }
    assert!(
        headers.windows(2).all(|pair| pair[0] == pair[1]),
        "{headers:?}"
    );
}

/// Method: four nodes, two of the old program and two of the next. Trustees schedule version 2;
/// the network goes on mixed until the height. The old ones halt before it, with the exit code and
/// the words for it; the next ones have no quorum, and wait. The old ones are started again with
/// the next program; the activation block runs the migration, and the chain goes on. Every node
/// has the same roots before, at and after it; everybody registered is there.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_two_versions_upgrade_without_fork_or_loss() {
    let next = program("allod-node-next").unwrap();
    let net = Devnet::start(4, &[]).await.unwrap();
    for index in [2, 3] {
        net.restart_with(index, &next).await.unwrap();
    }
    let clients: Vec<Client> = (0..4).map(|index| net.client(index).unwrap()).collect();
    let mut people = register(&net, 1, 32).await;
    let budget = registrar(&net, &clients[0]).await.items_per_day;
    let tip = height(&clients[0]).await.unwrap();
    let activation = tip + 15;
    schedule(&net, 0, 2, activation).await;
    assert_eq!(runtime_version(&clients[0]).await, 1);
    // Under load, so that the height comes soon and the last mixed blocks are not empty.
    people.extend(register(&net, 2, 32).await);

    for index in [0, 1] {
        let ended = until("an old node halts", 2 * MINUTE, || node_ended(&net, index)).await;
        assert_eq!(ended, UPGRADE_NEEDED);
        let log = net.dir().join(format!("node-{index}/node.log"));
        let log = std::fs::read_to_string(log).unwrap();
        let needed = format!("block {activation} needs version 2 of the state machine");
        assert!(log.contains(&needed), "{log}");
        assert!(log.contains("hint: install the version that the trustees voted for"));
    }
    // The next ones have every block before, and cannot go on alone.
    for client in &clients[2..] {
        wait_height(client, activation - 2, MINUTE).await;
        assert_eq!(height(client).await, Some(activation - 1));
        assert_eq!(
            runtime_version(client).await,
            2,
            "what the next block needs"
        );
        assert_eq!(executed_by(client, activation - 1).await, 1);
        assert!(storage(client, &MIGRATED.key()).await.is_none());
    }

    // Started again with the old program, it refuses at once; with the next one it goes on.
    net.restart(0).await.unwrap();
    let refused = until("the old node refuses", MINUTE, || node_ended(&net, 0)).await;
    assert_eq!(refused, UPGRADE_NEEDED);
    assert_eq!(height(&clients[2]).await, Some(activation - 1), "no fork");
    for index in [0, 1] {
        net.restart_with(index, &next).await.unwrap();
    }
    for client in &clients {
        wait_height(client, activation + 1, 2 * MINUTE).await;
        assert_eq!(executed_by(client, activation).await, 2);
        assert_eq!(runtime_version(client).await, 2);
        let migrated = storage(client, &MIGRATED.key()).await.expect("it ran");
        assert_eq!(
            decode_strict::<(u64, u32)>(&migrated).unwrap(),
            (activation, 1)
        );
        assert_eq!(registrar(&net, client).await.items_per_day, budget + 1);
    }
    people.extend(register(&net, 3, 32).await);
    let tip = height(&clients[0]).await.unwrap();
    for at in activation - 2..=tip {
        agree(&net, at).await;
    }
    for index in 0..4 {
        all_there(&net, index, &people).await;
    }
    net.stop().await.unwrap();
}

/// Method: an upgrade is scheduled, and taken back before its height; nodes of the old program go
/// on beyond it.
#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_is_taken_back_lets_old_nodes_go_on() {
    let net = Devnet::start(4, &[]).await.unwrap();
    let client = net.client(0).unwrap();
    let activation = height(&client).await.unwrap() + 12;
    schedule(&net, 0, 2, activation).await;
    schedule(&net, 1, 1, 0).await;
    let people = register(&net, 1, 8).await;
    wait_height(&client, activation + 1, 3 * MINUTE).await;
    assert_eq!(executed_by(&client, activation).await, 1);
    assert_eq!(net.pids().await.unwrap().len(), 4);
    agree(&net, activation).await;
    all_there(&net, 3, &people).await;
    net.stop().await.unwrap();
}

/// Method: three of four nodes know the next version in time. They go on through the activation
/// without the fourth, which halts before it; started with the next program on what it has, that
/// one executes the activation block with its migration, and catches up.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_upgraded_late_catches_up_on_its_own_data() {
    let next = program("allod-node-next").unwrap();
    let net = Devnet::start(4, &[]).await.unwrap();
    for index in [1, 2, 3] {
        net.restart_with(index, &next).await.unwrap();
    }
    let clients: Vec<Client> = (0..4).map(|index| net.client(index).unwrap()).collect();
    let mut people = register(&net, 1, 16).await;
    let activation = height(&clients[0]).await.unwrap() + 12;
    schedule(&net, 0, 2, activation).await;
    let ended = until("the old node halts", 3 * MINUTE, || node_ended(&net, 0)).await;
    assert_eq!(ended, UPGRADE_NEEDED);
    for client in &clients[1..] {
        wait_height(client, activation + 5, 2 * MINUTE).await;
        assert_eq!(executed_by(client, activation).await, 2);
    }
    net.restart_with(0, &next).await.unwrap();
    let tip = height(&clients[1]).await.unwrap();
    wait_height(&clients[0], tip, 2 * MINUTE).await;
    let migrated = storage(&clients[0], &MIGRATED.key()).await.expect("it ran");
    assert_eq!(
        decode_strict::<(u64, u32)>(&migrated).unwrap(),
        (activation, 1)
    );
    people.extend(register(&net, 2, 16).await);
    for at in activation - 1..=tip {
        agree(&net, at).await;
    }
    for index in 0..4 {
        all_there(&net, index, &people).await;
    }
    net.stop().await.unwrap();
}
