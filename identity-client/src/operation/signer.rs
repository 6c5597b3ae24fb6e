//! Whoever signs.

use allod_primitives::H256;
use allod_primitives::operation::SignatureProof;
use allod_primitives::policy::ControlKey;

use crate::keys::SecretKey;

/// A control key that can sign, of any type and wherever it lies.
pub trait Signer {
    /// Returns the public key, as policies list it.
    fn control_key(&self) -> ControlKey;

    /// Signs `preimage`, or asserts `challenge` if the key is a passkey; both name the same thing.
    fn prove(&self, preimage: &[u8], challenge: &H256) -> SignatureProof;
}

impl Signer for SecretKey {
    fn control_key(&self) -> ControlKey {
        ControlKey::Ed25519(self.public())
    }

    fn prove(&self, preimage: &[u8], _: &H256) -> SignatureProof {
        SignatureProof::Ed25519(self.sign(preimage))
    }
}
