//! What time brings about: at the beginning of a block, before an operation, and in the lists.

use allod_primitives::control::effective;
use allod_primitives::limits::{PRUNED_PER_BLOCK_MAX, SETTLED_PER_BLOCK_MAX};
use allod_primitives::log::{LogEntry, LogKind};
use allod_primitives::operation::{Body, Lane, ProposedChange};
use allod_primitives::policy::PolicyChange;
use allod_primitives::record::Proposer;
use allod_primitives::{DidId, H256};

use super::harness::*;
use super::ranked::*;
use crate::RuntimeEvent;
use crate::did::storage::{DUE, QUOTA_DAYS};
use crate::did::{self, Error, Event};
use crate::frame::{Context, Direct, Overlay, TransactionError as E};

/// Entries and other events of the pallet among `events`.
fn split(events: &[RuntimeEvent]) -> (Vec<LogEntry>, Vec<Event>) {
    let mut entries = Vec::new();
    let mut others = Vec::new();
    for event in events {
        match event {
            RuntimeEvent::Did(Event::Logged { entry, .. }) => entries.push(*entry),
            RuntimeEvent::Did(event) => others.push(event.clone()),
            _ => {}
        }
    }
    (entries, others)
}

/// Lets a block begin `ms` later, and returns its events.
fn begin(ledger: &mut Ledger, ms: u64) -> Vec<RuntimeEvent> {
    ledger.block.height = ledger.block.height.next();
    ledger.block.time = ledger.block.time.plus_ms(ms);
    let events = ledger.write(|context| {
        did::on_initialize(context);
        std::mem::take(&mut context.events)
    });
    ledger.check_invariants();
    events
}

fn due(ledger: &Ledger) -> usize {
    did::invariants::suffixes(&ledger.state, &DUE.prefix()).len()
}

/// Moves on without what blocks begin with, as if the block had had too much to do.
fn skip(ledger: &mut Ledger, ms: u64) {
    ledger.block.height = ledger.block.height.next();
    ledger.block.time = ledger.block.time.plus_ms(ms);
}

#[test]
fn a_block_begins_with_what_time_has_brought_about() {
    let (mut ledger, mut person) = ledger_with(three_ranks(1));
    let id = propose(&mut ledger, &mut person, 1, to(1, 50));
    assert_eq!(due(&ledger), 1);
    let before = ledger.record(&person.did);
    assert_eq!(begin(&mut ledger, DELAY - 1), []);
    let (entries, others) = split(&begin(&mut ledger, 1));
    let record = ledger.record(&person.did);
    let expected = LogEntry {
        n: before.log.count,
        kind: LogKind::Automatic,
        operation_hash: id,
        signatures_hash: H256::ZERO,
        record_hash: record.content_hash(),
        height: ledger.block.height,
        time: ledger.block.time,
    };
    assert_eq!(entries, [expected]);
    let did = person.did;
    assert_eq!(others, [Event::TookEffect { did, id }]);
    assert_eq!(record.policy.ranks[1], rank(&[&key(50)], 1));
    assert_eq!(record.log, before.log.append(&expected));
    assert_eq!(due(&ledger), 0);
}

#[test]
fn readers_need_not_wait_until_it_is_written_down() {
    let (mut ledger, mut person) = ledger_with(three_ranks(1));
    propose(&mut ledger, &mut person, 1, to(1, 50));
    skip(&mut ledger, DELAY);
    let now = ledger.block.time;
    let written = ledger.record(&person.did);
    let read = did::effective_record(&ledger.state, &person.did, now).unwrap();
    assert_eq!(read, effective(&written, now).record);
    assert_eq!(read.policy.ranks[1], rank(&[&key(50)], 1));
    let early = did::effective_record(&ledger.state, &person.did, START).unwrap();
    assert_eq!(early, written);
}

#[test]
fn an_operation_finds_done_what_was_due_bare_and_in_a_batch() {
    for in_batch in [false, true] {
        let (mut ledger, mut person) = ledger_with(three_ranks(1));
        let id = propose(&mut ledger, &mut person, 1, to(1, 50));
        skip(&mut ledger, DELAY);
        let body = Body::Cancel { pending: id };
        let late = person.operation(ledger.block.time, Lane::Rank(0), body);
        let late = signed(&late, &[&key(1)]);
        if in_batch {
            let failed = ledger.batch(&[late]).unwrap();
            assert_eq!(failed, [(0, Error::NoSuchPending)]);
        } else {
            let failed = ledger.submit(&late);
            assert_eq!(failed, Err(Refusal::Failed(Error::NoSuchPending)));
        }
        let record = ledger.record(&person.did);
        assert_eq!(record.policy.ranks[1], rank(&[&key(50)], 1));
        assert_eq!(record.log.count, 4, "inception, proposal, effect, failure");
    }
}

#[test]
fn keys_that_an_effect_replaced_sign_nothing_even_before_it_is_written_down() {
    let (mut ledger, mut person) = ledger_with(three_ranks(1));
    propose(&mut ledger, &mut person, 1, to(1, 50));
    skip(&mut ledger, DELAY);
    let body = rotating(to(2, 51));
    let operation = person.operation(ledger.block.time, Lane::Rank(1), body);
    let by_old = ledger.submit(&signed(&operation, &[&key(2)]));
    assert_eq!(by_old, Err(Refusal::Invalid(E::BadProof)));
    assert_eq!(ledger.submit(&signed(&operation, &[&key(50)])), Ok(()));
}

#[test]
fn an_identity_whose_end_was_due_takes_nothing() {
    let mut policy = three_ranks(1);
    policy.ranks.as_mut_slice()[0].next = Some(H256([1; 32]));
    let (mut ledger, mut person) = ledger_with(policy);
    let body = Body::Propose(ProposedChange::Deactivation);
    act(&mut ledger, &mut person, Lane::Rank(0), body).unwrap();
    skip(&mut ledger, DELAY);
    let refused = act(&mut ledger, &mut person, Lane::Rank(0), rotating(to(1, 50)));
    assert_eq!(refused, Err(Refusal::Invalid(E::Deactivated)));
    let (entries, others) = split(&begin(&mut ledger, 0));
    assert_eq!(entries.len(), 1);
    let did = person.did;
    assert_eq!(others.last(), Some(&Event::Deactivated { did }));
    let retired = did::retired(&ledger.state, &did, "login").unwrap();
    assert_eq!(retired.until, START.plus_ms(DELAY));
}

#[test]
fn a_block_writes_down_so_many_the_earliest_first() {
    let mut ledger = Ledger::new();
    let people: Vec<DidId> = (0..SETTLED_PER_BLOCK_MAX as u16 + 3)
        .map(|seed| {
            let mut person = Person::with_policy(1, three_ranks(100 + seed));
            let operation = person.inception_operation(ledger.block.time);
            let keys = [&key(100 + seed)];
            assert_eq!(ledger.batch(&[signed(&operation, &keys)]).unwrap(), []);
            person.took(&operation);
            let body = Body::Propose(ProposedChange::Control(to(0, 50)));
            let operation = person.operation(ledger.block.time, Lane::Rank(0), body);
            ledger.submit(&signed(&operation, &keys)).unwrap();
            ledger.block.time = ledger.block.time.plus_ms(1);
            person.did
        })
        .collect();
    assert_eq!(due(&ledger), people.len());
    let (entries, _) = split(&begin(&mut ledger, DELAY));
    assert_eq!(entries.len(), SETTLED_PER_BLOCK_MAX as usize);
    let waits = |did: &DidId| !ledger.record(did).pending.is_empty();
    let (done, rest) = people.split_at(SETTLED_PER_BLOCK_MAX as usize);
    assert!(!done.iter().any(waits));
    assert!(rest.iter().all(waits));
    assert_eq!(due(&ledger), 3);
    let (entries, _) = split(&begin(&mut ledger, 0));
    assert_eq!(entries.len(), 3);
    assert_eq!(due(&ledger), 0);
}

#[test]
fn what_is_not_due_is_not_searched_for() {
    let mut ledger = Ledger::new();
    for seed in 0..20u16 {
        let mut person = Person::with_policy(1, three_ranks(100 + 3 * seed));
        let operation = person.inception_operation(ledger.block.time);
        let by = [&key(100 + 3 * seed)];
        assert_eq!(ledger.batch(&[signed(&operation, &by)]).unwrap(), []);
        person.took(&operation);
        let body = Body::Propose(ProposedChange::Control(to(0, 50)));
        let operation = person.operation(ledger.block.time, Lane::Rank(0), body);
        ledger.submit(&signed(&operation, &by)).unwrap();
    }
    assert!(searches_of(&ledger, 0, did::on_initialize) <= 4);
}

#[test]
fn cancelled_displaced_and_cleared_changes_leave_the_list_of_what_is_due() {
    let (mut ledger, mut person) = ledger_with(three_ranks(1));
    let did = person.did;
    let id = propose(&mut ledger, &mut person, 2, to(2, 50));
    let events = events_of(&mut ledger, &mut person, 0, Body::Cancel { pending: id });
    assert!(events.contains(&Event::Cancelled { did, id }));
    assert_eq!(due(&ledger), 0);
    let id = propose(&mut ledger, &mut person, 1, to(1, 50));
    assert_eq!(due(&ledger), 1);
    ledger.wait(1);
    let body = Body::Propose(ProposedChange::Control(to(0, 51)));
    let events = events_of(&mut ledger, &mut person, 0, body);
    assert!(events.contains(&Event::Displaced { did, id }));
    assert_eq!(due(&ledger), 1);
    let pending = ledger.record(&did).pending[0].clone();
    assert_eq!(pending.proposer, Proposer::Rank(0));
    let id = pending.id;
    let delay = PolicyChange {
        delay_ms: Some(2 * DELAY),
        ..PolicyChange::default()
    };
    let events = events_of(&mut ledger, &mut person, 0, rotating(delay));
    assert!(events.contains(&Event::Cleared { did, id }));
    assert_eq!(due(&ledger), 0);
}

#[test]
fn quotas_of_days_gone_by_are_forgotten_so_many_a_block() {
    let mut ledger = Ledger::new();
    let count = PRUNED_PER_BLOCK_MAX as usize + 2;
    for seed in 0..count as u16 {
        let mut did = DidId([0; 32]);
        did.0[..2].copy_from_slice(&seed.to_le_bytes());
        let purpose = did::quota::Purpose::Lane(Lane::Documents);
        let block = ledger.block;
        ledger.write(|context| did::quota::charge(&mut context.state, &block, &did, purpose));
    }
    let listed =
        |ledger: &Ledger| did::invariants::suffixes(&ledger.state, &QUOTA_DAYS.prefix()).len();
    let prune = |ledger: &mut Ledger, ms: u64| {
        ledger.block.time = ledger.block.time.plus_ms(ms);
        ledger.write(did::on_initialize);
    };
    assert_eq!(listed(&ledger), count);
    prune(&mut ledger, 1);
    assert_eq!(listed(&ledger), count, "the day is not over");
    prune(&mut ledger, DAY_MS);
    assert_eq!(listed(&ledger), 2);
    prune(&mut ledger, 1);
    assert_eq!(listed(&ledger), 0);
    let mut context = Context::new(Overlay::new(&ledger.state), ledger.block, &Direct);
    did::on_initialize(&mut context);
    assert!(context.state.into_changes().is_empty());
}

#[test]
fn a_quota_moves_to_its_new_day() {
    let (mut ledger, mut person) = ledger_with(three_ranks(1));
    act(&mut ledger, &mut person, Lane::Rank(0), rotating(to(1, 50))).unwrap();
    skip(&mut ledger, DAY_MS);
    act(&mut ledger, &mut person, Lane::Rank(0), rotating(to(1, 51))).unwrap();
    ledger.check_invariants();
    let used = did::quota(&ledger.state, &person.did).unwrap();
    assert_eq!((used.day, used.ranks[0]), (ledger.block.time.day(), 1));
}
