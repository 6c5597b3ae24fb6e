//! A guard in a small file that is replaced as a whole.
//!
//! ```text
//! 0         1             33         65         69       77
//! ├─version─┼─public key──┼─genesis──┼─fork id──┼─floor──┼─loss─────────────────────┤
//! ├─height (8)─┼─count (compact)─┼─ records …
//! loss   = 0 | 1 ++ since u64 | 2 ++ since u64 ++ tip u64 | 3 ++ since u64
//! record = round u32 ++ kind u8 ++ pol round (0 | 1 ++ u32) ++ block hash (0 | 1 ++ 32 bytes)
//! ```
//!
//! Integers are little-endian. Every new record rewrites the file: written to a temporary file,
//! synced, renamed over the old one, directory synced. So the file is always whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use allod_primitives::{ChainId, ForkId, H256, Height, PublicKey, TimeMs};
use fs2::FileExt as _;
use parity_scale_codec::{Decode, Encode};

use super::lost::{Loss, NotAgreed, Silence};
use super::{GuardError, SignGuard, SignKind, SignRecord, Signed};
use crate::limits::GUARD_RECORDS_MAX;
use crate::signer::Seen;

/// Version 1 named neither key nor chain.
const VERSION: u8 = 2;

/// Remembers signatures in a file.
#[derive(Debug)]
pub struct FileGuard {
    path: PathBuf,
    chain: ChainId,
    key: PublicKey,
    memory: Mutex<Memory>,
    /// Held as long as the guard lives: two memories of one key would both sign.
    _lock: File,
}

/// Which guard is expected at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardFile {
    /// The one that has always watched this key.
    Existing,
    /// None: the key has never signed anything.
    New,
    /// Perhaps an old one, or none, though the key has signed: nothing is signed until the chain
    /// is surely past this moment.
    Lost {
        /// Now, by the system's clock.
        now: TimeMs,
    },
    /// One that was lost, of a network that stands: its operators agree that nothing above this
    /// height is final, and that the key signs from there on (ADR 0012). See
    /// [`FileGuard::agree`].
    Agreed {
        /// At and below it nothing is signed.
        floor: Height,
        /// Now, by the system's clock.
        now: TimeMs,
    },
}

/// What a guard says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardGlance {
    /// Whether it is silent after a loss, still.
    pub is_lost: bool,
    /// The block above which it signs by agreement, if it has not begun to.
    pub agreed: Option<Height>,
    /// The highest height it signed at; 0 if it knows of none.
    pub signed: Height,
}

/// Why a guard's file could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenGuardError {
    /// The file or its directory could not be read or written.
    #[error("cannot open the sign guard {path}: {source}")]
    Io {
        /// The guard's path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no guard, though the key may have signed.
    #[error("there is no sign guard at {path}")]
    Missing {
        /// The guard's path.
        path: PathBuf,
    },
    /// Another process, or another guard in this one, has it open.
    #[error("the sign guard {path} is in use")]
    InUse {
        /// The guard's path.
        path: PathBuf,
    },
    /// There is a guard, though the key is said to have signed nothing.
    #[error("there is a sign guard at {path} already")]
    AlreadyExists {
        /// The guard's path.
        path: PathBuf,
    },
    /// The guard watches another key, or another chain.
    #[error("the sign guard {path} is of another {what}")]
    Foreign {
        /// The guard's path.
        path: PathBuf,
        /// "key" or "chain".
        what: &'static str,
    },
    /// The file is of another version of the format. It is not read: say that it was lost.
    #[error(
        "the sign guard {path} is of version {found} of its format; this program reads {VERSION}"
    )]
    Version {
        /// The guard's path.
        path: PathBuf,
        /// Its version.
        found: u8,
    },
    /// What was agreed upon does not hold for this guard.
    #[error("the sign guard {path}: {reason}")]
    NotAgreed {
        /// The guard's path.
        path: PathBuf,
        /// Why.
        reason: NotAgreed,
    },
    /// The file is not a guard, or is damaged. Never start over with an empty one: use a new key,
    /// or say that it was lost.
    #[error("the sign guard {path} is damaged")]
    Damaged {
        /// The guard's path.
        path: PathBuf,
    },
}

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Memory {
    silence: Silence,
    signed: Signed,
}

/// On-disk form.
#[derive(Encode, Decode)]
struct Stored {
    version: u8,
    key: PublicKey,
    genesis: H256,
    fork_id: ForkId,
    silence: Silence,
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
    /// Opens the guard of `key` on `chain` at `path`. After it returned, the file exists.
    ///
    /// # Errors
    /// [`OpenGuardError`].
    pub fn open(
        path: impl Into<PathBuf>,
        chain: ChainId,
        key: PublicKey,
        expected: GuardFile,
    ) -> Result<Self, OpenGuardError> {
        let path = path.into();
        if let GuardFile::Agreed { floor, now } = expected {
            let guard = Self::open(path, chain, key, GuardFile::Existing)?;
            return match guard.agree(floor, now) {
                Ok(()) => Ok(guard),
                Err(reason) => {
                    let path = guard.path;
                    Err(OpenGuardError::NotAgreed { path, reason })
                }
            };
        }
        // Before it is read: what another process signs until it ends must be known.
        let lock = lock(&path)?;
        let found = match (read(&path, &chain, &key), expected) {
            // What cannot be read is lost, and was said to be.
            (
                Err(OpenGuardError::Version { .. } | OpenGuardError::Damaged { .. }),
                GuardFile::Lost { .. },
            ) => None,
            (found, _) => found?,
        };
        let memory = match (found, expected) {
            (Some(memory), GuardFile::Existing | GuardFile::Agreed { .. }) => {
                return Ok(Self::with(path, chain, key, memory, lock));
            }
            (None, GuardFile::Existing | GuardFile::Agreed { .. }) => {
                return Err(OpenGuardError::Missing { path });
            }
            (Some(_), GuardFile::New) => return Err(OpenGuardError::AlreadyExists { path }),
            (None, GuardFile::New) => Memory::default(),
            (found, GuardFile::Lost { now }) => {
                let mut memory = found.unwrap_or_default();
                memory.silence.loss = Loss::Said { since: now };
                memory
            }
        };
        let guard = Self::with(path, chain, key, memory.clone(), lock);
        match guard.write(&memory) {
            Ok(()) => Ok(guard),
            Err(source) => Err(OpenGuardError::Io {
                path: guard.path,
                source,
            }),
        }
    }

    /// Returns what the guard at `path` says, whoever has it open and whatever key it is of; `None`
    /// if there is none that can be read.
    pub fn glance(path: &Path) -> Option<GuardGlance> {
        let stored = decode(&fs::read(path).ok()?)?;
        let floor = stored.silence.floor;
        Some(GuardGlance {
            is_lost: stored.silence.loss != Loss::None,
            agreed: matches!(stored.silence.loss, Loss::Agreed { .. }).then_some(floor),
            signed: Height(stored.height),
        })
    }

    const fn with(
        path: PathBuf,
        chain: ChainId,
        key: PublicKey,
        memory: Memory,
        lock: File,
    ) -> Self {
        Self {
            path,
            chain,
            key,
            memory: Mutex::new(memory),
            _lock: lock,
        }
    }

    fn write(&self, memory: &Memory) -> io::Result<()> {
        replace(&self.path, &encode(&self.chain, &self.key, memory))
    }

    /// Lets a guard that was lost sign above the block of height `floor`, which the operators of
    /// a network that stands agree to be its last one (ADR 0012). It signs once a node tells it
    /// of that block, and of no later one. Said once more it changes nothing.
    ///
    /// # Errors
    /// [`NotAgreed`]; the guard is as it was.
    pub fn agree(&self, floor: Height, now: TimeMs) -> Result<(), NotAgreed> {
        self.change(|memory| {
            let last = memory.signed.height();
            memory.silence.agree(floor, last, now)
        })
    }

    /// Applies `change` to a copy, which counts once it is on disk, if it is another; whatever
    /// `change` returns.
    fn change<E: From<io::Error>>(
        &self,
        change: impl FnOnce(&mut Memory) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut memory = self
            .memory
            .lock()
            .expect("no code panics while it holds this lock");
        let mut next = memory.clone();
        let changed = change(&mut next);
        if next != *memory {
            self.write(&next)?;
            *memory = next;
        }
        changed
    }
}

impl SignGuard for FileGuard {
    fn check_and_record(&self, message: &SignRecord) -> Result<(), GuardError> {
        self.change(|memory| memory.signed.check(message).map(|_| ()))
    }

    fn judge(&self, height: Height, seen: &Seen) -> Result<(), GuardError> {
        self.change(|memory| {
            let last = memory.signed.height();
            memory.silence.judge(height, last, seen)
        })
    }
}

fn read(path: &Path, chain: &ChainId, key: &PublicKey) -> Result<Option<Memory>, OpenGuardError> {
    let path = || path.to_owned();
    let bytes = match fs::read(path()) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let path = path();
            return Err(OpenGuardError::Io { path, source });
        }
    };
    match bytes.first() {
        Some(&found) if found != VERSION => {
            let path = path();
            return Err(OpenGuardError::Version { path, found });
        }
        _ => {}
    }
    let stored = decode(&bytes).ok_or_else(|| OpenGuardError::Damaged { path: path() })?;
    let foreign = |what| OpenGuardError::Foreign { path: path(), what };
    if stored.key != *key {
        return Err(foreign("key"));
    }
    if (stored.genesis, stored.fork_id) != (chain.genesis, chain.fork_id) {
        return Err(foreign("chain"));
    }
    let memory = memory(stored).ok_or_else(|| OpenGuardError::Damaged { path: path() })?;
    Ok(Some(memory))
}

/// Returns `path` with `suffix` behind its whole name: guards of one folder share no other file.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Locks the guard at `path` by a file beside it, as the guard itself is replaced.
fn lock(path: &Path) -> Result<File, OpenGuardError> {
    let beside = beside(path, ".lock");
    let options = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&beside);
    let file = options.map_err(|source| OpenGuardError::Io {
        path: beside.clone(),
        source,
    })?;
    match file.try_lock_exclusive() {
        Ok(()) => Ok(file),
        Err(error) if error.kind() == fs2::lock_contended_error().kind() => {
            let path = path.to_owned();
            Err(OpenGuardError::InUse { path })
        }
        Err(source) => Err(OpenGuardError::Io {
            path: beside,
            source,
        }),
    }
}

/// Writes `bytes` so that `path` holds either the old or the new content, whatever happens.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = beside(path, ".new");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn encode(chain: &ChainId, key: &PublicKey, memory: &Memory) -> Vec<u8> {
    let record = |record: &SignRecord| StoredRecord {
        round: record.round,
        kind: record.kind as u8,
        pol_round: record.pol_round,
        block_hash: record.block_hash.map(|hash| hash.0),
    };
    Stored {
        version: VERSION,
        key: *key,
        genesis: chain.genesis,
        fork_id: chain.fork_id,
        silence: memory.silence.clone(),
        height: memory.signed.height().0,
        records: memory.signed.0.iter().map(record).collect(),
    }
    .encode()
}

fn decode(bytes: &[u8]) -> Option<Stored> {
    let mut input = bytes;
    let stored = Stored::decode(&mut input).ok()?;
    let sane =
        input.is_empty() && stored.version == VERSION && stored.records.len() <= GUARD_RECORDS_MAX;
    sane.then_some(stored)
}

fn memory(stored: Stored) -> Option<Memory> {
    let mut signed = Signed::default();
    for record in stored.records {
        let message = SignRecord {
            height: Height(stored.height),
            round: record.round,
            kind: SignKind::from_u8(record.kind)?,
            block_hash: record.block_hash.map(H256),
            pol_round: record.pol_round,
        };
        // Records are stored sorted and unique; anything else is damage.
        if !signed.check(&message).ok()? {
            return None;
        }
    }
    let silence = stored.silence;
    Some(Memory { silence, signed })
}

#[cfg(test)]
mod tests;
