//! Entries whose operation is erased.

use allod_primitives::document::{RetireReason, RetiredMethod};
use allod_primitives::log::{LogEntry, LogHead};
use allod_primitives::record::{DID_RECORD_VERSION, DidRecord, LaneHead, Lanes};
use allod_rpc_api::versions::first_lanes;

use super::Fault;

/// Returns the record after an entry whose operation is erased, `shown`, with the log head of the
/// record `before` it, and the methods that it retired: for what reason is unknown, and taken as
/// routine. That the record is the entry's, its hash has still to show.
///
/// Source: spec/history.md §4.
pub(super) fn follow_stub(
    before: Option<&DidRecord>,
    shown: &DidRecord,
    entry: &LogEntry,
) -> Result<(DidRecord, Vec<RetiredMethod>), Fault> {
    let born = before.map_or((entry.time, entry.height), |it| {
        (it.created, it.created_height)
    });
    let lanes = match before {
        None => shown.lanes == first_lanes(entry.operation_hash),
        Some(before) => is_one_ahead(&before.lanes, &shown.lanes, entry),
    };
    let dated = (shown.created, shown.created_height) == born && shown.updated == entry.time;
    if shown.version != DID_RECORD_VERSION || !lanes || !dated {
        return Err(Fault::Stub);
    }
    let retired = before.map(|before| retired(before, shown, entry));
    let retired = retired.unwrap_or_default();
    let count = u32::try_from(retired.len()).map_err(|_| Fault::Stub)?;
    let had = before.map(|it| it.retired_count.saturating_add(count));
    if had.is_some_and(|had| had != shown.retired_count) {
        return Err(Fault::Stub);
    }
    let log = before.map_or_else(LogHead::default, |it| it.log);
    let record = DidRecord {
        log,
        ..shown.clone()
    };
    Ok((record, retired))
}

/// Returns whether one lane has taken the entry's operation and no other has moved.
fn is_one_ahead(before: &Lanes, after: &Lanes, entry: &LogEntry) -> bool {
    let moved = heads(before).zip(heads(after));
    let moved: Vec<_> = moved.filter(|(before, after)| before != after).collect();
    matches!(moved.as_slice(), [(before, after)]
        if after.next_seq == before.next_seq.saturating_add(1)
            && after.last == entry.operation_hash)
}

fn heads(lanes: &Lanes) -> impl Iterator<Item = &LaneHead> {
    let single = [&lanes.guardians, &lanes.documents];
    lanes.ranks.iter().chain(single).chain(&lanes.next)
}

fn retired(before: &DidRecord, shown: &DidRecord, entry: &LogEntry) -> Vec<RetiredMethod> {
    let left = &shown.document.methods;
    let gone = before.document.methods.iter().filter(|it| {
        let mut left = left.iter();
        !left.any(|other| other.method.fragment == it.method.fragment)
    });
    let gone = gone.map(|it| RetiredMethod {
        version: 1,
        method: it.method.clone(),
        since: it.since,
        until: entry.time,
        reason: RetireReason::Routine,
        declared: entry.time,
    });
    gone.collect()
}
