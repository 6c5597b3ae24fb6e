//! What signs for a validator: the one door to its key.
//!
//! A validator's key signs four things and nothing else: votes, proposals, the heads of block
//! streams, and the binding of the node's network identity to the key. [`SignMessage`] is each of
//! them in full. Whoever holds the key gets the message, never its bytes, and makes the preimage
//! itself: it knows which height, round and value it signs for, and its [`crate::SignGuard`] has
//! the last word.
//!
//! [`LocalSigner`] holds the key in this process. A signer elsewhere implements
//! [`ValidatorSigner`] as well, and says [`SignError::Unreachable`] while it is gone: the node
//! then follows in silence, and says what it had to say when the signer is back.

mod local;
mod message;

use allod_primitives::{Height, PublicKey, Signature, TimeMs};
use async_trait::async_trait;

pub use local::LocalSigner;
pub use message::SignMessage;
pub(crate) use message::parts_preimage;

use crate::guard::GuardError;

/// What a node has seen of the chain, by which a guard notices that it is out of date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The newest committed height; nothing is signed at or below it.
    pub tip: Height,
    /// That block's time.
    pub tip_time: TimeMs,
    /// The newest committed height whose certificate holds a signature of the validator's key;
    /// 0 if none was seen.
    pub signed: Height,
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The guard refuses, or ([`GuardError::Unavailable`]) failed.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The signer will never sign this: it is about another chain, or malformed.
    #[error("the signer refuses: {reason}")]
    Refused {
        /// The signer's words.
        reason: &'static str,
    },
    /// Nobody answers now. The message may be asked for again later.
    #[error("the signer cannot be reached")]
    Unreachable,
}

/// Signs for one validator on one chain.
#[async_trait]
pub trait ValidatorSigner: Send + Sync {
    /// Returns the validator's public key; it never changes.
    fn public_key(&self) -> PublicKey;

    /// Returns whether it would answer now, as far as is known.
    fn is_reachable(&self) -> bool {
        true
    }

    /// Signs `message`, if the guard agrees. Answers within a second or two: consensus waits.
    ///
    /// # Errors
    /// [`SignError`]; no signature over `message` exists by this call then.
    async fn sign(&self, message: &SignMessage, seen: &Seen) -> Result<Signature, SignError>;
}

impl std::fmt::Debug for dyn ValidatorSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ValidatorSigner")
            .field(&self.public_key())
            .finish()
    }
}
