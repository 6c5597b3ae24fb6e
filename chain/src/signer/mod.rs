//! A validator's key in a process of its own: protocol, server and the node's side.
//!
//! | Module | What |
//! |---|---|
//! | [`protocol`] | requests and answers, and their frames |
//! | [`server`] | `allod-node signer`: key, guard and socket |
//! | [`remote`] | what a node asks instead of holding its key |
//!
//! It is *not* a signing oracle: nothing is signed but a validator's messages in full, whose bytes
//! the server makes itself, and never two for one place.
//!
//! Source: spec/signer.md.

pub mod protocol;
pub mod remote;
pub mod server;
#[cfg(test)]
mod tests;

pub use remote::{ConnectError, RemoteSigner};
pub use server::{Server, ServerConfig, ServerError};
