//! Compact JWS: taken apart strictly, before anything in it is believed.

use allod_primitives::crypto::{Curve, verify_jws_ed25519};
use allod_primitives::did::DidId;
use allod_primitives::document::MethodKey;
use allod_primitives::token::TokenId;
use allod_primitives::{Did, H256, Signature};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::json;
use super::reason::ReasonCode;
use crate::limits::{AUDIENCE_CHARS_MAX, AUDIENCES_MAX, JTI_CHARS_MAX, JWS_CHARS_MAX};

/// Header parameters that would change what the signature means or bring a key along.
const FORBIDDEN_PARAMETERS: [&str; 8] =
    ["crit", "b64", "jwk", "jku", "x5c", "x5u", "x5t", "x5t#S256"];

/// A signature algorithm that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    /// `EdDSA` or `Ed25519`.
    Ed25519,
    /// `ES256`.
    Es256,
    /// `ES256K`.
    Es256k,
}

/// A JWS taken apart; nothing about it is verified yet.
pub(crate) struct ParsedJws<'a> {
    signing_input: &'a str,
    algorithm: Algorithm,
    signature: Signature,
    /// `typ`, lower case.
    pub(crate) typ: Option<String>,
    /// DID of `kid`.
    pub(crate) signer: Did,
    /// Fragment of `kid`.
    pub(crate) fragment: String,
    /// The claims that checks look at.
    pub(crate) claims: Claims,
}

/// The registered claims, by type; others are ignored.
#[derive(Default)]
pub(crate) struct Claims {
    pub(crate) iss: Option<String>,
    pub(crate) sub: Option<String>,
    pub(crate) aud: Vec<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) jti: Option<String>,
    pub(crate) iat: Option<u64>,
    pub(crate) nbf: Option<u64>,
    pub(crate) exp: Option<u64>,
}

/// What names a token on the ledger, read from the token itself. Nothing about it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenNames {
    /// DID of the issuer.
    pub issuer: Did,
    /// The `exp` claim, seconds.
    pub exp: u64,
    /// Names under which the token may be revoked: by `jti` if it has one, then by signing input.
    pub names: Vec<TokenId>,
}

impl TokenNames {
    /// Returns the tags under which the ledger may list the token. `genesis`: the origin's.
    pub fn tags(&self, genesis: &H256) -> Vec<H256> {
        let tag = |name: &TokenId| name.tag(genesis, &self.issuer.id(), self.exp);
        self.names.iter().map(tag).collect()
    }
}

/// Reads what names a token on the ledger; the signature is not checked.
///
/// # Errors
/// The [`ReasonCode`] for which a verifier would deny such a token.
pub fn token_names(jws: &str) -> Result<TokenNames, ReasonCode> {
    let parsed = ParsedJws::parse(jws)?;
    let issuer = parsed.issuer()?;
    Ok(TokenNames {
        issuer,
        exp: parsed.claims.exp.ok_or(ReasonCode::TokenWithoutExp)?,
        names: parsed.names(),
    })
}

impl<'a> ParsedJws<'a> {
    /// Takes `jws` apart.
    pub(crate) fn parse(jws: &'a str) -> Result<Self, ReasonCode> {
        if jws.len() > JWS_CHARS_MAX {
            return Err(ReasonCode::Malformed);
        }
        let (signing_input, signature) = jws.rsplit_once('.').ok_or(ReasonCode::Malformed)?;
        let (header, payload) = signing_input
            .split_once('.')
            .filter(|(_, payload)| !payload.contains('.'))
            .ok_or(ReasonCode::Malformed)?;
        let header = json::object(&decoded(header)?).ok_or(ReasonCode::Malformed)?;
        let algorithm = match text(&header, "alg")?.as_deref() {
            Some("EdDSA" | "Ed25519") => Algorithm::Ed25519,
            Some("ES256") => Algorithm::Es256,
            Some("ES256K") => Algorithm::Es256k,
            _ => return Err(ReasonCode::AlgorithmNotAllowed),
        };
        if FORBIDDEN_PARAMETERS
            .iter()
            .any(|name| header.contains_key(*name))
        {
            return Err(ReasonCode::CriticalHeader);
        }
        let claims = json::object(&decoded(payload)?).ok_or(ReasonCode::Malformed)?;
        let signature = decoded(signature)?.try_into();
        let signature = Signature(signature.map_err(|_| ReasonCode::Malformed)?);
        let (signer, fragment) = key_id(text(&header, "kid")?.as_deref())?;
        Ok(Self {
            signing_input,
            algorithm,
            signature,
            typ: text(&header, "typ")?.map(|typ| typ.to_ascii_lowercase()),
            signer,
            fragment,
            claims: Claims::read(&claims)?,
        })
    }

    /// Returns the issuer: `iss`, a DID.
    pub(crate) fn issuer(&self) -> Result<Did, ReasonCode> {
        let issuer = self.claims.iss.as_deref();
        let issuer = issuer.and_then(|text| text.parse().ok());
        issuer.ok_or(ReasonCode::IssuerMismatch)
    }

    /// Returns the names under which the token may be revoked.
    pub(crate) fn names(&self) -> Vec<TokenId> {
        let by_jti = self.claims.jti.as_deref().map(TokenId::from_jti);
        let by_input = TokenId::from_signing_input(self.signing_input.as_bytes());
        by_jti.into_iter().chain([by_input]).collect()
    }

    /// Returns the tags under which the token may be revoked.
    pub(crate) fn tags(&self, genesis: &H256, issuer: &DidId, exp: u64) -> Vec<H256> {
        let names = self.names();
        names
            .iter()
            .map(|name| name.tag(genesis, issuer, exp))
            .collect()
    }

    /// Verifies the signature under `key`.
    ///
    /// Cost: one signature check; a P-256 one costs about four times an Ed25519 one.
    pub(crate) fn verify(&self, key: &MethodKey) -> Result<(), ReasonCode> {
        let message = self.signing_input.as_bytes();
        let verified = match (self.algorithm, key) {
            (Algorithm::Ed25519, MethodKey::Ed25519(key)) => {
                verify_jws_ed25519(key, message, &self.signature)
            }
            (Algorithm::Es256, MethodKey::P256(key)) => {
                Curve::P256.verify_jws(key, message, &self.signature.0)
            }
            (Algorithm::Es256k, MethodKey::Secp256k1(key)) => {
                Curve::Secp256k1.verify_jws(key, message, &self.signature.0)
            }
            _ => return Err(ReasonCode::KeyTypeMismatch),
        };
        verified.map_err(|_| ReasonCode::SignatureInvalid)
    }
}

impl Claims {
    fn read(members: &Map<String, Value>) -> Result<Self, ReasonCode> {
        let claims = Self {
            iss: text(members, "iss")?,
            sub: text(members, "sub")?,
            aud: audiences(members.get("aud"))?,
            nonce: text(members, "nonce")?,
            jti: text(members, "jti")?,
            iat: seconds(members, "iat")?,
            nbf: seconds(members, "nbf")?,
            exp: seconds(members, "exp")?,
        };
        if claims
            .jti
            .as_ref()
            .is_some_and(|jti| jti.len() > JTI_CHARS_MAX)
        {
            return Err(ReasonCode::Malformed);
        }
        Ok(claims)
    }
}

/// Decodes base64url without padding; other alphabets and stray bits are refused.
fn decoded(part: &str) -> Result<Vec<u8>, ReasonCode> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| ReasonCode::Malformed)
}

/// Reads `kid`: an absolute DID URL that is a DID and a fragment, nothing between them.
fn key_id(kid: Option<&str>) -> Result<(Did, String), ReasonCode> {
    let (did, fragment) = kid
        .and_then(|kid| kid.split_once('#'))
        .ok_or(ReasonCode::KidNotAbsolute)?;
    if did.is_empty() || fragment.is_empty() {
        return Err(ReasonCode::KidNotAbsolute);
    }
    let did = did.parse().map_err(|_| ReasonCode::KidNotAbsolute)?;
    Ok((did, fragment.to_owned()))
}

fn text(members: &Map<String, Value>, name: &str) -> Result<Option<String>, ReasonCode> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(ReasonCode::Malformed),
    }
}

/// Reads a NumericDate; only whole seconds since 1970 are accepted.
fn seconds(members: &Map<String, Value>, name: &str) -> Result<Option<u64>, ReasonCode> {
    match members.get(name) {
        None => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or(ReasonCode::Malformed),
    }
}

fn audiences(value: Option<&Value>) -> Result<Vec<String>, ReasonCode> {
    let one = |value: &Value| match value {
        Value::String(text) if text.len() <= AUDIENCE_CHARS_MAX => Ok(text.clone()),
        _ => Err(ReasonCode::Malformed),
    };
    match value {
        None => Ok(Vec::new()),
        Some(Value::Array(list)) if list.len() <= AUDIENCES_MAX => list.iter().map(one).collect(),
        Some(Value::Array(_)) => Err(ReasonCode::Malformed),
        Some(value) => one(value).map(|audience| vec![audience]),
    }
}
