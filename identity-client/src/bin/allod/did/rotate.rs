//! `allod did rotate`: the new keys are on disk before the operation is sent.
//!
//! If the command is cut short, the next one asks the ledger whether the rotation took effect, and
//! finishes it, sends it again, or begins anew.

use allod_identity_client::control::{
    Effect, NextSeed, NextWish, Plan, RotationWish, View, plan_rotation,
};
use allod_identity_client::keys::{ControlSecret, Identity, MethodSecret, Pending, SecretKey};
use allod_identity_client::operation::{self, DocumentChange, Signer};
use allod_identity_client::rpc::Resolved;
use allod_identity_client::sheet::RecoverySheet;
use allod_primitives::document::{DocumentPatch, RetireReason};
use allod_primitives::operation::SignedOperation;
use allod_primitives::policy::ControlKey;
use allod_primitives::{Did, TimeMs};
use allod_rpc_api::submit::SubmitItem;
use serde_json::json;

use super::control::{self, Hands};
use crate::amounts::Moment;
use crate::args::RotateArgs;
use crate::console::Report;
use crate::failure::Failure;
use crate::session::{Network, Opened, Session};
use crate::sheet;

/// What a rotation begun before has come to.
enum Earlier {
    /// There is none, or it can never take effect any more.
    None,
    /// It is in force.
    InForce,
    /// It may still take effect.
    Open(Box<SignedOperation>),
}

pub(crate) async fn run(session: &Session, args: &RotateArgs) -> Result<Report, Failure> {
    let mut opened = session.open(&args.alias)?;
    let network = session.network().await?;
    network.check(&opened.identity.did)?;
    let resolved = session.resolve(&opened.identity.did, None).await?;
    opened.identity.inception = None;
    if !resolved.record.is_active() {
        return Err(deactivated());
    }
    let signed = match earlier(&opened, &network, &resolved) {
        Earlier::InForce => {
            opened.identity.finish_rotation();
            session.save(&opened)?;
            let fields = fields(&opened, &args.alias, &[]);
            let note = "the rotation begun before is in force; nothing else was changed";
            let mut report = report(&opened, fields).note(note);
            report.json["final"] = json!(true);
            report.json["height"] = json!(resolved.answer.height);
            return Ok(report);
        }
        Earlier::Open(signed) => {
            session
                .console
                .note("the rotation begun before is sent again");
            *signed
        }
        Earlier::None => {
            let Planned { plan, signed } =
                begin(session, &mut opened, args, &network, &resolved).await?;
            session.save(&opened)?;
            if plan.effect != Effect::AtOnce {
                return propose(session, args, &opened, &plan, &signed).await;
            }
            signed
        }
    };
    let pending = opened.identity.pending.as_ref();
    let retired = pending.map(|it| it.retires.clone()).unwrap_or_default();
    let item = SubmitItem::operation(&signed);
    let receipt = session.submit(item, &args.write).await?;
    if args.write.no_wait {
        let note = format!(
            "`allod did rotate {}` again tells when it is in force",
            args.alias
        );
        let fields = receipt.json(fields(&opened, &args.alias, &retired));
        return Ok(Report::new("", fields).note(note));
    }
    opened.identity.finish_rotation();
    session.save(&opened)?;
    let fields = receipt.json(fields(&opened, &args.alias, &retired));
    let note = format!("{}'s rotation {}", args.alias, receipt.text());
    Ok(report(&opened, fields).note(note))
}

/// Sends a rotation that waits.
async fn propose(
    session: &Session,
    args: &RotateArgs,
    opened: &Opened,
    plan: &Plan,
    signed: &SignedOperation,
) -> Result<Report, Failure> {
    let (did, id) = (opened.identity.did, signed.operation.hash());
    let receipt = session
        .submit(SubmitItem::operation(signed), &args.write)
        .await?;
    let what = format!("the proposal to rotate {}", args.alias);
    let mut report = control::outcome(session, &did, plan, &receipt, id, &what).await?;
    report.json["alias"] = json!(args.alias);
    Ok(report.note("login keys stay as they are; with --sheet both change at once"))
}

fn report(opened: &Opened, fields: serde_json::Value) -> Report {
    let method = opened.identity.login_method();
    let fragment = method.map(|it| it.fragment.as_str()).unwrap_or_default();
    Report::new(format!("{}#{fragment}", opened.identity.did), fields)
}

fn fields(opened: &Opened, alias: &str, retired: &[String]) -> serde_json::Value {
    let identity = &opened.identity;
    let method = identity.login_method().map(|it| it.fragment.clone());
    json!({ "alias": alias, "did": identity.did.to_string(), "method": method,
        "retired": retired })
}

fn earlier(opened: &Opened, network: &Network, resolved: &Resolved) -> Earlier {
    let Some(pending) = &opened.identity.pending else {
        return Earlier::None;
    };
    let key = ControlKey::Ed25519(pending.control.key.public());
    let record = &resolved.record;
    if record
        .policy
        .ranks
        .iter()
        .any(|rank| rank.weight_of(&key) > 0)
    {
        return Earlier::InForce;
    }
    let operation = &pending.operation.operation;
    let head = record.lanes.get(operation.lane);
    let next = head.is_some_and(|head| head.next_seq == operation.lane_seq);
    if next && operation.valid_until.0 > network.context.time {
        Earlier::Open(Box::new(pending.operation.clone()))
    } else {
        Earlier::None
    }
}

/// New keys, and what they mean for the document.
struct NewKeys {
    control: SecretKey,
    login: SecretKey,
    fragment: String,
    retires: Vec<String>,
    patch: DocumentPatch,
}

/// What has been planned and signed.
struct Planned {
    plan: Plan,
    signed: SignedOperation,
}

/// Makes the new keys, chooses the way to put them in force and signs; the identity file has the
/// keys then, and is to be saved before anything is sent.
async fn begin(
    session: &Session,
    opened: &mut Opened,
    args: &RotateArgs,
    network: &Network,
    resolved: &Resolved,
) -> Result<Planned, Failure> {
    let did = opened.identity.did;
    let recovery = sheet::read(session, args.sheet.as_deref(), did)?;
    let view = control::view(session, network, resolved).await?;
    control::check_sheet(&view, recovery.as_ref())?;
    let hands = Hands::of(&opened.identity, recovery.as_ref());
    let rank = rank_of(&opened.identity, &view, recovery.as_ref());
    let new = new_keys(&opened.identity, args, network, resolved)?;
    let other = other_sheet(session, args, did, rank)?;
    let mut wish = RotationWish::single(rank, new.control.control_key());
    wish.document = Some(new.patch.clone());
    if let Some(other) = &other {
        wish.next = NextWish::Sheet(other.seed.clone());
    }
    let at_once = plan_rotation(&view, &wish, &hands.available);
    let plan = match at_once {
        Ok(plan) => plan,
        // What waits takes no change of the document with it.
        Err(first) => {
            wish.document = None;
            plan_rotation(&view, &wish, &hands.available).map_err(|_| first)?
        }
    };
    control::announce(session, &view, &plan);
    if let Some(other) = &other {
        sheet::hand_over(session, other, args.sheet_out.as_deref())?;
    }
    let signed = control::sign_plan(session, network, &view, &did, &plan, &hands)?;
    keep(&mut opened.identity, rank, new, &plan, &signed);
    Ok(Planned { plan, signed })
}

/// Puts the new keys into the identity.
fn keep(identity: &mut Identity, rank: u8, new: NewKeys, plan: &Plan, signed: &SignedOperation) {
    let control = ControlSecret {
        rank,
        key: new.control,
    };
    if plan.effect != Effect::AtOnce {
        // Both are kept: the ledger says which of them counts.
        identity.control.push(control);
        identity.control.sort_by_key(|it| it.rank);
        return;
    }
    identity.pending = Some(Pending {
        operation: signed.clone(),
        control,
        method: MethodSecret {
            fragment: new.fragment,
            key: new.login,
            retired: false,
        },
        retires: new.retires,
    });
}

/// Returns the rank to rotate: the sheet's, or the highest that this file has a key of.
fn rank_of(identity: &Identity, view: &View, recovery: Option<&RecoverySheet>) -> u8 {
    if let Some(recovery) = recovery {
        return recovery.rank;
    }
    let held = |key: &ControlKey| {
        identity
            .control
            .iter()
            .any(|it| it.key.control_key() == *key)
    };
    let mut ranks = view.ranks();
    let rank = ranks.find(|(_, rank)| rank.keys.iter().any(|it| held(&it.key)));
    rank.map_or(0, |(index, _)| index)
}

fn other_sheet(
    session: &Session,
    args: &RotateArgs,
    did: Did,
    rank: u8,
) -> Result<Option<RecoverySheet>, Failure> {
    if !args.new_sheet {
        return Ok(None);
    }
    sheet::check_place(session, args.sheet_out.as_deref())?;
    let seed = NextSeed::generate()?;
    Ok(Some(RecoverySheet { did, rank, seed }))
}

fn new_keys(
    identity: &Identity,
    args: &RotateArgs,
    network: &Network,
    resolved: &Resolved,
) -> Result<NewKeys, Failure> {
    let record = &resolved.record;
    let reason = match args.compromised_since {
        None => RetireReason::Routine,
        Some(Moment::Now) => RetireReason::CompromisedSince(TimeMs(network.context.time)),
        Some(Moment::At(time)) => RetireReason::CompromisedSince(time),
    };
    let active = record.document.methods.iter();
    let active: Vec<&str> = active.map(|it| it.method.fragment.as_str()).collect();
    // A file that has no method yet is a new machine's: what it replaces is lost.
    let stranger = identity.methods.is_empty();
    let ours =
        |fragment: &&str| stranger || identity.method(fragment).is_some_and(|it| !it.retired);
    let retires: Vec<String> = active
        .iter()
        .copied()
        .filter(ours)
        .map(str::to_owned)
        .collect();
    let fragment = free_fragment(identity, resolved)?;
    let (control, login) = (SecretKey::generate()?, SecretKey::generate()?);
    let retire = retires.iter().map(|it| operation::retirement(it, reason));
    let patch = DocumentChange {
        retire: retire.collect::<Result<_, _>>()?,
        add: vec![operation::login_method(&fragment, &login.public())?],
        ..DocumentChange::default()
    }
    .patch()?;
    Ok(NewKeys {
        control,
        login,
        fragment,
        retires,
        patch,
    })
}

/// Returns a fragment that neither the ledger nor the file has seen.
pub(super) fn free_fragment(identity: &Identity, resolved: &Resolved) -> Result<String, Failure> {
    let active = resolved.record.document.methods.iter();
    let active = active.map(|it| it.method.fragment.as_str());
    let retired = resolved.answer.retired.iter();
    let retired = retired.filter_map(|it| it.id.split_once('#').map(|(_, fragment)| fragment));
    let known = identity.methods.iter().map(|it| it.fragment.as_str());
    Ok(operation::next_fragment(
        active.chain(retired).chain(known),
    )?)
}

pub(super) fn deactivated() -> Failure {
    let hint = "create a new identity";
    Failure::negative(
        "did.deactivated",
        "the identity is deactivated for good",
        hint,
    )
}
