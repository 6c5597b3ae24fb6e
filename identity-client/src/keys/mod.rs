//! Secrets and the files that keep them.
//!
//! A *key file* is JSON: what is public, and the secret either encrypted (Argon2id, then
//! XChaCha20-Poly1305 with the public part as associated data) or, in development, in plain under
//! a name that says so. Files are private to their owner, and written whole or not at all.
//!
//! ```text
//! { "version": 1, "kind": "ed25519" | "p256" | "secp256k1" | "identity", "public": …,
//!   "encrypted": { "kdf": "argon2id", "memory_kib", "iterations", "lanes",
//!                  "salt", "nonce", "ciphertext" }          one of the two
//!   "secret_unsafe_plain": … }
//! ```
//!
//! An *identity file* is a key file that holds everything one alias needs; see [`Identity`].

mod atomic;
mod control;
mod error;
mod file;
mod home;
mod identity;
mod kept;
mod passphrase;
mod seal;
mod secret;
#[cfg(test)]
mod tests;

pub use control::{ControlKeyFile, KeyType, TypedSecret};
pub use error::KeyFileError;
pub use file::{KeyFile, Protection};
pub use home::{Home, HomeLock};
pub use identity::{
    ControlPublic, ControlSecret, Identity, IdentityFile, IdentityPublic, MethodPublic,
    MethodSecret, Pending, PendingPublic,
};
pub use kept::Kept;
pub use passphrase::{Passphrase, PassphraseSource, Purpose};
pub use seal::{KdfCost, Sealed};
pub use secret::{SecretKey, random_bytes};
