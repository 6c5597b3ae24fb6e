//! Why a history does not hold.

use allod_rpc_api::versions::Misfit;

/// Why a history does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// It has no entry.
    #[error("the history is empty")]
    Empty,
    /// It is of another identity or network than expected.
    #[error("it is the history of another identity or network")]
    OtherIdentity,
    /// An entry does not follow from those before it.
    #[error("entry {n}: {fault}")]
    At {
        /// Its place in the history, from 0.
        n: u64,
        /// What is wrong.
        fault: Fault,
    },
    /// It ends elsewhere than it should.
    #[error("it has {found} entries or another end than the ledger's log, which has {expected}")]
    OtherHead {
        /// Entries expected.
        expected: u64,
        /// Entries found.
        found: u64,
    },
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Its number is not its place.
    #[error("its number is not its place")]
    Position,
    /// Its height or time is before that of the entry before, or one moved without the other.
    #[error("its time does not follow the entry before")]
    Order,
    /// The first is no inception, or a later one is.
    #[error("an inception is first and nowhere else")]
    Inception,
    /// The operation is missing: erased, or left out.
    #[error("its operation is missing")]
    OperationMissing,
    /// An operation where none is the cause.
    #[error("it has an operation that is not its cause")]
    OperationMisplaced,
    /// The operation is not the one that it names.
    #[error("the operation is not the one it names")]
    OperationHash,
    /// The signatures are not the ones that it names.
    #[error("the signatures are not the ones it names")]
    SignaturesHash,
    /// The operation is bound to another identity, network or fork.
    #[error("the operation is for another identity or chain")]
    Binding,
    /// The ledger takes no operation of this form.
    #[error("the ledger takes no operation of this form")]
    Form,
    /// The operation was void at that time.
    #[error("the operation was void at that time")]
    Expired,
    /// The operation does not follow its lane's last.
    #[error("the operation does not follow the last of its lane")]
    Lane,
    /// The signers may not do this.
    #[error("its signers may not do this")]
    NotAuthorized,
    /// A signature does not verify.
    #[error("a signature does not verify")]
    Signature,
    /// The controller was not one.
    #[error("it is signed by an identity that is no controller")]
    NotController,
    /// The identity had ended.
    #[error("the identity had ended")]
    Ended,
    /// A pending change should have taken effect before.
    #[error("a pending change should have taken effect before")]
    EffectMissing,
    /// Nothing of that id took effect by itself.
    #[error("no pending change of that id took effect then")]
    NoSuchEffect,
    /// The record shown for an erased operation does not follow from the one before.
    #[error("the record shown for an erased operation does not follow from the one before")]
    Stub,
    /// What is stated beside it does not fit it, or is missing: what governance decided, or until
    /// when a change waits, within the bounds that no network can leave.
    #[error("what is stated beside it does not fit it, or is missing")]
    Stated,
    /// The record's hash after it is another, with what is stated beside it.
    #[error("the record after it is another")]
    RecordHash,
}

impl From<Misfit> for Fault {
    fn from(misfit: Misfit) -> Self {
        match misfit {
            Misfit::Inception => Self::Inception,
            Misfit::OperationMissing => Self::OperationMissing,
            Misfit::NoSuchEffect => Self::NoSuchEffect,
            Misfit::Stated => Self::Stated,
            Misfit::RecordHash => Self::RecordHash,
            _ => Self::Form,
        }
    }
}

impl ReplayError {
    /// Returns the error's name.
    ///
    /// Source: spec/history.md §3.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::OtherIdentity => "other_identity",
            Self::OtherHead { .. } => "other_head",
            Self::At { fault, .. } => fault.name(),
        }
    }
}

impl Fault {
    /// Returns the error's name.
    ///
    /// Source: spec/history.md §3.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Position => "position",
            Self::Order => "order",
            Self::Inception => "inception",
            Self::OperationMissing => "operation_missing",
            Self::OperationMisplaced => "operation_misplaced",
            Self::OperationHash => "operation_hash",
            Self::SignaturesHash => "signatures_hash",
            Self::Binding => "binding",
            Self::Form => "operation_form",
            Self::Expired => "expired",
            Self::Lane => "lane",
            Self::NotAuthorized => "not_authorized",
            Self::Signature => "signature",
            Self::NotController => "not_controller",
            Self::Ended => "ended",
            Self::EffectMissing => "effect_missing",
            Self::NoSuchEffect => "no_such_effect",
            Self::Stub => "stub",
            Self::Stated => "stated",
            Self::RecordHash => "record_hash",
        }
    }
}
