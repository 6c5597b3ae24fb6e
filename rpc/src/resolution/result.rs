//! Answers in the form wanted: whole results, bare documents, redirections, errors.

use allod_rpc_api::document::DID_MEDIA_TYPE;
use http::{HeaderValue, StatusCode, header};
use jsonrpsee::server::{HttpBody, HttpResponse};
use serde_json::{Value, json};

use super::accept::{DEREFERENCING, Form, RESOLUTION};
use super::dereference::Outcome;
use super::problem::Problem;
use super::question::{Function, Shape};
use crate::view::HeadInfo;

/// The media type of a document before it was [`DID_MEDIA_TYPE`].
const OLD_DID_MEDIA_TYPE: &str = "application/did+ld+json";
const OLD_RESOLUTION: &str = "application/ld+json;profile=\"https://w3id.org/did-resolution\"";
const OLD_DEREFERENCING: &str =
    "application/ld+json;profile=\"https://w3id.org/did-url-dereferencing\"";
const PROBLEM: &str = "application/problem+json";

/// Writes an answer.
///
/// `from`: the block it is as of; none where nothing was read.
pub(super) fn response(
    shape: Shape,
    outcome: Result<Outcome, Problem>,
    from: Option<&HeadInfo>,
) -> HttpResponse {
    match (outcome, shape.form) {
        (Ok(Outcome::Redirect { location }), _) => redirect(&location),
        (Ok(Outcome::Document { document, .. }), Form::Bare(media_type)) => {
            json_response(StatusCode::OK, media_type, &document)
        }
        (Ok(Outcome::Part { content, .. }), Form::Bare(media_type)) => {
            json_response(StatusCode::OK, media_type, &content)
        }
        // Without a document there is nothing to show bare: the whole result says why.
        (outcome, form) => whole(shape.function, form, outcome, from),
    }
}

fn whole(
    function: Function,
    form: Form,
    outcome: Result<Outcome, Problem>,
    from: Option<&HeadInfo>,
) -> HttpResponse {
    let is_old = matches!(form, Form::Old(_));
    let mut process = json!({});
    if let Some(head) = from {
        process["height"] = json!(head.height().0);
        process["blockHash"] = json!(head.hash.to_string());
        process["time"] = json!(head.time().0);
    }
    let (status, content, metadata) = match outcome {
        Ok(Outcome::Document { document, metadata }) => (StatusCode::OK, document, metadata),
        Ok(Outcome::Part { content, metadata }) => (StatusCode::OK, content, metadata),
        Ok(Outcome::Deactivated { metadata }) => (StatusCode::GONE, Value::Null, metadata),
        Ok(Outcome::Redirect { location }) => return redirect(&location),
        Err(problem) => {
            set_error(&mut process, &problem, is_old);
            (problem.kind.status(), Value::Null, json!({}))
        }
    };
    if !content.is_null() {
        let media_type = if is_old {
            OLD_DID_MEDIA_TYPE
        } else {
            DID_MEDIA_TYPE
        };
        process["contentType"] = json!(media_type);
    }
    let (media_type, body) = match function {
        Function::Resolve => {
            let body = json!({
                "didResolutionMetadata": process,
                "didDocument": content,
                "didDocumentMetadata": metadata,
            });
            (if is_old { OLD_RESOLUTION } else { RESOLUTION }, body)
        }
        // The specification's text calls it `contentStream`, its examples `content`.
        Function::Dereference => {
            let body = json!({
                "dereferencingMetadata": process,
                "content": content,
                "contentStream": content,
                "contentMetadata": metadata,
            });
            (
                if is_old {
                    OLD_DEREFERENCING
                } else {
                    DEREFERENCING
                },
                body,
            )
        }
    };
    json_response(status, media_type, &body)
}

fn set_error(process: &mut Value, problem: &Problem, is_old: bool) {
    if is_old {
        process["error"] = json!(problem.old_name());
        process["message"] = json!(problem.detail);
    } else {
        process["error"] = problem.object();
    }
}

/// Answers what is wrong with the request as HTTP, before it says anything about a DID.
pub(crate) fn transport(status: StatusCode, detail: &str) -> HttpResponse {
    let title = status.canonical_reason().unwrap_or("error");
    let body = json!({"type": "about:blank", "title": title, "status": status.as_u16(),
        "detail": detail});
    let mut response = json_response(status, PROBLEM, &body);
    let (name, value) = match status {
        StatusCode::METHOD_NOT_ALLOWED => (header::ALLOW, "GET, HEAD, POST"),
        StatusCode::SERVICE_UNAVAILABLE => (header::RETRY_AFTER, "1"),
        _ => return response,
    };
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
    response
}

/// Answers with JSON as it stands.
pub(super) fn text(json: &'static str) -> HttpResponse {
    let mut response = empty(StatusCode::OK, HttpBody::from(json));
    let value = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}

fn redirect(location: &str) -> HttpResponse {
    let Ok(value) = HeaderValue::from_str(location) else {
        return transport(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the service's URL is no header value",
        );
    };
    let mut response = empty(StatusCode::SEE_OTHER, HttpBody::empty());
    response.headers_mut().insert(header::LOCATION, value);
    response
}

fn json_response(status: StatusCode, media_type: &'static str, body: &Value) -> HttpResponse {
    let mut response = empty(status, HttpBody::from(body.to_string()));
    let value = HeaderValue::from_static(media_type);
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}

/// Makes a response that no cache keeps: after a rotation a kept one lets the old key in.
fn empty(status: StatusCode, body: HttpBody) -> HttpResponse {
    HttpResponse::builder()
        .status(status)
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::VARY, "accept")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .body(body)
        .expect("status and headers are constants")
}
