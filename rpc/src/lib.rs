//! The jsonrpsee server of the contract, over a view of the node.
