//! Control: from what a person wants to the operation that does it, and what will happen then.
//!
//! ```text
//! record ─► View ─┐
//! wish ───────────┼─► Plan { act, effect, quorum, because, warnings }
//! Available keys ─┘     │
//!                       ▼
//! Author::act(plan.act) ─► Operation ─► PartialOperation ─► (others sign) ─► SignedOperation
//! ```
//!
//! A plan is never guessed: every way to make the change is tried on the effective record with the
//! kernel's own `apply`, and the first one that the kernel takes and the keys at hand can sign is
//! chosen. So what a plan says will happen is what the ledger will do, unless the record changes
//! in between.
//!
//! Source: spec/control.md; spec/recovery-sheet.md for the keys of the sheet.

mod available;
mod cancel;
mod describe;
mod error;
mod partial;
mod plan;
mod quorum;
mod seed;
mod template;
#[cfg(test)]
mod tests;
mod wish;
mod words;

pub use available::{Available, NextHeld};
pub use cancel::{CancelOption, Cancelling, plan_cancel};
pub use describe::{describe_change, describe_operation, describe_pending, describe_policy};
pub use error::{PartialError, PlanError};
pub use partial::PartialOperation;
pub use plan::{Effect, Plan, View, Warning};
pub use quorum::{KeyQuorum, Quorum};
pub use seed::{GENERATIONS_SEARCHED, Generation, NextSeed};
pub use template::{DEVICE_CAPABILITIES, PolicyTemplate, RankTemplate, inception};
pub use wish::{
    NextWish, PolicyWish, RotationWish, plan_deactivation, plan_policy_change, plan_recovery,
    plan_rotation,
};
pub use words::{date, key_name, party_name, span};

/// Errors of building are errors of planning.
fn error_of(error: impl Into<crate::operation::BuildError>) -> PlanError {
    PlanError::Build(error.into())
}
