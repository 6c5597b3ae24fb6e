//! The answer: allow or deny, why, and as of which block.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reason::ReasonCode;
use super::view::LedgerView;
use crate::hex_bytes::HexHash;

/// Allow or deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// Let it pass.
    Allow,
    /// Do not.
    Deny,
}

/// The answer. Fields besides the first five say what was looked at, as far as the checks got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// Allow or deny.
    pub decision: Verdict,
    /// Why.
    pub reason: ReasonCode,
    /// The reason in words.
    pub message: String,
    /// Height of the block it was judged by.
    pub height: u64,
    /// Time of that block, ms.
    pub time: u64,
    /// DID of the token's issuer, or of the resource's owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = crate::pattern::DID))]
    pub did: Option<String>,
    /// DID URL of the signing method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = crate::pattern::DID_URL))]
    pub method: Option<String>,
    /// When what was allowed ends, seconds: the token's `exp`, or the earliest of the grants'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// Identifiers of the grants looked at, the owner's first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gids: Vec<HexHash>,
}

impl Decision {
    /// Returns whether it allows.
    pub fn is_allowed(&self) -> bool {
        self.decision == Verdict::Allow
    }

    /// Makes the answer for `reason`, judged by the newest block of `view`.
    pub(crate) fn new(view: &impl LedgerView, reason: ReasonCode) -> Self {
        let (height, time) = view.head();
        let decision = match reason {
            ReasonCode::Ok => Verdict::Allow,
            _ => Verdict::Deny,
        };
        Self {
            decision,
            reason,
            message: reason.message().to_owned(),
            height: height.0,
            time: time.0,
            did: None,
            method: None,
            expires: None,
            gids: Vec::new(),
        }
    }
}
