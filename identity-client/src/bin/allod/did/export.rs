//! `allod did export` and `allod did verify-log`: whole histories, kept and checked.

use std::path::Path;

use allod_identity_client::history::{
    Expectations, Export, ExportError, ReplayError, Replayed, fetch, replay,
};
use allod_identity_client::keys::Home;
use allod_primitives::ChainId;
use allod_primitives::log::LogHead;
use serde_json::json;

use crate::amounts::LogEnd;
use crate::console::Report;
use crate::failure::{Exit, Failure};
use crate::session::Session;

pub(crate) async fn export(session: &Session, who: &str, file: &Path) -> Result<Report, Failure> {
    let did = session.did(who)?;
    let fetched = fetch(&session.client, &did);
    let export = session
        .console
        .during("fetching the history", fetched)
        .await?;
    Home::write_private(file, export.to_json().as_bytes(), true)?;
    let file = file.display().to_string();
    let fields = json!({ "did": did.to_string(), "file": file,
        "entries": export.head.count, "logHead": export.head.head.to_string() });
    let note = format!("{} entries of {did}", export.head.count);
    let mut report = Report::new(file.clone(), fields).note(note);
    report.hint = Some(format!("`allod did verify-log {file}` replays it"));
    Ok(report)
}

/// Replays an exported history: every signature, every rule, every hash. `ledger`: its end is
/// compared with the ledger's; `head`: with what the caller knows. With neither, its end is only
/// what the file says.
pub(crate) async fn verify(
    session: &Session,
    file: &Path,
    ledger: bool,
    head: Option<LogEnd>,
) -> Result<Report, Failure> {
    let text = String::from_utf8_lossy(&session.read(file)?).into_owned();
    let export = Export::from_json(&text)?;
    let (chain, head) = if ledger {
        let (chain, head) = ledgers_end(session, &export).await?;
        (chain, Some(head))
    } else {
        (export.chain, head.map(|it| it.0))
    };
    let expectations = Expectations {
        did: export.did,
        chain,
        head,
        controller: &|_, _| None,
    };
    let replayed = replay(&export, &expectations)?;
    Ok(verdict(&export, &replayed, head.is_some()))
}

async fn ledgers_end(session: &Session, export: &Export) -> Result<(ChainId, LogHead), Failure> {
    let network = session.network().await?;
    network.check(&export.did)?;
    let head = session.resolve(&export.did, None).await?.stored_log();
    Ok((network.chain, head))
}

fn verdict(export: &Export, replayed: &Replayed, is_known: bool) -> Report {
    let verdict = if is_known { "valid" } else { "consistent" };
    let failed = replayed.failed.iter();
    let failed: Vec<_> = failed
        .map(|(n, why)| json!({ "n": n, "why": why.to_string() }))
        .collect();
    let fields = json!({ "verdict": verdict, "did": export.did.to_string(),
        "entries": export.entries.len(), "logHead": export.head.head.to_string(),
        "headKnown": is_known, "failed": failed, "erased": replayed.erased,
        "byUnknownControllers": replayed.by_unknown_controllers });
    let what = if is_known {
        "each follows from the one before, and the last is the log's"
    } else {
        "each follows from the one before; whether more followed, the file alone says"
    };
    let note = format!("{} entries; {what}", export.entries.len());
    let mut report = Report::new(verdict, fields).note(note);
    for n in &replayed.by_unknown_controllers {
        report = report.note(format!(
            "entry {n} is signed by a controller, whose keys were not checked"
        ));
    }
    for n in &replayed.erased {
        report = report.note(format!(
            "entry {n}: the operation is erased; that it was allowed, the end of the log vouches for"
        ));
    }
    if !is_known {
        let hint = "`--ledger` asks the ledger how the log ends; `--head` takes your word for it";
        report.hint = Some(hint.into());
    }
    report
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        let hint = "`allod did export` writes one";
        Self::new(Exit::Usage, "history.malformed", error.to_string(), hint)
    }
}

impl From<ReplayError> for Failure {
    fn from(error: ReplayError) -> Self {
        let hint = match error {
            ReplayError::OtherHead { .. } => "export again: the identity has changed since",
            _ => "do not rely on this history; export it from another node",
        };
        Self::negative("history.invalid", error.to_string(), hint)
    }
}
