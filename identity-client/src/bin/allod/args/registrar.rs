//! `allod registrar` and its arguments.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Registrar, Write};
use crate::amounts::Seconds;

/// `allod registrar …`
#[derive(Debug, Subcommand)]
pub(crate) enum RegistrarCommand {
    /// Vouch for a new identity: prints what `allod did create --voucher` takes
    Voucher {
        /// DID of the new identity
        did: String,
        /// How long it is good, at most 31d
        #[arg(long, value_name = "TIME", default_value = "1h")]
        lifetime: Seconds,
        #[command(flatten)]
        registrar: Registrar,
    },
    /// Send signed operations of others in one batch
    Batch {
        /// File with one operation a line (SCALE, hexadecimal), or - for standard input
        file: PathBuf,
        #[command(flatten)]
        registrar: Registrar,
        #[command(flatten)]
        write: Write,
    },
    /// Anchor grants of others in one batch
    Anchor {
        /// File with one message a line (SCALE, hexadecimal), or - for standard input
        file: PathBuf,
        #[command(flatten)]
        registrar: Registrar,
        #[command(flatten)]
        write: Write,
    },
}
