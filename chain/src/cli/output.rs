//! How commands say what they did and why they failed.

use crate::node::ExitCode;

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
        Self::new(ExitCode::Usage, format!("{error:#}"))
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
    println!("{value:#}");
}
