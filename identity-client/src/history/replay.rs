//! Replaying a log.

use std::collections::BTreeMap;
use std::fmt;

use allod_primitives::codec::BoundedVec;
use allod_primitives::control::{
    Refusal, Setting, UsedMethods, advance, apply, is_authorized, next_effect,
};
use allod_primitives::document::{ActiveMethod, Document, Fragment, MethodKey, RetiredMethod};
use allod_primitives::governance::ControlParameters;
use allod_primitives::limits::{METHOD_ALLOWANCE, OPERATION_VALIDITY_MS_MAX};
use allod_primitives::log::{LogEntry, LogHead, LogKind};
use allod_primitives::operation::{Body, Inception, Lane, Operation, SignedOperation};
use allod_primitives::policy::ControlPolicy;
use allod_primitives::record::{DID_RECORD_VERSION, DidRecord, Freeze, LaneHead, Lanes, Status};
use allod_primitives::{ChainId, Did, DidId, H256, NetworkId, TimeMs};

use super::form::is_formed;
use super::{Export, ExportedEntry};

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
    /// The network's bounds for delays in a block of this time.
    pub bounds: &'a dyn Fn(TimeMs) -> ControlParameters,
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

/// Why a history does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// It has no entry.
    #[error("the history is empty")]
    Empty,
    /// It is of another identity or network than expected.
    #[error("it is the history of another identity or network")]
    OtherIdentity,
    /// An entry does not follow from those before it.
    #[error("entry {n}: {fault}")]
    At {
        /// Its place in the history, from 0.
        n: u64,
        /// What is wrong.
        fault: Fault,
    },
    /// It ends elsewhere than it should.
    #[error("it has {found} entries or another end than the ledger's log, which has {expected}")]
    OtherHead {
        /// Entries expected.
        expected: u64,
        /// Entries found.
        found: u64,
    },
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Its number is not its place.
    #[error("its number is not its place")]
    Position,
    /// Its height or time is before that of the entry before, or one moved without the other.
    #[error("its time does not follow the entry before")]
    Order,
    /// The first is no inception, or a later one is.
    #[error("an inception is first and nowhere else")]
    Inception,
    /// The operation is missing: erased, or left out.
    #[error("its operation is missing")]
    OperationMissing,
    /// An operation where none is the cause.
    #[error("it has an operation that is not its cause")]
    OperationMisplaced,
    /// The operation is not the one that it names.
    #[error("the operation is not the one it names")]
    OperationHash,
    /// The signatures are not the ones that it names.
    #[error("the signatures are not the ones it names")]
    SignaturesHash,
    /// The operation is bound to another identity, network or fork.
    #[error("the operation is for another identity or chain")]
    Binding,
    /// The ledger takes no operation of this form.
    #[error("the ledger takes no operation of this form")]
    Form,
    /// The operation was void at that time.
    #[error("the operation was void at that time")]
    Expired,
    /// The operation does not follow its lane's last.
    #[error("the operation does not follow the last of its lane")]
    Lane,
    /// The signers may not do this.
    #[error("its signers may not do this")]
    NotAuthorized,
    /// A signature does not verify.
    #[error("a signature does not verify")]
    Signature,
    /// The controller was not one.
    #[error("it is signed by an identity that is no controller")]
    NotController,
    /// The identity had ended.
    #[error("the identity had ended")]
    Ended,
    /// A pending change should have taken effect before.
    #[error("a pending change should have taken effect before")]
    EffectMissing,
    /// Nothing of that id took effect by itself.
    #[error("no pending change of that id took effect then")]
    NoSuchEffect,
    /// The record's hash after it is another, with what is stated of a decision of governance.
    #[error("the record after it is another")]
    RecordHash,
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
        if entry.n != 0 || entry.kind != LogKind::Operation || first.freeze.is_some() {
            return Err(Fault::Position);
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
            freeze,
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
        if entry.kind != LogKind::Governance && freeze.is_some() {
            return Err(Fault::OperationMisplaced);
        }
        match (entry.kind, operation) {
            (LogKind::Operation, Some(signed)) => self.operation(entry, signed)?,
            (LogKind::Operation, None) => return Err(Fault::OperationMissing),
            (_, Some(_)) => return Err(Fault::OperationMisplaced),
            (_, None) if entry.signatures_hash != H256::ZERO => {
                return Err(Fault::SignaturesHash);
            }
            (LogKind::Automatic, None) => self.effect(entry)?,
            (LogKind::Governance, None) => self.decision(entry, freeze.as_ref())?,
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

    fn operation(&mut self, entry: &LogEntry, signed: &SignedOperation) -> Result<(), Fault> {
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
            parameters: (self.expectations.bounds)(entry.time),
            used: self,
        };
        match apply(&self.record, operation, hash, setting) {
            Ok(applied) => {
                self.record = applied.record;
                self.keep(applied.retired);
            }
            Err(refusal) => self.failed.push((entry.n, refusal)),
        }
        self.record.updated = entry.time;
        Ok(())
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

    /// Governance freezes and unfreezes. Which freeze is stated; if nothing is, there is none.
    fn decision(&mut self, entry: &LogEntry, stated: Option<&Option<Freeze>>) -> Result<(), Fault> {
        self.check_settled(entry)?;
        self.record.frozen = stated.cloned().flatten();
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
