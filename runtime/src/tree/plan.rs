//! The first half of a batch: where each change strikes the tree.

use std::sync::Arc;

use allod_primitives::hash::H256;
use allod_primitives::tree::{KEY_BYTES_MAX, Path};

use super::View;
use super::arena::Leaf;
use super::preview::ApplyError;

/// A change that really changes the tree.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) path: Path,
    pub(super) action: Action,
}

/// What a change does.
#[derive(Debug)]
pub(super) enum Action {
    /// A new leaf parts from the tree at this bit; in an empty tree, nowhere.
    Insert {
        /// First bit at which the path differs from all others.
        fork: Option<u8>,
        /// The new leaf.
        leaf: Leaf,
    },
    /// The key's leaf gets another value hash.
    Update(Leaf),
    /// The key's leaf goes.
    Delete,
}

impl Planned {
    /// The bit at which the change adds a node.
    pub(super) fn fork(&self) -> Option<u8> {
        match self.action {
            Action::Insert { fork, .. } => fork,
            Action::Update(_) | Action::Delete => None,
        }
    }
}

/// Sorts changes by path, drops those that change nothing, and finds where the others belong.
pub(super) fn plan<K: AsRef<[u8]>>(
    view: View<'_>,
    changes: impl IntoIterator<Item = (K, Option<H256>)>,
) -> Result<Vec<Planned>, ApplyError> {
    let mut sorted = Vec::new();
    for (key, value_hash) in changes {
        let actual = key.as_ref().len();
        if actual > KEY_BYTES_MAX {
            return Err(ApplyError::KeyTooLong { actual });
        }
        sorted.push((Path::of(key.as_ref()), key, value_hash));
    }
    sorted.sort_unstable_by_key(|(path, ..)| *path);
    for pair in sorted.windows(2) {
        if let [(first, key, _), (second, other, _)] = pair
            && first == second
        {
            return Err(same_path(key.as_ref(), other.as_ref()));
        }
    }
    let leaves = view.reach_all(sorted.iter().map(|(path, ..)| path))?;
    let mut planned = Vec::with_capacity(sorted.len());
    for (index, (path, key, value_hash)) in sorted.into_iter().enumerate() {
        let reached = leaves.get(index).copied();
        if let Some(action) = action(reached, &path, key.as_ref(), value_hash)? {
            planned.push(Planned { path, action });
        }
    }
    Ok(planned)
}

fn action(
    reached: Option<&Leaf>,
    path: &Path,
    key: &[u8],
    value_hash: Option<H256>,
) -> Result<Option<Action>, ApplyError> {
    let insert = |fork| {
        let leaf = |value_hash| Leaf {
            key: Arc::from(key),
            value_hash,
        };
        value_hash.map(|value_hash| Action::Insert {
            fork,
            leaf: leaf(value_hash),
        })
    };
    let Some(reached) = reached else {
        return Ok(insert(None));
    };
    if *reached.key != *key {
        if value_hash.is_none() {
            return Ok(None);
        }
        let other = Path::of(&reached.key);
        let fork = path
            .first_difference(&other)
            .ok_or_else(|| same_path(key, &reached.key))?;
        return Ok(insert(Some(fork)));
    }
    Ok(match value_hash {
        Some(value_hash) if value_hash == reached.value_hash => None,
        Some(value_hash) => Some(Action::Update(Leaf {
            key: Arc::clone(&reached.key),
            value_hash,
        })),
        None => Some(Action::Delete),
    })
}

fn same_path(key: &[u8], other: &[u8]) -> ApplyError {
    if key == other {
        ApplyError::RepeatedKey { key: key.to_vec() }
    } else {
        ApplyError::PathCollision {
            key: key.to_vec(),
            other: other.to_vec(),
        }
    }
}
