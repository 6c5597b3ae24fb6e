//! Where trust begins, how it grows, and when it ends.

use allod_identity_client::light::{Anchor, Checkpoint, LightConfig, ReadError};
use allod_primitives::{ForkId, H256, Height, TimeMs};
use allod_rpc_api::ErrorCode;
use allod_rpc_api::verify::ReasonCode;

use crate::fixture::chain::Chain;
use crate::fixture::node::{FakeNode, read_proof};
use crate::fixture::tree::State;
use crate::world::{
    START, Time, alice, chain, config, kept, lies, login, nobody, open, pair, record, tick,
};

fn checkpoint(chain: &Chain, height: u64) -> Checkpoint {
    Checkpoint {
        network: chain.network(),
        fork_id: ForkId(0),
        height: Height(height),
        hash: chain.block(height).unwrap().header.hash(),
    }
}

fn from(config: LightConfig, checkpoint: Checkpoint) -> LightConfig {
    LightConfig {
        anchor: Anchor::Checkpoint(checkpoint),
        ..config
    }
}

#[tokio::test]
async fn from_genesis_on_presence_and_absence_are_proven() {
    let (_, node, client) = pair().await;
    let chain = node.chain();
    let found = client.resolve(&alice(&chain), None).await.unwrap();
    assert_eq!(found.height, Height(3));
    assert_eq!(found.block_hash, chain.tip().header.hash());
    assert_eq!(found.answer.record.document.methods.len(), 1);
    let absent = client.resolve(&nobody(&chain), None).await.unwrap_err();
    assert_eq!(absent.slug(), ErrorCode::DidNotFound.slug());
    assert!(
        client
            .lookup(&nobody(&chain), None)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_login_is_judged_by_the_state_of_now_and_denied_after_a_rotation() {
    let (time, node, client) = pair().await;
    let did = alice(&node.chain());
    let request = login(&did, 1, time.now());
    let verdict = client.verify_login(&request, None).await.unwrap();
    assert_eq!(verdict.answer.reason, ReasonCode::Ok);
    time.pass(1000);
    node.grow(|chain| chain.write(time.now(), vec![record(&did, 2)]));
    let verdict = client.verify_login(&request, None).await.unwrap();
    assert_eq!(verdict.answer.reason, ReasonCode::KeyUnknown);
    assert_eq!(verdict.height, Height(4));
}

#[tokio::test]
async fn a_client_that_was_idle_asks_before_it_judges() {
    let (time, node, client) = pair().await;
    let did = alice(&node.chain());
    client.resolve(&did, None).await.unwrap();
    time.pass(60_000);
    tick(&time, &node);
    let request = login(&did, 1, time.now());
    let verdict = client.verify_login(&request, None).await.unwrap();
    assert_eq!(verdict.answer.reason, ReasonCode::Ok);
}

#[tokio::test]
async fn what_needs_no_state_is_answered_without_asking() {
    let (time, node, client) = pair().await;
    let asked = node.calls("identity_verifyLogin");
    let mut request = login(&alice(&node.chain()), 1, time.now());
    request.jws = "no token".into();
    let verdict = client.verify_login(&request, None).await.unwrap();
    assert_eq!(verdict.answer.reason, ReasonCode::Malformed);
    assert_eq!(node.calls("identity_verifyLogin"), asked);
    let mut other = Chain::new(TimeMs(1), State::new());
    other.empty(TimeMs(2));
    let refused = client.resolve(&alice(&other), None).await.unwrap_err();
    assert!(matches!(refused, ReadError::WrongNetwork { .. }));
}

#[tokio::test]
async fn a_node_of_another_network_cannot_begin_a_clients_trust() {
    let time = Time::new();
    let mut other = Chain::new(TimeMs(START.0 - 5000), State::new());
    other.empty(time.now());
    let (here, there) = (
        FakeNode::new("here", chain()),
        FakeNode::new("there", other),
    );
    let refused = open(config(&here.chain(), &time), &[&there])
        .await
        .unwrap_err();
    assert_eq!(refused.slug(), "light.wrong_genesis");
    let client = open(config(&here.chain(), &time), &[&there, &here])
        .await
        .unwrap();
    let asides = client.status().asides;
    assert_eq!((asides.len(), asides[0].node.as_str()), (1, "there"));
}

/// Goal: a client that slept while the validators changed three times, all of them in the end,
/// follows them page by page, whether or not bundles bring the changes.
#[tokio::test]
async fn a_client_that_slept_through_three_sets_catches_up() {
    let folder = tempfile::tempdir().unwrap();
    for brought in [true, false] {
        let time = Time::new();
        let node = FakeNode::new("one", chain());
        let config = || {
            kept(
                &node.chain(),
                &time,
                &folder.path().join(brought.to_string()),
            )
        };
        drop(open(config(), &[&node]).await.unwrap());
        for set in [[2, 3, 4, 5], [4, 5, 6, 7], [6, 7, 8, 9]] {
            time.pass(86_400_000);
            node.grow(|chain| chain.change_set(time.now(), &set));
            tick(&time, &node);
            tick(&time, &node);
        }
        if !brought {
            let strip = |proof: &mut allod_primitives::light::ReadProof| {
                proof.transitions.clear();
            };
            node.lie(lies(|it| it.read = Some(std::sync::Arc::new(strip))));
        }
        let client = open(config(), &[&node]).await.unwrap();
        client.resolve(&alice(&node.chain()), None).await.unwrap();
        assert_eq!(client.status().set.0, 3);
        assert_eq!(node.calls("light_transitions"), if brought { 0 } else { 2 });
    }
}

#[tokio::test]
async fn withheld_changes_of_validators_leave_the_client_without_an_answer() {
    let (time, node, client) = pair().await;
    node.grow(|chain| chain.change_set(TimeMs(time.now().0 + 1), &[7, 8, 9, 10]));
    tick(&time, &node);
    node.lie(lies(|it| it.no_transitions = true));
    let refused = client.resolve(&alice(&node.chain()), None).await;
    assert_eq!(refused.unwrap_err().slug(), "light.transitions_withheld");
    node.lie(lies(|_| {}));
    client.resolve(&alice(&node.chain()), None).await.unwrap();
}

#[tokio::test]
async fn a_client_that_slept_beyond_the_trusting_period_wants_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let time = Time::new();
    let node = FakeNode::new("one", chain());
    let config = || kept(&node.chain(), &time, folder.path());
    let client = open(config(), &[&node]).await.unwrap();
    client.resolve(&alice(&node.chain()), None).await.unwrap();
    time.pass(31 * 86_400_000);
    tick(&time, &node);
    let refused = client.resolve(&alice(&node.chain()), None).await;
    assert!(matches!(refused, Err(ReadError::TrustExpired { .. })));
    let refused = open(config(), &[&node]).await.unwrap_err();
    assert_eq!(refused.slug(), "light.trust_expired");
    assert!(
        refused.hint().contains("--checkpoint"),
        "{}",
        refused.hint()
    );
    let newer = from(config(), checkpoint(&node.chain(), 4));
    let client = open(newer, &[&node]).await.unwrap();
    client.resolve(&alice(&node.chain()), None).await.unwrap();
    open(config(), &[&node]).await.unwrap();
}

/// Goal: the trusting period counts when an answer is believed, not when it is asked for. Method:
/// a node takes 31 days to answer, and then does with a block of that time.
#[tokio::test]
async fn an_answer_that_comes_after_the_trusting_period_moves_nothing() {
    let (time, node, client) = pair().await;
    let did = alice(&node.chain());
    let before = client.status().newest;
    let mut later = node.chain();
    later.empty(TimeMs(time.now().0 + 31 * 86_400_000));
    let keys = vec![allod_primitives::keys::did_record(&did.id())];
    let bundle = read_proof(&later, later.tip(), keys, None);
    let clock = time.clone();
    node.lie(lies(|it| {
        it.read = Some(std::sync::Arc::new(move |proof| {
            clock.pass(31 * 86_400_000);
            *proof = bundle.clone();
        }));
    }));
    let refused = client.resolve(&did, None).await;
    assert!(matches!(refused, Err(ReadError::TrustExpired { .. })));
    assert_eq!(client.status().newest, before);
}

#[tokio::test]
async fn a_checkpoint_begins_trust_and_one_of_another_block_does_not() {
    let time = Time::new();
    let node = FakeNode::new("one", chain());
    let here = node.chain();
    let begun = from(config(&here, &time), checkpoint(&here, 2));
    let client = open(begun, &[&node]).await.unwrap();
    client.resolve(&alice(&here), None).await.unwrap();
    assert_eq!(client.checkpoint(), checkpoint(&here, 3));
    let wrong = Checkpoint {
        hash: H256([7; 32]),
        ..checkpoint(&here, 2)
    };
    let refused = open(from(config(&here, &time), wrong), &[&node]).await;
    assert_eq!(refused.unwrap_err().slug(), "chain.block_not_found");
    let wrong = Checkpoint {
        height: Height(3),
        ..checkpoint(&here, 2)
    };
    let refused = open(from(config(&here, &time), wrong), &[&node]).await;
    assert_eq!(refused.unwrap_err().slug(), "light.checkpoint_height");
}

/// Goal: a node cannot make a client's trust void, nor the names of tokens wrong, by a genesis hash
/// of which the checkpoint has the beginning.
#[tokio::test]
async fn the_whole_genesis_hash_is_what_the_checkpoints_validators_signed() {
    let time = Time::new();
    let (liar, node) = (FakeNode::new("one", chain()), FakeNode::new("two", chain()));
    let here = node.chain();
    let mut other = here.id.genesis;
    other.0[31] ^= 1;
    liar.lie(lies(|it| it.genesis = Some(other)));
    let begun = || from(config(&here, &time), checkpoint(&here, 2));
    let refused = open(begun(), &[&liar]).await.unwrap_err();
    assert_eq!(refused.slug(), "light.certificate_signature");
    let client = open(begun(), &[&liar, &node]).await.unwrap();
    client.resolve(&alice(&here), None).await.unwrap();
}

#[tokio::test]
async fn a_followed_chain_must_have_the_checkpoints_block() {
    let folder = tempfile::tempdir().unwrap();
    let time = Time::new();
    let node = FakeNode::new("one", chain());
    let here = node.chain();
    let config = || kept(&here, &time, folder.path());
    drop(open(config(), &[&node]).await.unwrap());
    open(from(config(), checkpoint(&here, 2)), &[&node])
        .await
        .unwrap();
    let asked = node.calls("light_header");
    open(from(config(), checkpoint(&here, 2)), &[&node])
        .await
        .unwrap();
    assert_eq!(node.calls("light_header"), asked, "it was confirmed before");
    let other = Checkpoint {
        hash: H256([7; 32]),
        ..checkpoint(&here, 1)
    };
    let refused = open(from(config(), other), &[&node]).await;
    assert!(matches!(
        refused,
        Err(ReadError::CheckpointContradicted { height: Height(1) })
    ));
}

#[tokio::test]
async fn an_answer_about_the_past_is_of_a_type_of_its_own() {
    let (time, node, client) = pair().await;
    let did = alice(&node.chain());
    time.pass(1000);
    node.grow(|chain| chain.write(time.now(), vec![record(&did, 2)]));
    client.resolve(&did, None).await.unwrap();
    let past = client.resolve_at(&did, Height(3)).await.unwrap().0;
    let fragment = past.answer.record.document.methods[0]
        .method
        .fragment
        .clone();
    assert_eq!((past.height, fragment.as_str()), (Height(3), "key-1"));
    // It does not move the highest answer back, nor is it refused for being old.
    let now = client.resolve(&did, Some(Height(4))).await.unwrap();
    assert_eq!(now.height, Height(4));
}

/// Goal: the keys of validators that were replaced prove nothing once they may have been sold,
/// though the client itself followed the chain further. Method: it keeps asking for 32 days.
#[tokio::test]
async fn a_block_older_than_the_trusting_period_is_no_answer_about_the_past() {
    let (time, node, client) = pair().await;
    let did = alice(&node.chain());
    for _ in 0..2 {
        time.pass(15 * 86_400_000 - 1000);
        tick(&time, &node);
        client.resolve(&did, None).await.unwrap();
    }
    // Block 3 was a second old when the clock began.
    time.go_back(1000);
    client.resolve_at(&did, Height(3)).await.unwrap();
    time.pass(1001);
    let refused = client.resolve_at(&did, Height(3)).await.unwrap_err();
    assert_eq!(refused.slug(), "light.block_expired", "{refused}");
    assert!(matches!(
        refused,
        ReadError::BlockExpired {
            height: Height(3),
            ..
        }
    ));
    assert!(client.status().asides.is_empty(), "it is nobody's fault");
    client.resolve_at(&did, Height(4)).await.unwrap();
}
