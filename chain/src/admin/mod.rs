//! What only the node's operator may ask: over a socket in the file system, never over TCP.
//!
//! JSON-RPC 2.0, one object a line each way, on a Unix socket that its owner alone may open. Methods:
//! `admin_status`, `admin_peers`, `admin_logFilter`, `admin_reload`, `admin_stop`
//! (docs/node.md, "The admin socket"). It is *not* part of the contract for clients.

mod client;
mod server;

pub use client::{AskError, ask};
pub use server::{AdminError, AdminServer, Asked};

use std::path::{Path, PathBuf};

use crate::config::NodeConfig;

/// The socket's name in the data directory, where the configuration names no other.
const SOCKET: &str = "admin.sock";
/// Bytes of one line, either way.
const LINE_BYTES_MAX: u64 = 1024 * 1024;

/// Returns where a node with this configuration has its socket.
pub fn socket_of(config: &NodeConfig) -> PathBuf {
    let named = config.rpc.admin_socket.clone();
    named.unwrap_or_else(|| config.data.join(SOCKET))
}

/// Whether the system takes a socket's path of that length.
fn is_short(path: &Path) -> bool {
    path.as_os_str().len() < 108
}
