//! Setting ranks, guardians and the delay, and what that clears.

use crate::codec::BoundedVec;
use crate::hash::H256;
use crate::limits::RANKS_MAX;
use crate::operation::Reveal;
use crate::policy::{Capabilities, ControlPolicy, PolicyChange, Rank};
use crate::record::{DidRecord, Pending, PendingChange, Proposer};

use super::{Outcome, Refusal};

/// What a change touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Touched {
    /// Ranks set or made vacant.
    ranks: [bool; RANKS_MAX as usize],
    /// The guardians.
    pub(super) guardians: bool,
    /// The delay.
    delay: bool,
}

impl Touched {
    pub(super) fn rank(&self, index: u8) -> bool {
        self.ranks.get(usize::from(index)).copied().unwrap_or(false)
    }

    pub(super) fn touch(&mut self, index: u8) {
        if let Some(rank) = self.ranks.get_mut(usize::from(index)) {
            *rank = true;
        }
    }

    /// Returns whether a pending change of `proposer` falls with this change.
    ///
    /// Source: spec/control.md §3, rule 6.
    fn clears(&self, proposer: Proposer) -> bool {
        if self.rank(0) || self.guardians || self.delay {
            return true;
        }
        match proposer {
            Proposer::Guardians => false,
            Proposer::Rank(index) => (0..=index).any(|above| self.rank(above)),
        }
    }
}

/// Returns whether `change` sets nothing but ranks from `lowest` downwards.
pub(super) fn is_within(change: &PolicyChange, lowest: u8) -> bool {
    change.guardians.is_none()
        && change.delay_ms.is_none()
        && change.ranks.iter().all(|it| it.index >= lowest)
}

/// How a change is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Index of the rank that acts, or that proposed what takes effect.
    pub(super) acting: u8,
    /// Whether nothing may fail: by next keys, and when a pending change takes effect.
    pub(super) surely: bool,
    /// Capabilities beyond which none are given.
    pub(super) ceiling: Capabilities,
}

/// Puts the revealed keys in the place of those of rank `index`, whether or not ranks above have
/// one of them: `is_authorized` has seen that they have not.
pub(super) fn reveal(
    policy: &mut ControlPolicy,
    index: u8,
    reveal: &Reveal,
    touched: &mut Touched,
) -> Result<(), Refusal> {
    let present = policy.ranks.get(usize::from(index));
    let ceiling = present.ok_or(Refusal::Misplaced)?.capabilities;
    let rank = Rank {
        keys: reveal.keys.clone(),
        threshold: reveal.threshold,
        capabilities: ceiling,
        next: reveal.next,
    };
    let mut ranks = policy.ranks.clone().into_vec();
    let manner = Manner {
        acting: index,
        surely: true,
        ceiling,
    };
    set_rank(&mut ranks, index, rank, &[index], manner, touched)?;
    put_ranks(policy, ranks);
    Ok(())
}

/// Applies `change`. Ranks that share a key with a rank set become vacant, unless they stand at
/// or above the acting one.
///
/// # Errors
/// [`Refusal::KeyInTwoRanks`] if a rank at or above the acting one, above the one set and not set
/// itself, has one of its keys; never if `manner.surely`.
///
/// Source: spec/control.md §2, "One key, one rank".
pub(super) fn set(
    policy: &mut ControlPolicy,
    change: &PolicyChange,
    manner: Manner,
    touched: &mut Touched,
) -> Result<(), Refusal> {
    let mut ranks = policy.ranks.clone().into_vec();
    let set: Vec<u8> = change.ranks.iter().map(|it| it.index).collect();
    // First out with what goes, so that a key can move up within one change.
    for it in change.ranks.iter().filter(|it| it.index > 0) {
        if let Some(rank) = ranks.get_mut(usize::from(it.index)) {
            *rank = Rank::default();
        }
        touched.touch(it.index);
    }
    for it in &change.ranks {
        if let Some(rank) = &it.rank {
            let mut rank = rank.clone();
            rank.capabilities = rank.capabilities.intersection(manner.ceiling);
            set_rank(&mut ranks, it.index, rank, &set, manner, touched)?;
        }
    }
    put_ranks(policy, ranks);
    if let Some(guardians) = &change.guardians {
        policy.guardians.clone_from(guardians);
        touched.guardians = true;
    }
    if let Some(delay_ms) = change.delay_ms {
        policy.delay_ms = delay_ms;
        touched.delay = true;
    }
    Ok(())
}

/// Replaces rank `index`; `set` are the ranks that the same operation sets.
///
/// # Errors
/// As [`set`], and [`Refusal::Misplaced`] for a rank beyond the maximum.
fn set_rank(
    ranks: &mut Vec<Rank>,
    index: u8,
    rank: Rank,
    set: &[u8],
    manner: Manner,
    touched: &mut Touched,
) -> Result<(), Refusal> {
    if u32::from(index) >= RANKS_MAX {
        return Err(Refusal::Misplaced);
    }
    touched.touch(index);
    let shares = |(other, it): &(u8, &Rank)| !set.contains(other) && it.shares_key_with(&rank);
    let sharing = (0u8..).zip(ranks.iter()).filter(shares);
    let sharing: Vec<u8> = sharing.map(|(other, _)| other).collect();
    let is_senior = |other: &u8| *other < index && *other <= manner.acting;
    let place = usize::from(index);
    if sharing.iter().any(is_senior) {
        if !manner.surely {
            return Err(Refusal::KeyInTwoRanks);
        }
        if let Some(slot) = ranks.get_mut(place) {
            *slot = Rank::default();
        }
        return Ok(());
    }
    for other in sharing {
        if let Some(slot) = ranks.get_mut(usize::from(other)) {
            *slot = Rank::default();
        }
        touched.touch(other);
    }
    while ranks.len() <= place {
        ranks.push(Rank::default());
    }
    if let Some(slot) = ranks.get_mut(place) {
        *slot = rank;
    }
    Ok(())
}

fn put_ranks(policy: &mut ControlPolicy, mut ranks: Vec<Rank>) {
    while ranks.last().is_some_and(Rank::is_vacant) {
        ranks.pop();
    }
    policy.ranks = BoundedVec::try_from(ranks).expect("set_rank refuses indices beyond RANKS_MAX");
}

/// Removes the pending changes that fall with a change.
pub(super) fn clear(record: &mut DidRecord, touched: &Touched, outcomes: &mut Vec<Outcome>) {
    for pending in &record.pending {
        if touched.clears(pending.proposer) {
            outcomes.push(Outcome::Cleared { id: pending.id });
        }
    }
    record.pending.retain(|it| !touched.clears(it.proposer));
    drop_orphans(record, outcomes);
}

/// Removes a cancellation whose recovery has gone.
///
/// Source: spec/control.md §3, rule 6.
pub(super) fn drop_orphans(record: &mut DidRecord, outcomes: &mut Vec<Outcome>) {
    let ids: Vec<H256> = record.pending.iter().map(|it| it.id).collect();
    let is_orphan = |it: &Pending| match it.change {
        PendingChange::Cancellation(recovery) => !ids.contains(&recovery),
        _ => false,
    };
    for pending in record.pending.iter().filter(|it| is_orphan(it)) {
        outcomes.push(Outcome::Cleared { id: pending.id });
    }
    record.pending.retain(|it| !is_orphan(it));
}
