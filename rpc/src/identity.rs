//! `identity_resolve`, `identity_history`, `identity_lanes` and `identity_context`.

use allod_primitives::did::{DidId, NetworkId};
use allod_primitives::log::{LogKind, Stated};
use allod_primitives::operation::{Body, SignedOperation};
use allod_primitives::{Height, decode_strict};
use allod_rpc_api::answers;
use allod_rpc_api::context::{ContextLimits, ContextResponse};
use allod_rpc_api::error::ErrorCode;
use allod_rpc_api::identity::{
    DecisionInfo, HistoryEntry, HistoryRequest, HistoryResponse, ResolveRequest, ResolveResponse,
};
use allod_rpc_api::limits::{HISTORY_COUNT_DEFAULT, HISTORY_COUNT_MAX, RETIRED_READ_MAX};
use allod_rpc_api::method::{
    IDENTITY_CONTEXT, IDENTITY_HISTORY, IDENTITY_LANES, IDENTITY_PENDING, IDENTITY_RESOLVE,
};
use jsonrpsee::server::RegisterMethodError;

use crate::answer::{Answer, did_request, failed, unanswered, unavailable};
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
        answers::lanes(&Snapshot::newest(&**view), &did_request(&params)?).map_err(unanswered)
    })?;
    module.register_method(IDENTITY_PENDING, |params, view, _| {
        answers::pending(&Snapshot::newest(&**view), &did_request(&params)?).map_err(unanswered)
    })?;
    module.register_method(IDENTITY_CONTEXT, |_, view, _| context(&**view))?;
    Ok(())
}

fn resolve(view: &dyn NodeView, request: &ResolveRequest) -> Answer<ResolveResponse> {
    let at = Snapshot::at(view, request.height)?;
    answers::resolve(&at, request, RETIRED_READ_MAX).map_err(unanswered)
}

fn history(view: &dyn NodeView, request: &HistoryRequest) -> Answer<HistoryResponse> {
    let at = Snapshot::newest(view);
    let did = answers::local_did(&at, &request.did).map_err(unanswered)?;
    let record = answers::effective_record(&at, &did).map_err(unanswered)?;
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
    let (decision, effective_at) = match &item.stated {
        None => (None, None),
        Some(Stated::Frozen(freeze)) => (Some(DecisionInfo::freeze(freeze)), None),
        Some(Stated::Unfrozen) => (Some(DecisionInfo::Unfreeze), None),
        Some(Stated::EffectiveAt(at)) => (None, Some(at.0)),
    };
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
        decision,
        effective_at,
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
