//! Questions to the copy.

use std::cell::RefCell;
use std::time::Duration;

use allod_primitives::limits::CLOCK_AHEAD_MS_MAX;
use allod_primitives::{ChainId, Did, H256, Height, TimeMs};
use allod_rpc_api::access::AccessEvaluateRequest;
use allod_rpc_api::answers::{self, AnswerError, AnswerView};
use allod_rpc_api::grant::{GrantCheckRequest, GrantCheckResponse};
use allod_rpc_api::identity::{ResolveRequest, ResolveResponse};
use allod_rpc_api::limits::RETIRED_PROVEN_MAX;
use allod_rpc_api::login::{VerifyJwsRequest, VerifyLoginRequest};
use allod_rpc_api::revocation::{RevocationCheckRequest, RevocationCheckResponse};
use allod_rpc_api::verify::{Decision, LedgerView, ReasonCode, Unavailable};

use super::copy::{Shared, Snapshot, VerifiedView};
use super::error::ViewError;
use super::follow::fetch_value;
use super::table::Known;
use crate::light::Proven;

/// Values fetched for one question at most: a chain of grants has eight owners, a login two.
const FETCHED_MAX: usize = 512;

/// The copy while one question is answered: the lock is held, so it is one block's.
struct Locked<'a> {
    copy: &'a Snapshot,
    /// The first key whose value is not here.
    missing: RefCell<Option<Vec<u8>>>,
}

impl LedgerView for Locked<'_> {
    fn storage(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        match self.copy.table.get(key) {
            Known::Absent => Ok(None),
            Known::Value(value) => Ok(Some(value.to_vec())),
            Known::Hash(_) => {
                let mut missing = self.missing.borrow_mut();
                missing.get_or_insert_with(|| key.to_vec());
                Err(Unavailable)
            }
            Known::NotFollowed => Err(Unavailable),
        }
    }

    fn chain(&self) -> ChainId {
        self.copy.chain
    }

    fn head(&self) -> (Height, TimeMs) {
        (self.copy.head.height, self.copy.head.time)
    }
}

impl AnswerView for Locked<'_> {
    fn block_hash(&self) -> H256 {
        self.copy.head.hash
    }

    fn keys_under(&self, prefix: &[u8], count: usize) -> Result<Vec<Vec<u8>>, Unavailable> {
        Ok(self.copy.table.under(prefix, count))
    }
}

type Asked<T> = Result<Proven<T>, ViewError>;

impl VerifiedView {
    /// `identity_verifyLogin` as of now. Time and staleness are the client's, whatever the request
    /// says of them; a shorter staleness counts.
    ///
    /// # Errors
    /// [`ViewError`]; never take an error for an "allow".
    pub fn verify_login(&self, request: &VerifyLoginRequest) -> Asked<Decision> {
        let request = self.timed_login(request);
        let now = self.shared.client.now();
        self.decide(|view| answers::verify_login(&view, &request, now))
    }

    /// As [`verify_login`](Self::verify_login), fetching the values that are not here.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn verify_login_fetching(&self, request: &VerifyLoginRequest) -> Asked<Decision> {
        self.fetching(|| self.verify_login(request)).await
    }

    /// `identity_verifyJws` as of now; time and staleness as in
    /// [`verify_login`](Self::verify_login).
    ///
    /// # Errors
    /// [`ViewError`]; never take an error for an "allow".
    pub fn verify_jws(&self, request: &VerifyJwsRequest) -> Asked<Decision> {
        let mut request = request.clone();
        self.set_time(&mut request.time, &mut request.max_staleness_ms);
        let now = self.shared.client.now();
        self.decide(|view| answers::verify_jws(&view, &request, now))
    }

    /// As [`verify_jws`](Self::verify_jws), fetching the values that are not here.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn verify_jws_fetching(&self, request: &VerifyJwsRequest) -> Asked<Decision> {
        self.fetching(|| self.verify_jws(request)).await
    }

    /// `access_evaluate` as of now; time and staleness as in
    /// [`verify_login`](Self::verify_login).
    ///
    /// # Errors
    /// [`ViewError`]; never take an error for an "allow".
    pub fn access_evaluate(&self, request: &AccessEvaluateRequest) -> Asked<Decision> {
        let mut request = request.clone();
        self.set_time(&mut request.time, &mut request.max_staleness_ms);
        let now = self.shared.client.now();
        self.decide(|view| answers::evaluate_access(&view, &request, now))
    }

    /// As [`access_evaluate`](Self::access_evaluate), fetching the values that are not here.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn access_evaluate_fetching(
        &self,
        request: &AccessEvaluateRequest,
    ) -> Asked<Decision> {
        self.fetching(|| self.access_evaluate(request)).await
    }

    /// `revocation_check` as of now.
    ///
    /// # Errors
    /// [`ViewError`]; never take an error for "not revoked".
    pub fn revocation_check(
        &self,
        request: &RevocationCheckRequest,
    ) -> Asked<RevocationCheckResponse> {
        self.answer(|view| answers::check_revocation(&view, request))
    }

    /// `grant_check` as of now.
    ///
    /// # Errors
    /// [`ViewError`]; never take an error for "active".
    pub fn grant_check(&self, request: &GrantCheckRequest) -> Asked<GrantCheckResponse> {
        self.answer(|view| answers::check_grant(&view, request))
    }

    /// `identity_resolve` as of now.
    ///
    /// Cost: with retired methods, a walk over all keys.
    ///
    /// # Errors
    /// [`ViewError::Refused`] with `did.not_found` if the ledger does not hold it.
    pub fn resolve(&self, did: &Did) -> Asked<ResolveResponse> {
        let request = ResolveRequest {
            did: did.to_string(),
            ..ResolveRequest::default()
        };
        self.answer(|view| answers::resolve(&view, &request, RETIRED_PROVEN_MAX))
    }

    /// As [`resolve`](Self::resolve), fetching the values that are not here.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn resolve_fetching(&self, did: &Did) -> Asked<ResolveResponse> {
        self.fetching(|| self.resolve(did)).await
    }

    /// Checks that two histories were not found.
    pub(super) fn check_open(&self) -> Result<(), ViewError> {
        let client = &self.shared.client;
        if client.is_frozen() {
            client.check_open()?;
        }
        Ok(())
    }

    /// Checks that there is an answer to whatever is asked now.
    pub(super) fn check(&self) -> Result<(), ViewError> {
        self.check_open()?;
        let now = self.shared.client.now();
        self.check_place(&self.shared.read(), now)
    }

    /// Checks that the block is young enough, and high enough.
    fn check_place(&self, copy: &Snapshot, now: TimeMs) -> Result<(), ViewError> {
        let (head, at_least) = (copy.head, self.at_least);
        let ahead = Duration::from_millis(head.time.0.saturating_sub(now.0));
        if ahead > Duration::from_millis(CLOCK_AHEAD_MS_MAX) {
            let height = head.height;
            return Err(ViewError::ClockBack { height, ahead });
        }
        if let Some(age) = self.shared.too_old(&head, now) {
            return Err(ViewError::Stale {
                height: head.height,
                age,
                why: copy.why.clone(),
            });
        }
        if head.height < at_least {
            let height = head.height;
            return Err(ViewError::Behind { height, at_least });
        }
        Ok(())
    }

    /// Works an answer out from one block, if that is young enough and high enough.
    fn answer<T>(&self, work: impl Fn(&dyn AnswerView) -> Result<T, AnswerError>) -> Asked<T> {
        let shared: &Shared = &self.shared;
        self.check_open()?;
        let now = shared.client.now();
        let copy = shared.read();
        self.check_place(&copy, now)?;
        let head = copy.head;
        let locked = Locked {
            copy: &copy,
            missing: RefCell::new(None),
        };
        let answer = work(&locked);
        // Whatever the question made of a missing value, it is no answer.
        if let Some(key) = locked.missing.into_inner() {
            return Err(ViewError::NotHere { key });
        }
        let height = head.height;
        let back = |at_least| ViewError::Behind { height, at_least };
        shared.answer_from(height).map_err(back)?;
        let answer = answer.map_err(|error| match error {
            AnswerError::Refused(error) => ViewError::Refused(error),
            _ => ViewError::Undecodable,
        })?;
        Ok(Proven {
            answer,
            height: head.height,
            block_hash: head.hash,
            time: head.time,
        })
    }

    /// As [`answer`](Self::answer), for verdicts: one for want of state is no verdict.
    fn decide(
        &self,
        work: impl Fn(&dyn AnswerView) -> Result<Decision, AnswerError>,
    ) -> Asked<Decision> {
        let decided = self.answer(work)?;
        if decided.answer.reason == ReasonCode::StateUnavailable {
            return Err(ViewError::Undecodable);
        }
        Ok(decided)
    }

    /// Asks until nothing is missing.
    async fn fetching<T>(&self, ask: impl Fn() -> Asked<T>) -> Asked<T> {
        for _ in 0..FETCHED_MAX {
            match ask() {
                Err(ViewError::NotHere { key }) => fetch_value(&self.shared, &key).await?,
                answer => return answer,
            }
        }
        ask()
    }

    fn timed_login(&self, request: &VerifyLoginRequest) -> VerifyLoginRequest {
        let mut request = request.clone();
        self.set_time(&mut request.time, &mut request.max_staleness_ms);
        request
    }

    fn set_time(&self, time: &mut Option<u64>, staleness_ms: &mut Option<u64>) {
        self.shared.client.set_time(time, staleness_ms);
    }
}
