//! Logs of identities, each entry proven by the record's log head.

use allod_primitives::log::{LogEntry, LogHead, LogKind};
use allod_primitives::operation::SignedOperation;
use allod_primitives::{Did, Height, TimeMs, decode_strict};
use allod_rpc_api::identity::{HistoryEntry, HistoryRequest, HistoryResponse, action_name};
use allod_rpc_api::limits::HISTORY_COUNT_MAX;
use allod_rpc_api::method;

use super::client::{LightClient, Proven};
use super::error::{Fault, ReadError};
use super::node::Node;
use super::wire;

/// A whole log, and the head that its entries hash to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenLog {
    /// The entries, the first first.
    pub entries: Vec<HistoryEntry>,
    /// How many they are, and the hash over all of them.
    pub head: LogHead,
}

/// Whole logs are read from the beginning: an entry in the middle proves nothing without those
/// before it.
impl LightClient {
    /// `identity_history`, all of it: every entry of an identity's log, the first first.
    ///
    /// The entries hash to the head in the proven record. Of what else a node says with them,
    /// operations are checked against their hashes and named here; positions in blocks, and what
    /// else is stated without a hash, are left out.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub async fn history(
        &self,
        did: &Did,
        at_least: Option<Height>,
    ) -> Result<Proven<ProvenLog>, ReadError> {
        let proven = self.resolve(did, at_least).await?;
        let stored = proven.answer.stored_log();
        let mut faults = Vec::new();
        for index in self.nodes().order(self.now()) {
            match entries(self.nodes().get(index).as_ref(), did, stored).await {
                Ok(entries) => {
                    let head = stored;
                    return Ok(Proven {
                        answer: ProvenLog { entries, head },
                        height: proven.height,
                        block_hash: proven.block_hash,
                        time: proven.time,
                    });
                }
                Err(fault) => faults.push(self.aside(index, fault)),
            }
        }
        Err(ReadError::Unanswered { faults })
    }
}

async fn entries(node: &dyn Node, did: &Did, wanted: LogHead) -> Result<Vec<HistoryEntry>, Fault> {
    let method = method::IDENTITY_HISTORY;
    let mut head = LogHead::default();
    let mut entries = Vec::new();
    while head.count < wanted.count {
        let left = wanted.count.saturating_sub(head.count);
        let count = u32::try_from(left).unwrap_or(u32::MAX);
        let request = HistoryRequest {
            did: did.to_string(),
            from: head.count,
            count: Some(count.min(HISTORY_COUNT_MAX)),
        };
        let page: HistoryResponse = wire::ask(node, method, wire::json(&request)).await?;
        if page.entries.is_empty() {
            return Err(Fault::WrongLog);
        }
        for shown in page.entries {
            let (entry, shown) = checked(shown).ok_or(Fault::WrongLog)?;
            if entry.n != head.count || head.count >= wanted.count {
                return Err(Fault::WrongLog);
            }
            head = head.append(&entry);
            entries.push(shown);
        }
    }
    match head == wanted {
        true => Ok(entries),
        false => Err(Fault::WrongLog),
    }
}

/// Reads an entry, and leaves of what is shown only what follows from it.
fn checked(shown: HistoryEntry) -> Option<(LogEntry, HistoryEntry)> {
    let kind = match shown.kind.as_str() {
        "operation" => LogKind::Operation,
        "automatic" => LogKind::Automatic,
        "governance" => LogKind::Governance,
        _ => return None,
    };
    let entry = LogEntry {
        n: shown.n,
        kind,
        operation_hash: shown.operation_hash.0,
        signatures_hash: shown.signatures_hash.0,
        record_hash: shown.record_hash.0,
        height: Height(shown.height),
        time: TimeMs(shown.time),
    };
    let signed = shown.operation.as_ref();
    let signed = signed.map(|it| decode_strict::<SignedOperation>(&it.0));
    let signed = signed.transpose().ok()?;
    if let Some(signed) = &signed {
        let hashes = (signed.operation.hash(), signed.signatures_hash());
        if hashes != (entry.operation_hash, entry.signatures_hash) {
            return None;
        }
    }
    let shown = HistoryEntry {
        extrinsic_index: None,
        decision: None,
        effective_at: None,
        cause: (kind != LogKind::Operation).then_some(shown.operation_hash),
        action: signed.map(|it| action_name(&it.operation.body).to_owned()),
        ..shown
    };
    Some((entry, shown))
}
