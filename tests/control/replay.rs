//! A verifier: replays the exported log, entries and operations, without the ledger's state.

use std::collections::BTreeMap;

use allod_primitives::control::{self, Refusal, Setting, UsedMethods, advance, apply, next_effect};
use allod_primitives::document::{ActiveMethod, Document, Fragment, MethodKey, RetiredMethod};
use allod_primitives::governance::ControlParameters;
use allod_primitives::limits::METHOD_ALLOWANCE;
use allod_primitives::log::{LogEntry, LogHead, LogKind};
use allod_primitives::operation::{Body, Operation, SignedOperation};
use allod_primitives::record::{DID_RECORD_VERSION, DidRecord, LaneHead, Lanes, Status};
use allod_primitives::{BoundedVec, H256, TimeMs};

use super::ledger::DELAYS;

/// What a verifier knows of one identity.
#[derive(Clone)]
pub(crate) struct Replay {
    pub(crate) record: DidRecord,
    pub(crate) retired: BTreeMap<Fragment, RetiredMethod>,
    /// Operations that were exported with the log, by hash.
    operations: BTreeMap<H256, SignedOperation>,
    /// Why the last operation did nothing, if so.
    pub(crate) last: Result<(), Refusal>,
}

struct Used<'a>(&'a BTreeMap<Fragment, RetiredMethod>);

impl UsedMethods for Used<'_> {
    fn retired(&self, fragment: &Fragment) -> Option<RetiredMethod> {
        self.0.get(fragment).cloned()
    }

    fn is_key_retired(&self, key: &MethodKey) -> bool {
        self.0.values().any(|it| it.method.key == *key)
    }
}

impl Replay {
    /// Begins with an inception and its entry.
    pub(crate) fn begin(inception: &Operation, entry: &LogEntry) -> Result<Self, String> {
        let Body::Incept(body) = &inception.body else {
            return Err("not an inception".to_owned());
        };
        let since = entry.time;
        let methods: Vec<ActiveMethod> = body
            .document
            .methods
            .iter()
            .map(|it| ActiveMethod {
                method: it.clone(),
                since,
            })
            .collect();
        let mut lanes = Lanes::default();
        lanes.ranks[0] = LaneHead {
            next_seq: 1,
            last: inception.hash(),
        };
        let record = DidRecord {
            version: DID_RECORD_VERSION,
            status: Status::Active,
            created_height: entry.height,
            created: entry.time,
            updated: entry.time,
            policy: body.policy.clone(),
            document: Document {
                methods: methods.try_into().expect("as many as before"),
                services: body.document.services.clone(),
                also_known_as: body.document.also_known_as.clone(),
                controllers: body.document.controllers.clone(),
            },
            retired_count: 0,
            method_allowance: METHOD_ALLOWANCE,
            lanes,
            not_before: TimeMs(0),
            grant_epoch: 0,
            pending: BoundedVec::new(),
            cool_downs: BoundedVec::new(),
            frozen: None,
            log: LogHead::default(),
        };
        let mut replay = Self {
            record,
            retired: BTreeMap::new(),
            operations: BTreeMap::new(),
            last: Ok(()),
        };
        replay.append(entry)?;
        Ok(replay)
    }

    /// Adds an operation to what was exported.
    pub(crate) fn export(&mut self, signed: &SignedOperation) {
        self.operations
            .insert(signed.operation.hash(), signed.clone());
    }

    /// Follows one entry; what it says must be what the rules make of the record so far.
    pub(crate) fn follow(&mut self, entry: &LogEntry) -> Result<(), String> {
        match entry.kind {
            LogKind::Automatic => {
                let effect = next_effect(&self.record, entry.time).ok_or("nothing was due")?;
                if effect.pending.id != entry.operation_hash {
                    return Err("another change was due first".to_owned());
                }
                self.record = effect.record;
                self.keep(effect.retired);
            }
            LogKind::Operation => {
                let signed = self.operations.get(&entry.operation_hash);
                let signed = signed.ok_or("an operation was not exported")?.clone();
                if signed.signatures_hash() != entry.signatures_hash {
                    return Err("other signatures".to_owned());
                }
                self.take(&signed.operation, entry.time);
            }
            LogKind::Governance => return Err("governance does nothing here".to_owned()),
        }
        self.append(entry)
    }

    fn take(&mut self, operation: &Operation, now: TimeMs) {
        let hash = operation.hash();
        advance(&mut self.record, operation.lane, hash);
        let setting = Setting {
            now,
            parameters: ControlParameters {
                delay_ms_min: DELAYS.0,
                delay_ms_max: DELAYS.1,
            },
            used: &Used(&self.retired),
        };
        match apply(&self.record, operation, hash, setting) {
            Ok(applied) => {
                self.record = applied.record;
                self.keep(applied.retired);
                self.last = Ok(());
            }
            Err(refusal) => self.last = Err(refusal),
        }
        self.record.updated = now;
    }

    fn keep(&mut self, retired: Vec<RetiredMethod>) {
        for method in retired {
            self.retired.insert(method.method.fragment.clone(), method);
        }
    }

    fn append(&mut self, entry: &LogEntry) -> Result<(), String> {
        if entry.n != self.record.log.count {
            return Err("an entry is missing".to_owned());
        }
        if entry.record_hash != self.record.content_hash() {
            return Err(format!("another record: {:?}", self.record));
        }
        self.record.log = self.record.log.append(entry);
        Ok(())
    }

    /// Returns the record as it is at `now`.
    pub(crate) fn at(&self, now: u64) -> DidRecord {
        control::effective(&self.record, TimeMs(now)).record
    }
}
