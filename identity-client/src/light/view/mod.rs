//! A verified copy of what logins, tokens and grants are judged by, kept up to date.
//!
//! A [`VerifiedView`] fetches the whole state once, page by page, and works out its root: if that
//! is the certified one, no key is missing. From there it follows the blocks: each must prove all
//! its changes, and that none was left out since the one before. A block takes effect as a whole,
//! so that every question is answered as of one block; a question takes microseconds and no node
//! is asked.
//!
//! Values of records come when they are first needed (`*_fetching`), are checked against the hash
//! that is known, and then kept current; or all at the beginning ([`Prefetch::All`]), and then no
//! node learns what is looked up. The cache is bounded.
//!
//! It answers for the staleness bound after the last block, then refuses until the next. After a
//! lost connection it goes on behind the block where it stands, at any node; a node whose blocks
//! do not prove themselves is put aside, and the next is asked. Two certified histories stop it
//! for good, as every [`LightClient`](super::LightClient).
//!
//! ```text
//!   pages -> StatePages::finish -> Table <- apply, whole blocks <- Follower::step <- stream
//!                                    |                                        ^
//!   verify_login, … <- read lock ----+              next node, from height + 1 +
//! ```
//!
//! Source: spec/proofs.md §5, §6.

mod answer;
mod copy;
mod error;
mod follow;
mod table;

pub use copy::{Prefetch, VerifiedView, ViewConfig, ViewState, ViewStatus};
pub use error::ViewError;
