//! One version, one document: whatever way it is asked for, and whatever the node still keeps.

use std::collections::BTreeSet;

use allod_primitives::document::{DocumentPatch, Method, MethodKey, Relationships};
use allod_primitives::log::{LogEntry, LogHead};
use allod_primitives::operation::{Body, Lane, SignedOperation};
use allod_primitives::record::DidRecord;
use allod_primitives::{H256, Text, TimeMs, decode_strict};
use allod_rpc::NodeView as _;
use allod_rpc_api::document::date_time;
use allod_rpc_api::identity::ResolveResponse;
use allod_rpc_api::submit::{CALL_DID_BATCH, SubmitItem};
use allod_rpc_api::versions::{VersionAsked, verify};
use serde_json::{Value, json};

use crate::node::STEP_MS;
use crate::people::{Person, registrar, signed};
use crate::wire::Harness;

const DAY: u64 = 86_400_000;

/// Adds a method that is in force until `expires`.
fn timed(
    person: &Person,
    seq: u64,
    previous: H256,
    name: &str,
    expires: TimeMs,
) -> SignedOperation {
    let method = Method {
        fragment: Text::new(name).unwrap(),
        key: MethodKey::X25519([name.as_bytes()[0]; 32]),
        relationships: Relationships::KEY_AGREEMENT,
        expires: Some(expires),
    };
    let patch = DocumentPatch {
        add: vec![method].try_into().unwrap(),
        ..DocumentPatch::default()
    };
    person.operation(Lane::Documents, seq, previous, Body::UpdateDocument(patch))
}

/// An identity whose methods expire while versions with them are in force; two of its versions are
/// of one block, and one came about long before it was written down.
async fn lived(harness: &Harness) -> Person {
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let soon = |steps: u64| harness.node.time().plus_ms(steps * STEP_MS);
    let first = timed(&alice, 0, H256::ZERO, "a", soon(10));
    let outcome = harness.submit(json!([SubmitItem::operation(&first)])).await;
    assert_eq!(outcome[0]["status"], "finalized", "{outcome}");
    harness.node.jump(20 * STEP_MS);
    let second = timed(&alice, 1, first.operation.hash(), "b", soon(5));
    let third = timed(&alice, 2, second.operation.hash(), "c", soon(30));
    let batch = vec![second, third];
    let genesis = harness.node.genesis();
    let body = signed(&registrar(), genesis, 0, CALL_DID_BATCH, &batch);
    let outcome = harness.submit(json!([SubmitItem::extrinsic(&body)])).await;
    assert_eq!(outcome[0]["status"], "finalized", "{outcome}");
    assert_eq!(outcome[0]["itemErrors"], Value::Null);
    harness.node.jump(50 * STEP_MS);
    let proposal = alice.propose(7, 1, alice.inception().operation.hash());
    let items = json!([SubmitItem::operation(&proposal)]);
    assert_eq!(harness.submit(items).await[0]["status"], "finalized");
    harness.node.jump(100 * DAY);
    harness.node.produce(1);
    alice
}

fn log(harness: &Harness, alice: &Person) -> Vec<LogEntry> {
    harness.node.log_entries(&alice.did().id(), 0, 99).unwrap()
}

/// Every version by its id, and every moment at which something changed, and those beside it.
fn questions(harness: &Harness, alice: &Person, records: &[DidRecord]) -> Vec<(String, String)> {
    let entries = log(harness, alice);
    let ids = entries.iter().scan(LogHead::default(), |head, entry| {
        *head = head.append(entry);
        Some(format!("{}-{}", head.count, hex::encode(head.head.0)))
    });
    let mut asked: Vec<_> = ids.map(|id| ("versionId".to_owned(), id)).collect();
    let expiries = records.iter().flat_map(|record| {
        let methods = record.document.methods.iter();
        methods.filter_map(|it| it.method.expires)
    });
    let updates = records.iter().map(|record| record.updated);
    let written = entries.iter().map(|entry| entry.time);
    let created = entries[0].time;
    let newest = harness.node.time();
    let moments: BTreeSet<TimeMs> = expiries
        .chain(updates)
        .chain(written)
        .flat_map(|it| [it.0 - 1000, it.0, it.0 + 1000].map(TimeMs))
        .chain([newest])
        .filter(|it| *it >= created && *it <= newest)
        .collect();
    asked.extend(
        moments
            .into_iter()
            .map(|it| ("versionTime".to_owned(), date_time(it))),
    );
    asked
}

async fn by_http(harness: &Harness, alice: &Person, name: &str, value: &str) -> (Value, Value) {
    let path = format!("/1.0/identifiers/{}?{name}={value}", alice.did());
    let accept = "accept: application/did-resolution\r\n";
    let (status, body) = harness.http("GET", &path, accept, "").await;
    assert_eq!(status, 200, "{name}={value}: {body}");
    let mut body: Value = serde_json::from_str(&body).unwrap();
    (
        body["didDocument"].take(),
        body["didDocumentMetadata"].take(),
    )
}

async fn by_rpc(harness: &Harness, alice: &Person, name: &str, value: &str) -> ResolveResponse {
    let mut params = json!({"did": alice.did().to_string()});
    params[name] = json!(value);
    let answer = harness.call("identity_resolve", params).await;
    serde_json::from_value(answer.unwrap_or_else(|error| panic!("{name}={value}: {error}")))
        .unwrap()
}

/// Returns document and metadata as the binding writes them.
fn shown(answer: &ResolveResponse) -> (Value, Value) {
    let mut metadata = serde_json::to_value(&answer.did_document_metadata).unwrap();
    let record: DidRecord = decode_strict(&answer.record.0).unwrap();
    if record.log.count == 1 && metadata["updated"] == metadata["created"] {
        metadata.as_object_mut().unwrap().remove("updated");
    }
    (
        serde_json::to_value(&answer.did_document).unwrap(),
        metadata,
    )
}

#[tokio::test]
async fn every_version_is_the_same_kept_rebuilt_over_rpc_and_proven() {
    let harness = Harness::start().await;
    let alice = lived(&harness).await;
    let newest: ResolveResponse = {
        let answer = harness.call("identity_resolve", json!([alice.did().to_string()]));
        serde_json::from_value(answer.await.unwrap()).unwrap()
    };
    let head = decode_strict::<DidRecord>(&newest.record.0).unwrap().log;
    assert_eq!(head.count, 6);
    let mut records = Vec::new();
    for entry in log(&harness, &alice) {
        let at = harness.node.hash_of(entry.height).unwrap();
        let key = allod_primitives::keys::did_record(&alice.did().id());
        let record = harness.node.storage_at(&at, &key).unwrap().unwrap();
        records.push(decode_strict(&record).unwrap());
    }
    let asked = questions(&harness, &alice, &records);
    let mut kept = Vec::new();
    for (name, value) in &asked {
        kept.push(by_http(&harness, &alice, name, value).await);
    }
    // From here on every older version is rebuilt from the log.
    harness.node.prune_below(newest.height);
    for ((name, value), kept) in asked.iter().zip(&kept) {
        let rebuilt = by_http(&harness, &alice, name, value).await;
        assert_eq!(*kept, rebuilt, "{name}={value}");
        let answer = by_rpc(&harness, &alice, name, value).await;
        assert_eq!(*kept, shown(&answer), "{name}={value}");
        let version = match name.as_str() {
            "versionId" => VersionAsked::of_id(value),
            _ => VersionAsked::of_time(value),
        };
        let (version, now) = (version.unwrap(), TimeMs(answer.time));
        let chain = answer.version.as_ref().unwrap();
        let proven = verify(&answer.record.0, chain, &[], &head, now, &version).unwrap();
        let worked_out = proven.answer(&alice.did(), (answer.height, answer.block_hash.0, now));
        assert_eq!(*kept, shown(&worked_out), "{name}={value}");
    }
    // A version is shown as it was when it came about: with the methods that ran out while it was
    // in force, and without those that had before.
    let agreement: Vec<usize> = (0..6)
        .map(|n| kept[n].0["keyAgreement"].as_array().map_or(0, Vec::len))
        .collect();
    assert_eq!(agreement, [0, 1, 1, 2, 0, 0]);
}

#[tokio::test]
async fn the_second_of_the_newest_block_is_known_and_the_one_after_it_is_not() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    harness.node.jump(300);
    let newest = harness.node.time();
    assert_eq!(newest.0 % 1000, 300);
    let did = alice.did().to_string();
    let now = harness
        .call("identity_resolve", json!([did]))
        .await
        .unwrap();
    let second = date_time(newest);
    let precise = second.replace('Z', ".999Z");
    for moment in [&second, &precise] {
        let answer = by_rpc(&harness, &alice, "versionTime", moment).await;
        assert_eq!(json!(answer.did_document), now["didDocument"], "{moment}");
        let asked = VersionAsked::of_time(moment).unwrap();
        let head = decode_strict::<DidRecord>(&answer.record.0).unwrap().log;
        let chain = answer.version.as_ref().unwrap();
        let time = TimeMs(answer.time);
        assert!(verify(&answer.record.0, chain, &[], &head, time, &asked).is_ok());
    }
    let document = by_http(&harness, &alice, "versionTime", &second).await.0;
    assert_eq!(document, now["didDocument"]);
    let later = date_time(newest.plus_ms(1000));
    let request = json!({"did": did, "versionTime": later});
    let refused = harness.refused("identity_resolve", request).await;
    assert_eq!(refused, (2051, "did.version_not_found".to_owned()));
    let path = format!("/1.0/identifiers/{did}?versionTime={later}");
    let accept = "accept: application/did-resolution\r\n";
    let (status, body) = harness.http("GET", &path, accept, "").await;
    assert_eq!(
        (status, body.contains("INVALID_OPTIONS")),
        (400, true),
        "{body}"
    );
}

#[tokio::test]
async fn a_version_is_looked_for_in_the_log_alone_and_blocks_are_read_once() {
    let harness = Harness::start().await;
    let alice = lived(&harness).await;
    for (name, value) in questions(&harness, &alice, &[]) {
        let before = harness.node.blocks_read();
        by_http(&harness, &alice, &name, &value).await;
        let kept = harness.node.blocks_read();
        by_rpc(&harness, &alice, &name, &value).await;
        // Of two versions of one block the first has no state of its own.
        assert!(kept - before <= 1, "{name}={value}");
        assert_eq!(harness.node.blocks_read() - kept, 1, "one page of the log");
    }
}
