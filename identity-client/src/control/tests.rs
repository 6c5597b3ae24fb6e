use allod_primitives::control::Party;
use allod_primitives::guardian::{Guardian, make_set};
use allod_primitives::policy::Capabilities;
use allod_primitives::record::Proposer;
use allod_primitives::{DidId, H256};

use super::*;
use crate::letter::{Letter, LetterError};
use crate::testing::{DAY, START, World, keys, party_of, public, secret, sheet, with_sheet};

fn recoverable() -> World {
    let policy = PolicyTemplate::recoverable(public(1), &sheet()).with_device(public(2));
    World::new(policy, &[1])
}

fn guarded() -> (World, Available) {
    let guardians: Vec<Guardian> = (20..23)
        .map(|number| Guardian {
            key: public(number),
            weight: 1,
            salt: [number; 16],
        })
        .collect();
    let (set, invitations) = make_set(&DidId([0; 32]), &guardians, 2, 4 * DAY).unwrap();
    let policy = PolicyTemplate::recoverable(public(1), &sheet()).with_guardians(Some(set));
    let available = Available {
        invitations,
        ..keys(&[20, 21, 22])
    };
    (World::new(policy, &[1]), available)
}

#[test]
fn a_simple_identity_rotates_at_once_and_is_told_what_it_lacks() {
    let mut world = World::new(PolicyTemplate::simple(public(1)), &[1]);
    let wish = RotationWish::single(0, public(5));
    let plan = plan_rotation(&world.view(), &wish, &keys(&[1])).unwrap();
    assert_eq!(party_of(&plan), Some(Party::Rank(0)));
    assert_eq!((plan.effect, plan.missing), (Effect::AtOnce, 0));
    assert_eq!(plan.warnings, [Warning::StolenIsLost]);
    world.follow(&plan, &[1]);
    assert_eq!(world.record.policy.ranks[0].keys[0].key, public(5));
}

#[test]
fn the_exposed_key_of_a_pre_rotated_rank_waits_and_the_sheet_does_not() {
    let mut world = recoverable();
    let wish = RotationWish::single(0, public(5));
    let plan = plan_rotation(&world.view(), &wish, &keys(&[1])).unwrap();
    assert_eq!(party_of(&plan), Some(Party::Rank(0)));
    let until = START.plus_ms(3 * DAY);
    assert_eq!(plan.effect, Effect::Waits { until });
    let cancellers = Warning::CancellableBy(vec![Party::Next(0), Party::Rank(0)]);
    assert!(plan.warnings.contains(&cancellers), "{:?}", plan.warnings);
    assert!(plan.because.contains("a recovery sheet protect"));
    assert!(plan.explain()[1].contains("2023-11-17"));

    for number in 0..3u8 {
        let wish = RotationWish::single(0, public(5 + number));
        let plan = plan_rotation(&world.view(), &wish, &with_sheet(&[])).unwrap();
        assert_eq!(party_of(&plan), Some(Party::Next(0)));
        assert_eq!((plan.effect, plan.missing), (Effect::AtOnce, 0));
        assert_eq!(plan.generation.as_ref().unwrap().number, u32::from(number));
        assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
        world.follow(&plan, &[]);
        let rank = &world.record.policy.ranks[0];
        assert_eq!(rank.keys[0].key, public(5 + number));
        // One sheet serves all rotations to come.
        assert_eq!(
            rank.next,
            Some(sheet().commitment(0, u32::from(number) + 1))
        );
    }
}

#[test]
fn a_lower_rank_is_set_by_the_least_key_that_can() {
    let mut world = recoverable();
    let wish = RotationWish::single(1, public(6));
    let both = plan_rotation(&world.view(), &wish, &with_sheet(&[1, 2])).unwrap();
    assert_eq!(party_of(&both), Some(Party::Rank(1)));
    let above = plan_rotation(&world.view(), &wish, &with_sheet(&[1])).unwrap();
    assert_eq!(party_of(&above), Some(Party::Rank(0)));
    let sheet = plan_rotation(&world.view(), &wish, &with_sheet(&[])).unwrap();
    assert_eq!(party_of(&sheet), Some(Party::Next(0)));
    assert_eq!(sheet.warnings, [Warning::SheetKeyExposed(0)]);
    let nobody = plan_rotation(&world.view(), &wish, &keys(&[9])).unwrap_err();
    assert_eq!(nobody, PlanError::NoKey { sheet: true });
    assert!(nobody.to_string().ends_with("the recovery sheet can"));
    world.follow(&above, &[1]);
    let missing = plan_rotation(
        &world.view(),
        &RotationWish::single(3, public(6)),
        &keys(&[1]),
    );
    assert_eq!(missing.unwrap_err(), PlanError::NoSuchRank { rank: 3 });
}

#[test]
fn a_device_cannot_reach_above_itself_nor_give_itself_more() {
    let world = recoverable();
    let wish = RotationWish::single(0, public(6));
    let refused = plan_rotation(&world.view(), &wish, &keys(&[2])).unwrap_err();
    assert!(matches!(refused, PlanError::Refused(_)), "{refused:?}");
    let all = RankTemplate::single(public(2)).with(Capabilities::ALL);
    let wish = PolicyWish {
        ranks: vec![(1, Some(all))],
        ..PolicyWish::default()
    };
    let plan = plan_policy_change(&world.view(), &wish, &keys(&[2])).unwrap();
    assert!(plan.warnings.contains(&Warning::Curtailed(1)));
    assert_eq!(plan.after.policy.ranks[1].capabilities, DEVICE_CAPABILITIES);
}

#[test]
fn a_policy_changes_by_the_sheet_and_keeps_the_key_in_use() {
    let mut world = recoverable();
    let wish = PolicyWish {
        ranks: vec![(1, None), (2, Some(RankTemplate::single(public(7))))],
        delay_ms: Some(5 * DAY),
        ..PolicyWish::default()
    };
    let plan = plan_policy_change(&world.view(), &wish, &with_sheet(&[1])).unwrap();
    assert_eq!(party_of(&plan), Some(Party::Next(0)));
    assert_eq!(plan.warnings, [Warning::Vacates(1)]);
    world.follow(&plan, &[]);
    let policy = &world.record.policy;
    assert_eq!(policy.ranks[0].keys[0].key, public(1));
    assert_eq!(policy.ranks[0].next, Some(sheet().commitment(0, 1)));
    assert_eq!(policy.delay_ms, 5 * DAY);
    let nothing = plan_policy_change(&world.view(), &PolicyWish::default(), &keys(&[1]));
    assert_eq!(nothing.unwrap_err(), PlanError::Nothing);
}

#[test]
fn a_proposal_takes_effect_unless_cancelled_and_the_plan_says_who_can() {
    let mut world = recoverable();
    let wish = RotationWish::single(0, public(5));
    let proposal = plan_rotation(&world.view(), &wish, &keys(&[1])).unwrap();
    let id = world.follow(&proposal, &[1]);
    let cancelling = plan_cancel(&world.view(), id, &with_sheet(&[1])).unwrap();
    assert_eq!(cancelling.pending.proposer, Proposer::Rank(0));
    let parties: Vec<Party> = cancelling.options.iter().map(|it| it.party).collect();
    assert_eq!(parties, [Party::Rank(0), Party::Next(0)]);
    assert!(cancelling.options[0].is_withdrawal);
    let by_sheet = cancelling.options[1].plan.clone().unwrap();
    assert!(by_sheet.warnings.contains(&Warning::SheetKeyExposed(0)));
    assert!(by_sheet.warnings.contains(&Warning::ProposerRests));
    let best = cancelling.best().unwrap().clone();
    assert_eq!(party_of(&best), Some(Party::Rank(0)));

    let mut cancelled = world.clone();
    cancelled.follow(&best, &[1]);
    cancelled.pass(4 * DAY);
    assert_eq!(cancelled.record.policy.ranks[0].keys[0].key, public(1));
    world.pass(4 * DAY);
    assert_eq!(world.record.policy.ranks[0].keys[0].key, public(5));
    let gone = plan_cancel(&world.view(), id, &keys(&[1])).unwrap_err();
    assert_eq!(gone, PlanError::NoSuchPending);
    assert_eq!(
        plan_cancel(&world.view(), H256::ZERO, &keys(&[1])).unwrap_err(),
        gone
    );
}

#[test]
fn guardians_recover_and_only_the_sheet_and_they_can_stop_it() {
    let (mut world, available) = guarded();
    let rank = RankTemplate::single(public(30));
    let plan = plan_recovery(&world.view(), rank.clone(), &available).unwrap();
    assert_eq!(party_of(&plan), Some(Party::Guardians));
    assert!(plan.warnings.contains(&Warning::CleanSlate));
    assert!(plan.warnings.contains(&Warning::CancellableBy(vec![
        Party::Next(0),
        Party::Guardians
    ])));
    let mut partial = world.partial(&plan);
    for (index, number) in [(0, 20), (1, 21)] {
        assert!(partial.missing() > 0);
        let leaf = available.invitations[index].leaf.clone();
        partial.sign_as_guardian(&secret(number), leaf).unwrap();
    }
    world.take(partial.complete().unwrap()).unwrap();
    let id = world.record.pending[0].id;
    // The key in use can only propose that it does not take place.
    let cancelling = plan_cancel(&world.view(), id, &keys(&[1])).unwrap();
    let counter = cancelling.best().unwrap();
    assert_eq!(party_of(counter), Some(Party::Rank(0)));
    assert!(matches!(counter.effect, Effect::Waits { .. }));
    let cancelling = plan_cancel(&world.view(), id, &with_sheet(&[])).unwrap();
    let by_sheet = cancelling.best().unwrap().clone();
    assert_eq!(party_of(&by_sheet), Some(Party::Next(0)));
    let mut stopped = world.clone();
    stopped.follow(&by_sheet, &[]);
    assert!(stopped.record.pending.is_empty());
    world.pass(5 * DAY);
    assert_eq!(world.record.policy.ranks[0].keys[0].key, public(30));
    assert!(world.record.document.methods.is_empty());

    let alone = World::new(PolicyTemplate::simple(public(1)), &[1]);
    let none = plan_recovery(&alone.view(), rank, &available).unwrap_err();
    assert_eq!(none, PlanError::NoGuardians);
}

#[test]
fn the_end_waits_where_rank_0_is_protected() {
    let world = recoverable();
    let by_key = plan_deactivation(&world.view(), &keys(&[1])).unwrap();
    assert!(matches!(by_key.effect, Effect::Waits { .. }));
    assert!(by_key.warnings.contains(&Warning::Final));
    let mut ended = world.clone();
    let by_sheet = plan_deactivation(&world.view(), &with_sheet(&[1])).unwrap();
    assert_eq!(by_sheet.effect, Effect::AtOnce);
    ended.follow(&by_sheet, &[]);
    assert!(!ended.record.is_active());
    let again = plan_deactivation(&ended.view(), &with_sheet(&[1])).unwrap_err();
    assert_eq!(again, PlanError::Deactivated);
}

fn shared() -> World {
    let keys = vec![
        (public(1), 2),
        (public(2), 1),
        (public(3), 1),
        (public(4), 1),
    ];
    let rank = RankTemplate::shared(keys, 4);
    World::new(PolicyTemplate::of(rank), &[1, 2, 3])
}

#[test]
fn several_sign_apart_and_the_parts_merge() {
    let mut world = shared();
    let wish = RotationWish::single(0, public(9));
    let plan = plan_rotation(&world.view(), &wish, &keys(&[1])).unwrap();
    assert_eq!(plan.missing, 2);
    assert!(plan.warnings.contains(&Warning::NeedsOthers(2)));
    let blank = world.partial(&plan);
    assert_eq!((blank.missing(), blank.waiting_for().len()), (4, 4));
    let mut first = blank.clone();
    first.sign(&secret(1)).unwrap();
    assert_eq!(
        first.complete(),
        Err(PartialError::Incomplete { weight: 2 })
    );
    let duplicate = first.sign(&secret(1)).unwrap_err();
    assert!(matches!(duplicate, PartialError::Duplicate { .. }));
    let stranger = first.sign(&secret(8)).unwrap_err();
    assert!(matches!(stranger, PartialError::NotListed { .. }));
    let mut forged = first.signatures()[0].clone();
    forged.key = public(3);
    let forged = first.add(forged).unwrap_err();
    assert!(matches!(forged, PartialError::BadSignature { .. }));
    // The others get it as text and as JSON.
    let mut second = PartialOperation::parse(&blank.to_text()).unwrap();
    second.sign(&secret(4)).unwrap();
    let mut third = PartialOperation::parse(&first.to_json().to_string()).unwrap();
    third.sign(&secret(2)).unwrap();
    assert_eq!(third.missing(), 1);
    third.merge(&second).unwrap();
    third.merge(&second).unwrap();
    assert_eq!((third.missing(), third.signatures().len()), (0, 3));
    let words = third.summary().join("\n");
    assert!(words.contains("changes control at once"), "{words}");
    assert!(words.contains(&key_name(&public(9))), "{words}");
    world.take(third.complete().unwrap()).unwrap();

    let other = plan_rotation(
        &shared().view(),
        &RotationWish::single(0, public(8)),
        &keys(&[1]),
    );
    let other = shared().partial(&other.unwrap());
    assert_eq!(third.merge(&other), Err(PartialError::OtherOperation));
}

#[test]
fn a_letter_that_was_changed_is_refused() {
    let world = shared();
    let wish = RotationWish::single(0, public(9));
    let plan = plan_rotation(&world.view(), &wish, &keys(&[1])).unwrap();
    let mut partial = world.partial(&plan);
    partial.sign(&secret(1)).unwrap();
    let text = partial.to_text();
    assert!(
        text.bytes()
            .all(|it| it.is_ascii_uppercase() || it.is_ascii_digit() || it == b':')
    );
    let typed = format!(" {}\n", text.to_ascii_lowercase());
    assert_eq!(PartialOperation::parse(&typed), Ok(partial.clone()));
    for at in (10..text.len()).step_by(17) {
        let mut wrong = text.clone().into_bytes();
        wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
        let wrong = String::from_utf8(wrong).unwrap();
        assert_eq!(PartialOperation::parse(&wrong), Err(LetterError::Check));
    }
    let mut json = partial.to_json();
    json["missing"] = 0.into();
    let contradiction = PartialOperation::parse(&json.to_string());
    assert_eq!(contradiction, Err(LetterError::Contradiction));
    json["kind"] = "something".into();
    let kind = PartialOperation::parse(&json.to_string());
    assert!(matches!(kind, Err(LetterError::Kind { .. })));
    assert_eq!(PartialOperation::parse("hello"), Err(LetterError::Form));
}

#[test]
fn templates_are_checked_before_anything_is_signed() {
    let twice = PolicyTemplate::simple(public(1)).with_device(public(1));
    assert!(twice.policy().is_err());
    let above = RankTemplate::shared(vec![(public(1), 1)], 2).rank(0);
    assert!(above.is_err());
    let policy = PolicyTemplate::recoverable(public(1), &sheet());
    let policy = policy.with_device(public(2)).policy().unwrap();
    let device = policy.ranks[1].capabilities;
    assert!(!device.contains(Capabilities::PROPOSE_UP));
    assert!(!device.contains(Capabilities::CANCEL));
}

#[test]
fn a_seed_finds_its_generation_and_no_other() {
    let seed = sheet();
    let found = seed.find(0, &seed.commitment(0, 17)).unwrap();
    assert_eq!((found.number, found.next()), (17, seed.commitment(0, 18)));
    assert_eq!(found.reveal().commitment(), seed.commitment(0, 17));
    assert!(seed.find(1, &seed.commitment(0, 0)).is_none());
    let other = NextSeed::from_bytes([78; 32]);
    assert!(other.find(0, &seed.commitment(0, 0)).is_none());
    assert_eq!(format!("{seed:?}"), "NextSeed");
}

#[test]
fn times_and_spans_read_well() {
    assert_eq!(date(START), "2023-11-14T22:13:20Z");
    assert_eq!(span(3 * DAY), "3 days");
    assert_eq!(span(3_600_000), "1 hour");
    assert_eq!(span(1_500), "1500 ms");
}

/// Numbers that look random, from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u8) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u8::try_from(self.0 % u64::from(sides)).unwrap()
    }

    fn rank(&mut self, index: u8, key: u8) -> RankTemplate {
        let next = (self.roll(2) == 0).then(|| sheet().commitment(index, 0));
        RankTemplate::single(public(key))
            .with(Capabilities(self.roll(16)))
            .pre_rotated(next)
    }

    fn wish(&mut self) -> PolicyWish {
        let mut wish = PolicyWish::default();
        for index in 0..4 {
            match self.roll(4) {
                0 => {
                    let key = 1 + self.roll(9);
                    wish.ranks.push((index, Some(self.rank(index, key))));
                }
                1 if index > 0 => wish.ranks.push((index, None)),
                _ => {}
            }
        }
        wish.delay_ms = (self.roll(4) == 0).then_some(5 * DAY);
        wish
    }
}

/// Goal: what a plan says is what the ledger does. Method: random policies, wishes and keys at
/// hand; every plan that can be signed is followed, and policy and pending changes compared.
#[test]
fn plans_that_can_be_signed_are_taken_as_they_say() {
    let (mut followed, mut waited, mut revealed) = (0, 0, 0);
    for seed in 1..400u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut policy = PolicyTemplate::of(dice.rank(0, 1));
        for index in 1..=dice.roll(4) {
            policy = policy.with_rank(dice.rank(index, index + 1));
        }
        let mut world = World::new(policy, &[1]);
        for _ in 0..4 {
            let numbers: Vec<u8> = (1..10).filter(|_| dice.roll(2) == 0).collect();
            let mut available = keys(&numbers);
            if dice.roll(3) == 0 {
                available.seeds.push(sheet());
            }
            let view = world.view();
            let plan = match dice.roll(3) {
                0 => {
                    let (rank, key) = (dice.roll(4), 1 + dice.roll(9));
                    plan_rotation(&view, &RotationWish::single(rank, public(key)), &available)
                }
                _ => plan_policy_change(&view, &dice.wish(), &available),
            };
            let Ok(plan) = plan else { continue };
            if plan.missing > 0 {
                continue;
            }
            let waiting = world.partial(&plan).waiting_for();
            let signers = numbers.iter().filter(|it| waiting.contains(&public(**it)));
            let signers: Vec<u8> = signers.copied().collect();
            let by_sheet = plan.generation.is_some();
            world.follow(&plan, if by_sheet { &[] } else { &signers });
            followed += 1;
            revealed += u32::from(by_sheet);
            waited += u32::from(plan.effect != Effect::AtOnce);
            world.pass(u64::from(dice.roll(3)) * DAY);
        }
    }
    assert!(
        followed > 300 && waited > 30 && revealed > 30,
        "{followed} {waited} {revealed}"
    );
}
