//! What an operator configures, and the keys a node runs with.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use allod_primitives::{ChainId, PublicKey};
use ed25519_dalek::SigningKey;

use crate::pacing::Pacing;
use crate::signer::ValidatorSigner;

/// How long each step of a round waits before it goes on without what it waits for.
///
/// Each further round of a height adds half a second to each step, so that a slow network
/// agrees in the end. Too short for the network's latency: rounds fail, blocks take longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Wait for the proposer's block (default 1 s). Must exceed the time to build, send and
    /// execute a full block.
    pub propose: Duration,
    /// Wait for the missing prevotes once two thirds arrived (default 500 ms).
    pub prevote: Duration,
    /// Wait for the missing precommits once two thirds arrived (default 500 ms).
    pub precommit: Duration,
    /// After how long without progress the own last vote is sent again (default 2 s).
    pub rebroadcast: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            propose: Duration::from_secs(1),
            prevote: Duration::from_millis(500),
            precommit: Duration::from_millis(500),
            rebroadcast: Duration::from_secs(2),
        }
    }
}

/// Configuration of consensus.
#[derive(Clone, Debug)]
pub struct ConsensusConfig {
    /// The chain; part of every signed preimage and of the wire protocols' names.
    pub chain: ChainId,
    /// The node's name in logs and metrics.
    pub moniker: String,
    /// Address to listen on, a TCP multiaddr such as `/ip4/0.0.0.0/tcp/30333`.
    pub listen: String,
    /// The admitted peers: multiaddrs that end in `/p2p/<peer id>`. Nobody else is talked to.
    pub peers: Vec<String>,
    /// The engine's write-ahead log, a file; its directory is created.
    pub wal: PathBuf,
    /// Step timeouts; must be the same on all validators.
    pub timeouts: Timeouts,
    /// Block spacing; should be the same on all validators.
    pub pacing: Pacing,
    /// How often peers tell each other their tip (default 1 s); bounds how late a node notices
    /// that it lags.
    pub status_interval: Duration,
}

impl ConsensusConfig {
    /// Returns a configuration with the defaults, listening on an ephemeral loopback port.
    pub fn new(chain: ChainId, moniker: impl Into<String>, wal: impl Into<PathBuf>) -> Self {
        Self {
            chain,
            moniker: moniker.into(),
            listen: "/ip4/127.0.0.1/tcp/0".into(),
            peers: Vec::new(),
            wal: wal.into(),
            timeouts: Timeouts::default(),
            pacing: Pacing::default(),
            status_interval: Duration::from_secs(1),
        }
    }
}

impl ConsensusConfig {
    /// Moves the write-ahead log away, as [`crate::StopReason::LogDiverged`] asks for, and
    /// returns its new path, or `None` if there is no log. Consensus must not be running.
    ///
    /// The log's locks on values are forgotten with it: never do so on more validators than may
    /// fail, and only with the sign guard in place.
    ///
    /// # Errors
    /// What the file system says.
    pub fn set_log_aside(&self) -> std::io::Result<Option<PathBuf>> {
        let aside = self.wal.with_extension("diverged");
        match std::fs::rename(&self.wal, &aside) {
            Ok(()) => Ok(Some(aside)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The secrets of a node: its own, and what signs for it.
#[derive(Clone)]
pub struct Keys {
    /// Identity on the peer-to-peer network; never the validator's key.
    pub network: SigningKey,
    /// What votes; `None` makes the node an observer.
    pub validator: Option<Arc<dyn ValidatorSigner>>,
}

impl Keys {
    /// Returns the libp2p peer id of the network key, in base58.
    pub fn peer_id(&self) -> String {
        peer_id(&self.network)
    }

    /// Returns the public key that votes.
    pub fn validator(&self) -> Option<PublicKey> {
        self.validator.as_ref().map(|signer| signer.public_key())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("peer_id", &self.peer_id())
            .field("validator", &self.validator())
            .finish()
    }
}

/// Returns the libp2p peer id of a network key, in base58, as multiaddrs name it.
pub fn peer_id(network: &SigningKey) -> String {
    keypair(network).public().to_peer_id().to_base58()
}

pub(crate) fn keypair(network: &SigningKey) -> libp2p::identity::Keypair {
    libp2p::identity::Keypair::ed25519_from_bytes(network.to_bytes())
        .expect("any 32 bytes are an ed25519 secret")
}
