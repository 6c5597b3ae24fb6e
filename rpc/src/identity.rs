//! `identity_resolve`, `identity_history`, `identity_lanes` and `identity_context`.

use allod_primitives::control::{Effective, effective};
use allod_primitives::did::{Did, DidId, NetworkId};
use allod_primitives::document::RetiredMethod;
use allod_primitives::keys::{self, Hasher};
use allod_primitives::limits::{
    QUOTA_DOCUMENTS_PER_DAY, QUOTA_GUARDIANS_PER_DAY, QUOTA_NEXT_PER_DAY, QUOTA_RANK_PER_DAY,
};
use allod_primitives::log::LogKind;
use allod_primitives::operation::{Body, SignedOperation};
use allod_primitives::record::{DidRecord, LaneHead, QuotaUse};
use allod_primitives::{Height, TimeMs, decode_strict};
use allod_rpc_api::context::{ContextLimits, ContextResponse};
use allod_rpc_api::control::{
    CoolDownInfo, FreezeInfo, PendingInfo, PendingRequest, PendingResponse, PolicyInfo,
};
use allod_rpc_api::document::{DidDocument, DocumentMetadata, RetiredEntry};
use allod_rpc_api::error::ErrorCode;
use allod_rpc_api::identity::{
    HistoryEntry, HistoryRequest, HistoryResponse, LanePosition, LanesRequest, LanesResponse,
    ResolveRequest, ResolveResponse,
};
use allod_rpc_api::limits::{HISTORY_COUNT_DEFAULT, HISTORY_COUNT_MAX, RETIRED_LISTED_MAX};
use allod_rpc_api::method::{
    IDENTITY_CONTEXT, IDENTITY_HISTORY, IDENTITY_LANES, IDENTITY_PENDING, IDENTITY_RESOLVE,
};
use jsonrpsee::server::RegisterMethodError;
use parity_scale_codec::Encode;

use crate::answer::{Answer, did_request, failed, unavailable};
use crate::methods::Module;
use crate::snapshot::Snapshot;
use crate::view::{HistoryItem, NodeView};

pub(crate) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    module.register_blocking_method(IDENTITY_RESOLVE, |params, view, _| {
        resolve(&**view, &did_request(&params)?)
    })?;
    module.register_blocking_method(IDENTITY_HISTORY, |params, view, _| {
        history(&**view, &did_request(&params)?)
    })?;
    module.register_method(IDENTITY_LANES, |params, view, _| {
        lanes(&**view, &did_request(&params)?)
    })?;
    module.register_method(IDENTITY_PENDING, |params, view, _| {
        pending(&**view, &did_request(&params)?)
    })?;
    module.register_method(IDENTITY_CONTEXT, |_, view, _| context(&**view))?;
    Ok(())
}

/// Returns the record as the ledger has it.
fn stored(at: &Snapshot<'_>, did: &Did) -> Answer<DidRecord> {
    let record: Option<DidRecord> = at.read(&keys::did_record(&did.id()))?;
    record.ok_or_else(|| failed(ErrorCode::DidNotFound.with(did)))
}

/// Returns the record as it is at the block's time.
fn record(at: &Snapshot<'_>, did: &Did) -> Answer<DidRecord> {
    Ok(effective(&stored(at, did)?, at.head.time()).record)
}

fn resolve(view: &dyn NodeView, request: &ResolveRequest) -> Answer<ResolveResponse> {
    let at = Snapshot::at(view, request.height)?;
    let did = at.did(&request.did)?;
    let stored = stored(&at, &did)?;
    let now = at.head.time();
    let Effective {
        record,
        retired: unwritten,
    } = effective(&stored, now);
    let document = DidDocument::new(&did, &record.document, now);
    let mut retired = match stored.retired_count {
        0 => Vec::new(),
        _ => retired(view, &at, &did)?,
    };
    retired.extend(unwritten);
    retired.sort_by_key(|it| std::cmp::Reverse(it.until));
    retired.truncate(RETIRED_LISTED_MAX);
    Ok(ResolveResponse {
        did_document: record.is_active().then_some(document),
        did_document_metadata: DocumentMetadata::new(&record),
        retired: retired
            .iter()
            .map(|it| RetiredEntry::new(&did, it))
            .collect(),
        retired_count: record.retired_count,
        not_before: record.not_before.0,
        grant_epoch: record.grant_epoch,
        frozen: freeze(&record, now),
        policy: PolicyInfo::new(&record.policy),
        pending: PendingInfo::list(&record),
        cool_downs: CoolDownInfo::list(&record),
        record: stored.encode().into(),
        height: at.head.height().0,
        block_hash: at.hash().into(),
        time: now.0,
    })
}

fn freeze(record: &DidRecord, now: TimeMs) -> Option<FreezeInfo> {
    let frozen = record.frozen.as_ref();
    frozen.filter(|it| now < it.until).map(FreezeInfo::new)
}

fn pending(view: &dyn NodeView, request: &PendingRequest) -> Answer<PendingResponse> {
    let at = Snapshot::newest(view);
    let did = at.did(&request.did)?;
    let record = record(&at, &did)?;
    Ok(PendingResponse {
        pending: PendingInfo::list(&record),
        cool_downs: CoolDownInfo::list(&record),
        frozen: freeze(&record, at.head.time()),
        height: at.head.height().0,
        block_hash: at.hash().into(),
        time: at.head.time().0,
    })
}

/// Retired methods read to find the newest.
const RETIRED_READ_MAX: usize = 4096;

/// Returns the retired methods that the ledger has written down.
fn retired(view: &dyn NodeView, at: &Snapshot<'_>, did: &Did) -> Answer<Vec<RetiredMethod>> {
    let prefix = keys::map("Did", "Retired", Hasher::Identity, &did.id());
    let found = view
        .keys_at(&at.hash(), &prefix, RETIRED_READ_MAX, None)
        .map_err(unavailable)?;
    let mut methods: Vec<RetiredMethod> = Vec::with_capacity(found.len());
    for key in found {
        methods.extend(at.read::<RetiredMethod>(&key)?);
    }
    Ok(methods)
}

fn history(view: &dyn NodeView, request: &HistoryRequest) -> Answer<HistoryResponse> {
    let at = Snapshot::newest(view);
    let did = at.did(&request.did)?;
    let record = record(&at, &did)?;
    let count = request.count.unwrap_or(HISTORY_COUNT_DEFAULT);
    if count == 0 || count > HISTORY_COUNT_MAX {
        let detail = format_args!("count {count} is not within 1 to {HISTORY_COUNT_MAX}");
        return Err(failed(ErrorCode::InvalidParams.with(detail)));
    }
    let entries = history_entries(view, &did.id(), &at, request.from, count)?;
    let end = request.from.saturating_add(entries.len() as u64);
    let is_more = !entries.is_empty() && end < record.log.count;
    Ok(HistoryResponse {
        entries,
        next: is_more.then_some(end),
        log_count: record.log.count,
        log_head: record.log.head.into(),
        height: at.head.height().0,
        block_hash: at.hash().into(),
        time: at.head.time().0,
    })
}

/// Returns entries up to the snapshot's block: the index may already know a newer one.
pub(crate) fn history_entries(
    view: &dyn NodeView,
    did: &DidId,
    at: &Snapshot<'_>,
    from: u64,
    count: u32,
) -> Answer<Vec<HistoryEntry>> {
    let items = view.history(did, from, count).map_err(unavailable)?;
    let known = items
        .into_iter()
        .take_while(|it| it.entry.height <= at.head.height());
    Ok(known.map(history_entry).collect())
}

fn history_entry(item: HistoryItem) -> HistoryEntry {
    let entry = item.entry;
    let kind = match entry.kind {
        LogKind::Operation => "operation",
        LogKind::Automatic => "automatic",
        LogKind::Governance => "governance",
    };
    let action = item.operation.as_deref().and_then(|bytes| {
        let operation: SignedOperation = decode_strict(bytes).ok()?;
        Some(action(&operation.operation.body).to_owned())
    });
    HistoryEntry {
        n: entry.n,
        kind: kind.to_owned(),
        operation_hash: entry.operation_hash.into(),
        signatures_hash: entry.signatures_hash.into(),
        record_hash: entry.record_hash.into(),
        height: entry.height.0,
        time: entry.time.0,
        extrinsic_index: item.extrinsic_index,
        cause: match entry.kind {
            LogKind::Operation => None,
            LogKind::Automatic | LogKind::Governance => Some(entry.operation_hash.into()),
        },
        action,
        operation: item.operation.map(Into::into),
    }
}

const fn action(body: &Body) -> &'static str {
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

fn lanes(view: &dyn NodeView, request: &LanesRequest) -> Answer<LanesResponse> {
    let at = Snapshot::newest(view);
    let did = at.did(&request.did)?;
    let record = record(&at, &did)?;
    let used: Option<QuotaUse> = at.read(&keys::did_quota(&did.id()))?;
    let today = at.head.time().day();
    let used = used.filter(|it| it.day == today).unwrap_or_default();
    let position = |lane: &LaneHead, used: u16, quota: u16| LanePosition {
        next_seq: lane.next_seq,
        last: lane.last.into(),
        used,
        quota,
    };
    let ranks = record.lanes.ranks.iter().zip(used.ranks);
    let next = record.lanes.next.iter().zip(used.next);
    Ok(LanesResponse {
        ranks: ranks
            .map(|(lane, used)| position(lane, used, QUOTA_RANK_PER_DAY))
            .collect(),
        next: next
            .map(|(lane, used)| position(lane, used, QUOTA_NEXT_PER_DAY))
            .collect(),
        guardians: position(
            &record.lanes.guardians,
            used.guardians,
            QUOTA_GUARDIANS_PER_DAY,
        ),
        documents: position(
            &record.lanes.documents,
            used.documents,
            QUOTA_DOCUMENTS_PER_DAY,
        ),
        tokens_used: used.tokens,
        height: at.head.height().0,
        block_hash: at.hash().into(),
        time: at.head.time().0,
    })
}

fn context(view: &dyn NodeView) -> Answer<ContextResponse> {
    let head = view.head();
    let chain = view.chain();
    let version = view.runtime_version(&head.hash).map_err(unavailable)?;
    let not_ready = || failed(ErrorCode::NotReady);
    Ok(ContextResponse {
        name: view.chain_info().chain,
        network: NetworkId::from_genesis(&chain.genesis).to_string(),
        genesis: chain.genesis.into(),
        fork_id: chain.fork_id.0,
        genesis_hash: view.hash_of(Height(0)).ok_or_else(not_ready)?.into(),
        spec_version: version.spec_version,
        transaction_version: version.transaction_version,
        height: head.height().0,
        block_hash: head.hash.into(),
        time: head.time().0,
        node_time: view.now().0,
        admission: view.admission(),
        limits: ContextLimits::default(),
    })
}
