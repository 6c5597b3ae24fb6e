//! How commands say what they did and why they failed.

use std::fmt;
use std::io::{self, Write as _};

use crate::node::ExitCode;

/// Prints a line of a command's data, as `println!` does, but lets a reader close the pipe.
macro_rules! say {
    ($($part:tt)*) => {
        $crate::cli::output::line(::core::format_args!($($part)*))
    };
}
pub(super) use say;

/// Prints a line. Who does not read on, as `head`, has what it wanted.
pub(super) fn line(text: fmt::Arguments<'_>) {
    if let Err(error) = writeln!(io::stdout(), "{text}")
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        eprintln!("allod-node: error: cannot write to standard output: {error}");
    }
}

/// Returns an error and its causes in words. A cause that the words before it hold already, as
/// with errors that name a file and what the system said of it, is not said twice.
fn in_words(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if words.is_empty() {
            words = cause;
        } else if !words.ends_with(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}

/// Why a command failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// What the process says with its exit code.
    pub(super) code: ExitCode,
    /// What happened.
    pub(super) message: String,
    /// What to do about it.
    pub(super) hint: Option<String>,
}

impl Failure {
    pub(super) const fn new(code: ExitCode, message: String) -> Self {
        Self {
            code,
            message,
            hint: None,
        }
    }
}

/// A command that fails before anything is started was told something wrong.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(ExitCode::Usage, in_words(&error))
    }
}

/// Says why a command failed, on standard error.
pub(super) fn complain(failure: &Failure) -> ExitCode {
    eprintln!("allod-node: error: {}", failure.message);
    if let Some(hint) = &failure.hint {
        eprintln!("hint: {hint}");
    }
    failure.code
}

/// Prints a command's data as one JSON object on lines of its own.
pub(super) fn print_json(value: &serde_json::Value) {
    line(format_args!("{value:#}"));
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let read = || -> anyhow::Result<()> {
            let error = crate::config::NodeConfig::read("/no/such/file".as_ref());
            error.map(drop).context("reading the configuration")
        };
        let told = in_words(&read().unwrap_err());
        assert_eq!(told.matches("No such file").count(), 1, "{told}");
        assert!(told.starts_with("reading the configuration: /no/such/file: "));
        let other = anyhow::anyhow!("inner").context("outer");
        assert_eq!(in_words(&other), "outer: inner");
    }
}
