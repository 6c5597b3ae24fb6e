//! What trustees decide, and when it takes effect.

use allod_primitives::{Height, PublicKey, Text, TimeMs, ValidatorSet};
use parity_scale_codec::Encode;

use super::{
    Chain, DAY_MS, STEP_MS, config, harmless, key, propose, public, registrar, trustee, validator,
    vote,
};
use crate::RuntimeCall;
use crate::authority::storage::{OPEN_PROPOSALS, PROPOSALS, VALIDATORS};
use crate::authority::types::Action;
use crate::authority::{self, Error, PeerRole, Registrar};
use crate::frame::{DispatchError, DispatchResult};

impl Chain {
    /// Sends `call` by trustee `index` alone in a block; returns its outcome.
    pub(super) fn decide(&mut self, index: u8, call: &RuntimeCall) -> DispatchResult {
        let key = trustee(index);
        let nonce = crate::system::nonce(&self.state, &public(&key));
        let extrinsic = self.signed(&key, nonce, call);
        let built = self.build(vec![extrinsic]);
        assert!(built.rejected.is_empty(), "{:?}", built.rejected);
        built.executed.results[1].outcome
    }

    /// Votes by trustee `index` for what proposal `number` says; returns the outcome.
    pub(super) fn by(&mut self, index: u8, number: u32) -> DispatchResult {
        let vote = self.vote(number);
        self.decide(index, &vote)
    }

    /// Proposes by trustee 0 and votes by trustee 1 in the next block.
    pub(super) fn carry_out(&mut self, actions: Vec<Action>) -> DispatchResult {
        let expires = self.next_time().plus_ms(DAY_MS);
        let number = authority::open_proposals(&self.state).next;
        self.decide(0, &propose(actions, expires))?;
        let vote = self.vote(number);
        self.decide(1, &vote)
    }

    pub(super) fn sets(&self) -> (ValidatorSet, ValidatorSet) {
        authority::validator_sets(&self.state).expect("there are validators")
    }
}

pub(super) fn failed(error: Error) -> DispatchResult {
    Err(DispatchError::from(error))
}

fn replace(remove: Option<u8>, add: Option<u8>) -> Action {
    Action::ReplaceValidator {
        remove: remove.map(|seed| public(&key(seed))),
        add: add.map(validator),
    }
}

fn has(set: &ValidatorSet, seed: u8) -> bool {
    set.position(&public(&key(seed))).is_some()
}

#[test]
fn a_proposal_is_carried_out_at_the_threshold_and_not_before() {
    let mut chain = Chain::new();
    let expires = chain.next_time().plus_ms(DAY_MS);
    assert_eq!(chain.decide(0, &propose(vec![harmless()], expires)), Ok(()));
    assert_eq!(authority::admission_policy(&chain.state).work_bits, None);
    assert_eq!(chain.by(0, 0), failed(Error::AlreadyVoted));
    assert_eq!(authority::admission_policy(&chain.state).work_bits, None);
    assert_eq!(chain.by(2, 0), Ok(()));
    assert_eq!(authority::admission_policy(&chain.state).work_bits, Some(4));
    assert_eq!(chain.by(1, 0), failed(Error::NotFound));
    assert!(PROPOSALS.get(&chain.state, &0).is_none());
}

#[test]
fn a_proposal_expires() {
    let mut chain = Chain::new();
    let now = chain.next_time();
    let past = chain.decide(0, &propose(vec![harmless()], now));
    assert_eq!(past, failed(Error::Expired));
    let far = propose(vec![harmless()], now.plus_ms(40 * DAY_MS));
    assert_eq!(chain.decide(0, &far), failed(Error::ExpiryTooFar));
    let expires = chain.next_time().plus_ms(STEP_MS);
    assert_eq!(chain.decide(0, &propose(vec![harmless()], expires)), Ok(()));
    chain.empty_blocks(1);
    assert!(PROPOSALS.get(&chain.state, &0).is_some(), "its last moment");
    assert_eq!(chain.by(1, 0), failed(Error::NotFound));
    assert!(PROPOSALS.get(&chain.state, &0).is_none());
    let open = OPEN_PROPOSALS.get(&chain.state).unwrap();
    assert!(open.open.is_empty());
    assert_eq!(open.next, 1, "numbers never come back");
}

#[test]
fn proposals_open_at_once_are_bounded() {
    let mut chain = Chain::new();
    let expires = chain.next_time().plus_ms(DAY_MS);
    let propose_by = |chain: &mut Chain, index: u8| {
        let call = propose(vec![harmless()], expires);
        chain.decide(index, &call)
    };
    // Three trustees share 64 slots.
    for _ in 0..21 {
        assert_eq!(propose_by(&mut chain, 0), Ok(()));
    }
    let refused = failed(Error::TooManyProposals);
    assert_eq!(propose_by(&mut chain, 0), refused);
    assert_eq!(propose_by(&mut chain, 1), Ok(()), "others have their share");
    assert_eq!(chain.by(1, 5), Ok(()));
    assert_eq!(propose_by(&mut chain, 0), Ok(()), "a slot is free again");
    assert_eq!(propose_by(&mut chain, 0), refused);
    let empty = chain.decide(0, &propose(vec![], expires));
    assert_eq!(empty, failed(Error::Empty));
}

#[test]
fn a_replaced_validator_leaves_two_blocks_later() {
    let mut chain = Chain::new();
    let before = chain.sets().0;
    assert_eq!(chain.carry_out(vec![replace(Some(1), Some(5))]), Ok(()));
    let decided = chain.head.number;
    let (current, next) = chain.sets();
    assert_eq!(current, before, "the next block is still the old set's");
    assert!(has(&next, 5) && !has(&next, 1));
    let digest = chain.head.digest.clone();
    assert_eq!(digest.validator_set, before.hash());
    assert_eq!(digest.next_validator_set, before.hash());
    let peer = |chain: &Chain, seed: u8| {
        let role = PeerRole::Validator(public(&key(seed)));
        authority::peers(&chain.state)
            .iter()
            .any(|peer| peer.role == role)
    };
    assert!(
        peer(&chain, 1),
        "it must be reachable for the last block it certifies"
    );
    assert!(peer(&chain, 5), "and the new one before its first");

    chain.empty_blocks(1);
    let digest = chain.head.digest.clone();
    assert_eq!(digest.validator_set, before.hash());
    assert_eq!(digest.next_validator_set, next.hash());
    assert_eq!((digest.set_id, digest.set_since), (0, Height(0)));
    assert!(!peer(&chain, 1), "a removed validator's peer goes too");

    chain.empty_blocks(1);
    let digest = chain.head.digest.clone();
    assert_eq!(chain.head.number, decided.next().next());
    assert_eq!(digest.validator_set, next.hash());
    assert_eq!(digest.next_validator_set, next.hash());
    assert_eq!((digest.set_id, digest.set_since), (1, chain.head.number));
    assert_eq!(chain.sets(), (next.clone(), next));
}

#[test]
fn at_most_f_validators_change_in_a_period() {
    let mut chain = Chain::new();
    let period = config().parameters.validator_change_period_ms;
    let both = vec![replace(Some(1), Some(5)), replace(Some(2), Some(6))];
    assert_eq!(chain.carry_out(both), failed(Error::TooManyChanges));
    assert!(has(&chain.sets().1, 1), "all or nothing");
    assert_eq!(chain.carry_out(vec![replace(Some(1), Some(5))]), Ok(()));
    let changed = chain.head.digest.time;
    let again = chain.carry_out(vec![replace(Some(2), Some(6))]);
    assert_eq!(again, failed(Error::TooManyChanges));
    // The vote that failed can be cast again when the period is over.
    let time = TimeMs(changed.0 + period);
    let vote = chain.vote(2);
    let vote = chain.signed(&trustee(2), 0, &vote);
    let built = chain.build_at(time, vec![vote], &super::BuildLimits::default());
    assert_eq!(built.executed.results[1].outcome, Ok(()));
    assert!(has(&chain.sets().1, 6) && !has(&chain.sets().1, 2));
}

#[test]
fn seven_validators_let_two_change_at_once() {
    let mut genesis = config();
    genesis.validators = (1..=7).map(validator).collect();
    let mut chain = Chain::with(&genesis);
    let two = vec![replace(Some(1), Some(8)), replace(None, Some(10))];
    assert_eq!(chain.carry_out(two), Ok(()));
    assert_eq!(chain.sets().1.validators().len(), 8);
    let third = chain.carry_out(vec![replace(Some(2), None)]);
    assert_eq!(third, failed(Error::TooManyChanges));
    chain.empty_blocks(2);
    assert_eq!(chain.head.digest.set_id, 1, "one change of the set");
}

#[test]
fn the_set_is_never_left_empty_or_contradictory() {
    let mut genesis = config();
    genesis.validators.truncate(1);
    genesis.parameters.validator_change_period_ms = 0;
    let mut chain = Chain::with(&genesis);
    let refuse = |chain: &mut Chain, action: Action, error: Error| {
        let before = chain.sets();
        assert_eq!(chain.carry_out(vec![action]), failed(error));
        assert_eq!(chain.sets(), before);
        assert_eq!(VALIDATORS.values(&chain.state).len(), 1);
    };
    refuse(&mut chain, replace(Some(1), None), Error::InvalidSet);
    refuse(&mut chain, replace(None, None), Error::Empty);
    refuse(&mut chain, replace(Some(2), Some(3)), Error::NotMember);
    let mut info = validator(1);
    info.peer_id = vec![7; 38].try_into().unwrap();
    let twice = Action::ReplaceValidator {
        remove: None,
        add: Some(info),
    };
    refuse(&mut chain, twice, Error::AlreadyMember);
    for (power, error) in [(0, Error::InvalidPower), (1 << 33, Error::InvalidPower)] {
        let mut info = validator(2);
        info.power = power;
        let add = Action::ReplaceValidator {
            remove: None,
            add: Some(info),
        };
        refuse(&mut chain, add, error);
    }
    let mut weak = validator(2);
    weak.public_key = PublicKey([0; 32]);
    let mut taken = validator(2);
    taken.peer_id = validator(1).peer_id;
    let mut observer = validator(2);
    observer.peer_id = vec![9; 38].try_into().unwrap();
    for (info, error) in [
        (weak, Error::InvalidKey),
        (taken, Error::InvalidPeer),
        (observer, Error::InvalidPeer),
    ] {
        let add = Action::ReplaceValidator {
            remove: None,
            add: Some(info),
        };
        refuse(&mut chain, add, error);
    }
    // The only validator can be replaced, also by itself under another key.
    let mut rotated = validator(2);
    rotated.peer_id = validator(1).peer_id;
    let rotate = Action::ReplaceValidator {
        remove: Some(public(&key(1))),
        add: Some(rotated),
    };
    assert_eq!(chain.carry_out(vec![rotate]), Ok(()));
    chain.empty_blocks(1);
    assert_eq!(VALIDATORS.values(&chain.state).len(), 1);
}

#[test]
fn a_validator_added_and_removed_in_one_block_leaves_no_trace() {
    let mut genesis = config();
    genesis.parameters.validator_change_period_ms = 0;
    let mut chain = Chain::with(&genesis);
    let before = chain.sets();
    let actions = vec![replace(None, Some(5)), replace(Some(5), None)];
    assert_eq!(chain.carry_out(actions), Ok(()));
    assert_eq!(chain.sets(), before);
    assert_eq!(VALIDATORS.values(&chain.state).len(), 4);
    chain.empty_blocks(3);
    assert_eq!(chain.head.digest.set_id, 0);
}

#[test]
fn registrars_observers_and_admission_change_by_vote() {
    let mut chain = Chain::new();
    let account = public(&key(160));
    let set = |items_per_day| Action::SetRegistrar {
        account,
        items_per_day,
    };
    let nobody = chain.signed(&key(160), 0, &vote(0));
    assert_eq!(chain.carry_out(vec![set(5)]), Ok(()));
    let Some(Registrar { items_per_day, .. }) = authority::registrar(&chain.state, &account) else {
        panic!("no registrar");
    };
    assert_eq!(items_per_day, 5);
    assert_eq!(chain.carry_out(vec![set(0)]), Ok(()));
    assert!(!authority::is_registrar(&chain.state, &account));
    let refused = chain.validate(&nobody);
    assert_eq!(refused, Err(crate::frame::TransactionError::NoRole));

    let peer_id: authority::PeerId = vec![42; 38].try_into().unwrap();
    let admit = Action::AdmitObserver {
        peer_id: peer_id.clone(),
        address: Text::new("/dns/observer.example/tcp/1").unwrap(),
    };
    let is_peer = |chain: &Chain| {
        let peers = authority::peers(&chain.state);
        peers.iter().any(|peer| peer.peer_id == peer_id)
    };
    assert_eq!(chain.carry_out(vec![admit.clone()]), Ok(()));
    assert!(is_peer(&chain));
    assert_eq!(chain.carry_out(vec![admit]), failed(Error::InvalidPeer));
    let remove = Action::RemoveObserver {
        peer_id: peer_id.clone(),
    };
    assert_eq!(chain.carry_out(vec![remove.clone()]), Ok(()));
    assert!(!is_peer(&chain));
    assert_eq!(chain.carry_out(vec![remove]), failed(Error::NotMember));

    let work = Action::SetAdmission {
        vouchers: false,
        work_bits: Some(33),
    };
    assert_eq!(chain.carry_out(vec![work]), failed(Error::InvalidWork));
}

#[test]
fn a_lowered_budget_counts_what_was_used_today() {
    let mut chain = Chain::new();
    chain.build(vec![chain.incept(1), chain.incept(2)]);
    let action = Action::SetRegistrar {
        account: public(&registrar()),
        items_per_day: 3,
    };
    assert_eq!(chain.carry_out(vec![action]), Ok(()));
    let day = chain.head.digest.time.day();
    let left = authority::remaining_budget(&chain.state, &public(&registrar()), day);
    assert_eq!(left, 1);
}

#[test]
fn the_votes_of_a_proposal_are_bytes_a_client_can_send() {
    let hash = [9; 32];
    let encoded = super::vote_for(7, hash.into()).encode();
    assert_eq!(encoded, [[2, 2, 7, 0, 0, 0].as_slice(), &hash].concat());
    let call = propose(vec![replace(Some(1), None)], TimeMs(5)).encode();
    assert_eq!(&call[..5], &[2, 1, 4, 0, 1]);
    assert_eq!(call[37..], [0, 5, 0, 0, 0, 0, 0, 0, 0]);
}
