//! `identity_resolve` with `versionId` and `versionTime`.

use allod_primitives::log::LogHead;
use allod_primitives::record::DidRecord;
use allod_primitives::{H256, TimeMs, decode_strict};
use allod_rpc_api::identity::ResolveResponse;
use allod_rpc_api::submit::SubmitItem;
use allod_rpc_api::versions::{VersionAsked, VersionError, verify};
use parity_scale_codec::Encode;
use serde_json::{Value, json};

use crate::people::Person;
use crate::wire::Harness;

const DAY: u64 = 86_400_000;

/// An identity that replaced its method three times and whose proposed rotation took effect, on a
/// node that keeps the state of its newest block alone.
async fn lived(harness: &Harness) -> Person {
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let mut previous = H256::ZERO;
    for n in 1..=3 {
        let update = alice.replace_method(n, previous);
        previous = update.operation.hash();
        let items = json!([SubmitItem::operation(&update)]);
        assert_eq!(harness.submit(items).await[0]["status"], "finalized");
    }
    let proposal = alice.propose(7, 1, alice.inception().operation.hash());
    let items = json!([SubmitItem::operation(&proposal)]);
    assert_eq!(harness.submit(items).await[0]["status"], "finalized");
    harness.node.jump(100 * DAY);
    harness.node.produce(1);
    let newest = resolve(harness, &alice, json!({})).await;
    harness.node.prune_below(newest.height);
    alice
}

fn params(alice: &Person, version: Value) -> Value {
    let mut params = version;
    params["did"] = json!(alice.did().to_string());
    params
}

async fn resolve(harness: &Harness, alice: &Person, version: Value) -> ResolveResponse {
    let answer = harness.call("identity_resolve", params(alice, version));
    serde_json::from_value(answer.await.unwrap()).unwrap()
}

fn stored(answer: &ResolveResponse) -> DidRecord {
    decode_strict(&answer.record.0).unwrap()
}

/// Checks an answer against the head of the newest record, as a client does that has that proven.
fn proven(alice: &Person, answer: &ResolveResponse, head: &LogHead, asked: &VersionAsked) {
    let chain = answer.version.as_ref().unwrap();
    let now = TimeMs(answer.time);
    let version = verify(&answer.record.0, chain, &[], head, now, asked).unwrap();
    let metadata = &answer.did_document_metadata;
    assert_eq!(version.record().not_before.0, answer.not_before);
    assert_eq!(version.next().is_some(), metadata.next_version_id.is_some());
    // What a client works out is what an honest node says, but for what it cannot prove.
    let at = (answer.height, answer.block_hash.0, now);
    let worked_out = version.answer(&alice.did(), at);
    let mut honest = answer.clone();
    honest.retired.clear();
    let shown = honest.version.as_mut().unwrap();
    shown.entries.truncate(2);
    assert_eq!(worked_out, honest);
}

#[tokio::test]
async fn every_version_is_rebuilt_and_proven_without_a_state_of_its_time() {
    let harness = Harness::start().await;
    let alice = lived(&harness).await;
    let newest = resolve(&harness, &alice, json!({})).await;
    let head = stored(&newest).log;
    assert_eq!((head.count, newest.version.as_ref()), (6, None));
    let created = newest.did_document_metadata.created.clone();
    let mut answer = resolve(&harness, &alice, json!({ "versionTime": created })).await;
    let asked = VersionAsked::of_time(&created).unwrap();
    proven(&alice, &answer, &head, &asked);
    let mut methods = Vec::new();
    let mut seen = 1;
    while let Some(id) = answer.did_document_metadata.next_version_id.clone() {
        let document = answer.did_document.unwrap();
        methods.push(
            document.authentication[0]
                .rsplit_once('k')
                .unwrap()
                .1
                .to_owned(),
        );
        answer = resolve(&harness, &alice, json!({ "versionId": id })).await;
        assert_eq!(answer.did_document_metadata.version_id, id);
        proven(&alice, &answer, &head, &VersionAsked::of_id(&id).unwrap());
        seen += 1;
    }
    assert_eq!(
        (seen, methods),
        (6, ["1", "2", "3", "4", "4"].map(String::from).to_vec())
    );
    assert_eq!(stored(&answer), stored(&newest));
    assert_eq!(answer.retired_count, 3);
    assert_eq!(answer.retired.len(), 3);
}

#[tokio::test]
async fn a_version_by_time_sees_what_time_has_brought_about() {
    let harness = Harness::start().await;
    let alice = lived(&harness).await;
    let newest = resolve(&harness, &alice, json!({})).await;
    let head = stored(&newest).log;
    // The rotation took effect long before the block that wrote it down.
    let effective = stored(&newest).updated;
    let written = TimeMs(newest.time);
    assert!(effective.0 + DAY < written.0);
    let moment = |ms: u64| {
        let text = allod_rpc_api::document::date_time(TimeMs(ms));
        json!({ "versionTime": text })
    };
    let before = resolve(&harness, &alice, moment(effective.0 - DAY)).await;
    let after = resolve(&harness, &alice, moment(effective.0 + DAY)).await;
    assert_eq!((before.pending.len(), after.pending.len()), (1, 0));
    assert_eq!(
        before.record, after.record,
        "the same version, at two times"
    );
    assert_ne!(before.policy, after.policy);
    assert_eq!(after.policy, newest.policy);
    for (answer, ms) in [(&before, effective.0 - DAY), (&after, effective.0 + DAY)] {
        let text = allod_rpc_api::document::date_time(TimeMs(ms));
        proven(
            &alice,
            answer,
            &head,
            &VersionAsked::of_time(&text).unwrap(),
        );
    }
}

#[tokio::test]
async fn versions_that_there_are_not_are_named() {
    let harness = Harness::start().await;
    let alice = lived(&harness).await;
    let none = format!("2-{}", "00".repeat(32));
    let beyond = format!("9-{}", "00".repeat(32));
    let not_found = (2051, "did.version_not_found");
    let invalid = (1001, "request.invalid_params");
    for (version, expected) in [
        (json!({ "versionId": none }), not_found),
        (json!({ "versionId": beyond }), not_found),
        (json!({ "versionTime": "2020-01-01T00:00:00Z" }), not_found),
        (json!({ "versionTime": "2090-01-01T00:00:00Z" }), not_found),
        (
            json!({ "versionTime": "2024-10-04T00:00:00+00:00" }),
            invalid,
        ),
        (json!({ "versionTime": "yesterday" }), invalid),
        (json!({ "versionId": "1" }), invalid),
        (
            json!({ "versionId": none, "versionTime": "2025-01-01T00:00:00Z" }),
            invalid,
        ),
    ] {
        let refused = harness.refused("identity_resolve", params(&alice, version.clone()));
        let (code, slug) = expected;
        assert_eq!(refused.await, (code, slug.to_owned()), "{version}");
    }
}

#[tokio::test]
async fn a_version_with_one_lie_is_not_proven() {
    let harness = Harness::start().await;
    let alice = lived(&harness).await;
    let newest = resolve(&harness, &alice, json!({})).await;
    let head = stored(&newest).log;
    let created = newest.did_document_metadata.created.clone();
    let asked = VersionAsked::of_time(&created).unwrap();
    let honest = resolve(&harness, &alice, json!({ "versionTime": created })).await;
    let id = honest
        .did_document_metadata
        .next_version_id
        .clone()
        .unwrap();
    let second = resolve(&harness, &alice, json!({ "versionId": id })).await;
    let judge = |answer: &ResolveResponse, head: &LogHead| {
        let chain = answer.version.as_ref().unwrap();
        verify(
            &answer.record.0,
            chain,
            &[],
            head,
            TimeMs(answer.time),
            &asked,
        )
        .unwrap_err()
    };
    let lie = |change: &dyn Fn(&mut ResolveResponse)| {
        let mut answer = honest.clone();
        change(&mut answer);
        judge(&answer, &head)
    };
    let entry = |answer: &mut ResolveResponse, n: usize, byte: usize| {
        answer.version.as_mut().unwrap().entries[n].0[byte] ^= 1;
    };
    assert_eq!(lie(&|it| it.record.0.push(0)), VersionError::Form);
    assert_eq!(
        lie(&|it| it.version.as_mut().unwrap().n = 1),
        VersionError::Form
    );
    let cut = |it: &mut ResolveResponse| drop(it.version.as_mut().unwrap().entries.pop());
    assert_eq!(lie(&cut), VersionError::Form);
    // Height and time are the last 16 bytes of an entry.
    assert_eq!(lie(&|it| entry(it, 1, 112)), VersionError::Order);
    assert_eq!(
        lie(&|it| it.record = second.record.clone()),
        VersionError::RecordHash
    );
    assert_eq!(lie(&|it| entry(it, 0, 73)), VersionError::RecordHash);
    assert_eq!(lie(&|it| entry(it, 3, 9)), VersionError::OtherHead);
    let other = H256([1; 32]);
    let before =
        |it: &mut ResolveResponse| it.version.as_mut().unwrap().previous_head = other.into();
    assert_eq!(lie(&before), VersionError::OtherHead);
    let log = |it: &mut ResolveResponse| {
        let mut record = stored(it);
        record.log.head = other;
        it.record = record.encode().into();
    };
    assert_eq!(lie(&log), VersionError::OtherHead);
    assert_eq!(judge(&second, &head), VersionError::OtherVersion);
    let earlier = LogHead { count: 5, ..head };
    assert_eq!(judge(&honest, &earlier), VersionError::Form);
}
