//! What changes of control do to an identity of the model: spec/control.md, read aloud.

use std::collections::{BTreeMap, BTreeSet};

use allod_primitives::document::{DocumentPatch, RetireReason};
use allod_primitives::operation::{Body, Lane, Operation, ProposedChange, Reveal};
use allod_primitives::policy::{Capabilities, PolicyChange, Rank};
use allod_primitives::record::{CoolDown, Pending, PendingChange, Proposer};
use allod_primitives::{H256, TimeMs};
use parity_scale_codec::Encode;

use super::judge::must;
use super::ledger::{DAY_MS, Identity, Name, ended};

/// Bounds of delays that the model's network has, in milliseconds.
pub(crate) const DELAYS: (u64, u64) = (3_600_000, 7 * DAY_MS);

/// Who changes control.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Exposed(usize),
    Next(usize),
    /// What this rank proposed takes effect.
    Effect(usize),
}

/// Guardians stand above all ranks.
pub(crate) fn standing(proposer: Proposer) -> usize {
    match proposer {
        Proposer::Guardians => 0,
        Proposer::Rank(index) => 1 + usize::from(index),
    }
}

/// How long the n-th rest in a row lasts, counted from 1: a day, doubled each time, at most 64.
fn rest(n: usize) -> u64 {
    DAY_MS * (1 << (n.max(1) - 1).min(6))
}

impl Identity {
    /// Returns what the rank at `index` may do; nothing if it is vacant.
    pub(crate) fn may(&self, index: usize, capability: u8) -> bool {
        self.ranks[index].capabilities.0 & capability != 0
    }

    /// Returns how often a proposer was cancelled in a row, and the last time.
    fn cancelled(&self, proposer: Proposer) -> (usize, u64) {
        let times = self.cancelled.iter().filter(|it| it.0 == proposer);
        let last = times.clone().map(|it| it.1).max().unwrap_or(0);
        (times.count(), last)
    }

    /// Returns the list of those who were cancelled as the record must have it.
    pub(crate) fn cool_downs(&self) -> Vec<CoolDown> {
        let mut who: Vec<Proposer> = self.cancelled.iter().map(|it| it.0).collect();
        who.sort_by_key(|it| standing(*it));
        who.dedup();
        let cool_down = |proposer| {
            let (times, last) = self.cancelled(proposer);
            CoolDown {
                proposer,
                until: TimeMs(last + rest(times)),
                next_ms: rest(times + 1),
            }
        };
        who.into_iter().map(cool_down).collect()
    }

    fn forgive(&mut self, proposer: Proposer) {
        self.cancelled.retain(|it| it.0 != proposer);
    }

    /// Does what an operation of control says; on failure the identity is spoilt.
    pub(crate) fn control(
        &mut self,
        now: u64,
        operation: &Operation,
        id: H256,
    ) -> Result<(), Name> {
        match operation.lane {
            Lane::Rank(index) => self.by_rank(now, usize::from(index), &operation.body, id),
            Lane::Next(index) => {
                let reveal = operation.reveal.as_ref().expect("judged to be there");
                self.by_next(now, usize::from(index), reveal, &operation.body);
                Ok(())
            }
            Lane::Guardians => match &operation.body {
                Body::Recover { rank } => {
                    let delay = self
                        .guardians
                        .as_ref()
                        .expect("judged to be there")
                        .delay_ms;
                    let change = PendingChange::Recovery(rank.clone());
                    self.wait(now, Proposer::Guardians, delay, change, id)
                }
                Body::Cancel { pending } => self.cancel(now, operation.lane, *pending),
                other => panic!("judged not to fit: {other:?}"),
            },
            Lane::Documents => panic!("judged not to fit: {operation:?}"),
        }
    }

    fn by_rank(&mut self, now: u64, index: usize, body: &Body, id: H256) -> Result<(), Name> {
        let protected = self.ranks[0].next.is_some() || self.guardians.is_some();
        match body {
            Body::Rotate { change, document } => {
                let writes = self.may(index, 1);
                let named: Vec<usize> = change.ranks.iter().map(|it| it.index.into()).collect();
                let whole = change.guardians.is_some() || change.delay_ms.is_some();
                if index > 0 {
                    must(!whole && named.iter().all(|it| *it >= index), "NotAbove")?;
                    let pre_rotated = self.ranks[index].next.is_some();
                    must(!named.contains(&index) || !pre_rotated, "RevealRequired")?;
                } else {
                    must(!(whole || named.contains(&0)) || !protected, "MustWait")?;
                }
                self.set(By::Exposed(index), change)?;
                if let Some(patch) = document {
                    must(writes, "NoCapability")?;
                    self.patch_what_fits(now, patch, index == 0);
                }
                Ok(())
            }
            Body::Deactivate => {
                must(!protected, "MustWait")?;
                self.end(now);
                Ok(())
            }
            Body::Cancel { pending } => self.cancel(now, Lane::Rank(index as u8), *pending),
            Body::Propose(proposed) => {
                let change = self.proposed(index, proposed)?;
                let proposer = Proposer::Rank(index as u8);
                self.wait(now, proposer, self.delay_ms, change, id)
            }
            other => panic!("judged not to fit: {other:?}"),
        }
    }

    fn proposed(&self, index: usize, proposed: &ProposedChange) -> Result<PendingChange, Name> {
        match proposed {
            ProposedChange::Control(change) => {
                must(index == 0 || self.may(index, 4), "NoCapability")?;
                let whole = change.guardians.is_some() || change.delay_ms.is_some();
                must(index == 0 || !whole, "NotAbove")?;
                // Would it work now?
                self.clone()
                    .set_ranks(index, false, change, Capabilities::ALL)?;
                Ok(PendingChange::Control(change.clone()))
            }
            ProposedChange::Deactivation => {
                must(index == 0, "NotAbove")?;
                Ok(PendingChange::Deactivation)
            }
            ProposedChange::CancelRecovery(id) => {
                must(index == 0, "NotAbove")?;
                let meant = |it: &Pending| it.id == *id && it.proposer == Proposer::Guardians;
                must(self.pending.iter().any(meant), "NoSuchPending")?;
                Ok(PendingChange::Cancellation(*id))
            }
        }
    }

    fn by_next(&mut self, now: u64, index: usize, reveal: &Reveal, body: &Body) {
        let writes = self.may(index, 1);
        if let Body::Cancel { pending } = body {
            // What cannot be cancelled any more is skipped.
            let _ = self.cancel(now, Lane::Next(index as u8), *pending);
        }
        let revealed = Rank {
            keys: reveal.keys.clone(),
            threshold: reveal.threshold,
            capabilities: self.ranks[index].capabilities,
            next: reveal.next,
        };
        let only = [allod_primitives::policy::RankChange {
            index: index as u8,
            rank: Some(revealed),
        }];
        let first = PolicyChange {
            ranks: only.to_vec().try_into().expect("one fits"),
            ..PolicyChange::default()
        };
        const SURELY: &str = "by next keys nothing fails";
        self.set(By::Next(index), &first).expect(SURELY);
        if index == 0 {
            self.renew_allowance();
        }
        match body {
            Body::Rotate { change, document } => {
                self.set(By::Next(index), change).expect(SURELY);
                if let Some(patch) = document.as_ref().filter(|_| writes) {
                    self.patch_what_fits(now, patch, index == 0);
                }
            }
            Body::Deactivate => self.end(now),
            _ => {}
        }
    }

    /// Changes control and clears what falls with that.
    fn set(&mut self, by: By, change: &PolicyChange) -> Result<(), Name> {
        let (acting, surely, given) = match by {
            By::Exposed(0) => (0, false, Capabilities::ALL),
            By::Next(0) => (0, true, Capabilities::ALL),
            By::Exposed(index) => (index, false, self.ranks[index].capabilities),
            By::Next(index) => (index, true, self.ranks[index].capabilities),
            By::Effect(index) => (index, true, Capabilities::ALL),
        };
        let changed = self.set_ranks(acting, surely, change, given)?;
        if let Some(guardians) = &change.guardians {
            self.guardians = guardians.clone();
            self.forgive(Proposer::Guardians);
        }
        if let Some(delay_ms) = change.delay_ms {
            self.delay_ms = delay_ms;
        }
        for index in &changed {
            if by != By::Exposed(*index) {
                self.forgive(Proposer::Rank(*index as u8));
            }
        }
        if changed.contains(&0) || change.guardians.is_some() || change.delay_ms.is_some() {
            self.pending.clear();
        } else if let Some(highest) = changed.first() {
            self.pending.retain(|it| standing(it.proposer) <= *highest);
        }
        self.drop_idle_cancellations();
        Ok(())
    }

    /// Sets ranks and returns which changed. The acting rank and those above it keep their keys.
    fn set_ranks(
        &mut self,
        acting: usize,
        surely: bool,
        change: &PolicyChange,
        given: Capabilities,
    ) -> Result<BTreeSet<usize>, Name> {
        let old = self.ranks.clone();
        let new: BTreeMap<usize, Option<&Rank>> = change
            .ranks
            .iter()
            .map(|it| (usize::from(it.index), it.rank.as_ref()))
            .collect();
        let mut changed: BTreeSet<usize> = new.keys().copied().collect();
        for (index, rank) in &new {
            self.ranks[*index] = Rank::default();
            let Some(rank) = rank else { continue };
            let has = |other: &Rank| {
                let mut keys = other.keys.iter();
                keys.any(|key| rank.keys.iter().any(|it| it.key == key.key))
            };
            let rivals: Vec<usize> = (0..4)
                .filter(|other| !new.contains_key(other) && has(&old[*other]))
                .collect();
            if rivals.iter().any(|it| it < index && *it <= acting) {
                must(surely, "KeyInTwoRanks")?;
                continue;
            }
            for rival in rivals {
                self.ranks[rival] = Rank::default();
                changed.insert(rival);
            }
            self.ranks[*index] = (*rank).clone();
            self.ranks[*index].capabilities.0 &= given.0;
        }
        Ok(changed)
    }

    fn drop_idle_cancellations(&mut self) {
        let ids: Vec<H256> = self.pending.iter().map(|it| it.id).collect();
        self.pending.retain(|it| match it.change {
            PendingChange::Cancellation(recovery) => ids.contains(&recovery),
            _ => true,
        });
    }

    /// Rules 1 to 5 of spec/control.md §3.
    fn wait(
        &mut self,
        now: u64,
        proposer: Proposer,
        delay: u64,
        change: PendingChange,
        id: H256,
    ) -> Result<(), Name> {
        let mine = standing(proposer);
        let occupied = |at: fn(&usize, &usize) -> bool| {
            let mut places = self.pending.iter().map(|it| standing(it.proposer));
            places.any(|it| at(&it, &mine))
        };
        must(!occupied(|one, mine| one == mine), "SlotTaken")?;
        let excepted = matches!(change, PendingChange::Cancellation(_));
        must(
            excepted || !occupied(|one, mine| one < mine),
            "HigherPending",
        )?;
        let (times, last) = self.cancelled(proposer);
        if times > 0 {
            let ended = last + rest(times);
            must(now >= ended, "CoolingDown")?;
            if now >= ended + rest(times + 1) {
                self.forgive(proposer);
            }
        }
        let pending = Pending {
            id,
            proposer,
            proposed_at: TimeMs(now),
            effective_at: TimeMs(now + delay.max(DELAYS.0).min(DELAYS.1)),
            change,
        };
        must(pending.encode().len() <= 4096, "TooLarge")?;
        self.pending.retain(|it| standing(it.proposer) < mine);
        self.pending.push(pending);
        Ok(())
    }

    fn cancel(&mut self, now: u64, lane: Lane, id: H256) -> Result<(), Name> {
        let found = self.pending.iter().find(|it| it.id == id);
        let proposer = found.ok_or("NoSuchPending")?.proposer;
        let withdrawn = match lane {
            Lane::Next(0) => false,
            Lane::Guardians => proposer == Proposer::Guardians,
            Lane::Rank(index) | Lane::Next(index) => {
                let mine = 1 + usize::from(index);
                must(standing(proposer) >= mine, "NotAbove")?;
                let own = standing(proposer) == mine;
                must(own || self.may(index.into(), 8), "NoCapability")?;
                own
            }
            Lane::Documents => panic!("judged not to fit"),
        };
        self.pending.retain(|it| it.id != id);
        self.drop_idle_cancellations();
        if !withdrawn {
            self.cancelled.push((proposer, now));
        }
        Ok(())
    }

    /// Lets the first change take effect whose time has come. Returns its id and that time.
    pub(crate) fn take_effect(&mut self, now: u64) -> Option<(H256, u64)> {
        let due = self.pending.iter().filter(|it| it.effective_at.0 <= now);
        let order = |it: &&Pending| (it.effective_at.0, standing(it.proposer));
        let pending = due.min_by_key(order)?.clone();
        let at = pending.effective_at.0;
        let before = self.ranks.clone();
        self.pending.retain(|it| it.id != pending.id);
        self.forgive(pending.proposer);
        match &pending.change {
            PendingChange::Control(change) => {
                let acting = standing(pending.proposer) - 1;
                let done = self.set(By::Effect(acting), change);
                done.expect("in an effect nothing fails");
            }
            PendingChange::Recovery(rank) => {
                self.ranks = vec![Rank::default(); 4];
                self.ranks[0] = rank.clone();
                self.pending.clear();
                self.cancelled.clear();
                let since = RetireReason::CompromisedSince(pending.proposed_at);
                self.retire_all(at, since);
                self.document.controllers = Default::default();
                self.not_before = self.not_before.max(at);
                self.epoch += 1;
                self.renew_allowance();
            }
            PendingChange::Deactivation => self.end(at),
            PendingChange::Cancellation(recovery) => {
                self.pending.retain(|it| it.id != *recovery);
                self.cancelled.push((Proposer::Guardians, at));
            }
        }
        let own = match pending.proposer {
            Proposer::Rank(index) => Some(usize::from(index)),
            Proposer::Guardians => None,
        };
        self.give_back(now / DAY_MS, &before, own, own.is_none());
        self.updated = at;
        Some((pending.id, at))
    }

    fn end(&mut self, at: u64) {
        self.retire_all(at, RetireReason::Routine);
        self.document = Default::default();
        self.pending.clear();
        self.cancelled.clear();
        self.ended = Some(at);
    }

    fn retire_all(&mut self, at: u64, reason: RetireReason) {
        for active in std::mem::take(&mut self.document.methods).into_vec() {
            self.retired.push(ended(active, at, reason));
        }
    }

    /// As many methods more as a new identity may have, if it may not have them yet.
    fn renew_allowance(&mut self) {
        let had = self.document.methods.len() + self.retired.len();
        self.allowance = self.allowance.max(had + 512);
    }

    /// Applies the items of `patch` that can be, in their order.
    fn patch_what_fits(&mut self, now: u64, patch: &DocumentPatch, by_rank_0: bool) {
        for one in &patch.retire {
            let done = self.retire(now, one);
            if let (Err("NoSuchMethod"), RetireReason::CompromisedSince(since)) = (done, one.reason)
            {
                let _ = self.declare(now, one.fragment.as_str(), since.0);
            }
        }
        for one in &patch.declare {
            let _ = self.declare(now, one.fragment.as_str(), one.since.0);
        }
        if let Some(services) = &patch.services {
            let mut services = services.clone();
            services.retain(|it| self.refuse_services(std::slice::from_ref(it)).is_ok());
            self.document.services = services;
        }
        let services = self.document.services.clone();
        for method in &patch.add {
            let _ = self.add(now, method, &services, by_rank_0);
        }
        self.name(patch);
    }
}
