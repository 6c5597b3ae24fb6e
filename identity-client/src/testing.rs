//! A ledger of one identity in memory, which judges as the kernel does and keeps the log.

use std::collections::BTreeMap;

use allod_primitives::control::{
    self, Outcome, Party, Refusal, Setting, UsedMethods, advance, apply, next_effect,
};
use allod_primitives::document::{
    ActiveMethod, Document, Fragment, Method, MethodKey, RetiredMethod,
};
use allod_primitives::governance::ControlParameters;
use allod_primitives::limits::METHOD_ALLOWANCE;
use allod_primitives::log::{LogEntry, LogHead, LogKind, Stated};
use allod_primitives::operation::{Body, Inception, Lane, Operation, Payer, SignedOperation};
use allod_primitives::policy::ControlKey;
use allod_primitives::record::{DID_RECORD_VERSION, DidRecord, LaneHead, Lanes, Status};
use allod_primitives::{BoundedVec, ChainId, Did, ForkId, H256, Height, NetworkId, TimeMs};

use crate::control::{
    Available, NextSeed, PartialOperation, Plan, PolicyTemplate, View, inception,
};
use crate::keys::SecretKey;
use crate::operation::{Author, Signer, Terms, incept, login_method};

pub(crate) const GENESIS: H256 = H256([9; 32]);
pub(crate) const START: TimeMs = TimeMs(1_700_000_000_000);
pub(crate) const DAY: u64 = 86_400_000;

pub(crate) fn chain() -> ChainId {
    ChainId {
        genesis: GENESIS,
        fork_id: ForkId(1),
    }
}

pub(crate) fn secret(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

pub(crate) fn public(number: u8) -> ControlKey {
    secret(number).control_key()
}

pub(crate) fn sheet() -> NextSeed {
    NextSeed::from_bytes([77; 32])
}

pub(crate) fn method(fragment: &str, number: u8) -> Method {
    login_method(fragment, &secret(number).public()).unwrap()
}

/// The keys with these numbers, and the sheet.
pub(crate) fn with_sheet(numbers: &[u8]) -> Available {
    Available {
        seeds: vec![sheet()],
        ..keys(numbers)
    }
}

pub(crate) fn keys(numbers: &[u8]) -> Available {
    Available {
        keys: numbers.iter().map(|it| public(*it)).collect(),
        ..Available::default()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) did: Did,
    pub(crate) record: DidRecord,
    pub(crate) now: TimeMs,
    pub(crate) height: Height,
    pub(crate) log: Vec<(LogEntry, Option<SignedOperation>)>,
    /// What is stated with the entry of this number.
    pub(crate) stated: BTreeMap<u64, Stated>,
    pub(crate) retired: BTreeMap<Fragment, RetiredMethod>,
    pub(crate) parameters: ControlParameters,
}

impl UsedMethods for World {
    fn retired(&self, fragment: &Fragment) -> Option<RetiredMethod> {
        self.retired.get(fragment).cloned()
    }

    fn is_key_retired(&self, key: &MethodKey) -> bool {
        self.retired.values().any(|it| it.method.key == *key)
    }
}

impl World {
    /// Incepts an identity of this policy, whose rank 0 is signed for by the keys of `numbers`,
    /// with login method `key-1` (key 100).
    pub(crate) fn new(policy: PolicyTemplate, numbers: &[u8]) -> Self {
        let body = inception(policy, vec![method("key-1", 100)], [5; 16]).unwrap();
        let did = Did::new(NetworkId::from_genesis(&GENESIS), body.did_id());
        let record = born(&body, START);
        let mut world = Self {
            did,
            record,
            now: START,
            height: Height(3),
            log: Vec::new(),
            stated: BTreeMap::new(),
            retired: BTreeMap::new(),
            parameters: ControlParameters::default(),
        };
        let policy = body.policy.clone();
        let operation = incept(&world.terms(), body);
        let mut partial = PartialOperation::new(operation, &policy).unwrap();
        for number in numbers {
            partial.sign(&secret(*number)).unwrap();
        }
        let signed = partial.complete().unwrap();
        let hash = signed.operation.hash();
        world.record.lanes.ranks[0] = LaneHead {
            next_seq: 1,
            last: hash,
        };
        world.record.updated = world.now;
        world.append(LogKind::Operation, hash, Some(signed));
        world
    }

    pub(crate) fn terms(&self) -> Terms {
        Terms {
            chain: chain(),
            payer: Payer::Any,
            valid_until: self.now.plus_ms(DAY),
        }
    }

    pub(crate) fn view(&self) -> View {
        View::new(&self.record, self.now, self.parameters)
    }

    /// Lets time pass, and writes down what it brings about.
    pub(crate) fn pass(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        self.height = self.height.next();
        while let Some(effect) = next_effect(&self.record, self.now) {
            self.record = effect.record;
            self.keep(effect.retired);
            self.append(LogKind::Automatic, effect.pending.id, None);
        }
    }

    pub(crate) fn operation(&self, plan: &Plan) -> Operation {
        let lanes = self.record.lanes;
        let mut author = Author::new(self.terms(), self.did.id(), lanes);
        author.act(plan.act.clone()).unwrap()
    }

    pub(crate) fn partial(&self, plan: &Plan) -> PartialOperation {
        PartialOperation::new(self.operation(plan), &self.view().record.policy).unwrap()
    }

    /// Signs a plan with these keys, and its generation of next keys, and takes it.
    pub(crate) fn follow(&mut self, plan: &Plan, numbers: &[u8]) -> H256 {
        let mut partial = self.partial(plan);
        if let Some(generation) = &plan.generation {
            partial.sign(&generation.key).unwrap();
        }
        for number in numbers {
            partial.sign(&secret(*number)).unwrap();
        }
        let signed = partial.complete().unwrap();
        self.take(signed).unwrap();
        assert_eq!(self.record.policy, plan.after.policy);
        assert_eq!(self.record.pending.len(), plan.after.pending.len());
        self.log.last().unwrap().0.operation_hash
    }

    /// Takes an operation as the ledger does; what the kernel refuses is logged as failed.
    pub(crate) fn take(&mut self, signed: SignedOperation) -> Result<(), Refusal> {
        self.pass(1000);
        let operation = &signed.operation;
        assert!(signed.is_well_formed());
        let head = self.record.lanes.get(operation.lane).unwrap();
        assert_eq!(
            (operation.lane_seq, operation.lane_prev),
            (head.next_seq, head.last)
        );
        let controlled = operation.controller.is_some();
        assert!(
            controlled
                || control::is_authorized(&self.record.policy, operation, &signed.signatures)
        );
        let hash = operation.hash();
        advance(&mut self.record, operation.lane, hash);
        let setting = Setting {
            now: self.now,
            parameters: self.parameters,
            used: self,
        };
        let applied = apply(&self.record, operation, hash, setting);
        let done = match applied {
            Ok(applied) => {
                let n = self.record.log.count;
                for outcome in &applied.outcomes {
                    if let Outcome::Proposed { effective_at, .. } = outcome {
                        self.stated.insert(n, Stated::EffectiveAt(*effective_at));
                    }
                }
                self.record = applied.record;
                self.keep(applied.retired);
                Ok(())
            }
            Err(refusal) => Err(refusal),
        };
        self.record.updated = self.now;
        self.append(LogKind::Operation, hash, Some(signed));
        done
    }

    /// Makes, signs and takes an operation of one rank.
    pub(crate) fn act(&mut self, lane: Lane, body: Body, number: u8) -> Result<(), Refusal> {
        let mut author = Author::new(self.terms(), self.did.id(), self.record.lanes);
        let act = crate::operation::Act {
            lane,
            controller: None,
            reveal: None,
            body,
        };
        let operation = author.act(act).unwrap();
        let mut partial = PartialOperation::new(operation, &self.record.policy).unwrap();
        partial.sign(&secret(number)).unwrap();
        self.take(partial.complete().unwrap())
    }

    pub(crate) fn append(&mut self, kind: LogKind, cause: H256, signed: Option<SignedOperation>) {
        let entry = LogEntry {
            n: self.record.log.count,
            kind,
            operation_hash: cause,
            signatures_hash: signed
                .as_ref()
                .map_or(H256::ZERO, SignedOperation::signatures_hash),
            record_hash: self.record.content_hash(),
            height: self.height,
            time: self.now,
        };
        self.record.log = self.record.log.append(&entry);
        self.log.push((entry, signed));
    }

    fn keep(&mut self, retired: Vec<RetiredMethod>) {
        for it in retired {
            self.retired.insert(it.method.fragment.clone(), it);
        }
    }
}

pub(crate) fn party_of(plan: &Plan) -> Option<Party> {
    Party::of(plan.act.lane)
}

fn born(inception: &Inception, since: TimeMs) -> DidRecord {
    let methods = inception.document.methods.iter().cloned();
    let methods: Vec<_> = methods
        .map(|method| ActiveMethod { method, since })
        .collect();
    DidRecord {
        version: DID_RECORD_VERSION,
        status: Status::Active,
        created_height: Height(3),
        created: since,
        updated: since,
        policy: inception.policy.clone(),
        document: Document {
            methods: methods.try_into().unwrap(),
            ..Document::default()
        },
        retired_count: 0,
        method_allowance: METHOD_ALLOWANCE,
        lanes: Lanes::default(),
        not_before: TimeMs(0),
        grant_epoch: 0,
        pending: BoundedVec::new(),
        cool_downs: BoundedVec::new(),
        frozen: None,
        log: LogHead::default(),
    }
}
