//! Exports from a node.

use allod_primitives::log::{LogEntry, LogHead, Stated};
use allod_primitives::operation::SignedOperation;
use allod_primitives::record::Freeze;
use allod_primitives::{Did, Height, Text, TimeMs, decode_strict};
use allod_rpc_api::identity::{DecisionInfo, HistoryEntry};
use allod_rpc_api::method;

use super::export::kind_of;
use super::{Export, ExportedEntry};
use crate::rpc::{Client, ClientError, chain_id};

/// Asks a node for the whole log of `did`. Verifies nothing: see [`replay`](super::replay).
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
            return Ok(Export {
                did: *did,
                chain,
                head,
                entries,
                proof: None,
            });
        }
    }
}

/// Returns what a node states with an entry; `None` if that is of no known form.
fn stated(it: &HistoryEntry) -> Option<Option<Stated>> {
    Some(match (&it.decision, it.effective_at) {
        (None, None) => None,
        (None, Some(at)) => Some(Stated::EffectiveAt(TimeMs(at))),
        (Some(DecisionInfo::Unfreeze), None) => Some(Stated::Unfrozen),
        (Some(DecisionInfo::Freeze { reason, until }), None) => {
            let reason = Text::new(reason.clone()).ok()?;
            let until = TimeMs(*until);
            Some(Stated::Frozen(Freeze { reason, until }))
        }
        _ => return None,
    })
}

fn wrong(it: &HistoryEntry, what: &str) -> ClientError {
    ClientError::Answer {
        method: method::IDENTITY_HISTORY,
        reason: format!("entry {}: {what}", it.n),
    }
}

/// Reads the entry that a node shows.
pub(super) fn entry(it: &HistoryEntry) -> Result<LogEntry, ClientError> {
    Ok(LogEntry {
        n: it.n,
        kind: kind_of(&it.kind).ok_or_else(|| wrong(it, "unknown kind"))?,
        operation_hash: it.operation_hash.0,
        signatures_hash: it.signatures_hash.0,
        record_hash: it.record_hash.0,
        height: Height(it.height),
        time: TimeMs(it.time),
    })
}

fn exported(it: &HistoryEntry) -> Result<ExportedEntry, ClientError> {
    let wrong = |what: &str| wrong(it, what);
    let operation = it.operation.as_ref();
    let operation = operation.map(|bytes| decode_strict::<SignedOperation>(&bytes.0));
    Ok(ExportedEntry {
        entry: entry(it)?,
        operation: operation
            .transpose()
            .map_err(|_| wrong("operation does not decode"))?,
        record: None,
        stated: stated(it).ok_or_else(|| wrong("unknown decision"))?,
    })
}
