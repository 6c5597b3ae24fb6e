//! Plans: the way in which a change is made, chosen by trying.

use std::fmt;

use allod_primitives::control::{self, Applied, Outcome, Party, Refusal, Setting, UsedMethods};
use allod_primitives::document::{Fragment, MethodKey, RetiredMethod};
use allod_primitives::governance::ControlParameters;
use allod_primitives::operation::{Body, Lane, OPERATION_VERSION, Operation, Payer};
use allod_primitives::policy::{ControlPolicy, Rank};
use allod_primitives::record::DidRecord;
use allod_primitives::{DidId, ForkId, H256, TimeMs};

use super::cancel::may_cancel;
use super::words::{date, party_name};
use super::{Available, Generation, NextHeld, PlanError, Quorum};
use crate::operation::Act;

/// An identity as it is at some time: what plans are made on.
#[derive(Clone, Debug)]
pub struct View {
    /// The effective record.
    pub record: DidRecord,
    /// The time.
    pub now: TimeMs,
    /// The network's bounds for delays.
    pub parameters: ControlParameters,
}

/// How an identity's change is made, and what it brings about.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Lane, reveal and body; [`Author::act`](crate::operation::Author::act) makes it an operation.
    pub act: Act,
    /// When it takes effect.
    pub effect: Effect,
    /// Who must sign.
    pub quorum: Quorum,
    /// Weight that the keys at hand do not reach: others must sign too.
    pub missing: u32,
    /// The generation of next keys that signs, if a seed gives it.
    pub generation: Option<Generation>,
    /// Why it is done in this way, in words.
    pub because: String,
    /// What one should know before signing.
    pub warnings: Vec<Warning>,
    /// The record after it: with the change, or with the proposal pending.
    pub after: DidRecord,
}

/// When a change takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// In the block that takes the operation.
    AtOnce,
    /// Later, unless it is cancelled.
    Waits {
        /// When, if a block takes it now.
        until: TimeMs,
    },
}

/// What one should know before signing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// Pending changes that go: cleared or displaced.
    EndsPending(Vec<H256>),
    /// A rank that becomes vacant because one of its keys moves elsewhere, or on request.
    Vacates(u8),
    /// A rank gets fewer capabilities than asked for: none gives what it lacks.
    Curtailed(u8),
    /// Rank 0 will have neither next keys nor guardians: once stolen, it is lost.
    StolenIsLost,
    /// The rank will have no next keys any more.
    NoNextKeys(u8),
    /// Who can cancel the proposal while it waits.
    CancellableBy(Vec<Party>),
    /// The key of the sheet becomes the key of the rank; replace it by a device's key.
    SheetKeyExposed(u8),
    /// Others must sign too.
    NeedsOthers(u32),
    /// Whoever's change is cancelled must rest before it proposes again.
    ProposerRests,
    /// A recovery takes lower ranks, methods, controllers and all tokens and grants with it.
    CleanSlate,
    /// There is no way back.
    Final,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndsPending(ids) => write!(f, "{} pending change(s) end with it", ids.len()),
            Self::Vacates(rank) => write!(f, "rank {rank} will have no keys"),
            Self::Curtailed(rank) => write!(
                f,
                "rank {rank} gets fewer capabilities than asked for: no rank gives what it lacks"
            ),
            Self::StolenIsLost => f.write_str(
                "rank 0 will have neither a recovery sheet nor guardians: once its key is stolen, \
                 the identity is lost",
            ),
            Self::NoNextKeys(rank) => write!(f, "rank {rank} will have no recovery sheet"),
            Self::CancellableBy(parties) => {
                let names: Vec<String> = parties.iter().map(|it| party_name(*it)).collect();
                match names.as_slice() {
                    [] => f.write_str("nobody but a later owner can stop it while it waits"),
                    names => write!(f, "while it waits, it can be cancelled by {}", list(names)),
                }
            }
            Self::SheetKeyExposed(rank) => write!(
                f,
                "the key of the sheet becomes the key of rank {rank}; rotate to a device's key next"
            ),
            Self::NeedsOthers(weight) => {
                write!(f, "signatures of weight {weight} by others are needed too")
            }
            Self::ProposerRests => {
                f.write_str("whoever proposed it must rest before proposing again")
            }
            Self::CleanSlate => f.write_str(
                "lower ranks and controllers go, every login key is retired as compromised, and \
                 all tokens and grants issued so far are void",
            ),
            Self::Final => {
                f.write_str("there is no way back, and the name can never be used again")
            }
        }
    }
}

fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

impl View {
    /// Looks at `record`, as the ledger has it, at the time `now`.
    ///
    /// `parameters`: the network's bounds for delays.
    pub fn new(record: &DidRecord, now: TimeMs, parameters: ControlParameters) -> Self {
        Self {
            record: control::effective(record, now).record,
            now,
            parameters,
        }
    }

    /// Returns the policy in force.
    pub const fn policy(&self) -> &ControlPolicy {
        &self.record.policy
    }

    /// Returns rank `index`, unless it is vacant.
    ///
    /// # Errors
    /// [`PlanError::NoSuchRank`].
    pub fn rank(&self, index: u8) -> Result<&Rank, PlanError> {
        let rank = self.record.policy.ranks.get(usize::from(index));
        rank.filter(|it| !it.is_vacant())
            .ok_or(PlanError::NoSuchRank { rank: index })
    }

    /// Returns the ranks that are not vacant, the highest first.
    pub fn ranks(&self) -> impl DoubleEndedIterator<Item = (u8, &Rank)> {
        let ranks: Vec<(u8, &Rank)> = (0u8..).zip(&self.record.policy.ranks).collect();
        ranks.into_iter().filter(|(_, rank)| !rank.is_vacant())
    }

    pub(super) fn check_active(&self) -> Result<(), PlanError> {
        if self.record.is_active() {
            Ok(())
        } else {
            Err(PlanError::Deactivated)
        }
    }

    /// Returns what the kernel would make of `act` in a block of now.
    pub(super) fn try_out(&self, act: &Act) -> Result<Applied, Refusal> {
        let operation = operation_of(act);
        let setting = Setting {
            now: self.now,
            parameters: self.parameters,
            used: &NothingUsed,
        };
        control::apply(&self.record, &operation, operation.hash(), setting)
    }
}

/// The operation of an act, for trying it out; chain, identity and place are none.
pub(super) fn operation_of(act: &Act) -> Operation {
    Operation {
        version: OPERATION_VERSION,
        genesis: H256::ZERO,
        fork_id: ForkId(0),
        did: DidId([0; 32]),
        lane: act.lane,
        lane_seq: 0,
        lane_prev: H256::ZERO,
        payer: Payer::Any,
        valid_until: TimeMs(0),
        controller: act.controller,
        reveal: act.reveal.clone(),
        body: act.body.clone(),
    }
}

struct NothingUsed;

impl UsedMethods for NothingUsed {
    fn retired(&self, _: &Fragment) -> Option<RetiredMethod> {
        None
    }

    fn is_key_retired(&self, _: &MethodKey) -> bool {
        false
    }
}

/// One way to make a change.
pub(super) struct Way {
    pub(super) act: Act,
    pub(super) next: Option<NextHeld>,
    pub(super) because: String,
}

impl Way {
    pub(super) fn by_rank(index: u8, body: Body, because: String) -> Self {
        Self::new(Lane::Rank(index), body, because)
    }

    pub(super) fn new(lane: Lane, body: Body, because: String) -> Self {
        let act = Act {
            lane,
            controller: None,
            reveal: None,
            body,
        };
        Self {
            act,
            next: None,
            because,
        }
    }

    pub(super) fn by_next(index: u8, body: Body, next: NextHeld, because: String) -> Self {
        let act = Act {
            lane: Lane::Next(index),
            controller: None,
            reveal: Some(next.reveal.clone()),
            body,
        };
        Self {
            act,
            next: Some(next),
            because,
        }
    }
}

/// Chooses the first way that the kernel takes and the keys at hand can sign, else the first that
/// they can begin to sign.
///
/// `sheet`: whether next keys that are not at hand could do it.
pub(super) fn choose(
    view: &View,
    available: &Available,
    ways: Vec<Way>,
    sheet: bool,
) -> Result<Plan, PlanError> {
    let mut partly = None;
    let mut refused = None;
    for way in ways {
        let operation = operation_of(&way.act);
        let Some(quorum) = Quorum::of(&operation, view.policy()) else {
            continue;
        };
        let generation = way.next.as_ref().and_then(|it| it.generation.as_ref());
        let missing = match generation {
            Some(_) => 0,
            None => quorum.missing_at_hand(available),
        };
        let none = missing >= quorum.threshold();
        let applied = match view.try_out(&way.act) {
            Ok(applied) => applied,
            Err(refusal) => {
                if !none {
                    refused = Some(refusal);
                }
                continue;
            }
        };
        if none {
            continue;
        }
        let plan = Plan::new(view, way, applied, quorum, missing);
        if missing == 0 {
            return Ok(plan);
        }
        partly.get_or_insert(plan);
    }
    partly.ok_or(match refused {
        Some(refusal) => PlanError::Refused(refusal),
        None => PlanError::NoKey { sheet },
    })
}

impl Plan {
    fn new(view: &View, way: Way, applied: Applied, quorum: Quorum, missing: u32) -> Self {
        let Way { act, next, because } = way;
        let proposed = applied.outcomes.iter().find_map(|it| match it {
            Outcome::Proposed {
                id, effective_at, ..
            } => Some((*id, *effective_at)),
            _ => None,
        });
        let effect = proposed.map_or(Effect::AtOnce, |(_, until)| Effect::Waits { until });
        let mut plan = Self {
            act,
            effect,
            quorum,
            missing,
            generation: next.and_then(|it| it.generation),
            because,
            warnings: Vec::new(),
            after: applied.record,
        };
        plan.warn(view, &applied.outcomes, proposed.map(|(id, _)| id));
        plan
    }

    fn warn(&mut self, view: &View, outcomes: &[Outcome], proposed: Option<H256>) {
        let ended = outcomes.iter().filter_map(|it| match it {
            Outcome::Cleared { id } | Outcome::Displaced { id } => Some(*id),
            _ => None,
        });
        let ended: Vec<H256> = ended.collect();
        if !ended.is_empty() {
            self.warnings.push(Warning::EndsPending(ended));
        }
        if let Some(id) = proposed {
            let after = View {
                record: self.after.clone(),
                ..view.clone()
            };
            let parties = parties(&after).filter(|it| may_cancel(&after, *it, id));
            self.warnings
                .push(Warning::CancellableBy(parties.collect()));
        }
        // What a proposal will bring about shows once it takes effect.
        let then = match self.effect {
            Effect::AtOnce => self.after.clone(),
            Effect::Waits { until } => control::effective(&self.after, until).record,
        };
        self.warn_of_policy(&view.record.policy, &then);
        if self.missing > 0 {
            self.warnings.push(Warning::NeedsOthers(self.missing));
        }
    }

    fn warn_of_policy(&mut self, before: &ControlPolicy, then: &DidRecord) {
        if !then.is_active() {
            self.warnings.push(Warning::Final);
            return;
        }
        let clean_slate = matches!(self.act.body, Body::Recover { .. });
        if clean_slate {
            self.warnings.push(Warning::CleanSlate);
        }
        let policy = &then.policy;
        for (index, rank) in (0u8..).zip(&before.ranks) {
            let after = policy.ranks.get(usize::from(index));
            let vacant = after.is_none_or(Rank::is_vacant);
            if vacant && !rank.is_vacant() && !clean_slate {
                self.warnings.push(Warning::Vacates(index));
            }
            let loses = after.is_some_and(|it| it.next.is_none()) && rank.next.is_some();
            if loses && !vacant {
                self.warnings.push(Warning::NoNextKeys(index));
            }
        }
        self.warn_of_capabilities(policy);
        let exposed = policy.ranks.first().is_some_and(|it| it.next.is_none());
        if exposed && policy.guardians.is_none() {
            self.warnings.push(Warning::StolenIsLost);
        }
        if let (Lane::Next(index), Some(reveal)) = (self.act.lane, &self.act.reveal) {
            let rank = policy.ranks.get(usize::from(index));
            if rank.is_some_and(|rank| rank.keys == reveal.keys) {
                self.warnings.push(Warning::SheetKeyExposed(index));
            }
        }
    }

    fn warn_of_capabilities(&mut self, policy: &ControlPolicy) {
        let Body::Rotate { change, .. } = &self.act.body else {
            return;
        };
        for it in &change.ranks {
            let asked = it.rank.as_ref().map(|rank| rank.capabilities);
            let given = policy.ranks.get(usize::from(it.index));
            let given = given.map(|rank| rank.capabilities);
            if asked
                .zip(given)
                .is_some_and(|(asked, given)| asked != given)
            {
                self.warnings.push(Warning::Curtailed(it.index));
            }
        }
    }

    /// Says in lines what will happen: why in this way, when, and every warning.
    pub fn explain(&self) -> Vec<String> {
        let mut lines = vec![self.because.clone()];
        lines.push(match self.effect {
            Effect::AtOnce => "it takes effect in the block that takes it".into(),
            Effect::Waits { until } => {
                format!("it waits, and takes effect on {}", date(until))
            }
        });
        lines.extend(self.warnings.iter().map(|it| format!("note: {it}")));
        lines
    }
}

/// Returns every party that the policy has, by authority.
pub(super) fn parties(view: &View) -> impl Iterator<Item = Party> {
    let policy = view.policy();
    let mut parties = Vec::new();
    for (index, rank) in view.ranks() {
        if rank.next.is_some() {
            parties.push(Party::Next(index));
        }
        if index == 0 && policy.guardians.is_some() {
            parties.push(Party::Guardians);
        }
        parties.push(Party::Rank(index));
    }
    parties.into_iter()
}
