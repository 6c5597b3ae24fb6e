//! Bundles: what makes an answer checkable by somebody who trusts no node.
//!
//! Everything is as of the block that the caller has pinned: values, proof, header, certificate.
//!
//! Source: spec/proofs.md §1.

use std::sync::{Arc, Mutex, PoisonError};

use allod_primitives::light::{CertifiedHeader, FORMAT_VERSION, Transition};
use allod_primitives::limits::TRANSITIONS_MAX;
use allod_primitives::{H256, Height};
use allod_rpc_api::ErrorCode;
use allod_rpc_api::hex_bytes::push_digits;
use parity_scale_codec::Encode;

use crate::answer::{Answer, failed, unavailable};
use crate::view::{HeadInfo, NodeView, StateUnavailable};

/// The newest head's certified header in hexadecimal digits: every proof of that block has it.
#[derive(Debug, Default)]
pub(crate) struct HeadDigits {
    newest: Mutex<Option<(H256, Arc<str>)>>,
}

impl HeadDigits {
    fn of(&self, view: &dyn NodeView, head: &HeadInfo) -> Answer<Arc<str>> {
        let kept = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((hash, digits)) = &*kept
            && *hash == head.hash
        {
            return Ok(digits.clone());
        }
        drop(kept);
        let mut text = String::new();
        push_digits(&mut text, &certified(view, head)?.encode());
        let digits: Arc<str> = text.into();
        if view.head().hash == head.hash {
            let mut kept = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
            *kept = Some((head.hash, digits.clone()));
        }
        Ok(digits)
    }
}

/// Returns the bundle that proves presence or absence of `keys` after the block `head`: `0x` and
/// the digits of a SCALE `ReadProof`.
///
/// `keys`: 1 to 1,024, strictly ascending, and exactly those that the question reads.
///
/// # Errors
/// `chain.state_unavailable` if the block's state is no longer kept or it has no certificate;
/// `chain.too_many_keys`.
pub(crate) fn read_proof(view: &dyn NodeView, head: &HeadInfo, keys: &[Vec<u8>]) -> Answer<String> {
    bundle(view, &HeadDigits::default(), head, keys, None)
}

/// As [`read_proof`], with what is kept of the newest head, and with the transitions from `set_id`
/// on, the newest validator set that the asker knows, if it says which.
///
/// # Errors
/// As [`read_proof`]; `chain.too_many_sets`.
pub(crate) fn bundle(
    view: &dyn NodeView,
    digits: &HeadDigits,
    head: &HeadInfo,
    keys: &[Vec<u8>],
    set_id: Option<u64>,
) -> Answer<String> {
    if keys.is_empty() || keys.len() > allod_primitives::tree::KEYS_MAX {
        return Err(failed(ErrorCode::TooManyKeys));
    }
    let state = view.prove_at(&head.hash, keys).map_err(unavailable)?;
    let transitions = match set_id {
        None => Vec::new(),
        Some(set_id) => {
            let missing = head.header.digest.set_id.saturating_sub(set_id);
            if missing > u64::from(TRANSITIONS_MAX) {
                let detail = format_args!("{missing} of at most {TRANSITIONS_MAX}");
                return Err(failed(ErrorCode::TooManySets.with(detail)));
            }
            transitions(view, head, set_id, TRANSITIONS_MAX)?
        }
    };
    let head = digits.of(view, head)?;
    let before = (FORMAT_VERSION, transitions).encode();
    let after = (keys, state).encode();
    let length = 2 + 2 * (before.len() + after.len()) + head.len();
    let mut text = String::with_capacity(length);
    text.push_str("0x");
    push_digits(&mut text, &before);
    text.push_str(&head);
    push_digits(&mut text, &after);
    Ok(text)
}

/// Returns a block's header with its certificate.
///
/// # Errors
/// `chain.state_unavailable` for genesis, which nobody certifies.
pub(crate) fn certified(view: &dyn NodeView, head: &HeadInfo) -> Answer<CertifiedHeader> {
    let none = || failed(ErrorCode::StateUnavailable.with("genesis has no certificate"));
    Ok(CertifiedHeader {
        header: head.header.clone(),
        certificate: view.certificate(&head.hash).ok_or_else(none)?,
    })
}

/// Returns the steps from the set `set_id` on to that of `head`, at most `count` of them.
pub(crate) fn transitions(
    view: &dyn NodeView,
    head: &HeadInfo,
    set_id: u64,
    count: u32,
) -> Answer<Vec<Transition>> {
    let sets = set_id..head.header.digest.set_id;
    let wanted = usize::try_from(count).unwrap_or(usize::MAX);
    let steps = sets.take(wanted).map(|set_id| {
        let last = last_of(view, head, set_id).map_err(unavailable)?;
        let next = last.header.digest.next_validator_set;
        Ok(Transition {
            last: certified(view, &last)?,
            validators: view
                .validator_set(&next)
                .ok_or(StateUnavailable)
                .map_err(unavailable)?,
        })
    });
    steps.collect()
}

/// Finds the last block that the set `set_id` certifies; `head` is of a later set.
///
/// Cost: O(log height) headers; a set's number never falls from one block to the next.
fn last_of(
    view: &dyn NodeView,
    head: &HeadInfo,
    set_id: u64,
) -> Result<HeadInfo, StateUnavailable> {
    let at = |height: u64| view.header_at(Height(height)).ok_or(StateUnavailable);
    // `low` is of the set or an earlier one, `high` of a later one.
    let (mut low, mut high) = (0, head.clone());
    while high.height().0.saturating_sub(low) > 1 {
        let digest = &high.header.digest;
        if digest.set_id == set_id.saturating_add(1) {
            // A header says where its set began.
            return at(digest.set_since.0.saturating_sub(1));
        }
        let middle = at(low.midpoint(high.height().0))?;
        match middle.header.digest.set_id <= set_id {
            true => low = middle.height().0,
            false => high = middle,
        }
    }
    at(low)
}
