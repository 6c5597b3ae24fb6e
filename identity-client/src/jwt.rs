//! JSON Web Tokens signed with a key that the ledger lists.
//!
//! Header: `{"alg":"EdDSA","kid":"<did>#<fragment>","typ":"JWT"}`, Ed25519 by RFC 8032. Two uses:
//!
//! - a *login answer* proves, to one audience and for one nonce, that its holder is the DID:
//!   `iss` = `sub` = `client_id` = the DID, `aud`, `nonce`, `iat`, `exp`, `jti`;
//! - a *token* is issued for others to present: `iss`, `sub`, optionally `aud`, `iat`, `exp`,
//!   `jti`. Its issuer can revoke it on the ledger.
//!
//! A `jti` is 128 random bits, so that nobody can guess what a revocation tag stands for. Nothing
//! here verifies a signature: that is the node's `identity_verifyLogin` and `identity_verifyJws`,
//! which also know which keys are in force.

use allod_primitives::limits::TOKEN_LIFETIME_S_MAX;
use allod_primitives::token::TokenId;
use allod_primitives::{Did, H256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::keys::{KeyFileError, MethodSecret, random_bytes};

/// Seconds a login answer may live.
pub const LOGIN_LIFETIME_S_MAX: u64 = 15 * 60;
/// Bytes of the longest token read.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Why a token cannot be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not three parts of base64url, the first two JSON objects.
    #[error("not a JSON Web Token")]
    Malformed,
    /// Longer than any token is.
    #[error("token of {bytes} bytes exceeds {TOKEN_BYTES_MAX}")]
    TooLong {
        /// Length found.
        bytes: usize,
    },
    /// A token without the claim, or with one of another type.
    #[error("the token has no claim {claim}")]
    NoClaim {
        /// Name of the claim.
        claim: &'static str,
    },
    /// A life of no time, or longer than verifiers accept.
    #[error("a lifetime of {seconds} s is not within 1 to {max} s")]
    Lifetime {
        /// What was asked for.
        seconds: u64,
        /// What verifiers accept.
        max: u64,
    },
    /// A further claim that would replace one this module sets.
    #[error("claim {claim} is set by allod")]
    ReservedClaim {
        /// Name of the claim.
        claim: String,
    },
    /// No randomness for the `jti`.
    #[error(transparent)]
    Entropy(#[from] KeyFileError),
}

impl TokenError {
    /// Says what to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Malformed => "a token is header.payload.signature, each base64url".into(),
            Self::TooLong { .. } => "is this the right file?".into(),
            Self::NoClaim { claim } => {
                format!("verifiers refuse tokens without {claim}; `allod token issue` sets it")
            }
            Self::Lifetime { max, .. } => format!("choose at most {max} s"),
            Self::ReservedClaim { .. } => "choose another name for the further claim".into(),
            Self::Entropy(error) => error.hint(),
        }
    }
}

/// What a service asks of somebody who wants to log in.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Challenge {
    /// Who asks; the answer is good for nobody else.
    pub audience: String,
    /// 128 random bits, good once.
    pub nonce: String,
    /// Seconds since 1970 after which the service forgets it.
    pub expires: u64,
}

impl Challenge {
    /// Returns a new challenge of `audience`, good for `lifetime_s` seconds from `now_s`.
    ///
    /// # Errors
    /// [`TokenError::Lifetime`] beyond [`LOGIN_LIFETIME_S_MAX`].
    pub fn new(audience: &str, now_s: u64, lifetime_s: u64) -> Result<Self, TokenError> {
        check_lifetime(lifetime_s, LOGIN_LIFETIME_S_MAX)?;
        Ok(Self {
            audience: audience.to_owned(),
            nonce: random_id()?,
            expires: now_s.saturating_add(lifetime_s),
        })
    }
}

/// Returns the answer of `did` to `challenge`, signed with `method`.
///
/// `now_s`: seconds since 1970. It lives until the challenge expires, at most
/// [`LOGIN_LIFETIME_S_MAX`].
///
/// # Errors
/// [`TokenError::Lifetime`] if the challenge has expired.
pub fn login_answer(
    did: &Did,
    method: &MethodSecret,
    challenge: &Challenge,
    now_s: u64,
) -> Result<String, TokenError> {
    let left = challenge.expires.saturating_sub(now_s);
    let lifetime = left.min(LOGIN_LIFETIME_S_MAX);
    check_lifetime(lifetime, LOGIN_LIFETIME_S_MAX)?;
    let name = did.to_string();
    let claims = json!({
        "iss": name,
        "sub": name,
        "client_id": name,
        "aud": challenge.audience,
        "nonce": challenge.nonce,
        "iat": now_s,
        "exp": now_s.saturating_add(lifetime),
        "jti": random_id()?,
    });
    Ok(sign(did, method, &claims))
}

/// What a token says besides who issued it.
#[derive(Clone, Debug, Default)]
pub struct TokenRequest {
    /// Whom it is about; the issuer if `None`.
    pub subject: Option<String>,
    /// For whom it is; anybody if `None`.
    pub audience: Option<String>,
    /// Seconds it lives, 1 to 31 days.
    pub lifetime_s: u64,
    /// Further claims.
    pub claims: Map<String, Value>,
}

/// A token, and what names it on the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedToken {
    /// The token.
    pub jwt: String,
    /// Its `jti`.
    pub jti: String,
    /// Its `exp`, seconds since 1970.
    pub exp: u64,
}

/// Issues a token of `did`, signed with `method`. `now_s`: seconds since 1970.
///
/// # Errors
/// [`TokenError::Lifetime`] if it would live longer than verifiers accept,
/// [`TokenError::ReservedClaim`] if a further claim has a name used here.
pub fn issue_token(
    did: &Did,
    method: &MethodSecret,
    request: &TokenRequest,
    now_s: u64,
) -> Result<IssuedToken, TokenError> {
    check_lifetime(request.lifetime_s, TOKEN_LIFETIME_S_MAX)?;
    let issuer = did.to_string();
    let jti = random_id()?;
    let exp = now_s.saturating_add(request.lifetime_s);
    let mut claims = Map::new();
    let subject = request.subject.clone();
    claims.insert("iss".into(), json!(issuer));
    claims.insert("sub".into(), json!(subject.unwrap_or(issuer)));
    if let Some(audience) = &request.audience {
        claims.insert("aud".into(), json!(audience));
    }
    claims.insert("iat".into(), json!(now_s));
    claims.insert("exp".into(), json!(exp));
    claims.insert("jti".into(), json!(jti));
    for (claim, value) in &request.claims {
        if claims.contains_key(claim) || claim == "aud" || claim == "nbf" {
            return Err(TokenError::ReservedClaim {
                claim: claim.clone(),
            });
        }
        claims.insert(claim.clone(), value.clone());
    }
    let jwt = sign(did, method, &Value::Object(claims));
    Ok(IssuedToken { jwt, jti, exp })
}

/// A token taken apart. Nothing of it has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unverified {
    /// Header.
    pub header: Map<String, Value>,
    /// Claims.
    pub claims: Map<String, Value>,
    /// What its signature is over.
    pub signing_input: String,
}

impl Unverified {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`TokenError::TooLong`] or [`TokenError::Malformed`].
    pub fn parse(jwt: &str) -> Result<Self, TokenError> {
        if jwt.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong { bytes: jwt.len() });
        }
        let (signing_input, _signature) = jwt.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = signing_input.split_once('.').ok_or(TokenError::Malformed)?;
        Ok(Self {
            header: object(header)?,
            claims: object(claims)?,
            signing_input: signing_input.to_owned(),
        })
    }

    /// Returns who claims to have issued it.
    ///
    /// # Errors
    /// [`TokenError::NoClaim`] unless `iss` is a DID of this method.
    pub fn issuer(&self) -> Result<Did, TokenError> {
        let text = self.claims.get("iss").and_then(Value::as_str);
        text.and_then(|it| it.parse().ok())
            .ok_or(TokenError::NoClaim { claim: "iss" })
    }

    /// Returns when it expires, seconds since 1970.
    ///
    /// # Errors
    /// [`TokenError::NoClaim`] unless `exp` is a whole number.
    pub fn expires(&self) -> Result<u64, TokenError> {
        let exp = self.claims.get("exp").and_then(Value::as_u64);
        exp.ok_or(TokenError::NoClaim { claim: "exp" })
    }

    /// Returns what names it in a revocation: its `jti`, or else its signing input.
    pub fn token_id(&self) -> TokenId {
        match self.claims.get("jti").and_then(Value::as_str) {
            Some(jti) => TokenId::from_jti(jti),
            None => TokenId::from_signing_input(self.signing_input.as_bytes()),
        }
    }

    /// Returns the tag under which the ledger lists it once it is revoked.
    ///
    /// # Errors
    /// [`TokenError::NoClaim`] without `iss` or `exp`.
    pub fn tag(&self, genesis: &H256) -> Result<H256, TokenError> {
        let issuer = self.issuer()?.id();
        Ok(self.token_id().tag(genesis, &issuer, self.expires()?))
    }
}

/// Returns the compact JWS of `claims` by `method` of `did`.
pub fn sign(did: &Did, method: &MethodSecret, claims: &Value) -> String {
    let kid = format!("{did}#{}", method.fragment);
    let header = json!({ "alg": "EdDSA", "kid": kid, "typ": "JWT" });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", part(&header), part(claims));
    let signature = method.key.sign(input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature.0))
}

fn object(part: &str) -> Result<Map<String, Value>, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part);
    let bytes = bytes.map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

fn random_id() -> Result<String, TokenError> {
    Ok(URL_SAFE_NO_PAD.encode(random_bytes::<16>()?))
}

const fn check_lifetime(seconds: u64, max: u64) -> Result<(), TokenError> {
    if seconds == 0 || seconds > max {
        return Err(TokenError::Lifetime { seconds, max });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
