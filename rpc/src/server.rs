//! The server: HTTP and WebSocket on one port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use http::HeaderValue;
use jsonrpsee::server::middleware::rpc::RpcServiceBuilder;
use jsonrpsee::server::{
    BatchRequestConfig, HttpBody, Methods, PingConfig, RandomStringIdProvider, RegisterMethodError,
    Server, ServerConfig as Limits, ServerHandle, StopHandle, serve_with_graceful_shutdown,
    stop_channel, ws,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::Service as _;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

use crate::body::BodyLayer;
use crate::config::ServerConfig;
use crate::connection::Connection;
use crate::counts::{CountLayer, Counts};
use crate::front::Front;
use crate::guard::{Guard, PayLayer};
use crate::keys::{ApiKeyError, Ring};
use crate::methods::all_methods;
use crate::preflight::PreflightLayer;
use crate::probes::Probes;
use crate::resolution::Resolver;
use crate::socket::{self, Door, SPARE};
use crate::tls::{Tls, TlsError};
use crate::traffic::TurnLayer;
use crate::versions::Replays;
use crate::view::NodeView;
use crate::visitors::{RateClock, Visitors};

/// Characters of a subscription's id. Ids are text: numbers break some clients.
const SUBSCRIPTION_ID_CHARS: usize = 16;
/// A WebSocket client that answers no ping for this long is gone.
const PING_INACTIVE: Duration = Duration::from_secs(90);
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// How long browsers need not ask again whether they may call.
const PREFLIGHT_AGE: Duration = Duration::from_secs(3600);

/// How long running calls may take to end when the server stops.
pub const STOP_MAX: Duration = Duration::from_secs(10);
/// How long subscriptions may take to end before that.
const STOP_TELL_MAX: Duration = Duration::from_secs(1);
const STOP_LOOK: Duration = Duration::from_millis(10);

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A text that is no origin, or `*` beside others.
    #[error("`{origin}` is not an origin such as https://wallet.example, or not the only one")]
    Origin {
        /// The text found.
        origin: String,
    },
    /// The API keys cannot be read.
    #[error(transparent)]
    ApiKeys(#[from] ApiKeyError),
    /// Certificate or key cannot be used.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    /// Two methods with one name.
    #[error(transparent)]
    Methods(#[from] RegisterMethodError),
}

/// A running server. Dropping it stops the server without waiting.
#[derive(Clone, Debug)]
pub struct RpcServer {
    address: SocketAddr,
    handle: ServerHandle,
    ring: Arc<Ring>,
    tls: Arc<Tls>,
    stopping: CancellationToken,
    counts: Arc<Counts>,
}

/// Why files could not be read again. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The API keys.
    #[error(transparent)]
    ApiKeys(#[from] ApiKeyError),
    /// Certificate or key.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
}

/// What was read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloaded {
    /// How many API keys there are; `None` if everybody may ask.
    pub api_keys: Option<usize>,
    /// Whether there is a certificate.
    pub has_certificate: bool,
}

impl RpcServer {
    /// Starts to serve `view`.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: &ServerConfig, view: Arc<dyn NodeView>) -> Result<Self, StartError> {
        Self::start_by(config, view, RateClock::default()).await
    }

    /// As [`Self::start`], but `clock` says when addresses have rested for what they asked: in
    /// tests one that is moved by hand.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start_by(
        config: &ServerConfig,
        view: Arc<dyn NodeView>,
        clock: RateClock,
    ) -> Result<Self, StartError> {
        let replays = Arc::<Replays>::default();
        let methods = all_methods(view.clone(), config.is_archive, replays.clone())?;
        let counts = Counts::new(methods.method_names(), config.connections_max);
        let visitors = Arc::new(Visitors::new(config.visitors.clone(), clock));
        let ring = Arc::new(Ring::open(config.api_keys.clone())?);
        let tls = Arc::new(Tls::open(config.tls.clone())?);
        let guard = Guard::new(
            visitors.clone(),
            ring.clone(),
            config.are_metrics_open,
            counts.clone(),
        );
        let cors = cors(&config.cors_origins)?;
        let middleware = tower::ServiceBuilder::new()
            .option_layer(cors.is_some().then(|| PreflightLayer(guard.clone())))
            .option_layer(cors)
            .layer(guard)
            .layer(BodyLayer)
            .layer(Front(Probes::new(view.clone(), counts.clone())))
            .layer(Front(Resolver::new(view, replays)));
        let failed = |source| StartError::Listen {
            address: config.listen,
            source,
        };
        let counting = CountLayer {
            counts: counts.clone(),
            response_bytes_max: config.response_bytes_max,
        };
        let calls = RpcServiceBuilder::new()
            .layer(PayLayer {
                response_bytes_max: config.response_bytes_max,
            })
            .layer(TurnLayer)
            .layer(counting);
        let service = Server::builder()
            .set_config(limits(config))
            .set_http_middleware(middleware)
            .set_rpc_middleware(calls)
            .to_service_builder();
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (stop, handle) = stop_channel();
        let methods = Methods::from(methods);
        let serve = move |socket, connection: Arc<Connection>, stop: StopHandle| {
            let service = service.clone().build(methods.clone(), stop.clone());
            let asked = tower::service_fn(move |request: http::Request<_>| {
                connection.patience.asked();
                let mut request = request.map(HttpBody::new);
                if ws::is_upgrade_request(&request) {
                    connection.traffic.is_websocket();
                }
                request.extensions_mut().insert(connection.clone());
                service.clone().call(request)
            });
            let served = serve_with_graceful_shutdown(socket, asked, stop.shutdown());
            // That a client goes away is no error of the node.
            tokio::spawn(served.map(drop));
        };
        let sockets_max = config.connections_max.saturating_add(SPARE);
        if config.tls.is_none() && !address.ip().is_loopback() {
            tracing::warn!(%address, "others reach the RPC, and what they send is not encrypted");
        }
        let stopping = CancellationToken::new();
        let door = Door {
            visitors,
            counts: counts.clone(),
            tls: tls.clone(),
            stopping: stopping.clone(),
        };
        tokio::spawn(socket::accept(listener, sockets_max, door, stop, serve));
        tracing::info!(%address, "serving JSON-RPC");
        Ok(Self {
            address,
            handle,
            ring,
            tls,
            stopping,
            counts,
        })
    }

    /// Returns the address it listens on, with the real port.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Reads API keys, certificate and its key again. Connections stay; one whose API key is gone
    /// is answered no more, and its subscriptions end.
    ///
    /// # Errors
    /// [`ReloadError`]: everything stays as it was. Blocks on the files.
    pub fn reload(&self) -> Result<Reloaded, ReloadError> {
        let next = self.tls.load()?;
        let api_keys = self.ring.reload()?;
        let has_certificate = next.is_some();
        self.tls.set(next);
        Ok(Reloaded {
            api_keys,
            has_certificate,
        })
    }

    /// Takes no more connections, ends subscriptions, lets running calls end, and returns once all
    /// connections are closed, or after [`STOP_MAX`].
    pub async fn stop(self) {
        self.stopping.cancel();
        let told = async {
            // Nobody tells when the last one has ended.
            while self.counts.subscriptions() > 0 {
                tokio::time::sleep(STOP_LOOK).await;
            }
        };
        // Whoever takes nothing is told nothing.
        let _all = tokio::time::timeout(STOP_TELL_MAX, told).await;
        // An error means that it has stopped already.
        let _already = self.handle.stop();
        let stopped = tokio::time::timeout(STOP_MAX, self.handle.stopped()).await;
        if stopped.is_err() {
            tracing::warn!("some clients were cut off");
        }
    }
}

fn limits(config: &ServerConfig) -> Limits {
    let batches = match config.batch_calls_max {
        0 => BatchRequestConfig::Disabled,
        calls => BatchRequestConfig::Limit(calls),
    };
    let ping = PingConfig::new()
        .ping_interval(PING_INTERVAL)
        .inactive_limit(PING_INACTIVE);
    Limits::builder()
        .max_request_body_size(config.request_bytes_max)
        .max_response_body_size(config.response_bytes_max)
        .max_connections(config.connections_max)
        .max_subscriptions_per_connection(config.subscriptions_per_connection_max)
        .set_batch_request_config(batches)
        .set_message_buffer_capacity(config.messages_buffered_max.max(1))
        .set_id_provider(RandomStringIdProvider::new(SUBSCRIPTION_ID_CHARS))
        .enable_ws_ping(ping)
        .build()
}

/// Returns the first of `origins` that is none, or stands beside `*`. An origin is a scheme and a
/// host, perhaps with a port, as browsers write it: nothing else ever equals what they send.
pub fn bad_origin(origins: &[String]) -> Option<&str> {
    let is_origin = |origin: &str| {
        let Ok(uri) = origin.parse::<http::Uri>() else {
            return false;
        };
        let is_web = !origin.contains('*') && matches!(uri.scheme_str(), Some("http" | "https"));
        let host = uri.authority().map(http::uri::Authority::as_str);
        let is_bare = host.is_some_and(|host| {
            origin.ends_with(host) && !host.contains('@') && host == host.to_ascii_lowercase()
        });
        // Those of extensions of browsers, and of files.
        let is_other = origin.contains("-extension://") && is_bare;
        is_web && is_bare || is_other || origin == "null"
    };
    let is_bad = |origin: &&String| match origin.as_str() {
        "*" => origins.len() > 1,
        origin => !is_origin(origin),
    };
    origins.iter().find(is_bad).map(String::as_str)
}

fn cors(origins: &[String]) -> Result<Option<CorsLayer>, StartError> {
    if origins.is_empty() {
        return Ok(None);
    }
    let wrong = |origin: &str| StartError::Origin {
        origin: origin.to_owned(),
    };
    if let Some(origin) = bad_origin(origins) {
        return Err(wrong(origin));
    }
    let origin = if origins.iter().any(|it| it == "*") {
        AllowOrigin::any()
    } else {
        let value = |it: &String| HeaderValue::from_str(it).map_err(|_| wrong(it));
        AllowOrigin::list(origins.iter().map(value).collect::<Result<Vec<_>, _>>()?)
    };
    let layer = CorsLayer::new()
        .allow_origin(origin)
        .allow_methods(AllowMethods::list([http::Method::POST, http::Method::GET]))
        .allow_headers(AllowHeaders::list([
            http::header::CONTENT_TYPE,
            // Of the media types of DID resolution some are no simple values of it.
            http::header::ACCEPT,
            http::header::AUTHORIZATION,
        ]))
        .max_age(PREFLIGHT_AGE)
        .expose_headers([http::header::RETRY_AFTER, http::header::WWW_AUTHENTICATE]);
    Ok(Some(layer))
}
