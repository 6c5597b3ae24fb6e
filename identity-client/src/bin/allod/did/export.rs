//! `allod did export` and `allod did verify-log`: whole histories, kept and checked.

use std::path::Path;

use allod_identity_client::history::{
    EndError, Expectations, Export, ExportError, FetchError, ProvenEnd, ReplayError, Replayed,
    claimed_end, fetch, fetch_proven, proven_end, replay, trust_checkpoint, trust_genesis,
};
use allod_identity_client::keys::Home;
use allod_identity_client::light::{Checkpoint, HeaderMark, kept_trust};
use allod_primitives::ChainId;
use allod_primitives::light::LightError;
use allod_primitives::light::time::check_trust_age;
use allod_primitives::log::LogHead;
use allod_rpc_api::document::date_time;
use serde_json::json;

use crate::amounts::LogEnd;
use crate::console::Report;
use crate::failure::{Exit, Failure};
use crate::session::Session;

pub(crate) async fn export(session: &Session, who: &str, file: &Path) -> Result<Report, Failure> {
    let did = session.did(who)?;
    let fetched = async {
        if session.reads.trust_node {
            return Ok(fetch(&session.client, &did).await?);
        }
        let light = session.light(Some(did.network())).await?;
        let export = Box::pin(fetch_proven(&session.client, light, &did));
        Ok::<_, Failure>(export.await?)
    };
    let export = session
        .console
        .during("fetching the history", fetched)
        .await?;
    Home::write_private(file, export.to_json().as_bytes(), true)?;
    let end = claimed_end(&export).ok();
    let checkpoint = end.map(|end| Checkpoint {
        network: did.network(),
        fork_id: export.chain.fork_id,
        height: end.block.height,
        hash: end.block.hash,
    });
    let file = file.display().to_string();
    let fields = json!({ "did": did.to_string(), "file": file,
        "entries": export.head.count, "logHead": export.head.head.to_string(),
        "checkpoint": checkpoint.map(|it| it.to_string()) });
    let note = format!("{} entries of {did}", export.head.count);
    let mut report = Report::new(file.clone(), fields).note(note);
    if let Some(checkpoint) = checkpoint {
        report = report.note(format!(
            "its end is proven by the block {checkpoint}; who keeps that apart can check it for ever"
        ));
    }
    report.hint = Some(format!("`allod did verify-log {file}` replays it"));
    Ok(report)
}

/// What vouches for the end of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Footing {
    /// The ledger, asked now.
    Ledger,
    /// Whoever typed it.
    Given,
    /// The file's proof, by a checkpoint.
    Checkpoint,
    /// The file's proof, by what was verified here before.
    Kept,
    /// The file's proof, by signatures from genesis on.
    Genesis,
}

impl Footing {
    const fn name(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Given => "given",
            Self::Checkpoint => "checkpoint",
            Self::Kept => "kept",
            Self::Genesis => "genesis",
        }
    }
}

/// How a history ends, as far as it is known, and who says so.
struct Known {
    head: LogHead,
    by: Footing,
    /// The block by whose state it is known.
    block: Option<HeaderMark>,
}

/// Replays an exported history: every signature, every rule, every hash. `ledger`: its end is
/// compared with the ledger's; `head`: with what the caller knows; with neither, with the file's
/// proof, if that can be relied on.
pub(crate) async fn verify(
    session: &Session,
    file: &Path,
    ledger: bool,
    head: Option<LogEnd>,
) -> Result<Report, Failure> {
    let text = String::from_utf8_lossy(&session.read(file)?).into_owned();
    let export = Export::from_json(&text)?;
    if export.proof.is_some() && claimed_end(&export)?.head != export.head {
        let message = "the log is not the one that the file's proof is of";
        let hint = "entries are missing, or were changed: export it again";
        return Err(Failure::negative("history.invalid", message, hint));
    }
    let (chain, known) = match head {
        _ if ledger => {
            let (chain, head) = ledgers_end(session, &export).await?;
            (chain, Some(known(head, Footing::Ledger)))
        }
        Some(head) => (export.chain, Some(known(head.0, Footing::Given))),
        None => (export.chain, proofs_end(session, &export).await?),
    };
    let expectations = Expectations {
        did: export.did,
        chain,
        head: known.as_ref().map(|it| it.head),
        controller: &|_, _| None,
    };
    let replayed = replay(&export, &expectations)?;
    Ok(verdict(&export, &replayed, known.as_ref()))
}

const fn known(head: LogHead, by: Footing) -> Known {
    Known {
        head,
        by,
        block: None,
    }
}

async fn ledgers_end(session: &Session, export: &Export) -> Result<(ChainId, LogHead), Failure> {
    let network = session.network().await?;
    network.check(&export.did)?;
    let head = session.resolve(&export.did, None).await?.stored_log();
    Ok((network.chain, head))
}

/// Returns how the log ends by the file's proof; `None` if there is none, or nobody here can tell
/// what it is worth. No node is asked.
///
/// Source: spec/history.md §6.
async fn proofs_end(session: &Session, export: &Export) -> Result<Option<Known>, Failure> {
    if export.proof.is_none() {
        return Ok(None);
    }
    let config = session.light_config(Some(export.did.network())).await?;
    let now = config.now.get();
    let period = u64::try_from(config.trusting_period.as_millis()).unwrap_or(u64::MAX);
    // Signatures of validators count for so long, where trust begins and where it ends.
    let is_young = |mark: &HeaderMark| check_trust_age(mark, now, period).is_ok();
    let known = |end: ProvenEnd, by| Known {
        head: end.head,
        by,
        block: Some(end.block),
    };
    if let Some(checkpoint) = &session.reads.checkpoint {
        let trust = trust_checkpoint(export, checkpoint)?;
        let begins_young = is_young(&trust.newest());
        let end = proven_end(export, trust)?;
        // The hash of its own block proves it for ever.
        let is_own = end.block.hash == checkpoint.hash;
        let counts = is_own || (begins_young && is_young(&end.block));
        return Ok(counts.then(|| known(end, Footing::Checkpoint)));
    }
    let kept = kept_trust(&config)?.filter(|trust| is_young(&trust.newest()));
    if let Some(trust) = kept {
        match proven_end(export, trust) {
            Ok(end) if is_young(&end.block) => return Ok(Some(known(end, Footing::Kept))),
            Ok(_) => return Ok(None),
            // It is of validators that are not kept any more, or not known yet.
            Err(EndError::Light(
                LightError::SetForgotten { .. } | LightError::SetUnknown { .. },
            )) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if export.trail.is_none() {
        return Ok(None);
    }
    let trust = trust_genesis(export)?;
    if !is_young(&trust.newest()) {
        return Ok(None);
    }
    let end = proven_end(export, trust)?;
    Ok(is_young(&end.block).then(|| known(end, Footing::Genesis)))
}

fn verdict(export: &Export, replayed: &Replayed, known: Option<&Known>) -> Report {
    let verdict = if known.is_some() {
        "valid"
    } else {
        "consistent"
    };
    let failed = replayed.failed.iter();
    let failed: Vec<_> = failed
        .map(|(n, why)| json!({ "n": n, "why": why.to_string() }))
        .collect();
    let block = known.and_then(|it| it.block);
    let fields = json!({ "verdict": verdict, "did": export.did.to_string(),
        "entries": export.entries.len(), "logHead": export.head.head.to_string(),
        "headKnown": known.is_some(), "knownBy": known.map(|it| it.by.name()),
        "height": block.map(|it| it.height.0), "time": block.map(|it| it.time.0),
        "failed": failed, "erased": replayed.erased,
        "byUnknownControllers": replayed.by_unknown_controllers });
    let what = match known {
        Some(_) => "each follows from the one before, and the last is the log's",
        None => "each follows from the one before; whether more followed, the file alone says",
    };
    let note = format!("{} entries; {what}", export.entries.len());
    let mut report = Report::new(verdict, fields).note(note);
    if let Some(block) = block {
        report = report.note(format!(
            "as of block {} of {}; what came later a file cannot know",
            block.height,
            date_time(block.time)
        ));
    }
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
    if known.is_none() {
        let hint = match export.proof {
            Some(_) => {
                "its proof is too old to be relied on: `--checkpoint` of its block, or `--ledger`"
            }
            None => "`--ledger` asks the ledger how the log ends; `--head` takes your word for it",
        };
        report.hint = Some(hint.into());
    }
    report
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Client(error) => error.into(),
            FetchError::Read(error) => error.into(),
            error => Self::unavailable("light.wrong_log", error.to_string()),
        }
    }
}

impl From<EndError> for Failure {
    fn from(error: EndError) -> Self {
        let hint = match error {
            EndError::CheckpointElsewhere { .. } => {
                "give the checkpoint that `allod did export` printed, or `--ledger`"
            }
            _ => "do not rely on this history; export it from another node",
        };
        Self::negative("history.unproven", error.to_string(), hint)
    }
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
