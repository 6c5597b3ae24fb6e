//! Stands before everything that is answered: lets each source ask as much as it may.
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
use http::{Extensions, HeaderValue, Method, StatusCode, header};
use jsonrpsee::core::middleware::{Batch, BatchEntry, Notification, RpcServiceT};
use jsonrpsee::server::ws::is_upgrade_request;
use jsonrpsee::server::{
    BatchResponseBuilder, HttpBody, HttpRequest, HttpResponse, MethodResponse,
};
use jsonrpsee::types::{ErrorObjectOwned, Id, Request};
use tower::{Layer, Service};

use crate::connection::Connection;
use crate::counts::{Counts, Refused};
use crate::resolution;
use crate::visitors::{Source, Visitors};

/// What is free of any charge.
const FREE: [&str; 2] = ["/health", "/ready"];

/// What the guard knows.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    visitors: Arc<Visitors>,
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
}

/// On an answer: that it is a refusal, and when to try again.
#[derive(Clone, Copy, Debug)]
struct Wait(Duration);

impl Guard {
    pub(crate) fn new(visitors: Arc<Visitors>, counts: Arc<Counts>) -> Self {
        Self { visitors, counts }
    }

    /// Lets a request through, which then knows who pays for its calls; else the answer to it.
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
        request.extensions_mut().insert(Payer {
            guard: self.clone(),
            source,
            paid: u32::from(!is_websocket),
        });
        Ok(())
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
    /// Pays for `calls` of the request with these extensions, or says how long to wait.
    fn pay(extensions: &Extensions, calls: usize) -> Result<(), Duration> {
        let Some(payer) = extensions.get::<Self>() else {
            return Ok(());
        };
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        match (payer.source, calls.saturating_sub(payer.paid)) {
            (None, _) | (_, 0) => Ok(()),
            (Some(source), calls) => payer.guard.spend(source, calls),
        }
    }
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

fn is_free(request: &HttpRequest) -> bool {
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    is_read && FREE.contains(&request.uri().path())
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
        if !is_free(&request)
            && let Err(refusal) = self.guard.admit(&mut request)
        {
            return Box::pin(std::future::ready(Ok(refusal)));
        }
        let answering = self.inner.call(request);
        Box::pin(async move {
            let mut response = answering.await?;
            if let Some(Wait(wait)) = response.extensions().get().copied() {
                set_wait(&mut response, wait);
            }
            Ok(response)
        })
    }
}

/// Has every call paid for before it begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PayLayer;

/// See [`PayLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Paid<S>(S);

impl<S> Layer<S> for PayLayer {
    type Service = Paid<S>;

    fn layer(&self, inner: S) -> Paid<S> {
        Paid(inner)
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
        let service = self.0.clone();
        async move {
            match Payer::pay(request.extensions(), 1) {
                Ok(()) => service.call(request).await,
                Err(wait) => refused(MethodResponse::error(request.id, rate_limited(wait)), wait),
            }
        }
    }

    fn batch<'a>(&self, mut batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let service = self.0.clone();
        async move {
            let calls = batch.len();
            match Payer::pay(batch.extensions(), calls) {
                Ok(()) => service.batch(batch).await,
                Err(wait) => refused(refused_batch(batch, wait), wait),
            }
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        let service = self.0.clone();
        async move {
            match Payer::pay(notification.extensions(), 1) {
                Ok(()) => service.notification(notification).await,
                // Nobody waits for an answer.
                Err(_) => MethodResponse::notification(),
            }
        }
    }
}

fn refused(mut response: MethodResponse, wait: Duration) -> MethodResponse {
    response.extensions_mut().insert(Wait(wait));
    response
}

/// Answers every call of a batch, so that nobody waits for one in vain.
fn refused_batch(batch: Batch<'_>, wait: Duration) -> MethodResponse {
    let mut answers = BatchResponseBuilder::new_with_limit(usize::MAX);
    for entry in batch {
        let answer = match entry {
            Ok(BatchEntry::Call(call)) => MethodResponse::error(call.id, rate_limited(wait)),
            Ok(BatchEntry::Notification(_)) => continue,
            Err(error) => {
                let (error, id) = error.into_parts();
                MethodResponse::error(id, error)
            }
        };
        // Nothing is above this limit.
        let _fits = answers.append(answer);
    }
    if answers.is_empty() {
        return MethodResponse::notification();
    }
    MethodResponse::from_batch(answers.finish())
}
