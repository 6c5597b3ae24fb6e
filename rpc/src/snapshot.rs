//! One finalized block of the node, as answers are worked out from it.

use std::cell::Cell;

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
    budget: Option<Budget>,
}

/// Reads that are left.
#[derive(Debug)]
struct Budget {
    left: Cell<u32>,
    is_exceeded: Cell<bool>,
}

impl<'a> Snapshot<'a> {
    /// Takes the newest block.
    pub(crate) fn newest(view: &'a dyn NodeView) -> Self {
        Self {
            view,
            head: view.head(),
            budget: None,
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
            budget: None,
        })
    }

    /// Takes the block of this hash, if there is one.
    pub(crate) fn of(view: &'a dyn NodeView, hash: H256) -> Option<Self> {
        let header = view.header(&hash)?;
        Some(Self {
            view,
            head: HeadInfo { hash, header },
            budget: None,
        })
    }

    /// Lets it be read `max` times; from then on nothing is available.
    pub(crate) fn with_reads_max(mut self, max: Option<u32>) -> Self {
        self.budget = max.map(|max| Budget {
            left: Cell::new(max),
            is_exceeded: Cell::new(false),
        });
        self
    }

    /// Returns whether more was to be read than may be.
    pub(crate) fn is_exhausted(&self) -> bool {
        let budget = self.budget.as_ref();
        budget.is_some_and(|budget| budget.is_exceeded.get())
    }

    /// Returns how many of `count` keys may be looked for: one more than may be read tells that
    /// there are too many.
    fn looked_for(&self, count: usize) -> usize {
        let left = self.budget.as_ref().map(|budget| budget.left.get());
        let most = left.map(|left| {
            usize::try_from(left)
                .unwrap_or(usize::MAX)
                .saturating_add(1)
        });
        most.map_or(count, |most| count.min(most))
    }

    fn spend(&self, reads: usize) -> Result<(), Unavailable> {
        let Some(budget) = &self.budget else {
            return Ok(());
        };
        let reads = u32::try_from(reads).unwrap_or(u32::MAX);
        let Some(left) = budget.left.get().checked_sub(reads) else {
            budget.is_exceeded.set(true);
            return Err(Unavailable);
        };
        budget.left.set(left);
        Ok(())
    }

    /// Returns the hash of the block.
    pub(crate) fn hash(&self) -> H256 {
        self.head.hash
    }
}

impl LedgerView for Snapshot<'_> {
    fn storage(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        self.spend(1)?;
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
        self.spend(1)?;
        let most = self.looked_for(count);
        let keys = self.view.keys_at(&self.head.hash, prefix, most, None);
        let keys = keys.map_err(|_| Unavailable)?;
        self.spend(keys.len())?;
        Ok(keys)
    }
}
