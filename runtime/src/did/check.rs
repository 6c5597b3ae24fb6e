//! Which operations may be taken: every check of spec/did.md §2, in its order.

use allod_primitives::codec::is_strictly_ascending;
use allod_primitives::document::{DocumentPatch, InitialDocument};
use allod_primitives::limits::OPERATION_BYTES_MAX;
use allod_primitives::operation::{
    Admission, Body, ControlChange, INCEPTION_VERSION, Inception, Lane, OPERATION_VERSION,
    SignedOperation, operation_preimage,
};
use allod_primitives::policy::{Capabilities, ControlKey, ControlPolicy, Rank};
use allod_primitives::record::{DidRecord, LaneHead};
use allod_primitives::{DidId, H256};
use parity_scale_codec::Encode;

use super::authorize::{Paid, check_authority, check_binding, check_signers};
use super::quota::{self, Purpose};
use super::storage::{RECORDS, record};
use crate::authority;
use crate::frame::{BlockEnv, SignatureOracle, StateRead, TransactionError};

/// What checks look at.
#[derive(Clone, Copy)]
pub(crate) struct Env<'a> {
    /// The state.
    pub(crate) state: &'a dyn StateRead,
    /// The block.
    pub(crate) block: &'a BlockEnv,
    /// Answers for signatures.
    pub(crate) oracle: &'a dyn SignatureOracle,
}

/// An operation that may be taken, now or after others of its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    /// Its hash.
    pub(crate) hash: H256,
    /// Whether others of its lane come first.
    pub(crate) is_ahead: bool,
}

/// Checks an operation on an identity that exists.
pub(crate) fn check_operation(
    env: Env<'_>,
    signed: &SignedOperation,
    paid: Paid,
) -> Result<Checked, TransactionError> {
    let operation = &signed.operation;
    check_form(env, signed, paid)?;
    if matches!(operation.body, Body::Incept(_)) {
        return Err(TransactionError::Malformed);
    }
    let record = active_record(env.state, &operation.did)?;
    check_lane(&record, operation.lane, &operation.body)?;
    let head = record.lanes.get(operation.lane);
    let is_ahead = check_turn(head.ok_or(TransactionError::WrongLane)?, signed)?;
    if paid == Paid::Own {
        let purpose = Purpose::Lane(operation.lane);
        quota::check(env.state, env.block, &operation.did, purpose)?;
    }
    let hash = operation.hash();
    let preimage = operation_preimage(&env.block.chain, &hash);
    let may = |index: u8, rank: &Rank| match operation.body {
        Body::UpdateDocument(_) => rank.capabilities.contains(Capabilities::DOCUMENT),
        Body::SetNotBefore { .. } => rank.capabilities.contains(Capabilities::TOKENS_AND_GRANTS),
        _ => operation.lane == Lane::Rank(index),
    };
    check_authority(
        &record.policy,
        may,
        &preimage,
        &signed.signatures,
        env.oracle,
    )?;
    Ok(Checked { hash, is_ahead })
}

/// Checks an inception. `admission`: why a bare one should be let in; a batch needs none.
pub(crate) fn check_inception(
    env: Env<'_>,
    signed: &SignedOperation,
    admission: Option<&Admission>,
    paid: Paid,
) -> Result<Checked, TransactionError> {
    let operation = &signed.operation;
    check_form(env, signed, paid)?;
    let Body::Incept(inception) = &operation.body else {
        return Err(TransactionError::Malformed);
    };
    if operation.did != inception.did_id() {
        return Err(TransactionError::IdMismatch);
    }
    if operation.lane != Lane::Rank(0) || operation.lane_seq != 0 {
        return Err(TransactionError::WrongLane);
    }
    if operation.lane_prev != H256::ZERO {
        return Err(TransactionError::ForkedLane);
    }
    if RECORDS.contains(env.state, &operation.did) {
        return Err(TransactionError::AlreadyExists);
    }
    if let Some(admission) = admission {
        authority::check_admission(env.state, env.block, env.oracle, &operation.did, admission)?;
    }
    let hash = operation.hash();
    let preimage = operation_preimage(&env.block.chain, &hash);
    let may = |index: u8, _: &Rank| index == 0;
    check_authority(
        &inception.policy,
        may,
        &preimage,
        &signed.signatures,
        env.oracle,
    )?;
    Ok(Checked {
        hash,
        is_ahead: false,
    })
}

/// Returns the record of an identity that acts.
pub(crate) fn active_record(
    state: &dyn StateRead,
    did: &DidId,
) -> Result<DidRecord, TransactionError> {
    let record = record(state, did).ok_or(TransactionError::NotFound)?;
    if record.is_active() {
        Ok(record)
    } else {
        Err(TransactionError::Deactivated)
    }
}

/// Checks 1 to 7: what needs no record.
fn check_form(env: Env<'_>, signed: &SignedOperation, paid: Paid) -> Result<(), TransactionError> {
    let operation = &signed.operation;
    if operation.version != OPERATION_VERSION {
        return Err(TransactionError::UnknownVersion);
    }
    check_binding(env.block, &operation.chain(), operation.valid_until)?;
    paid.check(&operation.payer)?;
    if signed.encoded_size() > OPERATION_BYTES_MAX {
        return Err(TransactionError::Malformed);
    }
    check_signers(&signed.signatures)?;
    match &operation.body {
        Body::Incept(inception) => check_inception_body(inception),
        Body::UpdateDocument(patch) => check_patch(patch),
        Body::Rotate(change) => check_change(change),
        Body::Deactivate { reveal: None } | Body::SetNotBefore { .. } => Ok(()),
        Body::Deactivate { reveal: Some(_) }
        | Body::Propose(_)
        | Body::Cancel { .. }
        | Body::Recover { .. } => Err(TransactionError::NotSupported),
    }
}

fn check_inception_body(inception: &Inception) -> Result<(), TransactionError> {
    if inception.version != INCEPTION_VERSION {
        return Err(TransactionError::UnknownVersion);
    }
    check_policy(&inception.policy)?;
    check_initial_document(&inception.document)
}

/// Source: spec/did.md §3.
fn check_policy(policy: &ControlPolicy) -> Result<(), TransactionError> {
    policy.check().map_err(|_| TransactionError::Malformed)?;
    match (&policy.ranks[..], &policy.guardians) {
        ([rank], None) => check_supported(rank),
        _ => Err(TransactionError::NotSupported),
    }
}

fn check_rank(rank: &Rank) -> Result<(), TransactionError> {
    rank.check(0).map_err(|_| TransactionError::Malformed)?;
    check_supported(rank)
}

/// Checks that a rank has only forms that this version accepts.
fn check_supported(rank: &Rank) -> Result<(), TransactionError> {
    let ed25519 = rank
        .keys
        .iter()
        .all(|it| matches!(it.key, ControlKey::Ed25519(_)));
    if ed25519 && rank.next.is_none() {
        Ok(())
    } else {
        Err(TransactionError::NotSupported)
    }
}

fn check_change(change: &ControlChange) -> Result<(), TransactionError> {
    let nothing = change.ranks.is_empty()
        && change.guardians.is_none()
        && change.reveal.is_none()
        && change.document.is_none();
    if nothing || !is_strictly_ascending(&change.ranks, |it| it.index) {
        return Err(TransactionError::Malformed);
    }
    if change.guardians.is_some()
        || change.reveal.is_some()
        || change.ranks.iter().any(|it| it.index != 0)
    {
        return Err(TransactionError::NotSupported);
    }
    for rank in change.ranks.iter().filter_map(|it| it.rank.as_ref()) {
        check_rank(rank)?;
    }
    change.document.as_ref().map_or(Ok(()), check_patch)
}

/// Source: spec/did.md §4.
fn check_initial_document(document: &InitialDocument) -> Result<(), TransactionError> {
    document.check().map_err(|_| TransactionError::Malformed)?;
    let shared = document.services.iter().any(|service| {
        let mut methods = document.methods.iter();
        methods.any(|method| method.fragment == service.fragment)
    });
    if shared {
        return Err(TransactionError::Malformed);
    }
    Ok(())
}

fn check_patch(patch: &DocumentPatch) -> Result<(), TransactionError> {
    if *patch == DocumentPatch::default() {
        return Err(TransactionError::Malformed);
    }
    patch.check().map_err(|_| TransactionError::Malformed)
}

fn check_lane(record: &DidRecord, lane: Lane, body: &Body) -> Result<(), TransactionError> {
    let fits = match body {
        Body::UpdateDocument(_) | Body::SetNotBefore { .. } => lane == Lane::Documents,
        Body::Rotate(_) => {
            matches!(lane, Lane::Rank(index) if usize::from(index) < record.policy.ranks.len())
        }
        Body::Incept(_) | Body::Deactivate { .. } => lane == Lane::Rank(0),
        Body::Propose(_) | Body::Cancel { .. } | Body::Recover { .. } => false,
    };
    if fits {
        Ok(())
    } else {
        Err(TransactionError::WrongLane)
    }
}

/// Returns whether the operation is ahead of its turn.
fn check_turn(head: &LaneHead, signed: &SignedOperation) -> Result<bool, TransactionError> {
    let operation = &signed.operation;
    let Some(ahead) = operation.lane_seq.checked_sub(head.next_seq) else {
        return Err(TransactionError::Stale);
    };
    if ahead == 0 && operation.lane_prev != head.last {
        return Err(TransactionError::ForkedLane);
    }
    if ahead >= u64::from(Purpose::Lane(operation.lane).per_day()) {
        return Err(TransactionError::Future);
    }
    Ok(ahead > 0)
}
