//! What governance looks like now.

use allod_rpc_api::authority::{ProposalEntry, RulesResponse};
use serde_json::json;

use super::actions::{say, shown, when};
use super::{Read, read, stands};
use crate::console::Report;
use crate::failure::Failure;
use crate::session::Session;

pub(super) async fn status(session: &Session) -> Result<Report, Failure> {
    let rules = session.rules().await?;
    let fields = serde_json::to_value(&rules).unwrap_or_default();
    Ok(Report::new(lines(&rules).join("\n"), fields))
}

fn lines(rules: &RulesResponse) -> Vec<String> {
    let count = rules.trustees.len();
    let mut lines = vec![format!("trustees   {} of {count} decide", rules.threshold)];
    let accounts = rules.trustees.iter();
    lines.extend(accounts.map(|account| format!("           {account}")));
    for (index, rule) in rules.rules.iter().enumerate() {
        let head = if index == 0 { "rules" } else { "" };
        let (kind, votes) = (&rule.kind, rule.votes);
        let waits = match rule.delay_ms {
            0 => "at once".to_owned(),
            ms => format!("after {} s", ms / 1000),
        };
        lines.push(format!("{head:<10} {kind:<17} {votes} votes, {waits}"));
    }
    let it = &rules.parameters;
    let heartbeat = format!("{} to {} ms", it.heartbeat_ms_min, it.heartbeat_ms_max);
    let delays = (it.control_delay_ms_min, it.control_delay_ms_max);
    let delays = format!("{} to {} s", delays.0 / 1000, delays.1 / 1000);
    let period = it.validator_change_period_ms / 1000;
    lines.push(format!(
        "parameters block spacing {} ms",
        it.block_spacing_ms
    ));
    lines.push(format!("           heartbeat {heartbeat}"));
    lines.push(format!("           validator changes per {period} s"));
    lines.push(format!("           control delays {delays}"));
    lines.push(match rules.upgrade {
        Some(it) => format!(
            "upgrade    version {} at height {}",
            it.spec_version, it.height
        ),
        None => "upgrade    none".to_owned(),
    });
    lines
}

pub(super) async fn list(session: &Session) -> Result<Report, Failure> {
    let answer = session.proposals(None).await?;
    let lines: Vec<String> = answer.proposals.iter().map(line).collect();
    let fields = serde_json::to_value(&answer).unwrap_or_default();
    let mut report = Report::new(lines.join("\n"), fields);
    if answer.proposals.is_empty() {
        report = report.note("nothing is proposed");
    }
    Ok(report)
}

fn line(entry: &ProposalEntry) -> String {
    let state = match entry.due {
        Some(due) => format!(
            "waits  until {}  vetoes {}/{}",
            when(due),
            entry.vetoes.len(),
            entry.vetoes_needed
        ),
        None => format!(
            "open   until {}  votes {}/{}",
            when(entry.expires),
            entry.votes.len(),
            entry.votes_needed
        ),
    };
    format!("{:<4} {state}  {}", entry.number, entry.kinds.join(","))
}

pub(super) async fn show(session: &Session, number: u32) -> Result<Report, Failure> {
    let network = session.network().await?;
    let Read {
        entry,
        actions,
        hash,
    } = read(session, &network, number).await?;
    let mut lines = vec![
        format!("proposal   {number}"),
        format!("hash       {hash}"),
        format!("proposer   {}", entry.proposer),
        format!("expires    {}", when(entry.expires)),
    ];
    lines.extend(
        actions
            .iter()
            .map(|it| format!("action     {}", say(&network, it))),
    );
    lines.extend(entry.votes.iter().map(|it| format!("for        {it}")));
    lines.extend(entry.vetoes.iter().map(|it| format!("against    {it}")));
    let shown: Vec<_> = actions.iter().map(|it| shown(&network, it)).collect();
    let mut fields = serde_json::to_value(&entry).unwrap_or_default();
    fields["shown"] = json!(shown);
    Ok(Report::new(lines.join("\n"), fields).note(stands(&entry)))
}
