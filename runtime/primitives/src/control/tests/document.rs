//! Documents: as a whole, or as far as they go. spec/did.md §4, spec/control.md §2.

use super::world::*;
use crate::control::{Outcome, Party, Refusal, allowed_methods};
use crate::document::RetireReason::{CompromisedSince, Routine};
use crate::document::{DocumentPatch, Method, RetireReason};
use crate::limits::{METHOD_ALLOWANCE, METHOD_RESERVE, METHODS_MAX};
use crate::operation::{Body, Lane};
use crate::policy::{Capabilities, PolicyChange};
use crate::{Text, TimeMs};

fn with_services(names: &[&str]) -> DocumentPatch {
    let services: Vec<_> = names.iter().map(|it| service(it)).collect();
    DocumentPatch {
        services: Some(services.try_into().unwrap()),
        ..DocumentPatch::default()
    }
}

/// Rank 0 changes nothing but the document, as far as it goes.
fn far(world: &mut World, patch: DocumentPatch) -> Vec<(Option<String>, Refusal)> {
    let body = rotate_with(PolicyChange::default(), patch);
    let (_, outcomes) = world.by_rank(0, body).unwrap();
    let skipped = outcomes.into_iter().map(|it| match it {
        Outcome::Skipped { fragment, refusal } => (fragment.map(|it| it.to_string()), refusal),
        other => panic!("{other:?}"),
    });
    skipped.collect()
}

fn skipped(name: &str, refusal: Refusal) -> (Option<String>, Refusal) {
    (Some(name.to_owned()), refusal)
}

fn reason(world: &World, name: &str) -> (RetireReason, TimeMs, TimeMs) {
    let method = &world.used.0[&fragment(name)];
    (method.reason, method.until, method.declared)
}

#[test]
fn a_patch_applies_as_a_whole_or_fails() {
    let mut world = World::bare();
    let mut patch = adding(vec![method("a", 2), method("b", 1)]);
    patch.retire = retiring("login", Routine).retire;
    let before = world.record.document.clone();
    assert_eq!(refusal(world.update(patch.clone())), Refusal::KeyUsed);
    assert_eq!(world.record.document, before);
    patch.add = vec![method("a", 2)].try_into().unwrap();
    world.update(patch).unwrap();
    assert_eq!(world.record.document.methods[0].method, method("a", 2));
    assert_eq!(world.record.document.methods[0].since, START);
    assert_eq!(reason(&world, "login"), (Routine, START, START));
}

#[test]
fn methods_are_kept_in_order() {
    let mut world = World::bare();
    world.update(adding(vec![method("z", 2)])).unwrap();
    world
        .update(adding(vec![method("a", 3), method("m", 4)]))
        .unwrap();
    let methods = world.record.document.methods.iter();
    let names: Vec<&str> = methods.map(|it| it.method.fragment.as_str()).collect();
    assert_eq!(names, ["a", "login", "m", "z"]);
}

#[test]
fn in_a_rotation_what_fits_is_done_and_the_rest_named() {
    let mut world = World::bare();
    world.update(adding(vec![method("taken", 5)])).unwrap();
    let mut patch = adding(vec![
        method("ours", 6),
        method("same", 5),
        method("taken", 7),
    ]);
    patch.retire = vec![
        retiring("gone", Routine).retire[0].clone(),
        retiring("login", Routine).retire[0].clone(),
    ]
    .try_into()
    .unwrap();
    patch.also_known_as = Some(vec![Text::new("x:y").unwrap()].try_into().unwrap());
    let expected = [
        skipped("gone", Refusal::NoSuchMethod),
        skipped("same", Refusal::KeyUsed),
        skipped("taken", Refusal::FragmentUsed),
    ];
    assert_eq!(far(&mut world, patch), expected);
    let document = &world.record.document;
    assert_eq!(document.methods.len(), 2);
    assert_eq!(document.methods[0].method, method("ours", 6));
    assert_eq!(document.also_known_as.len(), 1);
    assert_eq!(world.record.retired_count, 1);
}

#[test]
fn one_service_whose_fragment_is_taken_does_not_keep_the_others() {
    let mut world = World::bare();
    let patch = with_services(&["login", "mail", "store"]);
    let refused = refusal(world.update(patch.clone()));
    assert_eq!(refused, Refusal::FragmentUsed);
    let expected = [skipped("login", Refusal::FragmentUsed)];
    assert_eq!(far(&mut world, patch), expected);
    let services = &world.record.document.services;
    assert_eq!(services[..], [service("mail"), service("store")]);
}

#[test]
fn methods_and_services_share_no_fragment() {
    let mut world = World::bare();
    let refused = refusal(world.update(adding(vec![method("store", 5)])));
    assert_eq!(refused, Refusal::FragmentUsed);
    let expected = [skipped("store", Refusal::FragmentUsed)];
    let found = far(&mut world, adding(vec![method("store", 5)]));
    assert_eq!(found, expected);
    let mut swap = with_services(&[]);
    swap.add = vec![method("store", 5)].try_into().unwrap();
    let mut other = world.clone();
    world.update(swap.clone()).unwrap();
    assert_eq!(far(&mut other, swap), []);
    assert_eq!(world.record.document, other.record.document);
    let mut both = with_services(&["new"]);
    both.add = vec![method("new", 6)].try_into().unwrap();
    let refused = refusal(world.update(both.clone()));
    assert_eq!(refused, Refusal::FragmentUsed);
    let expected = [skipped("new", Refusal::FragmentUsed)];
    assert_eq!(far(&mut world, both), expected);
}

#[test]
fn a_retired_fragment_or_key_is_never_used_again() {
    let mut world = World::bare();
    world.update(retiring("login", Routine)).unwrap();
    let refused = |patch| refusal(world.clone().update(patch));
    let again = adding(vec![method("login", 9)]);
    assert_eq!(refused(again), Refusal::FragmentUsed);
    assert_eq!(refused(adding(vec![method("a", 1)])), Refusal::KeyUsed);
    assert_eq!(refused(with_services(&["login"])), Refusal::FragmentUsed);
    let mut world = World::bare();
    let within = |add: Method| {
        let mut patch = adding(vec![add]);
        patch.retire = retiring("login", Routine).retire;
        patch
    };
    let refused = refusal(world.update(within(method("login", 9))));
    assert_eq!(refused, Refusal::FragmentUsed, "in one patch");
    let refused = refusal(world.update(within(method("a", 1))));
    assert_eq!(refused, Refusal::KeyUsed, "in one patch");
    let mut patch = with_services(&["login"]);
    patch.retire = retiring("login", Routine).retire;
    assert_eq!(refusal(world.update(patch)), Refusal::FragmentUsed);
}

#[test]
fn a_compromise_is_declared_later_and_only_ever_reaches_further_back() {
    let mut world = World::bare();
    world.wait(10);
    world.update(retiring("login", Routine)).unwrap();
    let retired_at = world.now;
    world.wait(10);
    let at = world.now;
    let refused = refusal(world.update(declaring("login", at.plus_ms(1))));
    assert_eq!(refused, Refusal::InFuture);
    let refused = refusal(world.update(declaring("other", at)));
    assert_eq!(refused, Refusal::NoSuchMethod);
    world.update(declaring("login", START.plus_ms(5))).unwrap();
    let expected = (CompromisedSince(START.plus_ms(5)), retired_at, at);
    assert_eq!(reason(&world, "login"), expected);
    world.wait(10);
    for since in [5, 6] {
        let refused = refusal(world.update(declaring("login", START.plus_ms(since))));
        assert_eq!(refused, Refusal::NotMonotone);
    }
    world.update(declaring("login", START.plus_ms(4))).unwrap();
    let expected = (CompromisedSince(START.plus_ms(4)), retired_at, world.now);
    assert_eq!(reason(&world, "login"), expected);
    assert_eq!(world.record.retired_count, 1);
}

#[test]
fn a_method_is_retired_and_declared_in_one_patch() {
    let mut world = World::bare();
    let mut patch = retiring("login", Routine);
    patch.declare = declaring("login", START).declare;
    world.update(patch).unwrap();
    assert_eq!(reason(&world, "login").0, CompromisedSince(START));
    assert_eq!(world.record.retired_count, 1);
}

#[test]
fn a_retirement_is_not_of_the_future() {
    let mut world = World::bare();
    let future = CompromisedSince(START.plus_ms(1));
    let refused = refusal(world.update(retiring("login", future)));
    assert_eq!(refused, Refusal::InFuture);
    let found = far(&mut world, retiring("login", future));
    assert_eq!(found, [skipped("login", Refusal::InFuture)]);
    assert_eq!(world.record.document.methods.len(), 1);
    world
        .update(retiring("login", CompromisedSince(START)))
        .unwrap();
}

/// A thief retires the key that the owner is about to report, as routine.
#[test]
fn in_a_rotation_a_retirement_as_compromised_declares_what_is_retired() {
    let mut world = World::bare();
    world.update(retiring("login", Routine)).unwrap();
    world.wait(10);
    let since = CompromisedSince(START.plus_ms(3));
    assert_eq!(far(&mut world, retiring("login", since)), []);
    assert_eq!(reason(&world, "login"), (since, START, world.now));
    let found = far(&mut world, retiring("login", Routine));
    assert_eq!(found, [skipped("login", Refusal::NoSuchMethod)]);
    let found = far(&mut world, declaring("login", START.plus_ms(3)));
    assert_eq!(found, [skipped("login", Refusal::NotMonotone)]);
    assert_eq!(far(&mut world, declaring("login", START)), []);
}

#[test]
fn a_document_in_a_rotation_needs_the_capability() {
    let mut world = World::new(vec![able(rank(&[1]), Capabilities::CANCEL), rank(&[2])]);
    let patch = adding(vec![method("a", 2)]);
    // Capabilities are those before the change.
    let change = to(0, &[1]);
    let refused = refusal(world.by_rank(0, rotate_with(change, patch.clone())));
    assert_eq!(refused, Refusal::NoCapability);
    assert_eq!(world.rank(0).capabilities, Capabilities::CANCEL);
    let given_up = setting(vec![(1, None)]);
    world.by_rank(1, rotate_with(given_up, patch)).unwrap();
    assert_eq!(world.record.document.methods.len(), 2);
}

#[test]
fn a_document_holds_so_many_methods() {
    let mut world = World::bare();
    let methods: Vec<Method> = (1..METHODS_MAX as u16)
        .map(|seed| method(&format!("m{seed:02}"), 100 + seed))
        .collect();
    world.update(adding(methods)).unwrap();
    assert_eq!(world.record.document.methods.len(), METHODS_MAX as usize);
    let refused = refusal(world.update(adding(vec![method("x", 99)])));
    assert_eq!(refused, Refusal::TooManyMethods);
    let found = far(&mut world, adding(vec![method("x", 99)]));
    assert_eq!(found, [skipped("x", Refusal::TooManyMethods)]);
}

#[test]
fn the_allowance_grows_by_one_a_day_and_its_end_is_rank_0s() {
    let world = World::bare();
    let allowed = |ms, party| allowed_methods(&world.record, START.plus_ms(ms), party);
    let rest = METHOD_ALLOWANCE - METHOD_RESERVE;
    for party in [
        None,
        Some(Party::Rank(1)),
        Some(Party::Next(2)),
        Some(Party::Guardians),
    ] {
        assert_eq!(allowed(0, party), rest);
        assert_eq!(allowed(DAY, party), rest + 1);
    }
    for party in [Party::Rank(0), Party::Next(0)] {
        assert_eq!(allowed(0, Some(party)), METHOD_ALLOWANCE);
        assert_eq!(allowed(23 * HOUR - 1, Some(party)), METHOD_ALLOWANCE);
        assert_eq!(allowed(23 * HOUR, Some(party)), METHOD_ALLOWANCE + 1);
    }
}

/// An identity that has had `count` methods, one of them active.
fn worn(count: u32) -> World {
    let mut world = World::new(vec![committed(&[1], 11), rank(&[2])]);
    world.used = filled(count as u16 - 1);
    world.record.retired_count = count - 1;
    world
}

#[test]
fn what_lower_keys_use_up_leaves_something_for_rank_0() {
    let add = |seed| adding(vec![method(&format!("m{seed}"), seed)]);
    let with = |seed| rotate_with(PolicyChange::default(), add(seed));
    let mut world = worn(METHOD_ALLOWANCE - METHOD_RESERVE - 1);
    world.update(add(50)).unwrap();
    assert_eq!(refusal(world.update(add(51))), Refusal::TooManyMethods);
    let (_, outcomes) = world.by_rank(1, with(51)).unwrap();
    assert_eq!(outcomes.len(), 1, "rank 1 neither");
    assert_eq!(world.by_rank(0, with(52)).unwrap().1, []);
}

/// A thief of rank 0's exposed keys has used up everything.
#[test]
fn next_keys_of_rank_0_can_always_add_a_method() {
    let add = |seed| adding(vec![method(&format!("m{seed}"), seed)]);
    let with = |seed| rotate_with(PolicyChange::default(), add(seed));
    let mut world = worn(METHOD_ALLOWANCE);
    assert_eq!(
        far(&mut world, add(50)),
        [skipped("m50", Refusal::TooManyMethods)]
    );
    let body = with(50);
    let (_, outcomes) = world.by_next(0, reveal(11, None), body).unwrap();
    assert_eq!(outcomes, []);
    assert_eq!(world.record.method_allowance, 2 * METHOD_ALLOWANCE);
}

#[test]
fn an_allowance_is_never_lowered() {
    let mut world = World::pre_rotated();
    world.record.method_allowance = 10_000;
    let nothing = rotate(PolicyChange::default());
    world.by_next(0, reveal(11, None), nothing).unwrap();
    assert_eq!(world.record.method_allowance, 10_000);
}

#[test]
fn a_cut_off_moves_forward_up_to_now() {
    let mut world = World::bare();
    world.wait(10);
    let mut cut_off = |not_before, bump_grant_epoch| {
        let body = Body::SetNotBefore {
            not_before,
            bump_grant_epoch,
        };
        let operation = world.operation(Lane::Rank(0), None, body);
        let done = world.apply(&operation).map(|_| ());
        (done, world.record.not_before, world.record.grant_epoch)
    };
    let at = START.plus_ms(10);
    let (future, past) = (START.plus_ms(11), START.plus_ms(9));
    assert_eq!(cut_off(at, false), (Ok(()), at, 0));
    assert_eq!(cut_off(at, true), (Ok(()), at, 1));
    assert_eq!(cut_off(future, true), (Err(Refusal::InFuture), at, 1));
    assert_eq!(cut_off(past, true), (Err(Refusal::NotMonotone), at, 1));
}
