//! A ledger in memory that speaks the contract, just enough of it to drive the command line.
//!
//! It applies operations without asking who signed them: that is the runtime's business and tested
//! there. It can be told to fail the next call of a method.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use allod_primitives::document::{ActiveMethod, Document, DocumentPatch};
use allod_primitives::log::LogHead;
use allod_primitives::operation::{Admission, Body, ControlChange, Inception, SignedOperation};
use allod_primitives::record::{DID_RECORD_VERSION, DidRecord, LaneHead, Lanes, Status};
use allod_primitives::{BoundedVec, Did, DidId, H256, Height, NetworkId, TimeMs, decode_strict};
use allod_rpc_api::document::{DidDocument, DocumentMetadata};
use allod_rpc_api::error::{ErrorCode, Failure};
use allod_rpc_api::hex_bytes::{HexBytes, HexHash};
use allod_rpc_api::identity::{ResolveRequest, ResolveResponse};
use allod_rpc_api::submit::{
    ItemKind, SubmitItem, SubmitOutcome, SubmitRequest, SubmitResponse, SubmitStatus,
};
use jsonrpsee::RpcModule;
use jsonrpsee::server::{Server, ServerHandle};
use jsonrpsee::types::ErrorObjectOwned;
use parity_scale_codec::Encode;
use serde_json::{Value, json};

pub(crate) const GENESIS: H256 = H256([9; 32]);
/// A time in the future of every test: tokens and operations are fresh.
const TIME_MS: u64 = 1_800_000_000_000;

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
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) records: BTreeMap<DidId, DidRecord>,
    faults: VecDeque<(&'static str, Fault)>,
    requests: Vec<(&'static str, Value)>,
    pub(crate) vouchers: bool,
    pub(crate) work_bits: Option<u8>,
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
            other => panic!("the test said nothing about {other}"),
        }
    }

    fn context(&self) -> Value {
        json!({
            "name": "Test", "network": NetworkId::from_genesis(&GENESIS).to_string(),
            "genesis": GENESIS.to_string(), "forkId": 0, "genesisHash": GENESIS.to_string(),
            "specVersion": 1, "transactionVersion": 1, "height": self.height,
            "blockHash": H256([1; 32]).to_string(), "time": TIME_MS, "nodeTime": TIME_MS + 50,
            "admission": { "vouchers": self.vouchers, "workBits": self.work_bits },
            "limits": allod_rpc_api::context::ContextLimits::default(),
        })
    }

    fn resolve(&self, params: &Value) -> Result<Value, ErrorObjectOwned> {
        let request: ResolveRequest = serde_json::from_value(params.clone()).unwrap();
        let did: Did = request.did.parse().unwrap();
        let record = self.records.get(&did.id());
        let record = record.ok_or_else(|| error(ErrorCode::DidNotFound))?;
        let document = DidDocument::new(&did, &record.document, TimeMs(TIME_MS));
        Ok(json!(ResolveResponse {
            did_document: record.is_active().then_some(document),
            did_document_metadata: DocumentMetadata::new(record),
            retired: Vec::new(),
            retired_count: record.retired_count,
            not_before: record.not_before.0,
            grant_epoch: record.grant_epoch,
            frozen_until: None,
            record: HexBytes(record.encode()),
            height: self.height,
            block_hash: HexHash(H256([1; 32])),
            time: TIME_MS,
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
        match item.kind {
            ItemKind::Operation | ItemKind::Inception => {}
            _ => return Ok(()),
        }
        if let Some(admission) = &item.admission {
            decode_strict::<Admission>(&admission.0).unwrap();
        }
        let signed: SignedOperation = decode_strict(&item.data.0).unwrap();
        assert!(signed.is_well_formed());
        let operation = signed.operation;
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
                patch(record, &document.unwrap());
            }
            Body::UpdateDocument(it) => patch(record, &it),
            Body::SetNotBefore { not_before, .. } => record.not_before = not_before,
            Body::Deactivate { .. } => {
                let at = TimeMs(TIME_MS);
                record.status = Status::Deactivated { at };
            }
            _ => {}
        }
        Ok(())
    }
}

fn born(inception: &Inception) -> DidRecord {
    let since = TimeMs(TIME_MS);
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
        lanes: Lanes::default(),
        not_before: TimeMs(0),
        grant_epoch: 3,
        pending: BoundedVec::new(),
        cool_downs: BoundedVec::new(),
        frozen: None,
        log: LogHead::default(),
    }
}

fn patch(record: &mut DidRecord, patch: &DocumentPatch) {
    let document = &mut record.document;
    for retired in &patch.retire {
        document
            .methods
            .retain(|it| it.method.fragment != retired.fragment);
        record.retired_count += 1;
    }
    for method in &patch.add {
        let (method, since) = (method.clone(), TimeMs(TIME_MS));
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

fn late() -> SubmitResponse {
    let error = allod_rpc_api::RpcError::from(ErrorCode::TransactionNotFinalInTime);
    SubmitResponse {
        items: vec![SubmitOutcome {
            status: SubmitStatus::Accepted,
            hash: Some(HexHash(H256([2; 32]))),
            height: None,
            block_hash: None,
            index: None,
            error: Some(Failure::from(error)),
            item_errors: Vec::new(),
        }],
    }
}

pub(crate) fn error(code: ErrorCode) -> ErrorObjectOwned {
    let error = code.with("by the test");
    ErrorObjectOwned::owned(code.code(), error.to_string(), Some(error.data()))
}
