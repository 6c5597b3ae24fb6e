//! Headers, blocks and versions as Substrate's clients expect them.

use allod_primitives::{Block, Certificate, H256, Header};
use allod_rpc_api::HexHash;
use allod_rpc_api::hex_bytes::to_hex;
use allod_runtime::frame::wire::RuntimeVersion;
use jsonrpsee::types::Params;
use parity_scale_codec::Encode;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::answer::{Answer, invalid_params};

/// Engine id under which a block's certificate is served as its justification.
const JUSTIFICATION_ENGINE: [u8; 4] = *b"ALLD";

/// Returns a header; its number is hexadecimal text.
pub(super) fn header(header: &Header) -> Value {
    let logs: Vec<String> = header
        .digest_items()
        .iter()
        .map(|item| to_hex(item))
        .collect();
    json!({
        "parentHash": header.parent_hash.to_string(),
        "number": format!("{:#x}", header.number.0),
        "stateRoot": header.state_root.to_string(),
        "extrinsicsRoot": header.extrinsics_root.to_string(),
        "digest": { "logs": logs },
    })
}

/// Returns a block with its certificate as justification.
pub(super) fn signed_block(block: &Block, certificate: Option<&Certificate>) -> Value {
    let extrinsics: Vec<String> = block
        .extrinsics
        .iter()
        .map(|body| to_hex(&body.encode()))
        .collect();
    let justifications = certificate.map(|it| json!([[JUSTIFICATION_ENGINE, it.encode()]]));
    json!({
        "block": { "header": header(&block.header), "extrinsics": extrinsics },
        "justifications": justifications,
    })
}

/// Returns a runtime's name and versions.
pub(super) fn version(version: &RuntimeVersion) -> Value {
    let apis: Vec<Value> = version
        .apis
        .iter()
        .map(|(id, version)| json!([to_hex(id), version]))
        .collect();
    json!({
        "specName": version.spec_name,
        "implName": version.impl_name,
        "authoringVersion": version.authoring_version,
        "specVersion": version.spec_version,
        "implVersion": version.impl_version,
        "apis": apis,
        "transactionVersion": version.transaction_version,
        "systemVersion": version.system_version,
        "stateVersion": version.system_version,
    })
}

/// Positional parameters, read one by one.
pub(super) struct Arguments<'a>(jsonrpsee::types::ParamsSequence<'a>);

impl<'a> Arguments<'a> {
    pub(super) fn new(params: &'a Params<'a>) -> Self {
        Self(params.sequence())
    }

    /// Reads one that must be there.
    pub(super) fn next<T: DeserializeOwned>(&mut self) -> Answer<T> {
        self.0.next().map_err(|error| invalid(&error))
    }

    /// Reads one that may be absent or null.
    pub(super) fn optional<T: DeserializeOwned>(&mut self) -> Answer<Option<T>> {
        self.0.optional_next().map_err(|error| invalid(&error))
    }

    /// Reads a block hash that may be absent or null.
    pub(super) fn block(&mut self) -> Answer<Option<H256>> {
        Ok(self.optional::<HexHash>()?.map(|hash| hash.0))
    }
}

fn invalid(error: &jsonrpsee::types::ErrorObjectOwned) -> jsonrpsee::types::ErrorObjectOwned {
    let detail = error.data().map_or(error.message(), |data| data.get());
    invalid_params(detail)
}
