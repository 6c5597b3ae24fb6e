//! `/health`, `/ready` and `/metrics`: plain GET on the port of the JSON-RPC.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, StatusCode, header};
use jsonrpsee::server::{HttpBody, HttpRequest, HttpResponse};
use serde_json::json;
use tower::{Layer, Service};

use crate::view::NodeView;

const JSON: &str = "application/json";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers the probes and passes everything else on.
#[derive(Clone)]
pub(crate) struct ProbeLayer {
    view: Arc<dyn NodeView>,
}

/// See [`ProbeLayer`].
#[derive(Clone)]
pub(crate) struct Probes<S> {
    inner: S,
    view: Arc<dyn NodeView>,
}

impl ProbeLayer {
    pub(crate) fn new(view: Arc<dyn NodeView>) -> Self {
        Self { view }
    }
}

impl<S> Layer<S> for ProbeLayer {
    type Service = Probes<S>;

    fn layer(&self, inner: S) -> Probes<S> {
        Probes {
            inner,
            view: self.view.clone(),
        }
    }
}

impl<S> Service<HttpRequest> for Probes<S>
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
        if request.method() == Method::GET
            && let Some(response) = probe(&*self.view, request.uri().path())
        {
            return Box::pin(std::future::ready(Ok(response)));
        }
        Box::pin(self.inner.call(request))
    }
}

fn probe(view: &dyn NodeView, path: &str) -> Option<HttpResponse> {
    match path {
        "/health" => {
            let body = json!({"status": "ok", "height": view.head().height().0});
            Some(response(StatusCode::OK, JSON, body.to_string()))
        }
        "/ready" => {
            let sync = view.sync_state();
            let status = match sync.syncing {
                false => StatusCode::OK,
                true => StatusCode::SERVICE_UNAVAILABLE,
            };
            let body = json!({
                "ready": !sync.syncing,
                "height": sync.current.0,
                "highest": sync.highest.0,
                "peers": view.peers().len(),
            });
            Some(response(status, JSON, body.to_string()))
        }
        "/metrics" => Some(response(StatusCode::OK, OPEN_METRICS, view.metrics_text())),
        _ => None,
    }
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> HttpResponse {
    HttpResponse::builder()
        .status(status)
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CACHE_CONTROL, "no-store")
        .body(HttpBody::from(body))
        .expect("status and headers are constants")
}
