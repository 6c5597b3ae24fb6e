//! Services, and references at them.

use serde_json::json;

use super::{DEREFERENCED, FILES, encoded, furnished, get};

#[tokio::test]
async fn services_are_selected_and_redirected_to() {
    let (harness, alice) = furnished().await;
    let did = alice.did().to_string();
    for selected in [
        "service=files",
        "service=%23files",
        &format!("service={}%23files", encoded(&did)),
    ] {
        let answer = get(&harness, &format!("{did}?{selected}"), "application/did").await;
        let services = answer.json()["service"].clone();
        assert_eq!(services.as_array().unwrap().len(), 1, "{selected}");
        assert_eq!(services[0]["id"], format!("{did}#files"));
    }
    let both = get(&harness, &format!("{did}?serviceType=Files"), DEREFERENCED)
        .await
        .json();
    assert_eq!(both["content"]["service"].as_array().unwrap().len(), 2);
    let list = "text/uri-list";
    let circle = format!("{did}?service=circle&relativeRef=x");
    let cases = [
        ("?service=files", list, FILES.to_owned()),
        ("?serviceType=Files", list, FILES.to_owned()),
        (
            "?service=mail",
            list,
            "mailto:alice@data.example".to_owned(),
        ),
        // One step, and no further: whoever walks in circles does it by himself.
        ("?service=circle", list, circle),
        (
            "?service=files&relativeRef=a%2Fb%3Fv%3D2",
            DEREFERENCED,
            format!("{FILES}a/b?v=2"),
        ),
        (
            "%3Fservice%3Dfiles%26relativeRef%3Da%252Fb%23top",
            DEREFERENCED,
            format!("{FILES}a/b#top"),
        ),
        ("?service=files&relativeRef=a", "*/*", format!("{FILES}a")),
    ];
    for (rest, accept, location) in cases {
        let answer = get(&harness, &format!("{did}{rest}"), accept).await;
        assert_eq!((answer.status, answer.text.as_str()), (303, ""), "{rest}");
        assert_eq!(answer.header("location"), Some(location.as_str()));
    }
    // Who asks for a document gets one.
    let document = get(
        &harness,
        &format!("{did}?service=files&relativeRef=a"),
        "application/did",
    )
    .await;
    assert_eq!(
        (document.status, &document.json()["id"]),
        (200, &json!(did))
    );
}

#[tokio::test]
async fn a_reference_leaves_no_service_and_injects_nothing() {
    let (harness, alice) = furnished().await;
    let did = alice.did().to_string();
    let hostile = [
        "service=files&relativeRef=..%2Fbob",
        "service=files&relativeRef=%252E%252E%252Fbob",
        "service=files&relativeRef=..%5Cbob",
        "service=files&relativeRef=%2Fbob",
        "service=files&relativeRef=%2F%2Fevil.example%2F",
        "service=files&relativeRef=https%3A%2F%2Fevil.example",
        "service=files&relativeRef=a%0D%0ASet-Cookie:%20a",
        "service=mail&relativeRef=x",
        "service=circle&relativeRef=x",
        "service=files&relativeRef=a&relativeRef=b",
    ];
    for rest in hostile {
        let answer = get(&harness, &format!("{did}?{rest}"), DEREFERENCED).await;
        let told = (answer.status, answer.error());
        assert_eq!(told, (400, "INVALID_DID_URL".to_owned()), "{rest}");
        assert_eq!(answer.header("set-cookie"), None);
    }
    // A value is a value, whatever it holds once decoded.
    let injected = get(
        &harness,
        &format!("{did}?service=files%26versionId%3D1"),
        DEREFERENCED,
    )
    .await;
    assert_eq!(injected.status, 404);
    let page = format!("{did}%3Fservice%3Dpage%23k1");
    let answer = get(&harness, &page, "text/uri-list").await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (400, "INVALID_DID_URL")
    );
}
