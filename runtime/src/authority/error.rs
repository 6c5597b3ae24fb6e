//! The pallet's errors.

use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

use crate::frame::{DispatchError, ModuleError};

/// Errors of the `Authority` pallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Error {
    /// No open proposal of this number.
    #[codec(index = 0)]
    NotFound,
    /// This trustee has voted already.
    #[codec(index = 1)]
    AlreadyVoted,
    /// The proposal has expired, or would at once.
    #[codec(index = 2)]
    Expired,
    /// The proposal would stay open for too long.
    #[codec(index = 3)]
    ExpiryTooFar,
    /// As many proposals are open as can be, at all or by one trustee.
    #[codec(index = 4)]
    TooManyProposals,
    /// A proposal or a replacement that does nothing.
    #[codec(index = 5)]
    Empty,
    /// A key that may not enter the ledger.
    #[codec(index = 6)]
    InvalidKey,
    /// Voting power of zero or above the maximum.
    #[codec(index = 7)]
    InvalidPower,
    /// The validator or observer is not there.
    #[codec(index = 8)]
    NotMember,
    /// The validator is there already.
    #[codec(index = 9)]
    AlreadyMember,
    /// Another member has this peer identity, or it is empty.
    #[codec(index = 10)]
    InvalidPeer,
    /// No validator, or more than the maximum, would be left.
    #[codec(index = 11)]
    InvalidSet,
    /// More validators would change than may in one period.
    #[codec(index = 12)]
    TooManyChanges,
    /// As many observers are admitted as can be.
    #[codec(index = 13)]
    TooManyObservers,
    /// More bits of work than can be asked for.
    #[codec(index = 14)]
    InvalidWork,
    /// A version that is not newer, or a height that is not far enough ahead.
    #[codec(index = 15)]
    InvalidUpgrade,
    /// The vote names another content than the proposal has.
    #[codec(index = 16)]
    WrongProposal,
    /// Only its proposer can withdraw a proposal.
    #[codec(index = 17)]
    NotProposer,
    /// The proposal does not wait to take effect.
    #[codec(index = 18)]
    NotScheduled,
    /// No trustees, or not in strictly ascending order.
    #[codec(index = 19)]
    InvalidTrustees,
    /// A number of votes that the trustees could not reach, or zero.
    #[codec(index = 20)]
    Unsatisfiable,
    /// A delay out of its bounds.
    #[codec(index = 21)]
    InvalidDelay,
    /// Parameters out of their bounds.
    #[codec(index = 22)]
    InvalidParameters,
    /// More of the validators' power would change than may in one period.
    #[codec(index = 23)]
    TooMuchPower,
    /// Fewer validators would be left than tolerate a fault.
    #[codec(index = 24)]
    TooFewValidators,
    /// No active identity of this name.
    #[codec(index = 25)]
    UnknownIdentity,
    /// A freeze without reason, that has ended, or that would last too long.
    #[codec(index = 26)]
    InvalidFreeze,
    /// The identity is not frozen.
    #[codec(index = 27)]
    NotFrozen,
}

impl From<Error> for DispatchError {
    fn from(error: Error) -> Self {
        Self::Module(ModuleError::new(super::PALLET_INDEX, &error))
    }
}
