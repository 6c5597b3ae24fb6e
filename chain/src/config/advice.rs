//! What a configuration that can be used still gets wrong: keys that contradict each other, and
//! what its operator should know before people rely on the node.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use super::check::{Checked, Problem};
use super::{NodeConfig, RpcSection, StorageSection};
use crate::limits::BLOCK_WORK_MAX;

/// Verifiers refuse answers older than this, by default (docs/adr/0005).
const STALENESS: Duration = Duration::from_secs(10);

/// What the machine has that a configuration may ask too much of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Bytes of its memory, if it says.
    pub memory_bytes: Option<u64>,
}

impl Machine {
    /// Returns what this machine has.
    pub fn this() -> Self {
        let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        Self {
            memory_bytes: kib.map(|kib| kib.saturating_mul(1024)),
        }
    }
}

/// Returns keys that cannot be as they are together.
pub(super) fn conflicts(config: &NodeConfig, checked: &Checked) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut add =
        |key, message: String, hint: &str| found.push(problem(checked, key, message, hint));
    let rpc = config.rpc.listen;
    if let Some((ip, port)) = tcp(&config.consensus.listen) {
        for (what, port) in [
            ("consensus", port),
            ("transactions", port.saturating_add(1)),
        ] {
            if port != 0 && port == rpc.port() && overlap(ip, rpc.ip()) {
                let message = format!("rpc.listen is {rpc}, where {what} listens as well");
                let hint = "consensus takes its port and the next one: choose another for either";
                add("rpc.listen", message, hint);
            }
        }
    }
    let tls = &config.rpc.tls;
    if tls.certificate.is_some() != tls.key.is_some() {
        let (key, other) = match tls.key {
            None => ("rpc.tls.certificate", "rpc.tls.key"),
            Some(_) => ("rpc.tls.key", "rpc.tls.certificate"),
        };
        let message = format!("{key} is given, and {other} is not");
        add(key, message, "TLS needs both");
    }
    if let Some(origin) = allod_rpc::bad_origin(&config.rpc.cors) {
        let message = format!("rpc.cors: `{origin}` is no origin, or not the only one");
        let hint = "write scheme and host as browsers do, such as https://wallet.example, or \"*\" \
                    alone";
        add("rpc.cors", message, hint);
    }
    if config.keys.validator.as_ref() == Some(&config.keys.network) {
        let message = "keys.validator is the file of keys.network".to_owned();
        let hint = "a key has one purpose: make another with `allod-node keys new`";
        add("keys.validator", message, hint);
    }
    if config.keys.validator.is_some() && config.keys.signer.is_some() {
        let message = "keys.validator and keys.signer are both set".to_owned();
        let hint = "the key that votes is in one place: take one of them out";
        add("keys.signer", message, hint);
    }
    found
}

/// Returns what can be used but should be known. `base`: where relative paths begin.
pub(super) fn warnings(
    config: &NodeConfig,
    checked: &Checked,
    base: &Path,
    machine: &Machine,
) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut add =
        |key, message: String, hint: &str| found.push(problem(checked, key, message, hint));
    exposure(&config.rpc, &mut add);
    pace(config, &mut add);
    memory(&config.storage, machine, &mut add);
    let files = [
        ("chain_spec", Some(&config.chain_spec)),
        ("keys.network", Some(&config.keys.network)),
        ("keys.validator", config.keys.validator.as_ref()),
        ("keys.signer", config.keys.signer.as_ref()),
        ("keys.passphrase_file", config.keys.passphrase_file.as_ref()),
        ("rpc.api_keys", config.rpc.api_keys.as_ref()),
        ("rpc.tls.certificate", config.rpc.tls.certificate.as_ref()),
        ("rpc.tls.key", config.rpc.tls.key.as_ref()),
    ];
    for (key, path) in files {
        let Some(path) = path.map(|path| base.join(path)) else {
            continue;
        };
        if !path.exists() {
            let message = format!("{key} is {}, which does not exist", path.display());
            add(key, message, "the node does not start without it");
        }
    }
    found
}

fn problem(checked: &Checked, key: &'static str, message: String, hint: &str) -> Problem {
    Problem {
        key: Some(key.to_owned()),
        line: checked.lines.get(key).copied(),
        message,
        hint: Some(hint.to_owned()),
    }
}

fn exposure(rpc: &RpcSection, add: &mut impl FnMut(&'static str, String, &str)) {
    let listen = rpc.listen;
    if listen.ip().is_loopback() {
        return;
    }
    if rpc.tls.certificate.is_none() {
        let message = format!("rpc.listen is {listen}, which other machines reach without TLS");
        let hint = "what is sent can be read on the way, API keys too: set rpc.tls, or have a \
                    proxy before it that does TLS";
        add("rpc.listen", message, hint);
    } else if rpc.api_keys.is_none() {
        let message = format!("rpc.listen is {listen}, which other machines reach");
        let hint = "everybody can read everything and submit, within the limits of an address: \
                    that is meant for a public node; else set rpc.api_keys";
        add("rpc.listen", message, hint);
    }
}

fn pace(config: &NodeConfig, add: &mut impl FnMut(&'static str, String, &str)) {
    let heartbeat = config.consensus.pacing().heartbeat_max;
    if heartbeat >= STALENESS {
        let message = format!(
            "consensus.heartbeat_ms_max is {} s or more",
            STALENESS.as_secs()
        );
        let hint = "verifiers refuse every answer while the chain idles, unless theirs is raised";
        add("consensus.heartbeat_ms_max", message, hint);
    } else if heartbeat > STALENESS / 2 {
        let message = "consensus.heartbeat_ms_max is above half of the 10 s after which verifiers \
                       refuse answers"
            .to_owned();
        let hint = "one lost round on an idle chain makes them refuse";
        add("consensus.heartbeat_ms_max", message, hint);
    }
    let propose = Duration::from_millis(config.consensus.propose_ms);
    if propose < BLOCK_WORK_MAX * 2 {
        let message = format!(
            "consensus.propose_ms is {}; making a block may take {} ms and executing it as long",
            propose.as_millis(),
            BLOCK_WORK_MAX.as_millis()
        );
        add(
            "consensus.propose_ms",
            message,
            "full blocks would fail their rounds",
        );
    }
}

fn memory(
    storage: &StorageSection,
    machine: &Machine,
    add: &mut impl FnMut(&'static str, String, &str),
) {
    let Some(memory) = machine.memory_bytes else {
        return;
    };
    let cache = u64::from(storage.cache_mib) << 20;
    if cache > memory / 2 {
        let message = format!(
            "storage.cache_mib is {}, more than half of this machine's {} MiB",
            storage.cache_mib,
            memory >> 20
        );
        add(
            "storage.cache_mib",
            message,
            "the rest of the node needs room: lower it",
        );
    }
}

/// Returns address and port of a TCP multiaddr that begins with an address.
fn tcp(address: &str) -> Option<(IpAddr, u16)> {
    let address: Multiaddr = address.parse().ok()?;
    let (mut ip, mut port) = (None, None);
    for part in address.iter() {
        match part {
            Protocol::Ip4(found) => ip = Some(IpAddr::V4(found)),
            Protocol::Ip6(found) => ip = Some(IpAddr::V6(found)),
            Protocol::Tcp(found) => port = Some(found),
            _ => {}
        }
    }
    ip.zip(port)
}

/// Returns whether one socket of the same port at each of both addresses is one too many.
fn overlap(a: IpAddr, b: IpAddr) -> bool {
    a == b || a.is_unspecified() || b.is_unspecified()
}
