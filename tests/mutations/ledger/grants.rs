//! Messages of grants' keys: anchorings in batches, revocations bare.

use allod_primitives::grant::{GrantAction, GrantMessage};
use allod_primitives::limits::{GRANT_DAYS_MAX, OPERATION_VALIDITY_MS_MAX};
use allod_primitives::{ForkId, H256, TimeMs};
use allod_runtime::frame::TransactionError as E;
use allod_runtime::{RuntimeCall, grant};
use ed25519_dalek::SigningKey;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::defects::{NON_CANONICAL, OFF_CURVE, SMALL_ORDER};
use super::judge::Bench;
use super::world::World;
use crate::author::{bare, bounded, key, public, sign_message};
use crate::tally::{Half, Tally, Verdict, variant};

/// A message to sign, and who will.
struct Draft {
    message: GrantMessage,
    key: SigningKey,
}

type Defect = (&'static str, E, fn(&World, &mut Draft, &mut ChaCha8Rng));

/// What both messages share.
const SHARED: &[Defect] = &[
    ("unknown version", E::UnknownVersion, |_, it, rng| {
        it.message.version ^= rng.gen_range(1..=255)
    }),
    ("another network", E::WrongNetwork, |_, it, rng| {
        it.message.genesis = H256(rng.r#gen())
    }),
    ("another fork", E::WrongFork, |_, it, rng| {
        it.message.fork_id = ForkId(rng.gen_range(1..=u32::MAX));
    }),
    ("expired", E::Expired, |world, it, rng| {
        it.message.valid_until = TimeMs(world.now().0 - rng.gen_range(1..1_000_000));
    }),
    ("valid too long", E::ValidTooLong, |world, it, rng| {
        let more = OPERATION_VALIDITY_MS_MAX + rng.gen_range(1..1_000_000);
        it.message.valid_until = world.now().plus_ms(more);
    }),
    ("a stranger's key", E::BadProof, |_, it, rng| {
        it.key = key("stranger", rng.r#gen())
    }),
];

fn day(draft: &mut Draft, day: u32) {
    if let GrantAction::Anchor { expiry_day, .. } = &mut draft.message.action {
        *expiry_day = day;
    }
}

fn grant_key(draft: &mut Draft, key: allod_primitives::PublicKey) {
    if let GrantAction::Anchor { grant_key, .. } = &mut draft.message.action {
        *grant_key = key;
    }
}

const ANCHORS: &[Defect] = &[
    ("a revocation as an anchoring", E::Malformed, |_, it, _| {
        it.message.action = GrantAction::Revoke;
    }),
    ("yesterday", E::Expired, |world, it, rng| {
        day(it, world.now().day() - rng.gen_range(1..99))
    }),
    (
        "beyond the longest run",
        E::ValidTooLong,
        |world, it, rng| {
            day(
                it,
                world.now().day() + GRANT_DAYS_MAX + rng.gen_range(1..99),
            );
        },
    ),
    ("there already", E::AlreadyExists, |world, it, rng| {
        it.message.gid = world.grants[rng.gen_range(0..world.grants.len())].1;
    }),
    ("revoked already", E::AlreadyExists, |world, it, _| {
        it.message.gid = world.revoked_grant.1;
    }),
    ("a key of small order", E::Malformed, |_, it, _| {
        grant_key(it, SMALL_ORDER)
    }),
    ("a key not canonical", E::Malformed, |_, it, _| {
        grant_key(it, NON_CANONICAL)
    }),
    ("a key not on the curve", E::Malformed, |_, it, _| {
        grant_key(it, OFF_CURVE)
    }),
    ("another's key", E::BadProof, |_, it, rng| {
        grant_key(it, public(&key("stranger", rng.r#gen())));
    }),
];

const REVOCATIONS: &[Defect] = &[
    (
        "an anchoring as a revocation",
        E::Malformed,
        |world, it, _| {
            let anchor = world.grant(&it.key, it.message.gid, true);
            it.message.action = anchor.action;
        },
    ),
    ("unknown grant", E::NotFound, |_, it, rng| {
        it.message.gid = H256(rng.r#gen())
    }),
    ("revoked already", E::AlreadyExists, |world, it, _| {
        it.message.gid = world.revoked_grant.1;
        it.key = world.revoked_grant.0.clone();
    }),
    ("another grant's key", E::BadProof, |world, it, _| {
        it.key = world.grants[3].0.clone()
    }),
];

/// Judges anchorings and revocations with one rule broken.
pub(crate) fn field_half(rounds: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let mut bench = Bench::new();
    let mut batch = Vec::new();
    for round in 0..rounds {
        let anchor = round % 2 == 0;
        let own = if anchor { ANCHORS } else { REVOCATIONS };
        let n = round / 2 % (SHARED.len() + own.len());
        let (name, expected, defect) = SHARED.get(n).unwrap_or_else(|| &own[n - SHARED.len()]);
        let (key, gid) = match anchor {
            true => (key("grant", rng.r#gen()), H256(rng.r#gen())),
            false => bench.world.grants[rng.gen_range(0..3)].clone(),
        };
        let message = bench.world.grant(&key, gid, anchor);
        let mut draft = Draft { message, key };
        defect(&bench.world, &mut draft, rng);
        let message = sign_message(draft.message, &draft.key);
        if anchor {
            batch.push((*expected, message));
        } else {
            let call = RuntimeCall::Grant(grant::Call::revoke { message });
            let verdict = bench.expect(name, &bare(&call), *expected);
            tally.count("Grant.revoke", Half::Fields, verdict);
        }
        if batch.len() == 16 {
            judge_batch(&mut bench, std::mem::take(&mut batch), tally);
        }
    }
    bench.settle();
}

fn judge_batch(
    bench: &mut Bench,
    batch: Vec<(E, allod_primitives::grant::SignedGrantMessage)>,
    tally: &mut Tally,
) {
    let expected: Vec<String> = batch
        .iter()
        .map(|it| format!("grant::Error::{}", variant(&it.0)))
        .collect();
    let items = bounded(batch.into_iter().map(|it| it.1).collect::<Vec<_>>());
    let call = RuntimeCall::Grant(grant::Call::anchor { items });
    let body = bench.world.signed(&bench.world.registrar, &call);
    bench.expect_items("anchorings", &body, &expected);
    for error in expected {
        tally.count("Grant.anchor", Half::Fields, Verdict::Refused(error));
    }
}
