//! A node that is not for everybody: API keys by header, and by protocol for browsers.

use std::path::PathBuf;
use std::time::Duration;

use allod_rpc::{ApiKey, ServerConfig};
use jsonrpsee::core::client::{ClientT as _, Error};
use jsonrpsee::http_client::HeaderMap;
use jsonrpsee::rpc_params;
use jsonrpsee::ws_client::{WsClient, WsClientBuilder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::wire::Harness;

const JSON: &str = "content-type: application/json\r\n";
const DID: &str = "/1.0/identifiers/did:allod:x:y";

/// A server with a file of keys, the file, and a key of it.
struct Private {
    harness: Harness,
    file: PathBuf,
    key: ApiKey,
    _dir: tempfile::TempDir,
}

impl Private {
    async fn start(config: ServerConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("api-keys");
        let key = ApiKey::new([7; 32]);
        std::fs::write(&file, key.line("wallet").unwrap()).unwrap();
        let harness = Harness::with(ServerConfig {
            api_keys: Some(file.clone()),
            ..config
        })
        .await;
        Self {
            harness,
            file,
            key,
            _dir: dir,
        }
    }

    async fn ask(&self, headers: &str) -> (String, String) {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "system_chain"}).to_string();
        let headers = format!("{JSON}{headers}");
        self.harness.http_whole("POST", "/", &headers, &body).await
    }

    async fn websocket(&self, name: &'static str, value: &str) -> Result<WsClient, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        let url = format!("ws://{}", self.harness.server.address());
        let builder = WsClientBuilder::default().set_headers(headers);
        builder.build(url).await.map_err(|error| {
            let text = error.to_string();
            text.rsplit(' ').next().unwrap().parse().unwrap()
        })
    }
}

#[tokio::test]
async fn without_a_key_nothing_but_probes_is_answered() {
    let node = Private::start(ServerConfig::default()).await;
    let wrong = ApiKey::new([8; 32]);
    let (wrong, right) = (wrong.reveal(), node.key.reveal());
    for headers in [
        String::new(),
        "authorization: Basic d2FsbGV0Og==\r\n".to_owned(),
        format!("authorization: {right}\r\n"),
    ] {
        let (head, body) = node.ask(&headers).await;
        assert!(head.starts_with("HTTP/1.1 401"), "{head}");
        let head = head.to_ascii_lowercase();
        assert!(head.contains("www-authenticate: bearer realm=\"allod\"\r\n"));
        let error: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(error["error"]["code"], 1023);
        assert_eq!(error["error"]["data"]["slug"], "request.unauthorized");
    }
    let (head, _) = node
        .ask(&format!("authorization: Bearer {wrong}\r\n"))
        .await;
    assert!(head.contains("error=\"invalid_token\""), "{head}");
    let (status, body) = node.harness.get(DID).await;
    assert_eq!(status, 401);
    assert!(body.contains("about:blank"), "{body}");
    for (path, status) in [
        ("/health", 200),
        ("/ready", 200),
        ("/metrics", 401),
        ("/", 401),
    ] {
        assert_eq!(node.harness.get(path).await.0, status, "{path}");
    }
    assert_eq!(node.websocket("x-any", "1").await.err(), Some(401));
}

#[tokio::test]
async fn with_a_key_everything_is() {
    let node = Private::start(ServerConfig::default()).await;
    let bearer = format!("authorization: bearer {}\r\n", node.key.reveal());
    let (head, body) = node.ask(&bearer).await;
    assert!(
        head.starts_with("HTTP/1.1 200") && body.contains("Allod Test"),
        "{head}"
    );
    assert_eq!(node.harness.http("GET", DID, &bearer, "").await.0, 400);
    let metrics = node.harness.http("GET", "/metrics", &bearer, "").await;
    assert_eq!(metrics.0, 200);
    assert!(!metrics.1.contains(node.key.reveal()));
    let value = format!("Bearer {}", node.key.reveal());
    let client = node.websocket("authorization", &value).await.unwrap();
    let chain: Value = client.request("system_chain", rpc_params![]).await.unwrap();
    assert_eq!(chain, "Allod Test");
}

#[tokio::test]
async fn a_browsers_websocket_gives_its_key_as_a_protocol() {
    let node = Private::start(ServerConfig::default()).await;
    let upgrade = |protocols: &str| {
        let headers = format!(
            "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             sec-websocket-protocol: {protocols}\r\n"
        );
        let address = node.harness.server.address();
        async move { crate::wire::upgrade(address, &headers).await }
    };
    let head = upgrade(&format!("allod, allod.key.{}", node.key.reveal())).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    let head = head.to_ascii_lowercase();
    assert!(head.contains("sec-websocket-protocol: allod\r\n"), "{head}");
    for protocols in ["allod", "allod, allod.key.allod_key_x"] {
        assert!(upgrade(protocols).await.starts_with("HTTP/1.1 401"));
    }
    // By that way alone: who can set headers sets the right one.
    let headers = format!(
        "sec-websocket-protocol: allod.key.{}\r\n",
        node.key.reveal()
    );
    assert!(node.ask(&headers).await.0.starts_with("HTTP/1.1 401"));
}

#[tokio::test]
async fn metrics_may_be_open() {
    let node = Private::start(ServerConfig {
        are_metrics_open: true,
        ..ServerConfig::default()
    })
    .await;
    assert_eq!(node.harness.get("/metrics").await.0, 200);
    assert!(node.ask("").await.0.starts_with("HTTP/1.1 401"));
}

/// Method: each method with each exempt path, with a call as its body, and as the beginning of a
/// WebSocket, which the libraries below us take by any method.
#[tokio::test]
async fn nothing_behind_an_exempt_path_is_let_in() {
    let node = Private::start(ServerConfig {
        are_metrics_open: true,
        ..ServerConfig::default()
    })
    .await;
    let json = format!("{JSON}connection: close\r\n");
    let upgrade = "connection: upgrade, close\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "system_chain"}).to_string();
    for path in ["/health", "/ready", "/metrics", "/health/", "/health?x"] {
        for method in ["GET", "HEAD", "POST", "PUT", "OPTIONS", "PRI"] {
            for headers in [json.as_str(), upgrade] {
                let request = format!(
                    "{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\
                     content-length: {}\r\n\r\n{call}",
                    call.len()
                );
                let mut stream = TcpStream::connect(node.harness.server.address())
                    .await
                    .unwrap();
                stream.write_all(request.as_bytes()).await.unwrap();
                let mut answer = String::new();
                let closes = stream.read_to_string(&mut answer);
                // What stays open would be a WebSocket.
                let closed = tokio::time::timeout(Duration::from_secs(10), closes).await;
                closed
                    .unwrap_or_else(|_| panic!("{method} {path}: it stays open"))
                    .unwrap();
                assert!(answer.starts_with("HTTP/1.1 "), "{method} {path}: {answer}");
                assert!(!answer.starts_with("HTTP/1.1 101"), "{method} {path}");
                assert!(!answer.contains("Allod Test"), "{method} {path}: {answer}");
            }
        }
    }
}

#[tokio::test]
async fn keys_are_read_again_without_a_restart() {
    let node = Private::start(ServerConfig::default()).await;
    let value = format!("Bearer {}", node.key.reveal());
    let old = node.websocket("authorization", &value).await.unwrap();
    let next = ApiKey::new([9; 32]);
    let bearer = |key: &ApiKey| format!("authorization: Bearer {}\r\n", key.reveal());
    // What cannot be read changes nothing.
    std::fs::write(&node.file, "nonsense").unwrap();
    let error = node.harness.server.reload().unwrap_err();
    assert!(
        error.to_string().ends_with("line 1: not NAME HASH"),
        "{error}"
    );
    assert!(
        node.ask(&bearer(&node.key))
            .await
            .0
            .starts_with("HTTP/1.1 200")
    );
    std::fs::write(&node.file, next.line("next").unwrap()).unwrap();
    assert!(node.ask(&bearer(&next)).await.0.starts_with("HTTP/1.1 401"));
    let reloaded = node.harness.server.reload().unwrap();
    assert_eq!(reloaded.api_keys, Some(1));
    assert!(node.ask(&bearer(&next)).await.0.starts_with("HTTP/1.1 200"));
    assert!(
        node.ask(&bearer(&node.key))
            .await
            .0
            .starts_with("HTTP/1.1 401")
    );
    let refused = old.request::<Value, _>("system_chain", rpc_params![]).await;
    assert!(
        matches!(&refused, Err(Error::Call(error)) if error.code() == 1023),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_file_that_others_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;

    let node = Private::start(ServerConfig::default()).await;
    let open = std::fs::Permissions::from_mode(0o666);
    std::fs::set_permissions(&node.file, open).unwrap();
    let error = node.harness.server.reload().unwrap_err();
    assert!(error.to_string().contains("writable by others"), "{error}");
}

#[tokio::test]
async fn a_browser_may_ask_before_it_sends_its_key() {
    let node = Private::start(ServerConfig::default()).await;
    let preflight = "origin: https://wallet.example\r\naccess-control-request-method: POST\r\n\
                     access-control-request-headers: authorization,content-type\r\n";
    let (head, _) = node.harness.http_whole("OPTIONS", "/", preflight, "").await;
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let allowed = head
        .lines()
        .find(|it| it.starts_with("access-control-allow-headers"));
    assert!(allowed.unwrap().contains("authorization"), "{head}");
    // And reads why it was refused.
    let (head, _) = node.ask("origin: https://wallet.example\r\n").await;
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 401"));
    assert!(head.contains("access-control-allow-origin: *"), "{head}");
}
