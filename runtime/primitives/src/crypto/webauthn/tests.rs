use super::*;
use crate::codec::Text;
use p256::ecdsa::signature::hazmat::PrehashSigner;

const ORIGIN: &str = "https://wallet.example";
const CHALLENGE: H256 = H256([7; 32]);

fn secret() -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap()
}

fn key(origin: &str) -> WebAuthnKey {
    WebAuthnKey {
        public_key: secret()
            .verifying_key()
            .to_sec1_point(true)
            .as_bytes()
            .try_into()
            .unwrap(),
        rp_id_hash: sha2_256(b"wallet.example"),
        origin: Text::new(origin).unwrap(),
    }
}

fn authenticator_data(flags: u8, extensions: &[u8]) -> Vec<u8> {
    let rp_id_hash = sha2_256(b"wallet.example").0;
    [rp_id_hash.as_slice(), &[flags, 0, 0, 0, 3], extensions].concat()
}

fn client_data(origin: &str, rest: &str) -> Vec<u8> {
    let challenge = BASE64URL_NOPAD.encode(&CHALLENGE.0);
    let head = format!(r#"{{"type":"webauthn.get","challenge":"{challenge}""#);
    format!(r#"{head},"origin":"{origin}","crossOrigin":false{rest}"#).into_bytes()
}

fn sign(authenticator_data: &[u8], client_data: &[u8]) -> EcdsaSignature {
    let mut message = authenticator_data.to_vec();
    message.extend_from_slice(&sha2_256(client_data).0);
    let hash = sha2_256(&message).0;
    let signature: p256::ecdsa::Signature = secret().sign_prehash(&hash).unwrap();
    signature.normalize_s().to_bytes().into()
}

fn judge(authenticator_data: &[u8], client_data: &[u8]) -> Result<(), AssertionError> {
    judge_key(&key(ORIGIN), authenticator_data, client_data)
}

fn judge_key(
    key: &WebAuthnKey,
    authenticator_data: &[u8],
    client_data: &[u8],
) -> Result<(), AssertionError> {
    let signature = sign(authenticator_data, client_data);
    let assertion = Assertion {
        authenticator_data,
        client_data,
        signature: &signature,
    };
    key.verify(&CHALLENGE, &assertion)
}

fn judge_flags(flags: u8, extensions: &[u8]) -> Result<(), AssertionError> {
    judge(
        &authenticator_data(flags, extensions),
        &client_data(ORIGIN, "}"),
    )
}

#[test]
fn an_assertion_of_the_wallet_over_the_hash_verifies() {
    assert_eq!(judge_flags(0x05, &[]), Ok(()));
    // Backup flags, reserved bits and extensions may be there.
    for flags in [0x05, 0x0d, 0x1d, 0x07, 0x25] {
        assert_eq!(judge_flags(flags, &[]), Ok(()), "{flags:02x}");
    }
    assert_eq!(judge_flags(0x85, &[0xa0]), Ok(()));
    let more = client_data(
        ORIGIN,
        r#","other_keys_can_be_added_here":"do not compare"}"#,
    );
    assert_eq!(judge(&authenticator_data(5, &[]), &more), Ok(()));
}

#[test]
fn flags_that_lack_a_user_or_contradict_themselves_are_refused() {
    assert_eq!(judge_flags(0x04, &[]), Err(AssertionError::UserNotPresent));
    assert_eq!(judge_flags(0x01, &[]), Err(AssertionError::UserNotVerified));
    assert_eq!(judge_flags(0x45, &[]), Err(AssertionError::Flags));
    assert_eq!(judge_flags(0x45, &[0; 60]), Err(AssertionError::Flags));
    assert_eq!(judge_flags(0x15, &[]), Err(AssertionError::Flags));
    let length = Err(AssertionError::AuthenticatorDataLength);
    assert_eq!(judge_flags(0x85, &[]), length);
    assert_eq!(judge_flags(0x05, &[0]), length);
}

#[test]
fn truncated_authenticator_data_is_refused() {
    let whole = authenticator_data(5, &[]);
    for length in 0..whole.len() {
        assert_eq!(
            judge(&whole[..length], &client_data(ORIGIN, "}")),
            Err(AssertionError::AuthenticatorDataLength)
        );
    }
    let mut other = whole;
    other[0] ^= 1;
    assert_eq!(
        judge(&other, &client_data(ORIGIN, "}")),
        Err(AssertionError::RelyingParty)
    );
}

/// Goal: nothing but the fixed prefix passes. Method: the good text, changed in one place.
#[test]
fn client_data_is_compared_and_not_parsed() {
    let good = String::from_utf8(client_data(ORIGIN, "}")).unwrap();
    let changes = [
        ("webauthn.get", "webauthn.create"),
        ("{\"type\"", "{ \"type\""),
        (":false", ": false"),
        (":false", ":true"),
        (",\"crossOrigin\":false", ""),
        ("https://wallet.example", "https://wallet.example.evil"),
        ("https://wallet.example", "https://wallet.exampl"),
        ("https://wallet.example", "http://wallet.example"),
        ("https://wallet.example", "https:\\/\\/wallet.example"),
        ("https://wallet.example", "https://login.example"),
        ("https://wallet.example\"", "https://wallet.example\" "),
        ("\",\"origin\"", "=\",\"origin\""),
        ("BwcHBwcH", "bwcHBwcH"),
        (
            "{\"type\":\"webauthn.get\",",
            "{\"crossOrigin\":false,\"type\":\"webauthn.get\",",
        ),
    ];
    for (from, to) in changes {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        assert_eq!(
            judge(&authenticator_data(5, &[]), bad.as_bytes()),
            Err(AssertionError::ClientDataPrefix),
            "{bad}"
        );
    }
    for rest in ["", "} ", "}}", " }", ",", "\n}", ",\"a\":1"] {
        assert_eq!(
            judge(&authenticator_data(5, &[]), &client_data(ORIGIN, rest)),
            Err(AssertionError::ClientDataEnd),
            "{rest}"
        );
    }
    for length in 0..good.len() {
        assert!(judge(&authenticator_data(5, &[]), &good.as_bytes()[..length]).is_err());
    }
}

#[test]
fn an_origin_is_compared_as_clients_escape_it() {
    let odd = key(r#"https://a"b\c/d.example"#);
    let data = authenticator_data(5, &[]);
    let judge = |origin: &str| judge_key(&odd, &data, &client_data(origin, "}"));
    assert_eq!(judge(r#"https://a\"b\\c/d.example"#), Ok(()));
    for other in [
        r#"https://a"b\c/d.example"#,
        r#"https://a\u0022b\\c/d.example"#,
        r#"https://a\"b\\c\/d.example"#,
    ] {
        assert_eq!(judge(other), Err(AssertionError::ClientDataPrefix));
    }
}

#[test]
fn origins_need_a_scheme_and_nothing_unprintable() {
    for good in [
        "https://wallet.example",
        "http://localhost:8080",
        "android:apk-key-hash:abc",
    ] {
        assert_eq!(check_origin(good), Ok(()), "{good}");
        assert_eq!(key(good).check_registrable(), Ok(()));
    }
    for bad in [
        "",
        ":",
        "wallet.example",
        "://x",
        "1a:b",
        "https://a b",
        "https://é",
    ] {
        assert_eq!(check_origin(bad), Err(KeyError::Origin), "{bad}");
    }
}

#[test]
fn another_challenge_signature_or_high_s_is_refused() {
    let (authenticator_data, client_data) = (authenticator_data(5, &[]), client_data(ORIGIN, "}"));
    let signature = sign(&authenticator_data, &client_data);
    let verify = |challenge: H256, signature: EcdsaSignature| {
        let assertion = Assertion {
            authenticator_data: &authenticator_data,
            client_data: &client_data,
            signature: &signature,
        };
        key(ORIGIN).verify(&challenge, &assertion)
    };
    assert_eq!(verify(CHALLENGE, signature), Ok(()));
    assert_eq!(
        verify(H256([8; 32]), signature),
        Err(AssertionError::ClientDataPrefix)
    );
    let mut other = signature;
    other[5] ^= 1;
    assert_eq!(verify(CHALLENGE, other), Err(AssertionError::Signature));
    let parsed = p256::ecdsa::Signature::from_slice(&signature).unwrap();
    let (r, s) = parsed.split_scalars();
    let high = p256::ecdsa::Signature::from_scalars(r, -s).unwrap();
    assert_eq!(
        verify(CHALLENGE, high.to_bytes().into()),
        Err(AssertionError::Signature)
    );
}
