//! The jsonrpsee server of the contract, over a view of the node.

pub mod view;

pub use view::{
    ChainInfo, Fault, Finalized, HeadInfo, HistoryItem, InvalidTransaction, NodeView, PeerInfo,
    PoolError, RuntimeVersion, StateUnavailable, SyncState, TransactionError, TxStatus,
    ValidTransaction, ValidityError, Watched,
};
