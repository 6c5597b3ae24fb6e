//! Whole commands, and commands cut short.

use std::fs;

use allod_identity_client::jwt::Unverified;
use allod_primitives::operation::SignedOperation;
use allod_primitives::{decode_strict, policy::ControlKey};
use allod_rpc_api::ErrorCode;
use allod_rpc_api::submit::ItemKind;
use serde_json::{Value, json};

use crate::ledger::{Fault, Ledger};
use crate::process::User;

async fn start() -> (Ledger, User) {
    let ledger = Ledger::start().await;
    let user = User::new(&ledger.url);
    (ledger, user)
}

fn operation(ledger: &Ledger, index: usize) -> SignedOperation {
    decode_strict(&ledger.submitted()[index].data.0).unwrap()
}

/// Returns whether the identity file of `alias` can sign for what the ledger says controls it.
async fn controls(user: &User, ledger: &Ledger, alias: &str, did: &str) -> bool {
    let shown = user.json(&["key", "show", alias]).await;
    let public = shown["control"][0]["public"].as_str().unwrap().to_owned();
    let public = allod_identity_client::hex::decode_array(&public).unwrap();
    let key = ControlKey::Ed25519(allod_primitives::PublicKey(public));
    ledger.record(did).policy.ranks[0].weight_of(&key) == 1
}

#[tokio::test(flavor = "multi_thread")]
async fn create_prints_the_did_and_rotate_the_new_method() {
    let (ledger, user) = start().await;
    let did = user.ok(&["did", "create", "alice"]).await;
    assert!(did.starts_with("did:allod:"));
    assert_eq!(ledger.submitted()[0].kind, ItemKind::Inception);
    let rotated = user.json(&["did", "rotate", "alice"]).await;
    assert_eq!(rotated["method"], "key-2");
    assert_eq!(rotated["retired"], json!(["key-1"]));
    assert_eq!(
        (&rotated["final"], &rotated["height"]),
        (&json!(true), &json!(12))
    );
    assert!(controls(&user, &ledger, "alice", &did).await);
    assert_eq!(
        user.ok(&["did", "rotate", "alice"]).await,
        format!("{did}#key-3")
    );
    assert!(controls(&user, &ledger, "alice", &did).await);
    let again = user.run(&["did", "create", "alice"]).await;
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("already exists"), "{again:?}");
    let document: Value =
        serde_json::from_str(&user.ok(&["did", "resolve", "alice"]).await).unwrap();
    assert_eq!(document["authentication"], json!([format!("{did}#key-3")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn admission_is_a_voucher_a_batch_or_work_in_this_order() {
    let (ledger, user) = start().await;
    user.ok(&["did", "create", "worker"]).await;
    assert_eq!(
        ledger.submitted()[0].admission.as_ref().unwrap().0[0],
        1,
        "work"
    );
    let key = user.registrar().await;
    user.ok(&["did", "create", "alice", "--registrar-key", &key])
        .await;
    assert_eq!(
        ledger.submitted()[1].admission.as_ref().unwrap().0[0],
        0,
        "a voucher"
    );
    user.ok(&[
        "did",
        "create",
        "bob",
        "--sponsored",
        "--registrar-key",
        &key,
    ])
    .await;
    assert_eq!(ledger.submitted()[2].kind, ItemKind::Extrinsic);
    ledger.set(|state| state.vouchers = false);
    user.ok(&["did", "create", "carol", "--registrar-key", &key])
        .await;
    assert_eq!(ledger.submitted()[3].kind, ItemKind::Extrinsic);
    ledger.set(|state| state.work_bits = None);
    let alone = user.run(&["did", "create", "dave"]).await;
    assert_eq!(alone.code, 2);
    assert!(alone.stderr.contains("--registrar-key"), "{alone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_in_the_home_folder_is_the_default_registrar() {
    let (ledger, user) = start().await;
    let path = user.path(".allod/registrar.json");
    user.ok(&["key", "new", &path]).await;
    user.ok(&["did", "create", "alice"]).await;
    assert_eq!(
        ledger.submitted()[0].admission.as_ref().unwrap().0[0],
        0,
        "a voucher"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_was_cut_short_is_taken_up_again_with_the_same_name() {
    let (ledger, user) = start().await;
    ledger.fail("identity_submit", Fault::Late);
    let late = user.run(&["did", "create", "alice"]).await;
    assert_eq!(late.code, 3, "{late:?}");
    let did = operation(&ledger, 0).operation.did;
    let listed = user.json(&["did", "list"]).await;
    assert_eq!(listed["identities"][0]["state"], "not on the ledger yet");
    let name = user.ok(&["did", "create", "alice"]).await;
    assert_eq!(operation(&ledger, 1).operation.did, did);
    assert!(name.ends_with(&did.to_string()));
    assert!(controls(&user, &ledger, "alice", &name).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_was_final_unseen_is_not_sent_twice() {
    let (ledger, user) = start().await;
    ledger.fail("identity_submit", Fault::DoneButLate);
    assert_eq!(user.run(&["did", "create", "alice"]).await.code, 3);
    let did = user.ok(&["did", "create", "alice"]).await;
    assert_eq!(ledger.submitted().len(), 1);
    assert!(controls(&user, &ledger, "alice", &did).await);
    assert_eq!(
        user.json(&["did", "list"]).await["identities"][0]["state"],
        Value::Null
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_was_final_unseen_is_finished_by_the_next() {
    let (ledger, user) = start().await;
    let did = user.ok(&["did", "create", "alice"]).await;
    ledger.fail("identity_submit", Fault::DoneButLate);
    assert_eq!(user.run(&["did", "rotate", "alice"]).await.code, 3);
    assert!(
        !controls(&user, &ledger, "alice", &did).await,
        "the file does not know yet"
    );
    assert_eq!(
        user.ok(&["did", "rotate", "alice"]).await,
        format!("{did}#key-2")
    );
    assert_eq!(ledger.submitted().len(), 2, "nothing new was sent");
    assert!(controls(&user, &ledger, "alice", &did).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_was_lost_is_sent_again_with_the_same_keys() {
    let (ledger, user) = start().await;
    let did = user.ok(&["did", "create", "alice"]).await;
    ledger.fail("identity_submit", Fault::Late);
    assert_eq!(user.run(&["did", "rotate", "alice"]).await.code, 3);
    user.ok(&["did", "rotate", "alice"]).await;
    assert_eq!(operation(&ledger, 1), operation(&ledger, 2));
    assert!(controls(&user, &ledger, "alice", &did).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_overtaken_by_another_is_given_up_for_a_new_one() {
    let (ledger, user) = start().await;
    let did = user.ok(&["did", "create", "alice"]).await;
    ledger.fail("identity_submit", Fault::Late);
    assert_eq!(user.run(&["did", "rotate", "alice"]).await.code, 3);
    let id = did.parse::<allod_primitives::Did>().unwrap().id();
    ledger.set(|state| {
        let lane = &mut state.records.get_mut(&id).unwrap().lanes.ranks[0];
        lane.next_seq += 1;
        lane.last = allod_primitives::H256([6; 32]);
    });
    user.ok(&["did", "rotate", "alice"]).await;
    assert_eq!(operation(&ledger, 2).operation.lane_seq, 2);
    assert!(controls(&user, &ledger, "alice", &did).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_logouts_and_ends_run_in_their_lanes() {
    let (ledger, user) = start().await;
    let did = user.ok(&["did", "create", "alice"]).await;
    let service = [
        "did",
        "update",
        "alice",
        "--service",
        "store=Store=https://a.example/x",
    ];
    user.ok(&service).await;
    user.ok(&[
        "did",
        "update",
        "alice",
        "--service",
        "inbox=Inbox=https://b.example",
    ])
    .await;
    user.ok(&["did", "update", "alice", "--remove-service", "store"])
        .await;
    user.ok(&[
        "did",
        "update",
        "alice",
        "--also-known-as",
        "acct:alice@example.org",
    ])
    .await;
    let record = ledger.record(&did);
    assert_eq!(record.document.services.len(), 1);
    assert_eq!(record.document.services[0].fragment.as_str(), "inbox");
    assert_eq!(record.document.also_known_as.len(), 1);
    let nothing = user.run(&["did", "update", "alice"]).await;
    assert_eq!(nothing.code, 2, "{nothing:?}");
    user.ok(&["did", "logout", "alice"]).await;
    assert!(ledger.record(&did).not_before.0 > 0);
    assert_eq!(ledger.record(&did).lanes.documents.next_seq, 5);
    let unsure = user.run(&["did", "deactivate", "alice"]).await;
    assert_eq!(unsure.code, 2);
    user.ok(&["did", "deactivate", "alice", "--yes"]).await;
    let gone = user.run(&["did", "resolve", "alice"]).await;
    assert_eq!(gone.code, 1);
    assert!(gone.stdout.contains("\"deactivated\": true"));
    let sent = ledger.submitted().len();
    for late in [["did", "rotate", "alice"], ["did", "logout", "alice"]] {
        let late = user.run(&late).await;
        assert!(
            late.code == 1 && late.stderr.contains("deactivated"),
            "{late:?}"
        );
    }
    assert_eq!(
        ledger.submitted().len(),
        sent,
        "nothing is signed for the dead"
    );
    assert_eq!(
        user.json(&["did", "list"]).await["identities"][0]["state"],
        Value::Null
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_and_unwaited_writes_say_so() {
    let (ledger, user) = start().await;
    ledger.fail(
        "identity_submit",
        Fault::Error(ErrorCode::DidVoucherInvalid),
    );
    assert_eq!(user.run(&["did", "create", "alice"]).await.code, 1);
    user.ok(&["did", "create", "alice"]).await;
    let id = operation(&ledger, 1).operation.did;
    ledger.set(|state| drop(state.records.remove(&id)));
    let gone = user.run(&["did", "logout", "alice", "--json"]).await;
    assert_eq!(gone.code, 1, "{gone:?}");
    assert!(gone.stderr.contains("did.not_found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_answer_with_the_newest_method_or_on_request_a_retired_one() {
    let (_ledger, user) = start().await;
    let did = user.ok(&["did", "create", "alice"]).await;
    user.ok(&["did", "rotate", "alice"]).await;
    let challenge = user
        .ok(&["login", "challenge", "--audience", "https://app.example"])
        .await;
    let kid = |jwt: &str| Unverified::parse(jwt.trim()).unwrap().header["kid"].clone();
    let answer = ["login", "answer", "alice", "--challenge", "-"];
    let new = user.run_with(&answer, &[], &challenge).await;
    assert_eq!(kid(&new.stdout), format!("{did}#key-2"));
    assert_eq!(new.stderr, "");
    let answer = [&answer[..], &["--key", "#key-1"]].concat();
    let old = user.run_with(&answer, &[], &challenge).await;
    assert_eq!(kid(&old.stdout), format!("{did}#key-1"));
    assert!(old.stderr.contains("key-1 is retired"));
    let file = user.path("challenge.json");
    fs::write(&file, &challenge).unwrap();
    let verify = ["login", "verify", "--challenge", &file, "-"];
    let verdict = user.run_with(&verify, &[], &new.stdout).await;
    assert_eq!((verdict.code, verdict.stdout.trim()), (0, "allow"));
    let verdict = user.run_with(&verify, &[], &old.stdout).await;
    assert_eq!(
        (verdict.code, verdict.stdout.trim()),
        (1, "deny key_retired")
    );
    let unknown = [&answer[..answer.len() - 1], &["key-9"]].concat();
    let unknown = user.run_with(&unknown, &[], &challenge).await;
    assert_eq!(unknown.code, 2);
    let challenge: Value = serde_json::from_str(&challenge).unwrap();
    let expired = json!({ "audience": challenge["audience"], "nonce": "n", "expires": 5 });
    let expired = user.run_with(&answer, &[], &expired.to_string()).await;
    assert_eq!(expired.code, 1);
}

/// Returns the time now as people write it, to the millisecond.
fn moment() -> String {
    let now = crate::ledger::now();
    let seconds = allod_rpc_api::document::date_time(now);
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), now.0 % 1000)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anchor_outlives_the_key_of_the_token() {
    let (_ledger, user) = start().await;
    user.ok(&["did", "create", "alice"]).await;
    let audience = ["--audience", "https://a.example"];
    let issue = [&["token", "issue", "alice"], &audience[..]].concat();
    let (token, other) = (user.ok(&issue).await, user.ok(&issue).await);
    let (file, key) = (user.path("token.anchor.json"), user.registrar().await);
    let anchor = ["token", "anchor", &token, "--out", &file];
    let unpaid = user.run(&[&anchor[..], &["--no-anchor"]].concat()).await;
    assert_eq!(unpaid.code, 0, "{unpaid:?}");
    let paid = [&anchor[..], &["--registrar-key", &key]].concat();
    let then = moment();
    let gid = user.json(&paid).await["gid"].clone();
    let written: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(written["gid"], gid, "the same anchor, begun twice");
    let check = ["token", "check", &token, "--as-of", &then];
    assert_eq!(user.ok(&check).await, "valid");
    user.ok(&["did", "rotate", "alice"]).await;
    let told = user.run(&check).await;
    assert_eq!(
        (told.code, told.stdout.trim()),
        (1, "indeterminate evidence_missing")
    );
    let shown = [&check[..], &["--evidence", &file]].concat();
    assert_eq!(user.ok(&shown).await, "valid");
    let told = user.json(&shown).await;
    assert_eq!(
        (&told["verdict"], &told["reason"]),
        (&json!("valid"), &json!("ok"))
    );
    assert!(told["anchored"].as_u64().is_some());
    let told = user.run(&["token", "check", &token]).await;
    assert_eq!((told.code, told.stdout.trim()), (1, "deny key_retired"));
    let after = moment();
    let file_too = user.path("other.anchor.json");
    let anchor = ["token", "anchor", &other, "--out", &file_too];
    user.ok(&[&anchor[..], &["--registrar-key", &key]].concat())
        .await;
    let late = [
        "token",
        "check",
        &token,
        "--as-of",
        &after,
        "--evidence",
        &file,
    ];
    let told = user.run(&late).await;
    assert_eq!(
        (told.code, told.stdout.trim()),
        (1, "invalid key_not_in_force")
    );
    let another = [
        "token",
        "check",
        &other,
        "--as-of",
        &then,
        "--evidence",
        &file,
    ];
    assert_eq!(user.run(&another).await.code, 2);
    let alone = ["token", "check", &token, "--evidence", &file];
    assert_eq!(user.run(&alone).await.code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_revoked_by_itself_or_by_jti() {
    let (ledger, user) = start().await;
    user.ok(&["did", "create", "alice"]).await;
    user.ok(&["did", "create", "bob"]).await;
    let issue = [
        "token",
        "issue",
        "alice",
        "--audience",
        "https://a.example",
        "--claim",
        "n=1",
    ];
    let issued = user.json(&issue).await;
    let token = issued["token"].as_str().unwrap();
    assert_eq!(Unverified::parse(token).unwrap().claims["n"], 1);
    assert_eq!(user.ok(&["token", "check", token]).await, "allow");
    let tag = user.ok(&["token", "revoke", "alice", token]).await;
    let refused = user.run(&["token", "check", token]).await;
    assert_eq!(
        (refused.code, refused.stdout.trim()),
        (1, "deny token_revoked")
    );
    assert_eq!(issued["tag"], tag);
    assert_eq!(ledger.submitted()[2].kind, ItemKind::Token);
    let (jti, exp) = (issued["jti"].as_str().unwrap(), issued["exp"].to_string());
    let named = format!("--jti={jti}");
    let by_name = user
        .json(&["token", "revoke", "alice", &named, "--exp", &exp])
        .await;
    assert_eq!(
        (&by_name["tag"], &by_name["alreadyRevoked"]),
        (&json!(tag), &json!(true)),
        "idempotent"
    );
    let other = user.run(&["token", "revoke", "bob", token]).await;
    assert_eq!(other.code, 1);
    assert!(other.stderr.contains("was not issued by bob"));
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_are_anchored_by_a_registrar_and_checked_with_the_owner_they_name() {
    let (ledger, user) = start().await;
    let key = user.registrar().await;
    let alice = user.ok(&["did", "create", "alice"]).await;
    let bob = user.ok(&["did", "create", "bob"]).await;
    let resource = "https://store.example/alice/photos/";
    let issue = [
        "grant",
        "issue",
        "alice",
        "--to",
        "bob",
        "--resource",
        resource,
    ];
    let issue = [
        &issue[..],
        &["--action", "read,modify", "--delegations", "1"],
    ]
    .concat();
    let unpaid = user.run(&issue).await;
    assert_eq!(unpaid.code, 2, "{unpaid:?}");
    let gid = user
        .ok(&[&issue[..], &["--registrar-key", &key]].concat())
        .await;
    assert_eq!(ledger.submitted().last().unwrap().kind, ItemKind::Extrinsic);
    let shown = user.json(&["grant", "show", &gid]).await;
    assert_eq!(
        (
            &shown["grants"][0]["owner"],
            &shown["grants"][0]["assignee"]
        ),
        (&json!(alice), &json!(bob))
    );
    assert_eq!(shown["grants"][0]["epoch"], 3);
    let again = [
        "grant",
        "issue",
        "bob",
        "--to",
        "https://app.example/c.json",
        "--from",
        &gid,
    ];
    let again = [
        &again[..],
        &["--resource", resource, "--action", "read", "--no-anchor"],
    ]
    .concat();
    let delegated = user.json(&again).await;
    let file = delegated["file"].as_str().unwrap();
    assert_eq!(
        user.json(&["grant", "show", file]).await["grants"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let messages = user.path("messages");
    fs::write(&messages, delegated["anchorMessage"].as_str().unwrap()).unwrap();
    user.ok(&["registrar", "anchor", &messages, "--registrar-key", &key])
        .await;
    let check = [
        "grant",
        "check",
        &gid,
        "--subject",
        "bob",
        "--action",
        "read",
    ];
    let check = [
        &check[..],
        &["--resource", "https://store.example/alice/photos/1.jpg"],
    ]
    .concat();
    assert_eq!(user.ok(&check).await, "allow");
    let asked = ledger.asked();
    assert_eq!(
        (&asked["owner"], &asked["subject"]),
        (&json!(alice), &json!(bob))
    );
    let stranger = user.run(&["grant", "revoke", "bob", &gid]).await;
    assert_eq!(stranger.code, 2, "{stranger:?}");
    user.ok(&["grant", "revoke", "alice", &gid]).await;
    let done = user.run(&check).await;
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (1, "deny grant_revoked\n")
    );
    let fault = Fault::Failed(ErrorCode::GrantAlreadyExists);
    ledger.fail("identity_submit", fault);
    let again = user.json(&["grant", "revoke", "alice", &gid]).await;
    assert_eq!(again["alreadyRevoked"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_voids_tokens_of_the_same_second_and_survives_a_slow_proposer() {
    let (ledger, user) = start().await;
    user.ok(&["did", "create", "alice"]).await;
    let issue = ["token", "issue", "alice", "--audience", "https://a.example"];
    let token = user.ok(&issue).await;
    user.ok(&["did", "logout", "alice"]).await;
    let check = user.run(&["token", "check", &token]).await;
    assert_eq!(check.stdout.trim(), "deny token_before_cutoff");
    ledger.fail(
        "identity_submit",
        Fault::Failed(ErrorCode::DidNotBeforeInvalid),
    );
    user.ok(&["did", "logout", "alice"]).await;
    assert_eq!(
        ledger.submitted().len(),
        4,
        "tried again with an earlier cut-off"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn registrars_send_the_operations_of_others() {
    let (ledger, user) = start().await;
    let key = user.registrar().await;
    user.ok(&["did", "create", "alice"]).await;
    let bytes = allod_identity_client::hex::encode(&ledger.submitted()[0].data.0);
    let file = user.path("operations");
    fs::write(&file, format!("{bytes}\n\n{bytes}\n")).unwrap();
    let sent = user
        .json(&["registrar", "batch", &file, "--registrar-key", &key])
        .await;
    assert_eq!(sent["items"], 2);
    fs::write(&file, "0x00\n").unwrap();
    let wrong = user
        .run(&["registrar", "batch", &file, "--registrar-key", &key])
        .await;
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("item 0 does not decode"), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_identities_ask_for_their_passphrase() {
    let (_ledger, user) = start().await;
    let locked = [
        ("ALLOD_UNSAFE_PLAIN", ""),
        ("ALLOD_PASSPHRASE", "correct horse"),
    ];
    let done = user
        .run_with(&["did", "create", "alice"], &locked, "")
        .await;
    assert_eq!(done.code, 0, "{done:?}");
    let without = user.run(&["did", "rotate", "alice"]).await;
    assert_eq!(without.code, 2);
    assert!(without.stderr.contains("ALLOD_PASSPHRASE"), "{without:?}");
    let wrong = [("ALLOD_PASSPHRASE", "wrong")];
    let wrong = user.run_with(&["did", "rotate", "alice"], &wrong, "").await;
    assert_eq!(wrong.code, 1);
    assert!(wrong.stderr.contains("wrong passphrase"), "{wrong:?}");
    let right = user
        .run_with(&["did", "rotate", "alice"], &locked, "")
        .await;
    assert_eq!(right.code, 0, "{right:?}");
    user.ok(&["did", "resolve", "alice"]).await;
    let file = fs::read_to_string(user.path(".allod/identities/alice.json")).unwrap();
    assert!(file.contains("\"ciphertext\"") && !file.contains("secret_unsafe_plain"));
}
