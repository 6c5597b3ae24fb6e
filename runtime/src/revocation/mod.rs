//! Revoked tokens, by tag, until they would have expired anyway.
//!
//! Outside the issuer's control log: a revocation has no sequence, and revoking twice is harmless.
//!
//! Source: spec/revocation.md.

pub mod call;
pub mod error;
pub mod event;
pub mod invariants;
mod pallet;
pub mod storage;

#[cfg(test)]
mod tests;

use crate::frame::Context;

pub use call::Call;
pub use error::Error;
pub use event::Event;
pub use storage::revocation;

/// Index of the pallet in calls, events and errors.
pub const PALLET_INDEX: u8 = 4;

/// Begins a block: forgets tokens that have expired.
pub fn on_initialize(context: &mut Context<'_>) {
    storage::prune(context);
}
