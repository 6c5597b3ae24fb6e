//! The rules of control (`spec/control.md`) stated a second time, on small domains, and explored.
//!
//! This crate imports nothing of the ledger's: it is an independent statement, not a copy. Keys
//! are bits, hashes are numbers that the caller chooses, times are whatever it likes.
//!
//! - [`step`] takes one operation; [`settled`] is the specification's `effective(record, now)`.
//! - [`explore`] searches exhaustively for operations that break the specification's invariants.
//!
//! ```
//! use allod_control_model::*;
//!
//! let owner = Rank { set: KeySet::new(0b1, 1), capabilities: capability::ALL, next: None };
//! let mut policy = Policy { ranks: [Rank::VACANT; RANKS], guardians: None, delay: 0 };
//! policy.ranks[0] = owner;
//! let state = State::incepted(policy, Document::default(), 1);
//! let operation = Operation {
//!     id: 2, network: 0, fork: 0, did: 0, lane: Lane::Rank(0), seq: 1, prev: 1, payer: Payer::Own,
//!     valid_until: 10, controller: None, reveal: None, body: Body::Deactivate,
//! };
//! let submission = Submission { operation, signers: 0b1, repeated: 0, carrier: Carrier::Bare };
//! let taken = step(&state, &Context::new(&Rules::default(), 5), &submission).expect("she may");
//! assert_eq!(taken.result, Ok(()));
//! assert_eq!(taken.state.status, Status::Deactivated(5));
//! ```

mod control;
pub mod explore;
mod keys;
mod operation;
mod quota;
mod rules;
mod settle;
mod state;
mod step;

pub use control::Actor;
pub use keys::{KeySet, Keys};
pub use operation::{
    Body, Carrier, LANES, Lane, Operation, Patch, Payer, Proposal, Reveal, Submission,
};
pub use rules::{Flaws, Rules};
pub use settle::{Settled, settled};
pub use state::{
    Change, CoolDown, Document, Effect, GUARDIANS, Guardians, LaneHead, OperationId, PROPOSERS,
    Pending, Policy, Proposer, QuotaUse, RANKS, Rank, Retirement, State, Status, Time, capability,
    proposer,
};
pub use step::{Context, Refusal, Taken, step};
