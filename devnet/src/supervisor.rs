//! Starts the nodes, keeps them, and ends them when it ends.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::process::{Child, ChildStdin, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::cli::{Cli, Up};
use crate::control::{self, Asked, ClockSet, NodeStatus, Reply, Request};
use crate::genesis::{self, Manifest};
use crate::layout::Layout;
use crate::{advance, identities, report};

/// How long a node may take to stop before it is killed.
const STOP_WAIT: Duration = Duration::from_secs(10);
/// How long the network may take to finalize its first block.
const START_WAIT: Duration = Duration::from_secs(120);
/// Between two looks at the network while it starts.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a node may take to read a line, and a client to read its answer: they always read,
/// unless they are stopped.
const TELL_WAIT: Duration = Duration::from_secs(1);
/// Nodes one network may have.
const NODES_MAX: usize = 32;

/// One node process, or what is left of it. The pipe to its standard input carries how far its
/// clock is ahead; the node stops when it closes, so that it cannot outlive this program.
#[derive(Debug)]
struct Node {
    child: Option<(Child, ChildStdin)>,
    ended: Option<String>,
}

/// The running network.
#[derive(Debug)]
pub(crate) struct Network {
    layout: Layout,
    program: PathBuf,
    /// Programs of the nodes that run another.
    programs: BTreeMap<usize, PathBuf>,
    manifest: Manifest,
    nodes: Vec<Node>,
}

/// Runs `up`: returns when the network has ended.
pub(crate) async fn up(cli: &Cli, up: &Up, layout: &Layout) -> anyhow::Result<ExitCode> {
    let _lock = layout.lock()?;
    let mut stop = StopSignals::new()?;
    if up.fresh {
        layout.clear()?;
    }
    let manifest = genesis::prepare(up, layout)?;
    let mut network = Network::new(up, layout, manifest)?;
    let started = tokio::select! {
        result = network.start(cli) => result,
        () = stop.wait() => { network.end().await; return Ok(ExitCode::SUCCESS); }
    };
    if let Err(error) = started {
        network.end().await;
        return Err(error);
    }
    report::banner(cli, &network.manifest)?;
    let result = network.serve(&mut stop).await;
    network.end().await;
    result.map(|()| ExitCode::SUCCESS)
}

/// Returns a loopback address that no other living process of this program uses: it is made of
/// the process id. Linux gives every process all of 127.0.0.0/8.
pub(crate) fn isolated_host() -> IpAddr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, 64 | (high & 63), middle, low))
}

impl Network {
    fn new(up: &Up, layout: &Layout, manifest: Manifest) -> anyhow::Result<Self> {
        let program = match &up.node_program {
            Some(program) => program.clone(),
            None => std::env::current_exe()?.with_file_name("allod-node"),
        };
        if !program.exists() {
            bail!(
                "no program {}; build it with `make build`",
                program.display()
            );
        }
        let nodes = manifest
            .nodes
            .iter()
            .map(|_| Node {
                child: None,
                ended: None,
            })
            .collect();
        Ok(Self {
            layout: layout.clone(),
            program,
            programs: BTreeMap::new(),
            manifest,
            nodes,
        })
    }

    async fn start(&mut self, cli: &Cli) -> anyhow::Result<()> {
        let mut progress = report::Progress::new(cli);
        for index in 0..self.nodes.len() {
            self.spawn(index)?;
        }
        progress.say(&format!(
            "{} nodes started, waiting for blocks",
            self.nodes.len()
        ));
        let deadline = Instant::now() + START_WAIT;
        while self.height(0).await.unwrap_or(0) == 0 {
            self.check_alive()?;
            if Instant::now() > deadline {
                bail!("no block was finalized within {} s", START_WAIT.as_secs());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        progress.say("blocks are finalized, creating alice and bob");
        identities::create(&self.layout, &mut self.manifest).await?;
        self.manifest.write(&self.layout)
    }

    /// Fails if a node has ended by itself.
    fn check_alive(&mut self) -> anyhow::Result<()> {
        for index in 0..self.nodes.len() {
            self.look(index);
            if let Some(ended) = &self.nodes[index].ended {
                let log = self.layout.log(index);
                bail!("node {index} ended ({ended}); its log is {}", log.display());
            }
        }
        Ok(())
    }

    fn spawn(&mut self, index: usize) -> anyhow::Result<()> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.layout.log(index))?;
        let program = self.programs.get(&index).unwrap_or(&self.program);
        let mut child = Command::new(program)
            .arg("run")
            .arg("--config")
            .arg(self.layout.node(index).join("config.toml"))
            .arg("--stop-on-stdin-eof")
            .arg("--clock-ahead-ms-unsafe")
            .arg(self.manifest.clock_ahead_ms.to_string())
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let stdin = child
            .stdin
            .take()
            .context("the node has no standard input")?;
        self.nodes[index] = Node {
            child: Some((child, stdin)),
            ended: None,
        };
        Ok(())
    }

    /// Notes whether node `index` has ended.
    fn look(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if let Some((child, _)) = &mut node.child
            && let Ok(Some(status)) = child.try_wait()
        {
            node.ended = Some(status.to_string());
            node.child = None;
        }
    }

    async fn height(&self, index: usize) -> Option<u64> {
        let standing = identities::probe(&self.manifest.nodes[index].rpc).await?;
        Some(standing.height)
    }

    /// Answers commands until a signal or `stop`.
    async fn serve(&mut self, stop: &mut StopSignals) -> anyhow::Result<()> {
        let socket = self.layout.control();
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).context("opening the control socket")?;
        let (asked, mut questions) = mpsc::channel(16);
        let server = tokio::spawn(control::serve(listener, asked));
        loop {
            tokio::select! {
                () = stop.wait() => break,
                Some(Asked { request, reply }) = questions.recv() => {
                    let last = matches!(request, Request::Stop);
                    // A client that did not wait for its answer misses nothing else.
                    let _ = reply.send(self.answer(request).await);
                    if last {
                        break;
                    }
                }
            }
        }
        server.abort();
        // Each connection holds a sender until its answer is written. One that asks nothing is not
        // waited for.
        let answered = async { while questions.recv().await.is_some() {} };
        let _ = tokio::time::timeout(TELL_WAIT, answered).await;
        let _ = std::fs::remove_file(&socket);
        Ok(())
    }

    async fn answer(&mut self, request: Request) -> Reply {
        let result = match request {
            Request::Status => return Reply::Nodes(self.status().await),
            Request::Stop => Ok("stopping".to_owned()),
            Request::Kill { node } => self.kill(node).await,
            Request::Restart { node, binary } => self.restart(node, binary).await,
            Request::Add => self.add(),
            Request::Advance { by_ms } => match self.advance(by_ms).await {
                Ok(set) => return Reply::Set(set),
                Err(error) => Err(error),
            },
        };
        result.map_or_else(|error| Reply::Refused(format!("{error:#}")), Reply::Done)
    }

    async fn status(&mut self) -> Vec<NodeStatus> {
        let mut out = Vec::new();
        for index in 0..self.nodes.len() {
            self.look(index);
            let rpc = self.manifest.nodes[index].rpc.clone();
            let probed = match &self.nodes[index].child {
                Some(_) => identities::probe(&rpc).await,
                None => None,
            };
            out.push(NodeStatus {
                node: index,
                pid: self.nodes[index]
                    .child
                    .as_ref()
                    .and_then(|(child, _)| child.id()),
                rpc,
                height: probed.map(|it| it.height),
                peers: probed.map(|it| it.peers),
                time: probed.map(|it| it.time),
                ended: self.nodes[index].ended.clone(),
            });
        }
        out
    }

    fn check_index(&self, index: usize) -> anyhow::Result<()> {
        if index >= self.nodes.len() {
            bail!("no node {index}; there are 0 to {}", self.nodes.len() - 1);
        }
        Ok(())
    }

    async fn kill(&mut self, index: usize) -> anyhow::Result<String> {
        self.check_index(index)?;
        self.look(index);
        let Some((child, _)) = &mut self.nodes[index].child else {
            bail!("node {index} does not run");
        };
        child.kill().await.context("killing it")?;
        self.nodes[index] = Node {
            child: None,
            ended: Some("killed on request".to_owned()),
        };
        Ok(format!("node {index} killed"))
    }

    async fn restart(&mut self, index: usize, binary: Option<PathBuf>) -> anyhow::Result<String> {
        self.check_index(index)?;
        if let Some(binary) = binary {
            self.programs.insert(index, binary);
        }
        if let Some((child, stdin)) = self.nodes[index].child.take() {
            end_child(child, stdin).await;
        }
        self.spawn(index)?;
        Ok(format!("node {index} started"))
    }

    fn add(&mut self) -> anyhow::Result<String> {
        if self.nodes.len() >= NODES_MAX {
            bail!("a network here has at most {NODES_MAX} nodes");
        }
        let index = genesis::add_node(&mut self.manifest, &self.layout)?;
        self.nodes.push(Node {
            child: None,
            ended: None,
        });
        self.spawn(index)?;
        Ok(serde_json::to_string(&self.manifest.nodes[index])?)
    }

    /// Sets all clocks forward. The sum is kept before any node hears of it, so that a node that
    /// is started again, or the next `up`, is not behind.
    async fn advance(&mut self, by_ms: u64) -> anyhow::Result<ClockSet> {
        for index in 0..self.nodes.len() {
            self.look(index);
        }
        if self.nodes.iter().all(|node| node.child.is_none()) {
            bail!("no node runs; a clock is set while blocks are made");
        }
        let set = advance::sum(self.manifest.clock_ahead_ms, by_ms)?;
        self.manifest.clock_ahead_ms = set.ahead_ms;
        self.manifest.write(&self.layout)?;
        let line = format!("clock-ahead-ms {}\n", set.ahead_ms);
        let pipes = self.nodes.iter_mut().filter_map(|node| node.child.as_mut());
        for (_, stdin) in pipes {
            // A node that ends now hears of it when it is started again.
            let _ = tokio::time::timeout(TELL_WAIT, stdin.write_all(line.as_bytes())).await;
        }
        Ok(set)
    }

    /// Ends all nodes: asks all, then kills what is left after a while.
    async fn end(&mut self) {
        let children = self.nodes.iter_mut().filter_map(|node| node.child.take());
        let ends: Vec<_> = children
            .map(|(child, stdin)| tokio::spawn(end_child(child, stdin)))
            .collect();
        for end in ends {
            let _ = end.await;
        }
    }
}

/// Asks a node to stop, and kills it if it does not.
async fn end_child(mut child: Child, stdin: ChildStdin) {
    if let Some(id) = child.id().and_then(|id| i32::try_from(id).ok()) {
        let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
    }
    drop(stdin);
    if tokio::time::timeout(STOP_WAIT, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

/// SIGINT, SIGTERM and SIGHUP.
#[derive(Debug)]
struct StopSignals([tokio::signal::unix::Signal; 3]);

impl StopSignals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals");
        Ok(Self([
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        ]))
    }

    async fn wait(&mut self) {
        let [a, b, c] = &mut self.0;
        tokio::select! { _ = a.recv() => {}, _ = b.recv() => {}, _ = c.recv() => {} }
    }
}
