//! Taking an operation: its lane advances, its effect or its failure is logged.
//!
//! What an operation does is computed by `allod_primitives::control` without writing, so that an
//! operation that fails leaves nothing to undo.

use allod_primitives::control::{self, Applied, Outcome, Setting, UsedMethods};
use allod_primitives::document::{
    ActiveMethod, Document, Fragment, InitialDocument, MethodKey, RetiredMethod,
};
use allod_primitives::limits::METHOD_ALLOWANCE;
use allod_primitives::log::{LogEntry, LogHead, LogKind, Stated};
use allod_primitives::operation::{Body, Lane, SignedOperation};
use allod_primitives::policy::ControlPolicy;
use allod_primitives::record::{DID_RECORD_VERSION, DidRecord, LaneHead, Lanes, Status};
use allod_primitives::{BoundedVec, DidId, H256, TimeMs};

use super::quota::{self, By, Purpose};
use super::storage::{RECORDS, RETIRED_KEYS, key_hash, put_record, put_retired, retired};
use super::{Error, Event, settle};
use crate::authority::control_parameters;
use crate::frame::{BlockEnv, Context, StateRead};

/// What an identity has retired, as the state has it.
struct Used<'a> {
    state: &'a dyn StateRead,
    did: DidId,
}

impl UsedMethods for Used<'_> {
    fn retired(&self, fragment: &Fragment) -> Option<RetiredMethod> {
        retired(self.state, &self.did, fragment.as_str())
    }

    fn is_key_retired(&self, key: &MethodKey) -> bool {
        RETIRED_KEYS.contains(self.state, &(self.did, key_hash(key)))
    }
}

/// Takes a bare operation: writes down what time has brought about, advances the lane, charges
/// the quota and, if the operation is going to fail, logs that. What [`dispatch`] then does can
/// be rolled back; this cannot.
pub(super) fn consume(context: &mut Context<'_>, signed: &SignedOperation) {
    let operation = &signed.operation;
    settle::settle(context, &operation.did);
    let Some(mut record) = RECORDS.get(&context.state, &operation.did) else {
        return;
    };
    let purpose = Purpose::Lane(operation.lane);
    quota::charge(&mut context.state, &context.block, &operation.did, purpose);
    let hash = operation.hash();
    control::advance(&mut record, operation.lane, hash);
    match plan(&context.state, &context.block, &record, signed, hash) {
        Ok(_) => put_record(&mut context.state, &operation.did, &record),
        Err(_) => log(context, signed, hash, record, None),
    }
}

/// Does what a consumed bare operation says.
pub(super) fn dispatch(context: &mut Context<'_>, signed: &SignedOperation) -> Result<(), Error> {
    let operation = &signed.operation;
    let hash = operation.hash();
    let record = RECORDS.get(&context.state, &operation.did);
    let record = record.ok_or(Error::NotFound)?;
    let applied = plan(&context.state, &context.block, &record, signed, hash)?;
    carry_out(context, signed, hash, &record.policy, applied);
    Ok(())
}

/// Takes an operation of a batch and does what it says. On error its lane has advanced and its
/// failure is logged.
pub(super) fn take(
    context: &mut Context<'_>,
    signed: &SignedOperation,
    hash: H256,
) -> Result<(), Error> {
    let operation = &signed.operation;
    settle::settle(context, &operation.did);
    let record = RECORDS.get(&context.state, &operation.did);
    let mut record = record.ok_or(Error::NotFound)?;
    control::advance(&mut record, operation.lane, hash);
    match plan(&context.state, &context.block, &record, signed, hash) {
        Ok(applied) => {
            carry_out(context, signed, hash, &record.policy, applied);
            Ok(())
        }
        Err(error) => {
            log(context, signed, hash, record, None);
            Err(error)
        }
    }
}

/// Creates the identity of a checked inception.
pub(super) fn create(
    context: &mut Context<'_>,
    signed: &SignedOperation,
    hash: H256,
) -> Result<(), Error> {
    let operation = &signed.operation;
    let Body::Incept(inception) = &operation.body else {
        return Err(Error::Malformed);
    };
    let now = context.block.time;
    let mut lanes = Lanes::default();
    let [first, ..] = &mut lanes.ranks;
    *first = LaneHead {
        next_seq: 1,
        last: hash,
    };
    let record = DidRecord {
        version: DID_RECORD_VERSION,
        status: Status::Active,
        created_height: context.block.height,
        created: now,
        updated: now,
        policy: inception.policy.clone(),
        document: first_document(now, &inception.document)?,
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
    log(context, signed, hash, record, None);
    context.deposit(Event::Incepted { did: operation.did });
    Ok(())
}

fn first_document(now: TimeMs, document: &InitialDocument) -> Result<Document, Error> {
    let methods: Vec<ActiveMethod> = document
        .methods
        .iter()
        .map(|method| ActiveMethod {
            method: method.clone(),
            since: now,
        })
        .collect();
    Ok(Document {
        methods: BoundedVec::try_from(methods).map_err(|_| Error::TooManyMethods)?,
        services: document.services.clone(),
        also_known_as: document.also_known_as.clone(),
        controllers: document.controllers.clone(),
    })
}

/// Returns what an operation does to `record`, without writing.
fn plan(
    state: &dyn StateRead,
    block: &BlockEnv,
    record: &DidRecord,
    signed: &SignedOperation,
    hash: H256,
) -> Result<Applied, Error> {
    let operation = &signed.operation;
    let used = Used {
        state,
        did: operation.did,
    };
    let setting = Setting {
        now: block.time,
        parameters: control_parameters(state),
        used: &used,
    };
    control::apply(record, operation, hash, setting).map_err(Error::from)
}

/// Writes what an operation does. `before`: the policy that it found.
fn carry_out(
    context: &mut Context<'_>,
    signed: &SignedOperation,
    hash: H256,
    before: &ControlPolicy,
    applied: Applied,
) {
    let operation = &signed.operation;
    let did = operation.did;
    let policies = (before, &applied.record.policy);
    let by = By::lane(operation.lane);
    quota::renew(&mut context.state, &context.block, &did, policies, by);
    for method in &applied.retired {
        put_retired(&mut context.state, &did, method);
    }
    let stated = waits_until(&applied.outcomes).map(Stated::EffectiveAt);
    log(context, signed, hash, applied.record, stated);
    deposit(context, did, applied.outcomes);
    match (&operation.body, operation.lane) {
        (Body::UpdateDocument(_), _) => context.deposit(Event::DocumentUpdated { did }),
        (Body::Deactivate, _) => context.deposit(Event::Deactivated { did }),
        (Body::SetNotBefore { .. }, _) => context.deposit(Event::LoggedOut { did }),
        (Body::Rotate { .. }, Lane::Rank(rank) | Lane::Next(rank))
        | (Body::Cancel { .. }, Lane::Next(rank)) => context.deposit(Event::Rotated { did, rank }),
        _ => {}
    }
}

/// Returns until when the change waits that an operation proposed.
fn waits_until(outcomes: &[Outcome]) -> Option<TimeMs> {
    outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Proposed { effective_at, .. } => Some(*effective_at),
        _ => None,
    })
}

/// Deposits an event for each outcome.
pub(super) fn deposit(context: &mut Context<'_>, did: DidId, outcomes: Vec<Outcome>) {
    for outcome in outcomes {
        context.deposit(match outcome {
            Outcome::Proposed {
                id,
                proposer,
                effective_at,
            } => Event::Proposed {
                did,
                id,
                proposer,
                effective_at,
            },
            Outcome::Displaced { id } => Event::Displaced { did, id },
            Outcome::Cleared { id } => Event::Cleared { did, id },
            Outcome::Cancelled { id } => Event::Cancelled { did, id },
            Outcome::Skipped { fragment, refusal } => Event::Skipped {
                did,
                fragment,
                error: refusal.into(),
            },
        });
    }
}

/// Appends the log's entry for an operation and stores the record.
///
/// Source: spec/did.md §6.
fn log(
    context: &mut Context<'_>,
    signed: &SignedOperation,
    hash: H256,
    mut record: DidRecord,
    stated: Option<Stated>,
) {
    record.updated = context.block.time;
    let cause = Cause {
        kind: LogKind::Operation,
        operation_hash: hash,
        signatures_hash: signed.signatures_hash(),
        stated,
    };
    append(context, signed.operation.did, cause, record);
}

/// What an entry of a log is about.
pub(super) struct Cause {
    pub(super) kind: LogKind,
    pub(super) operation_hash: H256,
    pub(super) signatures_hash: H256,
    /// What none of these tells.
    pub(super) stated: Option<Stated>,
}

/// Appends an entry to the log of `record` and stores it.
pub(super) fn append(context: &mut Context<'_>, did: DidId, cause: Cause, mut record: DidRecord) {
    let entry = LogEntry {
        n: record.log.count,
        kind: cause.kind,
        operation_hash: cause.operation_hash,
        signatures_hash: cause.signatures_hash,
        record_hash: record.content_hash(),
        height: context.block.height,
        time: context.block.time,
    };
    record.log = record.log.append(&entry);
    put_record(&mut context.state, &did, &record);
    let stated = cause.stated;
    context.deposit(Event::Logged { did, entry, stated });
}
