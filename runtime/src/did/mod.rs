//! Identities: inception, documents, control, lanes, quotas, retired keys.
//!
//! An operation is *checked* (`check`: binding, payer, form, lane, quota, signers), then *taken*
//! (`apply`: its lane advances for good), then *carried out* or, if the state refuses what it
//! says, recorded as failed. Both ways its identity's log grows by one entry.
//!
//! Source: spec/did.md.

mod apply;
pub(crate) mod authorize;
pub mod call;
pub(crate) mod check;
pub mod error;
pub mod event;
pub(crate) mod freeze;
pub mod invariants;
pub(crate) mod pallet;
pub(crate) mod quota;
pub(crate) mod settle;
pub mod storage;
pub mod types;

#[cfg(test)]
pub(crate) mod tests;

pub use call::Call;
pub use error::Error;
pub use event::Event;
pub use pallet::operation_tag;
pub use quota::quota_at;
pub use storage::{effective_record, quota, record, retired, retired_by_key, retired_methods};
pub use types::RetiredKey;

/// Index of the pallet in calls, events and errors.
pub const PALLET_INDEX: u8 = 3;

/// What the pallet does at the beginning of a block.
pub(crate) fn on_initialize(context: &mut crate::frame::Context<'_>) {
    quota::prune(context);
    settle::settle_due(context);
}
