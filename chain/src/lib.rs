//! The node: storage, mempool, transaction gossip, block production.

pub mod config;
pub mod keyfile;
pub mod spec;
