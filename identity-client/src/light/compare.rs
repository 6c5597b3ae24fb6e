//! Comparing: with other nodes, and with a checkpoint.

use std::sync::Arc;
use std::time::Duration;

use allod_primitives::light::time::check_head_stale;
use allod_primitives::light::{HeaderMark, Trust};
use allod_primitives::{H256, Height, TimeMs};
use allod_rpc_api::ErrorCode;

use super::client::{LightClient, Problem};
use super::config::{is_within, ms};
use super::error::{Fault, ReadError};
use super::nodes::Aside;
use super::wire::Wanted;

/// How long the other node may take for a comparison.
const COMPARE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long comparing may fail before that is overdue.
const OVERDUE: Duration = Duration::from_secs(60);

/// How comparing blocks with other nodes went.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// When a block was last compared, by this client's clock, and its height. The two may have
    /// been one: this client would be frozen if not.
    pub made: Option<(TimeMs, Height)>,
    /// Which node failed last, and how, if no comparison has come about since.
    pub missed: Option<Aside>,
    /// Whether nothing was compared for a minute and for three pauses between comparisons, though
    /// it was tried. Answers are proven all the same; but if validators sign two histories, this
    /// client sees one.
    pub is_overdue: bool,
}

/// What is remembered of comparing.
#[derive(Clone, Debug)]
pub(super) struct Comparing {
    /// When this client began.
    pub(super) began: TimeMs,
    /// When it was last tried.
    pub(super) tried: Option<TimeMs>,
    pub(super) made: Option<(TimeMs, Height)>,
    pub(super) missed: Option<Aside>,
}

impl Comparing {
    pub(super) const fn beginning(began: TimeMs) -> Self {
        Self {
            began,
            tried: None,
            made: None,
            missed: None,
        }
    }
}

impl LightClient {
    /// Compares a new block with another node's of the same height, unless that was done lately.
    /// What the other says is believed no more than anybody: only if it is certified, too, and
    /// another block, it matters. The others are asked in turn, until one has the block.
    pub(super) async fn compare(&self, index: usize, head: &HeaderMark) -> Result<(), ReadError> {
        if !self.may_compare(head) {
            return Ok(());
        }
        let now = self.now();
        self.state().comparing.tried = Some(now);
        let mut last = None;
        let asked = async {
            for other in self.inner.nodes.others(index, now) {
                last = Some((other, Fault::Disconnected));
                match self.compare_with(index, other, head).await {
                    Ok(()) => return Ok(true),
                    Err(Problem::Stop(error)) => return Err(error),
                    Err(Problem::Fault(fault)) => last = Some((other, fault)),
                }
                if let Some((_, fault)) = last.take_if(|(_, fault)| fault.is_lie()) {
                    let aside = self.aside(other, fault);
                    self.state().comparing.missed = Some(aside);
                }
            }
            Ok(false)
        };
        let asked = tokio::time::timeout(COMPARE_TIMEOUT, asked).await;
        if let Ok(Err(error)) = asked {
            return Err(error);
        }
        let mut state = self.state();
        if matches!(asked, Ok(Ok(true))) {
            state.comparing.made = Some((now, head.height));
            state.comparing.missed = None;
            return Ok(());
        }
        if let Some((other, fault)) = last {
            let aside = self.inner.nodes.blame(other, now, Arc::new(fault));
            // It may only lag: that is no reason to ask it last. Silence is.
            if asked.is_err() {
                let fault = Arc::clone(&aside.fault);
                self.inner.nodes.put_aside(other, now, fault);
            }
            state.comparing.missed = Some(aside);
        }
        Ok(())
    }

    /// Compares with one other node; with the newest block that it has, if it lags within the
    /// staleness bound.
    async fn compare_with(
        &self,
        index: usize,
        other: usize,
        head: &HeaderMark,
    ) -> Result<(), Problem> {
        match self.header_of(other, Wanted::At(head.height)).await {
            Err(Problem::Fault(Fault::Node(error)))
                if error.known() == Some(ErrorCode::BlockNotFound) => {}
            found => return found.map(drop),
        }
        let theirs = self.header_of(other, Wanted::Newest).await?;
        let height = theirs.number();
        if height > head.height {
            let found = self.header_of(other, Wanted::At(head.height)).await;
            return found.map(drop);
        }
        check_head_stale(&theirs, self.now(), self.inner.config.staleness_ms())?;
        // The same height of the first node's history: two blocks of it would be a conflict.
        self.header_of(index, Wanted::At(height)).await.map(drop)
    }

    /// Whether there is another node, and no block was compared lately, nor tried to be.
    pub(super) fn may_compare(&self, head: &HeaderMark) -> bool {
        let now = self.now();
        let every = ms(self.inner.config.compare_every);
        let state = self.state();
        let (tried, made) = (state.comparing.tried, state.comparing.made);
        self.inner.nodes.are_several()
            && !tried.is_some_and(|at| is_within(at, now, every))
            && made.is_none_or(|(_, height)| height < head.height)
    }

    /// Tells how comparing went; `None` if there is nobody to compare with.
    pub(super) fn comparison(&self) -> Option<Comparison> {
        if !self.inner.nodes.are_several() {
            return None;
        }
        let now = self.now();
        let state = self.state();
        let Comparing {
            began,
            made,
            missed,
            ..
        } = state.comparing.clone();
        let since = made.map_or(began, |(at, _)| at);
        let bound = ms(OVERDUE).max(ms(self.inner.config.compare_every).saturating_mul(3));
        Some(Comparison {
            made,
            is_overdue: missed.is_some() && !is_within(since, now, bound),
            missed,
        })
    }

    /// As [`compare`](Self::compare), while the caller goes on: a conflict freezes this client, and
    /// the next that it is asked says so.
    pub(super) fn compare_later(&self, index: usize, head: HeaderMark) {
        if !self.may_compare(&head) {
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
