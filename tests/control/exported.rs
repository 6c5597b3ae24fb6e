//! The client's verifier: the whole log at once, signatures and all.
//!
//! With `ALLOD_CONTROL_EXPORTS=FOLDER`, one log in eight is left there with what came out, in the
//! form of the vectors `spec/vectors/valid/log-*`, for a verifier written from the pages alone.

use std::path::Path;

use allod_identity_client::history::{Expectations, Export, ExportedEntry, Replayed, replay};
use allod_primitives::log::LogKind;
use allod_primitives::operation::SignedOperation;
use allod_primitives::{Did, DidId, NetworkId};
use allod_runtime::did;
use parity_scale_codec::Encode;
use serde_json::json;

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
                record: None,
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
            proof: None,
            trail: None,
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
        let failed = replayed.failed.iter();
        let failed: Vec<(u64, String)> = failed
            .map(|(n, it)| (*n, format!("{:?}", did::Error::from(*it))))
            .collect();
        if failed != self.failed || !replayed.by_unknown_controllers.is_empty() {
            return Err(format!("export: {failed:?}, runtime: {:?}", self.failed));
        }
        match std::env::var_os("ALLOD_CONTROL_EXPORTS") {
            Some(folder) if record.log.head.0[0] < 32 => {
                leave(Path::new(&folder), &export, &replayed, &failed)
            }
            _ => Ok(()),
        }
    }
}

/// Leaves a log and what came of it as a file of its own.
fn leave(
    folder: &Path,
    export: &Export,
    replayed: &Replayed,
    failed: &[(u64, String)],
) -> Result<(), String> {
    let hex = |bytes: Vec<u8>| format!("0x{}", hex::encode(bytes));
    let head = export.head.head.to_string();
    let by_others = export.entries.iter().filter(|it| {
        let signed = it.operation.as_ref();
        let controller = signed.and_then(|it| it.operation.controller);
        controller.is_some_and(|it| it != export.did.id())
    });
    let by_others: Vec<u64> = by_others.map(|it| it.entry.n).collect();
    let file: serde_json::Value =
        serde_json::from_str(&export.to_json()).map_err(|error| error.to_string())?;
    let vector = json!({
        "did": export.did.to_string(),
        "genesis": export.chain.genesis.to_string(),
        "knownHead": { "count": export.head.count, "head": head },
        "file": file,
        "expect": {
            "record": hex(replayed.record.encode()),
            "retired": replayed.retired.iter().map(|it| hex(it.encode())).collect::<Vec<_>>(),
            "failed": failed,
            "byUnknownControllers": by_others,
            "erased": [],
        },
    });
    let valid = folder.join("valid");
    let written = std::fs::create_dir_all(&valid)
        .and_then(|()| std::fs::write(valid.join(format!("log-{head}.json")), vector.to_string()));
    written.map_err(|error| format!("{}: {error}", valid.display()))
}
