//! What can go wrong with a key file.

use std::io;
use std::path::PathBuf;

use crate::hex::NotHex;

/// Why a key file could not be read, opened or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// No such file.
    #[error("no key file {}", .path.display())]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file that must not be overwritten is there already.
    #[error("{} already exists", .path.display())]
    AlreadyExists {
        /// Which file.
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
    /// Another process is changing the same identity.
    #[error("{} is in use by another process", .path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// Not JSON of the expected form.
    #[error("{} is not a key file: {source}", .path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// JSON of the expected form whose content contradicts itself.
    #[error("{} is damaged: {what}", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Which rule it breaks.
        what: &'static str,
    },
    /// Larger than any key file is.
    #[error("{} has more than {max} bytes", .path.display())]
    TooLong {
        /// Which file.
        path: PathBuf,
        /// How many bytes a key file may have.
        max: u64,
    },
    /// Written by a later version of this software.
    #[error("{} has version {found}, this software reads {known}", .path.display())]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// A key file of another kind.
    #[error("{} holds a key of kind {found}, not {wanted}", .path.display())]
    Kind {
        /// Which file.
        path: PathBuf,
        /// What it holds.
        found: String,
        /// What was needed.
        wanted: &'static str,
    },
    /// The passphrase is wrong, or the file was changed.
    #[error("wrong passphrase, or the file was changed")]
    WrongPassphrase,
    /// A passphrase is needed and there is nobody to ask.
    #[error("a passphrase is needed and there is no terminal to ask for it")]
    NoTerminal,
    /// A new passphrase was typed differently the second time.
    #[error("the two passphrases differ")]
    PassphrasesDiffer,
    /// A new passphrase without a single character.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// Parameters of the key derivation that nobody would choose.
    #[error("key derivation parameters are out of range")]
    KdfParameters,
    /// The system has no randomness.
    #[error("the system has no randomness")]
    Entropy,
    /// A name that cannot be a file name.
    #[error("alias {alias:?} is not 1 to 64 of A-Z a-z 0-9 - _ .")]
    Alias {
        /// The name.
        alias: String,
    },
    /// Hexadecimal digits were expected.
    #[error("{field}: {source}")]
    Hex {
        /// Which field.
        field: &'static str,
        /// What was expected.
        source: NotHex,
    },
}

impl KeyFileError {
    /// Returns a short name that scripts can rely on.
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "key.not_found",
            Self::AlreadyExists { .. } => "key.already_exists",
            Self::OpenToOthers { .. } => "key.open_to_others",
            Self::Io { .. } => "key.io",
            Self::Locked { .. } => "key.locked",
            Self::Malformed { .. } | Self::TooLong { .. } | Self::Hex { .. } => "key.malformed",
            Self::Damaged { .. } => "key.damaged",
            Self::Version { .. } => "key.version",
            Self::Kind { .. } => "key.kind",
            Self::WrongPassphrase => "key.wrong_passphrase",
            Self::NoTerminal => "key.no_terminal",
            Self::PassphrasesDiffer => "key.passphrases_differ",
            Self::EmptyPassphrase => "key.empty_passphrase",
            Self::KdfParameters => "key.kdf_parameters",
            Self::Entropy => "key.entropy",
            Self::Alias { .. } => "key.alias",
        }
    }

    /// Says what to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::NotFound { .. } => {
                "`allod did list` shows the identities here; --home points elsewhere".into()
            }
            Self::AlreadyExists { .. } => "choose another name, or move that file away".into(),
            Self::OpenToOthers { path, .. } => {
                format!(
                    "chmod 600 {}; if others may have read it, rotate",
                    path.display()
                )
            }
            Self::Io { .. } => "check the path, its owner and the free space".into(),
            Self::Locked { .. } => "wait for the other command to finish, then repeat".into(),
            Self::Malformed { .. } | Self::TooLong { .. } | Self::Hex { .. } => {
                "`allod key new` makes a key file; was this one edited?".into()
            }
            Self::Damaged { .. } => "restore the file from a backup".into(),
            Self::Version { .. } => "update allod".into(),
            Self::Kind { .. } => "`allod key show FILE` says what a key file holds".into(),
            Self::WrongPassphrase => {
                "try again; there is no way around a lost passphrase but recovery".into()
            }
            Self::NoTerminal => "set ALLOD_PASSPHRASE or give --passphrase-file; in development, \
                                 --unsafe-plain writes key files without one"
                .into(),
            Self::PassphrasesDiffer => "type the same one twice".into(),
            Self::EmptyPassphrase => {
                "choose one; --unsafe-plain writes a key file without (development only)".into()
            }
            Self::KdfParameters => "the file was not written by allod; do not trust it".into(),
            Self::Entropy => "check that /dev/urandom exists".into(),
            Self::Alias { .. } => "choose a short name such as alice".into(),
        }
    }
}
