//! The invariants notice each kind of damage.

use allod_primitives::document::RetiredMethod;
use allod_primitives::record::{DidRecord, LaneHead, QuotaUse};
use allod_primitives::{BoundedVec, DidId, H256, TimeMs};

use super::harness::*;
use crate::did::invariants::{InvariantViolation as V, check};
use crate::did::storage::{QUOTA_DAYS, QUOTAS, RECORDS, put_retired};

/// Damages a record and returns what is noticed.
fn noticed(damage: impl FnOnce(&mut DidRecord)) -> V {
    let mut ledger = Ledger::new();
    let mut person = Person::new(1);
    ledger.create(&mut person);
    assert_eq!(check(&ledger.state), Ok(()));
    let mut record = ledger.record(&person.did);
    damage(&mut record);
    ledger.write(|context| RECORDS.put(&mut context.state, &person.did, &record));
    check(&ledger.state).unwrap_err()
}

#[test]
fn damaged_records_are_noticed() {
    let did = Person::new(1).did;
    assert_eq!(noticed(|it| it.version = 2), V::Record { did });
    assert_eq!(
        noticed(|it| it.not_before = START.plus_ms(1)),
        V::Record { did }
    );
    assert_eq!(
        noticed(|it| it.policy.ranks = BoundedVec::new()),
        V::Policy { did }
    );
    assert_eq!(
        noticed(|it| it.lanes.documents.next_seq = 1),
        V::Lane { did }
    );
    assert_eq!(
        noticed(|it| it.lanes.guardians.last = H256([1; 32])),
        V::Lane { did }
    );
    let two = noticed(|it| {
        it.lanes.documents = LaneHead {
            next_seq: 1,
            last: H256([1; 32]),
        }
    });
    assert_eq!(
        two,
        V::Log {
            did,
            entries: 1,
            operations: 2
        }
    );
    assert_eq!(noticed(|it| it.retired_count = 1), V::Retired { did });
    let at = TimeMs(START.0);
    let ended = noticed(|it| it.status = allod_primitives::record::Status::Deactivated { at });
    assert_eq!(ended, V::Document { did });
}

#[test]
fn damaged_maps_are_noticed() {
    let mut ledger = Ledger::new();
    let mut person = Person::new(1);
    ledger.create(&mut person);
    let sound = snapshot(&ledger);
    let retired = RetiredMethod {
        version: 1,
        method: method("old", 99),
        since: START,
        until: START,
        reason: allod_primitives::document::RetireReason::Routine,
        declared: START,
    };
    let stranger = DidId([3; 32]);
    ledger.write(|context| put_retired(&mut context.state, &stranger, &retired));
    assert_eq!(check(&ledger.state), Err(V::Orphan));
    ledger.state = sound.clone();
    let did = person.did;
    ledger.write(|context| put_retired(&mut context.state, &did, &retired));
    assert_eq!(check(&ledger.state), Err(V::Retired { did }));
    ledger.state = sound;
    let mut used = QuotaUse {
        version: 1,
        documents: 31,
        ..QuotaUse::default()
    };
    ledger.write(|context| QUOTAS.put(&mut context.state, &did, &used));
    assert_eq!(check(&ledger.state), Err(V::Orphan), "without its day");
    ledger.write(|context| QUOTA_DAYS.put(&mut context.state, &([0; 4], did), &()));
    assert_eq!(check(&ledger.state), Err(V::Quota { did }));
    used.documents = 0;
    ledger.write(|context| QUOTAS.put(&mut context.state, &stranger, &used));
    ledger.write(|context| QUOTAS.put(&mut context.state, &did, &used));
    assert_eq!(check(&ledger.state), Err(V::Orphan));
}
