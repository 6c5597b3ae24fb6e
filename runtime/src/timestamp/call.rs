//! The pallet's call.

#![allow(
    non_camel_case_types,
    reason = "call names are variant names in the metadata, and clients know them in snake case"
)]

use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

use crate::frame::{
    BlockEnv, Context, DispatchError, DispatchResult, Origin, PalletCall, SignatureCheck,
    SignatureOracle, StateRead, TransactionError, Validity,
};

/// Calls of the `Timestamp` pallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Call {
    /// Sets the block's time. Bare, exactly once, the first extrinsic; never from outside.
    #[codec(index = 0)]
    set {
        /// Milliseconds since 1970; later than the parent's time.
        #[codec(compact)]
        now: u64,
    },
}

/// The executive itself applies the inherent; as a transaction it is always refused.
impl PalletCall for Call {
    fn validate(
        &self,
        _origin: Origin,
        _state: &dyn StateRead,
        _block: &BlockEnv,
        _oracle: &dyn SignatureOracle,
    ) -> Result<Validity, TransactionError> {
        Err(TransactionError::WrongOrigin)
    }

    fn consume(&self, _origin: Origin, _context: &mut Context<'_>) {}

    fn dispatch(&self, _origin: Origin, _context: &mut Context<'_>) -> DispatchResult {
        Err(DispatchError::BadOrigin)
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
