//! What the ledger asks of an operation by itself, as far as no state is needed.

use allod_primitives::document::{DocumentPatch, InitialDocument};
use allod_primitives::limits::{OPERATION_BYTES_MAX, OPERATION_VALIDITY_MS_MAX, RANKS_MAX};
use allod_primitives::log::LogEntry;
use allod_primitives::operation::{
    Body, INCEPTION_VERSION, Lane, OPERATION_VERSION, Operation, ProposedChange, SignedOperation,
};
use allod_primitives::policy::{Capabilities, PolicyChange, Rank};
use parity_scale_codec::Encode;

use super::{Expectations, Fault};

/// Checks all of an operation that needs no record: that it is the entry's, whole, bound to the
/// identity and the time, and that every signature verifies.
pub(super) fn check_operation(
    signed: &SignedOperation,
    entry: &LogEntry,
    expectations: &Expectations<'_>,
) -> Result<(), Fault> {
    let operation = &signed.operation;
    let hash = operation.hash();
    if hash != entry.operation_hash {
        return Err(Fault::OperationHash);
    }
    if signed.signatures_hash() != entry.signatures_hash {
        return Err(Fault::SignaturesHash);
    }
    let (did, chain) = (expectations.did.id(), expectations.chain);
    let earlier = operation.fork_id <= chain.fork_id;
    if operation.did != did || operation.genesis != chain.genesis || !earlier {
        return Err(Fault::Binding);
    }
    if !is_formed(signed) {
        return Err(Fault::Form);
    }
    let latest = entry.time.plus_ms(OPERATION_VALIDITY_MS_MAX);
    if operation.valid_until < entry.time || operation.valid_until > latest {
        return Err(Fault::Expired);
    }
    for it in &signed.signatures {
        let verified = it
            .key
            .verify_operation(&operation.chain(), &hash, &it.proof);
        verified.map_err(|_| Fault::Signature)?;
    }
    Ok(())
}

/// Returns whether an honest ledger could have taken an operation of this form.
///
/// Source: spec/did.md §2, checks 1 and 5 to 10.
fn is_formed(signed: &SignedOperation) -> bool {
    let operation = &signed.operation;
    let updates = matches!(operation.body, Body::UpdateDocument(_));
    operation.version == OPERATION_VERSION
        && signed.encoded_size() <= OPERATION_BYTES_MAX
        && signed.is_well_formed()
        && fits(operation.lane, &operation.body)
        && (updates || operation.controller.is_none())
        && is_reveal_formed(operation)
        && is_body_formed(operation)
}

fn is_reveal_formed(operation: &Operation) -> bool {
    let (Some(reveal), Lane::Next(index)) = (&operation.reveal, operation.lane) else {
        return true;
    };
    let revealed = Rank {
        keys: reveal.keys.clone(),
        threshold: reveal.threshold,
        capabilities: Capabilities::default(),
        next: reveal.next,
    };
    let apart = match &operation.body {
        Body::Rotate { change, .. } => {
            let sets_own = change.ranks.iter().any(|it| it.index == index);
            let mut others = change.ranks.iter().filter_map(|it| it.rank.as_ref());
            sets_own || !others.any(|rank| rank.shares_key_with(&revealed))
        }
        _ => true,
    };
    revealed.check(index).is_ok() && apart
}

fn fits(lane: Lane, body: &Body) -> bool {
    let (index, by_next) = match lane {
        Lane::Rank(index) => (index, false),
        Lane::Next(index) => (index, true),
        Lane::Guardians => return matches!(body, Body::Recover { .. } | Body::Cancel { .. }),
        Lane::Documents => {
            return matches!(body, Body::UpdateDocument(_) | Body::SetNotBefore { .. });
        }
    };
    let fits = match body {
        Body::Rotate { .. } | Body::Cancel { .. } => true,
        Body::Deactivate => index == 0,
        Body::Incept(_) => index == 0 && !by_next,
        Body::Propose(_) | Body::SetNotBefore { .. } => !by_next,
        Body::UpdateDocument(_) | Body::Recover { .. } => false,
    };
    fits && u32::from(index) < RANKS_MAX
}

fn is_body_formed(operation: &Operation) -> bool {
    let lane = operation.lane;
    match &operation.body {
        Body::Incept(inception) => {
            inception.version == INCEPTION_VERSION
                && inception.policy.check().is_ok()
                && is_document_formed(&inception.document)
        }
        Body::UpdateDocument(patch) => is_patch_formed(patch),
        Body::Rotate { change, document } => {
            let by_next = matches!(lane, Lane::Next(_));
            (by_next || !change.is_empty() || document.is_some())
                && (!by_next || is_below(change, lane))
                && change.check().is_ok()
                && document.as_ref().is_none_or(is_patch_formed)
        }
        Body::Propose(ProposedChange::Control(change)) => {
            let above = |index| matches!(lane, Lane::Rank(own) if index <= own);
            let concerns = change.ranks.iter().any(|it| above(it.index));
            (concerns || sets_policy(change)) && change.check().is_ok()
        }
        Body::Recover { rank } => rank.check(0).is_ok(),
        Body::Propose(_) | Body::Cancel { .. } | Body::Deactivate | Body::SetNotBefore { .. } => {
            true
        }
    }
}

fn is_document_formed(document: &InitialDocument) -> bool {
    let shared = document.services.iter().any(|service| {
        let mut methods = document.methods.iter();
        methods.any(|method| method.fragment == service.fragment)
    });
    !shared && document.check().is_ok()
}

fn is_patch_formed(patch: &DocumentPatch) -> bool {
    *patch != DocumentPatch::default() && patch.check().is_ok()
}

const fn sets_policy(change: &PolicyChange) -> bool {
    change.guardians.is_some() || change.delay_ms.is_some()
}

/// Returns whether a change by the lane's rank stays at or below it.
fn is_below(change: &PolicyChange, lane: Lane) -> bool {
    let (Lane::Rank(index) | Lane::Next(index)) = lane else {
        return false;
    };
    let ranks = change.ranks.iter().all(|it| it.index >= index);
    ranks && (index == 0 || !sets_policy(change))
}
