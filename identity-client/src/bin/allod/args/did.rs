//! `allod did` and its arguments.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{
    CancelArgs, GuardiansCommand, PolicyCommand, Protect, RecoverCommand, Registrar, Write,
};
use crate::amounts::{LogEnd, Moment, Seconds};

/// `allod did …`
#[derive(Debug, Subcommand)]
pub(crate) enum DidCommand {
    /// Make keys, and put a new identity on the ledger
    Create(CreateArgs),
    /// Replace the control key and the login method by new ones
    Rotate(RotateArgs),
    /// Change services, other names and controllers
    Update(UpdateArgs),
    /// Log out everywhere: tokens issued so far are void from then on
    Logout(LogoutArgs),
    /// Show an identity's document
    Resolve {
        /// Alias or DID
        #[arg(value_name = "ALIAS|DID")]
        who: String,
        /// As it was at this height (recent ones only)
        #[arg(long)]
        height: Option<u64>,
        /// As it was in this version, however old; checked against the present log
        #[arg(long, value_name = "COUNT-HEAD", conflicts_with_all = ["height", "version_time"])]
        version_id: Option<LogEnd>,
        /// As it was at this time
        #[arg(long, value_name = "TIME", conflicts_with = "height")]
        version_time: Option<Moment>,
    },
    /// Show the log of an identity
    History {
        /// Alias or DID
        #[arg(value_name = "ALIAS|DID")]
        who: String,
        /// First entry
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// How many entries, 1 to 256 [default: 64]
        #[arg(long)]
        count: Option<u32>,
    },
    /// End an identity for good
    Deactivate {
        /// Alias
        alias: String,
        /// Confirm: nothing brings it back
        #[arg(long)]
        yes: bool,
        /// Sign with the recovery sheet in this file, or - to type it
        #[arg(long, value_name = "FILE")]
        sheet: Option<PathBuf>,
        #[command(flatten)]
        write: Write,
    },
    /// Show changes of control that wait, and until when they can be stopped
    Pending {
        /// Alias or DID
        #[arg(value_name = "ALIAS|DID")]
        who: String,
    },
    /// Stop a change that waits
    Cancel(CancelArgs),
    /// Show and change who may change an identity
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Have people who together can give the identity back
    #[command(subcommand)]
    Guardians(GuardiansCommand),
    /// Take an identity back after loss or theft
    #[command(subcommand)]
    Recover(RecoverCommand),
    /// Write the whole history of an identity to a file
    Export {
        /// Alias or DID
        #[arg(value_name = "ALIAS|DID")]
        who: String,
        /// Where to
        file: PathBuf,
    },
    /// Replay an exported history offline: every signature, every rule; exit 1 if something is wrong
    #[command(alias = "verify")]
    VerifyLog {
        /// File of the history
        file: PathBuf,
        /// Ask the ledger how the log ends, and compare
        #[arg(long)]
        ledger: bool,
        /// How the log ends, if you know it: the versionId of a document that you verified
        #[arg(long, value_name = "COUNT-HEAD", conflicts_with = "ledger")]
        head: Option<LogEnd>,
    },
    /// List the identities of the home folder
    List,
}

/// `allod did create`
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// A name for it on this machine
    pub alias: String,
    /// A voucher that a registrar has given (`allod registrar voucher`)
    #[arg(long, value_name = "HEX", conflicts_with = "sponsored")]
    pub voucher: Option<String>,
    /// Have the registrar send it in a batch of its own instead of vouching
    #[arg(long)]
    pub sponsored: bool,
    /// Make a recovery sheet: a thief of this machine's keys then cannot take the identity
    #[arg(long)]
    pub recoverable: bool,
    /// Write the recovery sheet to this file instead of showing it
    #[arg(long, value_name = "FILE", requires = "recoverable")]
    pub sheet_out: Option<PathBuf>,
    /// Add a second key, below the first, for daily work
    #[arg(long)]
    pub device_rank: bool,
    /// How long changes of control wait that have to [default: 72h]
    #[arg(long, value_name = "TIME")]
    pub delay: Option<Seconds>,
    #[command(flatten)]
    pub registrar: Registrar,
    #[command(flatten)]
    pub protect: Protect,
    #[command(flatten)]
    pub write: Write,
}

/// `allod did rotate`
#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// Alias
    pub alias: String,
    /// Somebody else may have had the old keys since then (`now`, seconds since 1970, or RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub compromised_since: Option<Moment>,
    /// Sign with the recovery sheet in this file, or - to type it: at once, whoever has the keys
    #[arg(long, value_name = "FILE")]
    pub sheet: Option<PathBuf>,
    /// Make a new recovery sheet; the one before is void from then on
    #[arg(long)]
    pub new_sheet: bool,
    /// Write the new sheet to this file instead of showing it
    #[arg(long, value_name = "FILE", requires = "new_sheet")]
    pub sheet_out: Option<PathBuf>,
    #[command(flatten)]
    pub write: Write,
}

/// `allod did update`
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// Alias
    pub alias: String,
    /// Add or replace a service
    #[arg(long, value_name = "FRAGMENT=TYPE=URI[,URI]")]
    pub service: Vec<String>,
    /// Remove a service
    #[arg(long, value_name = "FRAGMENT")]
    pub remove_service: Vec<String>,
    /// Other names, all of them (the ones before are replaced)
    #[arg(long, value_name = "URI")]
    pub also_known_as: Vec<String>,
    /// Remove all other names
    #[arg(long, conflicts_with = "also_known_as")]
    pub no_also_known_as: bool,
    /// Identities that may also log in as this one, all of them (the ones before are replaced)
    #[arg(long, value_name = "DID")]
    pub controller: Vec<String>,
    /// Remove all controllers
    #[arg(long, conflicts_with = "controller")]
    pub no_controller: bool,
    #[command(flatten)]
    pub write: Write,
}

/// `allod did logout`
#[derive(Debug, Args)]
pub(crate) struct LogoutArgs {
    /// Alias
    pub alias: String,
    /// Void all grants given so far too
    #[arg(long)]
    pub void_grants: bool,
    #[command(flatten)]
    pub write: Write,
}
