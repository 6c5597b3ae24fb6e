//! `/health`, `/ready` and `/metrics`: plain GET on the port of the JSON-RPC.

use std::sync::Arc;

use allod_rpc_api::limits::{METRICS_MAX, METRICS_WAIT_MS_MAX};
use http::{HeaderValue, Method, StatusCode, header};
use jsonrpsee::server::{HttpBody, HttpRequest, HttpResponse};
use serde_json::json;

use crate::counts::Counts;
use crate::front::{Answering, Desk};
use crate::threads::{Threads, Undone};
use crate::view::NodeView;

const METRICS: &str = "/metrics";
const JSON: &str = "application/json";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers the probes.
#[derive(Clone)]
pub(crate) struct Probes {
    view: Arc<dyn NodeView>,
    counts: Arc<Counts>,
    writers: Threads,
}

impl Probes {
    pub(crate) fn new(view: Arc<dyn NodeView>, counts: Arc<Counts>) -> Self {
        Self {
            view,
            counts,
            writers: Threads::new(METRICS_MAX, METRICS_WAIT_MS_MAX),
        }
    }
}

impl Desk for Probes {
    fn takes(&self, request: &HttpRequest) -> bool {
        let paths = ["/health", "/ready", METRICS];
        request.method() == Method::GET && paths.contains(&request.uri().path())
    }

    fn answer(&self, request: HttpRequest) -> Answering {
        let path = request.uri().path();
        if path != METRICS {
            let response = probe(&*self.view, path);
            return Box::pin(std::future::ready(response));
        }
        let (view, counts) = (self.view.clone(), self.counts.clone());
        let writers = self.writers.clone();
        Box::pin(async move {
            // The view looks at the disk, and the text is long.
            let written = writers.run(move || {
                // The view's text ends the exposition.
                counts.text() + &view.metrics_text()
            });
            let (status, text) = match written.await {
                Ok(text) => (StatusCode::OK, text),
                Err(Undone::Failed) => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
                Err(Undone::Busy) => (StatusCode::SERVICE_UNAVAILABLE, String::new()),
            };
            let mut response = response(status, OPEN_METRICS, text);
            if status == StatusCode::SERVICE_UNAVAILABLE {
                let second = HeaderValue::from_static("1");
                response.headers_mut().insert(header::RETRY_AFTER, second);
            }
            response
        })
    }
}

fn probe(view: &dyn NodeView, path: &str) -> HttpResponse {
    match path {
        "/health" => {
            let body = json!({"status": "ok", "height": view.head().height().0});
            response(StatusCode::OK, JSON, body.to_string())
        }
        _ => {
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
            response(status, JSON, body.to_string())
        }
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
