//! The pallet's errors.

use allod_primitives::control::Refusal;
use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

use super::PALLET_INDEX;
use crate::frame::{DispatchError, ModuleError, TransactionError};

/// Errors of the `Did` pallet. Up to [`Error::IdMismatch`] they name why an item of a batch was
/// not taken; the next ones why an operation that was taken failed.
///
/// Source: spec/did.md §7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, TypeInfo)]
pub enum Error {
    /// No such identity.
    #[codec(index = 0)]
    NotFound,
    /// The identity is already there.
    #[codec(index = 1)]
    AlreadyExists,
    /// The identity has been deactivated.
    #[codec(index = 2)]
    Deactivated,
    /// A version byte this runtime does not know.
    #[codec(index = 3)]
    UnknownVersion,
    /// The operation is for another network.
    #[codec(index = 4)]
    WrongNetwork,
    /// The operation is for another fork of this network.
    #[codec(index = 5)]
    WrongFork,
    /// `valid_until` has passed.
    #[codec(index = 6)]
    Expired,
    /// Valid for longer than the limit.
    #[codec(index = 7)]
    ValidTooLong,
    /// The operation names another payer.
    #[codec(index = 8)]
    WrongPayer,
    /// A structural rule is broken.
    #[codec(index = 9)]
    Malformed,
    /// The lane does not fit the body.
    #[codec(index = 11)]
    WrongLane,
    /// The sequence number is already used.
    #[codec(index = 12)]
    Stale,
    /// The sequence number is ahead of its turn.
    #[codec(index = 13)]
    Future,
    /// The lane's predecessor is another operation.
    #[codec(index = 14)]
    ForkedLane,
    /// A signature does not verify, or the signers may not do this.
    #[codec(index = 15)]
    BadProof,
    /// The identity is not the hash of the inception.
    #[codec(index = 16)]
    IdMismatch,
    /// No active method has the fragment to retire.
    #[codec(index = 17)]
    NoSuchMethod,
    /// The fragment is in use, or was.
    #[codec(index = 18)]
    FragmentUsed,
    /// The method key is in use, or was.
    #[codec(index = 19)]
    KeyUsed,
    /// More methods than one document, or one life, may hold.
    #[codec(index = 20)]
    TooManyMethods,
    /// The cut-off would move back.
    #[codec(index = 21)]
    NotMonotone,
    /// A time later than the block's.
    #[codec(index = 22)]
    InFuture,
    /// The identity named as controller is none, or may not do this.
    #[codec(index = 23)]
    NotController,
    /// None of the others.
    #[codec(index = 24)]
    Refused,
    /// The party does not stand above what it wants to change or cancel.
    #[codec(index = 25)]
    NotAbove,
    /// The rank is pre-rotated: only its next keys change it at once.
    #[codec(index = 26)]
    RevealRequired,
    /// A change of rank 0, guardians or delay that must be proposed and wait.
    #[codec(index = 27)]
    MustWait,
    /// The rank lacks the capability.
    #[codec(index = 28)]
    NoCapability,
    /// A key would be in two ranks.
    #[codec(index = 29)]
    KeyInTwoRanks,
    /// The proposer has a pending change already.
    #[codec(index = 30)]
    SlotTaken,
    /// A change by somebody of higher standing is pending.
    #[codec(index = 31)]
    HigherPending,
    /// The proposer was cancelled and must rest.
    #[codec(index = 32)]
    CoolingDown,
    /// No pending change has this id.
    #[codec(index = 33)]
    NoSuchPending,
    /// The pending change takes too many bytes.
    #[codec(index = 34)]
    TooLarge,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotAbove => Self::NotAbove,
            Refusal::RevealRequired => Self::RevealRequired,
            Refusal::MustWait => Self::MustWait,
            Refusal::NoCapability => Self::NoCapability,
            Refusal::KeyInTwoRanks => Self::KeyInTwoRanks,
            Refusal::SlotTaken => Self::SlotTaken,
            Refusal::HigherPending => Self::HigherPending,
            Refusal::CoolingDown => Self::CoolingDown,
            Refusal::NoSuchPending => Self::NoSuchPending,
            Refusal::TooLarge => Self::TooLarge,
            Refusal::NoSuchMethod => Self::NoSuchMethod,
            Refusal::FragmentUsed => Self::FragmentUsed,
            Refusal::KeyUsed => Self::KeyUsed,
            Refusal::TooManyMethods => Self::TooManyMethods,
            Refusal::NotMonotone => Self::NotMonotone,
            Refusal::InFuture => Self::InFuture,
            Refusal::Misplaced => Self::WrongLane,
            _ => Self::Refused,
        }
    }
}

impl From<TransactionError> for Error {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::NotFound => Self::NotFound,
            TransactionError::AlreadyExists => Self::AlreadyExists,
            TransactionError::Deactivated => Self::Deactivated,
            TransactionError::UnknownVersion => Self::UnknownVersion,
            TransactionError::WrongNetwork => Self::WrongNetwork,
            TransactionError::WrongFork => Self::WrongFork,
            TransactionError::Expired => Self::Expired,
            TransactionError::ValidTooLong => Self::ValidTooLong,
            TransactionError::WrongPayer => Self::WrongPayer,
            TransactionError::Malformed => Self::Malformed,
            TransactionError::WrongLane => Self::WrongLane,
            TransactionError::Stale => Self::Stale,
            TransactionError::Future => Self::Future,
            TransactionError::ForkedLane => Self::ForkedLane,
            TransactionError::BadProof => Self::BadProof,
            TransactionError::IdMismatch => Self::IdMismatch,
            TransactionError::NotController => Self::NotController,
            _ => Self::Refused,
        }
    }
}

impl From<Error> for DispatchError {
    fn from(error: Error) -> Self {
        Self::Module(ModuleError::new(PALLET_INDEX, &error))
    }
}
