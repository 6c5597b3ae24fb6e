//! The runtime functions that `state_call` answers. Arguments and results are SCALE; what is no
//! function, or no arguments of it, is refused with 7004 or 1005.
//!
//! Source: spec/runtime.md §8.

use allod_primitives::limits::EXTRINSIC_BYTES_MAX;
use allod_primitives::{BoundedVec, H256, PublicKey, decode_strict};
use allod_rpc_api::ErrorCode;
use allod_rpc_api::answers::{self, AnswerError};
use jsonrpsee::types::ErrorObjectOwned;
use parity_scale_codec::Encode;

use crate::answer::{Answer, failed, unanswered, unavailable};
use crate::snapshot::Snapshot;
use crate::view::{NodeView, StateUnavailable, ValidityError};

/// The metadata version of the methods that know no versions.
pub(super) const METADATA_LEGACY: u32 = 14;
/// The metadata versions there may be.
const METADATA_VERSIONS: [u32; 3] = [14, 15, 16];
const EXTRINSIC_BYTES: u32 = EXTRINSIC_BYTES_MAX as u32;

/// Source, extrinsic body, block hash.
type ValidateArguments = (u8, BoundedVec<u8, EXTRINSIC_BYTES>, H256);

/// Why a call has no result.
#[derive(Debug)]
pub(super) enum CallError {
    /// The state of the block is not available; it may be elsewhere, or later.
    Unavailable,
    /// There is no such function, or it takes no such arguments.
    Refused(ErrorObjectOwned),
}

impl From<StateUnavailable> for CallError {
    fn from(_: StateUnavailable) -> Self {
        Self::Unavailable
    }
}

impl From<ErrorObjectOwned> for CallError {
    fn from(error: ErrorObjectOwned) -> Self {
        Self::Refused(error)
    }
}

impl From<CallError> for ErrorObjectOwned {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unavailable => unavailable(StateUnavailable),
            CallError::Refused(error) => error,
        }
    }
}

/// Returns what an error says, as one line.
pub(super) fn error_text(error: &ErrorObjectOwned) -> String {
    match error.data() {
        Some(data) => format!("{}: {data}", error.message()),
        None => error.message().to_owned(),
    }
}

/// Calls `name` with `data` on the state after the block `at`.
pub(super) fn call(
    view: &dyn NodeView,
    name: &str,
    data: &[u8],
    at: &H256,
) -> Result<Vec<u8>, CallError> {
    if let Some(answered) = typed(view, name, data, at) {
        return answered;
    }
    match name {
        "Core_version" => {
            let () = decoded(data)?;
            Ok(view.runtime_version(at)?.encode())
        }
        "Metadata_metadata" => {
            let () = decoded(data)?;
            let metadata = view.metadata(at, METADATA_LEGACY)?;
            let metadata = metadata.ok_or_else(|| failed(ErrorCode::Internal))?;
            Ok(metadata.encode())
        }
        "Metadata_metadata_versions" => {
            let () = decoded(data)?;
            let mut offered = Vec::new();
            for version in METADATA_VERSIONS {
                let metadata = view.metadata(at, version)?;
                offered.extend(metadata.map(|_| version));
            }
            Ok(offered.encode())
        }
        "Metadata_metadata_at_version" => {
            let version: u32 = decoded(data)?;
            Ok(view.metadata(at, version)?.encode())
        }
        "AccountNonceApi_account_nonce" => {
            let account: PublicKey = decoded(data)?;
            Ok(view.nonce(at, &account)?.encode())
        }
        "TaggedTransactionQueue_validate_transaction" => {
            // The block the caller names is the one it asks `state_call` about.
            let (_source, body, _block): ValidateArguments = decoded(data)?;
            validate(view, at, &body)
        }
        _ => Err(failed(ErrorCode::UnknownRuntimeCall.with(name_shown(name))).into()),
    }
}

fn validate(view: &dyn NodeView, at: &H256, body: &[u8]) -> Result<Vec<u8>, CallError> {
    match view.validate_transaction(at, body) {
        Ok(valid) => {
            let ok = (0u8, valid.priority, valid.requires, valid.provides);
            Ok((ok, valid.longevity, true).encode())
        }
        Err(ValidityError::Invalid(error)) => {
            let mut out = vec![1];
            out.extend(error.reason.encode_validity());
            Ok(out)
        }
        Err(ValidityError::Unavailable(error)) => Err(error.into()),
    }
}

fn decoded<T: parity_scale_codec::Decode>(data: &[u8]) -> Answer<T> {
    decode_strict(data).map_err(|error| failed(ErrorCode::Undecodable.with(error)))
}

/// Calls a function about identities, tokens or grants, if it is one.
fn typed(
    view: &dyn NodeView,
    name: &str,
    data: &[u8],
    at: &H256,
) -> Option<Result<Vec<u8>, CallError>> {
    if !answers::CALLS.contains(&name) {
        return None;
    }
    let Some(block) = Snapshot::of(view, *at) else {
        return Some(Err(CallError::Unavailable));
    };
    let answered = answers::call(&block, name, data)?;
    Some(answered.map_err(|error| match error {
        AnswerError::Unavailable(_) => CallError::Unavailable,
        error => unanswered(error).into(),
    }))
}

/// Returns the beginning of a name somebody sent, for the error.
fn name_shown(name: &str) -> String {
    name.chars().take(64).collect()
}
