//! The state that a node has proven, as answers are worked out from it.

use allod_primitives::light::{LightError, ReadLog, VerifiedRead};
use allod_primitives::{ChainId, H256, Height, TimeMs};

use super::view::AnswerView;
use crate::verify::{LedgerView, Unavailable};

/// The state under the keys of a verified proof. A key that is not among them is unavailable, not
/// absent.
#[derive(Debug)]
pub struct ProvenView<'r> {
    read: &'r VerifiedRead,
    log: ReadLog<'r>,
}

impl<'r> ProvenView<'r> {
    /// Begins to work out one answer.
    pub const fn new(read: &'r VerifiedRead) -> Self {
        Self {
            read,
            log: read.view(),
        }
    }

    /// Ends it: an answer counts only if this succeeds.
    ///
    /// # Errors
    /// [`LightError`] if other keys were read than those proven.
    ///
    /// Source: spec/proofs.md §3, 21 and 22.
    pub fn finish(self) -> Result<(), LightError> {
        self.log.finish()
    }
}

impl LedgerView for ProvenView<'_> {
    fn storage(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        let value = self.log.get(key).map_err(|_| Unavailable)?;
        Ok(value.map(<[u8]>::to_vec))
    }

    fn chain(&self) -> ChainId {
        *self.read.chain()
    }

    fn head(&self) -> (Height, TimeMs) {
        let header = self.read.header();
        (header.number(), header.time())
    }
}

impl AnswerView for ProvenView<'_> {
    fn block_hash(&self) -> H256 {
        *self.read.header().hash()
    }

    fn keys_under(&self, prefix: &[u8], count: usize) -> Result<Vec<Vec<u8>>, Unavailable> {
        let keys = self.read.state().iter().map(|(key, _)| key);
        let keys = keys.filter(|key| key.starts_with(prefix));
        Ok(keys.take(count).map(|key| key.to_vec()).collect())
    }
}
