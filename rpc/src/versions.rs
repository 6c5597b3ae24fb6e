//! Earlier versions of identities, rebuilt from their logs: however old, no state of that time is
//! needed.

use std::sync::Arc;
use std::time::Duration;

use allod_primitives::did::{Did, DidId};
use allod_primitives::log::LogEntry;
use allod_primitives::operation::SignedOperation;
use allod_primitives::record::DidRecord;
use allod_primitives::{H256, TimeMs, decode_strict};
use allod_rpc_api::RpcError;
use allod_rpc_api::answers::{self, AnswerError};
use allod_rpc_api::error::ErrorCode;
use allod_rpc_api::identity::ResolveResponse;
use allod_rpc_api::limits::{
    HISTORY_COUNT_MAX, VERSION_ENTRIES_MAX, VERSION_REPLAY_MAX, VERSION_REPLAY_WAIT_MS_MAX,
    VERSION_REPLAYS_MAX, VERSION_REPLAYS_WAITING_MAX,
};
use allod_rpc_api::versions::{self, Misfit, Past, Rebuilding, VersionAsked};
use tokio::sync::Semaphore;

use crate::connection::{Connection, Place};
use crate::reads::Asked;
use crate::view::{HistoryItem, NodeView};

/// Places for rebuilding versions. To replay a log takes a thread for as long, and whoever asks pays
/// nothing for it: so few are replayed at a time, and few wait for that.
#[derive(Debug)]
pub(crate) struct Replays {
    places: Arc<Semaphore>,
    line: Arc<Semaphore>,
    /// Who asks: one connection does not take every place.
    connection: Arc<Connection>,
}

impl Default for Replays {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(VERSION_REPLAYS_MAX)),
            line: Arc::new(Semaphore::new(VERSION_REPLAYS_WAITING_MAX)),
            connection: Arc::default(),
        }
    }
}

impl Replays {
    /// Returns the same places as those of a connection.
    pub(crate) fn of(&self, connection: Arc<Connection>) -> Self {
        Self {
            places: self.places.clone(),
            line: self.line.clone(),
            connection,
        }
    }

    /// Takes a place; blocks until there is one. To be called from a thread that may block.
    ///
    /// # Errors
    /// `request.busy`: too many wait already, or for too long.
    fn begin(&self) -> Result<Place, RpcError> {
        if let Some(place) = Place::take(&self.places, &self.connection.replays) {
            return Ok(place);
        }
        let busy = || ErrorCode::Busy.with("as many versions as may are being rebuilt");
        let in_line = Place::take(&self.line, &self.connection.replays_waiting);
        let _in_line = in_line.ok_or_else(busy)?;
        let limit = Duration::from_millis(VERSION_REPLAY_WAIT_MS_MAX);
        let place = Place::wait(&self.places, &self.connection.replays);
        let turn = async { tokio::time::timeout(limit, place).await };
        let turn = tokio::runtime::Handle::current().block_on(turn);
        turn.map_err(|_| busy())?.ok_or_else(internal)
    }
}

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
    let n = place(asked.view, did, &stored, head.time(), version)?;
    let past = rebuild(asked.view, asked.replays, did, &stored, version, n)?;
    let at = (head.height().0, asked.at.hash(), head.time());
    Ok(versions::answer(did, version, &past, at))
}

/// Returns the version of `did` that entry `n` made, which [`place`] found to be the one that is
/// asked for. `stored`: its present record.
///
/// Cost: replays the log up to it, at most [`VERSION_REPLAY_MAX`] entries, no signature.
///
/// # Errors
/// `did.version_not_found`: entry `n` made another; `did.version_unavailable`: too long a log, or
/// operations that are erased; `request.busy`; `request.internal`.
///
/// Source: spec/history.md §5.
pub(crate) fn rebuild(
    view: &dyn NodeView,
    replays: &Replays,
    did: &Did,
    stored: &DidRecord,
    asked: &VersionAsked,
    n: u64,
) -> Result<Past, RpcError> {
    if n >= VERSION_REPLAY_MAX {
        let detail = format_args!("entry {n}, of which {VERSION_REPLAY_MAX} are replayed");
        return Err(ErrorCode::DidVersionUnavailable.with(detail));
    }
    let _place = replays.begin()?;
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

/// Returns the place of the entry that made the version asked for, in a block of the time `now` in
/// which the record is `stored`. Of an id the count alone is looked at.
///
/// Cost: as many reads of the log as its length has bits.
///
/// # Errors
/// `did.version_not_found`: there was none, or a time that has not come; `request.internal`.
pub(crate) fn place(
    view: &dyn NodeView,
    did: &Did,
    stored: &DidRecord,
    now: TimeMs,
    asked: &VersionAsked,
) -> Result<u64, RpcError> {
    let count = stored.log.count;
    if let VersionAsked::Id(head) = asked {
        let n = head.count.checked_sub(1).filter(|_| head.count <= count);
        return n.ok_or_else(|| ErrorCode::DidVersionNotFound.into());
    }
    let time = asked.moment(now).ok_or_else(|| {
        let detail = "that time has not come";
        ErrorCode::DidVersionNotFound.with(detail)
    })?;
    // Times of entries ascend: the first later one is searched by halves.
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        match entry(view, &did.id(), middle)?.time <= time {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    let before = "the identity was not on the ledger at that time";
    let n = low.checked_sub(1);
    n.ok_or_else(|| ErrorCode::DidVersionNotFound.with(before))
}

/// Reads one entry of the log.
///
/// # Errors
/// `chain.state_unavailable`; `request.internal` if it is not there.
pub(crate) fn entry(view: &dyn NodeView, did: &DidId, n: u64) -> Result<LogEntry, RpcError> {
    let entries = view.log_entries(did, n, 1);
    let entries = entries.map_err(|_| RpcError::from(ErrorCode::StateUnavailable))?;
    let entry = entries.first().filter(|it| it.n == n);
    entry.copied().ok_or_else(internal)
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
    let wanted = count.saturating_sub(n).min(most);
    let entries = view.log_entries(did, n, u32::try_from(wanted).unwrap_or(u32::MAX));
    let entries = entries.map_err(|_| RpcError::from(ErrorCode::StateUnavailable))?;
    match entries.len() as u64 == wanted && entries.first().is_some_and(|it| it.n == n) {
        true => Ok(entries),
        false => Err(internal()),
    }
}

/// Reads entries that must be there, with their causes.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_connection_does_not_take_every_place_for_rebuilding() {
        let node = Replays::default();
        let [greedy, other] = [(); 2].map(|()| node.of(Arc::default()));
        let began = Place::take(&greedy.places, &greedy.connection.replays);
        assert!(began.is_some());
        let wait = || Place::take(&greedy.line, &greedy.connection.replays_waiting);
        let waiting: Vec<_> = std::iter::from_fn(wait).collect();
        assert!(waiting.len() < VERSION_REPLAYS_WAITING_MAX);
        let refused = tokio::task::spawn_blocking(move || greedy.begin().is_err());
        assert!(refused.await.unwrap());
        assert!(other.begin().is_ok());
    }
}
