//! The light client's verifier: what a stranger checks before it believes an answer.
//!
//! [`Trust`] is what is believed: validator sets, each certified by the one before it, and the
//! newest headers that they certified. A [`ReadProof`] is what a node gives with an answer: the
//! sets that are missing, a certified header, and a proof of some storage keys under its state
//! root. [`Trust::verify_read`] turns it into a [`VerifiedRead`], from which the answer is worked
//! out by whoever asked. A [`Follower`] goes from block to block and proves that it misses no
//! change; [`StatePages`] proves that it began with the whole state.
//!
//! It is *not* a client: it knows no node, no disk and no clock. Times arrive as arguments
//! ([`time`]); what is kept leaves as bytes ([`Trust::to_bytes`]).
//!
//! A header that was verified once is not verified again: its hash stands for it, and a second
//! certificate of the same header adds nothing.
//!
//! ```
//! use allod_primitives::light::Checkpoint;
//!
//! let hash = "5a".repeat(32);
//! let text = format!("allod-checkpoint:{}:0:70000:{hash}", "a".repeat(32));
//! let checkpoint: Checkpoint = text.parse().expect("it is canonical");
//! assert_eq!(checkpoint.height.0, 70_000);
//! assert_eq!(checkpoint.to_string(), text);
//! ```
//!
//! Source: spec/proofs.md.

mod anchor;
mod bundle;
mod checkpoint;
mod conflict;
mod error;
mod follow;
mod known;
mod pages;
mod read;
mod sets;
pub mod time;
mod trust;
mod witness;

pub use bundle::{
    BlockChanges, CertifiedHeader, Change, Entry, FORMAT_VERSION, PageValue, ReadProof, StatePage,
    Transition, ValueBytes,
};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use conflict::{Conflict, ConflictKind, KnownHeader};
pub use error::LightError;
pub use follow::{Follower, VerifiedChanges};
pub use pages::{StatePages, VerifiedState, state_root_of};
pub use read::{ReadLog, VerifiedRead};
pub use sets::TrustedSet;
pub use trust::{HeaderMark, Trust, VerifiedHeader};
