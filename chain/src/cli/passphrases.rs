//! Where commands are told to find passphrases.

use std::path::PathBuf;

use clap::Args;

use crate::keyfile::{PassphraseSource, Protection};

/// Where the passphrase is that opens a key. Never on the command line or in the environment.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct PassphraseArgs {
    /// The first line of this file (mode 0600).
    #[arg(long, value_name = "FILE", group = "passphrase")]
    passphrase_file: Option<PathBuf>,
    /// The first line of this inherited file descriptor.
    #[arg(long, value_name = "N", group = "passphrase")]
    passphrase_fd: Option<u32>,
    /// This credential of the systemd service. Default: `allod-node.passphrase` if it is there,
    /// else whoever is at the terminal.
    #[arg(long, value_name = "NAME", group = "passphrase")]
    passphrase_credential: Option<String>,
}

impl PassphraseArgs {
    /// Returns where it is said to be.
    pub(super) fn given(&self) -> Option<PassphraseSource> {
        let file = self.passphrase_file.clone().map(PassphraseSource::File);
        let descriptor = self.passphrase_fd.map(PassphraseSource::Descriptor);
        let credential = self.passphrase_credential.clone();
        file.or(descriptor)
            .or_else(|| credential.map(PassphraseSource::Credential))
    }

    /// Returns where it is: as said, else at the usual place.
    pub(super) fn source(&self) -> PassphraseSource {
        self.given().unwrap_or_else(PassphraseSource::usual)
    }
}

/// How a new key file is protected.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct NewPassphraseArgs {
    /// The first line of this file (mode 0600) becomes the passphrase.
    #[arg(long, value_name = "FILE", group = "new")]
    new_passphrase_file: Option<PathBuf>,
    /// The first line of this inherited file descriptor becomes the passphrase.
    #[arg(long, value_name = "N", group = "new")]
    new_passphrase_fd: Option<u32>,
    /// Write it unencrypted: for development networks.
    #[arg(long, group = "new")]
    plain_unsafe: bool,
}

impl NewPassphraseArgs {
    /// Returns the file that holds the new passphrase, if it is in one.
    pub(super) fn file(&self) -> Option<&PathBuf> {
        self.new_passphrase_file.as_ref()
    }

    /// Returns how to write the key of `name`, asking for a passphrase if need be.
    pub(super) fn protection(&self, name: &str) -> anyhow::Result<Protection> {
        let source = match self {
            Self {
                plain_unsafe: true, ..
            } => return Ok(Protection::PlainUnsafe),
            Self {
                new_passphrase_file: Some(path),
                ..
            } => PassphraseSource::File(path.clone()),
            Self {
                new_passphrase_fd: Some(number),
                ..
            } => PassphraseSource::Descriptor(*number),
            _ => PassphraseSource::usual(),
        };
        Ok(Protection::encrypted(source.choose(name)?))
    }
}
