//! What browsers ask before they call: answered without a key, and so before the guard, but not
//! without end.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Method;
use jsonrpsee::server::{HttpRequest, HttpResponse};
use tower::{Layer, Service};

use crate::guard::Guard;

/// Has preflights paid for as calls. Stands before what answers them.
#[derive(Clone, Debug)]
pub(crate) struct PreflightLayer(pub(crate) Guard);

/// See [`PreflightLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Preflighted<S> {
    guard: Guard,
    inner: S,
}

impl<S> Layer<S> for PreflightLayer {
    type Service = Preflighted<S>;

    fn layer(&self, inner: S) -> Preflighted<S> {
        let guard = self.0.clone();
        Preflighted { guard, inner }
    }
}

impl<S> Service<HttpRequest> for Preflighted<S>
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

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        // All of these are answered next, whatever they ask.
        if request.method() == Method::OPTIONS
            && let Err(refusal) = self.guard.charge(&request)
        {
            return Box::pin(std::future::ready(Ok(refusal)));
        }
        Box::pin(self.inner.call(request))
    }
}
