//! Tokens: form, signature, revocation.

use allod_primitives::document::{MethodKey, Relationships};
use allod_primitives::sha2_256;
use allod_primitives::token::TokenId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::json;

use super::super::{JwsExpectations, ReasonCode, token_names, verify_jws};
use super::{AUDIENCE, GENESIS, Ledger, NOW, NOW_S, Person};

const MONTH_S: u64 = 31 * 86_400;

fn judge(ledger: &Ledger, jws: &str) -> ReasonCode {
    verify_jws(ledger, jws, &JwsExpectations::new(AUDIENCE, NOW)).reason
}

fn long_lived(alice: &Person) -> String {
    let changes = json!({"exp": NOW_S - 10 + MONTH_S, "sub": "somebody", "nonce": null});
    alice.sign(&json!({"typ": "at+jwt"}), &alice.claims(&changes))
}

#[test]
fn a_token_lives_longer_than_a_login_and_speaks_of_anybody() {
    let alice = Person::new(1);
    let ledger = Ledger::with(&alice);
    assert_eq!(judge(&ledger, &long_lived(&alice)), ReasonCode::Ok);
    let changes = json!({"exp": NOW_S - 9 + MONTH_S});
    let jws = alice.sign(&json!({}), &alice.claims(&changes));
    assert_eq!(judge(&ledger, &jws), ReasonCode::TokenLifetimeTooLong);
}

#[test]
fn expectations_of_purpose_age_and_nonce_are_met_or_denied() {
    let alice = Person::new(1);
    let ledger = Ledger::with(&alice);
    let jws = alice.sign(&json!({}), &alice.claims(&json!({"iat": NOW_S - 100})));
    let judge = |change: fn(&mut JwsExpectations<'static>)| {
        let mut expectations = JwsExpectations::new(AUDIENCE, NOW);
        change(&mut expectations);
        verify_jws(&ledger, &jws, &expectations).reason
    };
    assert_eq!(judge(|it| it.max_age_s = Some(40)), ReasonCode::Ok);
    assert_eq!(judge(|it| it.max_age_s = Some(39)), ReasonCode::TokenTooOld);
    assert_eq!(judge(|it| it.nonce = Some("x")), ReasonCode::NonceMismatch);
    let agreement = |it: &mut JwsExpectations<'static>| {
        it.relationship = Relationships::KEY_AGREEMENT;
    };
    assert_eq!(judge(agreement), ReasonCode::RelationshipMissing);
}

#[test]
fn a_token_signed_for_another_issuer_is_denied() {
    let (alice, bob) = (Person::new(1), Person::new(2));
    let mut ledger = Ledger::with(&alice);
    ledger.put(&bob, |_| {});
    let forged = bob.sign(&json!({}), &alice.claims(&json!({})));
    assert_eq!(judge(&ledger, &forged), ReasonCode::IssuerMismatch);
    let stolen_kid = bob.sign(&json!({"kid": alice.kid()}), &alice.claims(&json!({})));
    assert_eq!(judge(&ledger, &stolen_kid), ReasonCode::SignatureInvalid);
}

#[test]
fn a_freeze_stops_logins_only() {
    let alice = Person::new(1);
    let mut ledger = Ledger::new();
    ledger.put(&alice, |record| {
        record.frozen = super::freeze_until(NOW.plus_ms(1));
    });
    assert_eq!(judge(&ledger, &long_lived(&alice)), ReasonCode::Ok);
}

#[test]
fn a_token_is_revoked_by_jti_or_by_signing_input() {
    let alice = Person::new(1);
    let jws = long_lived(&alice);
    let exp = NOW_S - 10 + MONTH_S;
    let (input, _) = jws.rsplit_once('.').unwrap();
    let names = [
        TokenId::from_jti("j-1"),
        TokenId::from_signing_input(input.as_bytes()),
    ];
    for name in names {
        let mut ledger = Ledger::with(&alice);
        ledger.revoke(&alice.did, name, exp + 1);
        assert_eq!(
            judge(&ledger, &jws),
            ReasonCode::Ok,
            "another exp, another token"
        );
        ledger.revoke(&Person::new(2).did, name, exp);
        assert_eq!(
            judge(&ledger, &jws),
            ReasonCode::Ok,
            "only the issuer revokes"
        );
        ledger.revoke(&alice.did, name, exp);
        assert_eq!(judge(&ledger, &jws), ReasonCode::TokenRevoked);
    }
    let read = token_names(&jws).unwrap();
    assert_eq!((read.issuer, read.exp), (alice.did, exp));
    assert_eq!(read.names, names);
    assert_eq!(
        read.tags(&GENESIS)[0],
        names[0].tag(&GENESIS, &alice.did.id(), exp)
    );
}

#[test]
fn a_token_without_jti_is_named_by_its_signing_input_alone() {
    let alice = Person::new(1);
    let jws = alice.sign(&json!({}), &alice.claims(&json!({"jti": null})));
    assert_eq!(token_names(&jws).unwrap().names.len(), 1);
    let endless = alice.sign(&json!({}), &alice.claims(&json!({"exp": null})));
    assert_eq!(token_names(&endless), Err(ReasonCode::TokenWithoutExp));
}

/// Signs ES256 or ES256K with a fixed secret: the point, and the signature with low and high s.
type Es = fn(&[u8]) -> (MethodKey, [[u8; 64]; 2]);

fn es256(input: &[u8]) -> (MethodKey, [[u8; 64]; 2]) {
    use p256::ecdsa::signature::Signer as _;
    let secret = p256::ecdsa::SigningKey::from_slice(&[5; 32]).unwrap();
    let point = secret.verifying_key().to_sec1_point(true);
    let signature: p256::ecdsa::Signature = secret.sign(input);
    let low = signature.normalize_s();
    let (r, s) = low.split_scalars();
    let high = p256::ecdsa::Signature::from_scalars(r, -s).unwrap();
    let key = MethodKey::P256(point.as_bytes().try_into().unwrap());
    (key, [low, high].map(|it| it.to_bytes().into()))
}

fn es256k(input: &[u8]) -> (MethodKey, [[u8; 64]; 2]) {
    use k256::ecdsa::signature::Signer as _;
    let secret = k256::ecdsa::SigningKey::from_slice(&[5; 32]).unwrap();
    let point = secret.verifying_key().to_sec1_point(true);
    let signature: k256::ecdsa::Signature = secret.sign(input);
    let low = signature.normalize_s();
    let (r, s) = low.split_scalars();
    let high = k256::ecdsa::Signature::from_scalars(r, -s).unwrap();
    let key = MethodKey::Secp256k1(point.as_bytes().try_into().unwrap());
    (key, [low, high].map(|it| it.to_bytes().into()))
}

/// Returns a ledger where alice's method is `key`, and what she signs under `alg`.
fn with_method(alice: &Person, key: MethodKey, alg: &str) -> (Ledger, String) {
    let mut ledger = Ledger::new();
    ledger.put(alice, |record| {
        record.document.methods.as_mut_slice()[0].method.key = key;
    });
    let header = json!({"alg": alg, "kid": alice.kid()}).to_string();
    let claims = alice.claims(&json!({})).to_string();
    let parts = [header, claims].map(|it| URL_SAFE_NO_PAD.encode(it));
    (ledger, parts.join("."))
}

#[test]
fn ecdsa_methods_sign_es256_and_es256k_with_high_or_low_s() {
    let alice = Person::new(1);
    let algorithms: [(&str, Es, &str); 2] =
        [("ES256", es256, "ES256K"), ("ES256K", es256k, "ES256")];
    for (alg, sign, other) in algorithms {
        let (ledger, input) = with_method(&alice, sign(b"").0, alg);
        let signatures = sign(input.as_bytes()).1;
        for signature in signatures {
            let jws = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
            assert_eq!(judge(&ledger, &jws), ReasonCode::Ok, "{alg}");
        }
        let mut wrong = signatures[0];
        wrong[5] ^= 1;
        let jws = format!("{input}.{}", URL_SAFE_NO_PAD.encode(wrong));
        assert_eq!(judge(&ledger, &jws), ReasonCode::SignatureInvalid);
        let (ledger, input) = with_method(&alice, sign(b"").0, other);
        let signature = sign(input.as_bytes()).1[0];
        let jws = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
        assert_eq!(judge(&ledger, &jws), ReasonCode::KeyTypeMismatch);
        let eddsa = alice.sign(&json!({}), &alice.claims(&json!({})));
        assert_eq!(judge(&ledger, &eddsa), ReasonCode::KeyTypeMismatch);
    }
}

/// Goal: a passkey logs nobody in, even if its point is registered as a method. Method: what the
/// passkey signs for a login challenge, sent as the signature of a token and as a token itself.
#[test]
fn an_assertion_is_no_login() {
    use p256::ecdsa::signature::Signer as _;
    let secret = p256::ecdsa::SigningKey::from_slice(&[5; 32]).unwrap();
    let alice = Person::new(1);
    let (ledger, input) = with_method(&alice, es256(b"").0, "ES256");
    let challenge = URL_SAFE_NO_PAD.encode(sha2_256(input.as_bytes()).0);
    let client_data = format!(
        r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"https://a.example","crossOrigin":false}}"#
    );
    let rp_id_hash = sha2_256(b"a.example").0;
    let authenticator_data = [rp_id_hash.as_slice(), &[5, 0, 0, 0, 1]].concat();
    let client_hash = sha2_256(client_data.as_bytes()).0;
    let message = [authenticator_data.as_slice(), &client_hash].concat();
    let signature: p256::ecdsa::Signature = secret.sign(&message);
    let signature = URL_SAFE_NO_PAD.encode(signature.to_bytes());
    let jws = format!("{input}.{signature}");
    assert_eq!(judge(&ledger, &jws), ReasonCode::SignatureInvalid);
    let parts = [authenticator_data, client_data.into_bytes()].map(|it| URL_SAFE_NO_PAD.encode(it));
    let jws = format!("{}.{signature}", parts.join("."));
    assert_eq!(judge(&ledger, &jws), ReasonCode::Malformed);
}

#[test]
fn malformed_tokens_are_denied_as_such() {
    let alice = Person::new(1);
    let ledger = Ledger::with(&alice);
    let good = alice.sign(&json!({}), &alice.claims(&json!({})));
    let kid = alice.kid();
    let claims = alice.claims(&json!({})).to_string();
    let twice = format!(r#"{{"alg":"EdDSA","alg":"EdDSA","kid":"{kid}"}}"#);
    let doubled = claims.replacen('{', r#"{"nonce":"x","#, 1);
    let header = json!({"alg": "EdDSA", "kid": kid}).to_string();
    let cases = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        format!("{good}."),
        format!("{good}.x"),
        format!("{good}="),
        good[..good.len() - 2].to_owned(),
        good.replacen('.', "..", 1),
        format!(" {good}"),
        alice.sign_raw(&twice, &claims),
        alice.sign_raw(&header, &doubled),
        alice.sign_raw("[]", &claims),
        alice.sign_raw(&header, "\"x\""),
        alice.sign_raw(&header, "{} x"),
        "x".repeat(8193),
    ];
    for jws in cases {
        assert_eq!(judge(&ledger, &jws), ReasonCode::Malformed, "{jws}");
    }
}

#[test]
fn stray_bits_in_the_last_character_are_refused() {
    let alice = Person::new(1);
    let ledger = Ledger::with(&alice);
    let good = alice.sign(&json!({}), &alice.claims(&json!({})));
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = good.chars().last().unwrap();
    let position = alphabet.find(last).unwrap();
    let next = alphabet.chars().nth(position ^ 1).unwrap();
    let stray = format!("{}{next}", &good[..good.len() - 1]);
    assert_eq!(judge(&ledger, &good), ReasonCode::Ok);
    assert_eq!(judge(&ledger, &stray), ReasonCode::Malformed);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever one byte becomes, the token is not allowed any more.
    #[test]
    fn a_changed_character_never_passes(position in 0usize..4096, character in "[ -~]") {
        let alice = Person::new(1);
        let ledger = Ledger::with(&alice);
        let good = alice.sign(&json!({}), &alice.claims(&json!({})));
        let position = position % good.len();
        prop_assume!(good[position..=position] != character);
        let mut changed = good.clone();
        changed.replace_range(position..=position, &character);
        prop_assert_ne!(judge(&ledger, &changed), ReasonCode::Ok);
    }
}
