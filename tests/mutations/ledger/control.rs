//! Operations on control: by next keys, by guardians, proposals, cancellations, controllers.

use allod_primitives::document::DocumentPatch;
use allod_primitives::operation::{
    Body, GuardianLeaf, KeySignature, Lane, Operation, Payer, ProposedChange, SignedOperation,
};
use allod_primitives::policy::{PolicyChange, Rank, RankChange};
use allod_runtime::frame::TransactionError as E;
use allod_runtime::{RuntimeCall, did};
use ed25519_dalek::SigningKey;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::defects::BAD_RANKS;
use super::draft::{TAMPERINGS, tampered};
use super::guarded::Guarded;
use super::judge::{Bench, Judged};
use super::misuse::{DEFECTS, MADE, any_leaf, spoil_change};
use super::world::World;
use crate::author::{bare, bounded, key, public, rank, sign_operation, text};
use crate::tally::{Half, Tally, Verdict, variant};

/// An operation on control in the making.
pub(crate) struct Act {
    pub(super) operation: Operation,
    pub(super) keys: Vec<SigningKey>,
    /// Whether the keys are guardians'.
    pub(super) by_guardians: bool,
    /// What happens to it after it is signed.
    pub(super) after: Option<fn(&mut SignedOperation)>,
    /// What happens to the first guardian's leaf.
    pub(super) leaf: Option<fn(&mut GuardianLeaf)>,
    /// What happens to the list of signatures.
    pub(super) tamper: Option<fn(&mut Vec<KeySignature>)>,
}

impl Act {
    pub(super) fn new(world: &World, lane: Lane, body: Body) -> Self {
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
            // A signature that was added says that it is a guardian's, where guardians sign.
            for signature in signed.signatures.as_mut_slice() {
                if self.by_guardians && signature.leaf.is_none() {
                    signature.leaf = Some(any_leaf());
                }
            }
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

pub(super) fn change(n: u64, index: u8) -> PolicyChange {
    PolicyChange {
        ranks: bounded([RankChange {
            index,
            rank: Some(rank(&[&key("fresh", n)], 1)),
        }]),
        ..PolicyChange::default()
    }
}

pub(super) fn rotation(n: u64, index: u8) -> Body {
    Body::Rotate {
        change: change(n, index),
        document: None,
    }
}

pub(super) fn proposal(n: u64) -> Body {
    Body::Propose(ProposedChange::Control(change(n, 0)))
}

pub(super) fn recovery(n: u64) -> Body {
    Body::Recover {
        rank: rank(&[&key("fresh", n)], 1),
    }
}

pub(super) fn by_controller(world: &World, n: u64) -> Act {
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
