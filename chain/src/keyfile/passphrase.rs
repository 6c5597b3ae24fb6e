//! Passphrases and where they come from: never the command line nor the environment, which other
//! processes read.

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Most bytes of a passphrase.
pub const PASSPHRASE_BYTES_MAX: usize = 1024;
/// The variable by which systemd names the folder of a service's credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// The credential that is looked for where nothing else is said.
pub const CREDENTIAL: &str = "allod-node.passphrase";

/// A passphrase: never printed, zeroed when dropped.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// Returns the first line of `bytes`, if it can be a passphrase.
    ///
    /// # Errors
    /// [`PassphraseError::Unfit`] if it is empty, too long or no UTF-8.
    pub fn first_line(bytes: &[u8]) -> Result<Self, PassphraseError> {
        let line = bytes
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let fits = (1..=PASSPHRASE_BYTES_MAX).contains(&line.len());
        if !fits || std::str::from_utf8(line).is_err() {
            return Err(PassphraseError::Unfit);
        }
        Ok(Self(Zeroizing::new(line.to_vec())))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PassphraseError {
    /// Nobody can be asked, and nothing says where else it is.
    #[error(
        "no passphrase: there is no terminal to ask at; give a file, a file descriptor or the \
         credential {CREDENTIAL}"
    )]
    Nowhere,
    /// It cannot be read.
    #[error("passphrase from {place}: {source}")]
    Read {
        /// Where it was to come from.
        place: String,
        /// Why.
        source: io::Error,
    },
    /// Others than the owner may read the file.
    #[error("passphrase from {path}: readable by others (mode {mode:o}); chmod 600 it")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Empty, longer than 1,024 bytes or no UTF-8.
    #[error("a passphrase is one line of 1 to {PASSPHRASE_BYTES_MAX} bytes of UTF-8")]
    Unfit,
    /// Typed twice, and not the same.
    #[error("the two passphrases differ")]
    Differ,
}

/// Where a passphrase comes from.
#[derive(Clone, Debug)]
pub enum PassphraseSource {
    /// The first line of a file that only its owner may read.
    File(PathBuf),
    /// The first line of what an inherited file descriptor gives.
    Descriptor(u32),
    /// A credential of the service, by its name. systemd keeps its folder from others.
    Credential(String),
    /// This one.
    Given(Passphrase),
    /// Whoever sits at the terminal.
    Terminal,
    /// There is none: only plain files can be opened.
    Nowhere,
}

impl PassphraseSource {
    /// Returns where it is if nobody says: the service's credential [`CREDENTIAL`], else the
    /// terminal, else nowhere.
    pub fn usual() -> Self {
        let folder = std::env::var_os(CREDENTIALS).map(PathBuf::from);
        if folder.is_some_and(|folder| folder.join(CREDENTIAL).exists()) {
            Self::Credential(CREDENTIAL.to_owned())
        } else if io::stdin().is_terminal() {
            Self::Terminal
        } else {
            Self::Nowhere
        }
    }

    /// Returns the passphrase that opens `name`.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub fn unlock(&self, name: &str) -> Result<Passphrase, PassphraseError> {
        self.obtain(&format!("passphrase of {name}: "))
    }

    /// Returns a new passphrase for `name`; at a terminal it is asked for twice.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub fn choose(&self, name: &str) -> Result<Passphrase, PassphraseError> {
        let first = self.obtain(&format!("new passphrase for {name}: "))?;
        if matches!(self, Self::Terminal) {
            let second = self.obtain("the same again: ")?;
            if first.as_bytes() != second.as_bytes() {
                return Err(PassphraseError::Differ);
            }
        }
        Ok(first)
    }

    fn obtain(&self, prompt: &str) -> Result<Passphrase, PassphraseError> {
        match self {
            Self::File(path) => {
                let file = open(path)?;
                // Of the file that is read, whatever has its name by now.
                let mode = file
                    .metadata()
                    .map_err(|source| read(path.display(), source))?;
                let mode = mode.permissions().mode() & 0o777;
                if mode & 0o077 != 0 {
                    let path = path.clone();
                    return Err(PassphraseError::Exposed { path, mode });
                }
                first_line_of(file, path)
            }
            // By its name: taking the number itself would need `unsafe`.
            Self::Descriptor(number) => {
                let path = PathBuf::from(format!("/dev/fd/{number}"));
                first_line_of(open(&path)?, &path)
            }
            Self::Credential(name) => {
                let folder = std::env::var_os(CREDENTIALS).map(PathBuf::from);
                let is_name = !name.contains('/') && name != "..";
                match folder.filter(|_| is_name) {
                    Some(folder) => {
                        let path = folder.join(name);
                        first_line_of(open(&path)?, &path)
                    }
                    None => Err(PassphraseError::Nowhere),
                }
            }
            Self::Terminal => {
                let typed = rpassword::prompt_password(prompt).map(Zeroizing::new);
                let typed = typed.map_err(|source| read("the terminal", source))?;
                Passphrase::first_line(typed.as_bytes())
            }
            Self::Given(passphrase) => Ok(passphrase.clone()),
            Self::Nowhere => Err(PassphraseError::Nowhere),
        }
    }

    /// Returns a source that can be asked more than once: what a descriptor gives is read now.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub fn lasting(self) -> Result<Self, PassphraseError> {
        match self {
            Self::Descriptor(_) => Ok(Self::Given(self.obtain("")?)),
            _ => Ok(self),
        }
    }
}

fn read(place: impl fmt::Display, source: io::Error) -> PassphraseError {
    PassphraseError::Read {
        place: place.to_string(),
        source,
    }
}

fn open(path: &Path) -> Result<File, PassphraseError> {
    File::open(path).map_err(|source| read(path.display(), source))
}

fn first_line_of(file: File, path: &Path) -> Result<Passphrase, PassphraseError> {
    let failed = |source| read(path.display(), source);
    // Reserved at once: a buffer that grows leaves copies behind.
    let room = PASSPHRASE_BYTES_MAX + 2;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room + 1));
    file.take(room as u64)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Passphrase::first_line(&bytes)
}
