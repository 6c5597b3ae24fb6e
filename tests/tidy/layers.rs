//! The arrows between crates point down (ARCHITECTURE.md, "Layers").

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use cargo_metadata::{Dependency, DependencyKind, Metadata, MetadataCommand, Package};

use crate::tree;

/// Each crate, and those of ours that it may import. A crate that is missing here fails the test.
const ARROWS: &[(&str, &[&str])] = &[
    // 0: the verifier kernel.
    ("allod-primitives", &[]),
    // 1: the state machine.
    ("allod-runtime", &["allod-primitives"]),
    // 2: the contract.
    ("allod-rpc-api", &["allod-primitives"]),
    // 3: the edges.
    ("allod-consensus", &["allod-primitives"]),
    (
        "allod-rpc",
        &["allod-primitives", "allod-runtime", "allod-rpc-api"],
    ),
    (
        "allod-chain",
        &[
            "allod-primitives",
            "allod-runtime",
            "allod-consensus",
            "allod-rpc-api",
            "allod-rpc",
        ],
    ),
    (
        "allod-identity-client",
        &["allod-primitives", "allod-rpc-api"],
    ),
    // Beside them: the rules of control a second time, which must not lean on the first.
    ("allod-control-model", &[]),
    // 4: the binaries that have a crate of their own.
    (
        "allod-devnet",
        &[
            "allod-primitives",
            "allod-runtime",
            "allod-rpc-api",
            "allod-chain",
            "allod-identity-client",
        ],
    ),
];

/// The crates on top, which may import every crate of ours.
const ON_TOP: [&str; 1] = ["allod-tests"];

/// What lies in `companion/` sees the chain like any stranger: through the SDK.
const COMPANION_ARROWS: [&str; 1] = ["allod-identity-client"];

/// The crates that are pure: no async, clock, entropy, threads, environment, files or log sink.
const PURE: [&str; 2] = ["allod-primitives", "allod-runtime"];

/// What pure crates may import from others: codec, type information, cryptography, error derives.
const PURE_IMPORTS: [&str; 17] = [
    "bitflags",
    "blake2",
    "bs58",
    "data-encoding",
    "ed25519-dalek",
    "ed25519-zebra",
    "frame-metadata",
    "hex",
    "k256",
    "p256",
    "parity-scale-codec",
    "primeorder",
    "scale-info",
    "sha2",
    "subtle",
    "thiserror",
    "twox-hash",
];

/// The prefix of the consensus engine's crates, and the one crate that names them.
const ENGINE: (&str, &str) = ("arc-malachitebft", "allod-consensus");

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(tree::root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("the workspace that built this test has metadata")
}

fn normal(package: &Package) -> impl Iterator<Item = &Dependency> {
    package
        .dependencies
        .iter()
        .filter(|it| it.kind == DependencyKind::Normal)
}

fn is_companion(package: &Package) -> bool {
    let folder = Path::new(package.manifest_path.as_str());
    folder.starts_with(tree::root().join("companion"))
}

#[test]
fn crates_import_only_from_layers_below() {
    let metadata = metadata();
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let allowed = match arrows.get(name) {
            _ if ON_TOP.contains(&name) => continue,
            Some(allowed) => allowed,
            None if is_companion(package) => COMPANION_ARROWS.as_slice(),
            None => {
                findings.push(format!("{name} has no place in the table of layers"));
                continue;
            }
        };
        for dependency in normal(package).filter(|it| it.path.is_some()) {
            if !allowed.contains(&dependency.name.as_str()) {
                findings.push(format!("{name} must not import {}", dependency.name));
            }
        }
    }
    tree::fail_on(
        &findings,
        "move the code down, or argue in docs/adr and change ARROWS in tests/tidy/layers.rs",
    );
}

#[test]
fn every_folder_is_named_like_its_crate() {
    let mut findings = Vec::new();
    let root = tree::root();
    for package in &metadata().packages {
        let folder = Path::new(package.manifest_path.as_str())
            .parent()
            .expect("a file's folder");
        let folder = folder
            .strip_prefix(&root)
            .expect("members lie below the root");
        // A nested folder may drop the outer word: runtime/primitives holds allod-primitives.
        let inner = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let folder = folder.to_string_lossy().replace('/', "-");
        let name = package.name.as_str();
        if name != format!("allod-{folder}") && name != format!("allod-{inner}") {
            findings.push(format!("{folder} holds a crate named {name}"));
        }
    }
    tree::fail_on(&findings, "name the crate allod-<folder>");
}

#[test]
fn pure_crates_import_only_codec_and_cryptography() {
    let mut findings = Vec::new();
    for package in metadata()
        .packages
        .iter()
        .filter(|it| PURE.contains(&it.name.as_str()))
    {
        for dependency in normal(package).filter(|it| it.path.is_none()) {
            if !PURE_IMPORTS.contains(&dependency.name.as_str()) {
                findings.push(format!(
                    "{} must not import {}",
                    package.name, dependency.name
                ));
            }
        }
    }
    tree::fail_on(
        &findings,
        "pass time, randomness and storage in as values, or argue in docs/adr and change \
         PURE_IMPORTS in tests/tidy/layers.rs",
    );
}

/// Method: asks Cargo for the tree of each pure crate alone, so that features which other crates
/// switch on do not count.
#[test]
fn nothing_below_the_pure_crates_reaches_the_outside_world() {
    let output = Command::new("scripts/layers")
        .current_dir(tree::root())
        .output()
        .expect("scripts/layers is part of the repository and runs in bash");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "\n{message}");
}

#[test]
fn one_crate_names_the_consensus_engine() {
    let mut findings = Vec::new();
    for package in &metadata().packages {
        for dependency in &package.dependencies {
            let (prefix, owner) = ENGINE;
            if dependency.name.starts_with(prefix) && package.name.as_str() != owner {
                findings.push(format!(
                    "{} must not import {}",
                    package.name, dependency.name
                ));
            }
        }
    }
    tree::fail_on(
        &findings,
        "use the types of allod-consensus (docs/adr/0004)",
    );
}

#[test]
fn every_dependency_comes_from_the_registry() {
    let lock = tree::read("Cargo.lock");
    let registry = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    let findings: Vec<String> = lock
        .lines()
        .filter(|line| line.starts_with("source = ") && *line != registry)
        .map(str::to_owned)
        .collect();
    tree::fail_on(
        &findings,
        "publish the crate, or write the part that is needed",
    );
}

#[test]
fn every_crate_inherits_the_lints() {
    let findings: Vec<String> = metadata()
        .packages
        .iter()
        .filter(|package| {
            let manifest = std::fs::read_to_string(&package.manifest_path);
            let manifest = manifest.expect("Cargo has just read it");
            !manifest.contains("[lints]\nworkspace = true\n")
        })
        .map(|package| format!("{} does not inherit [workspace.lints]", package.name))
        .collect();
    tree::fail_on(&findings, "add to its Cargo.toml: [lints] workspace = true");
}

/// Clippy reads a crate's own file instead of the root's, so the pure crates each need the list.
#[test]
fn the_pure_crates_share_one_list_of_bans() {
    let rules = |path: &str| -> Vec<String> {
        let text = tree::read(path);
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(
        rules("runtime/clippy.toml"),
        rules("runtime/primitives/clippy.toml"),
        "copy the rules of one clippy.toml to the other"
    );
}
