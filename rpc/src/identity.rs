//! `identity_resolve`, `identity_history`, `identity_lanes` and `identity_context`.

use allod_primitives::did::{DidId, NetworkId};
use allod_primitives::log::{LogKind, Stated};
use allod_primitives::operation::SignedOperation;
use allod_primitives::{Height, decode_strict};
use allod_rpc_api::answers::{self, AnswerError};
use allod_rpc_api::context::{ContextLimits, ContextResponse};
use allod_rpc_api::error::ErrorCode;
use allod_rpc_api::identity::{
    DecisionInfo, HistoryEntry, HistoryRequest, HistoryResponse, ResolveRequest, ResolveResponse,
    action_name,
};
use allod_rpc_api::limits::{
    HISTORY_COUNT_DEFAULT, HISTORY_COUNT_MAX, RETIRED_PROVEN_MAX, RETIRED_READ_MAX,
};
use allod_rpc_api::method::{
    IDENTITY_CONTEXT, IDENTITY_HISTORY, IDENTITY_LANES, IDENTITY_PENDING, IDENTITY_RESOLVE,
};
use allod_rpc_api::read::ReadRequest;
use allod_rpc_api::verify::Unavailable;
use allod_rpc_api::versions::VersionAsked;
use jsonrpsee::server::RegisterMethodError;
use jsonrpsee::types::Params;

use crate::answer::{Answer, did_request, failed, unavailable};
use crate::methods::Module;
use crate::reads::{Asked, Cost, Reads};
use crate::snapshot::Snapshot;
use crate::versions;
use crate::view::{HistoryItem, NodeView};

pub(crate) fn register(reads: &mut Reads<'_>) -> Result<(), RegisterMethodError> {
    reads.register(IDENTITY_RESOLVE, cost_to_resolve, resolve_request, resolve)?;
    reads.register(IDENTITY_HISTORY, |_| Cost::Heavy, did_request, history)?;
    reads.register(
        IDENTITY_LANES,
        |_| Cost::Light,
        did_request,
        |asked, it| answers::lanes(&asked.seen, it),
    )?;
    reads.register(
        IDENTITY_PENDING,
        |_| Cost::Light,
        did_request,
        |asked, it| answers::pending(&asked.seen, it),
    )
}

pub(crate) fn register_context(module: &mut Module) -> Result<(), RegisterMethodError> {
    module.register_method(IDENTITY_CONTEXT, |_, view, _| context(&**view))?;
    Ok(())
}

/// An earlier version may take a log to replay.
fn cost_to_resolve(request: &ResolveRequest) -> Cost {
    match VersionAsked::of(request) {
        Ok(None) => Cost::Light,
        Ok(Some(_)) | Err(_) => Cost::Heavy,
    }
}

/// Reads a request to resolve, where `height` is another word for `at`.
fn resolve_request(params: &Params<'_>) -> Answer<ReadRequest<ResolveRequest>> {
    let mut read: ReadRequest<ResolveRequest> = did_request(params)?;
    let ReadRequest { request, options } = &mut read;
    if let (Some(height), Some(at)) = (request.height, options.at)
        && height != at
    {
        return Err(failed(ErrorCode::InvalidParams.with("height is not at")));
    }
    options.at = options.at.or(request.height);
    Ok(read)
}

fn resolve(asked: &Asked<'_>, request: &ResolveRequest) -> Result<ResolveResponse, AnswerError> {
    if let Some(version) = VersionAsked::of(request)? {
        let did = answers::local_did(asked.at, &request.did)?;
        return versions::resolve(asked, &did, &version);
    }
    let retired_max = match asked.options.wants_proof() {
        true => RETIRED_PROVEN_MAX,
        false => RETIRED_READ_MAX,
    };
    answers::resolve(&asked.seen, request, retired_max)
}

fn history(asked: &Asked<'_>, request: &HistoryRequest) -> Result<HistoryResponse, AnswerError> {
    let at = asked.at;
    let did = answers::local_did(at, &request.did)?;
    let record = answers::effective_record(&asked.seen, &did)?;
    let count = request.count.unwrap_or(HISTORY_COUNT_DEFAULT);
    if count == 0 || count > HISTORY_COUNT_MAX {
        let detail = format_args!("count {count} is not within 1 to {HISTORY_COUNT_MAX}");
        return Err(ErrorCode::InvalidParams.with(detail).into());
    }
    let entries = known_entries(asked.view, &did.id(), at, request.from, count)?;
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
pub(crate) fn known_entries(
    view: &dyn NodeView,
    did: &DidId,
    at: &Snapshot<'_>,
    from: u64,
    count: u32,
) -> Result<Vec<HistoryEntry>, Unavailable> {
    let items = view.history(did, from, count).map_err(|_| Unavailable)?;
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
        Some(action_name(&operation.operation.body).to_owned())
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
