//! `identity_resolve`, `identity_lanes`, `identity_pending`, and the record that
//! `identity_history` answers from.

use allod_primitives::TimeMs;
use allod_primitives::control::{Effective, effective};
use allod_primitives::did::Did;
use allod_primitives::document::RetiredMethod;
use allod_primitives::keys::{self, Hasher};
use allod_primitives::limits::{
    QUOTA_DOCUMENTS_PER_DAY, QUOTA_GUARDIANS_PER_DAY, QUOTA_NEXT_PER_DAY, QUOTA_RANK_PER_DAY,
};
use allod_primitives::record::{DidRecord, LaneHead, QuotaUse};
use parity_scale_codec::Encode;

use super::error::AnswerError;
use super::view::{AnswerView, local_did, read};
use crate::control::PolicyInfo;
use crate::control::{CoolDownInfo, FreezeInfo, PendingInfo, PendingRequest, PendingResponse};
use crate::document::{DidDocument, DocumentMetadata, RetiredEntry};
use crate::error::ErrorCode;
use crate::identity::{LanePosition, LanesRequest, LanesResponse, ResolveRequest, ResolveResponse};
use crate::limits::RETIRED_LISTED_MAX;
use crate::verify::{LedgerView, Unavailable};

/// Returns the record as it is at the time of the view's block.
///
/// # Errors
/// `did.not_found`; [`AnswerError`] if the view cannot tell.
pub fn effective_record(view: &impl LedgerView, did: &Did) -> Result<DidRecord, AnswerError> {
    let (_, time) = view.head();
    Ok(effective(&stored(view, did)?, time).record)
}

/// Returns the record as the ledger has it.
///
/// # Errors
/// As [`effective_record`].
pub fn stored(view: &impl LedgerView, did: &Did) -> Result<DidRecord, AnswerError> {
    let record: Option<DidRecord> = read(view, &keys::did_record(&did.id()))?;
    record.ok_or_else(|| ErrorCode::DidNotFound.with(did).into())
}

/// Answers `identity_resolve`. The request's height is the view's business.
///
/// `retired_max`: written-down retired methods read at most. Of an identity that has more, none is
/// listed and `retiredProven` is false.
///
/// Cost: one read, and one for every retired method.
///
/// # Errors
/// [`AnswerError`]; unavailable if the view does not know all retired methods.
pub fn resolve(
    view: &impl AnswerView,
    request: &ResolveRequest,
    retired_max: u32,
) -> Result<ResolveResponse, AnswerError> {
    let did = local_did(view, &request.did)?;
    let stored = stored(view, &did)?;
    let (height, now) = view.head();
    let Effective {
        record,
        retired: unwritten,
    } = effective(&stored, now);
    let document = DidDocument::new(&did, &record.document, now);
    let is_listed = stored.retired_count <= retired_max;
    let mut retired = Vec::new();
    if is_listed {
        retired = written_down(view, &did, stored.retired_count)?;
        retired.extend(unwritten);
    }
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
        retired_proven: is_listed,
        not_before: record.not_before.0,
        grant_epoch: record.grant_epoch,
        frozen: freeze(&record, now),
        policy: PolicyInfo::new(&record.policy),
        pending: PendingInfo::list(&record),
        cool_downs: CoolDownInfo::list(&record),
        record: stored.encode().into(),
        version: None,
        height: height.0,
        block_hash: view.block_hash().into(),
        time: now.0,
    })
}

/// Reads the retired methods that the ledger has written down, of which there are `count`: the
/// stored record says so, and the view has to know that many keys with a value.
///
/// Source: spec/proofs.md §4.
fn written_down(
    view: &impl AnswerView,
    did: &Did,
    count: u32,
) -> Result<Vec<RetiredMethod>, AnswerError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let count = count as usize;
    let prefix = keys::map("Did", "Retired", Hasher::Identity, &did.id());
    // One more than there are would be seen.
    let known = view.keys_under(&prefix, count.saturating_add(1))?;
    let mut methods: Vec<RetiredMethod> = Vec::with_capacity(known.len());
    for key in known {
        methods.extend(read::<RetiredMethod>(view, &key)?);
    }
    match methods.len() == count {
        true => Ok(methods),
        false => Err(Unavailable.into()),
    }
}

fn freeze(record: &DidRecord, now: TimeMs) -> Option<FreezeInfo> {
    let frozen = record.frozen.as_ref();
    frozen.filter(|it| now < it.until).map(FreezeInfo::new)
}

/// Answers `identity_pending`.
///
/// # Errors
/// [`AnswerError`].
pub fn pending(
    view: &impl AnswerView,
    request: &PendingRequest,
) -> Result<PendingResponse, AnswerError> {
    let did = local_did(view, &request.did)?;
    let record = effective_record(view, &did)?;
    let (height, time) = view.head();
    Ok(PendingResponse {
        pending: PendingInfo::list(&record),
        cool_downs: CoolDownInfo::list(&record),
        frozen: freeze(&record, time),
        height: height.0,
        block_hash: view.block_hash().into(),
        time: time.0,
    })
}

/// Answers `identity_lanes`.
///
/// # Errors
/// [`AnswerError`].
pub fn lanes(view: &impl AnswerView, request: &LanesRequest) -> Result<LanesResponse, AnswerError> {
    let did = local_did(view, &request.did)?;
    let record = effective_record(view, &did)?;
    let (height, time) = view.head();
    let used: Option<QuotaUse> = read(view, &keys::did_quota(&did.id()))?;
    let used = used.filter(|it| it.day == time.day()).unwrap_or_default();
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
        height: height.0,
        block_hash: view.block_hash().into(),
        time: time.0,
    })
}
