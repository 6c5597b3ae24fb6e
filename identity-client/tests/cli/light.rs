//! Answers are proven, or there are none; and what a person can do about it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use allod_identity_client::light::{EVIDENCE_VERSION, Evidence, EvidenceHeader};
use allod_primitives::{H256, NetworkId};
use allod_rpc_api::ErrorCode;
use serde_json::Value;

use crate::ledger::{Fault, Ledger, genesis};
use crate::process::User;

fn slug(stderr: &str) -> String {
    let value: Value = serde_json::from_str(stderr).unwrap();
    value["error"]["slug"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_proofs_is_believed_only_when_told_so() {
    let ledger = Ledger::start().await;
    let user = User::new(&ledger.url);
    user.ok(&["did", "create", "alice"]).await;
    ledger.set(|state| state.no_proof = true);
    let resolve = ["did", "resolve", "alice"];
    let refused = user.run(&[&resolve[..], &["--json"]].concat()).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (3, ""));
    assert_eq!(slug(&refused.stderr), "light.unproven");
    let believed = user.run(&[&resolve[..], &["--trust-node"]].concat()).await;
    assert_eq!(believed.code, 0);
    assert!(believed.stderr.contains("the node's word"), "{believed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_is_handed_on_and_begins_a_fresh_clients_trust() {
    let ledger = Ledger::start().await;
    let user = User::new(&ledger.url);
    let did = user.ok(&["did", "create", "alice"]).await;
    let status = user.json(&["light", "status"]).await;
    assert_eq!(status["fresh"], true);
    assert_eq!(status["genesis"], genesis().to_string());
    let checkpoint = user.ok(&["light", "checkpoint"]).await;
    assert!(checkpoint.starts_with("allod-checkpoint:"));
    let other = User::new(&ledger.url);
    let begin = ["did", "resolve", &did, "--checkpoint", &checkpoint];
    other.ok(&begin).await;
    let wrong = format!("{}{}", &checkpoint[..checkpoint.len() - 4], "0000");
    let third = User::new(&ledger.url);
    let refused = third
        .run(&["did", "resolve", &did, "--checkpoint", &wrong, "--json"])
        .await;
    assert_eq!(slug(&refused.stderr), "chain.block_not_found");
    let typo = ["did", "resolve", &did, "--checkpoint", "allod"];
    assert_eq!(third.run(&typo).await.code, 2);
}

/// Goal: evidence of two histories stops every command that reads, until a person has put it
/// aside, which does not delete it.
#[tokio::test(flavor = "multi_thread")]
async fn evidence_stops_all_answers_until_a_person_ends_it() {
    let ledger = Ledger::start().await;
    let user = User::new(&ledger.url);
    user.ok(&["did", "create", "alice"]).await;
    let network = NetworkId::from_genesis(&genesis());
    let folder = format!(".allod/light/{network}.0");
    let folder = user.home.path().join(folder);
    let header = EvidenceHeader {
        height: 7,
        hash: H256([1; 32]).into(),
        time: 1,
        node: None,
    };
    let evidence = Evidence {
        version: EVIDENCE_VERSION,
        network: network.to_string(),
        genesis: genesis().into(),
        fork_id: 0,
        rule: "two_blocks".into(),
        found: 1,
        first: header.clone(),
        second: header,
        conflict: Vec::new().into(),
    };
    let path = folder.join("evidence.json");
    fs::write(&path, serde_json::to_string(&evidence).unwrap()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    for command in [
        ["did", "resolve", "alice", "--json"],
        ["did", "pending", "alice", "--json"],
        ["light", "checkpoint", "--json", "--quiet"],
        ["light", "reset", "--json", "--quiet"],
    ] {
        let frozen = user.run(&command).await;
        assert_eq!(
            (frozen.code, frozen.stdout.as_str()),
            (1, ""),
            "{command:?}"
        );
        assert_eq!(slug(&frozen.stderr), "light.frozen");
    }
    let reset = user.json(&["light", "reset", "--unfreeze"]).await;
    let aside = reset["evidence"][0].as_str().unwrap();
    assert!(fs::read_to_string(aside).unwrap().contains("two_blocks"));
    user.ok(&["did", "resolve", "alice"]).await;
}

/// Goal: what a node says of a revocation is not what counts. Method: it says that a token's is
/// final, or was made before, and does nothing; the same for a grant's.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_is_reported_when_the_ledger_proves_it() {
    let ledger = Ledger::start().await;
    let user = User::new(&ledger.url);
    let key = user.registrar().await;
    user.ok(&["did", "create", "alice"]).await;
    let bob = user.ok(&["did", "create", "bob"]).await;
    let issue = ["token", "issue", "alice", "--audience", "https://a.example"];
    let token = user.ok(&issue).await;
    let issue = [
        "grant",
        "issue",
        "alice",
        "--to",
        &bob,
        "--resource",
        "https://store.example/alice/",
        "--action",
        "read",
        "--registrar-key",
        &key,
    ];
    let gid = user.ok(&issue).await;
    let commands = [
        (["token", "revoke", "alice", &token], "token.not_revoked"),
        (["grant", "revoke", "alice", &gid], "grant.not_revoked"),
    ];
    let said = [
        Fault::Pretended,
        Fault::Failed(ErrorCode::TokenAlreadyRevoked),
        Fault::Failed(ErrorCode::GrantAlreadyExists),
    ];
    for (index, (command, expected)) in commands.iter().enumerate() {
        for fault in [&said[0], &said[index + 1]] {
            ledger.fail("identity_submit", fault.clone());
            let refused = user.run(&[&command[..], &["--json"]].concat()).await;
            assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
            assert_eq!(slug(&refused.stderr), *expected);
            ledger.fail("identity_submit", fault.clone());
            let believed = [&command[..], &["--trust-node"]].concat();
            let believed = user.run(&believed).await;
            assert_eq!(believed.code, 0);
            assert!(believed.stderr.contains("the node's word"), "{believed:?}");
        }
        let done = user.json(command).await;
        assert!(done["provenAt"].as_u64() >= done["height"].as_u64());
        assert!(done["height"].is_u64());
        let again = user.run(command).await;
        assert_eq!(again.code, 0);
    }
    // Sent it is, with or without a proof of what became of it.
    ledger.set(|state| state.no_proof = true);
    let unproven = user.run(&commands[1].0).await;
    assert_eq!(unproven.code, 3);
    assert!(
        unproven.stderr.contains("that is not proven"),
        "{unproven:?}"
    );
}

/// Goal: an anchor is reported when the ledger proves it, as the file opens it. Method: a node says
/// that it is final or was there before, and does nothing; a registrar anchors its identifier under
/// a key of its own, and says that it was there before.
#[tokio::test(flavor = "multi_thread")]
async fn an_anchor_is_reported_when_the_ledger_has_it_as_it_was_made() {
    let ledger = Ledger::start().await;
    let user = User::new(&ledger.url);
    let key = user.registrar().await;
    user.ok(&["did", "create", "alice"]).await;
    let issue = ["token", "issue", "alice", "--audience", "https://a.example"];
    let token = user.ok(&issue).await;
    let (file, other) = (user.path("a.anchor.json"), user.path("b.anchor.json"));
    let anchor = |file: &str| {
        [
            "token",
            "anchor",
            &token,
            "--out",
            file,
            "--registrar-key",
            &key,
        ]
        .map(str::to_owned)
        .to_vec()
    };
    let refused = async |file: &str, fault: Option<Fault>, more: &[&str], code, expected: &str| {
        if let Some(fault) = fault {
            ledger.fail("identity_submit", fault);
        }
        let arguments = anchor(file);
        let arguments = arguments.iter().map(String::as_str);
        let arguments: Vec<&str> = arguments.chain(more.iter().copied()).collect();
        let refused = user.run(&arguments).await;
        assert_eq!((refused.code, refused.stdout.as_str()), (code, ""));
        assert!(refused.stderr.contains(expected), "{refused:?}");
    };
    let already = || Fault::Failed(ErrorCode::GrantAlreadyExists);
    for fault in [Fault::Pretended, already()] {
        let expected = "token.not_anchored";
        refused(&file, Some(fault), &["--json"], 1, expected).await;
    }
    let arguments = anchor(&file);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = user.json(&arguments).await;
    assert!(done["provenAt"].as_u64() >= done["height"].as_u64());
    assert!(done["height"].is_u64());
    ledger.fail("identity_submit", already());
    let again = user.json(&arguments).await;
    assert_eq!(again["alreadyAnchored"], true);

    let (taken, slug) = (Some(Fault::Taken), "token.anchor_taken");
    refused(&other, taken, &["--json"], 1, slug).await;
    let believed = ["--json", "--trust-node"];
    refused(&other, Some(already()), &believed, 1, slug).await;

    let begun = fs::read_to_string(&file).unwrap();
    let mut written: Value = serde_json::from_str(&begun).unwrap();
    written["expiryDay"] = 1.into();
    fs::write(&file, written.to_string()).unwrap();
    refused(&file, None, &[], 2, "is past its day").await;
    let genesis = written["genesis"].as_str().unwrap().to_owned();
    let foreign = begun.replace(&genesis, &format!("0x{}", "11".repeat(32)));
    fs::write(&file, foreign).unwrap();
    refused(&file, None, &[], 2, "is of another network").await;
}
