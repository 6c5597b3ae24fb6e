//! Writing down what the passing of time has brought about.
//!
//! Readers do not depend on it: they evaluate `control::effective`. Writing gives each effect its
//! entry in the log and its event.

use allod_primitives::DidId;
use allod_primitives::H256;
use allod_primitives::control::next_effect;
use allod_primitives::limits::SETTLED_PER_BLOCK_MAX;
use allod_primitives::log::LogKind;
use allod_primitives::record::PendingChange;

use super::Event;
use super::apply::{Cause, append, deposit};
use super::quota::{self, By};
use super::storage::{DUE, RECORDS, put_retired, split_due};
use crate::frame::Context;

/// Writes down every effect of `did` whose time has come.
pub(crate) fn settle(context: &mut Context<'_>, did: &DidId) {
    while let Some(before) = RECORDS.get(&context.state, did) {
        let Some(effect) = next_effect(&before, context.block.time) else {
            return;
        };
        let policies = (&before.policy, &effect.record.policy);
        let by = By::effect(&effect.pending);
        quota::renew(&mut context.state, &context.block, did, policies, by);
        for method in &effect.retired {
            put_retired(&mut context.state, did, method);
        }
        let id = effect.pending.id;
        let cause = Cause {
            kind: LogKind::Automatic,
            operation_hash: id,
            signatures_hash: H256::ZERO,
            stated: None,
        };
        append(context, *did, cause, effect.record);
        deposit(context, *did, effect.outcomes);
        context.deposit(Event::TookEffect { did: *did, id });
        if effect.pending.change == PendingChange::Deactivation {
            context.deposit(Event::Deactivated { did: *did });
        }
    }
}

/// Settles the identities whose time has come, the earliest first, at most
/// [`SETTLED_PER_BLOCK_MAX`] of them.
///
/// Source: spec/control.md §3.
pub(super) fn settle_due(context: &mut Context<'_>) {
    let now = context.block.time;
    // Each search begins where the last one ended, not at what this block has removed.
    let mut suffix = Vec::new();
    for _ in 0..SETTLED_PER_BLOCK_MAX {
        let Some(next) = DUE.next_suffix(&context.state, &suffix) else {
            return;
        };
        suffix = next;
        let Some((at, did)) = split_due(&suffix) else {
            return;
        };
        if at > now {
            return;
        }
        settle(context, &did);
    }
}
