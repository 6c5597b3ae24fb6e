//! Bytes that may change only together with `SPEC_VERSION`.
//!
//! When this fails, something that clients decode or that nodes must agree on has changed. Raise
//! `SPEC_VERSION` if a network runs the old one, then write what the test prints into
//! `runtime/conformance.toml`: regenerating is approving.

use std::fmt::Write as _;

use allod_primitives::{H256, blake2_256};
use parity_scale_codec::Encode;

use super::{Chain, config, harmless, propose, trustee};
use crate::executive::{METADATA_VERSIONS, genesis, metadata, runtime_version};
use crate::frame::metadata::{Outline, describe};
use crate::frame::registry::Pallet;
use crate::runtime::pallets;
use crate::version::{SPEC_VERSION, TRANSACTION_VERSION};
use crate::{RuntimeCall, RuntimeError, RuntimeEvent};

const PINNED: &str = include_str!("../../../conformance.toml");

/// What somebody does to the pallets' descriptions.
type Change = fn(Vec<Pallet>) -> Vec<Pallet>;

#[test]
fn metadata_state_and_execution_change_only_with_the_version() {
    let found = bytes_now(|format| metadata(format).expect("a version there is"));
    assert_eq!(
        changed(&found),
        Vec::<String>::new(),
        "see the head of conformance.rs; found:\n{found}"
    );
}

/// Goal: what is pinned notices a change that somebody makes and does not number.
/// Method: changes planted in the description of the real runtime, `SPEC_VERSION` as it is.
#[test]
fn a_change_without_another_version_is_noticed() {
    let same: Change = |pallets| pallets;
    assert_eq!(changed(&bytes_with(same)), Vec::<String>::new());
    let all = ["metadata_v14", "metadata_v15", "metadata_v16"];
    let mutants: [(&str, Change, &[&str]); 5] = [
        ("a pallet's calls are another enum", other_calls, &all),
        ("a pallet is gone", no_grants, &all),
        ("a storage item has another name", other_item, &all),
        ("a constant has another value", other_constant, &all),
        // Version 14 has no words about pallets.
        ("a pallet is described otherwise", other_words, &all[1..]),
    ];
    for (name, mutant, expected) in mutants {
        assert_eq!(changed(&bytes_with(mutant)), expected, "{name}");
    }
    // Another version alone is noticed, too: what is pinned is to be looked at again.
    let raised = bytes_with(same).replace("spec_version = 1", "spec_version = 2");
    assert_eq!(changed(&raised), ["spec_version"]);
}

fn other_calls(mut pallets: Vec<Pallet>) -> Vec<Pallet> {
    let calls = pallets[4].calls;
    pallets[3].calls = calls;
    pallets
}

fn no_grants(mut pallets: Vec<Pallet>) -> Vec<Pallet> {
    pallets.pop();
    pallets
}

fn other_item(mut pallets: Vec<Pallet>) -> Vec<Pallet> {
    pallets[3].storage[0].name = "Other";
    pallets
}

fn other_constant(mut pallets: Vec<Pallet>) -> Vec<Pallet> {
    pallets[0].constants[0].value = vec![7];
    pallets
}

fn other_words(mut pallets: Vec<Pallet>) -> Vec<Pallet> {
    pallets[3].docs = "Other words.";
    pallets
}

/// Returns what is found if the pallets are described as `change` leaves them.
fn bytes_with(change: Change) -> String {
    bytes_now(|format| {
        let pallets = change(pallets(&runtime_version()));
        let outline = Outline::of::<RuntimeCall, RuntimeEvent, RuntimeError>(pallets);
        describe(outline, format).expect("a version there is")
    })
}

/// Returns the lines that would be pinned now. `metadata`: by its version.
fn bytes_now(metadata: impl Fn(u32) -> Vec<u8>) -> String {
    let mut found = String::new();
    let mut line = |name: &str, value: String| {
        writeln!(found, "{name} = {value}").expect("a string takes it");
    };
    let quoted = |hash: H256| format!("\"{hash}\"");
    line("spec_version", SPEC_VERSION.to_string());
    line("transaction_version", TRANSACTION_VERSION.to_string());
    for version in METADATA_VERSIONS {
        line(
            &format!("metadata_v{version}"),
            quoted(blake2_256(&metadata(version))),
        );
    }
    let first = genesis(&config()).expect("the configuration works");
    line("genesis_state", quoted(blake2_256(&first.changes.encode())));
    line("head_after_two_blocks", quoted(two_blocks()));
    found
}

/// Names the lines that are not as they are pinned.
fn changed(found: &str) -> Vec<String> {
    let pinned: Vec<&str> = PINNED
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .collect();
    assert_eq!(pinned.len(), found.lines().count());
    let pairs = pinned.into_iter().zip(found.lines());
    let differing = pairs.filter(|(pinned, found)| pinned != found);
    let names = differing.filter_map(|(_, found)| found.split(' ').next());
    names.map(str::to_owned).collect()
}

/// Head after a block of inceptions and one of a proposal.
fn two_blocks() -> H256 {
    let mut chain = Chain::new();
    chain.build((1..5).map(|seed| chain.incept(seed)).collect());
    let call = propose(vec![harmless()], chain.next_time().plus_ms(1));
    chain.build(vec![chain.signed(&trustee(0), 0, &call)]);
    chain.head.hash()
}
