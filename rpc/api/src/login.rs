//! `identity_verifyLogin` and `identity_verifyJws`. Both return [`crate::verify::Decision`]; the
//! second with `asOf` a [`crate::verify::SignatureVerdict`] instead.

use allod_primitives::PublicKey;
use allod_primitives::grant::AnchorOpening;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hex_bytes::HexHash;

/// Parameters of `identity_verifyLogin`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyLoginRequest {
    /// The answer to the challenge: a compact JWS.
    pub jws: String,
    /// The name this verifier goes by; the token's `aud` must hold it.
    pub audience: String,
    /// The nonce of the challenge. Using it once is the verifier's own duty.
    pub nonce: String,
    /// The verifier's clock, seconds since 1970; the node's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<u64>,
    /// How far the node's newest block may lie behind that clock, ms; 10,000 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_staleness_ms: Option<u64>,
}

/// Parameters of `identity_verifyJws`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyJwsRequest {
    /// A compact JWS.
    pub jws: String,
    /// The name this verifier goes by; the token's `aud` must hold it.
    pub audience: String,
    /// If given, the token's `nonce` must equal it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// What the signing method must be for; `assertionMethod` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relationship: Option<Relationship>,
    /// If given, the token may have been issued at most this many seconds ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_s: Option<u64>,
    /// The verifier's clock, seconds since 1970; the node's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<u64>,
    /// How far the node's newest block may lie behind that clock, ms; 10,000 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_staleness_ms: Option<u64>,
    /// If given, not whether the token passes now is asked, but whether its signature was good at
    /// this time, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<u64>,
    /// Opens the anchor that shows by when the token existed. Only with `asOf`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// What opens the anchor of a token.
///
/// Source: spec/grants.md §7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evidence {
    /// Key of the anchor.
    pub grant_key: HexHash,
    /// Day (since 1970) after which the ledger forgets it.
    pub expiry_day: u32,
    /// 32 random bytes.
    pub salt: HexHash,
}

impl From<Evidence> for AnchorOpening {
    fn from(it: Evidence) -> Self {
        Self {
            grant_key: PublicKey(it.grant_key.0.0),
            expiry_day: it.expiry_day,
            salt: it.salt.0.0,
        }
    }
}

/// A verification relationship a JWS can be judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Relationship {
    /// Logging in.
    Authentication,
    /// Issuing tokens and credentials.
    #[default]
    AssertionMethod,
    /// Using a grant.
    CapabilityInvocation,
    /// Issuing a grant.
    CapabilityDelegation,
}
