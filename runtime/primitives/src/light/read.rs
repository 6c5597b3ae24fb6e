//! From a node's proof to a state that answers are worked out from.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::tree::{Presence, Proof, ProofError, VerifiedProof};
use crate::types::ChainId;

use super::{LightError, ReadProof, Trust, VerifiedHeader};

/// The state under some keys as of a verified header. [`Trust::verify_read`] is the only source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRead {
    chain: ChainId,
    header: VerifiedHeader,
    state: VerifiedProof,
}

impl VerifiedRead {
    /// Returns the chain.
    pub const fn chain(&self) -> &ChainId {
        &self.chain
    }

    /// Returns the header the state is as of.
    pub const fn header(&self) -> &VerifiedHeader {
        &self.header
    }

    /// Returns what is proven.
    pub const fn state(&self) -> &VerifiedProof {
        &self.state
    }

    /// Begins to work out an answer: the view remembers which keys are read.
    pub const fn view(&self) -> ReadLog<'_> {
        ReadLog {
            read: self,
            seen: RefCell::new(BTreeSet::new()),
            missing: RefCell::new(None),
        }
    }
}

/// A view of a [`VerifiedRead`] that remembers which keys were read, so that [`Self::finish`] can
/// tell whether they were exactly those proven.
#[derive(Debug)]
pub struct ReadLog<'r> {
    read: &'r VerifiedRead,
    seen: RefCell<BTreeSet<Vec<u8>>>,
    missing: RefCell<Option<Vec<u8>>>,
}

impl<'r> ReadLog<'r> {
    /// Returns the chain.
    pub const fn chain(&self) -> &'r ChainId {
        &self.read.chain
    }

    /// Returns the header the state is as of.
    pub const fn header(&self) -> &'r VerifiedHeader {
        &self.read.header
    }

    /// Returns the value under `key`, or `None` if its absence is proven.
    ///
    /// # Errors
    /// [`LightError::KeyMissing`] if nothing is proven about `key`; [`Self::finish`] fails then,
    /// too, whatever the caller makes of it.
    pub fn get(&self, key: &[u8]) -> Result<Option<&'r [u8]>, LightError> {
        let Some(presence) = self.read.state.get(key) else {
            self.missing
                .borrow_mut()
                .get_or_insert_with(|| key.to_vec());
            return Err(LightError::KeyMissing { key: key.to_vec() });
        };
        self.seen.borrow_mut().insert(key.to_vec());
        match presence {
            Presence::Present(value) => Ok(Some(value)),
            Presence::Absent => Ok(None),
        }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`LightError::KeyMissing`] if a key was read that is not proven,
    /// [`LightError::KeySurplus`] if one is proven that was not read.
    pub fn finish(self) -> Result<(), LightError> {
        let missing = self.missing.into_inner();
        ensure!(
            missing.is_none(),
            LightError::KeyMissing {
                key: missing.unwrap_or_default(),
            }
        );
        let seen = self.seen.into_inner();
        let keys = self.read.state.iter();
        let count = keys.filter(|(key, _)| !seen.contains(*key)).count();
        ensure!(count == 0, LightError::KeySurplus { count });
        Ok(())
    }
}

impl Trust {
    /// Verifies a bundle: its transitions, its head, and the state under its keys.
    ///
    /// Cost: one signature check per signer and header that is new; for the state, one hash per
    /// node shown and per key.
    ///
    /// # Errors
    /// [`LightError`] names the first check that fails.
    ///
    /// Source: spec/proofs.md §3, 4 to 20.
    pub fn verify_read(&mut self, proof: &ReadProof) -> Result<VerifiedRead, LightError> {
        if proof.transitions.is_empty() {
            return self.verify_head(proof);
        }
        let mut ahead = self.clone();
        let advanced = proof.transitions.iter().try_for_each(|transition| {
            ahead.advance(transition)?;
            Ok(())
        });
        let read = advanced.and_then(|()| ahead.verify_head(proof));
        match read {
            Ok(_) => *self = ahead,
            Err(_) => self.freeze_as(&ahead),
        }
        read
    }

    fn verify_head(&mut self, proof: &ReadProof) -> Result<VerifiedRead, LightError> {
        let header = self.checked(&proof.head)?;
        ensure!(
            proof.keys.is_sorted_by(|lower, upper| lower < upper),
            LightError::KeysOrder
        );
        let state = Proof::from_bytes(&proof.state).map_err(LightError::StateEncoding)?;
        let state = state.verify(header.state_root(), &proof.keys);
        let state = state.map_err(|error| match error {
            ProofError::NoKeys | ProofError::TooManyKeys { .. } => LightError::KeysCount,
            error => LightError::StateProof(error),
        })?;
        self.keep(&proof.head, &header);
        Ok(VerifiedRead {
            chain: *self.chain(),
            header,
            state,
        })
    }
}
