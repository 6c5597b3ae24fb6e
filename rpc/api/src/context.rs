//! `identity_context`: what a client must know to build operations for this network.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hex_bytes::HexHash;

/// Result of `identity_context`, which takes no parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContextResponse {
    /// The chain's name, for people.
    pub name: String,
    /// `<network>` of every DID here.
    pub network: String,
    /// Genesis hash of the *origin*: what operations, votes and tags are bound to.
    pub genesis: HexHash,
    /// Number of the fork.
    pub fork_id: u32,
    /// Genesis hash of the current chain: what signed extrinsics are bound to.
    pub genesis_hash: HexHash,
    /// Version of the state machine.
    pub spec_version: u32,
    /// Version of the extrinsic format.
    pub transaction_version: u32,
    /// The newest finalized height.
    pub height: u64,
    /// Hash of that block.
    pub block_hash: HexHash,
    /// Time of that block, ms: what `validUntil` is judged by.
    pub time: u64,
    /// The node's own clock, ms.
    pub node_time: u64,
    /// How the network takes in new identities.
    pub admission: AdmissionPolicy,
    /// Maxima a client must keep to.
    pub limits: ContextLimits,
}

/// How the network takes in new identities. A registrar's batch always may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionPolicy {
    /// Whether a registrar's voucher admits a bare inception.
    pub vouchers: bool,
    /// How many zero bits of work admit one; absent where work admits nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_bits: Option<u8>,
}

/// Maxima a client must keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContextLimits {
    /// How far ahead `validUntil` may lie, ms.
    pub operation_validity_ms_max: u64,
    /// How far ahead a voucher's expiry may lie, ms.
    pub voucher_validity_ms_max: u64,
    /// Items of a registrar's batch.
    pub batch_items_max: u32,
    /// How long a token may live, seconds.
    pub token_lifetime_s_max: u64,
    /// How long a login may live, seconds.
    pub login_lifetime_s_max: u64,
    /// How many days ahead a grant may expire.
    pub grant_days_max: u32,
    /// Items of one `identity_submit`.
    pub submit_items_max: u32,
}

impl Default for ContextLimits {
    fn default() -> Self {
        use allod_primitives::limits as wire;
        Self {
            operation_validity_ms_max: wire::OPERATION_VALIDITY_MS_MAX,
            voucher_validity_ms_max: wire::VOUCHER_VALIDITY_MS_MAX,
            batch_items_max: wire::BATCH_ITEMS_MAX,
            token_lifetime_s_max: wire::TOKEN_LIFETIME_S_MAX,
            login_lifetime_s_max: crate::limits::LOGIN_LIFETIME_S_MAX,
            grant_days_max: wire::GRANT_DAYS_MAX,
            submit_items_max: crate::limits::SUBMIT_ITEMS_MAX as u32,
        }
    }
}
