//! A key in this process, behind its guard.

use std::sync::Arc;

use allod_primitives::{ChainId, PublicKey, Signature};
use async_trait::async_trait;
use ed25519_dalek::{Signer as _, SigningKey};

use super::{Seen, SignError, SignMessage, ValidatorSigner};
use crate::guard::SignGuard;

/// Signs with a key that it holds.
pub struct LocalSigner {
    chain: ChainId,
    key: SigningKey,
    guard: Arc<dyn SignGuard>,
}

impl std::fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalSigner")
            .field("public_key", &self.public_key())
            .finish_non_exhaustive()
    }
}

impl LocalSigner {
    /// Returns a signer for `chain`.
    ///
    /// `guard`: never shared between validators, never lost while the key is in use.
    pub fn new(chain: ChainId, key: SigningKey, guard: Arc<dyn SignGuard>) -> Self {
        Self { chain, key, guard }
    }

    /// Signs `message`, if the guard agrees and has written it down.
    ///
    /// # Errors
    /// [`SignError::Guard`], or [`SignError::Refused`] of what is not well formed.
    pub fn sign_now(&self, message: &SignMessage, seen: &Seen) -> Result<Signature, SignError> {
        if !message.is_well_formed() {
            let reason = "not a message of a validator";
            return Err(SignError::Refused { reason });
        }
        if let Some(height) = message.height() {
            self.guard.judge(height, seen)?;
        }
        if let SignMessage::Record(record) = message {
            self.guard.check_and_record(record)?;
        }
        let preimage = message.preimage(&self.chain, &self.public_key());
        Ok(Signature(self.key.sign(&preimage).to_bytes()))
    }
}

#[async_trait]
impl ValidatorSigner for LocalSigner {
    fn public_key(&self) -> PublicKey {
        PublicKey(self.key.verifying_key().to_bytes())
    }

    async fn sign(&self, message: &SignMessage, seen: &Seen) -> Result<Signature, SignError> {
        self.sign_now(message, seen)
    }
}
