//! Forgetting: after the day, earliest first, a bounded number at a time.

use allod_primitives::H256;
use allod_primitives::grant::GrantAction;
use allod_primitives::limits::PRUNED_PER_BLOCK_MAX;

use super::{anchor, message, signed};
use crate::did::tests::harness::*;
use crate::grant::storage::{EXPIRIES, GRANTS};
use crate::grant::{Error, grant, invariants};

/// An anchoring until `days` from the start.
fn until(gid: u8, days: u32) -> allod_primitives::grant::GrantMessage {
    let action = GrantAction::Anchor {
        grant_key: public(&key(1)),
        expiry_day: START.day() + days,
    };
    message(gid, action)
}

#[test]
fn a_grant_is_kept_through_its_day_and_does_not_come_back() {
    let mut ledger = Ledger::new();
    let mut again = until(1, 1);
    anchor(&mut ledger, &[signed(&again, &key(1))]).unwrap();
    ledger.wait(DAY_MS);
    assert!(grant(&ledger.state, &again.gid).is_some());
    ledger.wait(DAY_MS);
    assert_eq!(grant(&ledger.state, &again.gid), None);
    again.valid_until = ledger.block.time;
    let failed = anchor(&mut ledger, &[signed(&again, &key(1))]).unwrap();
    assert_eq!(failed, [(0, Error::Expired)]);
}

#[test]
fn a_block_forgets_a_bounded_number_earliest_first() {
    let mut ledger = Ledger::new();
    let count = PRUNED_PER_BLOCK_MAX + 1;
    let items: Vec<_> = (0..count)
        .map(|index| {
            let mut message = until(0, if index == 0 { 1 } else { 0 });
            message.gid.0[..4].copy_from_slice(&index.to_be_bytes());
            signed(&message, &key(1))
        })
        .collect();
    assert_eq!(anchor(&mut ledger, &items).unwrap(), []);
    let searches = searches_of(&ledger, 3 * DAY_MS, crate::grant::on_initialize);
    assert!(searches <= items.len(), "{searches} searches");
    ledger.wait(3 * DAY_MS);
    let last = H256(items[0].message.gid.0);
    assert!(
        grant(&ledger.state, &last).is_some(),
        "the last to expire is left"
    );
    ledger.wait(1);
    assert_eq!(grant(&ledger.state, &last), None);
}

#[test]
fn the_invariants_notice_a_lost_index() {
    let mut ledger = Ledger::new();
    let message = until(1, 1);
    anchor(&mut ledger, &[signed(&message, &key(1))]).unwrap();
    let gid = message.gid;
    let sound = snapshot(&ledger);
    let index = ((START.day() + 1).to_be_bytes(), gid);
    ledger.write(|context| EXPIRIES.remove(&mut context.state, &index));
    let lost = invariants::check(&ledger.state);
    assert_eq!(lost, Err(invariants::InvariantViolation::NotListed { gid }));
    ledger.state = sound;
    ledger.write(|context| GRANTS.remove(&mut context.state, &gid));
    let orphan = invariants::check(&ledger.state);
    assert_eq!(orphan, Err(invariants::InvariantViolation::Orphan));
}
