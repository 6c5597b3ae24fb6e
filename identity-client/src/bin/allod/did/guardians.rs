//! `allod did guardians …`: people who together can give an identity back.

use std::path::PathBuf;

use allod_identity_client::control::{
    Effect, PolicyWish, describe_change, key_name, plan_policy_change,
};
use allod_identity_client::guardians::{Acknowledgement, Circle, InvitationLetter, acknowledge};
use allod_identity_client::hex;
use allod_identity_client::keys::Identity;
use allod_identity_client::letter::Letter;
use allod_primitives::policy::{ControlKey, PolicyChange};
use allod_primitives::{Did, PublicKey};
use serde_json::{Value, json};

use super::control::{
    Hands, announce, carry_out, check_sheet, look, outcome, read_letter, shown, write_letter,
};
use crate::args::{GuardiansCommand, GuardiansSetArgs, InviteArgs};
use crate::console::Report;
use crate::failure::Failure;
use crate::session::Session;
use crate::sheet;

pub(crate) async fn run(session: &Session, command: GuardiansCommand) -> Result<Report, Failure> {
    match command {
        GuardiansCommand::Invite(args) => invite(session, &args).await,
        GuardiansCommand::Accept { invitation, key } => accept(session, &invitation, key),
        GuardiansCommand::Answer { alias, answers } => answer(session, &alias, &answers).await,
        GuardiansCommand::Status { alias } => status(session, &alias).await,
        GuardiansCommand::Set(args) => Box::pin(set(session, &args)).await,
    }
}

async fn invite(session: &Session, args: &InviteArgs) -> Result<Report, Failure> {
    let mut opened = session.open(&args.alias)?;
    let did = opened.identity.did;
    let network = session.network().await?;
    network.check(&did)?;
    let mut members = Vec::new();
    for text in &args.guardian {
        members.push(member(text)?);
    }
    let circle = Circle::new(members, args.threshold, args.delay.ms())?;
    let letters = circle.invitations(&network.chain, &did.id());
    let mut files = Vec::new();
    for (letter, answer) in letters.iter().zip(circle.answers()) {
        let path = args.out.join(format!("{}.invitation.json", answer.name));
        write_letter(&path, letter)?;
        files.push(path.display().to_string());
    }
    opened.identity.kept.circle = Some(circle);
    session.save(&opened)?;
    let fields = json!({ "alias": args.alias, "did": did.to_string(), "invitations": files,
        "threshold": args.threshold, "delayMs": args.delay.ms() });
    let mut report = Report::new(files.join("\n"), fields)
        .note("give each guardian its invitation; nothing is on the ledger yet");
    report.hint = Some(format!(
        "they run `allod did guardians accept FILE`, you `allod did guardians answer {} FILE`",
        args.alias
    ));
    Ok(report)
}

/// Reads `NAME=KEY[*WEIGHT]`.
fn member(text: &str) -> Result<(String, ControlKey, u16), Failure> {
    let hint = "write anna=0x… with the key that `allod key new` printed";
    let wrong = || Failure::usage(format!("{text} is not a guardian"), hint);
    let (name, rest) = text.split_once('=').ok_or_else(wrong)?;
    let plain = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if !plain {
        let hint = "take letters, digits, - and _ for the name";
        return Err(Failure::usage(format!("{name:?} is not a name"), hint));
    }
    let (key, weight) = weighted_key(rest)?;
    Ok((name.to_owned(), key, weight))
}

/// Reads `KEY[*WEIGHT]`.
pub(super) fn weighted_key(text: &str) -> Result<(ControlKey, u16), Failure> {
    let (key, weight) = match text.split_once('*') {
        None => (text, 1),
        Some((key, weight)) => {
            let hint = "weights are 1 to 65535, as in 0x…*2";
            let weight = weight
                .parse()
                .map_err(|_| Failure::usage(format!("{weight} is not a weight"), hint))?;
            (key, weight)
        }
    };
    Ok((control_key(key)?, weight))
}

/// Reads a public key, as `key new` and `policy show` print them.
pub(super) fn control_key(text: &str) -> Result<ControlKey, Failure> {
    let hint = "write 0x and 64 hexadecimal digits, or p256:0x… or secp256k1:0x…";
    let wrong = |_| Failure::usage(format!("{text} is not a public key"), hint);
    let (kind, digits) = text.split_once(':').unwrap_or(("ed25519", text));
    match kind {
        "ed25519" => Ok(ControlKey::Ed25519(PublicKey(
            hex::decode_array(digits).map_err(wrong)?,
        ))),
        "p256" => Ok(ControlKey::P256(hex::decode_array(digits).map_err(wrong)?)),
        "secp256k1" => Ok(ControlKey::Secp256k1(
            hex::decode_array(digits).map_err(wrong)?,
        )),
        other => Err(Failure::usage(format!("no key is of type {other}"), hint)),
    }
}

fn accept(session: &Session, invitation: &str, key: Option<PathBuf>) -> Result<Report, Failure> {
    let letter: InvitationLetter = read_letter(session, invitation)?;
    let path = key.unwrap_or_else(|| default_key(session));
    let key = session.key(&path)?;
    let answer = acknowledge(&letter, &key)?;
    let did = letter.did();
    write_letter(&guardianship_path(session, &did), &letter)?;
    let set = &letter.invitation.set;
    let fields = json!({ "did": did.to_string(), "answer": answer.to_text(),
        "guardians": set.count, "threshold": set.threshold, "delayMs": set.delay_ms });
    let note = format!("you guard {did}; keep {}", path.display());
    let mut report = Report::new(answer.to_text(), fields).note(note);
    report.hint = Some("send the answer to the owner; sign no recovery before you spoke".into());
    Ok(report)
}

/// Returns where a guardian's key lies unless told otherwise.
pub(super) fn default_key(session: &Session) -> PathBuf {
    session.home.root().join("guardian.json")
}

fn guardianship_path(session: &Session, did: &Did) -> PathBuf {
    let name = format!("{}.json", did.id());
    session.home.root().join("guarded").join(name)
}

/// Returns the invitation accepted here for an identity.
pub(super) fn guardianship(session: &Session, did: &Did) -> Result<InvitationLetter, Failure> {
    let path = guardianship_path(session, did);
    if !path.exists() {
        let message = format!("no invitation for {did} was accepted here");
        return Err(Failure::usage(message, "give --invitation FILE"));
    }
    read_letter(session, &path.display().to_string())
}

async fn answer(session: &Session, alias: &str, answers: &[String]) -> Result<Report, Failure> {
    let mut opened = session.open(alias)?;
    let did = opened.identity.did;
    let network = session.network().await?;
    let mut circle = circle(&opened.identity, alias)?.clone();
    let mut names = Vec::new();
    for text in answers {
        let letter: Acknowledgement = read_letter(session, text)?;
        let answer = circle.accept(&network.chain, &did.id(), letter)?;
        names.push(answer.name);
    }
    let (answered, threshold) = circle.readiness();
    opened.identity.kept.circle = Some(circle);
    session.save(&opened)?;
    let fields = json!({ "alias": alias, "accepted": names, "answeredWeight": answered,
        "threshold": threshold });
    let note = format!("weight {answered} has answered, {threshold} recovers");
    let mut report = Report::new(names.join("\n"), fields).note(note);
    if answered >= threshold {
        report.hint = Some(format!(
            "`allod did guardians set {alias}` puts them on the ledger"
        ));
    }
    Ok(report)
}

async fn status(session: &Session, alias: &str) -> Result<Report, Failure> {
    let identity = session.unlock(alias)?;
    let did = identity.did;
    let (_, _, view) = look(session, &did).await?;
    let circle = circle(&identity, alias)?;
    let on_ledger = view.policy().guardians.as_ref() == Some(&circle.set());
    let waits = view.record.pending.iter().any(|it| {
        use allod_primitives::record::PendingChange::Control;
        matches!(&it.change, Control(change) if change.guardians == Some(Some(circle.set())))
    });
    let mut lines = Vec::new();
    let mut rows: Vec<Value> = Vec::new();
    for it in circle.answers() {
        let state = if it.acknowledged {
            "answered"
        } else {
            "not answered"
        };
        let key = key_name(&it.key);
        lines.push(format!(
            "{:<16} weight {:<4} {state}  {key}",
            it.name, it.weight
        ));
        rows.push(json!({ "name": it.name, "key": key, "weight": it.weight,
            "answered": it.acknowledged }));
    }
    let (answered, threshold) = circle.readiness();
    let state = match (on_ledger, waits) {
        (true, _) => "on the ledger",
        (_, true) => "proposed, and waiting",
        _ => "not on the ledger",
    };
    let fields = json!({ "alias": alias, "did": did.to_string(), "guardians": rows,
        "answeredWeight": answered, "threshold": threshold, "onLedger": on_ledger,
        "waits": waits });
    let note = format!("{state}; weight {answered} has answered, {threshold} recovers");
    Ok(Report::new(lines.join("\n"), fields).note(note))
}

async fn set(session: &Session, args: &GuardiansSetArgs) -> Result<Report, Failure> {
    let opened = session.open(&args.alias)?;
    let did = opened.identity.did;
    let circle = circle(&opened.identity, &args.alias)?;
    let (answered, threshold) = circle.readiness();
    if answered < threshold && !args.unanswered {
        let message = format!("weight {answered} has answered, and {threshold} recovers");
        let hint = "take in answers with `allod did guardians answer`, or give --unanswered";
        return Err(Failure::negative("guardians.unanswered", message, hint));
    }
    let recovery = sheet::read(session, args.sheet.as_deref(), did)?;
    let hands = Hands::of(&opened.identity, recovery.as_ref());
    let (network, _, view) = look(session, &did).await?;
    check_sheet(&view, recovery.as_ref())?;
    let wish = PolicyWish {
        guardians: Some(Some(circle.set())),
        ..PolicyWish::default()
    };
    let plan = plan_policy_change(&view, &wish, &hands.available)?;
    if args.dry_run {
        return Ok(shown(&did, &plan));
    }
    let change = PolicyChange {
        guardians: wish.guardians,
        ..PolicyChange::default()
    };
    for line in describe_change(&change) {
        session.console.note(&line);
    }
    announce(session, &view, &plan);
    let at = (&network, &view, &did);
    let (receipt, id) = carry_out(session, at, &plan, &hands, &args.write).await?;
    let what = match plan.effect {
        Effect::AtOnce => format!("{}'s change of guardians", args.alias),
        Effect::Waits { .. } => format!("the proposal of guardians for {}", args.alias),
    };
    outcome(session, &did, &plan, &receipt, id, &what).await
}

fn circle<'a>(identity: &'a Identity, alias: &str) -> Result<&'a Circle, Failure> {
    identity.kept.circle.as_ref().ok_or_else(|| {
        let message = format!("{alias} has invited nobody from this file");
        Failure::usage(message, "`allod did guardians invite` begins")
    })
}
