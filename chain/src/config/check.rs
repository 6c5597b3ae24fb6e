//! What is wrong with a configuration's text: everything at once, each with its line.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use allod_rpc::AddressRange;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use serde::Serialize;
use toml::de::{DeTable, DeValue};

use super::table::{Bound, KEYS, Key, Kind};

/// Most problems that are told of one file.
const PROBLEMS_MAX: usize = 256;
/// Most changed letters between a name and the one that was probably meant.
const MEANT_DISTANCE_MAX: usize = 3;

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The key, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Line of the file, from 1, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// What a file says about keys.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// Lines, from 1, of the keys that the file sets.
    pub lines: BTreeMap<&'static str, usize>,
    /// Everything that is wrong, in the order of the file.
    pub problems: Vec<Problem>,
}

/// Reads a configuration's text against the table of keys.
///
/// A configuration without problems here may still be one that serde refuses, for which there is
/// no case known; whoever needs a [`super::NodeConfig`] asks it as well.
pub fn check_text(text: &str) -> Checked {
    let mut walk = Walk {
        text,
        checked: Checked::default(),
        numbers: BTreeMap::new(),
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let line = error.span().map(|span| walk.line(span.start));
        walk.add(None, line, error.message().to_owned(), None);
    }
    walk.table("", table.get_ref());
    walk.bounds();
    let mut checked = walk.checked;
    checked.problems.sort_by_key(|problem| problem.line);
    checked.problems.truncate(PROBLEMS_MAX);
    checked
}

struct Walk<'a> {
    text: &'a str,
    checked: Checked,
    /// Integers found, for ranges that depend on other keys.
    numbers: BTreeMap<&'static str, (u64, usize)>,
}

impl Walk<'_> {
    fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().iter().take(offset);
        before.filter(|byte| **byte == b'\n').count() + 1
    }

    fn add(
        &mut self,
        key: Option<&str>,
        line: Option<usize>,
        message: String,
        hint: Option<String>,
    ) {
        self.checked.problems.push(Problem {
            key: key.map(str::to_owned),
            line,
            message,
            hint,
        });
    }

    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let full = match prefix {
                "" => name.get_ref().to_string(),
                _ => format!("{prefix}.{}", name.get_ref()),
            };
            let line = self.line(name.span().start);
            let is_table = is_table(&full);
            match (Key::named(&full), value.get_ref()) {
                (Some(key), value) => {
                    self.checked.lines.insert(key.name, line);
                    if let Err(message) = self.value(key, value, line) {
                        self.add(Some(key.name), Some(line), message, None);
                    }
                }
                (None, DeValue::Table(inner)) if is_table => self.table(&full, inner),
                (None, value) if is_table => {
                    let message = format!("`{full}` is {}, a table is wanted", named(value));
                    self.add(Some(&full), Some(line), message, None);
                }
                (None, _) => {
                    let meant = meant(&full);
                    let hint = meant.map(|name| format!("did you mean `{name}`?"));
                    let message = format!("there is no key `{full}`");
                    self.add(Some(&full), Some(line), message, hint);
                }
            }
        }
    }

    fn value(&mut self, key: &Key, value: &DeValue<'_>, line: usize) -> Result<(), String> {
        let name = key.name;
        let wrong = |wanted: &str| Err(format!("{name} is {}, {wanted} is wanted", named(value)));
        match (key.kind, value) {
            (Kind::Bool, DeValue::Boolean(_)) => Ok(()),
            (Kind::Bool, _) => wrong("`true` or `false`"),
            (Kind::Integer { .. }, DeValue::Integer(number)) => {
                let parsed = i128::from_str_radix(number.as_str(), number.radix());
                let parsed = parsed.ok().and_then(|number| u64::try_from(number).ok());
                match parsed {
                    Some(number) => {
                        self.numbers.insert(name, (number, line));
                        Ok(())
                    }
                    None => Err(format!("{name} is {number}, allowed are {}", key.allowed())),
                }
            }
            (Kind::Integer { .. }, _) => wrong("a whole number"),
            (kind @ (Kind::Texts | Kind::AddressRanges), DeValue::Array(items)) => {
                let mut wrong = items.iter().filter_map(|item| match item.get_ref() {
                    DeValue::String(text) => check_item(name, kind, text).err(),
                    _ => Some(format!("{name} holds something else than texts")),
                });
                wrong.next().map_or(Ok(()), Err)
            }
            (Kind::Texts | Kind::AddressRanges, _) => wrong("a list of texts"),
            (kind, DeValue::String(text)) => check_string(name, kind, text),
            _ => wrong("text in quotes"),
        }
    }

    /// Checks ranges, the defaults of absent keys among their bounds.
    fn bounds(&mut self) {
        let number = |name: &str, numbers: &BTreeMap<&str, (u64, usize)>| {
            let set = numbers.get(name).map(|(number, _)| *number);
            set.or_else(|| Key::named(name)?.value.parse().ok())
        };
        for key in KEYS {
            let Kind::Integer { min, max, .. } = key.kind else {
                continue;
            };
            let (min, below) = match min {
                Bound::At(min) => (Some(min), None),
                Bound::Key(name) => (number(name, &self.numbers), Some(name)),
            };
            let set = self.numbers.get(key.name).copied();
            // A bound that was raised may leave a default behind.
            let line = set.or_else(|| self.numbers.get(below?).copied());
            let (Some(value), Some((_, line))) = (number(key.name, &self.numbers), line) else {
                continue;
            };
            let (name, min) = (key.name, min.unwrap_or_default());
            if value < min || value > max {
                let message = format!("{name} is {value}, allowed are {min} to {max}");
                let hint = below.map(|below| format!("it begins at {below}"));
                self.add(Some(name), Some(line), message, hint);
            }
        }
    }
}

/// Returns the type of a value, with its article.
fn named(value: &DeValue<'_>) -> String {
    let name = value.type_str();
    let article = if name.starts_with(['a', 'i']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {name}")
}

fn check_string(name: &str, kind: Kind, text: &str) -> Result<(), String> {
    let bad = |wanted: &str| Err(format!("{name} is `{text}`, {wanted} is wanted"));
    match kind {
        Kind::Path if text.is_empty() || text.contains('\0') => bad("a path"),
        Kind::Text(max) if text.is_empty() || text.len() > max => Err(format!(
            "{name} has {} bytes, allowed are 1 to {max}",
            text.len()
        )),
        Kind::Multiaddr if !is_tcp(text) => bad("an address like /ip4/0.0.0.0/tcp/30333"),
        Kind::SocketAddr if text.parse::<SocketAddr>().is_err() => {
            bad("an address and port like 127.0.0.1:9944")
        }
        Kind::Bool | Kind::Integer { .. } | Kind::Texts | Kind::AddressRanges => bad("no text"),
        _ => Ok(()),
    }
}

fn check_item(name: &str, kind: Kind, text: &str) -> Result<(), String> {
    match kind {
        Kind::AddressRanges => match text.parse::<AddressRange>() {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{name}: {error}")),
        },
        _ => Ok(()),
    }
}

/// Returns whether `text` is an address that consensus can listen at: a host, then a TCP port.
fn is_tcp(text: &str) -> bool {
    let Ok(address) = text.parse::<Multiaddr>() else {
        return false;
    };
    let mut parts = address.iter();
    let host = parts.next();
    let is_host = matches!(
        host,
        Some(
            Protocol::Ip4(_)
                | Protocol::Ip6(_)
                | Protocol::Dns(_)
                | Protocol::Dns4(_)
                | Protocol::Dns6(_)
        )
    );
    is_host && matches!(parts.next(), Some(Protocol::Tcp(_)))
}

/// Returns whether keys are in a table of that name.
fn is_table(name: &str) -> bool {
    KEYS.iter().any(|key| {
        key.name
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

/// Returns the key or table that an unknown name was probably meant to be.
fn meant(name: &str) -> Option<&'static str> {
    // A key in the wrong table has the right last name.
    let last = name.rsplit('.').next().unwrap_or(name);
    let moved = KEYS.iter().filter(|key| key.split().1 == last);
    let tables = KEYS.iter().map(|key| key.split().0);
    let names = KEYS.iter().map(|key| key.name).chain(tables);
    let near = names
        .filter(|known| !known.is_empty())
        .map(|known| (distance(name, known), known))
        .min()
        .filter(|(distance, _)| *distance <= MEANT_DISTANCE_MAX);
    near.map(|(_, known)| known)
        .or_else(|| moved.map(|key| key.name).next())
}

/// Returns how many letters must be added, left out or changed to make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate().take(256) {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let change = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
