//! A guard in a small file that is replaced as a whole.
//!
//! ```text
//! 0         1        9       (compact)
//! ├─version─┼─height─┼─count─┼─ records …
//! record = round u32 ++ kind u8 ++ pol round (0 | 1 ++ u32) ++ block hash (0 | 1 ++ 32 bytes)
//! ```
//!
//! Integers are little-endian. Every new record rewrites the file: written to a temporary file,
//! synced, renamed over the old one, directory synced. So the file is always whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use allod_primitives::{H256, Height};
use parity_scale_codec::{Decode, Encode};

use super::{GuardError, SignGuard, SignKind, SignRecord, Signed};
use crate::limits::GUARD_RECORDS_MAX;

const VERSION: u8 = 1;

/// Remembers signatures in a file.
#[derive(Debug)]
pub struct FileGuard {
    path: PathBuf,
    signed: Mutex<Signed>,
}

/// Why a guard's file could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenGuardError {
    /// The file or its directory could not be read.
    #[error("cannot read the sign guard {path}")]
    Io {
        /// The guard's path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not a guard, or is damaged. Never start over with an empty one: use a new key.
    #[error("the sign guard {path} is damaged")]
    Damaged {
        /// The guard's path.
        path: PathBuf,
    },
}

/// On-disk form.
#[derive(Encode, Decode)]
struct Stored {
    version: u8,
    height: u64,
    records: Vec<StoredRecord>,
}

#[derive(Encode, Decode)]
struct StoredRecord {
    round: u32,
    kind: u8,
    pol_round: Option<u32>,
    block_hash: Option<[u8; 32]>,
}

impl FileGuard {
    /// Opens the guard at `path`; a file that does not exist is an empty guard.
    ///
    /// # Errors
    /// [`OpenGuardError`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenGuardError> {
        let path = path.into();
        let signed = match fs::read(&path) {
            Ok(bytes) => {
                decode(&bytes).ok_or_else(|| OpenGuardError::Damaged { path: path.clone() })?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Signed::default(),
            Err(source) => return Err(OpenGuardError::Io { path, source }),
        };
        Ok(Self {
            path,
            signed: Mutex::new(signed),
        })
    }
}

impl SignGuard for FileGuard {
    fn check_and_record(&self, message: &SignRecord) -> Result<(), GuardError> {
        let mut signed = self
            .signed
            .lock()
            .expect("no code panics while it holds this lock");
        let mut next = signed.clone();
        if next.check(message)? {
            replace(&self.path, &encode(&next))?;
            *signed = next;
        }
        Ok(())
    }
}

/// Writes `bytes` so that `path` holds either the old or the new content, whatever happens.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn encode(signed: &Signed) -> Vec<u8> {
    let record = |record: &SignRecord| StoredRecord {
        round: record.round,
        kind: record.kind as u8,
        pol_round: record.pol_round,
        block_hash: record.block_hash.map(|hash| hash.0),
    };
    Stored {
        version: VERSION,
        height: signed.0.last().map_or(0, |last| last.height.0),
        records: signed.0.iter().map(record).collect(),
    }
    .encode()
}

fn decode(bytes: &[u8]) -> Option<Signed> {
    let mut input = bytes;
    let stored = Stored::decode(&mut input).ok()?;
    let sane =
        input.is_empty() && stored.version == VERSION && stored.records.len() <= GUARD_RECORDS_MAX;
    if !sane {
        return None;
    }
    let mut signed = Signed::default();
    for record in stored.records {
        let message = SignRecord {
            height: Height(stored.height),
            round: record.round,
            kind: match record.kind {
                0 => SignKind::Proposal,
                1 => SignKind::Prevote,
                2 => SignKind::Precommit,
                _ => return None,
            },
            block_hash: record.block_hash.map(H256),
            pol_round: record.pol_round,
        };
        // Records are stored sorted and unique; anything else is damage.
        if !signed.check(&message).ok()? {
            return None;
        }
    }
    Some(signed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prevote(round: u32, hash: u8) -> SignRecord {
        SignRecord {
            height: Height(7),
            round,
            kind: SignKind::Prevote,
            block_hash: Some(H256([hash; 32])),
            pol_round: None,
        }
    }

    /// Goal: a restart forgets nothing. Method: open, sign, open again, try to sign otherwise.
    #[test]
    fn the_file_guard_refuses_a_conflict_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guard");
        FileGuard::open(&path)
            .unwrap()
            .check_and_record(&prevote(0, 1))
            .unwrap();

        let reopened = FileGuard::open(&path).unwrap();
        assert!(reopened.check_and_record(&prevote(0, 1)).is_ok());
        let refused = reopened.check_and_record(&prevote(0, 2));
        assert!(matches!(refused, Err(GuardError::Conflict { .. })));
        assert!(reopened.check_and_record(&prevote(1, 2)).is_ok());
    }

    /// Goal: damage is never mistaken for "nothing signed". Method: cut the file at every length.
    #[test]
    fn a_damaged_guard_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guard");
        FileGuard::open(&path)
            .unwrap()
            .check_and_record(&prevote(0, 1))
            .unwrap();
        let bytes = fs::read(&path).unwrap();
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            assert!(matches!(
                FileGuard::open(&path),
                Err(OpenGuardError::Damaged { .. })
            ));
        }
    }
}
