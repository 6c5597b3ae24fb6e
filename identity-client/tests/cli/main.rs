//! The command line as its users see it: transcripts without a node, and whole commands against a
//! ledger in memory that speaks the contract.

#![expect(clippy::unwrap_used, reason = "in a test, to panic is to fail")]

mod clock;
mod control;
mod errors;
#[path = "../fixture/mod.rs"]
mod fixture;
mod flows;
mod ledger;
mod light;
mod process;
mod transcripts;
