//! Headers that were verified, as witnesses: can another one be of the same history?
//!
//! Everything here is about two headers at a time, never about what is known or missing: blocks of
//! one history agree, in whatever order they are shown. spec/proofs.md §3 has the argument.

use crate::hash::H256;
use crate::header::Header;
use crate::types::{Height, TimeMs};

use super::{CertifiedHeader, Conflict, ConflictKind, KnownHeader, LightError};

/// A verified header with its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Witness {
    pub(super) hash: H256,
    pub(super) known: KnownHeader,
}

impl Witness {
    pub(super) fn new(known: KnownHeader) -> Self {
        let hash = known.header.hash();
        Self { hash, known }
    }

    pub(super) const fn header(&self) -> &Header {
        &self.known.header
    }

    pub(super) const fn number(&self) -> Height {
        self.known.header.number
    }

    pub(super) const fn time(&self) -> TimeMs {
        self.known.header.digest.time
    }
}

/// Checks that a certified header can be of one history with these witnesses, which are of one.
///
/// Source: spec/proofs.md §3, 12 and 15 to 17.
pub(super) fn check_agreement<'w>(
    witnesses: impl Iterator<Item = &'w Witness> + Clone,
    certified: &CertifiedHeader,
    hash: &H256,
) -> Result<(), LightError> {
    let header = &certified.header;
    let (number, time) = (header.number, header.digest.time);
    let conflict = |kind, witness: &Witness| {
        let (first, second) = (witness.known.clone(), certified.clone());
        LightError::Conflict(Box::new(Conflict::new(kind, first, second)))
    };
    let same = witnesses.clone().find(|it| it.number() == number);
    let below = witnesses.clone().filter(|it| it.number() < number);
    let above = witnesses.filter(|it| it.number() > number);
    if let Some(same) = same {
        ensure!(same.hash == *hash, conflict(ConflictKind::TwoBlocks, same));
    }
    if let Some(below) = below.max_by_key(|it| it.number()) {
        ensure!(
            below.number().next() != number || header.parent_hash == below.hash,
            conflict(ConflictKind::Parent, below)
        );
        ensure!(
            below.time() < time,
            conflict(ConflictKind::TimeOrder, below)
        );
        let conflict = || conflict(ConflictKind::SetHistory, below);
        check_sets(below.header(), header, conflict)?;
    }
    if let Some(above) = above.min_by_key(|it| it.number()) {
        ensure!(
            number.next() != above.number() || above.header().parent_hash == *hash,
            conflict(ConflictKind::Parent, above)
        );
        ensure!(
            time < above.time(),
            conflict(ConflictKind::TimeOrder, above)
        );
        let conflict = || conflict(ConflictKind::SetHistory, above);
        check_sets(header, above.header(), conflict)?;
    }
    Ok(())
}

/// Checks that two headers tell one history of validator sets.
fn check_sets(
    lower: &Header,
    higher: &Header,
    conflict: impl Fn() -> LightError,
) -> Result<(), LightError> {
    let (now, then) = (&lower.digest, &higher.digest);
    let next_set = &now.next_validator_set;
    let behind = lower.number.next();
    // The set in force behind `lower`.
    let (set_id, since) = match ends_set(lower) {
        true => (now.set_id.saturating_add(1), behind),
        false => (now.set_id, now.set_since),
    };
    ensure!(then.set_id >= set_id, conflict());
    if then.set_id == set_id {
        ensure!(then.set_since == since, conflict());
        ensure!(then.validator_set == *next_set, conflict());
    }
    if then.set_id > set_id {
        let is_next = then.set_id == set_id.saturating_add(1);
        ensure!(then.set_since > behind, conflict());
        ensure!(!is_next || then.validator_set != *next_set, conflict());
    }
    Ok(())
}

/// Returns whether `header` is the last that its set certifies.
pub(super) fn ends_set(header: &Header) -> bool {
    header.digest.next_validator_set != header.digest.validator_set
}
