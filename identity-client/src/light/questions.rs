//! The questions, each with its proof.

use allod_primitives::control::effective;
use allod_primitives::record::DidRecord;
use allod_primitives::{Did, Height, TimeMs, decode_strict};
use allod_rpc_api::access::AccessEvaluateRequest;
use allod_rpc_api::answers::{self, AnswerError};
use allod_rpc_api::authority::{AuthorityRequest, ProposalsResponse, RulesResponse};
use allod_rpc_api::control::{PendingRequest, PendingResponse};
use allod_rpc_api::grant::{GrantCheckRequest, GrantCheckResponse};
use allod_rpc_api::identity::{LanesRequest, LanesResponse, ResolveRequest};
use allod_rpc_api::limits::RETIRED_PROVEN_MAX;
use allod_rpc_api::login::{VerifyJwsRequest, VerifyLoginRequest};
use allod_rpc_api::revocation::{RevocationCheckRequest, RevocationCheckResponse};
use allod_rpc_api::verify::{Decision, SignatureVerdict};
use allod_rpc_api::{ErrorCode, method};
use serde::Serialize;
use serde_json::Value;

use super::client::{AsOf, LightClient, Proven};
use super::error::ReadError;
use crate::rpc::Resolved;

/// An answer about the past: it says nothing about now, and so is a type of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Historical<T>(pub Proven<T>);

impl LightClient {
    /// `identity_resolve`: an identity's document and record, now.
    ///
    /// `at_least`: not as of a block below this height, such as one that a write returned.
    ///
    /// # Errors
    /// [`ReadError::Refused`] with `did.not_found` if it is proven that the ledger does not hold
    /// it; [`ReadError`] if nothing is proven.
    pub async fn resolve(
        &self,
        did: &Did,
        at_least: Option<Height>,
    ) -> Result<Proven<Resolved>, ReadError> {
        self.resolve_as_of(did, now_or(at_least)).await
    }

    /// `identity_resolve` as of an earlier block, of which the node still has the state.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve); [`ReadError::BlockExpired`] if the block is older than the
    /// trusting period.
    pub async fn resolve_at(
        &self,
        did: &Did,
        at: Height,
    ) -> Result<Historical<Resolved>, ReadError> {
        Ok(Historical(self.resolve_as_of(did, AsOf::At(at)).await?))
    }

    /// Like [`resolve`](Self::resolve), with `None` for an identity whose absence is proven.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn lookup(
        &self,
        did: &Did,
        at_least: Option<Height>,
    ) -> Result<Option<Proven<Resolved>>, ReadError> {
        match self.resolve(did, at_least).await {
            Err(ReadError::Refused(error)) if error.code == ErrorCode::DidNotFound => Ok(None),
            other => other.map(Some),
        }
    }

    async fn resolve_as_of(&self, did: &Did, as_of: AsOf) -> Result<Proven<Resolved>, ReadError> {
        self.check_network(did)?;
        let request = ResolveRequest {
            did: did.to_string(),
            ..ResolveRequest::default()
        };
        let work = |view: &dyn answers::AnswerView| {
            let answer = answers::resolve(&view, &request, RETIRED_PROVEN_MAX)?;
            let stored: DidRecord =
                decode_strict(&answer.record.0).map_err(|_| AnswerError::Undecodable)?;
            let record = effective(&stored, TimeMs(answer.time)).record;
            Ok(Resolved { answer, record })
        };
        self.ask(method::IDENTITY_RESOLVE, json(&request), as_of, work)
            .await
    }

    /// `identity_pending`: what waits at an identity, and who must rest.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub async fn pending(
        &self,
        did: &Did,
        at_least: Option<Height>,
    ) -> Result<Proven<PendingResponse>, ReadError> {
        self.check_network(did)?;
        let did = did.to_string();
        let request = PendingRequest { did };
        let work = |view: &dyn answers::AnswerView| answers::pending(&view, &request);
        let as_of = now_or(at_least);
        self.ask(method::IDENTITY_PENDING, json(&request), as_of, work)
            .await
    }

    /// `identity_lanes`: where an identity's lanes and quotas stand.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub async fn lanes(
        &self,
        did: &Did,
        at_least: Option<Height>,
    ) -> Result<Proven<LanesResponse>, ReadError> {
        self.check_network(did)?;
        let did = did.to_string();
        let request = LanesRequest { did };
        let work = |view: &dyn answers::AnswerView| answers::lanes(&view, &request);
        let as_of = now_or(at_least);
        self.ask(method::IDENTITY_LANES, json(&request), as_of, work)
            .await
    }

    /// `identity_verifyLogin`: judges the answer to a login challenge. Time and staleness are this
    /// client's, whatever the request says of them; a shorter staleness counts.
    ///
    /// # Errors
    /// [`ReadError`]; never take an error for an "allow".
    pub async fn verify_login(
        &self,
        request: &VerifyLoginRequest,
        at_least: Option<Height>,
    ) -> Result<Proven<Decision>, ReadError> {
        let mut request = request.clone();
        self.set_time(&mut request.time, &mut request.max_staleness_ms);
        let now = self.now();
        let work = |view: &dyn answers::AnswerView| answers::verify_login(&view, &request, now);
        let as_of = now_or(at_least);
        self.ask(method::IDENTITY_VERIFY_LOGIN, json(&request), as_of, work)
            .await
    }

    /// `identity_verifyJws`: judges a token. Time and staleness as in
    /// [`verify_login`](Self::verify_login).
    ///
    /// # Errors
    /// [`ReadError`]; never take an error for an "allow".
    pub async fn verify_jws(
        &self,
        request: &VerifyJwsRequest,
        at_least: Option<Height>,
    ) -> Result<Proven<Decision>, ReadError> {
        let mut request = request.clone();
        self.set_time(&mut request.time, &mut request.max_staleness_ms);
        let now = self.now();
        let work = |view: &dyn answers::AnswerView| answers::verify_jws(&view, &request, now);
        let as_of = now_or(at_least);
        self.ask(method::IDENTITY_VERIFY_JWS, json(&request), as_of, work)
            .await
    }

    /// `identity_verifyJws` with `asOf`: was a token's signature good at that time? Time and
    /// staleness as in [`verify_login`](Self::verify_login).
    ///
    /// # Errors
    /// [`ReadError`]; never take an error for "valid".
    pub async fn verify_jws_as_of(
        &self,
        request: &VerifyJwsRequest,
        at_least: Option<Height>,
    ) -> Result<Proven<SignatureVerdict>, ReadError> {
        let mut request = request.clone();
        self.set_time(&mut request.time, &mut request.max_staleness_ms);
        let now = self.now();
        let work = |view: &dyn answers::AnswerView| answers::verify_jws_as_of(&view, &request, now);
        let as_of = now_or(at_least);
        self.ask(method::IDENTITY_VERIFY_JWS, json(&request), as_of, work)
            .await
    }

    /// `access_evaluate`: judges one access by a chain of grants. Time and staleness as in
    /// [`verify_login`](Self::verify_login).
    ///
    /// # Errors
    /// [`ReadError`]; never take an error for an "allow".
    pub async fn access_evaluate(
        &self,
        request: &AccessEvaluateRequest,
        at_least: Option<Height>,
    ) -> Result<Proven<Decision>, ReadError> {
        let mut request = request.clone();
        self.set_time(&mut request.time, &mut request.max_staleness_ms);
        let now = self.now();
        let work = |view: &dyn answers::AnswerView| answers::evaluate_access(&view, &request, now);
        let as_of = now_or(at_least);
        self.ask(method::ACCESS_EVALUATE, json(&request), as_of, work)
            .await
    }

    /// `revocation_check`: whether a token is revoked.
    ///
    /// # Errors
    /// [`ReadError`]; never take an error for "not revoked".
    pub async fn revocation_check(
        &self,
        request: &RevocationCheckRequest,
        at_least: Option<Height>,
    ) -> Result<Proven<RevocationCheckResponse>, ReadError> {
        let work = |view: &dyn answers::AnswerView| answers::check_revocation(&view, request);
        let as_of = now_or(at_least);
        self.ask(method::REVOCATION_CHECK, json(request), as_of, work)
            .await
    }

    /// `grant_check`: whether a grant is anchored, active or revoked.
    ///
    /// # Errors
    /// [`ReadError`]; never take an error for "active".
    pub async fn grant_check(
        &self,
        request: &GrantCheckRequest,
        at_least: Option<Height>,
    ) -> Result<Proven<GrantCheckResponse>, ReadError> {
        let work = |view: &dyn answers::AnswerView| answers::check_grant(&view, request);
        let as_of = now_or(at_least);
        self.ask(method::GRANT_CHECK, json(request), as_of, work)
            .await
    }

    /// `authority_proposals`: what trustees have proposed, and what is approved and waits.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn proposals(
        &self,
        at_least: Option<Height>,
    ) -> Result<Proven<ProposalsResponse>, ReadError> {
        let request = json(&AuthorityRequest::default());
        let work = |view: &dyn answers::AnswerView| answers::proposals(&view);
        let as_of = now_or(at_least);
        self.ask(method::AUTHORITY_PROPOSALS, request, as_of, work)
            .await
    }

    /// `authority_rules`: who decides, what it takes, and the network's parameters.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn rules(
        &self,
        at_least: Option<Height>,
    ) -> Result<Proven<RulesResponse>, ReadError> {
        let request = json(&AuthorityRequest::default());
        let work = |view: &dyn answers::AnswerView| answers::rules(&view);
        let as_of = now_or(at_least);
        self.ask(method::AUTHORITY_RULES, request, as_of, work)
            .await
    }

    pub(super) fn check_network(&self, did: &Did) -> Result<(), ReadError> {
        let (wanted, here) = (did.network(), self.network());
        if wanted == here {
            return Ok(());
        }
        Err(ReadError::WrongNetwork { wanted, here })
    }

    /// Has a verdict made by this client's clock, so that the node reads the same keys.
    pub(super) fn set_time(&self, time: &mut Option<u64>, staleness_ms: &mut Option<u64>) {
        let bound = self.config().staleness_ms();
        *time = Some(self.now().seconds());
        *staleness_ms = Some(staleness_ms.map_or(bound, |asked| asked.min(bound)));
    }
}

pub(super) const fn now_or(at_least: Option<Height>) -> AsOf {
    match at_least {
        None => AsOf::Now,
        Some(height) => AsOf::AtLeast(height),
    }
}

fn json(request: &impl Serialize) -> Value {
    serde_json::to_value(request).expect("the contract's requests are text, numbers and lists")
}
