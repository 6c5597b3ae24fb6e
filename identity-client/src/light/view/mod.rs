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
//! do not prove themselves, or come too late to answer from, is put aside, and the next is asked.
//! If none brings the blocks that are missing, and one says that it has them no more, the view
//! fetches the whole state anew, as of no block below. Two certified histories stop it for good,
//! as every [`LightClient`](super::LightClient).
//!
//! Its heights only rise, and no later answer of its client, or of another view of it, is from
//! below one that it has answered from. The other way round, the client may have asked a node that
//! is a block ahead of the view: questions that need its height say so
//! ([`VerifiedView::at_least`]).
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
