//! The client's verifier: the whole log at once, signatures and all.

use allod_identity_client::history::{Expectations, Export, ExportedEntry, replay};
use allod_primitives::log::LogKind;
use allod_primitives::operation::SignedOperation;
use allod_primitives::{Did, DidId, NetworkId};
use allod_runtime::did;

use super::ledger::{Ledger, Logged};

/// A log as it is exported.
#[derive(Clone, Default)]
pub(crate) struct Exported {
    entries: Vec<ExportedEntry>,
    /// Entries of operations that did nothing but advance their lane, and why.
    failed: Vec<(u64, String)>,
}

impl Exported {
    /// Adds what a block wrote; `signed` is the only operation it took, `failure` why in vain.
    pub(crate) fn extend(
        &mut self,
        logged: &[Logged],
        signed: &SignedOperation,
        failure: Option<&str>,
    ) {
        for (entry, stated) in logged {
            let by_operation = entry.kind == LogKind::Operation;
            self.entries.push(ExportedEntry {
                entry: *entry,
                operation: by_operation.then(|| signed.clone()),
                stated: stated.clone(),
            });
            if let Some(name) = failure.filter(|_| by_operation) {
                self.failed.push((entry.n, name.to_owned()));
            }
        }
    }

    /// Replays it and compares its end with the ledger's state.
    pub(crate) fn check(self, ledger: &Ledger, id: &DidId) -> Result<(), String> {
        let record = did::record(&ledger.state, id).ok_or("the record is gone")?;
        let named = Did::new(NetworkId::from_genesis(&ledger.chain.genesis), *id);
        let export = Export {
            did: named,
            chain: ledger.chain,
            head: record.log,
            entries: self.entries,
        };
        let expectations = Expectations {
            did: named,
            chain: ledger.chain,
            head: Some(record.log),
            // The others' keys stay the same for as long as they act.
            controller: &|other, _| did::record(&ledger.state, other).map(|it| it.policy),
        };
        let replayed = replay(&export, &expectations).map_err(|it| format!("export: {it}"))?;
        if replayed.record != record {
            return Err(format!(
                "export: {:#?}, runtime: {record:#?}",
                replayed.record
            ));
        }
        let mut retired = did::retired_methods(&ledger.state, id);
        retired.sort_by_key(|it| it.method.fragment.clone());
        if replayed.retired != retired {
            return Err("export: other retired methods".to_owned());
        }
        let failed = replayed.failed.into_iter();
        let failed: Vec<(u64, String)> = failed
            .map(|(n, it)| (n, format!("{:?}", did::Error::from(it))))
            .collect();
        if failed != self.failed || !replayed.by_unknown_controllers.is_empty() {
            return Err(format!("export: {failed:?}, runtime: {:?}", self.failed));
        }
        Ok(())
    }
}
