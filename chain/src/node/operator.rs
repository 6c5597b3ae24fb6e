//! What a running node answers its operator over the admin socket.

use std::sync::Arc;
use std::time::Instant;

use allod_primitives::{Height, NetworkId};
use allod_rpc::{NodeView as _, RpcServer};
use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::logs;
use crate::admin::{AdminError, AdminServer, socket_of};
use crate::config::NodeConfig;
use crate::view::ChainView;

/// What the operator is told of, and may do.
pub(super) struct Operator {
    pub(super) name: String,
    pub(super) view: Arc<ChainView>,
    pub(super) rpc: RpcServer,
    pub(super) stop: Arc<Notify>,
    pub(super) started: Instant,
}

/// `admin_logFilter`: nothing reads the filter, a text sets it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogFilter {
    filter: Option<String>,
}

type Answering = BoxFuture<'static, Result<Value, String>>;

impl Operator {
    /// Opens the socket. One that nobody named, with a path too long for a socket, is left out.
    pub(super) fn listen(self, config: &NodeConfig) -> Result<Option<AdminServer>, AdminError> {
        let path = socket_of(config);
        let operator = Arc::new(self);
        let asked = move |method: &str, params| operator.clone().answer(method, params);
        match AdminServer::start(&path, Arc::new(asked)) {
            Err(error @ AdminError::TooLong { .. }) if config.rpc.admin_socket.is_none() => {
                tracing::warn!(%error, "no admin socket");
                Ok(None)
            }
            Err(error) => Err(error),
            Ok(server) => {
                tracing::info!(socket = %path.display(), "listening for the operator");
                Ok(Some(server))
            }
        }
    }

    fn answer(self: Arc<Self>, method: &str, params: Value) -> Option<Answering> {
        let operator = self.clone();
        let blocking = |work: fn(&Self) -> Result<Value, String>| -> Answering {
            Box::pin(async move {
                let worked = tokio::task::spawn_blocking(move || work(&operator));
                worked.await.unwrap_or_else(|error| Err(error.to_string()))
            })
        };
        Some(match method {
            "admin_status" => blocking(|it| Ok(it.status())),
            "admin_peers" => blocking(|it| Ok(it.peers())),
            "admin_reload" => blocking(Self::reload),
            "admin_logFilter" => Box::pin(std::future::ready(log_filter(params))),
            "admin_stop" => {
                tracing::info!("the operator stops the node");
                self.stop.notify_one();
                Box::pin(std::future::ready(Ok(json!({ "stopping": true }))))
            }
            _ => return None,
        })
    }

    fn status(&self) -> Value {
        let (head, sync) = (self.view.head(), self.view.sync_state());
        let genesis = self.view.hash_of(Height(0)).unwrap_or_default();
        json!({
            "name": self.name,
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "uptimeS": self.started.elapsed().as_secs(),
            "network": NetworkId::from_genesis(&genesis).to_string(),
            "genesis": genesis.to_string(),
            "height": head.height().0,
            "blockHash": head.hash.to_string(),
            "time": head.time().0,
            "ready": !sync.syncing,
            "peers": self.view.peers().len(),
            "rpc": self.rpc.address().to_string(),
            "logFilter": logs::filter(),
        })
    }

    fn peers(&self) -> Value {
        let peers = self.view.peers().into_iter();
        let peers = peers.map(|peer| json!({"peerId": peer.peer_id, "role": peer.role}));
        Value::Array(peers.collect())
    }

    fn reload(&self) -> Result<Value, String> {
        let reloaded = self.rpc.reload().map_err(|error| error.to_string())?;
        tracing::info!(
            ?reloaded,
            "the operator had keys and certificates read again"
        );
        Ok(json!({
            "apiKeys": reloaded.api_keys,
            "certificate": reloaded.has_certificate,
        }))
    }
}

fn log_filter(params: Value) -> Result<Value, String> {
    let asked: LogFilter = match params {
        Value::Null => LogFilter { filter: None },
        params => serde_json::from_value(params).map_err(|error| error.to_string())?,
    };
    if let Some(filter) = asked.filter {
        logs::set_filter(&filter)?;
        tracing::info!(%filter, "the operator set what is logged");
    }
    Ok(json!({ "filter": logs::filter() }))
}
