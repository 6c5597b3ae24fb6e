use std::fs;
use std::path::Path;

use super::*;
use crate::limits::GUARD_AGREED_AFTER_MS;

const KEY: PublicKey = PublicKey([3; 32]);

fn chain() -> ChainId {
    ChainId {
        genesis: H256([9; 32]),
        fork_id: ForkId(1),
    }
}

fn open(path: &Path, expected: GuardFile) -> Result<FileGuard, OpenGuardError> {
    FileGuard::open(path, chain(), KEY, expected)
}

fn prevote(round: u32, hash: u8) -> SignRecord {
    SignRecord {
        height: Height(7),
        round,
        kind: SignKind::Prevote,
        block_hash: Some(H256([hash; 32])),
        pol_round: None,
    }
}

fn seen(tip: u64, tip_time: u64) -> Seen {
    Seen {
        tip: Height(tip),
        tip_time: TimeMs(tip_time),
        signed: Height(0),
    }
}

/// Goal: a restart forgets nothing. Method: open, sign, open again, try to sign otherwise.
#[test]
fn the_file_guard_refuses_a_conflict_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard");
    let guard = open(&path, GuardFile::New).unwrap();
    guard.check_and_record(&prevote(0, 1)).unwrap();
    drop(guard);

    let reopened = open(&path, GuardFile::Existing).unwrap();
    assert!(reopened.check_and_record(&prevote(0, 1)).is_ok());
    let refused = reopened.check_and_record(&prevote(0, 2));
    assert!(matches!(refused, Err(GuardError::Conflict { .. })));
    assert!(reopened.check_and_record(&prevote(1, 2)).is_ok());
}

#[test]
fn one_guard_at_a_time_remembers_for_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard");
    let guard = open(&path, GuardFile::New).unwrap();
    for expected in [GuardFile::Existing, GuardFile::Lost { now: TimeMs(0) }] {
        let refused = open(&path, expected);
        assert!(matches!(refused, Err(OpenGuardError::InUse { .. })));
    }
    drop(guard);
    assert!(open(&path, GuardFile::Existing).is_ok());
}

/// Goal: guards in one folder do not write over each other. Method: names that differ in what a
/// path calls their extension.
#[test]
fn guards_of_one_folder_share_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["v", "v.main", "v.test"];
    let names = names.map(|name| dir.path().join(name));
    for path in &names {
        drop(open(path, GuardFile::New).unwrap());
    }
    for (round, path) in (1..).zip(&names) {
        let guard = open(path, GuardFile::Existing).unwrap();
        guard.check_and_record(&prevote(round, 1)).unwrap();
    }
    for (round, path) in (1..).zip(&names) {
        let guard = open(path, GuardFile::Existing).unwrap();
        let refused = guard.check_and_record(&prevote(round, 2));
        assert!(
            matches!(refused, Err(GuardError::Conflict { .. })),
            "{path:?}"
        );
    }
}

/// Goal: damage is never mistaken for "nothing signed". Method: cut the file at every length.
#[test]
fn a_damaged_guard_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard");
    let guard = open(&path, GuardFile::New).unwrap();
    guard.check_and_record(&prevote(0, 1)).unwrap();
    drop(guard);
    let bytes = fs::read(&path).unwrap();
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        for expected in [GuardFile::Existing, GuardFile::New] {
            let refused = open(&path, expected);
            assert!(matches!(refused, Err(OpenGuardError::Damaged { .. })));
        }
    }
}

/// Goal: nobody starts over by accident. Method: every expectation, with a file and without.
#[test]
fn a_missing_guard_is_an_error_and_so_is_an_unexpected_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard");
    let missing = open(&path, GuardFile::Existing);
    assert!(matches!(missing, Err(OpenGuardError::Missing { .. })));
    open(&path, GuardFile::New).unwrap();
    let again = open(&path, GuardFile::New);
    assert!(matches!(again, Err(OpenGuardError::AlreadyExists { .. })));
    open(&path, GuardFile::Existing).unwrap();
}

#[test]
fn a_guard_of_another_key_or_chain_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard");
    open(&path, GuardFile::New).unwrap();
    let other = PublicKey([4; 32]);
    let refused = FileGuard::open(&path, chain(), other, GuardFile::Existing);
    assert!(matches!(
        refused,
        Err(OpenGuardError::Foreign { what: "key", .. })
    ));
    let fork = ChainId {
        fork_id: ForkId(2),
        ..chain()
    };
    let refused = FileGuard::open(&path, fork, KEY, GuardFile::Existing);
    assert!(matches!(
        refused,
        Err(OpenGuardError::Foreign { what: "chain", .. })
    ));
}

/// Goal: silence after a loss survives restarts and ends once. Method: lose the guard, restart
/// within the silence and after it.
#[test]
fn a_lost_guard_stays_silent_over_restarts_and_remembers_its_floor() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard");
    let now = TimeMs(1_000_000);
    open(&path, GuardFile::Lost { now }).unwrap();
    let guard = open(&path, GuardFile::Existing).unwrap();
    let refused = guard.judge(Height(11), &seen(10, 1_050_000));
    assert!(matches!(refused, Err(GuardError::Lost { since }) if since == now));
    guard.judge(Height(41), &seen(40, 1_060_001)).unwrap();
    drop(guard);

    let guard = open(&path, GuardFile::Existing).unwrap();
    let refused = guard.judge(Height(40), &seen(10, 0));
    assert!(matches!(refused, Err(GuardError::Below { floor }) if floor.0 == 40));
    guard.judge(Height(41), &seen(40, 0)).unwrap();
}

/// Goal: a guard of before is neither believed nor called damaged, and a loss that is said
/// replaces it. Method: a file of version 1, whole in its time, and one of a later program.
#[test]
fn a_guard_of_another_version_is_refused_by_its_name_and_replaced_after_a_loss() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard");
    // Version 1, height 7, no records.
    let old = [&[1u8][..], &7u64.to_le_bytes(), &[0]].concat();
    for (version, bytes) in [(1, &old[..]), (3, &[3, 9, 9])] {
        fs::write(&path, bytes).unwrap();
        for expected in [GuardFile::Existing, GuardFile::New] {
            let refused = open(&path, expected);
            assert!(
                matches!(refused, Err(OpenGuardError::Version { found, .. }) if found == version),
                "{refused:?}"
            );
        }
        assert_eq!(fs::read(&path).unwrap(), bytes, "it is left as it is");
        let now = TimeMs(1_000_000);
        drop(open(&path, GuardFile::Lost { now }).unwrap());
        let guard = open(&path, GuardFile::Existing).unwrap();
        let refused = guard.judge(Height(11), &seen(10, 1_050_000));
        assert!(matches!(refused, Err(GuardError::Lost { since }) if since == now));
    }
}

/// Method: a file cut short, which only a person can call lost.
#[test]
fn a_damaged_guard_is_replaced_by_whoever_says_that_it_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard");
    drop(open(&path, GuardFile::New).unwrap());
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let now = TimeMs(1_000_000);
    drop(open(&path, GuardFile::Lost { now }).unwrap());
    assert!(open(&path, GuardFile::Existing).is_ok());
}

/// Goal: an agreement ends the silence of a loss above its height alone, and forgets nothing that the
/// guard still knows; what led to it survives restarts. Method: a guard with a record at height 7 is
/// lost, told of 6, and agreed upon there; it is opened anew after each step.
#[test]
fn a_lost_guard_that_was_agreed_upon_signs_above_that_height_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard");
    let guard = open(&path, GuardFile::New).unwrap();
    guard.check_and_record(&prevote(0, 1)).unwrap();
    drop(guard);
    let lost_at = TimeMs(1_000_000);
    drop(open(&path, GuardFile::Lost { now: lost_at }).unwrap());
    let agreed = |now| {
        let floor = Height(6);
        open(&path, GuardFile::Agreed { floor, now }).map(drop)
    };
    let now = TimeMs(lost_at.0 + GUARD_AGREED_AFTER_MS);
    let untold = agreed(now);
    let Err(OpenGuardError::NotAgreed { reason, .. }) = untold else {
        panic!("{untold:?}");
    };
    assert!(matches!(reason, NotAgreed::NotTold), "{reason:?}");
    let guard = open(&path, GuardFile::Existing).unwrap();
    let refused = guard.judge(Height(7), &seen(6, 0));
    assert!(matches!(refused, Err(GuardError::Lost { .. })));
    drop(guard);

    let soon = agreed(TimeMs(now.0 - 1));
    assert!(matches!(soon, Err(OpenGuardError::NotAgreed { .. })));
    agreed(now).unwrap();
    assert_eq!(FileGuard::glance(&path).unwrap().agreed, Some(Height(6)));
    let guard = open(&path, GuardFile::Existing).unwrap();
    // A database that still catches up: its tip alone would let it sign for height 3.
    let refused = guard.judge(Height(3), &seen(2, 0));
    assert!(matches!(refused, Err(GuardError::Below { floor }) if floor.0 == 6));
    guard.judge(Height(7), &seen(6, 0)).unwrap();
    let refused = guard.check_and_record(&prevote(0, 2));
    assert!(matches!(refused, Err(GuardError::Conflict { .. })));
    drop(guard);
    // As after a restart with a flag that was left in a unit file.
    agreed(TimeMs(0)).unwrap();
    let glance = FileGuard::glance(&path).unwrap();
    assert_eq!((glance.is_lost, glance.signed), (false, Height(7)));
}

/// Goal: an agreement makes no guard, whole, missing or unreadable. Method: each of them.
#[test]
fn an_agreement_is_about_a_loss_that_was_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard");
    let agreed = || {
        let (floor, now) = (Height(6), TimeMs(u64::MAX));
        open(&path, GuardFile::Agreed { floor, now }).map(drop)
    };
    assert!(matches!(agreed(), Err(OpenGuardError::Missing { .. })));
    drop(open(&path, GuardFile::New).unwrap());
    let whole = fs::read(&path).unwrap();
    assert!(matches!(agreed(), Err(OpenGuardError::NotAgreed { .. })));
    assert_eq!(fs::read(&path).unwrap(), whole, "it is left as it is");
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(agreed(), Err(OpenGuardError::Damaged { .. })));
}

/// Goal: earlier programs' guards are read, and theirs take the new ones for damaged and sign
/// nothing. Method: the bytes of each loss, those of the first two as `Option<u64>` has them.
#[test]
fn the_bytes_of_a_loss_are_those_of_the_specification() {
    let since = TimeMs(1_000_000);
    let before = [None, Some(1_000_000u64)];
    let losses = [Loss::None, Loss::Said { since }];
    assert_eq!(
        losses.map(|loss| loss.encode()),
        before.map(|it| it.encode())
    );
    let tip = Height(9);
    for loss in [Loss::Told { since, tip }, Loss::Agreed { since }] {
        assert!(Option::<u64>::decode(&mut &loss.encode()[..]).is_err());
    }
}
