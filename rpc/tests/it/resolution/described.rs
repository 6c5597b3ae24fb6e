//! The OpenAPI document of the binding (`spec/did-resolution.openapi.json`): every answer that the
//! tests beside this one get is held against it, and what it lists is what the node reads.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::{Value, json};

use super::{Answer, RESULT, furnished, get};
use crate::wire::Harness;

const DOCUMENT: &str = include_str!("../../../../spec/did-resolution.openapi.json");
const PLACE: &str = "https://allod.example/openapi.json";
const PATH: &str = "/1.0/identifiers/{did}";

/// Schemas by status and media type.
struct Described {
    document: Value,
    schemas: Schemas,
    bodies: BTreeMap<(String, String), SchemaIndex>,
}

impl Described {
    fn new() -> &'static Self {
        static DESCRIBED: OnceLock<Described> = OnceLock::new();
        DESCRIBED.get_or_init(|| {
            let document: Value = serde_json::from_str(DOCUMENT).unwrap();
            let mut compiler = Compiler::new();
            // The schemas of OpenAPI 3.1 are those of this draft.
            compiler.set_default_draft(Draft::V2020_12);
            compiler.add_resource(PLACE, document.clone()).unwrap();
            let mut schemas = Schemas::new();
            let mut bodies = BTreeMap::new();
            for (status, response) in document["components"]["responses"].as_object().unwrap() {
                for media_type in response["content"].as_object().into_iter().flatten() {
                    let pointer = media_type.0.replace('~', "~0").replace('/', "~1");
                    let pointer = pointer.replace('"', "%22");
                    let at =
                        format!("{PLACE}#/components/responses/{status}/content/{pointer}/schema");
                    let schema = compiler.compile(&at, &mut schemas).unwrap();
                    bodies.insert((status.clone(), media_type.0.clone()), schema);
                }
            }
            Self {
                document,
                schemas,
                bodies,
            }
        })
    }
}

/// Holds an answer against the document: its status, its headers, its media type, its body.
pub(super) fn assert_described(method: &str, answer: &Answer) {
    let described = Described::new();
    let status = answer.status.to_string();
    let operation = &described.document["paths"][PATH];
    let operation = match operation.get(method.to_ascii_lowercase()) {
        Some(operation) => operation,
        // A method that is not described gets what every other one would.
        None => {
            assert_eq!(answer.status, 405);
            &operation["get"]
        }
    };
    let listed = operation["responses"].get(&status);
    assert!(listed.is_some(), "{method}: {status} is not described");
    let response = &described.document["components"]["responses"][&status];
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let value = answer.header(name);
        assert!(value.is_some(), "{status} without {name}");
        if let Some(expected) = header["schema"]["const"].as_str() {
            assert_eq!(value, Some(expected), "{name}");
        }
    }
    let Some(media_type) = answer.header("content-type") else {
        assert!(
            response.get("content").is_none(),
            "{status} without content type"
        );
        return;
    };
    let body = (status.clone(), media_type.to_owned());
    let schema = described.bodies.get(&body);
    let schema = *schema.unwrap_or_else(|| panic!("{body:?} is not described"));
    if method != "HEAD" {
        let body = answer.json();
        let judged = described.schemas.validate(&body, schema);
        let fault = judged.err().map(|error| format!("{error:#}"));
        assert_eq!(fault, None, "{}", answer.text);
    }
}

#[tokio::test]
async fn the_node_serves_the_document_and_takes_nothing_there() {
    let harness = Harness::start().await;
    let path = "/1.0/openapi.json";
    let (head, text) = harness.http_whole("GET", path, "", "").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(
        head.to_ascii_lowercase()
            .contains("content-type: application/json"),
        "{head}"
    );
    assert_eq!(text, DOCUMENT);
    for method in ["POST", "DELETE"] {
        let (head, _) = harness.http_whole(method, path, "", "").await;
        assert!(head.starts_with("HTTP/1.1 405"), "{head}");
        assert!(
            head.to_ascii_lowercase().contains("allow: get, head\r\n"),
            "{head}"
        );
    }
    // That is the JSON-RPC's, which takes POST alone.
    assert_eq!(harness.get("/1.0/openapi.jsonx").await.0, 405);
}

/// Goal: the parameters listed are those that the node reads. Method: each of them with a value
/// that it may have; a name that is not listed.
#[tokio::test]
async fn every_parameter_listed_is_read() {
    let (harness, alice) = furnished().await;
    let did = alice.did().to_string();
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let listed = document["components"]["parameters"].as_object().unwrap();
    let in_body = document["components"]["schemas"]["Options"]["properties"]
        .as_object()
        .unwrap();
    assert!(listed.keys().eq(in_body.keys()));
    for name in listed.keys().map(String::as_str).chain(["surplus"]) {
        let value = match name {
            "versionId" => "1-00",
            "versionTime" => "2026-01-31T12:00:00Z",
            "transformKey" => "JsonWebKey",
            _ => "true",
        };
        let answer = get(&harness, &format!("{did}?{name}={value}"), "*/*").await;
        let is_known = !answer.text.contains(&format!("`{name}` is not supported"));
        assert_eq!(is_known, name != "surplus", "{name}: {}", answer.text);
    }
    let answer = get(&harness, &did, RESULT).await;
    assert_eq!(answer.json()["didDocument"]["id"], json!(did));
}
