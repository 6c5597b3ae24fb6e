//! The node: storage, mempool, transaction gossip, block production.
