//! The pallet's types. Every stored one begins with a version byte, today [`STORED_VERSION`].

use allod_primitives::limits::{OBSERVERS_MAX, VALIDATORS_MAX};
use allod_primitives::{BoundedVec, H256, Height, TimeMs, ValidatorSet};
use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

pub use allod_primitives::governance::{
    Action, ActionKind, Actions, ControlParameters, FreezeReason, OpenProposals, Parameters,
    PeerAddress, PeerId, Proposal, Requirement, Rule, Schedule, ScheduledUpgrade, StoredRule,
    TrusteeAccounts, Trustees, ValidatorInfo, proposal_hash,
};

/// Version byte of the pallet's stored types.
pub const STORED_VERSION: u8 = 1;

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
