//! The verdicts: `identity_verifyLogin`, `identity_verifyJws`, `revocation_check`, `grant_check`,
//! `access_evaluate`. Each is taken as of one block.

use allod_primitives::control::effective;
use allod_primitives::did::Did;
use allod_primitives::document::Relationships;
use allod_primitives::grant::{Actions, Assignee, GrantEntry, GrantStatus, SignedGrant};
use allod_primitives::limits::GRANT_CHAIN_MAX;
use allod_primitives::record::DidRecord;
use allod_primitives::token::{RevocationEntry, TokenId};
use allod_primitives::{H256, Text, TimeMs, decode_strict, keys};
use allod_rpc_api::HexHash;
use allod_rpc_api::access::{AccessEvaluateRequest, ActionName};
use allod_rpc_api::error::ErrorCode;
use allod_rpc_api::grant::{GrantCheckRequest, GrantCheckResponse, GrantState};
use allod_rpc_api::limits::{
    AUDIENCE_CHARS_MAX, NONCE_CHARS_MAX, STALENESS_MS_DEFAULT, STALENESS_MS_MAX, URI_CHARS_MAX,
};
use allod_rpc_api::login::{Relationship, VerifyJwsRequest, VerifyLoginRequest};
use allod_rpc_api::method::{
    ACCESS_EVALUATE, GRANT_CHECK, IDENTITY_VERIFY_JWS, IDENTITY_VERIFY_LOGIN, REVOCATION_CHECK,
};
use allod_rpc_api::revocation::{RevocationCheckRequest, RevocationCheckResponse};
use allod_rpc_api::verify::{
    AccessRequest, Decision, JwsExpectations, LedgerView, LoginExpectations, evaluate_access,
    token_names, verify_jws, verify_login,
};
use jsonrpsee::server::RegisterMethodError;

use crate::answer::{Answer, failed, request};
use crate::methods::Module;
use crate::snapshot::Snapshot;
use crate::view::NodeView;

pub(crate) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    module.register_blocking_method(IDENTITY_VERIFY_LOGIN, |params, view, _| {
        login(&**view, &request(&params)?)
    })?;
    module.register_blocking_method(IDENTITY_VERIFY_JWS, |params, view, _| {
        jws(&**view, &request(&params)?)
    })?;
    module.register_method(REVOCATION_CHECK, |params, view, _| {
        revocation(&**view, &request(&params)?)
    })?;
    module.register_method(GRANT_CHECK, |params, view, _| {
        grant(&**view, &request(&params)?)
    })?;
    module.register_blocking_method(ACCESS_EVALUATE, |params, view, _| {
        access(&**view, &request(&params)?)
    })?;
    Ok(())
}

fn login(view: &dyn NodeView, request: &VerifyLoginRequest) -> Answer<Decision> {
    check_audience(&request.audience)?;
    if request.nonce.is_empty() {
        return Err(failed(ErrorCode::LoginNonceRequired));
    }
    check_length("nonce", &request.nonce, NONCE_CHARS_MAX)?;
    let expectations = LoginExpectations {
        audience: &request.audience,
        nonce: &request.nonce,
        now: clock(view, request.time),
        max_staleness_ms: staleness(request.max_staleness_ms),
    };
    let at = Snapshot::newest(view);
    Ok(verify_login(&at, &request.jws, &expectations))
}

fn jws(view: &dyn NodeView, request: &VerifyJwsRequest) -> Answer<Decision> {
    check_audience(&request.audience)?;
    let expectations = JwsExpectations {
        audience: &request.audience,
        nonce: request.nonce.as_deref(),
        relationship: match request.relationship.unwrap_or_default() {
            Relationship::Authentication => Relationships::AUTHENTICATION,
            Relationship::AssertionMethod => Relationships::ASSERTION_METHOD,
            Relationship::CapabilityInvocation => Relationships::CAPABILITY_INVOCATION,
            Relationship::CapabilityDelegation => Relationships::CAPABILITY_DELEGATION,
        },
        max_age_s: request.max_age_s,
        now: clock(view, request.time),
        max_staleness_ms: staleness(request.max_staleness_ms),
    };
    let at = Snapshot::newest(view);
    Ok(verify_jws(&at, &request.jws, &expectations))
}

fn revocation(
    view: &dyn NodeView,
    request: &RevocationCheckRequest,
) -> Answer<RevocationCheckResponse> {
    let at = Snapshot::newest(view);
    let (issuer, tags) = revocation_tags(&at, request)?;
    let mut found = None;
    for tag in &tags {
        if let Some(entry) = at.read::<RevocationEntry>(&keys::revocation(tag))? {
            found = Some((*tag, entry));
            break;
        }
    }
    let not_before = match issuer {
        None => None,
        Some(issuer) => at.read::<DidRecord>(&keys::did_record(&issuer.id()))?,
    };
    let not_before = not_before.map(|record| effective(&record, at.head.time()).record);
    let first = tags.first().copied().unwrap_or_default();
    Ok(RevocationCheckResponse {
        revoked: found.is_some(),
        tag: HexHash(found.map_or(first, |(tag, _)| tag)),
        revoked_at: found.map(|(_, entry)| entry.revoked_at.0),
        not_before: not_before.map(|record| record.not_before.0),
        height: at.head.height().0,
        block_hash: at.hash().into(),
        time: at.head.time().0,
    })
}

/// Returns the tags under which the token asked about may be listed, and its issuer if known.
fn revocation_tags(
    at: &Snapshot<'_>,
    request: &RevocationCheckRequest,
) -> Answer<(Option<Did>, Vec<H256>)> {
    let genesis = at.chain().genesis;
    let malformed = || failed(ErrorCode::TokenMalformed);
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
                .map_err(|reason| failed(ErrorCode::TokenMalformed.with(reason.message())))?;
            let issuer = at.did(&names.issuer.to_string())?;
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
            let issuer = at.did(issuer)?;
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

fn grant(view: &dyn NodeView, request: &GrantCheckRequest) -> Answer<GrantCheckResponse> {
    let at = Snapshot::newest(view);
    let gid = match (&request.gid, &request.grant) {
        (Some(gid), None) => gid.0,
        (None, Some(grant)) => decoded_grant(&grant.0)?.gid(&at.chain().genesis),
        _ => {
            let detail = "either gid or grant is expected";
            return Err(failed(ErrorCode::InvalidParams.with(detail)));
        }
    };
    let entry: Option<GrantEntry> = at.read(&keys::grant(&gid))?;
    let status = match entry {
        None => GrantState::Absent,
        Some(entry) => match entry.status {
            GrantStatus::Revoked { .. } => GrantState::Revoked,
            GrantStatus::Active if at.head.time().day() > entry.expiry_day => GrantState::Expired,
            GrantStatus::Active => GrantState::Active,
        },
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
        revoked_at,
        height: at.head.height().0,
        block_hash: at.hash().into(),
        time: at.head.time().0,
    })
}

fn access(view: &dyn NodeView, request: &AccessEvaluateRequest) -> Answer<Decision> {
    let texts = [
        ("resource", Some(&request.resource)),
        ("client", request.client.as_ref()),
        ("purpose", request.purpose.as_ref()),
        ("mediaType", request.media_type.as_ref()),
    ];
    for (name, text) in texts {
        check_length(name, text.map_or("", String::as_str), URI_CHARS_MAX)?;
    }
    let at = Snapshot::newest(view);
    // One more than a chain may have is enough for the verdict to say so.
    let grants = request.grants.iter().take(GRANT_CHAIN_MAX as usize + 1);
    let grants = grants
        .map(|grant| decoded_grant(&grant.0))
        .collect::<Answer<Vec<SignedGrant>>>()?;
    let owner: Did = request
        .owner
        .parse()
        .map_err(|error| failed(ErrorCode::DidMalformed.with(error)))?;
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
        now: clock(view, request.time),
        max_staleness_ms: staleness(request.max_staleness_ms),
    };
    Ok(evaluate_access(&at, &access))
}

fn subject(text: &str) -> Answer<Assignee> {
    if text.starts_with("did:allod:") {
        return text
            .parse()
            .map(Assignee::Did)
            .map_err(|error| failed(ErrorCode::DidMalformed.with(error)));
    }
    Text::new(text)
        .map(Assignee::Uri)
        .map_err(|error| failed(ErrorCode::InvalidParams.with(format_args!("subject: {error}"))))
}

fn decoded_grant(bytes: &[u8]) -> Answer<SignedGrant> {
    decode_strict(bytes).map_err(|error| failed(ErrorCode::GrantMalformed.with(error)))
}

fn check_audience(audience: &str) -> Answer<()> {
    if audience.is_empty() {
        return Err(failed(ErrorCode::LoginAudienceRequired));
    }
    check_length("audience", audience, AUDIENCE_CHARS_MAX)
}

fn check_length(name: &str, text: &str, max: usize) -> Answer<()> {
    if text.len() > max {
        let detail = format_args!("{name} has {} characters of {max}", text.len());
        return Err(failed(ErrorCode::TooLarge.with(detail)));
    }
    Ok(())
}

/// Returns the caller's clock if it gave one, else the node's.
fn clock(view: &dyn NodeView, time_s: Option<u64>) -> TimeMs {
    time_s.map_or_else(|| view.now(), |time| TimeMs(time.saturating_mul(1000)))
}

fn staleness(asked_ms: Option<u64>) -> u64 {
    asked_ms
        .unwrap_or(STALENESS_MS_DEFAULT)
        .min(STALENESS_MS_MAX)
}
