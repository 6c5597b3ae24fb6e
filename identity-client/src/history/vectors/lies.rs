//! Lies of signers and of ledgers: operations that should not have been taken, and records that do
//! not follow from what was.

use allod_primitives::document::{DocumentPatch, Method, Relationships};
use allod_primitives::operation::{Body, Lane, SignedOperation};
use allod_primitives::policy::{Capabilities, ControlKey, PolicyChange, WeightedKey};
use allod_primitives::record::DidRecord;
use allod_primitives::{DidId, ForkId, H256, PublicKey, TimeMs};

use super::super::tests::export;
use super::invalid::{Case, last, refused};
use super::scribe::*;
use super::valid::{add, controlled, cut_off, guarded, plain, recover, sheeted, simple, stranger};
use crate::control::{PolicyTemplate, RankTemplate};
use crate::testing::{DAY, World, method, public, secret, sheet};

/// An operation in `lane` that `change` spoils, signed by these keys and taken nonetheless.
fn spoilt(
    mut world: World,
    name: &'static str,
    description: &'static str,
    error: &'static str,
    (lane, body, number): (Lane, Body, u8),
    change: impl FnOnce(&mut allod_primitives::operation::Operation),
) -> Case {
    let mut operation = next(&world, lane, 0, body);
    change(&mut operation);
    force(&mut world, sign(operation, &[&secret(number)]));
    last(name, description, &world, error)
}

/// The same, spoilt after it is signed.
fn forged(
    mut world: World,
    name: &'static str,
    description: &'static str,
    error: &'static str,
    (lane, body, number): (Lane, Body, u8),
    change: impl FnOnce(&mut SignedOperation),
) -> Case {
    let operation = next(&world, lane, 0, body);
    let mut signed = sign(operation, &[&secret(number)]);
    change(&mut signed);
    force(&mut world, signed);
    last(name, description, &world, error)
}

pub(super) fn by_signers() -> Vec<Case> {
    let update = || (Lane::Documents, add("key-2", 101), 1);
    let mut cases = vec![
        spoilt(
            simple(),
            "another-genesis",
            "an operation of another network",
            "binding",
            update(),
            |it| {
                it.genesis = H256([7; 32]);
            },
        ),
        spoilt(
            simple(),
            "later-fork",
            "an operation of a fork that is not yet",
            "binding",
            update(),
            |it| {
                it.fork_id = ForkId(2);
            },
        ),
        spoilt(
            simple(),
            "another-did",
            "an operation of another identity",
            "binding",
            update(),
            |it| {
                it.did = DidId([3; 32]);
            },
        ),
        spoilt(
            simple(),
            "operation-version",
            "an operation of version 2",
            "operation_form",
            update(),
            |it| {
                it.version = 2;
            },
        ),
        spoilt(
            simple(),
            "expired",
            "an operation that was void by then",
            "expired",
            update(),
            |it| {
                it.valid_until = TimeMs(it.valid_until.0 - 2 * DAY);
            },
        ),
        spoilt(
            simple(),
            "valid-too-long",
            "an operation that is valid for two years",
            "expired",
            update(),
            |it| {
                it.valid_until = TimeMs(it.valid_until.0 + 730 * DAY);
            },
        ),
        spoilt(
            simple(),
            "lane-sequence",
            "a number of the lane is left out",
            "lane",
            update(),
            |it| it.lane_seq = 1,
        ),
        spoilt(
            simple(),
            "lane-previous",
            "an operation that follows another",
            "lane",
            update(),
            |it| {
                it.lane_prev = H256([1; 32]);
            },
        ),
        spoilt(
            simple(),
            "no-controller",
            "signed by an identity that is no controller",
            "not_controller",
            update(),
            |it| {
                it.controller = Some(stranger(&simple()).id());
            },
        ),
        forged(
            simple(),
            "signature",
            "a bit of a signature",
            "signature",
            update(),
            |it| {
                let proof = &mut it.signatures.as_mut_slice()[0].proof;
                if let allod_primitives::operation::SignatureProof::Ed25519(signature) = proof {
                    signature.0[40] ^= 1;
                }
            },
        ),
        forged(
            simple(),
            "another-key",
            "a signature under the name of another key",
            "signature",
            (Lane::Documents, add("key-2", 101), 66),
            |it| {
                it.signatures.as_mut_slice()[0].key = public(1);
            },
        ),
        replayed(),
        second_inception(),
        renamed_inception(),
        padded(),
        by_stranger_controller(),
    ];
    cases.extend(strangers());
    cases.extend(forms());
    cases
}

fn strangers() -> Vec<Case> {
    let unauthorized = |name, description, world: World, lane, body, numbers: &[u8]| {
        let mut world = world;
        let operation = next(&world, lane, 0, body);
        let keys: Vec<_> = numbers.iter().map(|it| secret(*it)).collect();
        let keys: Vec<_> = keys
            .iter()
            .map(|it| it as &dyn crate::operation::Signer)
            .collect();
        force(&mut world, sign(operation, &keys));
        last(name, description, &world, "not_authorized")
    };
    let of = |number, may| RankTemplate::single(public(number)).with(may);
    let policy =
        PolicyTemplate::of(of(1, Capabilities::ALL)).with_rank(of(2, Capabilities::CANCEL));
    let weak = World::new(policy, &[1]);
    let shared = RankTemplate::shared(vec![(public(1), 1), (public(2), 1)], 2);
    let shared = World::new(PolicyTemplate::of(shared), &[1, 2]);
    let cut = cut_off(&weak);
    let empty = || {
        rotate(
            PolicyChange::default(),
            Some(patch(crate::operation::DocumentChange {
                add: vec![method("key-2", 101)],
                ..crate::operation::DocumentChange::default()
            })),
        )
    };
    vec![
        unauthorized(
            "stranger",
            "signed by a key of no rank",
            simple(),
            Lane::Documents,
            add("key-2", 101),
            &[66],
        ),
        unauthorized(
            "below-threshold",
            "one of two keys that are needed",
            shared,
            Lane::Rank(0),
            empty(),
            &[1],
        ),
        unauthorized(
            "no-document",
            "a rank that may not change the document",
            weak.clone(),
            Lane::Documents,
            add("key-2", 101),
            &[2],
        ),
        unauthorized(
            "no-tokens",
            "a rank that may not log out",
            weak.clone(),
            Lane::Rank(1),
            cut,
            &[2],
        ),
        unauthorized(
            "lower-rank",
            "rank 0's lane signed by rank 1",
            weak,
            Lane::Rank(0),
            empty(),
            &[2],
        ),
        unauthorized(
            "two-ranks",
            "keys of two ranks in one lane",
            guarded(),
            Lane::Rank(0),
            empty(),
            &[1, 2],
        ),
        unauthorized(
            "guardians-below-quorum",
            "guardians of weight 2 of 3",
            guarded(),
            Lane::Guardians,
            recover(),
            &[20, 21],
        ),
        unauthorized(
            "no-signature",
            "nobody has signed",
            simple(),
            Lane::Rank(0),
            empty(),
            &[],
        ),
        reveal_of_another(),
        guardian_of_another_weight(),
    ]
}

fn reveal_of_another() -> Case {
    let mut world = sheeted();
    let operation = next(
        &world,
        Lane::Next(0),
        1,
        rotate(PolicyChange::default(), None),
    );
    let key = generation(0, 1).key;
    force(&mut world, sign(operation, &[&key]));
    last(
        "reveal",
        "next keys that the rank has not committed to",
        &world,
        "not_authorized",
    )
}

fn guardian_of_another_weight() -> Case {
    let mut world = guarded();
    let operation = next(&world, Lane::Guardians, 0, recover());
    let mut signed = sign(operation, &[&secret(20), &secret(21)]);
    if let Some(leaf) = &mut signed.signatures.as_mut_slice()[0].leaf {
        leaf.weight = 2;
    }
    force(&mut world, signed);
    last(
        "guardian-weight",
        "a guardian says that it weighs more",
        &world,
        "not_authorized",
    )
}

fn replayed() -> Case {
    let mut world = plain();
    let again = world.log[1].1.clone().unwrap();
    force(&mut world, again);
    last("replayed", "an operation a second time", &world, "lane")
}

fn second_inception() -> Case {
    let mut world = simple();
    let mut operation = world.log[0].1.clone().unwrap().operation;
    operation.lane_seq = 1;
    operation.lane_prev = world.log[0].0.operation_hash;
    force(&mut world, sign(operation, &[&secret(1)]));
    last(
        "second-inception",
        "an inception after the first entry",
        &world,
        "inception",
    )
}

/// An identity that has taken the name of another.
fn renamed_inception() -> Case {
    let world = simple();
    let mut export = export(&world);
    let mut operation = world.log[0].1.clone().unwrap().operation;
    operation.did = DidId([3; 32]);
    export.did = allod_primitives::Did::new(export.did.network(), operation.did);
    let signed = sign(operation, &[&secret(1)]);
    let first = &mut export.entries[0];
    let mut record = world.record;
    record.lanes.ranks[0].last = signed.operation.hash();
    first.entry.operation_hash = signed.operation.hash();
    first.entry.signatures_hash = signed.signatures_hash();
    first.entry.record_hash = record.content_hash();
    first.operation = Some(signed);
    rehash(&mut export);
    refused(
        "not-self-certifying",
        "the DID is not the hash of the inception",
        &export,
        "inception",
        0,
    )
}

fn padded() -> Case {
    let mut world = simple();
    let operation = next(&world, Lane::Documents, 0, add("key-2", 101));
    force(&mut world, sign(operation, &[&secret(1), &secret(66)]));
    last(
        "padded",
        "a stranger's signature beside one that suffices",
        &world,
        "not_authorized",
    )
}

fn by_stranger_controller() -> Case {
    let mut world = controlled();
    let mut operation = next(&world, Lane::Documents, 0, add("key-9", 109));
    operation.controller = Some(world.did.id());
    force(&mut world, sign(operation, &[&secret(50)]));
    let description = "signed as its own controller by keys of another";
    last("controller-itself", description, &world, "not_authorized")
}

fn forms() -> Vec<Case> {
    let formless = |name, description, lane, body| {
        spoilt(
            guarded(),
            name,
            description,
            "operation_form",
            (lane, body, 1),
            |_| {},
        )
    };
    let mut twice = rank(3);
    twice.keys = vec![weighted(3), weighted(3)].try_into().unwrap();
    let mut heavy = rank(3);
    heavy.threshold = 2;
    let mut low_order = rank(3);
    low_order.keys = vec![WeightedKey {
        key: ControlKey::Ed25519(PublicKey([0; 32])),
        weight: 1,
    }]
    .try_into()
    .unwrap();
    let login = method("key-2", 101);
    let purpose = Method {
        relationships: Relationships(0),
        ..login.clone()
    };
    let spaced = Method {
        fragment: allod_primitives::Text::new("key 2").unwrap(),
        ..login
    };
    let adds = |method| DocumentPatch {
        add: vec![method].try_into().unwrap(),
        ..DocumentPatch::default()
    };
    let set = |rank| rotate(sets(1, Some(rank)), None);
    vec![
        formless(
            "lane-of-body",
            "a deactivation by rank 1",
            Lane::Rank(1),
            Body::Deactivate,
        ),
        formless(
            "nothing-changes",
            "a rotation of nothing",
            Lane::Rank(0),
            rotate(PolicyChange::default(), None),
        ),
        formless(
            "empty-patch",
            "a patch of nothing",
            Lane::Documents,
            Body::UpdateDocument(DocumentPatch::default()),
        ),
        formless(
            "proposal-below",
            "a proposal of what needs none",
            Lane::Rank(0),
            propose(sets(1, Some(rank(3)))),
        ),
        formless(
            "rank-0-vacant",
            "rank 0 made vacant",
            Lane::Rank(0),
            rotate(sets(0, None), None),
        ),
        formless(
            "key-twice",
            "a rank with a key twice",
            Lane::Rank(0),
            set(twice),
        ),
        formless(
            "threshold-beyond",
            "a threshold beyond the weights",
            Lane::Rank(0),
            set(heavy),
        ),
        formless(
            "key-of-small-order",
            "a key that may not be registered",
            Lane::Rank(0),
            set(low_order),
        ),
        formless(
            "delay-short",
            "a delay of a minute",
            Lane::Rank(0),
            propose(delay(60_000)),
        ),
        formless(
            "method-for-nothing",
            "a method without relationship",
            Lane::Documents,
            Body::UpdateDocument(adds(purpose)),
        ),
        formless(
            "fragment-with-space",
            "a fragment with a space",
            Lane::Documents,
            Body::UpdateDocument(adds(spaced)),
        ),
        forged(
            simple(),
            "reveal-missing-lane",
            "next keys' lane without a reveal",
            "operation_form",
            (Lane::Documents, add("key-2", 101), 1),
            |it| {
                it.operation.reveal = Some(generation(0, 0).reveal());
            },
        ),
        unsorted(),
        reveal_below(),
    ]
}

fn weighted(number: u8) -> WeightedKey {
    WeightedKey {
        key: public(number),
        weight: 1,
    }
}

fn unsorted() -> Case {
    let shared = RankTemplate::shared(vec![(public(1), 1), (public(2), 1)], 2);
    let mut world = World::new(PolicyTemplate::of(shared), &[1, 2]);
    let operation = next(&world, Lane::Documents, 0, add("key-2", 101));
    let mut signed = sign(operation, &[&secret(1), &secret(2)]);
    signed.signatures.as_mut_slice().reverse();
    force(&mut world, signed);
    last(
        "signers-unsorted",
        "signers not in ascending order",
        &world,
        "operation_form",
    )
}

fn reveal_below() -> Case {
    let mut world = sheeted();
    let key = generation(0, 0).key;
    let mut lower = rank(3);
    lower.keys = generation(0, 0).reveal().keys;
    let body = rotate(sets(1, Some(lower)), None);
    let operation = next(&world, Lane::Next(0), 0, body);
    force(&mut world, sign(operation, &[&key]));
    last(
        "revealed-key-below",
        "a revealed key set in a lower rank",
        &world,
        "operation_form",
    )
}

/// Ledgers that took what they should, and made another record of it.
pub(super) fn by_ledgers() -> Vec<Case> {
    let wrong = |name, description, mut world: World, change: &dyn Fn(&mut DidRecord)| {
        let (mut entry, signed) = world.log.pop().unwrap();
        change(&mut world.record);
        entry.record_hash = world.record.content_hash();
        world.log.push((entry, signed));
        let mut export = export(&world);
        rehash(&mut export);
        refused(name, description, &export, "record_hash", entry.n)
    };
    let mut must_wait = sheeted();
    act(
        &mut must_wait,
        Lane::Rank(0),
        rotate(delay(2 * DAY), None),
        &[1],
    );
    let mut recovering = guarded();
    act(&mut recovering, Lane::Guardians, recover(), &[20, 22]);
    let mut cancelled = recovering.clone();
    let id = cancelled.record.pending[0].id;
    act(
        &mut cancelled,
        Lane::Guardians,
        Body::Cancel { pending: id },
        &[20, 22],
    );
    let mut by_next = recovering.clone();
    reveal(&mut by_next, 0, 0, Body::Cancel { pending: id });
    let mut recovered = recovering;
    recovered.pass(4 * DAY);
    let mut given = World::new(limited(), &[1]);
    act(
        &mut given,
        Lane::Rank(1),
        rotate(sets(2, Some(rank(3))), None),
        &[2],
    );
    vec![
        wrong(
            "must-wait-applied",
            "a change that must wait is made at once",
            must_wait,
            &|it| {
                it.policy.delay_ms = 2 * DAY;
            },
        ),
        wrong(
            "withdrawal-cools",
            "guardians who withdraw must rest",
            cancelled,
            &|it| {
                let rest = allod_primitives::record::CoolDown {
                    proposer: allod_primitives::record::Proposer::Guardians,
                    until: TimeMs(it.updated.0 + DAY),
                    next_ms: 2 * DAY,
                };
                it.cool_downs = vec![rest].try_into().unwrap();
            },
        ),
        wrong(
            "no-cool-down",
            "guardians who were cancelled need not rest",
            by_next.clone(),
            &|it| {
                it.cool_downs = allod_primitives::BoundedVec::new();
            },
        ),
        wrong(
            "no-next-commitment",
            "a reveal leaves no commitment",
            by_next,
            &|it| {
                it.policy.ranks.as_mut_slice()[0].next = None;
            },
        ),
        wrong(
            "foothold",
            "a recovery leaves the device of rank 1",
            recovered.clone(),
            &|it| {
                it.policy.ranks.push(rank(2)).unwrap();
            },
        ),
        wrong(
            "tokens-live",
            "a recovery leaves the tokens issued before",
            recovered.clone(),
            &|it| {
                it.not_before = TimeMs(0);
            },
        ),
        wrong(
            "late-effect",
            "an effect that counts from when it was written",
            recovered,
            &|it| {
                it.updated.0 += 1;
            },
        ),
        wrong(
            "given-more",
            "a rank gives a lower one what it has not",
            given,
            &|it| {
                it.policy.ranks.as_mut_slice()[2].capabilities = Capabilities::ALL;
            },
        ),
        wrong(
            "lane-stands",
            "an operation that leaves its lane",
            plain(),
            &|it| {
                it.lanes.ranks[0].next_seq = 1;
            },
        ),
    ]
}

fn limited() -> PolicyTemplate {
    let device = RankTemplate::single(public(2)).with(Capabilities::DOCUMENT);
    PolicyTemplate::recoverable(public(1), &sheet()).with_rank(device)
}
