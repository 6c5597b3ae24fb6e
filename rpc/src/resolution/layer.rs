//! The binding in front of the JSON-RPC: takes its own paths, bounds each request, passes the rest.

use std::convert::identity;
use std::sync::Arc;
use std::time::Duration;

use allod_rpc_api::limits::{
    RESOLUTION_BODIES_MAX, RESOLUTION_BODY_BYTES_MAX, RESOLUTION_BODY_MS_MAX,
    RESOLUTION_TARGET_BYTES_MAX, RESOLUTIONS_MAX,
};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use jsonrpsee::server::{HttpBody, HttpRequest, HttpResponse};
use tokio::sync::Semaphore;

use super::accept::{self, Form};
use super::dereference;
use super::problem::ProblemKind;
use super::proof::state_proof;
use super::question::{self, Asked};
use super::resolve::{read_did, resolve_at};
use super::result::{response, text, transport};
use crate::connection::{Connection, Place};
use crate::front::{Answering, Desk};
use crate::versions::Replays;
use crate::view::{HeadInfo, NodeView};

/// Where the binding begins; the identifier follows.
const PREFIX: &str = "/1.0/identifiers";
/// Where the binding is described.
const DESCRIPTION_PATH: &str = "/1.0/openapi.json";
/// The description, in OpenAPI 3.1. It is written by hand, and held against real answers by
/// `rpc/tests/it/resolution/described.rs` and `tests/python/openapi.py`.
const DESCRIPTION: &str = include_str!("../../../spec/did-resolution.openapi.json");

/// Answers DID resolution.
#[derive(Clone)]
pub(crate) struct Resolver {
    view: Arc<dyn NodeView>,
    replays: Arc<Replays>,
    /// Places for requests of which everything is here.
    places: Arc<Semaphore>,
    /// Places for those whose body is still to come. They are others: whoever sends none keeps
    /// nobody from being answered but those who also have one to send.
    bodies: Arc<Semaphore>,
}

impl Resolver {
    pub(crate) fn new(view: Arc<dyn NodeView>, replays: Arc<Replays>) -> Self {
        Self {
            view,
            replays,
            places: Arc::new(Semaphore::new(RESOLUTIONS_MAX)),
            bodies: Arc::new(Semaphore::new(RESOLUTION_BODIES_MAX)),
        }
    }
}

impl Desk for Resolver {
    fn takes(&self, request: &HttpRequest) -> bool {
        is_mine(request.uri())
    }

    fn answer(&self, request: HttpRequest) -> Answering {
        let resolver = self.clone();
        Box::pin(async move { resolver.serve(request).await.unwrap_or_else(identity) })
    }
}

/// Returns whether the binding answers there.
pub(crate) fn is_mine(uri: &Uri) -> bool {
    identifier(uri).is_some() || uri.path() == DESCRIPTION_PATH
}

/// Returns what the path asks about, if it is the binding's.
fn identifier(uri: &Uri) -> Option<&str> {
    let rest = uri.path().strip_prefix(PREFIX)?;
    match rest {
        "" => Some(""),
        _ => rest.strip_prefix('/'),
    }
}

impl Resolver {
    /// Answers one request; the error is an answer too, about HTTP instead of DIDs.
    async fn serve(self, request: HttpRequest) -> Result<HttpResponse, HttpResponse> {
        let (head, body) = request.into_parts();
        if head.uri.path() == DESCRIPTION_PATH {
            return Ok(describe(&head.method));
        }
        let connection = Connection::of(&head.extensions);
        let takes_body = match head.method {
            Method::GET | Method::HEAD => false,
            Method::POST => true,
            _ => return Err(transport(StatusCode::METHOD_NOT_ALLOWED, "use GET or POST")),
        };
        let target_bytes = head.uri.path().len() + head.uri.query().unwrap_or_default().len();
        if target_bytes > RESOLUTION_TARGET_BYTES_MAX {
            let detail = "the DID URL is too long";
            return Err(transport(StatusCode::URI_TOO_LONG, detail));
        }
        let body = match takes_body {
            true => {
                let _waiting = Place::take(&self.bodies, &connection.bodies).ok_or_else(busy)?;
                read_body(body).await?
            }
            false => Bytes::new(),
        };
        let place = Place::take(&self.places, &connection.resolutions).ok_or_else(busy)?;
        let forms = accept::forms(&head.headers);
        let (view, replays) = (self.view, self.replays.of(connection));
        let answered = tokio::task::spawn_blocking(move || {
            let answer = answer(&*view, &replays, &head.uri, &body, &forms);
            drop(place);
            answer
        });
        let failed = |_| transport(StatusCode::INTERNAL_SERVER_ERROR, "the resolution failed");
        answered.await.map_err(failed)
    }
}

/// Answers what describes the binding.
fn describe(method: &Method) -> HttpResponse {
    if [Method::GET, Method::HEAD].contains(method) {
        return text(DESCRIPTION);
    }
    let mut response = transport(StatusCode::METHOD_NOT_ALLOWED, "use GET");
    let allowed = HeaderValue::from_static("GET, HEAD");
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

fn busy() -> HttpResponse {
    let detail = "as many resolutions as may are under way";
    transport(StatusCode::SERVICE_UNAVAILABLE, detail)
}

/// Reads a body within its maximum and in time.
async fn read_body(body: HttpBody) -> Result<Bytes, HttpResponse> {
    let limited = Limited::new(body, RESOLUTION_BODY_BYTES_MAX).collect();
    let wait = Duration::from_millis(RESOLUTION_BODY_MS_MAX);
    match tokio::time::timeout(wait, limited).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(transport(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is too long",
        )),
        Ok(Err(_)) => Err(transport(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => Err(transport(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not come in time",
        )),
    }
}

/// Answers a request of which everything is here. Blocks on the node's storage.
fn answer(
    view: &dyn NodeView,
    replays: &Replays,
    uri: &Uri,
    body: &[u8],
    forms: &[Form],
) -> HttpResponse {
    let asked = Asked {
        identifier: identifier(uri).unwrap_or_default(),
        query: uri.query(),
        body,
    };
    let (shape, question) = question::read(asked, forms);
    let question = match question {
        Ok(question) => question,
        Err(problem) => return response(shape, Err(problem), None),
    };
    let wants_proof = question.options.proof;
    let did = match read_did(view, &question.url.did) {
        Ok(did) => did,
        Err(problem) => return response(shape, Err(problem), None),
    };
    let proven = |head: &HeadInfo| state_proof(view, head, &did);
    match resolve_at(view, replays, &did, &question.options.version) {
        Err(problem) if problem.kind == ProblemKind::Busy => {
            transport(StatusCode::SERVICE_UNAVAILABLE, &problem.detail)
        }
        Err(mut problem) => {
            let from = problem.absent_after.clone();
            if let Some(head) = from.as_deref().filter(|_| wants_proof) {
                match proven(head) {
                    Ok(proof) => problem.proof = Some(proof),
                    Err(failed) => problem = failed,
                }
            }
            response(shape, Err(problem), from.as_deref())
        }
        Ok(resolved) => {
            let head = &resolved.at.head;
            let outcome = dereference::answer(&question, &resolved, shape);
            let outcome = outcome.and_then(|outcome| match wants_proof {
                true if resolved.is_rebuilt => {
                    let detail = "the state of that version is gone; `identity_resolve` with \
                                  `versionId` proves it by the log";
                    Err(ProblemKind::FeatureNotSupported.because(detail))
                }
                true => Ok(outcome.with_proof(proven(head)?)),
                false => Ok(outcome),
            });
            response(shape, outcome, Some(head))
        }
    }
}
