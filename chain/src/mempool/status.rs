//! What became of a transaction, told to whoever watches it.

use std::collections::HashMap;

use allod_primitives::{H256, Height};
use allod_runtime::frame::TransactionError;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::limits::{WATCH_EVENTS_MAX, WATCHED_MAX};

/// Why a transaction left the mempool without a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// It waited too long.
    Expired,
    /// It gave way to one of higher priority.
    Evicted,
    /// Another one took its sequence number.
    Superseded,
}

/// A step in the life of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxStatus {
    /// It may be in the next block.
    Ready,
    /// It waits for another.
    Future,
    /// It is in a final block. Nothing follows.
    Finalized {
        /// Hash of the block.
        block: H256,
        /// Height of the block.
        height: Height,
        /// Its place in the block.
        index: u32,
    },
    /// It left the mempool. Nothing follows.
    Dropped(DropReason),
    /// It became invalid. Nothing follows.
    Invalid(TransactionError),
}

impl TxStatus {
    /// Returns whether nothing can follow.
    pub const fn is_last(&self) -> bool {
        matches!(
            self,
            Self::Finalized { .. } | Self::Dropped(_) | Self::Invalid(_)
        )
    }
}

/// A transaction's statuses, as they come. Ends after the last one; a watcher that does not read
/// misses what exceeds [`WATCH_EVENTS_MAX`], never the end of the stream.
pub type Watch = mpsc::Receiver<TxStatus>;

/// Who watches what.
#[derive(Debug, Default)]
pub(super) struct Watchers(Mutex<HashMap<H256, Vec<mpsc::Sender<TxStatus>>>>);

impl Watchers {
    /// Adds a watcher, or returns a stream that has ended if there are too many.
    pub(super) fn add(&self, hash: H256) -> Watch {
        let (sender, receiver) = mpsc::channel(WATCH_EVENTS_MAX);
        let mut watched = self.0.lock();
        if watched.len() >= WATCHED_MAX {
            watched.retain(|_, senders| {
                senders.retain(|sender| !sender.is_closed());
                !senders.is_empty()
            });
        }
        if watched.len() < WATCHED_MAX {
            watched.entry(hash).or_default().push(sender);
        }
        receiver
    }

    pub(super) fn tell(&self, hash: &H256, status: &TxStatus) {
        self.tell_all(std::iter::once((*hash, status.clone())));
    }

    pub(super) fn tell_all(&self, told: impl IntoIterator<Item = (H256, TxStatus)>) {
        let mut watched = self.0.lock();
        if watched.is_empty() {
            return;
        }
        for (hash, status) in told {
            if status.is_last() {
                for sender in watched.remove(&hash).unwrap_or_default() {
                    // A full or closed channel is the watcher's loss.
                    let _ = sender.try_send(status.clone());
                }
            } else if let Some(senders) = watched.get_mut(&hash) {
                senders.retain(|sender| {
                    let sent = sender.try_send(status.clone());
                    !matches!(sent, Err(mpsc::error::TrySendError::Closed(_)))
                });
                if senders.is_empty() {
                    watched.remove(&hash);
                }
            }
        }
    }
}
