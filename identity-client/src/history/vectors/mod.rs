//! The vectors `log-*` in `spec/vectors`: whole histories, and others with one lie each.
//!
//! Made here from fixed inputs, judged, and compared with the files byte for byte; `ALLOD_BLESS=1`
//! rewrites the files. `tests/python` judges the same files by an implementation of its own.

mod invalid;
mod lies;
mod scribe;
mod valid;

use std::collections::BTreeSet;
use std::path::PathBuf;

use allod_primitives::ChainId;
use allod_primitives::log::LogHead;
use parity_scale_codec::Encode;
use serde_json::{Value, json};

use super::{Expectations, Export, ReplayError, Replayed, replay};
use crate::hex;
use crate::testing::GENESIS;

/// A history, and what a verifier is given with it.
struct Vector {
    name: &'static str,
    description: &'static str,
    /// The file, as an export or, where it is none, as it is.
    file: Value,
    did: String,
    known_head: Option<LogHead>,
}

impl Vector {
    fn new(
        name: &'static str,
        description: &'static str,
        export: &Export,
        known_head: Option<LogHead>,
    ) -> Self {
        Self {
            name,
            description,
            file: serde_json::from_str(&export.to_json()).unwrap(),
            did: export.did.to_string(),
            known_head,
        }
    }

    fn judge(&self) -> Result<Replayed, (String, Option<u64>)> {
        let text = self.file.to_string();
        let export = Export::from_json(&text).map_err(|_| ("form".to_owned(), None))?;
        let expectations = Expectations {
            did: self.did.parse().unwrap(),
            chain: ChainId {
                genesis: GENESIS,
                fork_id: export.chain.fork_id,
            },
            head: self.known_head,
            controller: &|_, _| None,
        };
        replay(&export, &expectations).map_err(|error| {
            let n = match &error {
                ReplayError::At { n, .. } => Some(*n),
                _ => None,
            };
            (error.name().to_owned(), n)
        })
    }

    fn json(&self, expect: &Value) -> Value {
        let mut vector = json!({
            "description": self.description,
            "did": self.did,
            "genesis": GENESIS.to_string(),
            "file": self.file,
            "expect": expect,
        });
        if let Some(head) = self.known_head {
            let head = json!({ "count": head.count, "head": head.head.to_string() });
            vector["knownHead"] = head;
        }
        vector
    }
}

fn directory(kind: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../spec/vectors")
        .join(kind)
}

/// Compares a vector with its file, or writes it.
fn settle(kind: &str, name: &str, vector: &Value) {
    let path = directory(kind).join(format!("log-{name}.json"));
    let text = format!("{}\n", serde_json::to_string_pretty(vector).unwrap());
    if std::env::var_os("ALLOD_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let file = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(file == text, "{} differs", path.display());
}

/// Checks that no file is left of a vector that is not made any more.
fn check_names(kind: &str, names: &BTreeSet<String>) {
    for entry in std::fs::read_dir(directory(kind)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.starts_with("log-") {
            assert!(names.contains(&name), "{kind}/{name} is nobody's");
        }
    }
}

#[test]
fn whole_histories_are_as_the_vectors_have_them() {
    let mut names = BTreeSet::new();
    let mut wrong = Vec::new();
    for vector in valid::all() {
        let replayed = vector.judge();
        let Ok(replayed) = replayed else {
            wrong.push((vector.name, replayed.unwrap_err()));
            continue;
        };
        let failed = replayed.failed.iter();
        let failed: Vec<_> = failed
            .map(|(n, refusal)| json!([n, format!("{refusal:?}")]))
            .collect();
        let retired: Vec<_> = replayed.retired.iter().map(Encode::encode).collect();
        let expect = json!({
            "record": hex::encode(replayed.record.encode()),
            "retired": retired.iter().map(hex::encode).collect::<Vec<_>>(),
            "failed": failed,
            "byUnknownControllers": replayed.by_unknown_controllers,
            "erased": replayed.erased,
        });
        settle("valid", vector.name, &vector.json(&expect));
        assert!(names.insert(format!("log-{}.json", vector.name)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    check_names("valid", &names);
}

#[test]
fn histories_with_one_lie_are_refused_for_it() {
    let mut names = BTreeSet::new();
    let mut errors = BTreeSet::new();
    let mut wrong = Vec::new();
    for (vector, error, n) in invalid::all() {
        let found = vector.judge().err();
        if found != Some((error.to_owned(), n)) {
            wrong.push((vector.name, found, error, n));
        }
        let expect = json!({ "error": error, "n": n });
        settle("invalid", vector.name, &vector.json(&expect));
        assert!(names.insert(format!("log-{}.json", vector.name)));
        errors.insert(error);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    check_names("invalid", &names);
    assert!(names.len() >= 25 && errors.len() == 24, "{errors:?}");
}
