//! `allod grant` and its arguments.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Registrar, Write};
use crate::amounts::Seconds;

/// `allod grant …`
#[derive(Debug, Subcommand)]
pub(crate) enum GrantCommand {
    /// Sign a grant, anchor it through a registrar, and write its file
    Issue(Box<GrantIssueArgs>),
    /// Revoke a grant on the ledger: from the next block on it is refused
    Revoke {
        /// Alias of who issued it
        alias: String,
        /// File or identifier of the grant
        grant: String,
        #[command(flatten)]
        write: Write,
    },
    /// Ask the ledger whether a grant allows an access; exit 1 if not
    Check(Box<GrantCheckArgs>),
    /// Show what a grant file says
    Show {
        /// File or identifier of the grant
        grant: String,
    },
}

/// `allod grant issue`
#[derive(Debug, Args)]
pub(crate) struct GrantIssueArgs {
    /// Alias of who grants
    pub alias: String,
    /// Who is granted
    #[arg(long, value_name = "ALIAS|DID|URI")]
    pub to: String,
    /// What on; one that ends in / covers what is below it
    #[arg(long, value_name = "URI", required = true)]
    pub resource: Vec<String>,
    /// What to do: read, create, modify, delete, control, all
    #[arg(long, value_delimiter = ',', required = true)]
    pub action: Vec<String>,
    /// How long
    #[arg(long, value_name = "TIME", default_value = "30d")]
    pub lifetime: Seconds,
    /// Only through this client
    #[arg(long, value_name = "URI")]
    pub client: Vec<String>,
    /// Only for this purpose
    #[arg(long, value_name = "URI")]
    pub purpose: Vec<String>,
    /// Only for this media type
    #[arg(long, value_name = "TYPE")]
    pub media_type: Vec<String>,
    /// How many further delegations are allowed
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub delegations: u8,
    /// Delegate from this grant, which was given to this identity
    #[arg(long, value_name = "GRANT")]
    pub from: Option<String>,
    /// Where to write the grant file [default: grants/ in the home folder]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Do not anchor it: print the message for `allod registrar anchor`
    #[arg(long)]
    pub no_anchor: bool,
    #[command(flatten)]
    pub registrar: Registrar,
    #[command(flatten)]
    pub write: Write,
}

/// `allod grant check`
#[derive(Debug, Args)]
pub(crate) struct GrantCheckArgs {
    /// File or identifier of the grant
    pub grant: String,
    /// Who asks
    #[arg(long, value_name = "ALIAS|DID|URI")]
    pub subject: String,
    /// What to do: read, create, modify, delete or control
    #[arg(long)]
    pub action: String,
    /// What on
    #[arg(long, value_name = "URI")]
    pub resource: String,
    /// Whose it is [default: who the grant says gave it]
    #[arg(long, value_name = "ALIAS|DID")]
    pub owner: Option<String>,
    /// The client in use
    #[arg(long, value_name = "URI")]
    pub client: Option<String>,
    /// The purpose stated
    #[arg(long, value_name = "URI")]
    pub purpose: Option<String>,
    /// The media type of what is asked for
    #[arg(long, value_name = "TYPE")]
    pub media_type: Option<String>,
}
