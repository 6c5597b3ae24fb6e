//! What an operation does to a record.

use std::fmt;

use crate::document::{DocumentPatch, RetiredMethod};
use crate::governance::ControlParameters;
use crate::hash::H256;
use crate::operation::{Body, Operation, Reveal};
use crate::policy::{Capabilities, PolicyChange, Rank};
use crate::record::{DidRecord, Pending, PendingChange, Proposer};
use crate::types::TimeMs;

use super::document::{Patching, renew_allowance};
use super::effect::deactivate;
use super::pending::{add, cancel, forget, propose};
use super::policy::{self, Manner, Touched, clear, is_within};
use super::{Outcome, Party, Refusal, UsedMethods};

/// What an operation is applied in.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// Time of the block.
    pub now: TimeMs,
    /// The network's bounds for delays.
    pub parameters: ControlParameters,
    /// What the identity has retired.
    pub used: &'a dyn UsedMethods,
}

impl fmt::Debug for Setting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting")
            .field("now", &self.now)
            .field("parameters", &self.parameters)
            .finish_non_exhaustive()
    }
}

/// What an operation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The record after it.
    pub record: DidRecord,
    /// Methods it retired, and retired ones whose reason it changed.
    pub retired: Vec<RetiredMethod>,
    /// What else happened, in order.
    pub outcomes: Vec<Outcome>,
}

/// Applies an operation, not an inception, that was taken: authorised, its lane advanced.
///
/// `record`: effective at `setting.now`. `hash`: the operation's. Writes neither `updated` nor the
/// log head; the caller does when it logs.
///
/// # Errors
/// [`Refusal`]: then the operation changes nothing but its lane.
///
/// Source: spec/control.md §2 to §5, spec/did.md §4, §5.
pub fn apply(
    record: &DidRecord,
    operation: &Operation,
    hash: H256,
    setting: Setting<'_>,
) -> Result<Applied, Refusal> {
    let mut applied = Applied {
        record: record.clone(),
        retired: Vec::new(),
        outcomes: Vec::new(),
    };
    let party = Party::of(operation.lane);
    match &operation.body {
        Body::UpdateDocument(patch) => applied.whole_document(patch, setting)?,
        Body::SetNotBefore {
            not_before,
            bump_grant_epoch,
        } => applied.cut_off(*not_before, *bump_grant_epoch, setting.now)?,
        Body::Incept(_) => return Err(Refusal::Misplaced),
        body => {
            let party = party.ok_or(Refusal::Misplaced)?;
            let mut touched = Touched::default();
            // A cancellation is judged before the reveal clears what it names.
            if let Body::Cancel { pending } = body {
                applied.cancel(party, *pending, setting.now)?;
            }
            if let Party::Next(index) = party {
                let reveal = operation.reveal.as_ref().ok_or(Refusal::Misplaced)?;
                applied.reveal(index, reveal, &mut touched)?;
            }
            applied.control(party, body, hash, setting, &mut touched)?;
        }
    }
    Ok(applied)
}

impl Applied {
    fn control(
        &mut self,
        party: Party,
        body: &Body,
        hash: H256,
        setting: Setting<'_>,
        touched: &mut Touched,
    ) -> Result<(), Refusal> {
        let now = setting.now;
        match (body, party) {
            (Body::Rotate { change, document }, Party::Rank(_) | Party::Next(_)) => {
                let may_document = self.may_document(party);
                self.rotate(party, change, touched)?;
                self.settle_change(party, touched);
                if let Some(patch) = document {
                    self.document_as_far_as_it_goes(patch, party, may_document, setting)?;
                }
            }
            (Body::Deactivate, Party::Rank(0) | Party::Next(0)) => {
                if party == Party::Rank(0) && self.must_wait() {
                    return Err(Refusal::MustWait);
                }
                self.retired = deactivate(&mut self.record, now, &mut self.outcomes);
            }
            (Body::Propose(proposed), Party::Rank(index)) => {
                let parameters = &setting.parameters;
                self.outcomes = propose(&mut self.record, index, proposed, hash, now, parameters)?;
            }
            (Body::Cancel { .. }, _) => self.settle_change(party, touched),
            (Body::Recover { rank }, Party::Guardians) => {
                self.outcomes = self.recover(rank, hash, setting)?;
            }
            _ => return Err(Refusal::Misplaced),
        }
        Ok(())
    }

    fn reveal(&mut self, index: u8, reveal: &Reveal, touched: &mut Touched) -> Result<(), Refusal> {
        policy::reveal(&mut self.record.policy, index, reveal, touched)?;
        if index == 0 {
            renew_allowance(&mut self.record);
        }
        Ok(())
    }

    fn may_document(&self, party: Party) -> bool {
        let index = party.rank().map(usize::from);
        let rank = index.and_then(|index| self.record.policy.ranks.get(index));
        rank.is_some_and(|rank| rank.capabilities.contains(Capabilities::DOCUMENT))
    }

    /// Returns whether the exposed keys of rank 0 must propose what concerns rank 0.
    fn must_wait(&self) -> bool {
        let policy = &self.record.policy;
        let pre_rotated = policy.ranks.first().is_some_and(|rank| rank.next.is_some());
        pre_rotated || policy.guardians.is_some()
    }

    fn rotate(
        &mut self,
        party: Party,
        change: &PolicyChange,
        touched: &mut Touched,
    ) -> Result<(), Refusal> {
        let index = party.rank().ok_or(Refusal::Misplaced)?;
        let rank = self.record.policy.ranks.get(usize::from(index));
        let rank = rank.ok_or(Refusal::Misplaced)?;
        if index > 0 && !is_within(change, index) {
            return Err(Refusal::NotAbove);
        }
        let own = !is_within(change, index.saturating_add(1));
        if own && matches!(party, Party::Rank(_)) {
            if index == 0 && self.must_wait() {
                return Err(Refusal::MustWait);
            }
            // For rank 0 that was a reason to wait.
            if rank.next.is_some() {
                return Err(Refusal::RevealRequired);
            }
        }
        let manner = Manner {
            acting: index,
            surely: matches!(party, Party::Next(_)),
            ceiling: match index {
                0 => Capabilities::ALL,
                _ => rank.capabilities,
            },
        };
        policy::set(&mut self.record.policy, change, manner, touched)
    }

    /// Clears what falls with a change, and forgets cool-downs of those whose keys are new.
    fn settle_change(&mut self, party: Party, touched: &Touched) {
        let acting = match party {
            Party::Rank(index) => Some(index),
            Party::Next(_) | Party::Guardians => None,
        };
        forget(&mut self.record, touched, acting);
        clear(&mut self.record, touched, &mut self.outcomes);
    }

    fn cancel(&mut self, party: Party, pending: H256, now: TimeMs) -> Result<(), Refusal> {
        match (cancel(&mut self.record, party, pending, now), party) {
            (Ok(outcomes), _) => self.outcomes = outcomes,
            // The reveal stands; what it was for may have gone a moment before.
            (Err(refusal), Party::Next(_)) => self.outcomes.push(Outcome::Skipped {
                fragment: None,
                refusal,
            }),
            (Err(refusal), _) => return Err(refusal),
        }
        Ok(())
    }

    fn recover(
        &mut self,
        rank: &Rank,
        id: H256,
        setting: Setting<'_>,
    ) -> Result<Vec<Outcome>, Refusal> {
        let guardians = self.record.policy.guardians.as_ref();
        let delay = guardians.ok_or(Refusal::Misplaced)?.delay_ms;
        let delay = setting.parameters.clamp(delay);
        let pending = Pending {
            id,
            proposer: Proposer::Guardians,
            proposed_at: setting.now,
            effective_at: setting.now.plus_ms(delay),
            change: PendingChange::Recovery(rank.clone()),
        };
        add(&mut self.record, pending, setting.now)
    }

    fn whole_document(
        &mut self,
        patch: &DocumentPatch,
        setting: Setting<'_>,
    ) -> Result<(), Refusal> {
        let mut patching = Patching {
            record: &mut self.record,
            used: setting.used,
            now: setting.now,
            party: None,
            retired: Vec::new(),
        };
        patching.whole(patch)?;
        self.retired = patching.retired;
        Ok(())
    }

    fn document_as_far_as_it_goes(
        &mut self,
        patch: &DocumentPatch,
        party: Party,
        may_document: bool,
        setting: Setting<'_>,
    ) -> Result<(), Refusal> {
        if !may_document {
            if let Party::Next(_) = party {
                self.outcomes.push(Outcome::Skipped {
                    fragment: None,
                    refusal: Refusal::NoCapability,
                });
                return Ok(());
            }
            return Err(Refusal::NoCapability);
        }
        let mut patching = Patching {
            record: &mut self.record,
            used: setting.used,
            now: setting.now,
            party: Some(party),
            retired: Vec::new(),
        };
        let skipped = patching.far(patch);
        self.retired = patching.retired;
        self.outcomes.extend(skipped);
        Ok(())
    }

    fn cut_off(
        &mut self,
        not_before: TimeMs,
        bump_grant_epoch: bool,
        now: TimeMs,
    ) -> Result<(), Refusal> {
        if not_before < self.record.not_before {
            return Err(Refusal::NotMonotone);
        }
        if not_before > now {
            return Err(Refusal::InFuture);
        }
        self.record.not_before = not_before;
        let bump = u32::from(bump_grant_epoch);
        self.record.grant_epoch = self.record.grant_epoch.saturating_add(bump);
        Ok(())
    }
}
