//! Tests of the overlay against a naive twin.

use std::cell::Cell;
use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Overlay, StateRead};

type Plain = BTreeMap<Vec<u8>, Vec<u8>>;

fn all_keys(state: &dyn StateRead) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let mut after = Vec::new();
    while let Some(key) = state.next_key(&after) {
        after.clone_from(&key);
        keys.push(key);
    }
    keys
}

#[test]
fn the_overlay_agrees_with_a_copy_of_the_map() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    for _ in 0..300 {
        let key = |random: &mut ChaCha8Rng| vec![1, random.gen_range(0..12u8)];
        let base: Plain = (0..random.gen_range(0..10))
            .map(|_| (key(&mut random), vec![random.r#gen()]))
            .collect();
        let mut twin = base.clone();
        let mut overlay = Overlay::new(&base);
        let mut saved = vec![(overlay.checkpoint(), twin.clone())];
        for _ in 0..random.gen_range(0..30) {
            match random.gen_range(0..5) {
                0 | 1 => {
                    let (key, value) = (key(&mut random), vec![random.r#gen()]);
                    overlay.put(key.clone(), value.clone());
                    twin.insert(key, value);
                }
                2 => {
                    let key = key(&mut random);
                    overlay.delete(key.clone());
                    twin.remove(&key);
                }
                3 => saved.push((overlay.checkpoint(), twin.clone())),
                _ => {
                    if let Some((checkpoint, before)) = saved.pop() {
                        overlay.rollback(checkpoint);
                        twin = before;
                    }
                }
            }
            let probe = key(&mut random);
            assert_eq!(overlay.get(&probe), twin.get(&probe).cloned());
            let keys: Vec<Vec<u8>> = twin.keys().cloned().collect();
            assert_eq!(all_keys(&overlay), keys);
        }
        let mut result = base.clone();
        for (key, value) in overlay.into_changes() {
            assert_ne!(base.get(&key), value.as_ref(), "only what differs");
            match value {
                Some(value) => result.insert(key, value),
                None => result.remove(&key),
            };
        }
        assert_eq!(result, twin);
    }
}

/// Counts reads.
struct Counting<'a>(&'a Plain, Cell<u32>);

impl StateRead for Counting<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.1.set(self.1.get() + 1);
        StateRead::get(self.0, key)
    }

    fn next_key(&self, after: &[u8]) -> Option<Vec<u8>> {
        self.0.next_key(after)
    }
}

#[test]
fn each_key_of_the_base_is_read_once() {
    let plain: Plain = [(vec![1], vec![1])].into();
    let base = Counting(&plain, Cell::new(0));
    let mut overlay = Overlay::new(&base);
    for _ in 0..5 {
        assert_eq!(overlay.get(&[1]), Some(vec![1]));
        assert_eq!(overlay.get(&[2]), None);
    }
    overlay.put(vec![1], vec![2]);
    overlay.put(vec![2], vec![2]);
    overlay.put(vec![1], vec![1]);
    assert_eq!(overlay.into_changes(), [(vec![2], Some(vec![2]))].into());
    assert_eq!(base.1.get(), 2);
}
