//! TLS: certificates made here, for this machine, that are believed here alone.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use allod_identity_client::rpc::{Access, Client, ClientConfig as SdkConfig, ClientError};
use allod_rpc::{ApiKey, ReloadError, ServerConfig, StartError, TlsError, TlsFiles};
use jsonrpsee::rpc_params;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::wire::Harness;

/// Writes a new certificate and its key; returns the certificate.
fn certify(files: &TlsFiles) -> CertificateDer<'static> {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.key_pair.serialize_pem()).unwrap();
    close(&files.key, 0o600);
    made.cert.der().clone()
}

fn close(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

struct Encrypted {
    harness: Harness,
    files: TlsFiles,
    certificate: CertificateDer<'static>,
    _dir: tempfile::TempDir,
}

impl Encrypted {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = TlsFiles {
            certificate: dir.path().join("cert.pem"),
            key: dir.path().join("key.pem"),
        };
        let certificate = certify(&files);
        let harness = Harness::with(ServerConfig {
            tls: Some(files.clone()),
            ..ServerConfig::default()
        })
        .await;
        Self {
            harness,
            files,
            certificate,
            _dir: dir,
        }
    }

    async fn connect(
        &self,
        believed: &CertificateDer<'static>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut authorities = RootCertStore::empty();
        authorities.add(believed.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = builder
            .with_root_certificates(authorities)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.harness.server.address()).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }
}

/// Calls over a connection that stays open; returns the head of the answer and its body.
async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "system_chain"}).to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        answer.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn what_is_asked_over_tls_is_answered_and_nothing_else_is() {
    let node = Encrypted::start().await;
    let mut stream = node.connect(&node.certificate).await.unwrap();
    let answer = ask(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("Allod Test"));
    let upgrade = "GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\n\
        connection: upgrade\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        sec-websocket-version: 13\r\n\r\n";
    let mut socket = node.connect(&node.certificate).await.unwrap();
    socket.write_all(upgrade.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    socket.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 101");
    // A certificate that another authority made is another's.
    let dir = tempfile::tempdir().unwrap();
    let other = certify(&TlsFiles {
        certificate: dir.path().join("c"),
        key: dir.path().join("k"),
    });
    assert!(node.connect(&other).await.is_err());
    // Nor is anything said to those who do not encrypt.
    let mut plain = TcpStream::connect(node.harness.server.address())
        .await
        .unwrap();
    plain
        .write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _reset = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"));
}

#[tokio::test]
async fn a_new_certificate_is_used_without_a_restart_and_connections_stay() {
    let node = Encrypted::start().await;
    let mut old = node.connect(&node.certificate).await.unwrap();
    ask(&mut old).await;
    // What does not fit changes nothing.
    std::fs::write(&node.files.certificate, "nothing").unwrap();
    let error = node.harness.server.reload().unwrap_err();
    assert!(
        matches!(error, ReloadError::Tls(TlsError::Malformed { .. })),
        "{error}"
    );
    assert!(node.connect(&node.certificate).await.is_ok());
    let next = certify(&node.files);
    let reloaded = node.harness.server.reload().unwrap();
    assert!(reloaded.has_certificate);
    assert!(ask(&mut old).await.contains("Allod Test"));
    let mut new = node.connect(&next).await.unwrap();
    assert!(ask(&mut new).await.contains("Allod Test"));
    assert!(node.connect(&node.certificate).await.is_err());
}

#[tokio::test]
async fn keys_that_others_read_or_that_do_not_fit_are_refused() {
    let node = Encrypted::start().await;
    close(&node.files.key, 0o644);
    let config = ServerConfig {
        tls: Some(node.files.clone()),
        listen: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
        ..ServerConfig::default()
    };
    let start = || allod_rpc::RpcServer::start(&config, node.harness.node.clone());
    let error = start().await.unwrap_err();
    assert!(
        matches!(
            error,
            StartError::Tls(TlsError::Exposed { mode: 0o644, .. })
        ),
        "{error}"
    );
    close(&node.files.key, 0o600);
    let dir = tempfile::tempdir().unwrap();
    let other = TlsFiles {
        certificate: dir.path().join("c"),
        key: node.files.key.clone(),
    };
    let kept = std::fs::read(&node.files.certificate).unwrap();
    certify(&other);
    std::fs::write(&node.files.certificate, kept).unwrap();
    let error = start().await.unwrap_err();
    assert!(
        matches!(error, StartError::Tls(TlsError::Unfit { .. })),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn half_a_handshake_is_not_waited_for_and_others_are_served() {
    let node = Encrypted::start().await;
    let mut halves = Vec::new();
    for _ in 0..32 {
        let mut half = TcpStream::connect(node.harness.server.address())
            .await
            .unwrap();
        // The beginning of a ClientHello.
        half.write_all(&[0x16, 3, 1, 0x02, 0, 1, 0, 1])
            .await
            .unwrap();
        halves.push(half);
    }
    let mut stream = node.connect(&node.certificate).await.unwrap();
    assert!(ask(&mut stream).await.contains("Allod Test"));
    for mut half in halves {
        let end = tokio::time::timeout(Duration::from_secs(20), half.read(&mut [0; 8])).await;
        assert!(matches!(end, Ok(Ok(0) | Err(_))), "{end:?}");
    }
}

/// Goal: the SDK reaches a node that encrypts and wants a key, by both kinds of endpoint; with
/// another authority, another key or none it does not.
#[tokio::test]
async fn a_client_with_the_right_authority_and_key_is_served_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let files = TlsFiles {
        certificate: path("cert.pem"),
        key: path("key.pem"),
    };
    certify(&files);
    let other = TlsFiles {
        certificate: path("other.pem"),
        key: path("other-key.pem"),
    };
    certify(&other);
    let key = ApiKey::new([7; 32]);
    std::fs::write(path("api-keys"), key.line("wallet").unwrap()).unwrap();
    std::fs::write(path("secret"), key.reveal()).unwrap();
    close(&path("secret"), 0o600);
    let harness = Harness::with(ServerConfig {
        tls: Some(files.clone()),
        api_keys: Some(path("api-keys")),
        ..ServerConfig::default()
    })
    .await;
    let port = harness.server.address().port();
    let with_key = Access::default().key_file(&path("secret")).unwrap();
    let with_other = Access::default().key("allod_key_x", "test").unwrap();
    for scheme in ["https", "wss"] {
        let ask = |access: &Access, authority: &Path| {
            let access = access.clone().authority_file(authority).unwrap();
            let config = SdkConfig {
                access,
                ..SdkConfig::new(format!("{scheme}://localhost:{port}"))
            };
            async move {
                let client = Client::new(&config).unwrap();
                let chain = client.call::<String>("system_chain", rpc_params![], Duration::ZERO);
                chain.await
            }
        };
        let right = &files.certificate;
        let answer = ask(&with_key, right).await;
        assert_eq!(answer.ok().as_deref(), Some("Allod Test"), "{scheme}");
        let answer = ask(&with_key, &other.certificate).await;
        let is_refused = matches!(answer, Err(ClientError::Unreachable { .. }));
        assert!(is_refused, "{scheme}: {answer:?}");
        for access in [&Access::default(), &with_other] {
            let answer = ask(access, right).await;
            let is_refused = matches!(answer, Err(ClientError::Unauthorized { .. }));
            assert!(is_refused, "{scheme}: {answer:?}");
        }
    }
}
