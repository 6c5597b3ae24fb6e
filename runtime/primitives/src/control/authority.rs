//! Whose signatures an operation needs.

use crate::codec::is_strictly_ascending;
use crate::operation::{Body, KeySignature, Lane, Operation};
use crate::policy::{Capabilities, ControlPolicy, Rank, WeightedKey};

/// Returns whether the signers of `operation` may make it: all of them keys of the party its lane
/// names, to the threshold. Verifies no signature, and not whether the operation will succeed.
///
/// `policy`: of the effective record of the identity, or of its controller if the operation names
/// one (whose being listed is the caller's to check).
///
/// Source: spec/did.md §2, check 13; spec/control.md §1.
pub fn is_authorized(
    policy: &ControlPolicy,
    operation: &Operation,
    signatures: &[KeySignature],
) -> bool {
    if operation.controller.is_some() {
        let document = matches!(operation.body, Body::UpdateDocument(_));
        return document && is_rank_authorized(policy, Capabilities::DOCUMENT, signatures);
    }
    match operation.lane {
        Lane::Rank(index) => {
            let rank = policy.ranks.get(usize::from(index));
            rank.is_some_and(|rank| may(rank, &operation.body) && is_reached(rank, signatures))
        }
        Lane::Next(index) => {
            let rank = policy.ranks.get(usize::from(index));
            let Some((rank, reveal)) = rank.zip(operation.reveal.as_ref()) else {
                return false;
            };
            let listed = |it: &WeightedKey| {
                let mut above = policy.ranks.iter().take(usize::from(index));
                above.any(|rank| rank.weight_of(&it.key) > 0)
            };
            rank.next == Some(reveal.commitment())
                && !reveal.keys.iter().any(listed)
                && sum(&reveal.keys, signatures).is_some_and(|sum| sum >= reveal.threshold)
        }
        Lane::Guardians => {
            let guardians = policy.guardians.as_ref();
            guardians.is_some_and(|set| set.is_quorum(signatures))
        }
        Lane::Documents => {
            let needed = match operation.body {
                Body::SetNotBefore { .. } => Capabilities::TOKENS_AND_GRANTS,
                _ => Capabilities::DOCUMENT,
            };
            is_rank_authorized(policy, needed, signatures)
        }
    }
}

/// Returns whether all of `signatures` are by keys of one rank that has `needed`, and reach its
/// threshold. Verifies no signature.
pub fn is_rank_authorized(
    policy: &ControlPolicy,
    needed: Capabilities,
    signatures: &[KeySignature],
) -> bool {
    let mut ranks = policy.ranks.iter();
    ranks.any(|rank| rank.capabilities.contains(needed) && is_reached(rank, signatures))
}

/// Returns whether the rank has the capability that a body in its own lane needs.
fn may(rank: &Rank, body: &Body) -> bool {
    let cut_off = matches!(body, Body::SetNotBefore { .. });
    !cut_off || rank.capabilities.contains(Capabilities::TOKENS_AND_GRANTS)
}

fn is_reached(rank: &Rank, signatures: &[KeySignature]) -> bool {
    !rank.is_vacant() && sum(&rank.keys, signatures).is_some_and(|sum| sum >= rank.threshold)
}

/// Returns the signers' weight, or `None` if one of them is not listed or is there twice.
fn sum(keys: &[WeightedKey], signatures: &[KeySignature]) -> Option<u32> {
    if !is_strictly_ascending(signatures, |it| it.key.clone()) {
        return None;
    }
    signatures.iter().try_fold(0u32, |sum, signature| {
        let listed = keys.iter().find(|it| it.key == signature.key)?;
        Some(sum.saturating_add(u32::from(listed.weight)))
    })
}
