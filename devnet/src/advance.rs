//! `advance`: all clocks of the network are set forward, and blocks of the new time are awaited.
//!
//! The running `up` does the first, in one breath for all nodes; this process waits, so that the
//! network can be watched and broken meanwhile.

use std::collections::BTreeMap;
use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use allod_chain::limits::CLOCK_AHEAD_MAX;
use allod_chain::seams::{Clock, SystemClock};
use anyhow::bail;
use serde_json::json;
use tokio::time::Instant;

use crate::cli::Cli;
use crate::control::{self, ClockSet, NodeStatus, Reply, Request};
use crate::layout::Layout;
use crate::report::Progress;

/// How long the network may take to make a block of the new time.
const BLOCK_WAIT: Duration = Duration::from_secs(60);
/// How long a node that stands still without peers is waited for.
const ALONE_WAIT: Duration = Duration::from_secs(5);
/// After this long a person is told what is awaited, and then as often again.
const SAY_EVERY: Duration = Duration::from_secs(2);
/// Between two looks at the nodes.
const LOOK_EVERY: Duration = Duration::from_millis(100);

const DAY_S: u64 = 24 * 60 * 60;

/// A span of time as `advance` takes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(DAY_S, "d"), (3600, "h"), (60, "m"), (1, "s")];
        let mut left = self.0.as_secs();
        let mut between = "";
        for (seconds, unit) in units {
            if left >= seconds {
                write!(f, "{between}{}{unit}", left / seconds)?;
                left %= seconds;
                between = " ";
            }
        }
        if between.is_empty() {
            write!(f, "{} ms", self.0.as_millis())?;
        }
        Ok(())
    }
}

/// Reads a span: `90s`, `15m`, `72h`, `3d`.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let form = "write 90s, 15m, 72h or 3d";
    if text.starts_with('-') {
        return Err(format!("time goes forward only: {form}"));
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => DAY_S,
        _ => return Err(form.into()),
    };
    if digits.is_empty() || !digits.bytes().all(|it| it.is_ascii_digit()) {
        return Err(form.into());
    }
    let seconds = digits.parse().ok().and_then(|n: u64| n.checked_mul(unit));
    match seconds.map(Duration::from_secs) {
        Some(Duration::ZERO) => Err(format!("that is no time at all: {form}")),
        Some(by) if by <= CLOCK_AHEAD_MAX => Ok(by),
        _ => Err(format!("at most {}: {form}", Span(CLOCK_AHEAD_MAX))),
    }
}

/// Returns the clocks after `ahead_ms` and `by_ms` more.
pub(crate) fn sum(ahead_ms: u64, by_ms: u64) -> anyhow::Result<ClockSet> {
    let sum = ahead_ms.saturating_add(by_ms);
    if by_ms == 0 || Duration::from_millis(sum) > CLOCK_AHEAD_MAX {
        let (now, max) = (Duration::from_millis(ahead_ms), Span(CLOCK_AHEAD_MAX));
        bail!(
            "clocks can be {max} ahead at most, and these are {} ahead",
            Span(now)
        );
    }
    let time = SystemClock.now().plus_ms(sum).0;
    Ok(ClockSet {
        ahead_ms: sum,
        time,
    })
}

/// Runs `advance`: returns when every node that takes part has a finalized block of the new time.
pub(crate) async fn run(cli: &Cli, layout: &Layout, by: Duration) -> anyhow::Result<ExitCode> {
    let by_ms = u64::try_from(by.as_millis())?;
    let begun = Instant::now();
    let set = match control::ask(layout, &Request::Advance { by_ms }).await? {
        Reply::Set(set) => set,
        Reply::Refused(why) => bail!("{why}"),
        other => bail!("the network answers something else: {other:?}"),
    };
    let nodes = arrived(cli, layout, &set).await?;
    let (there, behind): (Vec<_>, Vec<_>) = nodes.iter().partition(|node| node.is_at(set.time));
    let first = there.iter().min_by_key(|node| node.time);
    let (time, height) = first.map_or((None, None), |node| (node.time, node.height));
    let took_ms = u64::try_from(begun.elapsed().as_millis())?;
    if cli.json {
        let told = json!({ "byMs": by_ms, "aheadMs": set.ahead_ms, "time": time, "height": height,
            "tookMs": took_ms, "nodes": numbers(&there), "behind": numbers(&behind) });
        println!("{}", json!({ "advanced": told }));
        return Ok(ExitCode::SUCCESS);
    }
    let ahead = Span(Duration::from_millis(set.ahead_ms));
    let height = height.unwrap_or_default();
    let there = names(&there);
    println!("clocks are {ahead} ahead; block {height} has the new time on node {there}");
    if !behind.is_empty() {
        let behind = names(&behind);
        println!("node {behind} has no peers and did not follow; governance must admit it");
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits until the nodes have blocks of the new time, and returns the nodes that run.
async fn arrived(cli: &Cli, layout: &Layout, set: &ClockSet) -> anyhow::Result<Vec<NodeStatus>> {
    let mut progress = Progress::new(cli);
    let mut tick = tokio::time::interval(LOOK_EVERY);
    let begun = Instant::now();
    let mut said = begun;
    let mut alone = Alone::default();
    loop {
        tick.tick().await;
        let nodes = match control::ask(layout, &Request::Status).await? {
            Reply::Nodes(nodes) => nodes.into_iter().filter(|node| node.pid.is_some()),
            other => bail!("the network answers something else: {other:?}"),
        };
        let nodes: Vec<NodeStatus> = nodes.collect();
        let (there, late): (Vec<_>, Vec<_>) = nodes.iter().partition(|it| it.is_at(set.time));
        let left_out: Vec<bool> = late.iter().map(|it| alone.is_left_out(it)).collect();
        if !there.is_empty() && left_out.iter().all(|out| *out) {
            return Ok(nodes);
        }
        let names = names(&late);
        if begun.elapsed() > BLOCK_WAIT {
            let wait = BLOCK_WAIT.as_secs();
            bail!("no block of the new time within {wait} s on node {names}");
        }
        if said.elapsed() > SAY_EVERY {
            said = Instant::now();
            progress.say(&format!(
                "clocks are set, waiting for blocks on node {names}"
            ));
        }
    }
}

/// Nodes that stand still, from when, at which height, and whether they were seen without peers.
#[derive(Debug, Default)]
struct Alone(BTreeMap<usize, (Instant, u64, bool)>);

impl Alone {
    /// Returns whether a node has stood still for a while and had no peers once: it may have just
    /// been started, but more likely nobody admits it, though they answer its calls at times.
    fn is_left_out(&mut self, node: &NodeStatus) -> bool {
        let Some(height) = node.height else {
            return false;
        };
        let fresh = (Instant::now(), height, false);
        let (since, stood, lonely) = self.0.entry(node.node).or_insert(fresh);
        if *stood != height {
            (*since, *stood, *lonely) = fresh;
        }
        *lonely |= node.peers == Some(0);
        *lonely && since.elapsed() > ALONE_WAIT
    }
}

fn numbers(nodes: &[&NodeStatus]) -> Vec<usize> {
    nodes.iter().map(|it| it.node).collect()
}

fn names(nodes: &[&NodeStatus]) -> String {
    let names: Vec<String> = nodes.iter().map(|it| it.node.to_string()).collect();
    names.join(", ")
}

impl NodeStatus {
    fn is_at(&self, time: u64) -> bool {
        self.time.is_some_and(|own| own >= time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(height: Option<u64>, peers: Option<u64>) -> NodeStatus {
        NodeStatus {
            node: 4,
            pid: Some(1),
            rpc: String::new(),
            height,
            peers,
            time: None,
            ended: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_node_that_stands_still_without_peers_is_left_out() {
        let wait = || tokio::time::sleep(ALONE_WAIT + LOOK_EVERY);
        let mut alone = Alone::default();
        assert!(!alone.is_left_out(&node(Some(0), Some(0))), "just started");
        wait().await;
        assert!(!alone.is_left_out(&node(None, None)), "does not answer");
        assert!(
            alone.is_left_out(&node(Some(0), Some(1))),
            "peers hang up on it"
        );
        assert!(
            !alone.is_left_out(&node(Some(1), Some(1))),
            "it got a block"
        );
        wait().await;
        assert!(!alone.is_left_out(&node(Some(1), Some(1))), "it has peers");
    }

    #[test]
    fn spans_are_whole_and_forward() {
        let read = |text: &str| span(text).ok().map(|it| it.as_secs());
        assert_eq!(read("90s"), Some(90));
        assert_eq!(read("15m"), Some(900));
        assert_eq!(read("72h"), Some(259_200));
        assert_eq!(read("3d"), Some(259_200));
        assert_eq!(read("3650d"), Some(315_360_000));
        for text in [
            "",
            "90",
            "h",
            "1.5h",
            "+1h",
            "1h30m",
            "1y",
            "9999999999999999999d",
        ] {
            assert!(span(text).unwrap_err().contains("write 90s"), "{text}");
        }
        assert!(span("-5m").unwrap_err().contains("forward only"));
        assert!(span("0s").unwrap_err().contains("no time at all"));
        assert!(span("1000000d").unwrap_err().contains("at most 3650d"));
    }

    #[test]
    fn spans_are_written_as_they_are_read() {
        let text = |seconds| Span(Duration::from_secs(seconds)).to_string();
        assert_eq!(text(259_200), "3d");
        assert_eq!(text(90_061), "1d 1h 1m 1s");
        assert_eq!(Span(Duration::from_millis(5)).to_string(), "5 ms");
    }

    #[test]
    fn offsets_add_up_to_a_limit() {
        let max = u64::try_from(CLOCK_AHEAD_MAX.as_millis()).unwrap();
        let before = SystemClock.now();
        let set = sum(1000, 500).unwrap();
        assert_eq!(set.ahead_ms, 1500);
        assert!(set.time >= before.0 + 1500);
        assert_eq!(sum(max - 1, 1).unwrap().ahead_ms, max);
        for (ahead, by) in [(max, 1), (max - 1, 2), (5, 0), (5, u64::MAX)] {
            let refused = sum(ahead, by).unwrap_err().to_string();
            assert!(refused.contains("clocks can be 3650d"), "{refused}");
        }
    }
}
