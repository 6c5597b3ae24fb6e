//! A freeze: who can set it, how long it lasts, and what it leaves alone.

use allod_primitives::limits::FREEZE_MS_MAX;
use allod_primitives::log::LogKind;
use allod_primitives::{DidId, H256, Text, TimeMs};

use super::governance::failed;
use super::{Chain, DAY_MS, STEP_MS};
use crate::authority::types::Action;
use crate::authority::{Error, proposal};
use crate::{RuntimeEvent, did};

fn freeze(did: DidId, reason: &str, until: TimeMs) -> Action {
    Action::FreezeIdentity {
        did,
        reason: Text::new(reason).unwrap(),
        until,
    }
}

impl Chain {
    fn identity(&mut self, seed: u8) -> DidId {
        let did = self.inception(seed).operation.did;
        self.build(vec![self.incept(seed)]);
        assert!(did::record(&self.state, &did).is_some());
        did
    }
}

#[test]
fn a_freeze_is_logged_under_its_proposal_and_ends_by_itself() {
    let mut chain = Chain::new();
    let did = chain.identity(7);
    let before = did::record(&chain.state, &did).unwrap();
    let until = chain.next_time().plus_ms(DAY_MS);
    let expires = chain.next_time().plus_ms(DAY_MS);
    let call = super::propose(vec![freeze(did, "stolen phone", until)], expires);
    chain.decide(0, &call).unwrap();
    let hash = proposal(&chain.state, 0).unwrap().hash;
    let nonce = crate::system::nonce(&chain.state, &super::public(&super::trustee(1)));
    let vote = chain.vote(0);
    let vote = chain.signed(&super::trustee(1), nonce, &vote);
    let built = chain.build(vec![vote]);
    let record = did::record(&chain.state, &did).unwrap();
    assert!(record.is_frozen_at(TimeMs(until.0 - 1)));
    assert!(!record.is_frozen_at(until));
    let entries = built
        .executed
        .events
        .iter()
        .filter_map(|it| match &it.event {
            RuntimeEvent::Did(did::Event::Logged { did: of, entry, .. }) if *of == did => {
                Some(*entry)
            }
            _ => None,
        });
    let entries: Vec<_> = entries.collect();
    let [entry] = entries.as_slice() else {
        panic!("one entry, not {entries:?}")
    };
    assert_eq!(entry.kind, LogKind::Governance);
    assert_eq!(entry.operation_hash, hash);
    assert_eq!(entry.signatures_hash, H256::ZERO);
    assert_eq!(entry.record_hash, record.content_hash());
    assert_eq!(record.log, before.log.append(entry));
    assert_eq!(record.updated, chain.head.digest.time);
    // Nothing else of the record changed.
    let mut same = record.clone();
    same.frozen = None;
    same.updated = before.updated;
    same.log = before.log;
    assert_eq!(same, before);
    did::invariants::check(&chain.state).unwrap();
}

#[test]
fn a_freeze_needs_an_identity_a_reason_and_a_near_end() {
    let mut chain = Chain::new();
    let did = chain.identity(7);
    let until = chain.next_time().plus_ms(DAY_MS);
    let unknown = freeze(DidId([9; 32]), "why", until);
    let refused = chain.carry_out(vec![unknown]);
    assert_eq!(refused, failed(Error::UnknownIdentity));
    let invalid = failed(Error::InvalidFreeze);
    assert_eq!(chain.carry_out(vec![freeze(did, "", until)]), invalid);
    let now = TimeMs(chain.next_time().0 + STEP_MS);
    assert_eq!(chain.carry_out(vec![freeze(did, "why", now)]), invalid);
    let far = chain.next_time().plus_ms(FREEZE_MS_MAX + STEP_MS + 1);
    assert_eq!(chain.carry_out(vec![freeze(did, "why", far)]), invalid);
    let last = chain.next_time().plus_ms(FREEZE_MS_MAX + STEP_MS);
    assert_eq!(chain.carry_out(vec![freeze(did, "why", last)]), Ok(()));
}

#[test]
fn a_freeze_is_taken_away_once() {
    let mut chain = Chain::new();
    let did = chain.identity(7);
    let thaw = Action::UnfreezeIdentity { did };
    let refused = chain.carry_out(vec![thaw.clone()]);
    assert_eq!(refused, failed(Error::NotFrozen));
    let until = chain.next_time().plus_ms(DAY_MS);
    chain.carry_out(vec![freeze(did, "why", until)]).unwrap();
    assert_eq!(chain.carry_out(vec![thaw.clone()]), Ok(()));
    let record = did::record(&chain.state, &did).unwrap();
    assert_eq!(record.frozen, None);
    assert_eq!(record.log.count, 3);
    assert_eq!(chain.carry_out(vec![thaw]), failed(Error::NotFrozen));
}
