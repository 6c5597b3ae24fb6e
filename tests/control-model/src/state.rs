//! What the ledger knows of one identity, reduced to what control depends on.

use std::sync::Arc;

use crate::keys::KeySet;
use crate::operation::{LANES, Lane};

/// Milliseconds, of whatever clock the caller has.
pub type Time = u64;
/// The hash of an operation, as a number the caller chooses, unique per operation. 0 is none.
pub type OperationId = u32;

/// Most ranks of a policy.
pub const RANKS: usize = 4;
/// Proposers: guardians, then ranks.
pub const PROPOSERS: usize = RANKS + 1;

/// What a rank may do. A set of bits, as in the specification.
pub mod capability {
    /// Update the document.
    pub const DOCUMENT: u8 = 1;
    /// Log out everywhere.
    pub const TOKENS_AND_GRANTS: u8 = 2;
    /// Propose a change upwards.
    pub const PROPOSE_UP: u8 = 4;
    /// Cancel the changes of lower proposers.
    pub const CANCEL: u8 = 8;
    /// All of them.
    pub const ALL: u8 = 15;
}

/// One rank. Without keys it is vacant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rank {
    /// The exposed keys.
    pub set: KeySet,
    /// What it may do; bits of [`capability`].
    pub capabilities: u8,
    /// The keys it is committed to. The ledger holds their hash.
    pub next: Option<KeySet>,
}

impl Rank {
    /// Nobody.
    pub const VACANT: Self = Self {
        set: KeySet::EMPTY,
        capabilities: 0,
        next: None,
    };

    /// Returns whether nobody can act for it.
    pub const fn is_vacant(&self) -> bool {
        self.set.is_empty()
    }

    /// Returns whether it has all of `capabilities`.
    pub const fn may(&self, capabilities: u8) -> bool {
        self.capabilities & capabilities == capabilities
    }
}

/// Who recovers. The ledger holds the root of their leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Guardians {
    /// Their keys.
    pub set: KeySet,
    /// How long a recovery waits, before the network's bounds.
    pub delay: Time,
}

/// Who may change the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// Ranks; absent ones are vacant.
    pub ranks: [Rank; RANKS],
    /// Guardians, if any.
    pub guardians: Option<Guardians>,
    /// How long a proposal of a rank waits, before the network's bounds.
    pub delay: Time,
}

impl Policy {
    /// Returns whether a change of rank 0 by its exposed keys waits.
    pub const fn is_protected(&self) -> bool {
        self.ranks[0].next.is_some() || self.guardians.is_some()
    }
}

/// A change of control.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Change {
    /// New ranks; `Some(Rank::VACANT)` removes one.
    pub ranks: [Option<Rank>; RANKS],
    /// New guardians; `Some(None)` removes them.
    pub guardians: Option<Option<Guardians>>,
    /// New delay.
    pub delay: Option<Time>,
}

impl Change {
    /// Returns whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a pending change will do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Ranks, guardians, delay.
    Control(Arc<Change>),
    /// The ranks become this one.
    Recovery(Rank),
    /// The end.
    Deactivation,
    /// The recovery of this id goes.
    Cancellation(OperationId),
}

/// A change that waits. Who proposed it is its place in [`State::pending`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pending {
    /// The operation that proposed it.
    pub id: OperationId,
    /// Time of the block that took it.
    pub proposed_at: Time,
    /// When it takes effect.
    pub effective_at: Time,
    /// What it does.
    pub effect: Effect,
}

/// A proposer's place in the order of standing: 0 the guardians, then 1 + rank.
pub type Proposer = usize;
/// The guardians' place.
pub const GUARDIANS: Proposer = 0;

/// Returns the place of a rank.
pub const fn proposer(rank: usize) -> Proposer {
    rank + 1
}

/// How long a proposer whose changes were cancelled rests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CoolDown {
    /// Cool-downs in a row; 0: none.
    pub count: u8,
    /// End of the last one.
    pub until: Time,
}

/// Where a lane stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LaneHead {
    /// The sequence number its next operation must have.
    pub next_seq: u64,
    /// The operation taken last.
    pub last: OperationId,
}

/// What was used of a day's quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct QuotaUse {
    /// The day.
    pub day: u64,
    /// Operations of that day, by [`Lane::slot`].
    pub used: [u16; LANES],
    /// Ranks whose lane was given back what it had used, as bits.
    pub renewed: u8,
}

/// Why a method is retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retirement {
    /// In the ordinary course.
    Routine,
    /// Compromised since this time.
    CompromisedSince(Time),
}

/// The document: methods by number (fragment and key in one) and controllers by number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Document {
    /// Active methods, as bits.
    pub methods: u64,
    /// Retired ones, in the order of retirement.
    pub retired: Vec<(u8, Retirement)>,
    /// Controllers, as bits.
    pub controllers: u64,
}

impl Document {
    /// Returns whether a method's number was ever taken.
    pub fn is_used(&self, method: u8) -> bool {
        self.methods & (1 << method) != 0 || self.retired.iter().any(|(it, _)| *it == method)
    }
}

/// Whether it acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It does.
    Active,
    /// Never again, since then.
    Deactivated(Time),
}

/// One identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Whether it acts.
    pub status: Status,
    /// Who controls it.
    pub policy: Policy,
    /// What waits, by proposer.
    pub pending: [Option<Pending>; PROPOSERS],
    /// Who rests, by proposer.
    pub cool_downs: [CoolDown; PROPOSERS],
    /// Heads of the lanes, by [`Lane::slot`].
    pub lanes: [LaneHead; LANES],
    /// What was used today.
    pub quota: QuotaUse,
    /// The document.
    pub document: Document,
    /// Tokens issued before are void.
    pub not_before: Time,
    /// Grants of earlier epochs are void.
    pub grant_epoch: u32,
}

impl State {
    /// Returns an identity just incepted by operation `id`.
    pub fn incepted(policy: Policy, document: Document, id: OperationId) -> Self {
        let mut lanes = [LaneHead::default(); LANES];
        lanes[Lane::Rank(0).slot()] = LaneHead {
            next_seq: 1,
            last: id,
        };
        Self {
            status: Status::Active,
            policy,
            pending: Default::default(),
            cool_downs: Default::default(),
            lanes,
            quota: QuotaUse::default(),
            document,
            not_before: 0,
            grant_epoch: 0,
        }
    }

    /// Returns whether it acts.
    pub const fn is_active(&self) -> bool {
        matches!(self.status, Status::Active)
    }

    /// Returns whose change has this id.
    pub fn find(&self, id: OperationId) -> Option<Proposer> {
        self.pending
            .iter()
            .position(|it| it.as_ref().is_some_and(|it| it.id == id))
    }
}
