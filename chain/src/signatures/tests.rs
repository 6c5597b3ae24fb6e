use super::*;
use crate::seams::SeededEntropy;
use ed25519_dalek::{Signer, SigningKey};

fn signatures() -> Signatures {
    Signatures::new(Arc::new(SeededEntropy::new(1)))
}

fn check(seed: u8, message: &[u8]) -> Check {
    let key = SigningKey::from_bytes(&[seed; 32]);
    let signature = Signature(key.sign(message).to_bytes());
    (
        PublicKey(key.verifying_key().to_bytes()),
        message.to_vec(),
        signature,
    )
}

fn verdict(signatures: &Signatures, check: &Check) -> bool {
    signatures.verify(&check.0, &check.1, &check.2)
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[test]
fn a_prepared_signature_is_not_checked_again() {
    let signatures = signatures();
    let checks: Vec<Check> = (1..=9).map(|seed| check(seed, b"message")).collect();
    signatures.prepare(&checks);
    assert!(checks.iter().all(|check| verdict(&signatures, check)));
    assert_eq!(count(&signatures.counts.batched), 9);
    assert_eq!(count(&signatures.counts.single), 0);
    assert_eq!(count(&signatures.counts.remembered), 9);
}

#[test]
fn bad_signatures_in_a_batch_do_not_taint_the_good_ones() {
    let signatures = signatures();
    let mut checks: Vec<Check> = (1..=40).map(|seed| check(seed, b"message")).collect();
    for bad in [3, 17, 39] {
        checks[bad].2.0[40] ^= 1;
    }
    signatures.prepare(&checks);
    for (index, check) in checks.iter().enumerate() {
        assert_eq!(verdict(&signatures, check), ![3, 17, 39].contains(&index));
    }
}

#[test]
fn one_bad_signature_is_found_and_a_heap_of_them_is_not_worth_the_search() {
    let signatures = signatures();
    let count_max = SIGNATURE_BATCH_MAX as u64;
    let message = |n: usize| n.to_le_bytes();
    let mut checks: Vec<Check> = (0..SIGNATURE_BATCH_MAX)
        .map(|n| check(1, &message(n)))
        .collect();
    checks[77].2.0[40] ^= 1;
    signatures.prepare(&checks);
    assert_eq!(count(&signatures.counts.batched), count_max - 2);
    assert_eq!(
        count(&signatures.counts.single),
        2,
        "the bad one and its neighbour"
    );
    let before = count(&signatures.counts.failed);
    let mut all_bad: Vec<Check> = checks;
    all_bad.iter_mut().for_each(|check| check.2.0[3] ^= 1);
    signatures.prepare(&all_bad);
    let wasted = count(&signatures.counts.failed) - before;
    assert!(wasted <= 3 * count_max, "{wasted} for {count_max}");
    let single = count(&signatures.counts.single);
    assert!(single < count_max / 2, "most are left alone: {single}");
    assert!(!verdict(&signatures, &all_bad[5]));
}

#[test]
fn a_known_signature_says_nothing_about_another_message() {
    let signatures = signatures();
    let good = check(1, b"pay one");
    signatures.prepare(std::slice::from_ref(&good));
    let (key, _, signature) = good;
    assert!(!signatures.verify(&key, b"pay two", &signature));
}

#[test]
fn the_memory_is_bounded_and_forgets_the_oldest() {
    let mut known = Known::default();
    let id = |n: usize| domain_hash("allod/node/checked", &[&n.to_le_bytes()]);
    (0..SIGNATURE_CACHE_MAX + 10).for_each(|n| known.insert(id(n)));
    assert_eq!(known.set.len(), SIGNATURE_CACHE_MAX);
    assert_eq!(known.order.len(), SIGNATURE_CACHE_MAX);
    assert!(!known.set.contains(&id(9)) && known.set.contains(&id(10)));
}

/// Goal: an ECDSA signature is verified once, and known as nothing but itself. Method: ask for it
/// twice, then for its neighbours.
#[test]
fn a_signature_of_another_type_is_remembered_too() {
    use p256::ecdsa::signature::Signer as _;
    let signatures = signatures();
    let chain = ChainId {
        genesis: H256([1; 32]),
        fork_id: allod_primitives::ForkId(0),
    };
    let hash = H256([2; 32]);
    let secret = p256::ecdsa::SigningKey::from_slice(&[3; 32]).unwrap();
    let signature: p256::ecdsa::Signature = secret.sign(&operation_preimage(&chain, &hash));
    let point = secret.verifying_key().to_sec1_point(true);
    let key = ControlKey::P256(point.as_bytes().try_into().unwrap());
    let proof = SignatureProof::P256(signature.normalize_s().to_bytes().into());
    assert!(signatures.verify_operation(&key, &chain, &hash, &proof));
    assert!(signatures.verify_operation(&key, &chain, &hash, &proof));
    assert_eq!(count(&signatures.counts.single), 1);
    assert_eq!(count(&signatures.counts.remembered), 1);
    let other = H256([4; 32]);
    assert!(!signatures.verify_operation(&key, &chain, &other, &proof));
    let SignatureProof::P256(bytes) = proof else {
        unreachable!("made above");
    };
    let wrong = SignatureProof::Secp256k1(bytes);
    assert!(!signatures.verify_operation(&key, &chain, &hash, &wrong));
}
