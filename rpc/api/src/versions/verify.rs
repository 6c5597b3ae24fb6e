//! Whether an earlier version is the one that the present head commits to.

use std::iter;

use allod_primitives::log::{LogEntry, LogHead};
use allod_primitives::record::DidRecord;
use allod_primitives::{Did, H256, TimeMs, decode_strict};

use super::{Past, VersionAsked};
use crate::hex_bytes::HexBytes;
use crate::identity::{ResolveResponse, VersionChain};

/// Why an earlier version is not proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VersionError {
    /// Something does not decode, or entries are not all that there are from the version on.
    #[error("it does not decode, or entries are missing")]
    Form,
    /// Heights or times of the entries go back.
    #[error("heights or times of its entries go back")]
    Order,
    /// The record is not the one of its entry.
    #[error("the record is not the one that its entry commits to")]
    RecordHash,
    /// The entries do not lead to the head.
    #[error("its entries do not lead to the head of the log")]
    OtherHead,
    /// It is proven, and is another version than was asked for.
    #[error("it is another version than was asked for")]
    OtherVersion,
}

impl VersionError {
    /// Returns the error's name.
    ///
    /// Source: spec/history.md §5.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Order => "order",
            Self::RecordHash => "record_hash",
            Self::OtherHead => "other_head",
            Self::OtherVersion => "other_version",
        }
    }
}

/// A version that the head commits to. Only [`verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedVersion {
    stored: DidRecord,
    record: DidRecord,
    previous_head: H256,
    asked: VersionAsked,
    entry: LogEntry,
    next: Option<LogEntry>,
}

impl VerifiedVersion {
    /// Returns the record as it was then: as stored after its entry, if it was asked for by its
    /// id, else with everything that time had brought about by the time asked for.
    pub const fn record(&self) -> &DidRecord {
        &self.record
    }

    /// Returns the record as the ledger stored it after its entry.
    pub const fn stored(&self) -> &DidRecord {
        &self.stored
    }

    /// Returns the answer that follows from it, whatever the node's own said. `at`: height, hash and
    /// time of the block that proves the present head. Of the log it has this entry and the next;
    /// it lists no retired method, because the record only counts them.
    pub fn answer(&self, did: &Did, at: (u64, H256, TimeMs)) -> ResolveResponse {
        let past = Past {
            stored: self.stored.clone(),
            retired: Vec::new(),
            previous_head: self.previous_head,
            entries: iter::once(self.entry).chain(self.next).collect(),
        };
        let mut answer = super::answer::answer(did, &self.asked, &past, at);
        answer.retired.clear();
        answer
    }

    /// Returns the entry that made it.
    pub const fn entry(&self) -> &LogEntry {
        &self.entry
    }

    /// Returns the entry that ended it, if it is not the newest.
    pub const fn next(&self) -> Option<&LogEntry> {
        self.next.as_ref()
    }
}

/// Verifies that `record` and `chain` are the version that `asked` for, of the identity whose log
/// has the head `head` in a block of the time `now`.
///
/// `further`: entries from `chain.next` on, if there is that. Looks at no signature: the head
/// commits to what the ledger took.
///
/// Cost: one hash for each entry, two of the record.
///
/// # Errors
/// [`VersionError`]: the first check that fails.
///
/// Source: spec/history.md §5.
pub fn verify(
    record: &[u8],
    chain: &VersionChain,
    further: &[LogEntry],
    head: &LogHead,
    now: TimeMs,
    asked: &VersionAsked,
) -> Result<VerifiedVersion, VersionError> {
    let stored: DidRecord = decode_strict(record).map_err(|_| VersionError::Form)?;
    let entries = all_entries(chain, further, head)?;
    let [entry, rest @ ..] = entries.as_slice() else {
        return Err(VersionError::Form);
    };
    if entries.windows(2).any(|pair| !is_in_step(pair)) {
        return Err(VersionError::Order);
    }
    if stored.content_hash() != entry.record_hash {
        return Err(VersionError::RecordHash);
    }
    let before = LogHead {
        count: entry.n,
        head: chain.previous_head.0,
    };
    let here = before.append(entry);
    let end = rest.iter().fold(here, |head, entry| head.append(entry));
    if end != *head || stored.log != here {
        return Err(VersionError::OtherHead);
    }
    let next = rest.first().copied();
    let fits = match asked {
        VersionAsked::Id(id) => *id == here,
        VersionAsked::Time(_) => asked
            .moment(now)
            .is_some_and(|time| time >= entry.time && next.is_none_or(|it| time < it.time)),
    };
    if !fits {
        return Err(VersionError::OtherVersion);
    }
    let record = asked.look(&stored, now).record;
    Ok(VerifiedVersion {
        stored,
        record,
        previous_head: before.head,
        asked: *asked,
        entry: *entry,
        next,
    })
}

fn all_entries(
    chain: &VersionChain,
    further: &[LogEntry],
    head: &LogHead,
) -> Result<Vec<LogEntry>, VersionError> {
    let decoded = |bytes: &HexBytes| decode_strict::<LogEntry>(&bytes.0);
    let entries: Result<Vec<LogEntry>, _> = chain.entries.iter().map(decoded).collect();
    let mut entries = entries.map_err(|_| VersionError::Form)?;
    entries.extend(further);
    let placed = (chain.n..).zip(&entries).all(|(n, entry)| n == entry.n);
    let end = entries.last().map(|it| it.n.saturating_add(1));
    if !placed || end != Some(head.count) {
        return Err(VersionError::Form);
    }
    Ok(entries)
}

fn is_in_step(pair: &[LogEntry]) -> bool {
    let [one, other] = pair else { return true };
    let together = (one.height == other.height) == (one.time == other.time);
    other.height >= one.height && other.time >= one.time && together
}
