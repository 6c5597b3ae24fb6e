//! From a DID and a version to the ledger's record, as of one finalized block.

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
use crate::versions::{Replays, entry, place, rebuild};
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
/// An older version is read from the last block in which it was in force. Where that state is no
/// longer kept, it is rebuilt from the log. Either way it is looked at as of the same moment.
///
/// Cost: one read, and for an older version as many reads of the log as its length has bits.
///
/// # Errors
/// A [`Problem`]: not found, a time that has not come, or a version that cannot be rebuilt.
///
/// Source: spec/did-resolution.md §5.
pub(super) fn resolve_at<'a>(
    view: &'a dyn NodeView,
    replays: &Replays,
    did: &Did,
    version: &Version,
) -> Result<Resolved<'a>, Problem> {
    let at = Snapshot::newest(view);
    let newest = record(&at, did)?.ok_or_else(|| nobody(&at, did))?;
    let now = at.head.time();
    let asked = match version {
        Version::Newest => VersionAsked::Time(now),
        Version::Id(id) => VersionAsked::of_id(id).ok_or_else(no_version)?,
        Version::Time(seconds) => VersionAsked::Time(end_of(*seconds)),
    };
    if asked.moment(now).is_none() {
        let now = date_time(now);
        let detail = format!("`versionTime` is after the newest block, {now}");
        return Err(ProblemKind::InvalidOptions.because(detail));
    }
    let last = newest.log.count.saturating_sub(1);
    let index = match version {
        Version::Newest => last,
        _ => place(view, did, &newest, now, &asked).map_err(unplaced)?,
    };
    let next = match index == last {
        true => None,
        false => Some(entry(view, &did.id(), index.saturating_add(1)).map_err(unplaced)?),
    };
    let (at, stored, is_rebuilt) = match &next {
        None => (at, newest, false),
        Some(next) => match kept(view, did, index, next) {
            Some((at, stored)) => (at, stored, false),
            None => {
                let past = rebuild(view, replays, did, &newest, &asked, index);
                (at, past.map_err(unplaced)?.stored, true)
            }
        },
    };
    if let VersionAsked::Id(head) = asked
        && stored.log != head
    {
        return Err(no_version());
    }
    let looked = asked.look(&stored, now);
    Ok(Resolved {
        did: *did,
        record: looked.record,
        time: looked.time,
        at,
        is_rebuilt,
        next: next.map(|next| following(&stored, &next)),
    })
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

fn unplaced(error: RpcError) -> Problem {
    match error.code {
        ErrorCode::DidVersionNotFound => match error.detail {
            Some(detail) => ProblemKind::NotFound.because(detail),
            None => no_version(),
        },
        ErrorCode::DidVersionUnavailable => {
            let detail = "this node cannot rebuild that version from the log";
            ProblemKind::FeatureNotSupported.because(detail)
        }
        ErrorCode::Busy => {
            let detail = "as many versions as may are being rebuilt";
            ProblemKind::Busy.because(detail)
        }
        _ => ProblemKind::InternalError.because("the log cannot be read"),
    }
}

/// Returns the version that `next` made of this stored record.
fn following(stored: &DidRecord, next: &LogEntry) -> Next {
    let mut after = stored.clone();
    after.log = stored.log.append(next);
    Next {
        update: date_time(next.time),
        version_id: version_id(&after),
    }
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
