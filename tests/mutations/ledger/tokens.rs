//! Revocations of tokens, bare and in batches.

use allod_primitives::limits::{OPERATION_VALIDITY_MS_MAX, TOKEN_LEEWAY_S, TOKEN_LIFETIME_S_MAX};
use allod_primitives::operation::Payer;
use allod_primitives::token::{SignedTokenOperation, TokenOperation};
use allod_primitives::{DidId, ForkId, H256, TimeMs};
use allod_runtime::frame::TransactionError as E;
use allod_runtime::{RuntimeCall, revocation};
use ed25519_dalek::SigningKey;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::draft::{TAMPERINGS, tampered};
use super::judge::Bench;
use super::world::World;
use crate::author::{bare, bounded, key, public, sign_token};
use crate::tally::{Half, Tally, Verdict, variant};

/// A revocation to sign, and who will.
struct Draft {
    operation: TokenOperation,
    keys: Vec<SigningKey>,
}

type Defect = (&'static str, E, fn(&World, &mut Draft, &mut ChaCha8Rng));

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
    (
        "a token that is void anyway",
        E::Expired,
        |world, it, rng| {
            it.operation.exp = world.now().seconds() - TOKEN_LEEWAY_S - rng.gen_range(0..999);
        },
    ),
    (
        "a token that lives too long",
        E::ValidTooLong,
        |world, it, rng| {
            let latest = world.now().seconds() + TOKEN_LIFETIME_S_MAX + TOKEN_LEEWAY_S;
            it.operation.exp = latest + rng.gen_range(1..u64::MAX / 2);
        },
    ),
    ("unknown issuer", E::NotFound, |_, it, rng| {
        it.operation.did = DidId(rng.r#gen())
    }),
    ("dead issuer", E::Deactivated, |world, it, _| {
        it.operation.did = world.dead.did;
        it.keys.clone_from(&world.dead.control);
    }),
    ("revoked already", E::AlreadyExists, |world, it, _| {
        let valid_until = it.operation.valid_until;
        let payer = it.operation.payer;
        it.operation = TokenOperation {
            valid_until,
            payer,
            ..world.revoked_token
        };
        it.keys.clone_from(&world.alive[0].control);
    }),
    ("a stranger's keys", E::BadProof, |_, it, rng| {
        it.keys = vec![key("stranger", rng.r#gen()), key("stranger", rng.r#gen())];
    }),
    ("the login key", E::BadProof, |world, it, _| {
        it.keys = vec![world.alive.last().expect("somebody lives").login.clone()];
    }),
    ("the key rotated away", E::BadProof, |world, it, _| {
        it.keys = vec![world.alive.last().expect("somebody lives").old.clone()];
    }),
    ("another issuer's token", E::BadProof, |world, it, _| {
        it.operation.did = world.alive[0].did;
    }),
];

/// Returns a revocation with one rule broken.
fn defective(
    world: &World,
    round: usize,
    payer: Payer,
    rng: &mut ChaCha8Rng,
) -> (&'static str, E, SignedTokenOperation) {
    let author = world.alive.last().expect("somebody lives");
    let mut draft = Draft {
        operation: world.token(author, &format!("token {}", rng.r#gen::<u64>())),
        keys: author.control[..2].to_vec(),
    };
    draft.operation.payer = payer;
    let n = round % (DEFECTS.len() + TAMPERINGS.len());
    let Some((name, expected, defect)) = DEFECTS.get(n) else {
        let (name, expected, tamper) = TAMPERINGS[n - DEFECTS.len()];
        let mut signed = finish(draft);
        signed.signatures = tampered(signed.signatures, tamper);
        return (name, expected, signed);
    };
    defect(world, &mut draft, rng);
    (name, *expected, finish(draft))
}

fn finish(draft: Draft) -> SignedTokenOperation {
    let keys: Vec<&SigningKey> = draft.keys.iter().collect();
    sign_token(draft.operation, &keys)
}

/// Judges revocations with one rule broken, on both ways.
pub(crate) fn field_half(rounds: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let mut bench = Bench::new();
    let mut batch = Vec::new();
    for round in 0..rounds {
        let sponsor = public(&bench.world.registrar);
        match round % 8 {
            0..4 => {
                let payer = [Payer::Own, Payer::Any][round % 2];
                let (name, expected, operation) = defective(&bench.world, round, payer, rng);
                judge_bare(&mut bench, name, operation, expected, tally);
            }
            4..7 => {
                let payer = [Payer::Sponsor(sponsor), Payer::Any][round % 2];
                let item = defective(&bench.world, round, payer, rng);
                batch.push((item.1, item.2));
            }
            _ => judge_payers(&mut bench, rng, tally),
        }
        if batch.len() == 16 {
            judge_batch(&mut bench, std::mem::take(&mut batch), tally);
        }
    }
    bench.settle();
}

fn judge_bare(
    bench: &mut Bench,
    name: &str,
    operation: SignedTokenOperation,
    expected: E,
    tally: &mut Tally,
) {
    let call = RuntimeCall::Revocation(revocation::Call::revoke { operation });
    let verdict = bench.expect(name, &bare(&call), expected);
    tally.count("Revocation.revoke", Half::Fields, verdict);
}

/// Judges valid revocations that somebody else pays for, and one of an issuer without quota.
fn judge_payers(bench: &mut Bench, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let author = bench.world.alive[1].clone();
    let jti = format!("token {}", rng.r#gen::<u64>());
    let mut operation = bench.world.token(&author, &jti);
    operation.payer = Payer::Sponsor(public(&bench.world.registrar));
    let bare = finish(Draft {
        operation,
        keys: author.control.clone(),
    });
    judge_bare(bench, "bare, for a sponsor", bare, E::WrongPayer, tally);
    operation.payer = Payer::Own;
    let stolen = finish(Draft {
        operation,
        keys: author.control,
    });
    judge_batch(bench, vec![(E::WrongPayer, stolen)], tally);
    let spent = bench.world.spent.clone();
    let operation = bench.world.token(&spent, &jti);
    let spent = finish(Draft {
        operation,
        keys: spent.control,
    });
    judge_bare(bench, "quota used up", spent, E::OverQuota, tally);
}

fn judge_batch(bench: &mut Bench, batch: Vec<(E, SignedTokenOperation)>, tally: &mut Tally) {
    let error = |it: &(E, _)| format!("revocation::Error::{}", variant(&it.0));
    let expected: Vec<String> = batch.iter().map(error).collect();
    let items = bounded(batch.into_iter().map(|it| it.1).collect::<Vec<_>>());
    let call = RuntimeCall::Revocation(revocation::Call::batch { items });
    let body = bench.world.signed(&bench.world.registrar, &call);
    bench.expect_items("revocations", &body, &expected);
    for error in expected {
        tally.count("Revocation.batch", Half::Fields, Verdict::Refused(error));
    }
}
