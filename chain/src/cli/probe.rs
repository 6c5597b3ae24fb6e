//! `allod-node probe`: asks a running node how it is, for health checks of containers, which have
//! no other program to ask with.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::output::{Failure, say};
use crate::node::ExitCode;

/// How long connecting, asking and answering may take, each.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of a file of authorities that are read.
const AUTHORITIES_BYTES_MAX: u64 = 1024 * 1024;
/// Addresses of a name that are tried.
const ADDRESSES_MAX: usize = 4;

#[derive(Debug, Args)]
pub(super) struct ProbeArgs {
    /// Address of the node's RPC, as `rpc.listen` of its configuration, or `https://HOST:PORT` for a
    /// node with `rpc.tls.…`.
    #[arg(default_value = "127.0.0.1:9944")]
    node: Node,
    /// Ask whether clients should be sent there (`/ready`), not just whether it runs (`/health`).
    #[arg(long)]
    ready: bool,
    /// Believe certificates of the authorities in this PEM file, or the node's own certificate; for
    /// https.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// Where a node answers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    /// Host and port.
    authority: String,
    is_encrypted: bool,
}

impl FromStr for Node {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let is_encrypted = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(format!("`{scheme}` is neither http nor https")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let port = authority.rsplit_once(':').map(|(_, port)| port);
        if port.is_none_or(|port| port.parse::<u16>().is_err()) || authority.contains('/') {
            return Err("not HOST:PORT, http://HOST:PORT or https://HOST:PORT".into());
        }
        Ok(Self {
            authority: authority.into(),
            is_encrypted,
        })
    }
}

pub(super) fn run(args: &ProbeArgs) -> Result<ExitCode, Failure> {
    let path = if args.ready { "/ready" } else { "/health" };
    let tls = tls(args)?;
    let unavailable = |what: String| Failure::new(ExitCode::Unavailable, what);
    let authority = &args.node.authority;
    let (status, body) = ask(authority, path, tls)
        .map_err(|error| unavailable(format!("{authority} does not answer: {error}")))?;
    match status {
        200 => {
            say!("{body}");
            Ok(ExitCode::Stopped)
        }
        _ => Err(unavailable(format!("{path} says {status}: {body}"))),
    }
}

/// Returns what a node with TLS is known by.
fn tls(args: &ProbeArgs) -> anyhow::Result<Option<Arc<ClientConfig>>> {
    let path = match (&args.ca_file, args.node.is_encrypted) {
        (Some(path), true) => path,
        (None, false) => return Ok(None),
        (None, true) => bail!("https needs --ca-file: the node's certificate, or its authority's"),
        (Some(_), false) => bail!("--ca-file is for https://HOST:PORT"),
    };
    let what = || path.display().to_string();
    let file = File::open(path).with_context(what)?;
    let mut text = Vec::new();
    file.take(AUTHORITIES_BYTES_MAX)
        .read_to_end(&mut text)
        .with_context(what)?;
    let mut authorities = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        authorities
            .add(certificate.with_context(what)?)
            .with_context(what)?;
    }
    if authorities.is_empty() {
        bail!("{}: no certificate in PEM", path.display());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the versions' ciphers");
    let config = builder
        .with_root_certificates(authorities)
        .with_no_client_auth();
    Ok(Some(Arc::new(config)))
}

/// Returns status and body of the answer to a GET.
fn ask(authority: &str, path: &str, tls: Option<Arc<ClientConfig>>) -> io::Result<(u16, String)> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let mut connected = None;
    for address in authority.to_socket_addrs()?.take(ADDRESSES_MAX) {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                connected = Some(stream);
                break;
            }
            Err(error) => last = error,
        }
    }
    let stream = connected.ok_or(last)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let Some(config) = tls else {
        return exchange(stream, authority, path);
    };
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host);
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    let session = ClientConnection::new(config, name).map_err(io::Error::other)?;
    exchange(StreamOwned::new(session, stream), authority, path)
}

fn exchange(
    mut stream: impl Read + Write,
    authority: &str,
    path: &str,
) -> io::Result<(u16, String)> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    match stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer) {
        // Some end TLS without a word; the answer is whole or is none.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
        _ => {}
    }
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
    status
        .zip(body)
        .map(|(status, body)| (status, body.trim_end().to_owned()))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "that is no answer of HTTP"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Serves one answer; returns what the probe makes of it, and what it asked.
    fn probed(answer: &'static str, ready: bool) -> (Result<ExitCode, String>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it has one");
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("the probe comes");
            let mut asked = [0; 256];
            let length = stream.read(&mut asked).expect("it asks");
            stream.write_all(answer.as_bytes()).expect("it listens");
            String::from_utf8_lossy(&asked[..length]).into_owned()
        });
        let said = run(&ProbeArgs {
            node: address.to_string().parse().expect("it is one"),
            ready,
            ca_file: None,
        });
        let asked = serving.join().expect("no panic");
        (said.map_err(|failure| failure.message), asked)
    }

    #[test]
    fn a_node_that_is_well_is_well() {
        let (said, asked) = probed("HTTP/1.1 200 OK\r\n\r\n{\"status\":\"ok\"}", false);
        assert_eq!(said, Ok(ExitCode::Stopped));
        assert!(asked.starts_with("GET /health HTTP/1.1\r\n"), "{asked}");
    }

    #[test]
    fn one_that_is_not_ready_is_unavailable_and_says_why() {
        let answer = "HTTP/1.1 503 Service Unavailable\r\n\r\n{\"ready\":false}";
        let (said, asked) = probed(answer, true);
        assert_eq!(said, Err("/ready says 503: {\"ready\":false}".to_owned()));
        assert!(asked.starts_with("GET /ready "), "{asked}");
        let (said, _) = probed("nonsense", false);
        assert!(said.is_err_and(|said| said.contains("no answer of HTTP")));
    }

    /// Serves one answer over TLS to whoever believes its certificate.
    fn serve_encrypted(listener: &TcpListener, config: Arc<rustls::ServerConfig>) {
        let (stream, _) = listener.accept().expect("the probe comes");
        let session = rustls::ServerConnection::new(config).expect("the files fit");
        let mut stream = StreamOwned::new(session, stream);
        let mut asked = [0; 256];
        // Who does not believe hangs up.
        if stream.read(&mut asked).is_ok_and(|length| length > 0) {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"status\":\"ok\"}")
                .expect("it listens");
            stream.conn.send_close_notify();
            stream.flush().expect("it listens");
        }
    }

    #[test]
    fn a_node_with_tls_is_asked_and_believed_by_its_certificate_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let make = |name: &str| {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
            let made = made.expect("a certificate");
            let file = dir.path().join(name);
            std::fs::write(&file, made.cert.pem()).expect("room");
            (made, file)
        };
        let ((own, right), (_, wrong)) = (make("own"), make("other"));
        let key = own.key_pair.serialize_der().try_into().expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("it has them")
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key);
        let config = Arc::new(config.expect("they fit"));
        for (file, is_well) in [(right, true), (wrong, false)] {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let port = listener.local_addr().expect("it has one").port();
            let config = config.clone();
            let serving = std::thread::spawn(move || serve_encrypted(&listener, config));
            let said = run(&ProbeArgs {
                node: format!("https://localhost:{port}")
                    .parse()
                    .expect("it is one"),
                ready: false,
                ca_file: Some(file),
            });
            serving.join().expect("no panic");
            match said {
                Ok(code) => assert!(is_well && code == ExitCode::Stopped),
                Err(failure) => {
                    assert!(!is_well, "{}", failure.message);
                    assert_eq!(failure.code, ExitCode::Unavailable);
                    assert!(
                        failure.message.contains("certificate"),
                        "{}",
                        failure.message
                    );
                }
            }
        }
    }

    #[test]
    fn what_names_no_node_or_no_authority_is_a_usage_error() {
        for text in [
            "localhost",
            "ws://localhost:1",
            "https://localhost",
            "http://a:1/health",
        ] {
            assert!(text.parse::<Node>().is_err(), "{text}");
        }
        let node: Node = "https://[::1]:9944/".parse().expect("it is one");
        assert_eq!(node.authority, "[::1]:9944");
        let args = ProbeArgs {
            node,
            ready: false,
            ca_file: None,
        };
        let failure = run(&args).expect_err("nobody is believed");
        assert_eq!(failure.code, ExitCode::Usage);
        assert!(failure.message.contains("--ca-file"), "{}", failure.message);
    }
}
