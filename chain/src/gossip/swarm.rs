//! The libp2p swarm under gossip: transport, allow-list, limits, protocol.

use std::net::{IpAddr, TcpListener};
use std::time::Duration;

use allod_primitives::ChainId;
use ed25519_dalek::SigningKey;
use libp2p::allow_block_list::{self, AllowedPeers};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::multiaddr::Protocol;
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{Multiaddr, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};

use super::codec::Scale;
use crate::limits::{GOSSIP_PEERS_MAX, GOSSIP_PENDING_MAX, GOSSIP_REQUEST_TIMEOUT};

/// Fails if somebody listens on `address`. libp2p itself shares a port with another process of
/// the same user, and connections would reach one or the other.
pub(crate) fn check_free(address: &Multiaddr) -> std::io::Result<()> {
    let (mut ip, mut port) = (None, 0);
    for part in address.iter() {
        match part {
            Protocol::Ip4(found) => ip = Some(IpAddr::V4(found)),
            Protocol::Ip6(found) => ip = Some(IpAddr::V6(found)),
            Protocol::Tcp(found) => port = found,
            _ => {}
        }
    }
    match ip {
        Some(ip) if port != 0 => TcpListener::bind((ip, port)).map(drop),
        _ => Ok(()),
    }
}

#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) admitted: allow_block_list::Behaviour<AllowedPeers>,
    pub(super) limits: connection_limits::Behaviour,
    pub(super) exchange: request_response::Behaviour<Scale>,
}

pub(super) fn swarm(key: &SigningKey, chain: &ChainId) -> Result<Swarm<Behaviour>, String> {
    let keypair = libp2p::identity::Keypair::ed25519_from_bytes(key.to_bytes())
        .map_err(|error| error.to_string())?;
    let genesis = hex::encode(&chain.genesis.0[..8]);
    let name = format!("/allod/{genesis}/{}/transactions/1", chain.fork_id);
    let protocol = StreamProtocol::try_from_owned(name).map_err(|error| error.to_string())?;
    let config = request_response::Config::default().with_request_timeout(GOSSIP_REQUEST_TIMEOUT);
    let behaviour = Behaviour {
        admitted: allow_block_list::Behaviour::default(),
        limits: connection_limits::Behaviour::new(
            ConnectionLimits::default()
                .with_max_established(Some(GOSSIP_PEERS_MAX * 2))
                .with_max_established_per_peer(Some(2))
                .with_max_pending_incoming(Some(GOSSIP_PENDING_MAX)),
        ),
        exchange: request_response::Behaviour::with_codec(
            Scale,
            [(protocol, ProtocolSupport::Full)],
            config,
        ),
    };
    let tcp = tcp::Config::default().nodelay(true);
    let builder = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp, noise::Config::new, yamux::Config::default)
        .map_err(|error| error.to_string())?
        .with_behaviour(|_| behaviour)
        .map_err(|error| error.to_string())?;
    // Connections stay open when idle: closing and dialling again costs more than keeping.
    let day = Duration::from_secs(86_400);
    Ok(builder
        .with_swarm_config(|config| config.with_idle_connection_timeout(day * 365))
        .build())
}
