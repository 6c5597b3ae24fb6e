//! What happened, in order, and its hash: two runs are the same if their hashes are.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// A run's record; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Trace(Arc<Mutex<Record>>);

#[derive(Debug)]
struct Record {
    start: Instant,
    verbose: bool,
    hash: Sha256,
}

impl Trace {
    /// Begins now. Must be called within a paused runtime.
    pub(crate) fn new(verbose: bool) -> Self {
        let record = Record {
            start: Instant::now(),
            verbose,
            hash: Sha256::new(),
        };
        Self(Arc::new(Mutex::new(record)))
    }

    /// Adds what happened now.
    pub(crate) fn note(&self, event: &str) {
        let mut record = self
            .0
            .lock()
            .expect("no code panics while it holds this lock");
        let line = format!("{:>10.3?} {event}\n", record.start.elapsed().as_secs_f64());
        if record.verbose {
            print!("{line}");
        }
        record.hash.update(line.as_bytes());
    }

    pub(crate) fn elapsed(&self) -> Duration {
        let record = self
            .0
            .lock()
            .expect("no code panics while it holds this lock");
        record.start.elapsed()
    }

    /// Returns the hash so far, its first 16 hexadecimal digits.
    pub(crate) fn digest(&self) -> String {
        let record = self
            .0
            .lock()
            .expect("no code panics while it holds this lock");
        let mut text = hex::encode(record.hash.clone().finalize());
        text.truncate(16);
        text
    }
}
