//! `light_*`: what a client needs that trusts no node, and can check by itself.
//!
//! Source: spec/rpc.md §3.1, spec/proofs.md.

use allod_primitives::light::{PageValue, StatePage};
use allod_primitives::limits::{PAGE_ENTRIES_MAX, TRANSITIONS_MAX};
use allod_primitives::{Height, keys};
use allod_rpc_api::ErrorCode;
use allod_rpc_api::hex_bytes::HexBytes;
use allod_rpc_api::light::{
    LightGenesisResponse, LightHeaderRequest, LightHeaderResponse, LightStatePageRequest,
    LightStatePageResponse, LightTransitionsRequest, LightTransitionsResponse,
};
use allod_rpc_api::limits::{STATE_KEY_BYTES_MAX, STATE_PAGE_BYTES_MAX, STATE_PAGE_READ_BYTES_MAX};
use allod_rpc_api::method::{LIGHT_GENESIS, LIGHT_HEADER, LIGHT_STATE_PAGE, LIGHT_TRANSITIONS};
use jsonrpsee::server::RegisterMethodError;
use parity_scale_codec::Encode;

use crate::answer::{Answer, failed, request, unavailable};
use crate::methods::Module;
use crate::proofs::{certified, transitions};
use crate::snapshot::Snapshot;
use crate::view::{HeadInfo, NodeView};

pub(crate) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    module.register_method(LIGHT_GENESIS, |_, view, _| genesis(&**view))?;
    module.register_method(LIGHT_HEADER, |params, view, _| {
        header(&**view, &request(&params)?)
    })?;
    module.register_blocking_method(LIGHT_TRANSITIONS, |params, view, _| {
        steps(&**view, &request(&params)?)
    })?;
    module.register_blocking_method(LIGHT_STATE_PAGE, |params, view, _| {
        page(&**view, &request(&params)?)
    })?;
    Ok(())
}

/// Returns the encoded set that certifies `head`.
fn validators(view: &dyn NodeView, head: &HeadInfo) -> Answer<HexBytes> {
    let set = view.validator_set(&head.header.digest.validator_set);
    let set = set.ok_or_else(|| failed(ErrorCode::NotReady))?;
    Ok(set.encode().into())
}

fn genesis(view: &dyn NodeView) -> Answer<LightGenesisResponse> {
    let none = || failed(ErrorCode::NotReady);
    let genesis = view.header_at(Height(0)).ok_or_else(none)?;
    Ok(LightGenesisResponse {
        header: genesis.header.encode().into(),
        validators: validators(view, &genesis)?,
    })
}

fn header(view: &dyn NodeView, request: &LightHeaderRequest) -> Answer<LightHeaderResponse> {
    let not_found = |what: &dyn std::fmt::Display| failed(ErrorCode::BlockNotFound.with(what));
    let head = match (request.height, request.hash) {
        (None, None) => view.head(),
        (Some(height), None) => view
            .header_at(Height(height))
            .ok_or_else(|| not_found(&format_args!("height {height}")))?,
        (None, Some(hash)) => HeadInfo {
            hash: hash.0,
            header: view.header(&hash.0).ok_or_else(|| not_found(&hash))?,
        },
        (Some(_), Some(_)) => {
            let detail = "either height or hash is expected";
            return Err(failed(ErrorCode::InvalidParams.with(detail)));
        }
    };
    Ok(LightHeaderResponse {
        header: certified(view, &head)?.encode().into(),
        validators: validators(view, &head)?,
        height: head.height().0,
        block_hash: head.hash.into(),
        time: head.time().0,
    })
}

fn steps(
    view: &dyn NodeView,
    request: &LightTransitionsRequest,
) -> Answer<LightTransitionsResponse> {
    let count = within(request.count, TRANSITIONS_MAX)?;
    let head = view.head();
    let steps = transitions(view, &head, request.set_id, count)?;
    Ok(LightTransitionsResponse {
        transitions: steps.iter().map(|step| step.encode().into()).collect(),
        set_id: head.header.digest.set_id,
    })
}

/// Returns the number asked for, or the maximum.
fn within(count: Option<u32>, max: u32) -> Answer<u32> {
    let count = count.unwrap_or(max);
    if count == 0 || count > max {
        let detail = format_args!("count {count} is not within 1 to {max}");
        return Err(failed(ErrorCode::InvalidParams.with(detail)));
    }
    Ok(count)
}

fn page(view: &dyn NodeView, request: &LightStatePageRequest) -> Answer<LightStatePageResponse> {
    let count = within(request.count, PAGE_ENTRIES_MAX)? as usize;
    let after = request.after.as_ref().map(|after| after.0.as_slice());
    if let Some(after) = after
        && after.len() > STATE_KEY_BYTES_MAX
    {
        let detail = format_args!("a key of {} bytes", after.len());
        return Err(failed(ErrorCode::TooLarge.with(detail)));
    }
    let at = Snapshot::at(view, request.at)?;
    // One more tells whether another page follows. What is shown is small beside what is read for
    // it, so that is bounded too.
    let wanted = count.saturating_add(1);
    let found = view
        .entries_at(&at.hash(), wanted, STATE_PAGE_READ_BYTES_MAX, after)
        .map_err(unavailable)?;
    let mut entries = Vec::with_capacity(found.len().min(count));
    let (mut bytes, total) = (0usize, found.len());
    let read: usize = found
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    // Reading ended there: what follows is still to be looked for.
    let is_cut = match found.last() {
        Some((last, _)) if total < wanted && read >= STATE_PAGE_READ_BYTES_MAX => {
            let next = view.keys_at(&at.hash(), &[], 1, Some(last));
            !next.map_err(unavailable)?.is_empty()
        }
        _ => false,
    };
    for (key, value) in found.into_iter().take(count) {
        let value = shown(&key, value);
        bytes = bytes
            .saturating_add(key.len())
            .saturating_add(value.encoded_size());
        if bytes > STATE_PAGE_BYTES_MAX && !entries.is_empty() {
            break;
        }
        entries.push((key, value));
    }
    let page = StatePage {
        more: entries.len() < total || is_cut,
        entries,
    };
    Ok(LightStatePageResponse {
        page: page.to_bytes().into(),
        height: at.head.height().0,
        block_hash: at.hash().into(),
        time: at.head.time().0,
    })
}

/// Returns what a page shows of a value: revocations and grants whole, of everything else the hash.
///
/// Source: spec/proofs.md §6.
fn shown(key: &[u8], value: Vec<u8>) -> PageValue {
    let hash = PageValue::Hash(allod_primitives::hash::sha2_256(&value));
    match is_small(key) {
        true => PageValue::whole(value).unwrap_or(hash),
        false => hash,
    }
}

/// Returns whether the value under `key` is a revocation or a grant.
pub(crate) fn is_small(key: &[u8]) -> bool {
    let items = [("Revocation", "Tags"), ("Grant", "Grants")];
    let mut prefixes = items
        .map(|(pallet, item)| keys::item(pallet, item))
        .into_iter();
    prefixes.any(|prefix| key.starts_with(&prefix))
}
