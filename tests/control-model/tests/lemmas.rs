//! What makes the searches small enough must not make them blind.

use std::collections::BTreeSet;

use allod_control_model::explore::{
    BASE, Commitments, Config, ExposedKeys, Profile, Strategy, Who, canonical, explore_game, moves,
    submission,
};
use allod_control_model::{Context, Flaws, LANES, Lane, Rules, State, settled, step};

fn config(commitments: Commitments, guardians_delay: u64, all_capabilities: bool) -> Config {
    Config {
        commitments,
        guardians: guardians_delay > 0,
        all_capabilities,
        guardians_delay,
    }
}

/// Goal: a set of keys can do what its profile says, and nothing else.
/// Method: all 32,768 subsets of the owner's keys sign one operation of each party.
#[test]
fn every_subset_of_keys_acts_as_its_profile() {
    let rules = Config::rules(Flaws::default());
    let mut profiles = BTreeSet::new();
    for config in [
        config(Commitments::None, 0, false),
        config(Commitments::Top, 1, true),
        config(Commitments::All, 3, true),
    ] {
        let state = canonical(&config.initial(), &rules, BASE);
        let all = moves(&state, &config, Who::Anybody, |_| true);
        let mut lanes: Vec<Lane> = all.iter().map(|it| it.lane).collect();
        lanes.dedup();
        for keys in ExposedKeys::all() {
            let profile = Profile::of(keys);
            profiles.insert(profile);
            for lane in &lanes {
                let it = all.iter().find(|it| it.lane == *lane).expect("its own");
                let mut asked = submission(&state, &rules, it);
                let party = party_keys(&state, *lane);
                asked.signers = keys.0 & party;
                let acts = step(&state, &Context::new(&rules, BASE), &asked).is_ok();
                assert_eq!(acts, profile.has(*lane), "{keys:?} in {lane:?}");
            }
        }
    }
    assert_eq!(profiles.len(), 1 << 7);
}

fn party_keys(state: &State, lane: Lane) -> u64 {
    let ranks = &state.policy.ranks;
    let keys = match lane {
        Lane::Rank(rank) => Some(ranks[usize::from(rank)].set),
        Lane::Next(rank) => ranks[usize::from(rank)].next,
        Lane::Guardians => state.policy.guardians.map(|it| it.set),
        Lane::Documents => None,
    };
    keys.map_or(0, |it| it.keys)
}

/// Goal: one game against the largest profile says what all games against smaller ones would.
/// Method: every profile that a strategy must beat is part of the largest; in one configuration
/// all of them are played, and none reaches more states.
#[test]
fn the_largest_profile_stands_for_all() {
    for config in Config::all() {
        for strategy in Strategy::ALL {
            let strongest = strategy.strongest(&config);
            for (profile, _) in Profile::all(&config) {
                if strategy.wins(&config, &profile) {
                    let strongest = strongest.expect("there is one to beat");
                    assert!(strongest.contains(&profile), "{strategy:?} {config:?}");
                }
            }
        }
    }
    let config = config(Commitments::Top, 1, false);
    for strategy in Strategy::ALL {
        let Some(strongest) = strategy.strongest(&config) else {
            continue;
        };
        let play = |thief| explore_game(config, Flaws::default(), thief, strategy, Some(4), 2);
        let most = play(strongest).unique_states;
        for (profile, _) in Profile::all(&config) {
            if strategy.wins(&config, &profile) {
                let outcome = play(profile);
                assert!(outcome.found.is_empty(), "{:?}", outcome.found);
                assert!(outcome.unique_states <= most);
            }
        }
    }
}

/// Goal: every set of keys has a verdict: somebody beats it, or it holds what stands highest.
#[test]
fn every_subset_of_keys_is_beaten_or_holds_the_top() {
    for config in Config::all() {
        let mut subsets = 0;
        for (thief, count) in Profile::all(&config) {
            subsets += count;
            let beaten = Strategy::ALL.iter().any(|it| it.wins(&config, &thief));
            let next = config.commitments != Commitments::None;
            let top = (next && thief.next[0])
                || (!next && !config.guardians && thief.exposed[0])
                || (!next && thief.guardians);
            assert_eq!(beaten, !top, "{config:?} {thief:?}");
        }
        assert_eq!(subsets, 1 << 15);
    }
}

/// Goal: nothing that the canonical form leaves out matters for what can happen.
/// Method: seeded walks with lanes, times and documents as they really are; at each state the
/// canonical forms of what can follow are those that follow its canonical form.
#[test]
fn canonical_states_have_the_same_future() {
    let mut rules = Config::rules(Flaws::default());
    // A day's quota of a lane binds its own party alone: the core search checks that.
    rules.quotas = [u16::MAX; LANES];
    for seed in 0..60_u64 {
        let config = Config::all()[seed as usize % Config::all().len()];
        let mut state = config.initial();
        let mut now = BASE;
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for id in 1_000..1_025 {
            let here: Vec<State> = successors(&state, &config, &rules, now, id);
            let small = canonical(&settled(&state, &rules, now).state, &rules, now);
            let there = successors(&small, &config, &rules, BASE, id);
            let forms = |it: &[State], now| -> BTreeSet<String> {
                let forms = it.iter().map(|it| canonical(it, &rules, now));
                forms.map(|it| format!("{it:?}")).collect()
            };
            let (real, small_ones) = (forms(&here, now), forms(&there, BASE));
            let more: Vec<_> = real.symmetric_difference(&small_ones).collect();
            let first = more.first().map(|it| (real.contains(*it), *it));
            assert!(more.is_empty(), "seed {seed} step {id}: {first:?}");
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            if here.is_empty() || random.is_multiple_of(4) {
                now += 1;
                state = settled(&state, &rules, now).state;
            } else {
                state = here[(random >> 8) as usize % here.len()].clone();
            }
        }
    }
}

fn successors(state: &State, config: &Config, rules: &Rules, now: u64, id: u32) -> Vec<State> {
    let state = settled(state, rules, now).state;
    let all = moves(&state, config, Who::Anybody, |_| true);
    let after = all.iter().filter_map(|it| {
        let mut asked = submission(&state, rules, it);
        asked.operation.id = id;
        let taken = step(&state, &Context::new(rules, now), &asked).ok()?;
        taken.result.is_ok().then_some(taken.state)
    });
    after.collect()
}
