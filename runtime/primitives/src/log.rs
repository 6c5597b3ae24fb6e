//! The ledger's log of one identity: a hash chain with an entry for every change of its record.
//!
//! ```text
//! head' = H("allod/log/v1", head ++ n(8 LE) ++ kind(1) ++ operation_hash ++ signatures_hash
//!           ++ record_hash ++ height(8 LE) ++ time(8 LE))
//! ```
//!
//! The first entry has `n` = 0 and follows a head of zero. With the entries, the operations and
//! one proven head, anyone can verify a whole history.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

use crate::hash::{H256, domain_hash};
use crate::record::Freeze;
use crate::types::{Height, TimeMs};

/// What caused an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum LogKind {
    /// An operation of the identity.
    #[codec(index = 0)]
    Operation,
    /// A change the passing of time brought about.
    #[codec(index = 1)]
    Automatic,
    /// A decision of governance, such as a freeze.
    #[codec(index = 2)]
    Governance,
}

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct LogEntry {
    /// Position, from 0.
    pub n: u64,
    /// Cause.
    pub kind: LogKind,
    /// Hash of the operation; for the other kinds, of the call that caused it, or zero.
    pub operation_hash: H256,
    /// Hash of its signatures, or zero.
    pub signatures_hash: H256,
    /// Hash of the record's content after the change.
    pub record_hash: H256,
    /// Height of the block.
    pub height: Height,
    /// Time of the block.
    pub time: TimeMs,
}

/// What an entry's cause does not tell of the change: stated beside the entry, so that whoever
/// replays a log needs no state but the identity's. `record_hash` commits to it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Stated {
    /// Governance stopped the identity's logins.
    #[codec(index = 0)]
    Frozen(Freeze),
    /// Governance ended a freeze.
    #[codec(index = 1)]
    Unfrozen,
    /// The operation's change waits until then. The policy names the delay, but the network's
    /// bounds of that day may have moved it.
    #[codec(index = 2)]
    EffectiveAt(TimeMs),
}

/// Where a log stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Default, Encode, Decode, DecodeWithMemTracking, TypeInfo,
)]
pub struct LogHead {
    /// Number of entries.
    pub count: u64,
    /// Hash over all of them.
    pub head: H256,
}

impl LogHead {
    /// Returns the head after `entry`.
    ///
    /// Source: spec/did.md §6.
    pub fn append(&self, entry: &LogEntry) -> Self {
        let head = domain_hash("allod/log/v1", &[&self.head.0, &entry.encode()]);
        Self {
            count: self.count.saturating_add(1),
            head,
        }
    }
}
