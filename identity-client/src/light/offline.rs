//! What a client proves for others to check later, without a node; and what it has kept itself.

use allod_primitives::light::{ReadProof, Transition, Trust};
use allod_primitives::record::DidRecord;
use allod_primitives::{Did, ForkId, Header, Height, ValidatorSet};
use allod_rpc_api::answers;
use allod_rpc_api::control::PendingRequest;
use allod_rpc_api::{ErrorCode, method};

use super::anchor;
use super::client::{AsOf, LightClient, Problem, Proven, mark, options, worked_out};
use super::config::LightConfig;
use super::error::{Fault, ReadError};
use super::questions::now_or;
use super::wire;

/// Changes of validators of the longest trail.
pub const TRAIL_TRANSITIONS_MAX: usize = 4096;

/// From the genesis block to the validators of a block: whoever has it needs no node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trail {
    /// The genesis block, whose hash names the network.
    pub genesis: Header,
    /// Its validators.
    pub validators: ValidatorSet,
    /// Their changes, from the first on; at most [`TRAIL_TRANSITIONS_MAX`].
    pub transitions: Vec<Transition>,
}

/// The record of an identity, with what proves it to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenRecord {
    /// The record as it is stored.
    pub record: DidRecord,
    /// Proves it; without transitions.
    pub proof: ReadProof,
    /// Leads from genesis to the proof's validators. Not for a network that has been restarted,
    /// nor beyond [`TRAIL_TRANSITIONS_MAX`].
    pub trail: Option<Trail>,
}

impl LightClient {
    /// Has an identity's record proven, and keeps the proof.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub async fn prove_record(
        &self,
        did: &Did,
        at_least: Option<Height>,
    ) -> Result<Proven<ProvenRecord>, ReadError> {
        self.check_open()?;
        self.check_network(did)?;
        let mut faults = Vec::new();
        for index in self.nodes().order(self.now()) {
            match self.prove_record_by(index, did, now_or(at_least)).await {
                Ok(proven) => {
                    self.nodes().take_back(index);
                    return Ok(proven);
                }
                Err(Problem::Fault(fault)) => faults.push(self.aside(index, fault)),
                Err(Problem::Stop(error)) => return Err(error),
            }
        }
        Err(ReadError::Unanswered { faults })
    }

    async fn prove_record_by(
        &self,
        index: usize,
        did: &Did,
        as_of: AsOf,
    ) -> Result<Proven<ProvenRecord>, Problem> {
        let node = self.nodes().get(index);
        let request = || {
            let did = did.to_string();
            let mut request = wire::json(&PendingRequest { did });
            let state = self.state();
            let set = state.kept.trust.newest_set().set_id();
            options(&mut request, as_of, state.kept.answered, set);
            request
        };
        // It reads the record and nothing else.
        let method = method::IDENTITY_PENDING;
        let proof = match wire::proof(node.as_ref(), method, request()).await {
            Err(Fault::Node(error)) if error.known() == Some(ErrorCode::TooManySets) => {
                self.catch_up(index, u64::MAX).await?;
                wire::proof(node.as_ref(), method, request()).await?
            }
            other => other?,
        };
        let read = self.verify_read(index, &proof).await?;
        self.check_place(read.header(), as_of)?;
        let record = worked_out(&read, &|view| answers::stored(&view, did))?;
        let record = record.map_err(|error| Problem::Stop(ReadError::Refused(error)))?;
        let head = mark(read.header());
        {
            let mut state = self.state();
            state.kept.answered = state.kept.answered.max(head.height);
        }
        self.save(false).map_err(Problem::Stop)?;
        self.compare(index, &head).await.map_err(Problem::Stop)?;
        let proof = ReadProof {
            transitions: Vec::new(),
            ..proof
        };
        let answer = ProvenRecord {
            record,
            trail: self.trail(index, &proof).await?,
            proof,
        };
        Ok(Proven {
            answer,
            height: head.height,
            block_hash: head.hash,
            time: head.time,
        })
    }

    /// Collects what leads from genesis to the validators of `proof`, checking each step, and the
    /// whole as whoever gets it will.
    async fn trail(&self, index: usize, proof: &ReadProof) -> Result<Option<Trail>, Fault> {
        let set_id = proof.head.header.digest.set_id;
        let longest = u64::try_from(TRAIL_TRANSITIONS_MAX).unwrap_or(u64::MAX);
        if self.chain().fork_id != ForkId(0) || set_id > longest {
            return Ok(None);
        }
        let node = self.nodes().get(index);
        let (genesis, validators) = wire::genesis(node.as_ref()).await?;
        let mut trust = Trust::from_genesis(&self.network(), &genesis, &validators)?;
        let mut transitions = Vec::new();
        let mut known = trust.newest_set().set_id();
        while known < set_id {
            let page = wire::transitions(node.as_ref(), known).await?;
            if page.is_empty() {
                return Err(Fault::TransitionsWithheld { known });
            }
            for transition in page {
                if known < set_id {
                    trust.advance(&transition)?;
                    // One that is known already verifies, and leads nowhere.
                    let newest = trust.newest_set().set_id();
                    if newest <= known {
                        return Err(Fault::TransitionsWithheld { known });
                    }
                    known = newest;
                    transitions.push(transition);
                }
            }
        }
        trust.verify_read(proof)?;
        Ok(Some(Trail {
            genesis,
            validators,
            transitions,
        }))
    }
}

/// Returns what a client with this configuration has verified before and kept; asks no node.
///
/// # Errors
/// [`ReadError`]: also if evidence of two histories is there.
pub fn kept_trust(config: &LightConfig) -> Result<Option<Trust>, ReadError> {
    let (_, kept) = anchor::load(config)?;
    Ok(kept.map(|(kept, _)| kept.trust))
}
