//! One lie a case: the answer is refused by the check that finds it, and the next node is asked.

use std::sync::Arc;

use allod_identity_client::light::{LightClient, ReadError};
use allod_primitives::light::{CertifiedHeader, ReadProof};
use allod_primitives::{Height, TimeMs};

use crate::fixture::chain::Chain;
use crate::fixture::node::{FakeNode, Lies, read_proof};
use crate::fixture::tree::State;
use crate::world::{Time, alice, chain, config, lies, login, nobody, open, pair, tick};

/// Checks that a question has no answer while the only node lies so, and one afterwards.
async fn refused(node: &FakeNode, client: &LightClient, lie: Lies, slug: &str) {
    node.lie(lie);
    let did = alice(&node.chain());
    let error = client.resolve(&did, None).await.unwrap_err();
    assert!(matches!(error, ReadError::Unanswered { .. }), "{error:?}");
    assert_eq!(error.slug(), slug, "{error}");
    assert!(!error.hint().is_empty());
    let time = client.config().now.get();
    let verdict = client.verify_login(&login(&did, 1, time), None).await;
    assert!(verdict.is_err(), "nothing may be allowed: {verdict:?}");
    node.lie(Lies::default());
    client.resolve(&did, None).await.unwrap();
}

fn reading(tamper: impl Fn(&mut ReadProof) + Send + Sync + 'static) -> Lies {
    lies(|it| it.read = Some(Arc::new(tamper)))
}

#[tokio::test]
async fn silence_and_answers_without_proof_are_no_answers() {
    let (_, node, client) = pair().await;
    let silent = lies(|it| it.silent = true);
    refused(&node, &client, silent, "client.unreachable").await;
    let unproven = lies(|it| it.no_proof = true);
    refused(&node, &client, unproven.clone(), "light.unproven").await;
    node.lie(unproven);
    let absent = client.lookup(&nobody(&node.chain()), None).await;
    let absent = absent.unwrap_err();
    assert!(matches!(absent, ReadError::Unanswered { .. }), "{absent:?}");
}

#[tokio::test]
async fn a_bundle_must_prove_the_keys_of_the_question_by_a_certified_header() {
    let (_, node, client) = pair().await;
    let garbage = reading(|it| it.state = vec![0xff]);
    refused(&node, &client, garbage, "light.state_encoding").await;
    let surplus = |it: &Chain| {
        let (tip, did) = (it.tip().clone(), alice(it).id());
        let mut keys = vec![allod_primitives::keys::did_record(&did), b"other".to_vec()];
        keys.sort();
        read_proof(it, &tip, keys, None)
    };
    let bundle = surplus(&node.chain());
    let surplus = reading(move |it| *it = bundle.clone());
    refused(&node, &client, surplus, "light.key_surplus").await;
    let chain = node.chain();
    let bundle = read_proof(&chain, chain.tip(), vec![b"other".to_vec()], None);
    let missing = reading(move |it| *it = bundle.clone());
    refused(&node, &client, missing, "light.key_missing").await;
    let root = reading(|it| it.head.header.state_root.0[0] ^= 1);
    refused(&node, &client, root, "light.certificate_block").await;
    let earlier = chain.block(1).unwrap().state.clone();
    let state = reading(move |it| {
        it.state =
            parity_scale_codec::Encode::encode(&crate::fixture::tree::prove(&earlier, &it.keys));
    });
    refused(&node, &client, state, "light.state_proof").await;
}

#[tokio::test]
async fn too_few_signatures_or_forged_ones_certify_nothing() {
    let (time, node, client) = pair().await;
    tick(&time, &node);
    let power = reading(|it| it.head.certificate.signatures.truncate(2));
    refused(&node, &client, power, "light.certificate_power").await;
    tick(&time, &node);
    let forged = reading(|it| it.head.certificate.signatures[1].signature.0[3] ^= 1);
    refused(&node, &client, forged, "light.certificate_signature").await;
}

#[tokio::test]
async fn a_node_that_stands_still_is_refused_after_the_bound() {
    let (time, node, client) = pair().await;
    let did = alice(&node.chain());
    time.pass(9_000);
    client.resolve(&did, None).await.unwrap();
    time.pass(1);
    let stale = client.resolve(&did, None).await.unwrap_err();
    assert_eq!(stale.slug(), "light.head_stale");
    assert!(stale.is_unavailable());
    tick(&time, &node);
    client.resolve(&did, None).await.unwrap();
}

#[tokio::test]
async fn a_head_from_the_future_is_refused() {
    let (time, node, client) = pair().await;
    let did = alice(&node.chain());
    node.grow(|chain| chain.empty(TimeMs(time.now().0 + 10_001)));
    let ahead = client.resolve(&did, None).await.unwrap_err();
    assert_eq!(ahead.slug(), "light.head_ahead");
    time.pass(1);
    client.resolve(&did, None).await.unwrap();
    // A clock set back does not make old blocks new.
    time.go_back(9_000);
    client.resolve(&did, None).await.unwrap_err();
}

#[tokio::test]
async fn no_answer_is_older_than_one_given_before() {
    let (time, node, client) = pair().await;
    let did = alice(&node.chain());
    tick(&time, &node);
    client.resolve(&did, None).await.unwrap();
    let behind = lies(|it| it.behind = 1);
    refused(&node, &client, behind, "light.head_back").await;
    node.lie(lies(|it| it.behind = 1));
    let past = client.resolve_at(&did, Height(4)).await.unwrap_err();
    assert_eq!(past.slug(), "light.head_other");
}

#[tokio::test]
async fn at_least_as_fresh_as_a_write_is_checked_here() {
    let (_, node, client) = pair().await;
    let did = alice(&node.chain());
    client.resolve(&did, Some(Height(3))).await.unwrap();
    let honest = client.resolve(&did, Some(Height(4))).await.unwrap_err();
    assert_eq!(honest.slug(), "chain.behind");
    let ignore = |it: &mut Lies| it.behind = 0;
    node.lie(lies(ignore));
    let chain = node.chain();
    let keys = vec![allod_primitives::keys::did_record(&did.id())];
    let bundle = read_proof(&chain, chain.tip(), keys, None);
    let low = FakeNode::new("low", chain.clone());
    low.grow(|chain| chain.empty(TimeMs(chain.tip().header.digest.time.0 + 1)));
    low.lie(reading(move |it| *it = bundle.clone()));
    let time = Time::new();
    let client = open(config(&chain, &time), &[&low]).await.unwrap();
    let refused = client.resolve(&did, Some(Height(4))).await.unwrap_err();
    assert_eq!(refused.slug(), "light.head_too_low");
}

#[tokio::test]
async fn the_next_node_is_asked_and_the_first_is_put_aside_with_the_reason() {
    let time = Time::new();
    let (first, second) = (
        FakeNode::new("first", chain()),
        FakeNode::new("second", chain()),
    );
    let did = alice(&first.chain());
    let config = config(&first.chain(), &time);
    let client = open(config, &[&first, &second]).await.unwrap();
    first.lie(reading(|it| it.keys.push(vec![0xff])));
    client.resolve(&did, None).await.unwrap();
    let asides = client.status().asides;
    assert_eq!(asides.len(), 1);
    assert_eq!(asides[0].node, "first");
    assert!(asides[0].fault.is_lie(), "{:?}", asides[0]);
    let asked = first.calls("identity_resolve");
    client.resolve(&did, None).await.unwrap();
    assert_eq!(first.calls("identity_resolve"), asked, "it is asked last");
    // When nobody else answers it is asked again, and taken back when it is truthful.
    second.lie(lies(|it| it.silent = true));
    first.lie(Lies::default());
    client.resolve(&did, None).await.unwrap();
    assert_eq!(client.status().asides.len(), 1);
    // With all nodes gone everything is refused, with each one's reason.
    first.lie(lies(|it| it.silent = true));
    let gone = client.resolve(&did, None).await.unwrap_err();
    assert!(gone.to_string().contains("first: "), "{gone}");
    assert!(gone.to_string().contains("second: "), "{gone}");
}

/// Goal: a header that a stranger's validators certify is refused, whatever set it names.
#[tokio::test]
async fn another_networks_certificates_mean_nothing_here() {
    let (_, node, client) = pair().await;
    let mut other = Chain::new(TimeMs(1), State::new());
    other.sets[0] = vec![21, 22, 23, 24];
    other.change_set(TimeMs(2), &[21, 22, 23, 24]);
    other.empty(TimeMs(3));
    let header: CertifiedHeader = crate::fixture::node::certified(other.tip());
    let foreign = reading(move |it| it.head = header.clone());
    node.lie(foreign);
    let refused = client
        .resolve(&alice(&node.chain()), None)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, ReadError::Unanswered { .. }),
        "{refused:?}"
    );
}
