//! Grants, by hiding identifier: anchored, revoked, forgotten after their day.
//!
//! The ledger knows a hash, a key, a day and a status; the body stays with the parties.
//!
//! Source: spec/grants.md.

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
pub use storage::grant;

/// Index of the pallet in calls, events and errors.
pub const PALLET_INDEX: u8 = 5;

/// Begins a block: forgets grants whose day has passed.
pub fn on_initialize(context: &mut Context<'_>) {
    storage::prune(context);
}
