//! `allod did policy …`: who may change an identity.

use allod_identity_client::control::{
    DEVICE_CAPABILITIES, Effect, NextSeed, PolicyWish, RankTemplate, View, describe_policy,
    key_name, plan_policy_change,
};
use allod_identity_client::sheet::RecoverySheet;
use allod_primitives::limits::RANKS_MAX;
use allod_primitives::policy::{Capabilities, Rank};
use serde_json::json;

use super::control::{Hands, announce, carry_out, check_sheet, look, outcome, shown};
use super::guardians::{control_key, weighted_key};
use crate::args::{PolicyCommand, PolicySetArgs};
use crate::console::Report;
use crate::failure::Failure;
use crate::session::Session;
use crate::sheet;

/// The rank that holds devices' keys.
const DEVICE_RANK: u8 = 1;

pub(crate) async fn run(session: &Session, command: PolicyCommand) -> Result<Report, Failure> {
    match command {
        PolicyCommand::Show { who } => show(session, &who).await,
        PolicyCommand::Set(args) => Box::pin(set(session, &args)).await,
    }
}

async fn show(session: &Session, who: &str) -> Result<Report, Failure> {
    let did = session.did(who)?;
    let asked = session.resolve(&did, None);
    let resolved = session
        .console
        .during("waiting for the node", asked)
        .await?;
    let lines = describe_policy(&resolved.record.policy);
    let answer = &resolved.answer;
    let fields = json!({ "did": did.to_string(), "policy": answer.policy,
        "height": answer.height, "time": answer.time });
    let note = format!("as of height {}", answer.height);
    let mut report = Report::new(lines.join("\n"), fields).note(note);
    if !answer.pending.is_empty() {
        report = report.note("changes wait; `allod did pending` shows them");
    }
    Ok(report)
}

async fn set(session: &Session, args: &PolicySetArgs) -> Result<Report, Failure> {
    let opened = session.open(&args.alias)?;
    let did = opened.identity.did;
    let recovery = sheet::read(session, args.sheet.as_deref(), did)?;
    let hands = Hands::of(&opened.identity, recovery.as_ref());
    let (network, _, view) = look(session, &did).await?;
    check_sheet(&view, recovery.as_ref())?;
    let mut wish = wish(args, &view)?;
    let mut new_sheet = None;
    if args.new_sheet {
        let seed = NextSeed::generate()?;
        next(&mut wish, &view, Some(&seed))?;
        new_sheet = Some(RecoverySheet { did, rank: 0, seed });
    } else if args.no_sheet {
        next(&mut wish, &view, None)?;
    }
    let plan = plan_policy_change(&view, &wish, &hands.available)?;
    if args.dry_run {
        return Ok(shown(&did, &plan));
    }
    announce(session, &view, &plan);
    if let Some(new_sheet) = &new_sheet {
        sheet::hand_over(session, new_sheet, args.sheet_out.as_deref())?;
    }
    let at = (&network, &view, &did);
    let (receipt, id) = carry_out(session, at, &plan, &hands, &args.write).await?;
    let what = match plan.effect {
        Effect::AtOnce => format!("{}'s change of control", args.alias),
        Effect::Waits { .. } => format!("the proposal to change {}'s control", args.alias),
    };
    outcome(session, &did, &plan, &receipt, id, &what).await
}

fn wish(args: &PolicySetArgs, view: &View) -> Result<PolicyWish, Failure> {
    let mut wish = PolicyWish {
        guardians: args.no_guardians.then_some(None),
        delay_ms: args.delay.map(|it| it.ms()),
        ..PolicyWish::default()
    };
    for text in &args.keys {
        let (index, list) = indexed(text)?;
        let keys = list.split(',').map(weighted_key);
        template(&mut wish, view, index).keys = keys.collect::<Result<_, _>>()?;
    }
    for text in &args.add_device {
        let key = control_key(text)?;
        template(&mut wish, view, DEVICE_RANK).keys.push((key, 1));
    }
    for text in &args.remove_device {
        remove(&mut wish, view, text)?;
    }
    for text in &args.threshold {
        let (index, number) = indexed(text)?;
        let hint = "write a rank and a weight, as in 0=2";
        let number = number
            .parse()
            .map_err(|_| Failure::usage(format!("{number} is not a weight"), hint))?;
        template(&mut wish, view, index).threshold = number;
    }
    for text in &args.may {
        let (index, names) = indexed(text)?;
        template(&mut wish, view, index).capabilities = capabilities(names)?;
    }
    for index in &args.vacate {
        wish.ranks.retain(|(it, _)| it != index);
        wish.ranks.push((*index, None));
    }
    Ok(wish)
}

/// Returns what is wished of a rank so far: at first what it is.
fn template<'a>(wish: &'a mut PolicyWish, view: &View, index: u8) -> &'a mut RankTemplate {
    let at = wish.ranks.iter().position(|(it, _)| *it == index);
    let at = at.unwrap_or_else(|| {
        wish.ranks.push((index, None));
        wish.ranks.len().saturating_sub(1)
    });
    let (_, slot) = &mut wish.ranks[at];
    slot.get_or_insert_with(|| match view.rank(index) {
        Ok(rank) => template_of(rank),
        Err(_) => RankTemplate::shared(Vec::new(), 1).with(DEVICE_CAPABILITIES),
    })
}

fn template_of(rank: &Rank) -> RankTemplate {
    let keys = rank.keys.iter().map(|it| (it.key.clone(), it.weight));
    RankTemplate::shared(keys.collect(), rank.threshold)
        .with(rank.capabilities)
        .pre_rotated(rank.next)
}

fn remove(wish: &mut PolicyWish, view: &View, text: &str) -> Result<(), Failure> {
    let key = control_key(text)?;
    let template = template(wish, view, DEVICE_RANK);
    let before = template.keys.len();
    template.keys.retain(|(it, _)| *it != key);
    if template.keys.len() == before {
        let message = format!("{} is not a device's key", key_name(&key));
        let hint = "`allod did policy show` lists the keys of rank 1";
        return Err(Failure::usage(message, hint));
    }
    if template.keys.is_empty() {
        wish.ranks.retain(|(it, _)| *it != DEVICE_RANK);
        wish.ranks.push((DEVICE_RANK, None));
    }
    Ok(())
}

fn next(wish: &mut PolicyWish, view: &View, seed: Option<&NextSeed>) -> Result<(), Failure> {
    view.rank(0)?;
    template(wish, view, 0).next = seed.map(|it| it.commitment(0, 0));
    Ok(())
}

/// Reads `RANK=…`.
fn indexed(text: &str) -> Result<(u8, &str), Failure> {
    let read = text.split_once('=');
    let read = read.and_then(|(index, rest)| Some((index.parse().ok()?, rest)));
    let read = read.filter(|(index, _): &(u8, &str)| u32::from(*index) < RANKS_MAX);
    let hint = "begin with the rank, 0 to 3, as in 1=…";
    read.ok_or_else(|| Failure::usage(format!("{text} names no rank"), hint))
}

fn capabilities(names: &str) -> Result<Capabilities, Failure> {
    let mut all = Capabilities::default();
    for name in names.split(',') {
        let one = match name {
            "document" => Capabilities::DOCUMENT,
            "tokens" => Capabilities::TOKENS_AND_GRANTS,
            "propose" => Capabilities::PROPOSE_UP,
            "cancel" => Capabilities::CANCEL,
            "none" => Capabilities::default(),
            other => {
                let hint = "there are document, tokens, propose, cancel and none";
                return Err(Failure::usage(format!("no capability {other}"), hint));
            }
        };
        all = all.union(one);
    }
    Ok(all)
}
