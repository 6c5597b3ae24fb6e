//! One finalized block of the node, as the access function sees it.

use allod_primitives::{ChainId, Did, H256, Height, NetworkId, TimeMs, decode_strict};
use allod_rpc_api::ErrorCode;
use allod_rpc_api::limits::DID_CHARS_MAX;
use allod_rpc_api::verify::{LedgerView, Unavailable};
use parity_scale_codec::Decode;

use crate::answer::{Answer, failed, unavailable};
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

    /// Reads and decodes the value under `key`.
    pub(crate) fn read<T: Decode>(&self, key: &[u8]) -> Answer<Option<T>> {
        let bytes = self
            .view
            .storage_at(&self.head.hash, key)
            .map_err(unavailable)?;
        let decoded = bytes.map(|bytes| decode_strict(&bytes)).transpose();
        decoded.map_err(|error| {
            tracing::error!(%error, "a stored value does not decode");
            failed(ErrorCode::Internal)
        })
    }

    /// Reads a DID of this network.
    pub(crate) fn did(&self, text: &str) -> Answer<Did> {
        if text.len() > DID_CHARS_MAX {
            return Err(failed(ErrorCode::DidMalformed));
        }
        let did: Did = text
            .parse()
            .map_err(|error| failed(ErrorCode::DidMalformed.with(error)))?;
        let here = NetworkId::from_genesis(&self.view.chain().genesis);
        if did.network() != here {
            let detail = format_args!("{} is not {here}", did.network());
            return Err(failed(ErrorCode::DidWrongNetwork.with(detail)));
        }
        Ok(did)
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
