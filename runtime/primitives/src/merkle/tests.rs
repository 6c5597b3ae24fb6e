use parity_scale_codec::{Decode, DecodeAll, Encode};
use sha2::{Digest, Sha256};

use super::*;

/// RFC 6962's definition, written as it is printed there.
fn mth(domain: Domain, leaves: &[&[u8]]) -> H256 {
    match leaves {
        [] => H256::ZERO,
        [one] => {
            let mut bytes = vec![0x10, domain.byte()];
            bytes.extend_from_slice(one);
            H256(Sha256::digest(bytes).into())
        }
        many => {
            let mut k = 1;
            while k * 2 < many.len() {
                k *= 2;
            }
            let mut bytes = vec![0x11];
            bytes.extend(mth(domain, &many[..k]).0);
            bytes.extend(mth(domain, &many[k..]).0);
            H256(Sha256::digest(bytes).into())
        }
    }
}

pub(super) fn model_root(domain: Domain, leaves: &[&[u8]]) -> H256 {
    let mut bytes = vec![0x12, domain.byte()];
    bytes.extend((leaves.len() as u32).to_le_bytes());
    bytes.extend(mth(domain, leaves).0);
    H256(Sha256::digest(bytes).into())
}

fn list(count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|i| format!("leaf {i}").into_bytes())
        .collect()
}

fn slices(leaves: &[Vec<u8>]) -> Vec<&[u8]> {
    leaves.iter().map(Vec::as_slice).collect()
}

#[test]
fn root_is_the_one_the_definition_gives() {
    for count in 0..70 {
        let leaves = list(count);
        let leaves = slices(&leaves);
        for domain in [Domain::Extrinsics, Domain::Changes, Domain::Guardians] {
            assert_eq!(
                root(domain, leaves.iter().copied()),
                model_root(domain, &leaves)
            );
        }
    }
}

#[test]
fn every_leaf_of_every_short_list_has_a_proof_that_holds_for_it_alone() {
    for count in 1..40 {
        let leaves = list(count);
        let leaves = slices(&leaves);
        let root = root(Domain::Changes, leaves.iter().copied());
        for (index, leaf) in leaves.iter().enumerate() {
            let proof = prove(Domain::Changes, leaves.iter().copied(), index as u32).unwrap();
            assert_eq!(proof.verify(&root, Domain::Changes, leaf), Ok(()));
            assert_eq!(
                ListProof::decode_all(&mut &proof.encode()[..]).unwrap(),
                proof
            );
            assert_eq!(
                proof.verify(&root, Domain::Extrinsics, leaf),
                Err(ListProofError::RootMismatch)
            );
            for other in (0..count as u32).filter(|other| *other != index as u32) {
                let moved = ListProof {
                    index: other,
                    ..proof.clone()
                };
                assert!(moved.verify(&root, Domain::Changes, leaf).is_err());
            }
        }
        assert_eq!(
            prove(Domain::Changes, leaves.iter().copied(), count as u32),
            None
        );
    }
}

#[test]
fn every_single_byte_mutation_of_a_proof_is_refused() {
    let leaves = list(11);
    let leaves = slices(&leaves);
    let root = root(Domain::Guardians, leaves.iter().copied());
    for index in [0u32, 5, 10] {
        let bytes = prove(Domain::Guardians, leaves.iter().copied(), index)
            .unwrap()
            .encode();
        for place in 0..bytes.len() {
            for flip in 1..=255u8 {
                let mut mutated = bytes.clone();
                mutated[place] ^= flip;
                if let Ok(proof) = ListProof::decode_all(&mut &mutated[..]) {
                    let leaf = leaves[index as usize];
                    assert!(proof.verify(&root, Domain::Guardians, leaf).is_err());
                }
            }
        }
    }
}

#[test]
fn a_proof_of_wrong_shape_is_refused_by_name() {
    let leaves = list(5);
    let leaves = slices(&leaves);
    let root = root(Domain::Extrinsics, leaves.iter().copied());
    let good = prove(Domain::Extrinsics, leaves.iter().copied(), 2).unwrap();
    let verify = |proof: &ListProof| proof.verify(&root, Domain::Extrinsics, leaves[2]);

    let mut extra = good.clone();
    extra.siblings.push(H256::ZERO);
    assert_eq!(
        verify(&extra),
        Err(ListProofError::SiblingCount {
            expected: 3,
            actual: 4
        })
    );
    let mut short = good.clone();
    short.siblings.pop();
    assert_eq!(
        verify(&short),
        Err(ListProofError::SiblingCount {
            expected: 3,
            actual: 2
        })
    );
    let outside = ListProof {
        index: 5,
        ..good.clone()
    };
    assert_eq!(
        verify(&outside),
        Err(ListProofError::IndexOutOfRange { index: 5, count: 5 })
    );
    let mut swapped = good.clone();
    swapped.siblings.swap(0, 1);
    assert_eq!(verify(&swapped), Err(ListProofError::RootMismatch));
    // Same siblings, but a list of another length.
    let longer = ListProof {
        count: 6,
        ..good.clone()
    };
    assert_eq!(verify(&longer), Err(ListProofError::RootMismatch));
    let empty = ListProof {
        index: 0,
        count: 0,
        siblings: vec![],
    };
    assert!(verify(&empty).is_err());
}

#[test]
fn decoding_refuses_more_siblings_than_any_list_calls_for() {
    let mut bytes = (0u32, 1u32).encode();
    bytes.push(33 * 4);
    bytes.extend([0; 33 * 32]);
    assert!(ListProof::decode(&mut &bytes[..]).is_err());
    let hostile = (0u32, 1u32, [0xfeu8, 0xff, 0xff, 0xff]).encode();
    assert!(ListProof::decode(&mut &hostile[..]).is_err());
}
