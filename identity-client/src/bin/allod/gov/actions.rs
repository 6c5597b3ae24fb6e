//! Actions out of what was typed, and in words.

use allod_identity_client::{governance, hex};
use allod_primitives::governance::{
    Action, ActionKind, ControlParameters, Parameters, Rule, ValidatorInfo,
};
use allod_primitives::{Height, PublicKey, Text, TimeMs};
use allod_rpc_api::document::date_time;
use serde_json::{Value, json};

use super::args::{ParameterArgs, Proposed, ValidatorArgs, YesNo};
use crate::amounts::Moment;
use crate::failure::Failure;
use crate::peers;
use crate::session::{Network, Session};

/// Returns the actions that were typed: one, but for an observer that becomes a validator.
pub(super) async fn actions(
    session: &Session,
    network: &Network,
    proposed: &Proposed,
) -> Result<Vec<Action>, Failure> {
    if let Proposed::Validator(typed) = proposed {
        return promotion(session, network, validator(typed)?).await;
    }
    Ok(vec![action(session, network, proposed).await?])
}

/// A peer has one role: an observer that becomes a validator ends being one in the same proposal,
/// so that it stays a peer throughout.
async fn promotion(
    session: &Session,
    network: &Network,
    action: Action,
) -> Result<Vec<Action>, Failure> {
    let mut actions = Vec::new();
    if let Action::ReplaceValidator { add: Some(it), .. } = &action {
        let at = network.context.block_hash.to_string();
        let observers = session.client.membership(&at).await?.observers;
        if observers.iter().any(|known| known.peer_id == it.peer_id) {
            let peer_id = it.peer_id.clone();
            actions.push(Action::RemoveObserver { peer_id });
        }
    }
    actions.push(action);
    Ok(actions)
}

async fn action(
    session: &Session,
    network: &Network,
    proposed: &Proposed,
) -> Result<Action, Failure> {
    Ok(match proposed {
        Proposed::Registrar {
            account,
            items_per_day,
        } => Action::SetRegistrar {
            account: key(account)?,
            items_per_day: *items_per_day,
        },
        Proposed::Admission {
            vouchers,
            work_bits,
        } => Action::SetAdmission {
            vouchers: *vouchers == YesNo::Yes,
            work_bits: *work_bits,
        },
        Proposed::Validator(typed) => validator(typed)?,
        Proposed::Observer {
            admit,
            address,
            remove,
        } => observer(admit.as_deref(), address.as_deref(), remove.as_deref())?,
        Proposed::Freeze {
            who,
            reason,
            until,
            lifetime,
        } => {
            let did = session.did(who)?;
            network.check(&did)?;
            let until = match (until, lifetime) {
                (Some(Moment::At(time)), _) => *time,
                (_, Some(lifetime)) => network.now().plus_ms(lifetime.ms()),
                _ => network.now(),
            };
            Action::FreezeIdentity {
                did: did.id(),
                reason: text(reason, "a reason")?,
                until,
            }
        }
        Proposed::Unfreeze { who } => {
            let did = session.did(who)?;
            network.check(&did)?;
            Action::UnfreezeIdentity { did: did.id() }
        }
        Proposed::Parameters(typed) => Action::SetParameters {
            parameters: parameters(session, typed).await?,
        },
        Proposed::Rule { kind, votes, delay } => {
            let (votes, delay_ms) = (*votes, delay.map_or(0, |delay| delay.ms()));
            Action::SetRule {
                kind: kind_of(kind)?,
                rule: Rule { votes, delay_ms },
            }
        }
        Proposed::Trustees {
            accounts,
            threshold,
        } => {
            let accounts = accounts.iter().map(|text| key(text));
            let accounts: Vec<PublicKey> = accounts.collect::<Result<_, _>>()?;
            governance::trustees(accounts, *threshold)
                .map_err(|error| Failure::usage(error.to_string(), "name fewer accounts"))?
        }
        Proposed::Upgrade { to, height, .. } => Action::ScheduleUpgrade {
            spec_version: to.unwrap_or(network.context.spec_version),
            height: Height(height.unwrap_or(0)),
        },
    })
}

fn validator(typed: &ValidatorArgs) -> Result<Action, Failure> {
    let remove = typed.remove.as_deref().map(key).transpose()?;
    let add = match (&typed.add, &typed.peer_id, &typed.address) {
        (Some(added), Some(peer_id), Some(address)) => Some(ValidatorInfo {
            public_key: key(added)?,
            power: typed.power,
            peer_id: peers::parse(peer_id)?,
            address: text(address, "an address")?,
        }),
        _ => None,
    };
    Ok(Action::ReplaceValidator { remove, add })
}

fn observer(
    admit: Option<&str>,
    address: Option<&str>,
    remove: Option<&str>,
) -> Result<Action, Failure> {
    match (admit, remove) {
        (Some(peer), _) => Ok(Action::AdmitObserver {
            peer_id: peers::parse(peer)?,
            address: text(address.unwrap_or_default(), "an address")?,
        }),
        (None, Some(peer)) => Ok(Action::RemoveObserver {
            peer_id: peers::parse(peer)?,
        }),
        (None, None) => Err(Failure::usage(
            "no observer is named",
            "give --admit or --remove",
        )),
    }
}

async fn parameters(session: &Session, typed: &ParameterArgs) -> Result<Parameters, Failure> {
    let present = session.rules().await?.parameters;
    let ms = |typed: Option<crate::amounts::Seconds>, present| typed.map_or(present, |it| it.ms());
    Ok(Parameters {
        version: allod_primitives::governance::GOVERNANCE_VERSION,
        block_spacing_ms: typed.block_spacing_ms.unwrap_or(present.block_spacing_ms),
        heartbeat_ms_min: typed.heartbeat_ms_min.unwrap_or(present.heartbeat_ms_min),
        heartbeat_ms_max: typed.heartbeat_ms_max.unwrap_or(present.heartbeat_ms_max),
        validator_change_period_ms: ms(
            typed.validator_change_period,
            present.validator_change_period_ms,
        ),
        control: ControlParameters {
            delay_ms_min: ms(typed.control_delay_min, present.control_delay_ms_min),
            delay_ms_max: ms(typed.control_delay_max, present.control_delay_ms_max),
        },
    })
}

fn kind_of(name: &str) -> Result<ActionKind, Failure> {
    ActionKind::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = ActionKind::ALL.iter().map(|kind| kind.name()).collect();
        let hint = format!("kinds are {}", names.join(", "));
        Failure::usage(format!("there is no kind of action `{name}`"), hint)
    })
}

fn key(text: &str) -> Result<PublicKey, Failure> {
    let hint = "a public key is 0x and 64 hexadecimal digits; `allod key show FILE` prints it";
    hex::decode_array(text)
        .map(PublicKey)
        .map_err(|error| Failure::usage(format!("{text}: {error}"), hint))
}

fn text<const MAX: u32>(text: &str, what: &str) -> Result<Text<MAX>, Failure> {
    if text.is_empty() {
        return Err(Failure::usage(format!("{what} is empty"), "write it out"));
    }
    Text::new(text).map_err(|error| Failure::usage(format!("{what}: {error}"), "shorten it"))
}

/// Says what an action does, in one line.
pub(super) fn say(network: &Network, action: &Action) -> String {
    let did = |id| allod_primitives::Did::new(network.id(), id);
    match action {
        Action::ReplaceValidator { remove, add } => {
            let remove = remove.map(|key| format!("remove validator {key}"));
            let add = add.as_ref().map(|it| {
                let (key, power, address) = (&it.public_key, it.power, &it.address);
                let peer = peers::shown(&it.peer_id);
                format!("add validator {key} of power {power}, peer {peer} at {address}")
            });
            let parts: Vec<String> = [remove, add].into_iter().flatten().collect();
            parts.join(", ")
        }
        Action::SetRegistrar {
            account,
            items_per_day: 0,
        } => format!("end the role of registrar {account}"),
        Action::SetRegistrar {
            account,
            items_per_day,
        } => format!("registrar {account} may pay for {items_per_day} items a day"),
        Action::SetAdmission {
            vouchers,
            work_bits,
        } => {
            let vouchers = if *vouchers { "admit" } else { "do not admit" };
            let work = work_bits.map(|bits| format!(", work of {bits} bits admits"));
            format!("vouchers {vouchers}{}", work.unwrap_or_default())
        }
        Action::ScheduleUpgrade {
            spec_version,
            height,
        } if *spec_version == network.context.spec_version && height.0 == 0 => {
            "take the scheduled upgrade back".to_owned()
        }
        Action::ScheduleUpgrade {
            spec_version,
            height,
        } => format!("version {spec_version} executes blocks from {height} on"),
        Action::AdmitObserver { peer_id, address } => {
            format!("admit observer {} at {address}", peers::shown(peer_id))
        }
        Action::RemoveObserver { peer_id } => {
            format!("end the role of observer {}", peers::shown(peer_id))
        }
        Action::SetTrustees {
            accounts,
            threshold,
        } => {
            let names: Vec<String> = accounts.iter().map(ToString::to_string).collect();
            format!(
                "trustees, {threshold} of {}: {}",
                names.len(),
                names.join(" ")
            )
        }
        Action::SetRule { kind, rule } => {
            let votes = rule.votes.map(|votes| format!("{votes} votes"));
            let votes = votes.unwrap_or_else(|| "the trustees' threshold".into());
            let delay = rule.delay_ms / 1000;
            format!("{} takes {votes}, and waits {delay} s", kind.name())
        }
        Action::SetParameters { parameters } => format!("parameters {}", describe(parameters)),
        Action::FreezeIdentity {
            did: id,
            reason,
            until,
        } => format!("freeze {} until {}: {reason}", did(*id), date_time(*until)),
        Action::UnfreezeIdentity { did: id } => format!("unfreeze {}", did(*id)),
    }
}

fn describe(it: &Parameters) -> String {
    format!(
        "block spacing {} ms, heartbeat {} to {} ms, validator changes per {} s, control delays {} \
         to {} s",
        it.block_spacing_ms,
        it.heartbeat_ms_min,
        it.heartbeat_ms_max,
        it.validator_change_period_ms / 1000,
        it.control.delay_ms_min / 1000,
        it.control.delay_ms_max / 1000
    )
}

/// Returns an action for programs: its kind, and what it says in words.
pub(super) fn shown(network: &Network, action: &Action) -> Value {
    json!({ "kind": action.kind().name(), "text": say(network, action) })
}

/// Says when something is.
pub(super) fn when(ms: u64) -> String {
    date_time(TimeMs(ms))
}
