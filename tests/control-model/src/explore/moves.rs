//! Every useful move of every party.

use super::canonical::{BASE, GONE, first_generation};
use super::game::Announced;
use super::world::{Config, OWNER_RANKS, owner_set, thief_guardians, thief_next, thief_rank};
use crate::keys::{KeySet, Keys};
use crate::operation::{Body, Carrier, Lane, Operation, Payer, Proposal, Reveal, Submission};
use crate::rules::Rules;
use crate::state::{Change, GUARDIANS, OperationId, RANKS, Rank, State, capability, proposer};

/// The id of the operation that is being tried.
pub(crate) const NEW: OperationId = 50;

/// One operation, but for what binds it to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Move {
    /// The party, by its lane.
    pub lane: Lane,
    /// With next keys.
    pub reveal: Option<Reveal>,
    /// What it does.
    pub body: Body,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a copy is cheaper than a heap")]
pub enum Action {
    /// A party acts.
    Acts(Move),
    /// The rescuer's operation becomes known, and will be in this block or before the time passes.
    Announces(Announced),
    /// The announced operation is taken.
    Included,
    /// One step of time passes.
    TimePasses,
}

/// Whose ends the parameters of a move serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Anybody's.
    Anybody,
    /// The thief's.
    Thief,
}

/// Returns the move as it would be submitted in this state, by all keys of its party.
pub fn submission(state: &State, rules: &Rules, it: &Move) -> Submission {
    let head = state.lanes[rules.lane_slot(it.lane)];
    let operation = Operation {
        id: NEW,
        network: 0,
        fork: 0,
        did: 0,
        lane: it.lane,
        seq: head.next_seq,
        prev: head.last,
        payer: Payer::Any,
        valid_until: BASE + 100,
        controller: None,
        reveal: it.reveal,
        body: it.body,
    };
    Submission {
        operation,
        signers: signers(state, it.lane),
        repeated: 0,
        carrier: Carrier::Bare,
    }
}

/// Returns the keys of the lane's party; of guardians a quorum.
pub(crate) fn signers(state: &State, lane: Lane) -> Keys {
    let policy = &state.policy;
    match lane {
        Lane::Rank(rank) => policy.ranks[usize::from(rank)].set.keys,
        Lane::Next(rank) => policy.ranks[usize::from(rank)].next.map_or(0, |it| it.keys),
        Lane::Guardians => policy.guardians.map_or(0, |it| {
            let all = it.set.keys;
            let least = all & all.wrapping_neg();
            if it.set.reached_by(all & !least) {
                all & !least
            } else {
                all
            }
        }),
        Lane::Documents => 0,
    }
}

/// Returns the moves of all parties for which `may_act`.
pub fn moves(
    state: &State,
    config: &Config,
    who: Who,
    may_act: impl Fn(Lane) -> bool,
) -> Vec<Move> {
    let mut found = Vec::new();
    for rank in 0..RANKS {
        let exposed = Lane::Rank(rank as u8);
        if !state.policy.ranks[rank].is_vacant() && may_act(exposed) {
            by_exposed(state, config, who, rank, &mut found);
        }
        let next = Lane::Next(rank as u8);
        if state.policy.ranks[rank].next.is_some() && may_act(next) {
            by_next(state, config, who, rank, &mut found);
        }
    }
    if state.policy.guardians.is_some() && may_act(Lane::Guardians) {
        by_guardians(state, config, who, &mut found);
    }
    found
}

fn push(found: &mut Vec<Move>, lane: Lane, body: Body) {
    found.push(Move {
        lane,
        reveal: None,
        body,
    });
}

/// Returns the ranks that somebody might put at `index`.
fn candidates(state: &State, config: &Config, who: Who, index: usize) -> Vec<Rank> {
    let mut found = vec![thief_rank(index, false)];
    if index > 0 {
        found.push(Rank::VACANT);
    }
    if who == Who::Thief || !config.commits(index) {
        found.push(thief_rank(index, true));
    }
    if who == Who::Anybody {
        found.push(fresh_owner_rank(state, config, index));
    }
    // Keys that are somebody else's: listing them takes no secret.
    let mut listed = Vec::new();
    for other in (0..OWNER_RANKS).filter(|it| *it != index) {
        // Where anybody moves one of each kind will do: a present key of a lower rank, a future
        // one of a lower rank, a future one of a higher rank.
        let present = state.policy.ranks[other].set;
        let future = fresh_owner_rank(state, config, other).set;
        let all = who == Who::Thief;
        if other > index && (all || index == 0) {
            listed.push(present);
        }
        if all || (index > 0 && other > 0) {
            listed.push(future);
        }
    }
    for set in listed.into_iter().filter(|it| !it.is_empty()) {
        found.push(Rank {
            set: KeySet::new(set.keys & set.keys.wrapping_neg(), 1),
            capabilities: capability::ALL,
            next: None,
        });
    }
    found
}

/// Returns the owner's rank of the generation that is not met first: neither in use nor, if none
/// is, next. It does not depend on the names of generations, which canonical states change.
pub(crate) fn fresh_owner_rank(state: &State, config: &Config, index: usize) -> Rank {
    let met = first_generation(state, index);
    config.owner_rank(index, met.map_or(0, |(generation, _)| 1 - generation))
}

/// Returns a change of one rank.
pub(crate) fn one_rank(index: usize, rank: Rank) -> Change {
    let mut change = Change::default();
    change.ranks[index] = Some(rank);
    change
}

fn apex_changes(config: &Config, who: Who) -> Vec<Change> {
    let guardians = |it| Change {
        guardians: Some(it),
        ..Change::default()
    };
    let delay = |it| Change {
        delay: Some(it),
        ..Change::default()
    };
    let mut found = vec![
        guardians(None),
        guardians(Some(thief_guardians())),
        delay(1),
    ];
    if who == Who::Anybody {
        found.push(guardians(Some(config.owner_guardians())));
    }
    found
}

fn rotate(change: Change) -> Body {
    Body::Rotate {
        change,
        document: None,
    }
}

fn by_exposed(state: &State, config: &Config, who: Who, rank: usize, found: &mut Vec<Move>) {
    let lane = Lane::Rank(rank as u8);
    for index in rank..OWNER_RANKS {
        for new in candidates(state, config, who, index) {
            push(found, lane, rotate(one_rank(index, new)));
        }
    }
    let propose = |change| Body::Propose(Proposal::Control(change));
    for index in 0..=rank.min(OWNER_RANKS - 1) {
        for new in candidates(state, config, who, index) {
            if !new.is_vacant() {
                push(found, lane, propose(one_rank(index, new)));
            }
        }
    }
    if rank == 0 {
        for change in apex_changes(config, who) {
            push(found, lane, rotate(change));
            push(found, lane, propose(change));
        }
        // Two ranks of which the lower may meet a key that rank 1 gets meanwhile.
        let mut both = one_rank(0, thief_rank(0, false));
        both.ranks[2] = Some(Rank {
            set: thief_rank(1, false).set,
            capabilities: capability::ALL,
            next: None,
        });
        push(found, lane, propose(both));
        push(found, lane, Body::Propose(Proposal::Deactivation));
        push(found, lane, Body::Deactivate);
        if let Some(recovery) = &state.pending[GUARDIANS] {
            let cancel = Proposal::CancelRecovery(recovery.id);
            push(found, lane, Body::Propose(cancel));
        }
    }
    cancels(state, |body| push(found, lane, body));
}

fn by_next(state: &State, config: &Config, who: Who, rank: usize, found: &mut Vec<Move>) {
    let lane = Lane::Next(rank as u8);
    let set = state.policy.ranks[rank].next.expect("it has a commitment");
    let owner_next = (rank < OWNER_RANKS).then(|| {
        let of = |generation| owner_set(rank, generation);
        let revealed = (0..2).find(|it| set.keys & of(*it).keys != 0);
        let met = revealed.or(first_generation(state, rank).map(|(it, _)| it));
        of(met.map_or(0, |it| 1 - it))
    });
    let mut reveal_to = |next: Option<KeySet>, body: Body| {
        found.push(Move {
            lane,
            reveal: Some(Reveal { set, next }),
            body,
        });
    };
    let usual = if who == Who::Anybody {
        owner_next
    } else {
        Some(thief_next(rank))
    };
    reveal_to(None, rotate(Change::default()));
    reveal_to(Some(thief_next(rank)), rotate(Change::default()));
    reveal_to(usual, rotate(Change::default()));
    for index in rank..OWNER_RANKS {
        for new in candidates(state, config, who, index) {
            reveal_to(usual, rotate(one_rank(index, new)));
        }
    }
    if rank == 0 {
        for change in apex_changes(config, who) {
            reveal_to(usual, rotate(change));
        }
        reveal_to(usual, Body::Deactivate);
    }
    cancels(state, |body| reveal_to(usual, body));
}

fn by_guardians(state: &State, config: &Config, who: Who, found: &mut Vec<Move>) {
    let lane = Lane::Guardians;
    push(found, lane, Body::Recover(thief_rank(0, false)));
    push(found, lane, Body::Recover(thief_rank(0, true)));
    if who == Who::Anybody {
        let fresh = fresh_owner_rank(state, config, 0);
        push(found, lane, Body::Recover(fresh));
    }
    cancels(state, |body| push(found, lane, body));
}

fn cancels(state: &State, mut push: impl FnMut(Body)) {
    for pending in state.pending.iter().flatten() {
        push(Body::Cancel(pending.id));
    }
    if state.pending.iter().any(Option::is_some) {
        // Signed for a change that is gone.
        push(Body::Cancel(GONE));
    }
}

/// Returns whose proposals a lane makes.
pub(crate) fn proposer_of(lane: Lane) -> Option<usize> {
    match lane {
        Lane::Rank(rank) => Some(proposer(usize::from(rank))),
        Lane::Guardians => Some(GUARDIANS),
        Lane::Next(_) | Lane::Documents => None,
    }
}
