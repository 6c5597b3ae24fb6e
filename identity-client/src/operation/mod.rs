//! Building, signing and wrapping what changes the ledger.
//!
//! Three steps: a *body* says what is to happen ([`inception`], [`rotation`],
//! [`DocumentChange`]), an [`Author`] puts it in its place in a lane, a signature makes it
//! [`SignedOperation`]. Then [`call`] encodes the call and [`extrinsic`] the transaction around
//! it. Nothing here asks a node: sequence numbers, time and randomness are arguments.
//!
//! [`SignedOperation`]: allod_primitives::operation::SignedOperation

mod admission;
mod author;
mod bodies;
pub mod call;
mod error;
pub mod extrinsic;
mod sign;
mod signer;
#[cfg(test)]
mod tests;

pub use admission::{find_work, voucher};
pub use author::{Act, Author, Terms, incept};
pub use bodies::{
    DocumentChange, LOGIN_RELATIONSHIPS, Rotation, inception, login_method, next_fragment,
    retirement, rotation,
};
pub use error::BuildError;
pub use sign::{sign_grant_message, sign_operation, sign_token_operation, token_operation};
pub use signer::Signer;
