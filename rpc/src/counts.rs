//! What the server counts, in OpenMetrics text; the node's own follows it on `/metrics`.
//!
//! Calls are counted by class, which is what stands before the first `_` of a method's name, so
//! that no client can make new series: a name that is no method's counts as `unknown`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use jsonrpsee::core::middleware::{Batch, BatchEntry, Notification, RpcServiceT};
use jsonrpsee::core::server::BatchResponseBuilder;
use jsonrpsee::server::MethodResponse;
use jsonrpsee::types::{ErrorCode as JsonRpcCode, Request};
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tower::Layer;

use allod_rpc_api::ErrorCode;

use crate::ending::End;

type Class = [(&'static str, String); 1];
type Call = [(&'static str, String); 2];

/// Upper bounds of the durations' buckets, in seconds: a point read takes well below a millisecond,
/// waiting for a block up to a minute.
const BUCKETS: [f64; 10] = [0.0005, 0.002, 0.01, 0.05, 0.2, 0.5, 1.0, 2.0, 10.0, 60.0];
/// The class of what is no method.
const UNKNOWN: &str = "unknown";

/// Why a request or a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Its address asked too often.
    Rate,
    /// It has no API key, or a wrong one.
    Key,
    /// Its address has too many connections.
    AddressConnections,
    /// All addresses together have too many.
    Connections,
    /// It is a message of a WebSocket, and no call.
    Garbage,
}

impl Refused {
    const ALL: [Self; 5] = [
        Self::Rate,
        Self::Key,
        Self::AddressConnections,
        Self::Connections,
        Self::Garbage,
    ];

    const fn label(self) -> [(&'static str, &'static str); 1] {
        let reason = match self {
            Self::Rate => "rate",
            Self::Key => "key",
            Self::AddressConnections => "address_connections",
            Self::Connections => "connections",
            Self::Garbage => "garbage",
        };
        [("reason", reason)]
    }
}

/// What the server counts.
#[derive(Debug)]
pub(crate) struct Counts {
    registry: Registry,
    classes: BTreeSet<String>,
    calls: Family<Call, Counter>,
    durations: Family<Class, Histogram>,
    connections: Gauge,
    refused: Family<[(&'static str, &'static str); 1], Counter>,
    subscriptions: Gauge,
    cut_off: Family<[(&'static str, &'static str); 1], Counter>,
}

impl Counts {
    /// Makes counters at zero. `methods`: their names. `connections_max`: how many connections the
    /// operator allows.
    pub(crate) fn new<'a>(
        methods: impl Iterator<Item = &'a str>,
        connections_max: u32,
    ) -> Arc<Self> {
        let mut registry = Registry::default();
        let r = registry.sub_registry_with_prefix("allod_rpc");
        let calls = Family::default();
        let help = "Calls answered: ok, error for what the client has to change or wait for, \
                    failed for what the node could not do";
        r.register("calls", help, calls.clone());
        let durations = Family::new_with_constructor(histogram as fn() -> Histogram);
        let help = "From the beginning of a call to its answer";
        r.register_with_unit("call_duration", help, Unit::Seconds, durations.clone());
        let connections = Gauge::default();
        let help = "Connections open";
        r.register("connections", help, connections.clone());
        let limit: Gauge = Gauge::default();
        limit.set(connections_max.into());
        r.register("connections_limit", "Connections that may be open", limit);
        let refused = Family::default();
        let help = "Requests and connections refused, by reason";
        r.register("refused", help, refused.clone());
        for reason in Refused::ALL {
            drop(refused.get_or_create(&reason.label()));
        }
        let subscriptions = Gauge::default();
        r.register("subscriptions", "Subscriptions open", subscriptions.clone());
        let cut_off = Family::default();
        let help = "Subscriptions that the node ended, by reason";
        r.register("cut_off", help, cut_off.clone());
        for end in End::ALL {
            drop(cut_off.get_or_create(&[("reason", end.name())]));
        }
        let classes = methods.map(|name| prefix(name).to_owned()).collect();
        Arc::new(Self {
            registry,
            classes,
            calls,
            durations,
            connections,
            refused,
            subscriptions,
            cut_off,
        })
    }

    /// Returns everything as text, without the line that ends an exposition.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        encode_registry(&mut text, &self.registry).expect("writing to a string does not fail");
        text
    }

    /// Counts a connection for as long as the returned value lives.
    pub(crate) fn connected(&self) -> Open {
        Open::new(&self.connections)
    }

    /// Counts a subscription for as long as the returned value lives.
    pub(crate) fn subscribed(&self) -> Open {
        Open::new(&self.subscriptions)
    }

    /// Returns how many subscriptions are open.
    pub(crate) fn subscriptions(&self) -> i64 {
        self.subscriptions.get()
    }

    /// Counts a subscription that the node ended.
    pub(crate) fn cut_off(&self, end: End) {
        self.cut_off.get_or_create(&[("reason", end.name())]).inc();
    }

    /// Counts a request or a connection that was not taken.
    pub(crate) fn refused(&self, reason: Refused) {
        self.refused.get_or_create(&reason.label()).inc();
    }

    /// Counts an answer.
    fn answered(&self, method: &str, response: &MethodResponse, began: Instant) {
        let class = prefix(method);
        let class = if self.classes.contains(class) {
            class
        } else {
            UNKNOWN
        };
        let call = [
            ("class", class.to_owned()),
            ("outcome", outcome(response).to_owned()),
        ];
        self.calls.get_or_create(&call).inc();
        let durations = self.durations.get_or_create(&[("class", class.to_owned())]);
        durations.observe(began.elapsed().as_secs_f64());
    }
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

fn prefix(method: &str) -> &str {
    method.split_once('_').map_or(method, |(prefix, _)| prefix)
}

fn outcome(response: &MethodResponse) -> &'static str {
    match response.as_error_code() {
        None => "ok",
        Some(code) if code == JsonRpcCode::InternalError.code() => "failed",
        Some(code) if code == ErrorCode::Internal.code() => "failed",
        Some(_) => "error",
    }
}

/// Something that is open, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Open(Gauge);

impl Open {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Counts the calls of a connection, those of batches one by one.
#[derive(Clone, Debug)]
pub(crate) struct CountLayer {
    /// Where.
    pub(crate) counts: Arc<Counts>,
    /// Bytes of one answer.
    pub(crate) response_bytes_max: u32,
}

/// See [`CountLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Counted<S> {
    layer: CountLayer,
    inner: S,
}

impl<S> Layer<S> for CountLayer {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        let layer = self.clone();
        Counted { layer, inner }
    }
}

impl<S> RpcServiceT for Counted<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(
        &self,
        mut request: Request<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        let (service, counts) = (self.inner.clone(), self.layer.counts.clone());
        async move {
            let began = Instant::now();
            let method = request.method_name().to_owned();
            request.extensions_mut().insert(counts.clone());
            let response = service.call(request).await;
            counts.answered(&method, &response, began);
            response
        }
    }

    /// Answers the entries one after another, as the server itself would, but through
    /// [`Self::call`].
    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let service = self.clone();
        async move {
            let bytes_max = service.layer.response_bytes_max as usize;
            let mut responses = BatchResponseBuilder::new_with_limit(bytes_max);
            let mut notified = false;
            for entry in batch {
                let response = match entry {
                    Ok(BatchEntry::Call(request)) => service.call(request).await,
                    Ok(BatchEntry::Notification(notification)) => {
                        notified = true;
                        service.notification(notification).await;
                        continue;
                    }
                    Err(refused) => {
                        let (error, id) = refused.into_parts();
                        MethodResponse::error(id, error)
                    }
                };
                if let Err(too_large) = responses.append(response) {
                    return too_large;
                }
            }
            match responses.is_empty() && notified {
                true => MethodResponse::notification(),
                false => MethodResponse::from_batch(responses.finish()),
            }
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(notification)
    }
}
