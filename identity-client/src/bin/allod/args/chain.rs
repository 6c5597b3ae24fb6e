//! `allod chain` and its arguments.

use clap::Subcommand;

/// `allod chain …`
#[derive(Debug, Subcommand)]
pub(crate) enum ChainCommand {
    /// Show the network and where it stands; exit 3 if it is out of reach
    Status,
    /// Show who certifies blocks, now and next, and which other peers are admitted
    Validators,
}
