//! Proposals, votes and vetoes.
//!
//! A proposal is its proposer's vote too. The vote that approves it carries it out, all actions
//! or none, or, where a rule asks for a delay, puts it on the schedule: there it waits, can be
//! vetoed, and is carried out by the first block that is late enough.
//!
//! Source: spec/governance.md §3.

use allod_primitives::limits::{PROPOSAL_VALIDITY_MS_MAX, PROPOSALS_MAX, SCHEDULED_PER_BLOCK_MAX};
use allod_primitives::{BoundedVec, H256, PublicKey, TimeMs};

use super::actions;
use super::error::Error;
use super::event::Event;
use super::rules;
use super::storage::{OPEN_PROPOSALS, PROPOSALS, SCHEDULE, TRUSTEES};
use super::types::{
    Actions, OpenProposals, Proposal, STORED_VERSION, Schedule, TrusteeAccounts, proposal_hash,
};
use crate::frame::{Context, StateRead};

/// Opens a proposal with its proposer's vote.
pub(super) fn propose(
    context: &mut Context<'_>,
    proposer: PublicKey,
    actions: &Actions,
    expires: TimeMs,
) -> Result<(), Error> {
    let now = context.block.time;
    if actions.is_empty() {
        return Err(Error::Empty);
    }
    if expires <= now {
        return Err(Error::Expired);
    }
    if expires > now.plus_ms(PROPOSAL_VALIDITY_MS_MAX) {
        return Err(Error::ExpiryTooFar);
    }
    let mut open = open_proposals(&context.state);
    check_share(context, &open, &proposer)?;
    let number = open.next;
    open.next = number.checked_add(1).ok_or(Error::TooManyProposals)?;
    let pushed = open.open.push((number, expires));
    pushed.map_err(|_| Error::TooManyProposals)?;
    OPEN_PROPOSALS.put(&mut context.state, &open);
    let chain = &context.block.chain;
    let proposal = Proposal {
        version: STORED_VERSION,
        proposer,
        actions: actions.clone(),
        expires,
        hash: proposal_hash(chain, number, &proposer, actions, expires),
        votes: BoundedVec::new(),
        due: None,
        vetoes: BoundedVec::new(),
    };
    context.deposit(Event::Proposed {
        proposal: number,
        proposer,
        hash: proposal.hash,
    });
    count_vote(context, number, proposal, proposer)
}

/// Checks that `proposer` has fewer proposals, open or waiting, than its share of the slots. Were
/// there no shares, one trustee could take every slot for as long as proposals may live, and so
/// keep all others from ever deciding anything.
fn check_share(
    context: &Context<'_>,
    open: &OpenProposals,
    proposer: &PublicKey,
) -> Result<(), Error> {
    let waiting = schedule(&context.state).due;
    let max = PROPOSALS_MAX as usize;
    let trustees = TRUSTEES.get(&context.state);
    let trustees = trustees.map_or(1, |trustees| trustees.accounts.len().max(1));
    let share = max / trustees;
    let numbers = open.open.iter().map(|(number, _)| number);
    let numbers = numbers.chain(waiting.iter().map(|(_, number)| number));
    let proposals = numbers.filter_map(|number| PROPOSALS.get(&context.state, number));
    let own = proposals.filter(|it| it.proposer == *proposer).count();
    if own >= share || open.open.len().saturating_add(waiting.len()) >= max {
        return Err(Error::TooManyProposals);
    }
    Ok(())
}

/// Adds a vote to an open proposal. `hash`: of what the voter read.
pub(super) fn vote(
    context: &mut Context<'_>,
    voter: PublicKey,
    number: u32,
    hash: H256,
) -> Result<(), Error> {
    let proposal = open_proposal(context, number)?;
    if proposal.hash != hash {
        return Err(Error::WrongProposal);
    }
    if proposal.votes.contains(&voter) {
        return Err(Error::AlreadyVoted);
    }
    count_vote(context, number, proposal, voter)
}

/// Closes an open proposal of `account`.
pub(super) fn withdraw(
    context: &mut Context<'_>,
    account: PublicKey,
    number: u32,
) -> Result<(), Error> {
    let proposal = open_proposal(context, number)?;
    if proposal.proposer != account {
        return Err(Error::NotProposer);
    }
    close(context, number);
    context.deposit(Event::Withdrawn { proposal: number });
    Ok(())
}

/// Adds a veto to an approved proposal; as many as could have kept it from being approved cancel
/// it.
pub(super) fn veto(context: &mut Context<'_>, voter: PublicKey, number: u32) -> Result<(), Error> {
    let proposal = PROPOSALS.get(&context.state, &number);
    let mut proposal = proposal.ok_or(Error::NotFound)?;
    if proposal.due.is_none() {
        return Err(Error::NotScheduled);
    }
    if proposal.vetoes.contains(&voter) {
        return Err(Error::AlreadyVoted);
    }
    let pushed = proposal.vetoes.push(voter);
    pushed.map_err(|_| Error::AlreadyVoted)?;
    let vetoes = u32::try_from(proposal.vetoes.len()).unwrap_or(u32::MAX);
    context.deposit(Event::Vetoed {
        proposal: number,
        voter,
        vetoes,
    });
    if vetoes >= rules::requirement(&context.state, &proposal.actions).vetoes {
        take_off(context, number);
        PROPOSALS.remove(&mut context.state, &number);
        context.deposit(Event::Cancelled { proposal: number });
    } else {
        PROPOSALS.put(&mut context.state, &number, &proposal);
    }
    Ok(())
}

fn open_proposal(context: &Context<'_>, number: u32) -> Result<Proposal, Error> {
    let proposal = PROPOSALS.get(&context.state, &number);
    let proposal = proposal.filter(|proposal| proposal.due.is_none());
    let proposal = proposal.ok_or(Error::NotFound)?;
    if proposal.expires < context.block.time {
        return Err(Error::Expired);
    }
    Ok(proposal)
}

/// Counts a vote; if it approves, carries the proposal out or schedules it.
fn count_vote(
    context: &mut Context<'_>,
    number: u32,
    mut proposal: Proposal,
    voter: PublicKey,
) -> Result<(), Error> {
    let pushed = proposal.votes.push(voter);
    pushed.map_err(|_| Error::AlreadyVoted)?;
    let votes = u32::try_from(proposal.votes.len()).unwrap_or(u32::MAX);
    context.deposit(Event::Voted {
        proposal: number,
        voter,
        votes,
    });
    let required = rules::requirement(&context.state, &proposal.actions);
    if votes < required.votes {
        PROPOSALS.put(&mut context.state, &number, &proposal);
        return Ok(());
    }
    close(context, number);
    if required.delay_ms > 0 {
        return put_on(context, number, proposal, required.delay_ms);
    }
    carry_out(context, number, &proposal)
}

/// Puts an approved proposal on the schedule.
fn put_on(
    context: &mut Context<'_>,
    number: u32,
    mut proposal: Proposal,
    delay_ms: u64,
) -> Result<(), Error> {
    let due = context.block.time.plus_ms(delay_ms);
    proposal.due = Some(due);
    let mut schedule = schedule(&context.state);
    let mut waiting = schedule.due.into_vec();
    let place = waiting.partition_point(|other| *other < (due, number));
    waiting.insert(place, (due, number));
    schedule.due = BoundedVec::try_from(waiting).map_err(|_| Error::TooManyProposals)?;
    SCHEDULE.put(&mut context.state, &schedule);
    PROPOSALS.put(&mut context.state, &number, &proposal);
    context.deposit(Event::Scheduled {
        proposal: number,
        due,
    });
    Ok(())
}

fn take_off(context: &mut Context<'_>, number: u32) {
    let mut schedule = schedule(&context.state);
    schedule.due.retain(|(_, other)| *other != number);
    SCHEDULE.put(&mut context.state, &schedule);
}

fn carry_out(context: &mut Context<'_>, number: u32, proposal: &Proposal) -> Result<(), Error> {
    for action in &proposal.actions {
        actions::execute(context, action, proposal.hash)?;
    }
    context.deposit(Event::Executed { proposal: number });
    Ok(())
}

/// Carries out the approved proposals that are due, the earliest first, a bounded number of them.
pub(super) fn execute_due(context: &mut Context<'_>) {
    let now = context.block.time;
    for _ in 0..SCHEDULED_PER_BLOCK_MAX {
        // Looked up anew each time: what was carried out may have changed the schedule.
        let first = schedule(&context.state).due.first().copied();
        let Some((_, number)) = first.filter(|(due, _)| *due <= now) else {
            return;
        };
        take_off(context, number);
        let Some(proposal) = PROPOSALS.get(&context.state, &number) else {
            continue;
        };
        PROPOSALS.remove(&mut context.state, &number);
        let done = context.transactional(|context| carry_out(context, number, &proposal));
        if let Err(error) = done {
            context.deposit(Event::ExecutionFailed {
                proposal: number,
                error,
            });
        }
    }
}

/// Removes proposals whose time has passed; their number is bounded by how many can be open.
pub(super) fn prune_expired(context: &mut Context<'_>) {
    let now = context.block.time;
    let expired: Vec<u32> = open_proposals(&context.state)
        .open
        .iter()
        .filter(|(_, expires)| *expires < now)
        .map(|(number, _)| *number)
        .collect();
    for number in expired {
        close(context, number);
        context.deposit(Event::ProposalExpired { proposal: number });
    }
}

/// Closes every open proposal, and keeps only the vetoes of `trustees`: others decide now.
pub(super) fn begin_anew(context: &mut Context<'_>, trustees: &TrusteeAccounts) {
    for (number, _) in &open_proposals(&context.state).open {
        close(context, *number);
        context.deposit(Event::Closed { proposal: *number });
    }
    for (_, number) in &schedule(&context.state).due {
        if let Some(mut proposal) = PROPOSALS.get(&context.state, number) {
            proposal.vetoes.retain(|account| trustees.contains(account));
            PROPOSALS.put(&mut context.state, number, &proposal);
        }
    }
}

fn close(context: &mut Context<'_>, number: u32) {
    PROPOSALS.remove(&mut context.state, &number);
    let mut open = open_proposals(&context.state);
    open.open.retain(|(other, _)| *other != number);
    OPEN_PROPOSALS.put(&mut context.state, &open);
}

/// Returns which proposals can still be voted for.
pub fn open_proposals(state: &(impl StateRead + ?Sized)) -> OpenProposals {
    let open = OPEN_PROPOSALS.get(state);
    open.unwrap_or(OpenProposals {
        version: STORED_VERSION,
        ..OpenProposals::default()
    })
}

/// Returns which approved proposals wait.
pub fn schedule(state: &(impl StateRead + ?Sized)) -> Schedule {
    let schedule = SCHEDULE.get(state);
    schedule.unwrap_or(Schedule {
        version: STORED_VERSION,
        ..Schedule::default()
    })
}

/// Returns a proposal that is open or waits.
pub fn proposal(state: &(impl StateRead + ?Sized), number: u32) -> Option<Proposal> {
    PROPOSALS.get(state, &number)
}
