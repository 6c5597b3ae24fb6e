//! Commands, arguments and their help.

use std::path::PathBuf;

use allod_primitives::light::Checkpoint;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::amounts::{LogEnd, Moment, Seconds};
use crate::gov::args::GovCommand;

// Paths, as the generator of manual pages reads this file from elsewhere.
#[path = "args/control.rs"]
mod control;
#[path = "args/light.rs"]
mod light;

pub(crate) use control::{
    ApproveArgs, CancelArgs, GuardiansCommand, GuardiansSetArgs, InviteArgs, PolicyCommand,
    PolicySetArgs, RecoverCommand, RecoverRequestArgs, RecoverSheetArgs, WatchArgs,
};
pub(crate) use light::LightCommand;

/// The command line of the identity ledger.
///
/// Data goes to standard output, everything else to standard error.
/// Exit codes: 0 ok, 1 a negative answer, 2 wrong usage, 3 unavailable, 70 a bug.
#[derive(Debug, Parser)]
#[command(
    name = "allod",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Endpoint of a node, http or ws; of several, the first that answers
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "ALLOD_NODE",
        hide_env_values = true,
        value_delimiter = ',',
        default_value = "http://127.0.0.1:9944",
        help_heading = "Everywhere"
    )]
    pub node: Vec<String>,
    /// Folder of identities and grants [default: ~/.allod]
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        env = "ALLOD_HOME",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub home: Option<PathBuf>,
    /// Directory of a local network to follow in time [default: the one above the home folder]
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        env = "ALLOD_DEVNET",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub devnet: Option<PathBuf>,
    /// Believe the node's word instead of checking its proofs
    #[arg(
        long,
        global = true,
        env = "ALLOD_TRUST_NODE",
        hide_env_values = true,
        value_parser = clap::builder::FalseyValueParser::new(),
        help_heading = "Everywhere"
    )]
    pub trust_node: bool,
    /// A block that somebody you trust has checked (`allod light checkpoint`): start from there
    #[arg(
        long,
        global = true,
        value_name = "TEXT",
        env = "ALLOD_CHECKPOINT",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub checkpoint: Option<Checkpoint>,
    /// How old the newest block may be [default: 10s]
    #[arg(long, global = true, value_name = "TIME", help_heading = "Everywhere")]
    pub max_staleness: Option<Seconds>,
    /// Read the passphrase from the first line of this file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ALLOD_PASSPHRASE_FILE",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub passphrase_file: Option<PathBuf>,
    /// Read the node's API key from this file: KEY, or lines ENDPOINT KEY; or set ALLOD_API_KEY
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ALLOD_API_KEY_FILE",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub api_key_file: Option<PathBuf>,
    /// Believe nodes' certificates of the authorities in this PEM file [default: the system's]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ALLOD_CA_FILE",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub ca_file: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,
    /// Print no notes and no progress
    #[arg(long, short, global = true, help_heading = "Everywhere")]
    pub quiet: bool,
    /// How long to wait for an answer, and for a write to be final
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        default_value = "30s",
        help_heading = "Everywhere"
    )]
    pub timeout: Seconds,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create, change and look up identities
    #[command(subcommand)]
    Did(DidCommand),
    /// Issue, revoke and check tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Log in by a signature
    #[command(subcommand)]
    Login(LoginCommand),
    /// Give others access, and take it back
    #[command(subcommand)]
    Grant(GrantCommand),
    /// What a registrar does for others
    #[command(subcommand)]
    Registrar(RegistrarCommand),
    /// Tell at once what happens to identities, until interrupted
    Watch(WatchArgs),
    /// What trustees decide: proposals, votes, vetoes
    #[command(subcommand)]
    Gov(GovCommand),
    /// Look at the network
    #[command(subcommand)]
    Chain(ChainCommand),
    /// What answers are checked against, and when that stops
    #[command(subcommand)]
    Light(LightCommand),
    /// Make and look at key files
    #[command(subcommand)]
    Key(KeyCommand),
}

/// How a write is sent.
#[derive(Debug, Args)]
pub(crate) struct Write {
    /// Return as soon as a node has accepted it; it can still be lost
    #[arg(long)]
    pub no_wait: bool,
    /// Print the JSON-RPC request, for curl, and send nothing; typed again without, it goes on
    #[arg(long)]
    pub print_request: bool,
}

/// Which registrar pays.
#[derive(Debug, Args)]
pub(crate) struct Registrar {
    /// Key file of a registrar [default: registrar.json in the home folder]
    #[arg(
        long,
        value_name = "FILE",
        env = "ALLOD_REGISTRAR_KEY",
        hide_env_values = true
    )]
    pub registrar_key: Option<PathBuf>,
}

/// How secrets are kept.
#[derive(Debug, Args)]
pub(crate) struct Protect {
    /// Write secrets unencrypted: for development only
    #[arg(long, env = "ALLOD_UNSAFE_PLAIN", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub unsafe_plain: bool,
}

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

/// `allod chain …`
#[derive(Debug, Subcommand)]
pub(crate) enum ChainCommand {
    /// Show the network and where it stands; exit 3 if it is out of reach
    Status,
    /// Show who certifies blocks, now and next, and which other peers are admitted
    Validators,
}

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
