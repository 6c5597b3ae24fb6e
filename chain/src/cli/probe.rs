//! `allod-node probe`: asks a running node how it is, for health checks of containers, which have
//! no other program to ask with.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use clap::Args;

use super::output::{Failure, say};
use crate::node::ExitCode;

/// How long connecting, asking and answering may take, each.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug, Args)]
pub(super) struct ProbeArgs {
    /// Address of the node's RPC, as `rpc.listen` of its configuration.
    #[arg(default_value = "127.0.0.1:9944")]
    address: SocketAddr,
    /// Ask whether clients should be sent there (`/ready`), not just whether it runs (`/health`).
    #[arg(long)]
    ready: bool,
}

pub(super) fn run(args: &ProbeArgs) -> Result<ExitCode, Failure> {
    let path = if args.ready { "/ready" } else { "/health" };
    let unavailable = |what: String| Failure::new(ExitCode::Unavailable, what);
    let (status, body) = ask(args.address, path)
        .map_err(|error| unavailable(format!("{} does not answer: {error}", args.address)))?;
    match status {
        200 => {
            say!("{body}");
            Ok(ExitCode::Stopped)
        }
        _ => Err(unavailable(format!("{path} says {status}: {body}"))),
    }
}

/// Returns status and body of the answer to a GET over plain HTTP.
fn ask(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
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
        let said = run(&ProbeArgs { address, ready });
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
}
