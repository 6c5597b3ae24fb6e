//! A record out of its log.

use std::collections::{BTreeMap, BTreeSet};

use allod_primitives::codec::BoundedVec;
use allod_primitives::control::{
    Outcome, Refusal, Setting, UsedMethods, advance, apply, next_effect,
};
use allod_primitives::document::{ActiveMethod, Document, Fragment, MethodKey, RetiredMethod};
use allod_primitives::governance::ControlParameters;
use allod_primitives::limits::{FREEZE_MS_MAX, METHOD_ALLOWANCE};
use allod_primitives::log::{LogEntry, LogHead, LogKind, Stated};
use allod_primitives::operation::{Body, Inception, Lane, Operation};
use allod_primitives::record::{DID_RECORD_VERSION, DidRecord, LaneHead, Lanes, Status};
use allod_primitives::{H256, TimeMs};
use parity_scale_codec::Encode;

/// Why an entry does not follow from what is before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misfit {
    /// An inception is not the first entry, or something else is.
    #[error("an inception is first and nowhere else")]
    Inception,
    /// The operation is not there.
    #[error("the operation is missing")]
    OperationMissing,
    /// The ledger takes no such document.
    #[error("the inception has another form")]
    Form,
    /// No pending change of that id is due.
    #[error("no pending change of that id took effect then")]
    NoSuchEffect,
    /// What is stated beside the entry does not fit it, or is missing.
    #[error("what is stated beside the entry does not fit it, or is missing")]
    Stated,
    /// The record's hash is another.
    #[error("the record after it is another")]
    RecordHash,
}

/// A record while its log is replayed, with what it has retired.
#[derive(Clone, Debug, Default)]
pub struct Rebuilding {
    record: Option<DidRecord>,
    retired: BTreeMap<Fragment, RetiredMethod>,
    /// The keys of these, encoded: every key that is added is looked for among all of them.
    retired_keys: BTreeSet<Vec<u8>>,
}

impl UsedMethods for Rebuilding {
    fn retired(&self, fragment: &Fragment) -> Option<RetiredMethod> {
        self.retired.get(fragment).cloned()
    }

    fn is_key_retired(&self, key: &MethodKey) -> bool {
        self.retired_keys.contains(&key.encode())
    }
}

impl Rebuilding {
    /// Returns the record after the last entry, its log head included; none before the first.
    pub const fn record(&self) -> Option<&DidRecord> {
        self.record.as_ref()
    }

    /// Returns what has been retired, by fragment.
    pub fn retired(&self) -> impl Iterator<Item = &RetiredMethod> {
        self.retired.values()
    }

    /// Takes the next entry with its operation, if it has one, and what is stated beside it.
    /// Looks neither at signatures nor at lanes. Returns why the operation changed nothing but its
    /// lane, if it did not. After an error nothing of this is of use.
    ///
    /// Cost: two copies of the record.
    ///
    /// # Errors
    /// [`Misfit`].
    ///
    /// Source: spec/history.md §3.
    pub fn take(
        &mut self,
        entry: &LogEntry,
        operation: Option<&Operation>,
        stated: Option<&Stated>,
    ) -> Result<Option<Refusal>, Misfit> {
        let mut refusal = None;
        let record = match (self.record.take(), entry.kind, operation) {
            (_, LogKind::Operation, None) => return Err(Misfit::OperationMissing),
            (None, LogKind::Operation, Some(operation)) => match &operation.body {
                Body::Incept(inception) => born(inception, entry).ok_or(Misfit::Form)?,
                _ => return Err(Misfit::Inception),
            },
            (None, _, _) => return Err(Misfit::Inception),
            (Some(record), LogKind::Operation, Some(operation)) => {
                let (record, refused) = self.operate(record, entry, operation, stated)?;
                refusal = refused;
                record
            }
            (Some(record), LogKind::Automatic, _) => self.effect(&record, entry)?,
            (Some(record), LogKind::Governance, _) => decide(record, entry, stated)?,
        };
        self.accept(record, entry)?;
        Ok(refusal)
    }

    /// Takes the next entry with the record that somebody says is after it, and what it retired.
    ///
    /// # Errors
    /// [`Misfit::RecordHash`].
    pub fn accept_shown(
        &mut self,
        record: DidRecord,
        retired: Vec<RetiredMethod>,
        entry: &LogEntry,
    ) -> Result<(), Misfit> {
        self.keep(retired);
        self.accept(record, entry)
    }

    /// Compares the record and appends the entry.
    fn accept(&mut self, record: DidRecord, entry: &LogEntry) -> Result<(), Misfit> {
        if record.content_hash() != entry.record_hash {
            return Err(Misfit::RecordHash);
        }
        let log = record.log.append(entry);
        self.record = Some(DidRecord { log, ..record });
        Ok(())
    }

    fn operate(
        &mut self,
        mut record: DidRecord,
        entry: &LogEntry,
        operation: &Operation,
        stated: Option<&Stated>,
    ) -> Result<(DidRecord, Option<Refusal>), Misfit> {
        let hash = entry.operation_hash;
        advance(&mut record, operation.lane, hash);
        let setting = Setting {
            now: entry.time,
            parameters: bounds(&record, entry, operation.lane, stated)?,
            used: self,
        };
        let mut refused = None;
        match apply(&record, operation, hash, setting) {
            Ok(applied) => {
                if waits_until(&applied.outcomes).as_ref() != stated {
                    return Err(Misfit::Stated);
                }
                record = applied.record;
                self.keep(applied.retired);
            }
            Err(_) if stated.is_some() => return Err(Misfit::Stated),
            Err(refusal) => refused = Some(refusal),
        }
        record.updated = entry.time;
        Ok((record, refused))
    }

    fn effect(&mut self, record: &DidRecord, entry: &LogEntry) -> Result<DidRecord, Misfit> {
        let effect = next_effect(record, entry.time);
        let effect = effect.filter(|it| it.pending.id == entry.operation_hash);
        let effect = effect.ok_or(Misfit::NoSuchEffect)?;
        self.keep(effect.retired);
        Ok(effect.record)
    }

    fn keep(&mut self, retired: Vec<RetiredMethod>) {
        for it in retired {
            self.retired_keys.insert(it.method.key.encode());
            self.retired.insert(it.method.fragment.clone(), it);
        }
    }
}

/// Returns bounds for delays under which the change that is proposed waits as stated. Which
/// were in force the log does not tell; that the ledger took these, the record's hash does.
fn bounds(
    record: &DidRecord,
    entry: &LogEntry,
    lane: Lane,
    stated: Option<&Stated>,
) -> Result<ControlParameters, Misfit> {
    let at = match stated {
        None => return Ok(ControlParameters::default()),
        Some(Stated::EffectiveAt(at)) => at,
        Some(_) => return Err(Misfit::Stated),
    };
    let policy = &record.policy;
    let delay_ms = match lane {
        Lane::Guardians => policy.guardians.as_ref().map(|it| it.delay_ms),
        _ => Some(policy.delay_ms),
    };
    let waits_ms = at.0.checked_sub(entry.time.0);
    let bounds = delay_ms.zip(waits_ms);
    let bounds = bounds.and_then(|(delay, waits)| ControlParameters::that_clamp(delay, waits));
    bounds.ok_or(Misfit::Stated)
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
fn decide(
    mut record: DidRecord,
    entry: &LogEntry,
    stated: Option<&Stated>,
) -> Result<DidRecord, Misfit> {
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
        _ => return Err(Misfit::Stated),
    };
    record.updated = entry.time;
    Ok(record)
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
pub fn first_lanes(inception: H256) -> Lanes {
    let mut lanes = Lanes::default();
    if let Some(head) = lanes.get_mut(Lane::Rank(0)) {
        *head = LaneHead {
            next_seq: 1,
            last: inception,
        };
    }
    lanes
}
