//! Every row of the table of errors.

use allod_primitives::H256;

use super::{DEREFERENCED, RESULT, furnished, get};
use crate::people::Person;

#[tokio::test]
async fn every_error_has_its_type_and_status() {
    let (harness, alice) = furnished().await;
    let did = alice.did().to_string();
    let nobody = harness.person(9).did().to_string();
    let elsewhere = Person::new(H256([3; 32]), 1).did().to_string();
    let after = |rest: &str| format!("{did}{rest}");
    let cases = [
        ("".to_owned(), RESULT, 400, "INVALID_DID"),
        ("not-a-did".to_owned(), RESULT, 400, "INVALID_DID"),
        ("did:example".to_owned(), RESULT, 400, "INVALID_DID"),
        ("did:allod:short".to_owned(), RESULT, 400, "INVALID_DID"),
        (after(&"z".repeat(60)), RESULT, 400, "INVALID_DID"),
        (after("%23k1"), RESULT, 400, "INVALID_DID"),
        (after("%FF"), RESULT, 400, "INVALID_DID_URL"),
        ("x".repeat(3000), RESULT, 400, "INVALID_DID"),
        ("not-a-did".to_owned(), DEREFERENCED, 400, "INVALID_DID_URL"),
        (after("%23a%23b"), DEREFERENCED, 400, "INVALID_DID_URL"),
        (
            after("%3Fservice%3Da%26service%3Db"),
            DEREFERENCED,
            400,
            "INVALID_DID_URL",
        ),
        (
            after("%3Fservice%3Da?service=a"),
            DEREFERENCED,
            400,
            "INVALID_DID_URL",
        ),
        (
            after("?relativeRef=x"),
            DEREFERENCED,
            400,
            "INVALID_DID_URL",
        ),
        (after("?noCache=maybe"), RESULT, 400, "INVALID_OPTIONS"),
        (
            after("?versionTime=yesterday"),
            RESULT,
            400,
            "INVALID_OPTIONS",
        ),
        (
            after("?versionTime=2100-01-01T00:00:00Z"),
            RESULT,
            400,
            "INVALID_OPTIONS",
        ),
        (
            after("?versionId=1-0&versionTime=2024-10-04T00:00:02Z"),
            RESULT,
            400,
            "INVALID_OPTIONS",
        ),
        (after("?versionId=%C3%28"), RESULT, 400, "INVALID_OPTIONS"),
        (nobody.clone(), RESULT, 404, "NOT_FOUND"),
        (nobody, "application/did", 404, "NOT_FOUND"),
        (after("?versionId=1"), RESULT, 404, "NOT_FOUND"),
        (
            after(&format!("?versionId=9-{}", "0".repeat(64))),
            RESULT,
            404,
            "NOT_FOUND",
        ),
        (
            after(&format!("?versionId=2-{}", "0".repeat(64))),
            RESULT,
            404,
            "NOT_FOUND",
        ),
        (
            after("?versionTime=2024-10-04T00:00:00Z"),
            RESULT,
            404,
            "NOT_FOUND",
        ),
        (after("%23nothing"), DEREFERENCED, 404, "NOT_FOUND"),
        (after("/whois"), DEREFERENCED, 404, "NOT_FOUND"),
        (after("?service=none"), DEREFERENCED, 404, "NOT_FOUND"),
        (
            did.clone(),
            "application/x-unsupported",
            406,
            "REPRESENTATION_NOT_SUPPORTED",
        ),
        (
            did.clone(),
            "text/uri-list",
            406,
            "REPRESENTATION_NOT_SUPPORTED",
        ),
        (
            did.clone(),
            "application/did;q=0",
            406,
            "REPRESENTATION_NOT_SUPPORTED",
        ),
        (
            "did:unsupported:123456789abcdefghi".to_owned(),
            RESULT,
            501,
            "METHOD_NOT_SUPPORTED",
        ),
        (elsewhere, RESULT, 501, "FEATURE_NOT_SUPPORTED"),
        (after("?unknown=1"), RESULT, 501, "FEATURE_NOT_SUPPORTED"),
        (
            after("?service=files"),
            RESULT,
            501,
            "FEATURE_NOT_SUPPORTED",
        ),
        (
            after("?verificationRelationship=authentication"),
            DEREFERENCED,
            500,
            "INVALID_VERIFICATION_METHOD",
        ),
        (
            after("%23files?verificationRelationship=authentication"),
            DEREFERENCED,
            500,
            "INVALID_VERIFICATION_METHOD",
        ),
        (
            after("%23x?verificationRelationship=authentication"),
            DEREFERENCED,
            500,
            "INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD",
        ),
        (
            after("%23x?verificationRelationship=friendship"),
            DEREFERENCED,
            400,
            "INVALID_OPTIONS",
        ),
    ];
    for (path, accept, status, kind) in cases {
        let answer = get(&harness, &path, accept).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (status, kind),
            "{path}"
        );
        let is_url = answer.json().get("dereferencingMetadata").is_some();
        let expected = if is_url { DEREFERENCED } else { RESULT };
        assert_eq!(answer.header("content-type"), Some(expected));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    harness.node.prune_below(99);
    let broken = get(&harness, &did, RESULT).await;
    assert_eq!(
        (broken.status, broken.error().as_str()),
        (500, "INTERNAL_ERROR")
    );
}
