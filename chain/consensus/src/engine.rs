//! The one place where Malachite's generic engine is instantiated: compiling it is expensive.

use std::path::PathBuf;

use arc_malachitebft_app_channel::app::config::{
    ConsensusConfig as EngineConsensus, NodeConfig, ValuePayload, ValueSyncConfig,
};
use arc_malachitebft_app_channel::app::types::codec::Codec;
use arc_malachitebft_app_channel::{
    Channels, ConsensusContext, EngineBuilder, EngineHandle, NetworkContext, NetworkIdentity,
    RequestContext, SyncContext, WalContext,
};
use arc_malachitebft_signing::Signer;

use crate::codec::Scale;
use crate::config::{ConsensusConfig, Keys, keypair};
use crate::context::{Address, Ctx};
use crate::limits::{
    MESSAGE_BYTES_MAX, PART_BYTES_MAX, SYNC_BATCH_MAX, SYNC_REQUEST_BYTES_MAX,
    SYNC_RESPONSE_BYTES_MAX,
};
use crate::signing::{EngineSigner, Zip215Verifier};
use crate::sim::{SimPeer, SimWal};
use crate::start::StartError;

/// Bytes that transport and signatures may add to a message.
const ENVELOPE_BYTES: usize = 4096;
/// Connections from one address; a test network runs on one host.
const CONNECTIONS_PER_IP_MAX: usize = 1024;
/// Blocks asked for at once while catching up.
const SYNC_BATCH: usize = 5;
const _: () = assert!(SYNC_BATCH <= SYNC_BATCH_MAX);

/// What the engine runs on.
pub(crate) enum World {
    /// TCP, and a log in the file at this path.
    Real(PathBuf),
    /// A simulated network and a log in memory.
    Simulated(SimPeer, SimWal),
}

/// Who signs and verifies.
pub(crate) struct Voice {
    pub(crate) signer: Option<EngineSigner>,
    pub(crate) verifier: Zip215Verifier,
}

/// The engine's configuration.
#[derive(Clone, Debug)]
struct EngineConfig {
    moniker: String,
    consensus: EngineConsensus,
    value_sync: ValueSyncConfig,
}

impl NodeConfig for EngineConfig {
    fn moniker(&self) -> &str {
        &self.moniker
    }

    fn consensus(&self) -> &EngineConsensus {
        &self.consensus
    }

    fn consensus_mut(&mut self) -> &mut EngineConsensus {
        &mut self.consensus
    }

    fn value_sync(&self) -> &ValueSyncConfig {
        &self.value_sync
    }

    fn value_sync_mut(&mut self) -> &mut ValueSyncConfig {
        &mut self.value_sync
    }
}

fn engine_config(config: &ConsensusConfig) -> Result<EngineConfig, StartError> {
    let address = |text: &String| {
        text.parse().map_err(|_| StartError::BadAddress {
            address: text.clone(),
        })
    };
    let mut consensus = EngineConsensus {
        value_payload: ValuePayload::ProposalAndParts,
        ..EngineConsensus::default()
    };
    let p2p = &mut consensus.p2p;
    p2p.listen_addr = address(&config.listen)?;
    if !config.listen.contains("/tcp/") {
        return Err(StartError::BadAddress {
            address: config.listen.clone(),
        });
    }
    for peer in &config.peers {
        check_pinned(peer).map_err(|()| StartError::BadAddress {
            address: peer.clone(),
        })?;
        p2p.persistent_peers.push(address(peer)?);
    }
    p2p.persistent_peers_only = true;
    p2p.discovery.enabled = false;
    p2p.discovery.max_connections_per_ip = CONNECTIONS_PER_IP_MAX;
    p2p.discovery.ip_throttle_duration = std::time::Duration::ZERO;
    p2p.pubsub_max_size = size(PART_BYTES_MAX + MESSAGE_BYTES_MAX + ENVELOPE_BYTES);
    p2p.pubsub_max_size_per_topic.proposal_parts = Some(size(PART_BYTES_MAX + ENVELOPE_BYTES));
    p2p.pubsub_max_size_per_topic.consensus = Some(size(MESSAGE_BYTES_MAX));
    p2p.pubsub_max_size_per_topic.liveness = Some(size(MESSAGE_BYTES_MAX));
    p2p.rpc_max_size = size(SYNC_RESPONSE_BYTES_MAX + MESSAGE_BYTES_MAX + ENVELOPE_BYTES);
    name_protocols(&mut consensus, config);

    let value_sync = ValueSyncConfig {
        enabled: true,
        status_update_interval: config.status_interval,
        batch_size: SYNC_BATCH,
        max_request_size: size(SYNC_REQUEST_BYTES_MAX),
        max_response_size: size(SYNC_RESPONSE_BYTES_MAX),
        ..ValueSyncConfig::default()
    };
    Ok(EngineConfig {
        moniker: config.moniker.clone(),
        consensus,
        value_sync,
    })
}

/// Names the protocols after the chain, so that nodes of different chains do not even talk.
fn name_protocols(consensus: &mut EngineConsensus, config: &ConsensusConfig) {
    let genesis: String = config.chain.genesis.0[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let prefix = format!("/allod/{genesis}/{}", config.chain.fork_id.0);
    let names = &mut consensus.p2p.protocol_names;
    names.consensus = format!("{prefix}/consensus/1");
    names.sync = format!("{prefix}/sync/1");
    names.validator_proof = format!("{prefix}/validator-proof/1");
    names.discovery_kad = format!("{prefix}/discovery-kad/1");
    names.discovery_regres = format!("{prefix}/discovery/1");
}

/// Checks that a peer's address names the peer's identity; without it the first to answer wins.
pub(crate) fn check_pinned(address: &str) -> Result<(), ()> {
    let parsed: libp2p::Multiaddr = address.parse().map_err(|_| ())?;
    match parsed.iter().last() {
        Some(libp2p::multiaddr::Protocol::P2p(_)) => Ok(()),
        _ => Err(()),
    }
}

/// Converts a number of bytes to the engine's size type, which it does not name for us.
fn size<T: std::str::FromStr>(bytes: usize) -> T {
    let parsed = format!("{bytes} B").parse();
    parsed.unwrap_or_else(|_| unreachable!("a number of bytes is a size"))
}

/// Boots the engine.
pub(crate) async fn boot(
    config: &ConsensusConfig,
    keys: &Keys,
    voice: Voice,
    world: World,
) -> Result<(Channels<Ctx>, EngineHandle), StartError> {
    let settings = engine_config(config)?;
    let network_key = allod_primitives::PublicKey(keys.network.verifying_key().to_bytes());
    // An observer's address must be nobody's: its network key never votes.
    let address = Address(keys.validator().unwrap_or(network_key));
    let identity = identity(config, keys, voice.signer.as_ref()).await?;
    let consensus = match voice.signer {
        Some(signer) => {
            let verifier = Box::new(voice.verifier);
            ConsensusContext::new_validator(address, verifier, Box::new(signer))
        }
        None => ConsensusContext::new_full_node(address, Box::new(voice.verifier)),
    };
    let builder = EngineBuilder::new(Ctx, settings)
        .with_default_consensus(consensus)
        .with_default_sync(SyncContext::new(Scale))
        .with_default_request(RequestContext::new(16));
    let built = match world {
        World::Real(wal) => {
            builder
                .with_default_wal(WalContext::new(wal, Scale))
                .with_default_network(NetworkContext::new(identity, Scale))
                .build()
                .await
        }
        World::Simulated(peer, wal) => {
            let (network, publish) = peer.attach().await.map_err(engine_error)?;
            let wal = wal.open().await.map_err(engine_error)?;
            builder
                .with_custom_wal(wal)
                .with_custom_network(network, publish)
                .build()
                .await
        }
    };
    built.map_err(engine_error)
}

fn engine_error(error: impl std::fmt::Display) -> StartError {
    StartError::Engine {
        reason: format!("{error:#}"),
    }
}

async fn identity(
    config: &ConsensusConfig,
    keys: &Keys,
    signer: Option<&EngineSigner>,
) -> Result<NetworkIdentity, StartError> {
    let keypair = keypair(&keys.network);
    let (Some(signer), Some(validator)) = (signer, keys.validator()) else {
        return Ok(NetworkIdentity::new(config.moniker.clone(), keypair, None));
    };
    let peer_id = keypair.public().to_peer_id().to_bytes();
    let proof = signer.sign_validator_proof(validator.0.to_vec(), peer_id);
    let proof = proof.await.map_err(engine_error)?;
    let proof = Codec::encode(&Scale, &proof).map_err(engine_error)?;
    let address = Address(validator).to_string();
    Ok(NetworkIdentity::new_validator(
        config.moniker.clone(),
        keypair,
        address,
        proof,
    ))
}
