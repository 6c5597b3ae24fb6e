//! The command line as its users see it: transcripts without a node, and whole commands against a
//! ledger in memory that speaks the contract.

mod errors;
mod flows;
mod ledger;
mod process;
mod transcripts;
