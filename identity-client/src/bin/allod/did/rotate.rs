//! `allod did rotate`: the new keys are on disk before the operation is sent.
//!
//! If the command is cut short, the next one asks the ledger whether the rotation took effect, and
//! finishes it, sends it again, or begins anew.

use allod_identity_client::keys::{ControlSecret, MethodSecret, Pending, SecretKey};
use allod_identity_client::operation::{self, Author, Rotation};
use allod_identity_client::rpc::Resolved;
use allod_primitives::TimeMs;
use allod_primitives::document::RetireReason;
use allod_primitives::operation::SignedOperation;
use allod_primitives::policy::ControlKey;
use allod_rpc_api::submit::SubmitItem;
use serde_json::json;

use crate::amounts::Moment;
use crate::args::RotateArgs;
use crate::console::Report;
use crate::failure::Failure;
use crate::session::{Network, Opened, Session};

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
    let resolved = session.client.resolve(&opened.identity.did, None).await?;
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
            let signed = begin(&mut opened, args, &network, &resolved)?;
            session.save(&opened)?;
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

/// Makes the new keys and signs the operation that puts them in force.
fn begin(
    opened: &mut Opened,
    args: &RotateArgs,
    network: &Network,
    resolved: &Resolved,
) -> Result<SignedOperation, Failure> {
    let identity = &mut opened.identity;
    let record = &resolved.record;
    let reason = match args.compromised_since {
        None => RetireReason::Routine,
        Some(Moment::Now) => RetireReason::CompromisedSince(TimeMs(network.context.time)),
        Some(Moment::At(time)) => RetireReason::CompromisedSince(time),
    };
    let active = record.document.methods.iter();
    let active: Vec<&str> = active.map(|it| it.method.fragment.as_str()).collect();
    let ours = |fragment: &&str| identity.method(fragment).is_some_and(|it| !it.retired);
    let retires: Vec<String> = active
        .iter()
        .copied()
        .filter(ours)
        .map(str::to_owned)
        .collect();
    let retired = resolved.answer.retired.iter();
    let retired = retired.filter_map(|it| it.id.split_once('#').map(|(_, fragment)| fragment));
    let known = identity.methods.iter().map(|it| it.fragment.as_str());
    let fragment = operation::next_fragment(active.iter().copied().chain(retired).chain(known))?;
    let (control, login) = (SecretKey::generate()?, SecretKey::generate()?);
    let current = record.policy.ranks.first().ok_or_else(deactivated)?;
    let retire = retires.iter().map(|it| operation::retirement(it, reason));
    let body = operation::rotation(Rotation {
        rank: 0,
        current,
        control: &control.public(),
        retire: retire.collect::<Result<_, _>>()?,
        add: vec![operation::login_method(&fragment, &login.public())?],
    })?;
    let mut author = Author::new(network.terms(), identity.did.id(), record.lanes);
    let unsigned = author.next(0, body)?;
    let signed = operation::sign_operation(unsigned, &identity.rank_keys(0))?;
    identity.pending = Some(Pending {
        operation: signed.clone(),
        control: ControlSecret {
            rank: 0,
            key: control,
        },
        method: MethodSecret {
            fragment,
            key: login,
            retired: false,
        },
        retires,
    });
    Ok(signed)
}

pub(super) fn deactivated() -> Failure {
    let hint = "create a new identity";
    Failure::negative(
        "did.deactivated",
        "the identity is deactivated for good",
        hint,
    )
}
