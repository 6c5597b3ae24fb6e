//! `allod chain …`

use allod_primitives::TimeMs;
use allod_rpc_api::context::AdmissionPolicy;
use allod_rpc_api::document::date_time;
use serde_json::json;

use crate::args::ChainCommand;
use crate::console::Report;
use crate::failure::Failure;
use crate::session::Session;

pub(crate) async fn run(session: &Session, command: ChainCommand) -> Result<Report, Failure> {
    match command {
        ChainCommand::Status => status(session).await,
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
