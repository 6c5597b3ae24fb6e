//! Running the searches, and what they say.

use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model};

use super::core::CoreModel;
use super::game::{GameModel, Strategy};
use super::profile::Profile;
use super::world::Config;
use crate::rules::Flaws;

/// A property that does not hold, and how it came to that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub property: &'static str,
    /// The moves that lead there, one a line.
    pub moves: Vec<String>,
}

/// What a search saw.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Moves tried that led to a state.
    pub states: usize,
    /// Different states.
    pub unique_states: usize,
    /// Moves from the beginning to the furthest of them, plus one.
    pub max_depth: usize,
    /// Whether nothing was left to explore: no bound of depth was met.
    pub is_complete: bool,
    /// How long it took.
    pub time: Duration,
    /// What does not hold.
    pub found: Vec<Found>,
}

/// Explores what anybody may do, to `depth` operations and steps of time (`None`: to the end).
pub fn explore_core(config: Config, flaws: Flaws, depth: Option<usize>, threads: usize) -> Outcome {
    explore(CoreModel::new(config, flaws), depth, threads)
}

/// Plays out a game.
pub fn explore_game(
    config: Config,
    flaws: Flaws,
    thief: Profile,
    strategy: Strategy,
    depth: Option<usize>,
    threads: usize,
) -> Outcome {
    explore(
        GameModel::new(config, flaws, thief, strategy),
        depth,
        threads,
    )
}

fn explore<M>(model: M, depth: Option<usize>, threads: usize) -> Outcome
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + std::fmt::Debug + std::hash::Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + std::fmt::Debug + PartialEq + Send + Sync + 'static,
{
    let begin = Instant::now();
    let mut builder = model.checker().threads(threads);
    builder = builder.finish_when(HasDiscoveries::AnyFailures);
    if let Some(depth) = depth {
        builder = builder.target_max_depth(depth + 1);
    }
    let checker = builder.spawn_bfs().join();
    let discoveries = checker.discoveries();
    let found = discoveries.into_iter().map(|(property, path)| Found {
        property,
        moves: path
            .into_actions()
            .iter()
            .map(|it| format!("{it:?}"))
            .collect(),
    });
    Outcome {
        states: checker.state_count(),
        unique_states: checker.unique_state_count(),
        max_depth: checker.max_depth(),
        is_complete: depth.is_none_or(|depth| checker.max_depth() < depth + 1),
        time: begin.elapsed(),
        found: found.collect(),
    }
}
