//! Who can cancel a pending change.

use allod_primitives::H256;
use allod_primitives::control::{Outcome, Party};
use allod_primitives::operation::{Body, Lane, ProposedChange, Reveal};
use allod_primitives::record::{Pending, PendingChange, Proposer};

use super::plan::{Way, choose, parties};
use super::words::party_name;
use super::{Available, Plan, PlanError, View, Warning};
use crate::operation::Act;

/// How a pending change can be cancelled.
#[derive(Clone, Debug)]
pub struct Cancelling {
    /// The change.
    pub pending: Pending,
    /// Every party that can, in the order in which to try them.
    pub options: Vec<CancelOption>,
}

/// One party that can cancel.
#[derive(Clone, Debug)]
pub struct CancelOption {
    /// The party.
    pub party: Party,
    /// Whether it takes its own proposal back: then nobody must rest.
    pub is_withdrawal: bool,
    /// How, if keys of it are at hand.
    pub plan: Option<Plan>,
}

impl Cancelling {
    /// Returns the plan to follow: one that the keys at hand can sign alone, else one that they
    /// can begin to sign.
    pub fn best(&self) -> Option<&Plan> {
        let plans = || self.options.iter().filter_map(|it| it.plan.as_ref());
        plans()
            .find(|it| it.missing == 0)
            .or_else(|| plans().next())
    }
}

/// Returns every way to cancel the pending change `id`.
///
/// Keys in use come first, next keys last: a reveal puts the key of the sheet in use.
///
/// # Errors
/// [`PlanError::NoSuchPending`].
pub fn plan_cancel(view: &View, id: H256, available: &Available) -> Result<Cancelling, PlanError> {
    view.check_active()?;
    let pending = view.record.pending.iter().find(|it| it.id == id);
    let pending = pending.ok_or(PlanError::NoSuchPending)?.clone();
    let mut all: Vec<Party> = parties(view)
        .filter(|it| may_cancel(view, *it, id))
        .collect();
    all.sort_by_key(|party| match party {
        Party::Rank(index) => (0, u8::MAX.saturating_sub(*index)),
        Party::Guardians => (1, 0),
        Party::Next(index) => (2, u8::MAX.saturating_sub(*index)),
    });
    let mut options = Vec::new();
    for party in all {
        let is_withdrawal = match (party, pending.proposer) {
            (Party::Rank(index), Proposer::Rank(other)) => index == other,
            (Party::Guardians, Proposer::Guardians) => true,
            _ => false,
        };
        let plan = way(view, party, id, available);
        let plan = plan.and_then(|way| choose(view, available, vec![way], false).ok());
        let plan = plan.map(|plan| warned(plan, is_withdrawal));
        options.push(CancelOption {
            party,
            is_withdrawal,
            plan,
        });
    }
    options.extend(counter_proposal(view, &pending, available));
    Ok(Cancelling { pending, options })
}

fn warned(mut plan: Plan, is_withdrawal: bool) -> Plan {
    if !is_withdrawal {
        plan.warnings.push(Warning::ProposerRests);
    }
    plan
}

/// What the keys in use of rank 0 can do against a recovery: propose that it does not take place.
fn counter_proposal(view: &View, pending: &Pending, available: &Available) -> Option<CancelOption> {
    if !matches!(pending.change, PendingChange::Recovery(_)) {
        return None;
    }
    let body = Body::Propose(ProposedChange::CancelRecovery(pending.id));
    let because =
        "the key in use of rank 0 cannot cancel a recovery; it can propose that, and the \
                   proposal waits"
            .to_owned();
    let way = Way::by_rank(0, body, because);
    view.try_out(&way.act).ok()?;
    Some(CancelOption {
        party: Party::Rank(0),
        is_withdrawal: false,
        plan: choose(view, available, vec![way], false).ok(),
    })
}

fn way(view: &View, party: Party, id: H256, available: &Available) -> Option<Way> {
    let body = Body::Cancel { pending: id };
    let because = format!("{} can cancel it", party_name(party));
    match party {
        Party::Rank(index) => Some(Way::by_rank(index, body, because)),
        Party::Guardians => Some(Way::new(Lane::Guardians, body, because)),
        Party::Next(index) => {
            let next = available.next(index, view.rank(index).ok()?)?;
            Some(Way::by_next(index, body, next, because))
        }
    }
}

/// Returns whether the kernel lets `party` cancel the pending change `id`.
pub(super) fn may_cancel(view: &View, party: Party, id: H256) -> bool {
    let (lane, reveal) = match party {
        Party::Rank(index) => (Lane::Rank(index), None),
        Party::Guardians => (Lane::Guardians, None),
        // Whether it may does not depend on what is revealed.
        Party::Next(index) => (Lane::Next(index), Some(no_keys())),
    };
    let act = Act {
        lane,
        controller: None,
        reveal,
        body: Body::Cancel { pending: id },
    };
    let applied = view.try_out(&act);
    applied.is_ok_and(|it| it.outcomes.contains(&Outcome::Cancelled { id }))
}

fn no_keys() -> Reveal {
    Reveal {
        keys: Default::default(),
        threshold: 0,
        salt: [0; 16],
        next: None,
    }
}
