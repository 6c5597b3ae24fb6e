//! The server's configuration.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::tls::TlsFiles;
use crate::visitors::VisitorLimits;

/// The server's configuration. Every limit protects the node from a single client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Address to listen on; port 0 takes a free one. Default `127.0.0.1:9944`.
    pub listen: SocketAddr,
    /// Origins that browsers may call from; `*` means any. Default `*`: the interface has no
    /// cookies and no secrets. Empty turns CORS off.
    pub cors_origins: Vec<String>,
    /// Bytes of one request, a batch being one. Default 8 MiB; 2 MiB hold the largest extrinsic.
    pub request_bytes_max: u32,
    /// Bytes of one answer. Default 16 MiB; the largest block takes 9.
    pub response_bytes_max: u32,
    /// Calls of one batch. Default 64; 0 refuses batches.
    pub batch_calls_max: u32,
    /// WebSocket connections, and HTTP requests being answered, at a time. Default 1,024. Sockets:
    /// 64 more.
    pub connections_max: u32,
    /// Subscriptions of one connection. Default 1,024: a watched extrinsic is one.
    pub subscriptions_per_connection_max: u32,
    /// File of API keys, one of which every request needs but `/health` and `/ready`. Default none:
    /// everybody may ask.
    pub api_keys: Option<PathBuf>,
    /// Certificate and key. Default none: nothing is encrypted.
    pub tls: Option<TlsFiles>,
    /// Whether `/metrics` needs no API key. Default false.
    pub are_metrics_open: bool,
    /// What one address may ask.
    pub visitors: VisitorLimits,
    /// Messages that wait for a slow client before the subscription waits. Default 64: one may have
    /// megabytes.
    pub messages_buffered_max: u32,
    /// Whether the node keeps every state, so that `archive_v1_*` is complete. Default false.
    pub is_archive: bool,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9944)),
            cors_origins: vec!["*".to_owned()],
            request_bytes_max: 8 * 1024 * 1024,
            response_bytes_max: 16 * 1024 * 1024,
            batch_calls_max: 64,
            connections_max: 1024,
            subscriptions_per_connection_max: 1024,
            api_keys: None,
            tls: None,
            are_metrics_open: false,
            visitors: VisitorLimits::default(),
            messages_buffered_max: 64,
            is_archive: false,
        }
    }
}
