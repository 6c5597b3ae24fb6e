//! Arguments of `allod gov …`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::amounts::{Moment, Seconds};
use crate::args::Write;

/// Which trustee acts.
#[derive(Debug, Args)]
pub(crate) struct Trustee {
    /// Key file of a trustee [default: trustee.json in the home folder]
    #[arg(
        long,
        value_name = "FILE",
        env = "ALLOD_TRUSTEE_KEY",
        hide_env_values = true
    )]
    pub trustee_key: Option<PathBuf>,
}

/// `allod gov …`
#[derive(Debug, Subcommand)]
pub(crate) enum GovCommand {
    /// Show who decides, what it takes, and the network's parameters
    Status,
    /// List what is proposed, and what is approved and waits
    List,
    /// Show what a proposal says, and how it stands
    Show {
        /// Its number
        proposal: u32,
    },
    /// Propose something, and vote for it
    Propose(Box<ProposeArgs>),
    /// Vote for what a proposal says
    Vote {
        /// Its number
        proposal: u32,
        /// Vote only if this is its hash, which you computed or were told by somebody you trust
        #[arg(long, value_name = "HEX")]
        hash: Option<String>,
        #[command(flatten)]
        trustee: Trustee,
        #[command(flatten)]
        write: Write,
    },
    /// Vote against an approved proposal that waits; enough of these cancel it
    Veto {
        /// Its number
        proposal: u32,
        #[command(flatten)]
        trustee: Trustee,
        #[command(flatten)]
        write: Write,
    },
    /// Take back an open proposal of yours
    Withdraw {
        /// Its number
        proposal: u32,
        #[command(flatten)]
        trustee: Trustee,
        #[command(flatten)]
        write: Write,
    },
}

/// `allod gov propose`
#[derive(Debug, Args)]
pub(crate) struct ProposeArgs {
    /// How long it can be voted for, at most 31d
    #[arg(long, value_name = "TIME", default_value = "7d", global = true)]
    pub open_for: Seconds,
    /// Key file of a trustee [default: trustee.json in the home folder]
    #[arg(
        long,
        value_name = "FILE",
        env = "ALLOD_TRUSTEE_KEY",
        hide_env_values = true,
        global = true
    )]
    pub trustee_key: Option<PathBuf>,
    /// Return as soon as a node has accepted it; it can still be lost
    #[arg(long, global = true)]
    pub no_wait: bool,
    /// Print the JSON-RPC request, for curl, and send nothing
    #[arg(long, global = true)]
    pub print_request: bool,
    /// Show what it would do and what it takes, and send nothing; needs no key
    #[arg(long, global = true, conflicts_with_all = ["no_wait", "print_request"])]
    pub dry_run: bool,
    #[command(subcommand)]
    pub action: Proposed,
}

/// What can be proposed.
#[derive(Debug, Subcommand)]
pub(crate) enum Proposed {
    /// Make an account a registrar, change its budget, or end its role
    Registrar {
        /// The account's public key
        account: String,
        /// Items it may pay for on one day; 0 ends the role
        #[arg(long)]
        items_per_day: u32,
    },
    /// Change how new identities are taken in
    Admission {
        /// Whether a registrar's voucher admits
        #[arg(long, value_name = "yes|no")]
        vouchers: YesNo,
        /// Bits of work that admit; development networks only
        #[arg(long)]
        work_bits: Option<u8>,
    },
    /// Replace, add or remove a validator
    Validator(ValidatorArgs),
    /// Admit a peer that does not vote, or shut one out
    Observer {
        /// Peer identity to admit, as its node prints it
        #[arg(
            long,
            value_name = "PEER",
            requires = "address",
            required_unless_present = "remove"
        )]
        admit: Option<String>,
        /// Where its consensus listens, a multiaddr such as /ip4/192.0.2.7/tcp/30333
        #[arg(long, requires = "admit")]
        address: Option<String>,
        /// Peer identity to shut out
        #[arg(long, value_name = "PEER", conflicts_with = "admit")]
        remove: Option<String>,
    },
    /// Stop the logins of an identity for a time; nothing else of it
    Freeze {
        /// Alias or DID
        #[arg(value_name = "ALIAS|DID")]
        who: String,
        /// Why; it is public
        #[arg(long)]
        reason: String,
        /// When it ends by itself, at most 31 days ahead (seconds since 1970, or RFC 3339)
        #[arg(long, value_name = "TIME", required_unless_present = "lifetime")]
        until: Option<Moment>,
        /// How long it lasts from now
        #[arg(long = "for", value_name = "TIME", conflicts_with = "until")]
        lifetime: Option<Seconds>,
    },
    /// End a freeze early
    Unfreeze {
        /// Alias or DID
        #[arg(value_name = "ALIAS|DID")]
        who: String,
    },
    /// Change the network's parameters; what is not named stays
    Parameters(ParameterArgs),
    /// Change how many votes a kind of action takes, and how long it waits
    Rule {
        /// The kind, as `allod gov status` names it
        kind: String,
        /// Votes that approve [default: the trustees' threshold]
        #[arg(long)]
        votes: Option<u32>,
        /// How long it waits once it is approved [default: not at all]
        #[arg(long, value_name = "TIME")]
        delay: Option<Seconds>,
    },
    /// Put other trustees in the place of the present ones
    Trustees {
        /// Public keys of all trustees from then on
        #[arg(required = true)]
        accounts: Vec<String>,
        /// Votes it takes where a rule says nothing else
        #[arg(long)]
        threshold: u32,
    },
    /// Schedule another version of the state machine, or take that back
    Upgrade {
        /// The version
        #[arg(
            long,
            value_name = "VERSION",
            requires = "height",
            required_unless_present = "cancel"
        )]
        to: Option<u32>,
        /// First block it executes
        #[arg(long)]
        height: Option<u64>,
        /// Take the schedule back
        #[arg(long, conflicts_with_all = ["to", "height"])]
        cancel: bool,
    },
}

/// `allod gov propose validator`
#[derive(Debug, Args)]
pub(crate) struct ValidatorArgs {
    /// Public key of the one that goes
    #[arg(long, value_name = "KEY", required_unless_present = "add")]
    pub remove: Option<String>,
    /// Public key of the one that comes
    #[arg(long, value_name = "KEY", requires_all = ["peer_id", "address"])]
    pub add: Option<String>,
    /// Its voting power
    #[arg(long, default_value_t = 1)]
    pub power: u64,
    /// Its peer identity, as its node prints it; if it observes now, that ends
    #[arg(long, value_name = "PEER")]
    pub peer_id: Option<String>,
    /// Where its consensus listens, a multiaddr such as /ip4/192.0.2.7/tcp/30333
    #[arg(long)]
    pub address: Option<String>,
}

/// `allod gov propose parameters`
#[derive(Debug, Args)]
pub(crate) struct ParameterArgs {
    /// Least distance between blocks under load, milliseconds
    #[arg(long, value_name = "MS")]
    pub block_spacing_ms: Option<u32>,
    /// Shortest distance between blocks when idle, milliseconds
    #[arg(long, value_name = "MS")]
    pub heartbeat_ms_min: Option<u32>,
    /// Longest distance between blocks when idle, milliseconds
    #[arg(long, value_name = "MS")]
    pub heartbeat_ms_max: Option<u32>,
    /// Period in which at most a third of the validators may change
    #[arg(long, value_name = "TIME")]
    pub validator_change_period: Option<Seconds>,
    /// Shortest delay of a change of control, 1h to 7d
    #[arg(long, value_name = "TIME")]
    pub control_delay_min: Option<Seconds>,
    /// Longest delay of a change of control, 7d to 90d
    #[arg(long, value_name = "TIME")]
    pub control_delay_max: Option<Seconds>,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum YesNo {
    /// It does
    Yes,
    /// It does not
    No,
}
