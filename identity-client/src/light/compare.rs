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
        // Whoever is asked is blamed for the silence: it may be the first node as well.
        let mut asking = index;
        let asked = async {
            for other in self.inner.nodes.others(index, now) {
                let missed = match self.compare_with(index, other, head, &mut asking).await {
                    Ok(height) => return Ok(Some(height)),
                    Err(Problem::Stop(error)) => return Err(error),
                    Err(Problem::Fault(fault)) if fault.is_lie() => self.aside(asking, fault),
                    Err(Problem::Fault(fault)) => {
                        self.inner.nodes.blame(asking, now, Arc::new(fault))
                    }
                };
                last = Some(missed);
            }
            Ok(None)
        };
        let asked = tokio::time::timeout(COMPARE_TIMEOUT, asked).await;
        if let Ok(Err(error)) = asked {
            return Err(error);
        }
        // Who only lags is not asked last for that. Who is silent is.
        if asked.is_err() {
            last = Some(self.aside(asking, Fault::Disconnected));
        }
        let mut state = self.state();
        match asked {
            Ok(Ok(Some(height))) => {
                state.comparing.made = Some((now, height));
                state.comparing.missed = None;
            }
            _ => state.comparing.missed = last.or(state.comparing.missed.take()),
        }
        Ok(())
    }

    /// Compares with one other node; with a block that both have shown, if it lags within the
    /// staleness bound. Returns the height compared. `asking` is the node that a fault is of.
    async fn compare_with(
        &self,
        index: usize,
        other: usize,
        head: &HeaderMark,
        asking: &mut usize,
    ) -> Result<Height, Problem> {
        *asking = other;
        match self.header_of(other, Wanted::At(head.height)).await {
            Err(Problem::Fault(Fault::Node(error)))
                if error.known() == Some(ErrorCode::BlockNotFound) => {}
            found => return Ok(found?.number()),
        }
        let theirs = self.header_of(other, Wanted::Newest).await?;
        if theirs.number() > head.height {
            let found = self.header_of(other, Wanted::At(head.height)).await;
            return Ok(found?.number());
        }
        check_head_stale(&theirs, self.now(), self.inner.config.staleness_ms())?;
        // A block that another has shown already: the first node is not needed, and cannot keep
        // the two from being compared.
        if let Some(height) = self.shown_by_others(other, theirs.number()) {
            return Ok(self.header_of(other, Wanted::At(height)).await?.number());
        }
        // The same height of the first node's history: two blocks of it would be a conflict.
        *asking = index;
        let found = self.header_of(index, Wanted::At(theirs.number())).await;
        Ok(found?.number())
    }

    /// Returns the highest block, not above `highest`, that another node than `other` has shown,
    /// if it is fresh.
    fn shown_by_others(&self, other: usize, highest: Height) -> Option<Height> {
        let name = self.inner.nodes.get(other).name();
        let (now, bound) = (self.now(), self.inner.config.staleness_ms());
        let state = self.state();
        let is_others = |hash: &H256| state.kept.source(hash).is_some_and(|it| it != name);
        let mut known = state.kept.trust.known_headers().rev();
        let found = known.find(|it| {
            let header = &it.header;
            header.number <= highest
                && now <= header.digest.time.plus_ms(bound)
                && is_others(&header.hash())
        });
        Some(found?.header.number)
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
