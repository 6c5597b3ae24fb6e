//! The document of `rpc_discover`: that it describes this server, all of it, and nothing else.
//!
//! Every answer of every test here is held against it, too ([`judge`], called by
//! [`crate::wire::Harness::call`]).
//!
//! `meta-schema.json` is OpenRPC's schema of such documents, as the package
//! `@open-rpc/meta-schema` 1.14.9 has it (Apache-2.0, of the OpenRPC authors), unchanged but for
//! its indentation.

pub(crate) mod judge;
mod requests;

use std::collections::BTreeSet;
use std::path::Path;

use allod_rpc::{ServerConfig, openrpc_document};
use serde_json::{Value, json};

use crate::wire::Harness;
use judge::Judge;

pub(crate) const EXAMPLES: &str = "src/openrpc/examples.json";
const COMMITTED: &str = "../spec/openrpc.json";

async fn served(is_archive: bool) -> (Harness, Value) {
    let config = ServerConfig {
        is_archive,
        ..ServerConfig::default()
    };
    let harness = Harness::with(config).await;
    let document = harness.call("rpc_discover", json!([])).await.unwrap();
    (harness, document)
}

fn described(document: &Value) -> BTreeSet<String> {
    let methods = document["methods"].as_array().unwrap().iter();
    methods
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Whether what is pinned in files is to be written anew.
pub(crate) fn is_blessed() -> bool {
    std::env::var_os("ALLOD_BLESS").is_some()
}

/// Goal: nothing is served that is not described, and the other way round.
/// Method: `rpc_methods`, which lists what is registered, of both kinds of nodes.
#[tokio::test]
async fn every_method_is_described_and_every_description_has_its_method() {
    for is_archive in [false, true] {
        let (harness, document) = served(is_archive).await;
        let listed = harness.call("rpc_methods", json!([])).await.unwrap();
        let listed: BTreeSet<String> = serde_json::from_value(listed["methods"].clone()).unwrap();
        assert_eq!(described(&document), listed);
        assert_eq!(document, openrpc_document(is_archive));
        let dotted = harness.call("rpc.discover", json!([])).await.unwrap();
        assert_eq!(dotted, document);
    }
}

#[tokio::test]
async fn the_document_is_openrpc() {
    for is_archive in [false, true] {
        let document = openrpc_document(is_archive);
        let judge = Judge::of(&document);
        assert_eq!(judge.fault_of_document(&document), None);
        for (pointer, value) in [
            ("/openrpc", json!("9.9.9")),
            ("/methods/0/params", json!({})),
            ("/methods/0/surplus", json!(1)),
            ("/methods/0/result", json!({ "name": "r" })),
            ("/methods/0/params/0/schema", json!(7)),
        ] {
            let mut broken = document.clone();
            let (parent, member) = pointer.rsplit_once('/').unwrap();
            broken.pointer_mut(parent).unwrap()[member] = value;
            assert!(judge.fault_of_document(&broken).is_some(), "{pointer}");
        }
    }
}

#[tokio::test]
async fn names_are_unique_and_references_lead_somewhere() {
    let document = openrpc_document(true);
    let methods = document["methods"].as_array().unwrap();
    assert_eq!(described(&document).len(), methods.len());
    for method in methods {
        let name = &method["name"];
        let summary = method["summary"].as_str().unwrap();
        assert!(
            summary.ends_with('.') && summary.len() > 8,
            "{name}: {summary}"
        );
        let params = method["params"].as_array().unwrap();
        let names: BTreeSet<&str> = params
            .iter()
            .map(|it| it["name"].as_str().unwrap())
            .collect();
        assert_eq!(names.len(), params.len(), "{name}");
        let is_required = |it: &Value| it["required"] == true;
        let first_optional = params.iter().position(|it| !is_required(it));
        let last_required = params.iter().rposition(is_required);
        assert!(
            first_optional.is_none() || last_required < first_optional,
            "{name}"
        );
    }
    let mut places = Vec::new();
    references(&document["methods"], &mut places);
    references(&document["components"], &mut places);
    assert!(places.len() > 100);
    for place in places.iter().filter(|it| it.starts_with('#')) {
        assert!(document.pointer(&place[1..]).is_some(), "{place}");
    }
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|it| references(it, found)),
        Value::Object(object) => {
            found.extend(
                object
                    .get("$ref")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            );
            object.values().for_each(|it| references(it, found));
        }
        _ => {}
    }
}

/// Goal: every parameter that is described is one that the server reads, and none besides.
/// Method: a value that no parameter allows, in its place alone. By name, what the server does
/// not know it calls unknown; by position, what it does not read it does not refuse.
#[tokio::test]
async fn the_server_reads_every_parameter_described_and_no_other() {
    let (harness, document) = served(true).await;
    let client = harness.websocket().await;
    let judge = Judge::new();
    for method in document["methods"].as_array().unwrap() {
        let name = method["name"].as_str().unwrap();
        let params: Vec<&str> = names(&method["params"]);
        let required = method["params"].as_array().unwrap().iter();
        let required = required.filter(|it| it["required"] == true).count();
        let wrong = json!({ "no": { "such": "value" } });
        if method["paramStructure"] == "by-name" {
            for param in params.iter().chain(&["surplus"]) {
                let mut object = serde_json::Map::new();
                object.insert((*param).to_owned(), wrong.clone());
                let refused = requests::raw(&client, name, &Value::Object(object)).await;
                let text = refused.unwrap_err().to_string();
                let is_unknown = text.contains(&format!("unknown field `{param}`"));
                assert_eq!(is_unknown, *param == "surplus", "{name}.{param}: {text}");
            }
            continue;
        }
        // What ends subscriptions is the server library's: it answers false to what is no id.
        if params == ["subscription"] {
            continue;
        }
        let Some(given) = requests::well_formed(judge, &document, method) else {
            continue;
        };
        for index in 0..params.len() {
            let mut list = given.clone();
            list[index] = wrong.clone();
            let refused = requests::raw(&client, name, &list.into()).await;
            assert!(is_misread(&refused), "{name}[{index}]: {refused:?}");
        }
        let mut surplus = given.clone();
        surplus.push(wrong);
        let answered = requests::raw(&client, name, &surplus.into()).await;
        assert!(!is_misread(&answered), "{name} reads more parameters");
        for count in 0..required {
            let refused = requests::raw(&client, name, &given[..count].into()).await;
            assert!(is_misread(&refused), "{name} with {count} parameters");
        }
        let answered = requests::raw(&client, name, &given[..required].into()).await;
        assert!(!is_misread(&answered), "{name} needs more parameters");
    }
}

/// Whether parameters were refused as missing or of a wrong type.
fn is_misread(answer: &Result<Value, Value>) -> bool {
    let refused = answer.as_ref().err();
    refused.is_some_and(|it| it["code"] == -32602 && it["message"] == "Invalid params")
}

fn names(params: &Value) -> Vec<&str> {
    let params = params.as_array().unwrap().iter();
    params.map(|it| it["name"].as_str().unwrap()).collect()
}

/// Goal: the schemas say something. Method: answers that were right, with one member too many,
/// one too few, or one of another type.
#[tokio::test]
async fn an_answer_of_another_form_is_noticed() {
    let judge = Judge::new();
    let examples: Value =
        serde_json::from_str(include_str!("../../../src/openrpc/examples.json")).unwrap();
    let mut objects = 0;
    for (name, example) in examples.as_object().unwrap() {
        let (params, result) = (&example["params"], &example["result"]);
        let fault = |result: Value| judge.fault_of_call(name, params, &Ok(result));
        assert_eq!(fault(result.clone()), None);
        let Some(members) = result.as_object() else {
            continue;
        };
        if name.starts_with("rpc_") || name.starts_with("rpc.") {
            continue;
        }
        objects += 1;
        let mut more = result.clone();
        more["surplus"] = json!(1);
        assert!(fault(more).is_some(), "{name} with a surplus member");
        for member in members.keys() {
            let mut other = result.clone();
            other[member] = json!({ "no": { "such": "value" } });
            assert!(fault(other).is_some(), "{name}.{member} of another type");
        }
        if let Some(height) = members.get("height") {
            let mut text = result.clone();
            text["height"] = height.to_string().into();
            assert!(fault(text).is_some(), "{name}.height as text");
            let mut less = result.clone();
            less.as_object_mut().unwrap().remove("height");
            assert!(fault(less).is_some(), "{name} without height");
        }
    }
    assert!(objects > 20, "{objects}");
}

/// Goal: the committed document is that of an archive; whoever changes the contract sees what
/// changes for clients, and raises the contract's version as spec/rpc.md §6 says.
#[tokio::test]
async fn the_committed_document_is_the_one_served() {
    let text = serde_json::to_string_pretty(&openrpc_document(true)).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(COMMITTED);
    if is_blessed() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "spec/openrpc.json is not what the code says. If the change is meant: read spec/rpc.md §6, raise \
         CONTRACT_VERSION as it says, and run `ALLOD_BLESS=1 cargo test -p allod-rpc openrpc` twice (first it writes \
         the examples, then the document)"
    );
}
