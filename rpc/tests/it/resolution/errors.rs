//! Every row of the table of errors.

use allod_primitives::H256;

use super::{DEREFERENCED, RESULT, furnished, get};
use crate::people::Person;
use crate::wire::Harness;

/// Asks for each path, `~` standing for `did`, and expects the same refusal.
async fn refused(harness: &Harness, did: &str, accept: &str, told: (u16, &str), paths: &[&str]) {
    for path in paths {
        let answer = get(harness, &path.replace('~', did), accept).await;
        assert_eq!((answer.status, answer.error().as_str()), told, "{path}");
        let is_url = answer.json().get("dereferencingMetadata").is_some();
        let expected = if is_url { DEREFERENCED } else { RESULT };
        assert_eq!(answer.header("content-type"), Some(expected), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn what_is_no_did_or_did_url_is_invalid() {
    let (harness, alice) = furnished().await;
    let did = alice.did().to_string();
    let long = "x".repeat(3000);
    let dids = [
        "",
        "not-a-did",
        "did:example",
        "did:allod:short",
        "~zzzzzzzzzzzzzzzzzzzz",
        "~%23k1",
        &long,
    ];
    refused(&harness, &did, RESULT, (400, "INVALID_DID"), &dids).await;
    let urls = [
        "not-a-did",
        "~%FF",
        "~%23a%23b",
        "~%3Fservice%3Da%26service%3Db",
        "~%3Fservice%3Da?service=a",
        "~?relativeRef=x",
    ];
    refused(
        &harness,
        &did,
        DEREFERENCED,
        (400, "INVALID_DID_URL"),
        &urls,
    )
    .await;
}

#[tokio::test]
async fn options_that_mean_nothing_are_invalid() {
    let (harness, alice) = furnished().await;
    let did = alice.did().to_string();
    let options = [
        "~?noCache=maybe",
        "~?versionTime=yesterday",
        "~?versionTime=2100-01-01T00:00:00Z",
        "~?versionId=1-0&versionTime=2024-10-04T00:00:02Z",
        "~?versionId=%C3%28",
    ];
    refused(&harness, &did, RESULT, (400, "INVALID_OPTIONS"), &options).await;
    let friends = ["~%23x?verificationRelationship=friendship"];
    refused(
        &harness,
        &did,
        DEREFERENCED,
        (400, "INVALID_OPTIONS"),
        &friends,
    )
    .await;
    let methods = [
        "~?verificationRelationship=authentication",
        "~%23files?verificationRelationship=authentication",
    ];
    let told = (500, "INVALID_VERIFICATION_METHOD");
    refused(&harness, &did, DEREFERENCED, told, &methods).await;
    let told = (500, "INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD");
    let unlisted = ["~%23x?verificationRelationship=authentication"];
    refused(&harness, &did, DEREFERENCED, told, &unlisted).await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let (harness, alice) = furnished().await;
    let did = alice.did().to_string();
    let nobody = harness.person(9).did().to_string();
    let told = (404, "NOT_FOUND");
    for accept in [RESULT, "application/did", DEREFERENCED, "*/*"] {
        refused(&harness, &nobody, accept, told, &["~"]).await;
    }
    let zeros = "0".repeat(64);
    let later = format!("~?versionId=9-{zeros}");
    let other = format!("~?versionId=2-{zeros}");
    let before = "~?versionTime=2024-10-04T00:00:00Z";
    let versions = ["~?versionId=1", &later, &other, before];
    refused(&harness, &did, RESULT, told, &versions).await;
    let parts = ["~%23nothing", "~/whois", "~?service=none"];
    refused(&harness, &did, DEREFERENCED, told, &parts).await;
}

#[tokio::test]
async fn what_is_not_supported_says_what() {
    let (harness, alice) = furnished().await;
    let did = alice.did().to_string();
    let told = (406, "REPRESENTATION_NOT_SUPPORTED");
    for accept in [
        "application/x-unsupported",
        "text/uri-list",
        "application/did;q=0",
    ] {
        refused(&harness, &did, accept, told, &["~"]).await;
    }
    let methods = ["did:unsupported:123456789abcdefghi"];
    refused(
        &harness,
        &did,
        RESULT,
        (501, "METHOD_NOT_SUPPORTED"),
        &methods,
    )
    .await;
    let elsewhere = Person::new(H256([3; 32]), 1).did().to_string();
    let features = ["~?unknown=1", "~?service=files", &elsewhere];
    refused(
        &harness,
        &did,
        RESULT,
        (501, "FEATURE_NOT_SUPPORTED"),
        &features,
    )
    .await;
}

#[tokio::test]
async fn a_node_that_cannot_read_says_so() {
    let (harness, alice) = furnished().await;
    harness.node.prune_below(99);
    let did = alice.did().to_string();
    refused(&harness, &did, RESULT, (500, "INTERNAL_ERROR"), &["~"]).await;
}
