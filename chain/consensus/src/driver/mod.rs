//! The driver: the one task between the engine and the application.
//!
//! It receives the engine's questions in order, asks the application, and answers at once; an
//! answer held back would stop the engine. The single exception is the answer to `Finalized`,
//! which the engine does not wait for: delaying it is how blocks are paced.
//!
//! `actor.rs` is the loop; `streams.rs`, `finality.rs` and `sync.rs` answer what it receives;
//! `blocks.rs` judges blocks and remembers the verdicts of a height; `convert.rs` turns the
//! engine's certificates and evidence into ours and back.

mod actor;
mod blocks;
mod convert;
mod finality;
mod streams;
mod sync;

pub(crate) use actor::{Driver, Ended};
