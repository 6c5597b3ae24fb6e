//! Comparing: with other nodes, and with a checkpoint.

use std::time::Duration;

use allod_primitives::light::{HeaderMark, Trust};
use allod_primitives::{H256, Height, TimeMs};

use super::client::{LightClient, Problem};
use super::config::ms;
use super::error::ReadError;
use super::wire::Wanted;

/// How long the other node may take for a comparison.
const COMPARE_TIMEOUT: Duration = Duration::from_secs(2);

impl LightClient {
    /// Compares a new block with another node's of the same height, unless that was done lately.
    /// What the other says is believed no more than anybody: only if it is certified, too, and
    /// another block, it matters.
    pub(super) async fn compare(&self, index: usize, head: &HeaderMark) -> Result<(), ReadError> {
        let now = self.now();
        let other = self.inner.nodes.other(index, now);
        let Some(other) = other.filter(|_| self.may_compare(index, head)) else {
            return Ok(());
        };
        self.state().compared = Some((now, head.height));
        let asked = self.header_of(other, Wanted::At(head.height));
        match tokio::time::timeout(COMPARE_TIMEOUT, asked).await {
            Ok(Err(Problem::Stop(error))) => Err(error),
            // It may only lag: that is no reason to ask it last.
            Ok(Err(Problem::Fault(fault))) if fault.is_lie() => {
                self.aside(other, fault);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether there is another node, and no block was compared lately.
    pub(super) fn may_compare(&self, index: usize, head: &HeaderMark) -> bool {
        let now = self.now();
        let every = ms(self.inner.config.compare_every);
        let lately = |(at, height): (TimeMs, Height)| {
            now.0.saturating_sub(at.0) < every || height >= head.height
        };
        let compared = self.state().compared;
        self.inner.nodes.other(index, now).is_some() && !compared.is_some_and(lately)
    }

    /// As [`compare`](Self::compare), while the caller goes on: a conflict freezes this client, and
    /// the next that it is asked says so.
    pub(super) fn compare_later(&self, index: usize, head: HeaderMark) {
        if !self.may_compare(index, &head) {
            return;
        }
        let client = self.clone();
        tokio::spawn(async move {
            // What it finds is in the client's state.
            let _ = client.compare(index, &head).await;
        });
    }

    /// Checks that a checkpoint given to a client that follows a chain already is on that chain.
    pub(super) async fn confirm(&self) -> Result<(), ReadError> {
        let Some(checkpoint) = self.inner.config.anchor.checkpoint() else {
            return Ok(());
        };
        let (height, hash) = (checkpoint.height, checkpoint.hash);
        {
            let mut state = self.state();
            let known = known_hash(&state.kept.trust, height);
            let oldest = state.kept.trust.sets().first().map(|it| it.since());
            let too_old = oldest.is_some_and(|since| height < since);
            match known {
                Some(known) if known != hash => {
                    return Err(ReadError::CheckpointContradicted { height });
                }
                None if state.kept.confirmed != Some(hash) && !too_old => {}
                // Of a set that is no longer kept nothing can be told any more.
                _ => {
                    state.kept.confirmed = Some(hash);
                    return Ok(());
                }
            }
        }
        let mut faults = Vec::new();
        for index in self.inner.nodes.order(self.now()) {
            match self.header_of(index, Wanted::At(height)).await {
                Ok(head) if *head.hash() == hash => {
                    self.state().kept.confirmed = Some(hash);
                    return self.save(true);
                }
                Ok(_) => return Err(ReadError::CheckpointContradicted { height }),
                Err(Problem::Fault(fault)) => faults.push(self.aside(index, fault)),
                Err(Problem::Stop(error)) => return Err(error),
            }
        }
        Err(ReadError::Unanswered { faults })
    }
}

fn known_hash(trust: &Trust, height: Height) -> Option<H256> {
    let mut known = trust.known_headers();
    let known = known.find(|it| it.header.number == height)?;
    Some(known.header.hash())
}
