//! The server as its clients see it: over real sockets, in front of a node of one map.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the finding")]

mod archive;
mod chain_head;
mod changes;
mod checks;
mod followers;
mod hostile;
mod identity;
mod keys;
mod light;
mod limits;
mod moments;
mod mutations;
mod node;
mod openrpc;
mod people;
mod reads;
mod resolution;
mod runtime_calls;
mod stopping;
mod subscriptions;
mod substrate;
mod threads;
mod tls;
mod transactions;
mod versions;
mod visitors;
mod wire;
