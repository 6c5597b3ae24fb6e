//! Errors on their way out, and parameters on their way in.

use allod_primitives::hash::H256;
use allod_rpc_api::answers::AnswerError;
use allod_rpc_api::{ErrorCode, RpcError};
use jsonrpsee::types::{ErrorObject, ErrorObjectOwned, Params};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::view::{NodeView, StateUnavailable};

/// What a method returns.
pub(crate) type Answer<T> = Result<T, ErrorObjectOwned>;

/// Makes a JSON-RPC error of a row of the table.
pub(crate) fn failed(error: impl Into<RpcError>) -> ErrorObjectOwned {
    let error = error.into();
    let message = error.to_string();
    ErrorObject::owned(error.code.code(), message, Some(error.data()))
}

/// Makes a JSON-RPC error of the reason why an answer could not be worked out.
pub(crate) fn unanswered(error: AnswerError) -> ErrorObjectOwned {
    match error {
        AnswerError::Refused(error) => failed(error),
        AnswerError::Unavailable(_) => failed(ErrorCode::StateUnavailable),
        error => {
            tracing::error!(%error, "no answer");
            failed(ErrorCode::Internal)
        }
    }
}

/// Makes the error for a block whose state is gone.
pub(crate) fn unavailable(_: StateUnavailable) -> ErrorObjectOwned {
    failed(ErrorCode::StateUnavailable)
}

/// Makes JSON-RPC's own error for parameters of the Substrate methods.
pub(crate) fn invalid_params(detail: impl ToString) -> ErrorObjectOwned {
    ErrorObject::owned(-32602, "Invalid params", Some(detail.to_string()))
}

/// Reads the one request object of an `identity_*`, `revocation_*`, `grant_*` or `access_*` call:
/// the parameters by name, or the only element of the parameters by position.
pub(crate) fn request<T: DeserializeOwned>(params: &Params<'_>) -> Answer<T> {
    read(object(params)?.get())
}

/// As [`request`], where a lone string stands for the member `did`.
pub(crate) fn did_request<T: DeserializeOwned>(params: &Params<'_>) -> Answer<T> {
    let object = object(params)?;
    let text = object.get();
    if text.starts_with('"') {
        return read(&format!("{{\"did\":{text}}}"));
    }
    read(text)
}

fn object(params: &Params<'_>) -> Answer<Box<RawValue>> {
    let text = params.as_str().unwrap_or("{}").trim();
    if !text.starts_with('[') {
        return read(text);
    }
    let mut list: Vec<Box<RawValue>> = read(text)?;
    match (list.pop(), list.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(failed(
            ErrorCode::InvalidParams.with("one request object is expected"),
        )),
    }
}

fn read<T: DeserializeOwned>(text: &str) -> Answer<T> {
    serde_json::from_str(text).map_err(|error| {
        let detail = error.to_string();
        let code = match detail.starts_with("hex: ") {
            true => ErrorCode::InvalidHex,
            false => ErrorCode::InvalidParams,
        };
        failed(code.with(detail))
    })
}

/// Returns the block a Substrate method asks about: the one it names, else the newest. A block
/// that is named must exist.
pub(crate) fn block_or_head(view: &dyn NodeView, at: Option<H256>) -> Answer<H256> {
    match at {
        None => Ok(view.head().hash),
        Some(hash) if view.header(&hash).is_some() => Ok(hash),
        Some(hash) => Err(failed(ErrorCode::BlockNotFound.with(hash))),
    }
}
