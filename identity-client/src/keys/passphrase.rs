//! Passphrases and where they come from.

use std::fmt;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::KeyFileError;
use super::atomic::{FILE_BYTES_MAX, read_private};

/// A passphrase: never printed, and zeroed when dropped.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes `text` as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

/// What a passphrase is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To encrypt: asked for twice.
    New,
    /// To decrypt: asked for once.
    Unlock,
}

/// Where to get a passphrase.
#[derive(Clone, Debug)]
pub enum PassphraseSource {
    /// From the terminal, without echo.
    Terminal,
    /// The first line of a file that only its owner may read.
    File(PathBuf),
    /// This one.
    Given(Passphrase),
}

impl PassphraseSource {
    /// Returns the passphrase for `name`, which the prompt mentions.
    ///
    /// # Errors
    /// [`KeyFileError::NoTerminal`] if nobody can be asked, [`KeyFileError::PassphrasesDiffer`]
    /// and [`KeyFileError::EmptyPassphrase`] for a new one, or why the file cannot be read.
    pub fn obtain(&self, purpose: Purpose, name: &str) -> Result<Passphrase, KeyFileError> {
        let passphrase = match self {
            Self::Terminal => ask(purpose, name)?,
            Self::File(path) => {
                let bytes = read_private(path, FILE_BYTES_MAX)?;
                let text = String::from_utf8_lossy(&bytes);
                Passphrase::new(text.lines().next().unwrap_or_default())
            }
            Self::Given(passphrase) => passphrase.clone(),
        };
        if purpose == Purpose::New && passphrase.as_bytes().is_empty() {
            return Err(KeyFileError::EmptyPassphrase);
        }
        Ok(passphrase)
    }
}

fn ask(purpose: Purpose, name: &str) -> Result<Passphrase, KeyFileError> {
    if !io::stdin().is_terminal() {
        return Err(KeyFileError::NoTerminal);
    }
    let prompt = |text: String| {
        rpassword::prompt_password(text)
            .map(Passphrase::new)
            .map_err(|_| KeyFileError::NoTerminal)
    };
    match purpose {
        Purpose::Unlock => prompt(format!("passphrase of {name}: ")),
        Purpose::New => {
            let first = prompt(format!("new passphrase for {name}: "))?;
            let second = prompt("the same again: ".into())?;
            if first.as_bytes() == second.as_bytes() {
                Ok(first)
            } else {
                Err(KeyFileError::PassphrasesDiffer)
            }
        }
    }
}
