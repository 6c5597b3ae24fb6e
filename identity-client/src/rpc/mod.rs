//! A typed client of the nodes' JSON-RPC contract.
//!
//! It holds one or more endpoints, `http(s)://…` or `ws(s)://…`, and asks them in order: one that cannot
//! be reached, is busy or is catching up is passed over, any other answer is taken. All requests
//! may be repeated safely: the ledger takes each operation once. Answers are *not* verified here;
//! a wrong node can lie (ARCHITECTURE.md, "Whom you trust for what").

mod access;
mod changes;
mod client;
mod error;
mod ledger;
mod membership;
mod ss58;

pub use access::{Access, AccessError};
pub use changes::Changes;
pub(crate) use client::Messages;
pub use client::{Client, ClientConfig};
pub use error::{ClientError, Refusal};
pub use ledger::{ChainHealth, Resolved, chain_id};
pub use membership::{Membership, NumberedSet, Observer};
pub use ss58::ss58_address;
