//! What a node answers about identities, tokens, grants and trustees, worked out from the ledger's state.
//!
//! Every function is pure, over an [`AnswerView`] of one finalized block. The node runs it over its
//! storage, a client over the state that a proof has shown it ([`ProvenView`]): there is no member of
//! an answer that could lie beside its proof. [`Recorder`] tells which keys were read.
//!
//! It does *not* fetch, wait or read a clock: `now` comes from the caller.
//!
//! Source: spec/rpc.md §3, spec/proofs.md §4.

mod authority;
mod calls;
mod checks;
mod error;
mod identity;
mod proven;
mod view;

#[cfg(test)]
mod tests;

pub use authority::{proposals, rules};
pub use calls::{CALLS, call};
pub use checks::{
    check_grant, check_revocation, evaluate_access, verify_jws, verify_jws_as_of, verify_login,
};
pub use error::AnswerError;
pub use identity::{effective_record, lanes, pending, resolve, stored};
pub use proven::ProvenView;
pub use view::{AnswerView, Recorder, local_did, read};
