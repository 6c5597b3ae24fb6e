//! `allod did recover …`: with the recovery sheet, or with guardians.

use std::io::{self, IsTerminal, Write as _};
use std::path::PathBuf;

use allod_identity_client::control::{
    NextSeed, PartialOperation, PlanError, RankTemplate, View, date, describe_operation, span,
};
use allod_identity_client::guardians::{InvitationLetter, approve as approve_as_guardian};
use allod_identity_client::keys::{ControlSecret, Identity, MethodSecret, SecretKey, random_bytes};
use allod_identity_client::letter::Letter;
use allod_identity_client::operation::{Act, Author, DocumentChange, Signer, Terms, login_method};
use allod_identity_client::sheet::RecoverySheet;
use allod_primitives::operation::{Body, Lane};
use allod_primitives::policy::{Capabilities, Rank};
use allod_primitives::{Did, H256, NetworkId};
use allod_rpc_api::submit::SubmitItem;
use serde_json::json;
use zeroize::Zeroizing;

use super::control::{Hands, complete, look, read_letter, sign_act, view, write_letter};
use super::guardians::{default_key, guardianship};
use super::{pending, rotate};
use crate::args::{
    ApproveArgs, RecoverCommand, RecoverRequestArgs, RecoverSheetArgs, RotateArgs, Write,
};
use crate::console::Report;
use crate::failure::Failure;
use crate::session::{Network, Session};
use crate::sheet;

/// How long guardians have to sign: as long as the ledger's validity allows people to be slow.
const SIGNING_MS: u64 = 30 * 24 * 3_600_000;

pub(crate) async fn run(session: &Session, command: RecoverCommand) -> Result<Report, Failure> {
    match command {
        RecoverCommand::Sheet(args) => with_sheet(session, args).await,
        RecoverCommand::Request(args) => request(session, &args).await,
        RecoverCommand::Approve(args) => approve(session, &args),
        RecoverCommand::Submit { files, write } => submit(session, &files, &write).await,
        RecoverCommand::Stop { did, id, out } => stop(session, &did, &id, out).await,
        RecoverCommand::Finish { alias, write } => Box::pin(finish(session, &alias, &write)).await,
    }
}

/// Makes an identity file that has no key yet, and rotates by the sheet: at once.
async fn with_sheet(session: &Session, args: RecoverSheetArgs) -> Result<Report, Failure> {
    let did = session.did(&args.did)?;
    let (network, _, _) = look(session, &did).await?;
    match session.home.identity(&args.alias) {
        // Begun before: the same file goes on.
        Ok(file) if file.did() == did => {}
        _ => {
            let protection = session.protection(&args.protect, &args.alias)?;
            let identity = fresh(did, &network, Vec::new())?;
            session.home.create(&args.alias, &identity, &protection)?;
        }
    }
    let rotate = RotateArgs {
        alias: args.alias,
        compromised_since: args.compromised_since,
        sheet: Some(args.sheet),
        new_sheet: false,
        sheet_out: None,
        write: args.write,
    };
    Box::pin(rotate::run(session, &rotate)).await
}

fn fresh(did: Did, network: &Network, control: Vec<ControlSecret>) -> Result<Identity, Failure> {
    Ok(Identity {
        genesis: network.chain.genesis,
        control,
        grant_seed: Zeroizing::new(random_bytes()?),
        ..pending::nobody(did)
    })
}

/// Makes new keys for an identity whose keys are all lost, and what guardians sign to put them
/// in force.
async fn request(session: &Session, args: &RecoverRequestArgs) -> Result<Report, Failure> {
    let did = session.did(&args.did)?;
    let (network, _, view) = look(session, &did).await?;
    if view.policy().guardians.is_none() {
        return Err(PlanError::NoGuardians.into());
    }
    let (control, rank) = match session.home.identity(&args.alias) {
        // Begun before: a further request is for the same key, and the same sheet.
        Ok(file) if file.did() == did => again(session, args)?,
        _ => new_rank(session, args, &did, &network)?,
    };
    let Some(guardians) = &view.policy().guardians else {
        return Err(PlanError::NoGuardians.into());
    };
    let delay = span(guardians.delay_ms);
    let partial = for_guardians(&network, &view, &did, Body::Recover { rank })?;
    write_letter(&args.out, &partial)?;
    let fields = json!({ "did": did.to_string(), "alias": args.alias,
        "key": control.public().to_string(), "operation": partial.operation().hash().to_string(),
        "file": args.out.display().to_string(), "text": partial.to_text(),
        "guardians": guardians.count, "threshold": guardians.threshold });
    let note = format!(
        "give {} to your guardians: weight {} must sign; then it waits {delay}",
        args.out.display(),
        guardians.threshold
    );
    let mut report = Report::new(partial.to_text(), fields).note(note);
    report.hint = Some(format!(
        "tell them by voice the last digits of your new key, …{}",
        last(&control.public().to_string())
    ));
    Ok(report)
}

/// Makes the new key, and a sheet unless none is wanted.
fn new_rank(
    session: &Session,
    args: &RecoverRequestArgs,
    did: &Did,
    network: &Network,
) -> Result<(SecretKey, Rank), Failure> {
    let did = *did;
    let wanted = !args.no_sheet;
    if wanted {
        sheet::check_place(session, args.sheet_out.as_deref())?;
    }
    let protection = session.protection(&args.protect, &args.alias)?;
    let key = SecretKey::generate()?;
    let seed = wanted.then(NextSeed::generate).transpose()?;
    if let Some(seed) = seed.clone() {
        let recovery = RecoverySheet { did, rank: 0, seed };
        sheet::hand_over(session, &recovery, args.sheet_out.as_deref())?;
    }
    let secret = ControlSecret {
        rank: 0,
        key: key.clone(),
    };
    let identity = fresh(did, network, vec![secret])?;
    session.home.create(&args.alias, &identity, &protection)?;
    let next = seed.map(|it| it.commitment(0, 0));
    let rank = RankTemplate::single(key.control_key())
        .pre_rotated(next)
        .with(Capabilities::ALL)
        .rank(0)?;
    Ok((key, rank))
}

/// Returns the key made before and the rank that the earlier request holds.
fn again(session: &Session, args: &RecoverRequestArgs) -> Result<(SecretKey, Rank), Failure> {
    let identity = session.unlock(&args.alias)?;
    let key = identity.control.into_iter().next().ok_or_else(no_key)?.key;
    let earlier = read_letter::<PartialOperation>(session, &args.out.display().to_string());
    match earlier.map(|it| it.operation().body.clone()) {
        Ok(Body::Recover { rank }) if rank.weight_of(&key.control_key()) > 0 => Ok((key, rank)),
        _ => {
            let message = format!("{} was begun before", args.alias);
            let hint = "give the earlier request's file as --out, or choose another alias";
            Err(Failure::usage(message, hint))
        }
    }
}

fn last(text: &str) -> &str {
    text.get(text.len().saturating_sub(8)..).unwrap_or(text)
}

fn no_key() -> Failure {
    let hint = "choose another alias";
    Failure::negative("recover.no_key", "the file holds no key of rank 0", hint)
}

/// Returns an operation that guardians sign.
fn for_guardians(
    network: &Network,
    view: &View,
    did: &Did,
    body: Body,
) -> Result<PartialOperation, Failure> {
    let terms = Terms {
        valid_until: network.now().plus_ms(SIGNING_MS),
        ..network.terms()
    };
    let mut author = Author::new(terms, did.id(), view.record.lanes);
    let operation = author.act(Act {
        lane: Lane::Guardians,
        controller: None,
        reveal: None,
        body,
    })?;
    Ok(PartialOperation::new(operation, view.policy())?)
}

async fn stop(session: &Session, did: &str, id: &str, out: PathBuf) -> Result<Report, Failure> {
    let did = session.did(did)?;
    let (network, resolved, view) = look(session, &did).await?;
    let pending: H256 = pending::find(id, &resolved.record)?;
    let partial = for_guardians(&network, &view, &did, Body::Cancel { pending })?;
    write_letter(&out, &partial)?;
    let fields = json!({ "did": did.to_string(), "pending": pending.to_string(),
        "file": out.display().to_string(), "text": partial.to_text() });
    let note = format!(
        "guardians sign {} with `allod did recover approve`",
        out.display()
    );
    Ok(Report::new(partial.to_text(), fields).note(note))
}

fn approve(session: &Session, args: &ApproveArgs) -> Result<Report, Failure> {
    let file = args.file.display().to_string();
    let mut partial: PartialOperation = read_letter(session, &file)?;
    for line in partial.summary() {
        session.console.note(&line);
    }
    if !args.yes && !confirmed()? {
        let hint = "speak with the owner, compare the new key, then give --yes";
        return Err(Failure::usage("nothing was signed", hint));
    }
    let operation = partial.operation();
    let did = Did::new(NetworkId::from_genesis(&operation.genesis), operation.did);
    match &args.alias {
        Some(alias) => {
            let identity = session.unlock(alias)?;
            let before = partial.signatures().len();
            for it in &identity.control {
                // Keys that are not asked for, or have signed, are passed over.
                let _ = partial.sign(&it.key);
            }
            if partial.signatures().len() == before {
                let hint = "another identity's file, or a guardian's key, is needed";
                let message = format!("no key of {alias} may sign this, or all have");
                return Err(Failure::negative("control.no_key", message, hint));
            }
        }
        None if operation.lane != Lane::Guardians => {
            let path = args.key.clone().ok_or_else(|| {
                let hint = "name a key of the rank with --key, or an identity with --alias";
                Failure::usage("this is signed by keys of a rank", hint)
            })?;
            partial.sign(&session.key(&path)?)?;
        }
        None => {
            let letter: InvitationLetter = match &args.invitation {
                Some(file) => read_letter(session, file)?,
                None => guardianship(session, &did)?,
            };
            let path = args.key.clone().unwrap_or_else(|| default_key(session));
            let key = session.key(&path)?;
            approve_as_guardian(&mut partial, &letter, &key)?;
        }
    }
    write_letter(&args.file, &partial)?;
    let missing = partial.missing();
    let fields = json!({ "did": did.to_string(), "file": file, "text": partial.to_text(),
        "signatures": partial.signatures().len(), "missing": missing });
    let note = match missing {
        0 => format!("signed; it is complete: `allod did recover submit {file}`"),
        weight => format!("signed; weight {weight} is still missing"),
    };
    Ok(Report::new(partial.to_text(), fields).note(note))
}

fn confirmed() -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    eprint!("Sign this? Type yes: ");
    let mut line = String::new();
    let read = io::stderr()
        .flush()
        .and_then(|()| io::stdin().read_line(&mut line));
    read.map_err(|error| Failure::unavailable("client.terminal", error.to_string()))?;
    Ok(line.trim() == "yes")
}

async fn submit(session: &Session, files: &[String], write: &Write) -> Result<Report, Failure> {
    let mut merged: Option<PartialOperation> = None;
    for file in files {
        let partial: PartialOperation = read_letter(session, file)?;
        match &mut merged {
            None => merged = Some(partial),
            Some(all) => all.merge(&partial)?,
        }
    }
    let partial = merged.ok_or_else(|| Failure::usage("no file", "name the file"))?;
    let signed = partial.complete()?;
    let operation = &signed.operation;
    let network = session.network().await?;
    let did = Did::new(network.id(), operation.did);
    let id = operation.hash();
    for line in describe_operation(operation) {
        session.console.note(&line);
    }
    let receipt = session
        .submit(SubmitItem::operation(&signed), write)
        .await?;
    let mut fields = receipt.json(json!({ "did": did.to_string(), "operation": id.to_string() }));
    let note = format!("the operation {}", receipt.text());
    let resolved = session.resolve(&did, None).await?;
    let mut report = Report::new(id.to_string(), fields.clone()).note(note);
    if let Some(pending) = resolved.record.pending.iter().find(|it| it.id == id) {
        let until = pending.effective_at;
        fields["effectiveAt"] = json!(until.0);
        report.json = fields;
        report = report.note(format!("it waits, and takes effect on {}", date(until)));
        report.hint = Some("the owner then runs `allod did recover finish ALIAS`".into());
    }
    Ok(report)
}

/// Adds the login keys that the file has and the ledger lacks.
async fn finish(session: &Session, alias: &str, write: &Write) -> Result<Report, Failure> {
    let mut opened = session.open(alias)?;
    let did = opened.identity.did;
    let (network, resolved, seen) = look(session, &did).await?;
    let control = opened
        .identity
        .control
        .iter()
        .map(|it| it.key.control_key());
    let control: Vec<_> = control.collect();
    let mut ranks = seen.ranks();
    let in_force = ranks.any(|(_, rank)| rank.keys.iter().any(|it| control.contains(&it.key)));
    if !in_force {
        return Err(not_in_force(&resolved, alias));
    }
    let on_ledger = |fragment: &str| {
        let mut methods = resolved.record.document.methods.iter();
        methods.any(|it| it.method.fragment.as_str() == fragment)
    };
    let login = opened.identity.login_method();
    if let Some(method) = login.filter(|it| on_ledger(&it.fragment)) {
        let text = format!("{did}#{}", method.fragment);
        let fields = json!({ "alias": alias, "did": did.to_string(), "method": method.fragment,
            "final": true, "height": resolved.answer.height });
        return Ok(Report::new(text, fields).note("the login key is in force already"));
    }
    if opened.identity.login_method().is_none() {
        let method = MethodSecret {
            fragment: rotate::free_fragment(&opened.identity, &resolved)?,
            key: SecretKey::generate()?,
            retired: false,
        };
        opened.identity.methods.push(method);
        session.save(&opened)?;
    }
    let method = opened.identity.login_method().ok_or_else(no_key)?;
    let patch = DocumentChange {
        add: vec![login_method(&method.fragment, &method.key.public())?],
        ..DocumentChange::default()
    }
    .patch()?;
    let hands = Hands::of(&opened.identity, None);
    let act = Act {
        lane: Lane::Documents,
        controller: None,
        reveal: None,
        body: Body::UpdateDocument(patch),
    };
    let view = view(session, &network, &resolved).await?;
    let partial = sign_act(&network, &view, &did, act, &hands)?;
    let signed = complete(session, &partial)?;
    let receipt = session
        .submit(SubmitItem::operation(&signed), write)
        .await?;
    let text = format!("{did}#{}", method.fragment);
    let fields = receipt.json(json!({ "alias": alias, "did": did.to_string(),
        "method": method.fragment }));
    let note = format!("{alias} is yours again; its login key {}", receipt.text());
    let mut report = Report::new(text, fields).note(note);
    report.hint = Some("invite guardians anew if some of them took part against you".into());
    Ok(report)
}

fn not_in_force(resolved: &allod_identity_client::rpc::Resolved, alias: &str) -> Failure {
    let mut pending = resolved.record.pending.iter();
    match pending.next() {
        Some(it) => Failure::negative(
            "recover.waits",
            format!("the recovery waits until {}", date(it.effective_at)),
            format!("type `allod did recover finish {alias}` again then"),
        ),
        None => Failure::negative(
            "recover.not_submitted",
            "the ledger knows nothing of this machine's key",
            "the guardians must sign and submit the request first",
        ),
    }
}
