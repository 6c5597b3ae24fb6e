//! Answers some requests before the JSON-RPC sees them.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use jsonrpsee::server::{HttpRequest, HttpResponse};
use tower::{Layer, Service};

/// An answer that is being worked out.
pub(crate) type Answering = Pin<Box<dyn Future<Output = HttpResponse> + Send>>;

/// Answers requests of its own.
pub(crate) trait Desk: Clone + Send + 'static {
    /// Returns whether it answers this request.
    fn takes(&self, request: &HttpRequest) -> bool;

    /// Answers a request that it takes.
    fn answer(&self, request: HttpRequest) -> Answering;
}

/// Hands a desk its requests and passes everything else on.
#[derive(Clone, Debug)]
pub(crate) struct Front<D>(pub(crate) D);

/// See [`Front`].
#[derive(Clone, Debug)]
pub(crate) struct Fronted<D, S> {
    desk: D,
    inner: S,
}

impl<D: Clone, S> Layer<S> for Front<D> {
    type Service = Fronted<D, S>;

    fn layer(&self, inner: S) -> Fronted<D, S> {
        Fronted {
            desk: self.0.clone(),
            inner,
        }
    }
}

impl<D, S> Service<HttpRequest> for Fronted<D, S>
where
    D: Desk,
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

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        if !self.desk.takes(&request) {
            return Box::pin(self.inner.call(request));
        }
        let answering = self.desk.answer(request);
        Box::pin(async move { Ok(answering.await) })
    }
}
