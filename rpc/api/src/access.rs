//! `access_evaluate`. It returns [`crate::verify::Decision`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hex_bytes::HexBytes;

/// Parameters of `access_evaluate`.
///
/// The subject must have been authenticated before (`identity_verifyLogin`): this method judges
/// what it was granted, not who is asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessEvaluateRequest {
    /// Who asks: a DID or another URI.
    pub subject: String,
    /// What for.
    pub action: ActionName,
    /// On what: a URI without query and fragment.
    pub resource: String,
    /// DID of the resource's owner, as the party that holds the resource knows it: the chain of
    /// grants must begin there.
    #[schemars(regex(pattern = crate::pattern::DID))]
    pub owner: String,
    /// The client in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The purpose stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The media type of what is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// SCALE `SignedGrant`s: the owner's first, the subject's last; 1 to 8.
    pub grants: Vec<HexBytes>,
    /// The verifier's clock, seconds since 1970; the node's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<u64>,
    /// How far the node's newest block may lie behind that clock, ms; 10,000 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_staleness_ms: Option<u64>,
}

/// One thing a grant can allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ActionName {
    /// Read.
    Read,
    /// Create.
    Create,
    /// Modify.
    Modify,
    /// Delete.
    Delete,
    /// Give grants on.
    Control,
}
