//! Token revocation: an idempotent operation outside the control log.
//!
//! ```text
//! token = sha256(jti bytes)                        (kind 0)
//!       | sha256(JWS signing input)                (kind 1; tokens without a jti)
//! tag   = H("allod/token-tag/v1", genesis(32) ++ did(32) ++ exp(8 LE) ++ kind(1) ++ token)
//! ```
//!
//! Observers learn tags, not tokens: a `jti` carries at least 128 random bits.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

use crate::codec::BoundedVec;
use crate::did::DidId;
use crate::hash::{H256, domain_hash, sha2_256};
use crate::limits::OPERATION_SIGNATURES_MAX;
use crate::operation::{KeySignature, Payer};
use crate::types::{ChainId, ForkId, TimeMs};

/// Version byte of [`TokenOperation`].
pub const TOKEN_OPERATION_VERSION: u8 = 1;
/// Version byte of [`RevocationEntry`].
pub const REVOCATION_ENTRY_VERSION: u8 = 1;

/// A token, by hash.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, DecodeWithMemTracking, TypeInfo,
)]
pub enum TokenId {
    /// SHA-256 of the `jti` claim's UTF-8 bytes.
    #[codec(index = 0)]
    Jti(H256),
    /// SHA-256 of the JWS signing input (`header.payload`), for tokens without `jti`.
    #[codec(index = 1)]
    SigningInput(H256),
}

impl TokenId {
    /// Names a token by its `jti`.
    pub fn from_jti(jti: &str) -> Self {
        Self::Jti(sha2_256(jti.as_bytes()))
    }

    /// Names a token by its signing input.
    pub fn from_signing_input(input: &[u8]) -> Self {
        Self::SigningInput(sha2_256(input))
    }

    /// Returns the tag under which the ledger lists this token as revoked.
    ///
    /// `genesis`: the origin's. `exp`: the token's `exp` claim, seconds.
    ///
    /// Source: spec/revocation.md §2.
    pub fn tag(&self, genesis: &H256, issuer: &DidId, exp: u64) -> H256 {
        let token = self.encode();
        domain_hash(
            "allod/token-tag/v1",
            &[&genesis.0, &issuer.0, &exp.to_le_bytes(), &token],
        )
    }
}

/// An unsigned revocation of one token by its issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct TokenOperation {
    /// [`TOKEN_OPERATION_VERSION`].
    pub version: u8,
    /// Origin genesis hash of the network.
    pub genesis: H256,
    /// Its fork.
    pub fork_id: ForkId,
    /// The issuer.
    pub did: DidId,
    /// Who may pay.
    pub payer: Payer,
    /// Void in blocks of a later time.
    pub valid_until: TimeMs,
    /// The token.
    pub token: TokenId,
    /// Its `exp` claim, seconds since 1970.
    pub exp: u64,
}

impl TokenOperation {
    /// Returns its hash: `H("allod/token-operation/v1", SCALE(self))`. Keys sign
    /// [`operation_preimage`](crate::operation::operation_preimage) of it.
    pub fn hash(&self) -> H256 {
        domain_hash("allod/token-operation/v1", &[&self.encode()])
    }

    /// Returns the chain it is bound to.
    pub const fn chain(&self) -> ChainId {
        ChainId {
            genesis: self.genesis,
            fork_id: self.fork_id,
        }
    }

    /// Returns the tag it sets.
    pub fn tag(&self) -> H256 {
        self.token.tag(&self.genesis, &self.did, self.exp)
    }
}

/// A token operation and the signatures under it: keys of one rank that has the capability.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SignedTokenOperation {
    /// What is signed.
    pub operation: TokenOperation,
    /// By whom, strictly ascending by key.
    pub signatures: BoundedVec<KeySignature, OPERATION_SIGNATURES_MAX>,
}

/// What the ledger keeps under a tag, until `exp` and the leeway have passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct RevocationEntry {
    /// [`REVOCATION_ENTRY_VERSION`].
    pub version: u8,
    /// The token's `exp`, seconds.
    pub exp: u64,
    /// Time of the block that revoked it.
    pub revoked_at: TimeMs,
}
