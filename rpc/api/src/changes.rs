//! `identity_subscribeChanges`: what happens to identities, as it happens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::control::ProposerName;
use crate::error::Failure;
use crate::hex_bytes::HexHash;
use crate::identity::HistoryEntry;

/// Parameters of `identity_subscribeChanges`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubscribeChangesRequest {
    /// The identities to watch, 1 to 64.
    pub dids: Vec<WatchedDid>,
}

/// One identity to watch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WatchedDid {
    /// The identity.
    #[schemars(regex(pattern = crate::pattern::DID))]
    pub did: String,
    /// First entry of its log to send, from 0; the log's end if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
}

/// One notification: an entry of an identity's log, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeNotification {
    /// The identity.
    #[schemars(regex(pattern = crate::pattern::DID))]
    pub did: String,
    /// The entry. To go on after it, subscribe from `entry.n` + 1.
    pub entry: HistoryEntry,
    /// Hash of the entry's block.
    pub block_hash: HexHash,
    /// What it did, in order; absent where the block's events are no longer kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<ChangeEvent>>,
    /// Why the operation failed, which was taken all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// What happened to an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    tag = "event",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[non_exhaustive]
pub enum ChangeEvent {
    /// It was created.
    Incepted,
    /// Its document changed.
    DocumentUpdated,
    /// Keys of control changed.
    Rotated {
        /// Index of the rank that acted.
        rank: u8,
    },
    /// It ended.
    Deactivated,
    /// Tokens issued before then are void.
    LoggedOut,
    /// A change of control waits.
    Proposed {
        /// Its id.
        id: HexHash,
        /// Who proposed it.
        proposer: ProposerName,
        /// When it takes effect unless cancelled, ms.
        effective_at: u64,
    },
    /// A pending change gave way to a proposal of higher standing.
    Displaced {
        /// Its id.
        id: HexHash,
    },
    /// A pending change went with its proposer's keys, or with those above.
    Cleared {
        /// Its id.
        id: HexHash,
    },
    /// A pending change was cancelled or withdrawn.
    Cancelled {
        /// Its id.
        id: HexHash,
    },
    /// A pending change took effect.
    TookEffect {
        /// Its id.
        id: HexHash,
    },
    /// Trustees stopped its logins.
    Frozen {
        /// Until when, ms.
        until: u64,
    },
    /// Trustees ended a freeze early.
    Unfrozen,
    /// Part of an operation could not be done, the rest was.
    Skipped {
        /// Fragment of the method or service, if it is about one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fragment: Option<String>,
        /// Slug of the error.
        error: String,
    },
}
