//! The typed runtime calls: `IdentityApi`, `RevocationApi`, `AccessApi`.
//!
//! They are worked out by the functions that the `identity_*`, `revocation_*`, `grant_*` and
//! `access_*` methods are, over the same view: a node runs them over its storage, a client over the
//! state a proof has shown it. No clock is read: without one in the question, the block's time counts.
//!
//! Source: spec/runtime.md §8.

use allod_primitives::calls::{
    AccessQuestion, AccessVerdict, EffectiveIdentity, GrantInfo, GrantStanding, Reason,
    TokenStanding,
};
use allod_primitives::control::{Effective, effective};
use allod_primitives::document::{ActiveMethod, Document, Fragment, MethodKey, Relationships};
use allod_primitives::grant::{GrantEntry, GrantStatus};
use allod_primitives::record::DidRecord;
use allod_primitives::token::{RevocationEntry, TokenId};
use allod_primitives::{Did, DidId, H256, NetworkId, Text, TimeMs, decode_strict, keys};
use parity_scale_codec::{Decode, Encode};

use super::error::AnswerError;
use super::view::read;
use crate::error::ErrorCode;
use crate::limits::{STALENESS_MS_DEFAULT, STALENESS_MS_MAX};
use crate::verify::{self, AccessRequest, LedgerView, ReasonCode, Unavailable};

type Answer<T> = Result<T, AnswerError>;

/// The functions, by the names that `state_call` knows them by.
pub const CALLS: [&str; 8] = [
    "IdentityApi_record",
    "IdentityApi_effective",
    "IdentityApi_document",
    "IdentityApi_resolve_key",
    "RevocationApi_entry",
    "RevocationApi_token",
    "AccessApi_grant",
    "AccessApi_evaluate",
];

/// Calls the function `name` with SCALE `data`; `None` if it is none of [`CALLS`].
///
/// Cost: at most 25 reads and 8 signature checks (`AccessApi_evaluate` of the longest chain).
///
/// # Errors
/// `request.undecodable` if `data` is anything but the function's arguments; [`AnswerError`] if the
/// view cannot tell.
pub fn call(view: &impl LedgerView, name: &str, data: &[u8]) -> Option<Answer<Vec<u8>>> {
    Some(match name {
        "IdentityApi_record" => answer(data, |did: DidId| record(view, &did)),
        "IdentityApi_effective" => answer(data, |did: DidId| {
            let found = effective_identity(view, &did)?;
            Ok(found.map(|it| EffectiveIdentity {
                record: it.record,
                retired: it.retired,
            }))
        }),
        "IdentityApi_document" => answer(data, |did: DidId| document(view, &did)),
        "IdentityApi_resolve_key" => answer(data, |(did, fragment, needed)| {
            resolve_key(view, &did, &fragment, needed)
        }),
        "RevocationApi_entry" => answer(data, |tag: H256| entry(view, &tag)),
        "RevocationApi_token" => answer(data, |(issuer, exp, token)| {
            token_standing(view, &issuer, exp, &token)
        }),
        "AccessApi_grant" => answer(data, |gid: H256| grant(view, &gid)),
        "AccessApi_evaluate" => answer(data, |question| evaluate(view, &question)),
        _ => return None,
    })
}

fn answer<Q: Decode, A: Encode>(
    data: &[u8],
    answer: impl FnOnce(Q) -> Answer<A>,
) -> Answer<Vec<u8>> {
    let question: Q = decode_strict(data).map_err(|error| ErrorCode::Undecodable.with(error))?;
    answer(question).map(|it| it.encode())
}

fn record(view: &impl LedgerView, did: &DidId) -> Answer<Option<DidRecord>> {
    read(view, &keys::did_record(did))
}

fn effective_identity(view: &impl LedgerView, did: &DidId) -> Answer<Option<Effective>> {
    let (_, time) = view.head();
    Ok(record(view, did)?.map(|record| effective(&record, time)))
}

/// Returns the document with the methods in force; `None` also if the identity is deactivated.
fn document(view: &impl LedgerView, did: &DidId) -> Answer<Option<Document>> {
    let (_, time) = view.head();
    let found = effective_identity(view, did)?.map(|it| it.record);
    let Some(record) = found.filter(DidRecord::is_active) else {
        return Ok(None);
    };
    let all = record.document;
    let in_force = |it: &&ActiveMethod| all.method_at(it.method.fragment.as_str(), time).is_some();
    let methods: Vec<ActiveMethod> = all.methods.iter().filter(in_force).cloned().collect();
    // Some of a list that fits are a list that fits.
    let methods = methods.try_into().map_err(|_| AnswerError::Undecodable)?;
    Ok(Some(Document { methods, ..all }))
}

fn resolve_key(
    view: &impl LedgerView,
    did: &DidId,
    fragment: &Fragment,
    needed: Relationships,
) -> Answer<Result<MethodKey, Reason>> {
    let name = Did::new(NetworkId::from_genesis(&view.chain().genesis), *did);
    let (_, time) = view.head();
    match verify::key_in_force(view, &name, fragment.as_str(), needed, time) {
        Ok(key) => Ok(Ok(key)),
        Err(ReasonCode::StateUnavailable) => Err(Unavailable.into()),
        Err(reason) => reason_text(reason).map(Err),
    }
}

fn entry(view: &impl LedgerView, tag: &H256) -> Answer<Option<RevocationEntry>> {
    read(view, &keys::revocation(tag))
}

fn token_standing(
    view: &impl LedgerView,
    issuer: &DidId,
    exp: u64,
    token: &TokenId,
) -> Answer<TokenStanding> {
    let tag = token.tag(&view.chain().genesis, issuer, exp);
    let entry = entry(view, &tag)?;
    let issuer = effective_identity(view, issuer)?;
    Ok(TokenStanding {
        tag,
        entry,
        not_before: issuer.map(|it| it.record.not_before),
    })
}

fn grant(view: &impl LedgerView, gid: &H256) -> Answer<GrantInfo> {
    let (_, time) = view.head();
    let entry: Option<GrantEntry> = read(view, &keys::grant(gid))?;
    let standing = grant_standing(entry.as_ref(), time);
    Ok(GrantInfo { standing, entry })
}

/// Returns how the grant of this entry stands at `time`.
pub(super) fn grant_standing(entry: Option<&GrantEntry>, time: TimeMs) -> GrantStanding {
    match entry {
        None => GrantStanding::Absent,
        Some(entry) => match entry.status {
            GrantStatus::Revoked { .. } => GrantStanding::Revoked,
            GrantStatus::Active if time.day() > entry.expiry_day => GrantStanding::Expired,
            GrantStatus::Active => GrantStanding::Active,
        },
    }
}

fn evaluate(view: &impl LedgerView, question: &AccessQuestion) -> Answer<AccessVerdict> {
    let (height, time) = view.head();
    let staleness = question.max_staleness_ms.unwrap_or(STALENESS_MS_DEFAULT);
    let request = AccessRequest {
        subject: &question.subject,
        action: question.action,
        resource: question.resource.as_str(),
        owner: &question.owner,
        client: question.client.as_ref().map(Text::as_str),
        purpose: question.purpose.as_ref().map(Text::as_str),
        media_type: question.media_type.as_ref().map(Text::as_str),
        grants: &question.grants,
        now: question.now,
        max_staleness_ms: staleness.min(STALENESS_MS_MAX),
    };
    let decision = verify::evaluate_access(view, &request);
    if decision.reason == ReasonCode::StateUnavailable {
        return Err(Unavailable.into());
    }
    let gids: Vec<H256> = decision.gids.iter().map(|gid| gid.0).collect();
    Ok(AccessVerdict {
        is_allowed: decision.is_allowed(),
        reason: reason_text(decision.reason)?,
        expires: decision.expires,
        gids: gids.try_into().map_err(|_| AnswerError::Undecodable)?,
        height,
        time,
    })
}

fn reason_text(reason: ReasonCode) -> Answer<Reason> {
    // A test holds every slug against the maximum.
    Text::new(reason.slug()).map_err(|_| AnswerError::Undecodable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_fits() {
        for reason in ReasonCode::ALL {
            assert_eq!(reason_text(*reason).unwrap().as_str(), reason.slug());
        }
    }
}
