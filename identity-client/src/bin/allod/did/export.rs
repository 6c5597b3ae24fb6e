//! `allod did export` and `allod did verify`: whole histories, kept and checked.

use std::path::Path;

use allod_identity_client::history::{
    Expectations, Export, ExportError, ReplayError, fetch, replay,
};
use allod_identity_client::keys::Home;
use allod_primitives::ChainId;
use allod_primitives::log::LogHead;
use serde_json::json;

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
    report.hint = Some(format!("`allod did verify {file}` replays it"));
    Ok(report)
}

/// Replays an exported history: every signature, every rule, every hash. `offline`: its end is
/// taken from the file, not compared with the ledger.
pub(crate) async fn verify(
    session: &Session,
    file: &Path,
    offline: bool,
) -> Result<Report, Failure> {
    let text = String::from_utf8_lossy(&session.read(file)?).into_owned();
    let export = Export::from_json(&text)?;
    let (chain, head): (ChainId, Option<LogHead>) = if offline {
        (export.chain, None)
    } else {
        let network = session.network().await?;
        network.check(&export.did)?;
        let head = session.resolve(&export.did, None).await?.stored_log();
        (network.chain, Some(head))
    };
    let expectations = Expectations {
        did: export.did,
        chain,
        head,
        controller: &|_, _| None,
    };
    let replayed = replay(&export, &expectations)?;
    let fields = json!({ "valid": true, "did": export.did.to_string(),
        "entries": export.entries.len(), "offline": offline,
        "failed": replayed.failed.iter().map(|(n, why)| json!({ "n": n, "why": why.to_string() }))
            .collect::<Vec<_>>(),
        "byUnknownControllers": replayed.by_unknown_controllers });
    let what = if offline {
        "each follows from the one before"
    } else {
        "each follows from the one before, and the last is the ledger's"
    };
    let note = format!("{} entries; {what}", export.entries.len());
    let mut report = Report::new("valid", fields).note(note);
    for n in &replayed.by_unknown_controllers {
        report = report.note(format!(
            "entry {n} is signed by a controller, whose keys were not checked"
        ));
    }
    Ok(report)
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
