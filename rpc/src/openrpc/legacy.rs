//! Substrate's legacy methods.
//!
//! Source: spec/rpc.md §4.

use allod_rpc_api::ErrorCode::{self, *};
use allod_rpc_api::{HexBytes, HexHash};

use super::book::Book;
use super::shapes::*;

/// What a question about a block may be refused with.
const STATE: &[ErrorCode] = &[BlockNotFound, StateUnavailable];
const NONE: &[ErrorCode] = &[];

/// Describes methods as if they were functions: doc comment, name, parameters, answer, errors.
/// Parameters of an `Option` may be left out.
macro_rules! positional {
    ($book:ident: $(
        #[doc = $summary:literal]
        $name:ident($($param:ident: $ty:ty),*) -> $answer:ty, $errors:expr;
    )*) => {
        $({
            let params = vec![$((stringify!($param), $book.request_schema::<$ty>())),*];
            $book
                .by_position(stringify!($name), $summary.trim_ascii(), params)
                .errors($errors)
                .answers::<$answer>();
        })*
    };
}

/// Describes subscriptions: doc comment, name, parameters, what is told under which name, the
/// method that ends it, errors.
macro_rules! subscriptions {
    ($book:ident: $(
        #[doc = $summary:literal]
        $name:ident($($param:ident: $ty:ty),*) -> $told:ty, $notes:ident until $end:ident, $errors:expr;
    )*) => {
        $({
            let params = vec![$((stringify!($param), $book.request_schema::<$ty>())),*];
            $book
                .by_position(stringify!($name), $summary.trim_ascii(), params)
                .errors($errors)
                .tells::<$told>(stringify!($notes), stringify!($end));
        })*
    };
}

pub(super) use {positional, subscriptions};

pub(super) fn describe(book: &mut Book) {
    describe_chain(book);
    describe_state(book);
    describe_system(book);
    describe_author(book);
}

fn describe_chain(book: &mut Book) {
    positional! { book:
        /// Returns the hash of a height, of each of at most 1,000, or of the newest block.
        chain_getBlockHash(height: Option<BlockNumbers>) -> BlockHashes, NONE;
        /// Returns the header of a block, the newest if none is named; null if there is none.
        chain_getHeader(hash: Option<HexHash>) -> Nullable<SubstrateHeader>, NONE;
        /// Returns a block with its certificate; null if there is none.
        chain_getBlock(hash: Option<HexHash>) -> Nullable<SignedBlock>, NONE;
        /// Returns the hash of the newest block. All are final.
        chain_getFinalizedHead() -> HexHash, NONE;
    }
    subscriptions! { book:
        /// Tells of the newest header, then of every following one.
        chain_subscribeNewHeads() -> SubstrateHeader,
            chain_newHead until chain_unsubscribeNewHeads, NONE;
        /// Tells the same: there are no forks.
        chain_subscribeAllHeads() -> SubstrateHeader,
            chain_allHead until chain_unsubscribeAllHeads, NONE;
        /// Tells the same: every block is final.
        chain_subscribeFinalizedHeads() -> SubstrateHeader,
            chain_finalizedHead until chain_unsubscribeFinalizedHeads, NONE;
    }
    for (alias, of) in [
        ("chain_getHead", "chain_getBlockHash"),
        ("chain_getFinalisedHead", "chain_getFinalizedHead"),
        ("chain_subscribeNewHead", "chain_subscribeNewHeads"),
        ("chain_unsubscribeNewHead", "chain_unsubscribeNewHeads"),
        ("subscribe_newHead", "chain_subscribeNewHeads"),
        ("unsubscribe_newHead", "chain_unsubscribeNewHeads"),
        (
            "chain_subscribeFinalisedHeads",
            "chain_subscribeFinalizedHeads",
        ),
        (
            "chain_unsubscribeFinalisedHeads",
            "chain_unsubscribeFinalizedHeads",
        ),
    ] {
        book.alias(alias, of);
    }
}

fn describe_state(book: &mut Book) {
    let keys = [STATE, &[TooManyKeys]].concat();
    let call = [STATE, &[UnknownRuntimeCall, Undecodable, Busy]].concat();
    positional! { book:
        /// Returns the value under a key, or null.
        state_getStorage(key: HexBytes, hash: Option<HexHash>) -> Nullable<HexBytes>, STATE;
        /// Returns the blake2b-256 of the value under a key, or null.
        state_getStorageHash(key: HexBytes, hash: Option<HexHash>) -> Nullable<HexHash>, STATE;
        /// Returns how many bytes the value under a key has, or null.
        state_getStorageSize(key: HexBytes, hash: Option<HexHash>) -> Nullable<u64>, STATE;
        /// Returns the values under at most 1,000 keys.
        state_queryStorageAt(keys: Vec<HexBytes>, hash: Option<HexHash>) -> Vec<StorageChangeSet>,
            &keys;
        /// Returns at most 1,000 keys that begin with a prefix, ascending, after a key.
        state_getKeysPaged(
            prefix: Nullable<HexBytes>, count: u32, startKey: Option<HexBytes>,
            hash: Option<HexHash>
        ) -> Vec<HexBytes>, &keys;
        /// Returns names and versions of the runtime.
        state_getRuntimeVersion(hash: Option<HexHash>) -> RuntimeVersionInfo, STATE;
        /// Returns the runtime's metadata of version 14.
        state_getMetadata(hash: Option<HexHash>) -> HexBytes, STATE;
        /// Calls a function of the runtime on the state of a block. The metadata lists them.
        state_call(name: String, data: HexBytes, hash: Option<HexHash>) -> HexBytes, &call;
    }
    subscriptions! { book:
        /// Tells what 1 to 256 keys hold, then what a block changed of them.
        state_subscribeStorage(keys: Vec<HexBytes>) -> StorageChangeSet,
            state_storage until state_unsubscribeStorage, NONE;
        /// Tells names and versions of the runtime, again when they change.
        state_subscribeRuntimeVersion() -> RuntimeVersionInfo,
            state_runtimeVersion until state_unsubscribeRuntimeVersion, NONE;
    }
    for (alias, of) in [
        ("state_getStorageAt", "state_getStorage"),
        ("state_getStorageHashAt", "state_getStorageHash"),
        ("state_getStorageSizeAt", "state_getStorageSize"),
        ("state_getKeysPagedAt", "state_getKeysPaged"),
        ("state_callAt", "state_call"),
        ("chain_getRuntimeVersion", "state_getRuntimeVersion"),
        (
            "chain_subscribeRuntimeVersion",
            "state_subscribeRuntimeVersion",
        ),
        (
            "chain_unsubscribeRuntimeVersion",
            "state_unsubscribeRuntimeVersion",
        ),
    ] {
        book.alias(alias, of);
    }
}

fn describe_system(book: &mut Book) {
    positional! { book:
        /// Returns the chain's name.
        system_chain() -> String, NONE;
        /// Returns what kind of chain it is.
        system_chainType() -> String, NONE;
        /// Returns the name of the node's program.
        system_name() -> String, NONE;
        /// Returns the version of the node's program.
        system_version() -> String, NONE;
        /// Returns what clients need to show accounts.
        system_properties() -> Properties, NONE;
        /// Returns whether the node has peers, and is catching up.
        system_health() -> Health, NONE;
        /// Returns how far the node has come.
        system_syncState() -> SyncHeights, NONE;
        /// Returns at most 512 of the node's peers.
        system_peers() -> Vec<Peer>, NONE;
        /// Returns the next nonce of an SS58 address or 32 bytes, counting the pool.
        system_accountNextIndex(account: String) -> u32, NONE;
    }
    book.alias("account_nextIndex", "system_accountNextIndex");
}

fn describe_author(book: &mut Book) {
    let codes = &[TransactionUndecodable, TransactionTooLarge, Busy, NotReady];
    let params = |book: &mut Book| vec![("extrinsic", book.request_schema::<HexBytes>())];
    let refusals = [
        (1010, "Invalid Transaction"),
        (1013, "Transaction Already Imported"),
        (1014, "Priority is too low"),
        (1016, "Immediately Dropped"),
    ];
    let given = params(book);
    let summary = "Hands an extrinsic with its length prefix to the pool; returns its hash.";
    let mut method = book.by_position("author_submitExtrinsic", summary, given);
    for (code, message) in refusals {
        method = method.error(code, message);
    }
    method.errors(codes).answers::<HexHash>();
    let given = params(book);
    let summary = "Does the same, and tells what becomes of it.";
    let mut method = book.by_position("author_submitAndWatchExtrinsic", summary, given);
    for (code, message) in refusals {
        method = method.error(code, message);
    }
    method
        .errors(codes)
        .tells::<ExtrinsicStatus>("author_extrinsicUpdate", "author_unwatchExtrinsic");
    positional! { book:
        /// Returns the extrinsics that wait in the pool, at most 4 MiB of them.
        author_pendingExtrinsics() -> Vec<HexBytes>, NONE;
    }
}
