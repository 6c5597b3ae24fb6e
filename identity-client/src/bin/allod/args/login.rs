//! `allod login` and its arguments.

use std::path::PathBuf;

use clap::Subcommand;

use crate::amounts::Seconds;

/// `allod login …`
#[derive(Debug, Subcommand)]
pub(crate) enum LoginCommand {
    /// Make a challenge, as a service would
    Challenge {
        /// The name the service goes by
        #[arg(long, value_name = "URI")]
        audience: String,
        /// How long it may be answered, at most 15m
        #[arg(long, value_name = "TIME", default_value = "2m")]
        lifetime: Seconds,
    },
    /// Answer a challenge: prints a JWT
    Answer {
        /// Alias
        alias: String,
        /// File of the challenge, or - for standard input
        #[arg(long, value_name = "FILE")]
        challenge: PathBuf,
        /// Sign with the method of this fragment, even a retired one
        #[arg(long, value_name = "FRAGMENT")]
        key: Option<String>,
    },
    /// Judge an answer, as a service would; exit 1 if it is denied
    Verify {
        /// File of the challenge
        #[arg(long, value_name = "FILE")]
        challenge: PathBuf,
        /// The answer, or - to read it from standard input
        answer: String,
    },
}
