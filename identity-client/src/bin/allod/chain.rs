//! `allod chain …`

use allod_primitives::{TimeMs, ValidatorSet};
use allod_rpc_api::context::AdmissionPolicy;
use allod_rpc_api::document::date_time;
use serde_json::{Value, json};

use crate::args::ChainCommand;
use crate::console::Report;
use crate::failure::Failure;
use crate::peers;
use crate::session::Session;

pub(crate) async fn run(session: &Session, command: ChainCommand) -> Result<Report, Failure> {
    match command {
        ChainCommand::Status => status(session).await,
        ChainCommand::Validators => validators(session).await,
    }
}

async fn status(session: &Session) -> Result<Report, Failure> {
    let context = session.network().await?.context;
    let health = session.client.health().await?;
    let age_ms = context.node_time.saturating_sub(context.time);
    let syncing = if health.is_syncing {
        ", catching up"
    } else {
        ""
    };
    let lines = [
        format!("name       {}", context.name),
        format!("network    {}", context.network),
        format!("genesis    {}", context.genesis),
        format!("fork       {}", context.fork_id),
        format!("version    {}", context.spec_version),
        format!("height     {}", context.height),
        format!("block      {}", context.block_hash),
        format!(
            "time       {} ({} s ago)",
            date_time(TimeMs(context.time)),
            age_ms / 1000
        ),
        format!("peers      {}{syncing}", health.peers),
        format!("admission  {}", admission(context.admission)),
    ];
    let mut fields = serde_json::to_value(&context).unwrap_or_default();
    fields["peers"] = json!(health.peers);
    fields["isSyncing"] = json!(health.is_syncing);
    fields["ageMs"] = json!(age_ms);
    Ok(Report::new(lines.join("\n"), fields))
}

/// Shows members of both sets, and observers, on the node's word.
async fn validators(session: &Session) -> Result<Report, Failure> {
    let context = session.network().await?.context;
    let at = context.block_hash.to_string();
    let members = session.client.membership(&at).await?;
    let (current, next) = (&members.current, &members.next);
    let mut lines = vec![
        format!("height     {}", context.height),
        format!("set        {} since block {}", current.id, current.since.0),
    ];
    let changes = current.id != next.id;
    if changes {
        lines.push(format!(
            "next       {} from block {} on",
            next.id, next.since.0
        ));
    }
    let mut entries: Vec<Value> = Vec::new();
    for it in &members.validators {
        let position = |set: &ValidatorSet| set.position(&it.public_key).is_some();
        let (is_current, is_next) = (position(&current.set), position(&next.set));
        let state = match (is_current, is_next) {
            (true, false) => "  leaves",
            (false, true) => "  comes",
            _ => "",
        };
        let (key, power, peer) = (&it.public_key, it.power, peers::shown(&it.peer_id));
        let address = &it.address;
        lines.push(format!(
            "validator  {key} power {power} {peer} {address}{state}"
        ));
        entries.push(json!({
            "publicKey": key.to_string(), "power": power, "peerId": peer,
            "address": address.as_str(), "isCurrent": is_current, "isNext": is_next,
        }));
    }
    let observers = members.observers.iter().map(|it| {
        let (peer, address) = (peers::shown(&it.peer_id), it.address.as_str());
        lines.push(format!("observer   {peer} {address}"));
        json!({ "peerId": peer, "address": address })
    });
    let observers: Vec<Value> = observers.collect();
    let fields = json!({
        "height": context.height,
        "blockHash": context.block_hash,
        "set": { "id": current.id, "since": current.since.0 },
        "next": { "id": next.id, "since": next.since.0 },
        "validators": entries,
        "observers": observers,
    });
    Ok(Report::new(lines.join("\n"), fields))
}

fn admission(policy: AdmissionPolicy) -> String {
    let mut ways = vec!["registrar's batch".to_owned()];
    if policy.vouchers {
        ways.push("registrar's voucher".into());
    }
    if let Some(bits) = policy.work_bits {
        ways.push(format!("work of {bits} bits"));
    }
    ways.join(", ")
}
