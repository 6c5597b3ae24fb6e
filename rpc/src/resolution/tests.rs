use allod_primitives::PublicKey;
use allod_primitives::document::MethodKey;
use http::{HeaderMap, HeaderValue, header};
use serde_json::json;

use super::accept::{Form, Old, forms};
use super::did_url::{DidUrl, DidUrlError};
use super::jwk::jwk;
use super::options::{Options, Version, from_body};
use super::problem::ProblemKind;
use super::uri::{ReferenceError, resolve};

fn accepted(text: &'static str) -> Vec<Form> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static(text));
    forms(&headers)
}

#[test]
fn the_form_wanted_most_comes_first() {
    assert_eq!(forms(&HeaderMap::new()), [Form::Any]);
    let did = Form::Bare("application/did");
    let cases: [(&str, &[Form]); 14] = [
        ("application/did-resolution", &[Form::Resolution]),
        ("Application/DID-Resolution", &[Form::Resolution]),
        ("application/did-url-dereferencing", &[Form::Dereferencing]),
        ("application/did", &[did]),
        (
            "application/did+json",
            &[Form::Bare("application/did+json")],
        ),
        ("application/json+ld", &[Form::Bare("application/ld+json")]),
        (
            "application/ld+json;profile=\"https://w3id.org/did-resolution\"",
            &[Form::Old(Old::Resolution)],
        ),
        (
            "text/uri-list, application/did;q=0.5",
            &[Form::UriList, did],
        ),
        ("*/*, application/did", &[did, Form::Any]),
        ("text/html,application/xml;q=0.9,*/*;q=0.8", &[Form::Any]),
        (
            "application/did;q=0.3, application/did-resolution;q=0.31",
            &[Form::Resolution, did],
        ),
        ("application/did;q=0", &[]),
        (
            "application/did;q=2, application/did;q=-1, application/did;q=0.0001",
            &[],
        ),
        ("application/x-unsupported", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(accepted(text), expected, "{text}");
    }
}

#[test]
fn a_did_url_is_read_by_its_grammar() {
    let whole = "did%3Aexample%3A1%2Fpath%3Fservice%3Dfiles%26relativeRef%3D%252Fa%252Eb%23frag";
    let read = DidUrl::from_path(whole).unwrap();
    assert_eq!(read.did, "did:example:1");
    assert_eq!(read.path, "/path");
    let parameters = [("service", "files"), ("relativeRef", "/a.b")];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(read.parameters, parameters);
    assert_eq!(read.fragment.as_deref(), Some("frag"));
    let cases = [
        ("", DidUrlError::Did),
        ("not-a-did", DidUrlError::Did),
        ("did:example", DidUrlError::Did),
        ("did:example:", DidUrlError::Did),
        ("did:example:a:", DidUrlError::Did),
        ("did::a", DidUrlError::Did),
        ("DID:example:a", DidUrlError::Did),
        ("did:Example:a", DidUrlError::Did),
        ("did:example:a%20b", DidUrlError::Did),
        ("did:example:a%25zz", DidUrlError::Did),
        ("did:example:%C3%A9", DidUrlError::Did),
        ("did:example:a%", DidUrlError::Encoding),
        ("did:example:a%2", DidUrlError::Encoding),
        ("did:example:a%FF", DidUrlError::Encoding),
        ("did:example:a%2F%0d%0aset-cookie", DidUrlError::Character),
        ("did:example:a%23b%23c", DidUrlError::Character),
        ("did:example:a%3Fx%3D%22", DidUrlError::Character),
    ];
    for (text, expected) in cases {
        assert_eq!(DidUrl::from_path(text), Err(expected), "{text}");
    }
    let long = format!("did:example:{}", "a".repeat(2048));
    assert_eq!(DidUrl::from_path(&long), Err(DidUrlError::TooLong));
    let many = format!("did:example:a%3F{}", "a=1&".repeat(17));
    assert_eq!(
        DidUrl::from_path(&many),
        Err(DidUrlError::TooManyParameters)
    );
}

#[test]
fn a_reference_stays_below_its_endpoint() {
    let base = "https://data.example/alice/files/";
    let cases = [
        ("doc", "https://data.example/alice/files/doc"),
        ("./a/./b", "https://data.example/alice/files/a/b"),
        (
            "doc?v=2#top",
            "https://data.example/alice/files/doc?v=2#top",
        ),
        ("/alice/files/doc", "https://data.example/alice/files/doc"),
        ("?v=2", "https://data.example/alice/files/?v=2"),
        ("#top", "https://data.example/alice/files/#top"),
        ("", "https://data.example/alice/files/"),
        ("...", "https://data.example/alice/files/..."),
        (
            "?back=../..",
            "https://data.example/alice/files/?back=../..",
        ),
    ];
    for (reference, expected) in cases {
        assert_eq!(
            resolve(base, reference).as_deref(),
            Ok(expected),
            "{reference}"
        );
    }
    assert_eq!(
        resolve("https://a.example", "/x").as_deref(),
        Ok("https://a.example/x")
    );
    assert_eq!(
        resolve("https://a.example?q", "").as_deref(),
        Ok("https://a.example/?q")
    );
    assert_eq!(
        resolve("https://a.example/b/c#d", "e").as_deref(),
        Ok("https://a.example/b/e")
    );
}

#[test]
fn no_encoding_hides_a_way_out() {
    let base = "https://data.example/alice/files/";
    let escapes = [
        "..",
        "../bob",
        "a/../../../bob",
        "/bob",
        "%2e%2e/bob",
        "%2E%2e%2Fbob",
        ".%2e/bob",
        "%252E%252E%252Fbob",
        "%25252e%25252e%25252fbob",
        "%252e%252e%252f%25zz",
        "..%5cbob",
        "a%5C..%5Cbob",
        "..;x/bob",
    ];
    for reference in escapes {
        assert_eq!(
            resolve(base, reference),
            Err(ReferenceError::Escapes),
            "{reference}"
        );
    }
    let malformed = [
        "//evil.example/",
        "https://evil.example/",
        "javascript:alert(1)",
        "a b",
        "a\r\nb",
        "caf\u{e9}",
        "a%",
    ];
    for reference in malformed {
        assert_eq!(
            resolve(base, reference),
            Err(ReferenceError::Malformed),
            "{reference}"
        );
    }
    let layered = format!("%{}2e%2e/", "25".repeat(9));
    assert_eq!(resolve(base, &layered), Err(ReferenceError::Malformed));
    for endpoint in ["mailto:alice@data.example", "did:example:bob", "urn:x://y"] {
        assert_eq!(
            resolve(endpoint, "x"),
            Err(ReferenceError::NotHierarchical),
            "{endpoint}"
        );
    }
}

fn given(list: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    list.iter().map(owned).collect()
}

#[test]
fn options_are_strict() {
    let read = |list: &[(&str, &str)]| Options::read(&given(list));
    let newest = read(&[("expandRelativeUrls", "true"), ("noCache", "true")]).unwrap();
    assert_eq!(newest.version, Version::Newest);
    let then = read(&[("versionTime", "2020-12-20T19:17:47Z")]).unwrap();
    assert_eq!(then.version, Version::Time(1_608_491_867));
    let invalid = ProblemKind::InvalidOptions;
    let url = ProblemKind::InvalidDidUrl;
    let unsupported = ProblemKind::FeatureNotSupported;
    let cases: [(&[(&str, &str)], ProblemKind); 13] = [
        (
            &[("versionId", "1"), ("versionTime", "2020-12-20T19:17:47Z")],
            invalid,
        ),
        (&[("versionTime", "2020-12-20T19:17:47.5Z")], invalid),
        (&[("versionTime", "2020-12-20T19:17:47+00:00")], invalid),
        (&[("versionTime", "2020-12-20t19:17:47z")], invalid),
        (&[("versionTime", "1969-12-20T19:17:47Z")], invalid),
        (&[("versionTime", "2020-13-20T19:17:47Z")], invalid),
        (&[("versionId", "")], invalid),
        (&[("noCache", "1")], invalid),
        (&[("noCache", "true"), ("noCache", "true")], url),
        (&[("relativeRef", "x")], url),
        (&[("accept", "application/did")], unsupported),
        (&[("VersionId", "1")], unsupported),
        (&[("transformKey", "Base58")], unsupported),
    ];
    for (list, expected) in cases {
        assert_eq!(read(list).unwrap_err().kind, expected, "{list:?}");
    }
}

#[test]
fn a_body_is_one_object_and_repeats_are_seen() {
    assert_eq!(from_body(b" \n").unwrap(), []);
    let read = from_body(br#"{"noCache": true, "versionId": "1", "noCache": "false"}"#).unwrap();
    let expected = [
        ("noCache", "true"),
        ("versionId", "1"),
        ("noCache", "false"),
    ];
    assert_eq!(read, given(&expected));
    let deep = "[".repeat(4000);
    for body in [
        "{",
        "[]",
        "1",
        "null",
        "{} {}",
        r#"{"a":1}"#,
        r#"{"a":{}}"#,
        "\u{0}",
        &deep,
    ] {
        let refused = from_body(body.as_bytes()).unwrap_err();
        assert_eq!(refused.kind, ProblemKind::InvalidOptions, "{body}");
    }
    assert_eq!(
        from_body(b"{\"\xff\":\"\"}").unwrap_err().kind,
        ProblemKind::InvalidOptions
    );
}

#[test]
fn keys_become_json_web_keys() {
    // RFC 8037 appendix A.2 and A.3: the public key and its thumbprint.
    let x = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let key = MethodKey::Ed25519(PublicKey(hex::decode(x).unwrap().try_into().unwrap()));
    let expected = json!({
        "kty": "OKP", "crv": "Ed25519", "alg": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    });
    assert_eq!(jwk(&key), Some(expected));
    // RFC 7515 appendix A.3: a point of P-256 by its coordinates.
    let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    let y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
    use base64::Engine as _;
    let coordinate = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(x)
        .unwrap();
    let compressed = [vec![3], coordinate].concat().try_into().unwrap();
    let made = jwk(&MethodKey::P256(compressed)).unwrap();
    assert_eq!((&made["x"], &made["y"]), (&json!(x), &json!(y)));
    assert_eq!(
        (&made["crv"], &made["alg"]),
        (&json!("P-256"), &json!("ES256"))
    );
    assert_eq!(jwk(&MethodKey::Secp256k1([5; 33])), None);
}

#[test]
fn no_text_makes_a_reader_panic_and_what_is_read_is_a_did_url() {
    use super::question::{Asked, read};
    use rand::{Rng as _, SeedableRng as _};

    const PIECES: [&str; 40] = [
        "did:",
        "allod:",
        "example:",
        "z",
        ":",
        "/",
        "?",
        "#",
        "%",
        "%2",
        "%25",
        "%2F",
        "%3F",
        "%23",
        "%26",
        "%3D",
        "%00",
        "%FF",
        "%C3%A9",
        "&",
        "=",
        "service=files",
        "serviceType=",
        "relativeRef=",
        "versionId=1-0",
        "versionTime=2020-12-20T19:17:47Z",
        "proof=true",
        "transformKey=JsonWebKey",
        "..",
        "../",
        "..%2f",
        "\\",
        "//",
        "http://a",
        "+",
        ";",
        "\u{e9}",
        " ",
        "{\"noCache\":",
        "true}",
    ];
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let mut text = |pieces: usize| -> String {
        let count = random.gen_range(0..pieces);
        (0..count)
            .map(|_| PIECES[random.gen_range(0..PIECES.len())])
            .collect()
    };
    let mut understood = 0;
    for _ in 0..100_000 {
        let identifier = format!("did:example:a{}", text(6));
        let (query, body) = (text(4), text(4));
        let asked = Asked {
            identifier: &identifier,
            query: Some(&query),
            body: body.as_bytes(),
        };
        let (_, question) = read(asked, &[Form::UriList, Form::Any]);
        understood += u32::from(question.is_ok());
        if let Ok(question) = question {
            assert!(question.url.did.starts_with("did:example:a"));
            assert!(question.url.path.is_empty() || question.url.path.starts_with('/'));
        }
        let base = "https://data.example/alice/files/";
        if let Ok(found) = resolve(base, &text(6)) {
            assert!(found.starts_with(base), "{found}");
            assert!(found.is_ascii() && !found.contains([' ', '\\']), "{found}");
        }
        let _ = resolve(&text(6), &text(3));
    }
    assert!(understood > 1000, "{understood}");
}
