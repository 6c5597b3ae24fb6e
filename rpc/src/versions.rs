//! Earlier versions of identities, rebuilt from their logs: however old, no state of that time is
//! needed.

use allod_primitives::did::{Did, DidId};
use allod_primitives::log::LogEntry;
use allod_primitives::operation::SignedOperation;
use allod_primitives::record::DidRecord;
use allod_primitives::{H256, TimeMs, decode_strict};
use allod_rpc_api::RpcError;
use allod_rpc_api::answers::{self, AnswerError};
use allod_rpc_api::error::ErrorCode;
use allod_rpc_api::identity::ResolveResponse;
use allod_rpc_api::limits::{HISTORY_COUNT_MAX, VERSION_ENTRIES_MAX, VERSION_REPLAY_MAX};
use allod_rpc_api::versions::{self, Misfit, Past, Rebuilding, VersionAsked};

use crate::reads::Asked;
use crate::view::{HistoryItem, NodeView};

/// Answers `identity_resolve` about an earlier version.
///
/// # Errors
/// As [`rebuild`]; `did.not_found`.
pub(crate) fn resolve(
    asked: &Asked<'_>,
    did: &Did,
    version: &VersionAsked,
) -> Result<ResolveResponse, AnswerError> {
    let stored = answers::stored(&asked.seen, did)?;
    let head = &asked.at.head;
    let past = rebuild(asked.view, did, &stored, head.time(), version)?;
    let at = (head.height().0, asked.at.hash(), head.time());
    Ok(versions::answer(did, version, &past, at))
}

/// Returns the version of `did` that is asked for. `stored`: its record in a block of time `now`.
///
/// Cost: replays the log up to it, at most [`VERSION_REPLAY_MAX`] entries, no signature.
///
/// # Errors
/// `did.version_not_found`: there was none, or a time that has not come; `did.version_unavailable`:
/// too long a log, or operations that are erased; `request.internal`.
///
/// Source: spec/history.md §5.
pub(crate) fn rebuild(
    view: &dyn NodeView,
    did: &Did,
    stored: &DidRecord,
    now: TimeMs,
    asked: &VersionAsked,
) -> Result<Past, RpcError> {
    let n = place(view, did, stored, now, asked)?;
    if n >= VERSION_REPLAY_MAX {
        let detail = format_args!("entry {n}, of which {VERSION_REPLAY_MAX} are replayed");
        return Err(ErrorCode::DidVersionUnavailable.with(detail));
    }
    let mut rebuilding = Rebuilding::default();
    let mut previous_head = H256::ZERO;
    let mut from = 0;
    while from <= n {
        let left = u32::try_from(n - from + 1).unwrap_or(u32::MAX);
        for item in page(view, &did.id(), from, left.min(HISTORY_COUNT_MAX))? {
            previous_head = rebuilding.record().map_or(H256::ZERO, |it| it.log.head);
            take(&mut rebuilding, &item)?;
            from += 1;
        }
    }
    let record = rebuilding.record().cloned().ok_or_else(internal)?;
    if let VersionAsked::Id(head) = asked
        && record.log != *head
    {
        return Err(ErrorCode::DidVersionNotFound.into());
    }
    Ok(Past {
        stored: record,
        retired: rebuilding.retired().cloned().collect(),
        previous_head,
        entries: following(view, &did.id(), n, stored.log.count)?,
    })
}

/// Returns the place of the entry that made the version.
fn place(
    view: &dyn NodeView,
    did: &Did,
    stored: &DidRecord,
    now: TimeMs,
    asked: &VersionAsked,
) -> Result<u64, RpcError> {
    let count = stored.log.count;
    let time = match asked {
        VersionAsked::Id(head) if head.count <= count => {
            let n = head.count.checked_sub(1);
            return n.ok_or_else(|| ErrorCode::DidVersionNotFound.into());
        }
        VersionAsked::Id(_) => return Err(ErrorCode::DidVersionNotFound.into()),
        VersionAsked::Time(time) => *time,
    };
    if time > now {
        let detail = "that time has not come";
        return Err(ErrorCode::DidVersionNotFound.with(detail));
    }
    // Times of entries ascend: the first later one is searched by halves.
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        let found = page(view, &did.id(), middle, 1)?;
        let entry = found.first().ok_or_else(internal)?.entry;
        match entry.time <= time {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    let before = "the identity was not on the ledger at that time";
    let n = low.checked_sub(1);
    n.ok_or_else(|| ErrorCode::DidVersionNotFound.with(before))
}

fn take(rebuilding: &mut Rebuilding, item: &HistoryItem) -> Result<(), RpcError> {
    let signed = item.operation.as_deref().map(decode_strict);
    let signed: Option<SignedOperation> = signed.transpose().map_err(|_| internal())?;
    let operation = signed.as_ref().map(|it| &it.operation);
    let taken = rebuilding.take(&item.entry, operation, item.stated.as_ref());
    taken.map(|_| ()).map_err(|misfit| match misfit {
        Misfit::OperationMissing => {
            let detail = format_args!("the operation of entry {} is erased", item.entry.n);
            ErrorCode::DidVersionUnavailable.with(detail)
        }
        misfit => {
            tracing::error!(%misfit, n = item.entry.n, "the log of an identity does not replay");
            internal()
        }
    })
}

/// Returns entries from `n` on to the end of the log, at most one more than an answer holds.
fn following(
    view: &dyn NodeView,
    did: &DidId,
    n: u64,
    count: u64,
) -> Result<Vec<LogEntry>, RpcError> {
    let most = VERSION_ENTRIES_MAX as u64 + 1;
    let end = count.min(n.saturating_add(most));
    let mut entries: Vec<LogEntry> = Vec::new();
    let mut from = n;
    while from < end {
        let left = u32::try_from(end - from).unwrap_or(u32::MAX);
        let items = page(view, did, from, left.min(HISTORY_COUNT_MAX))?;
        from += items.len() as u64;
        entries.extend(items.iter().map(|it| it.entry));
    }
    Ok(entries)
}

/// Reads entries that must be there.
fn page(
    view: &dyn NodeView,
    did: &DidId,
    from: u64,
    count: u32,
) -> Result<Vec<HistoryItem>, RpcError> {
    let items = view.history(did, from, count);
    let items = items.map_err(|_| RpcError::from(ErrorCode::StateUnavailable))?;
    match items.first() {
        Some(item) if item.entry.n == from => Ok(items),
        _ => Err(internal()),
    }
}

fn internal() -> RpcError {
    ErrorCode::Internal.into()
}
