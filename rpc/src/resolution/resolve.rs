//! From a DID and a version to the ledger's record, as of one finalized block.

use allod_primitives::control::effective;
use allod_primitives::did::DidError;
use allod_primitives::keys;
use allod_primitives::log::LogEntry;
use allod_primitives::record::DidRecord;
use allod_primitives::{Did, NetworkId, TimeMs, decode_strict};
use allod_rpc_api::document::{date_time, version_id};
use allod_rpc_api::verify::LedgerView as _;
use allod_rpc_api::versions::VersionAsked;
use allod_rpc_api::{ErrorCode, RpcError};

use super::options::Version;
use super::problem::{Problem, ProblemKind};
use crate::snapshot::Snapshot;
use crate::versions::rebuild;
use crate::view::NodeView;

/// A record, and where it is from.
pub(super) struct Resolved<'a> {
    /// The identity.
    pub(super) did: Did,
    /// Its record as it is at `time`, whether or not the ledger has written that down.
    pub(super) record: DidRecord,
    /// When it is looked at.
    pub(super) time: TimeMs,
    /// The block it is read from.
    pub(super) at: Snapshot<'a>,
    /// Whether it is not that block's, but rebuilt from the log: no state of its own is kept.
    pub(super) is_rebuilt: bool,
    /// The version after it, if it is not the newest.
    pub(super) next: Option<Next>,
}

/// The version after one.
pub(super) struct Next {
    /// When it came, as documents write times.
    pub(super) update: String,
    /// Its `versionId`.
    pub(super) version_id: String,
}

/// Reads a DID of this network.
///
/// # Errors
/// A [`Problem`]: of another method, malformed, or of another network.
pub(super) fn read_did(view: &dyn NodeView, text: &str) -> Result<Did, Problem> {
    let did: Did = text.parse().map_err(|error| match error {
        DidError::Method => {
            ProblemKind::MethodNotSupported.because("this resolver knows did:allod only")
        }
        _ => ProblemKind::InvalidDid.because(error.to_string()),
    })?;
    let here = NetworkId::from_genesis(&view.chain().genesis);
    if did.network() != here {
        // Not "not found": it may well be there, on its own network.
        let detail = format!("this resolver serves did:allod:{here} only");
        return Err(ProblemKind::FeatureNotSupported.because(detail));
    }
    Ok(did)
}

/// Returns the record of `did` in the version asked for.
///
/// An older version is looked at as of the last block in which it was in force, or of the time
/// asked for. Where that state is no longer kept, it is rebuilt from the log.
///
/// Cost: one read, and for an older version as many reads of the log as its length has bits.
///
/// # Errors
/// A [`Problem`]: not found, a time that has not come, or a version that cannot be rebuilt.
///
/// Source: spec/did-resolution.md §5.
pub(super) fn resolve_at<'a>(
    view: &'a dyn NodeView,
    did: &Did,
    version: &Version,
) -> Result<Resolved<'a>, Problem> {
    let at = Snapshot::newest(view);
    let stored = record(&at, did)?.ok_or_else(|| nobody(&at, did))?;
    let now = at.head.time();
    let last = stored.log.count.saturating_sub(1);
    let (index, time) = match version {
        Version::Newest => (last, now),
        Version::Id(id) if *id == version_id(&stored) => (last, now),
        Version::Id(id) => (index_of(id, last)?, now),
        Version::Time(seconds) => {
            let index = index_at(view, did, last, *seconds, now)?;
            (index, end_of(*seconds).min(now))
        }
    };
    if index == last {
        if let Version::Id(id) = version
            && *id != version_id(&stored)
        {
            return Err(no_version());
        }
        return Ok(Resolved {
            did: *did,
            record: effective(&stored, time).record,
            time,
            at,
            is_rebuilt: false,
            next: None,
        });
    }
    let next = entry(view, did, index.saturating_add(1))?;
    match kept(view, did, index, &next) {
        Some((at, stored)) => older((at, false), did, &stored, version, time, &next),
        None => {
            let asked = match version {
                Version::Id(id) => VersionAsked::of_id(id).ok_or_else(no_version)?,
                _ => VersionAsked::Time(time),
            };
            let past = rebuild(view, did, &stored, now, &asked).map_err(unbuilt)?;
            older((at, true), did, &past.stored, version, time, &next)
        }
    }
}

/// Returns the last block in which the version that entry `index` began was in force, and the
/// record there, if that state is kept. Of the versions that one block made, only the last has one.
fn kept<'a>(
    view: &'a dyn NodeView,
    did: &Did,
    index: u64,
    next: &LogEntry,
) -> Option<(Snapshot<'a>, DidRecord)> {
    let before = next.height.0.saturating_sub(1);
    let at = Snapshot::at(view, Some(before)).ok()?;
    let stored = record(&at, did).ok().flatten()?;
    (stored.log.count == index.saturating_add(1)).then_some((at, stored))
}

fn unbuilt(error: RpcError) -> Problem {
    match error.code {
        ErrorCode::DidVersionNotFound => no_version(),
        ErrorCode::DidVersionUnavailable => {
            let detail = "this node cannot rebuild that version from the log";
            ProblemKind::FeatureNotSupported.because(detail)
        }
        _ => ProblemKind::InternalError.because("the log cannot be read"),
    }
}

/// Returns the version of this stored record, which `next` ended.
fn older<'a>(
    (at, is_rebuilt): (Snapshot<'a>, bool),
    did: &Did,
    stored: &DidRecord,
    version: &Version,
    time: TimeMs,
    next: &LogEntry,
) -> Result<Resolved<'a>, Problem> {
    let time = match version {
        Version::Time(_) => time,
        // As it was when it ended, but for what time brought about in that very block.
        Version::Id(id) if *id == version_id(stored) && is_rebuilt => stored.updated,
        Version::Id(id) if *id == version_id(stored) => at.head.time(),
        _ => return Err(no_version()),
    };
    let log = stored.log.append(next);
    let mut after = stored.clone();
    after.log = log;
    Ok(Resolved {
        did: *did,
        record: effective(stored, time).record,
        time,
        at,
        is_rebuilt,
        next: Some(Next {
            update: date_time(next.time),
            version_id: version_id(&after),
        }),
    })
}

fn record(at: &Snapshot<'_>, did: &Did) -> Result<Option<DidRecord>, Problem> {
    let failed = || ProblemKind::InternalError.because("the state cannot be read");
    let bytes = at.storage(&keys::did_record(&did.id()));
    let bytes = bytes.map_err(|_| failed())?;
    let decoded = bytes.map(|bytes| decode_strict(&bytes)).transpose();
    decoded.map_err(|error| {
        tracing::error!(%error, "a stored value does not decode");
        failed()
    })
}

fn entry(view: &dyn NodeView, did: &Did, index: u64) -> Result<LogEntry, Problem> {
    let found = view.history(&did.id(), index, 1).ok();
    let found = found.and_then(|items| items.into_iter().next());
    let entry = found.map(|it| it.entry).filter(|it| it.n == index);
    entry.ok_or_else(|| ProblemKind::InternalError.because("the log cannot be read"))
}

/// Reads the position of the last entry of a version out of its id, `<entries>-<head>`.
fn index_of(id: &str, last: u64) -> Result<u64, Problem> {
    let count = id.split_once('-').filter(|(_, head)| head.len() == 64);
    let count = count.and_then(|(count, _)| count.parse::<u64>().ok());
    let index = count.and_then(|count| count.checked_sub(1));
    index.filter(|it| *it <= last).ok_or_else(no_version)
}

/// Returns the position of the last entry that was there by the end of a second.
fn index_at(
    view: &dyn NodeView,
    did: &Did,
    last: u64,
    seconds: u64,
    now: TimeMs,
) -> Result<u64, Problem> {
    if seconds > now.seconds() {
        let detail = format!(
            "`versionTime` is after the newest block, {}",
            date_time(now)
        );
        return Err(ProblemKind::InvalidOptions.because(detail));
    }
    // Times of entries ascend: the first one later than asked for is searched by halves.
    let (mut low, mut high) = (0, last.saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        match entry(view, did, middle)?.time.seconds() <= seconds {
            true => low = middle.saturating_add(1),
            false => high = middle,
        }
    }
    low.checked_sub(1).ok_or_else(|| {
        ProblemKind::NotFound.because("the identity was not on the ledger at that time")
    })
}

/// Returns the last millisecond of a second: times are written in whole seconds, so one that a
/// document says names all that happened within it.
fn end_of(seconds: u64) -> TimeMs {
    TimeMs(seconds.saturating_mul(1000).saturating_add(999))
}

fn no_version() -> Problem {
    ProblemKind::NotFound.because("the identity has no such version")
}

fn nobody(at: &Snapshot<'_>, did: &Did) -> Problem {
    let detail = format!(
        "{did} is not on the ledger at height {}",
        at.head.height().0
    );
    let mut problem = ProblemKind::NotFound.because(detail);
    problem.absent_after = Some(Box::new(at.head.clone()));
    problem
}
