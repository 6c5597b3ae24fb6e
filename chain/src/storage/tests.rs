//! Storage against both backends, a crash, a naive twin of its history, and foreign databases.

use std::collections::BTreeMap;
use std::sync::Arc;

use allod_primitives::certificate::{CERTIFICATE_VERSION, Validator};
use allod_primitives::header::{LEDGER_DIGEST_VERSION, LedgerDigest};
use allod_primitives::log::{LogKind, Stated};
use allod_primitives::{
    Block, Certificate, DidId, H256, Header, Height, PublicKey, TimeMs, ValidatorSet,
    header::extrinsic_hash, log::LogEntry,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::store::{Changes, Scratch};
use super::*;

fn header(parent: &Header, time: u64) -> Header {
    let mut header = parent.clone();
    header.parent_hash = parent.hash();
    header.number = parent.number.next();
    header.digest.time = TimeMs(time);
    header
}

fn genesis_header() -> Header {
    let set = set();
    Header {
        parent_hash: H256::ZERO,
        number: Height(0),
        state_root: H256::ZERO,
        extrinsics_root: H256::ZERO,
        proposer: PublicKey([0; 32]),
        digest: LedgerDigest {
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
        },
    }
}

fn set() -> ValidatorSet {
    let public_key = PublicKey([1; 32]);
    ValidatorSet::new(vec![Validator {
        public_key,
        power: 1,
    }])
    .unwrap()
}

fn genesis() -> GenesisState {
    GenesisState {
        header: genesis_header(),
        values: BTreeMap::from([(b"fixed".to_vec(), b"0".to_vec())]),
        scratch: Scratch::new(),
        sets: vec![set()],
    }
}

fn open(backend: &MemoryStore, options: StoreOptions) -> Store {
    Store::open(Arc::new(backend.clone()), &genesis(), options).unwrap()
}

fn certificate(height: Height, block_hash: H256) -> Certificate {
    Certificate {
        version: CERTIFICATE_VERSION,
        height,
        round: 0,
        block_hash,
        signatures: Vec::new(),
    }
}

fn changes(list: &[(&str, Option<&str>)]) -> Changes {
    let pair = |(key, value): &(&str, Option<&str>)| {
        (
            key.as_bytes().to_vec(),
            value.map(|v| v.as_bytes().to_vec()),
        )
    };
    list.iter().map(pair).collect()
}

fn entry(n: u64, height: Height) -> LogEntry {
    LogEntry {
        n,
        kind: LogKind::Operation,
        operation_hash: H256([7; 32]),
        signatures_hash: H256::ZERO,
        record_hash: H256::ZERO,
        height,
        time: TimeMs(0),
    }
}

fn commit_with(
    store: &Store,
    time: u64,
    changes: &Changes,
    extrinsics: Vec<Vec<u8>>,
    logged: &[LoggedEntry],
) -> H256 {
    let header = header(&store.tip().header, time);
    let block = Block { header, extrinsics };
    let hash = block.header.hash();
    let scratch = Scratch::from([(b"events".to_vec(), time.to_le_bytes().to_vec())]);
    let input = CommitInput {
        block: &block,
        hash,
        certificate: &certificate(block.header.number, hash),
        changes,
        scratch: &scratch,
        logged,
        sets: &[],
    };
    store.commit(&input).unwrap();
    hash
}

fn commit(store: &Store, time: u64, changes: &Changes) -> H256 {
    commit_with(store, time, changes, Vec::new(), &[])
}

#[test]
fn an_extrinsic_is_found_in_its_block_whatever_stands_before_it() {
    let store = open(&MemoryStore::new(), StoreOptions::default());
    // Lengths of every form that a compact number has, and none.
    let lengths = [3, 0, 63, 64, 16_383, 16_384, 1];
    let extrinsics: Vec<Vec<u8>> = (0u8..).zip(lengths).map(|(n, it)| vec![n; it]).collect();
    commit_with(&store, 2000, &changes(&[]), extrinsics.clone(), &[]);
    let reader = store.reader();
    for (index, extrinsic) in (0..).zip(&extrinsics) {
        let found = reader.extrinsic_at(Height(1), index).unwrap();
        assert_eq!(found.as_ref(), Some(extrinsic));
    }
    assert_eq!(reader.extrinsic_at(Height(1), 7).unwrap(), None);
    assert_eq!(reader.extrinsic_at(Height(2), 0).unwrap(), None);
}

#[test]
fn a_committed_block_is_found_by_height_hash_and_extrinsic() {
    let store = open(&MemoryStore::new(), StoreOptions::default());
    let did = DidId([9; 32]);
    let logged = [LoggedEntry::new(
        did,
        entry(0, Height(1)),
        Some(1),
        Some(Stated::Unfrozen),
    )];
    let extrinsics = vec![b"first".to_vec(), b"second".to_vec()];
    let hash = commit_with(&store, 2000, &changes(&[]), extrinsics.clone(), &logged);
    let reader = store.reader();
    assert_eq!(reader.tip().unwrap(), Height(1));
    assert_eq!(reader.height_of(&hash).unwrap(), Some(Height(1)));
    assert_eq!(reader.header_of(&hash).unwrap().unwrap().hash(), hash);
    let block = reader.block(Height(1)).unwrap().unwrap();
    assert_eq!(block.extrinsics, extrinsics);
    let place = reader.extrinsic(&extrinsic_hash(b"second")).unwrap();
    assert_eq!(place, Some((Height(1), 1)));
    assert_eq!(
        reader.certificate(Height(1)).unwrap().unwrap().block_hash,
        hash
    );
    assert_eq!(reader.log(&did, 0, 10).unwrap(), [logged[0].entry.clone()]);
    assert_eq!(reader.log(&did, 1, 10).unwrap(), []);
    assert_eq!(reader.log(&DidId([8; 32]), 0, 10).unwrap(), []);
    assert_eq!(reader.validator_set(&set().hash()).unwrap(), Some(set()));
}

#[test]
fn a_crash_keeps_what_was_committed_and_loses_what_was_not_synced() {
    let backend = MemoryStore::new();
    let store = open(&backend, StoreOptions::default());
    let hash = commit(&store, 2000, &changes(&[("a", Some("1"))]));
    store
        .put_undecided(Height(2), &H256([5; 32]), b"block")
        .unwrap();
    let mut fuller = certificate(Height(1), hash);
    fuller.round = 3;
    store.put_certificate(&fuller).unwrap();
    backend.crash();
    let store = open(&backend, StoreOptions::default());
    assert_eq!(store.tip().hash, hash);
    let reader = store.reader();
    assert_eq!(reader.value(b"a").unwrap(), Some(b"1".to_vec()));
    assert_eq!(reader.undecided(Height(2)).unwrap().len(), 1);
    assert_eq!(reader.certificate(Height(1)).unwrap().unwrap().round, 0);
}

#[test]
fn without_syncs_a_crash_loses_a_committed_block() {
    let backend = MemoryStore::new();
    let store = open(&backend, StoreOptions::default());
    backend.ignore_syncs(true);
    commit(&store, 2000, &changes(&[("a", Some("1"))]));
    backend.crash();
    let store = open(&backend, StoreOptions::default());
    assert_eq!(store.tip().height(), Height(0), "the safeguard is the sync");
}

#[test]
fn a_failing_disk_commits_nothing() {
    let backend = MemoryStore::new();
    let store = open(&backend, StoreOptions::default());
    backend.break_writes(true);
    let header = header(&store.tip().header, 2000);
    let block = Block {
        header,
        extrinsics: Vec::new(),
    };
    let hash = block.header.hash();
    let input = CommitInput {
        block: &block,
        hash,
        certificate: &certificate(Height(1), hash),
        changes: &changes(&[("a", Some("1"))]),
        scratch: &Scratch::new(),
        logged: &[],
        sets: &[],
    };
    assert!(matches!(
        store.commit(&input),
        Err(StorageError::Backend(_))
    ));
    assert_eq!(store.tip().height(), Height(0));
    assert_eq!(store.reader().value(b"a").unwrap(), None);
}

#[test]
fn a_commit_forgets_the_undecided_blocks_of_its_height() {
    let store = open(&MemoryStore::new(), StoreOptions::default());
    for (height, hash) in [(1, 1), (1, 2), (2, 3)] {
        let hash = H256([hash; 32]);
        store
            .put_undecided(Height(height), &hash, b"block")
            .unwrap();
        store
            .put_undecided(Height(height), &hash, b"block")
            .unwrap();
    }
    assert_eq!(store.reader().undecided(Height(1)).unwrap().len(), 2);
    commit(&store, 2000, &changes(&[]));
    assert_eq!(store.reader().undecided(Height(1)).unwrap().len(), 0);
    assert_eq!(store.reader().undecided(Height(2)).unwrap().len(), 1);
}

#[test]
fn a_block_that_does_not_follow_the_tip_is_refused() {
    let store = open(&MemoryStore::new(), StoreOptions::default());
    let mut header = header(&store.tip().header, 2000);
    header.number = Height(2);
    let block = Block {
        header,
        extrinsics: Vec::new(),
    };
    let input = CommitInput {
        block: &block,
        hash: block.header.hash(),
        certificate: &certificate(Height(2), H256::ZERO),
        changes: &changes(&[]),
        scratch: &Scratch::new(),
        logged: &[],
        sets: &[],
    };
    let (height, tip) = (Height(2), Height(0));
    assert_eq!(
        store.commit(&input),
        Err(StorageError::NotNext { height, tip })
    );
}

#[test]
fn databases_of_another_chain_or_layout_are_refused() {
    let backend = MemoryStore::new();
    open(&backend, StoreOptions::default());
    let mut other = genesis();
    other.header.digest.time = TimeMs(5);
    let options = StoreOptions::default();
    let refused = Store::open(Arc::new(backend.clone()), &other, options);
    assert!(matches!(refused, Err(OpenError::Genesis { .. })));
    let mut batch = Batch::new();
    batch.put(Column::Meta, b"schema", 99u32.to_le_bytes());
    backend.write(batch, Durability::Synced).unwrap();
    let refused = Store::open(Arc::new(backend), &genesis(), options);
    let (found, expected) = (99, SCHEMA);
    assert_eq!(refused.err(), Some(OpenError::Schema { found, expected }));
}

/// Random blocks of sets and deletions; every version must read as a naive list of maps does,
/// until it leaves the window. No key is the beginning of another, as in the state.
#[test]
fn old_heights_read_as_a_naive_twin_does() {
    for seed in 0..8 {
        let mut rng = StdRng::seed_from_u64(seed);
        let options = StoreOptions {
            history_blocks: 12,
            history_ms: 0,
            archive: false,
        };
        let store = open(&MemoryStore::new(), options);
        let mut twins = vec![genesis().values];
        for height in 1..=40u64 {
            let mut changes = Changes::new();
            for _ in 0..rng.gen_range(0..6) {
                let length = rng.gen_range(0..3u8);
                let mut key = vec![b'k', length];
                key.extend((0..length).map(|_| rng.gen_range(0..3)));
                let value = rng.gen_bool(0.7).then(|| vec![rng.r#gen(); 3]);
                changes.insert(key, value);
            }
            let mut twin = twins.last().unwrap().clone();
            for (key, value) in &changes {
                match value {
                    Some(value) => twin.insert(key.clone(), value.clone()),
                    None => twin.remove(key),
                };
            }
            twins.push(twin);
            commit(&store, 1000 + height, &changes);
            store.prune().unwrap();
        }
        check_against(&store, &twins, seed);
    }
}

fn check_against(store: &Store, twins: &[BTreeMap<Vec<u8>, Vec<u8>>], seed: u64) {
    let reader = store.reader();
    let oldest = reader.oldest().unwrap();
    assert_eq!(oldest, Height(40 - 12), "seed {seed}");
    let all: std::collections::BTreeSet<_> = twins.iter().flat_map(BTreeMap::keys).collect();
    for height in oldest.0..=40 {
        let twin = &twins[height as usize];
        for key in &all {
            let found = reader.value_at(Height(height), key).unwrap();
            assert_eq!(
                found.as_ref(),
                twin.get(*key),
                "seed {seed} height {height}"
            );
        }
        for prefix in [&b""[..], b"k", b"k\x01", b"k\x02", b"k\x02\x01", b"none"] {
            let expected: Vec<_> = twin
                .keys()
                .filter(|k| k.starts_with(prefix))
                .cloned()
                .collect();
            let found = reader.keys_at(Height(height), prefix, None, 1000).unwrap();
            assert_eq!(
                found, expected,
                "seed {seed} height {height} prefix {prefix:?}"
            );
            let mut pages = Vec::new();
            while let page = reader
                .keys_at(Height(height), prefix, pages.last().map(Vec::as_slice), 2)
                .unwrap()
                && !page.is_empty()
            {
                pages.extend(page);
            }
            assert_eq!(pages, expected, "seed {seed}: pages");
        }
    }
    let pruned = reader.value_at(Height(3), b"k");
    assert!(matches!(pruned, Err(HistoryError::Pruned { .. })));
    let unknown = reader.value_at(Height(41), b"k");
    assert!(matches!(unknown, Err(HistoryError::Unknown { .. })));
}

#[test]
fn scratch_values_belong_to_their_block() {
    let store = open(&MemoryStore::new(), StoreOptions::default());
    commit(&store, 2000, &changes(&[]));
    commit(&store, 3000, &changes(&[]));
    let events = |height| store.reader().value_at(Height(height), b"events").unwrap();
    assert_eq!(events(1), Some(2000u64.to_le_bytes().to_vec()));
    assert_eq!(events(2), Some(3000u64.to_le_bytes().to_vec()));
}

#[test]
fn a_young_version_is_kept_however_many_blocks_follow() {
    let options = StoreOptions {
        history_blocks: 2,
        history_ms: 10_000,
        archive: false,
    };
    let store = open(&MemoryStore::new(), options);
    for second in 1..=30 {
        commit(&store, 1000 + second * 1000, &changes(&[]));
        store.prune().unwrap();
    }
    let oldest = store.reader().oldest().unwrap();
    assert_eq!(oldest, Height(20), "10 s of blocks a second apart");
}

#[test]
fn rocksdb_is_reopened_where_it_was_left() {
    let directory = tempfile::tempdir().unwrap();
    let open_rocks = || {
        let backend = RocksStore::open(directory.path(), 1 << 20)?;
        Ok::<_, BackendError>(
            Store::open(Arc::new(backend), &genesis(), StoreOptions::default()).unwrap(),
        )
    };
    let store = open_rocks().unwrap();
    commit(
        &store,
        2000,
        &changes(&[("a", Some("1")), ("b", Some("2"))]),
    );
    commit(&store, 3000, &changes(&[("a", None), ("b", Some("3"))]));
    assert!(matches!(open_rocks(), Err(BackendError::InUse { .. })));
    let tip = store.tip();
    drop(store);
    let store = open_rocks().unwrap();
    assert_eq!(store.tip(), tip);
    let reader = store.reader();
    assert_eq!(
        reader.value_at(Height(1), b"a").unwrap(),
        Some(b"1".to_vec())
    );
    assert_eq!(reader.value_at(Height(2), b"a").unwrap(), None);
    let all = reader.keys_at(Height(1), b"", None, 10).unwrap();
    assert_eq!(all, [b"a".to_vec(), b"b".to_vec(), b"fixed".to_vec()]);
    assert_eq!(reader.next_key(b"b").unwrap(), Some(b"fixed".to_vec()));
}
