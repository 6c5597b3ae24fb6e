//! Settling step by step or at once, early or late, gives the same record; and whatever happens,
//! the rules of a record hold. spec/control.md §6, `EffectIsInOrder`.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::world::*;
use crate::codec::is_strictly_ascending;
use crate::control::effective;
use crate::hash::H256;
use crate::limits::RANKS_MAX;
use crate::operation::{Body, ProposedChange};
use crate::policy::{PolicyChange, Rank};

const RUNS: u64 = 60;
const STEPS: usize = 60;

/// A rank of keys that others may have as well.
fn some_rank(rng: &mut ChaCha8Rng) -> Rank {
    let seed = rng.gen_range(1..8);
    match rng.gen_range(0..3) {
        0 => committed(&[seed], 11),
        1 => rank(&[seed, seed + 20]),
        _ => rank(&[seed]),
    }
}

fn some_change(rng: &mut ChaCha8Rng) -> PolicyChange {
    let mut ranks = Vec::new();
    let mut seen: Vec<_> = Vec::new();
    for index in 0..RANKS_MAX as u8 {
        if rng.gen_bool(0.6) {
            continue;
        }
        let rank = (index == 0 || rng.gen_bool(0.7)).then(|| some_rank(rng));
        let keys: Vec<_> = rank.iter().flat_map(|it| it.keys.iter()).collect();
        if keys.iter().all(|it| !seen.contains(&it.key)) {
            seen.extend(keys.iter().map(|it| it.key.clone()));
            ranks.push((index, rank));
        }
    }
    let mut change = setting(ranks);
    if rng.gen_bool(0.1) {
        change.guardians = Some(rng.gen_bool(0.7).then(|| guardians(rng.r#gen())));
    }
    if rng.gen_bool(0.1) {
        change.delay_ms = Some(rng.gen_range(HOUR..10 * DAY));
    }
    change
}

fn some_pending(world: &World, rng: &mut ChaCha8Rng) -> H256 {
    let chosen = world.record.pending.choose(rng);
    chosen.map_or(H256([1; 32]), |it| it.id)
}

/// Does something that may well be refused.
fn act(world: &mut World, rng: &mut ChaCha8Rng) {
    let index = rng.gen_range(0..RANKS_MAX as u8);
    let pending = some_pending(world, rng);
    let change = some_change(rng);
    let _ = match rng.gen_range(0..12) {
        0..=3 => world.by_rank(index, propose(change)),
        4 => world.by_rank(index, rotate(change)),
        5 => world.by_rank(index, cancel(pending)),
        6 => world.by_rank(0, cancel_recovery(pending)),
        7..=8 => world.by_guardians(recover(rng.gen_range(1..8))),
        9 => world.by_guardians(cancel(pending)),
        10 if (index as usize) < world.record.policy.ranks.len() => {
            let opened = reveal(40 + index, Some(11));
            let below = change.ranks.iter().all(|it| it.index >= index);
            let fits =
                below && (index == 0 || (change.guardians.is_none() && change.delay_ms.is_none()));
            let body = if fits {
                rotate(change)
            } else {
                cancel(pending)
            };
            let done = world.by_next(index, opened, body);
            assert!(done.is_ok(), "by next keys nothing fails: {done:?}");
            done
        }
        _ if rng.gen_bool(0.02) => world.by_rank(0, Body::Propose(ProposedChange::Deactivation)),
        _ => world.update(adding(vec![method(
            &format!("m{}", rng.r#gen::<u16>()),
            rng.r#gen(),
        )])),
    };
}

fn check(world: &World, seed: u64) {
    let record = &world.record;
    assert_eq!(record.policy.check(), Ok(()), "seed {seed}");
    assert!(
        is_strictly_ascending(&record.pending, |it| it.proposer),
        "seed {seed}"
    );
    assert!(
        is_strictly_ascending(&record.cool_downs, |it| it.proposer),
        "seed {seed}"
    );
    let quiet = record.pending.is_empty() && record.cool_downs.is_empty();
    assert!(record.is_active() || quiet, "seed {seed}");
}

#[test]
fn settling_in_steps_or_at_once_gives_the_same_record() {
    let mut effects = 0;
    for seed in 0..RUNS {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut world = World::new(vec![rank(&[1]), rank(&[2]), rank(&[3]), rank(&[4])]).guarded();
        for _ in 0..STEPS {
            if !world.record.is_active() {
                break;
            }
            act(&mut world, &mut rng);
            check(&world, seed);
            let later = world.now.plus_ms(rng.gen_range(0..40 * DAY));
            let at_once = effective(&world.record, later);
            let mut in_steps = world.clone();
            let before = in_steps.used.0.len();
            while in_steps.now < later {
                let step = rng.gen_range(1..10 * DAY).min(later.0 - in_steps.now.0);
                effects += in_steps.wait(step).len();
                check(&in_steps, seed);
            }
            assert_eq!(at_once.record, in_steps.record, "seed {seed}");
            assert_eq!(
                at_once.retired.len(),
                in_steps.used.0.len() - before,
                "seed {seed}"
            );
            world.wait(rng.gen_range(0..2 * DAY));
        }
    }
    assert!(
        effects > 1_000,
        "{effects} effects are too few to say anything"
    );
}
