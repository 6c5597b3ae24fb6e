//! Two certified histories: the client stops, keeps the evidence, and never picks a side.

use std::sync::Arc;
use std::time::Duration;

use allod_identity_client::light::{Evidence, LightConfig, ReadError, Store};
use allod_primitives::light::Conflict;
use allod_primitives::{ForkId, H256, TimeMs};

use crate::fixture::node::{FakeNode, Lies};
use crate::world::{Time, alice, chain, config, kept, lies, open, tick};

/// Two nodes whose fourth blocks differ, both certified, and a folder.
fn forked(time: &Time) -> (FakeNode, FakeNode) {
    let (first, second) = (
        FakeNode::new("first", chain()),
        FakeNode::new("second", chain()),
    );
    tick(time, &first);
    second.grow(|chain| {
        chain.empty(time.now());
        chain.forge_tip(|header| header.extrinsics_root = H256([1; 32]));
    });
    (first, second)
}

fn comparing(config: LightConfig) -> LightConfig {
    LightConfig {
        compare_every: Duration::ZERO,
        ..config
    }
}

fn evidence(error: ReadError) -> Evidence {
    let ReadError::Frozen { evidence, .. } = error else {
        panic!("not frozen: {error:?}");
    };
    *evidence
}

#[tokio::test]
async fn a_fork_seen_by_comparing_freezes_the_client_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let time = Time::new();
    let (first, second) = forked(&time);
    let here = first.chain();
    let config = || comparing(kept(&here, &time, folder.path()));
    let client = open(config(), &[&first, &second]).await.unwrap();
    let found = evidence(client.resolve(&alice(&here), None).await.unwrap_err());
    assert_eq!(found.rule, "two_blocks");
    assert_eq!((found.first.height, found.second.height), (4, 4));
    assert_eq!(found.first.node.as_deref(), Some("first"));
    assert_eq!(found.second.node.as_deref(), Some("second"));
    // Both certified headers are in it, and say so themselves.
    let conflict = Conflict::from_bytes(&found.conflict.0).unwrap();
    assert_eq!(conflict.first().header, here.tip().header);
    assert_eq!(conflict.second().header, second.chain().tip().header);
    // It answers nothing from either side, now or after a restart.
    for _ in 0..2 {
        evidence(client.resolve(&alice(&here), None).await.unwrap_err());
        evidence(client.head().await.unwrap_err());
    }
    for nodes in [[&first], [&second]] {
        let again = open(config(), &nodes).await.unwrap_err();
        assert_eq!(again.slug(), "light.frozen");
        assert_eq!(evidence(again), found);
    }
    // Until a person has put the evidence aside; what was trusted is forgotten with it.
    let store = Store::new(folder.path(), here.network(), ForkId(0));
    let aside = store.unfreeze(time.now()).unwrap().unwrap();
    assert!(
        std::fs::read_to_string(aside)
            .unwrap()
            .contains("two_blocks")
    );
    let client = open(config(), &[&first]).await.unwrap();
    client.resolve(&alice(&here), None).await.unwrap();
}

#[tokio::test]
async fn a_fork_seen_by_turning_to_another_node_freezes_as_well() {
    let time = Time::new();
    let (first, second) = forked(&time);
    let did = alice(&first.chain());
    let config = config(&first.chain(), &time);
    let client = open(config, &[&first, &second]).await.unwrap();
    second.lie(lies(|it| it.silent = true));
    client.resolve(&did, None).await.unwrap();
    second.lie(Lies::default());
    first.lie(lies(|it| it.silent = true));
    let error = client.resolve(&did, None).await.unwrap_err();
    assert_eq!(evidence(error).rule, "two_blocks");
}

#[tokio::test]
async fn a_second_node_that_talks_nonsense_or_lags_changes_nothing() {
    let time = Time::new();
    let (first, second) = (
        FakeNode::new("first", chain()),
        FakeNode::new("second", chain()),
    );
    let did = alice(&first.chain());
    let config = comparing(config(&first.chain(), &time));
    let client = open(config, &[&first, &second]).await.unwrap();
    let forge: Lies = lies(|it| {
        it.header = Some(Arc::new(|header| {
            header.header.extrinsics_root = H256::ZERO
        }));
    });
    second.lie(forge);
    client.resolve(&did, None).await.unwrap();
    assert_eq!(second.calls("light_header"), 1, "it was compared");
    let asides = client.status().asides;
    assert_eq!(asides[0].fault.slug(), "light.certificate_block");
    second.lie(lies(|it| it.behind = 1));
    tick(&time, &first);
    client.resolve(&did, None).await.unwrap();
    second.lie(lies(|it| it.silent = true));
    tick(&time, &first);
    client.resolve(&did, None).await.unwrap();
}

#[tokio::test]
async fn new_blocks_are_compared_at_most_once_in_the_interval() {
    let time = Time::new();
    let (first, second) = (
        FakeNode::new("first", chain()),
        FakeNode::new("second", chain()),
    );
    let did = alice(&first.chain());
    let config = LightConfig {
        compare_every: Duration::from_secs(5),
        ..config(&first.chain(), &time)
    };
    let client = open(config, &[&first, &second]).await.unwrap();
    for _ in 0..11 {
        client.resolve(&did, None).await.unwrap();
        time.pass(1000);
        let now = time.now();
        first.grow(|chain| chain.empty(now));
        second.grow(|chain| chain.empty(now));
    }
    assert_eq!(second.calls("light_header"), 3);
}

#[tokio::test]
async fn two_processes_that_saw_two_histories_freeze_when_they_meet_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let time = Time::new();
    let (first, second) = forked(&time);
    let config = || kept(&first.chain(), &time, folder.path());
    let did = alice(&first.chain());
    let one = open(config(), &[&first]).await.unwrap();
    let two = open(config(), &[&second]).await.unwrap();
    one.resolve(&did, None).await.unwrap();
    one.flush().unwrap();
    let met = two.resolve(&did, None).await.and_then(|_| two.flush());
    assert_eq!(evidence(met.unwrap_err()).rule, "two_blocks");
    time.pass(2000);
    first.grow(|chain| chain.empty(TimeMs(time.now().0)));
    let told = one.resolve(&did, None).await.unwrap_err();
    assert_eq!(
        told.slug(),
        "light.frozen",
        "the other process's evidence counts"
    );
}
