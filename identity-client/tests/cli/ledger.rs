//! A ledger in memory that speaks the contract, just enough of it to drive the command line.
//!
//! It applies operations without asking who signed them: that is the runtime's business and tested
//! there. Its verdicts are those of the contract's own access function. It can be told to fail the
//! next call of a method.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use allod_primitives::document::{ActiveMethod, Document, DocumentPatch, RetiredMethod};
use allod_primitives::extrinsic::RawExtrinsic;
use allod_primitives::grant::{
    Actions, Assignee, GRANT_ENTRY_VERSION, GrantAction, GrantEntry, GrantStatus,
    SignedGrantMessage,
};
use allod_primitives::log::LogHead;
use allod_primitives::operation::{Admission, Body, ControlChange, Inception, SignedOperation};
use allod_primitives::record::{DID_RECORD_VERSION, DidRecord, LaneHead, Lanes, Status};
use allod_primitives::token::{REVOCATION_ENTRY_VERSION, RevocationEntry, SignedTokenOperation};
use allod_primitives::{
    BoundedVec, ChainId, Did, DidId, ForkId, H256, Height, NetworkId, TimeMs, decode_strict, keys,
};
use allod_rpc_api::access::AccessEvaluateRequest;
use allod_rpc_api::document::{DidDocument, DocumentMetadata};
use allod_rpc_api::error::{ErrorCode, Failure};
use allod_rpc_api::hex_bytes::{HexBytes, HexHash};
use allod_rpc_api::identity::{ResolveRequest, ResolveResponse};
use allod_rpc_api::login::{VerifyJwsRequest, VerifyLoginRequest};
use allod_rpc_api::submit::{
    CALL_DID_BATCH, CALL_GRANT_ANCHOR, ItemKind, SubmitItem, SubmitOutcome, SubmitRequest,
    SubmitResponse, SubmitStatus,
};
use allod_rpc_api::verify::{
    AccessRequest, Decision, JwsExpectations, LedgerView, LoginExpectations, Unavailable,
    evaluate_access, verify_jws, verify_login,
};
use jsonrpsee::RpcModule;
use jsonrpsee::server::{Server, ServerHandle};
use jsonrpsee::types::ErrorObjectOwned;
use parity_scale_codec::Encode;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub(crate) const GENESIS: H256 = H256([9; 32]);
const CHAIN: ChainId = ChainId {
    genesis: GENESIS,
    fork_id: ForkId(0),
};

/// What to do with the next call of a method instead of answering it.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Answer with this error.
    Error(ErrorCode),
    /// Answer with this JSON-RPC error.
    Other(i32, &'static str),
    /// Answer with this result.
    Answer(Value),
    /// Do what is asked, and then say that it was not final in time.
    DoneButLate,
    /// Do nothing, and say that it was not final in time.
    Late,
    /// Do nothing, and say that it failed in its block.
    Failed(ErrorCode),
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) records: BTreeMap<DidId, DidRecord>,
    faults: VecDeque<(&'static str, Fault)>,
    requests: Vec<(&'static str, Value)>,
    pub(crate) vouchers: bool,
    pub(crate) work_bits: Option<u8>,
    /// What else is in the state, by storage key.
    items: BTreeMap<Vec<u8>, Vec<u8>>,
    height: u64,
}

/// The ledger and the server in front of it, which ends with it.
pub(crate) struct Ledger {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    _server: ServerHandle,
}

const METHODS: [&str; 7] = [
    "identity_context",
    "identity_resolve",
    "identity_submit",
    "identity_verifyLogin",
    "identity_verifyJws",
    "access_evaluate",
    "system_accountNextIndex",
];

impl Ledger {
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            records: BTreeMap::new(),
            faults: VecDeque::new(),
            requests: Vec::new(),
            vouchers: true,
            work_bits: Some(4),
            items: BTreeMap::new(),
            height: 10,
        }));
        let server = Server::builder().build("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        let mut module = RpcModule::new(Arc::clone(&state));
        for method in METHODS {
            module
                .register_method(method, move |params, state, _| {
                    let params: Vec<Value> = params.parse().unwrap_or_default();
                    let first = params.into_iter().next().unwrap_or(Value::Null);
                    state.lock().unwrap().answer(method, &first)
                })
                .unwrap();
        }
        Self {
            url,
            state,
            _server: server.start(module),
        }
    }

    pub(crate) fn fail(&self, method: &'static str, fault: Fault) {
        self.state.lock().unwrap().faults.push_back((method, fault));
    }

    /// Changes what the ledger holds or does.
    pub(crate) fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    /// Returns the parameters of the newest request.
    pub(crate) fn asked(&self) -> Value {
        self.state
            .lock()
            .unwrap()
            .requests
            .last()
            .unwrap()
            .1
            .clone()
    }

    pub(crate) fn submitted(&self) -> Vec<SubmitItem> {
        let state = self.state.lock().unwrap();
        let sent = state
            .requests
            .iter()
            .filter(|(method, _)| *method == "identity_submit");
        let sent = sent.map(|(_, it)| serde_json::from_value::<SubmitRequest>(it.clone()).unwrap());
        sent.flat_map(|it| it.items).collect()
    }

    pub(crate) fn record(&self, did: &str) -> DidRecord {
        let did: Did = did.parse().unwrap();
        self.state.lock().unwrap().records[&did.id()].clone()
    }
}

impl State {
    fn answer(&mut self, method: &'static str, params: &Value) -> Result<Value, ErrorObjectOwned> {
        self.requests.push((method, params.clone()));
        let fault = match self.faults.front() {
            Some((at, _)) if *at == method => self.faults.pop_front().map(|(_, fault)| fault),
            _ => None,
        };
        match fault {
            Some(Fault::Error(code)) => return Err(error(code)),
            Some(Fault::Other(code, text)) => {
                return Err(ErrorObjectOwned::owned(code, text, None::<()>));
            }
            Some(Fault::Answer(value)) => return Ok(value),
            Some(Fault::Failed(code)) => return Ok(json!(not_done(SubmitStatus::Failed, code))),
            Some(Fault::Late) => return Ok(json!(late())),
            Some(Fault::DoneButLate) => {
                self.submit(params);
                return Ok(json!(late()));
            }
            None => {}
        }
        match method {
            "identity_context" => Ok(self.context()),
            "identity_resolve" => self.resolve(params),
            "identity_submit" => Ok(json!(self.submit(params))),
            "system_accountNextIndex" => Ok(json!(7)),
            "identity_verifyLogin" => Ok(json!(self.login(&read(params)))),
            "identity_verifyJws" => Ok(json!(self.jws(&read(params)))),
            "access_evaluate" => Ok(json!(self.access(&read(params)))),
            other => panic!("the test said nothing about {other}"),
        }
    }

    fn context(&self) -> Value {
        json!({
            "name": "Test", "network": NetworkId::from_genesis(&GENESIS).to_string(),
            "genesis": GENESIS.to_string(), "forkId": 0, "genesisHash": GENESIS.to_string(),
            "specVersion": 1, "transactionVersion": 1, "height": self.height,
            "blockHash": H256([1; 32]).to_string(), "time": now().0, "nodeTime": now().0,
            "admission": { "vouchers": self.vouchers, "workBits": self.work_bits },
            "limits": allod_rpc_api::context::ContextLimits::default(),
        })
    }

    fn resolve(&self, params: &Value) -> Result<Value, ErrorObjectOwned> {
        let request: ResolveRequest = serde_json::from_value(params.clone()).unwrap();
        let did: Did = request.did.parse().unwrap();
        let record = self.records.get(&did.id());
        let record = record.ok_or_else(|| error(ErrorCode::DidNotFound))?;
        let document = DidDocument::new(&did, &record.document, now());
        Ok(json!(ResolveResponse {
            did_document: record.is_active().then_some(document),
            did_document_metadata: DocumentMetadata::new(record),
            retired: Vec::new(),
            retired_count: record.retired_count,
            method_allowance: allod_primitives::limits::METHOD_ALLOWANCE,
            not_before: record.not_before.0,
            grant_epoch: record.grant_epoch,
            frozen_until: None,
            record: HexBytes(record.encode()),
            height: self.height,
            block_hash: HexHash(H256([1; 32])),
            time: now().0,
        }))
    }

    fn submit(&mut self, params: &Value) -> SubmitResponse {
        let request: SubmitRequest = serde_json::from_value(params.clone()).unwrap();
        self.height += 1;
        let items = request.items.iter().map(|item| {
            let done = self.apply(item);
            SubmitOutcome {
                status: if done.is_ok() {
                    SubmitStatus::Finalized
                } else {
                    SubmitStatus::Rejected
                },
                hash: Some(HexHash(H256([2; 32]))),
                height: done.is_ok().then_some(self.height),
                block_hash: done.is_ok().then_some(HexHash(H256([1; 32]))),
                index: None,
                error: done
                    .err()
                    .map(|code| Failure::from(code.with("by the test"))),
                item_errors: Vec::new(),
            }
        });
        SubmitResponse {
            items: items.collect(),
        }
    }

    fn apply(&mut self, item: &SubmitItem) -> Result<(), ErrorCode> {
        let bytes = &item.data.0;
        match item.kind {
            ItemKind::Operation | ItemKind::Inception => {}
            ItemKind::Token => return self.revoke_token(&decode_strict(bytes).unwrap()),
            ItemKind::GrantRevoke => return self.grant(&decode_strict(bytes).unwrap()),
            ItemKind::Extrinsic => return self.batch(&item.to_extrinsic().unwrap()),
        }
        if let Some(admission) = &item.admission {
            decode_strict::<Admission>(&admission.0).unwrap();
        }
        self.operate(&decode_strict(bytes).unwrap())
    }

    fn batch(&mut self, extrinsic: &[u8]) -> Result<(), ErrorCode> {
        let extrinsic = RawExtrinsic::decode_body(extrinsic).unwrap();
        assert_eq!(extrinsic.signed.unwrap().nonce, 7);
        let items = &extrinsic.call[2..];
        match [extrinsic.call[0], extrinsic.call[1]] {
            CALL_DID_BATCH => {
                let items: BoundedVec<SignedOperation, 512> = decode_strict(items).unwrap();
                // Items that fail do not fail the batch.
                for item in &items {
                    let _ = self.operate(item);
                }
            }
            CALL_GRANT_ANCHOR => {
                let items: BoundedVec<SignedGrantMessage, 512> = decode_strict(items).unwrap();
                for item in &items {
                    let _ = self.grant(item);
                }
            }
            other => panic!("call {other:?}"),
        }
        Ok(())
    }

    fn revoke_token(&mut self, signed: &SignedTokenOperation) -> Result<(), ErrorCode> {
        let entry = RevocationEntry {
            version: REVOCATION_ENTRY_VERSION,
            exp: signed.operation.exp,
            revoked_at: now(),
        };
        let key = keys::revocation(&signed.operation.tag());
        match self.items.insert(key, entry.encode()) {
            None => Ok(()),
            Some(_) => Err(ErrorCode::TokenAlreadyRevoked),
        }
    }

    fn grant(&mut self, signed: &SignedGrantMessage) -> Result<(), ErrorCode> {
        let key = keys::grant(&signed.message.gid);
        let entry = match signed.message.action {
            GrantAction::Anchor {
                grant_key,
                expiry_day,
            } => GrantEntry {
                version: GRANT_ENTRY_VERSION,
                grant_key,
                expiry_day,
                status: GrantStatus::Active,
            },
            GrantAction::Revoke => {
                let entry = self.items.get(&key).ok_or(ErrorCode::GrantNotFound)?;
                GrantEntry {
                    status: GrantStatus::Revoked { at: now() },
                    ..decode_strict(entry).unwrap()
                }
            }
        };
        self.items.insert(key, entry.encode());
        Ok(())
    }

    fn operate(&mut self, signed: &SignedOperation) -> Result<(), ErrorCode> {
        assert!(signed.is_well_formed());
        let operation = signed.operation.clone();
        if let Body::Incept(inception) = &operation.body {
            assert_eq!(inception.did_id(), operation.did);
            self.records.insert(operation.did, born(inception));
        }
        let record = self
            .records
            .get_mut(&operation.did)
            .ok_or(ErrorCode::DidNotFound)?;
        let lane = record.lanes.get_mut(operation.lane).unwrap();
        if operation.lane_seq != lane.next_seq {
            return Err(ErrorCode::DidSequenceStale);
        }
        assert_eq!(operation.lane_prev, lane.last);
        *lane = LaneHead {
            next_seq: operation.lane_seq + 1,
            last: operation.hash(),
        };
        match operation.body {
            Body::Rotate(ControlChange {
                ranks, document, ..
            }) => {
                let rank = ranks[0].rank.clone().unwrap();
                record.policy.ranks = vec![rank].try_into().unwrap();
                patch(record, &mut self.items, &operation.did, &document.unwrap());
            }
            Body::UpdateDocument(it) => patch(record, &mut self.items, &operation.did, &it),
            Body::SetNotBefore { not_before, .. } => record.not_before = not_before,
            Body::Deactivate => {
                let at = now();
                record.status = Status::Deactivated { at };
            }
            _ => {}
        }
        Ok(())
    }
}

fn born(inception: &Inception) -> DidRecord {
    let since = now();
    let methods = inception.document.methods.iter().cloned();
    let methods: Vec<_> = methods
        .map(|method| ActiveMethod { method, since })
        .collect();
    DidRecord {
        version: DID_RECORD_VERSION,
        status: Status::Active,
        created_height: Height(1),
        created: since,
        updated: since,
        policy: inception.policy.clone(),
        document: Document {
            methods: methods.try_into().unwrap(),
            ..Document::default()
        },
        retired_count: 0,
        method_allowance: allod_primitives::limits::METHOD_ALLOWANCE,
        lanes: Lanes::default(),
        not_before: TimeMs(0),
        grant_epoch: 3,
        pending: BoundedVec::new(),
        cool_downs: BoundedVec::new(),
        frozen: None,
        log: LogHead::default(),
    }
}

fn patch(
    record: &mut DidRecord,
    items: &mut BTreeMap<Vec<u8>, Vec<u8>>,
    did: &DidId,
    patch: &DocumentPatch,
) {
    let document = &mut record.document;
    for retired in &patch.retire {
        let mut methods = document.methods.iter();
        let found = methods.find(|it| it.method.fragment == retired.fragment);
        let found = found.unwrap().clone();
        let entry = RetiredMethod {
            version: 1,
            method: found.method,
            since: found.since,
            until: now(),
            reason: retired.reason,
        };
        let key = keys::did_retired(did, retired.fragment.as_str());
        items.insert(key, entry.encode());
        document
            .methods
            .retain(|it| it.method.fragment != retired.fragment);
        record.retired_count += 1;
    }
    for method in &patch.add {
        let (method, since) = (method.clone(), now());
        document
            .methods
            .push(ActiveMethod { method, since })
            .unwrap();
    }
    if let Some(services) = &patch.services {
        document.services = services.clone();
    }
    if let Some(names) = &patch.also_known_as {
        document.also_known_as = names.clone();
    }
}

impl State {
    fn login(&self, request: &VerifyLoginRequest) -> Decision {
        let expected = LoginExpectations::new(&request.audience, &request.nonce, now());
        verify_login(self, &request.jws, &expected)
    }

    fn jws(&self, request: &VerifyJwsRequest) -> Decision {
        let expected = JwsExpectations::new(&request.audience, now());
        verify_jws(self, &request.jws, &expected)
    }

    fn access(&self, request: &AccessEvaluateRequest) -> Decision {
        let grants = request
            .grants
            .iter()
            .map(|it| decode_strict(&it.0).unwrap());
        let grants: Vec<_> = grants.collect();
        let request = AccessRequest {
            subject: &Assignee::Did(request.subject.parse().unwrap()),
            action: Actions::READ,
            resource: &request.resource,
            owner: &request.owner.parse().unwrap(),
            client: None,
            purpose: None,
            media_type: None,
            grants: &grants,
            now: now(),
            max_staleness_ms: 1000,
        };
        evaluate_access(self, &request)
    }
}

impl LedgerView for State {
    fn storage(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        let record = self
            .records
            .iter()
            .find(|(did, _)| keys::did_record(did) == key);
        let record = record.map(|(_, record)| record.encode());
        Ok(record.or_else(|| self.items.get(key).cloned()))
    }

    fn chain(&self) -> ChainId {
        CHAIN
    }

    fn head(&self) -> (Height, TimeMs) {
        (Height(self.height), now())
    }
}

fn now() -> TimeMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    TimeMs(u64::try_from(since.as_millis()).unwrap())
}

fn read<T: DeserializeOwned>(params: &Value) -> T {
    serde_json::from_value(params.clone()).unwrap()
}

fn late() -> SubmitResponse {
    not_done(SubmitStatus::Accepted, ErrorCode::TransactionNotFinalInTime)
}

fn not_done(status: SubmitStatus, code: ErrorCode) -> SubmitResponse {
    SubmitResponse {
        items: vec![SubmitOutcome {
            status,
            hash: Some(HexHash(H256([2; 32]))),
            height: None,
            block_hash: None,
            index: None,
            error: Some(Failure::from(code.with("by the test"))),
            item_errors: Vec::new(),
        }],
    }
}

fn error(code: ErrorCode) -> ErrorObjectOwned {
    let error = code.with("by the test");
    ErrorObjectOwned::owned(code.code(), error.to_string(), Some(error.data()))
}
