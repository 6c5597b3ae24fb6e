//! What a client keeps between runs: one folder per chain.
//!
//! ```text
//! <folder>/<network>.<fork>/trust              what is trusted:  version(1) ++ SCALE ++ sha256(32)
//! <folder>/<network>.<fork>/evidence.json      while it is there, nothing is answered
//! <folder>/<network>.<fork>/evidence-<ms>.json put aside by a person
//! <folder>/<network>.<fork>/lock               held while one of these is changed
//! ```
//!
//! Files are written whole or not at all, and synced. Two processes may use one folder: whoever
//! writes sees first what the other has written ([`Store::exchange`]), and writes either evidence
//! or trust. What is kept bears a mark of its beginning: a process that remembers something else
//! than what lies there knows that a person has had it forgotten, and does not bring it back.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use allod_primitives::{ChainId, ForkId, NetworkId, TimeMs, sha2_256};
use fs2::FileExt;

use super::evidence::Evidence;
use crate::keys::{Home, KeyFileError};

/// Version of the trust file known here.
pub const TRUST_FILE_VERSION: u8 = 1;

const TRUST: &str = "trust";
const EVIDENCE: &str = "evidence.json";
const LOCK: &str = "lock";
const CHECKSUM_BYTES: usize = 32;
/// Bytes of the largest file read: 256 headers of 128 signatures are below 3 MiB.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Why what is kept cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The system refused to read or write.
    #[error("cannot {verb} {}: {source}", .path.display())]
    Io {
        /// `read`, `write`, `lock`.
        verb: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that is not what was written: truncated, changed, or of something else.
    #[error("{} is damaged: {what}", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Which rule it breaks.
        what: &'static str,
    },
    /// Written by a later version of this software.
    #[error("{} has version {found}, this software reads {TRUST_FILE_VERSION}", .path.display())]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u8,
    },
    /// A person has had forgotten what this process still remembers.
    #[error("what was kept in {} was forgotten while this program ran", .path.display())]
    Forgotten {
        /// The folder.
        path: PathBuf,
    },
    /// Others than its owner may read or write the file.
    #[error("{} is open to others (mode {mode:03o})", .path.display())]
    OpenToOthers {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl StoreError {
    /// Returns a short name that scripts can rely on.
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::Io { .. } => "light.io",
            Self::Damaged { .. } => "light.damaged",
            Self::Version { .. } => "light.version",
            Self::Forgotten { .. } => "light.forgotten",
            Self::OpenToOthers { .. } => "light.open_to_others",
        }
    }

    /// Says what to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Io { .. } => "check the path, its owner and the free space".into(),
            Self::Damaged { .. } => {
                "`allod light reset` forgets it; then start from a checkpoint that you trust".into()
            }
            Self::Version { .. } => "update allod".into(),
            Self::Forgotten { .. } => {
                "`allod light reset` was run; start this program again, and it begins anew".into()
            }
            Self::OpenToOthers { path, .. } => {
                let path = path.display();
                format!("chmod 600 {path}; if others may have changed it, `allod light reset`")
            }
        }
    }
}

/// The folder of one chain.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

/// What lies in a folder.
#[derive(Clone, Debug)]
pub struct There {
    /// What is trusted, without version and checksum.
    pub trust: Option<Vec<u8>>,
    /// Evidence of two histories.
    pub evidence: Option<Evidence>,
}

/// What to write.
#[derive(Clone, Debug)]
pub enum Step {
    /// Nothing.
    Nothing,
    /// What is trusted.
    Keep(Vec<u8>),
    /// Evidence, and nothing of the trust that has met it.
    Freeze(Box<Evidence>),
}

/// Held while a file of the folder is changed.
struct Guard {
    _file: File,
}

impl Store {
    /// Uses the folder of `network` and `fork` in `root`. Nothing is created yet.
    pub fn new(root: &Path, network: NetworkId, fork: ForkId) -> Self {
        Self {
            folder: root.join(format!("{network}.{fork}")),
        }
    }

    /// Returns the chains of which `root` keeps something, ascending by network and fork.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the folder is there and cannot be read.
    pub fn chains(root: &Path) -> Result<Vec<(NetworkId, ForkId)>, StoreError> {
        let failed = |source| StoreError::Io {
            verb: "read",
            path: root.to_owned(),
            source,
        };
        let entries = match fs::read_dir(root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut chains = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let parts = name.to_str().and_then(|it| it.split_once('.'));
            let chain = parts.and_then(|(network, fork)| {
                Some((network.parse().ok()?, ForkId(fork.parse().ok()?)))
            });
            // A folder in which nothing lies, or only what was put aside, is of no chain.
            chains.extend(chain.filter(|(network, fork)| {
                let store = Self::new(root, *network, *fork);
                store.folder.join(TRUST).exists() || store.evidence_path().exists()
            }));
        }
        chains.sort();
        Ok(chains)
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns where evidence of two histories lies while it is there.
    pub fn evidence_path(&self) -> PathBuf {
        self.folder.join(EVIDENCE)
    }

    /// Reads what is kept, without version and checksum.
    ///
    /// # Errors
    /// [`StoreError`]; a damaged file is never taken for none.
    pub fn load(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.folder.join(TRUST);
        let damaged = |what| StoreError::Damaged {
            path: path.clone(),
            what,
        };
        let Some(bytes) = read(&path)? else {
            return Ok(None);
        };
        let (&version, rest) = bytes.split_first().ok_or_else(|| damaged("it is empty"))?;
        if version != TRUST_FILE_VERSION {
            let found = version;
            return Err(StoreError::Version { path, found });
        }
        let content = rest.len().checked_sub(CHECKSUM_BYTES);
        let (content, sum) = content
            .map(|at| rest.split_at(at))
            .ok_or_else(|| damaged("it is too short"))?;
        if sum != sha2_256(content).0 {
            return Err(damaged("its checksum is another"));
        }
        Ok(Some(content.to_vec()))
    }

    /// Replaces what is kept: `decide` sees what lies there now, and says what is to be written.
    /// No other process changes it meanwhile.
    ///
    /// # Errors
    /// Those of `decide`; [`StoreError`] if a file cannot be read or written, and then the old
    /// one is still whole.
    pub fn exchange<E: From<StoreError>>(
        &self,
        decide: impl FnOnce(There) -> Result<Step, E>,
    ) -> Result<(), E> {
        let _guard = self.lock()?;
        let evidence = self.evidence()?;
        let trust = self.load()?;
        match decide(There { trust, evidence })? {
            Step::Nothing => Ok(()),
            Step::Freeze(evidence) => Ok(self.write_evidence(&evidence)?),
            Step::Keep(content) => {
                let sum = sha2_256(&content);
                let bytes = [&[TRUST_FILE_VERSION], content.as_slice(), &sum.0].concat();
                Ok(write(&self.folder.join(TRUST), &bytes)?)
            }
        }
    }

    /// Returns the error for what could not be made to be written.
    pub(super) fn unwritable(&self, error: KeyFileError) -> StoreError {
        file_error(error, &self.folder.join(TRUST))
    }

    /// Returns the error for what was forgotten.
    pub(super) fn forgotten(&self) -> StoreError {
        StoreError::Forgotten {
            path: self.folder.clone(),
        }
    }

    /// Returns the error for content that does not decode, though its checksum is right.
    pub(super) fn undecodable(&self) -> StoreError {
        StoreError::Damaged {
            path: self.folder.join(TRUST),
            what: "it is not what a light client keeps of this chain",
        }
    }

    /// Reads the evidence that stops this client, if there is any.
    ///
    /// # Errors
    /// [`StoreError`]; what cannot be read stops it as well.
    pub fn evidence(&self) -> Result<Option<Evidence>, StoreError> {
        let path = self.evidence_path();
        let Some(bytes) = read(&path)? else {
            return Ok(None);
        };
        let evidence = serde_json::from_slice(&bytes);
        evidence.map(Some).map_err(|_| StoreError::Damaged {
            path,
            what: "it is no evidence of two histories",
        })
    }

    /// Writes evidence, unless there is some already: the first is kept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn freeze(&self, evidence: &Evidence) -> Result<(), StoreError> {
        let _guard = self.lock()?;
        self.write_evidence(evidence)
    }

    fn write_evidence(&self, evidence: &Evidence) -> Result<(), StoreError> {
        let path = self.evidence_path();
        if path.exists() {
            return Ok(());
        }
        let text = serde_json::to_vec_pretty(evidence);
        let text = text.expect("text and numbers can be written as JSON");
        write(&path, &text)
    }

    /// Puts evidence aside under a name with the time `now`, and returns where; forgets what was
    /// trusted, for it is one of two histories.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unfreeze(&self, now: TimeMs) -> Result<Option<PathBuf>, StoreError> {
        let _guard = self.lock()?;
        self.remove_trust()?;
        let path = self.evidence_path();
        if !path.exists() {
            return Ok(None);
        }
        let aside = self.folder.join(format!("evidence-{now}.json"));
        let moved = fs::rename(&path, &aside).and_then(|()| self.sync_folder());
        moved.map_err(|source| StoreError::Io {
            verb: "write",
            path,
            source,
        })?;
        Ok(Some(aside))
    }

    /// Forgets what was trusted. Evidence stays.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget(&self) -> Result<(), StoreError> {
        let _guard = self.lock()?;
        self.remove_trust()
    }

    /// Removes what was trusted, so that it stays away: also if it was removed before, and the
    /// system went down since.
    fn remove_trust(&self) -> Result<(), StoreError> {
        let path = self.folder.join(TRUST);
        let removed = match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => self.sync_folder(),
        };
        removed.map_err(|source| StoreError::Io {
            verb: "write",
            path,
            source,
        })
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    /// Waits for the folder's lock, which nobody holds for longer than a write takes.
    fn lock(&self) -> Result<Guard, StoreError> {
        let path = self.folder.join(LOCK);
        let open = || -> io::Result<File> {
            use std::os::unix::fs::DirBuilderExt;
            let mut folder = fs::DirBuilder::new();
            folder.recursive(true).mode(0o700).create(&self.folder)?;
            let mut options = OpenOptions::new();
            let options = options.create(true).truncate(false).write(true).mode(0o600);
            let file = options.open(&path)?;
            FileExt::lock_exclusive(&file)?;
            Ok(file)
        };
        match open() {
            Ok(file) => Ok(Guard { _file: file }),
            Err(source) => Err(StoreError::Io {
                verb: "lock",
                path,
                source,
            }),
        }
    }
}

/// Returns the folder of the chain, as a name for people.
impl std::fmt::Display for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.folder.display().fmt(f)
    }
}

/// Returns whether `chain` is what a folder of this network and fork may hold.
pub(super) fn belongs(chain: &ChainId, network: NetworkId, fork: ForkId) -> bool {
    NetworkId::from_genesis(&chain.genesis) == network && chain.fork_id == fork
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match Home::read_private_within(path, FILE_BYTES_MAX) {
        Ok(bytes) => Ok(Some(bytes.to_vec())),
        Err(KeyFileError::NotFound { .. }) => Ok(None),
        Err(error) => Err(file_error(error, path)),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    Home::write_private(path, bytes, true).map_err(|error| file_error(error, path))
}

fn file_error(error: KeyFileError, path: &Path) -> StoreError {
    let path = path.to_owned();
    match error {
        KeyFileError::Io { verb, source, .. } => StoreError::Io { verb, path, source },
        KeyFileError::OpenToOthers { mode, .. } => StoreError::OpenToOthers { path, mode },
        KeyFileError::TooLong { .. } => StoreError::Damaged {
            path,
            what: "it is longer than any such file",
        },
        other => StoreError::Io {
            verb: "write",
            path,
            source: io::Error::other(other.to_string()),
        },
    }
}
