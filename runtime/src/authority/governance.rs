//! Proposals and votes.
//!
//! A proposal is its proposer's vote too. The vote that reaches the threshold carries it out, all
//! actions or none: if one fails, that vote fails and can be cast again later.

use allod_primitives::limits::{PROPOSAL_VALIDITY_MS_MAX, PROPOSALS_MAX};
use allod_primitives::{BoundedVec, PublicKey, TimeMs};

use super::actions;
use super::error::Error;
use super::event::Event;
use super::storage::{OPEN_PROPOSALS, PROPOSALS, TRUSTEES};
use super::types::{Actions, OpenProposals, Proposal, STORED_VERSION};
use crate::frame::Context;

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
    let mut open = open_proposals(context);
    check_share(context, &open, &proposer)?;
    let number = open.next;
    open.next = number.checked_add(1).ok_or(Error::TooManyProposals)?;
    let pushed = open.open.push((number, expires));
    pushed.map_err(|_| Error::TooManyProposals)?;
    OPEN_PROPOSALS.put(&mut context.state, &open);
    let proposal = Proposal {
        version: STORED_VERSION,
        proposer,
        actions: actions.clone(),
        expires,
        votes: BoundedVec::new(),
    };
    context.deposit(Event::Proposed {
        proposal: number,
        proposer,
    });
    count_vote(context, number, proposal, proposer)
}

/// Checks that `proposer` has fewer proposals open than its share of the slots. Were there no
/// shares, one trustee could take every slot for as long as proposals may live, and so keep all
/// others from ever deciding anything.
fn check_share(
    context: &Context<'_>,
    open: &OpenProposals,
    proposer: &PublicKey,
) -> Result<(), Error> {
    let trustees = TRUSTEES.get(&context.state);
    let trustees = trustees.map_or(1, |trustees| trustees.accounts.len().max(1));
    let share = (PROPOSALS_MAX as usize) / trustees;
    let numbers = open.open.iter().map(|(number, _)| number);
    let proposals = numbers.filter_map(|number| PROPOSALS.get(&context.state, number));
    let own = proposals.filter(|it| it.proposer == *proposer).count();
    if own >= share {
        return Err(Error::TooManyProposals);
    }
    Ok(())
}

/// Adds a vote to an open proposal.
pub(super) fn vote(context: &mut Context<'_>, voter: PublicKey, number: u32) -> Result<(), Error> {
    let proposal = PROPOSALS
        .get(&context.state, &number)
        .ok_or(Error::NotFound)?;
    if proposal.expires < context.block.time {
        return Err(Error::Expired);
    }
    if proposal.votes.contains(&voter) {
        return Err(Error::AlreadyVoted);
    }
    count_vote(context, number, proposal, voter)
}

/// Counts a vote; at the threshold, carries the proposal out.
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
    let threshold = TRUSTEES
        .get(&context.state)
        .map_or(u32::MAX, |trustees| trustees.threshold);
    if votes < threshold {
        PROPOSALS.put(&mut context.state, &number, &proposal);
        return Ok(());
    }
    close(context, number);
    for action in &proposal.actions {
        actions::execute(context, action)?;
    }
    context.deposit(Event::Executed { proposal: number });
    Ok(())
}

/// Removes proposals whose time has passed; their number is bounded by how many can be open.
pub(super) fn prune_expired(context: &mut Context<'_>) {
    let now = context.block.time;
    let expired: Vec<u32> = open_proposals(context)
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

fn close(context: &mut Context<'_>, number: u32) {
    PROPOSALS.remove(&mut context.state, &number);
    let mut open = open_proposals(context);
    open.open.retain(|(other, _)| *other != number);
    OPEN_PROPOSALS.put(&mut context.state, &open);
}

fn open_proposals(context: &Context<'_>) -> OpenProposals {
    let open = OPEN_PROPOSALS.get(&context.state);
    open.unwrap_or(OpenProposals {
        version: STORED_VERSION,
        ..OpenProposals::default()
    })
}
