//! One operation: whether it is taken (spec/did.md §2), and what it does (spec/control.md).

use crate::control::{self, Actor};
use crate::keys::{KeySet, Keys};
use crate::operation::{
    Body, Carrier, Lane, Operation, Patch, Payer, Proposal, Reveal, Submission,
};
use crate::quota;
use crate::rules::Rules;
use crate::settle::{deactivate, settled};
use crate::state::{
    Change, CoolDown, Effect, GUARDIANS, LaneHead, OperationId, Pending, Proposer, RANKS, Rank,
    Retirement, State, Time, capability, proposer,
};
use std::sync::Arc;

/// Why an operation is not taken, or why one that is taken does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// For another network.
    #[error("wrong network")]
    WrongNetwork,
    /// For another fork.
    #[error("wrong fork")]
    WrongFork,
    /// Too late.
    #[error("expired")]
    Expired,
    /// Valid further ahead than allowed.
    #[error("valid too long")]
    ValidTooLong,
    /// Carried by somebody who is not its payer.
    #[error("wrong payer")]
    WrongPayer,
    /// Breaks a rule that needs no state.
    #[error("malformed")]
    Malformed,
    /// No such identity.
    #[error("not found")]
    NotFound,
    /// The identity acts no more.
    #[error("deactivated")]
    Deactivated,
    /// The lane does not fit the body.
    #[error("wrong lane")]
    WrongLane,
    /// Its place in the lane is taken.
    #[error("stale")]
    Stale,
    /// Its place in the lane has not come.
    #[error("future")]
    Future,
    /// Another operation stands before its place.
    #[error("forked lane")]
    ForkedLane,
    /// The day's quota of the lane is used up.
    #[error("over quota")]
    OverQuota,
    /// The signers are not the party, or do not reach its threshold.
    #[error("bad proof")]
    BadProof,
    /// In dispatch: the controller is not one, or does not act.
    #[error("not controller")]
    NotController,
    /// In dispatch: changes what stands above.
    #[error("not above")]
    NotAbove,
    /// In dispatch: the rank has a commitment, which must be opened.
    #[error("reveal required")]
    RevealRequired,
    /// In dispatch: must be proposed.
    #[error("must wait")]
    MustWait,
    /// In dispatch: the rank lacks a capability.
    #[error("no capability")]
    NoCapability,
    /// In dispatch: a key would be in two ranks.
    #[error("key in two ranks")]
    KeyInTwoRanks,
    /// In dispatch: nothing of this id is pending.
    #[error("no such pending")]
    NoSuchPending,
    /// In dispatch: the proposer has a change pending.
    #[error("slot taken")]
    SlotTaken,
    /// In dispatch: a change of higher standing is pending.
    #[error("higher pending")]
    HigherPending,
    /// In dispatch: the proposer rests.
    #[error("cooling down")]
    CoolingDown,
    /// In dispatch: retires a method that is not active.
    #[error("no such method")]
    NoSuchMethod,
    /// In dispatch: adds a method that was there before.
    #[error("method used")]
    MethodUsed,
    /// In dispatch: a cut-off before the one in force.
    #[error("not monotone")]
    NotMonotone,
    /// In dispatch: a cut-off in the future.
    #[error("in the future")]
    InFuture,
}

/// What surrounds an operation.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The rules.
    pub rules: &'a Rules,
    /// Time of the block.
    pub now: Time,
    /// Other identities, by number: what controllers are looked up in.
    pub others: &'a [(u8, State)],
}

impl<'a> Context<'a> {
    /// Returns a block at `now` in which no other identity exists.
    pub const fn new(rules: &'a Rules, now: Time) -> Self {
        Self {
            rules,
            now,
            others: &[],
        }
    }
}

/// What a taken operation leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The state after it. If it failed, only lane and quota differ from the settled state before.
    pub state: State,
    /// Whether it did what it says.
    pub result: Result<(), Refusal>,
    /// What took effect before it, by time alone.
    pub effects: Vec<(OperationId, Time)>,
}

/// Takes one operation.
///
/// # Errors
/// The [`Refusal`] for which it cannot be in a block. The checks run in the order of spec/did.md
/// §2.
pub fn step(state: &State, at: &Context<'_>, submission: &Submission) -> Result<Taken, Refusal> {
    let operation = &submission.operation;
    check_binding(at, submission)?;
    check_form(operation)?;
    if operation.did != 0 {
        return Err(Refusal::NotFound);
    }
    let before = settled(state, at.rules, at.now);
    let mut state = before.state;
    if !state.is_active() {
        return Err(Refusal::Deactivated);
    }
    let acting = acting(&state, at, operation)?;
    check_lane(&state, at, submission)?;
    check_signers(&state, acting.as_ref(), submission)?;
    consume(&mut state, at, submission);
    let unchanged = state.clone();
    let result = dispatch(&mut state, at, submission);
    let own = match operation.lane {
        Lane::Rank(rank) => Some(usize::from(rank)),
        _ => None,
    };
    quota::give_back(&mut state, at.rules, at.now, &unchanged.policy, own, false);
    let state = if result.is_ok() { state } else { unchanged };
    Ok(Taken {
        state,
        result,
        effects: before.effects,
    })
}

fn check_binding(at: &Context<'_>, submission: &Submission) -> Result<(), Refusal> {
    let operation = &submission.operation;
    if operation.network != 0 {
        return Err(Refusal::WrongNetwork);
    }
    if operation.fork != 0 {
        return Err(Refusal::WrongFork);
    }
    if operation.valid_until < at.now {
        return Err(Refusal::Expired);
    }
    if operation.valid_until > at.now.saturating_add(at.rules.validity_max) {
        return Err(Refusal::ValidTooLong);
    }
    match (operation.payer, submission.carrier) {
        (Payer::Own, Carrier::Batch) | (Payer::Sponsor, Carrier::Bare) => Err(Refusal::WrongPayer),
        _ => {
            let duplicates = submission.repeated & submission.signers != 0;
            if duplicates && !at.rules.flaws.guardian_counts_twice {
                return Err(Refusal::Malformed);
            }
            Ok(())
        }
    }
}

/// Checks what needs no state.
fn check_form(operation: &Operation) -> Result<(), Refusal> {
    let lane = operation.lane;
    if lane.rank().is_some_and(|rank| rank >= RANKS) {
        return Err(Refusal::WrongLane);
    }
    if matches!(lane, Lane::Next(_)) != operation.reveal.is_some() {
        return Err(Refusal::Malformed);
    }
    if operation.controller.is_some() && !matches!(operation.body, Body::UpdateDocument(_)) {
        return Err(Refusal::Malformed);
    }
    let fits = match operation.body {
        Body::UpdateDocument(_) => lane == Lane::Documents,
        Body::SetNotBefore { .. } => matches!(lane, Lane::Documents | Lane::Rank(_)),
        Body::Rotate { .. } => matches!(lane, Lane::Rank(_) | Lane::Next(_)),
        Body::Propose(_) => matches!(lane, Lane::Rank(_)),
        Body::Recover(_) => lane == Lane::Guardians,
        Body::Cancel(_) => lane != Lane::Documents,
        Body::Deactivate => matches!(lane, Lane::Rank(0) | Lane::Next(0)),
    };
    if !fits {
        return Err(Refusal::WrongLane);
    }
    if is_sound(operation) {
        Ok(())
    } else {
        Err(Refusal::Malformed)
    }
}

fn is_sound(operation: &Operation) -> bool {
    let set_is_sound = |set: &KeySet| set.is_sound();
    let rank_is_sound = |rank: &Rank| {
        let keys = rank.set.is_sound() && rank.next.as_ref().is_none_or(set_is_sound);
        keys || *rank == Rank::VACANT
    };
    let change_is_sound = |change: &Change| {
        let guardians = change.guardians.flatten();
        change.ranks.iter().flatten().all(rank_is_sound)
            && change.ranks[0].is_none_or(|it| !it.is_vacant())
            && !shares_within(&change.ranks.map(|it| it.map(|it| it.set)))
            && guardians.is_none_or(|it| it.set.is_sound())
    };
    let reveal_is_sound = |it: &Reveal| it.set.is_sound() && it.next.is_none_or(|it| it.is_sound());
    if !operation.reveal.as_ref().is_none_or(reveal_is_sound) {
        return false;
    }
    match (operation.body, operation.lane) {
        (Body::Rotate { document, .. }, _) if document == Some(Patch::default()) => false,
        (Body::Rotate { change, .. }, Lane::Next(rank)) => {
            let reveal = operation.reveal.as_ref();
            change_is_sound(&change) && fits_next(usize::from(rank), reveal, &change)
        }
        (Body::Rotate { change, document }, _) => {
            change_is_sound(&change) && (!change.is_empty() || document.is_some())
        }
        (Body::Propose(Proposal::Control(change)), Lane::Rank(rank)) => {
            let rank = usize::from(rank);
            let apex = rank == 0 && (change.guardians.is_some() || change.delay.is_some());
            let upwards = change.ranks[..=rank].iter().any(Option::is_some);
            let foreign = rank > 0 && (change.guardians.is_some() || change.delay.is_some());
            change_is_sound(&change) && (apex || upwards || foreign)
        }
        (Body::Recover(rank), _) => rank_is_sound(&rank) && !rank.is_vacant(),
        (Body::UpdateDocument(patch), _) => patch != Patch::default(),
        _ => true,
    }
}

/// By next keys nothing fails in dispatch, so all that can be seen without the state is seen here.
fn fits_next(rank: usize, reveal: Option<&Reveal>, change: &Change) -> bool {
    let apex = change.guardians.is_some() || change.delay.is_some();
    let above = change.ranks[..rank].iter().any(Option::is_some) || (rank > 0 && apex);
    let set = |index: usize| {
        let set = change.ranks[index].map(|it| it.set);
        set.or(reveal.filter(|_| index == rank).map(|it| it.set))
    };
    !above && !shares_within(&std::array::from_fn(set))
}

/// Returns whether two of the ranks that an operation sets have a key in common.
fn shares_within(sets: &[Option<KeySet>; RANKS]) -> bool {
    let pair = |low: usize, high: usize| sets[low].zip(sets[high]);
    (0..RANKS).any(|low| {
        (0..low).any(|high| pair(low, high).is_some_and(|(one, other)| one.shares_with(&other)))
    })
}

fn check_lane(state: &State, at: &Context<'_>, submission: &Submission) -> Result<(), Refusal> {
    let operation = &submission.operation;
    let slot = at.rules.lane_slot(operation.lane);
    let head = state.lanes[slot];
    if operation.seq < head.next_seq {
        return Err(Refusal::Stale);
    }
    if operation.seq > head.next_seq {
        return Err(Refusal::Future);
    }
    if operation.prev != head.last {
        return Err(Refusal::ForkedLane);
    }
    let used = quota::today(state, at.rules, at.now).used[slot];
    if submission.carrier == Carrier::Bare && used >= at.rules.quotas[slot] {
        return Err(Refusal::OverQuota);
    }
    Ok(())
}

/// Returns the controller that acts, as it is now, if the operation names one.
fn acting(
    state: &State,
    at: &Context<'_>,
    operation: &Operation,
) -> Result<Option<State>, Refusal> {
    let Some(number) = operation.controller else {
        return Ok(None);
    };
    let bit = 1_u64.checked_shl(number.into()).unwrap_or(0);
    let found = at.others.iter().find(|(it, _)| *it == number);
    let other = found.map(|(_, it)| settled(it, at.rules, at.now).state);
    let other = other.filter(|it| it.is_active() && state.document.controllers & bit != 0);
    other.map(Some).ok_or(Refusal::NotController)
}

fn check_signers(
    state: &State,
    acting: Option<&State>,
    submission: &Submission,
) -> Result<(), Refusal> {
    let operation = &submission.operation;
    let signers = submission.signers;
    let policy = &state.policy;
    let good = match operation.lane {
        Lane::Rank(rank) => {
            let rank = &policy.ranks[usize::from(rank)];
            let cuts_off = matches!(operation.body, Body::SetNotBefore { .. });
            let able = !cuts_off || rank.may(capability::TOKENS_AND_GRANTS);
            able && is_quorum(&rank.set, signers)
        }
        Lane::Next(rank) => {
            let rank = usize::from(rank);
            let opened = operation.reveal.as_ref().filter(|it| {
                policy.ranks[rank].next == Some(it.set)
                    && !policy.ranks[..rank]
                        .iter()
                        .any(|above| above.set.shares_with(&it.set))
            });
            opened.is_some_and(|it| is_quorum(&it.set, signers))
        }
        Lane::Guardians => policy.guardians.is_some_and(|it| {
            let twice = it.set.weight(submission.repeated & signers);
            let all_known = signers & !it.set.keys == 0 && signers != 0;
            all_known && it.set.weight(signers) + twice >= u32::from(it.set.threshold)
        }),
        Lane::Documents => acts_on_document(acting.unwrap_or(state), operation, signers),
    };
    good.then_some(()).ok_or(Refusal::BadProof)
}

/// Returns whether all signers are of the set and reach its threshold.
const fn is_quorum(set: &KeySet, signers: Keys) -> bool {
    signers & !set.keys == 0 && set.reached_by(signers)
}

fn acts_on_document(state: &State, operation: &Operation, signers: Keys) -> bool {
    let needed = match operation.body {
        Body::SetNotBefore { .. } => capability::TOKENS_AND_GRANTS,
        _ => capability::DOCUMENT,
    };
    let mut ranks = state.policy.ranks.iter();
    ranks.any(|rank| rank.may(needed) && is_quorum(&rank.set, signers))
}

fn consume(state: &mut State, at: &Context<'_>, submission: &Submission) {
    let operation = &submission.operation;
    let slot = at.rules.lane_slot(operation.lane);
    state.lanes[slot] = LaneHead {
        next_seq: operation.seq.saturating_add(1),
        last: operation.id,
    };
    if submission.carrier == Carrier::Bare {
        let mut quota = quota::today(state, at.rules, at.now);
        quota.used[slot] = quota.used[slot].saturating_add(1);
        state.quota = quota;
    }
}

fn dispatch(state: &mut State, at: &Context<'_>, submission: &Submission) -> Result<(), Refusal> {
    let operation = &submission.operation;
    if let Lane::Next(rank) = operation.lane {
        let reveal = operation.reveal.as_ref().expect("the form was checked");
        by_next(state, at, usize::from(rank), reveal, operation);
        return Ok(());
    }
    match operation.body {
        Body::UpdateDocument(patch) => patch_document(state, &patch),
        Body::Rotate { change, document } => {
            let rank = operation.lane.rank().expect("the lane fits the body");
            rotate(state, at, rank, &change, document.as_ref())
        }
        Body::Propose(proposal) => {
            let rank = operation.lane.rank().expect("the lane fits the body");
            propose(state, at, operation.id, rank, &proposal)
        }
        Body::Recover(rank) => {
            let guardians = state.policy.guardians.ok_or(Refusal::BadProof)?;
            let effect = Effect::Recovery(rank);
            wait(state, at, operation.id, GUARDIANS, effect, guardians.delay)
        }
        Body::Cancel(id) => {
            let (slot, withdrawal) = cancellable(state, at, operation.lane, id)?;
            control::cancel(state, at.rules, slot, withdrawal, at.now);
            Ok(())
        }
        Body::Deactivate if state.policy.is_protected() => Err(Refusal::MustWait),
        Body::Deactivate => {
            deactivate(state, at.now);
            Ok(())
        }
        Body::SetNotBefore {
            at: time,
            bump_grant_epoch,
        } => set_not_before(state, at, time, bump_grant_epoch),
    }
}

/// What next keys sign never fails: what does not fit is skipped.
fn by_next(
    state: &mut State,
    at: &Context<'_>,
    rank: usize,
    reveal: &Reveal,
    operation: &Operation,
) {
    let mut change = Change::default();
    let mut patch = None;
    match operation.body {
        Body::Cancel(id) if !at.rules.flaws.cancel_after_reveal => {
            if let Ok((slot, withdrawal)) = cancellable(state, at, operation.lane, id) {
                control::cancel(state, at.rules, slot, withdrawal, at.now);
            }
        }
        Body::Rotate {
            change: also,
            document,
        } => {
            change = also;
            patch = document;
        }
        _ => {}
    }
    let may_document = state.policy.ranks[rank].may(capability::DOCUMENT);
    // The reveal comes first, and what shares its keys goes, whatever else the operation sets.
    let actor = Actor::Next(rank);
    control::apply(state, at.rules, actor, Some(reveal), &Change::default());
    if !change.is_empty() {
        control::apply(state, at.rules, actor, None, &change);
    }
    if let Some(patch) = patch.filter(|_| may_document) {
        patch_what_fits(state, &patch);
    }
    if let Body::Deactivate = operation.body {
        deactivate(state, at.now);
    }
}

fn rotate(
    state: &mut State,
    at: &Context<'_>,
    rank: usize,
    change: &Change,
    document: Option<&Patch>,
) -> Result<(), Refusal> {
    if let Some(refusal) = control::refusal_at_once(&state.policy, rank, change) {
        return Err(refusal);
    }
    if let Some(refusal) = control::shares_keys(at.rules, &state.policy, rank, change) {
        return Err(refusal);
    }
    if at.rules.flaws.key_in_two_ranks_refused
        && let Some(refusal) = control::shares_keys_anywhere(&state.policy, change)
    {
        return Err(refusal);
    }
    if document.is_some() && !state.policy.ranks[rank].may(capability::DOCUMENT) {
        return Err(Refusal::NoCapability);
    }
    if !change.is_empty() {
        control::apply(state, at.rules, Actor::Exposed(rank), None, change);
    }
    if let Some(patch) = document {
        patch_what_fits(state, patch);
    }
    Ok(())
}

fn propose(
    state: &mut State,
    at: &Context<'_>,
    id: OperationId,
    rank: usize,
    proposal: &Proposal,
) -> Result<(), Refusal> {
    let effect = match proposal {
        Proposal::Control(change) => {
            if rank > 0 && !state.policy.ranks[rank].may(capability::PROPOSE_UP) {
                return Err(Refusal::NoCapability);
            }
            if rank > 0 && (change.guardians.is_some() || change.delay.is_some()) {
                return Err(Refusal::NotAbove);
            }
            if let Some(refusal) = control::shares_keys(at.rules, &state.policy, rank, change) {
                return Err(refusal);
            }
            Effect::Control(Arc::new(*change))
        }
        _ if rank > 0 => return Err(Refusal::NotAbove),
        Proposal::Deactivation => Effect::Deactivation,
        Proposal::CancelRecovery(recovery) => {
            let pending = state.pending[GUARDIANS].as_ref();
            if pending.is_none_or(|it| it.id != *recovery) {
                return Err(Refusal::NoSuchPending);
            }
            Effect::Cancellation(*recovery)
        }
    };
    let delay = state.policy.delay;
    wait(state, at, id, proposer(rank), effect, delay)
}

/// Rules 1 to 4: makes a pending change, if the proposer may have one now.
fn wait(
    state: &mut State,
    at: &Context<'_>,
    id: OperationId,
    slot: Proposer,
    effect: Effect,
    delay: Time,
) -> Result<(), Refusal> {
    let rules = at.rules;
    if state.pending[slot].is_some() {
        return Err(Refusal::SlotTaken);
    }
    let overrides = matches!(effect, Effect::Cancellation(_))
        || (slot == proposer(0) && rules.flaws.proposal_of_rank0_displaces_recovery);
    if state.pending[..slot].iter().any(Option::is_some) && !overrides {
        return Err(Refusal::HigherPending);
    }
    let rest = state.cool_downs[slot];
    if rest.count > 0 {
        if at.now < rest.until {
            return Err(Refusal::CoolingDown);
        }
        let next = rules.cool_down(rest.count.saturating_add(1));
        if at.now >= rest.until.saturating_add(next) {
            state.cool_downs[slot] = CoolDown::default();
        }
    }
    if rules.flaws.proposal_of_rank0_displaces_recovery
        && slot == proposer(0)
        && !matches!(effect, Effect::Cancellation(_))
    {
        control::remove(state, rules, GUARDIANS);
    }
    for lower in slot + 1..state.pending.len() {
        control::remove(state, rules, lower);
    }
    state.pending[slot] = Some(Pending {
        id,
        proposed_at: at.now,
        effective_at: at.now.saturating_add(rules.clamped(delay)),
        effect,
    });
    Ok(())
}

/// Returns the change that a cancellation hits, and whether it is a withdrawal.
fn cancellable(
    state: &State,
    at: &Context<'_>,
    lane: Lane,
    id: OperationId,
) -> Result<(Proposer, bool), Refusal> {
    let slot = control::hits(at.rules, state, id).ok_or(Refusal::NoSuchPending)?;
    let resting = state.cool_downs[GUARDIANS].until > at.now;
    match lane {
        Lane::Guardians if at.rules.flaws.cool_down_stops_cancelling && resting => {
            Err(Refusal::CoolingDown)
        }
        Lane::Next(0) | Lane::Guardians => Ok((slot, lane == Lane::Guardians && slot == GUARDIANS)),
        Lane::Documents => Err(Refusal::WrongLane),
        Lane::Rank(0) if at.rules.flaws.exposed_keys_cancel_recovery && slot == GUARDIANS => {
            Ok((slot, false))
        }
        Lane::Rank(rank) | Lane::Next(rank) => {
            let rank = usize::from(rank);
            let own = proposer(rank);
            if slot < own {
                Err(Refusal::NotAbove)
            } else if slot == own {
                Ok((slot, matches!(lane, Lane::Rank(_))))
            } else if state.policy.ranks[rank].may(capability::CANCEL) {
                Ok((slot, false))
            } else {
                Err(Refusal::NoCapability)
            }
        }
    }
}

fn patch_document(state: &mut State, patch: &Patch) -> Result<(), Refusal> {
    let document = &state.document;
    if patch.retire & !document.methods != 0 {
        return Err(Refusal::NoSuchMethod);
    }
    if bits(patch.add).any(|it| document.is_used(it)) {
        return Err(Refusal::MethodUsed);
    }
    patch_what_fits(state, patch);
    Ok(())
}

fn patch_what_fits(state: &mut State, patch: &Patch) {
    let document = &mut state.document;
    for method in bits(patch.retire & document.methods) {
        document.retired.push((method, Retirement::Routine));
    }
    document.methods &= !patch.retire;
    for method in bits(patch.add)
        .filter(|it| !document.is_used(*it))
        .collect::<Vec<_>>()
    {
        document.methods |= 1 << method;
    }
    if let Some(controllers) = patch.controllers {
        document.controllers = controllers;
    }
}

fn bits(set: u64) -> impl Iterator<Item = u8> {
    (0..64).filter(move |it| set & (1 << it) != 0)
}

fn set_not_before(
    state: &mut State,
    at: &Context<'_>,
    time: Time,
    bump: bool,
) -> Result<(), Refusal> {
    if time < state.not_before {
        return Err(Refusal::NotMonotone);
    }
    if time > at.now {
        return Err(Refusal::InFuture);
    }
    state.not_before = time;
    state.grant_epoch = state.grant_epoch.saturating_add(u32::from(bump));
    Ok(())
}
