//! `UpdateDocument`: retirements, additions, replacements.

use allod_primitives::TimeMs;
use allod_primitives::document::{ActiveMethod, DocumentPatch, Method, RetireReason, Retirement};
use allod_primitives::limits::{METHOD_ALLOWANCE, METHOD_RESERVE, METHODS_MAX};
use allod_primitives::operation::Body;
use allod_primitives::policy::PolicyChange;

use super::harness::*;
use crate::did::{self, Error};

fn ledger_with_person() -> (Ledger, Person) {
    let mut ledger = Ledger::new();
    let mut person = Person::new(1);
    ledger.create(&mut person);
    (ledger, person)
}

/// Applies a patch bare; one that fails must leave document and retired methods alone.
fn update(ledger: &mut Ledger, person: &mut Person, patch: DocumentPatch) -> Result<(), Error> {
    let before = ledger.record(&person.did);
    let retired = did::retired_methods(&ledger.state, &person.did);
    let operation = person.documents(ledger, patch);
    match person.submit(ledger, &operation) {
        Ok(()) => Ok(()),
        Err(Refusal::Failed(error)) => {
            let after = ledger.record(&person.did);
            assert_eq!(after.document, before.document);
            assert_eq!(after.retired_count, before.retired_count);
            assert_eq!(did::retired_methods(&ledger.state, &person.did), retired);
            assert_eq!(after.log.count, before.log.count + 1, "failures are logged");
            assert_eq!(after.lanes.documents.last, operation.hash());
            Err(error)
        }
        Err(refusal) => panic!("{refusal:?}"),
    }
}

fn both(retire: DocumentPatch, add: DocumentPatch) -> DocumentPatch {
    DocumentPatch {
        add: add.add,
        ..retire
    }
}

#[test]
fn a_retired_method_keeps_its_interval_and_reason() {
    let (mut ledger, mut person) = ledger_with_person();
    ledger.wait(1000);
    let mut patch = retiring(&["login"]);
    patch.retire = vec![Retirement {
        fragment: text("login"),
        reason: RetireReason::CompromisedSince(START.plus_ms(500)),
    }]
    .try_into()
    .unwrap();
    assert_eq!(update(&mut ledger, &mut person, patch), Ok(()));
    let retired = did::retired(&ledger.state, &person.did, "login").unwrap();
    assert_eq!((retired.since, retired.until), (START, START.plus_ms(1000)));
    assert_eq!(
        retired.reason,
        RetireReason::CompromisedSince(TimeMs(START.0 + 500))
    );
    let by_key = did::retired_by_key(&ledger.state, &person.did, &method("x", 2).key);
    assert_eq!(by_key, Some(retired));
    let record = ledger.record(&person.did);
    assert_eq!(record.retired_count, 1);
    assert!(record.document.methods.is_empty());
    assert_eq!(record.updated, ledger.block.time);
}

#[test]
fn what_is_not_in_force_cannot_be_retired() {
    let (mut ledger, mut person) = ledger_with_person();
    let mut run = |patch| update(&mut ledger, &mut person, patch);
    assert_eq!(run(retiring(&["phone"])), Err(Error::NoSuchMethod));
    assert_eq!(run(retiring(&["login"])), Ok(()));
    assert_eq!(run(retiring(&["login"])), Err(Error::NoSuchMethod));
}

#[test]
fn a_compromise_lies_in_the_past() {
    let (mut ledger, mut person) = ledger_with_person();
    let since = |at| DocumentPatch {
        retire: vec![Retirement {
            fragment: text("login"),
            reason: RetireReason::CompromisedSince(at),
        }]
        .try_into()
        .unwrap(),
        ..DocumentPatch::default()
    };
    let future = since(START.plus_ms(1));
    assert_eq!(
        update(&mut ledger, &mut person, future),
        Err(Error::InFuture)
    );
    assert_eq!(update(&mut ledger, &mut person, since(START)), Ok(()));
}

#[test]
fn fragments_and_keys_are_used_once() {
    let (mut ledger, mut person) = ledger_with_person();
    let mut run = |patch| update(&mut ledger, &mut person, patch);
    assert_eq!(
        run(adding(&[method("login", 50)])),
        Err(Error::FragmentUsed)
    );
    assert_eq!(run(adding(&[method("phone", 2)])), Err(Error::KeyUsed));
    assert_eq!(
        run(adding(&[method("store", 50)])),
        Err(Error::FragmentUsed),
        "a service's"
    );
    let again = |fragment, seed| both(retiring(&["login"]), adding(&[method(fragment, seed)]));
    assert_eq!(
        run(again("login", 50)),
        Err(Error::FragmentUsed),
        "in the same patch"
    );
    assert_eq!(
        run(again("phone", 2)),
        Err(Error::KeyUsed),
        "in the same patch"
    );
    assert_eq!(run(again("phone", 50)), Ok(()));
    assert_eq!(
        run(adding(&[method("login", 51)])),
        Err(Error::FragmentUsed),
        "retired"
    );
    assert_eq!(
        run(adding(&[method("other", 2)])),
        Err(Error::KeyUsed),
        "retired"
    );
    assert_eq!(run(adding(&[method("other", 51)])), Ok(()));
}

#[test]
fn a_failed_operation_counts_against_the_quota() {
    let (mut ledger, mut person) = ledger_with_person();
    let failed = update(&mut ledger, &mut person, retiring(&["nothing"]));
    assert_eq!(failed, Err(Error::NoSuchMethod));
    assert_eq!(did::quota(&ledger.state, &person.did).unwrap().documents, 1);
}

#[test]
fn services_and_names_are_replaced_as_a_whole() {
    let (mut ledger, mut person) = ledger_with_person();
    let with = |fragment| DocumentPatch {
        services: Some(vec![service(fragment)].try_into().unwrap()),
        also_known_as: Some(vec![text("https://alice.example/")].try_into().unwrap()),
        controllers: Some(Vec::new().try_into().unwrap()),
        ..DocumentPatch::default()
    };
    let mut run = |patch| update(&mut ledger, &mut person, patch);
    assert_eq!(run(with("login")), Err(Error::FragmentUsed), "a method's");
    assert_eq!(run(with("mail")), Ok(()));
    assert_eq!(run(retiring(&["login"])), Ok(()));
    assert_eq!(
        run(with("login")),
        Err(Error::FragmentUsed),
        "a retired method's"
    );
    let mut swap = with("new");
    swap.add = vec![method("mail", 50)].try_into().unwrap();
    assert_eq!(
        run(swap),
        Ok(()),
        "the service that had the fragment goes in the same patch"
    );
    let document = ledger.record(&person.did).document;
    assert_eq!(document.services[0].fragment, text("new"));
    assert_eq!(document.also_known_as.len(), 1);
}

#[test]
fn a_document_holds_so_many_methods() {
    let (mut ledger, mut person) = ledger_with_person();
    let methods: Vec<Method> = (0..METHODS_MAX as u16)
        .map(|index| method(&format!("m{index:02}"), 100 + index))
        .collect();
    let mut run = |patch| update(&mut ledger, &mut person, patch);
    assert_eq!(run(adding(&methods)), Err(Error::TooManyMethods));
    assert_eq!(run(adding(&methods[1..])), Ok(()));
    assert_eq!(run(adding(&methods[..1])), Err(Error::TooManyMethods));
}

/// Uses up methods until `until` have been had.
fn use_up(ledger: &mut Ledger, person: &mut Person, until: u32) {
    let record = ledger.record(&person.did);
    let mut had = record.retired_count + record.document.methods.len() as u32;
    while had < until {
        let count = (METHODS_MAX - 1).min(until - had);
        let methods: Vec<Method> = (had..had + count)
            .map(|it| method(&format!("m{it:05}"), 100 + it as u16))
            .collect();
        let active = ledger.record(&person.did).document.methods;
        let active: Vec<&str> = active
            .iter()
            .map(|it| it.method.fragment.as_str())
            .collect();
        let operation = person.documents(ledger, both(retiring(&active), adding(&methods)));
        assert_eq!(ledger.batch(&[person.signed(&operation)]).unwrap(), []);
        person.took(&operation);
        had += count;
    }
}

/// Goal: what a thief of a lower key or a controller may use up leaves something for rank 0.
#[test]
fn only_rank_0_uses_up_the_last_methods_of_the_allowance() {
    let (mut ledger, mut person) = ledger_with_person();
    use_up(&mut ledger, &mut person, METHOD_ALLOWANCE - METHOD_RESERVE);
    let more = || adding(&[method("more", 50)]);
    let last = update(&mut ledger, &mut person, more());
    assert_eq!(last, Err(Error::TooManyMethods));
    let body = Body::Rotate {
        change: PolicyChange::default(),
        document: Some(more()),
    };
    let operation = person.control(&ledger, body);
    assert_eq!(person.submit(&mut ledger, &operation), Ok(()));
    let methods = ledger.record(&person.did).document.methods;
    let is_there = |it: &ActiveMethod| it.method.fragment.as_str() == "more";
    assert!(methods.iter().any(is_there));
}

#[test]
fn every_day_of_age_allows_one_method_more() {
    let (mut ledger, mut person) = ledger_with_person();
    use_up(&mut ledger, &mut person, METHOD_ALLOWANCE - METHOD_RESERVE);
    let mut add = |ledger: &mut Ledger, seed: u16| {
        let patch = adding(&[method(&format!("late{seed}"), seed)]);
        update(ledger, &mut person, patch)
    };
    assert_eq!(add(&mut ledger, 50), Err(Error::TooManyMethods));
    ledger.wait(DAY_MS);
    assert_eq!(add(&mut ledger, 50), Ok(()));
    assert_eq!(add(&mut ledger, 51), Err(Error::TooManyMethods));
}

#[test]
fn an_identity_whose_methods_are_used_up_can_still_end() {
    let (mut ledger, mut person) = ledger_with_person();
    use_up(&mut ledger, &mut person, METHOD_ALLOWANCE - METHOD_RESERVE);
    let end = person.control(&ledger, Body::Deactivate);
    assert_eq!(person.submit(&mut ledger, &end), Ok(()));
    let had = METHOD_ALLOWANCE - METHOD_RESERVE;
    assert_eq!(ledger.record(&person.did).retired_count, had);
}
