//! One entry after the other.

use std::collections::BTreeMap;

use allod_primitives::codec::BoundedVec;
use allod_primitives::control::{
    Outcome, Refusal, Setting, UsedMethods, advance, apply, is_authorized, next_effect,
};
use allod_primitives::document::{ActiveMethod, Document, Fragment, MethodKey, RetiredMethod};
use allod_primitives::governance::ControlParameters;
use allod_primitives::limits::{FREEZE_MS_MAX, METHOD_ALLOWANCE};
use allod_primitives::log::{LogEntry, LogHead, LogKind, Stated};
use allod_primitives::operation::{Body, Inception, Lane, SignedOperation};
use allod_primitives::record::{DID_RECORD_VERSION, DidRecord, LaneHead, Lanes, Status};
use allod_primitives::{Did, DidId, H256, TimeMs};

use super::form::check_operation;
use super::stub::follow_stub;
use super::{Expectations, ExportedEntry, Fault};

/// A record while its log is replayed.
pub(super) struct Replaying<'a> {
    expectations: &'a Expectations<'a>,
    /// The record after the last entry, its log head included; none before the first.
    pub(super) record: Option<DidRecord>,
    last: Option<LogEntry>,
    pub(super) retired: BTreeMap<Fragment, RetiredMethod>,
    pub(super) failed: Vec<(u64, Refusal)>,
    pub(super) by_unknown_controllers: Vec<u64>,
    pub(super) erased: Vec<u64>,
}

impl UsedMethods for Replaying<'_> {
    fn retired(&self, fragment: &Fragment) -> Option<RetiredMethod> {
        self.retired.get(fragment).cloned()
    }

    fn is_key_retired(&self, key: &MethodKey) -> bool {
        self.retired.values().any(|it| it.method.key == *key)
    }
}

impl<'a> Replaying<'a> {
    pub(super) const fn new(expectations: &'a Expectations<'a>) -> Self {
        Self {
            expectations,
            record: None,
            last: None,
            retired: BTreeMap::new(),
            failed: Vec::new(),
            by_unknown_controllers: Vec::new(),
            erased: Vec::new(),
        }
    }

    /// Takes entry `n`. After an error nothing of this is of use.
    ///
    /// Source: spec/history.md §3.
    pub(super) fn step(&mut self, n: u64, exported: &ExportedEntry) -> Result<(), Fault> {
        let entry = &exported.entry;
        if entry.n != n {
            return Err(Fault::Position);
        }
        self.check_order(entry)?;
        check_members(exported, self.expectations.head.is_some())?;
        check_inception_first(n, exported)?;
        let stated = exported.stated.as_ref();
        check_statement(exported)?;
        let record = match (self.record.take(), entry.kind, &exported.operation) {
            (before, LogKind::Operation, Some(signed)) => {
                check_operation(signed, entry, self.expectations)?;
                match before {
                    None => incept(signed, entry)?,
                    Some(record) => self.operation(record, entry, signed, stated)?,
                }
            }
            (before, LogKind::Operation, None) => self.stub(before, exported)?,
            (Some(record), LogKind::Automatic, _) => self.effect(&record, entry)?,
            (Some(record), LogKind::Governance, _) => decision(record, entry, stated)?,
            (None, _, _) => return Err(Fault::Inception),
        };
        if record.content_hash() != entry.record_hash {
            return Err(Fault::RecordHash);
        }
        let log = record.log.append(entry);
        self.record = Some(DidRecord { log, ..record });
        self.last = Some(*entry);
        Ok(())
    }

    fn check_order(&self, entry: &LogEntry) -> Result<(), Fault> {
        let Some(last) = &self.last else {
            return Ok(());
        };
        let in_step = (entry.height == last.height) == (entry.time == last.time);
        if entry.height < last.height || entry.time < last.time || !in_step {
            return Err(Fault::Order);
        }
        Ok(())
    }

    fn operation(
        &mut self,
        mut record: DidRecord,
        entry: &LogEntry,
        signed: &SignedOperation,
        stated: Option<&Stated>,
    ) -> Result<DidRecord, Fault> {
        let operation = &signed.operation;
        check_settled(&record, entry)?;
        let head = record.lanes.get(operation.lane).ok_or(Fault::Lane)?;
        if (operation.lane_seq, operation.lane_prev) != (head.next_seq, head.last) {
            return Err(Fault::Lane);
        }
        self.check_authority(&record, entry, signed)?;
        let hash = entry.operation_hash;
        advance(&mut record, operation.lane, hash);
        let setting = Setting {
            now: entry.time,
            parameters: bounds(&record, entry, operation.lane, stated)?,
            used: self,
        };
        match apply(&record, operation, hash, setting) {
            Ok(applied) => {
                if waits_until(&applied.outcomes).as_ref() != stated {
                    return Err(Fault::Stated);
                }
                record = applied.record;
                self.keep(applied.retired);
            }
            Err(_) if stated.is_some() => return Err(Fault::Stated),
            Err(refusal) => self.failed.push((entry.n, refusal)),
        }
        record.updated = entry.time;
        Ok(record)
    }

    fn check_authority(
        &mut self,
        record: &DidRecord,
        entry: &LogEntry,
        signed: &SignedOperation,
    ) -> Result<(), Fault> {
        let operation = &signed.operation;
        if let Some(controller) = &operation.controller {
            self.check_controller(record, controller)?;
        }
        // An identity may list itself.
        let other = operation.controller.filter(|it| *it != operation.did);
        let authorized = match &other {
            None => is_authorized(&record.policy, operation, &signed.signatures),
            Some(controller) => match (self.expectations.controller)(controller, entry) {
                Some(policy) => is_authorized(&policy, operation, &signed.signatures),
                None => {
                    self.by_unknown_controllers.push(entry.n);
                    !signed.signatures.is_empty()
                }
            },
        };
        if authorized {
            Ok(())
        } else {
            Err(Fault::NotAuthorized)
        }
    }

    fn check_controller(&self, record: &DidRecord, controller: &DidId) -> Result<(), Fault> {
        let network = self.expectations.did.network();
        let name = Did::new(network, *controller);
        let listed = record.document.controllers.contains(&name);
        if listed {
            Ok(())
        } else {
            Err(Fault::NotController)
        }
    }

    fn effect(&mut self, record: &DidRecord, entry: &LogEntry) -> Result<DidRecord, Fault> {
        let effect = next_effect(record, entry.time);
        let effect = effect.filter(|it| it.pending.id == entry.operation_hash);
        let effect = effect.ok_or(Fault::NoSuchEffect)?;
        self.keep(effect.retired);
        Ok(effect.record)
    }

    fn stub(
        &mut self,
        before: Option<DidRecord>,
        exported: &ExportedEntry,
    ) -> Result<DidRecord, Fault> {
        let shown = exported.record.as_deref().ok_or(Fault::OperationMissing)?;
        if let Some(before) = &before {
            check_settled(before, &exported.entry)?;
        }
        let (record, retired) = follow_stub(before.as_ref(), shown, &exported.entry)?;
        self.keep(retired);
        self.erased.push(exported.entry.n);
        Ok(record)
    }

    fn keep(&mut self, retired: Vec<RetiredMethod>) {
        for it in retired {
            self.retired.insert(it.method.fragment.clone(), it);
        }
    }
}

/// Checks that an entry has what its kind asks for, and nothing else. `knows_head`: whether erased
/// operations may be believed.
fn check_members(exported: &ExportedEntry, knows_head: bool) -> Result<(), Fault> {
    let (operation, record) = (exported.operation.is_some(), exported.record.is_some());
    match exported.entry.kind {
        LogKind::Operation if operation && record => Err(Fault::OperationMisplaced),
        LogKind::Operation if operation || (record && knows_head) => Ok(()),
        LogKind::Operation => Err(Fault::OperationMissing),
        _ if operation || record => Err(Fault::OperationMisplaced),
        _ if exported.entry.signatures_hash != H256::ZERO => Err(Fault::SignaturesHash),
        _ => Ok(()),
    }
}

fn check_inception_first(n: u64, exported: &ExportedEntry) -> Result<(), Fault> {
    let body = exported.operation.as_ref().map(|it| &it.operation.body);
    let fits = match body {
        Some(body) => matches!(body, Body::Incept(_)) == (n == 0),
        None => n > 0 || exported.entry.kind == LogKind::Operation,
    };
    if fits { Ok(()) } else { Err(Fault::Inception) }
}

/// Checks that something is stated of the right kind where, and only where, it may be.
fn check_statement(exported: &ExportedEntry) -> Result<(), Fault> {
    let by_governance = exported.entry.kind == LogKind::Governance;
    let body = exported.operation.as_ref().map(|it| &it.operation.body);
    let may_wait = match body {
        Some(body) => matches!(body, Body::Propose(_) | Body::Recover { .. }),
        None => exported.record.is_some(),
    };
    let fits = match &exported.stated {
        None => !by_governance,
        Some(Stated::EffectiveAt(_)) => may_wait,
        Some(Stated::Frozen(_) | Stated::Unfrozen) => by_governance,
    };
    if fits { Ok(()) } else { Err(Fault::Stated) }
}

/// Checks that the identity acts, and that what time brought about was written down before.
fn check_settled(record: &DidRecord, entry: &LogEntry) -> Result<(), Fault> {
    if next_effect(record, entry.time).is_some() {
        return Err(Fault::EffectMissing);
    }
    if !record.is_active() {
        return Err(Fault::Ended);
    }
    Ok(())
}

/// Returns bounds for delays under which the change that is proposed waits as stated. Which
/// were in force the log does not tell; that the ledger took these, the record's hash does.
fn bounds(
    record: &DidRecord,
    entry: &LogEntry,
    lane: Lane,
    stated: Option<&Stated>,
) -> Result<ControlParameters, Fault> {
    let at = match stated {
        None => return Ok(ControlParameters::default()),
        Some(Stated::EffectiveAt(at)) => at,
        Some(_) => return Err(Fault::Stated),
    };
    let policy = &record.policy;
    let delay_ms = match lane {
        Lane::Guardians => policy.guardians.as_ref().map(|it| it.delay_ms),
        _ => Some(policy.delay_ms),
    };
    let waits_ms = at.0.checked_sub(entry.time.0);
    let bounds = delay_ms.zip(waits_ms);
    let bounds = bounds.and_then(|(delay, waits)| ControlParameters::that_clamp(delay, waits));
    bounds.ok_or(Fault::Stated)
}

/// Returns until when the change waits that an operation proposed, as it is stated.
fn waits_until(outcomes: &[Outcome]) -> Option<Stated> {
    outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Proposed { effective_at, .. } => Some(Stated::EffectiveAt(*effective_at)),
        _ => None,
    })
}

/// Governance freezes and unfreezes.
///
/// Source: spec/governance.md §7.
fn decision(
    mut record: DidRecord,
    entry: &LogEntry,
    stated: Option<&Stated>,
) -> Result<DidRecord, Fault> {
    check_settled(&record, entry)?;
    let latest = entry.time.plus_ms(FREEZE_MS_MAX);
    record.frozen = match stated {
        Some(Stated::Frozen(freeze))
            if !freeze.reason.as_str().is_empty()
                && freeze.until > entry.time
                && freeze.until <= latest =>
        {
            Some(freeze.clone())
        }
        Some(Stated::Unfrozen) if record.frozen.is_some() => None,
        _ => return Err(Fault::Stated),
    };
    record.updated = entry.time;
    Ok(record)
}

/// Returns the record that an inception makes, once its name, place and signers are checked.
fn incept(signed: &SignedOperation, entry: &LogEntry) -> Result<DidRecord, Fault> {
    let operation = &signed.operation;
    let Body::Incept(inception) = &operation.body else {
        return Err(Fault::Inception);
    };
    if inception.did_id() != operation.did {
        return Err(Fault::Inception);
    }
    if (operation.lane_seq, operation.lane_prev) != (0, H256::ZERO) {
        return Err(Fault::Lane);
    }
    if !is_authorized(&inception.policy, operation, &signed.signatures) {
        return Err(Fault::NotAuthorized);
    }
    born(inception, entry).ok_or(Fault::Form)
}

/// Returns the record that an inception makes.
///
/// Source: spec/did.md §2.
fn born(inception: &Inception, entry: &LogEntry) -> Option<DidRecord> {
    let now = entry.time;
    let methods = inception.document.methods.iter().map(|it| ActiveMethod {
        method: it.clone(),
        since: now,
    });
    let methods: Vec<ActiveMethod> = methods.collect();
    Some(DidRecord {
        version: DID_RECORD_VERSION,
        status: Status::Active,
        created_height: entry.height,
        created: now,
        updated: now,
        policy: inception.policy.clone(),
        document: Document {
            methods: methods.try_into().ok()?,
            services: inception.document.services.clone(),
            also_known_as: inception.document.also_known_as.clone(),
            controllers: inception.document.controllers.clone(),
        },
        retired_count: 0,
        method_allowance: METHOD_ALLOWANCE,
        lanes: first_lanes(entry.operation_hash),
        not_before: TimeMs(0),
        grant_epoch: 0,
        pending: BoundedVec::new(),
        cool_downs: BoundedVec::new(),
        frozen: None,
        log: LogHead::default(),
    })
}

/// Returns the lanes of a record whose only operation is the inception.
pub(super) fn first_lanes(inception: H256) -> Lanes {
    let mut lanes = Lanes::default();
    if let Some(head) = lanes.get_mut(Lane::Rank(0)) {
        *head = LaneHead {
            next_seq: 1,
            last: inception,
        };
    }
    lanes
}
