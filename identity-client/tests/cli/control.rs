//! Changes of control from the command line: theft and loss, and how they end.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::ledger::{Ledger, genesis};
use crate::process::{Done, User};

const DAYS_3_MS: u64 = 72 * 3_600_000;

async fn start() -> (Ledger, User) {
    let ledger = Ledger::start().await;
    let user = User::new(&ledger.url);
    (ledger, user)
}

/// Makes alice with a recovery sheet in `sheet.txt`, and a thief with a copy of her keys.
async fn robbed() -> (Ledger, User, String) {
    let (ledger, user) = start().await;
    let create = [
        "did",
        "create",
        "alice",
        "--recoverable",
        "--sheet-out",
        "sheet.txt",
    ];
    let did = user.ok(&create).await;
    let theirs = user.path("thief/identities");
    fs::create_dir_all(&theirs).unwrap();
    fs::copy(
        user.path(".allod/identities/alice.json"),
        format!("{theirs}/alice.json"),
    )
    .unwrap();
    (ledger, user, did)
}

fn assert_no(done: &Done, code: i32, text: &str) {
    assert_eq!(done.code, code, "{done:?}");
    assert!(done.stderr.contains(text), "{done:?}");
}

/// Goal: the sheet is private, complete, and nowhere else. Method: every word of it is looked for
/// in the key file, which is not encrypted here.
#[tokio::test(flavor = "multi_thread")]
async fn a_sheet_is_handed_over_once_and_is_not_in_the_key_file() {
    let (ledger, user, did) = robbed().await;
    let path = user.path("sheet.txt");
    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let sheet = fs::read_to_string(&path).unwrap();
    assert!(sheet.contains(&did), "{sheet}");
    let file = fs::read_to_string(user.path(".allod/identities/alice.json")).unwrap();
    assert!(!file.contains("next_seed"), "{file}");
    assert!(ledger.record(&did).policy.ranks[0].next.is_some());
    // Without a terminal it must be said where the sheet goes, and nothing is begun before.
    let nowhere = user.run(&["did", "create", "bob", "--recoverable"]).await;
    assert_no(&nowhere, 2, "--sheet-out");
    let taken = [
        "did",
        "create",
        "bob",
        "--recoverable",
        "--sheet-out",
        "sheet.txt",
    ];
    assert_no(&user.run(&taken).await, 2, "exists");
    assert_eq!(ledger.submitted().len(), 1);
}

/// Goal: what is announced is what the ledger will do. Method: a network whose shortest delay is
/// longer than the policy's.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_knows_the_networks_bounds_for_delays() {
    let (ledger, user, _) = robbed().await;
    ledger.set(|state| state.bounds.delay_ms_min = 2 * DAYS_3_MS);
    let set = [
        "did",
        "policy",
        "set",
        "alice",
        "--delay",
        "96h",
        "--dry-run",
    ];
    let planned = user.json(&set).await;
    let now = crate::ledger::now().0;
    let waits = planned["effectiveAt"].as_u64().unwrap() - now;
    assert!(
        (2 * DAYS_3_MS - 60_000..=2 * DAYS_3_MS).contains(&waits),
        "{planned}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thief_of_the_keys_waits_and_the_sheet_does_not() {
    let (ledger, user, did) = robbed().await;
    let theirs = user.path("thief");
    let stolen = user
        .json(&["did", "rotate", "alice", "--home", &theirs])
        .await;
    assert_eq!(stolen["effect"], "waits");
    let id = stolen["pending"].as_str().unwrap().to_owned();
    let seen = user.json(&["did", "pending", &did]).await;
    assert_eq!(seen["pending"][0]["id"], json!(id));
    let again = user
        .run(&["did", "rotate", "alice", "--home", &theirs])
        .await;
    assert_no(&again, 1, "pending");
    let rotated = user
        .json(&["did", "rotate", "alice", "--sheet", "sheet.txt"])
        .await;
    assert_eq!(
        (&rotated["method"], &rotated["retired"]),
        (&json!("key-2"), &json!(["key-1"]))
    );
    let record = ledger.record(&did);
    assert!(record.pending.is_empty() && record.policy.ranks[0].next.is_some());
    let late = user
        .run(&["did", "rotate", "alice", "--home", &theirs])
        .await;
    assert_no(&late, 1, "keys at hand");
    // The sheet is good again and again, until another takes its place.
    user.ok(&["did", "rotate", "alice", "--sheet", "sheet.txt"])
        .await;
    user.ok(&["did", "logout", "alice"]).await;
    let other = [
        "--sheet",
        "sheet.txt",
        "--new-sheet",
        "--sheet-out",
        "other.txt",
    ];
    user.ok(&[&["did", "rotate", "alice"][..], &other].concat())
        .await;
    let old = ["did", "rotate", "alice", "--sheet", "sheet.txt"];
    assert_no(&user.run(&old).await, 1, "no longer");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_cancelled_by_the_sheet_or_withdrawn_by_its_own_rank() {
    let (ledger, user, did) = robbed().await;
    let proposed = user.json(&["did", "rotate", "alice"]).await;
    let id = proposed["pending"].as_str().unwrap().to_owned();
    assert_no(
        &user.run(&["did", "cancel", "alice", "0xfeed00"]).await,
        1,
        "no pending",
    );
    let (short, _) = id.split_at(12);
    let gone = user.ok(&["did", "cancel", "alice", short]).await;
    assert_eq!(gone, id);
    assert!(ledger.record(&did).pending.is_empty());
    // With the sheet, no key file is needed at all.
    user.ok(&["did", "rotate", "alice"]).await;
    let elsewhere = user.path("elsewhere");
    let cancel = [
        "did",
        "cancel",
        &did,
        "--all",
        "--sheet",
        "sheet.txt",
        "--home",
        &elsewhere,
    ];
    let gone = user.json(&cancel).await;
    assert_eq!(gone["cancellations"].as_array().unwrap().len(), 1);
    let record = ledger.record(&did);
    assert!(record.pending.is_empty());
    let nothing = user.json(&["did", "cancel", "alice", "--all"]).await;
    assert_eq!(nothing["cancellations"], json!([]));
    // The key of the sheet was in use for that; this machine gets one of its own again.
    user.ok(&["did", "rotate", "alice", "--sheet", "sheet.txt"])
        .await;
    user.ok(&["did", "logout", "alice"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_only_the_sheet_makes_new_keys_on_a_new_machine() {
    let (ledger, user, did) = robbed().await;
    let new = user.path("new");
    let recover = [
        "did",
        "recover",
        "sheet",
        &did,
        "alice",
        "--sheet",
        "sheet.txt",
        "--home",
        &new,
    ];
    let done = user.json(&recover).await;
    assert_eq!(
        (&done["method"], &done["retired"]),
        (&json!("key-2"), &json!(["key-1"]))
    );
    assert_eq!(ledger.record(&did).document.methods.len(), 1);
    user.ok(&["did", "logout", "alice", "--home", &new]).await;
    assert_no(
        &user.run(&["did", "logout", "alice"]).await,
        1,
        "keys at hand",
    );
    let other = user
        .ok(&[
            "did",
            "create",
            "bob",
            "--recoverable",
            "--sheet-out",
            "bob.txt",
        ])
        .await;
    let wrong = [
        "did",
        "recover",
        "sheet",
        &other,
        "b",
        "--sheet",
        "sheet.txt",
        "--home",
        &new,
    ];
    assert_no(&user.run(&wrong).await, 1, "the sheet");
}

#[tokio::test(flavor = "multi_thread")]
async fn words_alone_are_a_sheet_and_a_wrong_word_is_named() {
    let (_ledger, user, _) = robbed().await;
    let sheet = fs::read_to_string(user.path("sheet.txt")).unwrap();
    let (_, below) = sheet.split_once("\nWORDS\n").unwrap();
    let below = below.split("\n\n").next().unwrap();
    let mut numbered: Vec<(usize, &str)> = below
        .split_whitespace()
        .collect::<Vec<_>>()
        .chunks(2)
        .map(|it| (it[0].parse().unwrap(), it[1]))
        .collect();
    numbered.sort_unstable();
    let words: Vec<&str> = numbered.iter().map(|(_, word)| *word).collect();
    let rotate = ["did", "rotate", "alice", "--sheet", "-"];
    let done = user.run_with(&rotate, &[], &words.join(" ")).await;
    assert_eq!(done.code, 0, "{done:?}");
    let wrong = words.join(" ").replacen(words[3], "xylofone", 1);
    let done = user.run_with(&rotate, &[], &wrong).await;
    assert_no(&done, 1, "word 4");
}

/// Goal: a person who has lost everything is given the identity back. Method: three guardians, two
/// of whom answer and sign; the owner's home and sheet are not used again.
#[tokio::test(flavor = "multi_thread")]
async fn guardians_give_an_identity_back_to_who_has_nothing_left() {
    let (ledger, user, did) = robbed().await;
    let mut names = Vec::new();
    for (name, of) in [("anna", "p256"), ("bela", "ed25519"), ("cleo", "secp256k1")] {
        let file = format!("{name}/guardian.json");
        let key = user.ok(&["key", "new", "--type", of, &file]).await;
        assert_eq!(user.ok(&["key", "show", &file]).await, key);
        names.push(format!("{name}={key}"));
    }
    let [a, b, c] = names.as_slice() else {
        panic!()
    };
    let invite = [
        "did",
        "guardians",
        "invite",
        "alice",
        "--guardian",
        a,
        "--guardian",
        b,
        "--guardian",
        c,
        "--threshold",
        "2",
    ];
    user.ok(&invite).await;
    let early = ["did", "guardians", "set", "alice", "--sheet", "sheet.txt"];
    assert_no(&user.run(&early).await, 1, "answered");
    for name in ["anna", "bela"] {
        let file = format!("{name}.invitation.json");
        let home = user.path(name);
        let answer = user
            .ok(&["did", "guardians", "accept", &file, "--home", &home])
            .await;
        user.ok(&["did", "guardians", "answer", "alice", &answer])
            .await;
    }
    let set = user.json(&early).await;
    assert_eq!(set["effect"], "atOnce");
    let status = user.json(&["did", "guardians", "status", "alice"]).await;
    assert_eq!(
        (&status["onLedger"], &status["answeredWeight"]),
        (&json!(true), &json!(2))
    );
    recovered(&ledger, &user, &did).await;
}

async fn recovered(ledger: &Ledger, user: &User, did: &str) {
    let new = user.path("new");
    let request = [
        "did",
        "recover",
        "request",
        did,
        "alice",
        "--sheet-out",
        "new.txt",
        "--out",
        "r.json",
        "--home",
        &new,
    ];
    user.ok(&request).await;
    let submit = ["did", "recover", "submit", "r.json"];
    assert_no(&user.run(&submit).await, 1, "missing");
    for name in ["anna", "bela"] {
        let home = user.path(name);
        let unread = ["did", "recover", "approve", "r.json", "--home", &home];
        assert_no(&user.run(&unread).await, 2, "nothing was signed");
        user.ok(&[
            "did", "recover", "approve", "r.json", "--yes", "--home", &home,
        ])
        .await;
    }
    user.ok(&submit).await;
    let finish = ["did", "recover", "finish", "alice", "--home", &new];
    assert_no(&user.run(&finish).await, 1, "waits until");
    let ahead = DAYS_3_MS + 60_000;
    ledger.set(|state| state.ahead_ms += ahead);
    crate::clock::devnet(user.home.path(), genesis(), &ledger.url, ahead);
    let done = user.json(&finish).await;
    assert_eq!(done["final"], true);
    let record = ledger.record(did);
    assert_eq!(record.document.methods.len(), 1);
    assert!(record.policy.ranks[0].next.is_some(), "by the new sheet");
    user.ok(&[
        "did", "rotate", "alice", "--sheet", "new.txt", "--home", &new,
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_shown_planned_and_set() {
    let (ledger, user) = start().await;
    let did = user.ok(&["did", "create", "alice"]).await;
    let device = user.ok(&["key", "new", "device.json"]).await;
    user.ok(&["did", "policy", "set", "alice", "--add-device", &device])
        .await;
    assert_eq!(ledger.record(&did).policy.ranks.len(), 2);
    user.ok(&[
        "did",
        "policy",
        "set",
        "alice",
        "--new-sheet",
        "--sheet-out",
        "s.txt",
    ])
    .await;
    let set = [
        "did",
        "policy",
        "set",
        "alice",
        "--delay",
        "96h",
        "--dry-run",
    ];
    let planned = user.json(&set).await;
    assert_eq!(
        (&planned["effect"], &planned["dryRun"]),
        (&json!("waits"), &json!(true))
    );
    assert!(ledger.record(&did).pending.is_empty(), "nothing was sent");
    let with = [
        "did", "policy", "set", "alice", "--delay", "96h", "--sheet", "s.txt",
    ];
    assert_eq!(user.json(&with).await["effect"], "atOnce");
    let shown = user.ok(&["did", "policy", "show", &did]).await;
    assert!(shown.contains("proposals wait 4 days"), "{shown}");
    assert!(shown.contains(&device), "{shown}");
    user.ok(&["did", "policy", "set", "alice", "--remove-device", &device])
        .await;
    assert_eq!(ledger.record(&did).policy.ranks.len(), 1);
    let end = user.json(&["did", "deactivate", "alice", "--yes"]).await;
    assert_eq!(end["effect"], "waits");
    user.ok(&["did", "deactivate", "alice", "--yes", "--sheet", "s.txt"])
        .await;
    assert!(!ledger.record(&did).is_active());
}
