//! For each check in the verifier, removing it makes exactly the cases named after it fail.
//!
//! The checks are the `ensure!`s of the sources; a check that is added without a lie fails here,
//! and so does one that no lie can get past the others to.
#![expect(
    clippy::disallowed_methods,
    reason = "reads the sources of the library"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::REMOVED;
use crate::ask::ask;
use crate::cases::{Check, Honest, Lie, honest, lies};
use crate::world::World;

/// The sources of the verifier, below `src`.
const FILES: [&str; 17] = [
    "certificate.rs",
    "codec.rs",
    "light/anchor.rs",
    "light/bundle.rs",
    "light/checkpoint.rs",
    "light/conflict.rs",
    "light/follow.rs",
    "light/known.rs",
    "light/pages.rs",
    "light/read.rs",
    "light/sets.rs",
    "light/time.rs",
    "light/trust.rs",
    "light/witness.rs",
    "tree/codec.rs",
    "tree/proof.rs",
    "tree/verify.rs",
];

/// Checks that bound memory and not truth, and that no bundle reaches; and why.
const BOUNDS: [(Check, &str); 3] = [
    (
        ("tree/codec.rs", "count <= SIBLINGS_MAX"),
        "a proof that is not too long holds no more; it bounds a proof inside another message",
    ),
    (
        ("light/pages.rs", "self.entries.len() < max"),
        "sixteen million entries are no test",
    ),
    (
        ("light/pages.rs", "self.bytes <= bytes_max"),
        "two gigabytes are no test; one in pages.rs begins just below",
    ),
];

/// Where a check is: file and line of its `ensure!`.
type Place = (String, u32);

fn source(file: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    std::fs::read_to_string(folder.join(Path::new(file))).unwrap()
}

/// Every `ensure!`, with its words on one line.
fn checks() -> BTreeMap<Place, String> {
    let mut checks = BTreeMap::new();
    for file in FILES {
        let text = source(file);
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let trimmed = line.trim_start();
            if !trimmed.starts_with("ensure!(") {
                continue;
            }
            let indent = line.len() - trimmed.len();
            let end = lines[index..].iter().position(|line| {
                line.ends_with(");") && line.len() - line.trim_start().len() == indent
            });
            let words = lines[index..=index + end.unwrap()].join(" ");
            let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
            let line = u32::try_from(index + 1).unwrap();
            checks.insert((format!("src/{file}"), line), words);
        }
    }
    checks
}

/// Finds the one check that `named` names.
fn place(checks: &BTreeMap<Place, String>, named: &Check) -> Place {
    let file = format!("src/{}", named.0);
    let mut found = checks
        .iter()
        .filter(|(place, words)| place.0 == file && words.contains(named.1));
    let (place, _) = found.next().unwrap_or_else(|| panic!("no check {named:?}"));
    assert!(found.next().is_none(), "more than one check {named:?}");
    place.clone()
}

/// Asks everything with these checks removed, and compares with what the lies say of themselves.
fn compare(removed: &BTreeSet<Place>, honest: &[Honest], lies: &[(&Lie, BTreeSet<Place>)]) {
    REMOVED.set(removed.clone());
    for case in honest {
        assert_eq!(
            ask(&case.question),
            Ok(()),
            "{} without {removed:?}",
            case.name
        );
    }
    for (lie, needed) in lies {
        let believed = ask(&lie.question).is_ok();
        let expected = !needed.is_empty() && needed.is_subset(removed);
        assert_eq!(believed, expected, "{} without {removed:?}", lie.name);
    }
    REMOVED.set(BTreeSet::new());
}

#[test]
fn without_a_check_exactly_its_lies_are_believed() {
    let world = World::new();
    let checks = checks();
    let (honest, lies) = (honest(&world), lies(&world));
    let of = |lie: &Lie| lie.checks.iter().map(|it| place(&checks, it)).collect();
    let lies: Vec<(&Lie, BTreeSet<Place>)> = lies.iter().map(|lie| (lie, of(lie))).collect();
    compare(&BTreeSet::new(), &honest, &lies);
    for check in checks.keys() {
        compare(&BTreeSet::from([check.clone()]), &honest, &lies);
    }
    let several: BTreeSet<_> = lies.iter().map(|(_, needed)| needed).collect();
    for removed in several.iter().filter(|it| it.len() > 1) {
        compare(removed, &honest, &lies);
    }
    let bounds: BTreeSet<_> = BOUNDS.iter().map(|(it, _)| place(&checks, it)).collect();
    let named: BTreeSet<_> = lies.iter().flat_map(|(_, needed)| needed.clone()).collect();
    for (check, words) in &checks {
        let told = named.contains(check) || bounds.contains(check);
        assert!(told, "no lie needs {check:?}: {words}");
    }
    let alone = several.iter().filter(|it| it.len() == 1).count();
    assert!(alone >= 40, "{alone} checks that one lie each gets past");
}
