//! The pallet's calls.

#![allow(
    non_camel_case_types,
    reason = "call names are variant names in the metadata, and clients know them in snake case"
)]

use allod_primitives::{H256, TimeMs};
use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

use super::governance;
use super::storage::is_trustee;
use super::types::Actions;
use crate::frame::{
    BlockEnv, Context, DispatchError, DispatchResult, Origin, PalletCall, SignatureCheck,
    SignatureOracle, StateRead, TransactionError, Validity,
};

/// Calls of the `Authority` pallet. Index 0 is kept for an inherent that carries the parent's
/// certificate; today it does not decode.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Call {
    /// Proposes actions, and votes for them. Signed by a trustee.
    #[codec(index = 1)]
    propose {
        /// One to eight, carried out in this order, all or nothing.
        actions: Actions,
        /// Void in blocks of a later time.
        expires: TimeMs,
    },
    /// Votes for an open proposal; the last vote needed carries it out, or schedules it. Signed
    /// by a trustee.
    #[codec(index = 2)]
    vote {
        /// Its number.
        proposal: u32,
        /// Its hash, by which the voter says what it read.
        hash: H256,
    },
    /// Closes an open proposal. Signed by its proposer.
    #[codec(index = 3)]
    withdraw {
        /// Its number.
        proposal: u32,
    },
    /// Votes against an approved proposal that waits; enough of them cancel it. Signed by a
    /// trustee.
    #[codec(index = 4)]
    veto {
        /// Its number.
        proposal: u32,
    },
}

impl PalletCall for Call {
    fn validate(
        &self,
        origin: Origin,
        state: &dyn StateRead,
        _block: &BlockEnv,
        _oracle: &dyn SignatureOracle,
    ) -> Result<Validity, TransactionError> {
        match origin {
            Origin::Bare => Err(TransactionError::WrongOrigin),
            Origin::Signed(account) if is_trustee(state, &account) => Ok(Validity {
                priority: GOVERNANCE_PRIORITY,
                ..Validity::default()
            }),
            Origin::Signed(_) => Err(TransactionError::NoRole),
        }
    }

    fn consume(&self, _origin: Origin, _context: &mut Context<'_>) {}

    fn dispatch(&self, origin: Origin, context: &mut Context<'_>) -> DispatchResult {
        let Origin::Signed(account) = origin else {
            return Err(DispatchError::BadOrigin);
        };
        match self {
            Self::propose { actions, expires } => {
                governance::propose(context, account, actions, *expires)?;
            }
            Self::vote { proposal, hash } => {
                governance::vote(context, account, *proposal, *hash)?;
            }
            Self::withdraw { proposal } => governance::withdraw(context, account, *proposal)?,
            Self::veto { proposal } => governance::veto(context, account, *proposal)?,
        }
        Ok(())
    }

    fn signature_checks(&self) -> Vec<SignatureCheck> {
        Vec::new()
    }

    fn items(&self) -> u32 {
        1
    }

    fn signature_units(&self) -> u32 {
        0
    }
}

/// Trustees' calls go before all others: they are few, and may be what repairs the network.
const GOVERNANCE_PRIORITY: u64 = u64::MAX;
