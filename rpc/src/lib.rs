//! The jsonrpsee server of the contract, over a view of the node.

pub mod fault;
pub mod view;

pub use allod_runtime::frame::wire::RuntimeVersion;
pub use view::{
    ChainInfo, Fault, Finalized, HeadInfo, HistoryItem, InvalidTransaction, NodeView, PeerInfo,
    PoolError, StateUnavailable, SyncState, TransactionError, TxStatus, ValidTransaction,
    ValidityError, Watched,
};
