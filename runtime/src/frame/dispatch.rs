//! Origins, and the two ways in which a call can be refused.
//!
//! A *transaction error* keeps an extrinsic out of any block: a block that holds one is invalid.
//! A *dispatch error* is recorded in the block: the call's changes are rolled back, what it paid
//! (nonce, sequence, quota, budget) stays paid.

use allod_primitives::PublicKey;
use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

/// Who sent a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody: a bare extrinsic, authenticated by what it carries.
    Bare,
    /// The account that signed the extrinsic.
    Signed(PublicKey),
}

/// An error of a pallet, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct ModuleError {
    /// Index of the pallet.
    pub index: u8,
    /// The encoded error; the first byte is its index.
    pub error: [u8; 4],
}

impl ModuleError {
    /// Returns the error of the pallet at `index`; what exceeds 4 encoded bytes is cut.
    pub fn new(index: u8, error: &impl Encode) -> Self {
        let mut bytes = [0; 4];
        bytes
            .iter_mut()
            .zip(error.encode())
            .for_each(|(to, from)| *to = from);
        Self {
            index,
            error: bytes,
        }
    }
}

/// Why a dispatched call failed. Substrate's enum: indices are fixed by its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum DispatchError {
    /// No more can be said.
    #[codec(index = 0)]
    Other,
    /// An address that cannot be looked up.
    #[codec(index = 1)]
    CannotLookup,
    /// The wrong kind of origin.
    #[codec(index = 2)]
    BadOrigin,
    /// A pallet's own error.
    #[codec(index = 3)]
    Module(ModuleError),
    /// The block's or the batch's limit is used up.
    #[codec(index = 10)]
    Exhausted,
    /// State that contradicts itself.
    #[codec(index = 11)]
    Corruption,
    /// Something needed is not there.
    #[codec(index = 12)]
    Unavailable,
}

/// Outcome of a dispatch.
pub type DispatchResult = Result<(), DispatchError>;

/// Why an extrinsic may not be in a block (now, or ever).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// Does not decode: extrinsic, call or arguments.
    #[error("extrinsic does not decode")]
    Undecodable,
    /// A call that does not exist.
    #[error("no call {call} in pallet {pallet}")]
    UnknownCall {
        /// Pallet index.
        pallet: u8,
        /// Call index.
        call: u8,
    },
    /// Bare where it must be signed, signed where it must be bare, or an inherent from outside.
    #[error("call does not accept this kind of extrinsic")]
    WrongOrigin,
    /// The sender's account has no role.
    #[error("account has no role")]
    NoRole,
    /// A signature does not verify, or the signers do not reach the threshold.
    #[error("signature does not verify")]
    BadProof,
    /// Sequence or nonce already used, or already done.
    #[error("sequence number is already used")]
    Stale,
    /// Sequence or nonce ahead of its turn.
    #[error("sequence number is ahead of its turn")]
    Future,
    /// The era's first block is too old or unknown.
    #[error("era began before the blocks that are remembered")]
    AncientBirthBlock,
    /// `valid_until`, a voucher or an era has passed.
    #[error("operation has expired")]
    Expired,
    /// Valid for longer than the limit, or from the future.
    #[error("operation is valid for longer than allowed")]
    ValidTooLong,
    /// The operation is for another network.
    #[error("operation is for another network")]
    WrongNetwork,
    /// The operation is for another fork of this network.
    #[error("operation is for another fork")]
    WrongFork,
    /// A version byte this runtime does not know.
    #[error("version is not known")]
    UnknownVersion,
    /// The lane's predecessor is another operation.
    #[error("operation follows another predecessor")]
    ForkedLane,
    /// No such identity, grant or proposal.
    #[error("not found")]
    NotFound,
    /// Already there.
    #[error("already exists")]
    AlreadyExists,
    /// The identity has been deactivated.
    #[error("identity is deactivated")]
    Deactivated,
    /// The day's quota is used up.
    #[error("quota is used up")]
    OverQuota,
    /// The registrar's budget is used up.
    #[error("budget is used up")]
    OverBudget,
    /// A new identity without an admission the network accepts.
    #[error("inception has no valid admission")]
    NotAdmitted,
    /// The payer named by the operation is another.
    #[error("operation names another payer")]
    WrongPayer,
    /// The lane does not fit the body.
    #[error("lane does not fit the operation")]
    WrongLane,
    /// The identity is not the hash of the inception.
    #[error("identifier is not the hash of the inception")]
    IdMismatch,
    /// The identity named as controller is none, or may not do this.
    #[error("identity named as controller is none")]
    NotController,
    /// A structural rule of the operation is broken.
    #[error("operation breaks a structural rule")]
    Malformed,
    /// More items or bytes than fit.
    #[error("block is full")]
    ExhaustsResources,
}

impl TransactionError {
    /// Returns the SCALE bytes of Substrate's `TransactionValidityError` that says this best.
    pub fn validity_error(&self) -> Vec<u8> {
        let invalid = |index: u8| vec![0, index];
        match self {
            Self::Undecodable | Self::UnknownCall { .. } => invalid(0),
            Self::Future => invalid(2),
            Self::Stale | Self::AlreadyExists | Self::Expired => invalid(3),
            Self::BadProof => invalid(4),
            Self::AncientBirthBlock => invalid(5),
            Self::ExhaustsResources => invalid(6),
            Self::NoRole => invalid(10),
            other => vec![0, 7, other.custom()],
        }
    }

    /// Returns the code inside Substrate's `InvalidTransaction::Custom`, 0 if it has its own.
    pub fn custom(&self) -> u8 {
        match self {
            Self::WrongOrigin => 1,
            Self::ValidTooLong => 2,
            Self::WrongNetwork => 3,
            Self::WrongFork => 4,
            Self::UnknownVersion => 5,
            Self::ForkedLane => 6,
            Self::NotFound => 7,
            Self::Deactivated => 8,
            Self::OverQuota => 9,
            Self::OverBudget => 10,
            Self::NotAdmitted => 11,
            Self::WrongPayer => 12,
            Self::WrongLane => 13,
            Self::IdMismatch => 14,
            Self::Malformed => 15,
            Self::NotController => 17,
            _ => 0,
        }
    }
}
