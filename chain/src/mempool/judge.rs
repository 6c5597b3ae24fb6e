//! What the mempool asks the state machine.

use std::fmt;

use allod_primitives::Height;
use allod_runtime::frame::TransactionError;

/// Operations that get an identity back from a thief. The mempool keeps room for them that nothing
/// else can take. The order is that of precedence, the lowest first.
///
/// Source: spec/gossip.md §4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rescue {
    /// By the exposed keys of rank 0.
    Rank0,
    /// By guardians.
    Guardians,
    /// By the next keys of a rank.
    Next,
}

/// What is known of a valid transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Tags it provides; two that provide one tag exclude each other.
    pub provides: Vec<Vec<u8>>,
    /// Tags that must be provided before it.
    pub requires: Vec<Vec<u8>>,
    /// Higher goes first.
    pub priority: u64,
    /// Storage keys of the identities it acts for: when a block changes one, it is judged again.
    pub subjects: Vec<Vec<u8>>,
    /// Storage key of the account that signed it. Its own progress (the nonce) does not make its
    /// other transactions doubtful; a change by others does.
    pub account: Option<Vec<u8>>,
    /// Which kind of rescue it is, if it is one.
    pub rescue: Option<Rescue>,
}

/// Verdicts on a batch, in its order.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Height of the state they hold for.
    pub height: Height,
    /// One for each transaction.
    pub verdicts: Vec<Result<Verdict, TransactionError>>,
}

/// Judges transactions by the current state.
pub trait Judge: Send + Sync + fmt::Debug + 'static {
    /// Judges `batch`, each by itself, all by one state; verifies signatures in batches.
    fn judge(&self, batch: &[&[u8]]) -> Judged;

    /// Returns which kind of rescue a transaction says it is, without checking that.
    fn claims_rescue(&self, transaction: &[u8]) -> Option<Rescue>;
}
