//! `incept`: who may become an identity, and by whose word.

use allod_primitives::crypto::KeyError;
use allod_primitives::document::InitialDocument;
use allod_primitives::limits::VOUCHER_VALIDITY_MS_MAX;
use allod_primitives::operation::{Admission, Body, Lane, Operation, Payer, work_bits};
use allod_primitives::policy::{ControlKey, ControlPolicy, GuardianSet, Rank, WeightedKey};
use allod_primitives::{H256, PublicKey, TimeMs};

use super::harness::*;
use crate::did::{Call, Error};
use crate::frame::{Origin, PalletCall, TransactionError as E};

fn incept(ledger: &mut Ledger, person: &Person, admission: Admission) -> Result<(), E> {
    let operation = person.inception_operation(ledger.block.time);
    incept_as(ledger, person, &operation, admission)
}

fn incept_as(
    ledger: &mut Ledger,
    person: &Person,
    operation: &Operation,
    admission: Admission,
) -> Result<(), E> {
    let call = Call::incept {
        operation: person.signed(operation),
        admission,
    };
    let before = snapshot(ledger);
    let applied = ledger.apply(Origin::Bare, &call);
    if applied.is_err() {
        assert_eq!(
            before, ledger.state,
            "a refused inception changed the state"
        );
    }
    applied.map(|applied| assert_eq!(applied.result, Ok(())))
}

fn in_an_hour() -> TimeMs {
    START.plus_ms(3_600_000)
}

/// Incepts with a good voucher.
fn vouched(ledger: &mut Ledger, person: &Person) -> Result<(), E> {
    let admission = voucher(&registrar(), &person.did, in_an_hour());
    incept(ledger, person, admission)
}

fn refused_policy(policy: ControlPolicy) -> E {
    vouched(&mut Ledger::new(), &Person::with_policy(1, policy)).unwrap_err()
}

fn single(rank: Rank) -> ControlPolicy {
    ControlPolicy {
        ranks: vec![rank].try_into().unwrap(),
        guardians: None,
        delay_ms: allod_primitives::limits::CONTROL_DELAY_MS_DEFAULT,
    }
}

#[test]
fn a_voucher_admits_and_costs_the_registrar_one_item() {
    let mut ledger = Ledger::new();
    ledger.set_registrar(&public(&registrar()), 1);
    let person = Person::new(1);
    assert_eq!(vouched(&mut ledger, &person), Ok(()));
    let record = ledger.record(&person.did);
    assert_eq!(record.log.count, 1);
    assert_eq!(record.created, START);
    assert_eq!(record.lanes.ranks[0].next_seq, 1);
    assert_eq!(record.document.methods[0].since, START);
    assert_eq!(vouched(&mut ledger, &Person::new(3)), Err(E::OverBudget));
    ledger.wait(DAY_MS);
    let admission = voucher(&registrar(), &Person::new(3).did, ledger.block.time);
    assert_eq!(incept(&mut ledger, &Person::new(3), admission), Ok(()));
}

#[test]
fn an_identity_is_taken_in_once() {
    let mut ledger = Ledger::new();
    let person = Person::new(1);
    assert_eq!(vouched(&mut ledger, &person), Ok(()));
    assert_eq!(vouched(&mut ledger, &person), Err(E::AlreadyExists));
}

#[test]
fn vouchers_are_checked() {
    let mut ledger = Ledger::new();
    let person = Person::new(1);
    let mut with = |admission| incept(&mut ledger, &person, admission).unwrap_err();
    let did = person.did;
    assert_eq!(with(voucher(&key(5), &did, in_an_hour())), E::NotAdmitted);
    assert_eq!(
        with(voucher(&registrar(), &did, TimeMs(START.0 - 1))),
        E::Expired
    );
    let too_long = START.plus_ms(VOUCHER_VALIDITY_MS_MAX + 1);
    assert_eq!(with(voucher(&registrar(), &did, too_long)), E::ValidTooLong);
    let other = voucher(&registrar(), &Person::new(3).did, in_an_hour());
    assert_eq!(with(other), E::BadProof);
    ledger.set_admission(false, Some(8));
    assert_eq!(vouched(&mut ledger, &person), Err(E::NotAdmitted));
}

#[test]
fn work_admits_only_where_the_network_asks_for_it() {
    let mut ledger = Ledger::new();
    let person = Person::new(1);
    let done = |nonce: &u64| work_bits(&CHAIN, &person.did, *nonce) >= 8;
    let nonce = (0..).find(done).unwrap();
    let short = (0..).find(|nonce| !done(nonce)).unwrap();
    let with = |ledger: &mut Ledger, nonce| incept(ledger, &person, Admission::Work { nonce });
    assert_eq!(with(&mut ledger, short), Err(E::NotAdmitted));
    ledger.set_admission(true, None);
    assert_eq!(with(&mut ledger, nonce), Err(E::NotAdmitted));
    ledger.set_admission(true, Some(8));
    assert_eq!(with(&mut ledger, nonce), Ok(()));
}

#[test]
fn the_operation_around_an_inception_is_checked() {
    let mut ledger = Ledger::new();
    let person = Person::new(1);
    let mut refused = |change: &dyn Fn(&mut Operation)| {
        let mut operation = person.inception_operation(START);
        change(&mut operation);
        let admission = voucher(&registrar(), &operation.did, in_an_hour());
        incept_as(&mut ledger, &person, &operation, admission).unwrap_err()
    };
    assert_eq!(refused(&|op| op.did.0[5] ^= 1), E::IdMismatch);
    assert_eq!(refused(&|op| op.lane = Lane::Documents), E::Malformed);
    assert_eq!(refused(&|op| op.lane = Lane::Rank(1)), E::Malformed);
    assert_eq!(refused(&|op| op.lane_seq = 1), E::WrongLane);
    assert_eq!(refused(&|op| op.lane_prev = H256([1; 32])), E::ForkedLane);
    assert_eq!(
        refused(&|op| op.payer = Payer::Sponsor(public(&registrar()))),
        E::WrongPayer
    );
    assert_eq!(refused(&|op| op.genesis = H256([8; 32])), E::WrongNetwork);
    let update = |op: &mut Operation| op.body = Body::UpdateDocument(adding(&[method("a", 9)]));
    assert_eq!(refused(&update), E::Malformed);
    let update = |op: &mut Operation| {
        update(op);
        op.lane = Lane::Documents;
    };
    assert_eq!(refused(&update), E::Malformed);
    let guarded = |op: &mut Operation| op.controller = Some(op.did);
    assert_eq!(refused(&guarded), E::Malformed);
}

#[test]
fn rank_0_must_sign_its_own_inception() {
    let mut ledger = Ledger::new();
    let person = Person::new(1);
    let operation = person.inception_operation(START);
    let call = Call::incept {
        operation: signed(&operation, &[&key(2)]),
        admission: voucher(&registrar(), &person.did, in_an_hour()),
    };
    assert_eq!(ledger.apply(Origin::Bare, &call).unwrap_err(), E::BadProof);
    let origin = Origin::Signed(public(&registrar()));
    assert_eq!(ledger.apply(origin, &call).unwrap_err(), E::WrongOrigin);
    assert_eq!(call.signature_checks().len(), 2, "operation and voucher");
}

#[test]
fn broken_policies_are_malformed() {
    let mut threshold = rank(&[&key(1)], 2);
    assert_eq!(refused_policy(single(threshold.clone())), E::Malformed);
    threshold.threshold = 0;
    assert_eq!(refused_policy(single(threshold)), E::Malformed);
    let empty = ControlPolicy {
        ranks: vec![].try_into().unwrap(),
        guardians: None,
        delay_ms: allod_primitives::limits::CONTROL_DELAY_MS_DEFAULT,
    };
    assert_eq!(refused_policy(empty), E::Malformed);
}

#[test]
fn keys_anyone_can_sign_for_are_not_registered() {
    let mut identity_point = [0; 32];
    identity_point[0] = 1;
    // The identity point with the sign bit set: not canonical, and refused as not on the curve or
    // as not canonical before its order is looked at.
    let mut not_canonical = identity_point;
    not_canonical[31] = 0x80;
    let small = PublicKey(identity_point);
    assert_eq!(small.check_registrable(), Err(KeyError::SmallOrder));
    for bytes in [identity_point, not_canonical] {
        let mut rank = rank(&[&key(1)], 1);
        rank.keys = vec![WeightedKey {
            key: ControlKey::Ed25519(PublicKey(bytes)),
            weight: 1,
        }]
        .try_into()
        .unwrap();
        assert_eq!(refused_policy(single(rank)), E::Malformed);
    }
}

fn guardians() -> GuardianSet {
    GuardianSet {
        root: H256([1; 32]),
        count: 3,
        threshold: 1,
        delay_ms: DAY_MS,
    }
}

#[test]
fn an_identity_begins_with_ranks_commitments_and_guardians() {
    let mut first = rank(&[&key(1)], 1);
    first.next = Some(H256([1; 32]));
    let mut policy = single(first);
    policy.ranks = vec![
        policy.ranks[0].clone(),
        Rank::default(),
        rank(&[&key(2)], 1),
    ]
    .try_into()
    .unwrap();
    policy.guardians = Some(guardians());
    let person = Person::with_policy(1, policy.clone());
    let mut ledger = Ledger::new();
    assert_eq!(vouched(&mut ledger, &person), Ok(()));
    assert_eq!(ledger.record(&person.did).policy, policy);
}

#[test]
fn broken_guardians_delays_and_ranks_are_malformed() {
    let with = |change: &dyn Fn(&mut ControlPolicy)| {
        let mut policy = single(rank(&[&key(1)], 1));
        policy.guardians = Some(guardians());
        change(&mut policy);
        refused_policy(policy)
    };
    let guardians = |change: &dyn Fn(&mut GuardianSet)| {
        with(&|policy| change(policy.guardians.as_mut().unwrap()))
    };
    assert_eq!(guardians(&|it| it.threshold = 0), E::Malformed);
    assert_eq!(guardians(&|it| it.count = 0), E::Malformed);
    assert_eq!(guardians(&|it| it.count = 33), E::Malformed);
    assert_eq!(guardians(&|it| it.delay_ms = 3_599_999), E::Malformed);
    assert_eq!(with(&|it| it.delay_ms = 3_599_999), E::Malformed);
    assert_eq!(with(&|it| it.delay_ms = 90 * DAY_MS + 1), E::Malformed);
    let ranks = |ranks: Vec<Rank>| with(&|it| it.ranks = ranks.clone().try_into().unwrap());
    let first = rank(&[&key(1)], 1);
    let vacant = Rank::default();
    assert_eq!(ranks(vec![first.clone(), vacant.clone()]), E::Malformed);
    assert_eq!(ranks(vec![vacant, first.clone()]), E::Malformed);
    assert_eq!(ranks(vec![first.clone(), first]), E::Malformed);
}

#[test]
fn broken_inceptions_are_refused() {
    let mut ledger = Ledger::new();
    let document = InitialDocument {
        methods: vec![method("same", 2)].try_into().unwrap(),
        services: vec![service("same")].try_into().unwrap(),
        ..InitialDocument::default()
    };
    let policy = single(rank(&[&key(1)], 1));
    let person = Person::with_inception(1, policy.clone(), document);
    assert_eq!(vouched(&mut ledger, &person), Err(E::Malformed));
    let document = InitialDocument {
        methods: vec![method("b", 2), method("a", 3)].try_into().unwrap(),
        ..InitialDocument::default()
    };
    let person = Person::with_inception(1, policy, document);
    assert_eq!(vouched(&mut ledger, &person), Err(E::Malformed));
    let mut person = Person::new(1);
    person.inception.version = 2;
    person.did = person.inception.did_id();
    assert_eq!(vouched(&mut ledger, &person), Err(E::UnknownVersion));
}

#[test]
fn in_a_batch_the_registrar_is_the_admission() {
    let mut ledger = Ledger::new();
    ledger.set_admission(false, None);
    let mut person = Person::new(1);
    ledger.create(&mut person);
    let mut own = Person::new(3).inception_operation(START);
    own.payer = Payer::Own;
    let failed = ledger.batch(&[Person::new(3).signed(&own)]).unwrap();
    assert_eq!(failed, [(0, Error::WrongPayer)]);
}
