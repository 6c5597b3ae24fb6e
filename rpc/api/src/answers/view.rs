//! What answers are worked out from, and the memory of which keys they read.

use std::cell::RefCell;
use std::collections::BTreeSet;

use allod_primitives::did::{Did, NetworkId};
use allod_primitives::{ChainId, H256, Height, TimeMs, decode_strict};
use parity_scale_codec::Decode;

use super::error::AnswerError;
use crate::error::ErrorCode;
use crate::limits::DID_CHARS_MAX;
use crate::verify::{LedgerView, Unavailable};

/// The state of one finalized block, which answers name.
pub trait AnswerView: LedgerView {
    /// Returns the hash of the block.
    fn block_hash(&self) -> H256;

    /// Returns at most `count` keys that begin with `prefix`, ascending: those that the view
    /// *knows*. A verified view knows the keys of its proof; whether these are all must follow
    /// from a value that says how many there are.
    ///
    /// # Errors
    /// [`Unavailable`] if that cannot be told.
    fn keys_under(&self, prefix: &[u8], count: usize) -> Result<Vec<Vec<u8>>, Unavailable>;
}

impl<V: AnswerView + ?Sized> AnswerView for &V {
    fn block_hash(&self) -> H256 {
        (**self).block_hash()
    }

    fn keys_under(&self, prefix: &[u8], count: usize) -> Result<Vec<Vec<u8>>, Unavailable> {
        (**self).keys_under(prefix, count)
    }
}

/// A view that remembers which keys were read.
///
/// The node proves these; the client compares them with the keys of the proof it was given.
#[derive(Debug)]
pub struct Recorder<V> {
    view: V,
    read: RefCell<BTreeSet<Vec<u8>>>,
}

impl<V> Recorder<V> {
    /// Starts to remember what is read of `view`.
    pub const fn new(view: V) -> Self {
        Self {
            view,
            read: RefCell::new(BTreeSet::new()),
        }
    }

    /// Returns the keys read, found or not, ascending.
    pub fn into_keys(self) -> Vec<Vec<u8>> {
        self.read.into_inner().into_iter().collect()
    }

    fn note(&self, key: &[u8]) {
        let mut read = self.read.borrow_mut();
        if !read.contains(key) {
            read.insert(key.to_vec());
        }
    }
}

impl<V: LedgerView> LedgerView for Recorder<V> {
    fn storage(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        self.note(key);
        self.view.storage(key)
    }

    fn chain(&self) -> ChainId {
        self.view.chain()
    }

    fn head(&self) -> (Height, TimeMs) {
        self.view.head()
    }
}

impl<V: AnswerView> AnswerView for Recorder<V> {
    fn block_hash(&self) -> H256 {
        self.view.block_hash()
    }

    fn keys_under(&self, prefix: &[u8], count: usize) -> Result<Vec<Vec<u8>>, Unavailable> {
        self.view.keys_under(prefix, count)
    }
}

/// Reads and decodes the value under `key`.
///
/// # Errors
/// [`AnswerError::Unavailable`], [`AnswerError::Undecodable`].
pub fn read<T: Decode>(view: &impl LedgerView, key: &[u8]) -> Result<Option<T>, AnswerError> {
    let bytes = view.storage(key)?;
    let decoded = bytes.map(|bytes| decode_strict(&bytes)).transpose();
    decoded.map_err(|_| AnswerError::Undecodable)
}

/// Reads a DID of the view's network.
///
/// # Errors
/// `did.malformed`, `did.wrong_network`.
pub fn local_did(view: &impl LedgerView, text: &str) -> Result<Did, AnswerError> {
    if text.len() > DID_CHARS_MAX {
        return Err(ErrorCode::DidMalformed.into());
    }
    let did: Did = text
        .parse()
        .map_err(|error| ErrorCode::DidMalformed.with(error))?;
    let here = NetworkId::from_genesis(&view.chain().genesis);
    if did.network() != here {
        let detail = format_args!("{} is not {here}", did.network());
        return Err(ErrorCode::DidWrongNetwork.with(detail).into());
    }
    Ok(did)
}
