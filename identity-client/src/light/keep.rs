//! When a client must not answer, and what it writes down.

use std::sync::atomic::Ordering;

use allod_primitives::light::LightError;
use allod_primitives::{H256, TimeMs};

use super::anchor;
use super::client::{Frozen, LightClient, State};
use super::error::ReadError;
use super::evidence::Evidence;
use super::kept::Kept;
use super::store::{Store, StoreError};

/// How often what was verified is written down at most, ms; a new validator set is at once.
const SAVE_EVERY_MS: u64 = 1000;

impl LightClient {
    /// Checks that this client may answer at all.
    pub(super) fn check_open(&self) -> Result<(), ReadError> {
        {
            let mut state = self.state();
            if state.frozen.is_some() {
                return Err(self.frozen(&mut state));
            }
        }
        self.check_age()
    }

    /// Returns whether two certified histories were found.
    pub fn is_frozen(&self) -> bool {
        self.inner.is_frozen.load(Ordering::Acquire)
    }

    pub(super) fn check_age(&self) -> Result<(), ReadError> {
        let newest = self.state().kept.trust.newest();
        anchor::check_age(&self.inner.config, &newest)
    }

    /// Writes down what was verified, at most once a second unless it is `urgent` or the
    /// validators have changed.
    pub(super) fn save(&self, urgent: bool) -> Result<(), ReadError> {
        let Some(store) = &self.inner.store else {
            return Ok(());
        };
        let now = self.now();
        let mut state = self.state();
        let set = state.kept.trust.newest_set().set_id();
        let lately =
            |(at, of): (TimeMs, u64)| of == set && now.0 < at.0.saturating_add(SAVE_EVERY_MS);
        if !urgent && state.saved.is_some_and(lately) {
            return Ok(());
        }
        if state.written.as_ref() == Some(&state.kept.to_bytes()) {
            return Ok(());
        }
        if let Some(evidence) = store.evidence()? {
            let evidence = Box::new(evidence);
            let on_disk = true;
            state.frozen = Some(Frozen { evidence, on_disk });
            return Err(self.frozen(&mut state));
        }
        self.exchange(store, &mut state)?;
        state.saved = Some((now, set));
        Ok(())
    }

    pub(super) fn exchange(&self, store: &Store, state: &mut State) -> Result<(), ReadError> {
        let mut conflict = None;
        let (kept, last) = (&mut state.kept, &state.written);
        let mut bytes = Vec::new();
        store.exchange(|there| -> Result<Vec<u8>, StoreError> {
            if let Some(there) = there.filter(|it| Some(it) != last.as_ref()) {
                let other = Kept::from_bytes(&there).ok_or_else(|| store.undecodable())?;
                if let Err(LightError::Conflict(found)) = kept.merge(other) {
                    conflict = Some(found);
                }
            }
            bytes = kept.to_bytes();
            Ok(bytes.clone())
        })?;
        state.written = Some(bytes);
        if let Some(conflict) = conflict {
            let source = |hash: &H256| state.kept.source(hash);
            let evidence = Evidence::new(&self.inner.chain, &conflict, self.now(), source);
            let evidence = Box::new(evidence);
            let on_disk = false;
            state.frozen = Some(Frozen { evidence, on_disk });
            return Err(self.frozen(state));
        }
        Ok(())
    }

    /// Returns the error of a frozen client, and sees to it that the evidence is on disk.
    pub(super) fn frozen(&self, state: &mut State) -> ReadError {
        let Some(frozen) = &mut state.frozen else {
            // Only called when it is; a client that is not may not be told that it is.
            return ReadError::Unanswered { faults: Vec::new() };
        };
        self.inner.is_frozen.store(true, Ordering::Release);
        let store = self.inner.store.as_ref();
        if let Some(store) = store.filter(|_| !frozen.on_disk) {
            frozen.on_disk = store.freeze(&frozen.evidence).is_ok();
        }
        ReadError::Frozen {
            evidence: frozen.evidence.clone(),
            path: store.filter(|_| frozen.on_disk).map(Store::evidence_path),
        }
    }
}
