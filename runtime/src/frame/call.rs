//! What the executive asks of every call, in this order.
//!
//! 1. [`PalletCall::validate`]: may it be in a block now? Reads only. Used by the mempool too,
//!    where `requires` lets it wait for its turn.
//! 2. [`PalletCall::consume`]: takes what it pays with (sequence, quota). Never rolled back.
//! 3. [`PalletCall::dispatch`]: does it. Rolled back if it fails.

use allod_primitives::{PublicKey, Signature};

use super::context::{BlockEnv, Context, SignatureOracle};
use super::dispatch::{DispatchResult, Origin, TransactionError};
use super::state::StateRead;

/// One Ed25519 check: key, message, signature. Signatures of other types have no batches, so they
/// are checked when they are asked for: after lane, quota and signers have been.
pub type SignatureCheck = (PublicKey, Vec<u8>, Signature);

/// Where a valid extrinsic stands among others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validity {
    /// Tags it provides; two extrinsics that provide one tag exclude each other.
    pub provides: Vec<Vec<u8>>,
    /// Tags that must be provided before it; empty if it is its turn.
    pub requires: Vec<Vec<u8>>,
    /// Higher goes first; rescue lanes above all.
    pub priority: u64,
}

/// A pallet's call enum.
pub trait PalletCall {
    /// Checks everything that must hold for the call to be in a block: origin, bindings,
    /// signatures, sequence, quota, admission.
    ///
    /// A sequence ahead of its turn is not an error here: its predecessor's tag is in `requires`.
    ///
    /// # Errors
    /// [`TransactionError`] names the first rule broken.
    fn validate(
        &self,
        origin: Origin,
        state: &dyn StateRead,
        block: &BlockEnv,
        oracle: &dyn SignatureOracle,
    ) -> Result<Validity, TransactionError>;

    /// Takes what the call pays with. Called only after `validate` returned no `requires`.
    fn consume(&self, origin: Origin, context: &mut Context<'_>);

    /// Does it. The executive rolls back on error.
    ///
    /// # Errors
    /// A dispatch error, which the block records.
    fn dispatch(&self, origin: Origin, context: &mut Context<'_>) -> DispatchResult;

    /// Returns the Ed25519 checks `validate` and `dispatch` will ask for, as far as the call
    /// alone tells.
    fn signature_checks(&self) -> Vec<SignatureCheck>;

    /// Returns how many items it attempts, at least 1.
    fn items(&self) -> u32;

    /// Returns the units of all signatures in it, without its sender's.
    ///
    /// Source: spec/signatures.md §6.
    fn signature_units(&self) -> u32;
}
