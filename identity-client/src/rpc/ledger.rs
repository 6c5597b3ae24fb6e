//! The contract's methods.

use std::time::Duration;

use allod_primitives::control::effective;
use allod_primitives::governance::{ControlParameters, Parameters};
use allod_primitives::log::LogHead;
use allod_primitives::record::DidRecord;
use allod_primitives::{ChainId, Did, ForkId, PublicKey, TimeMs, decode_strict, keys};
use allod_rpc_api::access::AccessEvaluateRequest;
use allod_rpc_api::authority::{ProposalsResponse, RulesResponse};
use allod_rpc_api::context::ContextResponse;
use allod_rpc_api::control::{PendingRequest, PendingResponse};
use allod_rpc_api::grant::{GrantCheckRequest, GrantCheckResponse};
use allod_rpc_api::identity::{
    HistoryRequest, HistoryResponse, LanesRequest, LanesResponse, ResolveRequest, ResolveResponse,
};
use allod_rpc_api::limits::SUBMIT_TIMEOUT_MS_DEFAULT;
use allod_rpc_api::login::{VerifyJwsRequest, VerifyLoginRequest};
use allod_rpc_api::revocation::{RevocationCheckRequest, RevocationCheckResponse};
use allod_rpc_api::submit::{SubmitItem, SubmitOutcome, SubmitRequest, SubmitResponse, Wait};
use allod_rpc_api::verify::{Decision, SignatureVerdict};
use allod_rpc_api::versions::VersionAsked;
use allod_rpc_api::{ErrorCode, method};
use jsonrpsee::core::params::ArrayParams;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::hex;

use super::{Client, ClientError, ss58_address};

/// An identity as the ledger holds it.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The node's whole answer.
    pub answer: ResolveResponse,
    /// The record in it, decoded, as it is at the answer's time: what time has brought about
    /// counts, whether or not the ledger has written it down.
    pub record: DidRecord,
}

impl Resolved {
    /// Returns where the log stood that the ledger has written down: time may have brought about
    /// more.
    pub fn stored_log(&self) -> LogHead {
        let stored = decode_strict::<DidRecord>(&self.answer.record.0);
        stored.map_or(self.record.log, |stored| stored.log)
    }
}

/// `system_health`, as Substrate's nodes answer it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainHealth {
    /// Peers it is connected to.
    pub peers: u64,
    /// Whether it is catching up.
    pub is_syncing: bool,
}

/// Returns what operations are bound to, out of the answer to `identity_context`.
pub fn chain_id(context: &ContextResponse) -> ChainId {
    ChainId {
        genesis: context.genesis.0,
        fork_id: ForkId(context.fork_id),
    }
}

impl Client {
    /// `identity_context`: what one must know to build operations for this network.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn context(&self) -> Result<ContextResponse, ClientError> {
        let params = ArrayParams::new();
        let method = method::IDENTITY_CONTEXT;
        self.call(method, params, Duration::ZERO).await
    }

    /// `identity_resolve`: an identity's document and record, now or at a recent height.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `did.not_found` if the ledger does not hold it.
    pub async fn resolve(&self, did: &Did, height: Option<u64>) -> Result<Resolved, ClientError> {
        let request = ResolveRequest {
            did: did.to_string(),
            height,
            ..ResolveRequest::default()
        };
        let method = method::IDENTITY_RESOLVE;
        let answer: ResolveResponse = self.ask(method, &request).await?;
        let stored: DidRecord =
            decode_strict(&answer.record.0).map_err(|error| ClientError::Answer {
                method,
                reason: error.to_string(),
            })?;
        let record = effective(&stored, TimeMs(answer.time)).record;
        Ok(Resolved { answer, record })
    }

    /// `identity_resolve` of an earlier version. Verifies nothing: see
    /// [`history::version`](crate::history::version).
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `did.version_not_found` or `did.version_unavailable`.
    pub async fn resolve_version(
        &self,
        did: &Did,
        asked: &VersionAsked,
    ) -> Result<ResolveResponse, ClientError> {
        let (version_id, version_time) = asked.to_parameters();
        let request = ResolveRequest {
            did: did.to_string(),
            version_id,
            version_time,
            ..ResolveRequest::default()
        };
        self.ask(method::IDENTITY_RESOLVE, &request).await
    }

    /// Like [`resolve`](Self::resolve), with `None` for an identity that the ledger does not hold.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn lookup(&self, did: &Did) -> Result<Option<Resolved>, ClientError> {
        match self.resolve(did, None).await {
            Err(error) if error.known() == Some(ErrorCode::DidNotFound) => Ok(None),
            other => other.map(Some),
        }
    }

    /// `identity_history`: entries of an identity's log from entry `from`.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `did.not_found` if the ledger does not hold it.
    pub async fn history(
        &self,
        did: &Did,
        from: u64,
        count: Option<u32>,
    ) -> Result<HistoryResponse, ClientError> {
        let did = did.to_string();
        let request = HistoryRequest { did, from, count };
        self.ask(method::IDENTITY_HISTORY, &request).await
    }

    /// `identity_pending`: what waits at an identity, and who must rest.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `did.not_found` if the ledger does not hold it.
    pub async fn pending(&self, did: &Did) -> Result<PendingResponse, ClientError> {
        let did = did.to_string();
        self.ask(method::IDENTITY_PENDING, &PendingRequest { did })
            .await
    }

    /// `identity_lanes`: where an identity's lanes and quotas stand.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `did.not_found` if the ledger does not hold it.
    pub async fn lanes(&self, did: &Did) -> Result<LanesResponse, ClientError> {
        let did = did.to_string();
        self.ask(method::IDENTITY_LANES, &LanesRequest { did })
            .await
    }

    /// `identity_submit`: sends items, each of which succeeds or fails by itself.
    ///
    /// `timeout_ms`: how long the node waits for finality; 10 s if absent. One outcome per item,
    /// in the items' order.
    ///
    /// # Errors
    /// [`ClientError`] if the whole request failed; what became of an item is in its outcome.
    pub async fn submit(
        &self,
        items: Vec<SubmitItem>,
        wait: Wait,
        timeout_ms: Option<u64>,
    ) -> Result<Vec<SubmitOutcome>, ClientError> {
        let expected = items.len();
        let request = SubmitRequest {
            items,
            wait,
            timeout_ms,
        };
        let method = method::IDENTITY_SUBMIT;
        let patience = match wait {
            Wait::Accepted => Duration::ZERO,
            Wait::Finalized => Self::patience(timeout_ms.unwrap_or(SUBMIT_TIMEOUT_MS_DEFAULT)),
        };
        let params = object(method, &request)?;
        let answer: SubmitResponse = self.call(method, params, patience).await?;
        if answer.items.len() != expected {
            return Err(ClientError::Answer {
                method,
                reason: format!("{} outcomes for {expected} items", answer.items.len()),
            });
        }
        Ok(answer.items)
    }

    /// `identity_verifyLogin`: judges the answer to a login challenge.
    ///
    /// # Errors
    /// [`ClientError`]; never take an error for an "allow".
    pub async fn verify_login(
        &self,
        request: &VerifyLoginRequest,
    ) -> Result<Decision, ClientError> {
        self.ask(method::IDENTITY_VERIFY_LOGIN, request).await
    }

    /// `identity_verifyJws`: judges a token.
    ///
    /// # Errors
    /// [`ClientError`]; never take an error for an "allow".
    pub async fn verify_jws(&self, request: &VerifyJwsRequest) -> Result<Decision, ClientError> {
        self.ask(method::IDENTITY_VERIFY_JWS, request).await
    }

    /// `identity_verifyJws` with `asOf`: was a token's signature good at that time?
    ///
    /// # Errors
    /// [`ClientError`]; never take an error for "valid".
    pub async fn verify_jws_as_of(
        &self,
        request: &VerifyJwsRequest,
    ) -> Result<SignatureVerdict, ClientError> {
        self.ask(method::IDENTITY_VERIFY_JWS, request).await
    }

    /// `revocation_check`: whether a token is revoked.
    ///
    /// # Errors
    /// [`ClientError`]; never take an error for "not revoked".
    pub async fn revocation_check(
        &self,
        request: &RevocationCheckRequest,
    ) -> Result<RevocationCheckResponse, ClientError> {
        self.ask(method::REVOCATION_CHECK, request).await
    }

    /// `grant_check`: whether a grant is anchored, active or revoked.
    ///
    /// # Errors
    /// [`ClientError`]; never take an error for "active".
    pub async fn grant_check(
        &self,
        request: &GrantCheckRequest,
    ) -> Result<GrantCheckResponse, ClientError> {
        self.ask(method::GRANT_CHECK, request).await
    }

    /// `access_evaluate`: judges one access by a chain of grants.
    ///
    /// # Errors
    /// [`ClientError`]; never take an error for an "allow".
    pub async fn access_evaluate(
        &self,
        request: &AccessEvaluateRequest,
    ) -> Result<Decision, ClientError> {
        self.ask(method::ACCESS_EVALUATE, request).await
    }

    /// `authority_proposals`: what trustees have proposed, and what is approved and waits.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn proposals(&self) -> Result<ProposalsResponse, ClientError> {
        let params = ArrayParams::new();
        let method = method::AUTHORITY_PROPOSALS;
        self.call(method, params, Duration::ZERO).await
    }

    /// `authority_rules`: who decides, what it takes, and the network's parameters.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn rules(&self) -> Result<RulesResponse, ClientError> {
        let params = ArrayParams::new();
        let method = method::AUTHORITY_RULES;
        self.call(method, params, Duration::ZERO).await
    }

    /// `system_accountNextIndex`: the nonce of an account's next transaction, pending ones counted.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn account_nonce(&self, account: &PublicKey) -> Result<u32, ClientError> {
        let method = "system_accountNextIndex";
        let params = one(method, &ss58_address(account))?;
        self.call(method, params, Duration::ZERO).await
    }

    /// `state_getStorage`: the network's bounds for delays of changes of control, as of now.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn control_parameters(&self) -> Result<ControlParameters, ClientError> {
        let method = "state_getStorage";
        let key = hex::encode(keys::item("Authority", "Parameters"));
        let value: Option<String> = self
            .call(method, one(method, &key)?, Duration::ZERO)
            .await?;
        let Some(value) = value else {
            return Ok(ControlParameters::default());
        };
        let bytes = hex::decode(&value).ok();
        let decoded = bytes.and_then(|bytes| decode_strict::<Parameters>(&bytes).ok());
        let parameters = decoded.ok_or_else(|| ClientError::Answer {
            method,
            reason: "the parameters do not decode".into(),
        })?;
        Ok(parameters.control)
    }

    /// `system_health`: how many peers the node has and whether it is catching up.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn health(&self) -> Result<ChainHealth, ClientError> {
        let params = ArrayParams::new();
        self.call("system_health", params, Duration::ZERO).await
    }

    async fn ask<R: DeserializeOwned>(
        &self,
        method: &'static str,
        request: &impl Serialize,
    ) -> Result<R, ClientError> {
        self.call(method, object(method, request)?, Duration::ZERO)
            .await
    }
}

/// The contract's methods take one object.
fn object(method: &'static str, request: &impl Serialize) -> Result<ArrayParams, ClientError> {
    one(method, request)
}

fn one(method: &'static str, value: &impl Serialize) -> Result<ArrayParams, ClientError> {
    let mut params = ArrayParams::new();
    params.insert(value).map_err(|error| ClientError::Answer {
        method,
        reason: error.to_string(),
    })?;
    Ok(params)
}
