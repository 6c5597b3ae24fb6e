//! The verifier kernel: identifiers, wire types, headers, certificates and Merkle proofs.
//!
//! It is everything a stranger needs to check an answer of the ledger, and nothing else: no
//! clock, entropy, thread, file or log. Time and randomness arrive as arguments. Every type that
//! crosses the wire or is stored begins with a version byte or lives inside one that does, is
//! bounded by a constant of [`limits`], and decodes strictly: one value, one encoding
//! (see [`codec`]).
//!
//! It is *not* the state machine (`allod-runtime`) and knows no storage engine.

#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::float_arithmetic,
        clippy::panic
    )
)]

#[macro_use]
mod ensure;

pub mod calls;
pub mod certificate;
pub mod codec;
pub mod control;
pub mod crypto;
pub mod did;
pub mod document;
pub mod extrinsic;
pub mod governance;
pub mod grant;
pub mod guardian;
pub mod hash;
pub mod header;
pub mod keys;
pub mod light;
pub mod limits;
pub mod log;
pub mod merkle;
pub mod operation;
pub mod policy;
pub mod record;
pub mod token;
pub mod tree;
pub mod types;

pub use certificate::{Certificate, CommitSignature, Validator, ValidatorSet};
pub use codec::{BoundedVec, Text, decode_strict};
pub use crypto::{PublicKey, Signature};
pub use did::{Did, DidId, NetworkId};
pub use hash::{H256, blake2_256, domain_hash, sha2_256};
pub use header::{Block, Header};
pub use types::{ChainId, ForkId, Height, TimeMs};
