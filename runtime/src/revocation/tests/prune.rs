//! Forgetting: after expiry and leeway, earliest first, a bounded number at a time.

use allod_primitives::limits::{PRUNED_PER_BLOCK_MAX, TOKEN_LEEWAY_S};

use super::{ledger_with_person, operation, signed};
use crate::did::tests::harness::*;
use crate::frame::Origin;
use crate::revocation::storage::{EXPIRIES, TAGS};
use crate::revocation::{Call, invariants, revocation};

#[test]
fn a_revocation_outlives_its_token_by_the_leeway() {
    let (mut ledger, person) = ledger_with_person();
    let operation = operation(&ledger, &person, "a");
    let call = Call::revoke {
        operation: signed(&operation, &[&person.key]),
    };
    ledger.apply(Origin::Bare, &call).unwrap();
    ledger.wait((3600 + TOKEN_LEEWAY_S) * 1000);
    assert!(revocation(&ledger.state, &operation.tag()).is_some());
    ledger.wait(1000);
    assert_eq!(revocation(&ledger.state, &operation.tag()), None);
}

#[test]
fn a_block_forgets_a_bounded_number_earliest_first() {
    let (mut ledger, person) = ledger_with_person();
    let count = PRUNED_PER_BLOCK_MAX as usize + 1;
    let items: Vec<_> = (0..count)
        .map(|index| {
            let mut operation = operation(&ledger, &person, &format!("{index}"));
            operation.exp += count as u64 - index as u64;
            signed(&operation, &[&person.key])
        })
        .collect();
    let first = items[0].operation.tag();
    let call = Call::batch {
        items: items.try_into().unwrap(),
    };
    let origin = Origin::Signed(public(&registrar()));
    ledger.apply(origin, &call).unwrap();
    let searches = searches_of(&ledger, DAY_MS, crate::revocation::on_initialize);
    assert!(searches <= count, "{searches} searches for {count} tags");
    ledger.wait(DAY_MS);
    assert!(
        revocation(&ledger.state, &first).is_some(),
        "the last to expire is left"
    );
    assert_eq!(
        ledger
            .state
            .keys()
            .filter(|key| key.starts_with(&TAGS.prefix()))
            .count(),
        1
    );
    ledger.wait(1);
    assert_eq!(revocation(&ledger.state, &first), None);
}

#[test]
fn the_invariants_notice_a_lost_index() {
    let (mut ledger, person) = ledger_with_person();
    let operation = operation(&ledger, &person, "a");
    let call = Call::revoke {
        operation: signed(&operation, &[&person.key]),
    };
    ledger.apply(Origin::Bare, &call).unwrap();
    let tag = operation.tag();
    let sound = snapshot(&ledger);
    let key = (operation.exp.to_be_bytes(), tag);
    ledger.write(|context| EXPIRIES.remove(&mut context.state, &key));
    let lost = invariants::check(&ledger.state);
    assert_eq!(lost, Err(invariants::InvariantViolation::NotListed { tag }));
    ledger.state = sound;
    ledger.write(|context| TAGS.remove(&mut context.state, &tag));
    let orphan = invariants::check(&ledger.state);
    assert_eq!(orphan, Err(invariants::InvariantViolation::Orphan));
}
