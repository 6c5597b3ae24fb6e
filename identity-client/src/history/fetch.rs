//! Exports from a node.

use allod_primitives::log::{LogEntry, LogHead, LogKind};
use allod_primitives::operation::SignedOperation;
use allod_primitives::{Did, Height, TimeMs, decode_strict};
use allod_rpc_api::identity::HistoryEntry;
use allod_rpc_api::method;

use super::export::kind_of;
use super::{Export, ExportedEntry};
use crate::rpc::{Client, ClientError, chain_id};

/// Asks a node for the whole log of `did`. Verifies nothing: see [`replay`](super::replay).
///
/// Logs do not tell what governance decided; the freeze in force, if any, is taken for the last
/// such decision. Where an earlier one was a freeze too, its entry will not replay.
///
/// # Errors
/// [`ClientError`]; `did.not_found` if the ledger does not hold it.
pub async fn fetch(client: &Client, did: &Did) -> Result<Export, ClientError> {
    let chain = chain_id(&client.context().await?);
    let mut entries: Vec<ExportedEntry> = Vec::new();
    loop {
        let from = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        let page = client.history(did, from, None).await?;
        let is_empty = page.entries.is_empty();
        for entry in &page.entries {
            entries.push(exported(entry)?);
        }
        let count = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        if count >= page.log_count || is_empty {
            let head = LogHead {
                count: page.log_count,
                head: page.log_head.0,
            };
            state_freeze(client, did, &mut entries).await?;
            return Ok(Export {
                did: *did,
                chain,
                head,
                entries,
            });
        }
    }
}

async fn state_freeze(
    client: &Client,
    did: &Did,
    entries: &mut [ExportedEntry],
) -> Result<(), ClientError> {
    let mut decisions = entries.iter_mut().rev();
    let last = decisions.find(|it| it.entry.kind == LogKind::Governance);
    if let Some(last) = last {
        last.freeze = Some(client.resolve(did, None).await?.record.frozen);
    }
    Ok(())
}

fn exported(it: &HistoryEntry) -> Result<ExportedEntry, ClientError> {
    let wrong = |what: &str| ClientError::Answer {
        method: method::IDENTITY_HISTORY,
        reason: format!("entry {}: {what}", it.n),
    };
    let operation = it.operation.as_ref();
    let operation = operation.map(|bytes| decode_strict::<SignedOperation>(&bytes.0));
    Ok(ExportedEntry {
        entry: LogEntry {
            n: it.n,
            kind: kind_of(&it.kind).ok_or_else(|| wrong("unknown kind"))?,
            operation_hash: it.operation_hash.0,
            signatures_hash: it.signatures_hash.0,
            record_hash: it.record_hash.0,
            height: Height(it.height),
            time: TimeMs(it.time),
        },
        operation: operation
            .transpose()
            .map_err(|_| wrong("operation does not decode"))?,
        freeze: None,
    })
}
