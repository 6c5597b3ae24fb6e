//! Whole histories of identities: exported, kept as a file, and verified by replaying them.
//!
//! A log is a hash chain over every change of an identity's record. [`replay`] takes nothing on
//! trust but the head of the chain, and that only if it is told which head to expect: it verifies
//! every signature and who might sign, runs the kernel over every operation and every effect of
//! time, and compares the record's hash after each.
//!
//! Source: spec/history.md.

mod export;
mod fault;
mod fetch;
mod form;
mod proof;
mod replay;
mod step;
mod stub;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
mod version;

pub use export::{Export, ExportError, ExportedEntry};
pub use fault::{Fault, ReplayError};
pub use fetch::{FetchError, fetch, fetch_proven};
pub use proof::{EndError, ProvenEnd, claimed_end, proven_end, trust_checkpoint, trust_genesis};
pub use replay::{Expectations, Replayed, replay};
pub use version::{Version, version};
