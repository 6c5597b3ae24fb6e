//! The chain above consensus: executes blocks, keeps their state, and answers what was final.
//!
//! [`Chain`] is the shared, readable side: store, state tree, signature memory. [`Ledger`] is the
//! writing side, [`allod_consensus::Application`]: one task builds, judges and commits blocks
//! with it. It is *not* consensus (it never signs) and not the state machine (`allod-runtime`):
//! it brings the two together with disk, clock and mempool.
//!
//! **Invariants.** The tree's root is the tip header's state root, at start and after every
//! commit. A block is executed at most once per node while its outcome fits into memory. What
//! cannot be undone is done in [`crate::storage::Store::commit`] alone. After a fatal error
//! nothing more is answered: [`Halt`] says why.

mod application;
mod blocks;
mod chain;
mod commit;
mod genesis;
mod judge;
mod pace;
#[cfg(test)]
mod rescue_tests;
#[cfg(test)]
mod tests;

pub use application::{Committed, Ledger, LedgerConfig, LedgerParts, OnCommit};
pub use chain::{Chain, Halt, OpenChainError};
pub use genesis::Genesis;
