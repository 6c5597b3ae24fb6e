//! Which operations may be taken: every check of spec/did.md §2, in its order.

use allod_primitives::control::is_authorized;
use allod_primitives::document::{DocumentPatch, InitialDocument};
use allod_primitives::limits::{OPERATION_BYTES_MAX, RANKS_MAX};
use allod_primitives::operation::{
    Admission, Body, INCEPTION_VERSION, Inception, Lane, OPERATION_VERSION, Operation,
    ProposedChange, SignedOperation,
};
use allod_primitives::policy::{Capabilities, ControlPolicy, PolicyChange, Rank, RankChange};
use allod_primitives::record::{DidRecord, LaneHead};
use allod_primitives::{Did, DidId, H256, NetworkId};
use parity_scale_codec::Encode;

use super::authorize::{Paid, check_binding, check_proofs};
use super::quota::{self, Purpose};
use super::storage::{RECORDS, effective_record};
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
    let record = active_record(env, &operation.did)?;
    let acting = check_controller(env, operation, &record)?;
    let head = record.lanes.get(operation.lane);
    let is_ahead = check_turn(head.ok_or(TransactionError::WrongLane)?, signed)?;
    if paid == Paid::Own {
        let purpose = Purpose::Lane(operation.lane);
        quota::check(env.state, env.block, &operation.did, purpose)?;
    }
    let policy = &acting.as_ref().unwrap_or(&record).policy;
    let hash = operation.hash();
    check_signatures(env, policy, signed, hash)?;
    Ok(Checked { hash, is_ahead })
}

/// Returns the record of the controller that acts, if one does.
///
/// Source: spec/control.md §9.
fn check_controller(
    env: Env<'_>,
    operation: &Operation,
    record: &DidRecord,
) -> Result<Option<DidRecord>, TransactionError> {
    let Some(controller) = operation.controller else {
        return Ok(None);
    };
    let named = Did::new(
        NetworkId::from_genesis(&env.block.chain.genesis),
        controller,
    );
    if !record.document.controllers.contains(&named) {
        return Err(TransactionError::NotController);
    }
    let acting = active_record(env, &controller).map_err(|_| TransactionError::NotController)?;
    Ok(Some(acting))
}

fn check_signatures(
    env: Env<'_>,
    policy: &ControlPolicy,
    signed: &SignedOperation,
    hash: H256,
) -> Result<(), TransactionError> {
    if !is_authorized(policy, &signed.operation, &signed.signatures) {
        return Err(TransactionError::BadProof);
    }
    check_proofs(&env.block.chain, &hash, &signed.signatures, env.oracle)
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
    check_signatures(env, &inception.policy, signed, hash)?;
    Ok(Checked {
        hash,
        is_ahead: false,
    })
}

/// Returns the effective record of an identity that acts.
pub(crate) fn active_record(env: Env<'_>, did: &DidId) -> Result<DidRecord, TransactionError> {
    let record = effective_record(env.state, did, env.block.time);
    let record = record.ok_or(TransactionError::NotFound)?;
    if record.is_active() {
        Ok(record)
    } else {
        Err(TransactionError::Deactivated)
    }
}

/// Checks 1 to 8: what needs no record.
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
    let by_controller = operation.controller.is_some();
    let may_be_controller = matches!(operation.body, Body::UpdateDocument(_));
    let is_placed = fits_lane(operation) && (may_be_controller || !by_controller);
    if !is_placed || !signed.is_well_formed() {
        return Err(TransactionError::Malformed);
    }
    check_reveal(operation)?;
    match &operation.body {
        Body::Incept(inception) => check_inception_body(inception),
        Body::UpdateDocument(patch) => check_patch(patch),
        Body::Rotate { change, document } => {
            let by_next = matches!(operation.lane, Lane::Next(_));
            if change.is_empty() && document.is_none() && !by_next {
                return Err(TransactionError::Malformed);
            }
            check_change(change)?;
            if by_next && !is_below(change, operation.lane) {
                return Err(TransactionError::Malformed);
            }
            document.as_ref().map_or(Ok(()), check_patch)
        }
        Body::Propose(ProposedChange::Control(change)) => {
            if !concerns_above(change, operation.lane) {
                return Err(TransactionError::Malformed);
            }
            check_change(change)
        }
        Body::Recover { rank } => rank.check(0).map_err(|_| TransactionError::Malformed),
        Body::Deactivate | Body::SetNotBefore { .. } | Body::Propose(_) | Body::Cancel { .. } => {
            Ok(())
        }
    }
}

/// Returns whether the body belongs in the operation's lane.
///
/// Source: spec/did.md §2.
fn fits_lane(operation: &Operation) -> bool {
    let (Lane::Rank(index) | Lane::Next(index)) = operation.lane else {
        return match operation.lane {
            Lane::Guardians => {
                matches!(operation.body, Body::Recover { .. } | Body::Cancel { .. })
            }
            _ => matches!(
                operation.body,
                Body::UpdateDocument(_) | Body::SetNotBefore { .. }
            ),
        };
    };
    let by_next = matches!(operation.lane, Lane::Next(_));
    let fits = match operation.body {
        Body::Rotate { .. } | Body::Cancel { .. } => true,
        Body::Deactivate => index == 0,
        Body::Incept(_) => index == 0 && !by_next,
        Body::Propose(_) | Body::SetNotBefore { .. } => !by_next,
        Body::UpdateDocument(_) | Body::Recover { .. } => false,
    };
    fits && u32::from(index) < RANKS_MAX
}

/// Checks the revealed keys by themselves, and that what else the operation sets shares none.
fn check_reveal(operation: &Operation) -> Result<(), TransactionError> {
    let (Some(reveal), Lane::Next(index)) = (&operation.reveal, operation.lane) else {
        return Ok(());
    };
    let revealed = Rank {
        keys: reveal.keys.clone(),
        threshold: reveal.threshold,
        capabilities: Capabilities::default(),
        next: reveal.next,
    };
    let checked = revealed.check(index);
    checked.map_err(|_| TransactionError::Malformed)?;
    let Body::Rotate { change, .. } = &operation.body else {
        return Ok(());
    };
    let sets_own = change.ranks.iter().any(|it| it.index == index);
    let mut others = change.ranks.iter().filter_map(|it| it.rank.as_ref());
    if !sets_own && others.any(|rank| rank.shares_key_with(&revealed)) {
        return Err(TransactionError::Malformed);
    }
    Ok(())
}

/// Returns whether a change by the lane's rank stays at or below it.
fn is_below(change: &PolicyChange, lane: Lane) -> bool {
    let (Lane::Rank(index) | Lane::Next(index)) = lane else {
        return false;
    };
    let ranks = change.ranks.iter().all(|it| it.index >= index);
    let policy = change.guardians.is_some() || change.delay_ms.is_some();
    ranks && (index == 0 || !policy)
}

/// Returns whether a proposal by the lane's rank sets something that is not below it.
fn concerns_above(change: &PolicyChange, lane: Lane) -> bool {
    let ranks = change.ranks.iter();
    let above = |it: &RankChange| matches!(lane, Lane::Rank(index) if it.index <= index);
    ranks.clone().any(above) || change.guardians.is_some() || change.delay_ms.is_some()
}

fn check_inception_body(inception: &Inception) -> Result<(), TransactionError> {
    if inception.version != INCEPTION_VERSION {
        return Err(TransactionError::UnknownVersion);
    }
    let policy = inception.policy.check();
    policy.map_err(|_| TransactionError::Malformed)?;
    check_initial_document(&inception.document)
}

fn check_change(change: &PolicyChange) -> Result<(), TransactionError> {
    change.check().map_err(|_| TransactionError::Malformed)
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
