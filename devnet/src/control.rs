//! Commands to a running `up`: one JSON line each way over a Unix socket.

use std::path::PathBuf;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use crate::layout::Layout;

/// Longest line accepted.
const LINE_BYTES_MAX: u64 = 4096;

/// What can be asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase")]
pub(crate) enum Request {
    /// Heights and peers.
    Status,
    /// End.
    Stop,
    /// SIGKILL a node.
    Kill { node: usize },
    /// Start a node again, by another program from now on if one is named.
    Restart {
        node: usize,
        #[serde(default)]
        binary: Option<PathBuf>,
    },
    /// Start one more node.
    Add,
    /// Set all clocks forward.
    #[serde(rename_all = "camelCase")]
    Advance { by_ms: u64 },
}

/// How a node is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NodeStatus {
    pub(crate) node: usize,
    pub(crate) pid: Option<u32>,
    pub(crate) rpc: String,
    pub(crate) height: Option<u64>,
    pub(crate) peers: Option<u64>,
    /// Time of its newest block, ms since 1970.
    pub(crate) time: Option<u64>,
    /// What ended it, if it does not run.
    pub(crate) ended: Option<String>,
}

/// Clocks that were set forward.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClockSet {
    /// How far they are ahead of the system's now.
    pub(crate) ahead_ms: u64,
    /// A block of this time or later was made by a clock that is set; ms since 1970.
    pub(crate) time: u64,
}

/// The answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reply {
    /// The nodes as they are now.
    Nodes(Vec<NodeStatus>),
    /// Done.
    Done(String),
    /// The clocks are set.
    Set(ClockSet),
    /// Refused.
    Refused(String),
}

/// A request and where its answer goes.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// Sends `request` to the network in `layout` and returns its answer.
pub(crate) async fn ask(layout: &Layout, request: &Request) -> anyhow::Result<Reply> {
    let Ok(stream) = UnixStream::connect(layout.control()).await else {
        bail!("no network runs in {}", layout.root().display());
    };
    let (read, mut write) = stream.into_split();
    let line = serde_json::to_string(request)?;
    write
        .write_all(format!("{line}\n").as_bytes())
        .await
        .context("asking the network")?;
    let mut answer = String::new();
    BufReader::new(read)
        .read_line(&mut answer)
        .await
        .context("reading the network's answer")?;
    serde_json::from_str(&answer).context("understanding the network's answer")
}

/// Accepts requests until the listener is dropped.
pub(crate) async fn serve(listener: UnixListener, asked: mpsc::Sender<Asked>) {
    while let Ok((stream, _)) = listener.accept().await {
        let asked = asked.clone();
        tokio::spawn(async move {
            // A client that goes away or sends garbage concerns nobody else.
            let _ = answer_one(stream, asked).await;
        });
    }
}

async fn answer_one(stream: UnixStream, asked: mpsc::Sender<Asked>) -> anyhow::Result<()> {
    use tokio::io::AsyncReadExt;
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(LINE_BYTES_MAX))
        .read_line(&mut line)
        .await?;
    let reply = match serde_json::from_str(&line) {
        Err(error) => Reply::Refused(format!("not a command: {error}")),
        Ok(request) => {
            let (reply, answer) = oneshot::channel();
            asked.send(Asked { request, reply }).await?;
            answer.await?
        }
    };
    write
        .write_all(format!("{}\n", serde_json::to_string(&reply)?).as_bytes())
        .await?;
    Ok(())
}
