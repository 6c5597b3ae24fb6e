//! `grant_check`: what the ledger knows of a grant. Whether it *applies* is `access_evaluate`'s.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hex_bytes::{HexBytes, HexHash};

/// Parameters of `grant_check`: exactly one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GrantCheckRequest {
    /// The grant's identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<HexHash>,
    /// SCALE `SignedGrant`; its identifier is computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<HexBytes>,
}

/// What the ledger says about a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GrantState {
    /// Never anchored, or expired and forgotten. Means deny.
    Absent,
    /// Anchored and not revoked.
    Active,
    /// Revoked for good.
    Revoked,
    /// Its expiry day has passed.
    Expired,
}

/// Result of `grant_check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrantCheckResponse {
    /// The grant's identifier.
    pub gid: HexHash,
    /// What the ledger says.
    pub status: GrantState,
    /// Day (since 1970) after which the ledger forgets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_day: Option<u32>,
    /// Its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_key: Option<HexHash>,
    /// Time of the block that anchored it, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchored_at: Option<u64>,
    /// Time of the block that revoked it, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<u64>,
    /// Height the answer is from.
    pub height: u64,
    /// Hash of that block.
    pub block_hash: HexHash,
    /// Its time, ms.
    pub time: u64,
}
