//! The pallet's types. Every stored one begins with a version byte, today [`STORED_VERSION`].

use allod_primitives::limits::{
    OBSERVERS_MAX, PEER_ADDRESS_BYTES_MAX, PEER_ID_BYTES_MAX, PROPOSAL_ACTIONS_MAX, PROPOSALS_MAX,
    TRUSTEES_MAX, VALIDATORS_MAX,
};
use allod_primitives::{BoundedVec, H256, Height, PublicKey, Text, TimeMs, ValidatorSet};
use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

pub use allod_primitives::governance::{ControlParameters, Parameters};

/// Version byte of the pallet's stored types.
pub const STORED_VERSION: u8 = 1;

/// A peer's libp2p identity, as bytes.
pub type PeerId = BoundedVec<u8, PEER_ID_BYTES_MAX>;
/// A peer's multiaddr, as text.
pub type PeerAddress = Text<PEER_ADDRESS_BYTES_MAX>;

/// A validator and where to reach it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct ValidatorInfo {
    /// Ed25519 key of its votes.
    pub public_key: PublicKey,
    /// Voting power, 1 to 2^32.
    pub power: u64,
    /// Its libp2p identity.
    pub peer_id: PeerId,
    /// Where it listens.
    pub address: PeerAddress,
}

/// What trustees can decide.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Action {
    /// Removes a validator, adds one, or both at once.
    #[codec(index = 0)]
    ReplaceValidator {
        /// Key of the one that goes.
        remove: Option<PublicKey>,
        /// The one that comes.
        add: Option<ValidatorInfo>,
    },
    /// Makes an account a registrar, or changes its budget.
    #[codec(index = 1)]
    SetRegistrar {
        /// The account.
        account: PublicKey,
        /// Items it may pay for on one day; 0 ends its role.
        items_per_day: u32,
    },
    /// Changes how new identities are admitted.
    #[codec(index = 2)]
    SetAdmission {
        /// Whether registrars' vouchers admit.
        vouchers: bool,
        /// Bits of work that admit, if any do.
        work_bits: Option<u8>,
    },
    /// Schedules another version of the state machine, or (the present version) unschedules it.
    #[codec(index = 3)]
    ScheduleUpgrade {
        /// The version.
        spec_version: u32,
        /// First block it executes.
        height: Height,
    },
    /// Admits a peer that does not vote.
    #[codec(index = 4)]
    AdmitObserver {
        /// Its libp2p identity.
        peer_id: PeerId,
        /// Where it listens.
        address: PeerAddress,
    },
    /// Shuts a peer out.
    #[codec(index = 5)]
    RemoveObserver {
        /// Its libp2p identity.
        peer_id: PeerId,
    },
}

/// The list of actions of one proposal.
pub type Actions = BoundedVec<Action, PROPOSAL_ACTIONS_MAX>;

/// Accounts that decide, and how many of them it takes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Trustees {
    /// [`STORED_VERSION`].
    pub version: u8,
    /// Strictly ascending.
    pub accounts: BoundedVec<PublicKey, TRUSTEES_MAX>,
    /// Votes that execute a proposal.
    pub threshold: u32,
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

/// Times of the validator changes that still count against the limit, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct RecentChanges {
    /// [`STORED_VERSION`].
    pub version: u8,
    /// One per validator changed.
    pub times: BoundedVec<TimeMs, { VALIDATORS_MAX as u32 }>,
}

/// A proposal that can still be voted for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Proposal {
    /// [`STORED_VERSION`].
    pub version: u8,
    /// The trustee that made it.
    pub proposer: PublicKey,
    /// What it does, in this order, all or nothing.
    pub actions: Actions,
    /// Void in blocks of a later time.
    pub expires: TimeMs,
    /// Trustees in favour, in order of their votes.
    pub votes: BoundedVec<PublicKey, TRUSTEES_MAX>,
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
