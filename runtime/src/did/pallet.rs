//! How the executive runs the pallet's calls.

use allod_primitives::crypto::UNITS_ED25519;
use allod_primitives::operation::{
    Admission, Body, Lane, SignedOperation, operation_preimage, voucher_preimage,
};
use allod_primitives::{DidId, PublicKey};
use parity_scale_codec::Encode;

use super::authorize::{self, Paid, expect_bare};
use super::check::{Env, check_inception, check_operation};
use super::{Call, Error, Event, apply};
use crate::authority;
use crate::frame::{
    BlockEnv, Context, DispatchError, DispatchResult, Origin, PalletCall, SignatureCheck,
    SignatureOracle, StateRead, TransactionError, Validity,
};

/// Priority of a batch; a block takes what identities send themselves first.
pub(crate) const PRIORITY_BATCH: u64 = 100;
const PRIORITY_INCEPTION: u64 = 200;
const PRIORITY_DOCUMENTS: u64 = 300;
/// Priority of revocations, of tokens and of grants.
pub(crate) const PRIORITY_REVOCATION: u64 = 400;
const PRIORITY_RANK: u64 = 500;
const PRIORITY_GUARDIANS: u64 = 600;
const PRIORITY_NEXT: u64 = 700;

/// Returns the tag that an operation provides and its successor in the lane requires.
///
/// Source: spec/did.md §2.
pub fn operation_tag(did: &DidId, lane: Lane, lane_seq: u64) -> Vec<u8> {
    (*b"op", did, lane, lane_seq).encode()
}

impl PalletCall for Call {
    fn validate(
        &self,
        origin: Origin,
        state: &dyn StateRead,
        block: &BlockEnv,
        oracle: &dyn SignatureOracle,
    ) -> Result<Validity, TransactionError> {
        let env = Env {
            state,
            block,
            oracle,
        };
        match self {
            Self::submit { operation } => {
                expect_bare(origin)?;
                let checked = check_operation(env, operation, Paid::Own)?;
                Ok(validity(operation, checked.is_ahead))
            }
            Self::incept {
                operation,
                admission,
            } => {
                expect_bare(origin)?;
                check_inception(env, operation, Some(admission), Paid::Own)?;
                Ok(validity(operation, false))
            }
            Self::batch { items } => check_batch(env, origin, items.len()),
        }
    }

    fn consume(&self, origin: Origin, context: &mut Context<'_>) {
        match self {
            Self::submit { operation } => apply::consume(context, operation),
            Self::incept { admission, .. } => authority::consume_admission(context, admission)
                .expect("validate has checked the budget against the same state"),
            Self::batch { items } => charge_batch(context, origin, items.len()),
        }
    }

    fn dispatch(&self, origin: Origin, context: &mut Context<'_>) -> DispatchResult {
        match self {
            Self::submit { operation } => apply::dispatch(context, operation)?,
            Self::incept { operation, .. } => {
                apply::create(context, operation, operation.operation.hash())?;
            }
            Self::batch { items } => {
                let registrar = expect_signed(origin)?;
                for (index, item) in (0u32..).zip(items) {
                    if let Err(error) = run_item(context, item, registrar) {
                        context.deposit(Event::ItemFailed { index, error });
                    }
                }
            }
        }
        Ok(())
    }

    fn signature_checks(&self) -> Vec<SignatureCheck> {
        match self {
            Self::submit { operation } => operation_checks(operation).collect(),
            Self::incept {
                operation,
                admission,
            } => {
                let voucher = match admission {
                    Admission::Voucher(voucher) => Some(voucher),
                    Admission::Work { .. } => None,
                };
                let voucher = voucher.map(|it| {
                    let operation = &operation.operation;
                    let preimage = voucher_preimage(&operation.chain(), &operation.did, it.expires);
                    (it.registrar, preimage, it.signature)
                });
                operation_checks(operation).chain(voucher).collect()
            }
            Self::batch { items } => items.iter().flat_map(operation_checks).collect(),
        }
    }

    fn items(&self) -> u32 {
        match self {
            Self::submit { .. } | Self::incept { .. } => 1,
            Self::batch { items } => item_count(items.len()).max(1),
        }
    }

    fn signature_units(&self) -> u32 {
        let units = |it: &SignedOperation| authorize::signature_units(&it.signatures);
        match self {
            Self::submit { operation } => units(operation),
            Self::incept {
                operation,
                admission,
            } => match admission {
                Admission::Voucher(_) => units(operation).saturating_add(UNITS_ED25519),
                Admission::Work { .. } => units(operation),
            },
            Self::batch { items } => items.iter().map(units).fold(0, u32::saturating_add),
        }
    }
}

fn validity(signed: &SignedOperation, is_ahead: bool) -> Validity {
    let operation = &signed.operation;
    let tag = |seq: u64| operation_tag(&operation.did, operation.lane, seq);
    let before = operation.lane_seq.checked_sub(1).filter(|_| is_ahead);
    Validity {
        provides: vec![tag(operation.lane_seq)],
        requires: before.map(tag).into_iter().collect(),
        priority: match (&operation.body, operation.lane) {
            (Body::Incept(_), _) => PRIORITY_INCEPTION,
            (_, Lane::Next(index)) => PRIORITY_NEXT.saturating_sub(u64::from(index)),
            (_, Lane::Guardians) => PRIORITY_GUARDIANS,
            (_, Lane::Rank(index)) => PRIORITY_RANK.saturating_sub(u64::from(index)),
            (_, Lane::Documents) => PRIORITY_DOCUMENTS,
        },
    }
}

/// Checks that a batch of `items` comes from a registrar whose budget covers it.
///
/// Source: spec/did.md §2, "Batch".
pub(crate) fn check_batch(
    env: Env<'_>,
    origin: Origin,
    items: usize,
) -> Result<Validity, TransactionError> {
    let Origin::Signed(account) = origin else {
        return Err(TransactionError::WrongOrigin);
    };
    if !authority::is_registrar(env.state, &account) {
        return Err(TransactionError::NoRole);
    }
    if items == 0 {
        return Err(TransactionError::Malformed);
    }
    authority::check_budget(env.state, env.block, &account, item_count(items))?;
    Ok(Validity {
        priority: PRIORITY_BATCH,
        ..Validity::default()
    })
}

/// Charges the registrar for every item of its batch.
pub(crate) fn charge_batch(context: &mut Context<'_>, origin: Origin, items: usize) {
    if let Origin::Signed(account) = origin {
        authority::charge(context, &account, item_count(items))
            .expect("validate has checked the budget against the same state");
    }
}

/// Returns the account that signed a batch.
pub(crate) fn expect_signed(origin: Origin) -> Result<PublicKey, DispatchError> {
    match origin {
        Origin::Signed(account) => Ok(account),
        Origin::Bare => Err(DispatchError::BadOrigin),
    }
}

/// Returns the number of items in a batch, whose maximum decoding has checked.
pub(crate) fn item_count(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}

fn run_item(
    context: &mut Context<'_>,
    item: &SignedOperation,
    registrar: PublicKey,
) -> Result<(), Error> {
    let paid = Paid::Sponsor(registrar);
    let env = Env {
        state: &context.state,
        block: &context.block,
        oracle: context.oracle,
    };
    if matches!(item.operation.body, Body::Incept(_)) {
        let checked = check_inception(env, item, None, paid)?;
        return apply::create(context, item, checked.hash);
    }
    let checked = check_operation(env, item, paid)?;
    if checked.is_ahead {
        return Err(Error::Future);
    }
    apply::take(context, item, checked.hash)
}

fn operation_checks(signed: &SignedOperation) -> impl Iterator<Item = SignatureCheck> {
    let operation = &signed.operation;
    let preimage = operation_preimage(&operation.chain(), &operation.hash());
    authorize::signature_checks(preimage, &signed.signatures)
}
