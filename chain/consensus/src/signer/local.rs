//! A key in this process, behind its guard.

use std::io;
use std::sync::Arc;

use allod_primitives::{ChainId, PublicKey, Signature};
use async_trait::async_trait;
use ed25519_dalek::{Signer as _, SigningKey};

use super::{Seen, SignError, SignMessage, ValidatorSigner};
use crate::guard::{GuardError, SignGuard};

/// Signs with a key that it holds.
///
/// A guard that waits for its disk is asked on a thread that may wait. Whoever awaits the
/// signature gets it once the guard has answered, not before; who stops waiting leaves at most a
/// record without a signature.
pub struct LocalSigner(Arc<Inner>);

struct Inner {
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
        Self(Arc::new(Inner { chain, key, guard }))
    }

    /// Signs `message`, if the guard agrees and has written it down. Waits for the guard's disk.
    ///
    /// # Errors
    /// [`SignError::Guard`], or [`SignError::Refused`] of what is not well formed.
    pub fn sign_now(&self, message: &SignMessage, seen: &Seen) -> Result<Signature, SignError> {
        self.0.sign(message, seen)
    }
}

impl Inner {
    fn public_key(&self) -> PublicKey {
        PublicKey(self.key.verifying_key().to_bytes())
    }

    fn sign(&self, message: &SignMessage, seen: &Seen) -> Result<Signature, SignError> {
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
        self.0.public_key()
    }

    async fn sign(&self, message: &SignMessage, seen: &Seen) -> Result<Signature, SignError> {
        if !self.0.guard.waits_for_disk() {
            return self.sign_now(message, seen);
        }
        let (inner, message, seen) = (self.0.clone(), message.clone(), *seen);
        let signing = tokio::task::spawn_blocking(move || inner.sign(&message, &seen));
        match signing.await {
            Ok(signed) => signed,
            // The runtime ends, or a guard has panicked: as if its disk were gone.
            Err(error) => Err(GuardError::Unavailable(io::Error::other(error)).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};
    use std::time::Duration;

    use allod_primitives::{ForkId, H256, Height};

    use super::*;
    use crate::guard::{SignKind, SignRecord};

    /// A guard whose disk answers when the test says so.
    struct Slow(Mutex<mpsc::Receiver<()>>);

    impl SignGuard for Slow {
        fn check_and_record(&self, _message: &SignRecord) -> Result<(), GuardError> {
            let disk = self.0.lock().unwrap();
            let written = disk.recv_timeout(Duration::from_secs(10));
            written.map_err(|error| GuardError::Unavailable(io::Error::other(error)))
        }
    }

    /// Goal: a slow disk holds up the signature alone, and the signature waits for it. Method: one
    /// thread runs everything; while the guard waits, the test goes on, and then lets it end.
    #[tokio::test]
    async fn a_guard_that_waits_for_its_disk_holds_up_its_signature_and_nothing_else() {
        let (written, disk) = mpsc::channel();
        let chain = ChainId {
            genesis: H256([9; 32]),
            fork_id: ForkId(1),
        };
        let guard = Arc::new(Slow(Mutex::new(disk)));
        let signer = LocalSigner::new(chain, SigningKey::from_bytes(&[3; 32]), guard);
        let message = SignMessage::Record(SignRecord {
            height: Height(1),
            round: 0,
            kind: SignKind::Prevote,
            block_hash: None,
            pol_round: None,
        });
        let signing = tokio::spawn(async move { signer.sign(&message, &Seen::default()).await });
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(
            !signing.is_finished(),
            "nothing is signed before it is written"
        );
        written.send(()).unwrap();
        assert!(signing.await.unwrap().is_ok());
    }
}
