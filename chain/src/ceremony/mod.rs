//! How several operators make one genesis without trusting whoever collects it: spec/genesis.md.
//!
//! ```text
//!  Draft ──hash──▶ Contribution, signed by the keys in it    (each operator, at home)
//!    └──────────────┬──┘
//!                assemble ──▶ ChainSpec                      (anybody; the same bytes)
//! ```

mod assemble;
mod contribution;
mod draft;
#[cfg(test)]
mod tests;

pub use assemble::{AssembleError, assemble, verify};
pub use contribution::{Claim, Contribution, ContributionError, Signers};
pub use draft::{Draft, DraftError, RegistrarBudget, ValidatorPower};
