//! Honest histories, each of one part of the rules.

use allod_primitives::document::Method;
use allod_primitives::document::{Declaration, Fragment, MethodKey, Relationships, RetireReason};
use allod_primitives::governance::ControlParameters;
use allod_primitives::log::Stated;
use allod_primitives::operation::{Body, Lane, ProposedChange};
use allod_primitives::policy::{Capabilities, PolicyChange};
use allod_primitives::{Did, DidId};

use super::super::Export;
use super::super::tests::export;
use super::Vector;
use super::scribe::*;
use crate::control::{PolicyTemplate, RankTemplate};
use crate::keys::{KeyType, TypedSecret};
use crate::operation::{DocumentChange, Signer, retirement};
use crate::testing::{DAY, World, method, public, secret, sheet};

/// Rank 0 with a recovery sheet, guardians, and a device in rank 1.
pub(super) fn guarded() -> World {
    let policy = PolicyTemplate::recoverable(public(1), &sheet()).with_device(public(2));
    World::new(policy.with_guardians(Some(circle().0)), &[1])
}

/// One key and nothing else.
pub(super) fn simple() -> World {
    World::new(PolicyTemplate::simple(public(1)), &[1])
}

/// Rank 0 with a recovery sheet.
pub(super) fn sheeted() -> World {
    World::new(PolicyTemplate::recoverable(public(1), &sheet()), &[1])
}

pub(super) fn add(fragment: &str, number: u8) -> Body {
    Body::UpdateDocument(patch(DocumentChange {
        add: vec![method(fragment, number)],
        ..DocumentChange::default()
    }))
}

pub(super) fn retire(fragment: &str, reason: RetireReason) -> Body {
    Body::UpdateDocument(patch(DocumentChange {
        retire: vec![retirement(fragment, reason).unwrap()],
        ..DocumentChange::default()
    }))
}

pub(super) const fn cut_off(world: &World) -> Body {
    Body::SetNotBefore {
        not_before: world.now,
        bump_grant_epoch: true,
    }
}

pub(super) fn all() -> Vec<Vector> {
    let known = |name, description, world: &World| {
        Vector::new(name, description, &export(world), Some(world.record.log))
    };
    let mut vectors = vec![
        known("simple", "an inception, a method more, a logout", &plain()),
        known(
            "key-types",
            "a rank of three keys, a P-256 key, a secp256k1 key and a passkey that act",
            &key_types(),
        ),
        known(
            "pre-rotation",
            "next keys rotate, exposed keys must wait, a sheet of a lower rank",
            &pre_rotation(),
        ),
        known(
            "recovery",
            "guardians recover; the owner's cancellation of it comes too late",
            &recovery(),
        ),
        known(
            "recovery-cancelled",
            "the next keys cancel a recovery, guardians cool down",
            &recovery_cancelled(),
        ),
        known(
            "proposals",
            "slots, standing, displacement, cancelling, cool-downs that double, effects",
            &proposals(),
        ),
        known(
            "ranks",
            "ranks set lower ones, share keys, become vacant, give no more than they have",
            &ranks(),
        ),
        known(
            "delays",
            "the network's bounds lengthen one delay and shorten another",
            &delays(),
        ),
        known(
            "freeze",
            "trustees freeze and unfreeze; control goes on",
            &frozen(),
        ),
        known("deactivation", "the next keys deactivate", &deactivation()),
        known(
            "deactivation-proposed",
            "rank 0 proposes to deactivate, which takes effect by itself",
            &deactivation_proposed(),
        ),
        known(
            "document",
            "patches that apply, fail as a whole, and apply as far as they can",
            &documents(),
        ),
        known(
            "controller",
            "a controller updates the document, and the identity as its own",
            &controlled(),
        ),
    ];
    let simple = plain();
    let unproven = Vector::new(
        "no-known-head",
        "the same as simple, its end believed",
        &export(&simple),
        None,
    );
    vectors.push(unproven);
    vectors.push(erased());
    vectors.push(erased_inception());
    vectors
}

pub(super) fn plain() -> World {
    let mut world = simple();
    act(&mut world, Lane::Documents, add("key-2", 101), &[1]);
    let body = cut_off(&world);
    act(&mut world, Lane::Rank(0), body, &[1]);
    world
}

fn key_types() -> World {
    let p256 = TypedSecret::from_seed(KeyType::P256, &[31; 32]).unwrap();
    let secp256k1 = TypedSecret::from_seed(KeyType::Secp256k1, &[32; 32]).unwrap();
    let passkey = Passkey::new(33);
    let keys: [&dyn Signer; 3] = [&p256, &secp256k1, &passkey];
    let mixed = keys.map(|it| (it.control_key(), 2)).to_vec();
    let shared = vec![(public(1), 1), (public(2), 1), (public(3), 3)];
    let policy = PolicyTemplate::of(RankTemplate::shared(shared, 2));
    let policy = policy.with_rank(RankTemplate::shared(mixed, 4).with(Capabilities::ALL));
    let mut world = World::new(policy, &[1, 2]);
    for signers in [[keys[0], keys[1]], [keys[1], keys[2]], [keys[0], keys[2]]] {
        let fragment = format!("key-{}", world.record.log.count + 1);
        let body = add(
            &fragment,
            100 + u8::try_from(world.record.log.count).unwrap(),
        );
        let operation = next(&world, Lane::Documents, 0, body);
        take(&mut world, sign(operation, &signers));
    }
    let body = propose(sets(0, Some(rank(4))));
    let operation = next(&world, Lane::Rank(1), 0, body);
    take(&mut world, sign(operation, &keys));
    let heavy = rotate(sets(2, Some(rank(5))), None);
    act(&mut world, Lane::Rank(0), heavy, &[3]);
    world.pass(4 * DAY);
    act(&mut world, Lane::Rank(0), add_now(), &[4]);
    world
}

fn add_now() -> Body {
    let change = DocumentChange {
        add: vec![method("late", 120)],
        ..DocumentChange::default()
    };
    rotate(PolicyChange::default(), Some(patch(change)))
}

fn pre_rotation() -> World {
    let lower =
        RankTemplate::single(public(2)).pre_rotated(Some(generation(1, 0).reveal().commitment()));
    let policy = PolicyTemplate::recoverable(public(1), &sheet());
    let mut world = World::new(policy.with_rank(lower.with(Capabilities::DOCUMENT)), &[1]);
    // By the exposed key: it must wait, and so must the delay.
    act(
        &mut world,
        Lane::Rank(0),
        rotate(sets(0, Some(rank(3))), None),
        &[1],
    );
    act(
        &mut world,
        Lane::Rank(0),
        rotate(delay(5 * DAY), None),
        &[1],
    );
    act(
        &mut world,
        Lane::Rank(1),
        rotate(sets(1, Some(rank(4))), None),
        &[2],
    );
    act(
        &mut world,
        Lane::Rank(1),
        rotate(sets(0, Some(rank(4))), None),
        &[2],
    );
    // By next keys, of the lower rank and of the higher.
    reveal(&mut world, 1, 0, rotate(PolicyChange::default(), None));
    let change = DocumentChange {
        retire: vec![retirement("key-1", RetireReason::CompromisedSince(world.now)).unwrap()],
        add: vec![method("key-2", 101)],
        ..DocumentChange::default()
    };
    reveal(
        &mut world,
        0,
        0,
        rotate(sets(0, Some(rank(5))), Some(patch(change))),
    );
    // Rank 0 committed to nothing then, so that its key acts at once.
    act(
        &mut world,
        Lane::Rank(0),
        rotate(delay(2 * DAY), None),
        &[5],
    );
    act(
        &mut world,
        Lane::Rank(0),
        rotate(sets(0, Some(sheet_rank(6, 1))), None),
        &[5],
    );
    reveal(&mut world, 0, 1, rotate(delay(3 * DAY), None));
    world
}

/// A rank of one key that commits to generation `number` of rank 0's next keys.
fn sheet_rank(key: u8, number: u32) -> allod_primitives::policy::Rank {
    let template = RankTemplate::single(public(key));
    let template = template.pre_rotated(Some(sheet().commitment(0, number)));
    template.rank(0).unwrap()
}

pub(super) fn recover() -> Body {
    Body::Recover { rank: rank(30) }
}

pub(super) fn recovery() -> World {
    let mut world = guarded();
    act(&mut world, Lane::Documents, add("device", 110), &[2]);
    let id = act(&mut world, Lane::Guardians, recover(), &[20, 22]);
    world.pass(2 * DAY);
    let counter = Body::Propose(ProposedChange::CancelRecovery(id));
    act(&mut world, Lane::Rank(0), counter, &[1]);
    act(
        &mut world,
        Lane::Rank(0),
        Body::Cancel { pending: id },
        &[1],
    );
    act(&mut world, Lane::Rank(0), propose(delay(DAY)), &[1]);
    world.pass(2 * DAY);
    act(&mut world, Lane::Documents, add("new", 111), &[30]);
    world
}

fn recovery_cancelled() -> World {
    let mut world = guarded();
    let id = act(&mut world, Lane::Guardians, recover(), &[20, 21, 22]);
    let counter = Body::Propose(ProposedChange::CancelRecovery(id));
    act(&mut world, Lane::Rank(0), counter, &[1]);
    reveal(&mut world, 0, 0, Body::Cancel { pending: id });
    act(&mut world, Lane::Guardians, recover(), &[20, 22]);
    world.pass(2 * DAY);
    // In time this time, but the cancellation takes effect before the recovery does.
    let id = act(&mut world, Lane::Guardians, recover(), &[21, 22]);
    let counter = Body::Propose(ProposedChange::CancelRecovery(id));
    let key = generation(0, 0).key;
    let operation = next(&world, Lane::Rank(0), 0, counter);
    take(&mut world, sign(operation, &[&key]));
    world.pass(3 * DAY);
    // A next key whose change may not be cancelled, for there is none, still reveals.
    reveal(&mut world, 0, 1, Body::Cancel { pending: id });
    world
}

fn proposals() -> World {
    let all = |number| RankTemplate::single(public(number)).with(Capabilities::ALL);
    let policy = PolicyTemplate::of(all(1))
        .with_rank(all(2))
        .with_rank(all(3));
    let policy = policy
        .with_guardians(Some(circle().0))
        .with_delay_ms(2 * DAY);
    let mut world = World::new(policy, &[1]);
    let lower = act(
        &mut world,
        Lane::Rank(2),
        propose(sets(1, Some(rank(9)))),
        &[3],
    );
    act(
        &mut world,
        Lane::Rank(2),
        propose(sets(0, Some(rank(9)))),
        &[3],
    );
    // Higher standing displaces; lower is refused while it waits.
    let middle = act(
        &mut world,
        Lane::Rank(1),
        propose(sets(0, Some(rank(8)))),
        &[2],
    );
    act(
        &mut world,
        Lane::Rank(2),
        propose(sets(0, Some(rank(9)))),
        &[3],
    );
    act(
        &mut world,
        Lane::Rank(0),
        Body::Cancel { pending: lower },
        &[1],
    );
    act(
        &mut world,
        Lane::Rank(2),
        Body::Cancel { pending: middle },
        &[3],
    );
    act(
        &mut world,
        Lane::Rank(0),
        Body::Cancel { pending: middle },
        &[1],
    );
    act(
        &mut world,
        Lane::Rank(1),
        propose(sets(0, Some(rank(8)))),
        &[2],
    );
    // Rested, cancelled again: twice as long.
    world.pass(DAY);
    let again = act(
        &mut world,
        Lane::Rank(1),
        propose(sets(0, Some(rank(8)))),
        &[2],
    );
    act(
        &mut world,
        Lane::Guardians,
        Body::Cancel { pending: again },
        &[20, 22],
    );
    world.pass(36 * HOUR);
    act(
        &mut world,
        Lane::Rank(1),
        propose(sets(0, Some(rank(8)))),
        &[2],
    );
    // Long afterwards it begins anew.
    world.pass(10 * DAY);
    let late = act(
        &mut world,
        Lane::Rank(1),
        propose(sets(0, Some(rank(8)))),
        &[2],
    );
    act(
        &mut world,
        Lane::Rank(1),
        Body::Cancel { pending: late },
        &[2],
    );
    let own = act(&mut world, Lane::Rank(0), propose(delay(3 * DAY)), &[1]);
    act(
        &mut world,
        Lane::Rank(0),
        rotate(sets(2, Some(rank(7))), None),
        &[1],
    );
    world.pass(3 * DAY);
    act(
        &mut world,
        Lane::Rank(0),
        Body::Cancel { pending: own },
        &[1],
    );
    world
}

fn ranks() -> World {
    let some = Capabilities::DOCUMENT.union(Capabilities::CANCEL);
    let of = |number, may| RankTemplate::single(public(number)).with(may);
    let policy = PolicyTemplate::of(of(1, Capabilities::ALL));
    let policy = policy
        .with_rank(of(2, some))
        .with_rank(of(3, some))
        .with_rank(of(4, some));
    let mut world = World::new(policy, &[1]);
    // Rank 1 gives rank 2 no more than it has.
    act(
        &mut world,
        Lane::Rank(1),
        rotate(sets(2, Some(rank(5))), None),
        &[2],
    );
    // The key of a higher rank; the key of a lower one, which becomes vacant.
    act(
        &mut world,
        Lane::Rank(1),
        rotate(sets(2, Some(rank(1))), None),
        &[2],
    );
    act(
        &mut world,
        Lane::Rank(1),
        rotate(sets(2, Some(rank(4))), None),
        &[2],
    );
    act(
        &mut world,
        Lane::Rank(1),
        propose(sets(0, Some(rank(6)))),
        &[2],
    );
    act(
        &mut world,
        Lane::Rank(0),
        rotate(sets(3, Some(rank(7))), None),
        &[1],
    );
    act(&mut world, Lane::Rank(0), rotate(sets(2, None), None), &[1]);
    act(&mut world, Lane::Rank(0), rotate(sets(3, None), None), &[1]);
    act(
        &mut world,
        Lane::Rank(0),
        rotate(sets(0, Some(rank(2))), None),
        &[1],
    );
    world
}

fn delays() -> World {
    let mut world = World::new(
        PolicyTemplate::recoverable(public(1), &sheet()).with_delay_ms(2 * DAY),
        &[1],
    );
    world.parameters = ControlParameters {
        delay_ms_min: 5 * DAY,
        delay_ms_max: 8 * DAY,
    };
    act(&mut world, Lane::Rank(0), propose(delay(20 * DAY)), &[1]);
    world.pass(5 * DAY);
    act(&mut world, Lane::Rank(0), propose(delay(3 * DAY)), &[1]);
    world.pass(8 * DAY);
    world
}

pub(super) fn frozen() -> World {
    let mut world = sheeted();
    act(&mut world, Lane::Rank(0), propose(delay(2 * DAY)), &[1]);
    world.pass(1000);
    let decision = freeze(&world, "court order 7", DAY);
    decide(&mut world, decision);
    reveal(&mut world, 0, 0, rotate(PolicyChange::default(), None));
    world.pass(1000);
    let longer = freeze(&world, "court order 8", 20 * DAY);
    decide(&mut world, longer);
    world.pass(1000);
    decide(&mut world, Stated::Unfrozen);
    world
}

pub(super) fn deactivation() -> World {
    let mut world = sheeted();
    act(&mut world, Lane::Documents, add("key-2", 101), &[1]);
    act(&mut world, Lane::Rank(0), propose(delay(2 * DAY)), &[1]);
    act(&mut world, Lane::Rank(0), Body::Deactivate, &[1]);
    reveal(&mut world, 0, 0, Body::Deactivate);
    world
}

fn deactivation_proposed() -> World {
    let mut world = guarded();
    let services = vec![(
        "site".into(),
        "LinkedDomains".into(),
        vec!["https://a.example".into()],
    )];
    let change = DocumentChange {
        services: Some(services),
        also_known_as: Some(vec!["https://a.example/me".into()]),
        ..DocumentChange::default()
    };
    act(
        &mut world,
        Lane::Documents,
        Body::UpdateDocument(patch(change)),
        &[2],
    );
    act(
        &mut world,
        Lane::Rank(1),
        Body::Propose(ProposedChange::Control(sets(1, Some(rank(9))))),
        &[2],
    );
    act(
        &mut world,
        Lane::Rank(0),
        Body::Propose(ProposedChange::Deactivation),
        &[1],
    );
    world.pass(4 * DAY);
    world
}

fn documents() -> World {
    let mut world = sheeted();
    act(&mut world, Lane::Documents, every_key(), &[1]);
    act(
        &mut world,
        Lane::Documents,
        retire("key-1", RetireReason::Routine),
        &[1],
    );
    // Nothing of these happens: the fragment is used, the key is, the method is gone, the future.
    act(&mut world, Lane::Documents, add("key-1", 130), &[1]);
    act(&mut world, Lane::Documents, add("key-9", 100), &[1]);
    act(
        &mut world,
        Lane::Documents,
        retire("key-1", RetireReason::Routine),
        &[1],
    );
    let future = RetireReason::CompromisedSince(world.now.plus_ms(HOUR));
    act(&mut world, Lane::Documents, retire("p256", future), &[1]);
    let early = world.now;
    act(&mut world, Lane::Documents, declare("key-1", 0), &[1]);
    act(&mut world, Lane::Documents, declare("key-1", early.0), &[1]);
    let body = cut_off(&world);
    act(&mut world, Lane::Documents, body, &[1]);
    let back = Body::SetNotBefore {
        not_before: early,
        bump_grant_epoch: false,
    };
    act(&mut world, Lane::Documents, back, &[1]);
    // As far as it can: the new method's fragment is a service's by now, one service's a method's.
    let services = ["key-1", "site"].map(|name| {
        let endpoint = format!("https://{name}.example");
        (name.to_owned(), "LinkedDomains".to_owned(), vec![endpoint])
    });
    let change = DocumentChange {
        retire: vec![
            retirement("key-1", RetireReason::CompromisedSince(early)).unwrap(),
            retirement("p256", RetireReason::CompromisedSince(early)).unwrap(),
        ],
        add: vec![method("key-2", 101), method("site", 102)],
        services: Some(services.to_vec()),
        also_known_as: Some(vec![]),
        ..DocumentChange::default()
    };
    reveal(
        &mut world,
        0,
        0,
        rotate(PolicyChange::default(), Some(patch(change))),
    );
    world
}

fn declare(fragment: &str, since: u64) -> Body {
    Body::UpdateDocument(patch(DocumentChange {
        declare: vec![Declaration {
            fragment: Fragment::new(fragment).unwrap(),
            since: allod_primitives::TimeMs(since),
        }],
        ..DocumentChange::default()
    }))
}

/// A patch with a method of every other type, a service, names and controllers.
fn every_key() -> Body {
    let point = |key_type, seed| {
        let secret = TypedSecret::from_seed(key_type, &[seed; 32]).unwrap();
        match secret.control_key() {
            allod_primitives::policy::ControlKey::P256(key) => MethodKey::P256(key),
            allod_primitives::policy::ControlKey::Secp256k1(key) => MethodKey::Secp256k1(key),
            _ => panic!("no other type is asked for"),
        }
    };
    let of = |fragment: &str, key, relationships| Method {
        fragment: Fragment::new(fragment).unwrap(),
        key,
        relationships,
        expires: Some(allod_primitives::TimeMs(1_900_000_000_000)),
    };
    let assertion = Relationships::ASSERTION_METHOD;
    let mut x25519 = [7; 32];
    x25519[31] = 1;
    Body::UpdateDocument(patch(DocumentChange {
        add: vec![
            of("p256", point(KeyType::P256, 40), assertion),
            of("secp", point(KeyType::Secp256k1, 41), assertion),
            of(
                "x25519",
                MethodKey::X25519(x25519),
                Relationships::KEY_AGREEMENT,
            ),
        ],
        services: Some(vec![(
            "inbox".into(),
            "Inbox".into(),
            vec!["https://b.example/in".into()],
        )]),
        also_known_as: Some(vec!["acct:anna@b.example".into()]),
        ..DocumentChange::default()
    }))
}

pub(super) fn stranger(world: &World) -> Did {
    Did::new(world.did.network(), DidId([8; 32]))
}

pub(super) fn controlled() -> World {
    let mut world = simple();
    let mut controllers = vec![stranger(&world), world.did];
    controllers.sort();
    let change = DocumentChange {
        controllers: Some(controllers),
        ..DocumentChange::default()
    };
    act(
        &mut world,
        Lane::Documents,
        Body::UpdateDocument(patch(change)),
        &[1],
    );
    let mut operation = next(&world, Lane::Documents, 0, add("key-2", 101));
    operation.controller = Some(stranger(&world).id());
    take(&mut world, sign(operation, &[&secret(50)]));
    let mut operation = next(&world, Lane::Documents, 0, add("key-3", 102));
    operation.controller = Some(world.did.id());
    take(&mut world, sign(operation, &[&secret(1)]));
    world
}

/// A history whose second entry is a stub, with what came after it.
pub(super) fn with_stub() -> (World, Export) {
    let mut world = sheeted();
    let change = DocumentChange {
        retire: vec![retirement("key-1", RetireReason::Routine).unwrap()],
        add: vec![method("key-2", 101)],
        ..DocumentChange::default()
    };
    act(
        &mut world,
        Lane::Documents,
        Body::UpdateDocument(patch(change)),
        &[1],
    );
    let record = world.record.clone();
    // The fragment was used before: that has to be known in spite of the stub.
    act(&mut world, Lane::Documents, add("key-1", 102), &[1]);
    act(&mut world, Lane::Documents, add("key-3", 103), &[1]);
    let mut export = export(&world);
    export.entries[1].operation = None;
    export.entries[1].record = Some(Box::new(record));
    (world, export)
}

fn erased() -> Vector {
    let (world, export) = with_stub();
    let description = "one operation is erased; the record after it goes on";
    Vector::new("erased", description, &export, Some(world.record.log))
}

fn erased_inception() -> Vector {
    let start = simple();
    let record = start.record.clone();
    let mut world = start;
    act(&mut world, Lane::Documents, add("key-2", 101), &[1]);
    let mut export = export(&world);
    export.entries[0].operation = None;
    export.entries[0].record = Some(Box::new(record));
    let description = "the inception is erased";
    Vector::new(
        "erased-inception",
        description,
        &export,
        Some(world.record.log),
    )
}
