//! Replaying a log.

use std::collections::BTreeMap;
use std::fmt;

use allod_primitives::codec::BoundedVec;
use allod_primitives::control::{
    Outcome, Refusal, Setting, UsedMethods, advance, apply, is_authorized, next_effect,
};
use allod_primitives::document::{ActiveMethod, Document, Fragment, MethodKey, RetiredMethod};
use allod_primitives::governance::ControlParameters;
use allod_primitives::limits::{FREEZE_MS_MAX, METHOD_ALLOWANCE, OPERATION_VALIDITY_MS_MAX};
use allod_primitives::log::{LogEntry, LogHead, LogKind, Stated};
use allod_primitives::operation::{Body, Inception, Lane, Operation, SignedOperation};
use allod_primitives::policy::ControlPolicy;
use allod_primitives::record::{DID_RECORD_VERSION, DidRecord, LaneHead, Lanes, Status};
use allod_primitives::{ChainId, Did, DidId, H256, NetworkId, TimeMs};

use super::form::is_formed;
use super::{Export, ExportedEntry, Fault, ReplayError};

/// What a history is held against.
#[derive(Clone, Copy)]
pub struct Expectations<'a> {
    /// Whose it must be.
    pub did: Did,
    /// The chain it must be from; operations of its earlier forks count.
    pub chain: ChainId,
    /// The head it must end at, if that is known from elsewhere, such as a proven record. Without
    /// it, a history passes that was cut off at its end, or in which what only the chain of hashes
    /// covers was changed: heights, when effects were written down, what governance decided by.
    pub head: Option<LogHead>,
    /// The policy that a controller had when the block of this entry was made, if it is known.
    /// Where it is not, the entry is listed in [`Replayed::by_unknown_controllers`].
    pub controller: &'a dyn Fn(&DidId, &LogEntry) -> Option<ControlPolicy>,
}

impl fmt::Debug for Expectations<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expectations")
            .field("did", &self.did)
            .field("chain", &self.chain)
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

/// A history that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The record at its end, its log head included.
    pub record: DidRecord,
    /// What has been retired, by fragment.
    pub retired: Vec<RetiredMethod>,
    /// Entries of operations that changed nothing but their lane, and why.
    pub failed: Vec<(u64, Refusal)>,
    /// Entries by controllers whose policy is not known: their signatures verify, but whether
    /// these keys might sign was not looked at.
    pub by_unknown_controllers: Vec<u64>,
}

/// Verifies a history from its first entry to its last.
///
/// Cost: one verification for each signature, two copies of the record for each entry.
///
/// # Errors
/// [`ReplayError`] names the first entry that does not follow.
///
/// Source: spec/did.md §2, §6; spec/control.md §2 to §4.
pub fn replay(export: &Export, expectations: &Expectations<'_>) -> Result<Replayed, ReplayError> {
    let Expectations { did, chain, .. } = expectations;
    let same = export.did == *did && export.chain.genesis == chain.genesis;
    if !same || NetworkId::from_genesis(&chain.genesis) != did.network() {
        return Err(ReplayError::OtherIdentity);
    }
    let [first, rest @ ..] = export.entries.as_slice() else {
        return Err(ReplayError::Empty);
    };
    let at = |n| move |fault| ReplayError::At { n, fault };
    let mut replaying = Replaying::begin(first, expectations).map_err(at(0))?;
    for (n, entry) in (1..).zip(rest) {
        replaying.step(n, entry).map_err(at(n))?;
    }
    let head = replaying.record.log;
    for expected in expectations.head.iter().chain([&export.head]) {
        if *expected != head {
            return Err(ReplayError::OtherHead {
                expected: expected.count,
                found: head.count,
            });
        }
    }
    Ok(Replayed {
        record: replaying.record,
        retired: replaying.retired.into_values().collect(),
        failed: replaying.failed,
        by_unknown_controllers: replaying.by_unknown_controllers,
    })
}

struct Replaying<'a> {
    expectations: &'a Expectations<'a>,
    record: DidRecord,
    last: LogEntry,
    retired: BTreeMap<Fragment, RetiredMethod>,
    failed: Vec<(u64, Refusal)>,
    by_unknown_controllers: Vec<u64>,
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
    fn begin(first: &ExportedEntry, expectations: &'a Expectations<'a>) -> Result<Self, Fault> {
        let signed = first.operation.as_ref().ok_or(Fault::OperationMissing)?;
        let operation = &signed.operation;
        let Body::Incept(inception) = &operation.body else {
            return Err(Fault::Inception);
        };
        let entry = &first.entry;
        if entry.n != 0 || entry.kind != LogKind::Operation {
            return Err(Fault::Position);
        }
        if first.stated.is_some() {
            return Err(Fault::Stated);
        }
        check_operation(signed, entry, expectations)?;
        if inception.did_id() != operation.did {
            return Err(Fault::Inception);
        }
        if (operation.lane_seq, operation.lane_prev) != (0, H256::ZERO) {
            return Err(Fault::Lane);
        }
        if !is_authorized(&inception.policy, operation, &signed.signatures) {
            return Err(Fault::NotAuthorized);
        }
        let record = born(inception, entry).ok_or(Fault::Form)?;
        let mut replaying = Self {
            expectations,
            record,
            last: *entry,
            retired: BTreeMap::new(),
            failed: Vec::new(),
            by_unknown_controllers: Vec::new(),
        };
        replaying.end(entry)?;
        Ok(replaying)
    }

    fn step(&mut self, n: u64, exported: &ExportedEntry) -> Result<(), Fault> {
        let ExportedEntry {
            entry,
            operation,
            stated,
        } = exported;
        if entry.n != n {
            return Err(Fault::Position);
        }
        let (before, last) = (
            (entry.height, entry.time),
            (self.last.height, self.last.time),
        );
        let in_step = (before.0 == last.0) == (before.1 == last.1);
        if before.0 < last.0 || before.1 < last.1 || !in_step {
            return Err(Fault::Order);
        }
        match (entry.kind, operation) {
            (LogKind::Operation, Some(signed)) => self.operation(entry, signed, stated.as_ref())?,
            (LogKind::Operation, None) => return Err(Fault::OperationMissing),
            (_, Some(_)) => return Err(Fault::OperationMisplaced),
            (_, None) if entry.signatures_hash != H256::ZERO => {
                return Err(Fault::SignaturesHash);
            }
            (LogKind::Automatic, None) if stated.is_some() => return Err(Fault::Stated),
            (LogKind::Automatic, None) => self.effect(entry)?,
            (LogKind::Governance, None) => self.decision(entry, stated.as_ref())?,
        }
        self.end(entry)
    }

    /// Compares the record and appends the entry.
    fn end(&mut self, entry: &LogEntry) -> Result<(), Fault> {
        if self.record.content_hash() != entry.record_hash {
            return Err(Fault::RecordHash);
        }
        self.record.log = self.record.log.append(entry);
        self.last = *entry;
        Ok(())
    }

    fn operation(
        &mut self,
        entry: &LogEntry,
        signed: &SignedOperation,
        stated: Option<&Stated>,
    ) -> Result<(), Fault> {
        let operation = &signed.operation;
        if matches!(operation.body, Body::Incept(_)) {
            return Err(Fault::Inception);
        }
        check_operation(signed, entry, self.expectations)?;
        self.check_settled(entry)?;
        let head = self.record.lanes.get(operation.lane).ok_or(Fault::Lane)?;
        if (operation.lane_seq, operation.lane_prev) != (head.next_seq, head.last) {
            return Err(Fault::Lane);
        }
        self.check_authority(entry, signed)?;
        let hash = entry.operation_hash;
        advance(&mut self.record, operation.lane, hash);
        let setting = Setting {
            now: entry.time,
            parameters: self.bounds(entry, operation.lane, stated)?,
            used: self,
        };
        match apply(&self.record, operation, hash, setting) {
            Ok(applied) => {
                if waits_until(&applied.outcomes).as_ref() != stated {
                    return Err(Fault::Stated);
                }
                self.record = applied.record;
                self.keep(applied.retired);
            }
            Err(_) if stated.is_some() => return Err(Fault::Stated),
            Err(refusal) => self.failed.push((entry.n, refusal)),
        }
        self.record.updated = entry.time;
        Ok(())
    }

    /// Returns bounds for delays under which the change that is proposed waits as stated. Which
    /// were in force the log does not tell; that the ledger took these, the record's hash does.
    fn bounds(
        &self,
        entry: &LogEntry,
        lane: Lane,
        stated: Option<&Stated>,
    ) -> Result<ControlParameters, Fault> {
        let at = match stated {
            None => return Ok(ControlParameters::default()),
            Some(Stated::EffectiveAt(at)) => at,
            Some(_) => return Err(Fault::Stated),
        };
        let policy = &self.record.policy;
        let delay_ms = match lane {
            Lane::Guardians => policy.guardians.as_ref().map(|it| it.delay_ms),
            _ => Some(policy.delay_ms),
        };
        let waits_ms = at.0.checked_sub(entry.time.0);
        let bounds = delay_ms.zip(waits_ms);
        let bounds = bounds.and_then(|(delay, waits)| ControlParameters::that_clamp(delay, waits));
        bounds.ok_or(Fault::Stated)
    }

    fn check_authority(&mut self, entry: &LogEntry, signed: &SignedOperation) -> Result<(), Fault> {
        let operation = &signed.operation;
        let authorized = match &operation.controller {
            None => is_authorized(&self.record.policy, operation, &signed.signatures),
            Some(controller) => {
                self.check_controller(operation, controller)?;
                match (self.expectations.controller)(controller, entry) {
                    Some(policy) => is_authorized(&policy, operation, &signed.signatures),
                    None => {
                        self.by_unknown_controllers.push(entry.n);
                        !signed.signatures.is_empty()
                    }
                }
            }
        };
        if authorized {
            Ok(())
        } else {
            Err(Fault::NotAuthorized)
        }
    }

    fn check_controller(&self, operation: &Operation, controller: &DidId) -> Result<(), Fault> {
        let network = self.expectations.did.network();
        let name = Did::new(network, *controller);
        let listed = self.record.document.controllers.contains(&name);
        let documents = matches!(operation.body, Body::UpdateDocument(_));
        if listed && documents && operation.lane == Lane::Documents {
            Ok(())
        } else {
            Err(Fault::NotController)
        }
    }

    fn effect(&mut self, entry: &LogEntry) -> Result<(), Fault> {
        let effect = next_effect(&self.record, entry.time);
        let effect = effect.filter(|it| it.pending.id == entry.operation_hash);
        let effect = effect.ok_or(Fault::NoSuchEffect)?;
        self.record = effect.record;
        self.keep(effect.retired);
        Ok(())
    }

    /// Governance freezes and unfreezes.
    ///
    /// Source: spec/governance.md §7.
    fn decision(&mut self, entry: &LogEntry, stated: Option<&Stated>) -> Result<(), Fault> {
        self.check_settled(entry)?;
        let latest = entry.time.plus_ms(FREEZE_MS_MAX);
        self.record.frozen = match stated {
            Some(Stated::Frozen(freeze))
                if !freeze.reason.as_str().is_empty()
                    && freeze.until > entry.time
                    && freeze.until <= latest =>
            {
                Some(freeze.clone())
            }
            Some(Stated::Unfrozen) if self.record.frozen.is_some() => None,
            _ => return Err(Fault::Stated),
        };
        self.record.updated = entry.time;
        Ok(())
    }

    /// Checks that the identity acts, and that what time brought about was written down before.
    fn check_settled(&self, entry: &LogEntry) -> Result<(), Fault> {
        if next_effect(&self.record, entry.time).is_some() {
            return Err(Fault::EffectMissing);
        }
        if !self.record.is_active() {
            return Err(Fault::Ended);
        }
        Ok(())
    }

    fn keep(&mut self, retired: Vec<RetiredMethod>) {
        for it in retired {
            self.retired.insert(it.method.fragment.clone(), it);
        }
    }
}

/// Returns until when the change waits that an operation proposed, as it is stated.
fn waits_until(outcomes: &[Outcome]) -> Option<Stated> {
    outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Proposed { effective_at, .. } => Some(Stated::EffectiveAt(*effective_at)),
        _ => None,
    })
}

/// Checks all of an operation that needs no record: that it is the entry's, whole, bound to the
/// identity and the time, and that every signature verifies.
fn check_operation(
    signed: &SignedOperation,
    entry: &LogEntry,
    expectations: &Expectations<'_>,
) -> Result<(), Fault> {
    let operation = &signed.operation;
    let hash = operation.hash();
    if hash != entry.operation_hash {
        return Err(Fault::OperationHash);
    }
    if signed.signatures_hash() != entry.signatures_hash {
        return Err(Fault::SignaturesHash);
    }
    let (did, chain) = (expectations.did.id(), expectations.chain);
    let earlier = operation.fork_id <= chain.fork_id;
    if operation.did != did || operation.genesis != chain.genesis || !earlier {
        return Err(Fault::Binding);
    }
    if !is_formed(signed) {
        return Err(Fault::Form);
    }
    let latest = entry.time.plus_ms(OPERATION_VALIDITY_MS_MAX);
    if operation.valid_until < entry.time || operation.valid_until > latest {
        return Err(Fault::Expired);
    }
    for it in &signed.signatures {
        let verified = it
            .key
            .verify_operation(&operation.chain(), &hash, &it.proof);
        verified.map_err(|_| Fault::Signature)?;
    }
    Ok(())
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
    let mut lanes = Lanes::default();
    *lanes.get_mut(Lane::Rank(0))? = LaneHead {
        next_seq: 1,
        last: entry.operation_hash,
    };
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
        lanes,
        not_before: TimeMs(0),
        grant_epoch: 0,
        pending: BoundedVec::new(),
        cool_downs: BoundedVec::new(),
        frozen: None,
        log: LogHead::default(),
    })
}
