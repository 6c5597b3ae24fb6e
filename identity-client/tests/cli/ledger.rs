//! A ledger in memory that speaks the contract, just enough of it to drive the command line.
//!
//! What operations do is said by `allod_primitives::control`, answers by the contract's own
//! functions, with proofs from the fixture that the light client's tests use. It verifies no signature and counts no quota: that is the runtime's business and
//! tested there. It can be told to fail the next call of a method, and its clock can be advanced.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use allod_primitives::control::{
    Applied, Effective, Refusal, Setting, UsedMethods, advance, apply, effective, is_authorized,
};
use allod_primitives::document::{ActiveMethod, Document, Fragment, MethodKey, RetiredMethod};
use allod_primitives::extrinsic::RawExtrinsic;
use allod_primitives::governance::{ControlParameters, Parameters};
use allod_primitives::grant::{
    GRANT_ENTRY_VERSION, GrantAction, GrantEntry, GrantStatus, SignedGrantMessage,
};
use allod_primitives::log::LogHead;
use allod_primitives::operation::{Admission, Body, Inception, SignedOperation};
use allod_primitives::record::{DID_RECORD_VERSION, DidRecord, Lanes, Status};
use allod_primitives::token::{REVOCATION_ENTRY_VERSION, RevocationEntry, SignedTokenOperation};
use allod_primitives::{
    BoundedVec, Did, DidId, H256, Height, PublicKey, TimeMs, decode_strict, keys,
};
use allod_rpc_api::error::{ErrorCode, Failure};
use allod_rpc_api::hex_bytes::{HexBytes, HexHash};
use allod_rpc_api::submit::{
    CALL_DID_BATCH, CALL_GRANT_ANCHOR, ItemKind, SubmitItem, SubmitOutcome, SubmitRequest,
    SubmitResponse, SubmitStatus,
};
use jsonrpsee::RpcModule;
use jsonrpsee::server::{Server, ServerHandle};
use jsonrpsee::types::ErrorObjectOwned;
use parity_scale_codec::Encode;
use serde_json::{Value, json};

use crate::fixture::chain::Chain;
use crate::fixture::node::{self, Lies};
use crate::fixture::tree;

/// The first block of every ledger of this process.
static BEGINNING: LazyLock<Chain> =
    LazyLock::new(|| Chain::new(TimeMs(now().0 - 60_000), tree::State::new()));
/// How old the newest block becomes before an empty one follows it, ms.
const HEARTBEAT_MS: u64 = 8_000;

/// Genesis hash of every ledger of this process.
pub(crate) fn genesis() -> H256 {
    BEGINNING.id.genesis
}

/// A chain of ten empty blocks, the last of now.
fn beginning() -> Chain {
    let mut chain = BEGINNING.clone();
    (1..=10).for_each(|n| chain.empty(TimeMs(now().0 - 10 + n)));
    chain
}

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
    /// Do nothing, and say that it is final in the newest block.
    Pretended,
    /// Anchor what is to be anchored under a key of its own, and say that it was there already.
    Taken,
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
    /// Whether it answers without proofs.
    pub(crate) no_proof: bool,
    /// Blocks with what is above, proven.
    chain: Chain,
    /// How far its clock is ahead of the system's.
    pub(crate) ahead_ms: u64,
    /// The network's bounds for delays.
    pub(crate) bounds: ControlParameters,
}

/// The ledger and the server in front of it, which ends with it.
pub(crate) struct Ledger {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    _server: ServerHandle,
}

const METHODS: [&str; 13] = [
    "light_genesis",
    "light_header",
    "light_transitions",
    "identity_context",
    "identity_resolve",
    "identity_submit",
    "identity_verifyLogin",
    "identity_verifyJws",
    "access_evaluate",
    "revocation_check",
    "grant_check",
    "system_accountNextIndex",
    "state_getStorage",
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
            no_proof: false,
            chain: beginning(),
            ahead_ms: 0,
            bounds: ControlParameters::default(),
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
    fn now(&self) -> TimeMs {
        now().plus_ms(self.ahead_ms)
    }

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
            Some(Fault::Pretended) => return Ok(json!(self.pretended())),
            Some(Fault::Taken) => return Ok(json!(self.take(params))),
            Some(Fault::Late) => return Ok(json!(late())),
            Some(Fault::DoneButLate) => {
                self.submit(params);
                return Ok(json!(late()));
            }
            None => {}
        }
        match method {
            "identity_context" => Ok(self.context()),
            "identity_submit" => Ok(json!(self.submit(params))),
            "system_accountNextIndex" => Ok(json!(7)),
            "state_getStorage" => Ok(self.storage(params)),
            read => {
                self.settle();
                let lies = Lies {
                    no_proof: self.no_proof,
                    ..Lies::default()
                };
                let answer = node::answer(&self.chain, &lies, read, params);
                answer.map_err(refusal)
            }
        }
    }

    /// Nothing but the network's parameters.
    fn storage(&self, key: &Value) -> Value {
        let wanted = HexBytes(keys::item("Authority", "Parameters"));
        assert_eq!(*key, json!(wanted));
        let parameters = Parameters {
            control: self.bounds,
            ..Parameters::default()
        };
        json!(HexBytes(parameters.encode()))
    }

    fn context(&mut self) -> Value {
        self.settle();
        let mut context = node::context(&self.chain);
        context["nodeTime"] = json!(self.now().0);
        context["admission"] = json!({ "vouchers": self.vouchers, "workBits": self.work_bits });
        context
    }

    fn height(&self) -> u64 {
        self.chain.tip().header.number.0
    }

    /// Makes a block of what is not in one yet, or an empty one if the newest is getting old.
    fn settle(&mut self) {
        let tip = self.chain.tip();
        let age = self.now().0.saturating_sub(tip.header.digest.time.0);
        if self.state() != tip.state || age > HEARTBEAT_MS {
            self.block();
        }
    }

    fn block(&mut self) {
        let (new, tip) = (self.state(), self.chain.tip());
        let gone = tip.state.keys().filter(|key| !new.contains_key(*key));
        let gone: Vec<_> = gone.map(|key| (key.clone(), None)).collect();
        let time = self.now().max(tip.header.digest.time.plus_ms(1));
        let there = new.into_iter().map(|(key, value)| (key, Some(value)));
        self.chain.write(time, there.chain(gone).collect());
    }

    fn state(&self) -> tree::State {
        let records = self.records.iter();
        let records = records.map(|(did, record)| (keys::did_record(did), record.encode()));
        records.chain(self.items.clone()).collect()
    }

    fn submit(&mut self, params: &Value) -> SubmitResponse {
        let request: SubmitRequest = serde_json::from_value(params.clone()).unwrap();
        let done: Vec<_> = request.items.iter().map(|it| self.apply(it)).collect();
        self.block();
        let height = self.height();
        let items = done.into_iter().map(|done| SubmitOutcome {
            status: if done.is_ok() {
                SubmitStatus::Finalized
            } else {
                SubmitStatus::Rejected
            },
            hash: Some(HexHash(H256([2; 32]))),
            height: done.is_ok().then_some(height),
            block_hash: done.is_ok().then_some(HexHash(H256([1; 32]))),
            index: None,
            error: done
                .err()
                .map(|code| Failure::from(code.with("by the test"))),
            item_errors: Vec::new(),
        });
        SubmitResponse {
            items: items.collect(),
        }
    }

    /// A registrar's anchorings, under another key.
    fn take(&mut self, params: &Value) -> SubmitResponse {
        let before = self.items.clone();
        self.submit(params);
        for (key, entry) in &mut self.items {
            if !before.contains_key(key) {
                let taken = GrantEntry {
                    grant_key: PublicKey([9; 32]),
                    ..decode_strict(entry).unwrap()
                };
                *entry = taken.encode();
            }
        }
        not_done(SubmitStatus::Failed, ErrorCode::GrantAlreadyExists)
    }

    fn pretended(&self) -> SubmitResponse {
        SubmitResponse {
            items: vec![SubmitOutcome {
                status: SubmitStatus::Finalized,
                hash: Some(HexHash(H256([2; 32]))),
                height: Some(self.height()),
                block_hash: Some(HexHash(H256([1; 32]))),
                index: None,
                error: None,
                item_errors: Vec::new(),
            }],
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
            revoked_at: self.now(),
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
                anchored: self.now(),
                status: GrantStatus::Active,
            },
            GrantAction::Revoke => {
                let entry = self.items.get(&key).ok_or(ErrorCode::GrantNotFound)?;
                GrantEntry {
                    status: GrantStatus::Revoked { at: self.now() },
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
            self.records
                .insert(operation.did, born(inception, self.now()));
        }
        let record = self
            .records
            .get(&operation.did)
            .ok_or(ErrorCode::DidNotFound)?;
        let Effective {
            mut record,
            retired: unwritten,
        } = effective(record, self.now());
        if !record.is_active() {
            return Err(ErrorCode::DidDeactivated);
        }
        let head = record.lanes.get(operation.lane).unwrap();
        if operation.lane_seq != head.next_seq {
            return Err(ErrorCode::DidSequenceStale);
        }
        assert_eq!(operation.lane_prev, head.last);
        if !is_authorized(&record.policy, &operation, &signed.signatures) {
            return Err(ErrorCode::DidNotAuthorized);
        }
        let hash = operation.hash();
        advance(&mut record, operation.lane, hash);
        let setting = Setting {
            now: self.now(),
            parameters: self.bounds,
            used: &Used(self, operation.did),
        };
        let applied = match &operation.body {
            Body::Incept(_) => Ok((record.clone(), Vec::new())),
            _ => apply(&record, &operation, hash, setting).map(
                |Applied {
                     record, retired, ..
                 }| (record, retired),
            ),
        };
        // What fails in dispatch has used its place in the lane all the same.
        let (record, retired, done) = match applied {
            Ok((record, retired)) => (record, retired, Ok(())),
            Err(refusal) => (record, Vec::new(), Err(code(refusal))),
        };
        self.records.insert(operation.did, record);
        for method in unwritten.into_iter().chain(retired) {
            let key = keys::did_retired(&operation.did, method.method.fragment.as_str());
            self.items.insert(key, method.encode());
        }
        done
    }
}

/// What the state says was used before.
struct Used<'a>(&'a State, DidId);

impl UsedMethods for Used<'_> {
    fn retired(&self, fragment: &Fragment) -> Option<RetiredMethod> {
        let key = keys::did_retired(&self.1, fragment.as_str());
        let value = self.0.items.get(&key)?;
        Some(decode_strict(value).unwrap())
    }

    fn is_key_retired(&self, key: &MethodKey) -> bool {
        let prefix = keys::map("Did", "Retired", keys::Hasher::Identity, &self.1);
        let items = self.0.items.iter();
        let mut retired = items.filter(|(at, _)| at.starts_with(&prefix));
        retired.any(|(_, value)| {
            let method: RetiredMethod = decode_strict(value).unwrap();
            method.method.key == *key
        })
    }
}

fn code(refusal: Refusal) -> ErrorCode {
    match refusal {
        Refusal::MustWait => ErrorCode::DidMustWait,
        Refusal::RevealRequired => ErrorCode::DidRevealMissing,
        Refusal::NoCapability => ErrorCode::DidCapabilityMissing,
        Refusal::KeyInTwoRanks => ErrorCode::DidKeyInTwoRanks,
        Refusal::SlotTaken | Refusal::HigherPending => ErrorCode::DidPendingConflict,
        Refusal::CoolingDown => ErrorCode::DidCoolingDown,
        Refusal::NoSuchPending => ErrorCode::DidPendingNotFound,
        Refusal::NoSuchMethod => ErrorCode::DidMethodNotFound,
        Refusal::FragmentUsed => ErrorCode::DidFragmentUsed,
        Refusal::KeyUsed => ErrorCode::DidKeyUsed,
        Refusal::TooManyMethods => ErrorCode::DidTooManyMethods,
        Refusal::NotMonotone | Refusal::InFuture => ErrorCode::DidNotBeforeInvalid,
        Refusal::TooLarge => ErrorCode::DidRecordTooLarge,
        _ => ErrorCode::DidChangeNotAllowed,
    }
}

fn born(inception: &Inception, since: TimeMs) -> DidRecord {
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

pub(crate) fn now() -> TimeMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    TimeMs(u64::try_from(since.as_millis()).unwrap())
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

fn refusal(refused: node::Refused) -> ErrorObjectOwned {
    let mut data = refused.error.data();
    data.proof = refused.proof.map(HexBytes);
    let code = refused.error.code.code();
    ErrorObjectOwned::owned(code, refused.error.to_string(), Some(data))
}

fn error(code: ErrorCode) -> ErrorObjectOwned {
    let error = code.with("by the test");
    ErrorObjectOwned::owned(code.code(), error.to_string(), Some(error.data()))
}
