//! The node: storage, mempool, transaction gossip, block production.

pub mod config;
pub mod gossip;
pub mod keyfile;
pub mod ledger;
pub mod limits;
pub mod mempool;
pub mod node;
pub mod seams;
pub mod signatures;
pub mod spec;
pub mod storage;
#[cfg(test)]
mod testing;
pub mod view;
