//! Operations in their lanes.

use allod_primitives::operation::{Body, INCEPTION_VERSION, Inception, Lane, OPERATION_VERSION};
use allod_primitives::operation::{Operation, Payer, Reveal};
use allod_primitives::record::Lanes;
use allod_primitives::{ChainId, DidId, H256, TimeMs};

use super::BuildError;

/// What every operation states besides what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The chain it is for.
    pub chain: ChainId,
    /// Who may pay.
    pub payer: Payer,
    /// Void in blocks of a later time.
    pub valid_until: TimeMs,
}

/// Returns the operation that creates the identity of `inception`: rank 0's lane, sequence 0.
pub fn incept(terms: &Terms, inception: Inception) -> Operation {
    debug_assert_eq!(inception.version, INCEPTION_VERSION);
    Operation {
        version: OPERATION_VERSION,
        genesis: terms.chain.genesis,
        fork_id: terms.chain.fork_id,
        did: inception.did_id(),
        lane: Lane::Rank(0),
        lane_seq: 0,
        lane_prev: H256::ZERO,
        payer: terms.payer,
        valid_until: terms.valid_until,
        controller: None,
        reveal: None,
        body: Body::Incept(inception),
    }
}

/// Places operations of one identity one after another in its lanes.
///
/// Begun from the lanes of its record, it can run ahead of the ledger: each operation names the
/// hash of the one before it, unsigned, so a whole sequence can be signed at once.
#[derive(Clone, Debug)]
pub struct Author {
    terms: Terms,
    did: DidId,
    lanes: Lanes,
}

impl Author {
    /// Begins where `lanes` stand on the ledger.
    pub const fn new(terms: Terms, did: DidId, lanes: Lanes) -> Self {
        Self { terms, did, lanes }
    }

    /// Returns where the lanes will stand after the operations made so far.
    pub const fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    /// Returns the next operation of the lane that `body` belongs to; `rank` acts where the body
    /// leaves the rank open (rotations, proposals and cancellations).
    ///
    /// # Errors
    /// [`BuildError::NoSuchRank`] if `rank` is beyond the maximum.
    pub fn next(&mut self, rank: u8, body: Body) -> Result<Operation, BuildError> {
        self.act(Act {
            lane: lane_of(rank, &body),
            controller: None,
            reveal: None,
            body,
        })
    }

    /// Returns the next operation of a lane.
    ///
    /// # Errors
    /// [`BuildError::NoSuchRank`] if the lane's rank is beyond the maximum.
    pub fn act(&mut self, act: Act) -> Result<Operation, BuildError> {
        let lane = act.lane;
        let rank = match lane {
            Lane::Rank(rank) | Lane::Next(rank) => rank,
            Lane::Guardians | Lane::Documents => 0,
        };
        let terms = self.terms;
        let head = self.lanes.get_mut(lane);
        let head = head.ok_or(BuildError::NoSuchRank { rank })?;
        let operation = Operation {
            version: OPERATION_VERSION,
            genesis: terms.chain.genesis,
            fork_id: terms.chain.fork_id,
            did: self.did,
            lane,
            lane_seq: head.next_seq,
            lane_prev: head.last,
            payer: terms.payer,
            valid_until: terms.valid_until,
            controller: act.controller,
            reveal: act.reveal,
            body: act.body,
        };
        head.next_seq = head.next_seq.saturating_add(1);
        head.last = operation.hash();
        Ok(operation)
    }
}

/// An operation as one party makes it.
#[derive(Clone, Debug)]
pub struct Act {
    /// The party's lane.
    pub lane: Lane,
    /// The identity that signs, if it is a controller.
    pub controller: Option<DidId>,
    /// Opens the commitment, in lanes `Next`.
    pub reveal: Option<Reveal>,
    /// What it does.
    pub body: Body,
}

const fn lane_of(rank: u8, body: &Body) -> Lane {
    match body {
        Body::Incept(_) | Body::Deactivate => Lane::Rank(0),
        Body::UpdateDocument(_) | Body::SetNotBefore { .. } => Lane::Documents,
        Body::Rotate { .. } | Body::Propose(_) | Body::Cancel { .. } => Lane::Rank(rank),
        Body::Recover { .. } => Lane::Guardians,
    }
}
