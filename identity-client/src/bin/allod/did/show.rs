//! `allod did resolve`, `history` and `list`.

use allod_identity_client::history;
use allod_identity_client::keys::KeyFileError;
use allod_primitives::{Did, TimeMs};
use allod_rpc_api::document::date_time;
use allod_rpc_api::identity::{HistoryEntry, ResolveResponse};
use allod_rpc_api::versions::VersionAsked;
use serde_json::{Value, json};

use crate::console::Report;
use crate::failure::Failure;
use crate::session::Session;

pub(crate) async fn resolve(
    session: &Session,
    who: &str,
    height: Option<u64>,
) -> Result<Report, Failure> {
    let did = session.did(who)?;
    let asked = session.resolve(&did, height);
    let answer = session
        .console
        .during("waiting for the node", asked)
        .await?
        .answer;
    let when = date_time(TimeMs(answer.time));
    let note = format!("as of height {}, {when}", answer.height);
    Ok(document(&answer, &did, note))
}

/// Shows an earlier version, once the present log is seen to commit to it.
pub(crate) async fn version(
    session: &Session,
    who: &str,
    asked: &VersionAsked,
) -> Result<Report, Failure> {
    let did = session.did(who)?;
    let answer = session.client.resolve_version(&did, asked);
    let answer = session
        .console
        .during("waiting for the node", answer)
        .await?;
    // Afterwards, so that the head is not older than the answer.
    let present = session.resolve(&did, None).await?;
    let version = history::version(&session.client, &did, asked, answer, &present).await?;
    let entry = version.verified.entry();
    let from = date_time(entry.time);
    let until = version.verified.next();
    let until = until.map_or_else(|| "now".to_owned(), |it| date_time(it.time));
    let note = format!(
        "entry {} of the log, in force from {from} to {until}",
        entry.n
    );
    Ok(document(&version.answer, &did, note))
}

fn document(answer: &ResolveResponse, did: &Did, note: String) -> Report {
    let json = serde_json::to_value(answer).unwrap_or_default();
    match &answer.did_document {
        Some(document) => {
            let text = serde_json::to_string_pretty(document).unwrap_or_default();
            Report::new(text, json).note(note)
        }
        None => {
            let metadata = serde_json::to_string_pretty(&answer.did_document_metadata);
            let mut report = Report::new(metadata.unwrap_or_default(), json).note(note);
            report.negative = true;
            report.note(format!("{did} is deactivated"))
        }
    }
}

pub(crate) async fn history(
    session: &Session,
    who: &str,
    from: u64,
    count: Option<u32>,
) -> Result<Report, Failure> {
    let did = session.did(who)?;
    let asked = session.history(&did, from, count);
    let answer = session
        .console
        .during("waiting for the node", asked)
        .await?;
    let lines: Vec<String> = answer.entries.iter().map(line).collect();
    let json = serde_json::to_value(&answer).unwrap_or_default();
    let note = format!("{} entries, head {}", answer.log_count, answer.log_head);
    let report = Report::new(lines.join("\n"), json).note(note);
    Ok(match answer.next {
        Some(next) => report.note(format!("more with --from {next}")),
        None => report,
    })
}

fn line(entry: &HistoryEntry) -> String {
    let action = entry.action.as_deref().unwrap_or(&entry.kind);
    let when = date_time(TimeMs(entry.time));
    format!(
        "{:<4} {:<10} height {:<8} {when}  {}",
        entry.n, action, entry.height, entry.operation_hash
    )
}

pub(crate) fn list(session: &Session) -> Result<Report, Failure> {
    let mut lines = Vec::new();
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    for alias in session.home.aliases()? {
        match session.home.identity(&alias) {
            Ok(file) => {
                let state = state(
                    file.public().inception.is_some(),
                    file.public().pending.is_some(),
                );
                let suffix = state.map(|it| format!("  ({it})")).unwrap_or_default();
                lines.push(format!("{alias:<16} {}{suffix}", file.did()));
                rows.push(json!({
                    "alias": alias,
                    "did": file.did().to_string(),
                    "encrypted": file.is_encrypted(),
                    "state": state,
                    "file": file.path().display().to_string(),
                }));
            }
            Err(error) => notes.push(unreadable(&alias, &error)),
        }
    }
    if lines.is_empty() {
        let home = session.home.root().display();
        notes.push(format!(
            "no identity in {home}; `allod did create alice` makes one"
        ));
    }
    let mut report = Report::new(
        lines.join("\n"),
        json!({ "identities": Value::Array(rows) }),
    );
    report.notes = notes;
    Ok(report)
}

const fn state(begun: bool, rotating: bool) -> Option<&'static str> {
    match (begun, rotating) {
        (true, _) => Some("not on the ledger yet"),
        (_, true) => Some("rotation unfinished"),
        _ => None,
    }
}

fn unreadable(alias: &str, error: &KeyFileError) -> String {
    format!("{alias}: {error}; {}", error.hint())
}
