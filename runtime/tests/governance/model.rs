//! Governance as one would explain it: lists, and the rules of spec/governance.md read aloud.

use std::collections::{BTreeMap, BTreeSet};

use allod_primitives::PublicKey;
use allod_runtime::authority::types::{Action, ActionKind, Parameters};

/// Name of an error.
pub(crate) type Name = &'static str;

pub(crate) const HOUR_MS: u64 = 3_600_000;
pub(crate) const DAY_MS: u64 = 24 * HOUR_MS;

#[derive(Clone, Debug)]
pub(crate) struct Proposal {
    pub(crate) proposer: PublicKey,
    pub(crate) actions: Vec<Action>,
    pub(crate) expires: u64,
    pub(crate) votes: Vec<PublicKey>,
    pub(crate) due: Option<u64>,
    pub(crate) vetoes: Vec<PublicKey>,
}

/// Members and their power.
pub(crate) type Set = BTreeMap<PublicKey, u64>;

/// Everything that trustees decide about.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) now: u64,
    pub(crate) trustees: BTreeSet<PublicKey>,
    pub(crate) threshold: u32,
    /// Votes and delay by index of the kind.
    pub(crate) rules: BTreeMap<usize, (Option<u32>, u64)>,
    pub(crate) next: u32,
    pub(crate) proposals: BTreeMap<u32, Proposal>,
    pub(crate) admission: (bool, Option<u8>),
    pub(crate) parameters: Parameters,
    pub(crate) set: Set,
    /// The set as it was when the block began: its members are still peers.
    pub(crate) current: Set,
    /// When the set changed, and what it was before and after.
    pub(crate) changes: Vec<(u64, Set, Set)>,
    pub(crate) registrars: BTreeMap<PublicKey, u32>,
    /// Proposals that were due and failed, with the error's name.
    pub(crate) failed: Vec<(u32, Name)>,
}

impl Model {
    /// What happens at the beginning of a block.
    pub(crate) fn begin(&mut self, now: u64) {
        self.now = now;
        self.current = self.set.clone();
        self.proposals
            .retain(|_, it| it.due.is_some() || it.expires >= now);
        for _ in 0..8 {
            let due = self.proposals.iter();
            let due = due.filter_map(|(number, it)| Some((it.due?, *number)));
            let Some((at, number)) = due.min() else {
                break;
            };
            if at > now {
                break;
            }
            let proposal = self.proposals.remove(&number).expect("found");
            if let Err(name) = self.carry_out(&proposal.actions) {
                self.failed.push((number, name));
            }
        }
    }

    fn needs(&self, actions: &[Action]) -> (u32, u64) {
        let mut kinds = Vec::new();
        for action in actions {
            kinds.push(action.kind());
            if let Action::SetRule { kind, .. } = action {
                kinds.push(*kind);
            }
        }
        let rules = kinds.iter().map(|kind| self.rule(*kind));
        let (votes, delays): (Vec<_>, Vec<_>) = rules.unzip();
        let votes = votes.iter().map(|votes| votes.unwrap_or(self.threshold));
        (
            votes.max().expect("one action"),
            delays.into_iter().max().expect("one action"),
        )
    }

    fn rule(&self, kind: ActionKind) -> (Option<u32>, u64) {
        let slow = ["setTrustees", "setRule", "setParameters"].contains(&kind.name());
        let default = (None, if slow { DAY_MS } else { 0 });
        *self.rules.get(&(kind as usize)).unwrap_or(&default)
    }

    pub(crate) fn propose(
        &mut self,
        by: PublicKey,
        actions: &[Action],
        expires: u64,
    ) -> Result<(), Name> {
        if actions.is_empty() {
            return Err("Empty");
        }
        if expires <= self.now {
            return Err("Expired");
        }
        if expires > self.now + 31 * DAY_MS {
            return Err("ExpiryTooFar");
        }
        let own = self.proposals.values().filter(|it| it.proposer == by);
        if own.count() >= 64 / self.trustees.len() || self.proposals.len() >= 64 {
            return Err("TooManyProposals");
        }
        let before = self.clone();
        let number = self.next;
        self.next += 1;
        let proposal = Proposal {
            proposer: by,
            actions: actions.to_vec(),
            expires,
            votes: Vec::new(),
            due: None,
            vetoes: Vec::new(),
        };
        self.proposals.insert(number, proposal);
        self.count(by, number).inspect_err(|_| *self = before)
    }

    pub(crate) fn vote(&mut self, by: PublicKey, number: u32, right: bool) -> Result<(), Name> {
        let found = self.proposals.get(&number).filter(|it| it.due.is_none());
        let found = found.ok_or("NotFound")?;
        if !right {
            return Err("WrongProposal");
        }
        if found.votes.contains(&by) {
            return Err("AlreadyVoted");
        }
        let before = self.clone();
        self.count(by, number).inspect_err(|_| *self = before)
    }

    fn count(&mut self, by: PublicKey, number: u32) -> Result<(), Name> {
        let proposal = self.proposals.get_mut(&number).expect("it is open");
        proposal.votes.push(by);
        let (votes, actions) = (proposal.votes.len(), proposal.actions.clone());
        let (needed, delay) = self.needs(&actions);
        if votes < needed as usize {
            return Ok(());
        }
        if delay > 0 {
            let due = self.now + delay;
            self.proposals.get_mut(&number).expect("it is open").due = Some(due);
            return Ok(());
        }
        self.proposals.remove(&number);
        self.carry_out(&actions)
    }

    pub(crate) fn withdraw(&mut self, by: PublicKey, number: u32) -> Result<(), Name> {
        let found = self.proposals.get(&number).filter(|it| it.due.is_none());
        if found.ok_or("NotFound")?.proposer != by {
            return Err("NotProposer");
        }
        self.proposals.remove(&number);
        Ok(())
    }

    pub(crate) fn veto(&mut self, by: PublicKey, number: u32) -> Result<(), Name> {
        let found = self.proposals.get(&number).ok_or("NotFound")?;
        if found.due.is_none() {
            return Err("NotScheduled");
        }
        if found.vetoes.contains(&by) {
            return Err("AlreadyVoted");
        }
        let (votes, _) = self.needs(&found.actions);
        let keeps = self.trustees.len() + 1 - votes as usize;
        let found = self.proposals.get_mut(&number).expect("just seen");
        found.vetoes.push(by);
        if found.vetoes.len() >= keeps {
            self.proposals.remove(&number);
        }
        Ok(())
    }

    /// All or nothing.
    fn carry_out(&mut self, actions: &[Action]) -> Result<(), Name> {
        let before = self.clone();
        let done = actions.iter().try_for_each(|action| self.act(action));
        done.inspect_err(|_| *self = before)
    }

    fn act(&mut self, action: &Action) -> Result<(), Name> {
        match action {
            Action::SetAdmission {
                vouchers,
                work_bits,
            } => {
                if work_bits.is_some_and(|bits| bits > 32) {
                    return Err("InvalidWork");
                }
                self.admission = (*vouchers, *work_bits);
            }
            Action::SetRegistrar {
                account,
                items_per_day,
            } => match items_per_day {
                0 => drop(self.registrars.remove(account)),
                _ => drop(self.registrars.insert(*account, *items_per_day)),
            },
            Action::SetTrustees {
                accounts,
                threshold,
            } => {
                let set: BTreeSet<PublicKey> = accounts.iter().copied().collect();
                let sorted: Vec<PublicKey> = set.iter().copied().collect();
                if set.is_empty() || sorted != accounts.to_vec() {
                    return Err("InvalidTrustees");
                }
                self.trustees = set;
                self.threshold = *threshold;
                self.satisfiable()?;
                self.proposals.retain(|_, it| it.due.is_some());
                for proposal in self.proposals.values_mut() {
                    let here = |account: &PublicKey| self.trustees.contains(account);
                    proposal.vetoes.retain(here);
                }
            }
            Action::SetRule { kind, rule } => {
                let amendment = ["setTrustees", "setRule"].contains(&kind.name());
                let short = amendment && rule.delay_ms < HOUR_MS;
                if short || rule.delay_ms > 30 * DAY_MS {
                    return Err("InvalidDelay");
                }
                let rule = (rule.votes, rule.delay_ms);
                self.rules.insert(*kind as usize, rule);
                self.satisfiable()?;
            }
            Action::SetParameters { parameters } => {
                let it = parameters;
                let control = it.control;
                let period = it.validator_change_period_ms;
                let same = period == self.parameters.validator_change_period_ms;
                let good = it.version == 1
                    && it.block_spacing_ms >= 50
                    && it.block_spacing_ms <= it.heartbeat_ms_min
                    && it.heartbeat_ms_min <= it.heartbeat_ms_max
                    && it.heartbeat_ms_max <= 60_000
                    && (same || period >= 60_000)
                    && period <= 30 * DAY_MS
                    && (HOUR_MS..=7 * DAY_MS).contains(&control.delay_ms_min)
                    && (7 * DAY_MS..=90 * DAY_MS).contains(&control.delay_ms_max);
                if !good {
                    return Err("InvalidParameters");
                }
                self.parameters = *it;
            }
            Action::ReplaceValidator { remove, add } => {
                let add = add.as_ref().map(|it| (it.public_key, it.power));
                self.replace(*remove, add)?;
            }
            other => panic!("the world does not propose {other:?}"),
        }
        Ok(())
    }

    fn satisfiable(&self) -> Result<(), Name> {
        let votes = ActionKind::ALL.map(|kind| self.rule(kind).0.unwrap_or(self.threshold));
        let all = votes.iter().chain([&self.threshold]);
        let reachable = |votes: &u32| *votes > 0 && *votes as usize <= self.trustees.len();
        match all.into_iter().all(reachable) {
            true => Ok(()),
            false => Err("Unsatisfiable"),
        }
    }

    fn replace(
        &mut self,
        remove: Option<PublicKey>,
        add: Option<(PublicKey, u64)>,
    ) -> Result<(), Name> {
        if remove.is_none() && add.is_none() {
            return Err("Empty");
        }
        let before = self.set.clone();
        let mut after = before.clone();
        if let Some(key) = remove {
            after.remove(&key).ok_or("NotMember")?;
        }
        if let Some((key, power)) = add {
            let known = before.contains_key(&key) || self.current.contains_key(&key);
            if known && remove != Some(key) {
                return Err("InvalidPeer");
            }
            after.insert(key, power);
        }
        if before.len() == 4 && after.len() == 3 {
            return Err("TooFewValidators");
        }
        let (period, now) = (self.parameters.validator_change_period_ms, self.now);
        self.changes.retain(|(at, ..)| at + period > now);
        self.changes.push((now, before, after.clone()));
        let first = &self.changes[0].1;
        let third = |total: usize| (total - 1) / 3;
        if self.changes.len() > third(first.len()).max(1) {
            return Err("TooManyChanges");
        }
        let most = third(first.values().sum::<u64>() as usize) as u64;
        let gone = |from: &Set, to: &Set| -> u64 {
            let lost = from.iter();
            lost.map(|(key, power)| power.saturating_sub(*to.get(key).unwrap_or(&0)))
                .sum()
        };
        let removed: u64 = self.changes.iter().map(|(_, a, b)| gone(a, b)).sum();
        let added: u64 = self.changes.iter().map(|(_, a, b)| gone(b, a)).sum();
        if first.len() >= 4 && (removed > most || added > most) {
            return Err("TooMuchPower");
        }
        self.set = after;
        Ok(())
    }
}
