//! `authority_proposals` and `authority_rules`.

use std::cell::Cell;

use allod_primitives::{H256, PublicKey};
use allod_rpc_api::ErrorCode;
use allod_rpc_api::authority::{
    ParametersEntry, ProposalEntry, ProposalsResponse, RuleEntry, RulesResponse, UpgradeEntry,
};
use allod_rpc_api::hex_bytes::{HexBytes, HexHash};
use allod_rpc_api::method::{AUTHORITY_PROPOSALS, AUTHORITY_RULES};
use allod_runtime::authority::{self, ActionKind, Proposal, storage};
use allod_runtime::frame::StateRead;
use jsonrpsee::server::RegisterMethodError;
use parity_scale_codec::Encode;

use crate::answer::{Answer, failed, unavailable};
use crate::methods::Module;
use crate::view::{HeadInfo, NodeView, StateUnavailable};

pub(crate) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    module.register_blocking_method(AUTHORITY_PROPOSALS, |_, view, _| proposals(&**view))?;
    module.register_blocking_method(AUTHORITY_RULES, |_, view, _| rules(&**view))?;
    Ok(())
}

/// The state after the newest block, for readers of the state machine that know no errors: what
/// could not be read is noted, and looks absent.
struct Newest<'a> {
    view: &'a dyn NodeView,
    head: HeadInfo,
    failed: Cell<bool>,
}

impl<'a> Newest<'a> {
    fn new(view: &'a dyn NodeView) -> Self {
        Self {
            view,
            head: view.head(),
            failed: Cell::new(false),
        }
    }

    /// Returns `answer` if everything it was made of could be read.
    fn checked<T>(&self, answer: T) -> Answer<T> {
        match self.failed.get() {
            false => Ok(answer),
            true => Err(unavailable(StateUnavailable)),
        }
    }
}

impl StateRead for Newest<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let value = self.view.storage_at(&self.head.hash, key);
        value.unwrap_or_else(|_| {
            self.failed.set(true);
            None
        })
    }

    fn next_key(&self, after: &[u8]) -> Option<Vec<u8>> {
        let keys = self.view.keys_at(&self.head.hash, &[], 1, Some(after));
        let keys = keys.unwrap_or_else(|_| {
            self.failed.set(true);
            Vec::new()
        });
        keys.into_iter().next()
    }
}

fn proposals(view: &dyn NodeView) -> Answer<ProposalsResponse> {
    let state = Newest::new(view);
    let open = authority::open_proposals(&state);
    let mut waiting: Vec<u32> = authority::schedule(&state)
        .due
        .iter()
        .map(|(_, number)| *number)
        .collect();
    waiting.sort_unstable();
    let numbers = open.open.iter().map(|(number, _)| *number).chain(waiting);
    let proposals = numbers.filter_map(|number| {
        let proposal = authority::proposal(&state, number)?;
        Some(entry(&state, number, &proposal))
    });
    let answer = ProposalsResponse {
        proposals: proposals.collect(),
        next: open.next,
        height: state.head.height().0,
        block_hash: state.head.hash.into(),
        time: state.head.time().0,
    };
    state.checked(answer)
}

fn entry(state: &Newest<'_>, number: u32, proposal: &Proposal) -> ProposalEntry {
    let required = authority::requirement(state, &proposal.actions);
    let kinds = proposal.actions.iter().map(|action| action.kind().name());
    ProposalEntry {
        number,
        hash: proposal.hash.into(),
        proposer: account(&proposal.proposer),
        actions: HexBytes(proposal.actions.encode()),
        kinds: kinds.map(str::to_owned).collect(),
        expires: proposal.expires.0,
        votes: proposal.votes.iter().map(account).collect(),
        votes_needed: required.votes,
        delay_ms: required.delay_ms,
        due: proposal.due.map(|due| due.0),
        vetoes: proposal.vetoes.iter().map(account).collect(),
        vetoes_needed: required.vetoes,
    }
}

fn account(key: &PublicKey) -> HexHash {
    H256(key.0).into()
}

fn rules(view: &dyn NodeView) -> Answer<RulesResponse> {
    let state = Newest::new(view);
    let trustees = storage::TRUSTEES.get(&state);
    let trustees = match trustees {
        Some(trustees) => trustees,
        None => return state.checked(()).and(Err(failed(ErrorCode::NotReady))),
    };
    let rules = ActionKind::ALL.iter().map(|kind| {
        let rule = authority::rule(&state, *kind);
        RuleEntry {
            kind: kind.name().to_owned(),
            votes: rule.votes.unwrap_or(trustees.threshold),
            by_threshold: rule.votes.is_none(),
            delay_ms: rule.delay_ms,
        }
    });
    let parameters = authority::parameters(&state);
    let upgrade = authority::scheduled_upgrade(&state);
    let answer = RulesResponse {
        trustees: trustees.accounts.iter().map(account).collect(),
        threshold: trustees.threshold,
        rules: rules.collect(),
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
        height: state.head.height().0,
        block_hash: state.head.hash.into(),
        time: state.head.time().0,
    };
    state.checked(answer)
}
