//! What a validator's key signs, and the bytes of it.

use allod_primitives::certificate::{VoteType, peer_preimage, proposal_preimage, vote_preimage};
use allod_primitives::{ChainId, H256, Height, PublicKey};

use crate::guard::{SignKind, SignRecord};

/// A message of a validator, in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignMessage {
    /// A proposal or a vote: what the guard remembers.
    Record(SignRecord),
    /// The head of a stream of a block's parts (ADR 0006). Not a vote: two of one round harm
    /// nobody, for a block counts by its proposal.
    Parts {
        /// Height of the block.
        height: Height,
        /// Round in which it is streamed.
        round: u32,
        /// Round of the proof of lock, if it is proposed again.
        pol_round: Option<u32>,
        /// The block's hash.
        block_hash: H256,
        /// The block's length.
        block_bytes: u32,
    },
    /// The binding of a libp2p identity to the validator.
    Peer {
        /// The identity, a multihash of at most
        /// [`PEER_ID_BYTES_MAX`](crate::limits::PEER_ID_BYTES_MAX) bytes.
        peer_id: Vec<u8>,
    },
}

impl SignMessage {
    /// Returns the height that the message is about, if it is about one.
    pub const fn height(&self) -> Option<Height> {
        match self {
            Self::Record(record) => Some(record.height),
            Self::Parts { height, .. } => Some(*height),
            Self::Peer { .. } => None,
        }
    }

    /// Returns whether a message of this form exists: proposals are for a block, votes name no
    /// proof of lock, a peer id has its bounds.
    pub fn is_well_formed(&self) -> bool {
        match self {
            Self::Record(record) => match record.kind {
                SignKind::Proposal => record.block_hash.is_some(),
                SignKind::Prevote | SignKind::Precommit => record.pol_round.is_none(),
            },
            Self::Parts { .. } => true,
            Self::Peer { peer_id } => peer_id.len() <= crate::limits::PEER_ID_BYTES_MAX,
        }
    }

    /// Returns the bytes that `key` signs.
    ///
    /// Source: spec/consensus.md §2.
    pub fn preimage(&self, chain: &ChainId, key: &PublicKey) -> Vec<u8> {
        match self {
            Self::Record(record) => record_preimage(chain, record),
            Self::Parts {
                height,
                round,
                pol_round,
                block_hash,
                block_bytes,
            } => parts_preimage(chain, *height, *round, *pol_round, block_hash, *block_bytes),
            Self::Peer { peer_id } => peer_preimage(chain, key, peer_id),
        }
    }
}

fn record_preimage(chain: &ChainId, record: &SignRecord) -> Vec<u8> {
    let vote = |kind| {
        let hash = record.block_hash.as_ref();
        vote_preimage(chain, kind, record.height, record.round, hash)
    };
    match record.kind {
        SignKind::Prevote => vote(VoteType::Prevote),
        SignKind::Precommit => vote(VoteType::Precommit),
        SignKind::Proposal => proposal_preimage(
            chain,
            record.height,
            record.round,
            record.pol_round,
            // A proposal of nothing is not well formed and never signed.
            &record.block_hash.unwrap_or(H256::ZERO),
        ),
    }
}

/// Returns what a streamer signs at the head of a proposal stream:
/// `"allod/parts/v1" ++ genesis ++ fork_id ++ height(8 LE) ++ round(4 LE) ++
/// (0x00 | 0x01 ++ pol_round(4 LE)) ++ block_hash ++ block_bytes(4 LE)`.
pub(crate) fn parts_preimage(
    chain: &ChainId,
    height: Height,
    round: u32,
    pol_round: Option<u32>,
    block_hash: &H256,
    block_bytes: u32,
) -> Vec<u8> {
    let mut out = b"allod/parts/v1".to_vec();
    out.extend_from_slice(&chain.preimage());
    out.extend_from_slice(&height.0.to_le_bytes());
    out.extend_from_slice(&round.to_le_bytes());
    match pol_round {
        None => out.push(0),
        Some(round) => {
            out.push(1);
            out.extend_from_slice(&round.to_le_bytes());
        }
    }
    out.extend_from_slice(&block_hash.0);
    out.extend_from_slice(&block_bytes.to_le_bytes());
    out
}
