//! Measures the state's tree: `cargo run --release -p allod-runtime --example tree_bench -- [KEYS]`.
//!
//! CPU time of this thread by the scheduler's own count, resident memory by /proc/self/statm: it
//! runs on Linux only.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::print_stdout,
    reason = "a measurement reads the machine and prints"
)]

use std::collections::BTreeMap;
use std::fs;

use allod_primitives::hash::{H256, sha2_256};
use allod_primitives::tree::{Proof, value_hash};
use allod_primitives::types::Height;
use allod_runtime::tree::{Tree, VersionedTree};
use parity_scale_codec::Encode;

const BLOCK_KEYS: u64 = 1000;
const BLOCKS: u64 = 1000;
const PROOFS: u64 = 20_000;
const VALUE_BYTES: usize = 200;

fn main() {
    let argument = std::env::args().nth(1);
    let keys: u64 = argument.map_or(1_000_000, |it| it.parse().expect("a number of keys"));
    println!("{keys} keys of 80 bytes, blocks of {BLOCK_KEYS}");
    let before = resident_bytes();
    let tree = timed("build (with making the keys), per key", keys, || {
        Tree::from_entries((0..keys).map(|i| (key(i), value_hash(&value(i)))))
    });
    let mut tree = VersionedTree::new(Height(0), tree.expect("keys differ"));
    report_memory("memory after the build, per key", before, keys);
    prove_and_verify(&tree, keys);
    apply_blocks(&mut tree, keys);
    delete(&mut tree, keys);
}

/// CPU time of this thread, in nanoseconds.
fn cpu_ns() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has schedstat");
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().expect("schedstat begins with a number")
}

/// Resident memory, in bytes.
fn resident_bytes() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").expect("Linux has statm");
    let pages = text.split(' ').nth(1).and_then(|it| it.parse::<u64>().ok());
    pages.expect("statm has resident pages") * 4096
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

/// Runs `work` and prints its CPU time per unit.
fn timed<T>(name: &str, units: u64, work: impl FnOnce() -> T) -> T {
    let start = cpu_ns();
    let result = work();
    report_time(name, cpu_ns() - start, units);
    result
}

fn report_time(name: &str, ns: u64, units: u64) {
    println!("{name:<44} {:>9.2} us", ns as f64 / 1000.0 / units as f64);
}

fn report_memory(name: &str, before: u64, units: u64) {
    let bytes = resident_bytes().saturating_sub(before);
    println!("{name:<44} {:>9.1} bytes", bytes as f64 / units as f64);
}

/// Spreads steps over all keys, so that blocks touch the tree at random.
fn scattered(step: u64, keys: u64) -> u64 {
    step.wrapping_mul(0x9e37_79b9_7f4a_7c15) % keys
}

/// A block: one half updates, one half insertions.
fn block(number: u64, keys: u64) -> Vec<(Vec<u8>, Option<H256>)> {
    let half = BLOCK_KEYS / 2;
    let steps = number * half..(number + 1) * half;
    let changes = steps.flat_map(|step| {
        let hash = value_hash(&step.to_le_bytes());
        [scattered(step, keys), keys + step].map(|index| (key(index), Some(hash)))
    });
    changes.collect::<BTreeMap<_, _>>().into_iter().collect()
}

fn apply_blocks(tree: &mut VersionedTree, keys: u64) {
    let blocks: Vec<_> = (1..=BLOCKS).map(|number| block(number, keys)).collect();
    let changes: u64 = blocks.iter().map(|block| block.len() as u64).sum();
    let before = resident_bytes();
    let counts = tree.node_counts();
    let (mut preview_ns, mut commit_ns) = (0, 0);
    for (number, block) in (1..).zip(&blocks) {
        let start = cpu_ns();
        let changes = block.iter().map(|(key, hash)| (key, *hash));
        let preview = tree.preview(changes).expect("keys differ");
        let made = cpu_ns();
        tree.commit(Height(number), preview)
            .expect("heights follow");
        preview_ns += made - start;
        commit_ns += cpu_ns() - made;
    }
    report_time("preview, per changed key", preview_ns, changes);
    report_time("commit, per changed key", commit_ns, changes);
    report_memory("history, per changed key", before, changes);
    let (inners, leaves) = tree.node_counts();
    let per_key = |now: usize, then: usize| (now - then) as f64 / changes as f64;
    let (inners, leaves) = (per_key(inners, counts.0), per_key(leaves, counts.1));
    println!(
        "{:<44} {inners:>9.2} and {leaves:.2}",
        "new inner nodes and leaves, per changed key"
    );
    timed("prune, per changed key", changes, || {
        tree.prune_below(Height(BLOCKS))
    });
}

fn prove_and_verify(tree: &VersionedTree, keys: u64) {
    let root = tree.root();
    let view = tree.at(tree.newest()).expect("the newest is kept");
    let asked = (0..PROOFS).map(|step| scattered(step, keys));
    let present: Vec<_> = asked.map(|i| (key(i), value(i))).collect();
    let proofs: Vec<Proof> = timed("prove one key (value in memory)", PROOFS, || {
        let prove = |(key, value): &(Vec<u8>, Vec<u8>)| {
            view.prove(&[key], |_, _| Some(value.clone()))
                .expect("stored")
        };
        present.iter().map(prove).collect()
    });
    let encode = || proofs.iter().map(Encode::encode).collect();
    let encoded: Vec<Vec<u8>> = timed("encode it", PROOFS, encode);
    let bytes: usize = encoded.iter().map(Vec::len).sum();
    let bytes = bytes as f64 / PROOFS as f64 - VALUE_BYTES as f64;
    println!(
        "{:<44} {bytes:>9.1} bytes and the value",
        "proof of presence"
    );
    let decode = |bytes: &Vec<u8>| Proof::from_bytes(bytes).expect("a proof");
    let decoded: Vec<Proof> = timed("decode it", PROOFS, || encoded.iter().map(decode).collect());
    timed("verify it", PROOFS, || {
        for (proof, (key, _)) in decoded.iter().zip(&present) {
            proof.verify(&root, &[key]).expect("honest");
        }
    });

    let absent: Vec<_> = (0..PROOFS).map(|i| key(keys * 10 + i)).collect();
    let prove = |key| view.prove(&[key], |_, _| None).expect("absent");
    let proofs: Vec<Proof> = absent.iter().map(prove).collect();
    let bytes: usize = proofs.iter().map(Encode::encoded_size).sum();
    println!(
        "{:<44} {:>9.1} bytes",
        "proof of absence",
        bytes as f64 / PROOFS as f64
    );
    timed("verify it", PROOFS, || {
        for (proof, key) in proofs.iter().zip(&absent) {
            proof.verify(&root, &[key]).expect("honest");
        }
    });

    let several: BTreeMap<_, _> = present.iter().take(16).cloned().collect();
    let names: Vec<_> = several.keys().collect();
    let find = |key: &[u8], _: &H256| several.get(key).cloned();
    let proof = view.prove(&names, find).expect("stored");
    let bytes = proof.encoded_size() - 16 * VALUE_BYTES;
    println!(
        "{:<44} {:>9.1} bytes and the value",
        "proof of 16 keys, per key",
        bytes as f64 / 16.0
    );
    timed("verify it, per key", 16_000, || {
        for _ in 0..1000 {
            proof.verify(&root, &names).expect("honest");
        }
    });
}

fn delete(tree: &mut VersionedTree, keys: u64) {
    let (mut total, mut spent) = (0, 0);
    for number in 0..50 {
        let steps = number * BLOCK_KEYS..(number + 1) * BLOCK_KEYS;
        let mut block: Vec<_> = steps.map(|step| key(scattered(step, keys))).collect();
        block.sort();
        block.dedup();
        total += block.len() as u64;
        let start = cpu_ns();
        let preview = tree
            .preview(block.iter().map(|key| (key, None)))
            .expect("keys differ");
        tree.commit(tree.newest().next(), preview)
            .expect("heights follow");
        spent += cpu_ns() - start;
    }
    report_time("deletion (preview and commit), per key", spent, total);
}
