//! Why there is no answer.

use crate::error::{ErrorCode, RpcError};
use crate::verify::Unavailable;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The question is refused, or what it asks about is not there.
    #[error(transparent)]
    Refused(RpcError),
    /// The view cannot tell.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// A value of the state does not decode: the program is older than the state, or broken.
    #[error("a stored value does not decode")]
    Undecodable,
}

impl AnswerError {
    /// Returns whether it says that the ledger does *not* hold what was asked about: the one error
    /// that can be proven.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Refused(error) if error.code == ErrorCode::DidNotFound)
    }
}

impl From<RpcError> for AnswerError {
    fn from(error: RpcError) -> Self {
        Self::Refused(error)
    }
}

impl From<ErrorCode> for AnswerError {
    fn from(code: ErrorCode) -> Self {
        Self::Refused(code.into())
    }
}
