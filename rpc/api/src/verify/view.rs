//! What a check needs to see of the ledger.

use allod_primitives::control::{Effective, effective};
use allod_primitives::did::{DidId, NetworkId};
use allod_primitives::record::DidRecord;
use allod_primitives::{ChainId, Height, TimeMs, decode_strict, keys};
use parity_scale_codec::Decode;

use super::reason::ReasonCode;

/// The state of one finalized block, seen through its storage keys.
///
/// Every method answers as of the *same* block: a view is a snapshot, taken once per check.
pub trait LedgerView {
    /// Returns the value under `key`, or `None` if the ledger proves or knows it absent.
    ///
    /// # Errors
    /// [`Unavailable`] if that cannot be told. It must never be passed off as absence: for a
    /// revocation, absence allows.
    fn storage(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable>;

    /// Returns the chain: the origin's genesis hash and the fork.
    fn chain(&self) -> ChainId;

    /// Returns height and time of the block.
    fn head(&self) -> (Height, TimeMs);
}

/// The state cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger's state cannot be read")]
pub struct Unavailable;

impl<V: LedgerView + ?Sized> LedgerView for &V {
    fn storage(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        (**self).storage(key)
    }

    fn chain(&self) -> ChainId {
        (**self).chain()
    }

    fn head(&self) -> (Height, TimeMs) {
        (**self).head()
    }
}

/// Reads and decodes the value under `key`; a value that does not decode is unavailable.
pub(crate) fn read<T: Decode>(view: &impl LedgerView, key: &[u8]) -> Result<Option<T>, ReasonCode> {
    let bytes = view
        .storage(key)
        .map_err(|Unavailable| ReasonCode::StateUnavailable)?;
    let decoded = bytes.map(|bytes| decode_strict(&bytes)).transpose();
    decoded.map_err(|_| ReasonCode::StateUnavailable)
}

/// Reads the record of an identity that acts, as it is at the time of the view's block, whether or
/// not the ledger has written down what time has brought about.
///
/// Source: spec/control.md §3.
pub(crate) fn active_record(view: &impl LedgerView, did: &DidId) -> Result<Effective, ReasonCode> {
    let record: Option<DidRecord> = read(view, &keys::did_record(did))?;
    let record = record.ok_or(ReasonCode::DidNotFound)?;
    let (_, time) = view.head();
    let effective = effective(&record, time);
    if effective.record.is_active() {
        Ok(effective)
    } else {
        Err(ReasonCode::DidDeactivated)
    }
}

/// Returns the network every identifier must be of.
pub(crate) fn network(view: &impl LedgerView) -> NetworkId {
    NetworkId::from_genesis(&view.chain().genesis)
}

/// Checks that the view's block is at most `max_ms` older than `now`.
pub(crate) fn check_fresh(
    view: &impl LedgerView,
    now: TimeMs,
    max_ms: u64,
) -> Result<(), ReasonCode> {
    let (_, time) = view.head();
    if now.0.saturating_sub(time.0) > max_ms {
        return Err(ReasonCode::StaleState);
    }
    Ok(())
}

/// Returns the later of the verifier's clock and the block's time: what methods and grants are
/// judged by, so that a slow clock never lets anything live longer.
pub(crate) fn judged_at(view: &impl LedgerView, now: TimeMs) -> TimeMs {
    now.max(view.head().1)
}
