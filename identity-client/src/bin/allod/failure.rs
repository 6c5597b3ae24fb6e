//! How a command fails: exit code, name, message, hint.

use std::path::Path;

use allod_identity_client::anchors::AnchorError;
use allod_identity_client::grants::GrantError;
use allod_identity_client::jwt::TokenError;
use allod_identity_client::keys::KeyFileError;
use allod_identity_client::operation::BuildError;
use allod_identity_client::rpc::{AccessError, ClientError, Refusal};
use serde_json::{Value, json};

/// Exit codes of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The ledger, or a check here, says no.
    Negative,
    /// The command makes no sense as it was typed.
    Usage,
    /// It may work later or elsewhere.
    Unavailable,
    /// Our fault.
    Bug,
    /// None: the request was asked for instead of its effect, and is the message.
    Printed,
}

impl Exit {
    /// Returns the number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Negative => 1,
            Self::Usage => 2,
            Self::Unavailable => 3,
            Self::Bug => 70,
            Self::Printed => 0,
        }
    }
}

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub exit: Exit,
    /// The row of the table of codes, where a node named one.
    pub code: Option<i32>,
    pub slug: String,
    pub message: String,
    pub hint: String,
}

impl Failure {
    pub(crate) fn new(
        exit: Exit,
        slug: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            exit,
            code: None,
            slug: slug.into(),
            message: message.into(),
            hint: hint.into(),
        }
    }

    pub(crate) fn negative(
        slug: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::new(Exit::Negative, slug, message, hint)
    }

    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message, hint)
    }

    pub(crate) fn unavailable(slug: &str, message: impl Into<String>) -> Self {
        Self::new(Exit::Unavailable, slug, message, "try again")
    }

    /// A file that is neither a key file nor a grant.
    pub(crate) fn file(path: &Path, error: &std::io::Error) -> Self {
        let message = format!("cannot read {}: {error}", path.display());
        Self::usage(message, "check the path; - stands for standard input")
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "error": {
            "code": self.code,
            "slug": self.slug,
            "message": self.message,
            "hint": self.hint,
        }})
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        let exit = match &error {
            KeyFileError::NotFound { .. }
            | KeyFileError::AlreadyExists { .. }
            | KeyFileError::Alias { .. }
            | KeyFileError::NoTerminal
            | KeyFileError::PassphrasesDiffer
            | KeyFileError::EmptyPassphrase => Exit::Usage,
            KeyFileError::Io { .. } | KeyFileError::Locked { .. } | KeyFileError::Entropy => {
                Exit::Unavailable
            }
            _ => Exit::Negative,
        };
        Self::new(exit, error.slug(), error.to_string(), error.hint())
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        let hint = match &error {
            BuildError::Nothing => "say what to change; --help lists what can be",
            BuildError::NoKey => "the identity file holds no key of that rank",
            _ => "change the argument; docs/cli.md lists the maxima",
        };
        Self::new(Exit::Usage, "build.invalid", error.to_string(), hint)
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Entropy(error) => error.into(),
            error => Self::new(
                Exit::Usage,
                "token.invalid",
                error.to_string(),
                error.hint(),
            ),
        }
    }
}

impl From<AnchorError> for Failure {
    fn from(error: AnchorError) -> Self {
        match error {
            AnchorError::File(error) => error.into(),
            error => Self::new(
                Exit::Usage,
                "anchor.invalid",
                error.to_string(),
                error.hint(),
            ),
        }
    }
}

impl From<GrantError> for Failure {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::File(error) => error.into(),
            error => Self::new(
                Exit::Usage,
                "grant.invalid",
                error.to_string(),
                error.hint(),
            ),
        }
    }
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        let hint = "an API key is one word; a file of authorities is PEM";
        Self::usage(error.to_string(), hint)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let (code, exit) = match &error {
            ClientError::Endpoint { .. } | ClientError::NoEndpoint => (None, Exit::Usage),
            ClientError::Refused(refusal) => return refusal.clone().into(),
            _ => (None, Exit::Unavailable),
        };
        Self {
            code,
            ..Self::new(exit, error.slug(), error.to_string(), error.hint())
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let exit = if refusal.is_unavailable() {
            Exit::Unavailable
        } else {
            Exit::Negative
        };
        let message = refusal.to_string();
        Self {
            code: Some(refusal.code),
            ..Self::new(exit, &refusal.slug, message, refusal.hint)
        }
    }
}
