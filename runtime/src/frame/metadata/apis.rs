//! The runtime APIs that `state_call` answers, for the metadata.

use allod_primitives::H256;
use scale_info::{MetaType, TypeInfo, meta_type};

use super::Extrinsic;
use crate::frame::wire::{
    AccountId32, ApplyExtrinsicResult, OpaqueMetadata, RuntimeVersion, TransactionSource,
    TransactionValidity,
};
use crate::version::APIS;

/// One API.
pub(super) struct Api {
    pub(super) name: &'static str,
    pub(super) version: u32,
    pub(super) methods: Vec<Method>,
}

/// One method of an API.
pub(super) struct Method {
    pub(super) name: &'static str,
    pub(super) inputs: Vec<(&'static str, MetaType)>,
    pub(super) output: MetaType,
    pub(super) docs: &'static str,
}

fn method<Output: TypeInfo + 'static>(
    name: &'static str,
    inputs: Vec<(&'static str, MetaType)>,
    docs: &'static str,
) -> Method {
    Method {
        name,
        inputs,
        output: meta_type::<Output>(),
        docs,
    }
}

/// Returns the APIs in the order of [`APIS`].
pub(super) fn apis() -> Vec<Api> {
    let apis = APIS.iter().map(|(_, name, version)| Api {
        name,
        version: *version,
        methods: methods(name),
    });
    apis.collect()
}

fn methods(api: &str) -> Vec<Method> {
    match api {
        "Core" => vec![method::<RuntimeVersion>(
            "version",
            vec![],
            "Versions of the runtime.",
        )],
        "Metadata" => vec![
            method::<OpaqueMetadata>("metadata", vec![], "Metadata in version 14."),
            method::<Option<OpaqueMetadata>>(
                "metadata_at_version",
                vec![("version", meta_type::<u32>())],
                "Metadata in a version, if there is that version.",
            ),
            method::<Vec<u32>>("metadata_versions", vec![], "Versions there are."),
        ],
        // Listed so that clients of versions 15 and 16 find the extrinsic's type; blocks are
        // built by the node's proposer alone.
        "BlockBuilder" => vec![method::<ApplyExtrinsicResult>(
            "apply_extrinsic",
            vec![("extrinsic", meta_type::<Extrinsic>())],
            "Not answered.",
        )],
        "TaggedTransactionQueue" => vec![method::<TransactionValidity>(
            "validate_transaction",
            vec![
                ("source", meta_type::<TransactionSource>()),
                ("tx", meta_type::<Extrinsic>()),
                ("block_hash", meta_type::<H256>()),
            ],
            "Judges an extrinsic on the block the call is made at.",
        )],
        "AccountNonceApi" => vec![method::<u32>(
            "account_nonce",
            vec![("account", meta_type::<AccountId32>())],
            "Nonce of the account's next extrinsic.",
        )],
        _ => Vec::new(),
    }
}
