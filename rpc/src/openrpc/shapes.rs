//! Shapes of what Substrate's methods read and write, as far as no type of ours is read or written.
//!
//! They exist for their schemas alone; `rpc/tests/it/openrpc.rs` holds them against real answers.

#![expect(
    dead_code,
    reason = "never made: they describe JSON that is put together elsewhere"
)]

use std::borrow::Cow;
use std::collections::BTreeMap;

use allod_rpc_api::{HexBytes, HexHash};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

/// Marks a schema that means its null.
const NULLABLE: &str = "x-nullable";

/// A value or null, and never left out.
pub(super) struct Nullable<T>(std::marker::PhantomData<T>);

impl<T: JsonSchema> JsonSchema for Nullable<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Nullable{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [value, { "type": "null" }], "x-nullable": true })
    }
}

/// Returns whether a parameter of this schema may be left out: it may be null.
pub(super) fn may_be_left_out(schema: &mut Value) -> bool {
    schema.get(NULLABLE).is_none() && allows_null(schema)
}

fn allows_null(schema: &Value) -> bool {
    let is_null = |it: &Value| it == "null" || it["type"] == "null";
    let lists = [&schema["type"], &schema["anyOf"]];
    let mut options = lists.into_iter().filter_map(Value::as_array).flatten();
    options.any(is_null)
}

/// Takes null out of a schema, unless it is meant.
pub(super) fn forbid_null(schema: &mut Value) {
    if schema.get(NULLABLE).is_some() {
        return;
    }
    if let Some(types) = schema.get_mut("type").filter(|it| it.is_array()) {
        let list = types.as_array_mut().map(std::mem::take).unwrap_or_default();
        let mut list: Vec<Value> = list.into_iter().filter(|it| it != "null").collect();
        *types = match (list.pop(), list.is_empty()) {
            (Some(only), true) => only,
            (last, _) => list.into_iter().chain(last).collect(),
        };
    }
    if let Some(options) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        options.retain(|it| it["type"] != "null");
    }
    if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        values.retain(|it| !it.is_null());
    }
}

/// Takes the marks out of a document.
pub(super) fn drop_marks(document: &mut Value) {
    match document {
        Value::Array(list) => list.iter_mut().for_each(drop_marks),
        Value::Object(object) => {
            object.remove(NULLABLE);
            object.values_mut().for_each(drop_marks);
        }
        _ => {}
    }
}

/// The id of a subscription.
pub(super) struct SubscriptionId;

impl JsonSchema for SubscriptionId {
    fn schema_name() -> Cow<'static, str> {
        "SubscriptionId".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, { "type": "integer", "minimum": 0 }] })
    }
}

/// A height as hexadecimal text.
pub(super) struct HexNumber;

impl JsonSchema for HexNumber {
    fn schema_name() -> Cow<'static, str> {
        "HexNumber".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^0x[0-9a-fA-F]+$" })
    }
}

/// An OpenRPC document.
pub(super) struct OpenRpc;

impl JsonSchema for OpenRpc {
    fn schema_name() -> Cow<'static, str> {
        "OpenRpc".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "$ref": "https://meta.open-rpc.org/" })
    }
}

/// What `rpc_methods` answers.
#[derive(JsonSchema)]
pub(super) struct MethodList {
    /// Names, ascending.
    methods: Vec<String>,
}

/// A height: a number or hexadecimal text.
#[derive(JsonSchema)]
#[serde(untagged)]
pub(super) enum BlockNumber {
    /// A number.
    Number(u64),
    /// Hexadecimal text.
    Text(HexNumber),
}

/// One height, or at most 1,000.
#[derive(JsonSchema)]
#[serde(untagged)]
pub(super) enum BlockNumbers {
    /// One.
    One(BlockNumber),
    /// Several.
    Many(Vec<BlockNumber>),
}

/// One hash, several, or null, as what was asked for.
#[derive(JsonSchema)]
#[serde(untagged)]
pub(super) enum BlockHashes {
    /// Of one height; null if there is no such block.
    One(Nullable<HexHash>),
    /// Of several.
    Many(Vec<Nullable<HexHash>>),
}

/// A header.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubstrateHeader {
    /// Hash of the block before.
    parent_hash: HexHash,
    /// Height.
    number: HexNumber,
    /// Root of the state after the block.
    state_root: HexHash,
    /// Commitment to the extrinsics.
    extrinsics_root: HexHash,
    /// Digest.
    digest: HeaderDigest,
}

/// A header's digest.
#[derive(JsonSchema)]
pub(super) struct HeaderDigest {
    /// SCALE digest items.
    logs: Vec<HexBytes>,
}

/// A block and what certifies it.
#[derive(JsonSchema)]
pub(super) struct SignedBlock {
    /// The block.
    block: SubstrateBlock,
    /// `ALLD` as 4 bytes, and the bytes of the SCALE certificate; null for genesis.
    justifications: Nullable<Vec<([u8; 4], Vec<u8>)>>,
}

/// A block.
#[derive(JsonSchema)]
pub(super) struct SubstrateBlock {
    /// Its header.
    header: SubstrateHeader,
    /// Its extrinsics, each with its length prefix.
    extrinsics: Vec<HexBytes>,
}

/// What keys hold at a block.
#[derive(JsonSchema)]
pub(super) struct StorageChangeSet {
    /// Hash of the block.
    block: HexHash,
    /// Keys and their values; null where there is none.
    changes: Vec<(HexBytes, Nullable<HexBytes>)>,
}

/// Names and versions of the runtime.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuntimeVersionInfo {
    /// `allod`.
    spec_name: String,
    /// Name of the implementation.
    impl_name: String,
    /// Not used here.
    authoring_version: u32,
    /// Of the state machine.
    spec_version: u32,
    /// Of the implementation.
    impl_version: u32,
    /// Runtime APIs: blake2b-64 of the name, and the version.
    apis: Vec<(HexBytes, u32)>,
    /// Of the extrinsic format.
    transaction_version: u32,
    /// Of the state's layout.
    system_version: u8,
    /// The same, under its older name.
    state_version: u8,
}

/// How a node is.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Health {
    /// Peers connected.
    peers: u64,
    /// Whether it is catching up.
    is_syncing: bool,
    /// Whether it should have peers.
    should_have_peers: bool,
}

/// How far a node has come.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SyncHeights {
    /// Height it began at.
    starting_block: u64,
    /// Height it is at.
    current_block: u64,
    /// The highest it knows of.
    highest_block: u64,
}

/// A peer.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Peer {
    /// Its id.
    peer_id: String,
    /// What it is.
    roles: String,
    /// Hash of its newest block; zero if that is not known.
    best_hash: HexHash,
    /// Height of that.
    best_number: u64,
}

/// What clients need to show accounts.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Properties {
    /// Prefix of addresses.
    ss58_format: u16,
    /// Always 0: there is no currency.
    token_decimals: u8,
    /// A unit for tools that must show one.
    token_symbol: String,
}

/// What became of an extrinsic that is watched.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum ExtrinsicStatus {
    /// Extrinsics before it are missing.
    Future,
    /// In the pool.
    Ready,
    /// Sent to these peers.
    Broadcast(Vec<String>),
    /// In this block.
    InBlock(HexHash),
    /// In this block, for good.
    Finalized(HexHash),
    /// Given up by the pool.
    Dropped,
    /// Invalid by now.
    Invalid,
}

/// What `chainHead_v1_follow` tells.
#[derive(JsonSchema)]
#[serde(
    tag = "event",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub(super) enum FollowEvent {
    /// The newest blocks, ascending.
    Initialized {
        /// Their hashes.
        finalized_block_hashes: Vec<HexHash>,
        /// Runtime of the newest, if runtimes are asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        finalized_block_runtime: Option<FollowedRuntime>,
    },
    /// A block.
    NewBlock {
        /// Its hash.
        block_hash: HexHash,
        /// Hash of the block before.
        parent_block_hash: HexHash,
        /// Its runtime, or null if that is the one of the block before; if runtimes are asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        new_runtime: Nullable<FollowedRuntime>,
    },
    /// The best block is another.
    BestBlockChanged {
        /// Its hash.
        best_block_hash: HexHash,
    },
    /// Blocks are final.
    Finalized {
        /// Their hashes, ascending.
        finalized_block_hashes: Vec<HexHash>,
        /// Always empty: there are no forks.
        pruned_block_hashes: Vec<HexHash>,
    },
    /// The extrinsics asked for.
    OperationBodyDone {
        /// Of this operation.
        operation_id: String,
        /// With their length prefixes.
        value: Vec<HexBytes>,
    },
    /// The result asked for.
    OperationCallDone {
        /// Of this operation.
        operation_id: String,
        /// SCALE.
        output: HexBytes,
    },
    /// Items of the storage asked for.
    OperationStorageItems {
        /// Of this operation.
        operation_id: String,
        /// The items.
        items: Vec<StorageFound>,
    },
    /// More items come after `chainHead_v1_continue`.
    OperationWaitingForContinue {
        /// Of this operation.
        operation_id: String,
    },
    /// All items have come.
    OperationStorageDone {
        /// Of this operation.
        operation_id: String,
    },
    /// The state is gone.
    OperationInaccessible {
        /// Of this operation.
        operation_id: String,
    },
    /// The call was refused.
    OperationError {
        /// Of this operation.
        operation_id: String,
        /// Why.
        error: String,
    },
    /// The subscription has ended.
    Stop,
}

/// The runtime that executes the next block.
#[derive(JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(super) enum FollowedRuntime {
    /// Known.
    Valid {
        /// Its names and versions.
        spec: FollowedVersion,
    },
    /// Not known here.
    Invalid {
        /// Why.
        error: String,
    },
}

/// Names and versions of a runtime, as the newer families give them.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FollowedVersion {
    /// `allod`.
    spec_name: String,
    /// Name of the implementation.
    impl_name: String,
    /// Of the state machine.
    spec_version: u32,
    /// Of the implementation.
    impl_version: u32,
    /// Of the extrinsic format.
    transaction_version: u32,
    /// Versions of runtime APIs, by blake2b-64 of their names.
    apis: BTreeMap<String, u32>,
}

/// One item of storage: its key, and the member that was asked for.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StorageFound {
    /// The key.
    key: HexBytes,
    /// Its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<HexBytes>,
    /// blake2b-256 of its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<HexHash>,
    /// A mark that two blocks share only if nothing below the key changed between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    closest_descendant_merkle_value: Option<HexBytes>,
}

/// Whether an operation was started.
#[derive(JsonSchema)]
#[serde(
    tag = "result",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub(super) enum OperationStarted {
    /// It was; its events come by the subscription.
    Started {
        /// Its id.
        operation_id: String,
        /// Of storage: items left out from the end, because too many were asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        discarded_items: Option<u64>,
    },
    /// Too many are under way, or the subscription has ended.
    LimitReached,
}

/// Blocks to let go: one hash, or several.
#[derive(JsonSchema)]
#[serde(untagged)]
pub(super) enum OneOrMany {
    /// One.
    One(HexHash),
    /// Several.
    Many(Vec<HexHash>),
}

/// The result of a runtime call, or why there is none.
#[derive(JsonSchema)]
#[serde(untagged)]
pub(super) enum ArchiveCall {
    /// It has a result.
    Done {
        /// true.
        success: bool,
        /// SCALE.
        value: HexBytes,
    },
    /// It has none.
    Failed {
        /// false.
        success: bool,
        /// Why.
        error: String,
    },
}

/// What `archive_v1_storage` tells.
#[derive(JsonSchema)]
#[serde(
    tag = "event",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub(super) enum ArchiveStorageEvent {
    /// One item.
    Storage {
        /// The key.
        key: HexBytes,
        /// Its value.
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<HexBytes>,
        /// blake2b-256 of its value.
        #[serde(skip_serializing_if = "Option::is_none")]
        hash: Option<HexHash>,
        /// A mark that two blocks share only if nothing below the key changed between them.
        #[serde(skip_serializing_if = "Option::is_none")]
        closest_descendant_merkle_value: Option<HexBytes>,
    },
    /// All have come.
    StorageDone,
    /// No more come.
    StorageError {
        /// Why.
        error: String,
    },
}

/// What `archive_v1_storageDiff` tells.
#[derive(JsonSchema)]
#[serde(
    tag = "event",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub(super) enum ArchiveDiffEvent {
    /// One key that changed.
    #[serde(rename = "storageDiff")]
    Changed {
        /// The key.
        key: HexBytes,
        /// How.
        #[serde(rename = "type")]
        kind: DiffKind,
        /// Its value at the later block.
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<HexBytes>,
        /// blake2b-256 of that.
        #[serde(skip_serializing_if = "Option::is_none")]
        hash: Option<HexHash>,
    },
    /// All have come.
    #[serde(rename = "storageDiffDone")]
    Done,
    /// No more come.
    #[serde(rename = "storageDiffError")]
    Failed {
        /// Why.
        error: String,
    },
}

/// How a key changed.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum DiffKind {
    /// It was not there.
    Added,
    /// It had another value.
    Modified,
    /// It is not there any more.
    Deleted,
}

/// What `transactionWatch_v1_submitAndWatch` tells.
#[derive(JsonSchema)]
#[serde(tag = "event", rename_all = "camelCase")]
pub(super) enum TransactionEvent {
    /// The pool has it.
    Validated,
    /// It is in this block.
    BestChainBlockIncluded {
        /// Where.
        block: TransactionPlace,
    },
    /// It is in this block, for good.
    Finalized {
        /// Where.
        block: TransactionPlace,
    },
    /// It is invalid.
    Invalid {
        /// Why.
        error: String,
    },
    /// The pool gave it up.
    Dropped {
        /// Why.
        error: String,
    },
}

/// Where a transaction is.
#[derive(JsonSchema)]
pub(super) struct TransactionPlace {
    /// Hash of the block.
    hash: HexHash,
    /// Position in the block.
    index: u32,
}
