//! `/health`, `/ready` and `/metrics`: plain GET on the port of the JSON-RPC.

use std::sync::Arc;

use http::{Method, StatusCode, header};
use jsonrpsee::server::{HttpBody, HttpRequest, HttpResponse};
use serde_json::json;

use crate::counts::Counts;
use crate::front::{Answering, Desk};
use crate::view::NodeView;

const METRICS: &str = "/metrics";
const JSON: &str = "application/json";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers the probes.
#[derive(Clone)]
pub(crate) struct Probes {
    view: Arc<dyn NodeView>,
    counts: Arc<Counts>,
}

impl Probes {
    pub(crate) fn new(view: Arc<dyn NodeView>, counts: Arc<Counts>) -> Self {
        Self { view, counts }
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
        // The view looks at the disk, and the text is long.
        let written = tokio::task::spawn_blocking(move || {
            // The view's text ends the exposition.
            counts.text() + &view.metrics_text()
        });
        Box::pin(async move {
            match written.await {
                Ok(text) => response(StatusCode::OK, OPEN_METRICS, text),
                Err(_) => response(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    OPEN_METRICS,
                    String::new(),
                ),
            }
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
