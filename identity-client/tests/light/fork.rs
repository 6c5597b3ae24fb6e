//! Two certified histories: the client stops, keeps the evidence, and never picks a side.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use allod_identity_client::light::{Evidence, LightClient, LightConfig, ReadError, Store};
use allod_primitives::light::Conflict;
use allod_primitives::{ForkId, H256, Height, TimeMs};

use crate::fixture::chain::validators;
use crate::fixture::node::{FakeNode, Lies, certified};
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

/// Two nodes whose histories part behind block 3; the second changes its validators in block 6.
/// The first does in block 4, to others, or does not at all.
pub(crate) fn forked_by_sets(time: &Time, first_changes: bool) -> (FakeNode, FakeNode) {
    let (first, second) = (
        FakeNode::new("first", chain()),
        FakeNode::new("second", chain()),
    );
    for height in 4..=9 {
        time.pass(1000);
        first.grow(|chain| match first_changes && height == 4 {
            true => chain.change_set(time.now(), &[4, 5, 6, 7]),
            false => chain.empty(time.now()),
        });
        second.grow(|chain| match height == 6 {
            true => chain.change_set(TimeMs(time.now().0 + 1), &[1, 2, 8, 9]),
            false => chain.empty(TimeMs(time.now().0 + 1)),
        });
    }
    (first, second)
}

/// Checks that the client of a folder is frozen by a proof that others can check: both headers
/// with their certificates.
async fn frozen_by_sets(found: &Evidence, folder: &Path, time: &Time, nodes: [&FakeNode; 2]) {
    let conflict = Conflict::from_bytes(&found.conflict.0).unwrap();
    let chains = nodes.map(|it| it.chain());
    let sets = chains.iter().flat_map(|it| &it.sets);
    let sets: Vec<_> = sets.map(|it| validators(it)).collect();
    let first = conflict.first().certificate.clone().unwrap();
    let second = conflict.second();
    let certificates = [
        (&conflict.first().header, &first),
        (&second.header, &second.certificate),
    ];
    for (header, certificate) in certificates {
        assert_eq!(certificate.block_hash, header.hash());
        let mut sets = sets.iter();
        let set = sets.find(|it| it.hash() == header.digest.validator_set);
        certificate.verify(&chains[0].id, set.unwrap()).unwrap();
    }
    for node in nodes {
        let config = kept(&node.chain(), time, folder);
        let again = open(config, &[node]).await.unwrap_err();
        assert_eq!(&evidence(again), found);
    }
}

/// By which rule a client that followed one side finds the other. The set that both know signed
/// the first side's block of the newest height as well, if that keeps it.
fn rule(first_changes: bool, second_followed: bool) -> &'static str {
    match second_followed && !first_changes {
        true => "two_blocks",
        false => "set_history",
    }
}

/// Goal: neither side of a fork hides behind its validators. Method: the client follows one side
/// and compares with the other, for both sides; with a change of validators in one, and in both.
#[tokio::test]
async fn a_fork_with_a_change_of_validators_freezes_whichever_side_came_first() {
    for first_changes in [false, true] {
        for swapped in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let time = Time::new();
            let (first, second) = forked_by_sets(&time, first_changes);
            let nodes = match swapped {
                false => [&first, &second],
                true => [&second, &first],
            };
            let config = kept(&first.chain(), &time, folder.path());
            let client = open(comparing(config), &nodes).await.unwrap();
            let did = alice(&first.chain());
            let found = evidence(client.resolve(&did, None).await.unwrap_err());
            assert_eq!(client.status().newest.height.0, 9, "it had followed one");
            let expected = rule(first_changes, swapped);
            assert_eq!(found.rule, expected);
            let told = (found.first.node.as_deref(), found.second.node.as_deref());
            let expected = if swapped {
                ("second", "first")
            } else {
                ("first", "second")
            };
            assert_eq!(told, (Some(expected.0), Some(expected.1)));
            frozen_by_sets(&found, folder.path(), &time, nodes).await;
        }
    }
}

/// Goal: the same without comparing: the node followed has gone, and the next one's answer comes
/// with its own changes of validators.
#[tokio::test]
async fn turning_to_a_node_with_other_validators_freezes_as_well() {
    for swapped in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let time = Time::new();
        let (first, second) = forked_by_sets(&time, true);
        let nodes = match swapped {
            false => [&first, &second],
            true => [&second, &first],
        };
        let config = kept(&first.chain(), &time, folder.path());
        let client = open(config, &nodes).await.unwrap();
        let did = alice(&first.chain());
        nodes[1].lie(lies(|it| it.silent = true));
        client.resolve(&did, None).await.unwrap();
        nodes[0].lie(lies(|it| it.silent = true));
        nodes[1].lie(Lies::default());
        let found = evidence(client.resolve(&did, None).await.unwrap_err());
        assert_eq!(found.rule, "set_history");
        frozen_by_sets(&found, folder.path(), &time, nodes).await;
    }
}

/// Goal: what two processes of one user have seen is compared, too, when they share a folder.
#[tokio::test]
async fn two_processes_that_followed_other_validators_freeze_when_they_meet_on_disk() {
    for first_changes in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let time = Time::new();
        let (first, second) = forked_by_sets(&time, first_changes);
        let did = alice(&first.chain());
        let config = || kept(&first.chain(), &time, folder.path());
        let one = open(config(), &[&first]).await.unwrap();
        let two = open(config(), &[&second]).await.unwrap();
        one.resolve(&did, None).await.unwrap();
        one.flush().unwrap();
        let met = two.resolve(&did, None).await.and_then(|_| two.flush());
        let found = evidence(met.unwrap_err());
        assert_eq!(found.rule, rule(first_changes, true));
        frozen_by_sets(&found, folder.path(), &time, [&first, &second]).await;
    }
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

/// A client that compares every block, of nodes with these names.
async fn compared(time: &Time, names: &[&str]) -> (Vec<FakeNode>, LightClient) {
    let nodes: Vec<FakeNode> = names.iter().map(|it| FakeNode::new(it, chain())).collect();
    let config = comparing(config(&nodes[0].chain(), time));
    let list: Vec<&FakeNode> = nodes.iter().collect();
    let client = open(config, &list).await.unwrap();
    (nodes, client)
}

/// Lets all nodes make the same block, and asks.
async fn tick_all(time: &Time, nodes: &[FakeNode], client: &LightClient) {
    time.pass(1000);
    for node in nodes {
        node.grow(|chain| chain.empty(time.now()));
    }
    let did = alice(&nodes[0].chain());
    client.resolve(&did, None).await.unwrap();
}

#[tokio::test]
async fn the_others_are_compared_with_in_turn() {
    let time = Time::new();
    let (nodes, client) = compared(&time, &["first", "second", "third", "fourth"]).await;
    for _ in 0..9 {
        tick_all(&time, &nodes, &client).await;
    }
    let asked: Vec<usize> = nodes.iter().map(|it| it.calls("light_header")).collect();
    assert_eq!(asked, [0, 3, 3, 3]);
    // One that has gone is passed over at once, and the block is compared all the same.
    nodes[2].lie(lies(|it| it.silent = true));
    for height in 13..16 {
        tick_all(&time, &nodes, &client).await;
        let made = client.status().comparison.unwrap().made;
        assert_eq!(made, Some((time.now(), Height(height))));
    }
}

/// Goal: a client that compares with nobody can be told apart. Method: the second node is out of
/// reach, gives another block than asked for, and is well again.
#[tokio::test]
async fn what_was_not_compared_does_not_count_and_is_told() {
    let time = Time::new();
    let (nodes, client) = compared(&time, &["first", "second"]).await;
    let missed = || client.status().comparison.unwrap();
    assert!(missed().made.is_none() && missed().missed.is_none());
    nodes[1].lie(lies(|it| it.silent = true));
    tick_all(&time, &nodes, &client).await;
    let told = missed();
    assert_eq!(told.missed.unwrap().fault.slug(), "client.unreachable");
    assert!(told.made.is_none() && !told.is_overdue);
    for _ in 0..60 {
        tick_all(&time, &nodes, &client).await;
    }
    assert!(missed().is_overdue, "a minute");
    // Another block's header is no answer, however true.
    let other = certified(nodes[0].chain().block(2).unwrap());
    nodes[1].lie(lies(|it| {
        it.header = Some(Arc::new(move |header| *header = other.clone()))
    }));
    tick_all(&time, &nodes, &client).await;
    let told = missed();
    assert_eq!(told.missed.unwrap().fault.slug(), "light.wrong_block");
    assert!(told.made.is_none());
    nodes[1].lie(Lies::default());
    tick_all(&time, &nodes, &client).await;
    let told = missed();
    assert!(told.made.is_some() && told.missed.is_none() && !told.is_overdue);
    // With one node there is nobody to compare with, and nothing to tell.
    let (_, alone) = compared(&time, &["only"]).await;
    assert!(alone.status().comparison.is_none());
}

#[tokio::test]
async fn a_node_that_lags_is_compared_with_where_it_stands() {
    let time = Time::new();
    let (nodes, client) = compared(&time, &["first", "second"]).await;
    tick(&time, &nodes[0]);
    client
        .resolve(&alice(&nodes[0].chain()), None)
        .await
        .unwrap();
    assert!(client.status().comparison.unwrap().made.is_some());
    // Its newest block is a second history's, below the one that the client has an answer from.
    nodes[1].grow(|chain| {
        chain.empty(time.now());
        chain.forge_tip(|header| header.extrinsics_root = H256([1; 32]));
    });
    tick(&time, &nodes[0]);
    tick(&time, &nodes[0]);
    let error = client.resolve(&alice(&nodes[0].chain()), None).await;
    assert_eq!(evidence(error.unwrap_err()).rule, "two_blocks");
}

/// Lies that refuse headers with junk, and nothing else.
fn junk() -> Lies {
    lies(|it| {
        it.header = Some(Arc::new(|header| {
            header.header.extrinsics_root = H256::ZERO
        }));
    })
}

/// Goal: the node that answers does not decide whether it is compared, nor who is to blame. Method:
/// the others lag by a block, and the first gives junk for headers.
#[tokio::test]
async fn a_first_node_that_gives_junk_is_compared_all_the_same() {
    let time = Time::new();
    let (nodes, client) = compared(&time, &["first", "second", "third"]).await;
    let did = alice(&nodes[0].chain());
    nodes[0].lie(junk());
    // Nothing but its newest block is known: then it is asked, and it is to blame.
    tick(&time, &nodes[0]);
    client.resolve(&did, None).await.unwrap();
    let status = client.status();
    let told = status.comparison.unwrap();
    assert!(told.made.is_none());
    assert_eq!(told.missed.unwrap().node, "first");
    let asides: Vec<&str> = status.asides.iter().map(|it| it.node.as_str()).collect();
    assert_eq!(asides, ["first"]);
    // What it has shown before is what the others are compared with.
    time.pass(31_000);
    nodes[0].grow(|chain| chain.empty(time.now()));
    for other in &nodes[1..] {
        other.lie(lies(|it| it.silent = true));
    }
    client.resolve(&did, None).await.unwrap();
    let asked = nodes[0].calls("light_header");
    for other in &nodes[1..] {
        other.lie(Lies::default());
        other.grow(|chain| *chain = nodes[0].chain());
    }
    tick(&time, &nodes[0]);
    client.resolve(&did, None).await.unwrap();
    let made = client.status().comparison.unwrap().made;
    assert_eq!(made, Some((time.now(), Height(5))));
    assert_eq!(nodes[0].calls("light_header"), asked);
}

#[tokio::test]
async fn a_clock_that_went_back_does_not_hold_up_comparing() {
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
    client.resolve(&did, None).await.unwrap();
    let asked = second.calls("light_header");
    for node in [&first, &second] {
        node.grow(|chain| chain.empty(TimeMs(time.now().0 + 1)));
    }
    time.go_back(4000);
    client.resolve(&did, None).await.unwrap();
    assert_eq!(second.calls("light_header"), asked + 1);
    // Nor does it keep a node aside.
    first.lie(lies(|it| it.no_proof = true));
    client.resolve(&did, None).await.unwrap();
    let asked = first.calls("identity_resolve");
    first.lie(Lies::default());
    time.go_back(1);
    client.resolve(&did, None).await.unwrap();
    assert_eq!(first.calls("identity_resolve"), asked + 1);
}

/// Goal: evidence comes before what it is about, and its absence is told. Method: the folder of a
/// client that finds two histories is a file, and then is not.
#[tokio::test]
async fn evidence_that_cannot_be_written_is_told_and_written_later() {
    let folder = tempfile::tempdir().unwrap();
    let time = Time::new();
    let (first, second) = forked(&time);
    let did = alice(&first.chain());
    let config = comparing(kept(&first.chain(), &time, folder.path()));
    let client = open(config, &[&first, &second]).await.unwrap();
    let store = Store::new(folder.path(), first.chain().network(), ForkId(0));
    std::fs::remove_dir_all(store.folder()).unwrap();
    std::fs::write(store.folder(), "no folder").unwrap();
    for _ in 0..2 {
        let error = client.resolve(&did, None).await.unwrap_err();
        assert!(error.to_string().contains("not on disk"), "{error}");
        let ReadError::Frozen {
            path, unwritten, ..
        } = error
        else {
            panic!("{error:?}");
        };
        assert!(path.is_none() && unwritten.is_some());
    }
    std::fs::remove_file(store.folder()).unwrap();
    let error = client.resolve(&did, None).await.unwrap_err();
    let ReadError::Frozen {
        path, unwritten, ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(path, Some(store.evidence_path()));
    assert!(unwritten.is_none() && store.evidence().unwrap().is_some());
}

/// Goal: on disk there is never the trust of one side with what the other side added, without the
/// evidence. Method: when two processes meet, the file of what is trusted stays as it was.
#[tokio::test]
async fn evidence_is_written_instead_of_the_trust_that_met_it() {
    let folder = tempfile::tempdir().unwrap();
    let time = Time::new();
    let (first, second) = forked(&time);
    let did = alice(&first.chain());
    let config = || kept(&first.chain(), &time, folder.path());
    let one = open(config(), &[&first]).await.unwrap();
    let two = open(config(), &[&second]).await.unwrap();
    one.resolve(&did, None).await.unwrap();
    one.flush().unwrap();
    let store = Store::new(folder.path(), first.chain().network(), ForkId(0));
    let trust = || std::fs::read(store.folder().join("trust")).unwrap();
    let before = trust();
    let met = two.resolve(&did, None).await.and_then(|_| two.flush());
    evidence(met.unwrap_err());
    evidence(two.flush().unwrap_err());
    assert_eq!(trust(), before);
    assert!(store.evidence().unwrap().is_some());
}
