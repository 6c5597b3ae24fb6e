//! One entry after the other.

use allod_primitives::control::{Refusal, is_authorized, next_effect};
use allod_primitives::log::{LogEntry, LogKind, Stated};
use allod_primitives::operation::{Body, SignedOperation};
use allod_primitives::record::DidRecord;
use allod_primitives::{Did, DidId, H256};
use allod_rpc_api::versions::Rebuilding;

use super::form::check_operation;
use super::stub::follow_stub;
use super::{Expectations, ExportedEntry, Fault};

/// A record while its log is replayed.
pub(super) struct Replaying<'a> {
    expectations: &'a Expectations<'a>,
    pub(super) rebuilding: Rebuilding,
    last: Option<LogEntry>,
    pub(super) failed: Vec<(u64, Refusal)>,
    pub(super) by_unknown_controllers: Vec<u64>,
    pub(super) erased: Vec<u64>,
}

impl<'a> Replaying<'a> {
    pub(super) fn new(expectations: &'a Expectations<'a>) -> Self {
        Self {
            expectations,
            rebuilding: Rebuilding::default(),
            last: None,
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
        let signed = exported.operation.as_ref();
        match (entry.kind, signed) {
            (LogKind::Operation, Some(signed)) => {
                check_operation(signed, entry, self.expectations)?;
                match self.rebuilding.record() {
                    None => check_inception(signed)?,
                    Some(record) => {
                        let record = record.clone();
                        self.check_turn(&record, entry, signed)?;
                    }
                }
            }
            (LogKind::Operation, None) => self.stub(exported)?,
            (LogKind::Governance, _) => {
                let record = self.rebuilding.record().ok_or(Fault::Inception)?;
                check_settled(record, entry)?;
            }
            (LogKind::Automatic, _) => {}
        }
        if exported.record.is_none() {
            let operation = signed.map(|it| &it.operation);
            let refusal = self.rebuilding.take(entry, operation, stated)?;
            self.failed.extend(refusal.map(|it| (n, it)));
        }
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

    /// Checks that an operation may be taken now.
    fn check_turn(
        &mut self,
        record: &DidRecord,
        entry: &LogEntry,
        signed: &SignedOperation,
    ) -> Result<(), Fault> {
        let operation = &signed.operation;
        check_settled(record, entry)?;
        let head = record.lanes.get(operation.lane).ok_or(Fault::Lane)?;
        if (operation.lane_seq, operation.lane_prev) != (head.next_seq, head.last) {
            return Err(Fault::Lane);
        }
        self.check_authority(record, entry, signed)
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

    fn stub(&mut self, exported: &ExportedEntry) -> Result<(), Fault> {
        let entry = &exported.entry;
        let shown = exported.record.as_deref().ok_or(Fault::OperationMissing)?;
        let before = self.rebuilding.record();
        if let Some(before) = before {
            check_settled(before, entry)?;
        }
        let (record, retired) = follow_stub(before, shown, entry)?;
        self.rebuilding.accept_shown(record, retired, entry)?;
        self.erased.push(entry.n);
        Ok(())
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

/// Checks an inception's name, place and signers.
fn check_inception(signed: &SignedOperation) -> Result<(), Fault> {
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
    Ok(())
}
