//! The pallet's errors.

use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

use crate::frame::TransactionError;

/// Errors of the `Grant` pallet: why an item of a batch was refused.
///
/// Source: spec/grants.md §6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, TypeInfo)]
pub enum Error {
    /// No such grant.
    #[codec(index = 0)]
    NotFound,
    /// The grant is there already, or revoked already.
    #[codec(index = 1)]
    AlreadyExists,
    /// A version byte this runtime does not know.
    #[codec(index = 2)]
    UnknownVersion,
    /// The message is for another network.
    #[codec(index = 3)]
    WrongNetwork,
    /// The message is for another fork of this network.
    #[codec(index = 4)]
    WrongFork,
    /// `valid_until` or the expiry day has passed.
    #[codec(index = 5)]
    Expired,
    /// The message or the grant is valid for longer than the limit.
    #[codec(index = 6)]
    ValidTooLong,
    /// A structural rule is broken.
    #[codec(index = 7)]
    Malformed,
    /// The signature is not by the grant's key.
    #[codec(index = 8)]
    BadProof,
    /// None of the others.
    #[codec(index = 9)]
    Refused,
}

impl From<TransactionError> for Error {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::NotFound => Self::NotFound,
            TransactionError::AlreadyExists => Self::AlreadyExists,
            TransactionError::UnknownVersion => Self::UnknownVersion,
            TransactionError::WrongNetwork => Self::WrongNetwork,
            TransactionError::WrongFork => Self::WrongFork,
            TransactionError::Expired => Self::Expired,
            TransactionError::ValidTooLong => Self::ValidTooLong,
            TransactionError::Malformed => Self::Malformed,
            TransactionError::BadProof => Self::BadProof,
            _ => Self::Refused,
        }
    }
}
