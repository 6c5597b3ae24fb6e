//! The answer about an earlier version.

use std::str::FromStr;

use allod_primitives::control::effective;
use allod_primitives::did::Did;
use allod_primitives::document::RetiredMethod;
use allod_primitives::log::{LogEntry, LogHead};
use allod_primitives::record::DidRecord;
use allod_primitives::{H256, TimeMs};
use parity_scale_codec::Encode;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::control::{CoolDownInfo, FreezeInfo, PendingInfo, PolicyInfo};
use crate::document::{DidDocument, DocumentMetadata, RetiredEntry, date_time, version_id};
use crate::error::{ErrorCode, RpcError};
use crate::hex_bytes::HexHash;
use crate::identity::{ResolveRequest, ResolveResponse, VersionChain};
use crate::limits::{RETIRED_LISTED_MAX, VERSION_ENTRIES_MAX};

/// Which version is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionAsked {
    /// The one with this head of the log.
    Id(LogHead),
    /// The one in force at this time.
    Time(TimeMs),
}

impl VersionAsked {
    /// Reads what a request asks for; `None` if it is the newest.
    ///
    /// # Errors
    /// `request.invalid_params`: both at once, or neither an id nor a time.
    pub fn of(request: &ResolveRequest) -> Result<Option<Self>, RpcError> {
        let invalid = |detail: &str| ErrorCode::InvalidParams.with(detail);
        match (&request.version_id, &request.version_time) {
            (None, None) => Ok(None),
            (Some(id), None) => Self::of_id(id)
                .map(Some)
                .ok_or_else(|| invalid("versionId is <entries>-<head>")),
            (None, Some(time)) => Self::of_time(time).map(Some).ok_or_else(|| {
                invalid("versionTime is RFC 3339 in UTC, such as 2026-01-31T12:00:00Z")
            }),
            (Some(_), Some(_)) => Err(invalid("versionId and versionTime exclude one another")),
        }
    }

    /// Returns the time asked for, in a block of the time `now`: a time later than that, but within
    /// the same second, is as of that block. `None` if its second has not come; for an id, which
    /// names no time, `now`.
    ///
    /// Source: spec/history.md §5.
    pub fn moment(&self, now: TimeMs) -> Option<TimeMs> {
        match self {
            Self::Id(_) => Some(now),
            Self::Time(time) if time.seconds() > now.seconds() => None,
            Self::Time(time) => Some((*time).min(now)),
        }
    }

    /// Looks at an identity of this stored record, as it is asked for in a block of the time `now`.
    pub fn look(&self, stored: &DidRecord, now: TimeMs) -> Looked {
        match self {
            Self::Id(_) => Looked {
                record: stored.clone(),
                time: stored.updated,
                retired: Vec::new(),
            },
            Self::Time(time) => {
                let time = (*time).min(now);
                let effective = effective(stored, time);
                Looked {
                    record: effective.record,
                    time,
                    retired: effective.retired,
                }
            }
        }
    }

    /// Returns it as the members `versionId` and `versionTime` of a request.
    pub fn to_parameters(&self) -> (Option<String>, Option<String>) {
        match self {
            Self::Id(head) => {
                let text = format!("{}-{}", head.count, hex::encode(head.head.0));
                (Some(text), None)
            }
            Self::Time(time) => {
                let whole = date_time(*time);
                let seconds = whole.trim_end_matches('Z');
                (None, Some(format!("{seconds}.{:03}Z", time.0 % 1000)))
            }
        }
    }

    /// Reads `<entries>-<head>`, the head as 64 hexadecimal digits.
    pub fn of_id(text: &str) -> Option<Self> {
        let (count, head) = text.split_once('-')?;
        let digits = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
        let count = Some(count).filter(|it| digits(it) && !it.starts_with('0'))?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(head, &mut bytes).ok()?;
        Some(Self::Id(LogHead {
            count: u64::from_str(count).ok()?,
            head: H256(bytes),
        }))
    }

    /// Reads RFC 3339 in UTC. Whole seconds mean the end of that second: a document says its times
    /// so, and one of them names all that happened within it.
    pub fn of_time(text: &str) -> Option<Self> {
        let is_utc = text.ends_with('Z');
        let moment = OffsetDateTime::parse(text, &Rfc3339)
            .ok()
            .filter(|_| is_utc)?;
        let ms = u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok()?;
        let within = if text.contains('.') { 0 } else { 999 };
        Some(Self::Time(TimeMs(ms.saturating_add(within))))
    }
}

/// An identity at one moment.
#[derive(Clone, Debug)]
pub struct Looked {
    /// Its record then, whether or not the ledger had written that down.
    pub record: DidRecord,
    /// The moment: of a version that is named by its id, when it came about.
    pub time: TimeMs,
    /// What it had retired by then, and the stored record had not.
    pub retired: Vec<RetiredMethod>,
}

/// A version as it was rebuilt from the log.
#[derive(Clone, Debug)]
pub struct Past {
    /// The record as stored after its entry.
    pub stored: DidRecord,
    /// What had been retired by then.
    pub retired: Vec<RetiredMethod>,
    /// The head before its entry.
    pub previous_head: H256,
    /// Its entry and those after it, at most [`VERSION_ENTRIES_MAX`] and one more.
    pub entries: Vec<LogEntry>,
}

/// Answers `identity_resolve` about an earlier version; `at` is the block the present head is from.
pub fn answer(
    did: &Did,
    asked: &VersionAsked,
    past: &Past,
    at: (u64, H256, TimeMs),
) -> ResolveResponse {
    let (height, block_hash, now) = at;
    let stored = &past.stored;
    let Looked {
        record,
        time: when,
        retired: unwritten,
    } = asked.look(stored, now);
    let mut retired = past.retired.clone();
    retired.extend(unwritten);
    retired.sort_by_key(|it| std::cmp::Reverse(it.until));
    retired.truncate(RETIRED_LISTED_MAX);
    let document = DidDocument::new(did, &record.document, when);
    let frozen = record.frozen.as_ref().filter(|it| when < it.until);
    ResolveResponse {
        did_document: record.is_active().then_some(document),
        did_document_metadata: metadata(&record, past),
        retired: retired
            .iter()
            .map(|it| RetiredEntry::new(did, it))
            .collect(),
        retired_count: record.retired_count,
        retired_proven: false,
        not_before: record.not_before.0,
        grant_epoch: record.grant_epoch,
        frozen: frozen.map(FreezeInfo::new),
        policy: PolicyInfo::new(&record.policy),
        pending: PendingInfo::list(&record),
        cool_downs: CoolDownInfo::list(&record),
        record: stored.encode().into(),
        version: Some(chain(past)),
        height,
        block_hash: HexHash::from(block_hash),
        time: now.0,
    }
}

fn metadata(record: &DidRecord, past: &Past) -> DocumentMetadata {
    let mut metadata = DocumentMetadata::new(record);
    if let Some(next) = past.entries.get(1) {
        let log = past.stored.log.append(next);
        let after = DidRecord {
            log,
            ..past.stored.clone()
        };
        metadata.next_version_id = Some(version_id(&after));
        metadata.next_update = Some(date_time(next.time));
    }
    metadata
}

fn chain(past: &Past) -> VersionChain {
    let shown = past.entries.iter().take(VERSION_ENTRIES_MAX);
    let left = past.entries.get(VERSION_ENTRIES_MAX);
    VersionChain {
        n: past.stored.log.count.saturating_sub(1),
        previous_head: past.previous_head.into(),
        entries: shown.map(|it| it.encode().into()).collect(),
        next: left.map(|it| it.n),
    }
}
