//! What a client believes, in memory and as bytes.

use std::collections::VecDeque;

use allod_primitives::light::{CertifiedHeader, LightError, Trust, TrustedSet};
use allod_primitives::{H256, Height, decode_strict};
use parity_scale_codec::{Decode, Encode};

/// Headers of which it is remembered who gave them.
const SOURCES_MAX: usize = 256;

/// Random: tells what is kept from what was kept before a person had that forgotten.
pub(super) type Beginning = [u8; 16];

/// What is written to disk.
#[derive(Encode, Decode)]
struct Form {
    beginning: Option<Beginning>,
    answered: Height,
    confirmed: Option<H256>,
    trust: Vec<u8>,
}

/// What a client believes.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// Given when it is first written.
    pub(super) beginning: Option<Beginning>,
    /// Sets and headers.
    pub(super) trust: Trust,
    /// The highest head that an answer as of now was from.
    pub(super) answered: Height,
    /// Hash of the checkpoint that was last found on the chain.
    pub(super) confirmed: Option<H256>,
    /// Which node gave a header; not kept.
    sources: VecDeque<(H256, String)>,
}

impl Kept {
    pub(super) fn new(trust: Trust) -> Self {
        Self {
            beginning: None,
            trust,
            answered: Height(0),
            confirmed: None,
            sources: VecDeque::new(),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let trust = self.trust.to_bytes();
        let (answered, confirmed) = (self.answered, self.confirmed);
        Form {
            beginning: self.beginning,
            answered,
            confirmed,
            trust,
        }
        .encode()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let form: Form = decode_strict(bytes).ok()?;
        let trust = Trust::from_bytes(&form.trust).ok()?;
        Some(Self {
            beginning: form.beginning,
            answered: form.answered,
            confirmed: form.confirmed,
            ..Self::new(trust)
        })
    }

    /// Takes in what another process of the same user has verified.
    ///
    /// # Errors
    /// [`LightError::Conflict`] if the two have seen two histories.
    pub(super) fn merge(&mut self, other: Self) -> Result<(), LightError> {
        self.answered = self.answered.max(other.answered);
        self.confirmed = self.confirmed.or(other.confirmed);
        let ahead = |trust: &Trust| (trust.newest_set().set_id(), trust.newest().height);
        let (mut base, rest) = if ahead(&other.trust) > ahead(&self.trust) {
            (other.trust, self.trust.clone())
        } else {
            (self.trust.clone(), other.trust)
        };
        // Each may have forgotten what the other still has.
        check_all(&mut base, &rest)?;
        check_all(&mut rest.clone(), &base)?;
        self.trust = base;
        Ok(())
    }

    /// Remembers that `node` gave the header of `hash`.
    pub(super) fn note_source(&mut self, hash: H256, node: &str) {
        if self.sources.iter().any(|(known, _)| *known == hash) {
            return;
        }
        if self.sources.len() >= SOURCES_MAX {
            self.sources.pop_front();
        }
        self.sources.push_back((hash, node.to_owned()));
    }

    /// Remembers that `node` gave the newest header, and those that show sets, as far as they are
    /// others than those `before`: hash of the newest header, number of the newest set.
    pub(super) fn note_sources(&mut self, before: (H256, u64), node: &str) {
        let newest = self.trust.newest().hash;
        let sets = self.trust.sets().iter();
        let shown = sets.filter(|set| set.set_id() > before.1);
        let shown = shown.map(|set| set.shown_by().header.hash());
        let mut hashes: Vec<H256> = shown.collect();
        hashes.extend((newest != before.0).then_some(newest));
        for hash in hashes {
            self.note_source(hash, node);
        }
    }

    /// Returns which node gave the header of `hash`.
    pub(super) fn source(&self, hash: &H256) -> Option<String> {
        let source = self.sources.iter().find(|(known, _)| known == hash);
        source.map(|(_, node)| node.clone())
    }
}

/// Shows `trust` every header that another has verified, those that show its sets first.
///
/// # Errors
/// Only conflicts: a header of a set that `trust` does not know, or no longer, tells nothing.
fn check_all(trust: &mut Trust, other: &Trust) -> Result<(), LightError> {
    let shown = other.sets().iter().map(TrustedSet::shown_by);
    for known in shown.chain(other.known_headers()) {
        let Some(certificate) = known.certificate.clone() else {
            continue;
        };
        let header = known.header.clone();
        let certified = CertifiedHeader {
            header,
            certificate,
        };
        if let Err(conflict @ LightError::Conflict(_)) = trust.verify_header(&certified) {
            return Err(conflict);
        }
    }
    Ok(())
}
