//! Operations on control: by next keys, by guardians, proposals, cancellations, controllers.

use allod_primitives::document::{Declaration, DocumentPatch};
use allod_primitives::limits::{
    CONTROL_DELAY_MS_DEFAULT, CONTROL_DELAY_MS_MIN_FLOOR, GUARDIANS_MAX, OPERATION_VALIDITY_MS_MAX,
};
use allod_primitives::operation::{
    Body, GuardianLeaf, KeySignature, Lane, Operation, Payer, ProposedChange, SignedOperation,
};
use allod_primitives::policy::{GuardianSet, PolicyChange, Rank, RankChange};
use allod_primitives::{BoundedVec, DidId, ForkId, H256, TimeMs};
use allod_runtime::frame::TransactionError as E;
use allod_runtime::{RuntimeCall, did};
use ed25519_dalek::SigningKey;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::defects::BAD_RANKS;
use super::draft::{TAMPERINGS, tampered};
use super::guarded::Guarded;
use super::judge::{Bench, Judged};
use super::world::World;
use crate::author::{bare, bounded, key, public, rank, sign_operation, text};
use crate::tally::{Half, Tally, Verdict, variant};

/// An operation on control in the making.
pub(crate) struct Act {
    operation: Operation,
    keys: Vec<SigningKey>,
    /// Whether the keys are guardians'.
    by_guardians: bool,
    /// What happens to it after it is signed.
    after: Option<fn(&mut SignedOperation)>,
    /// What happens to the first guardian's leaf.
    leaf: Option<fn(&mut GuardianLeaf)>,
    /// What happens to the list of signatures.
    tamper: Option<fn(&mut Vec<KeySignature>)>,
}

impl Act {
    fn new(world: &World, lane: Lane, body: Body) -> Self {
        let guarded = &world.guarded;
        let mut operation = world.operation(&guarded.author, lane, body);
        let keys = match lane {
            Lane::Next(_) => guarded.next.clone(),
            Lane::Guardians => guarded.guardians[..2].to_vec(),
            Lane::Rank(0) => guarded.author.control.clone(),
            _ => guarded.device.clone(),
        };
        if let Lane::Next(_) = lane {
            operation.reveal = Some(guarded.reveal());
        }
        Self {
            operation,
            keys,
            by_guardians: lane == Lane::Guardians,
            after: None,
            leaf: None,
            tamper: None,
        }
    }

    pub(crate) fn sign(self, guarded: &Guarded) -> SignedOperation {
        let keys: Vec<&SigningKey> = self.keys.iter().collect();
        let mut signed = sign_operation(self.operation, &keys);
        if self.by_guardians {
            for signature in signed.signatures.as_mut_slice() {
                signature.leaf = Some(guarded.leaf(&signature.key));
            }
        }
        if let Some(spoil) = self.leaf {
            let first = &mut signed.signatures.as_mut_slice()[0];
            spoil(first.leaf.as_mut().expect("guardians have leaves"));
        }
        if let Some(tamper) = self.tamper {
            signed.signatures = tampered(signed.signatures, tamper);
        }
        if let Some(after) = self.after {
            after(&mut signed);
        }
        signed
    }
}

type Kind = fn(&World, u64) -> Act;

/// Every kind of valid operation on control; each is signed by two keys.
pub(crate) const KINDS: &[Kind] = &[
    |world, n| Act::new(world, Lane::Next(0), rotation(n, 1)),
    |world, _| Act::new(world, Lane::Next(0), Body::Deactivate),
    |world, _| Act::new(world, Lane::Next(0), cancel(world)),
    |world, n| Act::new(world, Lane::Guardians, recovery(n)),
    |world, _| Act::new(world, Lane::Guardians, cancel(world)),
    |world, n| Act::new(world, Lane::Rank(0), proposal(n)),
    |world, _| {
        let end = Body::Propose(ProposedChange::Deactivation);
        Act::new(world, Lane::Rank(0), end)
    },
    |world, _| Act::new(world, Lane::Rank(0), cancel(world)),
    |world, n| Act::new(world, Lane::Rank(0), rotation(n, 1)),
    by_controller,
];

fn cancel(world: &World) -> Body {
    Body::Cancel {
        pending: world.guarded.pending,
    }
}

fn change(n: u64, index: u8) -> PolicyChange {
    PolicyChange {
        ranks: bounded([RankChange {
            index,
            rank: Some(rank(&[&key("fresh", n)], 1)),
        }]),
        ..PolicyChange::default()
    }
}

fn rotation(n: u64, index: u8) -> Body {
    Body::Rotate {
        change: change(n, index),
        document: None,
    }
}

fn proposal(n: u64) -> Body {
    Body::Propose(ProposedChange::Control(change(n, 0)))
}

fn recovery(n: u64) -> Body {
    Body::Recover {
        rank: rank(&[&key("fresh", n)], 1),
    }
}

fn by_controller(world: &World, n: u64) -> Act {
    let patch = DocumentPatch {
        also_known_as: Some(bounded([text(&format!("did:web:{n}.example"))])),
        ..DocumentPatch::default()
    };
    let mut act = Act::new(world, Lane::Documents, Body::UpdateDocument(patch));
    let controller = world.alive.last().expect("somebody lives");
    act.operation.controller = Some(controller.did);
    act.keys = controller.control[..2].to_vec();
    act
}

type Defect = (&'static str, E, fn(&World, &mut Act, &mut ChaCha8Rng));

/// What spoils every kind.
const DEFECTS: &[Defect] = &[
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
const MADE: &[Defect] = &[
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

fn any_leaf() -> GuardianLeaf {
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
fn spoil_change(
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

/// Draws one defect of all there are, on a kind it fits.
fn defective(world: &World, round: usize, rng: &mut ChaCha8Rng) -> (&'static str, E, Act) {
    let mut act = KINDS[rng.gen_range(0..KINDS.len())](world, rng.r#gen());
    let mut n = round % (DEFECTS.len() + MADE.len() + TAMPERINGS.len() + BAD_RANKS.len());
    for list in [DEFECTS, MADE] {
        if let Some((name, expected, defect)) = list.get(n) {
            defect(world, &mut act, rng);
            return (name, *expected, act);
        }
        n -= list.len();
    }
    if let Some((name, expected, tamper)) = TAMPERINGS.get(n) {
        act.tamper = Some(*tamper);
        return (name, *expected, act);
    }
    let (name, expected, spoil) = BAD_RANKS[n - TAMPERINGS.len()];
    if rng.gen_bool(0.5) {
        act = KINDS[3](world, rng.r#gen());
        if let Body::Recover { rank } = &mut act.operation.body {
            spoil(rank);
        }
    } else {
        let spoil_rank = |change: &mut PolicyChange| {
            let rank: Option<&mut Rank> = change.ranks.as_mut_slice()[0].rank.as_mut();
            spoil(rank.expect("it sets the rank"));
        };
        spoil_change(world, &mut act, rng, spoil_rank);
    }
    (name, expected, act)
}

/// Judges operations on control with one rule broken, bare and as items of a batch.
pub(crate) fn field_half(rounds: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let mut bench = Bench::new();
    assert_all_taken(&mut bench);
    for round in 0..rounds {
        let (name, expected, mut act) = defective(&bench.world, round, rng);
        if rng.gen_bool(0.7) {
            act.operation.payer = [Payer::Any, Payer::Own][rng.gen_range(0..2)];
            let operation = act.sign(&bench.world.guarded);
            let body = bare(&RuntimeCall::Did(did::Call::submit { operation }));
            let verdict = bench.expect(name, &body, expected);
            tally.count("Did.submit, control", Half::Fields, verdict);
            continue;
        }
        let sponsor = Payer::Sponsor(public(&bench.world.registrar));
        act.operation.payer = [Payer::Any, sponsor][rng.gen_range(0..2)];
        let items = bounded([act.sign(&bench.world.guarded)]);
        let call = RuntimeCall::Did(did::Call::batch { items });
        let body = bench.world.signed(&bench.world.registrar, &call);
        let expected = format!("did::Error::{}", variant(&expected));
        bench.expect_items(name, &body, std::slice::from_ref(&expected));
        tally.count(
            "Did.batch, control",
            Half::Fields,
            Verdict::Refused(expected),
        );
    }
    bench.settle();
}

/// Checks that every kind is taken and succeeds as it is.
fn assert_all_taken(bench: &mut Bench) {
    for (n, body) in samples(&bench.world).iter().enumerate() {
        match bench.judge(body) {
            Judged::Included(executed) => {
                assert_eq!(executed.results[1].outcome, Ok(()), "kind {n}");
            }
            Judged::Refused(error) => panic!("kind {n}: {error}"),
        }
    }
}

/// Returns a valid extrinsic of every kind.
pub(crate) fn samples(world: &World) -> Vec<Vec<u8>> {
    let submit = |kind: &Kind| {
        let operation = kind(world, 1).sign(&world.guarded);
        bare(&RuntimeCall::Did(did::Call::submit { operation }))
    };
    KINDS.iter().map(submit).collect()
}
