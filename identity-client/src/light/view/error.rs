//! Why a view does not answer.

use std::time::Duration;

use allod_primitives::Height;
use allod_rpc_api::RpcError;

use crate::light::ReadError;

/// Why a view does not answer. None of these is ever an "allow".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// Its newest block is too old: nothing is known about now.
    #[error("the newest block followed, {height}, is {} ms old{}", .age.as_millis(), Why(.why.as_deref()))]
    Stale {
        /// Height of that block.
        height: Height,
        /// How old it is.
        age: Duration,
        /// What went wrong with the nodes, if anything did.
        why: Option<String>,
    },
    /// Its newest block is of a time that this machine's clock has not reached: the clock went back.
    #[error("the newest block followed, {height}, is {} ms ahead of the clock", .ahead.as_millis())]
    ClockBack {
        /// Height of that block.
        height: Height,
        /// How far ahead it is.
        ahead: Duration,
    },
    /// Its newest block is below the one asked for, or below one that another view of the same
    /// client has answered from.
    #[error("the newest block followed, {height}, is below {at_least}")]
    Behind {
        /// Height of that block.
        height: Height,
        /// What was asked for.
        at_least: Height,
    },
    /// The value of a record is needed that was not fetched yet; `*_fetching` does.
    #[error("a value of the state is not here")]
    NotHere {
        /// Its storage key.
        key: Vec<u8>,
    },
    /// The question makes no sense, or the ledger's proven state says no.
    #[error(transparent)]
    Refused(RpcError),
    /// A value of the state cannot be read by this version.
    #[error("a value of the state does not decode")]
    Undecodable,
    /// The client below stopped, or no node gave a value.
    #[error(transparent)]
    Read(#[from] ReadError),
}

struct Why<'a>(Option<&'a str>);

impl std::fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |why| write!(f, ": {why}"))
    }
}

impl ViewError {
    /// Returns a name that scripts can rely on.
    pub fn slug(&self) -> String {
        match self {
            Self::Stale { .. } => "light.view_stale".into(),
            Self::ClockBack { .. } => "light.clock_back".into(),
            Self::Behind { .. } => "light.view_behind".into(),
            Self::NotHere { .. } => "light.view_not_here".into(),
            Self::Refused(error) => error.code.slug().into(),
            Self::Undecodable => "light.answer".into(),
            Self::Read(error) => error.slug(),
        }
    }

    /// Says what to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Stale { .. } => {
                "the nodes have stopped or are out of reach, or this machine's clock is wrong; \
                 access is denied meanwhile"
                    .into()
            }
            Self::ClockBack { .. } => "set this machine's clock; access is denied meanwhile".into(),
            Self::Behind { .. } => {
                "wait for the block, which comes within a second: `at_least_within`".into()
            }
            Self::NotHere { .. } => "ask the `_fetching` way, or prefetch all values".into(),
            Self::Refused(error) => error.code.hint().into(),
            Self::Undecodable => "update this software".into(),
            Self::Read(error) => error.hint(),
        }
    }
}
