//! `allod light …`: what answers are checked against.

use allod_identity_client::light::{ReadError, Store};
use allod_primitives::{ForkId, NetworkId};
use allod_rpc_api::document::date_time;
use serde_json::json;

use crate::args::LightCommand;
use crate::console::Report;
use crate::failure::Failure;
use crate::session::Session;

pub(crate) async fn run(session: &Session, command: LightCommand) -> Result<Report, Failure> {
    match command {
        LightCommand::Status => status(session).await,
        LightCommand::Checkpoint => checkpoint(session).await,
        LightCommand::Reset { unfreeze } => reset(session, unfreeze),
    }
}

async fn status(session: &Session) -> Result<Report, Failure> {
    let light = session.light(None).await?;
    // What the nodes say now; if none proves anything, that is told, and what is known anyway.
    let asked = session
        .console
        .during("asking for the newest block", Box::pin(light.head()))
        .await;
    let status = light.status();
    let newest = status.newest;
    let age_ms = session.clock.now().0.saturating_sub(newest.time.0);
    let mut lines = vec![
        format!("network     {}", light.network()),
        format!("fork        {}", status.chain.fork_id),
        format!("verified    height {}, {}", newest.height, newest.hash),
        format!(
            "time        {} ({} s ago)",
            date_time(newest.time),
            age_ms / 1000
        ),
        format!("answered    height {}", status.answered),
        format!("validators  set {} of {}", status.set.0, status.set.1),
        format!("kept        {}", session.light_folder().display()),
    ];
    if let Some(comparison) = &status.comparison {
        lines.push(match comparison.made {
            Some((at, height)) => format!("compared    height {height}, {}", date_time(at)),
            None => "compared    with no other node yet".into(),
        });
    }
    let asides = status.asides.iter();
    lines.extend(asides.map(|it| format!("aside       {}: {}", it.node, it.fault)));
    let fields = json!({
        "network": light.network().to_string(), "forkId": status.chain.fork_id.0,
        "genesis": status.chain.genesis.to_string(), "height": newest.height.0,
        "blockHash": newest.hash.to_string(), "time": newest.time.0, "ageMs": age_ms,
        "answered": status.answered.0, "setId": status.set.0, "validators": status.set.1,
        "folder": session.light_folder().display().to_string(),
        "fresh": asked.is_ok(),
        "compared": status.comparison.as_ref().map(|it| json!({
            "height": it.made.map(|(_, height)| height.0), "at": it.made.map(|(at, _)| at.0),
            "overdue": it.is_overdue, "missed": it.missed.as_ref().map(|it| it.node.clone()) })),
        "asides": status.asides.iter().map(|it| json!({ "node": it.node,
            "since": it.since.0, "slug": it.fault.slug(), "message": it.fault.to_string() }))
            .collect::<Vec<_>>(),
    });
    let mut report = Report::new(lines.join("\n"), fields);
    if let Err(error) = asked {
        report.negative = true;
        report.notes.push(error.to_string());
        report.hint = Some(error.hint());
    }
    Ok(report)
}

async fn checkpoint(session: &Session) -> Result<Report, Failure> {
    let light = session.light(None).await?;
    let head = session
        .console
        .during("asking for the newest block", Box::pin(light.head()))
        .await?;
    light.flush()?;
    let text = light.checkpoint().to_string();
    let fields = json!({ "checkpoint": text, "height": head.height.0, "time": head.time.0 });
    let note = format!("of {}", date_time(head.time));
    let mut report = Report::new(text, fields).note(note);
    report.hint =
        Some("hand it on by a way that a node cannot change; --checkpoint takes it".into());
    Ok(report)
}

/// Forgets what is kept of every network here, or of the checkpoint's.
fn reset(session: &Session, unfreeze: bool) -> Result<Report, Failure> {
    let folder = session.light_folder();
    let chains = Store::chains(&folder).map_err(ReadError::from)?;
    let wanted = session.reads.checkpoint.map(|it| (it.network, it.fork_id));
    let chains: Vec<(NetworkId, ForkId)> = chains
        .into_iter()
        .filter(|it| wanted.is_none_or(|wanted| wanted == *it))
        .collect();
    let mut evidence = Vec::new();
    for (network, fork) in &chains {
        let store = Store::new(&folder, *network, *fork);
        if unfreeze {
            let aside = store
                .unfreeze(session.clock.now())
                .map_err(ReadError::from)?;
            evidence.extend(aside.map(|it| it.display().to_string()));
        } else if store.evidence_path().exists() {
            let message = format!("{network} is frozen: two histories of it are certified");
            let hint = "look at the evidence first; --unfreeze puts it aside";
            return Err(Failure::negative("light.frozen", message, hint));
        } else {
            store.forget().map_err(ReadError::from)?;
        }
    }
    let names: Vec<String> = chains
        .iter()
        .map(|(it, fork)| format!("{it}.{fork}"))
        .collect();
    let fields = json!({ "forgotten": names, "evidence": evidence });
    let mut report = Report::new(names.join("\n"), fields);
    for path in evidence {
        report.notes.push(format!("the evidence lies in {path}"));
    }
    if chains.is_empty() {
        report.notes.push("nothing was kept".into());
    } else {
        report.hint = Some("the next command begins at genesis, or at --checkpoint".into());
    }
    Ok(report)
}
