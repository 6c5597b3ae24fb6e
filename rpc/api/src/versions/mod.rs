//! Earlier versions of an identity: rebuilt from its log, and proven by it.
//!
//! A record commits to its log, and each entry of the log to the record after it. So who knows the
//! present head can check an earlier record, given the entries from there to the head: no state of
//! an old block is needed, by the node that answers or by whoever checks.
//!
//! [`Rebuilding`] replays a log that somebody else has verified, or whose hashes are compared
//! afterwards; it looks at no signature. It is *not* the verifier of exported histories, which is
//! in the SDK and uses this.
//!
//! Source: spec/history.md §3, §5.

mod answer;
mod rebuild;
mod verify;

pub use answer::{Looked, Past, VersionAsked, answer};
pub use rebuild::{Misfit, Rebuilding, first_lanes};
pub use verify::{VerifiedVersion, VersionError, verify};
