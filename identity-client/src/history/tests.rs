use allod_primitives::codec::Text;
use allod_primitives::control::Refusal;
use allod_primitives::document::RetireReason;
use allod_primitives::governance::ControlParameters;
use allod_primitives::limits::FREEZE_MS_MAX;
use allod_primitives::log::{LogHead, LogKind, Stated};
use allod_primitives::operation::{Body, Lane, ProposedChange, SignedOperation};
use allod_primitives::policy::PolicyChange;
use allod_primitives::record::Freeze;
use allod_primitives::{Did, DidId, H256, Height, TimeMs};
use parity_scale_codec::{DecodeAll, Encode};

use super::*;
use crate::control::{
    PolicyTemplate, PolicyWish, RankTemplate, RotationWish, plan_cancel, plan_deactivation,
    plan_policy_change, plan_rotation,
};
use crate::guardians::{Circle, approve, start_recovery};
use crate::operation::{Act, Author, DocumentChange, retirement};
use crate::testing::{DAY, World, chain, keys, method, public, secret, sheet, with_sheet};

pub(super) fn export(world: &World) -> Export {
    let entries = world.log.iter().map(|(entry, operation)| ExportedEntry {
        entry: *entry,
        operation: operation.clone(),
        record: None,
        stated: world.stated.get(&entry.n).cloned(),
    });
    Export {
        did: world.did,
        chain: chain(),
        head: world.record.log,
        entries: entries.collect(),
        proof: None,
        trail: None,
    }
}

fn verify(export: &Export, did: Did, head: Option<LogHead>) -> Result<Replayed, ReplayError> {
    let expectations = Expectations {
        did,
        chain: chain(),
        head,
        controller: &|_, _| None,
    };
    replay(export, &expectations)
}

/// A life in which every kind of operation and of entry occurs.
fn life() -> World {
    let members = [("a", 20), ("b", 21), ("c", 22)];
    let members = members.map(|(name, key)| (name.to_owned(), public(key), 1));
    let circle = Circle::new(members.to_vec(), 2, 4 * DAY).unwrap();
    let policy = PolicyTemplate::recoverable(public(1), &sheet()).with_device(public(2));
    let mut world = World::new(policy.with_guardians(Some(circle.set())), &[1]);
    let stranger = Did::new(world.did.network(), DidId([8; 32]));
    let patch = DocumentChange {
        retire: vec![retirement("key-1", RetireReason::Routine).unwrap()],
        add: vec![method("key-2", 101)],
        controllers: Some(vec![stranger]),
        ..DocumentChange::default()
    };
    let patch = Body::UpdateDocument(patch.patch().unwrap());
    world.act(Lane::Documents, patch, 2).unwrap();
    by_controller(&mut world, stranger.id());
    // Fails: the method is gone.
    let again = DocumentChange {
        retire: vec![retirement("key-1", RetireReason::Routine).unwrap()],
        ..DocumentChange::default()
    };
    let again = Body::UpdateDocument(again.patch().unwrap());
    let failed = world.act(Lane::Documents, again, 2);
    assert_eq!(failed, Err(Refusal::NoSuchMethod));
    let not_before = Body::SetNotBefore {
        not_before: world.now,
        bump_grant_epoch: true,
    };
    world.act(Lane::Documents, not_before, 1).unwrap();
    // A device's key, by the rank above; rank 0 by the sheet.
    let wish = RotationWish::single(1, public(3));
    let plan = plan_rotation(&world.view(), &wish, &keys(&[1])).unwrap();
    world.follow(&plan, &[1]);
    let wish = RotationWish::single(0, public(4));
    let plan = plan_rotation(&world.view(), &wish, &with_sheet(&[])).unwrap();
    world.follow(&plan, &[]);
    // A proposal that is cancelled, one that takes effect.
    let wish = PolicyWish {
        delay_ms: Some(2 * DAY),
        ..PolicyWish::default()
    };
    let proposal = plan_policy_change(&world.view(), &wish, &keys(&[4])).unwrap();
    let id = world.follow(&proposal, &[4]);
    let cancelling = plan_cancel(&world.view(), id, &keys(&[4])).unwrap();
    world.follow(cancelling.best().unwrap(), &[4]);
    let proposal = plan_policy_change(&world.view(), &wish, &keys(&[4])).unwrap();
    world.follow(&proposal, &[4]);
    world.pass(5 * DAY);
    freeze(&mut world, Some("court order 7"));
    freeze(&mut world, None);
    freeze(&mut world, Some("court order 8"));
    recover(&mut world, &circle);
    let plan = plan_deactivation(&world.view(), &keys(&[30])).unwrap();
    world.follow(&plan, &[30]);
    world.pass(5 * DAY);
    assert!(!world.record.is_active());
    world
}

fn by_controller(world: &mut World, controller: DidId) {
    let patch = DocumentChange {
        add: vec![method("key-3", 102)],
        ..DocumentChange::default()
    };
    let act = Act {
        lane: Lane::Documents,
        controller: Some(controller),
        reveal: None,
        body: Body::UpdateDocument(patch.patch().unwrap()),
    };
    let mut author = Author::new(world.terms(), world.did.id(), world.record.lanes);
    let operation = author.act(act).unwrap();
    let signed = crate::operation::sign_operation(operation, &[&secret(50)]).unwrap();
    world.take(signed).unwrap();
}

fn freeze(world: &mut World, reason: Option<&str>) {
    world.pass(1000);
    let until = world.now.plus_ms(DAY);
    let freeze = reason.map(|reason| Freeze {
        reason: Text::new(reason).unwrap(),
        until,
    });
    world.record.frozen = freeze.clone();
    world.record.updated = world.now;
    let stated = freeze.map_or(Stated::Unfrozen, Stated::Frozen);
    world.stated.insert(world.record.log.count, stated);
    world.append(LogKind::Governance, H256([42; 32]), None);
}

fn recover(world: &mut World, circle: &Circle) {
    let letters = circle.invitations(&chain(), &world.did.id());
    let rank = RankTemplate::single(public(30));
    let (mut partial, _) =
        start_recovery(&world.view(), &world.terms(), &letters[0], rank).unwrap();
    approve(&mut partial, &letters[0], &secret(20)).unwrap();
    approve(&mut partial, &letters[2], &secret(22)).unwrap();
    world.take(partial.complete().unwrap()).unwrap();
    // Rank 0 proposes that it does not take place; too late.
    world.pass(2 * DAY);
    let id = world.record.pending[0].id;
    let counter = Body::Propose(ProposedChange::CancelRecovery(id));
    world.act(Lane::Rank(0), counter, 4).unwrap();
    world.pass(3 * DAY);
    assert_eq!(world.record.policy.ranks[0].keys[0].key, public(30));
}

#[test]
fn an_honest_history_replays_to_the_ledgers_record() {
    let world = life();
    let export = export(&world);
    let replayed = verify(&export, world.did, Some(world.record.log)).unwrap();
    assert_eq!(replayed.record, world.record);
    let retired: Vec<_> = world.retired.values().cloned().collect();
    assert_eq!(replayed.retired, retired);
    assert_eq!(replayed.failed, [(3, Refusal::NoSuchMethod)]);
    assert_eq!(replayed.by_unknown_controllers, [2]);
    let kinds = [LogKind::Operation, LogKind::Automatic, LogKind::Governance];
    for kind in kinds {
        assert!(export.entries.iter().any(|it| it.entry.kind == kind));
    }
}

#[test]
fn an_export_comes_back_from_its_file() {
    let export = export(&life());
    let text = export.to_json();
    assert_eq!(Export::from_json(&text).unwrap(), export);
    for (from, to) in [
        ("\"version\": 1", "\"version\": 2"),
        ("\"kind\": \"governance\"", "\"kind\": \"other\""),
        ("\"entries\"", "\"entry\""),
        ("did:allod", "did:other"),
    ] {
        assert!(
            Export::from_json(&text.replacen(from, to, 1)).is_err(),
            "{from}"
        );
    }
}

/// Goal: nothing in a history can be changed unseen. Method: flip a bit of every byte of every
/// entry and operation, one at a time; with the head known from elsewhere, none passes. (All bits
/// of a byte go into the same hash.)
#[test]
fn a_bit_that_is_flipped_anywhere_is_found() {
    let world = life();
    let honest = export(&world);
    let head = Some(world.record.log);
    let mut flipped = 0u32;
    for index in 0..honest.entries.len() {
        let bytes = honest.entries[index].entry.encode();
        for byte in 0..bytes.len() {
            let bit = byte * 8 + (byte + index) % 8;
            let Some(entry) = decoded(&bytes, bit) else {
                continue;
            };
            let mut export = honest.clone();
            export.entries[index].entry = entry;
            assert!(
                verify(&export, world.did, head).is_err(),
                "entry {index} bit {bit}"
            );
            flipped += 1;
        }
        let Some(operation) = &honest.entries[index].operation else {
            continue;
        };
        let bytes = operation.encode();
        for byte in 0..bytes.len() {
            let Some(operation) = decoded::<SignedOperation>(&bytes, byte * 8 + byte % 8) else {
                continue;
            };
            let mut export = honest.clone();
            export.entries.truncate(index + 1);
            export.entries[index].operation = Some(operation);
            let error = verify(&export, world.did, head).unwrap_err();
            let n = u64::try_from(index).unwrap();
            assert!(
                matches!(error, ReplayError::At { n: found, .. } if found == n),
                "{error}"
            );
            flipped += 1;
        }
    }
    assert!(flipped > 5_000, "{flipped}");
}

fn decoded<T: DecodeAll>(bytes: &[u8], bit: usize) -> Option<T> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    T::decode_all(&mut bytes.as_slice()).ok()
}

#[test]
fn a_history_with_its_head_recomputed_still_does_not_hold() {
    let world = life();
    let honest = export(&world);
    let rehashed = |change: &dyn Fn(&mut Export)| {
        let mut export = honest.clone();
        change(&mut export);
        export.head = LogHead::default();
        for it in &export.entries {
            export.head = export.head.append(&it.entry);
        }
        verify(&export, world.did, None)
    };
    let mut faults = Vec::new();
    for index in 0..honest.entries.len() {
        let n = u64::try_from(index).unwrap();
        let mut expect = |change: &dyn Fn(&mut ExportedEntry)| {
            let error = rehashed(&|export| change(&mut export.entries[index])).unwrap_err();
            match error {
                ReplayError::At { n: found, fault } if found == n => faults.push(fault),
                other => panic!("entry {index}: {other}"),
            }
        };
        expect(&|it| it.entry.n += 1);
        // Only the head knows when an effect was written down, and for which decision of
        // governance a freeze is.
        let kind = honest.entries[index].entry.kind;
        if kind != LogKind::Automatic {
            expect(&|it| it.entry.time = TimeMs(it.entry.time.0 - 1));
        }
        if kind != LogKind::Governance {
            expect(&|it| it.entry.operation_hash = H256([1; 32]));
        }
        expect(&|it| it.entry.record_hash = H256([1; 32]));
        expect(&|it| it.entry.signatures_hash = H256([1; 32]));
        expect(&|it| {
            it.entry.kind = match it.entry.kind {
                LogKind::Operation => LogKind::Automatic,
                _ => LogKind::Operation,
            };
        });
        if honest.entries[index].operation.is_some() {
            expect(&|it| it.operation = None);
        }
    }
    assert!(faults.contains(&Fault::RecordHash) && faults.contains(&Fault::NoSuchEffect));
}

/// Goal: what is stated beside entries is held to. Method: leave each statement out, replace it
/// by each of the others' kinds, move its time.
#[test]
fn a_statement_that_is_missing_or_another_is_found() {
    let world = life();
    let honest = export(&world);
    let head = Some(world.record.log);
    let kinds = |at: TimeMs| {
        let freeze = |reason: &str, until| {
            let reason = Text::new(reason).unwrap();
            Stated::Frozen(Freeze { reason, until })
        };
        let latest = at.plus_ms(FREEZE_MS_MAX);
        vec![
            Stated::Unfrozen,
            freeze("another", at.plus_ms(1)),
            freeze("", latest),
            freeze("another", at),
            freeze("another", latest.plus_ms(1)),
            Stated::EffectiveAt(at),
            Stated::EffectiveAt(at.plus_ms(DAY)),
            Stated::EffectiveAt(at.plus_ms(100 * DAY)),
        ]
    };
    let mut statements = 0;
    for index in 0..honest.entries.len() {
        let entry = &honest.entries[index];
        let others = kinds(entry.entry.time).into_iter().map(Some);
        for other in others.chain([None]) {
            if other == entry.stated {
                continue;
            }
            let mut export = honest.clone();
            export.entries[index].stated = other.clone();
            let n = u64::try_from(index).unwrap();
            match verify(&export, world.did, head) {
                Err(ReplayError::At { n: found, fault }) if found == n => {
                    assert!(
                        [Fault::Stated, Fault::RecordHash].contains(&fault),
                        "{fault}"
                    );
                }
                other => panic!("entry {index}: {other:?}"),
            }
        }
        statements += u32::from(entry.stated.is_some());
    }
    assert_eq!(statements, 8);
}

/// Goal: a network's bounds need not be known. Method: incept where they are tight, so that they
/// move both delays, and replay without a word about them.
/// Goal: of an erased operation the record is found that the entry commits to, and no other; the log
/// then replays against its head.
#[tokio::test]
async fn an_erased_operation_is_made_up_for_by_the_record_after_it() {
    let world = life();
    let whole = export(&world);
    let head_at = |count: usize| {
        let entries = whole.entries.iter().take(count);
        entries.fold(LogHead::default(), |head, it| head.append(&it.entry))
    };
    let record_at = |count: usize| {
        let mut cut = whole.clone();
        cut.entries.truncate(count);
        cut.head = head_at(count);
        verify(&cut, world.did, None).unwrap().record
    };
    let mut erased = whole.clone();
    erased.entries[3].operation = None;
    let refused = verify(&erased, world.did, Some(whole.head));
    assert_eq!(refused.unwrap_err().name(), "operation_missing");
    let (before, after) = (record_at(3).encode(), record_at(4).encode());
    for (shown, is_found) in [
        (vec![vec![7], before.clone()], false),
        (vec![vec![], before, after], true),
    ] {
        let mut filled = erased.clone();
        let done = fetch::fill_erased(&mut filled, async |entry, head| {
            assert_eq!((entry.n, head), (3, head_at(4)));
            Ok::<_, ()>(shown.clone())
        });
        done.await.unwrap();
        let replayed = verify(&filled, world.did, Some(whole.head));
        assert_eq!(replayed.is_ok(), is_found);
        if let Ok(replayed) = replayed {
            assert_eq!(replayed.erased, [3]);
        }
    }
}

#[test]
fn a_delay_that_the_networks_bounds_moved_replays() {
    for bounds in [(5 * DAY, 90 * DAY), (DAY / 24, 7 * DAY)] {
        let policy = PolicyTemplate::recoverable(public(1), &sheet());
        let mut world = World::new(policy, &[1]);
        (world.parameters.delay_ms_min, world.parameters.delay_ms_max) = bounds;
        let wish = PolicyWish {
            delay_ms: Some(30 * DAY),
            ..PolicyWish::default()
        };
        for _ in 0..2 {
            let plan = plan_policy_change(&world.view(), &wish, &keys(&[1])).unwrap();
            world.follow(&plan, &[1]);
            let waits = world.record.pending[0].effective_at.0 - world.now.0;
            assert!(
                [bounds.0, bounds.1, 3 * DAY, 30 * DAY].contains(&waits),
                "{waits}"
            );
            world.pass(31 * DAY);
        }
        let replayed = verify(&export(&world), world.did, Some(world.record.log)).unwrap();
        assert_eq!(replayed.record, world.record);
    }
    let wide = ControlParameters::that_clamp(3 * DAY, 3 * DAY).unwrap();
    assert_eq!(wide.clamp(3 * DAY), 3 * DAY);
    for (delay, waits) in [(3 * DAY, 8 * DAY), (30 * DAY, 6 * DAY), (DAY, 0)] {
        assert_eq!(ControlParameters::that_clamp(delay, waits), None);
    }
}

#[test]
fn a_history_that_is_cut_reordered_or_anothers_is_found() {
    let world = life();
    let honest = export(&world);
    let head = Some(world.record.log);
    let count = honest.entries.len();
    for kept in 0..count {
        let mut cut = honest.clone();
        cut.entries.truncate(kept);
        assert!(verify(&cut, world.did, head).is_err(), "{kept} kept");
        let mut without = honest.clone();
        without.entries.remove(kept);
        assert!(verify(&without, world.did, head).is_err(), "without {kept}");
        let mut swapped = honest.clone();
        swapped.entries.swap(kept, (kept + 1) % count);
        assert!(verify(&swapped, world.did, head).is_err(), "{kept} swapped");
    }
    let other = Did::new(world.did.network(), DidId([3; 32]));
    let error = verify(&honest, other, head).unwrap_err();
    assert_eq!(error, ReplayError::OtherIdentity);
    let mut renamed = honest.clone();
    renamed.did = other;
    assert!(verify(&renamed, other, head).is_err());
}

#[test]
fn an_operation_by_the_wrong_keys_is_found_even_if_a_ledger_took_it() {
    let mut world = World::new(PolicyTemplate::recoverable(public(1), &sheet()), &[1]);
    let body = || Body::Rotate {
        change: PolicyChange {
            delay_ms: Some(2 * DAY),
            ..PolicyChange::default()
        },
        document: None,
    };
    let mut author = Author::new(world.terms(), world.did.id(), world.record.lanes);
    let act = |lane| Act {
        lane,
        controller: None,
        reveal: None,
        body: body(),
    };
    let operation = author.act(act(Lane::Rank(0))).unwrap();
    let thief = crate::operation::sign_operation(operation.clone(), &[&secret(66)]).unwrap();
    let hash = operation.hash();
    world.pass(1000);
    allod_primitives::control::advance(&mut world.record, Lane::Rank(0), hash);
    world.record.updated = world.now;
    let honest = world.clone();
    world.append(LogKind::Operation, hash, Some(thief));
    let at = |fault| ReplayError::At { n: 1, fault };
    let found = verify(&export(&world), world.did, None).unwrap_err();
    assert_eq!(found, at(Fault::NotAuthorized));
    // Nor does a signature help that does not verify.
    let mut world = honest;
    let mut forged = crate::operation::sign_operation(operation, &[&secret(66)]).unwrap();
    forged.signatures.as_mut_slice()[0].key = public(1);
    world.append(LogKind::Operation, hash, Some(forged));
    let found = verify(&export(&world), world.did, None).unwrap_err();
    assert_eq!(found, at(Fault::Signature));
}

#[test]
fn an_effect_that_is_left_out_is_missed() {
    let mut world = World::new(PolicyTemplate::recoverable(public(1), &sheet()), &[1]);
    let plan = plan_rotation(
        &world.view(),
        &RotationWish::single(0, public(2)),
        &keys(&[1]),
    );
    world.follow(&plan.unwrap(), &[1]);
    // A ledger that goes on as if time had not passed.
    world.now = world.now.plus_ms(10 * DAY);
    world.height = Height(world.height.0 + 1);
    let hash = {
        let mut author = Author::new(world.terms(), world.did.id(), world.record.lanes);
        let not_before = Body::SetNotBefore {
            not_before: TimeMs(0),
            bump_grant_epoch: false,
        };
        let operation = author.next(0, not_before).unwrap();
        let signed = crate::operation::sign_operation(operation, &[&secret(1)]).unwrap();
        let hash = signed.operation.hash();
        world.append(LogKind::Operation, hash, Some(signed));
        hash
    };
    assert_ne!(hash, H256::ZERO);
    let found = verify(&export(&world), world.did, None).unwrap_err();
    let fault = Fault::EffectMissing;
    assert_eq!(found, ReplayError::At { n: 2, fault });
}
