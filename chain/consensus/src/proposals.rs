//! Which proposals of whom have been seen, signature checked.
//!
//! Blocks travel in parts that only their streamer signs, apart from the proposal that the
//! proposer signs. The engine's verifier writes here what it verified, and the driver reads it
//! to tell a proposed block from one that merely arrived.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use allod_primitives::{H256, Height};

use crate::limits::PROPOSALS_SEEN_MAX;

/// Proposals seen at the latest height; shared between the verifier and the driver.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeenProposals(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    height: Height,
    /// Block hash to "was it ever proposed with a proof of lock".
    blocks: BTreeMap<H256, bool>,
}

/// How a block was proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proposed {
    /// No proposal of it has been seen.
    No,
    /// Proposed as a fresh value only.
    Fresh,
    /// Proposed at least once with a proof of lock: two thirds prevoted it in an earlier round.
    Locked,
}

impl SeenProposals {
    /// Notes a proposal whose signature was verified.
    pub(crate) fn note(&self, height: Height, block: H256, locked: bool) {
        let mut seen = self
            .0
            .lock()
            .expect("no code panics while it holds this lock");
        if height < seen.height {
            return;
        }
        if height > seen.height {
            seen.height = height;
            seen.blocks.clear();
        }
        if seen.blocks.contains_key(&block) || seen.blocks.len() < PROPOSALS_SEEN_MAX {
            *seen.blocks.entry(block).or_default() |= locked;
        }
    }

    /// Returns how `block` was proposed at `height`.
    pub(crate) fn lookup(&self, height: Height, block: &H256) -> Proposed {
        let seen = self
            .0
            .lock()
            .expect("no code panics while it holds this lock");
        match seen.blocks.get(block) {
            Some(locked) if seen.height == height => {
                if *locked {
                    Proposed::Locked
                } else {
                    Proposed::Fresh
                }
            }
            _ => Proposed::No,
        }
    }
}
