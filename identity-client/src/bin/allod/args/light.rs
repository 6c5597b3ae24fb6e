//! `allod light` and its arguments.

use clap::Subcommand;

/// `allod light …`
#[derive(Debug, Subcommand)]
pub(crate) enum LightCommand {
    /// Show which blocks are trusted, since when, and why nothing is answered if that is so
    Status,
    /// Check the newest block and print it as a checkpoint, for others to start from
    Checkpoint,
    /// Forget which blocks are trusted: start anew, from genesis or --checkpoint
    Reset {
        /// Put aside the evidence of two histories that stops all answers
        #[arg(long)]
        unfreeze: bool,
    },
}
