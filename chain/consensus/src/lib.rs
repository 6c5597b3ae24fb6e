//! Byzantine agreement on blocks; the only crate that names Malachite.
//!
//! It turns an [`Application`] (the chain) into a replicated one: [`start`] boots the engine and
//! one driver task that asks the application for blocks, has it judge the blocks of others, and
//! commits what more than two thirds of the voting power signed. It hides the engine's types,
//! codecs, signing scheme, block streaming, write-ahead log, peer-to-peer network and pacing.
//!
//! It is *not* a mempool and knows nothing of extrinsics: blocks are bytes with a hash. It does
//! not decide who validates: the application does, two blocks ahead.
//!
//! **Invariants.** A validator signs at most one message per height, round and kind
//! ([`SignGuard`]), and only through its [`ValidatorSigner`]. A block is stored durably before this node votes for it
//! ([`Application::put_undecided`]). A certificate handed to [`Application::commit`] passes
//! [`allod_primitives::Certificate::verify`].
//!
//! Proposers take turns: see [`proposer_index`].

mod application;
mod codec;
mod config;
mod context;
mod driver;
mod engine;
mod guard;
mod handle;
mod late;
pub mod limits;
mod pacing;
mod parts;
mod peers;
mod progress;
mod proposals;
mod seen;
mod signer;
mod signing;
pub mod sim;
mod start;

pub use application::{
    Application, BlockLoad, Evidence, EvidenceKind, FatalError, InvalidBlock, ProposedBlock,
    SignedChoice, ValidationContext,
};
pub use config::{ConsensusConfig, Keys, Timeouts, peer_id};
pub use context::proposer_index;
pub use guard::{
    FileGuard, GuardError, GuardFile, GuardGlance, MemoryGuard, NotAgreed, OpenGuardError,
    SignGuard, SignKind, SignRecord,
};
pub use handle::{ConsensusHandle, PeerAdmission, PeerError, Pulse, StopReason};
pub use pacing::{Pacing, WorkSignal};
pub use progress::Progress;
pub use signer::{LocalSigner, Seen, SignError, SignMessage, ValidatorSigner};
pub use start::{Seams, StartError, metrics, start};
