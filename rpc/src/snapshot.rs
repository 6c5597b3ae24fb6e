//! One finalized block of the node, as answers are worked out from it.

use allod_primitives::{ChainId, H256, Height, TimeMs};
use allod_rpc_api::ErrorCode;
use allod_rpc_api::answers::AnswerView;
use allod_rpc_api::verify::{LedgerView, Unavailable};

use crate::answer::{Answer, failed};
use crate::view::{HeadInfo, NodeView};

/// One finalized block of the node. Every read is as of that block.
pub(crate) struct Snapshot<'a> {
    view: &'a dyn NodeView,
    /// The block.
    pub(crate) head: HeadInfo,
}

impl<'a> Snapshot<'a> {
    /// Takes the newest block.
    pub(crate) fn newest(view: &'a dyn NodeView) -> Self {
        Self {
            view,
            head: view.head(),
        }
    }

    /// Takes the block at `height`, or the newest.
    pub(crate) fn at(view: &'a dyn NodeView, height: Option<u64>) -> Answer<Self> {
        let Some(height) = height else {
            return Ok(Self::newest(view));
        };
        let not_found = || failed(ErrorCode::BlockNotFound.with(format_args!("height {height}")));
        let hash = view.hash_of(Height(height)).ok_or_else(not_found)?;
        let header = view.header(&hash).ok_or_else(not_found)?;
        Ok(Self {
            view,
            head: HeadInfo { hash, header },
        })
    }

    /// Returns the hash of the block.
    pub(crate) fn hash(&self) -> H256 {
        self.head.hash
    }
}

impl LedgerView for Snapshot<'_> {
    fn storage(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        self.view
            .storage_at(&self.head.hash, key)
            .map_err(|_| Unavailable)
    }

    fn chain(&self) -> ChainId {
        self.view.chain()
    }

    fn head(&self) -> (Height, TimeMs) {
        (self.head.height(), self.head.time())
    }
}

impl AnswerView for Snapshot<'_> {
    fn block_hash(&self) -> H256 {
        self.head.hash
    }

    fn keys_under(&self, prefix: &[u8], count: usize) -> Result<Vec<Vec<u8>>, Unavailable> {
        self.view
            .keys_at(&self.head.hash, prefix, count, None)
            .map_err(|_| Unavailable)
    }
}
