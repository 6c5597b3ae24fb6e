//! What an operation says, in lines that a person reads before signing.

use allod_primitives::document::{DocumentPatch, RetireReason};
use allod_primitives::operation::{Body, Lane, Operation, Payer, ProposedChange};
use allod_primitives::policy::{Capabilities, ControlPolicy, GuardianSet, PolicyChange, Rank};
use allod_primitives::record::{Pending, PendingChange, Proposer};
use allod_primitives::{Did, NetworkId};

use super::words::{date, key_name, span};
use crate::hex;

/// Says what `operation` does, to whom, by whom and until when it can be sent.
pub fn describe_operation(operation: &Operation) -> Vec<String> {
    let network = NetworkId::from_genesis(&operation.genesis);
    let did = Did::new(network, operation.did);
    let mut lines = vec![format!("identity {did}")];
    lines.push(match operation.lane {
        Lane::Rank(rank) => format!("signed by rank {rank}"),
        Lane::Next(rank) => format!("signed by the next keys of rank {rank}, which it reveals"),
        Lane::Guardians => "signed by guardians".into(),
        Lane::Documents => "signed by a rank that may change the document".into(),
    });
    if let Some(controller) = operation.controller {
        lines.push(format!(
            "by its controller {}",
            Did::new(network, controller)
        ));
    }
    if let Some(reveal) = &operation.reveal {
        for it in &reveal.keys {
            lines.push(format!(
                "reveals {}, weight {}",
                key_name(&it.key),
                it.weight
            ));
        }
        lines.push(commitment(reveal.next.is_some()));
    }
    lines.extend(describe_body(&operation.body));
    lines.push(match operation.payer {
        Payer::Own => "paid from its own quota".into(),
        Payer::Sponsor(account) => format!("paid by registrar {account}"),
        Payer::Any => "paid by its own quota or a registrar".into(),
    });
    lines.push(format!("void after {}", date(operation.valid_until)));
    lines.push(format!(
        "number {} of its lane, hash {}",
        operation.lane_seq,
        operation.hash()
    ));
    lines
}

fn describe_body(body: &Body) -> Vec<String> {
    match body {
        Body::Incept(inception) => {
            let mut lines = vec!["creates the identity".into()];
            lines.extend(describe_policy(&inception.policy));
            lines
        }
        Body::UpdateDocument(patch) => describe_patch(patch),
        Body::Rotate { change, document } => {
            let mut lines = vec!["changes control at once".into()];
            lines.extend(describe_change(change));
            lines.extend(document.iter().flat_map(describe_patch));
            lines
        }
        Body::Deactivate => vec!["ENDS the identity for good".into()],
        Body::Propose(proposed) => {
            let mut lines = vec!["proposes what takes effect after the delay:".into()];
            lines.extend(match proposed {
                ProposedChange::Control(change) => describe_change(change),
                ProposedChange::Deactivation => vec!["the END of the identity for good".into()],
                ProposedChange::CancelRecovery(id) => {
                    vec![format!("that recovery {id} does not take place")]
                }
            });
            lines
        }
        Body::Cancel { pending } => vec![format!("cancels pending change {pending}")],
        Body::Recover { rank } => {
            let mut lines = vec!["RECOVERS the identity after the guardians' delay".into()];
            lines.extend(describe_rank(0, rank));
            lines
        }
        Body::SetNotBefore {
            not_before,
            bump_grant_epoch,
        } => {
            let grants = if *bump_grant_epoch {
                " and all grants"
            } else {
                ""
            };
            let until = date(*not_before);
            vec![format!("voids tokens issued before {until}{grants}")]
        }
    }
}

/// Says what a policy is.
pub fn describe_policy(policy: &ControlPolicy) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, rank) in (0u8..).zip(&policy.ranks) {
        if rank.is_vacant() {
            lines.push(format!("rank {index} is vacant"));
        } else {
            lines.extend(describe_rank(index, rank));
        }
    }
    match &policy.guardians {
        Some(set) => lines.push(describe_guardians(set)),
        None => lines.push("no guardians".into()),
    }
    lines.push(format!("proposals wait {}", span(policy.delay_ms)));
    lines
}

/// Says what a change of a policy sets.
pub fn describe_change(change: &PolicyChange) -> Vec<String> {
    let mut lines = Vec::new();
    for it in &change.ranks {
        match &it.rank {
            Some(rank) => lines.extend(describe_rank(it.index, rank)),
            None => lines.push(format!("rank {} becomes vacant", it.index)),
        }
    }
    match &change.guardians {
        Some(Some(set)) => lines.push(describe_guardians(set)),
        Some(None) => lines.push("no guardians from then on".into()),
        None => {}
    }
    if let Some(delay_ms) = change.delay_ms {
        lines.push(format!("proposals wait {} from then on", span(delay_ms)));
    }
    lines
}

/// Says what waits: since when, until when, by whom, and what it is.
pub fn describe_pending(pending: &Pending) -> Vec<String> {
    let who = match pending.proposer {
        Proposer::Guardians => "the guardians".to_owned(),
        Proposer::Rank(rank) => format!("rank {rank}"),
    };
    let (since, until) = (date(pending.proposed_at), date(pending.effective_at));
    let mut lines = vec![
        format!("pending change {}", pending.id),
        format!("proposed by {who} on {since}, takes effect on {until}"),
    ];
    lines.extend(match &pending.change {
        PendingChange::Control(change) => describe_change(change),
        PendingChange::Recovery(rank) => {
            let mut lines = vec!["a RECOVERY: everything but the guardians is replaced by".into()];
            lines.extend(describe_rank(0, rank));
            lines
        }
        PendingChange::Deactivation => vec!["the END of the identity for good".into()],
        PendingChange::Cancellation(id) => {
            vec![format!("that recovery {id} does not take place")]
        }
    });
    lines
}

fn describe_rank(index: u8, rank: &Rank) -> Vec<String> {
    let may = capabilities(rank.capabilities);
    let mut lines = vec![format!(
        "rank {index}: {} key(s), threshold {}, may {may}",
        rank.keys.len(),
        rank.threshold
    )];
    for it in &rank.keys {
        lines.push(format!("  {}, weight {}", key_name(&it.key), it.weight));
    }
    lines.push(format!("  {}", commitment(rank.next.is_some())));
    lines
}

fn commitment(is_there: bool) -> String {
    let text = match is_there {
        true => "with next keys (a recovery sheet or the like)",
        false => "without next keys",
    };
    text.into()
}

fn capabilities(capabilities: Capabilities) -> String {
    let names = [
        (Capabilities::DOCUMENT, "change the document"),
        (Capabilities::TOKENS_AND_GRANTS, "revoke tokens and grants"),
        (Capabilities::PROPOSE_UP, "propose upwards"),
        (Capabilities::CANCEL, "cancel"),
    ];
    let has = names.iter().filter(|(it, _)| capabilities.contains(*it));
    let has: Vec<&str> = has.map(|(_, name)| *name).collect();
    match has.as_slice() {
        [] => "do nothing but rule the ranks below".into(),
        has => has.join(", "),
    }
}

fn describe_guardians(set: &GuardianSet) -> String {
    let delay = span(set.delay_ms);
    let root = hex::encode(set.root);
    format!(
        "{} guardian(s), threshold {}, recoveries wait {delay} (root {root})",
        set.count, set.threshold
    )
}

fn describe_patch(patch: &DocumentPatch) -> Vec<String> {
    let mut lines = Vec::new();
    for it in &patch.retire {
        let why = match it.reason {
            RetireReason::Routine => String::new(),
            RetireReason::CompromisedSince(since) => {
                format!(" as compromised since {}", date(since))
            }
        };
        lines.push(format!("retires method #{}{why}", it.fragment));
    }
    for it in &patch.declare {
        let since = date(it.since);
        lines.push(format!(
            "declares method #{} compromised since {since}",
            it.fragment
        ));
    }
    for it in &patch.add {
        lines.push(format!("adds method #{}", it.fragment));
    }
    if let Some(services) = &patch.services {
        lines.push(format!("sets {} service(s)", services.len()));
    }
    if let Some(names) = &patch.also_known_as {
        lines.push(format!("sets {} other name(s)", names.len()));
    }
    if let Some(controllers) = &patch.controllers {
        lines.push(format!("sets {} controller(s)", controllers.len()));
        lines.extend(controllers.iter().map(|it| format!("  {it}")));
    }
    lines
}
