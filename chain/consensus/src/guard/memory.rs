//! A guard that forgets at the end of the process; for observers, tests and simulations.

use std::sync::{Arc, Mutex};

use super::{GuardError, SignGuard, SignRecord, Signed};

/// Remembers signatures in memory. Clones share the memory, so that a simulation can keep it
/// across the crash of a node, as a disk would.
#[derive(Clone, Debug, Default)]
pub struct MemoryGuard(Arc<Mutex<Signed>>);

impl MemoryGuard {
    /// Returns a guard that remembers nothing.
    pub fn new() -> Self {
        Self::default()
    }
}

impl SignGuard for MemoryGuard {
    fn check_and_record(&self, message: &SignRecord) -> Result<(), GuardError> {
        let mut signed = self
            .0
            .lock()
            .expect("no code panics while it holds this lock");
        signed.check(message).map(|_| ())
    }

    fn waits_for_disk(&self) -> bool {
        false
    }
}
