//! Every row of spec/control.md §2 to §5, one file per topic, over records made by hand.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "test code"
)]

mod authority;
mod cancel;
mod controllers;
mod cool_downs;
mod document;
mod effects;
mod guardians;
mod one_key_one_rank;
mod propose;
mod recovery;
mod reveal;
mod rotate;
mod size;
mod steps;
mod world;
