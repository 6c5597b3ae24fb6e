//! A node's errors become exit codes, names and hints.

use allod_rpc_api::ErrorCode;
use serde_json::{Value, json};

use crate::ledger::{Fault, Ledger};
use crate::process::User;

fn did() -> String {
    let id = allod_primitives::DidId([5; 32]);
    let network = allod_primitives::NetworkId::from_genesis(&crate::ledger::genesis());
    allod_primitives::Did::new(network, id).to_string()
}

fn error_of(stderr: &str) -> Value {
    let value: Value = serde_json::from_str(stderr).unwrap();
    value["error"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_keeps_its_code_name_and_hint_and_ends_with_1() {
    let ledger = Ledger::start().await;
    let user = User::new(&ledger.url);
    let plain = user.run(&["did", "resolve", &did()]).await;
    assert_eq!((plain.code, plain.stdout.as_str()), (1, ""));
    let did = did();
    let expected = format!(
        "allod: error: the ledger holds no such identity at this height: {did} (2003 \
         did.not_found)\nhint: check the identifier, or wait until its inception is final\n"
    );
    assert_eq!(plain.stderr, expected);
    let json = user.run(&["did", "resolve", &did, "--json"]).await;
    assert_eq!((json.code, json.stdout.as_str()), (1, ""));
    let error = error_of(&json.stderr);
    assert_eq!(
        (&error["code"], &error["slug"]),
        (&json!(2003), &json!("did.not_found"))
    );
    assert!(
        error["hint"]
            .as_str()
            .unwrap()
            .starts_with("check the identifier")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_work_later_ends_with_3() {
    let ledger = Ledger::start().await;
    let user = User::new(&ledger.url);
    for code in [
        ErrorCode::Busy,
        ErrorCode::NotReady,
        ErrorCode::StateUnavailable,
    ] {
        ledger.fail("identity_resolve", Fault::Error(code));
        let done = user.run(&["did", "resolve", &did(), "--json"]).await;
        assert_eq!(done.code, 3, "{done:?}");
        assert_eq!(error_of(&done.stderr)["slug"], code.slug());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_outside_the_table_and_an_answer_of_another_form_are_told_apart() {
    let ledger = Ledger::start().await;
    let user = User::new(&ledger.url);
    ledger.fail("identity_resolve", Fault::Other(-32601, "Method not found"));
    let done = user
        .run(&["did", "resolve", &did(), "--trust-node", "--json"])
        .await;
    let error = error_of(&done.stderr);
    assert_eq!(
        (done.code, &error["code"], &error["slug"]),
        (1, &json!(-32601), &json!("rpc.error"))
    );
    ledger.fail(
        "identity_resolve",
        Fault::Answer(json!({ "height": "high" })),
    );
    let done = user
        .run(&["did", "resolve", &did(), "--trust-node", "--json"])
        .await;
    assert_eq!(
        (done.code, &error_of(&done.stderr)["slug"]),
        (3, &json!("client.answer"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_out_of_reach_or_busy_is_passed_over_for_the_next() {
    let ledger = Ledger::start().await;
    let user = User::new("http://127.0.0.1:1");
    let nobody = user.run(&["did", "resolve", &did()]).await;
    assert_eq!(nobody.code, 3, "{nobody:?}");
    assert!(nobody.stderr.contains("hint: is a node running there?"));
    let both = format!("http://127.0.0.1:1,{}", ledger.url);
    let found = user.run(&["did", "resolve", &did(), "--node", &both]).await;
    assert_eq!(found.code, 1, "the second node answered: {found:?}");
    ledger.fail("identity_resolve", Fault::Error(ErrorCode::Busy));
    let twice = format!("{0},{0}", ledger.url);
    let found = user
        .run(&["did", "resolve", &did(), "--node", &twice])
        .await;
    assert_eq!(found.code, 1, "asked again after busy: {found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_endpoints_answer_alike() {
    let ledger = Ledger::start().await;
    let user = User::new(&ledger.url.replace("http:", "ws:"));
    let done = user.run(&["did", "resolve", &did()]).await;
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stderr.contains("did.not_found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_are_data_and_a_deny_ends_with_1() {
    let ledger = Ledger::start().await;
    let user = User::new(&ledger.url);
    let challenge = user
        .ok(&["login", "challenge", "--audience", "https://app.example"])
        .await;
    let file = user.path("challenge.json");
    std::fs::write(&file, challenge).unwrap();
    let decision = |decision, reason, message| {
        json!({ "decision": decision, "reason": reason, "message": message, "height": 12,
                "time": 1 })
    };
    // The node's word, for a verdict of its own; with proofs it is not looked at.
    let verify = [
        "login",
        "verify",
        "--trust-node",
        "--challenge",
        &file,
        "e30.e30.AA",
    ];
    let deny = decision("deny", "key_retired", "the verification method is retired");
    ledger.fail("identity_verifyLogin", Fault::Answer(deny.clone()));
    let done = user.run(&verify).await;
    assert_eq!((done.code, done.stdout.as_str()), (1, "deny key_retired\n"));
    assert!(
        done.stderr.contains("hint: sign with an active method"),
        "{done:?}"
    );
    ledger.fail("identity_verifyLogin", Fault::Answer(deny.clone()));
    let done = user.run(&[&verify[..], &["--json"]].concat()).await;
    assert_eq!(
        (done.code, serde_json::from_str(&done.stdout).ok()),
        (1, Some(deny))
    );
    let allow = decision("allow", "ok", "every check passed");
    ledger.fail("identity_verifyLogin", Fault::Answer(allow));
    let done = user.run(&verify).await;
    assert_eq!((done.code, done.stdout.as_str()), (0, "allow\n"));
    ledger.fail("identity_verifyLogin", Fault::Error(ErrorCode::NotReady));
    let done = user.run(&verify).await;
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (3, ""),
        "no answer is never an allow"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_of_another_network_is_not_signed_for() {
    let ledger = Ledger::start().await;
    let user = User::new(&ledger.url);
    let registrar = user.registrar().await;
    let voucher = [
        "registrar",
        "voucher",
        &did(),
        "--registrar-key",
        &registrar,
    ];
    assert!(user.ok(&voucher).await.starts_with("0x00"));
    let other = allod_primitives::NetworkId::from_genesis(&allod_primitives::H256([8; 32]));
    let other = allod_primitives::Did::new(other, allod_primitives::DidId([5; 32])).to_string();
    let voucher = [
        "registrar",
        "voucher",
        &other,
        "--registrar-key",
        &registrar,
    ];
    let done = user.run(&voucher).await;
    assert_eq!(done.code, 1);
    assert!(
        done.stderr.contains("belongs to another network"),
        "{done:?}"
    );
}

/// Answers one request by 401 and returns its head.
async fn keyed_node(listener: tokio::net::TcpListener) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let answer = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(answer).await.unwrap();
    String::from_utf8(head).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_wants_another_key_says_so_and_the_key_is_shown_nowhere() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let user = User::new(&url);
    let file = user.path("api-keys");
    std::fs::write(&file, format!("{url} allod_key_secret\nallod_key_other\n")).unwrap();
    let secret = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, secret).unwrap();
    let asked = tokio::spawn(keyed_node(listener));
    let did = did();
    let mut arguments = vec!["did", "resolve", &did, "--trust-node", "--json"];
    arguments.extend(["--api-key-file", &file]);
    let done = user.run(&arguments).await;
    let head = asked.await.unwrap().to_ascii_lowercase();
    assert!(
        head.contains("\r\nauthorization: bearer allod_key_secret\r\n"),
        "{head}"
    );
    let error = error_of(&done.stderr);
    assert_eq!(
        (done.code, &error["slug"]),
        (3, &json!("client.unauthorized"))
    );
    assert!(!done.stderr.contains("allod_key_"), "{done:?}");
    assert!(error["hint"].as_str().unwrap().contains("--api-key-file"));
}
