//! A view without state: which questions need none?

use std::cell::Cell;

use allod_primitives::light::HeaderMark;
use allod_primitives::{ChainId, H256, Height, TimeMs};
use allod_rpc_api::answers::AnswerView;
use allod_rpc_api::verify::{LedgerView, Unavailable};

/// No state at all: tells whether a question needs any.
#[derive(Debug)]
pub(super) struct BlindView {
    chain: ChainId,
    newest: HeaderMark,
    time: TimeMs,
    looked: Cell<bool>,
}

impl BlindView {
    /// `time`: what the block is said to be of. To learn whether a question needs state it is the
    /// clock's, for the age of a block that nobody asked for yet is no answer.
    pub(super) const fn new(chain: ChainId, newest: HeaderMark, time: TimeMs) -> Self {
        Self {
            chain,
            newest,
            time,
            looked: Cell::new(false),
        }
    }

    /// Returns whether something was read.
    pub(super) fn looked(&self) -> bool {
        self.looked.get()
    }
}

impl LedgerView for BlindView {
    fn storage(&self, _: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        self.looked.set(true);
        Err(Unavailable)
    }

    fn chain(&self) -> ChainId {
        self.chain
    }

    fn head(&self) -> (Height, TimeMs) {
        (self.newest.height, self.time)
    }
}

impl AnswerView for BlindView {
    fn block_hash(&self) -> H256 {
        self.newest.hash
    }

    fn keys_under(&self, _: &[u8], _: usize) -> Result<Vec<Vec<u8>>, Unavailable> {
        self.looked.set(true);
        Err(Unavailable)
    }
}
