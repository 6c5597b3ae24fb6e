//! From a record to what a question names: the document, a part of it, or where a service is.
//!
//! Nothing is followed: an endpoint, a controller or another name that is itself a DID stays text,
//! so there is no cycle to fall into.

use allod_primitives::document::{ActiveMethod, MethodKey};
use allod_rpc_api::document::{DID_CONTEXT, DidDocument, DocumentMetadata, method_id};
use serde_json::{Map, Value, json};

use super::accept::Form;
use super::did_url::is_uri_text;
use super::jwk::jwk;
use super::options::Options;
use super::problem::{Problem, ProblemKind};
use super::question::{Function, Question, Shape};
use super::resolve::Resolved;
use super::uri;

/// What a question leads to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A document.
    Document { document: Value, metadata: Value },
    /// A verification method or a service.
    Part { content: Value, metadata: Value },
    /// The identity has ended, and has no document.
    Deactivated { metadata: Value },
    /// It is elsewhere.
    Redirect { location: String },
}

impl Outcome {
    /// Puts the proof where the metadata of content have it.
    pub(super) fn with_proof(mut self, proof: Value) -> Self {
        match &mut self {
            Self::Document { metadata, .. }
            | Self::Part { metadata, .. }
            | Self::Deactivated { metadata } => metadata["proof"] = json!([proof]),
            // It is not asked for there, see `question`.
            Self::Redirect { .. } => {}
        }
        self
    }
}

/// The relationships by which a verification method can be asked for.
const RELATIONSHIPS: [&str; 5] = [
    "authentication",
    "assertionMethod",
    "keyAgreement",
    "capabilityInvocation",
    "capabilityDelegation",
];

/// Answers a question from the record it names.
///
/// # Errors
/// A [`Problem`]: what it names is not there, or not as asked for.
///
/// Source: DID Resolution v1.0, DID URL Dereferencing Algorithm; spec/did-resolution.md §6.
pub(super) fn answer(
    question: &Question,
    resolved: &Resolved<'_>,
    shape: Shape,
) -> Result<Outcome, Problem> {
    let metadata = metadata(resolved);
    if !resolved.record.is_active() {
        return Ok(Outcome::Deactivated { metadata });
    }
    let Question { url, options } = question;
    let mut document = document(resolved, options.json_web_keys)?;
    if shape.function == Function::Resolve {
        return Ok(Outcome::Document { document, metadata });
    }
    if !url.path.is_empty() {
        let detail = "DID URLs of this method have no paths";
        return Err(ProblemKind::NotFound.because(detail));
    }
    if options.selects_services() {
        let location = select(&mut document, resolved, options)?;
        // By the algorithm a document answers, unless endpoints are asked for; by its own example a
        // reference at an endpoint is a URL. A whole result says so by its status.
        let names_a_place = options.relative_ref.is_some() && !matches!(shape.form, Form::Bare(_));
        if shape.form == Form::UriList || names_a_place {
            let location = inherit(location, url.fragment.as_deref())?;
            return Ok(Outcome::Redirect { location });
        }
    }
    let Some(fragment) = &url.fragment else {
        return match options.verification_relationship {
            Some(_) => Err(no_method()),
            None => Ok(Outcome::Document { document, metadata }),
        };
    };
    let id = method_id(&resolved.did, fragment);
    let content = match &options.verification_relationship {
        Some(relationship) => authorized(&document, &id, relationship)?,
        None => part(&document, &id).ok_or_else(|| {
            let detail = format!("the document has nothing of the id {id}");
            ProblemKind::NotFound.because(detail)
        })?,
    };
    let metadata = json!({});
    Ok(Outcome::Part { content, metadata })
}

/// Writes the document, with keys as asked for.
fn document(resolved: &Resolved<'_>, json_web_keys: bool) -> Result<Value, Problem> {
    let document = &resolved.record.document;
    let made = DidDocument::new(&resolved.did, document, resolved.time);
    let mut value = to_value(&made)?;
    if !json_web_keys {
        return Ok(value);
    }
    let entries = value
        .get_mut("verificationMethod")
        .and_then(Value::as_array_mut);
    for entry in entries.into_iter().flatten() {
        let named = |it: &&ActiveMethod| {
            entry["id"] == method_id(&resolved.did, it.method.fragment.as_str())
        };
        let key = document.methods.iter().find(named).map(|it| it.method.key);
        let key = key.as_ref().and_then(|key: &MethodKey| jwk(key));
        let key = key.ok_or_else(|| ProblemKind::InternalError.because("a key is no point"))?;
        if let Some(entry) = entry.as_object_mut() {
            entry.remove("publicKeyMultibase");
            entry.insert("type".to_owned(), json!("JsonWebKey"));
            entry.insert("publicKeyJwk".to_owned(), key);
        }
    }
    Ok(value)
}

/// Writes what is known about the document.
fn metadata(resolved: &Resolved<'_>) -> Value {
    let known = DocumentMetadata::new(&resolved.record);
    let mut metadata = json!({
        "created": known.created,
        "deactivated": known.deactivated,
        "versionId": known.version_id,
    });
    // "Omitted if an Update operation has never been performed."
    if resolved.record.log.count > 1 || known.updated != known.created {
        metadata["updated"] = json!(known.updated);
    }
    if let Some(next) = &resolved.next {
        metadata["nextUpdate"] = json!(next.update);
        metadata["nextVersionId"] = json!(next.version_id);
    }
    metadata
}

/// Leaves only the services selected in the document, and returns where the first of them is.
fn select(
    document: &mut Value,
    resolved: &Resolved<'_>,
    options: &Options,
) -> Result<String, Problem> {
    let mut services: Vec<Value> = document["service"].as_array().cloned().unwrap_or_default();
    let did = resolved.did.to_string();
    if let Some(wanted) = &options.service {
        let fragment = wanted.strip_prefix(&did).unwrap_or(wanted);
        let id = method_id(&resolved.did, fragment.trim_start_matches('#'));
        services.retain(|it| it["id"] == id);
    }
    if let Some(wanted) = &options.service_type {
        services.retain(|it| it["type"] == *wanted);
    }
    let endpoint = services
        .iter()
        .find_map(|it| it["serviceEndpoint"][0].as_str());
    let endpoint = endpoint
        .map(str::to_owned)
        .ok_or_else(|| ProblemKind::NotFound.because("the document has no such service"))?;
    document["service"] = Value::Array(services);
    let Some(reference) = &options.relative_ref else {
        return Ok(endpoint);
    };
    let refused =
        |error: uri::ReferenceError| ProblemKind::InvalidDidUrl.because(error.to_string());
    uri::resolve(&endpoint, reference).map_err(refused)
}

/// Hands the fragment of the DID URL on to the URL of the endpoint.
fn inherit(location: String, fragment: Option<&str>) -> Result<String, Problem> {
    let Some(fragment) = fragment else {
        return Ok(location);
    };
    if location.contains('#') || !is_uri_text(fragment) {
        let detail = "the service's URL cannot take this fragment";
        return Err(ProblemKind::InvalidDidUrl.because(detail));
    }
    Ok(format!("{location}#{fragment}"))
}

/// Returns the verification method or the service of this id, with a context to read it by.
fn part(document: &Value, id: &str) -> Option<Value> {
    let lists = ["verificationMethod", "service"];
    let found = lists.iter().find_map(|list| {
        let entries = document[*list].as_array()?;
        entries.iter().find(|it| it["id"] == id)
    });
    with_context(found?)
}

fn with_context(entry: &Value) -> Option<Value> {
    let mut content: Map<String, Value> = entry.as_object()?.clone();
    content.insert("@context".to_owned(), json!(DID_CONTEXT));
    Some(Value::Object(content))
}

/// Returns the verification method of this id, if the document lists it for `relationship`.
///
/// Source: DID Resolution v1.0, Dereferencing the Fragment.
fn authorized(document: &Value, id: &str, relationship: &str) -> Result<Value, Problem> {
    if !RELATIONSHIPS.contains(&relationship) {
        let detail = "`verificationRelationship` is no relationship of DID documents";
        return Err(ProblemKind::InvalidOptions.because(detail));
    }
    let methods = document["verificationMethod"].as_array();
    let method = methods.and_then(|list| list.iter().find(|it| it["id"] == id));
    let method = method.ok_or_else(no_method)?;
    let listed = document[relationship].as_array();
    if !listed.is_some_and(|list| list.iter().any(|it| it == id)) {
        let detail = format!("the method is not listed under {relationship}");
        return Err(ProblemKind::InvalidRelationship.because(detail));
    }
    with_context(method).ok_or_else(no_method)
}

fn no_method() -> Problem {
    let detail = "the DID URL names no verification method of the document";
    ProblemKind::InvalidVerificationMethod.because(detail)
}

fn to_value(document: &DidDocument) -> Result<Value, Problem> {
    let value = serde_json::to_value(document);
    value.map_err(|_| ProblemKind::InternalError.because("the document cannot be written"))
}
