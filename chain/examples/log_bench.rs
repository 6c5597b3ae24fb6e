//! Measures how the operations of a log are found in their blocks:
//! `cargo run --release -p allod-chain --example log_bench`.
//!
//! CPU time of this thread by the scheduler's own count (Linux only), beside that of decoding the
//! whole block, measured in the same run.
#![expect(clippy::print_stdout, reason = "a measurement prints")]

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::sync::Arc;

use allod_chain::storage::{CommitInput, GenesisState, RocksStore, Scratch, Store, StoreOptions};
use allod_primitives::certificate::{CERTIFICATE_VERSION, Validator};
use allod_primitives::header::{LEDGER_DIGEST_VERSION, LedgerDigest};
use allod_primitives::{Block, Certificate, H256, Header, Height, PublicKey, TimeMs, ValidatorSet};

const BLOCKS: u64 = 64;
/// Of 400 bytes each: an operation of one key.
const EXTRINSICS: u32 = 2000;
const CACHE_BYTES: usize = 256 << 20;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let backend = RocksStore::open(folder.path(), CACHE_BYTES).expect("a database");
    let genesis = genesis();
    let store = Store::open(Arc::new(backend), &genesis, StoreOptions::default());
    let store = store.expect("a new store");
    for _ in 0..BLOCKS {
        commit(&store);
    }
    let reader = store.reader();
    let index = EXTRINSICS / 2;
    let whole = timed("whole block decoded", |height| {
        let block = reader.block(height).expect("readable").expect("kept");
        block.extrinsics[index as usize].clone()
    });
    let alone = timed("extrinsic alone", |height| {
        let found = reader.extrinsic_at(height, index);
        found.expect("readable").expect("kept")
    });
    println!("{:<24} {:>9.1}", "ratio", whole / alone);
}

/// Reads from every block four times and prints the CPU time each.
fn timed(name: &str, read: impl Fn(Height) -> Vec<u8>) -> f64 {
    let all = || (1..=BLOCKS).map(Height);
    for height in all() {
        black_box(read(height));
    }
    let start = cpu_ns();
    for height in all().chain(all()).chain(all()).chain(all()) {
        black_box(read(height));
    }
    let each = (cpu_ns() - start) as f64 / 4000.0 / BLOCKS as f64;
    println!("{name:<24} {each:>9.1} us");
    each
}

/// CPU time of this thread, in nanoseconds.
fn cpu_ns() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has schedstat");
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().expect("schedstat begins with a number")
}

fn commit(store: &Store) {
    let mut header = store.tip().header;
    header.parent_hash = header.hash();
    header.number = header.number.next();
    header.digest.time = header.digest.time.plus_ms(1000);
    let seed = header.number.0;
    let extrinsics = (0..EXTRINSICS).map(|n| {
        let mut body = [seed.to_le_bytes(), u64::from(n).to_le_bytes()].concat();
        body.resize(400, 7);
        body
    });
    let block = Block {
        header,
        extrinsics: extrinsics.collect(),
    };
    let hash = block.header.hash();
    let certificate = Certificate {
        version: CERTIFICATE_VERSION,
        height: block.header.number,
        round: 0,
        block_hash: hash,
        signatures: Vec::new(),
    };
    let input = CommitInput {
        block: &block,
        hash,
        certificate: &certificate,
        changes: &BTreeMap::new(),
        scratch: &Scratch::new(),
        logged: &[],
        sets: &[],
    };
    store.commit(&input).expect("committed");
}

fn genesis() -> GenesisState {
    let validator = Validator {
        public_key: PublicKey([1; 32]),
        power: 1,
    };
    let set = ValidatorSet::new(vec![validator]).expect("one validator is a set");
    let digest = LedgerDigest {
        version: LEDGER_DIGEST_VERSION,
        spec_version: 1,
        time: TimeMs(1000),
        validator_set: set.hash(),
        next_validator_set: set.hash(),
        set_id: 0,
        set_since: Height(0),
        changes_root: H256::ZERO,
        changes_count: 0,
        changes_accumulator: H256::ZERO,
    };
    GenesisState {
        header: Header {
            parent_hash: H256::ZERO,
            number: Height(0),
            state_root: H256::ZERO,
            extrinsics_root: H256::ZERO,
            proposer: PublicKey([0; 32]),
            digest,
        },
        values: BTreeMap::from([(b"fixed".to_vec(), b"0".to_vec())]),
        scratch: Scratch::new(),
        sets: vec![set],
    }
}
