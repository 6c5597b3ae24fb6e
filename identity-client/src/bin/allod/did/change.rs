//! `allod did update`, `logout` and `deactivate`.

use std::io::{self, IsTerminal, Write as _};
use std::path::Path;

use allod_identity_client::control::{Effect, plan_deactivation};
use allod_identity_client::operation::{Act, DocumentChange};
use allod_identity_client::rpc::Resolved;
use allod_primitives::TimeMs;
use allod_primitives::operation::{Body, Lane};
use allod_rpc_api::ErrorCode;
use allod_rpc_api::submit::SubmitItem;
use serde_json::json;

use super::control::{Hands, announce, carry_out, check_sheet, complete, outcome, sign_act, view};
use super::rotate::deactivated;
use crate::args::{LogoutArgs, UpdateArgs, Write};
use crate::console::Report;
use crate::failure::Failure;
use crate::session::{Network, Opened, Session};
use crate::sheet;

/// By how much a cut-off lies before the node's clock at the second attempt: the next proposer's
/// clock may run behind it.
const CLOCK_MARGIN_MS: u64 = 1000;

pub(crate) async fn update(session: &Session, args: &UpdateArgs) -> Result<Report, Failure> {
    let (opened, network, resolved) = begin(session, &args.alias).await?;
    let patch = change(session, args, &resolved)?.patch()?;
    let body = Body::UpdateDocument(patch);
    finish(
        session,
        &opened,
        &network,
        &resolved,
        body,
        &args.write,
        "update",
    )
    .await
}

pub(crate) async fn logout(session: &Session, args: &LogoutArgs) -> Result<Report, Failure> {
    let too_late = Some(ErrorCode::DidNotBeforeInvalid.code());
    match Box::pin(cut_off(session, args, 0)).await {
        Err(failure) if failure.code == too_late => {
            Box::pin(cut_off(session, args, CLOCK_MARGIN_MS)).await
        }
        done => done,
    }
}

async fn cut_off(session: &Session, args: &LogoutArgs, margin_ms: u64) -> Result<Report, Failure> {
    let (opened, network, resolved) = begin(session, &args.alias).await?;
    let clock = network.context.node_time.saturating_sub(margin_ms);
    let floor = network.context.time.max(resolved.record.not_before.0);
    let not_before = clock.max(floor);
    let body = Body::SetNotBefore {
        not_before: TimeMs(not_before),
        bump_grant_epoch: args.void_grants,
    };
    let what = "logout";
    let report = finish(
        session,
        &opened,
        &network,
        &resolved,
        body,
        &args.write,
        what,
    )
    .await?;
    let mut report = report.note("tokens issued before then are void");
    report.json["notBefore"] = json!(not_before);
    Ok(report)
}

pub(crate) async fn deactivate(
    session: &Session,
    alias: &str,
    yes: bool,
    sheet: Option<&Path>,
    write: &Write,
) -> Result<Report, Failure> {
    let file = session.home.identity(alias)?;
    if !yes && !confirmed(alias)? {
        let message = format!("{} stays as it is", file.did());
        return Err(Failure::usage(
            message,
            "type the alias to confirm, or give --yes",
        ));
    }
    let (opened, network, resolved) = begin(session, alias).await?;
    let did = opened.identity.did;
    let sheet = sheet::read(session, sheet, did)?;
    let hands = Hands::of(&opened.identity, sheet.as_ref());
    let view = view(session, &network, &resolved).await?;
    check_sheet(&view, sheet.as_ref())?;
    let plan = plan_deactivation(&view, &hands.available)?;
    announce(session, &view, &plan);
    let at = (&network, &view, &did);
    let (receipt, id) = carry_out(session, at, &plan, &hands, write).await?;
    let what = match plan.effect {
        Effect::AtOnce => format!("{alias}'s deactivation"),
        Effect::Waits { .. } => format!("the proposal to deactivate {alias}"),
    };
    let mut report = outcome(session, &did, &plan, &receipt, id, &what).await?;
    report.json["alias"] = json!(alias);
    Ok(report)
}

async fn begin(session: &Session, alias: &str) -> Result<(Opened, Network, Resolved), Failure> {
    let opened = session.open(alias)?;
    let network = session.network().await?;
    network.check(&opened.identity.did)?;
    let resolved = session.resolve(&opened.identity.did, None).await?;
    if !resolved.record.is_active() {
        return Err(deactivated());
    }
    Ok((opened, network, resolved))
}

async fn finish(
    session: &Session,
    opened: &Opened,
    network: &Network,
    resolved: &Resolved,
    body: Body,
    write: &Write,
    what: &str,
) -> Result<Report, Failure> {
    let did = opened.identity.did;
    let hands = Hands::of(&opened.identity, None);
    let act = Act {
        lane: Lane::Documents,
        controller: None,
        reveal: None,
        body,
    };
    let view = view(session, network, resolved).await?;
    let partial = sign_act(network, &view, &did, act, &hands)?;
    let signed = complete(session, &partial)?;
    let receipt = session
        .submit(SubmitItem::operation(&signed), write)
        .await?;
    let fields = receipt.json(json!({ "alias": opened.alias, "did": did.to_string() }));
    let note = format!("{}'s {what} {}", opened.alias, receipt.text());
    Ok(Report::new(did.to_string(), fields).note(note))
}

fn change(
    session: &Session,
    args: &UpdateArgs,
    resolved: &Resolved,
) -> Result<DocumentChange, Failure> {
    let mut change = DocumentChange::default();
    if !args.service.is_empty() || !args.remove_service.is_empty() {
        change.services = Some(services(args, resolved)?);
    }
    if args.no_also_known_as || !args.also_known_as.is_empty() {
        change.also_known_as = Some(args.also_known_as.clone());
    }
    if args.no_controller || !args.controller.is_empty() {
        let controllers = args.controller.iter().map(|it| session.did(it));
        change.controllers = Some(controllers.collect::<Result<_, _>>()?);
    }
    Ok(change)
}

type PlainService = (String, String, Vec<String>);

/// Returns all services after the change: the ledger replaces the whole list.
fn services(args: &UpdateArgs, resolved: &Resolved) -> Result<Vec<PlainService>, Failure> {
    let current = resolved.record.document.services.iter();
    let mut services: Vec<PlainService> = current
        .map(|it| {
            let endpoints = it.endpoints.iter().map(ToString::to_string).collect();
            (it.fragment.to_string(), it.kind.to_string(), endpoints)
        })
        .collect();
    for fragment in &args.remove_service {
        let count = services.len();
        services.retain(|(it, ..)| it != fragment);
        if services.len() == count {
            let hint = "`allod did resolve` shows the services";
            return Err(Failure::usage(
                format!("there is no service {fragment}"),
                hint,
            ));
        }
    }
    for text in &args.service {
        let service = parse_service(text)?;
        services.retain(|(it, ..)| *it != service.0);
        services.push(service);
    }
    Ok(services)
}

fn parse_service(text: &str) -> Result<PlainService, Failure> {
    let mut parts = text.splitn(3, '=');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(fragment), Some(kind), Some(endpoints)) => {
            let endpoints = endpoints.split(',').map(str::to_owned).collect();
            Ok((fragment.to_owned(), kind.to_owned(), endpoints))
        }
        _ => Err(Failure::usage(
            format!("{text} is not a service"),
            "write store=PersonalDataStore=https://store.example/alice",
        )),
    }
}

fn confirmed(alias: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    eprint!("nothing brings {alias} back. Type its alias to end it: ");
    let mut line = String::new();
    let read = io::stderr()
        .flush()
        .and_then(|()| io::stdin().read_line(&mut line));
    read.map_err(|error| Failure::unavailable("client.terminal", error.to_string()))?;
    Ok(line.trim() == alias)
}
