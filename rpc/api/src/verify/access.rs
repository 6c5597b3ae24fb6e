//! Access: a chain of grants, judged against the ledger.

use allod_primitives::document::{MethodKey, Relationships};
use allod_primitives::grant::{
    Actions, Assignee, Constraint, GRANT_BODY_VERSION, GrantBody, GrantEntry, GrantStatus,
    SignedGrant, grant_preimage,
};
use allod_primitives::limits::{GRANT_BODY_BYTES_MAX, GRANT_CHAIN_MAX};
use allod_primitives::{Did, H256, TimeMs, keys};
use parity_scale_codec::Encode;

use super::decision::Decision;
use super::reason::ReasonCode;
use super::resource::Resource;
use super::token::method_key;
use super::view::{LedgerView, active_record, check_fresh, judged_at, network, read};

const SECONDS_A_DAY: u64 = 86_400;

/// One access to judge. The subject has been authenticated before.
#[derive(Clone, Copy, Debug)]
pub struct AccessRequest<'a> {
    /// Who asks.
    pub subject: &'a Assignee,
    /// What for: one action, or several of which all must be granted.
    pub action: Actions,
    /// On what: a URI without query and fragment.
    pub resource: &'a str,
    /// The resource's owner, as the party that holds the resource knows it. Without this anybody
    /// could grant anything.
    pub owner: &'a Did,
    /// The client in use.
    pub client: Option<&'a str>,
    /// The purpose stated.
    pub purpose: Option<&'a str>,
    /// The media type of what is asked for.
    pub media_type: Option<&'a str>,
    /// The chain: the owner's grant first, the subject's last.
    pub grants: &'a [SignedGrant],
    /// The verifier's clock.
    pub now: TimeMs,
    /// How far the view's block may lie behind that clock, ms.
    pub max_staleness_ms: u64,
}

/// Judges an access: every grant of the chain is anchored, active, in time, of its owner's current
/// epoch and signed by a method in force; each one attenuates the one before; the last one names
/// the subject and covers action, resource and conditions.
///
/// Cost: two to three reads and one signature check per grant.
///
/// Source: spec/login.md §5.
pub fn evaluate_access(view: &impl LedgerView, request: &AccessRequest<'_>) -> Decision {
    let genesis = view.chain().genesis;
    let chain = request.grants.iter().take(GRANT_CHAIN_MAX as usize);
    let gids: Vec<H256> = chain.map(|grant| grant.gid(&genesis)).collect();
    let reason = match judge(view, request, &gids) {
        Ok(()) => ReasonCode::Ok,
        Err(reason) => reason,
    };
    let mut decision = Decision::new(view, reason);
    decision.did = Some(request.owner.to_string());
    decision.expires = request.grants.iter().map(|it| it.body.expires).min();
    decision.gids = gids.into_iter().map(Into::into).collect();
    decision
}

fn judge(
    view: &impl LedgerView,
    request: &AccessRequest<'_>,
    gids: &[H256],
) -> Result<(), ReasonCode> {
    let (first, last) = match request.grants {
        [] => return Err(ReasonCode::NoGrant),
        grants if grants.len() > GRANT_CHAIN_MAX as usize => {
            return Err(ReasonCode::GrantChainTooLong);
        }
        [first, .., last] => (first, last),
        [only] => (only, only),
    };
    let resource = Resource::parse(request.resource).ok_or(ReasonCode::ResourceMalformed)?;
    let scopes: Vec<Vec<Resource>> = request
        .grants
        .iter()
        .map(|grant| check_form(&grant.body, grant.expiry_day))
        .collect::<Result<_, _>>()?;
    check_fresh(view, request.now, request.max_staleness_ms)?;

    if first.body.owner != *request.owner {
        return Err(ReasonCode::OwnerMismatch);
    }
    check_links(request.grants, gids, &scopes)?;
    check_request(request, &last.body, scopes.last(), &resource)?;

    let at = judged_at(view, request.now);
    for (grant, gid) in request.grants.iter().zip(gids) {
        check_grant(view, grant, gid, at)?;
    }
    match request.subject {
        Assignee::Did(did) if did.network() == network(view) => {
            active_record(view, &did.id()).map(drop)
        }
        _ => Ok(()),
    }
}

/// Checks a body by itself and returns its resources.
fn check_form(body: &GrantBody, expiry_day: u32) -> Result<Vec<Resource>, ReasonCode> {
    let has_actions = body.actions != Actions::default() && Actions::ALL.contains(body.actions);
    let outlives = body.expires / SECONDS_A_DAY > u64::from(expiry_day);
    if body.version != GRANT_BODY_VERSION
        || body.resources.is_empty()
        || !has_actions
        || outlives
        || body.encoded_size() > GRANT_BODY_BYTES_MAX
    {
        return Err(ReasonCode::GrantMalformed);
    }
    let resources = body.resources.iter();
    let resources = resources.map(|uri| Resource::parse(uri.as_str()));
    resources
        .collect::<Option<_>>()
        .ok_or(ReasonCode::GrantMalformed)
}

/// Checks that each grant names the one before it as its parent and stays within its bounds.
fn check_links(
    grants: &[SignedGrant],
    gids: &[H256],
    scopes: &[Vec<Resource>],
) -> Result<(), ReasonCode> {
    if grants.first().is_some_and(|it| it.body.parent.is_some()) {
        return Err(ReasonCode::GrantChainBroken);
    }
    let parents = grants.iter().zip(gids).zip(scopes);
    let children = grants.iter().zip(scopes).skip(1);
    for (((parent, gid), outer), (child, inner)) in parents.zip(children) {
        let (parent, child) = (&parent.body, &child.body);
        if child.parent != Some(*gid) {
            return Err(ReasonCode::GrantChainBroken);
        }
        if parent.assignee != Assignee::Did(child.owner) {
            return Err(ReasonCode::AssigneeMismatch);
        }
        if child.delegation_depth >= parent.delegation_depth {
            return Err(ReasonCode::DelegationTooDeep);
        }
        let is_covered = |asked: &Resource| outer.iter().any(|it| it.covers(asked));
        let keeps = |constraint: &Constraint| child.constraints.contains(constraint);
        let within = inner.iter().all(is_covered)
            && parent.actions.contains(child.actions)
            && child.expires <= parent.expires
            && child.not_before >= parent.not_before
            && parent.constraints.iter().all(keeps);
        if !within {
            return Err(ReasonCode::NotAttenuated);
        }
    }
    Ok(())
}

/// Checks that the last grant is for this subject, action, resource and circumstances.
fn check_request(
    request: &AccessRequest<'_>,
    leaf: &GrantBody,
    scope: Option<&Vec<Resource>>,
    resource: &Resource,
) -> Result<(), ReasonCode> {
    if leaf.assignee != *request.subject {
        return Err(ReasonCode::AssigneeMismatch);
    }
    if request.action == Actions::default() || !leaf.actions.contains(request.action) {
        return Err(ReasonCode::ActionNotGranted);
    }
    if !scope.is_some_and(|scope| scope.iter().any(|it| it.covers(resource))) {
        return Err(ReasonCode::ResourceNotGranted);
    }
    let holds = |constraint: &Constraint| match constraint {
        Constraint::Client(client) => request.client == Some(client.as_str()),
        Constraint::Purpose(purpose) => request.purpose == Some(purpose.as_str()),
        Constraint::MediaType(kind) => request.media_type == Some(kind.as_str()),
    };
    if leaf.constraints.iter().all(holds) {
        Ok(())
    } else {
        Err(ReasonCode::ConstraintUnmet)
    }
}

/// Checks one grant against the ledger.
fn check_grant(
    view: &impl LedgerView,
    grant: &SignedGrant,
    gid: &H256,
    at: TimeMs,
) -> Result<(), ReasonCode> {
    let body = &grant.body;
    if body.owner.network() != network(view) {
        return Err(ReasonCode::WrongNetwork);
    }
    let entry: Option<GrantEntry> = read(view, &keys::grant(gid))?;
    let entry = entry.ok_or(ReasonCode::GrantNotFound)?;
    if entry.grant_key != grant.grant_key || entry.expiry_day != grant.expiry_day {
        return Err(ReasonCode::GrantMismatch);
    }
    if let GrantStatus::Revoked { .. } = entry.status {
        return Err(ReasonCode::GrantRevoked);
    }
    if at.seconds() < body.not_before {
        return Err(ReasonCode::GrantNotYetValid);
    }
    if at.seconds() >= body.expires || at.day() > entry.expiry_day {
        return Err(ReasonCode::GrantExpired);
    }
    let owner = active_record(view, &body.owner.id())?;
    if body.epoch != owner.record.grant_epoch {
        return Err(ReasonCode::GrantEpochStale);
    }
    let needed = Relationships::CAPABILITY_DELEGATION;
    let key = method_key(view, &body.owner, &owner, grant.method.as_str(), needed, at)?;
    let MethodKey::Ed25519(key) = key else {
        return Err(ReasonCode::KeyTypeMismatch);
    };
    key.verify(&grant_preimage(&view.chain(), gid), &grant.signature)
        .map_err(|_| ReasonCode::SignatureInvalid)
}
