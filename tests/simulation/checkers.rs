//! What must hold after a run, one function each, over all nodes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use allod_chain::node::Shared;
use allod_chain::storage::Reader;
use allod_primitives::grant::{GrantEntry, GrantStatus};
use allod_primitives::log::LogHead;
use allod_primitives::record::DidRecord;
use allod_primitives::tree::value_hash;
use allod_primitives::{DidId, H256, Header, Height, decode_strict, keys};
use allod_runtime::tree::Tree;

use crate::fleet::Fleet;
use crate::workload::{Acknowledged, Effect};

/// A promise that was broken, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) checker: &'static str,
    pub(crate) details: String,
}

type Checked = Result<(), Violation>;

fn broken(checker: &'static str, details: impl Into<String>) -> Violation {
    let details = details.into();
    Violation { checker, details }
}

/// Every node, up at the end of a run.
pub(crate) struct Survivors(Vec<Arc<Shared>>);

impl Survivors {
    pub(crate) fn of(fleet: &Fleet) -> Self {
        let shared = |node| fleet.shared(node).expect("every node is up at the end");
        Self((0..fleet.count()).map(shared).collect())
    }

    fn headers(&self) -> Vec<BTreeMap<Height, Header>> {
        let headers = |shared: &Arc<Shared>| {
            let reader = shared.chain().store().reader();
            let tip = reader.tip().expect("readable").0;
            let header = |height| {
                let header = reader.header(Height(height)).expect("readable");
                (Height(height), header.expect("no gap below the tip"))
            };
            (0..=tip).map(header).collect()
        };
        self.0.iter().map(headers).collect()
    }

    /// Checks that no two nodes have different blocks at one height.
    pub(crate) fn one_block_per_height(&self) -> Checked {
        let headers = self.headers();
        let longest = headers
            .iter()
            .max_by_key(|it| it.len())
            .expect("there are nodes");
        for (node, chain) in headers.iter().enumerate() {
            for (height, header) in chain {
                if longest[height].hash() != header.hash() {
                    let details = format!("node {node} has another block at {height}");
                    return Err(broken("one_block_per_height", details));
                }
            }
        }
        Ok(())
    }

    /// Checks that the roots in all headers agree, and that each node's values hash to its tip's.
    pub(crate) fn state_roots_agree(&self) -> Checked {
        let name = "state_roots_agree";
        let headers = self.headers();
        let longest = headers
            .iter()
            .max_by_key(|it| it.len())
            .expect("there are nodes");
        for (node, (chain, shared)) in headers.iter().zip(&self.0).enumerate() {
            let differs = |it: &(&Height, &Header)| longest[it.0].state_root != it.1.state_root;
            if let Some((height, _)) = chain.iter().find(differs) {
                return Err(broken(
                    name,
                    format!("node {node} has another root at {height}"),
                ));
            }
            let mut entries = Vec::new();
            let each = |key: Vec<u8>, value: Vec<u8>| entries.push((key, value_hash(&value)));
            let reader = shared.chain().store().reader();
            reader.each_value(each).expect("readable");
            let root = Tree::from_entries(entries).expect("each key once").root();
            let tip = chain.values().last().expect("genesis at least");
            if root != tip.state_root {
                let details = format!("node {node} holds {root}, its tip says {}", tip.state_root);
                return Err(broken(name, details));
            }
        }
        Ok(())
    }

    /// Checks that every certificate is genuine and of its block.
    pub(crate) fn certificates_are_genuine(&self) -> Checked {
        let name = "certificates_are_genuine";
        for (node, shared) in self.0.iter().enumerate() {
            let reader = shared.chain().store().reader();
            let tip = reader.tip().expect("readable").0;
            for height in (1..=tip).map(Height) {
                let header = reader.header(height).expect("readable").expect("no gap");
                let set = reader
                    .validator_set(&header.digest.validator_set)
                    .expect("readable");
                let found = reader.certificate(height).expect("readable");
                let (Some(set), Some(found)) = (set, found) else {
                    return Err(broken(name, format!("node {node} has none at {height}")));
                };
                let verified = found.verify(&shared.chain().id(), &set);
                if verified.is_err() || found.block_hash != header.hash() {
                    let details = format!("node {node} at {height}: {verified:?}");
                    return Err(broken(name, details));
                }
            }
        }
        Ok(())
    }

    /// Checks that whatever a node said is final is in every node, where it said, and in effect.
    pub(crate) fn nothing_acknowledged_is_lost(&self, book: &[Acknowledged]) -> Checked {
        let name = "nothing_acknowledged_is_lost";
        for (node, shared) in self.0.iter().enumerate() {
            let reader = shared.chain().store().reader();
            for told in book {
                let place = reader.extrinsic(&told.hash).expect("readable");
                let found = place.map(|(height, _)| height);
                if found.is_none() || told.height.is_some_and(|it| found != Some(it)) {
                    let details = format!("node {node} has {found:?} of {told:?}");
                    return Err(broken(name, details));
                }
                if let Some(missing) = missing(&reader, &told.effect) {
                    return Err(broken(
                        name,
                        format!("node {node} lacks {missing} of {told:?}"),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Checks that each log is a chain of hashes that ends in what the record says.
    pub(crate) fn logs_are_consistent(&self) -> Checked {
        let name = "logs_are_consistent";
        let prefix = keys::item("Did", "Records");
        for (node, shared) in self.0.iter().enumerate() {
            let reader = shared.chain().store().reader();
            let mut records = Vec::new();
            let each = |key: Vec<u8>, value: Vec<u8>| {
                if let Some(did) = key.strip_prefix(prefix.as_slice()) {
                    records.push((did.to_vec(), value));
                }
            };
            reader.each_value(each).expect("readable");
            for (did, value) in records {
                let did: DidId = decode_strict(&did).expect("32 bytes");
                let record: DidRecord = decode_strict(&value).expect("a record");
                let log = reader.log(&did, 0, usize::MAX).expect("readable");
                let folded = log
                    .iter()
                    .fold(LogHead::default(), |head, it| head.append(&it.entry));
                let in_order = log.iter().zip(0u64..).all(|(it, n)| it.entry.n == n);
                let last = log.last().map(|it| it.entry.record_hash);
                if folded != record.log || !in_order || last != Some(record.content_hash()) {
                    return Err(broken(name, format!("node {node}, log of {did}")));
                }
            }
        }
        Ok(())
    }
}

/// Returns what of an effect is not there.
fn missing(reader: &Reader<'_>, effect: &Effect) -> Option<String> {
    let value = |key: Vec<u8>| reader.value(&key).expect("readable");
    let grant = |gid: &H256| -> Option<GrantEntry> {
        value(keys::grant(gid)).map(|bytes| decode_strict(&bytes).expect("an entry"))
    };
    match effect {
        Effect::Logged(operations) => operations.iter().find_map(|(did, hash)| {
            let log = reader.log(did, 0, usize::MAX).expect("readable");
            let logged = log.iter().any(|it| it.entry.operation_hash == *hash);
            (!logged).then(|| format!("operation {hash}"))
        }),
        Effect::Tag(tag) => value(keys::revocation(tag))
            .is_none()
            .then(|| format!("tag {tag}")),
        Effect::Anchored(gids) => gids
            .iter()
            .find(|gid| grant(gid).is_none())
            .map(|gid| format!("grant {gid}")),
        Effect::Revoked(gid) => {
            let revoked = matches!(
                grant(gid),
                Some(GrantEntry {
                    status: GrantStatus::Revoked { .. },
                    ..
                })
            );
            (!revoked).then(|| format!("revocation of grant {gid}"))
        }
    }
}

/// Checks that no validator signed twice: neither by the record of its own guard's permissions,
/// nor by what any node saw.
pub(crate) fn nobody_equivocates(fleet: &Fleet) -> Checked {
    let name = "nobody_equivocates";
    for node in 0..fleet.count() {
        if let Some(conflict) = fleet.conflicts(node).first() {
            return Err(broken(
                name,
                format!("node {node} signed {conflict:?} as well"),
            ));
        }
        let metrics = fleet
            .shared(node)
            .map(|shared| shared.metrics_text())
            .unwrap_or_default();
        if !metrics.contains("allod_evidence_total 0") {
            return Err(broken(name, format!("node {node} saw evidence")));
        }
    }
    Ok(())
}

/// Checks that no node stopped by itself.
pub(crate) fn nobody_stops_by_itself(fleet: &Fleet) -> Checked {
    match fleet.surprises().into_iter().next() {
        Some(surprise) => Err(broken("nobody_stops_by_itself", surprise)),
        None => Ok(()),
    }
}

/// Checks that, everything being healed, all nodes commit three more blocks within two minutes.
pub(crate) async fn the_chain_goes_on(fleet: &Fleet) -> Checked {
    let goal = Height(fleet.highest().0 + 3);
    if fleet.reach(goal, Duration::from_secs(120)).await {
        return Ok(());
    }
    let tips = (0..fleet.count()).map(|node| {
        fleet
            .shared(node)
            .map(|it| it.chain().store().tip().height().0)
    });
    let details = format!("{goal} not reached, tips {:?}", tips.collect::<Vec<_>>());
    Err(broken("the_chain_goes_on", details))
}
