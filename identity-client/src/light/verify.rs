//! What a node's claim must stand before anything is made of it.

use allod_primitives::H256;
use allod_primitives::light::time::{
    check_head_ahead, check_head_back, check_head_other, check_head_stale, check_head_too_low,
};
use allod_primitives::light::{
    LightError, ReadProof, Trust, TrustedSet, VerifiedHeader, VerifiedRead,
};

use super::anchor;
use super::client::{AsOf, Frozen, LightClient, Problem, mark};
use super::error::Fault;
use super::evidence::Evidence;
use super::wire::{self, Wanted};

impl LightClient {
    /// Verifies a bundle, fetching the validator sets that it leaves out.
    pub(super) async fn verify_read(
        &self,
        index: usize,
        proof: &ReadProof,
    ) -> Result<VerifiedRead, Problem> {
        self.verified(index, |trust| trust.verify_read(proof)).await
    }

    /// Checks a claim of a node, fetching from it what the claim presupposes.
    async fn verified<T>(
        &self,
        index: usize,
        check: impl Fn(&mut Trust) -> Result<T, LightError>,
    ) -> Result<T, Problem> {
        let mut checked = self.with_trust(index, &check);
        if let Err(Problem::Fault(Fault::Light(LightError::SetUnknown { set_id, .. }))) = &checked {
            self.catch_up(index, *set_id).await?;
            checked = self.with_trust(index, &check);
        }
        self.traced(index, checked).await
    }

    /// Looks into a header by a set that is not trusted: if the node's history has left the one
    /// that is followed, then by a block of a set that both have, which the node is asked for.
    ///
    /// Source: spec/proofs.md §3, why a fork with a change of validators freezes.
    pub(super) async fn traced<T>(
        &self,
        index: usize,
        checked: Result<T, Problem>,
    ) -> Result<T, Problem> {
        let mismatch = matches!(
            &checked,
            Err(Problem::Fault(Fault::Light(LightError::SetMismatch { .. })))
        );
        if !mismatch {
            return checked;
        }
        match self.trace(index).await {
            Err(stop @ Problem::Stop(_)) => Err(stop),
            // What else is wrong with the node adds nothing.
            _ => checked,
        }
    }

    /// Compares a node's changes of validators with those that are known.
    async fn trace(&self, index: usize) -> Result<(), Problem> {
        let node = self.inner.nodes.get(index);
        let (mut next, newest) = {
            let state = self.state();
            let sets = state.kept.trust.sets();
            let oldest = sets.first().map(TrustedSet::set_id);
            (oldest, state.kept.trust.newest_set().set_id())
        };
        // It ends: every page goes on behind the one before.
        while let Some(from) = next.filter(|it| *it <= newest) {
            let page = wire::transitions(node.as_ref(), from).await?;
            for transition in &page {
                self.with_trust(index, |trust| trust.advance(transition))?;
            }
            let last = page.last().map(|it| it.last.header.digest.set_id);
            next = last.filter(|it| *it >= from).map(|it| it.saturating_add(1));
        }
        Ok(())
    }

    /// Verifies a header, fetching the validator sets before it.
    pub(super) async fn head_of(&self, index: usize) -> Result<VerifiedHeader, Problem> {
        let head = self.header_of(index, Wanted::Newest).await?;
        self.check_place(&head, AsOf::Now)?;
        self.save(false).map_err(Problem::Stop)?;
        // Before comparing, which may put it aside.
        self.inner.nodes.take_back(index);
        let compared = self.compare(index, &mark(&head)).await;
        compared.map_err(Problem::Stop)?;
        Ok(head)
    }

    pub(super) async fn header_of(
        &self,
        index: usize,
        wanted: Wanted,
    ) -> Result<VerifiedHeader, Problem> {
        let node = self.inner.nodes.get(index);
        let certified = wire::header(node.as_ref(), wanted).await?;
        let verify = |trust: &mut Trust| trust.verify_header(&certified);
        let head = self.verified(index, verify).await?;
        let actual = head.number();
        match wanted {
            Wanted::At(wanted) if wanted != actual => {
                Err(Fault::WrongBlock { wanted, actual }.into())
            }
            _ => Ok(head),
        }
    }

    /// Follows the changes of validators up to set `wanted`, or as far as the node shows them if
    /// that is `u64::MAX`, page by page. It ends: every page brings a set that the one before has
    /// certified, or is refused.
    pub(super) async fn catch_up(&self, index: usize, wanted: u64) -> Result<(), Problem> {
        let caught_up = self.follow_sets(index, wanted).await;
        self.traced(index, caught_up).await
    }

    async fn follow_sets(&self, index: usize, wanted: u64) -> Result<(), Problem> {
        let node = self.inner.nodes.get(index);
        loop {
            let known = self.state().kept.trust.newest_set().set_id();
            if known >= wanted {
                return Ok(());
            }
            let page = wire::transitions(node.as_ref(), known).await?;
            for transition in &page {
                self.with_trust(index, |trust| trust.advance(transition))?;
            }
            self.save(false).map_err(Problem::Stop)?;
            if page.is_empty() && wanted == u64::MAX {
                return Ok(());
            }
            if self.state().kept.trust.newest_set().set_id() <= known {
                return Err(Fault::TransitionsWithheld { known }.into());
            }
        }
    }

    /// Checks a claim of a node. A conflict freezes this client for good.
    pub(super) fn with_trust<T>(
        &self,
        index: usize,
        check: impl FnOnce(&mut Trust) -> Result<T, LightError>,
    ) -> Result<T, Problem> {
        let mut state = self.state();
        if state.frozen.is_some() {
            return Err(Problem::Stop(self.frozen(&mut state)));
        }
        let newest = state.kept.trust.newest();
        anchor::check_age(&self.inner.config, &newest).map_err(Problem::Stop)?;
        let before = (newest.hash, state.kept.trust.newest_set().set_id());
        match check(&mut state.kept.trust) {
            Ok(checked) => {
                let node = self.inner.nodes.get(index);
                state.kept.note_sources(before, node.name());
                Ok(checked)
            }
            Err(LightError::Conflict(conflict)) => {
                let second = conflict.second().header.hash();
                let node = self.inner.nodes.get(index).name().to_owned();
                state.kept.note_source(second, &node);
                let kept = &state.kept;
                let source = |hash: &H256| kept.source(hash);
                let evidence = Evidence::new(&self.inner.chain, &conflict, self.now(), source);
                state.frozen = Some(Frozen {
                    evidence: Box::new(evidence),
                    on_disk: false,
                });
                Err(Problem::Stop(self.frozen(&mut state)))
            }
            Err(error) => Err(Fault::Light(error).into()),
        }
    }

    pub(super) fn check_place(&self, head: &VerifiedHeader, as_of: AsOf) -> Result<(), Problem> {
        let (now, answered) = (self.now(), self.state().kept.answered);
        let staleness = self.inner.config.staleness_ms();
        check_head_ahead(head, now)?;
        match as_of {
            AsOf::At(height) => {
                check_head_other(head, height)?;
                let config = &self.inner.config;
                anchor::check_block_age(config, &mark(head)).map_err(Problem::Stop)?;
            }
            AsOf::AtLeast(height) => {
                check_head_stale(head, now, staleness)?;
                check_head_too_low(head, height)?;
                check_head_back(head, answered)?;
            }
            AsOf::Now => {
                check_head_stale(head, now, staleness)?;
                check_head_back(head, answered)?;
            }
        }
        Ok(())
    }
}
