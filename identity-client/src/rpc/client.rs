//! Endpoints, failover, timeouts.

use std::sync::Arc;
use std::time::Duration;

use jsonrpsee::client_transport::ws::WsHandshakeError;
use jsonrpsee::core::client::{
    ClientT, Error as TransportError, Subscription, SubscriptionClientT, SubscriptionCloseReason,
};
use jsonrpsee::core::params::ArrayParams;
use jsonrpsee::http_client::transport::Error as HttpError;
use jsonrpsee::http_client::{HttpClient, HttpClientBuilder};
use jsonrpsee::ws_client::{WsClient, WsClientBuilder};
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use super::{Access, ClientError, Refusal};

/// Bytes of the largest answer accepted.
const ANSWER_BYTES_MAX: u32 = 16 * 1024 * 1024;
/// Messages of one subscription that may wait to be read: a node decides how long each is. One that
/// sends more at once is left, and asked again from where it was read up to.
const MESSAGES_WAITING_MAX: usize = 32;
/// How much longer than a node may wait for finality we wait for its answer.
const GRACE: Duration = Duration::from_secs(5);
/// Endpoints one client may have.
const ENDPOINTS_MAX: usize = 16;

/// How to reach the ledger.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Endpoints, the preferred first: `http://…`, `https://…`, `ws://…` or `wss://…`; 1 to 16.
    pub endpoints: Vec<String>,
    /// How long a question may take. Default 10 s; below 1 s slow links fail.
    pub timeout: Duration,
    /// How nodes let us in, and how we know them. Default: without a key, and by the authorities
    /// that the system trusts.
    pub access: Access,
}

impl ClientConfig {
    /// Uses one endpoint and the default timeout.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoints: vec![endpoint.into()],
            timeout: Duration::from_secs(10),
            access: Access::default(),
        }
    }
}

/// A client of one or more nodes. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Client {
    endpoints: Arc<Vec<Endpoint>>,
    timeout: Duration,
}

#[derive(Debug)]
struct Endpoint {
    url: String,
    access: Access,
    connection: Connection,
}

#[derive(Debug)]
enum Connection {
    Http(HttpClient),
    /// Opened when first needed, and again when it has broken.
    Ws(Mutex<Option<Arc<WsClient>>>),
}

/// What a subscription brings, without a gap.
#[derive(Debug)]
pub(crate) struct Messages<T> {
    stream: Subscription<T>,
    /// The stream ends with its connection.
    _connection: Arc<WsClient>,
    /// How many may still be read, once some behind them were dropped for want of room.
    left: Option<usize>,
}

impl<T: DeserializeOwned> Messages<T> {
    /// Waits for the next; `None` once the connection has gone, or behind what fitted in if the
    /// node sent too much at once.
    pub(crate) async fn next(&mut self) -> Option<Result<T, serde_json::Error>> {
        let reason = self.stream.close_reason();
        if matches!(reason, Some(SubscriptionCloseReason::Lagged)) && self.left.is_none() {
            // Of those that wait the first are from before the gap. That there is one is marked a
            // moment after it came about, in which some may have been read: so only half of them.
            self.left = Some(MESSAGES_WAITING_MAX / 2);
        }
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1)?;
        }
        self.stream.next().await
    }
}

impl Client {
    /// Prepares a client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::NoEndpoint`], or [`ClientError::Endpoint`] for one that is no URL of a node.
    pub fn new(config: &ClientConfig) -> Result<Self, ClientError> {
        if config.endpoints.is_empty() || config.endpoints.len() > ENDPOINTS_MAX {
            return Err(ClientError::NoEndpoint);
        }
        let endpoints = config.endpoints.iter();
        let endpoints = endpoints.map(|url| Endpoint::new(url, &config.access));
        Ok(Self {
            endpoints: Arc::new(endpoints.collect::<Result<_, _>>()?),
            timeout: config.timeout,
        })
    }

    /// Calls `method` on the first endpoint that answers. `extra`: how long the node itself may
    /// take on purpose, such as waiting for finality.
    ///
    /// # Errors
    /// [`ClientError`] of the last endpoint tried; a refusal that would be the same everywhere
    /// ends the search at once.
    pub async fn call<R: DeserializeOwned>(
        &self,
        method: &'static str,
        params: ArrayParams,
        extra: Duration,
    ) -> Result<R, ClientError> {
        let mut last = ClientError::NoEndpoint;
        for endpoint in self.endpoints.iter() {
            let limit = self.timeout.saturating_add(extra);
            let asked = endpoint.request(method, params.clone());
            let answer = tokio::time::timeout(limit, asked).await;
            let error = match answer {
                Ok(Ok(value)) => {
                    let value: serde_json::Value = value;
                    return serde_json::from_value(value).map_err(|error| ClientError::Answer {
                        method,
                        reason: error.to_string(),
                    });
                }
                Ok(Err(error)) => self.translate(method, endpoint, error, limit),
                Err(_) => ClientError::TimedOut {
                    method,
                    waited: limit,
                },
            };
            if !error.is_unavailable() {
                return Err(error);
            }
            last = error;
        }
        Err(last)
    }

    /// Subscribes at the first endpoint that takes it.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub(crate) async fn subscribe<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: ArrayParams,
        unsubscribe: &'static str,
    ) -> Result<Messages<T>, ClientError> {
        let mut last = ClientError::NoEndpoint;
        for endpoint in self.endpoints.iter() {
            let limit = self.timeout;
            let subscribed = async {
                let connection = endpoint.websocket().await?;
                let stream = connection
                    .subscribe(method, params.clone(), unsubscribe)
                    .await?;
                Ok(Messages {
                    stream,
                    _connection: connection,
                    left: None,
                })
            };
            let error = match tokio::time::timeout(limit, subscribed).await {
                Ok(Ok(messages)) => return Ok(messages),
                Ok(Err(error)) => self.translate(method, endpoint, error, limit),
                Err(_) => ClientError::TimedOut {
                    method,
                    waited: limit,
                },
            };
            if !error.is_unavailable() {
                return Err(error);
            }
            last = error;
        }
        Err(last)
    }

    /// Returns the time a node needs beyond `timeout_ms` to tell that it was in vain.
    pub(super) fn patience(timeout_ms: u64) -> Duration {
        Duration::from_millis(timeout_ms).saturating_add(GRACE)
    }

    fn translate(
        &self,
        method: &'static str,
        endpoint: &Endpoint,
        error: TransportError,
        waited: Duration,
    ) -> ClientError {
        match error {
            TransportError::Call(error) => {
                let data = error.data().map(|it| it.get());
                Refusal::new(error.code(), error.message(), data).into()
            }
            TransportError::RequestTimeout => ClientError::TimedOut { method, waited },
            TransportError::ParseError(error) => ClientError::Answer {
                method,
                reason: error.to_string(),
            },
            other if rejection(&other) == Some(401) => ClientError::Unauthorized {
                url: endpoint.url.clone(),
            },
            other => ClientError::Unreachable {
                attempts: self.endpoints.len(),
                last: format!("{}: {}", endpoint.url, innermost(&other)),
            },
        }
    }
}

impl Endpoint {
    fn new(url: &str, access: &Access) -> Result<Self, ClientError> {
        let wrong = || ClientError::Endpoint { url: url.into() };
        let (scheme, _) = url.split_once("://").ok_or_else(wrong)?;
        let connection = match scheme {
            "http" | "https" => {
                let mut builder = HttpClientBuilder::default()
                    .max_response_size(ANSWER_BYTES_MAX)
                    .set_headers(access.headers(url))
                    .request_timeout(Duration::from_secs(3600));
                if let Some(tls) = access.tls() {
                    builder = builder.with_custom_cert_store(tls);
                }
                Connection::Http(builder.build(url).map_err(|_| wrong())?)
            }
            "ws" | "wss" => Connection::Ws(Mutex::new(None)),
            _ => return Err(wrong()),
        };
        Ok(Self {
            url: url.into(),
            access: access.clone(),
            connection,
        })
    }

    async fn request(
        &self,
        method: &'static str,
        params: ArrayParams,
    ) -> Result<serde_json::Value, TransportError> {
        match &self.connection {
            Connection::Http(client) => client.request(method, params).await,
            Connection::Ws(slot) => {
                let client = self.open(slot).await?;
                client.request(method, params).await
            }
        }
    }

    /// Returns a connection that can carry subscriptions: one port serves both kinds.
    async fn websocket(&self) -> Result<Arc<WsClient>, TransportError> {
        match &self.connection {
            Connection::Ws(slot) => self.open(slot).await,
            Connection::Http(_) => self.connect(&self.url.replacen("http", "ws", 1)).await,
        }
    }

    async fn open(
        &self,
        slot: &Mutex<Option<Arc<WsClient>>>,
    ) -> Result<Arc<WsClient>, TransportError> {
        let mut slot = slot.lock().await;
        if let Some(client) = slot.as_ref().filter(|it| it.is_connected()) {
            return Ok(Arc::clone(client));
        }
        let client = self.connect(&self.url).await?;
        *slot = Some(Arc::clone(&client));
        Ok(client)
    }

    async fn connect(&self, url: &str) -> Result<Arc<WsClient>, TransportError> {
        let mut builder = WsClientBuilder::default()
            .max_response_size(ANSWER_BYTES_MAX)
            .max_buffer_capacity_per_subscription(MESSAGES_WAITING_MAX)
            .set_headers(self.access.headers(url))
            .request_timeout(Duration::from_secs(3600));
        if let Some(tls) = self.access.tls() {
            builder = builder.with_custom_cert_store(tls);
        }
        Ok(Arc::new(builder.build(url).await?))
    }
}

/// Returns the status of an answer that is none to a call.
fn rejection(error: &TransportError) -> Option<u16> {
    let TransportError::Transport(error) = error else {
        return None;
    };
    if let Some(HttpError::Rejected { status_code }) = error.downcast_ref() {
        return Some(*status_code);
    }
    match error.downcast_ref() {
        Some(WsHandshakeError::Rejected { status_code }) => Some(*status_code),
        _ => None,
    }
}

/// Returns the text of the error at the bottom: "connection refused" rather than "error sending".
fn innermost(error: &TransportError) -> String {
    let mut source: &dyn std::error::Error = error;
    while let Some(next) = source.source() {
        source = next;
    }
    source.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonrpsee::RpcModule;
    use jsonrpsee::server::{Server, SubscriptionMessage};

    /// Goal: a node decides neither how much waits in memory, nor which message is missing. Method:
    /// it sends 500 numbers, and the first is read when some were dropped.
    #[tokio::test]
    async fn a_node_that_sends_too_much_at_once_is_left_without_a_gap() {
        let server = Server::builder().build("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let mut module = RpcModule::new(());
        let subscribed =
            module.register_subscription("on", "number", "off", |_, sink, _, _| async {
                let sink = sink.accept().await.unwrap();
                for number in 0..500u32 {
                    let number = serde_json::value::to_raw_value(&number).unwrap();
                    if sink.send(SubscriptionMessage::from(number)).await.is_err() {
                        break;
                    }
                }
                sink.closed().await;
            });
        subscribed.unwrap();
        let _server = server.start(module);
        let client = Client::new(&ClientConfig::new(format!("http://{address}"))).unwrap();
        let messages = client.subscribe::<u32>("on", ArrayParams::new(), "off");
        let mut messages = messages.await.unwrap();
        let lagged = async {
            while messages.stream.close_reason().is_none() {
                tokio::task::yield_now().await;
            }
        };
        let limit = Duration::from_secs(20);
        tokio::time::timeout(limit, lagged).await.unwrap();
        let mut read = Vec::new();
        while let Some(number) = messages.next().await {
            read.push(number.unwrap());
        }
        let before_the_gap = u32::try_from(MESSAGES_WAITING_MAX / 2).unwrap();
        assert_eq!(read, (0..before_the_gap).collect::<Vec<_>>());
    }
}
