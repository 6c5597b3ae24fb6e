//! The W3C's DID resolution over HTTP: every row of its table, and what hostile clients send.

mod bounds;
mod described;
mod documents;
mod errors;
mod proofs;
mod services;
mod versions;

use allod_primitives::document::{DocumentPatch, Method, MethodKey, Relationships, Service};
use allod_primitives::operation::{Body, Lane};
use allod_primitives::{H256, Text};
use allod_rpc_api::submit::SubmitItem;
use serde_json::{Value, json};

use crate::people::Person;
use crate::wire::Harness;

const RESULT: &str = "application/did-resolution";
const DEREFERENCED: &str = "application/did-url-dereferencing";
const FILES: &str = "https://data.example/alice/files/";

/// An answer, apart.
struct Answer {
    status: u16,
    head: String,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// Returns the type of the error, without its namespace.
    fn error(&self) -> String {
        let body = self.json();
        let metadata = ["didResolutionMetadata", "dereferencingMetadata"];
        let error = metadata.iter().find_map(|it| body.get(*it)).unwrap()["error"].clone();
        assert!(
            error["title"].is_string() && error["detail"].is_string(),
            "{error}"
        );
        for empty in ["didDocument", "content", "contentStream"] {
            assert!(body.get(empty).is_none_or(Value::is_null), "{body}");
        }
        for empty in ["didDocumentMetadata", "contentMetadata"] {
            assert!(body.get(empty).is_none_or(|it| *it == json!({})), "{body}");
        }
        let name = error["type"].as_str().unwrap().split_once('#').unwrap();
        name.1.to_owned()
    }
}

async fn ask(harness: &Harness, method: &str, path: &str, accept: &str, body: &str) -> Answer {
    let path = format!("/1.0/identifiers/{path}");
    let headers = format!("accept: {accept}\r\n");
    let (head, text) = harness.http_whole(method, &path, &headers, body).await;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let answer = Answer { status, head, text };
    described::assert_described(method, &answer);
    answer
}

async fn get(harness: &Harness, path: &str, accept: &str) -> Answer {
    ask(harness, "GET", path, accept, "").await
}

/// Encodes everything that may be encoded, as `encodeURIComponent` does and more.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn service(fragment: &str, kind: &str, endpoint: &str) -> Service {
    Service {
        fragment: Text::new(fragment).unwrap(),
        kind: Text::new(kind).unwrap(),
        endpoints: vec![Text::new(endpoint).unwrap()].try_into().unwrap(),
    }
}

/// Alice with services, and keys of every type.
async fn furnished() -> (Harness, Person) {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let did = alice.did().to_string();
    let services = vec![
        service(
            "circle",
            "Loop",
            &format!("{did}?service=circle&relativeRef=x"),
        ),
        service("files", "Files", FILES),
        service("mail", "Mail", "mailto:alice@data.example"),
        service("page", "Files", "https://data.example/alice#top"),
    ];
    let x = "7fcdce2770f6c45d4183cbee6fdb4b7b580733357be9ef13bacf6e3c7bd15445";
    let p256 = hex::decode(format!("03{x}")).unwrap().try_into().unwrap();
    let g = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    let secp256k1 = hex::decode(g).unwrap().try_into().unwrap();
    let method = |fragment: &str, key, relationships| Method {
        fragment: Text::new(fragment).unwrap(),
        key,
        relationships,
        expires: None,
    };
    let signing = Relationships::ASSERTION_METHOD;
    let add = vec![
        method("p", MethodKey::P256(p256), signing),
        method("s", MethodKey::Secp256k1(secp256k1), signing),
        method(
            "x",
            MethodKey::X25519([9; 32]),
            Relationships::KEY_AGREEMENT,
        ),
    ];
    let patch = DocumentPatch {
        add: add.try_into().unwrap(),
        services: Some(services.try_into().unwrap()),
        ..DocumentPatch::default()
    };
    let update = alice.operation(Lane::Documents, 0, H256::ZERO, Body::UpdateDocument(patch));
    let outcome = harness
        .submit(json!([SubmitItem::operation(&update)]))
        .await;
    assert_eq!(outcome[0]["status"], "finalized", "{outcome}");
    (harness, alice)
}

/// Checks the form of a document: DID v1.1 and Controlled Identifiers v1.0.
fn assert_is_document(document: &Value, did: &str) {
    assert_eq!(document["@context"][0], "https://www.w3.org/ns/did/v1.1");
    assert_eq!(document["id"], did);
    let known = [
        "@context",
        "id",
        "controller",
        "alsoKnownAs",
        "verificationMethod",
        "authentication",
        "assertionMethod",
        "keyAgreement",
        "capabilityInvocation",
        "capabilityDelegation",
        "service",
    ];
    for name in document.as_object().unwrap().keys() {
        assert!(known.contains(&name.as_str()), "{name}");
    }
    let mut ids = std::collections::BTreeSet::new();
    for method in document["verificationMethod"].as_array().unwrap() {
        let id = method["id"].as_str().unwrap();
        assert!(id.starts_with(&format!("{did}#")), "{id}");
        assert!(ids.insert(id.to_owned()), "{id} twice");
        assert_eq!(method["controller"], did);
        match method["type"].as_str().unwrap() {
            "Multikey" => {
                assert!(
                    method["publicKeyMultibase"]
                        .as_str()
                        .unwrap()
                        .starts_with('z')
                );
                assert!(method.get("publicKeyJwk").is_none());
            }
            "JsonWebKey" => {
                assert!(method["publicKeyJwk"]["kty"].is_string());
                assert!(method["publicKeyJwk"].get("d").is_none());
                assert!(method.get("publicKeyMultibase").is_none());
            }
            other => panic!("{other}"),
        }
    }
    for relationship in &known[5..10] {
        for id in document[*relationship].as_array().into_iter().flatten() {
            assert!(ids.contains(id.as_str().unwrap()), "{id}");
        }
    }
    for service in document["service"].as_array().into_iter().flatten() {
        let id = service["id"].as_str().unwrap();
        assert!(id.starts_with(&format!("{did}#")) && ids.insert(id.to_owned()));
        assert!(service["type"].is_string());
        assert!(!service["serviceEndpoint"].as_array().unwrap().is_empty());
    }
}
