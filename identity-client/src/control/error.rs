//! What can go wrong with plans and shared operations.

use allod_primitives::control::Refusal;
use allod_primitives::policy::ControlKey;

use crate::operation::BuildError;

/// Why nothing can be planned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The identity has ended.
    #[error("the identity is deactivated; that is final")]
    Deactivated,
    /// The wish changes nothing.
    #[error("the change is empty")]
    Nothing,
    /// The policy has no such rank.
    #[error("there is no rank {rank}")]
    NoSuchRank {
        /// The rank.
        rank: u8,
    },
    /// No pending change has this id.
    #[error("no such pending change")]
    NoSuchPending,
    /// The identity has no guardians.
    #[error("the identity has no guardians")]
    NoGuardians,
    /// The ledger would refuse the result by its form.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The ledger would refuse every way to do it with the keys at hand; the reason is that of
    /// the way that comes closest.
    #[error("the ledger would refuse it: {0}")]
    Refused(Refusal),
    /// It could be done, but none of the keys that can do it is at hand.
    #[error("none of the keys at hand can do this{}", Hint(*.sheet))]
    NoKey {
        /// Whether the recovery sheet could.
        sheet: bool,
    },
}

struct Hint(bool);

impl std::fmt::Display for Hint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0 {
            "; the recovery sheet can"
        } else {
            ""
        })
    }
}

/// Why an operation that several sign cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartialError {
    /// A key that may not sign this operation.
    #[error("the key is not among those that sign this operation")]
    NotListed {
        /// The key.
        key: ControlKey,
    },
    /// A key that has signed already.
    #[error("this key has signed already")]
    Duplicate {
        /// The key.
        key: ControlKey,
    },
    /// A signature that does not verify.
    #[error("a signature does not verify")]
    BadSignature {
        /// The key it is said to be of.
        key: ControlKey,
    },
    /// The other part is of another operation.
    #[error("these are parts of different operations")]
    OtherOperation,
    /// Signatures are missing.
    #[error("signatures of weight {weight} are missing")]
    Incomplete {
        /// How much.
        weight: u32,
    },
    /// The operation's lane has no party in the policy: no such rank, no guardians, a commitment
    /// that the reveal does not open.
    #[error("nobody in the policy can sign an operation of this lane")]
    NoParty,
    /// The form of the operation contradicts itself.
    #[error("the operation contradicts itself")]
    Malformed,
    /// More signatures than an operation takes.
    #[error("more signatures than an operation takes")]
    TooMany,
}
