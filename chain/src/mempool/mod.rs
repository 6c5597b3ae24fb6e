//! Transactions that wait for a block.
//!
//! [`Pool`] is the pure part: bounded, without duplicates, with one transaction per tag, and with
//! an order in which each comes after those it requires. [`Mempool`] is the shared handle around
//! it: it judges what is submitted in batches (so that signatures are verified in batches), tells
//! watchers what became of a transaction, and says whether there is work for a block.
//!
//! It is *not* durable, and promises nothing to anyone: only a finalized transaction is
//! acknowledged. Lost ones are submitted again by their senders, or arrive again by gossip.
//!
//! Rescues (operations by next keys, guardians and rank 0) have room of their own, a queue of their
//! own and the first places of every block, so that no flood keeps one out.
//!
//! **Invariants** ([`Pool::check`]): every bound of [`crate::limits`] holds; tags are unique; a
//! ready transaction requires nothing that is not provided by one before it.

mod admission;
mod error;
mod judge;
mod order;
mod pool;
#[cfg(test)]
mod rescue_tests;
mod reserve;
mod status;
#[cfg(test)]
mod tests;

pub use admission::{Admission, Mempool, OnAccepted, OnWork};
pub use error::{PoolError, REFUSALS};
pub use judge::{Judge, Judged, Rescue, Verdict};
pub use pool::{Included, Limits, Pool, PoolSize};
pub use status::{DropReason, TxStatus, Watch};
