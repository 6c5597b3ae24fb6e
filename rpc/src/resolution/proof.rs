//! The state proof of an identity's record, as an element of a `proof` set.

use allod_primitives::{Did, keys};
use serde_json::{Value, json};

use super::problem::{Problem, ProblemKind};
use crate::proofs::read_proof;
use crate::view::{HeadInfo, NodeView};

/// The type of the proof.
const TYPE: &str = "AllodStateProof2026";

/// Proves presence or absence of the identity's record after the block `head`.
///
/// # Errors
/// A [`Problem`] if the state or the certificate of that block is not there, as for genesis.
///
/// Source: spec/did-resolution.md §7, spec/proofs.md §1.
pub(super) fn state_proof(
    view: &dyn NodeView,
    head: &HeadInfo,
    did: &Did,
) -> Result<Value, Problem> {
    let bundle = read_proof(view, head, &[keys::did_record(&did.id())]).map_err(|_| {
        let detail = "the state of that block, or its certificate, is not kept any more";
        ProblemKind::FeatureNotSupported.because(detail)
    })?;
    Ok(json!({
        "type": TYPE,
        "proofPurpose": "verifiableResolution",
        "bundle": bundle,
    }))
}
