//! Verification methods as JSON Web Keys.

use allod_primitives::document::MethodKey;
use allod_primitives::sha2_256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Writes a key as JWK, with `alg` and, as `kid`, its RFC 7638 thumbprint. `None` if it is no
/// point of its curve, which no registered key is.
///
/// Cost: of the two ECDSA curves, one square root.
///
/// Source: Controlled Identifiers v1.0, JsonWebKey; RFC 7517, 8037, 8812, 9864.
pub(super) fn jwk(key: &MethodKey) -> Option<Value> {
    let (x, y) = match key {
        MethodKey::Ed25519(key) => (key.0, None),
        MethodKey::X25519(key) => (*key, None),
        MethodKey::P256(key) => {
            let point = p256::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?;
            affine(point.to_sec1_point(false).as_bytes())?
        }
        MethodKey::Secp256k1(key) => {
            let point = k256::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?;
            affine(point.to_sec1_point(false).as_bytes())?
        }
    };
    let (kty, crv, alg) = match key {
        MethodKey::Ed25519(_) => ("OKP", "Ed25519", Some("Ed25519")),
        MethodKey::X25519(_) => ("OKP", "X25519", None),
        MethodKey::P256(_) => ("EC", "P-256", Some("ES256")),
        MethodKey::Secp256k1(_) => ("EC", "secp256k1", Some("ES256K")),
    };
    let x = URL_SAFE_NO_PAD.encode(x);
    let y = y.map(|it| URL_SAFE_NO_PAD.encode(it));
    // The required members, in the order of their names, without spaces.
    let thumbprinted = match &y {
        Some(y) => format!(r#"{{"crv":"{crv}","kty":"{kty}","x":"{x}","y":"{y}"}}"#),
        None => format!(r#"{{"crv":"{crv}","kty":"{kty}","x":"{x}"}}"#),
    };
    let kid = URL_SAFE_NO_PAD.encode(sha2_256(thumbprinted.as_bytes()).0);
    let mut jwk = json!({"kty": kty, "crv": crv, "x": x, "kid": kid});
    if let Some(y) = y {
        jwk["y"] = Value::String(y);
    }
    if let Some(alg) = alg {
        jwk["alg"] = Value::String(alg.to_owned());
    }
    Some(jwk)
}

/// Splits an uncompressed point, `4 ++ x ++ y`.
fn affine(point: &[u8]) -> Option<([u8; 32], Option<[u8; 32]>)> {
    let (first, coordinates) = point.split_first()?;
    let (x, y) = coordinates.split_at_checked(32)?;
    match first {
        4 => Some((x.try_into().ok()?, Some(y.try_into().ok()?))),
        _ => None,
    }
}
