//! A log as one file.
//!
//! ```text
//! { "version": 1, "kind": "history", "did", "genesis", "forkId", "logCount", "logHead",
//!   "entries": [{ "n", "kind", "operationHash", "signaturesHash", "recordHash", "height", "time",
//!                 "operation"?: "0x…", "record"?: "0x…", "effectiveAt"?,
//!                 "decision"?: { "kind": "freeze", "reason", "until" } | { "kind": "unfreeze" } },
//!               …],
//!   "proof"?: "0x…", "trail"?: { "genesis": "0x…", "validators": "0x…", "transitions": ["0x…", …] } }
//! ```
//!
//! Source: spec/history.md §1.
//!
//! `operation` is absent where no operation was the cause; `effectiveAt` says until when the
//! change waits that it proposed. `decision` is what governance decided.

use allod_primitives::codec::Text;
use allod_primitives::log::{LogEntry, LogHead, LogKind, Stated};
use allod_primitives::operation::SignedOperation;
use allod_primitives::record::{DidRecord, Freeze};
use allod_primitives::{ChainId, Did, ForkId, H256, Height, TimeMs, decode_strict};
use parity_scale_codec::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::hex;
use crate::light::{TRAIL_TRANSITIONS_MAX, Trail};

const VERSION: u32 = 1;
const KIND: &str = "history";

/// A log with what its entries are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Whose it is.
    pub did: Did,
    /// The chain it is from, as it was when it was exported.
    pub chain: ChainId,
    /// The head that whoever exported it says the log has.
    pub head: LogHead,
    /// Entries from the first.
    pub entries: Vec<ExportedEntry>,
    /// SCALE proof of the record at a certified block, if whoever exported it added one.
    pub proof: Option<Vec<u8>>,
    /// From genesis to the validators of the proof, if whoever exported it added that.
    pub trail: Option<Trail>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedEntry {
    /// The entry.
    pub entry: LogEntry,
    /// Its operation, if an operation was the cause.
    pub operation: Option<SignedOperation>,
    /// The record after the entry, where the operation's bytes are erased; its log is not read.
    pub record: Option<Box<DidRecord>>,
    /// What the cause does not tell: what governance decided, how long a change waits.
    pub stated: Option<Stated>,
}

/// Why a file is no export.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// Not JSON of this form.
    #[error("it is not an exported history: {0}")]
    Form(#[from] serde_json::Error),
    /// Another kind or version of file.
    #[error("it is no exported history of version {VERSION}")]
    Version,
    /// A field of the wrong form.
    #[error("field {field} of entry {n} has another form")]
    Field {
        /// Which field.
        field: &'static str,
        /// Of which entry, in the order of the file; 0 also for fields beside the entries.
        n: usize,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    version: u32,
    kind: String,
    did: String,
    genesis: String,
    fork_id: u32,
    log_count: u64,
    log_head: String,
    entries: Vec<FileEntry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proof: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trail: Option<FileTrail>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTrail {
    genesis: String,
    validators: String,
    transitions: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileEntry {
    n: u64,
    kind: String,
    operation_hash: String,
    signatures_hash: String,
    record_hash: String,
    height: u64,
    time: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    effective_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decision: Option<FileDecision>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
enum FileDecision {
    Freeze { reason: String, until: u64 },
    Unfreeze,
}

impl Export {
    /// Returns it as the content of a file.
    pub fn to_json(&self) -> String {
        let file = File {
            version: VERSION,
            kind: KIND.into(),
            did: self.did.to_string(),
            genesis: self.chain.genesis.to_string(),
            fork_id: self.chain.fork_id.0,
            log_count: self.head.count,
            log_head: self.head.head.to_string(),
            entries: self.entries.iter().map(FileEntry::new).collect(),
            proof: self.proof.as_ref().map(hex::encode),
            trail: self.trail.as_ref().map(FileTrail::new),
        };
        let mut text = serde_json::to_string_pretty(&file).expect("plain data is JSON");
        text.push('\n');
        text
    }

    /// Reads the content of a file. Verifies nothing.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn from_json(text: &str) -> Result<Self, ExportError> {
        let file: File = serde_json::from_str(text)?;
        if file.version != VERSION || file.kind != KIND {
            return Err(ExportError::Version);
        }
        let wrong = |field| ExportError::Field { field, n: 0 };
        let entries = file.entries.iter().enumerate();
        let entries = entries.map(|(n, it)| it.exported(n));
        Ok(Self {
            did: file.did.parse().map_err(|_| wrong("did"))?,
            chain: ChainId {
                genesis: hash(&file.genesis).ok_or_else(|| wrong("genesis"))?,
                fork_id: ForkId(file.fork_id),
            },
            head: LogHead {
                count: file.log_count,
                head: hash(&file.log_head).ok_or_else(|| wrong("logHead"))?,
            },
            entries: entries.collect::<Result<_, _>>()?,
            proof: match &file.proof {
                Some(text) => Some(hex::decode(text).map_err(|_| wrong("proof"))?),
                None => None,
            },
            trail: match &file.trail {
                Some(trail) => Some(trail.read().ok_or_else(|| wrong("trail"))?),
                None => None,
            },
        })
    }
}

impl FileTrail {
    fn new(it: &Trail) -> Self {
        let transitions = it.transitions.iter().map(|it| hex::encode(it.encode()));
        Self {
            genesis: hex::encode(it.genesis.encode()),
            validators: hex::encode(it.validators.encode()),
            transitions: transitions.collect(),
        }
    }

    fn read(&self) -> Option<Trail> {
        if self.transitions.len() > TRAIL_TRANSITIONS_MAX {
            return None;
        }
        let transitions = self.transitions.iter().map(|it| decoded(it));
        Some(Trail {
            genesis: decoded(&self.genesis)?,
            validators: decoded(&self.validators)?,
            transitions: transitions.collect::<Option<_>>()?,
        })
    }
}

impl FileEntry {
    fn new(it: &ExportedEntry) -> Self {
        let (effective_at, decision) = match &it.stated {
            None => (None, None),
            Some(Stated::EffectiveAt(at)) => (Some(at.0), None),
            Some(Stated::Unfrozen) => (None, Some(FileDecision::Unfreeze)),
            Some(Stated::Frozen(freeze)) => {
                let reason = freeze.reason.as_str().to_owned();
                let until = freeze.until.0;
                (None, Some(FileDecision::Freeze { reason, until }))
            }
        };
        Self {
            n: it.entry.n,
            kind: kind_name(it.entry.kind).into(),
            operation_hash: it.entry.operation_hash.to_string(),
            signatures_hash: it.entry.signatures_hash.to_string(),
            record_hash: it.entry.record_hash.to_string(),
            height: it.entry.height.0,
            time: it.entry.time.0,
            operation: it.operation.as_ref().map(|it| hex::encode(it.encode())),
            record: it.record.as_ref().map(|it| hex::encode(it.encode())),
            effective_at,
            decision,
        }
    }

    fn exported(&self, n: usize) -> Result<ExportedEntry, ExportError> {
        let wrong = |field| move || ExportError::Field { field, n };
        let operation = self.operation.as_deref().map(decoded::<SignedOperation>);
        let operation = operation.map(|it| it.ok_or_else(wrong("operation")));
        let record = self.record.as_deref().map(decoded::<Box<DidRecord>>);
        let record = record.map(|it| it.ok_or_else(wrong("record")));
        let stated = match (&self.decision, self.effective_at) {
            (None, None) => None,
            (None, Some(at)) => Some(Stated::EffectiveAt(TimeMs(at))),
            (Some(FileDecision::Unfreeze), None) => Some(Stated::Unfrozen),
            (Some(FileDecision::Freeze { reason, until }), None) => {
                let reason = Text::new(reason.clone()).map_err(|_| wrong("decision")())?;
                let until = TimeMs(*until);
                Some(Stated::Frozen(Freeze { reason, until }))
            }
            (Some(_), Some(_)) => return Err(wrong("effectiveAt")()),
        };
        let entry = LogEntry {
            n: self.n,
            kind: kind_of(&self.kind).ok_or_else(wrong("kind"))?,
            operation_hash: hash(&self.operation_hash).ok_or_else(wrong("operationHash"))?,
            signatures_hash: hash(&self.signatures_hash).ok_or_else(wrong("signaturesHash"))?,
            record_hash: hash(&self.record_hash).ok_or_else(wrong("recordHash"))?,
            height: Height(self.height),
            time: TimeMs(self.time),
        };
        Ok(ExportedEntry {
            entry,
            operation: operation.transpose()?,
            record: record.transpose()?,
            stated,
        })
    }
}

const fn kind_name(kind: LogKind) -> &'static str {
    match kind {
        LogKind::Operation => "operation",
        LogKind::Automatic => "automatic",
        LogKind::Governance => "governance",
    }
}

/// Returns the kind of this name, as files and nodes write it.
pub(super) fn kind_of(name: &str) -> Option<LogKind> {
    let kinds = [LogKind::Operation, LogKind::Automatic, LogKind::Governance];
    kinds.into_iter().find(|it| kind_name(*it) == name)
}

fn decoded<T: Decode>(text: &str) -> Option<T> {
    decode_strict(&hex::decode(text).ok()?).ok()
}

fn hash(text: &str) -> Option<H256> {
    hex::decode_array(text).ok().map(H256)
}
