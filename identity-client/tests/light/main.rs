//! The light client against nodes that tell the truth, lag, vanish and lie.

#![expect(clippy::unwrap_used, reason = "in a test, to panic is to fail")]

mod disk;
#[path = "../fixture/mod.rs"]
mod fixture;
mod fork;
mod lies;
mod log;
mod offline;
mod trust;
mod view;
mod view_cuts;
mod view_life;
mod world;
