//! API keys: who may ask a node that is not for everybody.
//!
//! A key is 32 random bytes as text; the node has its hash alone, one line `NAME HASH` of a file
//! for each. So many random bytes need no slow hash, and a file that leaks lets nobody in.
//!
//! Source: docs/node.md, "API keys".

use std::fmt;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use allod_primitives::hash::sha2_256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;
use tokio::sync::watch;

/// What every key begins with, so that a scanner for secrets finds one that went astray.
const KEY_PREFIX: &str = "allod_key_";
/// What the hash is of, before the key.
const KEY_TAG: &str = "allod/api-key/1:";
/// Bytes of the file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Keys of the file.
const KEYS_MAX: usize = 1024;
/// Characters of a name.
const NAME_CHARS_MAX: usize = 64;

/// A new key, which is shown once.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Makes the key of 32 random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(random)))
    }

    /// Returns the text that a client sends.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns the key's line of the file, without end.
    ///
    /// # Errors
    /// [`ApiKeyError::Name`] if `name` cannot be one.
    pub fn line(&self, name: &str) -> Result<String, ApiKeyError> {
        check_name(name)?;
        Ok(format!("{name} {}", hex::encode(hash(&self.0))))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

/// Why the file of API keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiKeyError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may write the file, and so make keys.
    #[error("{path}: writable by others (mode {mode:o}); chmod 600 it")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A line that is not `NAME HASH`, or a name or key a second time.
    #[error("{path}, line {line}: {reason}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// A text that is no name of a key.
    #[error("`{name}` is no name: 1 to {NAME_CHARS_MAX} of a-z, A-Z, 0-9, `.`, `_` and `-`")]
    Name {
        /// The text.
        name: String,
    },
    /// More keys, or bytes, than a file has.
    #[error("{path}: more than {KEYS_MAX} keys or {FILE_BYTES_MAX} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

/// Names and hashes of keys.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ApiKeys(Vec<(String, KeyHash)>);

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(name, _)| name);
        f.debug_set().entries(names).finish()
    }
}

/// The hash of a key.
type KeyHash = [u8; 32];

fn hash(key: &str) -> KeyHash {
    sha2_256(format!("{KEY_TAG}{key}").as_bytes()).0
}

fn check_name(name: &str) -> Result<(), ApiKeyError> {
    let is_plain = |it: u8| it.is_ascii_alphanumeric() || b"._-".contains(&it);
    let is_name = (1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(is_plain);
    match is_name {
        true => Ok(()),
        false => Err(ApiKeyError::Name { name: name.into() }),
    }
}

impl ApiKeys {
    /// Reads a file. An empty one lets nobody in.
    ///
    /// # Errors
    /// [`ApiKeyError`].
    pub fn read(path: &Path) -> Result<Self, ApiKeyError> {
        let file = |source| ApiKeyError::File {
            path: path.to_owned(),
            source,
        };
        let mut opened = fs::File::open(path).map_err(file)?;
        let mode = opened.metadata().map_err(file)?.permissions().mode() & 0o777;
        if mode & 0o022 != 0 {
            let path = path.to_owned();
            return Err(ApiKeyError::Exposed { path, mode });
        }
        let mut text = String::new();
        let limit = FILE_BYTES_MAX + 1;
        let length = opened.by_ref().take(limit).read_to_string(&mut text);
        if length.map_err(file)? as u64 == limit {
            let path = path.to_owned();
            return Err(ApiKeyError::TooLarge { path });
        }
        Self::parse(&text, path)
    }

    /// Reads lines `NAME HASH`; those that are empty or begin with `#` say nothing. `path` is for
    /// the error.
    ///
    /// # Errors
    /// [`ApiKeyError`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ApiKeyError> {
        let mut keys = Self::default();
        for (index, line) in text.lines().enumerate() {
            let wrong = |reason| ApiKeyError::Line {
                path: path.to_owned(),
                line: index + 1,
                reason,
            };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, hash) = line.split_once(' ').ok_or_else(|| wrong("not NAME HASH"))?;
            check_name(name).map_err(|_| wrong("not a name"))?;
            let hash = hex::decode(hash.trim())
                .ok()
                .and_then(|it| it.try_into().ok());
            let hash: KeyHash = hash.ok_or_else(|| wrong("not a hash of 64 hexadecimal digits"))?;
            if keys.0.iter().any(|(other, _)| other == name) {
                return Err(wrong("a name that an earlier line has"));
            }
            if keys.0.iter().any(|(_, other)| *other == hash) {
                return Err(wrong("a key that an earlier line has"));
            }
            keys.0.push((name.to_owned(), hash));
            if keys.0.len() > KEYS_MAX {
                let path = path.to_owned();
                return Err(ApiKeyError::TooLarge { path });
            }
        }
        Ok(keys)
    }

    /// Returns how many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether nobody is let in.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the key that `text` is. Takes the same time for any text, right or nearly so.
    fn find(&self, text: &str) -> Option<Named> {
        let hash = hash(text);
        let mut found = None;
        for (name, known) in &self.0 {
            if bool::from(known.ct_eq(&hash)) {
                found = Some(Named {
                    name: name.as_str().into(),
                    hash,
                });
            }
        }
        found
    }

    fn has(&self, key: &Named) -> bool {
        self.0.iter().any(|(_, hash)| *hash == key.hash)
    }
}

/// A key that was let in.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Named {
    name: Arc<str>,
    hash: KeyHash,
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)
    }
}

/// The keys of a server, which may be read again while it runs. None: it is for everybody.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    file: Option<PathBuf>,
    keys: watch::Sender<Arc<ApiKeys>>,
}

impl Ring {
    /// Reads the keys of `file`.
    pub(crate) fn open(file: Option<PathBuf>) -> Result<Self, ApiKeyError> {
        let keys = match &file {
            Some(path) => ApiKeys::read(path)?,
            None => ApiKeys::default(),
        };
        Ok(Self {
            file,
            keys: watch::Sender::new(Arc::new(keys)),
        })
    }

    /// Returns whether a key is needed.
    pub(crate) fn is_needed(&self) -> bool {
        self.file.is_some()
    }

    fn keys(&self) -> Arc<ApiKeys> {
        self.keys.borrow().clone()
    }

    /// Returns the key that `text` is.
    pub(crate) fn find(&self, text: &str) -> Option<Named> {
        self.keys().find(text)
    }

    /// Returns whether a key that was let in still is.
    pub(crate) fn has(&self, key: &Named) -> bool {
        self.keys().has(key)
    }

    /// Waits until a key that was let in is so no more.
    pub(crate) async fn lost(&self, key: &Named) {
        let mut keys = self.keys.subscribe();
        // An error means that nobody can take it away any more.
        if keys.wait_for(|keys| !keys.has(key)).await.is_err() {
            std::future::pending().await
        }
    }

    /// Reads the file again and returns how many keys it has, if one is needed. An error leaves the
    /// keys as they were.
    pub(crate) fn reload(&self) -> Result<Option<usize>, ApiKeyError> {
        let Some(path) = &self.file else {
            return Ok(None);
        };
        let keys = Arc::new(ApiKeys::read(path)?);
        let count = keys.len();
        self.keys.send_replace(keys);
        Ok(Some(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ApiKeys, String> {
        let parsed = ApiKeys::parse(text, Path::new("keys"));
        parsed.map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_is_found_by_its_hash_and_nothing_else_is() {
        let (one, other) = (ApiKey::new([1; 32]), ApiKey::new([2; 32]));
        let text = format!(
            "# comment\n\n{}\n{}\n",
            one.line("wallet").unwrap(),
            other.line("exp-2.b_").unwrap()
        );
        assert!(!text.contains(one.reveal()));
        let keys = parse(&text).unwrap();
        assert_eq!(keys.len(), 2);
        assert_eq!(&*keys.find(one.reveal()).unwrap().name, "wallet");
        assert_eq!(&*keys.find(other.reveal()).unwrap().name, "exp-2.b_");
        let mut nearly = one.reveal().to_owned();
        nearly.pop();
        for text in ["", &nearly, "wallet", &hex::encode(hash(one.reveal()))] {
            assert_eq!(keys.find(text), None, "{text}");
        }
    }

    #[test]
    fn neither_a_key_nor_a_ring_of_them_is_written_to_a_log() {
        let key = ApiKey::new([7; 32]);
        assert_eq!(format!("{key:?}"), "ApiKey(..)");
        let keys = parse(&key.line("wallet").unwrap()).unwrap();
        assert_eq!(
            format!("{keys:?} {:?}", keys.find(key.reveal())),
            "{\"wallet\"} Some(wallet)"
        );
    }

    #[test]
    fn a_file_that_says_anything_else_is_refused() {
        let line = ApiKey::new([1; 32]).line("a").unwrap();
        let cases = [
            ("a".to_owned(), "keys, line 1: not NAME HASH"),
            (
                "a 00".to_owned(),
                "keys, line 1: not a hash of 64 hexadecimal digits",
            ),
            (
                format!("\nä {}", "00".repeat(32)),
                "keys, line 2: not a name",
            ),
            (
                format!("{line}\na {}", "00".repeat(32)),
                "keys, line 2: a name that an earlier line has",
            ),
            (
                format!("{line}\nb{}", &line[1..]),
                "keys, line 2: a key that an earlier line has",
            ),
        ];
        for (text, error) in cases {
            assert_eq!(parse(&text).unwrap_err(), error);
        }
        for name in ["", "a b", "a/b", &"a".repeat(65)] {
            assert!(ApiKey::new([1; 32]).line(name).is_err(), "{name}");
        }
    }
}
