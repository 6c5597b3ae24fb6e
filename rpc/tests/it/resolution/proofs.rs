//! Proofs in results, checked by the verifier of clients that trust nobody.

use allod_primitives::light::{ReadProof, VerifiedRead};
use allod_primitives::operation::{Body, Lane};
use allod_primitives::record::DidRecord;
use allod_primitives::{Did, decode_strict, keys};
use allod_rpc_api::document::version_id;
use allod_rpc_api::hex_bytes::from_hex;
use allod_rpc_api::submit::SubmitItem;
use serde_json::{Value, json};

use super::{DEREFERENCED, RESULT, furnished, get};
use crate::reads::trust;
use crate::wire::Harness;

/// Verifies a set of one proof, and returns the record it proves.
async fn proven(harness: &Harness, did: &Did, proofs: &Value) -> (VerifiedRead, Option<DidRecord>) {
    assert_eq!(proofs.as_array().unwrap().len(), 1, "{proofs}");
    assert_eq!(proofs[0]["type"], "AllodStateProof2026");
    assert_eq!(proofs[0]["proofPurpose"], "verifiableResolution");
    let bundle = from_hex(proofs[0]["bundle"].as_str().unwrap()).unwrap();
    let bundle = ReadProof::from_bytes(&bundle).unwrap();
    let read = trust(harness).await.verify_read(&bundle).unwrap();
    let view = read.view();
    let record = view.get(&keys::did_record(&did.id())).unwrap();
    let record = record.map(|bytes| decode_strict(bytes).unwrap());
    view.finish().unwrap();
    (read, record)
}

#[tokio::test]
async fn a_result_proves_itself_on_request() {
    let (harness, alice) = furnished().await;
    let did = alice.did();
    let plain = get(&harness, &did.to_string(), RESULT).await.json();
    assert!(plain["didDocumentMetadata"].get("proof").is_none());
    let answer = get(&harness, &format!("{did}?proof=true"), RESULT).await;
    assert_eq!(answer.status, 200);
    let mut body = answer.json();
    let metadata = body["didDocumentMetadata"].as_object_mut().unwrap();
    let proof = metadata.remove("proof").unwrap();
    assert_eq!(body, plain, "and the rest is the same");
    let (read, record) = proven(&harness, &did, &proof).await;
    let record = record.unwrap();
    assert_eq!(
        plain["didDocumentMetadata"]["versionId"],
        version_id(&record)
    );
    let head = &plain["didResolutionMetadata"];
    assert_eq!(head["blockHash"], read.header().hash().to_string());
    assert_eq!(head["height"], read.header().number().0);

    for (path, list) in [("", 4), ("%23k1", 0), ("%3Fservice%3Dfiles", 4)] {
        let answer = get(&harness, &format!("{did}{path}?proof=true"), DEREFERENCED)
            .await
            .json();
        let metadata = &answer["contentMetadata"];
        assert_eq!(metadata.as_object().unwrap().len(), list + 1, "{metadata}");
        assert_eq!(
            proven(&harness, &did, &metadata["proof"]).await.1.unwrap(),
            record
        );
    }
}

#[tokio::test]
async fn absence_and_the_end_are_proven_too() {
    let (harness, alice) = furnished().await;
    let nobody = harness.person(9).did();
    let answer = get(&harness, &format!("{nobody}?proof=true"), RESULT).await;
    assert_eq!((answer.status, answer.error().as_str()), (404, "NOT_FOUND"));
    let body = answer.json();
    let proof = &body["didResolutionMetadata"]["error"]["proof"];
    assert_eq!(proven(&harness, &nobody, proof).await.1, None);
    assert_eq!(body["didResolutionMetadata"]["height"], 2);

    let last = alice.inception().operation.hash();
    let end = alice.operation(Lane::Rank(0), 1, last, Body::Deactivate);
    harness.submit(json!([SubmitItem::operation(&end)])).await;
    let answer = get(&harness, &format!("{}?proof=true", alice.did()), RESULT).await;
    assert_eq!(answer.status, 410);
    let proof = &answer.json()["didDocumentMetadata"]["proof"];
    let record = proven(&harness, &alice.did(), proof).await.1.unwrap();
    assert!(!record.is_active());
}

#[tokio::test]
async fn an_older_version_is_proven_by_a_block_of_its_time() {
    let (harness, alice) = furnished().await;
    let did = alice.did();
    let asked = format!("{did}?versionTime=2024-10-04T00:00:01Z&proof=true");
    let body = get(&harness, &asked, RESULT).await.json();
    let metadata = &body["didDocumentMetadata"];
    let (read, record) = proven(&harness, &did, &metadata["proof"]).await;
    assert_eq!(read.header().number().0, 1);
    assert_eq!(metadata["versionId"], version_id(&record.unwrap()));
}

#[tokio::test]
async fn a_proof_without_a_place_is_refused_and_not_forgotten() {
    let (harness, alice) = furnished().await;
    let did = alice.did();
    let cases = [
        ("?proof=true", "application/did"),
        ("?proof=true", "application/json"),
        ("?service=files&proof=true", "text/uri-list"),
        ("?service=files&relativeRef=a&proof=true", DEREFERENCED),
        ("?proof=yes", RESULT),
    ];
    for (rest, accept) in cases {
        let answer = get(&harness, &format!("{did}{rest}"), accept).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "INVALID_OPTIONS"),
            "{rest}"
        );
    }
    let fresh = Harness::start().await;
    let nobody = fresh.person(1).did();
    let answer = get(&fresh, &format!("{nobody}?proof=true"), RESULT).await;
    // Nobody certifies genesis.
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (501, "FEATURE_NOT_SUPPORTED")
    );
}
