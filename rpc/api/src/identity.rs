//! `identity_resolve`, `identity_history` and `identity_lanes`.

use allod_primitives::operation::Body;
use allod_primitives::record::Freeze;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::control::{CoolDownInfo, FreezeInfo, PendingInfo, PolicyInfo};
use crate::document::{DidDocument, DocumentMetadata, RetiredEntry};
use crate::hex_bytes::{HexBytes, HexHash};

/// Parameters of `identity_resolve`; a lone string is read as `did`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResolveRequest {
    /// The identity.
    #[schemars(regex(pattern = crate::pattern::DID))]
    pub did: String,
    /// Height of the block to answer from; the newest finalized one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// The version to answer about, `<entries>-<head>`; the newest if neither is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = crate::pattern::VERSION_ID))]
    pub version_id: Option<String>,
    /// The time to answer about, RFC 3339 in UTC; excludes `version_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_time: Option<String>,
}

/// Result of `identity_resolve`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolveResponse {
    /// The document; `null` if the identity is deactivated.
    pub did_document: Option<DidDocument>,
    /// What is known about it.
    pub did_document_metadata: DocumentMetadata,
    /// Retired methods, newest first, at most 64.
    #[serde(default)]
    pub retired: Vec<RetiredEntry>,
    /// How many there are.
    pub retired_count: u32,
    /// Whether `retired` was looked up; false where there are too many to prove.
    #[serde(default = "is_listed", skip_serializing_if = "Clone::clone")]
    pub retired_proven: bool,
    /// Tokens issued before then are void, ms.
    pub not_before: u64,
    /// The epoch grants must be of.
    pub grant_epoch: u32,
    /// A freeze in force: it stops logins only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<FreezeInfo>,
    /// Who may change it.
    pub policy: PolicyInfo,
    /// Changes that wait, in order of standing.
    #[serde(default)]
    pub pending: Vec<PendingInfo>,
    /// Proposers that rest.
    #[serde(default)]
    pub cool_downs: Vec<CoolDownInfo>,
    /// The record as stored (SCALE `DidRecord`), for those who check for themselves.
    pub record: HexBytes,
    /// Of an earlier version, what shows that the present log commits to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionChain>,
    /// Height the answer is from.
    pub height: u64,
    /// Hash of that block.
    pub block_hash: HexHash,
    /// Its time, ms.
    pub time: u64,
}

/// The entries of a log from an earlier version to the present head.
///
/// Source: spec/history.md §5.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionChain {
    /// Position of the entry that made the version.
    pub n: u64,
    /// The head before that entry.
    pub previous_head: HexHash,
    /// SCALE `LogEntry`s from that entry on.
    pub entries: Vec<HexBytes>,
    /// Position of the first entry that is left out, if not all fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

const fn is_listed() -> bool {
    true
}

/// Parameters of `identity_history`; a lone string is read as `did`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistoryRequest {
    /// The identity.
    #[schemars(regex(pattern = crate::pattern::DID))]
    pub did: String,
    /// First entry, from 0.
    #[serde(default)]
    pub from: u64,
    /// How many, 1 to 256; 64 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

/// Result of `identity_history`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryResponse {
    /// Entries, ascending.
    pub entries: Vec<HistoryEntry>,
    /// First entry of the next page, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// How many entries the log has.
    pub log_count: u64,
    /// Hash over all of them.
    pub log_head: HexHash,
    /// Height the answer is from.
    pub height: u64,
    /// Hash of that block.
    pub block_hash: HexHash,
    /// Its time, ms.
    pub time: u64,
}

/// One entry of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// Position, from 0.
    pub n: u64,
    /// `operation`, `automatic` or `governance`.
    pub kind: String,
    /// Hash of the operation, or zero.
    pub operation_hash: HexHash,
    /// Hash of its signatures, or zero.
    pub signatures_hash: HexHash,
    /// Hash of the record's content after it.
    pub record_hash: HexHash,
    /// Height of its block.
    pub height: u64,
    /// Time of its block, ms.
    pub time: u64,
    /// Position of the operation's extrinsic in the block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extrinsic_index: Option<u32>,
    /// Of an automatic entry, the id of the pending change that took effect; of one of governance,
    /// the hash of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<HexHash>,
    /// What the operation did, such as `incept` or `rotate`; absent where bytes are erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// SCALE `SignedOperation`; absent for other kinds and where bytes are erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<HexBytes>,
    /// Of an entry of governance, what was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionInfo>,
    /// Of an operation whose change waits, until when, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_at: Option<u64>,
}

/// What trustees decided about an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[non_exhaustive]
pub enum DecisionInfo {
    /// Its logins are stopped, until a time.
    Freeze {
        /// Why.
        reason: String,
        /// Until when, ms.
        until: u64,
    },
    /// A freeze ended early.
    Unfreeze,
}

impl DecisionInfo {
    /// Describes a freeze.
    pub fn freeze(freeze: &Freeze) -> Self {
        Self::Freeze {
            reason: freeze.reason.to_string(),
            until: freeze.until.0,
        }
    }
}

/// Parameters of `identity_lanes`; a lone string is read as `did`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LanesRequest {
    /// The identity.
    #[schemars(regex(pattern = crate::pattern::DID))]
    pub did: String,
}

/// Result of `identity_lanes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LanesResponse {
    /// The lanes of the ranks, highest first, whether the rank exists or not.
    pub ranks: Vec<LanePosition>,
    /// The lanes of the ranks' next keys, likewise.
    pub next: Vec<LanePosition>,
    /// The guardians' lane.
    pub guardians: LanePosition,
    /// The documents' lane.
    pub documents: LanePosition,
    /// Token operations used today (UTC, by block time).
    pub tokens_used: u16,
    /// Height the answer is from.
    pub height: u64,
    /// Hash of that block.
    pub block_hash: HexHash,
    /// Its time, ms.
    pub time: u64,
}

/// Where a lane stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LanePosition {
    /// `lane_seq` of its next operation.
    pub next_seq: u64,
    /// `lane_prev` of its next operation.
    pub last: HexHash,
    /// Operations used today (UTC, by block time).
    pub used: u16,
    /// Operations a day.
    pub quota: u16,
}

/// Returns what an entry's `action` says of an operation with this body.
///
/// Source: spec/rpc.md §3, `identity_history`.
pub const fn action_name(body: &Body) -> &'static str {
    match body {
        Body::Incept(_) => "incept",
        Body::UpdateDocument(_) => "updateDocument",
        Body::Rotate { .. } => "rotate",
        Body::Deactivate => "deactivate",
        Body::Propose(_) => "propose",
        Body::Cancel { .. } => "cancel",
        Body::Recover { .. } => "recover",
        Body::SetNotBefore { .. } => "setNotBefore",
    }
}
