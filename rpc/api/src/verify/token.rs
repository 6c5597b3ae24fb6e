//! Logins and tokens: a JWS, judged against the ledger.

use allod_primitives::control::Effective;
use allod_primitives::document::{MethodKey, Relationships, RetiredMethod};
use allod_primitives::limits::{TOKEN_LEEWAY_S, TOKEN_LIFETIME_S_MAX};
use allod_primitives::token::RevocationEntry;
use allod_primitives::{Did, TimeMs, keys};

use super::decision::Decision;
use super::jws::ParsedJws;
use super::reason::ReasonCode;
use super::view::{LedgerView, active_record, check_fresh, judged_at, network, read};
use crate::limits::{LOGIN_LIFETIME_S_MAX, STALENESS_MS_DEFAULT};

/// `typ` values a login may carry, lower case.
const LOGIN_TYPES: [&str; 2] = ["jwt", "application/jwt"];

/// What a verifier expects of a token.
#[derive(Clone, Copy, Debug)]
pub struct JwsExpectations<'a> {
    /// The name this verifier goes by; `aud` must hold it.
    pub audience: &'a str,
    /// If set, the token's `nonce` must equal it.
    pub nonce: Option<&'a str>,
    /// What the signing method must be for.
    pub relationship: Relationships,
    /// If set, how many seconds ago the token may have been issued at most.
    pub max_age_s: Option<u64>,
    /// The verifier's clock.
    pub now: TimeMs,
    /// How far the view's block may lie behind that clock, ms.
    pub max_staleness_ms: u64,
}

/// What a verifier expects of the answer to its challenge.
#[derive(Clone, Copy, Debug)]
pub struct LoginExpectations<'a> {
    /// The name this verifier goes by; `aud` must hold it.
    pub audience: &'a str,
    /// The challenge's nonce. Using it once is the verifier's own duty.
    pub nonce: &'a str,
    /// The verifier's clock.
    pub now: TimeMs,
    /// How far the view's block may lie behind that clock, ms.
    pub max_staleness_ms: u64,
}

impl<'a> JwsExpectations<'a> {
    /// Expects a token for `audience`, signed by a method for assertions, with a fresh view.
    pub const fn new(audience: &'a str, now: TimeMs) -> Self {
        Self {
            audience,
            nonce: None,
            relationship: Relationships::ASSERTION_METHOD,
            max_age_s: None,
            now,
            max_staleness_ms: STALENESS_MS_DEFAULT,
        }
    }
}

impl<'a> LoginExpectations<'a> {
    /// Expects the answer to the challenge `nonce`, for `audience`, with a fresh view.
    pub const fn new(audience: &'a str, nonce: &'a str, now: TimeMs) -> Self {
        Self {
            audience,
            nonce,
            now,
            max_staleness_ms: STALENESS_MS_DEFAULT,
        }
    }
}

/// Judges a token: form, purpose, time, then keys, signature and revocation as of the view's block.
///
/// Cost: two to four reads and one signature check.
///
/// Source: spec/login.md §3.
pub fn verify_jws(
    view: &impl LedgerView,
    jws: &str,
    expectations: &JwsExpectations<'_>,
) -> Decision {
    let rules = Rules {
        expected: *expectations,
        lifetime_s_max: TOKEN_LIFETIME_S_MAX,
        is_login: false,
    };
    rules.decide(view, jws)
}

/// Judges the answer to a login challenge: as [`verify_jws`], and it must live at most
/// [`LOGIN_LIFETIME_S_MAX`], be signed by a method for `authentication`, speak for itself
/// (`iss` equals `sub`) and carry the nonce.
///
/// Source: spec/login.md §3.
pub fn verify_login(
    view: &impl LedgerView,
    jws: &str,
    expectations: &LoginExpectations<'_>,
) -> Decision {
    let rules = Rules {
        expected: JwsExpectations {
            audience: expectations.audience,
            nonce: Some(expectations.nonce),
            relationship: Relationships::AUTHENTICATION,
            max_age_s: None,
            now: expectations.now,
            max_staleness_ms: expectations.max_staleness_ms,
        },
        lifetime_s_max: LOGIN_LIFETIME_S_MAX,
        is_login: true,
    };
    rules.decide(view, jws)
}

/// What a token is held against.
pub(super) struct Rules<'a> {
    /// By the verifier.
    pub(super) expected: JwsExpectations<'a>,
    /// The longest that it may live, seconds.
    pub(super) lifetime_s_max: u64,
    /// Whether the stricter rules of logins hold.
    pub(super) is_login: bool,
}

impl Rules<'_> {
    fn decide(&self, view: &impl LedgerView, jws: &str) -> Decision {
        let parsed = match ParsedJws::parse(jws) {
            Ok(parsed) => parsed,
            Err(reason) => return Decision::new(view, reason),
        };
        let reason = match self.judge(view, &parsed) {
            Ok(()) => ReasonCode::Ok,
            Err(reason) => reason,
        };
        let mut decision = Decision::new(view, reason);
        decision.did = parsed.issuer().ok().map(|did| did.to_string());
        decision.method = Some(format!("{}#{}", parsed.signer, parsed.fragment));
        decision.expires = parsed.claims.exp;
        decision
    }

    fn judge(&self, view: &impl LedgerView, jws: &ParsedJws<'_>) -> Result<(), ReasonCode> {
        let issuer = self.check_parties(view, jws)?;
        let at = judged_at(view, self.expected.now);
        let (iat, exp) = self.check_times(jws, at)?;
        self.check_purpose(jws)?;
        check_fresh(view, self.expected.now, self.expected.max_staleness_ms)?;

        let subject = active_record(view, &issuer.id())?;
        let controller = self.controller(view, jws, &issuer, &subject)?;
        let signer = controller.as_ref().unwrap_or(&subject);
        if self.is_login
            && [&subject, signer]
                .iter()
                .any(|it| it.record.is_frozen_at(at))
        {
            return Err(ReasonCode::DidFrozen);
        }
        let needed = self.expected.relationship;
        let key = method_key(view, &jws.signer, signer, &jws.fragment, needed, at)?;
        jws.verify(&key)?;

        let issued_ms = iat.saturating_mul(1000);
        if [&subject, signer]
            .iter()
            .any(|it| issued_ms < it.record.not_before.0)
        {
            return Err(ReasonCode::TokenBeforeCutoff);
        }
        for tag in jws.tags(&view.chain().genesis, &issuer.id(), exp) {
            if read::<RevocationEntry>(view, &keys::revocation(&tag))?.is_some() {
                return Err(ReasonCode::TokenRevoked);
            }
        }
        Ok(())
    }

    /// Checks who speaks for whom, as far as the token itself says.
    pub(super) fn check_parties(
        &self,
        view: &impl LedgerView,
        jws: &ParsedJws<'_>,
    ) -> Result<Did, ReasonCode> {
        if self.is_login {
            let typ = jws.typ.as_deref();
            if typ.is_some_and(|typ| !LOGIN_TYPES.contains(&typ)) {
                return Err(ReasonCode::TypeNotAllowed);
            }
        }
        let issuer = jws.issuer()?;
        if self.is_login && jws.claims.sub != jws.claims.iss {
            return Err(ReasonCode::SubjectMismatch);
        }
        if issuer != jws.signer && !self.is_login {
            return Err(ReasonCode::IssuerMismatch);
        }
        let here = network(view);
        if issuer.network() != here || jws.signer.network() != here {
            return Err(ReasonCode::WrongNetwork);
        }
        Ok(issuer)
    }

    /// Checks the time claims and returns `iat` and `exp`.
    pub(super) fn check_times(
        &self,
        jws: &ParsedJws<'_>,
        at: TimeMs,
    ) -> Result<(u64, u64), ReasonCode> {
        let now = at.seconds();
        let latest_start = now.saturating_add(TOKEN_LEEWAY_S);
        let exp = jws.claims.exp.ok_or(ReasonCode::TokenWithoutExp)?;
        let iat = jws.claims.iat.ok_or(ReasonCode::TokenWithoutIat)?;
        let lifetime = exp.checked_sub(iat).ok_or(ReasonCode::Malformed)?;
        if lifetime > self.lifetime_s_max {
            return Err(ReasonCode::TokenLifetimeTooLong);
        }
        if iat > latest_start || jws.claims.nbf.is_some_and(|nbf| nbf > latest_start) {
            return Err(ReasonCode::TokenNotYetValid);
        }
        if now >= exp.saturating_add(TOKEN_LEEWAY_S) {
            return Err(ReasonCode::TokenExpired);
        }
        let age = now.saturating_sub(iat);
        let oldest = self.expected.max_age_s;
        if oldest.is_some_and(|oldest| age > oldest.saturating_add(TOKEN_LEEWAY_S)) {
            return Err(ReasonCode::TokenTooOld);
        }
        Ok((iat, exp))
    }

    /// Checks audience and nonce. An empty expectation matches nothing.
    pub(super) fn check_purpose(&self, jws: &ParsedJws<'_>) -> Result<(), ReasonCode> {
        let audience = self.expected.audience;
        if audience.is_empty() || !jws.claims.aud.iter().any(|it| it == audience) {
            return Err(ReasonCode::AudienceMismatch);
        }
        match self.expected.nonce {
            None => Ok(()),
            Some(nonce) if !nonce.is_empty() && jws.claims.nonce.as_deref() == Some(nonce) => {
                Ok(())
            }
            Some(_) => Err(ReasonCode::NonceMismatch),
        }
    }

    /// Returns the record of the controller that signs in the subject's place, if one does.
    fn controller(
        &self,
        view: &impl LedgerView,
        jws: &ParsedJws<'_>,
        issuer: &Did,
        subject: &Effective,
    ) -> Result<Option<Effective>, ReasonCode> {
        if jws.signer == *issuer {
            return Ok(None);
        }
        if !subject.record.document.controllers.contains(&jws.signer) {
            return Err(ReasonCode::ControllerNotListed);
        }
        active_record(view, &jws.signer.id()).map(Some)
    }
}

/// Returns the key of the method `fragment` of an identity that acts, if the method is in force at
/// `at` and serves `needed`.
pub(crate) fn key_in_force(
    view: &impl LedgerView,
    did: &Did,
    fragment: &str,
    needed: Relationships,
    at: TimeMs,
) -> Result<MethodKey, ReasonCode> {
    let signer = active_record(view, &did.id())?;
    method_key(view, did, &signer, fragment, needed, at)
}

/// Returns the key of the method `fragment` if it is in force and serves `needed`.
pub(crate) fn method_key(
    view: &impl LedgerView,
    did: &Did,
    signer: &Effective,
    fragment: &str,
    needed: Relationships,
    at: TimeMs,
) -> Result<MethodKey, ReasonCode> {
    let document = &signer.record.document;
    let is_named =
        |it: &&allod_primitives::document::ActiveMethod| it.method.fragment.as_str() == fragment;
    let Some(listed) = document.methods.iter().find(is_named) else {
        // Retired by the passing of time, which nobody may have written down yet.
        let mut unwritten = signer.retired.iter();
        if unwritten.any(|it| it.method.fragment.as_str() == fragment) {
            return Err(ReasonCode::KeyRetired);
        }
        let retired: Option<RetiredMethod> = read(view, &keys::did_retired(&did.id(), fragment))?;
        return Err(match retired {
            Some(_) => ReasonCode::KeyRetired,
            None => ReasonCode::KeyUnknown,
        });
    };
    if document.method_at(fragment, at).is_none() {
        return Err(ReasonCode::KeyRetired);
    }
    if !listed.method.relationships.contains(needed) {
        return Err(ReasonCode::RelationshipMissing);
    }
    Ok(listed.method.key)
}
