//! The ledger's record of one identity.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

use crate::codec::{BoundedVec, Text};
use crate::document::Document;
use crate::hash::{H256, domain_hash};
use crate::limits::{PENDING_MAX, RANKS_MAX};
use crate::log::LogHead;
use crate::operation::Lane;
use crate::policy::{ControlPolicy, PolicyChange, Rank};
use crate::types::{Height, TimeMs};

/// Version byte of [`DidRecord`].
pub const DID_RECORD_VERSION: u8 = 1;
/// Version byte of [`QuotaUse`].
pub const QUOTA_USE_VERSION: u8 = 1;

/// Where a lane stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Default, Encode, Decode, DecodeWithMemTracking, TypeInfo,
)]
pub struct LaneHead {
    /// The sequence number its next operation must have.
    pub next_seq: u64,
    /// Hash of its last operation; zero before the first.
    pub last: H256,
}

/// The heads of all lanes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Default, Encode, Decode, DecodeWithMemTracking, TypeInfo,
)]
pub struct Lanes {
    /// One per rank, whether the rank exists or not: a removed rank's numbers never come back.
    pub ranks: [LaneHead; RANKS_MAX as usize],
    /// The guardians'.
    pub guardians: LaneHead,
    /// The documents'.
    pub documents: LaneHead,
    /// The next keys', one per rank.
    pub next: [LaneHead; RANKS_MAX as usize],
}

impl Lanes {
    /// Returns the head of `lane`; `None` for a rank beyond the maximum.
    pub fn get(&self, lane: Lane) -> Option<&LaneHead> {
        match lane {
            Lane::Rank(index) => self.ranks.get(usize::from(index)),
            Lane::Guardians => Some(&self.guardians),
            Lane::Documents => Some(&self.documents),
            Lane::Next(index) => self.next.get(usize::from(index)),
        }
    }

    /// Returns the head of `lane` for change.
    pub fn get_mut(&mut self, lane: Lane) -> Option<&mut LaneHead> {
        match lane {
            Lane::Rank(index) => self.ranks.get_mut(usize::from(index)),
            Lane::Guardians => Some(&mut self.guardians),
            Lane::Documents => Some(&mut self.documents),
            Lane::Next(index) => self.next.get_mut(usize::from(index)),
        }
    }
}

/// Whether an identity acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Status {
    /// It does.
    #[codec(index = 0)]
    Active,
    /// Never again.
    #[codec(index = 1)]
    Deactivated {
        /// Time of the block that deactivated it.
        at: TimeMs,
    },
}

/// Who proposed a pending change. The order is that of standing, the highest first.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
)]
pub enum Proposer {
    /// The guardians.
    #[codec(index = 0)]
    Guardians,
    /// The exposed keys of a rank.
    #[codec(index = 1)]
    Rank(u8),
}

/// What a pending change will do.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum PendingChange {
    /// Another policy.
    #[codec(index = 0)]
    Control(PolicyChange),
    /// A recovery by guardians.
    #[codec(index = 1)]
    Recovery(Rank),
    /// The end.
    #[codec(index = 2)]
    Deactivation,
    /// That the pending recovery of this id does not take place.
    #[codec(index = 3)]
    Cancellation(H256),
}

/// A change that waits. It takes effect at its time by itself; readers evaluate that.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Pending {
    /// Hash of the operation that proposed it.
    pub id: H256,
    /// Who proposed it.
    pub proposer: Proposer,
    /// Time of the block that took the proposal.
    pub proposed_at: TimeMs,
    /// When it takes effect unless cancelled.
    pub effective_at: TimeMs,
    /// What it does.
    pub change: PendingChange,
}

/// How long a cancelled proposer must rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct CoolDown {
    /// Who.
    pub proposer: Proposer,
    /// Until when.
    pub until: TimeMs,
    /// How long the next one will be, in milliseconds.
    pub next_ms: u64,
}

/// A freeze by governance: it stops logins only, and ends by itself.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Freeze {
    /// Why, for people.
    pub reason: Text<128>,
    /// Until when.
    pub until: TimeMs,
}

/// The record of one identity. Its hash in the log covers everything but `log`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct DidRecord {
    /// [`DID_RECORD_VERSION`].
    pub version: u8,
    /// Whether it acts.
    pub status: Status,
    /// Height of the block that took it in.
    pub created_height: Height,
    /// Time of that block.
    pub created: TimeMs,
    /// Time of the block that last changed it.
    pub updated: TimeMs,
    /// Who controls it.
    pub policy: ControlPolicy,
    /// Its document.
    pub document: Document,
    /// Verification methods it has retired so far.
    pub retired_count: u32,
    /// How many it may have had, active and retired together, besides one for each day of its age.
    pub method_allowance: u32,
    /// Where its lanes stand.
    pub lanes: Lanes,
    /// Tokens issued before then are void.
    pub not_before: TimeMs,
    /// Grants of an earlier epoch are void.
    pub grant_epoch: u32,
    /// Changes that wait, one per proposer, in order of standing.
    pub pending: BoundedVec<Pending, PENDING_MAX>,
    /// Proposers that rest, in order of standing.
    pub cool_downs: BoundedVec<CoolDown, PENDING_MAX>,
    /// Freeze in force, if any.
    pub frozen: Option<Freeze>,
    /// Where its log stands. Last, so that the rest is a prefix of the encoding.
    pub log: LogHead,
}

impl DidRecord {
    /// Returns the hash of everything but the log head: `H("allod/record/v1", SCALE prefix)`.
    pub fn content_hash(&self) -> H256 {
        let mut bytes = self.encode();
        bytes.truncate(
            bytes
                .len()
                .saturating_sub(LogHead::default().encoded_size()),
        );
        domain_hash("allod/record/v1", &[&bytes])
    }

    /// Returns whether it acts.
    pub const fn is_active(&self) -> bool {
        matches!(self.status, Status::Active)
    }

    /// Returns whether a freeze stops its logins at `now`.
    pub fn is_frozen_at(&self, now: TimeMs) -> bool {
        self.frozen
            .as_ref()
            .is_some_and(|freeze| now < freeze.until)
    }
}

/// What an identity has used of its quotas on one day (UTC, by block time).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Default, Encode, Decode, DecodeWithMemTracking, TypeInfo,
)]
pub struct QuotaUse {
    /// [`QUOTA_USE_VERSION`].
    pub version: u8,
    /// The day.
    pub day: u32,
    /// Operations per rank's lane.
    pub ranks: [u16; RANKS_MAX as usize],
    /// Operations of the guardians' lane.
    pub guardians: u16,
    /// Operations of the documents' lane.
    pub documents: u16,
    /// Operations of the next keys' lanes, per rank.
    pub next: [u16; RANKS_MAX as usize],
    /// Token operations.
    pub tokens: u16,
    /// Ranks whose lane was given back what it had used, as bits: once a day each.
    pub renewed: u8,
}
