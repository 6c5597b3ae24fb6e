//! The pallet's types. Every stored one begins with a version byte, today [`STORED_VERSION`].

use allod_primitives::limits::{OBSERVERS_MAX, PROPOSALS_MAX, TRUSTEES_MAX, VALIDATORS_MAX};
use allod_primitives::{BoundedVec, H256, Height, PublicKey, TimeMs, ValidatorSet};
use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

pub use allod_primitives::governance::{
    Action, ActionKind, Actions, ControlParameters, FreezeReason, Parameters, PeerAddress, PeerId,
    Rule, TrusteeAccounts, ValidatorInfo, proposal_hash,
};

/// Version byte of the pallet's stored types.
pub const STORED_VERSION: u8 = 1;

/// Accounts that decide, and how many of them it takes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Trustees {
    /// [`STORED_VERSION`].
    pub version: u8,
    /// Strictly ascending.
    pub accounts: TrusteeAccounts,
    /// Votes that approve a proposal, where no rule says otherwise.
    pub threshold: u32,
}

/// The rule of one kind of action, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct StoredRule {
    /// [`STORED_VERSION`].
    pub version: u8,
    /// The rule.
    pub rule: Rule,
}

/// What a registrar may spend and has spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Registrar {
    /// [`STORED_VERSION`].
    pub version: u8,
    /// Items it may pay for on one day (UTC, by block time).
    pub items_per_day: u32,
    /// The day `used` is of.
    pub day: u32,
    /// Items paid for on that day.
    pub used: u32,
}

/// A validator set with its place in history.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct SetEntry {
    /// [`STORED_VERSION`].
    pub version: u8,
    /// How many times the set had changed since genesis.
    pub id: u64,
    /// First height it certifies.
    pub since: Height,
    /// The validators.
    pub set: ValidatorSet,
}

/// A validator as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct StoredValidator {
    /// [`STORED_VERSION`].
    pub version: u8,
    /// The validator.
    pub info: ValidatorInfo,
}

/// An admitted peer that does not vote.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Observer {
    /// [`STORED_VERSION`].
    pub version: u8,
    /// Its libp2p identity.
    pub peer_id: PeerId,
    /// Where it listens.
    pub address: PeerAddress,
}

/// A change of validators that still counts against the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct ValidatorChange {
    /// When it was decided.
    pub time: TimeMs,
    /// Members of the set before it.
    pub members: u32,
    /// Power of the set before it.
    pub power: u64,
    /// Power it removed.
    pub removed: u64,
    /// Power it added.
    pub added: u64,
}

/// The changes of validators that still count against the limits, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct RecentChanges {
    /// [`STORED_VERSION`].
    pub version: u8,
    /// One per validator changed.
    pub changes: BoundedVec<ValidatorChange, { VALIDATORS_MAX as u32 }>,
}

/// A proposal that is open, or approved and waiting.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Proposal {
    /// [`STORED_VERSION`].
    pub version: u8,
    /// The trustee that made it.
    pub proposer: PublicKey,
    /// What it does, in this order, all or nothing.
    pub actions: Actions,
    /// Void in blocks of a later time, unless it is approved before.
    pub expires: TimeMs,
    /// What votes name.
    pub hash: H256,
    /// Trustees in favour, in order of their votes.
    pub votes: BoundedVec<PublicKey, TRUSTEES_MAX>,
    /// When it takes effect; `None` while it is open.
    pub due: Option<TimeMs>,
    /// Trustees against it since it was approved, in order of their vetoes.
    pub vetoes: BoundedVec<PublicKey, TRUSTEES_MAX>,
}

/// Numbers of the proposals that can still be voted for, with their expiry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct OpenProposals {
    /// [`STORED_VERSION`].
    pub version: u8,
    /// Number the next proposal gets.
    pub next: u32,
    /// Open ones, ascending by number.
    pub open: BoundedVec<(u32, TimeMs), PROPOSALS_MAX>,
}

/// Numbers of the approved proposals that wait, with the time they take effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Schedule {
    /// [`STORED_VERSION`].
    pub version: u8,
    /// Ascending by time, then number.
    pub due: BoundedVec<(TimeMs, u32), PROPOSALS_MAX>,
}

/// How new identities are admitted besides a registrar's batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct AdmissionPolicy {
    /// [`STORED_VERSION`].
    pub version: u8,
    /// Whether registrars' vouchers admit.
    pub vouchers: bool,
    /// Bits of work that admit, if any do; for development networks.
    pub work_bits: Option<u8>,
}

/// Another version of the state machine, due at a height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct ScheduledUpgrade {
    /// [`STORED_VERSION`].
    pub version: u8,
    /// The version.
    pub spec_version: u32,
    /// First block it executes.
    pub height: Height,
}

/// Where this chain comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Origin {
    /// [`STORED_VERSION`].
    pub version: u8,
    /// Hash of the network's first genesis; `None` if this chain's is the first.
    pub genesis: Option<H256>,
    /// Which restart this is.
    pub fork_id: allod_primitives::ForkId,
}

/// Most observers; see [`OBSERVERS_MAX`].
pub const OBSERVER_COUNT_MAX: usize = OBSERVERS_MAX as usize;
