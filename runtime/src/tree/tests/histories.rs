use allod_primitives::hash::H256;
use allod_primitives::types::Height;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::model::{Model, hashed};
use crate::tree::{Tree, VersionError, VersionedTree};

#[test]
fn every_kept_version_stays_readable_while_the_tree_moves_on() {
    for seed in 100..108u64 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut history = vec![Model::default()];
        let mut tree = VersionedTree::new(Height(0), Tree::new());
        for height in 1..60u64 {
            let mut model = history.last().unwrap().clone();
            let size = rng.gen_range(0..15);
            let dropped = model.random_batch(&mut rng, size);
            let batch = model.random_batch(&mut rng, size);
            drop(tree.preview(hashed(&dropped)).unwrap());
            let preview = tree.preview(hashed(&batch)).unwrap();
            model.apply(&batch);
            assert_eq!(tree.commit(Height(height), preview).unwrap(), model.root());
            history.push(model);
            if rng.gen_bool(0.2) {
                tree.prune_below(Height(rng.gen_range(0..=height)));
            }
            let oldest = tree.oldest().0;
            for past in [oldest, rng.gen_range(oldest..=height), height] {
                let view = tree.at(Height(past)).unwrap();
                history[past as usize].check(view, &mut rng);
            }
        }
        // Pruned to one version, the arena holds that version's nodes and no others.
        tree.prune_below(Height(u64::MAX));
        assert_eq!((tree.oldest(), tree.newest()), (Height(59), Height(59)));
        let keys = history[59].0.len();
        assert_eq!(
            tree.node_counts(),
            (keys.saturating_sub(1), keys),
            "seed {seed}"
        );
        history[59].check(tree.at(Height(59)).unwrap(), &mut rng);
    }
}

#[test]
fn heights_follow_one_another_and_pruned_ones_are_named() {
    let mut tree = VersionedTree::new(Height(7), Tree::new());
    let preview = tree.preview([("a", Some(H256::ZERO))]).unwrap();
    let refused = tree.commit(Height(9), preview).unwrap_err();
    let expected = VersionError::HeightMismatch {
        expected: Height(8),
        actual: Height(9),
    };
    assert_eq!(refused, expected);
    for height in 8..12 {
        let key = [height as u8];
        let preview = tree.preview([(key, Some(H256::ZERO))]).unwrap();
        tree.commit(Height(height), preview).unwrap();
    }
    let root = tree.root_at(Height(10)).unwrap();
    tree.prune_below(Height(10));
    assert_eq!(tree.root_at(Height(10)), Some(root));
    assert_eq!(tree.root_at(Height(9)), None);
    let (oldest, newest) = (Height(10), Height(11));
    let gone = tree.prove(Height(9), &["a"], |_, _| None).unwrap_err();
    assert_eq!(
        gone,
        VersionError::UnknownHeight {
            height: Height(9),
            oldest,
            newest
        }
    );
    // Pruning again, or further back, is nothing.
    tree.prune_below(Height(3));
    tree.prune_below(Height(10));
    assert_eq!(tree.oldest(), Height(10));
}

#[test]
fn a_stale_preview_is_refused_and_nothing_changes() {
    let mut tree = VersionedTree::new(Height(0), Tree::new());
    let first = tree.preview([("a", Some(H256::ZERO))]).unwrap();
    let second = tree.preview([("b", Some(H256::ZERO))]).unwrap();
    let root = tree.commit(Height(1), first).unwrap();
    let refused = tree.commit(Height(2), second).unwrap_err();
    assert!(matches!(refused, VersionError::Stale(_)));
    assert_eq!((tree.root(), tree.newest()), (root, Height(1)));
}
