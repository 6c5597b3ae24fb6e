//! `light_*`: what a client needs that trusts no node. The bytes are `allod_primitives::light`'s.
//!
//! Source: spec/rpc.md §3.1, spec/proofs.md.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hex_bytes::{HexBytes, HexHash};

/// Result of `light_genesis`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LightGenesisResponse {
    /// SCALE `Header`; its hash names the chain.
    pub header: HexBytes,
    /// SCALE `ValidatorSet` that it names.
    pub validators: HexBytes,
}

/// Parameters of `light_header`: at most one of the two. Without, the newest block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LightHeaderRequest {
    /// Height of the block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// Hash of the block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<HexHash>,
}

/// Result of `light_header`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LightHeaderResponse {
    /// SCALE `CertifiedHeader`.
    pub header: HexBytes,
    /// SCALE `ValidatorSet` that certifies it.
    pub validators: HexBytes,
    /// Height of the block.
    pub height: u64,
    /// Its hash.
    pub block_hash: HexHash,
    /// Its time, ms.
    pub time: u64,
}

/// Parameters of `light_transitions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LightTransitionsRequest {
    /// The set from which on steps are wanted: the newest that the client knows.
    pub set_id: u64,
    /// How many, 1 to 16; 16 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

/// Result of `light_transitions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LightTransitionsResponse {
    /// SCALE `Transition`s, ascending; empty if that set certifies the newest block.
    pub transitions: Vec<HexBytes>,
    /// The set that certifies the newest block.
    pub set_id: u64,
}

/// Parameters of `light_statePage`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LightStatePageRequest {
    /// Height whose state is asked for; the newest if absent. All pages need the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// The last key of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<HexBytes>,
    /// Entries of the page at most, 1 to 4,096; 4,096 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

/// Result of `light_statePage`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LightStatePageResponse {
    /// SCALE `StatePage`.
    pub page: HexBytes,
    /// Height of the block.
    pub height: u64,
    /// Its hash.
    pub block_hash: HexHash,
    /// Its time, ms.
    pub time: u64,
}

/// Parameters of `light_subscribeBlocks`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubscribeBlocksRequest {
    /// The first height wanted: one above where the client stands. The newest block if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
}

/// A notification `light_block`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlockNotification {
    /// Height of the block.
    pub height: u64,
    /// SCALE `BlockChanges`.
    pub changes: HexBytes,
}
