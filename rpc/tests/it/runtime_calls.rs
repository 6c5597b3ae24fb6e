//! The typed runtime calls: they say what the reads say, and what a client works out from a proof.

use std::collections::BTreeSet;

use allod_primitives::calls::{
    AccessQuestion, AccessVerdict, EffectiveIdentity, GrantInfo, GrantStanding, Reason,
    TokenStanding,
};
use allod_primitives::control::effective;
use allod_primitives::document::{Document, MethodKey, Relationships};
use allod_primitives::grant::{Actions, Assignee, GrantAction, GrantEntry, SignedGrant};
use allod_primitives::light::ReadProof;
use allod_primitives::record::DidRecord;
use allod_primitives::token::{RevocationEntry, TokenId};
use allod_primitives::{BoundedVec, DidId, H256, Text, TimeMs, decode_strict};
use allod_rpc::{NodeView, ServerConfig};
use allod_rpc_api::answers::{self, CALLS, ProvenView};
use allod_rpc_api::document::{DidDocument, multibase};
use allod_rpc_api::hex_bytes::{from_hex, to_hex};
use allod_rpc_api::submit::{CALL_GRANT_ANCHOR, SubmitItem};
use allod_runtime::frame::metadata::function_names;
use parity_scale_codec::{Decode, Encode};
use serde_json::{Value, json};

use crate::node::START;
use crate::people::{AUDIENCE, Person, grant_message, registrar, signed};
use crate::reads::trust;
use crate::wire::Harness;

const RESOURCE: &str = "https://data.example/alice/photos";

/// Calls a function at a block, and decodes what it returns.
async fn call<T: Decode>(harness: &Harness, name: &str, data: impl Encode, at: H256) -> T {
    let params = json!([name, to_hex(&data.encode()), at.to_string()]);
    let answer = harness.call("state_call", params).await.unwrap();
    decode_strict(&from_hex(answer.as_str().unwrap()).unwrap()).unwrap()
}

/// Calls a function over the state that a proof has shown.
fn call_proven<T: Decode>(view: &ProvenView<'_>, name: &str, data: impl Encode) -> T {
    let answer = answers::call(view, name, &data.encode()).unwrap();
    decode_strict(&answer.unwrap()).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    from_hex(value.as_str().unwrap()).unwrap()
}

async fn submit(harness: &Harness, item: SubmitItem) {
    let outcome = harness.submit(json!([item])).await;
    assert_eq!(outcome[0]["status"], "finalized", "{outcome}");
}

/// Holds every call about an identity at a block against `identity_resolve` there, and against
/// the same call over the proof of that.
async fn compare_identity(harness: &Harness, alice: &Person, at: H256) -> EffectiveIdentity {
    let did = alice.did();
    let header = harness.node.header(&at).unwrap();
    let asked = json!({ "did": did.to_string(), "at": header.number.0, "proof": true });
    let resolved = harness.call("identity_resolve", asked).await.unwrap();
    let mut trust = trust(harness).await;
    let proof = ReadProof::from_bytes(&bytes(&resolved["proof"])).unwrap();
    let read = trust.verify_read(&proof).unwrap();
    let light = ProvenView::new(&read);

    let record: Option<DidRecord> = call(harness, "IdentityApi_record", did.id(), at).await;
    let record = record.unwrap();
    assert_eq!(resolved["record"], to_hex(&record.encode()));
    let proven: Option<DidRecord> = call_proven(&light, "IdentityApi_record", did.id());
    assert_eq!(proven.as_ref(), Some(&record));

    let time = header.digest.time;
    let name = "IdentityApi_effective";
    let found: Option<EffectiveIdentity> = call(harness, name, did.id(), at).await;
    let found = found.unwrap();
    let kernel = effective(&record, time);
    assert_eq!(
        (&found.record, &found.retired),
        (&kernel.record, &kernel.retired)
    );
    assert_eq!(resolved["notBefore"], found.record.not_before.0);
    assert_eq!(resolved["retiredCount"], found.record.retired_count);
    let proven: Option<EffectiveIdentity> = call_proven(&light, name, did.id());
    assert_eq!(proven.as_ref(), Some(&found));

    let name = "IdentityApi_document";
    let document: Option<Document> = call(harness, name, did.id(), at).await;
    let shown = document.as_ref().map(|it| DidDocument::new(&did, it, time));
    assert_eq!(
        resolved["didDocument"],
        serde_json::to_value(&shown).unwrap()
    );
    let proven: Option<Document> = call_proven(&light, name, did.id());
    assert_eq!(proven, document);

    for (fragment, needed) in [
        ("k1", Relationships::AUTHENTICATION),
        ("k2", Relationships::ASSERTION_METHOD),
        ("k1", Relationships::KEY_AGREEMENT),
    ] {
        let name = "IdentityApi_resolve_key";
        let asked = (did.id(), fragment, needed);
        let key: Result<MethodKey, Reason> = call(harness, name, asked, at).await;
        let listed = resolved["didDocument"]["verificationMethod"].as_array();
        let listed = listed.into_iter().flatten().find(|it| {
            let id = it["id"].as_str().unwrap();
            id.ends_with(&format!("#{fragment}")) && needed != Relationships::KEY_AGREEMENT
        });
        let told = key.as_ref().ok().map(|key| json!(multibase(key)));
        assert_eq!(listed.map(|it| it["publicKeyMultibase"].clone()), told);
        let is_known = ["k1", "k2"].contains(&fragment) && found.record.retired_count > 0;
        if is_known || key.is_ok() {
            let proven: Result<MethodKey, Reason> = call_proven(&light, name, asked);
            assert_eq!(proven, key);
        }
    }
    found
}

/// Goal: one code path. Method: an identity that changes, at every block of its life, among them
/// one whose time has brought about what is not written down.
#[tokio::test]
async fn identities_are_called_as_they_are_read_and_proven() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    let none: Option<DidRecord> = call(
        &harness,
        "IdentityApi_record",
        alice.did().id(),
        harness.node.head().hash,
    )
    .await;
    assert_eq!(none, None);
    harness.incept(&alice).await;
    let first = harness.node.head().hash;
    submit(
        &harness,
        SubmitItem::operation(&alice.replace_method(1, H256::ZERO)),
    )
    .await;
    let second = harness.node.head().hash;
    let before = compare_identity(&harness, &alice, first).await;
    let after = compare_identity(&harness, &alice, second).await;
    assert_eq!(
        (before.record.retired_count, after.record.retired_count),
        (0, 1)
    );
    let reason = |at| {
        let asked = (alice.did().id(), "k1", Relationships::AUTHENTICATION);
        call::<Result<MethodKey, Reason>>(&harness, "IdentityApi_resolve_key", asked, at)
    };
    assert!(reason(first).await.is_ok());
    assert_eq!(reason(second).await.unwrap_err().as_str(), "key_retired");
    let now = START.seconds() + 1;
    let login = json!({ "jws": alice.jws(1, now, "n-1"), "audience": AUDIENCE, "nonce": "n-1" });
    let denied = harness.call("identity_verifyLogin", login).await.unwrap();
    assert_eq!(denied["reason"], "key_retired");

    let proposal = alice.propose(7, 1, alice.inception().operation.hash());
    submit(&harness, SubmitItem::operation(&proposal)).await;
    let delay = allod_primitives::limits::CONTROL_DELAY_MS_DEFAULT;
    let waiting = compare_identity(&harness, &alice, harness.node.head().hash).await;
    assert_eq!(waiting.record.pending.len(), 1);
    harness.node.jump(delay);
    harness.node.produce(1);
    let written = compare_identity(&harness, &alice, harness.node.head().hash).await;
    assert!(written.record.pending.is_empty());
    assert_ne!(written.record.policy, waiting.record.policy);
}

/// What is not written down yet: shown to nobody who asks for a proof, as no validator has
/// certified the block that the test shows.
#[tokio::test]
async fn an_effect_that_nobody_has_written_down_counts() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let proposal = alice.propose(7, 1, alice.inception().operation.hash());
    submit(&harness, SubmitItem::operation(&proposal)).await;
    harness
        .node
        .show_later(allod_primitives::limits::CONTROL_DELAY_MS_DEFAULT);
    let at = harness.node.head().hash;
    let id = alice.did().id();
    let record: Option<DidRecord> = call(&harness, "IdentityApi_record", id, at).await;
    let name = "IdentityApi_effective";
    let found: Option<EffectiveIdentity> = call(&harness, name, id, at).await;
    let (record, found) = (record.unwrap(), found.unwrap());
    assert_eq!((record.pending.len(), found.record.pending.len()), (1, 0));
    let time = harness.node.head().time();
    assert_eq!(found.record, effective(&record, time).record);
}

#[tokio::test]
async fn tokens_are_called_as_they_are_read() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let now = START.seconds() + 1;
    let before = harness.node.head().hash;
    submit(&harness, SubmitItem::token(&alice.revoke_token(now))).await;
    let after = harness.node.head().hash;
    let (id, token) = (alice.did().id(), TokenId::from_jti("j-1"));
    for (at, is_revoked) in [(before, false), (after, true)] {
        let height = harness.node.header(&at).unwrap().number.0;
        let jws = alice.jws(1, now, "n-1");
        let asked = json!({ "jws": jws, "at": height });
        let read = harness.call("revocation_check", asked).await.unwrap();
        let asked = (id, now + 60, token);
        let standing: TokenStanding = call(&harness, "RevocationApi_token", asked, at).await;
        assert_eq!(read["revoked"], is_revoked);
        assert_eq!(standing.entry.is_some(), is_revoked);
        assert_eq!(read["notBefore"], standing.not_before.unwrap().0);
        let entry: Option<RevocationEntry> =
            call(&harness, "RevocationApi_entry", standing.tag, at).await;
        assert_eq!(entry, standing.entry);
        if is_revoked {
            assert_eq!(read["tag"], standing.tag.to_string());
            assert_eq!(read["revokedAt"], entry.unwrap().revoked_at.0);
        }
    }
    let asked = (DidId([9; 32]), 7u64, token);
    let unknown: TokenStanding = call(&harness, "RevocationApi_token", asked, after).await;
    assert_eq!((unknown.entry, unknown.not_before), (None, None));
}

fn question(alice: &Person, bob: &Person, grants: Vec<SignedGrant>, now: TimeMs) -> AccessQuestion {
    AccessQuestion {
        subject: Assignee::Did(bob.did()),
        action: Actions::READ,
        resource: Text::new(RESOURCE).unwrap(),
        owner: alice.did(),
        client: None,
        purpose: None,
        media_type: None,
        grants: grants.try_into().unwrap(),
        now,
        max_staleness_ms: None,
    }
}

/// Goal: grants and accesses at blocks before, between and after anchoring and revocation are
/// judged as `grant_check` and `access_evaluate` judge them there, and as a proof shows them.
#[tokio::test]
async fn accesses_are_judged_as_they_are_read_and_proven() {
    let harness = Harness::start().await;
    let (alice, bob) = (harness.person(1), harness.person(2));
    harness.incept(&alice).await;
    harness.incept(&bob).await;
    let mut blocks = vec![harness.node.head().hash];
    let grant = alice.grant(bob.did(), "https://data.example/alice/");
    let action = GrantAction::Anchor {
        grant_key: grant.grant_key,
        expiry_day: grant.expiry_day,
    };
    let items = vec![grant_message(&alice.chain, &grant, action)];
    let body = signed(
        &registrar(),
        harness.node.genesis(),
        0,
        CALL_GRANT_ANCHOR,
        &items,
    );
    submit(&harness, SubmitItem::extrinsic(&body)).await;
    blocks.push(harness.node.head().hash);
    let message = grant_message(&alice.chain, &grant, GrantAction::Revoke);
    submit(&harness, SubmitItem::grant_revoke(&message)).await;
    blocks.push(harness.node.head().hash);

    let gid = grant.gid(&harness.node.genesis());
    let mut reasons = Vec::new();
    for at in blocks {
        let header = harness.node.header(&at).unwrap();
        let (height, seconds) = (header.number.0, header.digest.time.seconds());
        let info: GrantInfo = call(&harness, "AccessApi_grant", gid, at).await;
        let asked = json!({ "gid": gid.to_string(), "at": height });
        let read = harness.call("grant_check", asked).await.unwrap();
        let status = match info.standing {
            GrantStanding::Absent => "absent",
            GrantStanding::Active => "active",
            GrantStanding::Revoked => "revoked",
            GrantStanding::Expired => "expired",
        };
        assert_eq!(read["status"], status);
        let day = info.entry.map(|it: GrantEntry| it.expiry_day);
        assert_eq!(read["expiryDay"], json!(day));

        let asked = question(&alice, &bob, vec![grant.clone()], header.digest.time);
        let verdict: AccessVerdict = call(&harness, "AccessApi_evaluate", &asked, at).await;
        let request = json!({
            "subject": bob.did().to_string(), "action": "read", "resource": RESOURCE,
            "owner": alice.did().to_string(), "grants": [to_hex(&grant.encode())],
            "at": height, "time": seconds, "proof": true,
        });
        let read = harness.call("access_evaluate", request).await.unwrap();
        assert_eq!(
            read["decision"],
            if verdict.is_allowed { "allow" } else { "deny" }
        );
        assert_eq!(read["reason"], verdict.reason.as_str());
        assert_eq!(read["expires"], json!(verdict.expires));
        assert_eq!(read["gids"], json!([verdict.gids[0].to_string()]));
        assert_eq!(
            (read["height"].clone(), read["time"].clone()),
            (json!(verdict.height.0), json!(verdict.time.0))
        );
        let mut trust = trust(&harness).await;
        let proof = ReadProof::from_bytes(&bytes(&read["proof"])).unwrap();
        let shown = trust.verify_read(&proof).unwrap();
        let light = ProvenView::new(&shown);
        assert_eq!(
            call_proven::<AccessVerdict>(&light, "AccessApi_evaluate", &asked),
            verdict
        );
        reasons.push(verdict.reason.to_string());

        let late = AccessQuestion {
            now: header.digest.time.plus_ms(11_000),
            ..asked
        };
        let verdict: AccessVerdict = call(&harness, "AccessApi_evaluate", &late, at).await;
        assert_eq!(verdict.reason.as_str(), "stale_state");
    }
    assert_eq!(reasons, ["grant_not_found", "ok", "grant_revoked"]);
}

#[tokio::test]
async fn what_is_no_function_or_no_argument_is_named() {
    let config = ServerConfig {
        is_archive: true,
        ..ServerConfig::default()
    };
    let harness = Harness::with(config).await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let id = to_hex(&alice.did().id().encode());
    let undecodable = (1005, "request.undecodable".to_owned());
    for data in [format!("{id}00"), id[..64].to_owned(), "0x".to_owned()] {
        let asked = json!(["IdentityApi_record", data]);
        assert_eq!(harness.refused("state_call", asked).await, undecodable);
    }
    let asked = json!(["Core_version", "0x00"]);
    assert_eq!(harness.refused("state_call", asked).await, undecodable);
    let unknown = (7004, "chain.unknown_runtime_call".to_owned());
    for name in ["IdentityApi_other", "IdentityApi", "identityapi_record", ""] {
        let asked = json!([name, id]);
        assert_eq!(harness.refused("state_call", asked).await, unknown);
    }
    let alices = question(&alice, &alice, Vec::new(), START);
    let grant = alice.grant(alice.did(), RESOURCE);
    // Nine grants, where eight are the most: the ninth is no mistake of the length's encoding.
    let (head, tail) = (
        alices.encode(),
        (Option::<u64>::None, Option::<u64>::None).encode(),
    );
    let prefix = &head[..head.len() - tail.len() - 1];
    let nine: BoundedVec<SignedGrant, 9> = vec![grant; 9].try_into().unwrap();
    let data = to_hex(&[prefix, &nine.encode(), &tail].concat());
    let refused = harness
        .refused("state_call", json!(["AccessApi_evaluate", data]))
        .await;
    assert_eq!(refused, undecodable);

    let head = harness.node.head().hash.to_string();
    let none = H256([7; 32]).to_string();
    let refused = harness
        .refused("state_call", json!(["IdentityApi_record", id, none]))
        .await;
    assert_eq!(refused, (7001, "chain.block_not_found".to_owned()));
    let asked = json!([head, "IdentityApi_record", format!("{id}00")]);
    let failed = harness.call("archive_v1_call", asked).await.unwrap();
    assert_eq!(failed["success"], false);
    assert!(
        failed["error"]
            .as_str()
            .unwrap()
            .contains("request.undecodable"),
        "{failed}"
    );
    let asked = json!([head, "IdentityApi_record", id]);
    let done = harness.call("archive_v1_call", asked).await.unwrap();
    assert_eq!(done["success"], true);
    harness.node.produce(1);
    harness.node.prune_below(2);
    let refused = harness
        .refused("state_call", json!(["IdentityApi_record", id, head]))
        .await;
    assert_eq!(refused, (7002, "chain.state_unavailable".to_owned()));
}

/// Goal: the metadata lists what is answered. Method: every function listed is called; who does
/// not know it says so.
#[tokio::test]
async fn every_function_that_the_metadata_lists_is_answered() {
    let harness = Harness::start().await;
    let listed = function_names();
    let mut unknown = Vec::new();
    for name in &listed {
        let answer = harness.call("state_call", json!([name, "0x"])).await;
        if answer.is_err_and(|error| error["code"] == 7004) {
            unknown.push(name.as_str());
        }
    }
    // Listed for its type alone: spec/runtime.md §6.
    assert_eq!(unknown, ["BlockBuilder_apply_extrinsic"]);
    let listed: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
    let ours = ["IdentityApi_", "RevocationApi_", "AccessApi_"];
    let is_ours = |name: &&&str| ours.iter().any(|api| name.starts_with(api));
    let typed: BTreeSet<&str> = listed.iter().filter(is_ours).copied().collect();
    assert_eq!(typed, CALLS.into_iter().collect());
}
