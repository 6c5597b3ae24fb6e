//! Storage keys: Substrate's layout, computable by any verifier.
//!
//! `twox128(pallet) ++ twox128(item)` then, for maps, the hashed key. Keys that are hashes already
//! use `Identity`; everything else `Blake2_128Concat`, or `Twox64Concat` for small integers.

use parity_scale_codec::Encode;

use crate::crypto::PublicKey;
use crate::did::DidId;
use crate::governance::ActionKind;
use crate::hash::{H256, blake2_128, twox_64, twox_128};

/// How a map's key becomes bytes. The discriminants are Substrate's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hasher {
    /// blake2b-128 of the key, then the key.
    Blake2_128Concat = 2,
    /// xxHash64 of the key, then the key.
    Twox64Concat = 5,
    /// The key.
    Identity = 6,
}

impl Hasher {
    /// Returns the bytes that stand for the encoded key.
    pub fn hash(self, encoded: &[u8]) -> Vec<u8> {
        match self {
            Self::Blake2_128Concat => [blake2_128(encoded).as_slice(), encoded].concat(),
            Self::Twox64Concat => [twox_64(encoded).as_slice(), encoded].concat(),
            Self::Identity => encoded.to_vec(),
        }
    }
}

/// Returns the key of a plain item, and the prefix of a map's keys.
pub fn item(pallet: &str, item: &str) -> Vec<u8> {
    [twox_128(pallet.as_bytes()), twox_128(item.as_bytes())].concat()
}

/// Returns the key of one entry of a map.
pub fn map(pallet: &str, item_name: &str, hasher: Hasher, key: &impl Encode) -> Vec<u8> {
    let mut out = item(pallet, item_name);
    out.extend_from_slice(&hasher.hash(&key.encode()));
    out
}

/// `Did.Records`: [`DidRecord`](crate::record::DidRecord) by identity.
pub fn did_record(did: &DidId) -> Vec<u8> {
    map("Did", "Records", Hasher::Identity, did)
}

/// `Did.Retired`: [`RetiredMethod`](crate::document::RetiredMethod) by identity and fragment.
pub fn did_retired(did: &DidId, fragment: &str) -> Vec<u8> {
    let mut out = map("Did", "Retired", Hasher::Identity, did);
    out.extend_from_slice(&Hasher::Blake2_128Concat.hash(&fragment.encode()));
    out
}

/// `Did.Quotas`: [`QuotaUse`](crate::record::QuotaUse) by identity.
pub fn did_quota(did: &DidId) -> Vec<u8> {
    map("Did", "Quotas", Hasher::Identity, did)
}

/// `Revocation.Tags`: [`RevocationEntry`](crate::token::RevocationEntry) by tag.
pub fn revocation(tag: &H256) -> Vec<u8> {
    map("Revocation", "Tags", Hasher::Identity, tag)
}

/// `Grant.Grants`: [`GrantEntry`](crate::grant::GrantEntry) by gid.
pub fn grant(gid: &H256) -> Vec<u8> {
    map("Grant", "Grants", Hasher::Identity, gid)
}

/// `System.Account`: nonce by account.
pub fn account(account: &PublicKey) -> Vec<u8> {
    map("System", "Account", Hasher::Blake2_128Concat, account)
}

const AUTHORITY: &str = "Authority";

/// `Authority.Trustees`: [`Trustees`](crate::governance::Trustees).
pub fn trustees() -> Vec<u8> {
    item(AUTHORITY, "Trustees")
}

/// `Authority.Rules`: [`StoredRule`](crate::governance::StoredRule) by kind of action; a kind without
/// one has [`Rule::default_of`](crate::governance::Rule::default_of).
pub fn rule(kind: ActionKind) -> Vec<u8> {
    map(AUTHORITY, "Rules", Hasher::Twox64Concat, &kind)
}

/// `Authority.Parameters`: [`Parameters`](crate::governance::Parameters).
pub fn parameters() -> Vec<u8> {
    item(AUTHORITY, "Parameters")
}

/// `Authority.OpenProposals`: [`OpenProposals`](crate::governance::OpenProposals).
pub fn open_proposals() -> Vec<u8> {
    item(AUTHORITY, "OpenProposals")
}

/// `Authority.Schedule`: [`Schedule`](crate::governance::Schedule).
pub fn schedule() -> Vec<u8> {
    item(AUTHORITY, "Schedule")
}

/// `Authority.Proposals`: [`Proposal`](crate::governance::Proposal) by number.
pub fn proposal(number: u32) -> Vec<u8> {
    map(AUTHORITY, "Proposals", Hasher::Twox64Concat, &number)
}

/// `Authority.Upgrade`: [`ScheduledUpgrade`](crate::governance::ScheduledUpgrade).
pub fn upgrade() -> Vec<u8> {
    item(AUTHORITY, "Upgrade")
}
