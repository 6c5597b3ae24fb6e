//! When a client must not answer, and what it writes down.

use std::sync::atomic::Ordering;

use allod_primitives::light::{Conflict, LightError};
use allod_primitives::{H256, TimeMs};

use super::anchor;
use super::client::{Frozen, LightClient, State};
use super::config::is_within;
use super::error::ReadError;
use super::evidence::Evidence;
use super::kept::Kept;
use super::store::{Step, Store, StoreError};
use crate::keys::random_bytes;

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
        if state.frozen.is_some() {
            return Err(self.frozen(&mut state));
        }
        let set = state.kept.trust.newest_set().set_id();
        let lately = |(at, of): (TimeMs, u64)| of == set && is_within(at, now, SAVE_EVERY_MS);
        if !urgent && state.saved.is_some_and(lately) {
            return Ok(());
        }
        if state.written.as_ref() == Some(&state.kept.to_bytes()) {
            return Ok(());
        }
        self.exchange(store, &mut state)?;
        state.saved = Some((now, set));
        Ok(())
    }

    /// Writes what is trusted, or else what shows that there are two histories: never both.
    pub(super) fn exchange(&self, store: &Store, state: &mut State) -> Result<(), ReadError> {
        let mut found = None;
        let mut bytes = Vec::new();
        let written = store.exchange(|there| -> Result<Step, StoreError> {
            if let Some(evidence) = there.evidence {
                found = Some(Box::new(evidence));
                return Ok(Step::Nothing);
            }
            if let Some(conflict) = take_in(state, there.trust, store)? {
                let source = |hash: &H256| state.kept.source(hash);
                let evidence = Evidence::new(&self.inner.chain, &conflict, self.now(), source);
                let evidence = found.insert(Box::new(evidence));
                return Ok(Step::Freeze(evidence.clone()));
            }
            bytes = state.kept.to_bytes();
            Ok(Step::Keep(bytes.clone()))
        });
        if let Some(evidence) = found {
            // If it could not be written, that is tried again, and told.
            let on_disk = written.is_ok();
            state.frozen = Some(Frozen { evidence, on_disk });
            return Err(self.frozen(state));
        }
        written?;
        state.written = Some(bytes);
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
        let mut unwritten = None;
        if let Some(store) = store.filter(|_| !frozen.on_disk) {
            unwritten = store.freeze(&frozen.evidence).err().map(Box::new);
            frozen.on_disk = unwritten.is_none();
        }
        ReadError::Frozen {
            evidence: frozen.evidence.clone(),
            path: store.filter(|_| frozen.on_disk).map(Store::evidence_path),
            unwritten,
        }
    }
}

/// Takes in what lies on disk; returns the conflict, if that is of another history.
fn take_in(
    state: &mut State,
    there: Option<Vec<u8>>,
    store: &Store,
) -> Result<Option<Box<Conflict>>, StoreError> {
    let known = state.kept.beginning.is_some();
    let Some(there) = there else {
        if known {
            return Err(store.forgotten());
        }
        let fresh = random_bytes().map_err(|error| store.unwritable(error))?;
        state.kept.beginning = Some(fresh);
        return Ok(None);
    };
    if state.written.as_ref() == Some(&there) {
        return Ok(None);
    }
    let other = Kept::from_bytes(&there).ok_or_else(|| store.undecodable())?;
    if known && other.beginning != state.kept.beginning {
        return Err(store.forgotten());
    }
    state.kept.beginning = other.beginning;
    match state.kept.merge(other) {
        Err(LightError::Conflict(conflict)) => Ok(Some(conflict)),
        _ => Ok(None),
    }
}
