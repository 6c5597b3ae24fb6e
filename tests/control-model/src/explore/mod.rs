//! Exhaustive exploration of the rules (spec/control-model.md).
//!
//! Two searches over the same small world ([`world`]):
//!
//! - [`core`](CoreModel): anybody who can act makes any move. What it checks are properties of
//!   single moves and of single states, so they hold for every set of keys in whosoever's hands.
//! - [`game`](GameModel): a thief with the parties of one [`Profile`] makes any move, as often as
//!   he likes and first; one rescuer follows a strategy and acts within the delay. What it checks
//!   is who wins.

mod canonical;
mod core;
mod game;
mod judge;
mod moves;
mod profile;
mod report;
mod views;
mod world;

pub use canonical::{BASE, canonical};
pub use core::{CORE_PROPERTIES, CoreModel, CoreState};
pub use game::{Announced, GAME_PROPERTIES, GameModel, GameState, Strategy};
pub use moves::{Action, Move, Who, moves, submission};
pub use profile::{ExposedKeys, Profile};
pub use report::{Found, Outcome, explore_core, explore_game};
pub use world::{Commitments, Config};
