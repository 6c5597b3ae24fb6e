//! `revocation_check`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hex_bytes::HexHash;

/// Parameters of `revocation_check`: exactly one of `tag`, `jws`, or `issuer` with `exp` and
/// either `jti` or `signingInputHash`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevocationCheckRequest {
    /// The tag itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<HexHash>,
    /// A compact JWS; its signature is not checked here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jws: Option<String>,
    /// DID of the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = crate::pattern::DID))]
    pub issuer: Option<String>,
    /// The token's `exp`, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<u64>,
    /// The token's `jti`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// SHA-256 of the token's signing input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_input_hash: Option<HexHash>,
}

/// Result of `revocation_check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevocationCheckResponse {
    /// Whether the ledger lists the token as revoked.
    pub revoked: bool,
    /// The tag that was found, else the one looked for first.
    pub tag: HexHash,
    /// Time of the block that revoked it, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<u64>,
    /// The issuer's cut-off, ms, where the issuer is known: earlier tokens are void too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<u64>,
    /// Height the answer is from.
    pub height: u64,
    /// Hash of that block.
    pub block_hash: HexHash,
    /// Its time, ms.
    pub time: u64,
}
