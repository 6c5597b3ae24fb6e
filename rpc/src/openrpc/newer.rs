//! The newer families: `chainHead_v1`, `chainSpec_v1`, `transaction_v1`, `archive_v1`.
//!
//! Source: spec/substrate.md.

use allod_rpc_api::ErrorCode::{self, *};
use allod_rpc_api::{HexBytes, HexHash};

use super::book::Book;
use super::legacy::{positional, subscriptions};
use super::shapes::*;
use crate::substrate::{DiffItem, StorageItem};

const NONE: &[ErrorCode] = &[];

pub(super) fn describe(book: &mut Book, is_archive: bool) {
    describe_head(book);
    describe_transactions(book);
    positional! { book:
        /// Returns the chain's name.
        chainSpec_v1_chainName() -> String, NONE;
        /// Returns the hash of genesis.
        chainSpec_v1_genesisHash() -> HexHash, NONE;
        /// Returns what clients need to show accounts.
        chainSpec_v1_properties() -> Properties, NONE;
    }
    if is_archive {
        describe_archive(book);
    }
}

/// JSON-RPC's interface of Substrate's newer clients has these codes.
const NOT_PINNED: (i32, &str) = (-32801, "the block is not pinned by this subscription");

fn describe_head(book: &mut Book) {
    let with_runtime = book.request_schema::<bool>();
    let summary = "Tells of blocks as they come, and holds them until they are let go.";
    let params = vec![("withRuntime", with_runtime)];
    book.by_position("chainHead_v1_follow", summary, params)
        .errors(NONE)
        .error(-32800, "too many subscriptions of this connection")
        .tells::<FollowEvent>("chainHead_v1_followEvent", "chainHead_v1_unfollow");
    let subscription = book.request_schema::<String>();
    let hash = book.request_schema::<HexHash>();
    let of_block = || {
        vec![
            ("followSubscription", subscription.clone()),
            ("hash", hash.clone()),
        ]
    };
    let summary =
        "Returns the SCALE header of a block that is held; null if the subscription ended.";
    book.by_position("chainHead_v1_header", summary, of_block())
        .errors(NONE)
        .error(NOT_PINNED.0, NOT_PINNED.1)
        .answers::<Nullable<HexBytes>>();
    let summary = "Begins to read the extrinsics of a block that is held.";
    book.by_position("chainHead_v1_body", summary, of_block())
        .errors(NONE)
        .error(NOT_PINNED.0, NOT_PINNED.1)
        .answers::<OperationStarted>();
    let mut params = of_block();
    params.push(("function", book.request_schema::<String>()));
    params.push(("callParameters", book.request_schema::<HexBytes>()));
    let summary = "Begins to call a function of the runtime on the state of a block that is held.";
    book.by_position("chainHead_v1_call", summary, params)
        .errors(NONE)
        .error(NOT_PINNED.0, NOT_PINNED.1)
        .error(-32802, "the subscription has no runtimes")
        .answers::<OperationStarted>();
    let mut params = of_block();
    params.push(("items", book.request_schema::<Vec<StorageItem>>()));
    params.push(("childTrie", book.request_schema::<Option<HexBytes>>()));
    let summary = "Begins to read storage of a block that is held.";
    book.by_position("chainHead_v1_storage", summary, params)
        .errors(NONE)
        .error(NOT_PINNED.0, NOT_PINNED.1)
        .answers::<OperationStarted>();
    let hashes = book.request_schema::<OneOrMany>();
    let params = vec![
        ("followSubscription", subscription.clone()),
        ("hashOrHashes", hashes),
    ];
    book.by_position("chainHead_v1_unpin", "Lets blocks go.", params)
        .errors(NONE)
        .error(NOT_PINNED.0, NOT_PINNED.1)
        .error(-32804, "a block is listed twice")
        .answers::<()>();
    let operation = book.request_schema::<String>();
    let of_operation = || {
        vec![
            ("followSubscription", subscription.clone()),
            ("operationId", operation.clone()),
        ]
    };
    let summary = "Asks for more of an operation that waits.";
    book.by_position("chainHead_v1_continue", summary, of_operation())
        .errors(NONE)
        .error(-32803, "the operation does not wait")
        .answers::<()>();
    let summary = "Stops an operation.";
    book.by_position("chainHead_v1_stopOperation", summary, of_operation())
        .errors(NONE)
        .answers::<()>();
}

fn describe_transactions(book: &mut Book) {
    positional! { book:
        /// Hands a transaction to the pool until it is final; returns an id, or null if too many.
        transaction_v1_broadcast(transaction: HexBytes) -> Nullable<String>, NONE;
        /// Stops that.
        transaction_v1_stop(operationId: String) -> (), NONE;
    }
    subscriptions! { book:
        /// Hands a transaction to the pool, and tells what becomes of it.
        transactionWatch_v1_submitAndWatch(transaction: HexBytes) -> TransactionEvent,
            transactionWatch_v1_watchEvent until transactionWatch_v1_unwatch, NONE;
    }
}

fn describe_archive(book: &mut Book) {
    positional! { book:
        /// Returns the height of the newest block.
        archive_v1_finalizedHeight() -> u64, NONE;
        /// Returns the hash of genesis.
        archive_v1_genesisHash() -> HexHash, NONE;
        /// Returns the hashes of the blocks of a height: one, or none.
        archive_v1_hashByHeight(height: u64) -> Vec<HexHash>, NONE;
        /// Returns the SCALE header of a block, or null.
        archive_v1_header(hash: HexHash) -> Nullable<HexBytes>, NONE;
        /// Returns the extrinsics of a block, or null.
        archive_v1_body(hash: HexHash) -> Nullable<Vec<HexBytes>>, NONE;
        /// Calls a function of the runtime on the state of a block; null if there is no such block.
        archive_v1_call(hash: HexHash, function: String, callParameters: HexBytes)
            -> Nullable<ArchiveCall>, NONE;
    }
    subscriptions! { book:
        /// Tells what is in the storage of a block, for at most 1,024 items.
        archive_v1_storage(hash: HexHash, items: Vec<StorageItem>, childTrie: Option<HexBytes>)
            -> ArchiveStorageEvent,
            archive_v1_storageEvent until archive_v1_stopStorage, &[Busy, TooManyKeys, BlockNotFound];
        /// Tells what changed of the storage between two blocks, for at most 16 items.
        archive_v1_storageDiff(
            hash: HexHash, items: Option<Vec<DiffItem>>, previousHash: Option<HexHash>
        ) -> ArchiveDiffEvent,
            archive_v1_storageDiffEvent until archive_v1_stopStorageDiff,
            &[Busy, TooManyKeys, BlockNotFound];
    }
}
