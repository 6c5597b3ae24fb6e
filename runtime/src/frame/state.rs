//! Reading state, and an overlay of changes that can be rolled back.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

/// Read access to flat keys and values as they were after some block.
pub trait StateRead {
    /// Returns the value under `key`, if there is one.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;

    /// Returns the first key strictly greater than `after`, in byte order.
    fn next_key(&self, after: &[u8]) -> Option<Vec<u8>>;
}

impl StateRead for BTreeMap<Vec<u8>, Vec<u8>> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        BTreeMap::get(self, key).cloned()
    }

    fn next_key(&self, after: &[u8]) -> Option<Vec<u8>> {
        let range = (Bound::Excluded(after), Bound::Unbounded);
        self.range::<[u8], _>(range)
            .next()
            .map(|(key, _)| key.clone())
    }
}

impl<S: StateRead + ?Sized> StateRead for &S {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        (**self).get(key)
    }

    fn next_key(&self, after: &[u8]) -> Option<Vec<u8>> {
        (**self).next_key(after)
    }
}

/// What a key was in the overlay before a write: absent from it, or a value or deletion.
type Before = Option<Option<Vec<u8>>>;

/// Changes over a base, with checkpoints. Reads of the base are kept, so that each key costs one.
pub struct Overlay<'a> {
    base: &'a dyn StateRead,
    reads: RefCell<BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    journal: Vec<(Vec<u8>, Before)>,
}

/// A place in an overlay's journal to roll back to.
#[derive(Clone, Copy, Debug)]
pub struct Checkpoint(usize);

impl<'a> Overlay<'a> {
    /// Starts without changes.
    pub fn new(base: &'a dyn StateRead) -> Self {
        Self {
            base,
            reads: RefCell::default(),
            changes: BTreeMap::new(),
            journal: Vec::new(),
        }
    }

    /// Sets `key` to `value`.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.write(key, Some(value));
    }

    /// Deletes `key`.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.write(key, None);
    }

    fn write(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let before = self.changes.insert(key.clone(), value);
        self.journal.push((key, before));
    }

    /// Returns the present place in the journal.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint(self.journal.len())
    }

    /// Undoes every write since `checkpoint`.
    pub fn rollback(&mut self, checkpoint: Checkpoint) {
        while self.journal.len() > checkpoint.0 {
            match self.journal.pop() {
                Some((key, Some(before))) => self.changes.insert(key, before),
                Some((key, None)) => self.changes.remove(&key),
                None => break,
            };
        }
    }

    /// Forgets how to undo what was written so far; older checkpoints must not be used again.
    pub fn commit(&mut self) {
        self.journal.clear();
    }

    /// Returns the changes that differ from the base: new value, or `None` for a deletion.
    pub fn into_changes(self) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        let base = self.base;
        let reads = self.reads.into_inner();
        let mut changes = self.changes;
        changes.retain(|key, value| match reads.get(key) {
            Some(before) => before != value,
            None => base.get(key) != *value,
        });
        changes
    }
}

impl Overlay<'_> {
    fn read_base(&self, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(known) = self.reads.borrow().get(key) {
            return known.clone();
        }
        let value = self.base.get(key);
        self.reads.borrow_mut().insert(key.to_vec(), value.clone());
        value
    }
}

impl StateRead for Overlay<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.changes.get(key) {
            Some(value) => value.clone(),
            None => self.read_base(key),
        }
    }

    fn next_key(&self, after: &[u8]) -> Option<Vec<u8>> {
        let range = (Bound::Excluded(after), Bound::Unbounded);
        let mut added = self
            .changes
            .range::<[u8], _>(range)
            .filter(|(_, value)| value.is_some());
        let added = added.next().map(|(key, _)| key);
        let mut base = self.base.next_key(after);
        while let Some(key) = &base {
            if self.changes.get(key).is_some_and(Option::is_none) {
                base = self.base.next_key(key);
            } else {
                break;
            }
        }
        match (added, base) {
            (Some(added), Some(base)) => Some(added.min(&base).clone()),
            (Some(key), None) => Some(key.clone()),
            (None, base) => base,
        }
    }
}

impl fmt::Debug for Overlay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overlay")
            .field("changes", &self.changes.len())
            .finish_non_exhaustive()
    }
}
