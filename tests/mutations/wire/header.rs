//! Headers and blocks: whatever changes, the certificate of the original does not cover it.

use allod_primitives::header::{LEDGER_DIGEST_VERSION, LedgerDigest, extrinsics_root};
use allod_primitives::{
    Block, Certificate, H256, Header, Height, PublicKey, TimeMs, decode_strict,
};
use parity_scale_codec::{Compact, Encode};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::certificate::Committee;
use crate::author::{key, public};
use crate::bytes;
use crate::tally::{Half, Tally, Verdict};

/// Returns a header that names the committee, with everything else drawn.
fn header(committee: &Committee, extrinsics: &[Vec<u8>], rng: &mut ChaCha8Rng) -> Header {
    Header {
        parent_hash: H256(rng.r#gen()),
        number: Height(rng.gen_range(1..=u64::from(u32::MAX))),
        state_root: H256(rng.r#gen()),
        extrinsics_root: extrinsics_root(extrinsics),
        proposer: public(&committee.keys[rng.gen_range(0..4)]),
        digest: LedgerDigest {
            version: LEDGER_DIGEST_VERSION,
            spec_version: 1,
            time: TimeMs(rng.gen_range(1..1 << 42)),
            validator_set: committee.set.hash(),
            next_validator_set: committee.set.hash(),
            set_id: rng.gen_range(0..99),
            set_since: Height(rng.gen_range(0..99)),
            changes_root: H256(rng.r#gen()),
            changes_count: rng.gen_range(0..9),
            changes_accumulator: H256(rng.r#gen()),
        },
    }
}

/// What a stranger checks of a header: that the certificate, genuine, is of this one.
fn judge(committee: &Committee, header: &Header, certificate: &Certificate) -> Verdict {
    assert_eq!(certificate.verify(&committee.chain, &committee.set), Ok(()));
    if header.hash() != certificate.block_hash || header.number != certificate.height {
        return Verdict::Refused("Header: not the certified one".into());
    }
    panic!("another header is covered by the same certificate")
}

/// Judges byte mutants of headers and blocks.
pub(crate) fn byte_half(rounds: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let committee = Committee::new(4);
    let extrinsics = vec![vec![4, 1, 0, 8], vec![4, 3, 0, 1, 2, 3], vec![0x84; 120]];
    let original = header(&committee, &extrinsics, rng);
    let certificate = committee.certificate(original.number, 0, original.hash(), &[0, 1, 2]);
    let sample = [original.encode()];
    bytes::run("header", &sample, rounds, rng, tally, |_, mutant| {
        match decode_strict::<Header>(mutant) {
            Err(error) => Verdict::codec(&error),
            Ok(header) => {
                assert_eq!(header.encode(), mutant, "one value, one encoding");
                // The genuine certificate is checked once per kind of answer, not per mutant.
                if header.hash() == certificate.block_hash {
                    return judge(&committee, &header, &certificate);
                }
                Verdict::Refused("Header: not the certified one".into())
            }
        }
    });
    let block = Block {
        header: original,
        extrinsics,
    };
    let sample = [block.encode()];
    bytes::run("block", &sample, rounds, rng, tally, |_, mutant| {
        let block: Block = match decode_strict(mutant) {
            Err(error) => return Verdict::codec(&error),
            Ok(block) => block,
        };
        assert_eq!(block.encode(), mutant, "one value, one encoding");
        if block.header.hash() != certificate.block_hash {
            return Verdict::Refused("Header: not the certified one".into());
        }
        assert_ne!(
            extrinsics_root(&block.extrinsics),
            block.header.extrinsics_root
        );
        Verdict::Refused("Block: another body than the header's".into())
    });
}

type Change = fn(&mut Header, &mut ChaCha8Rng);

/// Every field; each change leaves a header that decodes, or is refused by decoding.
const CHANGES: &[(&str, Change)] = &[
    ("parent_hash", |it, rng| it.parent_hash = H256(rng.r#gen())),
    ("number", |it, _| it.number = Height(it.number.0 / 2)),
    ("state_root", |it, rng| it.state_root = H256(rng.r#gen())),
    ("extrinsics_root", |it, rng| {
        it.extrinsics_root = H256(rng.r#gen())
    }),
    ("proposer", |it, rng| it.proposer = PublicKey(rng.r#gen())),
    ("digest.version", |it, rng| {
        it.digest.version = rng.gen_range(2..=255)
    }),
    ("digest.spec_version", |it, rng| {
        it.digest.spec_version += rng.gen_range(1..9)
    }),
    ("digest.time", |it, rng| {
        it.digest.time.0 += rng.gen_range(1..9)
    }),
    ("digest.validator_set", |it, rng| {
        it.digest.validator_set = H256(rng.r#gen())
    }),
    ("digest.next_validator_set", |it, rng| {
        it.digest.next_validator_set = H256(rng.r#gen())
    }),
    ("digest.set_id", |it, rng| {
        it.digest.set_id += rng.gen_range(1..9)
    }),
    ("digest.set_since", |it, rng| {
        it.digest.set_since.0 += rng.gen_range(1..9)
    }),
    ("digest.changes_root", |it, rng| {
        it.digest.changes_root = H256(rng.r#gen())
    }),
    ("digest.changes_count", |it, rng| {
        it.digest.changes_count += rng.gen_range(1..9)
    }),
    ("digest.changes_accumulator", |it, rng| {
        it.digest.changes_accumulator = H256(rng.r#gen())
    }),
    ("number above its maximum", |it, rng| {
        it.number.0 = rng.gen_range(1 << 32..u64::MAX)
    }),
];

/// Judges headers with one field changed: against the certificate of the original, and against
/// one that the largest minority signs for the forgery.
pub(crate) fn field_half(rounds: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let committee = Committee::new(4);
    let strangers = key("stranger", 0);
    for round in 0..rounds {
        let original = header(&committee, &[], rng);
        let (name, change) = CHANGES[round % CHANGES.len()];
        let mut forged = original.clone();
        change(&mut forged, rng);
        assert_ne!(forged, original, "{name}");
        let bytes = forged.encode();
        let verdict = match decode_strict::<Header>(&bytes) {
            Err(error) => Verdict::codec(&error),
            Ok(decoded) => {
                assert_eq!(decoded, forged);
                judge_forgery(&committee, &original, &forged, rng)
            }
        };
        tally.count("header", Half::Fields, verdict);
        tally.count(
            "header",
            Half::Fields,
            judge_layout(&original, round, &strangers),
        );
    }
}

fn judge_forgery(
    committee: &Committee,
    original: &Header,
    forged: &Header,
    rng: &mut ChaCha8Rng,
) -> Verdict {
    if rng.gen_bool(0.5) {
        let hash = original.hash();
        let genuine = committee.certificate(original.number, 0, hash, &[1, 2, 3]);
        return judge(committee, forged, &genuine);
    }
    let minority = committee.certificate(forged.number, 0, forged.hash(), &[0, 2]);
    let error = minority
        .verify(&committee.chain, &committee.set)
        .expect_err("two of four");
    Verdict::refused("CertificateError", &error)
}

/// Judges encodings whose digest has other items than the two, or in another order.
fn judge_layout(original: &Header, round: usize, stranger: &ed25519_dalek::SigningKey) -> Verdict {
    let [proposer, ledger] = original.digest_items();
    let mut short = vec![6];
    (*b"nmbs", public(stranger).0[..31].to_vec()).encode_to(&mut short);
    let seal = [&[5][..], &proposer[1..]].concat();
    let other_engine = [&[6][..], b"BABE", &proposer[5..]].concat();
    let items: Vec<Vec<u8>> = match round % 7 {
        0 => vec![],
        1 => vec![proposer],
        2 => vec![ledger, proposer],
        3 => vec![proposer.clone(), ledger, proposer],
        4 => vec![short, ledger],
        5 => vec![seal, ledger],
        _ => vec![other_engine, ledger],
    };
    let mut bytes = original.parent_hash.encode();
    Compact(original.number.0).encode_to(&mut bytes);
    (original.state_root, original.extrinsics_root).encode_to(&mut bytes);
    Compact(items.len() as u32).encode_to(&mut bytes);
    bytes.extend(items.concat());
    Verdict::codec(&decode_strict::<Header>(&bytes).expect_err("not the two items"))
}
