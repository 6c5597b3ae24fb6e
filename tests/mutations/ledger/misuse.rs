//! What spoils operations on control: one rule each.

use allod_primitives::document::Declaration;
use allod_primitives::limits::{
    CONTROL_DELAY_MS_DEFAULT, CONTROL_DELAY_MS_MIN_FLOOR, GUARDIANS_MAX, OPERATION_VALIDITY_MS_MAX,
};
use allod_primitives::operation::{Body, GuardianLeaf, Lane, ProposedChange, SignedOperation};
use allod_primitives::policy::{GuardianSet, PolicyChange, RankChange};
use allod_primitives::{BoundedVec, DidId, ForkId, H256, TimeMs};
use allod_runtime::frame::TransactionError as E;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::control::{Act, KINDS, by_controller, change, proposal, recovery, rotation};
use super::world::World;
use crate::author::{bounded, key, rank, text};

/// A name, the rule that must refuse, and what breaks it and nothing else.
pub(super) type Defect = (&'static str, E, fn(&World, &mut Act, &mut ChaCha8Rng));

/// What spoils every kind.
pub(super) const DEFECTS: &[Defect] = &[
    ("unknown version", E::UnknownVersion, |_, it, rng| {
        it.operation.version ^= rng.gen_range(1..=255)
    }),
    ("another network", E::WrongNetwork, |_, it, rng| {
        it.operation.genesis = H256(rng.r#gen())
    }),
    ("another fork", E::WrongFork, |_, it, rng| {
        it.operation.fork_id = ForkId(rng.gen_range(1..=u32::MAX))
    }),
    ("expired", E::Expired, |world, it, _| {
        it.operation.valid_until = TimeMs(world.now().0 - 1)
    }),
    ("valid too long", E::ValidTooLong, |world, it, _| {
        it.operation.valid_until = world.now().plus_ms(OPERATION_VALIDITY_MS_MAX + 1);
    }),
    ("unknown identity", E::NotFound, |_, it, rng| {
        it.operation.did = DidId(rng.r#gen())
    }),
    ("dead identity", E::Deactivated, |world, it, _| {
        it.operation.did = world.dead.did
    }),
    ("ahead of its turn", E::Future, |_, it, rng| {
        it.operation.lane_seq += rng.gen_range(1..9)
    }),
    ("forked lane", E::ForkedLane, |_, it, rng| {
        it.operation.lane_prev = H256(rng.r#gen())
    }),
    ("a stranger's keys", E::BadProof, strangers),
    ("a stranger beside them", E::BadProof, |_, it, rng| {
        it.keys.push(key("stranger", rng.r#gen()));
        it.by_guardians = false;
        it.after = Some(repeat_leaf);
    }),
    ("the login key", E::BadProof, |world, it, _| {
        it.keys = vec![world.guarded.author.login.clone()];
        it.by_guardians = false;
        it.after = Some(repeat_leaf);
    }),
    ("one of two", E::BadProof, |_, it, _| drop(it.keys.pop())),
    ("changed after it was signed", E::BadProof, |_, it, _| {
        it.after = Some(|it| it.operation.valid_until.0 += 1);
    }),
    (
        "a reveal that is not asked for, or none",
        E::Malformed,
        |world, it, _| {
            it.operation.reveal = match it.operation.reveal {
                Some(_) => None,
                None => Some(world.guarded.reveal()),
            };
        },
    ),
    (
        "a leaf that is not asked for, or none",
        E::Malformed,
        |_, it, _| {
            it.after = Some(|signed| {
                let first = &mut signed.signatures.as_mut_slice()[0];
                first.leaf = match first.leaf {
                    Some(_) => None,
                    None => Some(any_leaf()),
                };
            });
        },
    ),
    ("a controller that is none", E::Malformed, |_, it, rng| {
        it.operation.controller = Some(DidId(rng.r#gen()));
        // Who may be one is asked of a change of the document alone.
        it.operation.body = Body::Deactivate;
    }),
    ("a lane of another party", E::Malformed, |_, it, _| {
        it.operation.lane = match it.operation.lane {
            Lane::Next(_) => Lane::Guardians,
            Lane::Guardians | Lane::Documents => Lane::Next(0),
            Lane::Rank(_) => Lane::Documents,
        };
    }),
    ("a lane beyond all ranks", E::Malformed, |_, it, rng| {
        let index = rng.gen_range(4..=255);
        it.operation.lane = [Lane::Rank(index), Lane::Next(index)][rng.gen_range(0..2)];
    }),
];

/// What spoils one kind; each makes the operation anew.
pub(super) const MADE: &[Defect] = &[
    (
        "other keys than committed to",
        E::BadProof,
        |world, it, rng| {
            *it = KINDS[0](world, 1);
            let thief = [key("thief", rng.r#gen()), key("thief", rng.r#gen())];
            reveal(it).keys = rank(&[&thief[0], &thief[1]], 2).keys;
            it.keys = thief.to_vec();
        },
    ),
    (
        "a lower threshold than committed to",
        E::BadProof,
        |world, it, _| {
            *it = KINDS[0](world, 1);
            reveal(it).threshold = 1;
            it.keys.truncate(1);
        },
    ),
    (
        "another salt than committed to",
        E::BadProof,
        |world, it, rng| {
            *it = KINDS[0](world, 1);
            reveal(it).salt = rng.r#gen();
        },
    ),
    (
        "another commitment after it was signed",
        E::BadProof,
        |world, it, _| {
            *it = KINDS[0](world, 1);
            it.after = Some(|it| {
                let reveal = it.operation.reveal.as_mut().expect("it has one");
                reveal.next = Some(H256([7; 32]));
            });
        },
    ),
    (
        "another rank 0 after guardians signed",
        E::BadProof,
        |world, it, _| {
            *it = KINDS[3](world, 1);
            it.after = Some(|it| it.operation.body = recovery(2));
        },
    ),
    (
        "another change to cancel after it was signed",
        E::BadProof,
        |world, it, rng| {
            *it = KINDS[[2, 4, 7][rng.gen_range(0..3)]](world, 1);
            it.after = Some(|it| {
                it.operation.body = Body::Cancel {
                    pending: H256([9; 32]),
                };
            });
        },
    ),
    ("a revealed key twice", E::Malformed, |world, it, _| {
        *it = KINDS[0](world, 1);
        let keys = reveal(it).keys.to_vec();
        reveal(it).keys = bounded([keys[0].clone(), keys[0].clone()]);
    }),
    (
        "next keys for another rank",
        E::BadProof,
        |world, it, rng| {
            *it = KINDS[0](world, 3);
            it.operation.lane = Lane::Next(rng.gen_range(1..4));
            it.operation.body = rotation(0, 3);
        },
    ),
    (
        "exposed keys in the next keys' lane",
        E::BadProof,
        |world, it, _| {
            *it = KINDS[0](world, 1);
            it.keys = world.guarded.author.control.clone();
        },
    ),
    (
        "next keys in the exposed keys' lane",
        E::BadProof,
        |world, it, _| {
            *it = KINDS[5](world, 1);
            it.keys = world.guarded.next.clone();
        },
    ),
    (
        "a device in the lane of rank 0",
        E::BadProof,
        |world, it, _| {
            *it = KINDS[5](world, 1);
            it.keys = world.guarded.device.clone();
        },
    ),
    (
        "next keys that end it in a lower lane",
        E::Malformed,
        |world, it, _| {
            *it = KINDS[1](world, 1);
            it.operation.lane = Lane::Next(1);
        },
    ),
    ("next keys that propose", E::Malformed, |world, it, _| {
        *it = KINDS[0](world, 1);
        it.operation.body = proposal(0);
    }),
    ("a recovery by rank 0", E::Malformed, |world, it, _| {
        *it = KINDS[5](world, 1);
        it.operation.body = recovery(0);
    }),
    ("a proposal of nothing", E::Malformed, |world, it, _| {
        *it = KINDS[5](world, 1);
        it.operation.body = Body::Propose(ProposedChange::Control(PolicyChange::default()));
    }),
    (
        "a proposal of what is below",
        E::Malformed,
        |world, it, rng| {
            *it = KINDS[5](world, 1);
            let below = change(0, rng.gen_range(1..4));
            it.operation.body = Body::Propose(ProposedChange::Control(below));
        },
    ),
    ("a delay of a moment", E::Malformed, |world, it, rng| {
        spoil_change(world, it, rng, |change| {
            change.delay_ms = Some(CONTROL_DELAY_MS_MIN_FLOOR - 1);
        });
    }),
    ("a delay for ever", E::Malformed, |world, it, rng| {
        spoil_change(world, it, rng, |change| change.delay_ms = Some(u64::MAX));
    }),
    ("no guardian", E::Malformed, |world, it, rng| {
        spoil_change(world, it, rng, |change| guard(change, 0, 1));
    }),
    ("too many guardians", E::Malformed, |world, it, rng| {
        let many = |change: &mut PolicyChange| guard(change, GUARDIANS_MAX as u16 + 1, 1);
        spoil_change(world, it, rng, many);
    }),
    (
        "guardians without threshold",
        E::Malformed,
        |world, it, rng| {
            spoil_change(world, it, rng, |change| guard(change, 3, 0));
        },
    ),
    ("a rank beyond all", E::Malformed, |world, it, rng| {
        spoil_change(world, it, rng, |change| {
            change.ranks.as_mut_slice()[0].index = 4;
        });
    }),
    ("a key in two ranks", E::Malformed, |world, it, rng| {
        spoil_change(world, it, rng, |change| {
            let twice = [1, 2].map(|index| RankChange {
                index,
                rank: Some(rank(&[&key("fresh", 0)], 1)),
            });
            change.ranks = bounded(twice);
        });
    }),
    ("no rank 0", E::Malformed, |world, it, rng| {
        spoil_change(world, it, rng, |change| {
            change.ranks = bounded([RankChange {
                index: 0,
                rank: None,
            }]);
        });
    }),
    (
        "another weight than the leaf's",
        E::BadProof,
        |world, it, rng| spoil_leaf(world, it, rng, |leaf| leaf.weight += 1),
    ),
    ("no weight", E::BadProof, |world, it, rng| {
        spoil_leaf(world, it, rng, |leaf| leaf.weight = 0)
    }),
    (
        "another salt than the leaf's",
        E::BadProof,
        |world, it, rng| spoil_leaf(world, it, rng, |leaf| leaf.salt[3] ^= 1),
    ),
    ("another place", E::BadProof, |world, it, rng| {
        spoil_leaf(world, it, rng, |leaf| leaf.index += 1)
    }),
    ("a longer path", E::BadProof, |world, it, rng| {
        spoil_leaf(world, it, rng, |leaf| {
            leaf.path = lengthened(&leaf.path);
        })
    }),
    ("a shorter path", E::BadProof, |world, it, rng| {
        spoil_leaf(world, it, rng, |leaf| leaf.path = bounded([]))
    }),
    ("another sibling", E::BadProof, |world, it, rng| {
        spoil_leaf(world, it, rng, |leaf| leaf.path.as_mut_slice()[0].0[0] ^= 1);
    }),
    ("each other's leaves", E::BadProof, |world, it, _| {
        *it = KINDS[3](world, 1);
        it.after = Some(|signed| {
            let list = signed.signatures.as_mut_slice();
            let first = list[0].leaf.take();
            list[0].leaf = list[1].leaf.take();
            list[1].leaf = first;
        });
    }),
    (
        "a controller that is not listed",
        E::NotController,
        |world, it, _| {
            *it = by_controller(world, 1);
            it.operation.controller = Some(world.alive[0].did);
            it.keys = world.alive[0].control.clone();
        },
    ),
    (
        "a controller that is dead",
        E::NotController,
        |world, it, _| {
            *it = by_controller(world, 1);
            it.operation.controller = Some(world.dead.did);
            it.keys = world.dead.control.clone();
        },
    ),
    (
        "a controller's keys without its name",
        E::BadProof,
        |world, it, _| {
            *it = by_controller(world, 1);
            it.operation.controller = None;
        },
    ),
    (
        "the owner's keys in a controller's name",
        E::BadProof,
        |world, it, _| {
            *it = by_controller(world, 1);
            it.keys = world.guarded.author.control.clone();
        },
    ),
    (
        "a controller that logs out",
        E::Malformed,
        |world, it, _| {
            *it = by_controller(world, 1);
            it.operation.body = super::world::logout();
        },
    ),
    (
        "declarations in another order",
        E::Malformed,
        |world, it, _| {
            *it = by_controller(world, 1);
            let declare = |fragment| Declaration {
                fragment: text(fragment),
                since: TimeMs(1),
            };
            let Body::UpdateDocument(patch) = &mut it.operation.body else {
                unreachable!("a controller does nothing else")
            };
            patch.declare = bounded([declare("b"), declare("a")]);
        },
    ),
];

fn strangers(_: &World, act: &mut Act, rng: &mut ChaCha8Rng) {
    act.keys = vec![key("stranger", rng.r#gen()), key("stranger", rng.r#gen())];
    act.by_guardians = false;
    act.after = Some(repeat_leaf);
}

/// Gives signatures in the guardians' lane leaves that somebody made up.
fn repeat_leaf(signed: &mut SignedOperation) {
    if signed.operation.lane == Lane::Guardians {
        for signature in signed.signatures.as_mut_slice() {
            signature.leaf = Some(any_leaf());
        }
    }
}

pub(super) fn any_leaf() -> GuardianLeaf {
    GuardianLeaf {
        weight: 1,
        salt: [0; 16],
        index: 0,
        path: bounded([H256::ZERO; 2]),
    }
}

fn reveal(act: &mut Act) -> &mut allod_primitives::operation::Reveal {
    act.operation.reveal.as_mut().expect("next keys reveal")
}

fn guard(change: &mut PolicyChange, count: u16, threshold: u32) {
    change.guardians = Some(Some(GuardianSet {
        root: H256::ZERO,
        count,
        threshold,
        delay_ms: CONTROL_DELAY_MS_DEFAULT,
    }));
}

fn lengthened<const MAX: u32>(path: &BoundedVec<H256, MAX>) -> BoundedVec<H256, MAX> {
    bounded([&path[..], &[H256::ZERO]].concat())
}

/// Makes a rotation by next keys or a proposal with a change that `spoil` spoils.
pub(super) fn spoil_change(
    world: &World,
    act: &mut Act,
    rng: &mut ChaCha8Rng,
    spoil: impl Fn(&mut PolicyChange),
) {
    let mut change = change(rng.r#gen(), 0);
    spoil(&mut change);
    *act = match rng.gen_bool(0.5) {
        true => {
            let body = Body::Rotate {
                change,
                document: None,
            };
            Act::new(world, Lane::Next(0), body)
        }
        false => {
            let body = Body::Propose(ProposedChange::Control(change));
            Act::new(world, Lane::Rank(0), body)
        }
    };
}

/// Makes a guardians' operation one of whose leaves is spoilt; nobody signs leaves.
fn spoil_leaf(world: &World, act: &mut Act, rng: &mut ChaCha8Rng, spoil: fn(&mut GuardianLeaf)) {
    *act = KINDS[rng.gen_range(3..5)](world, 1);
    act.leaf = Some(spoil);
}
