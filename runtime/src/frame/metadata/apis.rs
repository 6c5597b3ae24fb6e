//! The runtime APIs that `state_call` answers, for the metadata.

use allod_primitives::calls::{
    AccessQuestion, AccessVerdict, EffectiveIdentity, GrantInfo, Reason, TokenStanding,
};
use allod_primitives::document::{Document, Fragment, MethodKey, Relationships};
use allod_primitives::record::DidRecord;
use allod_primitives::token::{RevocationEntry, TokenId};
use allod_primitives::{DidId, H256};
use scale_info::{MetaType, TypeInfo, meta_type};

use super::Outline;
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
    pub(super) docs: &'static str,
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
pub(super) fn apis(outline: &Outline) -> Vec<Api> {
    let apis = APIS.iter().map(|(_, name, version)| Api {
        name,
        version: *version,
        methods: methods(name, outline.extrinsic),
        docs: docs(name),
    });
    apis.collect()
}

/// Returns the names by which `state_call` knows the functions, in the order of the metadata.
pub fn function_names() -> Vec<String> {
    let runtime = Outline::new(&crate::version::runtime_version());
    let apis = apis(&runtime).into_iter();
    apis.flat_map(|api| {
        let methods = api.methods.into_iter();
        methods.map(move |method| format!("{}_{}", api.name, method.name))
    })
    .collect()
}

fn docs(api: &str) -> &'static str {
    match api {
        "Core" => "The runtime's versions.",
        "Metadata" => "The runtime's description of itself.",
        "BlockBuilder" => "For the extrinsic's type alone: nothing of it is answered.",
        "TaggedTransactionQueue" => "What the pool asks of an extrinsic.",
        "AccountNonceApi" => "Nonces of accounts.",
        "IdentityApi" => {
            "Identities as of the block called at, whether or not what time has brought about is \
             written down. The same code answers identity_resolve."
        }
        "RevocationApi" => "Revoked tokens. The same code answers revocation_check.",
        "AccessApi" => {
            "Grants, and whether they allow an access. The same code answers grant_check and \
             access_evaluate."
        }
        _ => "",
    }
}

fn methods(api: &str, extrinsic: MetaType) -> Vec<Method> {
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
            vec![("extrinsic", extrinsic)],
            "Not answered.",
        )],
        "TaggedTransactionQueue" => vec![method::<TransactionValidity>(
            "validate_transaction",
            vec![
                ("source", meta_type::<TransactionSource>()),
                ("tx", extrinsic),
                ("block_hash", meta_type::<H256>()),
            ],
            "Judges an extrinsic on the block the call is made at.",
        )],
        "AccountNonceApi" => vec![method::<u32>(
            "account_nonce",
            vec![("account", meta_type::<AccountId32>())],
            "Nonce of the account's next extrinsic.",
        )],
        "IdentityApi" => identity(),
        "RevocationApi" => vec![
            method::<Option<RevocationEntry>>(
                "entry",
                vec![("tag", meta_type::<H256>())],
                "The entry under a tag: there is one if the token is revoked.",
            ),
            method::<TokenStanding>(
                "token",
                vec![
                    ("issuer", meta_type::<DidId>()),
                    ("exp", meta_type::<u64>()),
                    ("token", meta_type::<TokenId>()),
                ],
                "Whether a token is revoked, by its issuer, exp and name, and its issuer's cut-off.",
            ),
        ],
        "AccessApi" => vec![
            method::<GrantInfo>(
                "grant",
                vec![("gid", meta_type::<H256>())],
                "How a grant stands. Whether an active one applies is `evaluate`'s to say.",
            ),
            method::<AccessVerdict>(
                "evaluate",
                vec![("question", meta_type::<AccessQuestion>())],
                "Judges an access by a chain of grants.",
            ),
        ],
        _ => Vec::new(),
    }
}

fn identity() -> Vec<Method> {
    let did = || ("did", meta_type::<DidId>());
    vec![
        method::<Option<DidRecord>>(
            "record",
            vec![did()],
            "The record as the ledger has it written down.",
        ),
        method::<Option<EffectiveIdentity>>(
            "effective",
            vec![did()],
            "The record after every pending change whose time has come.",
        ),
        method::<Option<Document>>(
            "document",
            vec![did()],
            "The document with the methods in force; none if the identity is deactivated.",
        ),
        method::<Result<MethodKey, Reason>>(
            "resolve_key",
            vec![
                did(),
                ("fragment", meta_type::<Fragment>()),
                ("relationship", meta_type::<Relationships>()),
            ],
            "The key of a method in force that serves every relationship asked for, or why not.",
        ),
    ]
}
