//! Rules that somebody could have written instead: each is found, and the moves that show it are
//! printed.

use allod_control_model::Flaws;
use allod_control_model::explore::{
    Commitments, Config, Found, Outcome, Strategy, explore_core, explore_game,
};

/// Guardians and next keys everywhere; every capability.
const EVERYTHING: Config = Config {
    commitments: Commitments::All,
    guardians: true,
    all_capabilities: true,
    guardians_delay: 3,
};
const GUARDED: Config = Config {
    commitments: Commitments::None,
    ..EVERYTHING
};

fn printed(outcome: &Outcome) -> Vec<&'static str> {
    for Found { property, moves } in &outcome.found {
        eprintln!("{property} is broken:");
        for (n, it) in moves.iter().enumerate() {
            eprintln!("  {} {it}", n + 1);
        }
    }
    outcome.found.iter().map(|it| it.property).collect()
}

/// Goal: the core search finds the flaw as this property, and nothing without it.
fn core_finds(property: &str, config: Config, flaws: Flaws) {
    let found = printed(&explore_core(config, flaws, Some(4), 2));
    assert!(found.contains(&property), "{property} not among {found:?}");
}

/// Goal: in the game that this strategy must win, the flaw makes it fail in this way.
fn game_finds(property: &str, config: Config, flaws: Flaws, strategy: Strategy) {
    let thief = strategy
        .strongest(&config)
        .expect("the strategy must win somewhere");
    let found = printed(&explore_game(config, flaws, thief, strategy, Some(8), 2));
    assert!(found.contains(&property), "{property} not among {found:?}");
}

macro_rules! flaw {
    ($name:ident) => {
        Flaws {
            $name: true,
            ..Flaws::default()
        }
    };
}

#[test]
fn exposed_keys_that_cancel_a_recovery_are_found() {
    core_finds(
        "LowerNeverRemovesHigher",
        GUARDED,
        flaw!(exposed_keys_cancel_recovery),
    );
    let flaws = flaw!(exposed_keys_cancel_recovery);
    game_finds(
        "RescueIsComplete",
        GUARDED,
        flaws,
        Strategy::GuardiansRecover,
    );
}

#[test]
fn a_reveal_that_queues_behind_exposed_keys_is_found() {
    core_finds(
        "LowerNeverBlocksHigher",
        EVERYTHING,
        flaw!(reveal_shares_lane_with_exposed),
    );
}

#[test]
fn a_recovery_that_keeps_lower_ranks_is_found() {
    core_finds(
        "LowerNeverRemovesHigher",
        EVERYTHING,
        flaw!(recovery_keeps_lower_ranks),
    );
    let flaws = flaw!(recovery_keeps_lower_ranks);
    game_finds(
        "RescueIsComplete",
        GUARDED,
        flaws,
        Strategy::GuardiansRecover,
    );
}

#[test]
fn a_proposal_of_rank_0_that_displaces_a_recovery_is_found() {
    let flaws = flaw!(proposal_of_rank0_displaces_recovery);
    core_finds("LowerNeverRemovesHigher", GUARDED, flaws.clone());
    game_finds(
        "RescueIsComplete",
        GUARDED,
        flaws,
        Strategy::GuardiansRecover,
    );
}

#[test]
fn refusing_a_key_that_a_lower_rank_lists_is_found() {
    let flaws = flaw!(key_in_two_ranks_refused);
    core_finds("LowerNeverBlocksHigher", GUARDED, flaws);
}

#[test]
fn a_rank_in_between_that_blocks_by_listing_a_key_is_found() {
    core_finds(
        "LowerNeverBlocksHigher",
        GUARDED,
        flaw!(rank_between_blocks),
    );
}

#[test]
fn a_cancel_without_an_id_is_found() {
    core_finds("NothingReplays", EVERYTHING, flaw!(cancel_needs_no_id));
}

#[test]
fn effects_that_ignore_the_time_are_found() {
    core_finds(
        "LowerNeverRemovesHigher",
        EVERYTHING,
        flaw!(effect_ignores_time),
    );
    game_finds(
        "ThiefNeverWins",
        GUARDED,
        flaw!(effect_ignores_time),
        Strategy::GuardiansRecover,
    );
}

#[test]
fn effects_by_standing_instead_of_time_are_found() {
    core_finds("EffectIsInOrder", EVERYTHING, flaw!(effects_by_standing));
}

#[test]
fn a_guardian_who_counts_twice_is_found() {
    core_finds(
        "BelowQuorumNothing",
        EVERYTHING,
        flaw!(guardian_counts_twice),
    );
}

#[test]
fn capabilities_given_to_oneself_are_found() {
    let config = Config {
        all_capabilities: false,
        ..GUARDED
    };
    core_finds(
        "LowerNeverRemovesHigher",
        config,
        flaw!(capabilities_escalate),
    );
}

#[test]
fn a_cancel_that_its_own_reveal_makes_void_is_found() {
    core_finds(
        "LowerNeverBlocksHigher",
        EVERYTHING,
        flaw!(cancel_after_reveal),
    );
}

#[test]
fn a_cool_down_that_outlives_the_thief_is_found() {
    core_finds(
        "LowerNeverBlocksHigher",
        EVERYTHING,
        flaw!(cool_down_outlives_thief),
    );
}

#[test]
fn a_cancellation_that_outlives_its_recovery_is_found() {
    core_finds(
        "LowerNeverBlocksHigher",
        GUARDED,
        flaw!(cancellation_outlives_recovery),
    );
}

#[test]
fn an_effect_that_puts_a_key_in_two_ranks_is_found() {
    core_finds("OneKeyOneRank", EVERYTHING, flaw!(effect_shares_keys));
}

#[test]
fn a_commitment_of_a_vacant_rank_is_found() {
    core_finds("OneKeyOneRank", EVERYTHING, flaw!(vacant_keeps_commitment));
}

#[test]
fn a_cool_down_that_stops_guardians_from_cancelling_is_found() {
    let flaws = flaw!(cool_down_stops_cancelling);
    core_finds("LowerNeverRemovesHigher", EVERYTHING, flaws);
}

#[test]
fn a_change_that_clears_nothing_is_found() {
    let flaws = flaw!(change_clears_nothing);
    game_finds("RescueIsComplete", EVERYTHING, flaws, Strategy::NextRotates);
}

#[test]
fn no_flaw_no_finding() {
    for config in [EVERYTHING, GUARDED] {
        let found = printed(&explore_core(config, Flaws::default(), Some(3), 2));
        assert!(found.is_empty());
    }
}
