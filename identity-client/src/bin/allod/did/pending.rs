//! `allod did pending` and `allod did cancel`.

use allod_identity_client::control::{
    Cancelling, Effect, PlanError, date, describe_pending, party_name, plan_cancel,
};
use allod_identity_client::keys::Identity;
use allod_primitives::record::{DidRecord, Proposer};
use allod_primitives::{Did, H256, TimeMs};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::control::{Hands, announce, carry_out, check_sheet, look, outcome};
use crate::args::CancelArgs;
use crate::console::Report;
use crate::failure::Failure;
use crate::session::Session;
use crate::sheet;

pub(crate) async fn show(session: &Session, who: &str) -> Result<Report, Failure> {
    let did = session.did(who)?;
    let asked = session.resolve(&did, None);
    let resolved = session
        .console
        .during("waiting for the node", asked)
        .await?;
    let (record, answer) = (&resolved.record, &resolved.answer);
    let mut lines = Vec::new();
    for pending in &record.pending {
        let mut described = describe_pending(pending).into_iter();
        lines.extend(described.next());
        lines.extend(described.map(|it| format!("  {it}")));
    }
    lines.extend(resting(record, TimeMs(answer.time)));
    let fields = json!({ "did": did.to_string(), "pending": answer.pending,
        "coolDowns": answer.cool_downs, "height": answer.height, "time": answer.time });
    let waiting = record.pending.len();
    let note = match waiting {
        0 => "nothing waits".to_owned(),
        count => format!(
            "{count} pending change(s), as of {}",
            date(TimeMs(answer.time))
        ),
    };
    let mut report = Report::new(lines.join("\n"), fields).note(note);
    if waiting > 0 {
        report.hint = Some(format!("`allod did cancel {who} ID` stops one"));
    }
    Ok(report)
}

fn resting(record: &DidRecord, now: TimeMs) -> Vec<String> {
    let cool_downs = record.cool_downs.iter().filter(|it| it.until > now);
    let lines = cool_downs.map(|it| {
        let who = match it.proposer {
            Proposer::Guardians => "the guardians".to_owned(),
            Proposer::Rank(rank) => format!("rank {rank}"),
        };
        format!("{who} must rest until {}", date(it.until))
    });
    lines.collect()
}

pub(crate) async fn cancel(session: &Session, args: &CancelArgs) -> Result<Report, Failure> {
    let did = session.did(&args.who)?;
    let sheet = sheet::read(session, args.sheet.as_deref(), did)?;
    let identity = signer(session, args)?;
    let hands = match &identity {
        Some(identity) => Hands::of(identity, sheet.as_ref()),
        None => Hands::of(&nobody(did), sheet.as_ref()),
    };
    let (_, resolved, view) = look(session, &did).await?;
    check_sheet(&view, sheet.as_ref())?;
    let ids: Vec<H256> = match (&args.id, args.all) {
        (Some(text), _) => vec![find(text, &resolved.record)?],
        (None, true) => resolved.record.pending.iter().map(|it| it.id).collect(),
        (None, false) => {
            let hint = "`allod did pending` lists what waits; --all takes all of it";
            return Err(Failure::usage("which pending change?", hint));
        }
    };
    let mut reports = Vec::new();
    for id in ids {
        reports.extend(one(session, args, &did, &hands, id).await?);
    }
    Ok(join(&did, reports))
}

/// Cancels one change; none if it went with one cancelled before.
async fn one(
    session: &Session,
    args: &CancelArgs,
    did: &Did,
    hands: &Hands,
    id: H256,
) -> Result<Option<Report>, Failure> {
    // Each reveal moves the commitment, so the identity is looked at anew each time.
    let (network, _, view) = look(session, did).await?;
    let cancelling = match plan_cancel(&view, id, &hands.available) {
        Err(PlanError::NoSuchPending) if args.all => return Ok(None),
        planned => planned?,
    };
    let plan = cancelling.best().ok_or_else(|| nobody_can(&cancelling))?;
    announce(session, &view, plan);
    let at = (&network, &view, did);
    let (receipt, hash) = carry_out(session, at, plan, hands, &args.write).await?;
    let what = match plan.effect {
        Effect::AtOnce => format!("the cancellation of {id}"),
        Effect::Waits { .. } => format!("the proposal to cancel {id}"),
    };
    let mut report = outcome(session, did, plan, &receipt, hash, &what).await?;
    if plan.generation.is_some() {
        let who = &args.who;
        let next = format!("`allod did rotate {who} --sheet FILE` puts a key of a machine in use");
        report.hint = Some(next);
    }
    report.text = id.to_string();
    report.json["cancelled"] = json!(id.to_string());
    Ok(Some(report))
}

fn join(did: &Did, reports: Vec<Report>) -> Report {
    let lines: Vec<String> = reports.iter().map(|it| it.text.clone()).collect();
    let rows: Vec<Value> = reports.iter().map(|it| it.json.clone()).collect();
    let fields = json!({ "did": did.to_string(), "cancellations": rows });
    let mut report = Report::new(lines.join("\n"), fields);
    if reports.is_empty() {
        return report.note("nothing waits");
    }
    report.hint = reports.iter().find_map(|it| it.hint.clone());
    report.notes = reports.into_iter().flat_map(|it| it.notes).collect();
    report
}

fn nobody_can(cancelling: &Cancelling) -> Failure {
    let names: Vec<String> = cancelling
        .options
        .iter()
        .map(|it| party_name(it.party))
        .collect();
    let hint = match names.as_slice() {
        [] => "nobody can stop it; a change by somebody higher ends it".to_owned(),
        names => format!(
            "these can: {}; the sheet is given with --sheet FILE",
            names.join(", ")
        ),
    };
    let message = "none of the keys at hand can cancel it";
    Failure::negative("control.no_key", message, hint)
}

pub(super) fn find(text: &str, record: &DidRecord) -> Result<H256, Failure> {
    let wanted = text.to_lowercase();
    let is_it = |id: &H256| id.to_string().starts_with(&wanted);
    let mut found = record.pending.iter().map(|it| it.id).filter(is_it);
    let hint = "`allod did pending` lists what waits";
    match (found.next(), found.next()) {
        (Some(id), None) if wanted.len() >= 6 => Ok(id),
        (Some(_), _) => Err(Failure::usage(format!("{text} is too short"), hint)),
        (None, _) => Err(Failure::negative(
            "control.no_such_pending",
            format!("no pending change {text}"),
            hint,
        )),
    }
}

fn signer(session: &Session, args: &CancelArgs) -> Result<Option<Identity>, Failure> {
    if args.who.starts_with("did:") {
        // With the sheet alone no key file is needed.
        let aliases = session.home.aliases()?;
        let did = session.did(&args.who)?;
        let held = aliases.into_iter().find(|alias| {
            let file = session.home.identity(alias);
            file.is_ok_and(|file| file.did() == did)
        });
        return held.map(|alias| session.unlock(&alias)).transpose();
    }
    session.unlock(&args.who).map(Some)
}

/// An identity without any key.
pub(super) fn nobody(did: Did) -> Identity {
    Identity {
        did,
        genesis: H256::ZERO,
        control: Vec::new(),
        methods: Vec::new(),
        grant_seed: Zeroizing::new([0; 32]),
        inception: None,
        pending: None,
        kept: Default::default(),
    }
}
