//! Replaying a log.

use std::fmt;

use allod_primitives::control::Refusal;
use allod_primitives::document::RetiredMethod;
use allod_primitives::log::{LogEntry, LogHead};
use allod_primitives::policy::ControlPolicy;
use allod_primitives::record::DidRecord;
use allod_primitives::{ChainId, Did, DidId, NetworkId};

use super::step::Replaying;
use super::{Export, ReplayError};

/// What a history is held against.
#[derive(Clone, Copy)]
pub struct Expectations<'a> {
    /// Whose it must be.
    pub did: Did,
    /// The chain it must be from; operations of its earlier forks count.
    pub chain: ChainId,
    /// The head it must end at, if that is known from elsewhere, such as a proven record. Without
    /// it, a history passes that was cut off at its end, or in which what only the chain of hashes
    /// covers was changed: heights, when effects were written down, what governance decided by.
    pub head: Option<LogHead>,
    /// The policy that a controller had when the block of this entry was made, if it is known.
    /// Where it is not, the entry is listed in [`Replayed::by_unknown_controllers`].
    pub controller: &'a dyn Fn(&DidId, &LogEntry) -> Option<ControlPolicy>,
}

impl fmt::Debug for Expectations<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expectations")
            .field("did", &self.did)
            .field("chain", &self.chain)
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

/// A history that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The record at its end, its log head included.
    pub record: DidRecord,
    /// What has been retired, by fragment.
    pub retired: Vec<RetiredMethod>,
    /// Entries of operations that changed nothing but their lane, and why.
    pub failed: Vec<(u64, Refusal)>,
    /// Entries by controllers whose policy is not known: their signatures verify, but whether
    /// these keys might sign was not looked at.
    pub by_unknown_controllers: Vec<u64>,
    /// Entries whose operation is erased: that its signers might do what they did, only the head
    /// vouches for.
    pub erased: Vec<u64>,
}

/// Verifies a history from its first entry to its last.
///
/// Cost: one verification for each signature, two copies of the record for each entry.
///
/// # Errors
/// [`ReplayError`] names the first entry that does not follow.
///
/// Source: spec/history.md §2, §3.
pub fn replay(export: &Export, expectations: &Expectations<'_>) -> Result<Replayed, ReplayError> {
    let Expectations { did, chain, .. } = expectations;
    let same = export.did == *did && export.chain.genesis == chain.genesis;
    if !same || NetworkId::from_genesis(&chain.genesis) != did.network() {
        return Err(ReplayError::OtherIdentity);
    }
    if export.entries.is_empty() {
        return Err(ReplayError::Empty);
    }
    let mut replaying = Replaying::new(expectations);
    for (n, entry) in (0..).zip(&export.entries) {
        let stepped = replaying.step(n, entry);
        stepped.map_err(|fault| ReplayError::At { n, fault })?;
    }
    let record = replaying.rebuilding.record().cloned();
    let record = record.ok_or(ReplayError::Empty)?;
    let head = record.log;
    for expected in expectations.head.iter().chain([&export.head]) {
        if *expected != head {
            return Err(ReplayError::OtherHead {
                expected: expected.count,
                found: head.count,
            });
        }
    }
    Ok(Replayed {
        record,
        retired: replaying.rebuilding.retired().cloned().collect(),
        failed: replaying.failed,
        by_unknown_controllers: replaying.by_unknown_controllers,
        erased: replaying.erased,
    })
}
