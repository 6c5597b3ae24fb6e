//! Vectors of ECDSA and WebAuthn in `spec/vectors`: made here from fixed secrets, one defect in
//! each invalid file, compared byte for byte and judged. `ALLOD_BLESS=1` rewrites the files.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]
#![expect(clippy::disallowed_methods, reason = "reads and writes the vectors")]

use std::path::PathBuf;

use allod_primitives::crypto::{Assertion, Curve, EcdsaKey, EcdsaSignature, check_x25519};
use allod_primitives::operation::operation_preimage;
use allod_primitives::policy::WebAuthnKey;
use allod_primitives::{ChainId, ForkId, H256, Text, sha2_256};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

const CHAIN: ChainId = ChainId {
    genesis: H256([0xaa; 32]),
    fork_id: ForkId(0),
};
const HASH: H256 = H256([0x51; 32]);
const ORIGIN: &str = "https://wallet.example";

fn hex(bytes: impl AsRef<[u8]>) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn settle(kind: &str, name: &str, vector: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../spec/vectors")
        .join(kind)
        .join(format!("{name}.json"));
    let text = format!("{}\n", serde_json::to_string_pretty(vector).unwrap());
    if std::env::var_os("ALLOD_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    } else {
        let file = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(file, text, "{name} differs from what the code makes");
    }
}

fn p256_secret() -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap()
}

/// Returns the key and signature of a fixed secret over `message`, low s.
fn sign(curve: Curve, message: &[u8]) -> (EcdsaKey, EcdsaSignature) {
    match curve {
        Curve::P256 => {
            use p256::ecdsa::signature::Signer;
            let secret = p256_secret();
            let signature: p256::ecdsa::Signature = secret.sign(message);
            let point = secret.verifying_key().to_sec1_point(true);
            let key = point.as_bytes().try_into().unwrap();
            (key, signature.normalize_s().to_bytes().into())
        }
        Curve::Secp256k1 => {
            use k256::ecdsa::signature::Signer;
            let secret = k256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap();
            let signature: k256::ecdsa::Signature = secret.sign(message);
            let point = secret.verifying_key().to_sec1_point(true);
            let key = point.as_bytes().try_into().unwrap();
            (key, signature.normalize_s().to_bytes().into())
        }
    }
}

fn high(curve: Curve, signature: &EcdsaSignature) -> EcdsaSignature {
    match curve {
        Curve::P256 => {
            let (r, s) = p256::ecdsa::Signature::from_slice(signature)
                .unwrap()
                .split_scalars();
            let high = p256::ecdsa::Signature::from_scalars(r, -s).unwrap();
            high.to_bytes().into()
        }
        Curve::Secp256k1 => {
            let (r, s) = k256::ecdsa::Signature::from_slice(signature)
                .unwrap()
                .split_scalars();
            let high = k256::ecdsa::Signature::from_scalars(r, -s).unwrap();
            high.to_bytes().into()
        }
    }
}

fn order(curve: Curve) -> [u8; 32] {
    let text = match curve {
        Curve::P256 => "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        Curve::Secp256k1 => "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
    };
    hex::decode(text).unwrap().try_into().unwrap()
}

fn field(curve: Curve) -> [u8; 32] {
    let text = match curve {
        Curve::P256 => "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
        Curve::Secp256k1 => "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f",
    };
    hex::decode(text).unwrap().try_into().unwrap()
}

fn name(curve: Curve) -> &'static str {
    match curve {
        Curve::P256 => "p256",
        Curve::Secp256k1 => "secp256k1",
    }
}

#[test]
fn ecdsa_vectors_of_operations() {
    for curve in [Curve::P256, Curve::Secp256k1] {
        let message = operation_preimage(&CHAIN, &HASH);
        let (key, good) = sign(curve, &message);
        assert_eq!(curve.verify(&key, &message, &good), Ok(()));
        let valid = json!({ "description": "over the preimage of an operation", "curve": name(curve),
            "key": hex(key), "message": hex(&message), "signature": hex(good) });
        settle("valid", &format!("ecdsa-{}", name(curve)), &valid);
        let with = |at: usize, half: [u8; 32]| {
            let mut bad = good;
            bad[at..at + 32].copy_from_slice(&half);
            bad
        };
        let mut flipped = good;
        flipped[33] ^= 1;
        let invalid = [
            ("high-s", "n - s", high(curve, &good), true),
            ("r-zero", "r is 0", with(0, [0; 32]), false),
            ("s-zero", "s is 0", with(32, [0; 32]), false),
            ("r-order", "r is n", with(0, order(curve)), false),
            ("s-order", "s is n", with(32, order(curve)), false),
            ("another-s", "one bit of s", flipped, false),
        ];
        for (defect, description, signature, jws) in invalid {
            assert!(
                curve.verify(&key, &message, &signature).is_err(),
                "{defect}"
            );
            let in_jws = curve.verify_jws(&key, &message, &signature).is_ok();
            assert_eq!(in_jws, jws, "{defect}");
            let vector = json!({ "description": description, "curve": name(curve),
                "key": hex(key), "message": hex(&message), "signature": hex(signature),
                "expect": "signature does not verify", "jws": if jws { "valid" } else { "invalid" } });
            settle(
                "invalid",
                &format!("ecdsa-{}-{defect}", name(curve)),
                &vector,
            );
        }
    }
}

#[test]
fn ecdsa_vectors_of_registration() {
    for curve in [Curve::P256, Curve::Secp256k1] {
        let (good, _) = sign(curve, b"");
        assert_eq!(curve.check_registrable(&good), Ok(()));
        let with = |first: u8, x: &[u8]| -> EcdsaKey { [&[first], x].concat().try_into().unwrap() };
        let x = &good[1..];
        // x³ + ax + b is no square for this x, by Euler's criterion.
        let off_curve = match curve {
            Curve::P256 => [3; 32],
            Curve::Secp256k1 => [5; 32],
        };
        let invalid = [
            ("compact", "first byte 5, SEC 1's compact form", with(5, x)),
            ("uncompressed", "first byte 4", with(4, x)),
            ("infinity", "first byte 0", with(0, x)),
            ("x-field", "x is p", with(2, &field(curve))),
            ("x-above-field", "x is 2^256 - 1", with(3, &[0xff; 32])),
            ("off-curve", "x of no point", with(2, &off_curve)),
        ];
        for (defect, description, key) in invalid {
            let error = curve.check_registrable(&key).expect_err(defect).to_string();
            let vector = json!({ "description": description, "curve": name(curve),
                "key": hex(key), "expect": error });
            settle("invalid", &format!("key-{}-{defect}", name(curve)), &vector);
        }
    }
    let mut not_canonical = [0xff; 32];
    (not_canonical[0], not_canonical[31]) = (0xee, 0x7f);
    let mut top_bit = [9; 32];
    top_bit[31] = 0x89;
    let invalid = [
        ("zero", "u is 0", [0; 32]),
        ("not-canonical", "u is p + 1, which is 1", not_canonical),
        ("top-bit", "the bit that X25519 masks", top_bit),
    ];
    for (defect, description, key) in invalid {
        let error = check_x25519(&key).expect_err(defect).to_string();
        let vector = json!({ "description": description, "curve": "x25519", "key": hex(key),
            "expect": error });
        settle("invalid", &format!("key-x25519-{defect}"), &vector);
    }
}

/// An assertion to be: everything that the authenticator signs.
#[derive(Clone)]
struct Draft {
    authenticator_data: Vec<u8>,
    client_data: String,
}

fn draft() -> Draft {
    let challenge = BASE64URL_NOPAD.encode(&HASH.0);
    let client_data = format!(
        r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"{ORIGIN}","crossOrigin":false}}"#
    );
    let rp_id_hash = sha2_256(b"wallet.example").0;
    Draft {
        authenticator_data: [rp_id_hash.as_slice(), &[0x05, 0, 0, 0, 1]].concat(),
        client_data,
    }
}

fn wallet_key(origin: &str) -> WebAuthnKey {
    WebAuthnKey {
        public_key: sign(Curve::P256, b"").0,
        rp_id_hash: sha2_256(b"wallet.example"),
        origin: Text::new(origin).unwrap(),
    }
}

/// Signs a draft; whatever is wrong with it, its signature is good.
fn asserted(draft: &Draft) -> EcdsaSignature {
    let client_hash = sha2_256(draft.client_data.as_bytes()).0;
    let message = [draft.authenticator_data.as_slice(), &client_hash].concat();
    sign(Curve::P256, &message).1
}

fn vector(key: &WebAuthnKey, draft: &Draft, signature: &EcdsaSignature) -> Value {
    json!({ "public_key": hex(key.public_key), "rp_id_hash": hex(key.rp_id_hash.0),
        "origin": key.origin.as_str(), "operation_hash": hex(HASH.0),
        "authenticator_data": hex(&draft.authenticator_data), "client_data": draft.client_data,
        "signature": hex(signature) })
}

fn settle_valid(name: &str, key: &WebAuthnKey, draft: &Draft) {
    let signature = asserted(draft);
    let assertion = Assertion {
        authenticator_data: &draft.authenticator_data,
        client_data: draft.client_data.as_bytes(),
        signature: &signature,
    };
    assert_eq!(key.verify(&HASH, &assertion), Ok(()), "{name}");
    settle("valid", name, &vector(key, draft, &signature));
}

#[test]
fn webauthn_vectors_that_verify() {
    let key = wallet_key(ORIGIN);
    settle_valid("webauthn-plain", &key, &draft());
    let mut more = draft();
    more.client_data.pop();
    more.client_data
        .push_str(r#","other_keys_can_be_added_here":"do not compare clientDataJSON"}"#);
    settle_valid("webauthn-more-members", &key, &more);
    let mut extended = draft();
    extended.authenticator_data[32] = 0x9d;
    extended
        .authenticator_data
        .extend_from_slice(&[0xa1, 0x61, 0x78, 0xf5]);
    settle_valid("webauthn-synced-with-extensions", &key, &extended);
    let mut escaped = draft();
    let odd = r#"https://odd"quoted\wallet.example"#;
    let written = r#"https://odd\"quoted\\wallet.example"#;
    escaped.client_data = escaped.client_data.replace(ORIGIN, written);
    settle_valid("webauthn-escaped-origin", &wallet_key(odd), &escaped);
}

type Change = fn(&mut Draft);

fn replace(draft: &mut Draft, from: &str, to: &str) {
    let changed = draft.client_data.replacen(from, to, 1);
    assert_ne!(changed, draft.client_data);
    draft.client_data = changed;
}

#[test]
fn webauthn_vectors_of_one_defect_each() {
    let invalid: [(&str, Change); 18] = [
        ("type-create", |it| {
            replace(it, "webauthn.get", "webauthn.create")
        }),
        ("white-space", |it| {
            replace(it, "\":\"webauthn", "\": \"webauthn")
        }),
        ("another-order", |it| {
            replace(it, ",\"crossOrigin\":false", "");
            replace(it, "{", "{\"crossOrigin\":false,");
        }),
        ("challenge-padded", |it| {
            replace(it, "\",\"origin", "=\",\"origin")
        }),
        ("another-challenge", |it| replace(it, "UVFR", "UVFS")),
        ("another-origin", |it| {
            replace(it, "wallet.example", "login.example")
        }),
        ("longer-origin", |it| {
            replace(it, "wallet.example", "wallet.example.net")
        }),
        ("origin-escaped-otherwise", |it| {
            replace(it, "https://", "https:\\/\\/")
        }),
        ("cross-origin", |it| replace(it, ":false", ":true")),
        ("no-cross-origin", |it| {
            replace(it, ",\"crossOrigin\":false", "")
        }),
        ("client-data-truncated", |it| it.client_data.truncate(100)),
        ("client-data-goes-on", |it| it.client_data.push('}')),
        ("user-not-present", |it| it.authenticator_data[32] = 0x04),
        ("user-not-verified", |it| it.authenticator_data[32] = 0x01),
        ("attested-data", |it| it.authenticator_data[32] |= 0x40),
        ("backed-up-not-eligible", |it| {
            it.authenticator_data[32] |= 0x10
        }),
        ("extensions-missing", |it| it.authenticator_data[32] |= 0x80),
        ("extensions-without-flag", |it| {
            it.authenticator_data.push(0xa0)
        }),
    ];
    let more: [(&str, Change); 2] = [
        ("another-relying-party", |it| it.authenticator_data[0] ^= 1),
        ("authenticator-data-truncated", |it| {
            it.authenticator_data.truncate(36)
        }),
    ];
    let key = wallet_key(ORIGIN);
    let refuse = |name: &str, draft: &Draft, signature: &EcdsaSignature| {
        let assertion = Assertion {
            authenticator_data: &draft.authenticator_data,
            client_data: draft.client_data.as_bytes(),
            signature,
        };
        let error = key.verify(&HASH, &assertion).expect_err(name);
        let mut vector = vector(&key, draft, signature);
        vector["expect"] = json!(error.to_string());
        settle("invalid", &format!("webauthn-{name}"), &vector);
    };
    for (name, change) in invalid.into_iter().chain(more) {
        let mut bad = draft();
        change(&mut bad);
        refuse(name, &bad, &asserted(&bad));
    }
    let good = draft();
    refuse("high-s", &good, &high(Curve::P256, &asserted(&good)));
    // The right bytes, signed as a plain P-256 control key signs.
    let plain = sign(Curve::P256, &operation_preimage(&CHAIN, &HASH)).1;
    refuse("signed-without-authenticator", &good, &plain);
}
