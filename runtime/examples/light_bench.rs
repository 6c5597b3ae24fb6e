//! Measures proven reads: `cargo run --release -p allod-runtime --example light_bench -- [KEYS]`.
//!
//! CPU time of this thread by the scheduler's own count (Linux only), beside the time of one
//! signature check and one hash measured in the same run.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::print_stdout,
    reason = "a measurement reads the machine and prints"
)]

use std::fs;
use std::hint::black_box;

use allod_primitives::certificate::{VoteType, vote_preimage};
use allod_primitives::did::NetworkId;
use allod_primitives::header::LedgerDigest;
use allod_primitives::light::{CertifiedHeader, ReadProof, Trust};
use allod_primitives::tree::{Proof, value_hash};
use allod_primitives::{
    Certificate, ChainId, CommitSignature, ForkId, H256, Header, Height, PublicKey, Signature,
    TimeMs, Validator, ValidatorSet, sha2_256,
};
use allod_runtime::tree::Tree;
use ed25519_dalek::{Signer, SigningKey};
use parity_scale_codec::Encode;

const READS: u64 = 20_000;
const HEADS: u64 = 4_000;
/// How often fast things are done again: the scheduler counts in steps of some milliseconds.
const ROUNDS: u64 = 20;
const VALUE_BYTES: usize = 200;

fn main() {
    let argument = std::env::args().nth(1);
    let keys: u64 = argument.map_or(1_000_000, |it| it.parse().expect("a number of keys"));
    println!("{keys} keys of 80 bytes, 4 validators of which 3 sign");
    let block = [7; 67];
    timed("one hash of 67 bytes", 2_000_000, |_| {
        black_box(sha2_256(black_box(&block)));
    });
    let entries = (0..keys).map(|i| (key(i), value_hash(&value(i))));
    let tree = Tree::from_entries(entries).expect("keys differ");
    let validators = Validators::new();
    let genesis = validators.header(H256::ZERO, None);
    let network = NetworkId::from_genesis(&genesis.hash());
    let mut trust =
        Trust::from_genesis(&network, &genesis, &validators.set).expect("it is well formed");
    let first = validators.header(tree.root(), Some(&genesis));
    let head = validators.certified(trust.chain(), first.clone());
    heads(&validators, &trust, &first);
    reads(&tree, &mut trust, &head, keys);
}

/// What a new header costs, and what a known one costs.
fn heads(validators: &Validators, trust: &Trust, first: &Header) {
    let message = vote_preimage(trust.chain(), VoteType::Precommit, Height(1), 0, None);
    let secret = &validators.secrets[0];
    let public = PublicKey(secret.verifying_key().to_bytes());
    let signature = Signature(secret.sign(&message).to_bytes());
    timed("one signature check", 10 * HEADS, |_| {
        public.verify(&message, &signature).expect("just signed");
    });
    let mut header = first.clone();
    let mut list = vec![validators.certified(trust.chain(), header.clone())];
    for _ in 1..HEADS {
        header = validators.header(header.state_root, Some(&header));
        list.push(validators.certified(trust.chain(), header.clone()));
    }
    let mut trust = trust.clone();
    timed("verify a header with its certificate", HEADS, |i| {
        trust.verify_header(&list[i]).expect("certified");
    });
    let last = list.last().expect("there are heads");
    timed("a header that was verified before", 200 * HEADS, |_| {
        trust.verify_header(last).expect("known");
    });
    println!(
        "{:<44} {:>9} bytes",
        "header and certificate",
        last.encoded_size()
    );
}

fn reads(tree: &Tree, trust: &mut Trust, head: &CertifiedHeader, keys: u64) {
    let asked: Vec<u64> = (0..READS).map(|step| scattered(step, keys)).collect();
    let values: Vec<_> = asked.iter().map(|i| (key(*i), value(*i))).collect();
    let view = tree.view();
    let mut proofs = Vec::new();
    timed("prove one key (value in memory)", READS, |i| {
        let (key, value) = &values[i];
        let proof = view.prove(&[key], |_, _| Some(value.clone()));
        proofs.push(proof.expect("stored").encode());
    });
    let states = proofs.iter().map(Vec::len).sum::<usize>() as f64 / READS as f64;
    let bundles = values
        .iter()
        .zip(proofs)
        .map(|((key, _), state)| ReadProof {
            transitions: Vec::new(),
            head: head.clone(),
            keys: vec![key.clone()],
            state,
        });
    let bundles: Vec<Vec<u8>> = bundles.map(|bundle| bundle.to_bytes()).collect();
    let bytes = bundles.iter().map(Vec::len).sum::<usize>() as f64 / READS as f64;
    let value_bytes = VALUE_BYTES as f64;
    println!(
        "{:<44} {:>9.1} bytes and the value",
        "proof of one key",
        states - value_bytes
    );
    println!(
        "{:<44} {:>9.1} bytes and the value",
        "bundle: header, certificate, key, proof",
        bytes - value_bytes
    );
    let mut decoded = Vec::new();
    timed("decode a bundle", READS * ROUNDS, |i| {
        let bundle = ReadProof::from_bytes(&bundles[i % bundles.len()]);
        decoded.extend(bundle.ok().filter(|_| i < bundles.len()));
    });
    let (root, state) = (tree.root(), |i: usize| &decoded[i % decoded.len()].state);
    timed("decode the proof of the state", READS * ROUNDS, |i| {
        black_box(Proof::from_bytes(state(i)).expect("a proof"));
    });
    let proofs = decoded.iter().map(|it| Proof::from_bytes(&it.state));
    let proofs: Vec<Proof> = proofs.map(|it| it.expect("a proof")).collect();
    timed("verify the proof of the state", READS * ROUNDS, |i| {
        let i = i % proofs.len();
        black_box(proofs[i].verify(&root, &decoded[i].keys).expect("honest"));
    });
    trust.verify_read(&decoded[0]).expect("honest");
    timed("verify a bundle, its header known", READS * ROUNDS, |i| {
        let bundle = &decoded[i % decoded.len()];
        black_box(trust.verify_read(bundle).expect("honest"));
    });
    let read = trust.verify_read(&decoded[0]).expect("honest");
    let key = &values[0].0;
    let count = READS * ROUNDS;
    timed("a question of one key over a verified read", count, |_| {
        let view = read.view();
        black_box(view.get(key).expect("proven"));
        view.finish().expect("exactly this key");
    });
}

struct Validators {
    secrets: Vec<SigningKey>,
    set: ValidatorSet,
}

impl Validators {
    fn new() -> Self {
        let public = |key: &SigningKey| PublicKey(key.verifying_key().to_bytes());
        let mut secrets: Vec<_> = (1..=4)
            .map(|it| SigningKey::from_bytes(&[it; 32]))
            .collect();
        secrets.sort_by_key(public);
        let validator = |key: &SigningKey| Validator {
            public_key: public(key),
            power: 1,
        };
        let set = ValidatorSet::new(secrets.iter().map(validator).collect());
        Self {
            secrets,
            set: set.expect("sorted and unique"),
        }
    }

    fn header(&self, state_root: H256, parent: Option<&Header>) -> Header {
        let hash = self.set.hash();
        Header {
            parent_hash: parent.map_or(H256::ZERO, Header::hash),
            number: parent.map_or(Height(0), |parent| parent.number.next()),
            state_root,
            extrinsics_root: H256::ZERO,
            proposer: PublicKey([0; 32]),
            digest: LedgerDigest {
                version: 1,
                spec_version: 1,
                time: parent.map_or(TimeMs(1), |parent| parent.digest.time.plus_ms(200)),
                validator_set: hash,
                next_validator_set: hash,
                set_id: 0,
                set_since: Height(0),
                changes_root: H256::ZERO,
                changes_count: 0,
                changes_accumulator: H256::ZERO,
            },
        }
    }

    fn certified(&self, chain: &ChainId, header: Header) -> CertifiedHeader {
        assert_eq!(chain.fork_id, ForkId(0), "the bench has one fork");
        let block_hash = header.hash();
        let (height, precommit) = (header.number, VoteType::Precommit);
        let message = vote_preimage(chain, precommit, height, 0, Some(&block_hash));
        let signers = (0u16..).zip(&self.secrets).take(3);
        let signatures = signers.map(|(signer, secret)| CommitSignature {
            signer,
            signature: Signature(secret.sign(&message).to_bytes()),
        });
        let certificate = Certificate {
            version: 1,
            height,
            round: 0,
            block_hash,
            signatures: signatures.collect(),
        };
        CertifiedHeader {
            header,
            certificate,
        }
    }
}

/// CPU time of this thread, in nanoseconds.
fn cpu_ns() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has schedstat");
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().expect("schedstat begins with a number")
}

/// Does `work` for 0 to `count` and prints its CPU time each.
fn timed(name: &str, count: u64, mut work: impl FnMut(usize)) {
    let start = cpu_ns();
    for index in 0..count {
        work(index as usize);
    }
    let each = (cpu_ns() - start) as f64 / 1000.0 / count as f64;
    println!("{name:<44} {each:>9.2} us");
}

/// A storage key of 80 bytes: prefixes of pallet and item, hashed and plain part of a map key.
fn key(index: u64) -> Vec<u8> {
    let id = sha2_256(&index.to_le_bytes());
    [&[0xa5; 32], &id.0[..16], &id.0[..]].concat()
}

fn value(index: u64) -> Vec<u8> {
    let mut value = vec![7; VALUE_BYTES];
    value[..8].copy_from_slice(&index.to_le_bytes());
    value
}

/// Spreads steps over all keys.
fn scattered(step: u64, keys: u64) -> u64 {
    step.wrapping_mul(0x9e37_79b9_7f4a_7c15) % keys
}
