use allod_primitives::hash::H256;
use allod_primitives::tree::{KEY_BYTES_MAX, empty_root, value_hash};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::model::{Batch, Model, hashed};
use crate::tree::{ApplyError, StalePreview, Tree};

#[test]
fn random_batches_give_the_roots_and_answers_of_the_naive_model() {
    for seed in 0..12u64 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut tree, mut model) = (Tree::new(), Model::default());
        for _ in 0..60 {
            let size = rng.gen_range(0..25);
            let batch = model.random_batch(&mut rng, size);
            model.apply(&batch);
            assert_eq!(tree.apply(hashed(&batch)), Ok(model.root()), "seed {seed}");
            model.check(tree.view(), &mut rng);
        }
        let rebuilt = Tree::from_entries(model.entries()).unwrap();
        assert_eq!(rebuilt.root(), tree.root(), "seed {seed}");
        // A tree that has lost its last key has given back every node.
        let all: Batch = model.0.keys().map(|key| (key.clone(), None)).collect();
        assert_eq!(tree.apply(hashed(&all)), Ok(empty_root()));
        assert_eq!(tree.arena.node_counts(), (0, 0), "seed {seed}");
    }
}

#[test]
fn the_root_does_not_depend_on_order_or_batching() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut model = Model::default();
    let batch = model.random_batch(&mut rng, 300);
    model.apply(&batch);
    let mut entries = model.entries();
    let expected = Tree::from_entries(entries.clone()).unwrap().root();
    assert_eq!(expected, model.root());
    for size in [1, 2, 7, 100] {
        entries.shuffle(&mut rng);
        let mut tree = Tree::new();
        for chunk in entries.chunks(size) {
            tree.apply(chunk.iter().map(|(key, hash)| (key, Some(*hash))))
                .unwrap();
        }
        assert_eq!(tree.root(), expected);
    }
}

#[test]
fn a_preview_changes_nothing_until_it_is_committed() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let (mut tree, mut model) = (Tree::new(), Model::default());
    for _ in 0..40 {
        let mut twins = Vec::new();
        for _ in 0..3 {
            let batch = model.random_batch(&mut rng, 12);
            let preview = tree.preview(hashed(&batch)).unwrap();
            let mut after = model.clone();
            after.apply(&batch);
            assert_eq!(preview.root(), after.root());
            assert_eq!(preview.base(), tree.root());
            assert_eq!(preview.key_count(), after.0.len() as u64);
            twins.push((preview, after));
        }
        model.check(tree.view(), &mut rng);
        let (preview, after) = twins.pop().unwrap();
        assert_eq!(tree.commit(preview), Ok(after.root()));
        // The others were made on a root that is gone.
        let (stale, _) = twins.pop().unwrap();
        let base = stale.base();
        let refused = tree.commit(stale);
        assert_eq!(
            refused,
            Err(StalePreview {
                base,
                actual: after.root()
            })
        );
        model = after;
        model.check(tree.view(), &mut rng);
    }
}

#[test]
fn changes_that_change_nothing_make_no_node() {
    let entries = [("a", value_hash(b"1")), ("b", value_hash(b"2"))];
    let tree = Tree::from_entries(entries).unwrap();
    let changes = [("a", Some(value_hash(b"1"))), ("c", None)];
    let preview = tree.preview(changes).unwrap();
    assert_eq!(preview.root(), tree.root());
    assert!(preview.inners.is_empty() && preview.leaves.is_empty() && preview.retired.is_empty());
}

#[test]
fn a_batch_may_replace_every_key() {
    let old = (0..50).map(|i: u32| (i.to_le_bytes(), H256([1; 32])));
    let new = (50..100).map(|i: u32| (i.to_le_bytes(), H256([2; 32])));
    let mut tree = Tree::from_entries(old.clone()).unwrap();
    let deletions = old.map(|(key, _)| (key, None));
    let insertions = new.clone().map(|(key, hash)| (key, Some(hash)));
    tree.apply(deletions.chain(insertions)).unwrap();
    assert_eq!(tree.root(), Tree::from_entries(new).unwrap().root());
}

#[test]
fn a_refused_batch_leaves_the_tree_as_it_was() {
    let mut tree = Tree::from_entries([("a", H256::ZERO)]).unwrap();
    let root = tree.root();
    let repeated = tree.apply([("b", Some(H256::ZERO)), ("c", None), ("b", None)]);
    assert_eq!(
        repeated,
        Err(ApplyError::RepeatedKey { key: b"b".to_vec() })
    );
    let long = vec![0; KEY_BYTES_MAX + 1];
    let refused = tree.apply([(&long, Some(H256::ZERO))]);
    assert_eq!(
        refused,
        Err(ApplyError::KeyTooLong {
            actual: KEY_BYTES_MAX + 1
        })
    );
    assert_eq!(tree.root(), root);
    assert_eq!(tree.arena.node_counts(), (0, 1));
}

#[test]
fn a_large_batch_on_a_large_tree_gives_the_root_of_the_rebuilt_tree() {
    let entry = |i: u32, value: u8| (i.to_le_bytes(), H256([value; 32]));
    let mut tree = Tree::from_entries((0..40_000).map(|i| entry(i, 1))).unwrap();
    let updates = (0..10_000).map(|i| entry(i, 2));
    let insertions = (40_000..50_000).map(|i| entry(i, 3));
    let deletions = (10_000..20_000u32).map(|i| (i.to_le_bytes(), None));
    let changes = updates.clone().chain(insertions.clone());
    let changes = changes
        .map(|(key, hash)| (key, Some(hash)))
        .chain(deletions);
    tree.apply(changes).unwrap();
    let kept = (20_000..40_000).map(|i| entry(i, 1));
    let rebuilt = Tree::from_entries(updates.chain(insertions).chain(kept)).unwrap();
    assert_eq!(tree.root(), rebuilt.root());
    assert_eq!(tree.arena.node_counts(), rebuilt.arena.node_counts());
}
