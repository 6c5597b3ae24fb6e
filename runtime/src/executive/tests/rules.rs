//! The rule table: what a decision takes, how long it waits, and who can stop it.

use allod_primitives::limits::{AMENDMENT_DELAY_MS_MIN, PROPOSALS_MAX, RULE_DELAY_MS_MAX};
use allod_primitives::{H256, PublicKey, TimeMs};
use parity_scale_codec::Encode;

use super::governance::failed;
use super::{Chain, DAY_MS, STEP_MS, config, harmless, propose, public, trustee, vote_for};
use crate::authority::types::{Action, ActionKind, Parameters, Rule, proposal_hash};
use crate::authority::{self, Error, Event};
use crate::frame::DispatchResult;
use crate::genesis::{GenesisConfig, GenesisError};
use crate::{RuntimeCall, RuntimeEvent};

const WAIT_MS: u64 = 10 * STEP_MS;

/// Admission waits ten seconds, everything else is as it comes.
fn waiting() -> GenesisConfig {
    let mut config = config();
    config.rules = vec![(ActionKind::SetAdmission, delay(WAIT_MS))];
    config
}

fn delay(delay_ms: u64) -> Rule {
    Rule {
        votes: None,
        delay_ms,
    }
}

fn votes(votes: u32, delay_ms: u64) -> Rule {
    Rule {
        votes: Some(votes),
        delay_ms,
    }
}

fn veto(proposal: u32) -> RuntimeCall {
    RuntimeCall::Authority(authority::Call::veto { proposal })
}

fn withdraw(proposal: u32) -> RuntimeCall {
    RuntimeCall::Authority(authority::Call::withdraw { proposal })
}

fn trustees(seeds: &[u8]) -> Vec<PublicKey> {
    let mut accounts: Vec<_> = seeds.iter().map(|seed| public(&trustee(*seed))).collect();
    accounts.sort_unstable();
    accounts
}

fn set_trustees(seeds: &[u8], threshold: u32) -> Action {
    Action::SetTrustees {
        accounts: trustees(seeds).try_into().unwrap(),
        threshold,
    }
}

fn set_rule(kind: ActionKind, rule: Rule) -> Action {
    Action::SetRule { kind, rule }
}

impl Chain {
    /// Makes an empty block at `time`; returns the events of governance in it.
    fn pass(&mut self, time: TimeMs) -> Vec<Event> {
        let built = self.build_at(time, Vec::new(), &super::BuildLimits::default());
        let events = built.executed.events.into_iter();
        let ours = events.filter_map(|record| match record.event {
            RuntimeEvent::Authority(event) => Some(event),
            _ => None,
        });
        ours.collect()
    }

    fn work_bits(&self) -> Option<u8> {
        authority::admission_policy(&self.state).work_bits
    }

    fn due(&self, number: u32) -> TimeMs {
        let found = authority::proposal(&self.state, number).expect("it waits");
        found.due.expect("it is approved")
    }
}

#[test]
fn a_vote_counts_only_for_what_the_proposal_says() {
    let mut chain = Chain::new();
    let expires = chain.next_time().plus_ms(DAY_MS);
    chain
        .decide(0, &propose(vec![harmless()], expires))
        .unwrap();
    let shown = vec![Action::SetAdmission {
        vouchers: false,
        work_bits: None,
    }];
    let (id, proposer) = (chain.id(), public(&trustee(0)));
    let other = proposal_hash(&id, 0, &proposer, &shown.try_into().unwrap(), expires);
    let refused = failed(Error::WrongProposal);
    assert_eq!(chain.decide(1, &vote_for(0, other)), refused);
    assert_eq!(chain.decide(1, &vote_for(0, H256::ZERO)), refused);
    let said = vec![harmless()].try_into().unwrap();
    let hash = proposal_hash(&id, 0, &proposer, &said, expires);
    let stored = authority::proposal(&chain.state, 0).unwrap();
    assert_eq!(stored.hash, hash);
    assert_eq!(chain.decide(1, &vote_for(0, hash)), Ok(()));
    // Every part of the content, and the chain, is in the hash.
    let elsewhere = allod_primitives::ChainId {
        fork_id: allod_primitives::ForkId(1),
        ..id
    };
    let others = [
        proposal_hash(&elsewhere, 0, &proposer, &said, expires),
        proposal_hash(&id, 1, &proposer, &said, expires),
        proposal_hash(&id, 0, &public(&trustee(1)), &said, expires),
        proposal_hash(&id, 0, &proposer, &said, expires.plus_ms(1)),
    ];
    assert!(!others.contains(&hash));
}

#[test]
fn a_proposal_is_withdrawn_by_its_proposer_alone() {
    let mut chain = Chain::with(&waiting());
    let expires = chain.next_time().plus_ms(DAY_MS);
    chain
        .decide(0, &propose(vec![harmless()], expires))
        .unwrap();
    assert_eq!(chain.decide(1, &withdraw(0)), failed(Error::NotProposer));
    assert_eq!(chain.decide(0, &withdraw(0)), Ok(()));
    assert_eq!(chain.by(1, 0), failed(Error::NotFound));
    assert_eq!(chain.decide(0, &withdraw(0)), failed(Error::NotFound));
    // What is approved is no longer its proposer's.
    chain
        .decide(0, &propose(vec![harmless()], expires))
        .unwrap();
    chain.by(1, 1).unwrap();
    assert_eq!(chain.decide(0, &withdraw(1)), failed(Error::NotFound));
}

#[test]
fn what_is_approved_waits_as_long_as_the_rule_says() {
    let mut chain = Chain::with(&waiting());
    assert_eq!(chain.carry_out(vec![harmless()]), Ok(()));
    let due = chain.due(0);
    assert_eq!(due, chain.head.digest.time.plus_ms(WAIT_MS));
    assert_eq!(chain.by(2, 0), failed(Error::NotFound), "voting is over");
    chain.pass(TimeMs(due.0 - 1));
    assert_eq!(chain.work_bits(), None);
    let events = chain.pass(due);
    assert_eq!(chain.work_bits(), Some(4));
    assert!(events.contains(&Event::Executed { proposal: 0 }));
    assert!(authority::proposal(&chain.state, 0).is_none());
    assert!(chain.pass(due.plus_ms(1)).is_empty());
}

#[test]
fn the_expiry_of_what_is_approved_no_longer_counts() {
    let mut chain = Chain::with(&waiting());
    let expires = chain.next_time().plus_ms(2 * STEP_MS);
    chain
        .decide(0, &propose(vec![harmless()], expires))
        .unwrap();
    chain.by(1, 0).unwrap();
    chain.pass(expires.plus_ms(1));
    assert_eq!(chain.work_bits(), None);
    chain.pass(chain.due(0));
    assert_eq!(chain.work_bits(), Some(4));
}

#[test]
fn vetoes_that_could_have_kept_it_from_approval_cancel_what_waits() {
    // Two of three approve, so two of three cancel.
    let mut chain = Chain::with(&waiting());
    let expires = chain.next_time().plus_ms(DAY_MS);
    chain
        .decide(0, &propose(vec![harmless()], expires))
        .unwrap();
    assert_eq!(chain.decide(2, &veto(0)), failed(Error::NotScheduled));
    chain.by(1, 0).unwrap();
    let due = chain.due(0);
    assert_eq!(chain.decide(2, &veto(7)), failed(Error::NotFound));
    assert_eq!(chain.decide(2, &veto(0)), Ok(()));
    assert_eq!(chain.decide(2, &veto(0)), failed(Error::AlreadyVoted));
    assert!(authority::proposal(&chain.state, 0).is_some());
    assert_eq!(chain.decide(0, &veto(0)), Ok(()), "one who voted for it");
    assert!(authority::proposal(&chain.state, 0).is_none());
    assert!(chain.pass(due).is_empty());
    assert_eq!(chain.work_bits(), None);

    // All three approve, so one cancels.
    let mut config = waiting();
    config.rules[0].1.votes = Some(3);
    let mut chain = Chain::with(&config);
    chain
        .decide(0, &propose(vec![harmless()], expires))
        .unwrap();
    chain.by(1, 0).unwrap();
    assert_eq!(chain.decide(2, &veto(0)), failed(Error::NotScheduled));
    chain.by(2, 0).unwrap();
    chain.decide(1, &veto(0)).unwrap();
    assert!(authority::schedule(&chain.state).due.is_empty());
}

#[test]
fn what_cannot_be_carried_out_when_due_leaves_nothing_but_an_event() {
    let mut chain = Chain::with(&waiting());
    let nobody = Action::RemoveObserver {
        peer_id: vec![1].try_into().unwrap(),
    };
    assert_eq!(chain.carry_out(vec![harmless(), nobody]), Ok(()));
    let events = chain.pass(chain.due(0));
    let error = Error::NotMember;
    assert_eq!(events, [Event::ExecutionFailed { proposal: 0, error }]);
    assert_eq!(chain.work_bits(), None);
    assert!(authority::proposal(&chain.state, 0).is_none());
}

#[test]
fn what_is_due_is_carried_out_in_order_and_a_few_in_each_block() {
    let mut chain = Chain::with(&waiting());
    let expires = chain.next_time().plus_ms(DAY_MS);
    let bits = |bits: u8| Action::SetAdmission {
        vouchers: true,
        work_bits: Some(bits),
    };
    for number in 0..10 {
        let call = propose(vec![bits(number as u8)], expires);
        chain.decide(0, &call).unwrap();
    }
    // Approved from the last to the first: 9 is due first.
    for number in (0..10).rev() {
        chain.by(1, number).unwrap();
    }
    let end = chain.due(0);
    let executed = |events: Vec<Event>| -> Vec<u32> {
        let numbers = events.into_iter().filter_map(|event| match event {
            Event::Executed { proposal } => Some(proposal),
            _ => None,
        });
        numbers.collect()
    };
    assert_eq!(executed(chain.pass(end)), [9, 8, 7, 6, 5, 4, 3, 2]);
    assert_eq!(chain.work_bits(), Some(2));
    assert_eq!(executed(chain.pass(end.plus_ms(1))), [1, 0]);
    assert_eq!(chain.work_bits(), Some(0));
}

#[test]
fn what_waits_counts_against_its_proposers_share() {
    let mut chain = Chain::with(&waiting());
    let share = PROPOSALS_MAX / 3;
    for _ in 0..share {
        assert_eq!(chain.carry_out(vec![harmless()]), Ok(()));
        let mut late = chain.due(authority::open_proposals(&chain.state).next - 1);
        late.0 -= 1;
        assert!(late > chain.head.digest.time);
        if authority::schedule(&chain.state).due.len() as u32 == share {
            break;
        }
        // Time stands almost still, so that nothing becomes due.
        let waiting = authority::schedule(&chain.state).due.len() as u64;
        assert!(waiting <= WAIT_MS / STEP_MS + 1);
        if waiting > 4 {
            break;
        }
    }
    let waiting = authority::schedule(&chain.state).due.len() as u32;
    let expires = chain.next_time().plus_ms(DAY_MS);
    let mut opened = 0;
    // Proposals of another kind do not wait, and stay open.
    let observer = Action::RemoveObserver {
        peer_id: vec![1].try_into().unwrap(),
    };
    let limits = super::BuildLimits::default();
    let last = loop {
        let nonce = crate::system::nonce(&chain.state, &public(&trustee(0)));
        let call = propose(vec![observer.clone()], expires);
        let extrinsic = chain.signed(&trustee(0), nonce, &call);
        let time = chain.head.digest.time.plus_ms(1);
        let built = chain.build_at(time, vec![extrinsic], &limits);
        match built.executed.results[1].outcome {
            Ok(()) => opened += 1,
            refused => break refused,
        }
    };
    assert_eq!(last, failed(Error::TooManyProposals));
    assert_eq!(opened + waiting, share);
}

#[test]
fn new_trustees_decide_anew_and_the_old_ones_no_longer() {
    let mut config = config();
    config.rules = vec![(ActionKind::SetParameters, delay(20 * DAY_MS))];
    let mut chain = Chain::with(&config);
    let expires = chain.next_time().plus_ms(20 * DAY_MS);
    let change = set_trustees(&[1, 2, 3, 4], 3);
    assert_eq!(chain.carry_out(vec![change]), Ok(()));
    let due = chain.due(0);
    assert_eq!(due, chain.head.digest.time.plus_ms(DAY_MS));
    // Another waits for longer than this one, with a veto of one who leaves; a third is open.
    let rule = set_rule(ActionKind::SetParameters, delay(5));
    assert_eq!(chain.carry_out(vec![rule]), Ok(()));
    chain.decide(0, &veto(1)).unwrap();
    let call = propose(vec![harmless()], expires);
    chain.decide(1, &call).unwrap();
    let events = chain.pass(due);
    assert!(events.contains(&Event::Closed { proposal: 2 }));
    assert!(authority::proposal(&chain.state, 2).is_none());
    let waits = authority::proposal(&chain.state, 1).unwrap();
    assert!(waits.vetoes.is_empty() && waits.votes.len() == 2);
    // The one who left may do nothing any more; three of four decide.
    let nonce = crate::system::nonce(&chain.state, &public(&trustee(0)));
    let call = chain.signed(&trustee(0), nonce, &veto(1));
    let refused = chain.validate(&call);
    assert_eq!(refused, Err(crate::frame::TransactionError::NoRole));
    chain
        .decide(1, &propose(vec![harmless()], expires))
        .unwrap();
    chain.by(2, 3).unwrap();
    assert_eq!(chain.work_bits(), None);
    chain.by(4, 3).unwrap();
    assert_eq!(chain.work_bits(), Some(4));
    // Four less three and one: two vetoes.
    chain.decide(1, &veto(1)).unwrap();
    chain.decide(3, &veto(1)).unwrap();
    assert!(authority::proposal(&chain.state, 1).is_none());
}

/// Proposes by trustee 0, approves by 1, waits until it is due; returns what it failed with.
fn amend(chain: &mut Chain, action: Action) -> DispatchResult {
    chain.carry_out(vec![action])?;
    let number = authority::open_proposals(&chain.state).next - 1;
    let due = chain.due(number);
    for event in chain.pass(due) {
        if let Event::ExecutionFailed { error, .. } = event {
            return failed(error);
        }
    }
    Ok(())
}

#[test]
fn no_amendment_leaves_a_kind_that_nobody_can_decide() {
    let mut chain = Chain::new();
    for (action, error) in [
        (set_trustees(&[], 1), Error::InvalidTrustees),
        (set_trustees(&[0, 1], 0), Error::Unsatisfiable),
        (set_trustees(&[0, 1], 3), Error::Unsatisfiable),
        (
            set_rule(ActionKind::SetRule, votes(4, DAY_MS)),
            Error::Unsatisfiable,
        ),
        (
            set_rule(ActionKind::SetAdmission, votes(0, 0)),
            Error::Unsatisfiable,
        ),
        (
            set_rule(ActionKind::SetRule, delay(AMENDMENT_DELAY_MS_MIN - 1)),
            Error::InvalidDelay,
        ),
        (
            set_rule(ActionKind::SetTrustees, delay(0)),
            Error::InvalidDelay,
        ),
        (
            set_rule(ActionKind::SetRegistrar, delay(RULE_DELAY_MS_MAX + 1)),
            Error::InvalidDelay,
        ),
    ] {
        assert_eq!(amend(&mut chain, action), failed(error));
    }
    let mut backwards = trustees(&[0, 1, 2]);
    backwards.reverse();
    let descending = Action::SetTrustees {
        accounts: backwards.try_into().unwrap(),
        threshold: 2,
    };
    assert_eq!(
        amend(&mut chain, descending),
        failed(Error::InvalidTrustees)
    );
    let weak = Action::SetTrustees {
        accounts: vec![PublicKey([0; 32])].try_into().unwrap(),
        threshold: 1,
    };
    assert_eq!(amend(&mut chain, weak), failed(Error::InvalidKey));
    // A fixed number of votes stays above what fewer trustees could reach: it must go first.
    let all = set_rule(ActionKind::SetAdmission, votes(3, 0));
    assert_eq!(amend(&mut chain, all), Ok(()));
    let fewer = set_trustees(&[0, 1], 2);
    assert_eq!(
        amend(&mut chain, fewer.clone()),
        failed(Error::Unsatisfiable)
    );
    let at_once = vec![set_rule(ActionKind::SetAdmission, delay(0)), fewer];
    let number = authority::open_proposals(&chain.state).next;
    chain.carry_out(at_once).unwrap();
    // The rule to be changed asks for three.
    assert!(authority::schedule(&chain.state).due.is_empty());
    chain.by(2, number).unwrap();
    chain.pass(chain.due(number));
    assert!(!authority::is_trustee(&chain.state, &public(&trustee(2))));
}

#[test]
fn a_rule_is_changed_by_as_many_and_as_late_as_it_protects() {
    let mut chain = Chain::new();
    let slow = set_rule(ActionKind::SetParameters, votes(3, 20 * DAY_MS));
    assert_eq!(amend(&mut chain, slow), Ok(()));
    let fast = vec![set_rule(ActionKind::SetParameters, votes(1, 0))];
    let expires = chain.next_time().plus_ms(DAY_MS);
    let number = authority::open_proposals(&chain.state).next;
    chain.decide(0, &propose(fast, expires)).unwrap();
    chain.by(1, number).unwrap();
    assert!(
        authority::schedule(&chain.state).due.is_empty(),
        "two do not do"
    );
    chain.by(2, number).unwrap();
    let wait = chain.due(number).0 - chain.head.digest.time.0;
    assert_eq!(wait, 20 * DAY_MS);
}

#[test]
fn parameters_change_within_bounds_and_not_at_once() {
    let mut chain = Chain::new();
    let present = authority::parameters(&chain.state);
    let set = |change: fn(&mut Parameters)| {
        let mut parameters = present;
        change(&mut parameters);
        Action::SetParameters { parameters }
    };
    let refused = failed(Error::InvalidParameters);
    for change in [
        (|it| it.version = 2) as fn(&mut Parameters),
        |it| it.block_spacing_ms = 49,
        |it| it.block_spacing_ms = 1_001,
        |it| it.heartbeat_ms_min = 6_000,
        |it| it.heartbeat_ms_max = 60_001,
        |it| it.validator_change_period_ms = 59_999,
        |it| it.validator_change_period_ms = 31 * DAY_MS,
        |it| it.control.delay_ms_min = 3_599_999,
        |it| it.control.delay_ms_min = 7 * DAY_MS + 1,
        |it| it.control.delay_ms_max = 7 * DAY_MS - 1,
        |it| it.control.delay_ms_max = 90 * DAY_MS + 1,
    ] {
        assert_eq!(amend(&mut chain, set(change)), refused);
    }
    let change = set(|it| it.control.delay_ms_min = 3_600_000);
    assert_eq!(amend(&mut chain, change), Ok(()));
    let control = authority::control_parameters(&chain.state);
    assert_eq!(control.clamp(0), 3_600_000);
    assert_eq!(control.clamp(u64::MAX), 30 * DAY_MS);
    assert_eq!(control.clamp(DAY_MS), DAY_MS);
}

#[test]
fn genesis_sets_rules_within_the_same_bounds() {
    let refused = |rules: Vec<(ActionKind, Rule)>| {
        let mut config = config();
        config.rules = rules;
        super::super::genesis(&config).expect_err("it cannot work")
    };
    for rules in [
        vec![(ActionKind::SetTrustees, delay(0))],
        vec![(ActionKind::SetAdmission, votes(4, 0))],
        vec![
            (ActionKind::SetAdmission, delay(0)),
            (ActionKind::SetAdmission, delay(1)),
        ],
    ] {
        assert_eq!(refused(rules), GenesisError::Rules);
    }
}

#[test]
fn kinds_have_their_actions_indices_and_names() {
    for (index, kind) in (0u8..).zip(ActionKind::ALL) {
        assert_eq!(kind.encode(), [index]);
        assert_eq!(ActionKind::from_name(kind.name()), Some(kind));
    }
    let action = set_trustees(&[1], 1);
    assert_eq!(action.encode()[0], action.kind().encode()[0]);
    let action = set_rule(ActionKind::SetRule, delay(0));
    assert_eq!(action.encode()[0], action.kind().encode()[0]);
    assert_eq!(harmless().encode()[0], harmless().kind().encode()[0]);
}
