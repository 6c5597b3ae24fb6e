//! What a person or a program reads: data on stdout, everything else on stderr.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::cli::Cli;
use crate::control::{NodeStatus, Reply};
use crate::genesis::Manifest;
use crate::layout::Layout;

/// Prints an error with a hint, and returns the exit code.
pub(crate) fn fail(cli: &Cli, error: &anyhow::Error) -> ExitCode {
    let text = format!("{error:#}");
    let hint = if text.contains("already runs") {
        "`allod-devnet status` shows it, `allod-devnet stop` ends it, --dir makes another"
    } else if text.contains("no network runs") {
        "start one with `allod-devnet up`, or name its directory with --dir"
    } else if text.contains("--fresh") {
        "`allod-devnet up --fresh` begins anew and deletes the old network"
    } else if text.contains("clocks can be") {
        "`allod-devnet up --fresh` begins anew with this machine's time"
    } else if text.contains("no node runs") {
        "`allod-devnet restart N` starts a node"
    } else if text.contains("block of the new time") {
        "the clocks stay set; `allod-devnet status` shows which nodes run, more than two thirds must"
    } else if text.contains("its log is") {
        "`allod-devnet logs N` prints a node's log"
    } else {
        "`allod-devnet --help` lists the commands"
    };
    if cli.json {
        eprintln!(
            "{}",
            serde_json::json!({ "error": { "message": text, "hint": hint } })
        );
    } else {
        eprintln!("allod-devnet: error: {text}\nhint: {hint}");
    }
    ExitCode::from(3)
}

/// Lines about what takes long, on stderr.
#[derive(Debug)]
pub(crate) struct Progress {
    quiet: bool,
}

impl Progress {
    pub(crate) fn new(cli: &Cli) -> Self {
        Self {
            quiet: cli.json && !std::io::stderr().is_terminal(),
        }
    }

    pub(crate) fn say(&mut self, text: &str) {
        if !self.quiet {
            eprintln!("allod-devnet: {text}");
        }
    }
}

/// Prints the running network.
pub(crate) fn banner(cli: &Cli, manifest: &Manifest) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if cli.json {
        writeln!(out, "{}", serde_json::to_string(manifest)?)?;
    } else {
        write!(out, "{}", manifest.banner())?;
    }
    out.flush().context("writing to stdout")
}

/// Prints the answer of a running network.
pub(crate) fn reply(cli: &Cli, reply: &Reply) -> anyhow::Result<ExitCode> {
    if let Reply::Refused(why) = reply {
        anyhow::bail!("{why}");
    }
    if cli.json {
        println!("{}", serde_json::to_string(reply)?);
        return Ok(ExitCode::SUCCESS);
    }
    match reply {
        Reply::Nodes(nodes) => nodes.iter().for_each(print_node),
        Reply::Done(what) | Reply::Refused(what) => println!("{what}"),
        Reply::Set(set) => println!("clocks are {} ms ahead", set.ahead_ms),
    }
    Ok(ExitCode::SUCCESS)
}

fn print_node(node: &NodeStatus) {
    let state = match (&node.pid, &node.ended) {
        (Some(pid), _) => format!("pid {pid}"),
        (None, Some(ended)) => format!("ended: {ended}"),
        (None, None) => "not started".to_owned(),
    };
    let show = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |v| v.to_string());
    println!(
        "node {}  {}  height {}  peers {}  {state}",
        node.node,
        node.rpc,
        show(node.height),
        show(node.peers)
    );
}

/// Prints a node's log, and what is added to it if `follow`.
pub(crate) async fn logs(layout: &Layout, node: usize, follow: bool) -> anyhow::Result<ExitCode> {
    let path = layout.log(node);
    let mut file = tokio::fs::File::open(&path)
        .await
        .with_context(|| format!("opening {} (no network runs there?)", path.display()))?;
    let mut stdout = tokio::io::stdout();
    let mut buffer = vec![0; 64 * 1024];
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(200));
    loop {
        let count = file.read(&mut buffer).await?;
        stdout.write_all(&buffer[..count]).await?;
        stdout.flush().await?;
        match (count, follow) {
            (0, false) => return Ok(ExitCode::SUCCESS),
            (0, true) => {
                tokio::select! {
                    _ = tick.tick() => {}
                    _ = tokio::signal::ctrl_c() => return Ok(ExitCode::SUCCESS),
                }
            }
            _ => {}
        }
    }
}
