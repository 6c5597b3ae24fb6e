//! What commands that change control share: keys at hand, plans, and carrying them out.

use std::path::{Path, PathBuf};

use allod_identity_client::control::{
    Available, Effect, PartialError, PartialOperation, Plan, PlanError, View, date,
};
use allod_identity_client::guardians::GuardianshipError;
use allod_identity_client::keys::{Home, Identity, SecretKey};
use allod_identity_client::letter::{Letter, LetterError};
use allod_identity_client::operation::{Act, Author};
use allod_identity_client::rpc::Resolved;
use allod_identity_client::sheet::RecoverySheet;
use allod_primitives::operation::SignedOperation;
use allod_primitives::{Did, H256, TimeMs};
use allod_rpc_api::submit::SubmitItem;
use serde_json::{Value, json};

use super::rotate::deactivated;
use crate::args::Write;
use crate::console::Report;
use crate::failure::{Exit, Failure};
use crate::session::{Network, Receipt, Session};

/// What can be signed with here and now.
#[derive(Debug)]
pub(super) struct Hands {
    pub(super) available: Available,
    keys: Vec<SecretKey>,
}

impl Hands {
    /// Returns the keys of an identity file, and those of a sheet.
    pub(super) fn of(identity: &Identity, sheet: Option<&RecoverySheet>) -> Self {
        // The lowest first: the less a key can do, the better it is to use it.
        let mut control: Vec<_> = identity.control.iter().collect();
        control.sort_by_key(|it| std::cmp::Reverse(it.rank));
        let keys: Vec<SecretKey> = control.into_iter().map(|it| it.key.clone()).collect();
        let mut available = identity.available();
        available
            .seeds
            .extend(sheet.iter().map(|it| it.seed.clone()));
        Self { available, keys }
    }
}

/// Returns the identity as plans look at it, with the network's bounds for delays of now. What an
/// operation does is for the ledger to say; a node that names other bounds spoils an announcement.
pub(super) async fn view(
    session: &Session,
    network: &Network,
    resolved: &Resolved,
) -> Result<View, Failure> {
    let now = TimeMs(network.context.time.max(resolved.answer.time));
    let bounds = session.client.control_parameters().await?;
    Ok(View::new(&resolved.record, now, bounds))
}

/// Refuses a sheet that is not, or no longer, that of its rank: with it at hand nobody means to
/// wait.
pub(super) fn check_sheet(view: &View, sheet: Option<&RecoverySheet>) -> Result<(), Failure> {
    let Some(sheet) = sheet else {
        return Ok(());
    };
    if sheet.find(view.rank(sheet.rank)?).is_some() {
        return Ok(());
    }
    let message = format!(
        "the sheet is not, or no longer, that of rank {}",
        sheet.rank
    );
    let hint = "a newer sheet has put it out of force, or guardians have recovered the identity";
    Err(Failure::negative("sheet.void", message, hint))
}

/// Asks for an active identity.
pub(super) async fn look(
    session: &Session,
    did: &Did,
) -> Result<(Network, Resolved, View), Failure> {
    let network = session.network().await?;
    network.check(did)?;
    let resolved = session.resolve(did, None).await?;
    if !resolved.record.is_active() {
        return Err(deactivated());
    }
    let view = view(session, &network, &resolved).await?;
    Ok((network, resolved, view))
}

/// Returns the operation of an act with the signatures that the keys at hand give.
pub(super) fn sign_act(
    network: &Network,
    view: &View,
    did: &Did,
    act: Act,
    hands: &Hands,
) -> Result<PartialOperation, Failure> {
    let mut author = Author::new(network.terms(), did.id(), view.record.lanes);
    let mut partial = PartialOperation::new(author.act(act)?, view.policy())?;
    for key in &hands.keys {
        if partial.missing() == 0 {
            break;
        }
        match partial.sign(key) {
            Ok(()) | Err(PartialError::NotListed { .. } | PartialError::Duplicate { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(partial)
}

/// Returns the signed operation of a plan; if others must sign, it goes to a file for them.
pub(super) fn sign_plan(
    session: &Session,
    network: &Network,
    view: &View,
    did: &Did,
    plan: &Plan,
    hands: &Hands,
) -> Result<SignedOperation, Failure> {
    let act = plan.act.clone();
    let Some(generation) = &plan.generation else {
        let partial = sign_act(network, view, did, act, hands)?;
        return complete(session, &partial);
    };
    let mut author = Author::new(network.terms(), did.id(), view.record.lanes);
    let mut partial = PartialOperation::new(author.act(act)?, view.policy())?;
    partial.sign(&generation.key)?;
    complete(session, &partial)
}

/// Returns the signed operation, or writes what others must sign to a file and says so.
pub(super) fn complete(
    session: &Session,
    partial: &PartialOperation,
) -> Result<SignedOperation, Failure> {
    let weight = match partial.complete() {
        Ok(signed) => return Ok(signed),
        Err(PartialError::Incomplete { weight }) => weight,
        Err(error) => return Err(error.into()),
    };
    if partial.signatures().is_empty() {
        return Err(PlanError::NoKey { sheet: false }.into());
    }
    let hash = partial.operation().hash().to_string();
    let name = format!("operation-{}.json", hash.get(2..10).unwrap_or_default());
    let path = session.home.root().join(name);
    write_letter(&path, partial)?;
    let path = path.display();
    let message = format!("signatures of weight {weight} by others are needed; it is in {path}");
    let hint = "each runs `allod did recover approve FILE`, then `allod did recover submit FILE`";
    Err(Failure::negative("control.others_must_sign", message, hint))
}

/// Writes a letter as JSON, over what was there.
pub(super) fn write_letter(path: &Path, letter: &impl Letter) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(&letter.to_json()).unwrap_or_default();
    text.push('\n');
    Ok(Home::write_private(path, text.as_bytes(), true)?)
}

/// Reads a letter from a file, or itself if the argument is one in text.
pub(super) fn read_letter<L: Letter>(session: &Session, argument: &str) -> Result<L, Failure> {
    let is_text = argument
        .get(..6)
        .is_some_and(|it| it.eq_ignore_ascii_case("ALLOD:"));
    let text = if is_text {
        argument.to_owned()
    } else {
        String::from_utf8_lossy(&session.read(&PathBuf::from(argument))?).into_owned()
    };
    Ok(L::parse(text.trim())?)
}

/// Tells what a plan does before it is signed; says no word where nothing but the one rank of an
/// ordinary identity is concerned.
pub(super) fn announce(session: &Session, view: &View, plan: &Plan) {
    let policy = view.policy();
    let first = policy.ranks.first();
    let ordinary = policy.ranks.len() == 1
        && policy.guardians.is_none()
        && first.is_some_and(|it| it.next.is_none());
    if !ordinary || plan.effect != Effect::AtOnce {
        for line in plan.explain() {
            session.console.note(&line);
        }
    }
}

/// Signs and sends a plan.
pub(super) async fn carry_out(
    session: &Session,
    at: (&Network, &View, &Did),
    plan: &Plan,
    hands: &Hands,
    write: &Write,
) -> Result<(Receipt, H256), Failure> {
    let (network, view, did) = at;
    let signed = sign_plan(session, network, view, did, plan, hands)?;
    let id = signed.operation.hash();
    let item = SubmitItem::operation(&signed);
    Ok((session.submit(item, write).await?, id))
}

/// Says what a plan that was sent has brought about: a change, or one that waits.
pub(super) async fn outcome(
    session: &Session,
    did: &Did,
    plan: &Plan,
    receipt: &Receipt,
    id: H256,
    what: &str,
) -> Result<Report, Failure> {
    let mut fields = receipt.json(json!({ "did": did.to_string() }));
    let Effect::Waits { until } = plan.effect else {
        fields["effect"] = json!("atOnce");
        let note = format!("{what} {}", receipt.text());
        return Ok(Report::new(did.to_string(), fields).note(note));
    };
    let until = exact(session, did, id).await.unwrap_or(until);
    fields["effect"] = json!("waits");
    fields["pending"] = json!(id.to_string());
    fields["effectiveAt"] = json!(until.0);
    let text = format!("{id}");
    let note = format!(
        "{what} {}; it waits and takes effect on {}",
        receipt.text(),
        date(until)
    );
    let mut report = Report::new(text, fields).note(note);
    report.hint = Some(format!("`allod did cancel {did} {id}` stops it until then"));
    Ok(report)
}

async fn exact(session: &Session, did: &Did, id: H256) -> Option<TimeMs> {
    let resolved = session.resolve(did, None).await.ok()?;
    let mut pending = resolved.record.pending.iter();
    pending.find(|it| it.id == id).map(|it| it.effective_at)
}

/// Describes a plan that is only to be looked at.
pub(super) fn shown(did: &Did, plan: &Plan) -> Report {
    let lines = plan.explain();
    let (effect, until): (_, Value) = match plan.effect {
        Effect::AtOnce => ("atOnce", Value::Null),
        Effect::Waits { until } => ("waits", json!(until.0)),
    };
    let fields = json!({ "did": did.to_string(), "dryRun": true, "effect": effect,
        "effectiveAt": until, "explanation": lines, "missingWeight": plan.missing });
    Report::new(lines.join("\n"), fields).note("nothing was signed or sent")
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        let message = error.to_string();
        let (slug, hint) = match &error {
            PlanError::Deactivated => return deactivated(),
            PlanError::Build(build) => return (*build).into(),
            PlanError::Nothing => {
                return Self::usage(message, "say what to change; --help lists what can be");
            }
            PlanError::NoKey { sheet: true } => (
                "control.no_key",
                "give the recovery sheet with --sheet FILE",
            ),
            PlanError::NoKey { .. } => (
                "control.no_key",
                "`allod did policy show` tells whose keys can; guardians can recover",
            ),
            PlanError::NoGuardians => (
                "control.no_guardians",
                "without guardians only the recovery sheet or a key of rank 0 helps",
            ),
            PlanError::NoSuchPending => (
                "control.no_such_pending",
                "`allod did pending` lists what waits",
            ),
            _ => (
                "control.refused",
                "`allod did pending` shows what waits, `allod did policy show` who may do what",
            ),
        };
        Self::negative(slug, message, hint)
    }
}

impl From<PartialError> for Failure {
    fn from(error: PartialError) -> Self {
        let hint = match &error {
            PartialError::Incomplete { .. } => "ask the others to run `allod did recover approve`",
            PartialError::NotListed { .. } => "sign with the key that was invited or listed",
            PartialError::Duplicate { .. } => "it is the others' turn",
            _ => "begin again with a new file",
        };
        Self::negative("control.partial", error.to_string(), hint)
    }
}

impl From<LetterError> for Failure {
    fn from(error: LetterError) -> Self {
        let hint = "pass the file or the text that begins with ALLOD: as it was given to you";
        Self::new(Exit::Usage, "letter.invalid", error.to_string(), hint)
    }
}

impl From<GuardianshipError> for Failure {
    fn from(error: GuardianshipError) -> Self {
        match error {
            GuardianshipError::Plan(error) => error.into(),
            GuardianshipError::Partial(error) => error.into(),
            GuardianshipError::Build(error) => error.into(),
            GuardianshipError::Entropy(error) => error.into(),
            error => Self::negative(
                "guardians.invalid",
                error.to_string(),
                "ask the owner for a current invitation, or compare keys",
            ),
        }
    }
}
