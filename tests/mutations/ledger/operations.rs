//! Operations on identities that exist, bare and in registrars' batches.

use allod_primitives::document::{Declaration, InitialDocument, RetireReason, Retirement, Service};
use allod_primitives::limits::{
    OPERATION_VALIDITY_MS_MAX, QUOTA_DOCUMENTS_PER_DAY, QUOTA_RANK_PER_DAY,
};
use allod_primitives::operation::{Body, Lane, Payer, SignedOperation};
use allod_primitives::policy::PolicyChange;
use allod_primitives::{DidId, ForkId, H256, TimeMs};
use allod_runtime::frame::TransactionError as E;
use allod_runtime::{RuntimeCall, did};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::defects::{BAD_DOCUMENTS, BAD_RANKS, patch};
use super::draft::{Defect, Draft, TAMPERINGS};
use super::judge::Bench;
use super::world::{World, logout, rotation};
use crate::author::{bare, bounded, inception, key, method, public, text};
use crate::tally::{Half, Tally, Verdict, variant};

/// Returns a valid operation, signed by two keys; any body, any lane.
fn valid(world: &World, rng: &mut ChaCha8Rng) -> Draft {
    let author = world.alive.last().expect("somebody lives").clone();
    let n = rng.r#gen();
    let fresh = [key("fresh", n), key("fresh", n ^ 1)];
    let (lane, body) = match rng.gen_range(0..4) {
        0 => (Lane::Documents, Body::UpdateDocument(patch(document(n)))),
        1 => (Lane::Documents, logout()),
        2 => (Lane::Rank(0), rotation(&[&fresh[0], &fresh[1]], 2)),
        _ => (Lane::Rank(0), Body::Deactivate),
    };
    Draft {
        operation: world.operation(&author, lane, body),
        keys: author.control[..2].to_vec(),
        after: None,
    }
}

/// Returns a document of one new method.
fn document(n: u64) -> InitialDocument {
    InitialDocument {
        methods: bounded([method(&format!("m{n}"), &key("method", n))]),
        ..InitialDocument::default()
    }
}

fn change() -> PolicyChange {
    let Body::Rotate { change, .. } = rotation(&[&key("fresh", 0)], 1) else {
        unreachable!("a rotation is one")
    };
    change
}

fn rotate(change: PolicyChange) -> Body {
    Body::Rotate {
        change,
        document: None,
    }
}

fn set(draft: &mut Draft, lane: Lane, body: Body, world: &World) {
    let author = world.alive.last().expect("somebody lives");
    draft.operation = world.operation(author, lane, body);
}

/// One rule each; everything else of the operation holds, and the right keys sign it.
const DEFECTS: &[Defect] = &[
    ("unknown version", E::UnknownVersion, |_, it, rng| {
        it.operation.version ^= rng.gen_range(1..=255)
    }),
    ("another network", E::WrongNetwork, |_, it, rng| {
        it.operation.genesis = H256(rng.r#gen())
    }),
    ("another fork", E::WrongFork, |_, it, rng| {
        it.operation.fork_id = ForkId(rng.gen_range(1..=u32::MAX));
    }),
    ("expired", E::Expired, |world, it, rng| {
        it.operation.valid_until = TimeMs(world.now().0 - rng.gen_range(1..1_000_000));
    }),
    ("valid too long", E::ValidTooLong, |world, it, rng| {
        let more = OPERATION_VALIDITY_MS_MAX + rng.gen_range(1..1_000_000);
        it.operation.valid_until = world.now().plus_ms(more);
    }),
    ("unknown identity", E::NotFound, |_, it, rng| {
        it.operation.did = DidId(rng.r#gen())
    }),
    ("dead identity", E::Deactivated, |world, it, _| {
        it.operation.did = world.dead.did
    }),
    ("a lane of another body", E::Malformed, |_, it, rng| {
        it.operation.lane = match it.operation.body {
            Body::UpdateDocument(_) => Lane::Rank(rng.gen_range(0..4)),
            Body::SetNotBefore { .. } => [Lane::Guardians, Lane::Next(0)][rng.gen_range(0..2)],
            _ => [Lane::Documents, Lane::Guardians, Lane::Next(1)][rng.gen_range(0..3)],
        };
    }),
    ("a lane beyond all ranks", E::Malformed, |_, it, rng| {
        it.operation.lane = Lane::Rank(rng.gen_range(4..=255));
    }),
    ("stale", E::Stale, |_, it, _| it.operation.lane_seq = 0),
    ("ahead of its turn", E::Future, |_, it, rng| {
        it.operation.lane_seq += rng.gen_range(1..9)
    }),
    ("far ahead", E::Future, |_, it, rng| {
        let quota = QUOTA_DOCUMENTS_PER_DAY.max(QUOTA_RANK_PER_DAY);
        it.operation.lane_seq += u64::from(quota) + rng.gen_range(0..u64::MAX / 2);
    }),
    ("forked lane", E::ForkedLane, |_, it, rng| {
        it.operation.lane_prev = H256(rng.r#gen())
    }),
    ("forked at the root", E::ForkedLane, |_, it, _| {
        it.operation.lane_prev = H256::ZERO
    }),
    ("a stranger's keys", E::BadProof, |_, it, rng| {
        it.keys = vec![key("stranger", rng.r#gen()), key("stranger", rng.r#gen())];
    }),
    ("a stranger beside the owners", E::BadProof, |_, it, rng| {
        it.keys.push(key("stranger", rng.r#gen()));
    }),
    ("one of two", E::BadProof, |_, it, rng| {
        drop(it.keys.remove(rng.gen_range(0..2)))
    }),
    ("the key rotated away", E::BadProof, |world, it, _| {
        it.keys = vec![world.alive.last().expect("somebody lives").old.clone()];
    }),
    ("the login key", E::BadProof, |world, it, _| {
        it.keys = vec![world.alive.last().expect("somebody lives").login.clone()];
    }),
    ("an empty patch", E::Malformed, |world, it, _| {
        set(
            it,
            Lane::Documents,
            Body::UpdateDocument(Default::default()),
            world,
        );
    }),
    (
        "retirements in another order",
        E::Malformed,
        |world, it, _| {
            let retire = |fragment| Retirement {
                fragment: text(fragment),
                reason: RetireReason::Routine,
            };
            let mut patch = patch(InitialDocument::default());
            patch.retire = bounded([retire("b"), retire("a")]);
            set(it, Lane::Documents, Body::UpdateDocument(patch), world);
        },
    ),
    ("a rotation of nothing", E::Malformed, |world, it, _| {
        set(it, Lane::Rank(0), rotate(PolicyChange::default()), world);
    }),
    ("a rank twice", E::Malformed, |world, it, _| {
        let ranks = change().ranks.into_vec();
        let twice = PolicyChange {
            ranks: bounded([&ranks[..], &ranks[..]].concat()),
            ..change()
        };
        set(it, Lane::Rank(0), rotate(twice), world);
    }),
    ("a rank beyond all", E::Malformed, |world, it, rng| {
        let mut change = change();
        change.ranks.as_mut_slice()[0].index = rng.gen_range(4..=255);
        set(it, Lane::Rank(0), rotate(change), world);
    }),
    ("without a rank 0", E::Malformed, |world, it, _| {
        let mut change = change();
        change.ranks.as_mut_slice()[0].rank = None;
        set(it, Lane::Rank(0), rotate(change), world);
    }),
    (
        "declarations in another order",
        E::Malformed,
        |world, it, _| {
            let declare = |fragment| Declaration {
                fragment: text(fragment),
                since: TimeMs(1),
            };
            let mut patch = patch(InitialDocument::default());
            patch.declare = bounded([declare("b"), declare("a")]);
            set(it, Lane::Documents, Body::UpdateDocument(patch), world);
        },
    ),
    ("a declaration twice", E::Malformed, |world, it, _| {
        let declaration = Declaration {
            fragment: text("a"),
            since: TimeMs(1),
        };
        let mut patch = patch(InitialDocument::default());
        patch.declare = bounded([declaration.clone(), declaration]);
        set(it, Lane::Documents, Body::UpdateDocument(patch), world);
    }),
    ("too many bytes", E::Malformed, |world, it, _| {
        let long = format!("https://{}", "x".repeat(248));
        let service = |n: u8| Service {
            fragment: text(&format!("s{}", char::from(b'a' + n))),
            kind: text("Store"),
            endpoints: bounded(vec![text(&long); 4]),
        };
        let document = InitialDocument {
            services: bounded((0..16).map(service).collect::<Vec<_>>()),
            ..InitialDocument::default()
        };
        set(
            it,
            Lane::Documents,
            Body::UpdateDocument(patch(document)),
            world,
        );
    }),
];

/// How an operation travels.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Bare,
    Batch,
}

/// Judges operations with one rule broken, on both ways.
pub(crate) fn field_half(rounds: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let mut bench = Bench::new();
    let mut batch: Vec<(&str, E, SignedOperation)> = Vec::new();
    for round in 0..rounds {
        let (name, expected, draft) = defective(&bench.world, round, rng);
        let way = if rng.gen_bool(0.5) {
            Way::Bare
        } else {
            Way::Batch
        };
        let mut draft = draft;
        draft.operation.payer = payer(&bench.world, way, rng);
        if way == Way::Batch {
            batch.push((name, expected, draft.sign()));
            if batch.len() == 16 {
                judge_batch(&mut bench, std::mem::take(&mut batch), tally);
            }
            continue;
        }
        let operation = draft.sign();
        let body = bare(&RuntimeCall::Did(did::Call::submit { operation }));
        let verdict = bench.expect(name, &body, expected);
        tally.count("Did.submit", Half::Fields, verdict);
    }
    judge_batch(&mut bench, batch, tally);
    judge_payers(&mut bench, rounds / 20, rng, tally);
    bench.settle();
}

/// Returns a payer that this way allows.
fn payer(world: &World, way: Way, rng: &mut ChaCha8Rng) -> Payer {
    match (way, rng.gen_bool(0.5)) {
        (_, false) => Payer::Any,
        (Way::Bare, true) => Payer::Own,
        (Way::Batch, true) => Payer::Sponsor(public(&world.registrar)),
    }
}

/// Draws one defect of all there are.
fn defective(world: &World, round: usize, rng: &mut ChaCha8Rng) -> (&'static str, E, Draft) {
    let mut draft = valid(world, rng);
    let mut n = round % (DEFECTS.len() + TAMPERINGS.len() + BAD_RANKS.len() + BAD_DOCUMENTS.len());
    if let Some((name, expected, defect)) = DEFECTS.get(n) {
        defect(world, &mut draft, rng);
        return (name, *expected, draft);
    }
    n -= DEFECTS.len();
    if let Some((name, expected, tamper)) = TAMPERINGS.get(n) {
        draft.after = Some(*tamper);
        return (name, *expected, draft);
    }
    n -= TAMPERINGS.len();
    if let Some((name, expected, spoil)) = BAD_RANKS.get(n) {
        let mut change = change();
        let change_of = change.ranks.as_mut_slice()[0].rank.as_mut();
        spoil(change_of.expect("it sets the rank"));
        set(&mut draft, Lane::Rank(0), rotate(change), world);
        return (name, *expected, draft);
    }
    let (name, spoil) = BAD_DOCUMENTS[n - BAD_RANKS.len()];
    let mut document = document(rng.r#gen());
    spoil(&mut document);
    let patch = patch(document);
    if rng.gen_bool(0.5) {
        set(
            &mut draft,
            Lane::Documents,
            Body::UpdateDocument(patch),
            world,
        );
    } else {
        let body = Body::Rotate {
            change: change(),
            document: Some(patch),
        };
        set(&mut draft, Lane::Rank(0), body, world);
    }
    (name, E::Malformed, draft)
}

fn judge_batch(bench: &mut Bench, batch: Vec<(&str, E, SignedOperation)>, tally: &mut Tally) {
    if batch.is_empty() {
        return;
    }
    let expected: Vec<String> = batch
        .iter()
        .map(|it| format!("did::Error::{}", variant(&it.1)))
        .collect();
    let names: Vec<&str> = batch.iter().map(|it| it.0).collect();
    let items = bounded(batch.into_iter().map(|it| it.2).collect::<Vec<_>>());
    let call = RuntimeCall::Did(did::Call::batch { items });
    let body = bench.world.signed(&bench.world.registrar, &call);
    bench.expect_items(&format!("{names:?}"), &body, &expected);
    for error in expected {
        tally.count("Did.batch", Half::Fields, Verdict::Refused(error));
    }
}

/// Judges valid operations that somebody else takes, and those of an identity without quota.
fn judge_payers(bench: &mut Bench, rounds: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    for _ in 0..rounds {
        let mut draft = valid(&bench.world, rng);
        let named = match rng.gen_bool(0.5) {
            true => public(&bench.world.registrar),
            false => public(&key("stranger", rng.r#gen())),
        };
        draft.operation.payer = Payer::Sponsor(named);
        let operation = draft.sign();
        let body = bare(&RuntimeCall::Did(did::Call::submit { operation }));
        let verdict = bench.expect("bare, for a sponsor", &body, E::WrongPayer);
        tally.count("Did.submit", Half::Fields, verdict);

        let mut draft = valid(&bench.world, rng);
        draft.operation.payer = match rng.gen_bool(0.5) {
            true => Payer::Own,
            false => Payer::Sponsor(public(&bench.world.poor)),
        };
        judge_batch(bench, vec![("stolen", E::WrongPayer, draft.sign())], tally);

        let spent = bench.world.spent.clone();
        let (lane, body) = match rng.gen_bool(0.5) {
            true => (Lane::Documents, logout()),
            false => (Lane::Rank(0), rotation(&[&key("fresh", rng.r#gen())], 1)),
        };
        let operation = bench.world.operation(&spent, lane, body);
        let draft = Draft {
            operation,
            keys: spent.control,
            after: None,
        };
        let operation = draft.sign();
        let body = bare(&RuntimeCall::Did(did::Call::submit { operation }));
        let verdict = bench.expect("quota used up", &body, E::OverQuota);
        tally.count("Did.submit", Half::Fields, verdict);

        let author = bench.world.alive[0].clone();
        let again = inception(&author.old, &author.login, [0; 16]);
        let operation = bench
            .world
            .operation(&author, Lane::Rank(0), Body::Incept(again));
        let draft = Draft {
            operation,
            keys: vec![author.old],
            after: None,
        };
        let operation = draft.sign();
        let body = bare(&RuntimeCall::Did(did::Call::submit { operation }));
        let verdict = bench.expect("an inception as an operation", &body, E::Malformed);
        tally.count("Did.submit", Half::Fields, verdict);
    }
}
