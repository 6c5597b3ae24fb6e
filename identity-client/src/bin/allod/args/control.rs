//! Arguments of the commands that change control.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Protect, Write};
use crate::amounts::{Moment, Seconds};

/// `allod did cancel`
#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// Alias, or with the sheet a DID
    #[arg(value_name = "ALIAS|DID")]
    pub who: String,
    /// Id of the pending change, or its first digits
    #[arg(required_unless_present = "all")]
    pub id: Option<String>,
    /// Cancel everything that waits
    #[arg(long, conflicts_with = "id")]
    pub all: bool,
    /// Read the recovery sheet from this file, or - to type it
    #[arg(long, value_name = "FILE")]
    pub sheet: Option<PathBuf>,
    #[command(flatten)]
    pub write: Write,
}

/// `allod did policy …`
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Show who may change an identity, and what they may do
    Show {
        /// Alias or DID
        #[arg(value_name = "ALIAS|DID")]
        who: String,
    },
    /// Change who may; says first whether it takes effect at once or waits
    Set(Box<PolicySetArgs>),
}

/// `allod did policy set`
#[derive(Debug, Args)]
pub(crate) struct PolicySetArgs {
    /// Alias
    pub alias: String,
    /// Let this key do daily work: in rank 1, which can change nothing above it
    #[arg(long, value_name = "KEY")]
    pub add_device: Vec<String>,
    /// Take a device's key out of rank 1
    #[arg(long, value_name = "KEY")]
    pub remove_device: Vec<String>,
    /// The keys of a rank, all of them, with weights
    #[arg(long, value_name = "RANK=KEY[*WEIGHT],…")]
    pub keys: Vec<String>,
    /// The weight that must sign for a rank
    #[arg(long, value_name = "RANK=WEIGHT")]
    pub threshold: Vec<String>,
    /// What a rank may do: document, tokens, propose, cancel, none
    #[arg(long, value_name = "RANK=NAME,…")]
    pub may: Vec<String>,
    /// Make a rank vacant
    #[arg(long, value_name = "RANK")]
    pub vacate: Vec<u8>,
    /// How long proposals wait
    #[arg(long, value_name = "TIME")]
    pub delay: Option<Seconds>,
    /// Make a new recovery sheet; one before it is void from then on
    #[arg(long)]
    pub new_sheet: bool,
    /// Have no recovery sheet any more
    #[arg(long, conflicts_with = "new_sheet")]
    pub no_sheet: bool,
    /// Have no guardians any more
    #[arg(long)]
    pub no_guardians: bool,
    /// Write the new sheet to this file instead of showing it
    #[arg(long, value_name = "FILE")]
    pub sheet_out: Option<PathBuf>,
    /// Sign with the recovery sheet in this file, or - to type it
    #[arg(long, value_name = "FILE")]
    pub sheet: Option<PathBuf>,
    /// Only say what would happen
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub write: Write,
}

/// `allod did guardians …`
#[derive(Debug, Subcommand)]
pub(crate) enum GuardiansCommand {
    /// Choose guardians, and write an invitation for each
    Invite(InviteArgs),
    /// As a guardian: accept an invitation; prints the answer for the owner
    Accept {
        /// File or text of the invitation
        invitation: String,
        /// Key file of the guardian (`allod key new`) [default: guardian.json in the home folder]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Take in a guardian's answer
    Answer {
        /// Alias
        alias: String,
        /// Files or texts of answers
        #[arg(required = true)]
        answers: Vec<String>,
    },
    /// Show who has answered, and whether the ledger knows them
    Status {
        /// Alias
        alias: String,
    },
    /// Put the invited guardians on the ledger, once enough of them have answered
    Set(GuardiansSetArgs),
}

/// `allod did guardians invite`
#[derive(Debug, Args)]
pub(crate) struct InviteArgs {
    /// Alias
    pub alias: String,
    /// A guardian: a name for yourself and the public key that `allod key new` printed
    #[arg(long, value_name = "NAME=KEY[*WEIGHT]", required = true)]
    pub guardian: Vec<String>,
    /// The weight that recovers
    #[arg(long, value_name = "WEIGHT")]
    pub threshold: u32,
    /// How long a recovery waits, in which you can stop it
    #[arg(long, value_name = "TIME", default_value = "72h")]
    pub delay: Seconds,
    /// Folder for the invitations
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub out: PathBuf,
}

/// `allod did guardians set`
#[derive(Debug, Args)]
pub(crate) struct GuardiansSetArgs {
    /// Alias
    pub alias: String,
    /// Do not wait for answers
    #[arg(long)]
    pub unanswered: bool,
    /// Sign with the recovery sheet in this file, or - to type it
    #[arg(long, value_name = "FILE")]
    pub sheet: Option<PathBuf>,
    /// Only say what would happen
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub write: Write,
}

/// `allod did recover …`
#[derive(Debug, Subcommand)]
pub(crate) enum RecoverCommand {
    /// With the recovery sheet: make new keys on this machine and put them in force at once
    Sheet(RecoverSheetArgs),
    /// Without it: make new keys on this machine, and a request for the guardians
    Request(RecoverRequestArgs),
    /// As a guardian, or as one of several: read an operation and sign it
    Approve(ApproveArgs),
    /// Send an operation that enough have signed; anybody can
    Submit {
        /// Files or texts of the operation; signatures of several are put together
        #[arg(required = true)]
        files: Vec<String>,
        #[command(flatten)]
        write: Write,
    },
    /// As guardians: begin to cancel what waits
    Stop {
        /// DID of the identity
        did: String,
        /// Id of the pending change
        id: String,
        /// Where to write the operation
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// After the delay: put a login key of this machine into the document
    Finish {
        /// Alias
        alias: String,
        #[command(flatten)]
        write: Write,
    },
}

/// `allod did recover sheet`
#[derive(Debug, Args)]
pub(crate) struct RecoverSheetArgs {
    /// DID of the identity
    pub did: String,
    /// A name for it on this machine
    pub alias: String,
    /// File of the recovery sheet, or - to type it
    #[arg(long, value_name = "FILE")]
    pub sheet: PathBuf,
    /// Somebody else may have had the old keys since then
    #[arg(long, value_name = "TIME")]
    pub compromised_since: Option<Moment>,
    #[command(flatten)]
    pub protect: Protect,
    #[command(flatten)]
    pub write: Write,
}

/// `allod did recover request`
#[derive(Debug, Args)]
pub(crate) struct RecoverRequestArgs {
    /// DID of the identity
    pub did: String,
    /// A name for it on this machine
    pub alias: String,
    /// Have no recovery sheet
    #[arg(long)]
    pub no_sheet: bool,
    /// Write the new recovery sheet to this file instead of showing it
    #[arg(long, value_name = "FILE", conflicts_with = "no_sheet")]
    pub sheet_out: Option<PathBuf>,
    /// Where to write the request
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub protect: Protect,
}

/// `allod did recover approve`
#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    /// File of the operation; the signature is added to it
    pub file: PathBuf,
    /// Key file of the guardian [default: guardian.json in the home folder], or of the rank
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The invitation [default: the one accepted here]
    #[arg(long, value_name = "FILE")]
    pub invitation: Option<String>,
    /// Sign with the control keys of this identity instead of a guardian's
    #[arg(long, value_name = "ALIAS", conflicts_with_all = ["key", "invitation"])]
    pub alias: Option<String>,
    /// I have read what it does, and spoken with the owner
    #[arg(long)]
    pub yes: bool,
}

/// `allod watch`
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Aliases or DIDs [default: all identities of the home folder]
    #[arg(value_name = "ALIAS|DID")]
    pub who: Vec<String>,
    /// Begin with this entry of the log [default: the one after the last that was told here]
    #[arg(long, value_name = "NUMBER")]
    pub from: Option<u64>,
    /// Run this shell command for each event, which is JSON on its standard input
    #[arg(long, value_name = "COMMAND")]
    pub exec: Option<String>,
    /// End after so many events
    #[arg(long, value_name = "NUMBER")]
    pub count: Option<u64>,
}
