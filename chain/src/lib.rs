//! The node: storage, mempool, transaction gossip, block production.
//!
//! | Module | What |
//! |---|---|
//! | [`node`] | the parts put together; [`node::run`] is the process, [`node::start`] a node anywhere |
//! | [`ledger`] | executes blocks, keeps the state; consensus's application |
//! | [`storage`] | what is on disk, one synced write per block |
//! | [`mempool`], [`signatures`] | transactions that wait, judged in batches, verified once |
//! | [`gossip`] | how transactions reach the other nodes |
//! | [`view`] | what RPC sees of it |
//! | [`signer`] | a validator's key in a process of its own |
//! | [`seams`] | clock and randomness: with `KeyValue` and `Gossip`, all that touches the world |
//! | [`doctor`] | what an operator should know about a node |
//! | [`ceremony`] | how several operators make one genesis |
//! | [`admin`] | what the operator asks a running node |
//! | [`config`], [`spec`], [`keyfile`] | the operator's files |
//!
//! **Invariant:** nothing is acknowledged as final before [`storage::Store::commit`] returned.
//! It is *not* the state machine (`allod-runtime`) and signs nothing (`allod-consensus` does).

pub mod admin;
pub mod ceremony;
pub mod cli;
pub mod config;
pub mod doctor;
pub mod gossip;
pub mod keyfile;
pub mod ledger;
pub mod limits;
pub mod mempool;
pub mod node;
mod replace;
pub mod seams;
pub mod signatures;
pub mod signer;
pub mod spec;
pub mod storage;
#[cfg(test)]
mod testing;
pub mod view;
