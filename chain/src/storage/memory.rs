//! A database in memory whose unsynced writes can be lost, for tests and simulations.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{RwLock, RwLockReadGuard};

use super::backend::{BackendError, Batch, Change, Column, Durability, KeyValue, Pairs, View};

type Content = BTreeMap<(Column, Vec<u8>), Vec<u8>>;

#[derive(Debug, Default)]
struct Disk {
    /// What a running node reads.
    live: Content,
    /// What survives a crash.
    synced: Content,
    /// What distinguishes the two, oldest first.
    unsynced: Vec<Batch>,
}

/// The database. Clones share the content, as two openings of one file do.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    disk: Arc<RwLock<Disk>>,
    syncs_ignored: Arc<AtomicBool>,
    broken: Arc<AtomicBool>,
}

impl MemoryStore {
    /// Returns an empty database.
    pub fn new() -> Self {
        Self::default()
    }

    /// Loses every write since the last synced one, as a crash of the machine may.
    pub fn crash(&self) {
        let mut disk = self.disk.write();
        disk.unsynced.clear();
        disk.live = disk.synced.clone();
    }

    /// Makes synced writes unsynced ones: the safeguard removed, to see which test notices.
    pub fn ignore_syncs(&self, ignored: bool) {
        self.syncs_ignored.store(ignored, Ordering::Relaxed);
    }

    /// Makes every further write fail, as a full disk does.
    pub fn break_writes(&self, broken: bool) {
        self.broken.store(broken, Ordering::Relaxed);
    }
}

fn apply(content: &mut Content, batch: &Batch) {
    for change in &batch.0 {
        match change {
            Change::Put(column, key, value) => {
                content.insert((*column, key.clone()), value.clone());
            }
            Change::Delete(column, key) => {
                content.remove(&(*column, key.clone()));
            }
        }
    }
}

impl KeyValue for MemoryStore {
    fn view(&self) -> Box<dyn View + '_> {
        Box::new(MemoryView(self.disk.read_recursive()))
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), BackendError> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(BackendError::Engine {
                operation: "write",
                message: "no space left on the simulated disk".into(),
            });
        }
        let mut disk = self.disk.write();
        apply(&mut disk.live, &batch);
        disk.unsynced.push(batch);
        if durability == Durability::Synced && !self.syncs_ignored.load(Ordering::Relaxed) {
            for batch in std::mem::take(&mut disk.unsynced) {
                apply(&mut disk.synced, &batch);
            }
        }
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        let disk = self.disk.read();
        let bytes: usize = disk.live.iter().map(|((_, k), v)| k.len() + v.len()).sum();
        bytes as u64
    }
}

struct MemoryView<'a>(RwLockReadGuard<'a, Disk>);

impl View for MemoryView<'_> {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError> {
        Ok(self.0.live.get(&(column, key.to_vec())).cloned())
    }

    fn scan<'a>(&'a self, column: Column, from: &[u8]) -> Pairs<'a> {
        let range = self.0.live.range((column, from.to_vec())..);
        Box::new(
            range
                .take_while(move |((found, _), _)| *found == column)
                .map(|((_, key), value)| Ok((key.clone(), value.clone()))),
        )
    }
}
