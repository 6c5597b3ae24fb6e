//! `allod key` and its arguments.

use std::path::PathBuf;

use clap::Subcommand;

use super::Protect;

/// `allod key …`
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key file: of a registrar or trustee, of a guardian, of a rank of a policy
    New {
        /// Where to write it
        file: PathBuf,
        /// Type of the key; registrars and trustees need ed25519
        #[arg(
            long = "type",
            value_name = "TYPE",
            default_value = "ed25519",
            value_parser = ["ed25519", "p256", "secp256k1"]
        )]
        key_type: String,
        #[command(flatten)]
        protect: Protect,
    },
    /// Show what a key file or an identity of the home folder holds, without its secrets
    Show {
        /// Alias or file
        #[arg(value_name = "ALIAS|FILE")]
        what: String,
    },
}
