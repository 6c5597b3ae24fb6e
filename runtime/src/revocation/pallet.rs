//! How the executive runs the pallet's calls.

use allod_primitives::H256;
use allod_primitives::control::is_rank_authorized;
use allod_primitives::limits::{TOKEN_LEEWAY_S, TOKEN_LIFETIME_S_MAX};
use allod_primitives::operation::{are_signers_well_formed, operation_preimage};
use allod_primitives::policy::Capabilities;
use allod_primitives::token::{
    REVOCATION_ENTRY_VERSION, RevocationEntry, SignedTokenOperation, TOKEN_OPERATION_VERSION,
};

use super::storage::{self, TAGS};
use super::{Call, Error, Event};
use crate::did::authorize::{self, Paid, check_binding, check_proofs, expect_bare};
use crate::did::check::{Env, active_record};
use crate::did::pallet::{
    PRIORITY_REVOCATION, charge_batch, check_batch, expect_signed, item_count,
};
use crate::did::quota::{self, Purpose};
use crate::frame::{
    BlockEnv, Context, DispatchResult, Origin, PalletCall, SignatureCheck, SignatureOracle,
    StateRead, TransactionError, Validity,
};

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
            Self::revoke { operation } => {
                expect_bare(origin)?;
                let tag = check(env, operation, Paid::Own)?;
                Ok(Validity {
                    provides: vec![[b"rv".as_slice(), &tag.0].concat()],
                    requires: Vec::new(),
                    priority: PRIORITY_REVOCATION,
                })
            }
            Self::batch { items } => check_batch(env, origin, items.len()),
        }
    }

    fn consume(&self, origin: Origin, context: &mut Context<'_>) {
        match self {
            Self::revoke { operation } => {
                let did = &operation.operation.did;
                quota::charge(&mut context.state, &context.block, did, Purpose::Tokens);
            }
            Self::batch { items } => charge_batch(context, origin, items.len()),
        }
    }

    fn dispatch(&self, origin: Origin, context: &mut Context<'_>) -> DispatchResult {
        match self {
            Self::revoke { operation } => set(context, operation, operation.operation.tag()),
            Self::batch { items } => {
                let paid = Paid::Sponsor(expect_signed(origin)?);
                for (index, item) in (0u32..).zip(items) {
                    let env = Env {
                        state: &context.state,
                        block: &context.block,
                        oracle: context.oracle,
                    };
                    match check(env, item, paid) {
                        Ok(tag) => set(context, item, tag),
                        Err(error) => context.deposit(Event::ItemFailed {
                            index,
                            error: Error::from(error),
                        }),
                    }
                }
            }
        }
        Ok(())
    }

    fn signature_checks(&self) -> Vec<SignatureCheck> {
        match self {
            Self::revoke { operation } => operation_checks(operation).collect(),
            Self::batch { items } => items.iter().flat_map(operation_checks).collect(),
        }
    }

    fn items(&self) -> u32 {
        match self {
            Self::revoke { .. } => 1,
            Self::batch { items } => item_count(items.len()).max(1),
        }
    }

    fn signature_units(&self) -> u32 {
        let units = |it: &SignedTokenOperation| authorize::signature_units(&it.signatures);
        match self {
            Self::revoke { operation } => units(operation),
            Self::batch { items } => items.iter().map(units).fold(0, u32::saturating_add),
        }
    }
}

/// Checks a revocation and returns the tag it sets.
///
/// Source: spec/revocation.md §3.
fn check(
    env: Env<'_>,
    signed: &SignedTokenOperation,
    paid: Paid,
) -> Result<H256, TransactionError> {
    let operation = &signed.operation;
    if operation.version != TOKEN_OPERATION_VERSION {
        return Err(TransactionError::UnknownVersion);
    }
    check_binding(env.block, &operation.chain(), operation.valid_until)?;
    paid.check(&operation.payer)?;
    if !are_signers_well_formed(&signed.signatures) {
        return Err(TransactionError::Malformed);
    }
    check_lifetime(operation.exp, env.block.time.seconds())?;
    let record = active_record(env, &operation.did)?;
    let tag = operation.tag();
    if TAGS.contains(env.state, &tag) {
        return Err(TransactionError::AlreadyExists);
    }
    if paid == Paid::Own {
        quota::check(env.state, env.block, &operation.did, Purpose::Tokens)?;
    }
    if signed.signatures.iter().any(|it| it.leaf.is_some()) {
        return Err(TransactionError::Malformed);
    }
    let needed = Capabilities::TOKENS_AND_GRANTS;
    if !is_rank_authorized(&record.policy, needed, &signed.signatures) {
        return Err(TransactionError::BadProof);
    }
    let hash = operation.hash();
    check_proofs(&env.block.chain, &hash, &signed.signatures, env.oracle)?;
    Ok(tag)
}

fn check_lifetime(exp: u64, now: u64) -> Result<(), TransactionError> {
    if exp.saturating_add(TOKEN_LEEWAY_S) <= now {
        return Err(TransactionError::Expired);
    }
    let latest = now
        .saturating_add(TOKEN_LIFETIME_S_MAX)
        .saturating_add(TOKEN_LEEWAY_S);
    if exp > latest {
        return Err(TransactionError::ValidTooLong);
    }
    Ok(())
}

fn set(context: &mut Context<'_>, signed: &SignedTokenOperation, tag: H256) {
    let entry = RevocationEntry {
        version: REVOCATION_ENTRY_VERSION,
        exp: signed.operation.exp,
        revoked_at: context.block.time,
    };
    storage::put(&mut context.state, &tag, &entry);
    context.deposit(Event::Revoked { tag });
}

fn operation_checks(signed: &SignedTokenOperation) -> impl Iterator<Item = SignatureCheck> {
    let operation = &signed.operation;
    let preimage = operation_preimage(&operation.chain(), &operation.hash());
    authorize::signature_checks(preimage, &signed.signatures)
}
