//! What trustees decide, and how: `authority_proposals`, `authority_rules`.

use allod_primitives::governance::{
    ActionKind, OpenProposals, Parameters, Proposal, Requirement, Rule, Schedule, ScheduledUpgrade,
    StoredRule, Trustees, requirement,
};
use allod_primitives::{H256, PublicKey, keys};
use parity_scale_codec::Encode;

use super::error::AnswerError;
use super::view::{AnswerView, read};
use crate::authority::{
    ParametersEntry, ProposalEntry, ProposalsResponse, RuleEntry, RulesResponse, UpgradeEntry,
};
use crate::error::ErrorCode;
use crate::hex_bytes::{HexBytes, HexHash};

type Answer<T> = Result<T, AnswerError>;

/// Answers `authority_proposals`.
///
/// # Errors
/// [`AnswerError`].
pub fn proposals(view: &impl AnswerView) -> Answer<ProposalsResponse> {
    let open: OpenProposals = read(view, &keys::open_proposals())?.unwrap_or_default();
    let schedule: Schedule = read(view, &keys::schedule())?.unwrap_or_default();
    let trustees: Option<Trustees> = read(view, &keys::trustees())?;
    let mut waiting: Vec<u32> = schedule.due.iter().map(|(_, number)| *number).collect();
    waiting.sort_unstable();
    let numbers = open.open.iter().map(|(number, _)| *number).chain(waiting);
    let mut proposals = Vec::new();
    for number in numbers {
        let proposal: Option<Proposal> = read(view, &keys::proposal(number))?;
        // One that is listed is there.
        let proposal = proposal.ok_or(AnswerError::Undecodable)?;
        let needed = requirement(trustees.as_ref(), &proposal.actions, |kind| {
            rule(view, kind)
        })?;
        proposals.push(entry(number, &proposal, needed));
    }
    let (height, time) = view.head();
    Ok(ProposalsResponse {
        proposals,
        next: open.next,
        height: height.0,
        block_hash: view.block_hash().into(),
        time: time.0,
    })
}

fn entry(number: u32, proposal: &Proposal, needed: Requirement) -> ProposalEntry {
    let kinds = proposal.actions.iter().map(|action| action.kind().name());
    ProposalEntry {
        number,
        hash: proposal.hash.into(),
        proposer: account(&proposal.proposer),
        actions: HexBytes(proposal.actions.encode()),
        kinds: kinds.map(str::to_owned).collect(),
        expires: proposal.expires.0,
        votes: proposal.votes.iter().map(account).collect(),
        votes_needed: needed.votes,
        delay_ms: needed.delay_ms,
        due: proposal.due.map(|due| due.0),
        vetoes: proposal.vetoes.iter().map(account).collect(),
        vetoes_needed: needed.vetoes,
    }
}

fn account(key: &PublicKey) -> HexHash {
    H256(key.0).into()
}

fn rule(view: &impl AnswerView, kind: ActionKind) -> Answer<Rule> {
    let stored: Option<StoredRule> = read(view, &keys::rule(kind))?;
    Ok(stored.map_or_else(|| Rule::default_of(kind), |stored| stored.rule))
}

/// Answers `authority_rules`.
///
/// # Errors
/// [`AnswerError`]; `chain.not_ready` where nobody decides anything.
pub fn rules(view: &impl AnswerView) -> Answer<RulesResponse> {
    let trustees: Option<Trustees> = read(view, &keys::trustees())?;
    let trustees = trustees.ok_or(ErrorCode::NotReady)?;
    let mut rules = Vec::new();
    for kind in ActionKind::ALL {
        let rule = rule(view, kind)?;
        rules.push(RuleEntry {
            kind: kind.name().to_owned(),
            votes: rule.votes.unwrap_or(trustees.threshold),
            by_threshold: rule.votes.is_none(),
            delay_ms: rule.delay_ms,
        });
    }
    let parameters: Parameters = read(view, &keys::parameters())?.unwrap_or_default();
    let upgrade: Option<ScheduledUpgrade> = read(view, &keys::upgrade())?;
    let (height, time) = view.head();
    Ok(RulesResponse {
        trustees: trustees.accounts.iter().map(account).collect(),
        threshold: trustees.threshold,
        rules,
        parameters: ParametersEntry {
            block_spacing_ms: parameters.block_spacing_ms,
            heartbeat_ms_min: parameters.heartbeat_ms_min,
            heartbeat_ms_max: parameters.heartbeat_ms_max,
            validator_change_period_ms: parameters.validator_change_period_ms,
            control_delay_ms_min: parameters.control.delay_ms_min,
            control_delay_ms_max: parameters.control.delay_ms_max,
        },
        upgrade: upgrade.map(|it| UpgradeEntry {
            spec_version: it.spec_version,
            height: it.height.0,
        }),
        height: height.0,
        block_hash: view.block_hash().into(),
        time: time.0,
    })
}
