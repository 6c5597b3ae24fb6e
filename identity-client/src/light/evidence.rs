//! Proof that more than a third of the voting power has signed two histories.

use allod_primitives::light::Conflict;
use allod_primitives::{ChainId, H256, Header, NetworkId, TimeMs};
use allod_rpc_api::{HexBytes, HexHash};
use serde::{Deserialize, Serialize};

/// Version of the evidence file known here.
pub const EVIDENCE_VERSION: u32 = 1;

/// Two certified headers that cannot belong to one history, for the world to see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// [`EVIDENCE_VERSION`].
    pub version: u32,
    /// The network, as DIDs name it.
    pub network: String,
    /// Genesis hash of the origin.
    pub genesis: HexHash,
    /// Number of the fork.
    pub fork_id: u32,
    /// Which rule the two break: `two_blocks`, `parent`, `time_order` or `set_history`
    /// (spec/proofs.md §3).
    pub rule: String,
    /// When it was found, by this client's clock, ms.
    pub found: u64,
    /// The header that was verified first.
    pub first: EvidenceHeader,
    /// The header that contradicts it.
    pub second: EvidenceHeader,
    /// Both with their certificates: SCALE [`Conflict`].
    pub conflict: HexBytes,
}

/// One of the two, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceHeader {
    /// Its height.
    pub height: u64,
    /// Its hash.
    pub hash: HexHash,
    /// Its time, ms.
    pub time: u64,
    /// The node that gave it, if that is remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

impl Evidence {
    /// Describes a conflict on `chain`. `node`: tells which node gave the header of a hash.
    pub fn new(
        chain: &ChainId,
        conflict: &Conflict,
        found: TimeMs,
        node: impl Fn(&H256) -> Option<String>,
    ) -> Self {
        let describe = |header: &Header| {
            let hash = header.hash();
            EvidenceHeader {
                height: header.number.0,
                hash: hash.into(),
                time: header.digest.time.0,
                node: node(&hash),
            }
        };
        Self {
            version: EVIDENCE_VERSION,
            network: NetworkId::from_genesis(&chain.genesis).to_string(),
            genesis: chain.genesis.into(),
            fork_id: chain.fork_id.0,
            rule: conflict.kind().slug().into(),
            found: found.0,
            first: describe(&conflict.first().header),
            second: describe(&conflict.second().header),
            conflict: conflict.to_bytes().into(),
        }
    }
}
