//! Signatures verified once per node: in batches when they arrive, from memory when the block
//! that holds them is executed.
//!
//! The memory is keyed by (key, message, signature), never by transaction: the same operation in
//! another wrapping is the same signature, and a transaction that says something else is not.
//! Ed25519 is judged by ZIP-215, single and batch alike, so a verdict does not depend on the company
//! in which a signature was checked. Signatures of other types have no batches: they are checked
//! when somebody asks, which is after cheaper rules have been kept, and remembered likewise.

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use allod_primitives::operation::{SignatureProof, operation_preimage};
use allod_primitives::policy::ControlKey;
use allod_primitives::{ChainId, H256, PublicKey, Signature, domain_hash};
use ed25519_zebra::{VerificationKeyBytes, batch};
use parity_scale_codec::Encode;
use parking_lot::Mutex;
use rand_core_010::{TryCryptoRng, TryRng};

use crate::limits::{SIGNATURE_BATCH_MAX, SIGNATURE_CACHE_MAX};
use crate::seams::Entropy;

/// One signature to check: key, message, signature.
pub type Check = (PublicKey, Vec<u8>, Signature);

/// The node's signature checker and its memory of good ones. Shared by all tasks.
pub struct Signatures {
    known: Mutex<Known>,
    entropy: Arc<dyn Entropy>,
    counts: Counts,
}

/// Signatures in failing batches that are halved, for each signature of the first batch: two find
/// one bad signature anywhere, and three a few.
const BAD_PART_FACTOR: usize = 3;

/// How many signatures were checked, and how.
#[derive(Debug, Default)]
pub struct Counts {
    /// In a batch that passed.
    pub batched: AtomicU64,
    /// One by one, because a batch failed, nobody had checked it before, or its type has no
    /// batches.
    pub single: AtomicU64,
    /// In a batch that did not pass and was halved; each of them as often as that happened.
    pub failed: AtomicU64,
    /// Not at all, being known.
    pub remembered: AtomicU64,
}

/// The good signatures, forgotten in the order in which they came.
#[derive(Default)]
struct Known {
    set: HashSet<H256>,
    order: VecDeque<H256>,
}

impl Known {
    fn insert(&mut self, id: H256) {
        if !self.set.insert(id) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > SIGNATURE_CACHE_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
    }
}

impl fmt::Debug for Signatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signatures")
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl Signatures {
    /// Returns a checker with an empty memory that draws batch coefficients from `entropy`.
    pub fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self {
            known: Mutex::default(),
            entropy,
            counts: Counts::default(),
        }
    }

    /// Returns the counters.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Checks `checks` in batches and remembers the good ones; tells nothing, since whoever needs
    /// a verdict asks [`Self::verify`].
    ///
    /// Cost: about 17 µs per signature that is not known, 2 µs per known one.
    pub fn prepare(&self, checks: &[Check]) {
        let ids: Vec<H256> = checks.iter().map(id).collect();
        let unknown: Vec<(H256, &Check)> = {
            let known = self.known.lock();
            let mut seen = HashSet::new();
            let pairs = ids.into_iter().zip(checks);
            pairs
                .filter(|(id, _)| !known.set.contains(id) && seen.insert(*id))
                .collect()
        };
        for part in unknown.chunks(SIGNATURE_BATCH_MAX) {
            let mut spare = part.len().saturating_mul(BAD_PART_FACTOR);
            self.prepare_batch(part, &mut spare);
        }
    }

    /// Returns whether `signature` is good, from memory if it was checked before.
    pub fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        let id = identify(key, message, signature);
        if self.known.lock().set.contains(&id) {
            self.counts.remembered.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        self.counts.single.fetch_add(1, Ordering::Relaxed);
        let good = key.verify(message, signature).is_ok();
        if good {
            self.known.lock().insert(id);
        }
        good
    }

    /// Returns whether `proof` by `key` over the operation of `hash` is good, from memory if it was
    /// checked before. Ed25519 signatures share their memory with [`Self::verify`].
    pub fn verify_operation(
        &self,
        key: &ControlKey,
        chain: &ChainId,
        hash: &H256,
        proof: &SignatureProof,
    ) -> bool {
        if let (ControlKey::Ed25519(key), SignatureProof::Ed25519(proof)) = (key, proof) {
            return self.verify(key, &operation_preimage(chain, hash), proof);
        }
        let id = identify_operation(key, chain, hash, proof);
        if self.known.lock().set.contains(&id) {
            self.counts.remembered.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        self.counts.single.fetch_add(1, Ordering::Relaxed);
        let good = key.verify_operation(chain, hash, proof).is_ok();
        if good {
            self.known.lock().insert(id);
        }
        good
    }

    /// Checks `part` at once; if a bad one is in it, halves it as long as `spare` lasts.
    fn prepare_batch(&self, part: &[(H256, &Check)], spare: &mut usize) {
        if let [(id, (key, message, signature))] = part {
            self.counts.single.fetch_add(1, Ordering::Relaxed);
            if key.verify(message, signature).is_ok() {
                self.known.lock().insert(*id);
            }
            return;
        }
        let mut verifier = batch::Verifier::new();
        for (_, (key, message, signature)) in part {
            let key = VerificationKeyBytes::from(key.0);
            let signature = ed25519_zebra::Signature::from(signature.0);
            verifier.queue((key, signature, message.as_slice()));
        }
        if verifier.verify(Coefficients(&*self.entropy)).is_ok() {
            let count = part.len() as u64;
            self.counts.batched.fetch_add(count, Ordering::Relaxed);
            let mut known = self.known.lock();
            part.iter().for_each(|(id, _)| known.insert(*id));
            return;
        }
        // Someone sent a bad one: halving finds it at a cost of a few batches. Where there are many,
        // halving on would cost four times as much as checking each by itself, and a bad one is
        // seldom asked for twice: the rest is left to whoever asks.
        let Some(left_over) = spare.checked_sub(part.len()) else {
            return;
        };
        *spare = left_over;
        self.counts
            .failed
            .fetch_add(part.len() as u64, Ordering::Relaxed);
        let (left, right) = part.split_at(part.len() / 2);
        self.prepare_batch(left, spare);
        self.prepare_batch(right, spare);
    }
}

fn id((key, message, signature): &Check) -> H256 {
    identify(key, message, signature)
}

fn identify(key: &PublicKey, message: &[u8], signature: &Signature) -> H256 {
    domain_hash("allod/node/checked", &[&key.0, &signature.0, message])
}

fn identify_operation(
    key: &ControlKey,
    chain: &ChainId,
    hash: &H256,
    proof: &SignatureProof,
) -> H256 {
    let signature = (key, proof).encode();
    domain_hash(
        "allod/node/checked-operation",
        &[&chain.preimage(), &hash.0, &signature],
    )
}

/// The node's randomness as the batch verifier wants it.
struct Coefficients<'a>(&'a dyn Entropy);

impl TryRng for Coefficients<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for Coefficients<'_> {}

#[cfg(test)]
mod tests;
