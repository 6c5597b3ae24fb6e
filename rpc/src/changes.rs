//! `identity_subscribeChanges`: entries of identities' logs as they come, missed ones first.

use std::sync::Arc;

use allod_primitives::did::{Did, DidId};
use allod_primitives::keys;
use allod_primitives::record::DidRecord;
use allod_primitives::{H256, Height};
use allod_rpc_api::answers;
use allod_rpc_api::changes::{ChangeEvent, ChangeNotification, SubscribeChangesRequest};
use allod_rpc_api::error::ErrorCode;
use allod_rpc_api::identity::HistoryEntry;
use allod_rpc_api::limits::{HISTORY_COUNT_DEFAULT, WATCHED_DIDS_MAX};
use allod_rpc_api::method::{
    IDENTITY_CHANGE, IDENTITY_SUBSCRIBE_CHANGES, IDENTITY_UNSUBSCRIBE_CHANGES,
};
use allod_runtime::frame::wire::{EventRecord, Phase};
use allod_runtime::system::storage::EVENTS;
use allod_runtime::{RuntimeEvent, authority, did, system};
use jsonrpsee::server::{PendingSubscriptionSink, RegisterMethodError, SubscriptionSink};
use jsonrpsee::types::Params;
use tokio::sync::broadcast::error::RecvError;

use crate::answer::{Answer, failed, request, unanswered};
use crate::ending::send;
use crate::ending::subscribed;
use crate::fault;
use crate::identity::known_entries;
use crate::methods::Module;
use crate::snapshot::Snapshot;
use crate::submit::fault_error;
use crate::view::NodeView;

type Events = Vec<EventRecord<RuntimeEvent, H256>>;

/// One identity and the next entry of its log to send.
struct Watched {
    did: Did,
    next: u64,
}

pub(crate) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    module.register_subscription(
        IDENTITY_SUBSCRIBE_CHANGES,
        IDENTITY_CHANGE,
        IDENTITY_UNSUBSCRIBE_CHANGES,
        |params, pending, view, of| subscribed(&of, watch(params, pending, view)),
    )?;
    Ok(())
}

async fn watch(
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    view: Arc<Arc<dyn NodeView>>,
) {
    let asked = request(&params).and_then(|request| watched(&**view, &request));
    let mut watched = match asked {
        Ok(watched) => watched,
        Err(error) => return pending.reject(error).await,
    };
    let mut heads = view.subscribe_heads();
    let Ok(sink) = pending.accept().await else {
        return;
    };
    loop {
        for one in &mut watched {
            if !send_new(&**view, &sink, one).await {
                return;
            }
        }
        tokio::select! {
            () = sink.closed() => return,
            received = heads.recv() => match received {
                // The view's own head counts; the message only says that it moved.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
        }
    }
}

/// Reads what is asked for. Where nothing is said, sending begins at the end of the log as it is
/// now.
fn watched(view: &dyn NodeView, request: &SubscribeChangesRequest) -> Answer<Vec<Watched>> {
    let count = request.dids.len();
    if count == 0 || count > WATCHED_DIDS_MAX {
        let detail = format_args!("{count} identities, not 1 to {WATCHED_DIDS_MAX}");
        return Err(failed(ErrorCode::TooManyItems.with(detail)));
    }
    let at = Snapshot::newest(view);
    let one = |it: &allod_rpc_api::changes::WatchedDid| {
        let did = answers::local_did(&at, &it.did).map_err(unanswered)?;
        let end = || Answer::Ok(log_count(&at, &did)?.unwrap_or(0));
        let next = it.from.map_or_else(end, Ok)?;
        Ok(Watched { did, next })
    };
    request.dids.iter().map(one).collect()
}

/// Returns how many entries the log of `did` has; `None` if the ledger does not hold it.
fn log_count(at: &Snapshot<'_>, did: &Did) -> Answer<Option<u64>> {
    let record: Option<DidRecord> =
        answers::read(at, &keys::did_record(&did.id())).map_err(unanswered)?;
    Ok(record.map(|record| record.log.count))
}

/// Sends the entries of one identity that are new; false if nobody listens any more. What cannot
/// be read now is sent with the next block.
async fn send_new(view: &dyn NodeView, sink: &SubscriptionSink, watched: &mut Watched) -> bool {
    while let Ok(page) = page(view, &watched.did, watched.next) {
        if page.is_empty() {
            return true;
        }
        for notification in page {
            watched.next = notification.entry.n.saturating_add(1);
            if !send(sink, &notification).await {
                return false;
            }
        }
    }
    true
}

/// Returns the next entries of `did` from entry `from`, with what happened in each.
fn page(view: &dyn NodeView, did: &Did, from: u64) -> Answer<Vec<ChangeNotification>> {
    let at = Snapshot::newest(view);
    if log_count(&at, did)?.unwrap_or(0) <= from {
        return Ok(Vec::new());
    }
    let entries = known_entries(view, &did.id(), &at, from, HISTORY_COUNT_DEFAULT);
    let entries = entries.map_err(|_| failed(ErrorCode::StateUnavailable))?;
    let mut block: Option<(u64, H256, Option<Events>)> = None;
    let mut page = Vec::with_capacity(entries.len());
    for entry in entries {
        if block
            .as_ref()
            .is_none_or(|(height, ..)| *height != entry.height)
        {
            let hash = view.hash_of(Height(entry.height)).unwrap_or_default();
            block = Some((entry.height, hash, events_of(view, &hash)));
        }
        let (_, hash, events) = block.as_ref().expect("it was just put there");
        page.push(notification(did, entry, *hash, events.as_ref()));
    }
    Ok(page)
}

/// Returns the events of a block, where they are kept.
fn events_of(view: &dyn NodeView, hash: &H256) -> Option<Events> {
    let bytes = view.storage_at(hash, &EVENTS.key()).ok().flatten()?;
    allod_primitives::decode_strict(&bytes).ok()
}

fn notification(
    did: &Did,
    entry: HistoryEntry,
    hash: H256,
    events: Option<&Events>,
) -> ChangeNotification {
    let found = events.and_then(|events| about(events, &did.id(), entry.n));
    let failure = found.as_ref().and_then(|found| found.failure.clone());
    ChangeNotification {
        did: did.to_string(),
        entry,
        block_hash: hash.into(),
        events: found.map(|found| found.events),
        failure: failure.map(|fault| fault_error(&fault).into()),
    }
}

/// What a block's events say about one entry of a log.
struct About {
    events: Vec<ChangeEvent>,
    failure: Option<crate::view::Fault>,
}

/// Finds the events of entry `n`: those of the identity between its `Logged` and the next one.
fn about(events: &Events, id: &DidId, n: u64) -> Option<About> {
    let is_entry = |record: &EventRecord<RuntimeEvent, H256>| match &record.event {
        RuntimeEvent::Did(did::Event::Logged { did, entry, .. }) => did == id && entry.n == n,
        _ => false,
    };
    let at = events.iter().position(is_entry)?;
    let (logged, following) = events.get(at..)?.split_first()?;
    let next = |record: &&EventRecord<RuntimeEvent, H256>| matches!(&record.event, RuntimeEvent::Did(did::Event::Logged { did, .. }) if did == id);
    let end = following.iter().position(|record| next(&record));
    let following = following.get(..end.unwrap_or(following.len()))?;
    let found: Vec<ChangeEvent> = following
        .iter()
        .take_while(|record| record.phase == logged.phase)
        .filter_map(|record| change(&record.event, id))
        .collect();
    let failure = match found.is_empty() {
        true => failure(events, logged.phase, following.first()),
        false => None,
    };
    Some(About {
        events: found,
        failure,
    })
}

/// Returns why an operation failed that did nothing: in a batch its failure follows its entry, a
/// bare one's extrinsic fails as a whole.
fn failure(
    events: &Events,
    phase: Phase,
    next: Option<&EventRecord<RuntimeEvent, H256>>,
) -> Option<crate::view::Fault> {
    if let Some((_, fault)) = next.and_then(|record| fault::item_failure(&record.event)) {
        return Some(fault);
    }
    let mut same = events.iter().filter(|record| record.phase == phase);
    same.find_map(|record| match &record.event {
        RuntimeEvent::System(system::Event::ExtrinsicFailed { dispatch_error, .. }) => {
            Some(fault::dispatch(dispatch_error))
        }
        _ => None,
    })
}

/// Returns what trustees did to the identity.
fn of_governance(event: &authority::Event, id: &DidId) -> Option<ChangeEvent> {
    let (of, change) = match event {
        authority::Event::IdentityFrozen { did, until } => {
            (did, ChangeEvent::Frozen { until: until.0 })
        }
        authority::Event::IdentityUnfrozen { did } => (did, ChangeEvent::Unfrozen),
        _ => return None,
    };
    (of == id).then_some(change)
}

/// Returns an event of the identity in the contract's form.
fn change(event: &RuntimeEvent, id: &DidId) -> Option<ChangeEvent> {
    let event = match event {
        RuntimeEvent::Did(event) => event,
        RuntimeEvent::Authority(event) => return of_governance(event, id),
        _ => return None,
    };
    let (of, change) = match event {
        did::Event::Incepted { did } => (did, ChangeEvent::Incepted),
        did::Event::DocumentUpdated { did } => (did, ChangeEvent::DocumentUpdated),
        did::Event::Rotated { did, rank } => (did, ChangeEvent::Rotated { rank: *rank }),
        did::Event::Deactivated { did } => (did, ChangeEvent::Deactivated),
        did::Event::LoggedOut { did } => (did, ChangeEvent::LoggedOut),
        did::Event::Proposed {
            did,
            id,
            proposer,
            effective_at,
        } => {
            let change = ChangeEvent::Proposed {
                id: (*id).into(),
                proposer: (*proposer).into(),
                effective_at: effective_at.0,
            };
            (did, change)
        }
        did::Event::Displaced { did, id } => (did, ChangeEvent::Displaced { id: (*id).into() }),
        did::Event::Cleared { did, id } => (did, ChangeEvent::Cleared { id: (*id).into() }),
        did::Event::Cancelled { did, id } => (did, ChangeEvent::Cancelled { id: (*id).into() }),
        did::Event::TookEffect { did, id } => (did, ChangeEvent::TookEffect { id: (*id).into() }),
        did::Event::Skipped {
            did,
            fragment,
            error,
        } => {
            let change = ChangeEvent::Skipped {
                fragment: fragment.as_ref().map(ToString::to_string),
                error: fault::did_code(*error).slug().to_owned(),
            };
            (did, change)
        }
        _ => return None,
    };
    (of == id).then_some(change)
}
