//! The jsonrpsee server of the contract, over a view of the node.
//!
//! HTTP and WebSocket share one port, with `/health`, `/ready` and `/metrics` as plain GET, and the
//! W3C's DID resolution below `/1.0/identifiers` (spec/did-resolution.md). The methods are those of
//! `allod-rpc-api` and Substrate's basic ones; spec/rpc.md lists them. The node implements
//! [`NodeView`] and hands itself to [`RpcServer::start`].
//!
//! It is *not* the node: it stores nothing, judges nothing by itself, and every answer is as of
//! one finalized block.

pub mod config;
pub mod fault;
pub mod server;
pub mod view;

mod answer;
mod authority;
mod blocks;
mod body;
mod changes;
mod checks;
mod connection;
mod counts;
mod ending;
mod front;
mod guard;
mod identity;
mod keys;
mod light;
mod message;
mod methods;
mod openrpc;
mod preflight;
mod probes;
mod proofs;
mod reads;
mod resolution;
mod snapshot;
mod socket;
mod stream;
mod submit;
mod substrate;
mod threads;
mod tls;
mod traffic;
mod versions;
mod visitors;

pub use allod_runtime::frame::wire::RuntimeVersion;
pub use config::ServerConfig;
pub use keys::{ApiKey, ApiKeyError, ApiKeys};
pub use openrpc::document as openrpc_document;
pub use server::{ReloadError, Reloaded, RpcServer, STOP_MAX, StartError, bad_origin};
pub use tls::{TlsError, TlsFiles};
pub use view::{
    ChainInfo, ChangedKey, Fault, Finalized, HeadInfo, HistoryItem, InvalidTransaction, NodeView,
    PeerInfo, PoolError, StateUnavailable, SyncState, TransactionError, TxStatus, ValidTransaction,
    ValidityError, Watched,
};
pub use visitors::{AddressRange, BadAddressRange, RateClock, VisitorLimits};
