use allod_primitives::crypto::verify_jws_ed25519;
use allod_primitives::{DidId, NetworkId, Signature};

use super::*;
use crate::keys::SecretKey;

fn did() -> Did {
    Did::new(NetworkId::from_genesis(&H256([9; 32])), DidId([5; 32]))
}

fn method() -> MethodSecret {
    MethodSecret {
        fragment: "key-1".into(),
        key: SecretKey::from_seed([1; 32]),
        retired: false,
    }
}

fn verifies(jwt: &str) -> bool {
    let (input, signature) = jwt.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let signature = Signature(signature.try_into().unwrap());
    verify_jws_ed25519(&method().key.public(), input.as_bytes(), &signature).is_ok()
}

#[test]
fn a_login_answer_names_its_key_audience_and_nonce_and_verifies() {
    let challenge = Challenge::new("https://app.example", 1000, 120).unwrap();
    let jwt = login_answer(&did(), &method(), &challenge, 1010).unwrap();
    let token = Unverified::parse(&jwt).unwrap();
    assert!(verifies(&jwt));
    assert_eq!(token.header["alg"], "EdDSA");
    assert_eq!(token.header["kid"], format!("{}#key-1", did()));
    for claim in ["iss", "sub", "client_id"] {
        assert_eq!(token.claims[claim], did().to_string());
    }
    assert_eq!(token.claims["aud"], "https://app.example");
    assert_eq!(token.claims["nonce"], challenge.nonce);
    assert_eq!(
        (token.claims["iat"].as_u64(), token.expires().unwrap()),
        (Some(1010), 1120)
    );
}

#[test]
fn an_expired_challenge_is_not_answered() {
    let challenge = Challenge::new("https://app.example", 1000, 120).unwrap();
    let answer = login_answer(&did(), &method(), &challenge, 1120);
    assert!(matches!(
        answer,
        Err(TokenError::Lifetime { seconds: 0, .. })
    ));
    let long = Challenge::new("https://app.example", 1000, LOGIN_LIFETIME_S_MAX + 1);
    assert!(matches!(long, Err(TokenError::Lifetime { .. })));
}

#[test]
fn a_token_carries_128_random_bits_and_its_further_claims() {
    let mut request = TokenRequest {
        audience: Some("https://store.example".into()),
        lifetime_s: 3600,
        ..TokenRequest::default()
    };
    request.claims.insert("role".into(), json!("guest"));
    let issued = issue_token(&did(), &method(), &request, 50).unwrap();
    let again = issue_token(&did(), &method(), &request, 50).unwrap();
    let token = Unverified::parse(&issued.jwt).unwrap();
    assert!(verifies(&issued.jwt));
    assert_ne!(issued.jti, again.jti);
    assert_eq!(URL_SAFE_NO_PAD.decode(&issued.jti).unwrap().len(), 16);
    assert_eq!(token.claims["role"], "guest");
    assert_eq!(token.claims["sub"], did().to_string());
    assert_eq!(issued.exp, 3650);
    let tag = TokenId::from_jti(&issued.jti).tag(&H256([9; 32]), &did().id(), 3650);
    assert_eq!(token.tag(&H256([9; 32])).unwrap(), tag);
}

#[test]
fn claims_of_ours_cannot_be_replaced_and_lives_are_bounded() {
    let mut request = TokenRequest {
        lifetime_s: TOKEN_LIFETIME_S_MAX + 1,
        ..TokenRequest::default()
    };
    let long = issue_token(&did(), &method(), &request, 0);
    assert!(matches!(long, Err(TokenError::Lifetime { .. })));
    request.lifetime_s = 10;
    request
        .claims
        .insert("iss".into(), json!("did:example:eve"));
    let replaced = issue_token(&did(), &method(), &request, 0);
    assert!(matches!(replaced, Err(TokenError::ReservedClaim { .. })));
}

#[test]
fn what_is_not_a_token_is_refused() {
    for text in ["", "a.b", "a.b.c", "e30.e30", "e30.W10.AA"] {
        assert!(Unverified::parse(text).is_err(), "{text}");
    }
    let long = "a".repeat(TOKEN_BYTES_MAX + 1);
    assert!(matches!(
        Unverified::parse(&long),
        Err(TokenError::TooLong { .. })
    ));
}

#[test]
fn a_token_without_jti_is_named_by_its_signing_input() {
    let jwt = sign(
        &did(),
        &method(),
        &json!({ "iss": did().to_string(), "exp": 9 }),
    );
    let token = Unverified::parse(&jwt).unwrap();
    assert!(matches!(token.token_id(), TokenId::SigningInput(_)));
}
