//! The state after a recent block, as the runtime reads it.

use std::fmt;

use allod_primitives::Height;
use allod_rpc::view::StateUnavailable;
use allod_runtime::frame::StateRead;

use crate::storage::Reader;

/// The state after one block.
pub(super) struct StateAt<'a> {
    reader: Reader<'a>,
    height: Height,
}

impl fmt::Debug for StateAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateAt")
            .field("height", &self.height)
            .finish_non_exhaustive()
    }
}

impl<'a> StateAt<'a> {
    /// Returns the state after the block at `height`, if it is within the window.
    pub(super) fn new(reader: Reader<'a>, height: Height) -> Result<Self, StateUnavailable> {
        // The reader's view does not move, so what can be read now can be read as long as it lives.
        reader.value_at(height, &[]).map_err(|_| StateUnavailable)?;
        Ok(Self { reader, height })
    }
}

impl StateRead for StateAt<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.reader.value_at(self.height, key).ok().flatten()
    }

    fn next_key(&self, after: &[u8]) -> Option<Vec<u8>> {
        let found = self.reader.keys_at(self.height, &[], Some(after), 1);
        found.ok().and_then(|keys| keys.into_iter().next())
    }
}
