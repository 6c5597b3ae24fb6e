//! What a person wants, and the ways to it.

use allod_primitives::H256;
use allod_primitives::control::Party;
use allod_primitives::document::DocumentPatch;
use allod_primitives::operation::{Body, Lane, ProposedChange};
use allod_primitives::policy::{
    Capabilities, ControlKey, GuardianSet, PolicyChange, Rank, RankChange,
};

use super::plan::{Way, choose, parties};
use super::words::party_name;
use super::{Available, NextHeld, NextSeed, Plan, PlanError, RankTemplate, View};

/// What a rank commits to from then on.
#[derive(Clone, Debug, Default)]
pub enum NextWish {
    /// What it commits to now; after a reveal, the generation after the one revealed.
    #[default]
    Keep,
    /// Generation 0 of another sheet.
    Sheet(NextSeed),
    /// Keys that are not a sheet's.
    Commitment(H256),
    /// Nothing: the rank's keys in use are then all there is.
    Nothing,
}

impl NextWish {
    fn commitment(&self, index: u8, rank: &Rank, revealed: Option<&NextHeld>) -> Option<H256> {
        match self {
            Self::Keep => match revealed {
                Some(next) => next.reveal.next,
                None => rank.next,
            },
            Self::Sheet(seed) => Some(seed.commitment(index, 0)),
            Self::Commitment(commitment) => Some(*commitment),
            Self::Nothing => None,
        }
    }
}

/// Other keys for a rank.
#[derive(Clone, Debug)]
pub struct RotationWish {
    /// The rank.
    pub rank: u8,
    /// Its keys from then on, with weights; if empty, those that its commitment is to.
    pub keys: Vec<(ControlKey, u16)>,
    /// Its threshold; ignored without keys.
    pub threshold: u32,
    /// What it commits to from then on.
    pub next: NextWish,
    /// A change of the document in the same step. Only where it takes effect at once.
    pub document: Option<DocumentPatch>,
}

impl RotationWish {
    /// Wishes one key for a rank, and nothing else.
    pub fn single(rank: u8, key: ControlKey) -> Self {
        Self {
            rank,
            keys: vec![(key, 1)],
            threshold: 1,
            next: NextWish::Keep,
            document: None,
        }
    }
}

/// Another policy.
#[derive(Clone, Debug, Default)]
pub struct PolicyWish {
    /// Ranks to set, or to make vacant (`None`), by index.
    pub ranks: Vec<(u8, Option<RankTemplate>)>,
    /// Other guardians; `Some(None)` for none.
    pub guardians: Option<Option<GuardianSet>>,
    /// Another delay, in milliseconds.
    pub delay_ms: Option<u64>,
    /// A change of the document in the same step. Only where it takes effect at once.
    pub document: Option<DocumentPatch>,
}

/// Plans other keys for a rank.
///
/// # Errors
/// [`PlanError`]: there is no such rank, no key at hand, or the ledger would refuse.
pub fn plan_rotation(
    view: &View,
    wish: &RotationWish,
    available: &Available,
) -> Result<Plan, PlanError> {
    let rank = view.rank(wish.rank)?;
    let own = Lane::Next(wish.rank);
    let make = |lane: Lane, revealed: Option<&NextHeld>| {
        let revealed = revealed.filter(|_| lane == own);
        let mut change = PolicyChange::default();
        if wish.keys.is_empty() {
            // The reveal is the change.
            return Ok((lane == own).then_some(change));
        }
        let template = RankTemplate {
            keys: wish.keys.clone(),
            threshold: wish.threshold,
            capabilities: rank.capabilities,
            next: wish.next.commitment(wish.rank, rank, revealed),
        };
        let change_of_rank = RankChange {
            index: wish.rank,
            rank: Some(template.rank(wish.rank)?),
        };
        change.ranks = vec![change_of_rank].try_into().map_err(super::error_of)?;
        Ok(Some(change))
    };
    plan_change(view, &make, wish.document.as_ref(), available)
}

/// Plans another policy: ranks, guardians, the delay.
///
/// Where it takes a reveal of a rank that the wish does not set, the keys in use of that rank
/// stay, and it commits to the keys after those revealed.
///
/// # Errors
/// [`PlanError`]: it changes nothing, there is no key at hand, or the ledger would refuse.
pub fn plan_policy_change(
    view: &View,
    wish: &PolicyWish,
    available: &Available,
) -> Result<Plan, PlanError> {
    let mut ranks = Vec::new();
    for (index, template) in &wish.ranks {
        let rank = template.clone().map(|it| it.rank(*index)).transpose()?;
        ranks.push(RankChange {
            index: *index,
            rank,
        });
    }
    if ranks.is_empty() && wish.guardians.is_none() && wish.delay_ms.is_none() {
        return Err(PlanError::Nothing);
    }
    let make = |lane: Lane, revealed: Option<&NextHeld>| {
        let mut ranks = ranks.clone();
        if let (Lane::Next(index), Some(next)) = (lane, revealed)
            && !ranks.iter().any(|it| it.index == index)
        {
            let mut rank = view.rank(index)?.clone();
            rank.next = next.reveal.next;
            ranks.push(RankChange {
                index,
                rank: Some(rank),
            });
        }
        ranks.sort_by_key(|it| it.index);
        let change = PolicyChange {
            ranks: ranks.try_into().map_err(super::error_of)?,
            guardians: wish.guardians.clone(),
            delay_ms: wish.delay_ms,
        };
        change.check().map_err(super::error_of)?;
        Ok(Some(change))
    };
    plan_change(view, &make, wish.document.as_ref(), available)
}

/// What a wish is for the party of a lane; `None` if that party cannot do it.
type Make<'a> = dyn Fn(Lane, Option<&NextHeld>) -> Result<Option<PolicyChange>, PlanError> + 'a;

fn plan_change(
    view: &View,
    make: &Make<'_>,
    document: Option<&DocumentPatch>,
    available: &Available,
) -> Result<Plan, PlanError> {
    view.check_active()?;
    let rotate = |change| Body::Rotate {
        change,
        document: document.cloned(),
    };
    let mut ways = Vec::new();
    // At once by keys in use, the lowest first: the less a key can do, the better it is to use it.
    for (index, _) in view.ranks().rev() {
        let lane = Lane::Rank(index);
        if let Some(change) = make(lane, None)?.filter(|it| is_for(lane, it)) {
            let because = format!(
                "{} may make this change at once",
                party_name(Party::Rank(index))
            );
            ways.push(Way::by_rank(index, rotate(change), because));
        }
    }
    for (index, rank) in view.ranks().rev() {
        let lane = Lane::Next(index);
        let Some(next) = available.next(index, rank) else {
            continue;
        };
        if let Some(change) = make(lane, Some(&next))?.filter(|it| is_for(lane, it)) {
            let because = because_revealed(index, &next);
            ways.push(Way::by_next(index, rotate(change), next, because));
        }
    }
    if document.is_none() {
        for (index, _) in view.ranks() {
            let lane = Lane::Rank(index);
            let change = make(lane, None)?.filter(|it| concerns_above(lane, it));
            let Some(change) = change else {
                continue;
            };
            let body = Body::Propose(ProposedChange::Control(change));
            ways.push(Way::by_rank(index, body, because_proposed(view, index)));
        }
    }
    choose(view, available, ways, could_reveal(view, make)?)
}

/// Returns whether some rank's next keys, at hand or not, could make the change.
fn could_reveal(view: &View, make: &Make<'_>) -> Result<bool, PlanError> {
    for (index, rank) in view.ranks() {
        let lane = Lane::Next(index);
        let change = make(lane, None)?.filter(|it| is_for(lane, it));
        if rank.next.is_some() && change.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn because_revealed(index: u8, next: &NextHeld) -> String {
    let whose = match &next.generation {
        Some(it) => format!("key {} of the recovery sheet", it.number),
        None => "the next keys at hand".to_owned(),
    };
    format!(
        "rank {index} is pre-rotated: {whose} stand above its keys in use and make this change at \
         once; from then on the keys after these are next"
    )
}

fn because_proposed(view: &View, index: u8) -> String {
    if index > 0 {
        return format!(
            "{} stands below what it wants to change, so it can only propose it",
            party_name(Party::Rank(index))
        );
    }
    let pre_rotated = view
        .ranks()
        .any(|(index, it)| index == 0 && it.next.is_some());
    let guarded = view.policy().guardians.is_some();
    let protected = match (pre_rotated, guarded) {
        (true, true) => "a recovery sheet and guardians",
        (true, false) => "a recovery sheet",
        _ => "guardians",
    };
    format!(
        "this concerns rank 0, which {protected} protect against whoever steals its key: signed by \
         the key in use, the change waits"
    )
}

/// Returns whether a party may set what `change` sets, wherever it may at all.
fn is_for(lane: Lane, change: &PolicyChange) -> bool {
    let (Lane::Rank(index) | Lane::Next(index)) = lane else {
        return false;
    };
    let policy = change.guardians.is_some() || change.delay_ms.is_some();
    let below = change.ranks.iter().all(|it| it.index >= index);
    let empty = change.is_empty() && !matches!(lane, Lane::Next(_));
    below && (index == 0 || !policy) && !empty
}

/// Returns whether a proposal by the lane's rank sets something that is not below it.
fn concerns_above(lane: Lane, change: &PolicyChange) -> bool {
    let above = |it: &RankChange| matches!(lane, Lane::Rank(index) if it.index <= index);
    change.ranks.iter().any(above) || change.guardians.is_some() || change.delay_ms.is_some()
}

/// Plans the end of the identity.
///
/// # Errors
/// [`PlanError`]: no key of rank 0 is at hand, or the ledger would refuse.
pub fn plan_deactivation(view: &View, available: &Available) -> Result<Plan, PlanError> {
    view.check_active()?;
    let rank = view.rank(0)?;
    let mut ways = Vec::new();
    let because = "rank 0 may end the identity at once".to_owned();
    ways.push(Way::by_rank(0, Body::Deactivate, because));
    if let Some(next) = available.next(0, rank) {
        let because = because_revealed(0, &next);
        ways.push(Way::by_next(0, Body::Deactivate, next, because));
    }
    let body = Body::Propose(ProposedChange::Deactivation);
    ways.push(Way::by_rank(0, body, because_proposed(view, 0)));
    choose(view, available, ways, rank.next.is_some())
}

/// Plans a recovery by guardians: `rank` becomes rank 0 and the only one.
///
/// # Errors
/// [`PlanError`]: there are no guardians, none of their keys is at hand, or the ledger would
/// refuse.
pub fn plan_recovery(
    view: &View,
    rank: RankTemplate,
    available: &Available,
) -> Result<Plan, PlanError> {
    view.check_active()?;
    if !parties(view).any(|it| it == Party::Guardians) {
        return Err(PlanError::NoGuardians);
    }
    // A rank 0 that lacks a capability could give it to itself only by waiting.
    let rank = rank.with(Capabilities::ALL).rank(0)?;
    let because = "guardians may replace rank 0, and what stands below it, after their delay; the \
                   next keys of rank 0 and the guardians themselves can stop it"
        .to_owned();
    let way = Way::new(Lane::Guardians, Body::Recover { rank }, because);
    choose(view, available, vec![way], false)
}
