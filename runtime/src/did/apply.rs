//! Taking an operation: its lane advances, its effect or its failure is logged.
//!
//! What an operation would do is planned without writing, so that an operation that fails leaves
//! nothing to undo.

use allod_primitives::document::{ActiveMethod, Document, InitialDocument, RetiredMethod};
use allod_primitives::log::{LogEntry, LogHead, LogKind};
use allod_primitives::operation::{Body, ControlChange, Lane, Operation, SignedOperation};
use allod_primitives::record::{DID_RECORD_VERSION, DidRecord, LaneHead, Lanes, Status};
use allod_primitives::{BoundedVec, H256, TimeMs};

use super::quota::{self, Purpose};
use super::storage::{RECORDS, put_retired};
use super::{Error, Event, patch};
use crate::frame::{BlockEnv, Context, StateRead};

/// What an operation will do.
struct Plan {
    record: DidRecord,
    retired: Vec<RetiredMethod>,
    event: Event,
}

/// Takes a bare operation: advances its lane, charges its quota and, if it is going to fail, logs
/// that. What [`dispatch`] then does can be rolled back; this cannot.
pub(super) fn consume(context: &mut Context<'_>, signed: &SignedOperation) {
    let operation = &signed.operation;
    let Some(mut record) = RECORDS.get(&context.state, &operation.did) else {
        return;
    };
    let purpose = Purpose::Lane(operation.lane);
    quota::charge(&mut context.state, &context.block, &operation.did, purpose);
    let hash = operation.hash();
    advance(&mut record, operation, hash);
    match plan(&context.state, &context.block, &record, operation) {
        Ok(_) => RECORDS.put(&mut context.state, &operation.did, &record),
        Err(_) => log(context, signed, hash, record),
    }
}

/// Does what a consumed bare operation says.
pub(super) fn dispatch(context: &mut Context<'_>, signed: &SignedOperation) -> Result<(), Error> {
    let operation = &signed.operation;
    let record = RECORDS.get(&context.state, &operation.did);
    let record = record.ok_or(Error::NotFound)?;
    let plan = plan(&context.state, &context.block, &record, operation)?;
    carry_out(context, signed, operation.hash(), plan);
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
    let record = RECORDS.get(&context.state, &operation.did);
    let mut record = record.ok_or(Error::NotFound)?;
    advance(&mut record, operation, hash);
    match plan(&context.state, &context.block, &record, operation) {
        Ok(plan) => {
            carry_out(context, signed, hash, plan);
            Ok(())
        }
        Err(error) => {
            log(context, signed, hash, record);
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
        lanes,
        not_before: TimeMs(0),
        grant_epoch: 0,
        pending: BoundedVec::new(),
        cool_downs: BoundedVec::new(),
        frozen: None,
        log: LogHead::default(),
    };
    log(context, signed, hash, record);
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

fn advance(record: &mut DidRecord, operation: &Operation, hash: H256) {
    if let Some(head) = record.lanes.get_mut(operation.lane) {
        *head = LaneHead {
            next_seq: head.next_seq.saturating_add(1),
            last: hash,
        };
    }
}

/// Returns what `operation` does to `record`, without writing.
fn plan(
    state: &dyn StateRead,
    block: &BlockEnv,
    record: &DidRecord,
    operation: &Operation,
) -> Result<Plan, Error> {
    let did = operation.did;
    let now = block.time;
    let mut record = record.clone();
    let (retired, event) = match &operation.body {
        Body::UpdateDocument(change) => (
            patch::apply(state, now, &did, &mut record, change)?,
            Event::DocumentUpdated { did },
        ),
        Body::Rotate(change) => {
            rotate(&mut record, change)?;
            let change = change.document.as_ref();
            let retired = change.map(|change| patch::apply(state, now, &did, &mut record, change));
            let rank = match operation.lane {
                Lane::Rank(index) => index,
                Lane::Guardians | Lane::Documents => return Err(Error::WrongLane),
            };
            (
                retired.transpose()?.unwrap_or_default(),
                Event::Rotated { did, rank },
            )
        }
        Body::Deactivate { .. } => {
            record.status = Status::Deactivated { at: now };
            let retired = patch::retire_all(now, &mut record);
            (retired, Event::Deactivated { did })
        }
        Body::SetNotBefore {
            not_before,
            bump_grant_epoch,
        } => {
            if *not_before < record.not_before {
                return Err(Error::NotMonotone);
            }
            if *not_before > now {
                return Err(Error::InFuture);
            }
            record.not_before = *not_before;
            let bump = u32::from(*bump_grant_epoch);
            record.grant_epoch = record.grant_epoch.saturating_add(bump);
            (Vec::new(), Event::LoggedOut { did })
        }
        Body::Incept(_) | Body::Propose(_) | Body::Cancel { .. } | Body::Recover { .. } => {
            return Err(Error::NotSupported);
        }
    };
    Ok(Plan {
        record,
        retired,
        event,
    })
}

fn rotate(record: &mut DidRecord, change: &ControlChange) -> Result<(), Error> {
    for change in &change.ranks {
        let rank = change.rank.as_ref().ok_or(Error::RankNotRemovable)?;
        let slot = record.policy.ranks.as_mut_slice();
        let slot = slot.get_mut(usize::from(change.index));
        *slot.ok_or(Error::NotSupported)? = rank.clone();
    }
    Ok(())
}

fn carry_out(context: &mut Context<'_>, signed: &SignedOperation, hash: H256, plan: Plan) {
    for method in &plan.retired {
        put_retired(&mut context.state, &signed.operation.did, method);
    }
    log(context, signed, hash, plan.record);
    context.deposit(plan.event);
}

/// Appends the log's entry for an operation and stores the record.
///
/// Source: spec/did.md §6.
fn log(context: &mut Context<'_>, signed: &SignedOperation, hash: H256, mut record: DidRecord) {
    let did = signed.operation.did;
    record.updated = context.block.time;
    let entry = LogEntry {
        n: record.log.count,
        kind: LogKind::Operation,
        operation_hash: hash,
        signatures_hash: signed.signatures_hash(),
        record_hash: record.content_hash(),
        height: context.block.height,
        time: context.block.time,
    };
    record.log = record.log.append(&entry);
    RECORDS.put(&mut context.state, &did, &record);
    context.deposit(Event::Logged { did, entry });
}
