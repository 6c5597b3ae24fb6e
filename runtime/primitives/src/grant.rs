//! Grants: on the ledger a hiding identifier, a fresh key, a status and a day; elsewhere a body.
//!
//! ```text
//! gid = H("allod/gid/v1", genesis(32) ++ gk(32) ++ expiry_day(4 LE) ++ salt(32) ++ SCALE(body))
//! ```
//!
//! The body is signed by the owner and kept by the parties. An observer of the whole chain learns
//! neither owner nor assignee nor resource. The salt is 32 random bytes, never derived from the
//! body; `gk` is derived from the owner's grant seed and the salt.
//!
//! The ledger cannot open a gid. So it takes other hashes too: an *anchor* is a gid made from the hash
//! of a JWS ([`AnchorOpening`]), and its entry shows that the JWS was there by then.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

use crate::codec::{BoundedVec, Text};
use crate::crypto::{PublicKey, Signature};
use crate::did::Did;
use crate::document::{Fragment, Uri};
use crate::hash::{H256, domain_hash, sha2_256};
use crate::limits::{GRANT_CONSTRAINTS_MAX, GRANT_RESOURCES_MAX};
use crate::types::{ChainId, ForkId, TimeMs};

/// Version byte of [`GrantBody`].
pub const GRANT_BODY_VERSION: u8 = 1;
/// Version byte of [`GrantEntry`].
pub const GRANT_ENTRY_VERSION: u8 = 1;
/// Version byte of [`GrantMessage`].
pub const GRANT_MESSAGE_VERSION: u8 = 1;

/// What a grant allows. A set of bits.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
)]
pub struct Actions(pub u8);

impl Actions {
    /// Read.
    pub const READ: Self = Self(1);
    /// Create.
    pub const CREATE: Self = Self(2);
    /// Modify.
    pub const MODIFY: Self = Self(4);
    /// Delete.
    pub const DELETE: Self = Self(8);
    /// Give grants on.
    pub const CONTROL: Self = Self(16);
    /// All of them.
    pub const ALL: Self = Self(31);

    /// Returns whether every bit of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Who is granted something.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Assignee {
    /// An identity of a network of this kind.
    #[codec(index = 0)]
    Did(Did),
    /// Any other subject, by URI (`did:key:…`, `https://app.example/client.json`).
    #[codec(index = 1)]
    Uri(Uri),
}

/// A condition on use.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Constraint {
    /// Only through this client.
    #[codec(index = 0)]
    Client(Uri),
    /// Only for this purpose.
    #[codec(index = 1)]
    Purpose(Uri),
    /// Only for this media type.
    #[codec(index = 2)]
    MediaType(Text<128>),
}

/// What was granted; kept by the parties, never on the ledger unless its owner discloses it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct GrantBody {
    /// [`GRANT_BODY_VERSION`].
    pub version: u8,
    /// Who grants.
    pub owner: Did,
    /// Who is granted.
    pub assignee: Assignee,
    /// One to 32 resource URIs; one that ends in `/` covers what is below it.
    pub resources: BoundedVec<Uri, GRANT_RESOURCES_MAX>,
    /// What is allowed.
    pub actions: Actions,
    /// Conditions, all of which must hold.
    pub constraints: BoundedVec<Constraint, GRANT_CONSTRAINTS_MAX>,
    /// The grant this one was delegated from, if any.
    pub parent: Option<H256>,
    /// How many further delegations are allowed.
    pub delegation_depth: u8,
    /// The owner's grant epoch; bodies of an earlier one are void.
    pub epoch: u32,
    /// Not valid before, seconds since 1970.
    pub not_before: u64,
    /// Not valid from then on, seconds since 1970.
    pub expires: u64,
}

/// A body with what it takes to check it against the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SignedGrant {
    /// What was granted.
    pub body: GrantBody,
    /// The fresh key of this grant.
    pub grant_key: PublicKey,
    /// Day after which the ledger forgets it; on or after the day of `body.expires`.
    pub expiry_day: u32,
    /// 32 random bytes.
    pub salt: [u8; 32],
    /// The granter's verification method, with `capabilityDelegation`.
    pub method: Fragment,
    /// Its Ed25519 signature over [`grant_preimage`].
    pub signature: Signature,
}

impl SignedGrant {
    /// Returns the identifier under which the ledger lists this grant. `genesis`: the origin's.
    ///
    /// Source: spec/grants.md §2.
    pub fn gid(&self, genesis: &H256) -> H256 {
        domain_hash(
            "allod/gid/v1",
            &[
                &genesis.0,
                &self.grant_key.0,
                &self.expiry_day.to_le_bytes(),
                &self.salt,
                &self.body.encode(),
            ],
        )
    }
}

/// What opens an anchor: with the JWS it gives the gid under which the ledger lists it.
///
/// ```text
/// gid = H("allod/anchor/v1", genesis(32) ++ gk(32) ++ expiry_day(4 LE) ++ salt(32) ++ sha256(JWS)(32))
/// ```
///
/// Source: spec/grants.md §7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct AnchorOpening {
    /// The fresh key of this anchor alone.
    pub grant_key: PublicKey,
    /// Day (since 1970) after which the ledger forgets it.
    pub expiry_day: u32,
    /// 32 random bytes.
    pub salt: [u8; 32],
}

impl AnchorOpening {
    /// Returns the identifier under which the ledger lists the anchor of `jws`, a whole compact JWS
    /// as it was sent. `genesis`: the origin's.
    ///
    /// Source: spec/grants.md §7.
    pub fn gid(&self, genesis: &H256, jws: &str) -> H256 {
        domain_hash(
            "allod/anchor/v1",
            &[
                &genesis.0,
                &self.grant_key.0,
                &self.expiry_day.to_le_bytes(),
                &self.salt,
                &sha2_256(jws.as_bytes()).0,
            ],
        )
    }
}

/// Returns what the owner (or delegating assignee) signs for a grant.
pub fn grant_preimage(chain: &ChainId, gid: &H256) -> Vec<u8> {
    let mut out = b"allod/grant/v1".to_vec();
    out.extend_from_slice(&chain.preimage());
    out.extend_from_slice(&gid.0);
    out
}

/// What a grant's own key says to the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum GrantAction {
    /// Anchors the grant. Only inside a registrar's batch.
    #[codec(index = 0)]
    Anchor {
        /// The grant's key, which signs.
        grant_key: PublicKey,
        /// Its expiry day.
        expiry_day: u32,
    },
    /// Revokes it for good. Bare, once.
    #[codec(index = 1)]
    Revoke,
}

/// A message of a grant's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct GrantMessage {
    /// [`GRANT_MESSAGE_VERSION`].
    pub version: u8,
    /// Origin genesis hash of the network.
    pub genesis: H256,
    /// Its fork.
    pub fork_id: ForkId,
    /// The grant.
    pub gid: H256,
    /// What about it.
    pub action: GrantAction,
    /// Void in blocks of a later time.
    pub valid_until: TimeMs,
}

impl GrantMessage {
    /// Returns its hash: `H("allod/grant-message/v1", SCALE(self))`. The key signs
    /// [`operation_preimage`](crate::operation::operation_preimage) of it.
    pub fn hash(&self) -> H256 {
        domain_hash("allod/grant-message/v1", &[&self.encode()])
    }

    /// Returns the chain it is bound to.
    pub const fn chain(&self) -> ChainId {
        ChainId {
            genesis: self.genesis,
            fork_id: self.fork_id,
        }
    }
}

/// A grant message and its key's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SignedGrantMessage {
    /// What is signed.
    pub message: GrantMessage,
    /// By the grant's key.
    pub signature: Signature,
}

/// Whether a grant holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum GrantStatus {
    /// It does, as far as the ledger knows.
    #[codec(index = 0)]
    Active,
    /// It never will again.
    #[codec(index = 1)]
    Revoked {
        /// Time of the block that revoked it.
        at: TimeMs,
    },
}

/// What the ledger keeps under a gid, until its expiry day has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct GrantEntry {
    /// [`GRANT_ENTRY_VERSION`].
    pub version: u8,
    /// The grant's key.
    pub grant_key: PublicKey,
    /// Day (since 1970) after which the entry is pruned.
    pub expiry_day: u32,
    /// Time of the block that anchored it.
    pub anchored: TimeMs,
    /// Whether it holds.
    pub status: GrantStatus,
}
