//! A record of everything a validator signed, kept apart from the guard that it watches.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use allod_consensus::{GuardError, MemoryGuard, SignGuard, SignKind, SignRecord};
use allod_primitives::H256;

type Choice = (Option<H256>, Option<u32>);

/// A guard whose every permission is remembered across crashes. Clones share the memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Witness {
    guard: MemoryGuard,
    /// Whether everything is permitted: the safeguard whose absence must be noticed.
    off: bool,
    signed: Arc<Mutex<Signed>>,
}

#[derive(Debug, Default)]
struct Signed {
    choices: BTreeMap<(u64, u32, SignKind), Choice>,
    conflicts: Vec<SignRecord>,
}

impl Witness {
    /// Returns a guard; `off` makes it permit everything.
    pub(crate) fn new(off: bool) -> Self {
        Self {
            off,
            ..Self::default()
        }
    }

    /// Returns every message that contradicts an earlier one.
    pub(crate) fn conflicts(&self) -> Vec<SignRecord> {
        let signed = self
            .signed
            .lock()
            .expect("no code panics while it holds this lock");
        signed.conflicts.clone()
    }
}

impl SignGuard for Witness {
    fn check_and_record(&self, message: &SignRecord) -> Result<(), GuardError> {
        if !self.off {
            self.guard.check_and_record(message)?;
        }
        let mut signed = self
            .signed
            .lock()
            .expect("no code panics while it holds this lock");
        let place = (message.height.0, message.round, message.kind);
        let choice = (message.block_hash, message.pol_round);
        if *signed.choices.entry(place).or_insert(choice) != choice {
            signed.conflicts.push(*message);
        }
        Ok(())
    }

    fn waits_for_disk(&self) -> bool {
        false
    }
}
