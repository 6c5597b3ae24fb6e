//! Guardians: people who together can give an identity back to its owner.
//!
//! ```text
//! owner      Circle::new ─► set ─► (policy)        Circle::accept ◄─┐
//!               └─► InvitationLetter ─► guardian: acknowledge ──────┘
//! guardian   start_recovery ─► PartialOperation ─► approve (others) ─► complete
//! ```
//!
//! The owner needs nothing for a recovery: an invitation holds all that its guardian needs.
//!
//! Source: spec/control.md §8; spec/recovery-sheet.md §4.

mod circle;
mod letters;
mod recovery;
#[cfg(test)]
mod tests;

use allod_primitives::guardian::GuardianError;

pub use circle::{Answer, Circle, Member};
pub use letters::{Acknowledgement, InvitationLetter, acknowledge};
pub use recovery::{approve, cancel_as_guardian, start_recovery};

use crate::control::{PartialError, PlanError};
use crate::keys::KeyFileError;
use crate::operation::BuildError;

/// What can go wrong around guardians.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardianshipError {
    /// No set can be made of these guardians, or an invitation is void.
    #[error(transparent)]
    Guardian(#[from] GuardianError),
    /// The set breaks a rule of the ledger.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The system has no randomness.
    #[error(transparent)]
    Entropy(#[from] KeyFileError),
    /// The key is not the one that was invited.
    #[error("the key is not the one that was invited")]
    OtherKey,
    /// The answer is to another invitation.
    #[error("the answer is to no invitation of this circle")]
    OtherInvitation,
    /// The answer's signature does not verify.
    #[error("the answer's signature does not verify")]
    BadSignature,
    /// The ledger has other guardians by now: the invitation is out of date.
    #[error("the identity has other guardians by now; this invitation is out of date")]
    OutOfDate,
    /// The operation is for another identity or network than the invitation.
    #[error("the operation is for another identity than the invitation")]
    OtherIdentity,
    /// More members than a circle has.
    #[error("too many members")]
    TooMany,
    /// Nothing can be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The signature is not taken.
    #[error(transparent)]
    Partial(#[from] PartialError),
}
