//! What reads cost: a plain HTTP client that loads a server, a bare server to compare with, and the
//! processor time of processes.
//!
//! The bare server does what any handler must: it reads a request of HTTP/1.1 and answers bytes
//! that are ready. It runs in a process of its own, as nodes do, so that both are measured alike.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

/// Clock ticks a second, as `/proc` counts them on Linux.
const TICKS_PER_S: f64 = 100.0;

/// Returns the processor time that processes have used.
///
/// # Errors
/// One of them does not run.
pub fn cpu_of(pids: &[u32]) -> anyhow::Result<Duration> {
    let mut total = Duration::ZERO;
    for pid in pids {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let rest = text.rsplit(')').next().context("stat has a name")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
        total += Duration::from_secs_f64(ticks / TICKS_PER_S);
    }
    Ok(total)
}

/// Serves `bytes` ready bytes to every request, on a free port that `started` is told, for ever.
///
/// # Errors
/// No port can be listened on.
pub async fn serve_bare(bytes: usize, started: impl FnOnce(SocketAddr)) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    started(listener.local_addr()?);
    let body = Bytes::from(vec![b'0'; bytes]);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let body = body.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request: Request<Incoming>| {
                let body = body.clone();
                async move {
                    // A request that breaks off is answered as one that is whole.
                    let _read = request.into_body().collect().await;
                    Ok::<_, Infallible>(Response::new(Full::new(body)))
                }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            // The client goes when it has enough.
            let _ended = connection
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

/// A bare server in a process of its own: this program with `--bare`.
#[derive(Debug)]
pub struct Bare {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Bare {
    /// Starts one that answers `bytes` bytes.
    ///
    /// # Errors
    /// This program cannot be started again.
    pub async fn start(bytes: usize) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--bare", &bytes.to_string()])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().context("standard output is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).await?;
        let address = line.trim().parse()?;
        Ok(Self { child, address })
    }

    /// Returns its process id.
    ///
    /// # Errors
    /// It has ended.
    pub fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("the bare server runs")
    }
}

/// Posts `body` `count` times over each of `connections` connections that stay open; returns the
/// bytes of the last answer's body.
///
/// # Errors
/// An answer that is not 200, or a connection that breaks.
pub async fn post(
    address: SocketAddr,
    body: &str,
    connections: u32,
    count: u32,
) -> anyhow::Result<Vec<u8>> {
    let request = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let request = request.clone();
        running.spawn(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let mut stream = BufReader::new(stream);
            let mut answer = Vec::new();
            for _ in 0..count {
                stream.write_all(request.as_bytes()).await?;
                read_answer(&mut stream, &mut answer).await?;
            }
            anyhow::Ok(answer)
        });
    }
    let mut last = Vec::new();
    while let Some(ended) = running.join_next().await {
        last = ended??;
    }
    Ok(last)
}

/// Reads one answer of HTTP/1.1 and leaves its body in `answer`.
async fn read_answer(
    stream: &mut BufReader<TcpStream>,
    answer: &mut Vec<u8>,
) -> anyhow::Result<()> {
    let mut line = String::new();
    let (mut length, mut is_chunked) = (0, false);
    stream.read_line(&mut line).await?;
    ensure!(line.starts_with("HTTP/1.1 200"), "{line}");
    loop {
        line.clear();
        ensure!(stream.read_line(&mut line).await? > 0, "a head without end");
        let header = line.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        is_chunked |= header.starts_with("transfer-encoding:") && header.ends_with("chunked");
    }
    answer.clear();
    while is_chunked {
        line.clear();
        stream.read_line(&mut line).await?;
        let chunk = usize::from_str_radix(line.trim(), 16)?;
        let start = answer.len();
        answer.resize(start + chunk, 0);
        stream.read_exact(&mut answer[start..]).await?;
        line.clear();
        stream.read_line(&mut line).await?;
        is_chunked = chunk > 0;
    }
    if length > 0 {
        answer.resize(length, 0);
        stream.read_exact(answer).await?;
    }
    Ok(())
}
