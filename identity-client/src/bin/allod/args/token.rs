//! `allod token` and its arguments.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::{Registrar, Write};
use crate::amounts::{Moment, Seconds};

/// `allod token …`
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Sign a token for others to present
    Issue {
        /// Alias of the issuer
        alias: String,
        /// For whom it is: verifiers refuse it elsewhere
        #[arg(long, value_name = "URI")]
        audience: String,
        /// Whom it is about [default: the issuer]
        #[arg(long, value_name = "URI")]
        subject: Option<String>,
        /// How long it lives, at most 31d
        #[arg(long, value_name = "TIME", default_value = "1h")]
        lifetime: Seconds,
        /// A further claim; the value is JSON, or else text
        #[arg(long, value_name = "NAME=VALUE")]
        claim: Vec<String>,
    },
    /// Revoke a token on the ledger: from the next block on it is refused
    Revoke {
        /// Alias of the issuer
        alias: String,
        /// The token, or - to read it from standard input
        #[arg(required_unless_present = "jti")]
        token: Option<String>,
        /// Its jti claim, if the token itself is not at hand
        #[arg(
            long,
            requires = "exp",
            conflicts_with = "token",
            allow_hyphen_values = true
        )]
        jti: Option<String>,
        /// Its exp claim, seconds since 1970
        #[arg(long, requires = "jti")]
        exp: Option<u64>,
        #[command(flatten)]
        write: Write,
    },
    /// Ask the ledger whether a token holds; exit 1 if not
    Check {
        /// The token, or - to read it from standard input
        token: String,
        /// The name this verifier goes by [default: the token's own aud, unverified]
        #[arg(long, value_name = "URI")]
        audience: Option<String>,
        /// What the signing key must be for
        #[arg(long = "for", value_name = "PURPOSE", default_value = "assertion")]
        purpose: Purpose,
        /// Ask instead whether its signature was good at this time; allows nothing
        #[arg(long, value_name = "TIME")]
        as_of: Option<Moment>,
        /// Anchor file of the token: shows that it existed before its key was retired
        #[arg(long, value_name = "FILE", requires = "as_of")]
        evidence: Option<PathBuf>,
    },
    /// Have the ledger note that a token exists now, without telling it which
    Anchor {
        /// The token, or - to read it from standard input
        token: String,
        /// Where to write the anchor file: evidence for `token check --as-of`
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// How long the ledger keeps it, at most 3660d
        #[arg(long, value_name = "TIME", default_value = "3650d")]
        keep: Seconds,
        /// Do not send it: print the message for `allod registrar anchor`
        #[arg(long)]
        no_anchor: bool,
        #[command(flatten)]
        registrar: Registrar,
        #[command(flatten)]
        write: Write,
    },
}

/// What a signing key is for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Purpose {
    /// Logging in
    Authentication,
    /// Issuing tokens
    Assertion,
    /// Using a grant
    Invocation,
    /// Issuing a grant
    Delegation,
}
