//! Exports from a node.

use allod_primitives::log::{LogEntry, LogHead, LogKind, Stated};
use allod_primitives::operation::SignedOperation;
use allod_primitives::record::{DidRecord, Freeze};
use allod_primitives::{Did, Height, Text, TimeMs, decode_strict};
use allod_rpc_api::identity::{DecisionInfo, HistoryEntry};
use allod_rpc_api::method;
use allod_rpc_api::versions::VersionAsked;

use super::export::kind_of;
use super::{Export, ExportedEntry};
use crate::light::{LightClient, ReadError};
use crate::rpc::{Client, ClientError, chain_id};

/// Why a history cannot be exported with its proof.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// A node did not answer, or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Nothing is proven.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The entries that the node tells are not those of the proven record.
    #[error("the node tells another log than the ledger has")]
    OtherLog,
}

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
                trail: None,
            });
        }
    }
}

/// As [`fetch`], with a proof of how the log ends and what leads to it from genesis; of operations
/// whose bytes are erased, with the records that `client` still has.
///
/// What `light` proves and `client` tells of the log is one: a node that tells another is refused.
/// The whole is still to be [replayed](super::replay).
///
/// # Errors
/// [`FetchError`].
pub async fn fetch_proven(
    client: &Client,
    light: &LightClient,
    did: &Did,
) -> Result<Export, FetchError> {
    let mut export = fetch(client, did).await?;
    let head = Box::pin(light.prove_record(did, None)).await?.answer;
    let end = head.record.log;
    // The log may have grown after it was fetched.
    if end.count > export.head.count {
        export = fetch(client, did).await?;
    }
    // It may have grown before it was proven, too: what is not proven is left out.
    let entries = usize::try_from(end.count).unwrap_or(usize::MAX);
    export.entries.truncate(entries);
    let ends = export.entries.iter();
    let found = ends.fold(LogHead::default(), |head, it| head.append(&it.entry));
    if found != end {
        return Err(FetchError::OtherLog);
    }
    export.head = end;
    export.chain = light.chain();
    export.proof = Some(head.proof.to_bytes());
    export.trail = head.trail;
    fill_erased(&mut export, async |entry, after| {
        // The state after its block, where nothing later in that block has changed it.
        let at = client.resolve(did, Some(entry.height.0)).await;
        let version = client.resolve_version(did, &VersionAsked::Id(after)).await;
        let shown = [
            at.map(|it| it.answer.record.0),
            version.map(|it| it.record.0),
        ];
        let shown = shown
            .into_iter()
            .map(|it| it.map_or_else(refused, |it| Ok(Some(it))));
        let shown: Result<Vec<_>, ClientError> = shown.collect();
        Ok::<_, ClientError>(shown?.into_iter().flatten().collect())
    })
    .await?;
    Ok(export)
}

/// Adds to entries whose operation is erased the record after them: the first that `shown` has and
/// that is what the entry commits to.
pub(super) async fn fill_erased<E>(
    export: &mut Export,
    shown: impl AsyncFn(LogEntry, LogHead) -> Result<Vec<Vec<u8>>, E>,
) -> Result<(), E> {
    let mut head = LogHead::default();
    for it in &mut export.entries {
        head = head.append(&it.entry);
        if it.entry.kind != LogKind::Operation || it.operation.is_some() {
            continue;
        }
        let shown = shown(it.entry, head).await?.into_iter();
        let mut records = shown.filter_map(|bytes| decode_strict::<DidRecord>(&bytes).ok());
        let found = records.find(|record| record.content_hash() == it.entry.record_hash);
        it.record = found.map(Box::new);
    }
    Ok(())
}

/// A refusal means that the node does not have it.
fn refused(error: ClientError) -> Result<Option<Vec<u8>>, ClientError> {
    match error {
        ClientError::Refused(_) => Ok(None),
        error => Err(error),
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
