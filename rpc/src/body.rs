//! Bodies of requests: they come in time, or nothing more is waited for.
//!
//! The end of a body moves on with what has come of it, so a slow link is no attack; a body that
//! comes byte by byte holds a place for little longer than one that does not come.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use allod_rpc_api::limits::{REQUEST_BODY_BYTES_PER_S_MIN, REQUEST_BODY_MS_MAX};
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt as _;
use jsonrpsee::server::{HttpBody, HttpRequest, HttpResponse};
use tokio::time::{Instant, sleep_until};
use tower::{Layer, Service};

/// Until when a body must have come; none once it has.
#[derive(Debug)]
struct Arrival(Mutex<Option<Instant>>);

impl Arrival {
    fn begin() -> Arc<Self> {
        let end = Instant::now() + Duration::from_millis(REQUEST_BODY_MS_MAX);
        Arc::new(Self(Mutex::new(Some(end))))
    }

    fn end(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many bytes more have come.
    fn came(&self, bytes: usize) {
        if let Some(end) = &mut *self.end() {
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            let micros = bytes.saturating_mul(1_000_000) / REQUEST_BODY_BYTES_PER_S_MIN;
            *end += Duration::from_micros(micros);
        }
    }

    /// Waits until the time is up; for ever if everything has come.
    async fn late(&self) {
        loop {
            let end = *self.end();
            match end {
                None => std::future::pending().await,
                Some(end) if end <= Instant::now() => return,
                Some(end) => sleep_until(end).await,
            }
        }
    }
}

/// A body that is being read; whoever has read it drops it.
struct Reading(Arc<Arrival>);

impl Drop for Reading {
    fn drop(&mut self) {
        *self.0.end() = None;
    }
}

/// Has bodies come in time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLayer;

/// See [`BodyLayer`].
#[derive(Clone, Debug)]
pub(crate) struct InTime<S>(S);

impl<S> Layer<S> for BodyLayer {
    type Service = InTime<S>;

    fn layer(&self, inner: S) -> InTime<S> {
        InTime(inner)
    }
}

impl<S> Service<HttpRequest> for InTime<S>
where
    S: Service<HttpRequest, Response = HttpResponse>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = HttpResponse;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        // Of no other method is a body read.
        if request.method() != Method::POST {
            return Box::pin(self.0.call(request));
        }
        let arrival = Arrival::begin();
        let reading = Reading(arrival.clone());
        let request = request.map(|body| {
            HttpBody::new(body.map_frame(move |frame| {
                reading
                    .0
                    .came(frame.data_ref().map_or(0, bytes::Bytes::len));
                frame
            }))
        });
        let answering = self.0.call(request);
        Box::pin(async move {
            tokio::select! {
                biased;
                answer = answering => answer,
                () = arrival.late() => Ok(too_late()),
            }
        })
    }
}

fn too_late() -> HttpResponse {
    let mut response = HttpResponse::new(HttpBody::from("the body did not come in time\n"));
    *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_has_the_more_time_the_more_has_come() {
        let arrival = Arrival::begin();
        let began = Instant::now();
        arrival.came(usize::try_from(5 * REQUEST_BODY_BYTES_PER_S_MIN).expect("it is small"));
        arrival.late().await;
        let most = Duration::from_millis(REQUEST_BODY_MS_MAX) + Duration::from_secs(5);
        let waited = began.elapsed();
        assert!(waited >= most && waited < most + Duration::from_millis(10));
        drop(Reading(arrival.clone()));
        let late = tokio::time::timeout(Duration::from_secs(3600), arrival.late()).await;
        assert!(late.is_err(), "what has come is not waited for");
    }
}
