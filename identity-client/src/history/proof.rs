//! How a history ends, by the proof in its file: no node is asked.
//!
//! Source: spec/history.md §6.

use allod_primitives::light::{
    Checkpoint, HeaderMark, LightError, ReadProof, Trust, VerifiedHeader,
};
use allod_primitives::log::LogHead;
use allod_primitives::record::DidRecord;
use allod_primitives::tree::{Presence, Proof};
use allod_primitives::{NetworkId, ValidatorSet, decode_strict, keys};

use super::Export;
use crate::light::Trail;

/// Why a file does not prove how its log ends.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndError {
    /// There is no proof in it.
    #[error("the file has no proof of how the log ends")]
    NoProof,
    /// Nothing in it leads to the validators of the proof.
    #[error("nothing in the file leads from genesis to the validators of its proof")]
    NoTrail,
    /// The proof is of something else than this identity's record.
    #[error("the proof is not of this identity's record")]
    OtherProof,
    /// The genesis block is not that of the identity's network.
    #[error("the file is of another network")]
    OtherNetwork,
    /// The checkpoint is of a block that the file does not hold.
    #[error("the checkpoint at height {height} is of no block in the file")]
    CheckpointElsewhere {
        /// Its height.
        height: u64,
    },
    /// A proof or a step on the way does not hold.
    #[error(transparent)]
    Light(#[from] LightError),
}

/// How a log ends, by a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvenEnd {
    /// Number of entries, and the head after the last.
    pub head: LogHead,
    /// The block by whose state it ends so. What came later it does not show.
    pub block: HeaderMark,
}

/// Returns how the log ends by the proof alone, whoever certified its block: nobody has to be
/// believed to see that a file contradicts its own proof.
///
/// # Errors
/// [`EndError::NoProof`], [`EndError::OtherProof`], [`EndError::Light`].
pub fn claimed_end(export: &Export) -> Result<ProvenEnd, EndError> {
    let proof = read_proof(export)?;
    let header = &proof.head.header;
    let key = keys::did_record(&export.did.id());
    if proof.keys != [key.clone()] {
        return Err(EndError::OtherProof);
    }
    let state = Proof::from_bytes(&proof.state).map_err(LightError::StateEncoding)?;
    let state = state.verify(&header.state_root, &proof.keys);
    let state = state.map_err(LightError::StateProof)?;
    let block = HeaderMark {
        height: header.number,
        hash: header.hash(),
        time: header.digest.time,
    };
    let head = log_head(state.get(&key)).ok_or(EndError::OtherProof)?;
    Ok(ProvenEnd { head, block })
}

/// Returns how the log ends by the proof, for who trusts what `trust` does; the file's trail leads
/// it on to later validators.
///
/// # Errors
/// [`EndError`]; [`EndError::Light`] names the first check that fails.
pub fn proven_end(export: &Export, mut trust: Trust) -> Result<ProvenEnd, EndError> {
    if trust.chain().genesis != export.chain.genesis {
        return Err(EndError::OtherNetwork);
    }
    let proof = read_proof(export)?;
    let wanted = proof.head.header.digest.set_id;
    let transitions = export.trail.iter().flat_map(|it| &it.transitions);
    for transition in transitions {
        let of = transition.last.header.digest.set_id;
        if of < wanted && of >= trust.newest_set().set_id() {
            trust.advance(transition)?;
        }
    }
    let read = trust.verify_read(&proof)?;
    let key = keys::did_record(&export.did.id());
    let head = log_head(read.state().get(&key)).ok_or(EndError::OtherProof)?;
    if proof.keys != [key] {
        return Err(EndError::OtherProof);
    }
    let block = mark(read.header());
    Ok(ProvenEnd { head, block })
}

/// Trusts the genesis block in the file, if the identity's network is named after it.
///
/// # Errors
/// [`EndError::NoTrail`], [`EndError::Light`].
pub fn trust_genesis(export: &Export) -> Result<Trust, EndError> {
    let trail = export.trail.as_ref().ok_or(EndError::NoTrail)?;
    let network = export.did.network();
    let trust = Trust::from_genesis(&network, &trail.genesis, &trail.validators)?;
    Ok(trust)
}

/// Trusts the block in the file that `checkpoint` names: the proof's own, the last of a validator
/// set, or genesis.
///
/// # Errors
/// [`EndError::CheckpointElsewhere`] if there is none, [`EndError::Light`].
pub fn trust_checkpoint(export: &Export, checkpoint: &Checkpoint) -> Result<Trust, EndError> {
    let genesis = export.chain.genesis;
    let own = NetworkId::from_genesis(&genesis);
    if own != export.did.network() || own != checkpoint.network {
        return Err(EndError::OtherNetwork);
    }
    let proof = read_proof(export)?;
    let trail = export.trail.as_ref();
    let sets = trail.map(Trail::sets).unwrap_or_default();
    let first = trail.map(|it| &it.genesis);
    let last = trail.into_iter().flat_map(|it| &it.transitions);
    let headers = first.into_iter().chain(last.map(|it| &it.last.header));
    let mut headers = headers.chain([&proof.head.header]);
    let height = checkpoint.height.0;
    let header = headers.find(|it| it.number.0 == height && it.hash() == checkpoint.hash);
    let header = header.ok_or(EndError::CheckpointElsewhere { height })?;
    let mut sets = sets.into_iter();
    let set = sets.find(|it| it.hash() == header.digest.validator_set);
    let set = set.ok_or(EndError::NoTrail)?;
    Ok(Trust::from_checkpoint(checkpoint, genesis, header, set)?)
}

impl Trail {
    /// Returns the validator sets, the first first.
    fn sets(&self) -> Vec<&ValidatorSet> {
        let later = self.transitions.iter().map(|it| &it.validators);
        [&self.validators].into_iter().chain(later).collect()
    }
}

fn read_proof(export: &Export) -> Result<ReadProof, EndError> {
    let bytes = export.proof.as_ref().ok_or(EndError::NoProof)?;
    Ok(ReadProof::from_bytes(bytes)?)
}

fn log_head(found: Option<Presence<'_>>) -> Option<LogHead> {
    match found {
        Some(Presence::Present(value)) => {
            let record: DidRecord = decode_strict(value).ok()?;
            Some(record.log)
        }
        _ => None,
    }
}

fn mark(header: &VerifiedHeader) -> HeaderMark {
    HeaderMark {
        height: header.number(),
        hash: *header.hash(),
        time: header.time(),
    }
}
