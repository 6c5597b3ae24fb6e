//! How the executive runs the pallet's calls.

use allod_primitives::PublicKey;
use allod_primitives::crypto::UNITS_ED25519;
use allod_primitives::grant::{
    GRANT_ENTRY_VERSION, GRANT_MESSAGE_VERSION, GrantAction, GrantEntry, GrantStatus,
    SignedGrantMessage,
};
use allod_primitives::limits::GRANT_DAYS_MAX;
use allod_primitives::operation::operation_preimage;

use super::storage::{self, GRANTS};
use super::{Call, Error, Event};
use crate::did::authorize::{check_binding, expect_bare};
use crate::did::check::Env;
use crate::did::pallet::{
    PRIORITY_REVOCATION, charge_batch, check_batch, expect_signed, item_count,
};
use crate::frame::{
    BlockEnv, Context, DispatchError, DispatchResult, Origin, PalletCall, SignatureCheck,
    SignatureOracle, StateRead, TransactionError, Validity,
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
            Self::revoke { message } => {
                expect_bare(origin)?;
                check_revoke(env, message)?;
                Ok(Validity {
                    provides: vec![[b"gr".as_slice(), &message.message.gid.0].concat()],
                    requires: Vec::new(),
                    priority: PRIORITY_REVOCATION,
                })
            }
            Self::anchor { items } => check_batch(env, origin, items.len()),
        }
    }

    fn consume(&self, origin: Origin, context: &mut Context<'_>) {
        match self {
            Self::revoke { .. } => {}
            Self::anchor { items } => charge_batch(context, origin, items.len()),
        }
    }

    fn dispatch(&self, origin: Origin, context: &mut Context<'_>) -> DispatchResult {
        match self {
            Self::revoke { message } => revoke(context, message)?,
            Self::anchor { items } => {
                expect_signed(origin)?;
                for (index, item) in (0u32..).zip(items) {
                    if let Err(error) = anchor(context, item) {
                        let error = Error::from(error);
                        context.deposit(Event::ItemFailed { index, error });
                    }
                }
            }
        }
        Ok(())
    }

    fn signature_checks(&self) -> Vec<SignatureCheck> {
        match self {
            // The key is in the state, not in the call.
            Self::revoke { .. } => Vec::new(),
            Self::anchor { items } => items.iter().filter_map(anchor_check).collect(),
        }
    }

    fn items(&self) -> u32 {
        match self {
            Self::revoke { .. } => 1,
            Self::anchor { items } => item_count(items.len()).max(1),
        }
    }

    fn signature_units(&self) -> u32 {
        let messages = match self {
            Self::revoke { .. } => 1,
            Self::anchor { items } => item_count(items.len()),
        };
        UNITS_ED25519.saturating_mul(messages)
    }
}

/// Checks 1 to 3, which both messages share.
fn check_form(env: Env<'_>, signed: &SignedGrantMessage) -> Result<(), TransactionError> {
    let message = &signed.message;
    if message.version != GRANT_MESSAGE_VERSION {
        return Err(TransactionError::UnknownVersion);
    }
    check_binding(env.block, &message.chain(), message.valid_until)
}

fn check_signature(
    env: Env<'_>,
    key: &PublicKey,
    signed: &SignedGrantMessage,
) -> Result<(), TransactionError> {
    let preimage = operation_preimage(&env.block.chain, &signed.message.hash());
    if env.oracle.verify(key, &preimage, &signed.signature) {
        Ok(())
    } else {
        Err(TransactionError::BadProof)
    }
}

/// Checks an anchoring and returns the entry it makes.
///
/// Source: spec/grants.md §3.
fn check_anchor(env: Env<'_>, signed: &SignedGrantMessage) -> Result<GrantEntry, TransactionError> {
    check_form(env, signed)?;
    let GrantAction::Anchor {
        grant_key,
        expiry_day,
    } = signed.message.action
    else {
        return Err(TransactionError::Malformed);
    };
    grant_key
        .check_registrable()
        .map_err(|_| TransactionError::Malformed)?;
    let today = env.block.time.day();
    if expiry_day < today {
        return Err(TransactionError::Expired);
    }
    if expiry_day > today.saturating_add(GRANT_DAYS_MAX) {
        return Err(TransactionError::ValidTooLong);
    }
    if GRANTS.contains(env.state, &signed.message.gid) {
        return Err(TransactionError::AlreadyExists);
    }
    check_signature(env, &grant_key, signed)?;
    Ok(GrantEntry {
        version: GRANT_ENTRY_VERSION,
        grant_key,
        expiry_day,
        anchored: env.block.time,
        status: GrantStatus::Active,
    })
}

/// Source: spec/grants.md §4.
fn check_revoke(env: Env<'_>, signed: &SignedGrantMessage) -> Result<(), TransactionError> {
    check_form(env, signed)?;
    if signed.message.action != GrantAction::Revoke {
        return Err(TransactionError::Malformed);
    }
    let entry = GRANTS.get(env.state, &signed.message.gid);
    let entry = entry.ok_or(TransactionError::NotFound)?;
    if entry.status != GrantStatus::Active {
        return Err(TransactionError::AlreadyExists);
    }
    check_signature(env, &entry.grant_key, signed)
}

fn anchor(context: &mut Context<'_>, signed: &SignedGrantMessage) -> Result<(), TransactionError> {
    let env = Env {
        state: &context.state,
        block: &context.block,
        oracle: context.oracle,
    };
    let entry = check_anchor(env, signed)?;
    let gid = signed.message.gid;
    storage::put_new(&mut context.state, &gid, &entry);
    context.deposit(Event::Anchored { gid });
    Ok(())
}

fn revoke(context: &mut Context<'_>, signed: &SignedGrantMessage) -> DispatchResult {
    let gid = signed.message.gid;
    let entry = GRANTS.get(&context.state, &gid);
    let mut entry = entry.ok_or(DispatchError::Unavailable)?;
    entry.status = GrantStatus::Revoked {
        at: context.block.time,
    };
    GRANTS.put(&mut context.state, &gid, &entry);
    context.deposit(Event::Revoked { gid });
    Ok(())
}

fn anchor_check(signed: &SignedGrantMessage) -> Option<SignatureCheck> {
    let message = &signed.message;
    match message.action {
        GrantAction::Anchor { grant_key, .. } => {
            let preimage = operation_preimage(&message.chain(), &message.hash());
            Some((grant_key, preimage, signed.signature))
        }
        GrantAction::Revoke => None,
    }
}
