//! Bytes that may change only together with `SPEC_VERSION`.
//!
//! When this fails, something that clients decode or that nodes must agree on has changed. Raise
//! `SPEC_VERSION` if a network runs the old one, then write what the test prints into
//! `runtime/conformance.toml`: regenerating is approving.

use std::fmt::Write as _;

use allod_primitives::{H256, blake2_256};
use parity_scale_codec::Encode;

use super::{Chain, config, harmless, propose, trustee};
use crate::executive::{METADATA_VERSIONS, genesis, metadata};
use crate::version::{SPEC_VERSION, TRANSACTION_VERSION};

const PINNED: &str = include_str!("../../../conformance.toml");

#[test]
fn metadata_state_and_execution_change_only_with_the_version() {
    let mut found = String::new();
    let mut line = |name: &str, value: String| {
        writeln!(found, "{name} = {value}").expect("a string takes it");
    };
    let quoted = |hash: H256| format!("\"{hash}\"");
    line("spec_version", SPEC_VERSION.to_string());
    line("transaction_version", TRANSACTION_VERSION.to_string());
    for version in METADATA_VERSIONS {
        let bytes = metadata(version).expect("a version there is");
        line(&format!("metadata_v{version}"), quoted(blake2_256(&bytes)));
    }
    let first = genesis(&config()).expect("the configuration works");
    line("genesis_state", quoted(blake2_256(&first.changes.encode())));
    line("head_after_two_blocks", quoted(two_blocks()));
    let pinned: String = PINNED
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(
        pinned, found,
        "see the head of conformance.rs; found:\n{found}"
    );
}

/// Head after a block of inceptions and one of a proposal.
fn two_blocks() -> H256 {
    let mut chain = Chain::new();
    chain.build((1..5).map(|seed| chain.incept(seed)).collect());
    let call = propose(vec![harmless()], chain.next_time().plus_ms(1));
    chain.build(vec![chain.signed(&trustee(0), 0, &call)]);
    chain.head.hash()
}
