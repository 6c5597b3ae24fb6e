//! `submit`: binding, payer, form, lane, sequence, quota, signers.

use allod_primitives::limits::{OPERATION_VALIDITY_MS_MAX, QUOTA_DOCUMENTS_PER_DAY};
use allod_primitives::operation::{
    Body, KeySignature, Lane, Operation, Payer, ProposedChange, SignatureProof, SignedOperation,
};
use allod_primitives::policy::{Capabilities, ControlKey, ControlPolicy};
use allod_primitives::{ForkId, H256, PublicKey, Signature};

use super::harness::*;
use crate::RuntimeEvent;
use crate::did::{self, Call, operation_tag};
use crate::frame::{Origin, PalletCall, TransactionError as E};

/// A ledger and someone on it.
fn ledger_with_person() -> (Ledger, Person) {
    let mut ledger = Ledger::new();
    let mut person = Person::new(1);
    ledger.create(&mut person);
    (ledger, person)
}

fn refused(ledger: &mut Ledger, operation: &SignedOperation) -> E {
    let before = snapshot(ledger);
    let result = ledger.submit(operation);
    assert_eq!(
        before, ledger.state,
        "a refused operation changed the state"
    );
    match result {
        Err(Refusal::Invalid(error)) => error,
        other => panic!("not refused: {other:?}"),
    }
}

/// Changes the next document operation, signs it and returns why it is refused.
fn refused_if(change: impl FnOnce(&mut Operation)) -> E {
    let (mut ledger, person) = ledger_with_person();
    let mut operation = person.documents(&ledger, adding(&[method("phone", 50)]));
    change(&mut operation);
    refused(&mut ledger, &person.signed(&operation))
}

#[test]
fn a_tag_names_identity_lane_and_number() {
    let (_, person) = ledger_with_person();
    let other = Person::new(2);
    let lanes = [Lane::Rank(0), Lane::Rank(1), Lane::Next(0), Lane::Guardians];
    let mut tags = Vec::new();
    for did in [person.did, other.did] {
        for lane in lanes {
            tags.extend([0, 1].map(|seq| operation_tag(&did, lane, seq)));
        }
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 16);
}

#[test]
fn an_operation_in_turn_is_taken_and_logged() {
    let (mut ledger, person) = ledger_with_person();
    let operation = person.documents(&ledger, adding(&[method("phone", 50)]));
    let call = Call::submit {
        operation: person.signed(&operation),
    };
    let applied = ledger.apply(Origin::Bare, &call).unwrap();
    assert_eq!(applied.result, Ok(()));
    let tag = operation_tag(&person.did, Lane::Documents, 0);
    assert_eq!(applied.validity.provides, [tag]);
    let record = ledger.record(&person.did);
    assert_eq!(record.log.count, 2);
    assert_eq!(record.lanes.documents.last, operation.hash());
    let [RuntimeEvent::Did(did::Event::Logged { entry, .. }), second] = &applied.events[..] else {
        panic!("{:?}", applied.events);
    };
    assert_eq!(entry.n, 1);
    assert_eq!(entry.record_hash, record.content_hash());
    let updated = did::Event::DocumentUpdated { did: person.did };
    assert_eq!(*second, RuntimeEvent::Did(updated));
}

#[test]
fn operations_for_elsewhere_are_refused() {
    assert_eq!(refused_if(|op| op.version = 2), E::UnknownVersion);
    assert_eq!(refused_if(|op| op.genesis.0[0] ^= 1), E::WrongNetwork);
    assert_eq!(refused_if(|op| op.fork_id = ForkId(1)), E::WrongFork);
}

#[test]
fn validity_is_checked_to_the_millisecond() {
    let latest = START.plus_ms(OPERATION_VALIDITY_MS_MAX);
    assert_eq!(refused_if(|op| op.valid_until.0 = START.0 - 1), E::Expired);
    let too_long = |op: &mut Operation| op.valid_until = latest.plus_ms(1);
    assert_eq!(refused_if(too_long), E::ValidTooLong);
    for until in [START, latest] {
        let (mut ledger, mut person) = ledger_with_person();
        let mut operation = person.documents(&ledger, adding(&[method("phone", 50)]));
        operation.valid_until = until;
        assert_eq!(person.submit(&mut ledger, &operation), Ok(()));
    }
}

#[test]
fn a_sponsored_operation_is_refused_bare() {
    let sponsor = Payer::Sponsor(public(&registrar()));
    assert_eq!(refused_if(|op| op.payer = sponsor), E::WrongPayer);
}

#[test]
fn a_signed_extrinsic_is_no_submission() {
    let (mut ledger, person) = ledger_with_person();
    let operation = person.documents(&ledger, adding(&[method("phone", 50)]));
    let call = Call::submit {
        operation: person.signed(&operation),
    };
    let origin = Origin::Signed(public(&registrar()));
    assert_eq!(ledger.apply(origin, &call).unwrap_err(), E::WrongOrigin);
}

#[test]
fn unknown_and_deactivated_identities_are_refused() {
    assert_eq!(refused_if(|op| op.did.0[0] ^= 1), E::NotFound);
    let (mut ledger, mut person) = ledger_with_person();
    let end = person.control(&ledger, Body::Deactivate);
    person.submit(&mut ledger, &end).unwrap();
    let operation = person.documents(&ledger, adding(&[method("phone", 50)]));
    assert_eq!(
        refused(&mut ledger, &person.signed(&operation)),
        E::Deactivated
    );
}

#[test]
fn a_lane_takes_only_what_fits_it() {
    for lane in [Lane::Rank(0), Lane::Rank(9), Lane::Guardians] {
        assert_eq!(refused_if(|op| op.lane = lane), E::Malformed);
    }
    let (mut ledger, person) = ledger_with_person();
    let mut refuse = |lane, body| {
        let operation = person.operation(START, lane, body);
        refused(&mut ledger, &person.signed(&operation))
    };
    let rotation = || rotation(Some(rank(&[&key(3)], 1)));
    let propose = || Body::Propose(ProposedChange::Deactivation);
    let recover = || Body::Recover {
        rank: rank(&[&key(3)], 1),
    };
    let cancel = || Body::Cancel {
        pending: H256::ZERO,
    };
    let cut_off = || Body::SetNotBefore {
        not_before: START,
        bump_grant_epoch: false,
    };
    for lane in [Lane::Documents, Lane::Rank(4), Lane::Next(4)] {
        assert_eq!(refuse(lane, rotation()), E::Malformed);
        assert_eq!(refuse(lane, Body::Deactivate), E::Malformed);
        assert_eq!(refuse(lane, propose()), E::Malformed);
        assert_eq!(refuse(lane, recover()), E::Malformed);
        assert_eq!(refuse(lane, cancel()), E::Malformed);
    }
    assert_eq!(refuse(Lane::Rank(1), Body::Deactivate), E::Malformed);
    assert_eq!(refuse(Lane::Next(1), Body::Deactivate), E::Malformed);
    for body in [Body::Deactivate, propose(), rotation(), cut_off()] {
        assert_eq!(refuse(Lane::Guardians, body), E::Malformed);
    }
    for body in [propose(), recover(), cut_off()] {
        assert_eq!(refuse(Lane::Next(0), body), E::Malformed);
    }
    assert_eq!(refuse(Lane::Rank(0), recover()), E::Malformed);
    assert_eq!(refuse(Lane::Rank(4), cut_off()), E::Malformed);
    assert_eq!(refuse(Lane::Rank(1), rotation()), E::BadProof, "no rank 1");
}

#[test]
fn an_inception_is_no_submission_and_an_empty_patch_nothing() {
    let (mut ledger, person) = ledger_with_person();
    let inception = person.signed(&person.inception_operation(START));
    assert_eq!(refused(&mut ledger, &inception), E::Malformed);
    let empty = |op: &mut Operation| op.body = Body::UpdateDocument(adding(&[]));
    assert_eq!(refused_if(empty), E::Malformed);
    let unsorted = adding(&[method("b", 50), method("a", 51)]);
    let unsorted = |op: &mut Operation| op.body = Body::UpdateDocument(unsorted);
    assert_eq!(refused_if(unsorted), E::Malformed);
}

#[test]
fn sequence_numbers_come_in_turn() {
    let (mut ledger, mut person) = ledger_with_person();
    let first = person.documents(&ledger, adding(&[method("a", 50)]));
    person.submit(&mut ledger, &first).unwrap();
    assert_eq!(refused(&mut ledger, &person.signed(&first)), E::Stale);
    let mut forked = person.documents(&ledger, adding(&[method("b", 51)]));
    forked.lane_prev = H256([1; 32]);
    assert_eq!(refused(&mut ledger, &person.signed(&forked)), E::ForkedLane);
}

#[test]
fn one_can_sign_ahead_but_not_beyond_a_day() {
    let (ledger, mut person) = ledger_with_person();
    let first = person.documents(&ledger, adding(&[method("a", 50)]));
    person.took(&first);
    let mut second = person.documents(&ledger, adding(&[method("b", 51)]));
    let call = |operation: &Operation| Call::submit {
        operation: person.signed(operation),
    };
    let validity = ledger.validate(&call(&second)).unwrap();
    let tag = |seq| operation_tag(&person.did, Lane::Documents, seq);
    assert_eq!(validity.requires, [tag(0)]);
    assert_eq!(validity.provides, [tag(1)]);
    second.lane_seq = u64::from(QUOTA_DOCUMENTS_PER_DAY) - 1;
    assert!(ledger.validate(&call(&second)).is_ok());
    second.lane_seq += 1;
    assert_eq!(ledger.validate(&call(&second)), Err(E::Future));
    second.lane_seq = u64::MAX;
    assert_eq!(ledger.validate(&call(&second)), Err(E::Future));
}

#[test]
fn the_quota_of_a_lane_ends_with_the_day() {
    let (mut ledger, mut person) = ledger_with_person();
    for index in 0..QUOTA_DOCUMENTS_PER_DAY {
        let patch = if index % 2 == 0 {
            adding(&[method(&format!("m{index}"), 100 + index)])
        } else {
            retiring(&[&format!("m{}", index - 1)])
        };
        let operation = person.documents(&ledger, patch);
        person.submit(&mut ledger, &operation).unwrap();
    }
    let operation = person.documents(&ledger, adding(&[method("more", 50)]));
    assert_eq!(
        refused(&mut ledger, &person.signed(&operation)),
        E::OverQuota
    );
    let rotate = person.control(&ledger, rotation(Some(rank(&[&person.key], 1))));
    assert_eq!(person.submit(&mut ledger, &rotate), Ok(()), "another lane");
    ledger.wait(DAY_MS);
    let operation = person.documents(&ledger, adding(&[method("more", 50)]));
    assert_eq!(person.submit(&mut ledger, &operation), Ok(()));
    assert_eq!(did::quota(&ledger.state, &person.did).unwrap().documents, 1);
}

#[test]
fn signatures_must_verify_and_signers_must_be_known() {
    let (mut ledger, person) = ledger_with_person();
    let operation = person.documents(&ledger, adding(&[method("phone", 50)]));
    let stranger = key(77);
    for keys in [&[][..], &[&stranger], &[&person.key, &stranger]] {
        assert_eq!(refused(&mut ledger, &signed(&operation, keys)), E::BadProof);
    }
    let good = person.signed(&operation);
    let mut other = operation.clone();
    other.valid_until = other.valid_until.plus_ms(1);
    let stolen = SignedOperation {
        operation: other,
        signatures: good.signatures,
    };
    assert_eq!(refused(&mut ledger, &stolen), E::BadProof);
}

#[test]
fn signers_are_sorted_unique_and_of_their_type() {
    let (mut ledger, person) = ledger_with_person();
    let operation = person.documents(&ledger, adding(&[method("phone", 50)]));
    let good = person.signed(&operation);
    let mut refuse = |list: Vec<KeySignature>| {
        let signed = SignedOperation {
            operation: operation.clone(),
            signatures: list.try_into().unwrap(),
        };
        refused(&mut ledger, &signed)
    };
    let one = good.signatures[0].clone();
    assert_eq!(refuse(vec![one.clone(), one.clone()]), E::Malformed);
    let mut wrong_type = one;
    wrong_type.proof = SignatureProof::P256([0; 64]);
    assert_eq!(refuse(vec![wrong_type.clone()]), E::Malformed);
    wrong_type.key = ControlKey::P256([2; 33]);
    assert_eq!(refuse(vec![wrong_type]), E::BadProof);
}

#[test]
fn weights_must_reach_the_threshold() {
    let keys = [key(1), key(2), key(3)];
    let mut shared = rank(&[&keys[0], &keys[1], &keys[2]], 2);
    shared.capabilities = Capabilities::DOCUMENT;
    let policy = ControlPolicy {
        ranks: vec![shared].try_into().unwrap(),
        guardians: None,
        delay_ms: allod_primitives::limits::CONTROL_DELAY_MS_DEFAULT,
    };
    let mut ledger = Ledger::new();
    let mut person = Person::with_policy(1, policy);
    let inception = person.inception_operation(START);
    let by_two = signed(&inception, &[&keys[0], &keys[2]]);
    assert_eq!(
        ledger.batch(&[person.signed(&inception)]).unwrap(),
        [(0, did::Error::BadProof)]
    );
    assert_eq!(ledger.batch(&[by_two]).unwrap(), []);
    person.took(&inception);
    let operation = person.documents(&ledger, adding(&[method("phone", 50)]));
    assert_eq!(
        refused(&mut ledger, &person.signed(&operation)),
        E::BadProof
    );
    assert_eq!(
        ledger.submit(&signed(&operation, &[&keys[1], &keys[2]])),
        Ok(())
    );
    let log_out = Body::SetNotBefore {
        not_before: START,
        bump_grant_epoch: false,
    };
    person.took(&operation);
    let operation = person.operation(START, Lane::Documents, log_out);
    let all = signed(&operation, &[&keys[0], &keys[1], &keys[2]]);
    assert_eq!(
        refused(&mut ledger, &all),
        E::BadProof,
        "without the capability"
    );
}

#[test]
fn the_checks_for_batch_verification_are_those_that_are_made() {
    let (ledger, person) = ledger_with_person();
    let operation = person.documents(&ledger, adding(&[method("phone", 50)]));
    let call = Call::submit {
        operation: person.signed(&operation),
    };
    let checks = call.signature_checks();
    let [(key, message, signature)] = &checks[..] else {
        panic!("{checks:?}");
    };
    assert_eq!(*key, public(&person.key));
    assert_eq!(key.verify(message, signature), Ok(()));
    assert_eq!(call.items(), 1);
}

#[test]
fn oversized_operations_are_refused() {
    let services: Vec<_> = (0..16)
        .map(|index| {
            let mut service = service(&format!("s{index:02}"));
            let endpoint = text(&format!("https://{}/", "a".repeat(247)));
            service.endpoints = vec![endpoint; 4].try_into().unwrap();
            service
        })
        .collect();
    let mut patch = adding(&[]);
    patch.services = Some(services.try_into().unwrap());
    let names: Vec<_> = (0..8)
        .map(|i| text(&format!("x:{i}{}", "b".repeat(250))))
        .collect();
    patch.also_known_as = Some(names.try_into().unwrap());
    assert_eq!(
        refused_if(|op| op.body = Body::UpdateDocument(patch)),
        E::Malformed
    );
}

#[test]
fn zip_215_tolerates_what_registration_refuses() {
    // The identity point signs everything under ZIP-215, but is no key of the policy.
    let mut point = [0; 32];
    point[0] = 1;
    let (mut ledger, person) = ledger_with_person();
    let operation = person.documents(&ledger, adding(&[method("phone", 50)]));
    let mut signature = [0; 64];
    signature[0] = 1;
    let list = vec![KeySignature {
        key: ControlKey::Ed25519(PublicKey(point)),
        proof: SignatureProof::Ed25519(Signature(signature)),
        leaf: None,
    }];
    let signed = SignedOperation {
        operation,
        signatures: list.try_into().unwrap(),
    };
    assert_eq!(refused(&mut ledger, &signed), E::BadProof);
}
