//! The one access function: may this login, token or access pass?
//!
//! It is pure and synchronous, over a [`LedgerView`] of one finalized block; the node, the SDK
//! and everything in front of an application run this same code. It fails closed: what is absent,
//! unreadable, stale or ambiguous denies. Its verdict names one [`ReasonCode`], the first that
//! applies in the order of spec/login.md.
//!
//! Beside it, [`verify_jws_as_of`] judges what a token was worth *then*; it allows nothing.
//!
//! It does *not* remember nonces (using one once is the verifier's duty) and does not fetch.

mod access;
mod as_of;
mod decision;
mod json;
mod jws;
mod reason;
mod resource;
mod token;
mod view;

#[cfg(test)]
mod tests;

pub use access::{AccessRequest, evaluate_access};
pub use as_of::{AsOfExpectations, SignatureVerdict, Standing, verify_jws_as_of};
pub use decision::{Decision, Verdict};
pub use jws::{TokenNames, token_names};
pub use reason::ReasonCode;
pub(crate) use token::key_in_force;
pub use token::{JwsExpectations, LoginExpectations, verify_jws, verify_login};
pub use view::{LedgerView, Unavailable};
