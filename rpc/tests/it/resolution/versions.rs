//! Documents in time.

use allod_primitives::document::{DocumentPatch, Method, MethodKey, Relationships};
use allod_primitives::operation::{Body, Lane};
use allod_primitives::{H256, Text, TimeMs};
use allod_rpc_api::submit::SubmitItem;
use serde_json::{Value, json};

use super::{DEREFERENCED, RESULT, ask, get};
use crate::node::{START, STEP_MS};
use crate::wire::Harness;

#[tokio::test]
async fn older_versions_are_there_with_and_without_their_states() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let did = alice.did().to_string();
    let first = get(&harness, &did, RESULT).await.json();
    assert!(first["didDocumentMetadata"].get("updated").is_none());
    let update = alice.replace_method(1, H256::ZERO);
    harness
        .submit(json!([SubmitItem::operation(&update)]))
        .await;
    harness.node.produce(2);
    let newest = get(&harness, &did, RESULT).await.json();
    let id = |answer: &Value| {
        answer["didDocumentMetadata"]["versionId"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_ne!(id(&first), id(&newest));

    let same = get(
        &harness,
        &format!("{did}?versionId={}", id(&newest)),
        RESULT,
    )
    .await
    .json();
    assert_eq!(same["didDocument"], newest["didDocument"]);
    for older in [
        format!("versionId={}", id(&first)),
        "versionTime=2024-10-04T00:00:01Z".to_owned(),
    ] {
        let old = get(&harness, &format!("{did}?{older}"), RESULT)
            .await
            .json();
        assert_eq!(old["didDocument"], first["didDocument"], "{older}");
        let known = &old["didDocumentMetadata"];
        assert_eq!(known["versionId"], id(&first));
        assert_eq!(known["nextVersionId"], id(&newest));
        assert_eq!(known["nextUpdate"], "2024-10-04T00:00:02Z");
        assert_eq!(old["didResolutionMetadata"]["height"], 1);
    }
    // The moment that a document says it was updated is a moment of that version.
    let body = r#"{"versionTime": "2024-10-04T00:00:02Z"}"#;
    let then = ask(&harness, "POST", &did, RESULT, body).await.json();
    assert_eq!(id(&then), id(&newest));
    assert!(then["didDocumentMetadata"].get("nextUpdate").is_none());

    harness.node.prune_below(2);
    let path = format!("{did}?versionId={}", id(&first));
    let rebuilt = get(&harness, &path, RESULT).await.json();
    assert_eq!(rebuilt["didDocument"], first["didDocument"]);
    let known = &rebuilt["didDocumentMetadata"];
    assert_eq!(known["nextVersionId"], id(&newest));
    let unproven = get(&harness, &format!("{path}&proof=true"), RESULT).await;
    assert_eq!(
        (unproven.status, unproven.error().as_str()),
        (501, "FEATURE_NOT_SUPPORTED")
    );
}

#[tokio::test]
async fn a_method_past_its_time_is_no_longer_in_the_document() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let expires = TimeMs(START.0 + 10 * STEP_MS);
    let method = Method {
        fragment: Text::new("soon").unwrap(),
        key: MethodKey::X25519([9; 32]),
        relationships: Relationships::KEY_AGREEMENT,
        expires: Some(expires),
    };
    let patch = DocumentPatch {
        add: vec![method].try_into().unwrap(),
        ..DocumentPatch::default()
    };
    let update = alice.operation(Lane::Documents, 0, H256::ZERO, Body::UpdateDocument(patch));
    harness
        .submit(json!([SubmitItem::operation(&update)]))
        .await;
    let url = format!("{}%23soon", alice.did());
    let before = get(&harness, &url, "application/did").await;
    assert_eq!(before.json()["expires"], "2024-10-04T00:00:10Z");
    harness.node.jump(20 * STEP_MS);
    assert_eq!(get(&harness, &url, "application/did").await.status, 404);
    // And at the time it was in force, it was.
    let then = format!("{url}?versionTime=2024-10-04T00:00:09Z");
    assert_eq!(get(&harness, &then, "application/did").await.status, 200);
}

#[tokio::test]
async fn a_deactivated_identity_is_gone() {
    let harness = Harness::start().await;
    let alice = harness.person(1);
    harness.incept(&alice).await;
    let did = alice.did().to_string();
    let last = alice.inception().operation.hash();
    let end = alice.operation(Lane::Rank(0), 1, last, Body::Deactivate);
    harness.submit(json!([SubmitItem::operation(&end)])).await;
    for accept in [RESULT, "application/did", "*/*"] {
        let answer = get(&harness, &did, accept).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (410, Some(RESULT))
        );
        let body = answer.json();
        assert_eq!(body["didDocument"], Value::Null);
        assert_eq!(body["didDocumentMetadata"]["deactivated"], true);
        assert!(body["didResolutionMetadata"].get("error").is_none());
    }
    for path in [
        did.clone(),
        format!("{did}%23k1"),
        format!("{did}?service=files"),
    ] {
        let answer = get(&harness, &path, DEREFERENCED).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (410, Some(DEREFERENCED))
        );
        assert_eq!(answer.json()["contentMetadata"]["deactivated"], true);
    }
    let before = format!("{did}?versionTime=2024-10-04T00:00:01Z");
    let before = get(&harness, &before, RESULT).await;
    assert_eq!(
        (before.status, &before.json()["didDocument"]["id"]),
        (200, &json!(did))
    );
}
