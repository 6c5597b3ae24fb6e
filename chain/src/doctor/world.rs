//! What lies outside: the clock, descriptors, ports, peers.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use super::Findings;
use super::members::Members;
use crate::config::NodeConfig;
use crate::gossip::next_port;
use crate::keyfile::{self, KeyFile};
use crate::spec::ChainSpec;

/// How long a peer may take to accept a connection.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// Descriptors of the database, the peers and the rest.
const DESCRIPTORS_OWN: u64 = 1024;

/// Looks whether the clock can be right.
pub(super) fn clock(spec: &ChainSpec, now_ms: u64, findings: &mut Findings) {
    if now_ms < spec.time {
        let seconds = (spec.time - now_ms) / 1000;
        let found = format!("genesis is {seconds} s from now, by this machine's clock");
        let todo = "synchronise the clock, or wait: no block is made before";
        findings.fail("clock", found, todo);
    }
}

/// Looks whether there are descriptors for all connections.
pub(super) fn descriptors(config: &NodeConfig, findings: &mut Findings) {
    let wanted = u64::from(config.rpc.connections_max).saturating_add(DESCRIPTORS_OWN);
    let text = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|it| it.strip_prefix("Max open files"));
    let soft = line.and_then(|it| it.split_whitespace().next());
    match soft.and_then(|soft| soft.parse::<u64>().ok()) {
        Some(limit) if limit < wanted => {
            let found = format!("{limit} open files are allowed here, {wanted} may be needed");
            let todo = "LimitNOFILE=65536 in the unit, `ulimit -n` in a shell";
            findings.warn("descriptors", found, todo);
        }
        _ => findings.ok("descriptors", "enough for all connections"),
    }
}

/// Looks whether own ports are taken, by the node if it runs.
pub(super) fn ports(config: &NodeConfig, findings: &mut Findings) {
    let consensus = config.consensus.listen.parse::<Multiaddr>().ok();
    let gossip = consensus.as_ref().and_then(next_port);
    let own = [
        ("clients", Some(config.rpc.listen)),
        ("consensus", consensus.as_ref().and_then(socket)),
        ("transactions", gossip.as_ref().and_then(socket)),
    ];
    for (name, address) in own {
        let Some(address) = address.filter(|it| it.port() != 0) else {
            continue;
        };
        match TcpListener::bind(address) {
            Ok(_) => findings.ok("ports", format!("{address} for {name} is free")),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                findings.ok(
                    "ports",
                    format!("{address} for {name} is taken, as by a running node"),
                );
            }
            Err(error) => {
                let found = format!("{address} for {name}: {error}");
                findings.fail(
                    "ports",
                    found,
                    "this machine has no such address, or not the right",
                );
            }
        }
    }
}

/// Looks whether the validators of today are reached, all at once.
pub(super) fn peers(config: &NodeConfig, members: &Members, findings: &mut Findings) {
    let network = KeyFile::read(&config.keys.network).ok();
    let own = network.and_then(|it| keyfile::peer_of(&it.public()));
    let own = own.map(|peer| peer.to_bytes());
    let validators = members.validators.iter();
    let others = validators.filter(|it| Some(&it.peer_id) != own.as_ref());
    let dialled: Vec<_> = others
        .map(|it| {
            let (address, power) = (it.address.clone(), it.power);
            thread::spawn(move || (unreached(&address), address, power))
        })
        .collect();
    let all: u64 = members.validators.iter().map(|it| it.power).sum();
    let mut away = 0;
    for dialled in dialled {
        // A panic of a thread that dials is a bug, and no finding.
        let Ok((unreached, address, power)) = dialled.join() else {
            continue;
        };
        if let Some(part) = unreached {
            away += power;
            let found = format!("validator at {address}: {part} is not reached");
            let todo = "is it down, or a firewall between? Both ports, in both directions";
            findings.warn("peers", found, todo);
        }
    }
    if (all - away).saturating_mul(3) <= all.saturating_mul(2) {
        let found = "those who are reached have no quorum: without more, no block is made";
        findings.fail(
            "peers",
            found,
            "find out who is down; never delete logs or guards for it",
        );
    } else if away == 0 {
        let found = format!("every validator of {} is reached", members.source);
        findings.ok("peers", found);
    }
}

/// Returns which of a peer's two ports takes no connection.
fn unreached(address: &str) -> Option<&'static str> {
    let Ok(address) = address.parse::<Multiaddr>() else {
        return Some("its address");
    };
    let gossip = next_port(&address);
    let ports = [("consensus", Some(address)), ("transactions", gossip)];
    ports.into_iter().find_map(|(name, address)| {
        let socket = address.as_ref().and_then(socket);
        let reached = socket.is_some_and(|it| TcpStream::connect_timeout(&it, CONNECT_MAX).is_ok());
        (!reached).then_some(name)
    })
}

/// Returns the socket of a TCP multiaddr; a name is looked up.
fn socket(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let (host, port) = (parts.next()?, parts.next()?);
    let Protocol::Tcp(port) = port else {
        return None;
    };
    match host {
        Protocol::Ip4(ip) => Some((ip, port).into()),
        Protocol::Ip6(ip) => Some((ip, port).into()),
        Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) => {
            (name.as_ref(), port).to_socket_addrs().ok()?.next()
        }
        _ => None,
    }
}
