//! The pallet's errors.

use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

use crate::frame::TransactionError;

/// Errors of the `Revocation` pallet: why an item of a batch was refused.
///
/// Source: spec/revocation.md §5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, TypeInfo)]
pub enum Error {
    /// No such issuer.
    #[codec(index = 0)]
    NotFound,
    /// The token is revoked already.
    #[codec(index = 1)]
    AlreadyExists,
    /// The issuer has been deactivated.
    #[codec(index = 2)]
    Deactivated,
    /// A version byte this runtime does not know.
    #[codec(index = 3)]
    UnknownVersion,
    /// The message is for another network.
    #[codec(index = 4)]
    WrongNetwork,
    /// The message is for another fork of this network.
    #[codec(index = 5)]
    WrongFork,
    /// `valid_until` or the token has passed.
    #[codec(index = 6)]
    Expired,
    /// The message or the token is valid for longer than the limit.
    #[codec(index = 7)]
    ValidTooLong,
    /// The operation names another payer.
    #[codec(index = 8)]
    WrongPayer,
    /// A structural rule is broken.
    #[codec(index = 9)]
    Malformed,
    /// A signature does not verify, or the signers may not do this.
    #[codec(index = 11)]
    BadProof,
    /// None of the others.
    #[codec(index = 12)]
    Refused,
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
            TransactionError::BadProof => Self::BadProof,
            _ => Self::Refused,
        }
    }
}
