//! What a call sees while it runs.

use std::fmt;

use allod_primitives::operation::SignatureProof;
use allod_primitives::policy::ControlKey;
use allod_primitives::{ChainId, H256, Height, PublicKey, Signature, TimeMs};

use super::state::Overlay;
use crate::RuntimeEvent;

/// Decides whether a signature verifies. The node answers from its cache of what it has verified;
/// [`Direct`] computes. Both must agree: that is what ZIP-215 and the fixed rules of
/// spec/signatures.md are for.
pub trait SignatureOracle {
    /// Returns whether the Ed25519 `signature` by `key` over `message` verifies, by ZIP-215.
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool;

    /// Returns whether `proof` by a control key of any type verifies over the operation of `hash`.
    fn verify_operation(
        &self,
        key: &ControlKey,
        chain: &ChainId,
        hash: &H256,
        proof: &SignatureProof,
    ) -> bool;
}

/// Verifies each signature by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Direct;

impl SignatureOracle for Direct {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        key.verify(message, signature).is_ok()
    }

    fn verify_operation(
        &self,
        key: &ControlKey,
        chain: &ChainId,
        hash: &H256,
        proof: &SignatureProof,
    ) -> bool {
        key.verify_operation(chain, hash, proof).is_ok()
    }
}

/// The block a call runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockEnv {
    /// Its number.
    pub height: Height,
    /// Its time.
    pub time: TimeMs,
    /// Hash of the block before it.
    pub parent_hash: H256,
    /// What operations must be bound to.
    pub chain: ChainId,
    /// Block hash of the current chain's genesis, which signed extrinsics are bound to.
    pub genesis_hash: H256,
}

/// State, block, signatures and events of the call that runs.
pub struct Context<'a> {
    /// The state and its changes.
    pub state: Overlay<'a>,
    /// The block.
    pub block: BlockEnv,
    /// Answers for signatures.
    pub oracle: &'a dyn SignatureOracle,
    /// Events of the present extrinsic or phase, in order.
    pub events: Vec<RuntimeEvent>,
    /// Items (extrinsics and operations in batches) attempted in this block.
    pub items: u32,
    /// Units of signatures in this block so far.
    pub signature_units: u32,
}

impl<'a> Context<'a> {
    /// Starts a context without changes or events.
    pub fn new(state: Overlay<'a>, block: BlockEnv, oracle: &'a dyn SignatureOracle) -> Self {
        Self {
            state,
            block,
            oracle,
            events: Vec::new(),
            items: 0,
            signature_units: 0,
        }
    }

    /// Records an event.
    pub fn deposit(&mut self, event: impl Into<RuntimeEvent>) {
        self.events.push(event.into());
    }

    /// Runs `f`; if it fails, undoes its writes and its events.
    ///
    /// # Errors
    /// Whatever `f` fails with.
    pub fn transactional<T, E>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let checkpoint = self.state.checkpoint();
        let events = self.events.len();
        let result = f(self);
        if result.is_err() {
            self.state.rollback(checkpoint);
            self.events.truncate(events);
        }
        result
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("block", &self.block)
            .finish_non_exhaustive()
    }
}
