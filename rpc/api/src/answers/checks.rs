//! The verdicts: `identity_verifyLogin`, `identity_verifyJws`, `revocation_check`, `grant_check`,
//! `access_evaluate`.
//!
//! `now` is the answerer's clock; it counts where the request gives none.

use allod_primitives::calls::GrantStanding;
use allod_primitives::control::effective;
use allod_primitives::did::Did;
use allod_primitives::document::Relationships;
use allod_primitives::grant::{
    Actions, AnchorOpening, Assignee, GrantEntry, GrantStatus, SignedGrant,
};
use allod_primitives::limits::GRANT_CHAIN_MAX;
use allod_primitives::record::DidRecord;
use allod_primitives::token::{RevocationEntry, TokenId};
use allod_primitives::{H256, Text, TimeMs, decode_strict, keys};

use super::calls::grant_standing;
use super::error::AnswerError;
use super::view::{AnswerView, local_did, read};
use crate::access::{AccessEvaluateRequest, ActionName};
use crate::error::ErrorCode;
use crate::grant::{GrantCheckRequest, GrantCheckResponse, GrantState};
use crate::hex_bytes::HexHash;
use crate::limits::{
    AUDIENCE_CHARS_MAX, NONCE_CHARS_MAX, STALENESS_MS_DEFAULT, STALENESS_MS_MAX, URI_CHARS_MAX,
};
use crate::login::{Relationship, VerifyJwsRequest, VerifyLoginRequest};
use crate::revocation::{RevocationCheckRequest, RevocationCheckResponse};
use crate::verify::{
    self, AccessRequest, AsOfExpectations, Decision, JwsExpectations, LedgerView,
    LoginExpectations, SignatureVerdict, token_names,
};

type Answer<T> = Result<T, AnswerError>;

/// Answers `identity_verifyLogin`.
///
/// # Errors
/// [`AnswerError::Refused`] if the request asks for nothing that could be judged.
pub fn verify_login(
    view: &impl LedgerView,
    request: &VerifyLoginRequest,
    now: TimeMs,
) -> Answer<Decision> {
    check_audience(&request.audience)?;
    if request.nonce.is_empty() {
        return Err(ErrorCode::LoginNonceRequired.into());
    }
    check_length("nonce", &request.nonce, NONCE_CHARS_MAX)?;
    let expectations = LoginExpectations {
        audience: &request.audience,
        nonce: &request.nonce,
        now: clock(now, request.time),
        max_staleness_ms: staleness(request.max_staleness_ms),
    };
    Ok(verify::verify_login(view, &request.jws, &expectations))
}

/// Answers `identity_verifyJws` without `asOf`: may this token pass now?
///
/// # Errors
/// As [`verify_login`]; also if `asOf` or evidence is given, which ask something else.
pub fn verify_jws(
    view: &impl LedgerView,
    request: &VerifyJwsRequest,
    now: TimeMs,
) -> Answer<Decision> {
    if request.as_of.is_some() || request.evidence.is_some() {
        let detail = "evidence counts with asOf alone, and asOf asks for no decision";
        return Err(ErrorCode::InvalidParams.with(detail).into());
    }
    let expectations = expected(request, now)?;
    Ok(verify::verify_jws(view, &request.jws, &expectations))
}

/// Answers `identity_verifyJws` with `asOf`: was this token's signature good then?
///
/// # Errors
/// As [`verify_login`]; also if `asOf` is not given.
pub fn verify_jws_as_of(
    view: &impl LedgerView,
    request: &VerifyJwsRequest,
    now: TimeMs,
) -> Answer<SignatureVerdict> {
    let token = expected(request, now)?;
    let none = || ErrorCode::InvalidParams.with("asOf is missing");
    let expectations = AsOfExpectations {
        token,
        as_of: TimeMs(request.as_of.ok_or_else(none)?),
        evidence: request.evidence.map(AnchorOpening::from),
    };
    Ok(verify::verify_jws_as_of(view, &request.jws, &expectations))
}

fn expected(request: &VerifyJwsRequest, now: TimeMs) -> Answer<JwsExpectations<'_>> {
    check_audience(&request.audience)?;
    Ok(JwsExpectations {
        audience: &request.audience,
        nonce: request.nonce.as_deref(),
        relationship: match request.relationship.unwrap_or_default() {
            Relationship::Authentication => Relationships::AUTHENTICATION,
            Relationship::AssertionMethod => Relationships::ASSERTION_METHOD,
            Relationship::CapabilityInvocation => Relationships::CAPABILITY_INVOCATION,
            Relationship::CapabilityDelegation => Relationships::CAPABILITY_DELEGATION,
        },
        max_age_s: request.max_age_s,
        now: clock(now, request.time),
        max_staleness_ms: staleness(request.max_staleness_ms),
    })
}

/// Answers `revocation_check`.
///
/// # Errors
/// [`AnswerError`].
pub fn check_revocation(
    view: &impl AnswerView,
    request: &RevocationCheckRequest,
) -> Answer<RevocationCheckResponse> {
    let (height, time) = view.head();
    let (issuer, tags) = revocation_tags(view, request)?;
    let mut found = None;
    for tag in &tags {
        if let Some(entry) = read::<RevocationEntry>(view, &keys::revocation(tag))? {
            found = Some((*tag, entry));
            break;
        }
    }
    let not_before = match issuer {
        None => None,
        Some(issuer) => read::<DidRecord>(view, &keys::did_record(&issuer.id()))?,
    };
    let not_before = not_before.map(|record| effective(&record, time).record);
    let first = tags.first().copied().unwrap_or_default();
    Ok(RevocationCheckResponse {
        revoked: found.is_some(),
        tag: HexHash(found.map_or(first, |(tag, _)| tag)),
        revoked_at: found.map(|(_, entry)| entry.revoked_at.0),
        not_before: not_before.map(|record| record.not_before.0),
        height: height.0,
        block_hash: view.block_hash().into(),
        time: time.0,
    })
}

/// Returns the tags under which the token asked about may be listed, and its issuer if known.
fn revocation_tags(
    view: &impl AnswerView,
    request: &RevocationCheckRequest,
) -> Answer<(Option<Did>, Vec<H256>)> {
    let genesis = view.chain().genesis;
    let malformed = || AnswerError::from(ErrorCode::TokenMalformed);
    match request {
        RevocationCheckRequest {
            tag: Some(tag),
            jws: None,
            issuer: None,
            exp: None,
            jti: None,
            signing_input_hash: None,
        } => Ok((None, vec![tag.0])),
        RevocationCheckRequest {
            tag: None,
            jws: Some(jws),
            issuer: None,
            exp: None,
            jti: None,
            signing_input_hash: None,
        } => {
            let names = token_names(jws)
                .map_err(|reason| ErrorCode::TokenMalformed.with(reason.message()))?;
            let issuer = local_did(view, &names.issuer.to_string())?;
            Ok((Some(issuer), names.tags(&genesis)))
        }
        RevocationCheckRequest {
            tag: None,
            jws: None,
            issuer: Some(issuer),
            exp: Some(exp),
            jti,
            signing_input_hash,
        } => {
            let issuer = local_did(view, issuer)?;
            let name = match (jti, signing_input_hash) {
                (Some(jti), None) => TokenId::from_jti(jti),
                (None, Some(hash)) => TokenId::SigningInput(hash.0),
                _ => return Err(malformed()),
            };
            Ok((Some(issuer), vec![name.tag(&genesis, &issuer.id(), *exp)]))
        }
        _ => Err(malformed()),
    }
}

/// Answers `grant_check`.
///
/// # Errors
/// [`AnswerError`].
pub fn check_grant(
    view: &impl AnswerView,
    request: &GrantCheckRequest,
) -> Answer<GrantCheckResponse> {
    let (height, time) = view.head();
    let gid = match (&request.gid, &request.grant) {
        (Some(gid), None) => gid.0,
        (None, Some(grant)) => decoded_grant(&grant.0)?.gid(&view.chain().genesis),
        _ => {
            let detail = "either gid or grant is expected";
            return Err(ErrorCode::InvalidParams.with(detail).into());
        }
    };
    let entry: Option<GrantEntry> = read(view, &keys::grant(&gid))?;
    let status = match grant_standing(entry.as_ref(), time) {
        GrantStanding::Absent => GrantState::Absent,
        GrantStanding::Revoked => GrantState::Revoked,
        GrantStanding::Expired => GrantState::Expired,
        GrantStanding::Active => GrantState::Active,
    };
    let revoked_at = entry.and_then(|entry| match entry.status {
        GrantStatus::Revoked { at } => Some(at.0),
        GrantStatus::Active => None,
    });
    Ok(GrantCheckResponse {
        gid: gid.into(),
        status,
        expiry_day: entry.map(|it| it.expiry_day),
        grant_key: entry.map(|it| HexHash(H256(it.grant_key.0))),
        anchored_at: entry.map(|it| it.anchored.0),
        revoked_at,
        height: height.0,
        block_hash: view.block_hash().into(),
        time: time.0,
    })
}

/// Answers `access_evaluate`.
///
/// # Errors
/// [`AnswerError::Refused`] if the request does not say what is to be judged.
pub fn evaluate_access(
    view: &impl LedgerView,
    request: &AccessEvaluateRequest,
    now: TimeMs,
) -> Answer<Decision> {
    let texts = [
        ("resource", Some(&request.resource)),
        ("client", request.client.as_ref()),
        ("purpose", request.purpose.as_ref()),
        ("mediaType", request.media_type.as_ref()),
    ];
    for (name, text) in texts {
        check_length(name, text.map_or("", String::as_str), URI_CHARS_MAX)?;
    }
    // One more than a chain may have is enough for the verdict to say so.
    let grants = request.grants.iter().take(GRANT_CHAIN_MAX as usize + 1);
    let grants = grants
        .map(|grant| decoded_grant(&grant.0))
        .collect::<Answer<Vec<SignedGrant>>>()?;
    let owner: Did = request
        .owner
        .parse()
        .map_err(|error| ErrorCode::DidMalformed.with(error))?;
    let access = AccessRequest {
        subject: &subject(&request.subject)?,
        action: match request.action {
            ActionName::Read => Actions::READ,
            ActionName::Create => Actions::CREATE,
            ActionName::Modify => Actions::MODIFY,
            ActionName::Delete => Actions::DELETE,
            ActionName::Control => Actions::CONTROL,
        },
        resource: &request.resource,
        owner: &owner,
        client: request.client.as_deref(),
        purpose: request.purpose.as_deref(),
        media_type: request.media_type.as_deref(),
        grants: &grants,
        now: clock(now, request.time),
        max_staleness_ms: staleness(request.max_staleness_ms),
    };
    Ok(verify::evaluate_access(view, &access))
}

fn subject(text: &str) -> Answer<Assignee> {
    if text.starts_with("did:allod:") {
        return text
            .parse()
            .map(Assignee::Did)
            .map_err(|error| ErrorCode::DidMalformed.with(error).into());
    }
    Text::new(text).map(Assignee::Uri).map_err(|error| {
        ErrorCode::InvalidParams
            .with(format_args!("subject: {error}"))
            .into()
    })
}

fn decoded_grant(bytes: &[u8]) -> Answer<SignedGrant> {
    decode_strict(bytes).map_err(|error| ErrorCode::GrantMalformed.with(error).into())
}

fn check_audience(audience: &str) -> Answer<()> {
    if audience.is_empty() {
        return Err(ErrorCode::LoginAudienceRequired.into());
    }
    check_length("audience", audience, AUDIENCE_CHARS_MAX)
}

fn check_length(name: &str, text: &str, max: usize) -> Answer<()> {
    if text.len() > max {
        let detail = format_args!("{name} has {} characters of {max}", text.len());
        return Err(ErrorCode::TooLarge.with(detail).into());
    }
    Ok(())
}

/// Returns the caller's clock if it gave one, else the answerer's.
fn clock(now: TimeMs, time_s: Option<u64>) -> TimeMs {
    time_s.map_or(now, |time| TimeMs(time.saturating_mul(1000)))
}

fn staleness(asked_ms: Option<u64>) -> u64 {
    asked_ms
        .unwrap_or(STALENESS_MS_DEFAULT)
        .min(STALENESS_MS_MAX)
}
