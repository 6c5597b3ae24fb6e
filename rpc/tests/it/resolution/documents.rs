//! Whole results, bare documents, parts of documents.

use serde_json::{Value, json};

use super::{DEREFERENCED, FILES, RESULT, ask, assert_is_document, encoded, furnished, get};

#[tokio::test]
async fn a_did_resolves_to_a_whole_result_or_to_the_bare_document() {
    let (harness, alice) = furnished().await;
    let did = alice.did().to_string();
    let whole = get(&harness, &did, RESULT).await;
    assert_eq!(
        (whole.status, whole.header("content-type")),
        (200, Some(RESULT))
    );
    assert_eq!(whole.header("cache-control"), Some("no-store"));
    let body = whole.json();
    assert_is_document(&body["didDocument"], &did);
    assert_eq!(
        body["didResolutionMetadata"]["contentType"],
        "application/did"
    );
    assert_eq!(body["didResolutionMetadata"]["height"], 2);
    let known = &body["didDocumentMetadata"];
    assert_eq!(
        (&known["deactivated"], &known["created"]),
        (&json!(false), &json!("2024-10-04T00:00:01Z"))
    );
    assert_eq!(known["updated"], "2024-10-04T00:00:02Z");
    assert!(known["versionId"].as_str().unwrap().starts_with("2-"));
    for wanted in ["*/*", "application/*", "text/html,*/*;q=0.1"] {
        assert_eq!(
            get(&harness, &did, wanted).await.text,
            whole.text,
            "{wanted}"
        );
    }
    let types = [
        ("application/did", "application/did"),
        ("application/did+json", "application/did+json"),
        ("application/did+ld+json", "application/did+ld+json"),
        ("application/ld+json", "application/ld+json"),
        ("application/json", "application/json"),
        // What the Universal Resolver's guide has its drivers asked for.
        ("application/json+ld", "application/ld+json"),
    ];
    for (wanted, served) in types {
        let bare = get(&harness, &did, wanted).await;
        assert_eq!(
            (bare.status, bare.header("content-type")),
            (200, Some(served))
        );
        assert_eq!(bare.json(), body["didDocument"]);
    }
    let posted = ask(&harness, "POST", &did, RESULT, "").await;
    assert_eq!(posted.text, whole.text);
    let head = ask(&harness, "HEAD", &did, RESULT, "").await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
}

#[tokio::test]
async fn keys_are_written_as_json_web_keys_on_request() {
    let (harness, alice) = furnished().await;
    let did = alice.did().to_string();
    let asked = format!("{}?transformKey=JsonWebKey", encoded(&did));
    let document = get(&harness, &asked, "application/did").await.json();
    assert_is_document(&document, &did);
    let curves: Vec<&Value> = document["verificationMethod"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["publicKeyJwk"]["crv"])
        .collect();
    assert_eq!(curves, ["Ed25519", "P-256", "secp256k1", "X25519"]);
    let body = r#"{"transformKey": "Multikey"}"#;
    let document = ask(&harness, "POST", &did, "application/did", body)
        .await
        .json();
    assert_is_document(&document, &did);
    assert_eq!(document["verificationMethod"][1]["type"], "Multikey");
}

#[tokio::test]
async fn every_encoding_of_a_did_url_means_the_same() {
    let (harness, alice) = furnished().await;
    let did = alice.did().to_string();
    let plain = get(&harness, &did, RESULT).await.text;
    let lower = encoded(&did).to_ascii_lowercase();
    for path in [
        encoded(&did),
        lower,
        did.replace(':', "%3A"),
        format!("{did}?noCache=true"),
    ] {
        assert_eq!(get(&harness, &path, RESULT).await.text, plain, "{path}");
    }
    // Encoded twice it is another text, and no DID of this method.
    let twice = encoded(&encoded(&did));
    assert_eq!(get(&harness, &twice, RESULT).await.status, 400);
    let url = format!("{did}?service=files");
    let plain = get(&harness, &url, DEREFERENCED).await.text;
    for path in [
        encoded(&url),
        format!("{did}?%73ervice=f%69les"),
        format!("{did}%3Fservice%3Dfiles"),
    ] {
        assert_eq!(
            get(&harness, &path, DEREFERENCED).await.text,
            plain,
            "{path}"
        );
    }
}

#[tokio::test]
async fn parts_of_a_document_have_did_urls() {
    let (harness, alice) = furnished().await;
    let did = alice.did().to_string();
    let method = get(&harness, &encoded(&format!("{did}#k1")), DEREFERENCED).await;
    assert_eq!(
        (method.status, method.header("content-type")),
        (200, Some(DEREFERENCED))
    );
    let body = method.json();
    assert_eq!(body["content"], body["contentStream"]);
    assert_eq!(body["content"]["id"], format!("{did}#k1"));
    assert_eq!(body["content"]["type"], "Multikey");
    assert_eq!(
        body["dereferencingMetadata"]["contentType"],
        "application/did"
    );
    let bare = get(&harness, &format!("{did}%23k1"), "application/json").await;
    assert_eq!(bare.json(), body["content"]);
    let service = get(&harness, &format!("{did}%23files"), "application/did").await;
    assert_eq!(service.json()["serviceEndpoint"][0], FILES);
    let asked = format!("{did}%23k1?verificationRelationship=authentication");
    assert_eq!(
        get(&harness, &asked, "application/did").await.json(),
        body["content"]
    );
    let whole = get(&harness, &did, DEREFERENCED).await.json();
    assert_is_document(&whole["contentStream"], &did);
    assert!(whole["contentMetadata"]["versionId"].is_string());
}

#[tokio::test]
async fn resolvers_of_did_core_1_0_read_errors_as_words() {
    let (harness, alice) = furnished().await;
    let old = "application/ld+json;profile=\"https://w3id.org/did-resolution\"";
    let answer = get(&harness, &alice.did().to_string(), old).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some(old))
    );
    assert_eq!(
        answer.json()["didResolutionMetadata"]["contentType"],
        "application/did+ld+json"
    );
    let answer = get(&harness, &harness.person(9).did().to_string(), old).await;
    assert_eq!(answer.status, 404);
    let metadata = &answer.json()["didResolutionMetadata"];
    assert_eq!(metadata["error"], "notFound");
    assert!(metadata["message"].is_string());
    let old = "application/ld+json;profile=\"https://w3id.org/did-url-dereferencing\"";
    let answer = get(&harness, "not-a-did", old).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (400, Some(old))
    );
    assert_eq!(
        answer.json()["dereferencingMetadata"]["error"],
        "invalidDidUrl"
    );
}
