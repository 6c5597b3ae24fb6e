//! Certificates and the validator sets that sign them.

use allod_primitives::certificate::{
    CERTIFICATE_VERSION, CertificateError, ValidatorSetError, VoteType, proposal_preimage,
    vote_preimage,
};
use allod_primitives::limits::{VALIDATOR_POWER_MAX, VALIDATORS_MAX};
use allod_primitives::{
    Certificate, ChainId, CommitSignature, ForkId, H256, Height, Validator, ValidatorSet,
    decode_strict,
};
use ed25519_dalek::SigningKey;
use parity_scale_codec::Encode;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::author::{key, public, sign};
use crate::bytes;
use crate::tally::{Half, Tally, Verdict, variant};

/// Validators, sorted by key, of power 1 each.
pub(crate) struct Committee {
    pub(crate) chain: ChainId,
    pub(crate) keys: Vec<SigningKey>,
    pub(crate) set: ValidatorSet,
}

impl Committee {
    pub(crate) fn new(count: u64) -> Self {
        let mut keys: Vec<SigningKey> = (0..count).map(|n| key("validator", n)).collect();
        keys.sort_by_key(public);
        let validator = |key: &SigningKey| Validator {
            public_key: public(key),
            power: 1,
        };
        let set = ValidatorSet::new(keys.iter().map(validator).collect());
        Self {
            chain: ChainId {
                genesis: H256([7; 32]),
                fork_id: ForkId(0),
            },
            keys,
            set: set.expect("sorted, unique, of power 1"),
        }
    }

    /// Returns what `signers` say when each signs `message`.
    pub(crate) fn signatures(&self, signers: &[u16], message: &[u8]) -> Vec<CommitSignature> {
        let commit = |signer: &u16| CommitSignature {
            signer: *signer,
            signature: sign(&self.keys[usize::from(*signer)], message),
        };
        signers.iter().map(commit).collect()
    }

    pub(crate) fn certificate(
        &self,
        height: Height,
        round: u32,
        hash: H256,
        signers: &[u16],
    ) -> Certificate {
        let vote = VoteType::Precommit;
        let message = vote_preimage(&self.chain, vote, height, round, Some(&hash));
        Certificate {
            version: CERTIFICATE_VERSION,
            height,
            round,
            block_hash: hash,
            signatures: self.signatures(signers, &message),
        }
    }

    fn random(&self, rng: &mut ChaCha8Rng) -> Certificate {
        let signers: &[u16] =
            [&[0u16, 1, 2][..], &[0, 1, 3], &[0, 2, 3], &[0, 1, 2, 3]][rng.gen_range(0..4)];
        let (height, round) = (rng.gen_range(1..1 << 32), rng.gen_range(0..4));
        self.certificate(Height(height), round, H256(rng.r#gen()), signers)
    }
}

/// Judges byte mutants of certificates.
pub(crate) fn byte_half(rounds: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let committee = Committee::new(4);
    let samples: Vec<Vec<u8>> = (0..32).map(|_| committee.random(rng).encode()).collect();
    bytes::run("certificate", &samples, rounds, rng, tally, |_, mutant| {
        let certificate: Certificate = match decode_strict(mutant) {
            Err(error) => return Verdict::codec(&error),
            Ok(certificate) => certificate,
        };
        assert_eq!(certificate.encode(), mutant, "one value, one encoding");
        match certificate.verify(&committee.chain, &committee.set) {
            Err(error) => Verdict::refused("CertificateError", &error),
            Ok(()) => {
                // A splice can only bring whole signatures of the same block from elsewhere, and
                // no two samples are of one block: nothing is left that could verify.
                panic!("a mutant certificate verifies")
            }
        }
    });
    let sets: Vec<Vec<u8>> = (1..8).map(|n| Committee::new(n).set.encode()).collect();
    bytes::run(
        "validator set",
        &sets,
        rounds,
        rng,
        tally,
        |original, mutant| {
            let set: ValidatorSet = match decode_strict(mutant) {
                Err(error) => return Verdict::codec(&error),
                Ok(set) => set,
            };
            assert_eq!(set.encode(), mutant, "one value, one encoding");
            let named: ValidatorSet = decode_strict(original).expect("samples are valid");
            assert_ne!(set.hash(), named.hash());
            Verdict::Refused("Header: another validator set".into())
        },
    );
}

/// A certificate with one thing wrong, and the set and chain to judge it by.
struct Case {
    certificate: Certificate,
    chain: ChainId,
    set: ValidatorSet,
}

type Defect = fn(&Committee, &mut ChaCha8Rng, &mut Case);

/// Signs again, everything as the certificate says.
fn resign(committee: &Committee, case: &mut Case) {
    let Certificate {
        height,
        round,
        block_hash,
        ..
    } = case.certificate;
    let signers: Vec<u16> = case
        .certificate
        .signatures
        .iter()
        .map(|it| it.signer)
        .collect();
    case.certificate = committee.certificate(height, round, block_hash, &signers);
}

/// Signs `message` instead of what the certificate says.
fn sign_instead(committee: &Committee, case: &mut Case, message: &[u8]) {
    let signers: Vec<u16> = case
        .certificate
        .signatures
        .iter()
        .map(|it| it.signer)
        .collect();
    case.certificate.signatures = committee.signatures(&signers, message);
}

const DEFECTS: &[(&str, &str, Defect)] = &[
    ("unknown version", "Version", |_, rng, case| {
        case.certificate.version = [0, 2, 3, 255][rng.gen_range(0..4)];
    }),
    (
        "signers in another order",
        "SignersNotSortedUnique",
        |_, _, case| {
            case.certificate.signatures.swap(0, 1);
        },
    ),
    (
        "a signer twice",
        "SignersNotSortedUnique",
        |_, rng, case| {
            let at = rng.gen_range(0..case.certificate.signatures.len());
            let twice = case.certificate.signatures[at].clone();
            case.certificate.signatures.insert(at, twice);
        },
    ),
    (
        "a signer beyond the set",
        "UnknownSigner",
        |committee, rng, case| {
            let mut stranger = committee.signatures(&[0], b"");
            stranger[0].signer = rng.gen_range(4..=u16::MAX);
            case.certificate.signatures.append(&mut stranger);
        },
    ),
    ("two of four", "NoQuorum", |_, _, case| {
        case.certificate.signatures.truncate(2)
    }),
    ("nobody", "NoQuorum", |_, _, case| {
        case.certificate.signatures.clear()
    }),
    (
        "a set in which the signers are few",
        "NoQuorum",
        |committee, rng, case| {
            let mut validators = committee.set.validators().to_vec();
            validators[1].power = rng.gen_range(7..VALIDATOR_POWER_MAX);
            case.certificate.signatures.retain(|it| it.signer != 1);
            case.set = ValidatorSet::new(validators).expect("still sorted");
        },
    ),
    ("another block", "BadSignature", |_, rng, case| {
        case.certificate.block_hash = H256(rng.r#gen());
    }),
    ("another height", "BadSignature", |_, _, case| {
        case.certificate.height = case.certificate.height.next();
    }),
    ("another round", "BadSignature", |_, rng, case| {
        case.certificate.round += rng.gen_range(1..9);
    }),
    ("prevotes", "BadSignature", |committee, _, case| {
        let it = &case.certificate;
        let (vote, hash) = (VoteType::Prevote, it.block_hash);
        let message = vote_preimage(&case.chain, vote, it.height, it.round, Some(&hash));
        sign_instead(committee, case, &message);
    }),
    ("votes for nil", "BadSignature", |committee, _, case| {
        let it = &case.certificate;
        let vote = VoteType::Precommit;
        let message = vote_preimage(&case.chain, vote, it.height, it.round, None);
        sign_instead(committee, case, &message);
    }),
    ("proposals", "BadSignature", |committee, _, case| {
        let it = &case.certificate;
        let message = proposal_preimage(&case.chain, it.height, it.round, None, &it.block_hash);
        sign_instead(committee, case, &message);
    }),
    (
        "one prevote among precommits",
        "BadSignature",
        |committee, rng, case| {
            let it = &case.certificate;
            let (vote, hash) = (VoteType::Prevote, it.block_hash);
            let message = vote_preimage(&case.chain, vote, it.height, it.round, Some(&hash));
            let at = rng.gen_range(0..it.signatures.len());
            let signer = it.signatures[at].signer;
            case.certificate.signatures[at] = committee.signatures(&[signer], &message).remove(0);
        },
    ),
    ("another network", "BadSignature", |_, rng, case| {
        case.chain.genesis = H256(rng.r#gen());
    }),
    ("another fork", "BadSignature", |_, rng, case| {
        case.chain.fork_id = ForkId(rng.gen_range(1..=u32::MAX));
    }),
    (
        "signed in each other's name",
        "BadSignature",
        |_, _, case| {
            let [first, second, ..] = case.certificate.signatures.as_mut_slice() else {
                unreachable!("every sample has three signers")
            };
            std::mem::swap(&mut first.signature, &mut second.signature);
        },
    ),
    (
        "another committee of the same size",
        "BadSignature",
        |_, rng, case| {
            let mut keys: Vec<_> = (0..4)
                .map(|n| key("stranger", n ^ rng.r#gen::<u64>()))
                .collect();
            keys.sort_by_key(public);
            let validators = keys.iter().map(|key| Validator {
                public_key: public(key),
                power: 1,
            });
            case.set = ValidatorSet::new(validators.collect()).expect("sorted");
        },
    ),
];

/// Judges certificates with one rule broken and everything else signed for.
pub(crate) fn field_half(rounds: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let committee = Committee::new(4);
    for round in 0..rounds {
        let (name, expected, defect) = DEFECTS[round % DEFECTS.len()];
        let mut case = Case {
            certificate: committee.random(rng),
            chain: committee.chain,
            set: committee.set.clone(),
        };
        resign(&committee, &mut case);
        assert_eq!(case.certificate.verify(&case.chain, &case.set), Ok(()));
        defect(&committee, rng, &mut case);
        let error: CertificateError = case
            .certificate
            .verify(&case.chain, &case.set)
            .expect_err(name);
        assert_eq!(variant(&error), expected, "{name}");
        let strict = decode_strict::<Certificate>(&case.certificate.encode());
        let refused_already = matches!(expected, "Version" | "SignersNotSortedUnique");
        assert_eq!(strict.is_err(), refused_already, "{name}");
        tally.count(
            "certificate",
            Half::Fields,
            Verdict::refused("CertificateError", &error),
        );
        judge_set(&committee, round, rng, tally);
    }
}

/// Judges a validator set with one rule broken.
fn judge_set(committee: &Committee, round: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let mut validators = committee.set.validators().to_vec();
    let at = rng.gen_range(0..validators.len() - 1);
    let expected = match round % 6 {
        0 => {
            validators.clear();
            ValidatorSetError::Count { count: 0 }
        }
        1 => {
            let count = VALIDATORS_MAX + 1 + round % 7;
            validators = vec![validators[0].clone(); count];
            ValidatorSetError::Count { count }
        }
        2 => {
            validators.swap(at, at + 1);
            ValidatorSetError::NotSortedUnique
        }
        3 => {
            validators[at + 1].public_key = validators[at].public_key;
            ValidatorSetError::NotSortedUnique
        }
        4 => {
            validators[at].power = 0;
            ValidatorSetError::Power { power: 0 }
        }
        _ => {
            let power = rng.gen_range(VALIDATOR_POWER_MAX + 1..=u64::MAX);
            validators[at].power = power;
            ValidatorSetError::Power { power }
        }
    };
    assert!(decode_strict::<ValidatorSet>(&validators.encode()).is_err());
    let error = ValidatorSet::new(validators).expect_err("one rule is broken");
    assert_eq!(error, expected);
    let verdict = Verdict::refused("ValidatorSetError", &error);
    tally.count("validator set", Half::Fields, verdict);
}
