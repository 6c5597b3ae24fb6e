//! The table of configuration keys: the one place that says what a key is.
//!
//! Range checks, `allod-node config`, the commented template and the table of `docs/node.md` come
//! from it; tests hold it against the types of [`super::NodeConfig`] and their defaults. A new key
//! is a field there and a line here.

use std::fmt::Write as _;

use crate::limits::{AHEAD_MS_MAX, HISTORY_BLOCKS_MIN, HISTORY_MS_MIN};

/// A configuration key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name with its tables, such as `rpc.listen`.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// Its default, or an example where it is absent by default, as TOML writes it.
    pub value: &'static str,
    /// Whether it has a default; absent means what `meaning` says.
    pub has_default: bool,
    /// What it does, and what breaks if it is wrong. One or more sentences without a final period.
    pub meaning: &'static str,
    /// When a change of it takes effect.
    pub applies: Applies,
}

/// What values a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A path, relative to the configuration's file.
    Path,
    /// Text of 1 to so many bytes.
    Text(usize),
    /// A TCP multiaddr, such as `/ip4/0.0.0.0/tcp/30333`.
    Multiaddr,
    /// An address and a port, such as `127.0.0.1:9944`.
    SocketAddr,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer {
        /// What it counts.
        unit: Unit,
        /// Least allowed.
        min: Bound,
        /// Most allowed.
        max: u64,
    },
    /// A list of texts.
    Texts,
    /// A list of addresses and ranges of them, such as `10.0.0.0/8`.
    AddressRanges,
}

/// Where a range begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Here.
    At(u64),
    /// Where that key, an integer, is.
    Key(&'static str),
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Mebibytes.
    Mebibytes,
    /// Blocks.
    Blocks,
    /// What the key's name says.
    Count,
}

impl Unit {
    /// Returns the unit's name after a number.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Bytes => "bytes",
            Self::Mebibytes => "MiB",
            Self::Blocks => "blocks",
            Self::Count => "",
        }
    }
}

/// When a change of a key takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applies {
    /// When the node is started again.
    Restart,
    /// While the node runs.
    Running,
}

impl Applies {
    /// Returns one word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Running => "running",
        }
    }
}

/// Returns a key with a default.
const fn key(name: &'static str, kind: Kind, value: &'static str, meaning: &'static str) -> Key {
    Key {
        name,
        kind,
        value,
        has_default: true,
        meaning,
        applies: Applies::Restart,
    }
}

/// Returns a key that is absent by default; `example` is what it may look like.
const fn optional(
    name: &'static str,
    kind: Kind,
    example: &'static str,
    meaning: &'static str,
) -> Key {
    Key {
        has_default: false,
        ..key(name, kind, example, meaning)
    }
}

const fn integer(unit: Unit, min: u64, max: u64) -> Kind {
    let min = Bound::At(min);
    Kind::Integer { unit, min, max }
}

const fn ms(min: u64, max: u64) -> Kind {
    integer(Unit::Milliseconds, min, max)
}

/// Every key. Tables follow each other, the keys outside of tables come first.
pub const KEYS: &[Key] = &[
    key(
        "data",
        Kind::Path,
        "\"data\"",
        "Directory of the database, the write-ahead log and the sign guard",
    ),
    key(
        "chain_spec",
        Kind::Path,
        "\"chain-spec.json\"",
        "The chain's specification, the same file for all operators",
    ),
    key(
        "name",
        Kind::Text(128),
        "\"node\"",
        "The node's name in its log",
    ),
    key(
        "keys.network",
        Kind::Path,
        "\"network.key\"",
        "The key that is the node's identity towards peers",
    ),
    optional(
        "keys.validator",
        Kind::Path,
        "\"validator.key\"",
        "The key that votes; without it the node observes. Whoever holds it votes in this name: \
         never on two machines",
    ),
    optional(
        "keys.signer",
        Kind::Path,
        "\"signer.sock\"",
        "Socket of the `allod-node signer` that holds the key that votes, in place of \
         keys.validator. While it is away the node follows in silence",
    ),
    optional(
        "keys.passphrase_file",
        Kind::Path,
        "\"passphrase\"",
        "File (mode 0600) whose first line is the passphrase of encrypted keys; without it the \
         credential `allod-node.passphrase` of the systemd service, else the terminal",
    ),
    key(
        "consensus.listen",
        Kind::Multiaddr,
        "\"/ip4/127.0.0.1/tcp/30333\"",
        "Address for consensus; transactions are taken at the next port, so open both",
    ),
    key(
        "consensus.spacing_ms_min",
        ms(0, 60_000),
        "200",
        "Least time between two blocks under load; the same on all validators",
    ),
    key(
        "consensus.heartbeat_ms_min",
        ms(100, 60_000),
        "1000",
        "Time to the first empty block of an idle chain; the same on all validators",
    ),
    key(
        "consensus.heartbeat_ms_max",
        Kind::Integer {
            unit: Unit::Milliseconds,
            min: Bound::Key("consensus.heartbeat_ms_min"),
            max: 60_000,
        },
        "5000",
        "Longest time between two blocks; the same on all validators. Verifiers refuse answers \
         older than 10 s, so that above it they refuse everything while the chain idles",
    ),
    key(
        "consensus.propose_ms",
        ms(50, 60_000),
        "1000",
        "How long a validator waits for a proposal; shorter than building, sending and executing \
         a full block means failed rounds",
    ),
    key(
        "consensus.vote_ms",
        ms(50, 60_000),
        "500",
        "How long it waits for stragglers' votes",
    ),
    key(
        "consensus.rebroadcast_ms",
        ms(100, 60_000),
        "2000",
        "Votes are sent again after this long without progress",
    ),
    key(
        "consensus.ahead_ms_max",
        ms(100, AHEAD_MS_MAX),
        "5000",
        "How far a first proposal's time may be ahead of this node's clock",
    ),
    key(
        "consensus.behind_ms_max",
        ms(100, 86_400_000),
        "60000",
        "How far it may be behind this node's clock",
    ),
    key(
        "rpc.listen",
        Kind::SocketAddr,
        "\"127.0.0.1:9944\"",
        "HTTP and WebSocket, `/health`, `/ready`, `/metrics`; port 0 takes a free one. Whoever \
         reaches it can read everything and submit",
    ),
    key(
        "rpc.body_bytes_max",
        integer(Unit::Bytes, 4096, 64 << 20),
        "8388608",
        "Bytes of a request; 2 MiB hold the largest transaction",
    ),
    key(
        "rpc.batch_max",
        integer(Unit::Count, 1, 10_000),
        "128",
        "Calls of a batch",
    ),
    key(
        "rpc.connections_max",
        integer(Unit::Count, 1, 100_000),
        "1024",
        "WebSocket connections and HTTP requests at once; TCP connections 64 more. Each takes a \
         file descriptor",
    ),
    key(
        "rpc.subscriptions_max",
        integer(Unit::Count, 1, 10_000),
        "1024",
        "Subscriptions of one connection; a transaction that is watched is one",
    ),
    key(
        "rpc.connections_per_ip_max",
        integer(Unit::Count, 1, 100_000),
        "128",
        "Connections of one address at once. Of IPv6, 64 bits are one address, here and below",
    ),
    key(
        "rpc.calls_per_s_max",
        integer(Unit::Count, 0, 1_000_000),
        "100",
        "Calls a second of one address in the long run; 0 allows any number. Each call of a batch \
         counts, `/health` and `/ready` do not",
    ),
    key(
        "rpc.calls_burst_max",
        Kind::Integer {
            unit: Unit::Count,
            min: Bound::Key("rpc.batch_max"),
            max: 10_000_000,
        },
        "1000",
        "Calls of one address at once, after it has rested",
    ),
    key(
        "rpc.limit_loopback",
        Kind::Bool,
        "false",
        "Whether clients on this machine are limited as others are",
    ),
    key(
        "rpc.trusted_proxies",
        Kind::AddressRanges,
        "[]",
        "Proxies whose `X-Forwarded-For` is believed: their last address that is no proxy's is \
         the client's",
    ),
    Key {
        applies: Applies::Running,
        ..optional(
            "rpc.api_keys",
            Kind::Path,
            "\"api-keys\"",
            "API keys (`allod-node api-key new`), one of which every request then needs but \
             `/health` and `/ready`. The file is read again at `allod-node admin reload`",
        )
    },
    key(
        "rpc.metrics_open",
        Kind::Bool,
        "false",
        "Whether `/metrics` needs no API key",
    ),
    optional(
        "rpc.admin_socket",
        Kind::Path,
        "\"admin.sock\"",
        "Unix socket for the node's operator alone (`allod-node admin`); without it `admin.sock` \
         in the data directory. At most 107 bytes with its directories",
    ),
    key(
        "rpc.cors",
        Kind::Texts,
        "[\"*\"]",
        "Origins that browsers may call from; `*` is any: there are no cookies or other ambient \
         rights to abuse. Empty refuses browsers",
    ),
    Key {
        applies: Applies::Running,
        ..optional(
            "rpc.tls.certificate",
            Kind::Path,
            "\"certificate.pem\"",
            "Certificate and what leads to its authority, PEM; without it nothing is encrypted. \
             Read again, as its key, at `allod-node admin reload`",
        )
    },
    Key {
        applies: Applies::Running,
        ..optional(
            "rpc.tls.key",
            Kind::Path,
            "\"certificate.key\"",
            "The certificate's private key, PEM; refused if others can read it",
        )
    },
    key(
        "storage.archive",
        Kind::Bool,
        "false",
        "Keeps every version of the state and all events; offers `archive_v1_*` if no state was \
         given up before. Blocks and certificates are always kept",
    ),
    key(
        "storage.history_blocks",
        integer(Unit::Blocks, HISTORY_BLOCKS_MIN, 1_000_000),
        "1024",
        "Blocks whose state stays readable, at least",
    ),
    key(
        "storage.history_s",
        integer(Unit::Seconds, HISTORY_MS_MIN / 1000, 604_800),
        "600",
        "Seconds for which a block's state stays readable, at least",
    ),
    key(
        "storage.cache_mib",
        integer(Unit::Mebibytes, 8, 65_536),
        "64",
        "The database's block cache; at most half of the machine's memory",
    ),
];

impl Key {
    /// Returns the key of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// Returns the table that it is in, empty outside of tables, and its name there.
    pub fn split(&self) -> (&'static str, &'static str) {
        self.name.rsplit_once('.').unwrap_or(("", self.name))
    }

    /// Returns the values that it takes, in words: its range with its unit, or its form.
    pub fn allowed(&self) -> String {
        match self.kind {
            Kind::Path => "path".into(),
            Kind::Text(max) => format!("text of 1–{max} bytes"),
            Kind::Multiaddr => "TCP multiaddr".into(),
            Kind::SocketAddr => "address:port".into(),
            Kind::Bool => "`true`, `false`".into(),
            Kind::Texts => "list of texts".into(),
            Kind::AddressRanges => "list of addresses and ranges such as `10.0.0.0/8`".into(),
            Kind::Integer { unit, min, max } => {
                let min = match min {
                    Bound::At(min) => grouped(min),
                    Bound::Key(key) => format!("`{key}`"),
                };
                let range = format!("{min}–{} {}", grouped(max), unit.name());
                range.trim_end().to_owned()
            }
        }
    }
}

/// Returns the table of keys as `docs/node.md` has it.
pub fn markdown() -> String {
    let mut out =
        String::from("| Key | Default | Allowed | Applies | Meaning |\n|---|---|---|---|---|\n");
    for key in KEYS {
        let default = match key.value.parse::<u64>() {
            _ if !key.has_default => "none".to_owned(),
            Ok(number) => grouped(number),
            Err(_) => format!("`{}`", key.value.trim_matches('"')),
        };
        let (name, allowed, applies) = (key.name, key.allowed(), key.applies.name());
        let line = format!(
            "| `{name}` | {default} | {allowed} | {applies} | {} |\n",
            key.meaning
        );
        out.push_str(&line);
    }
    out
}

/// Returns a configuration of comments alone: every key with its meaning and default. A line that
/// begins with `#` and no space is a setting to be uncommented.
pub fn template() -> String {
    template_with(&[])
}

/// Returns the template with settings in effect: names of keys and values as TOML writes them.
pub fn template_with(settings: &[(&str, String)]) -> String {
    let mut out = String::from(
        "# Configuration of allod-node. Every key has a default, or may be left out: uncomment what\n\
         # differs. Paths are relative to this file. `allod-node config check` says what is wrong.\n",
    );
    let mut table = "";
    for key in KEYS {
        let (of, name) = key.split();
        if of != table {
            table = of;
            write!(out, "\n[{table}]\n").expect("text takes any text");
        }
        out.push('\n');
        for line in wrapped(&format!("{}.", key.meaning), 97) {
            writeln!(out, "# {line}").expect("text takes any text");
        }
        let default = if key.has_default { "" } else { " No default." };
        let allowed = key.allowed();
        writeln!(out, "# Allowed: {allowed}.{default}").expect("text takes any text");
        let setting = settings.iter().find(|(name, _)| *name == key.name);
        match setting {
            Some((_, value)) => writeln!(out, "{name} = {value}"),
            None => writeln!(out, "#{name} = {}", key.value),
        }
        .expect("text takes any text");
    }
    out
}

/// Returns a number with commas.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Breaks text at spaces into lines of at most `width` characters, where words allow it.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
