//! What can be asked of an identity.

use crate::keys::{KeySet, Keys};
use crate::state::{Change, OperationId, RANKS, Rank, Time};

/// Where an operation queues; who signs it follows from that, but for documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Exposed keys of a rank.
    Rank(u8),
    /// Next keys of a rank.
    Next(u8),
    /// Guardians.
    Guardians,
    /// Any rank with the capability, and controllers.
    Documents,
}

/// Lanes of one identity.
pub const LANES: usize = 2 * RANKS + 2;

impl Lane {
    /// Returns the lane's place in arrays by lane.
    pub const fn slot(self) -> usize {
        match self {
            Self::Rank(rank) => rank as usize,
            Self::Next(rank) => RANKS + rank as usize,
            Self::Guardians => 2 * RANKS,
            Self::Documents => 2 * RANKS + 1,
        }
    }

    /// Returns the acting rank, if the lane has one.
    pub const fn rank(self) -> Option<usize> {
        match self {
            Self::Rank(rank) | Self::Next(rank) => Some(rank as usize),
            Self::Guardians | Self::Documents => None,
        }
    }
}

/// Opens a commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reveal {
    /// The keys it was made to.
    pub set: KeySet,
    /// The rank's next commitment.
    pub next: Option<KeySet>,
}

/// A change of the document. A method's number stands for its fragment and its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Patch {
    /// Methods to retire, as bits.
    pub retire: u64,
    /// Methods to add, as bits.
    pub add: u64,
    /// New controllers, as bits.
    pub controllers: Option<u64>,
}

/// What a rank may propose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "a copy is cheaper than a heap")]
pub enum Proposal {
    /// A change of control.
    Control(Change),
    /// The end.
    Deactivation,
    /// To cancel the recovery of this id.
    CancelRecovery(OperationId),
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// Changes the document.
    UpdateDocument(Patch),
    /// Changes control at once, and the document with it.
    Rotate {
        /// Ranks, guardians, delay; may be empty.
        change: Change,
        /// The document.
        document: Option<Patch>,
    },
    /// Proposes.
    Propose(Proposal),
    /// Guardians propose a new rank 0.
    Recover(Rank),
    /// Cancels a pending change.
    Cancel(OperationId),
    /// Ends the identity.
    Deactivate,
    /// Logs out everywhere.
    SetNotBefore {
        /// The new cut-off.
        at: Time,
        /// Whether grants die too.
        bump_grant_epoch: bool,
    },
}

/// Who may pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payer {
    /// The identity's own quota.
    Own,
    /// A registrar.
    Sponsor,
    /// Either.
    Any,
}

/// How an operation reaches the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// Alone, paid from the identity's own quota.
    Bare,
    /// In the batch of the registrar that the payer names.
    Batch,
}

/// An unsigned operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Operation {
    /// Its hash.
    pub id: OperationId,
    /// The network it is for; 0 is this one.
    pub network: u8,
    /// The fork it is for; 0 is this one.
    pub fork: u8,
    /// The identity it is for; 0 is this one.
    pub did: u8,
    /// Where it queues.
    pub lane: Lane,
    /// Its place there.
    pub seq: u64,
    /// The operation before it there.
    pub prev: OperationId,
    /// Who may pay.
    pub payer: Payer,
    /// Void in blocks of a later time.
    pub valid_until: Time,
    /// In whose name a controller's rank signs; only with `UpdateDocument`.
    pub controller: Option<u8>,
    /// With lane `Next`, and only with it.
    pub reveal: Option<Reveal>,
    /// What it does.
    pub body: Body,
}

/// An operation, who signed it, and how it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Submission {
    /// What is signed.
    pub operation: Operation,
    /// By which keys.
    pub signers: Keys,
    /// Those that signed twice. The specification takes no such operation.
    pub repeated: Keys,
    /// How it comes.
    pub carrier: Carrier,
}
