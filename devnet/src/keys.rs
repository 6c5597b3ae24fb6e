//! Keys that anyone can compute from the seed.

use allod_primitives::{PublicKey, domain_hash};
use ed25519_dalek::SigningKey;

/// Returns the key of `role` number `index` under `seed`.
pub(crate) fn derive(seed: u64, role: &str, index: usize) -> SigningKey {
    let label = format!("{role}/{index}");
    let hash = domain_hash(
        "allod/devnet-unsafe/v1",
        &[&seed.to_le_bytes(), label.as_bytes()],
    );
    SigningKey::from_bytes(&hash.0)
}

/// Returns the public half.
pub(crate) fn public(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key().to_bytes())
}
