//! Transactions around calls: Substrate's version 4, bare or signed with Ed25519.

use allod_primitives::extrinsic::{Era, RawExtrinsic, SignedPart, SigningContext};
use allod_primitives::{H256, Signature};
use parity_scale_codec::{Decode, Encode};

use crate::keys::SecretKey;

/// Returns a bare extrinsic, length prefix included.
pub fn bare(call: Vec<u8>) -> Vec<u8> {
    RawExtrinsic { signed: None, call }.encode_body().encode()
}

/// Returns an extrinsic's bytes after its length prefix, as blocks hold them.
pub fn body(extrinsic: &[u8]) -> Vec<u8> {
    let mut input = extrinsic;
    // The inverse of what this module encodes; other bytes are returned as they are.
    match Vec::<u8>::decode(&mut input) {
        Ok(body) if input.is_empty() => body,
        _ => extrinsic.to_vec(),
    }
}

/// What a registrar's or trustee's transaction states besides the call.
#[derive(Clone, Copy, Debug)]
pub struct Envelope {
    /// The runtime's versions and the current chain's genesis hash.
    pub context: SigningContext,
    /// How long it is valid.
    pub era: Era,
    /// Hash of the era's first block; the genesis hash if immortal.
    pub birth_hash: H256,
    /// The account's transaction count.
    pub nonce: u32,
}

impl Envelope {
    /// Returns the transaction of `key`, length prefix included.
    pub fn sign(&self, key: &SecretKey, call: Vec<u8>) -> Vec<u8> {
        let payload = self
            .context
            .payload(&call, &self.era, self.nonce, &self.birth_hash);
        let signature: Signature = key.sign(&payload);
        let signed = SignedPart {
            account: key.public(),
            signature,
            era: self.era,
            nonce: self.nonce,
        };
        let signed = Some(signed);
        RawExtrinsic { signed, call }.encode_body().encode()
    }
}
