//! What the ledger asks of an operation's form, as far as no state is needed.

use allod_primitives::limits::{OPERATION_BYTES_MAX, RANKS_MAX};
use allod_primitives::operation::{
    Body, INCEPTION_VERSION, Lane, OPERATION_VERSION, ProposedChange, SignedOperation,
};
use allod_primitives::policy::{Capabilities, Rank};
use parity_scale_codec::Encode;

/// Returns whether an honest ledger could have taken an operation of this form.
///
/// Source: spec/did.md §2, checks 1, 5, 7 and 9.
pub(super) fn is_formed(signed: &SignedOperation) -> bool {
    let operation = &signed.operation;
    let revealed = operation.reveal.as_ref().is_none_or(|reveal| {
        let rank = Rank {
            keys: reveal.keys.clone(),
            threshold: reveal.threshold,
            capabilities: Capabilities::default(),
            next: reveal.next,
        };
        rank.check(0).is_ok()
    });
    operation.version == OPERATION_VERSION
        && signed.encoded_size() <= OPERATION_BYTES_MAX
        && signed.is_well_formed()
        && revealed
        && fits(operation.lane, &operation.body)
        && is_body_formed(&operation.body)
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

fn is_body_formed(body: &Body) -> bool {
    match body {
        Body::Incept(inception) => {
            inception.version == INCEPTION_VERSION
                && inception.policy.check().is_ok()
                && inception.document.check().is_ok()
        }
        Body::UpdateDocument(patch) => patch.check().is_ok(),
        Body::Rotate { change, document } => {
            let patch = document.as_ref().is_none_or(|it| it.check().is_ok());
            change.check().is_ok() && patch
        }
        Body::Propose(ProposedChange::Control(change)) => change.check().is_ok(),
        Body::Recover { rank } => rank.check(0).is_ok(),
        Body::Propose(_) | Body::Cancel { .. } | Body::Deactivate | Body::SetNotBefore { .. } => {
            true
        }
    }
}
