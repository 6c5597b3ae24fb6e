//! Stands before everything that is answered: lets in whoever has a key, where one is needed, and
//! each source ask as much as it may.
//!
//! A request costs one call before anything of it is read; what a batch costs beyond that is known
//! once it was read, and so is what a message of a WebSocket costs. `/health` and `/ready` are
//! free: whoever watches the node must not be kept out by others behind the same address.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use allod_rpc_api::error::ErrorData;
use allod_rpc_api::{ErrorCode, RpcError};
use http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, header};
use jsonrpsee::core::middleware::{Batch, BatchEntry, Notification, RpcServiceT};
use jsonrpsee::server::ws::is_upgrade_request;
use jsonrpsee::server::{
    BatchResponseBuilder, HttpBody, HttpRequest, HttpResponse, MethodResponse,
};
use jsonrpsee::types::{ErrorObjectOwned, Id, Request};
use tower::{Layer, Service};

use crate::connection::{Connection, Cut};
use crate::counts::{Counts, Refused};
use crate::keys::{Named, Ring};
use crate::message::Mark;
use crate::resolution;
use crate::visitors::{Source, Visitors};

/// What is free of any charge.
const FREE: [&str; 2] = ["/health", "/ready"];

/// What the WebSocket of a browser, which can set no header, gives as its protocols: this, and its
/// key behind [`KEY_PROTOCOL`]. Other than a query, protocols are in no log and no history.
const PROTOCOL: &str = "allod";
const KEY_PROTOCOL: &str = "allod.key.";

/// How long a WebSocket whose key is gone stays open, for its subscriptions to be told.
const KEY_GRACE: Duration = Duration::from_secs(1);

/// What the guard knows.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    visitors: Arc<Visitors>,
    ring: Arc<Ring>,
    are_metrics_open: bool,
    counts: Arc<Counts>,
}

/// Who pays for the calls of a request, or of a WebSocket.
#[derive(Clone, Debug)]
struct Payer {
    guard: Guard,
    /// `None`: calls are free.
    source: Option<Source>,
    /// Calls that were paid with the request.
    paid: u32,
    /// The key that it was let in with, where one is needed.
    key: Option<Named>,
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug)]
enum No {
    Wait(Duration),
    /// The key was taken away since.
    Key,
}

/// On an answer: that it is a refusal, and when to try again.
#[derive(Clone, Copy, Debug)]
struct Wait(Duration);

impl Guard {
    pub(crate) fn new(
        visitors: Arc<Visitors>,
        ring: Arc<Ring>,
        are_metrics_open: bool,
        counts: Arc<Counts>,
    ) -> Self {
        Self {
            visitors,
            ring,
            are_metrics_open,
            counts,
        }
    }

    /// Lets a request through, which then knows who pays for its calls; else the answer to it.
    #[expect(
        clippy::result_large_err,
        reason = "the error is the answer: made once for a request, moved once"
    )]
    fn admit(&self, request: &mut HttpRequest) -> Result<(), HttpResponse> {
        let connection = Connection::of(request.extensions());
        let peer = connection.peer();
        let source = peer.and_then(|peer| self.visitors.of_request(peer, request.headers()));
        let is_websocket = is_upgrade_request(request);
        if let Some(source) = source {
            let is_by_proxy = peer.is_some_and(|peer| self.visitors.is_proxy(peer));
            if is_by_proxy && is_websocket && !connection.enter(self.visitors.enter(source)) {
                self.counts.refused(Refused::AddressConnections);
                return Err(too_many_connections(request));
            }
            self.spend(source, 1)
                .map_err(|wait| too_many_calls(request, wait))?;
        }
        if connection.is_surplus() {
            self.counts.refused(Refused::AddressConnections);
            return Err(too_many_connections(request));
        }
        let key = self.key_of(request, is_websocket)?;
        if is_websocket {
            let (guard, counts) = (self.clone(), self.counts.clone());
            let pay = move || {
                counts.refused(Refused::Garbage);
                source.is_none_or(|source| guard.spend(source, 1).is_ok())
            };
            let mark = Mark::new(connection.clone(), Box::new(pay));
            request.extensions_mut().insert(mark);
            if let Some(key) = &key {
                self.watch(key.clone(), connection);
            }
        }
        request.extensions_mut().insert(Payer {
            guard: self.clone(),
            source,
            paid: u32::from(!is_websocket),
            key,
        });
        Ok(())
    }

    /// Closes a WebSocket some time after its key was taken away.
    fn watch(&self, key: Named, connection: Arc<Connection>) {
        if !connection.wants_watch() {
            return;
        }
        let ring = self.ring.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = ring.lost(&key) => {}
                () = connection.gone.cancelled() => return,
            }
            tokio::time::sleep(KEY_GRACE).await;
            connection.cut(Cut::Key);
        });
    }

    /// Has a request paid for that is answered before it gets here; else the answer to it.
    #[expect(
        clippy::result_large_err,
        reason = "the error is the answer: made once for a request, moved once"
    )]
    pub(crate) fn charge(&self, request: &HttpRequest) -> Result<(), HttpResponse> {
        let connection = Connection::of(request.extensions());
        if connection.is_surplus() {
            self.counts.refused(Refused::AddressConnections);
            return Err(too_many_connections(request));
        }
        let peer = connection.peer();
        match peer.and_then(|peer| self.visitors.of_request(peer, request.headers())) {
            None => Ok(()),
            Some(source) => self
                .spend(source, 1)
                .map_err(|wait| too_many_calls(request, wait)),
        }
    }

    /// Returns the key of a request that needs one and has it.
    #[expect(
        clippy::result_large_err,
        reason = "the error is the answer: made once for a request, moved once"
    )]
    fn key_of(
        &self,
        request: &HttpRequest,
        is_websocket: bool,
    ) -> Result<Option<Named>, HttpResponse> {
        let is_open = self.are_metrics_open && is_probe(request, &["/metrics"]);
        if !self.ring.is_needed() || is_open {
            return Ok(None);
        }
        let given = bearer(request.headers())
            .or_else(|| is_websocket.then(|| key_protocol(request.headers()))?);
        match given.and_then(|given| self.ring.find(given)) {
            Some(key) => Ok(Some(key)),
            None => {
                self.counts.refused(Refused::Key);
                Err(unauthorized(request, given.is_some()))
            }
        }
    }

    fn spend(&self, source: Source, calls: u32) -> Result<(), Duration> {
        let spent = self.visitors.spend(source, calls);
        if spent.is_err() {
            self.counts.refused(Refused::Rate);
        }
        spent
    }
}

impl Payer {
    /// Pays for `calls` of the request with these extensions.
    fn pay(extensions: &Extensions, calls: usize) -> Result<(), No> {
        Mark::is_call(extensions);
        // Nothing that came past the guard is answered.
        let payer = extensions.get::<Self>().ok_or(No::Key)?;
        // A WebSocket may outlive its key.
        if payer
            .key
            .as_ref()
            .is_some_and(|key| !payer.guard.ring.has(key))
        {
            payer.guard.counts.refused(Refused::Key);
            return Err(No::Key);
        }
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        match (payer.source, calls.saturating_sub(payer.paid)) {
            (None, _) | (_, 0) => Ok(()),
            (Some(source), calls) => payer.guard.spend(source, calls).map_err(No::Wait),
        }
    }
}

/// Waits until the key is taken away that the call with these extensions was let in with.
pub(crate) fn key_lost(extensions: &Extensions) -> impl Future<Output = ()> + use<> {
    let payer = extensions.get::<Payer>();
    let lent = payer.and_then(|it| Some((it.key.clone()?, it.guard.ring.clone())));
    async move {
        match lent {
            Some((key, ring)) => ring.lost(&key).await,
            None => std::future::pending().await,
        }
    }
}

/// Returns the key of `Authorization: Bearer KEY`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
    let values = values.filter_map(|it| it.to_str().ok());
    values.flat_map(|it| it.split(',').map(str::trim))
}

fn key_protocol(headers: &HeaderMap) -> Option<&str> {
    protocols(headers).find_map(|it| it.strip_prefix(KEY_PROTOCOL))
}

/// Makes the error of a call that must wait.
fn rate_limited(wait: Duration) -> ErrorObjectOwned {
    let error = RpcError::from(ErrorCode::RateLimited);
    let data = ErrorData {
        retry_after_ms: Some(millis(wait)),
        ..error.data()
    };
    ErrorObjectOwned::owned(error.code.code(), error.to_string(), Some(data))
}

/// Rounds up: whoever waits as long is let in.
fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

fn set_wait(response: &mut HttpResponse, wait: Duration) {
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    let seconds = millis(wait).div_ceil(1000).max(1);
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
}

/// Returns an answer with `error` in the form that the request's path wants.
fn refusal(request: &HttpRequest, status: StatusCode, error: &ErrorObjectOwned) -> HttpResponse {
    if resolution::is_mine(request.uri()) {
        return resolution::transport(status, error.message());
    }
    let body = MethodResponse::error(Id::Null, error.clone()).into_json();
    HttpResponse::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header(header::CACHE_CONTROL, "no-store")
        .body(HttpBody::from(String::from(Box::<str>::from(body))))
        .expect("status and headers are constants")
}

fn unauthorized(request: &HttpRequest, was_given: bool) -> HttpResponse {
    let error = crate::answer::failed(ErrorCode::Unauthorized);
    let mut response = refusal(request, StatusCode::UNAUTHORIZED, &error);
    let challenge = match was_given {
        true => "Bearer realm=\"allod\", error=\"invalid_token\"",
        false => "Bearer realm=\"allod\"",
    };
    let challenge = HeaderValue::from_static(challenge);
    let headers = response.headers_mut();
    headers.insert(header::WWW_AUTHENTICATE, challenge);
    response
}

fn too_many_calls(request: &HttpRequest, wait: Duration) -> HttpResponse {
    let status = StatusCode::TOO_MANY_REQUESTS;
    let mut response = refusal(request, status, &rate_limited(wait));
    set_wait(&mut response, wait);
    response
}

fn too_many_connections(request: &HttpRequest) -> HttpResponse {
    let error = RpcError::from(ErrorCode::RateLimited);
    let detail = "the address has as many connections as it may";
    let error = crate::answer::failed(error.code.with(detail));
    let mut response = refusal(request, StatusCode::TOO_MANY_REQUESTS, &error);
    set_wait(&mut response, Duration::from_secs(1));
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

/// Returns whether the desk of the probes answers this request, by one of `paths`: nothing else
/// may be exempt, for what it leaves is answered by the JSON-RPC, whatever the path, and a
/// WebSocket may begin with any method.
fn is_probe(request: &HttpRequest, paths: &[&str]) -> bool {
    request.method() == Method::GET && paths.contains(&request.uri().path())
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded {
            guard: self.clone(),
            inner,
        }
    }
}

/// What the guard stands before.
#[derive(Clone, Debug)]
pub(crate) struct Guarded<S> {
    guard: Guard,
    inner: S,
}

impl<S> Service<HttpRequest> for Guarded<S>
where
    S: Service<HttpRequest, Response = HttpResponse>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = HttpResponse;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: HttpRequest) -> Self::Future {
        if !is_probe(&request, &FREE)
            && let Err(refusal) = self.guard.admit(&mut request)
        {
            return Box::pin(std::future::ready(Ok(refusal)));
        }
        let is_spoken = protocols(request.headers()).any(|it| it == PROTOCOL);
        let answering = self.inner.call(request);
        Box::pin(async move {
            let mut response = answering.await?;
            if is_spoken && response.status() == StatusCode::SWITCHING_PROTOCOLS {
                // A browser gives up if none of the protocols that it named is.
                let value = HeaderValue::from_static(PROTOCOL);
                let headers = response.headers_mut();
                headers.insert(header::SEC_WEBSOCKET_PROTOCOL, value);
            }
            if let Some(Wait(wait)) = response.extensions().get().copied() {
                set_wait(&mut response, wait);
            }
            Ok(response)
        })
    }
}

/// Has every call paid for before it begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PayLayer {
    /// Bytes of one answer.
    pub(crate) response_bytes_max: u32,
}

/// See [`PayLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Paid<S> {
    layer: PayLayer,
    inner: S,
}

impl<S> Layer<S> for PayLayer {
    type Service = Paid<S>;

    fn layer(&self, inner: S) -> Paid<S> {
        let layer = *self;
        Paid { layer, inner }
    }
}

impl<S> RpcServiceT for Paid<S>
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

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let service = self.inner.clone();
        async move {
            match Payer::pay(request.extensions(), 1) {
                Ok(()) => service.call(request).await,
                Err(no) => no.mark(MethodResponse::error(request.id, no.error())),
            }
        }
    }

    fn batch<'a>(&self, mut batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let service = self.inner.clone();
        let bytes_max = self.layer.response_bytes_max as usize;
        async move {
            let calls = batch.len();
            // Nothing is called: it is only told what is wrong with it.
            if batch.iter().all(Result::is_err) {
                return service.batch(batch).await;
            }
            match Payer::pay(batch.extensions(), calls) {
                Ok(()) => service.batch(batch).await,
                Err(no) => no.mark(refused_batch(batch, no, bytes_max)),
            }
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        let service = self.inner.clone();
        async move {
            match Payer::pay(notification.extensions(), 1) {
                Ok(()) => service.notification(notification).await,
                // Nobody waits for an answer.
                Err(_) => MethodResponse::notification(),
            }
        }
    }
}

impl No {
    fn error(self) -> ErrorObjectOwned {
        match self {
            Self::Wait(wait) => rate_limited(wait),
            Self::Key => crate::answer::failed(ErrorCode::Unauthorized),
        }
    }

    /// Has HTTP say it, too.
    fn mark(self, mut response: MethodResponse) -> MethodResponse {
        if let Self::Wait(wait) = self {
            response.extensions_mut().insert(Wait(wait));
        }
        response
    }
}

/// Answers every call of a batch, so that nobody waits for one in vain; with one error if these
/// answers, which repeat what the client called its calls, are too large.
fn refused_batch(batch: Batch<'_>, no: No, bytes_max: usize) -> MethodResponse {
    let mut answers = BatchResponseBuilder::new_with_limit(bytes_max);
    for entry in batch {
        let answer = match entry {
            Ok(BatchEntry::Call(call)) => MethodResponse::error(call.id, no.error()),
            Ok(BatchEntry::Notification(_)) => continue,
            Err(error) => {
                let (error, id) = error.into_parts();
                MethodResponse::error(id, error)
            }
        };
        if let Err(too_large) = answers.append(answer) {
            return too_large;
        }
    }
    if answers.is_empty() {
        return MethodResponse::notification();
    }
    MethodResponse::from_batch(answers.finish())
}
