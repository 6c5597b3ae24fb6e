//! What a node's log never says, whatever is logged.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use allod_identity_client::clock::Clock;
use allod_identity_client::jwt::{Challenge, login_answer};
use allod_rpc_api::login::VerifyLoginRequest;
use allod_rpc_api::submit::Wait;
use allod_tests::devnet::{Devnet, program};
use allod_tests::people::{Account, Person};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use jsonrpsee::core::client::ClientT as _;
use jsonrpsee::rpc_params;
use jsonrpsee::ws_client::{HeaderMap, HeaderValue, WsClientBuilder};
use serde_json::{Value, json};

use crate::metrics::http;

/// What a client may show to be let in.
const BEARER: &str = "allod_key_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0";

/// Every form in which a log might show bytes.
fn forms(bytes: &[u8]) -> Vec<String> {
    let list = format!("{:?}", &bytes[..8]);
    vec![
        HEXLOWER.encode(bytes),
        HEXLOWER.encode(bytes).to_uppercase(),
        BASE64.encode(bytes).trim_end_matches('=').to_owned(),
        BASE64URL_NOPAD.encode(bytes),
        // A derived Debug of the bytes.
        list.trim_end_matches(']').to_owned(),
    ]
}

/// Starts a network of one whose node logs everything that its libraries can say.
async fn talkative() -> (Devnet, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("allod-node");
    let node = program("allod-node").unwrap();
    let text = format!(
        "#!/bin/sh\nALLOD_LOG=trace exec '{}' \"$@\"\n",
        node.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let net = Devnet::start(1, &["--node-program", script.to_str().unwrap()]).await;
    (net.unwrap(), folder)
}

/// Goal: who reads a log learns no secret, and at the usual levels nothing about whose identity
/// was asked for. Method: a node that logs everything takes a registration and judges a login, over
/// HTTP and WebSocket with a key in the header; its log is searched for every secret in every form.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_holds_no_secret_even_when_everything_is_logged() {
    let (net, _program) = talkative().await;
    let node = net.client(0).unwrap();
    let context = node.context().await.unwrap();
    let secret = net.secret("/keys/registrar").unwrap();
    let registrar = *secret.seed();
    let mut account = Account::new(&node, secret).await.unwrap();
    let (alice, operation) = Person::new(&context, 31, 0).unwrap();
    let items = vec![account.batch(&[operation])];
    node.submit(items, Wait::Finalized, Some(60_000))
        .await
        .unwrap();

    let now = Clock::devnet(net.dir(), &[]).unwrap().now().seconds();
    let challenge = Challenge::new("https://app.example", now, 120).unwrap();
    let method = alice.login_method();
    let jws = login_answer(&alice.did, &method, &challenge, now).unwrap();
    let request = VerifyLoginRequest {
        jws: jws.clone(),
        audience: "https://app.example".to_owned(),
        nonce: challenge.nonce.clone(),
        time: None,
        max_staleness_ms: None,
    };
    let params = json!([request]);
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "identity_verifyLogin", "params": params});
    let (body, url) = (body.to_string(), net.text("/nodes/0/rpc").unwrap());
    let head = "host: node\r\nconnection: close\r\ncontent-type: application/json";
    let length = body.len();
    let asked = format!(
        "POST / HTTP/1.1\r\n{head}\r\nauthorization: Bearer {BEARER}\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    let answer = http(url, &asked).await;
    assert!(answer.contains("allow"), "{answer}");
    let bearer = HeaderValue::from_str(&format!("Bearer {BEARER}")).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("authorization", bearer);
    let socket = WsClientBuilder::default().set_headers(headers);
    let socket = socket
        .build(net.text("/nodes/0/ws").unwrap())
        .await
        .unwrap();
    let request = serde_json::to_value(&request).unwrap();
    let verdict: Value = socket
        .request("identity_verifyLogin", rpc_params![request])
        .await
        .unwrap();
    assert!(verdict.to_string().contains("allow"), "{verdict}");

    let folder = net.dir().join("node-0");
    let key = |name: &str| {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        hex::decode(text.trim()).unwrap()
    };
    let mut secrets = vec![
        ("the network's key", forms(&key("network.key"))),
        ("the validator's key", forms(&key("validator.key"))),
        ("the registrar's key", forms(&registrar)),
        ("a key of an identity", forms(&*method.key.seed())),
    ];
    let signature = jws.rsplit('.').next().unwrap().to_owned();
    secrets.push(("a login's signature", vec![signature]));
    secrets.push(("a client's key", vec![BEARER.to_owned()]));
    let log = folder.join("node.log");
    net.control(&["stop"]).await.unwrap();
    let text = fs::read_to_string(log).unwrap();
    assert!(
        text.contains(" TRACE ") && text.contains(" DEBUG "),
        "everything is logged"
    );
    for (what, forms) in &secrets {
        let line = text
            .lines()
            .find(|line| forms.iter().any(|form| line.contains(form)));
        assert!(line.is_none(), "{what} is in the log: {line:?}");
    }
    let id = alice.did.to_string();
    let id = id.rsplit(':').next().unwrap();
    let usual = text
        .lines()
        .filter(|it| !it.contains(" TRACE ") && !it.contains(" DEBUG "));
    let told: Vec<&str> = usual.filter(|line| line.contains(id)).collect();
    assert!(told.is_empty(), "whom somebody asked about: {told:?}");
}
