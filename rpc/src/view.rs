//! What the server needs from a node. The node implements it; the tests' double does too.
//!
//! Everything here is about *finalized* blocks: this chain has no others. Reads are synchronous
//! and quick (a few point reads); the server moves the slow ones off its event loop.

use std::borrow::Cow;
use std::fmt;

use allod_primitives::did::DidId;
use allod_primitives::log::{LogEntry, Stated};
use allod_primitives::{
    Block, Certificate, ChainId, H256, Header, Height, PublicKey, TimeMs, ValidatorSet,
};
use allod_rpc_api::context::AdmissionPolicy;
use allod_runtime::frame::wire::RuntimeVersion;
use tokio::sync::{broadcast, mpsc};

/// A key of the state and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// What the server needs from a node.
#[async_trait::async_trait]
pub trait NodeView: Send + Sync + 'static {
    /// Returns the newest finalized block; its state can be read and proven.
    fn head(&self) -> HeadInfo;

    /// Returns the header of a finalized block.
    fn header(&self, hash: &H256) -> Option<Header>;

    /// Returns the hash of the finalized block at a height.
    fn hash_of(&self, height: Height) -> Option<H256>;

    /// Returns a finalized block and a certificate of it (genesis has none).
    fn block(&self, hash: &H256) -> Option<(Block, Option<Certificate>)>;

    /// Returns the finalized block at a height.
    fn header_at(&self, height: Height) -> Option<HeadInfo> {
        let hash = self.hash_of(height)?;
        let header = self.header(&hash)?;
        Some(HeadInfo { hash, header })
    }

    /// Returns a certificate of a finalized block (genesis has none).
    fn certificate(&self, hash: &H256) -> Option<Certificate> {
        self.block(hash).and_then(|(_, certificate)| certificate)
    }

    /// Returns the validator set that headers name by `hash`.
    fn validator_set(&self, hash: &H256) -> Option<ValidatorSet>;

    /// Returns what the block `at` changed of identities, revocations and grants: storage keys,
    /// strictly ascending, with their new values, or `None` for what it deleted.
    ///
    /// # Errors
    /// [`StateUnavailable`] if that block is unknown, or the state before or after it no longer
    /// kept.
    fn changes_of(&self, at: &H256) -> Result<Vec<ChangedKey>, StateUnavailable>;

    /// Returns the storage keys of the state tree that the block `at` changed.
    ///
    /// # Errors
    /// As [`Self::changes_of`].
    fn changed_keys(&self, at: &H256) -> Result<Vec<Vec<u8>>, StateUnavailable>;

    /// Returns the value under `key` after the block `at`; per-block items such as
    /// `System.Events` of any block that is kept.
    ///
    /// # Errors
    /// [`StateUnavailable`] if that block is unknown or its state no longer kept.
    fn storage_at(&self, at: &H256, key: &[u8]) -> Result<Option<Vec<u8>>, StateUnavailable>;

    /// Returns at most `count` keys that begin with `prefix`, ascending, strictly after `start`.
    ///
    /// # Errors
    /// As [`Self::storage_at`].
    fn keys_at(
        &self,
        at: &H256,
        prefix: &[u8],
        count: usize,
        start: Option<&[u8]>,
    ) -> Result<Vec<Vec<u8>>, StateUnavailable>;

    /// Returns keys of the state tree with their values, ascending, strictly after `start`: at most
    /// `count`, and none after the one that makes them `bytes` or more.
    ///
    /// # Errors
    /// As [`Self::storage_at`].
    fn entries_at(
        &self,
        at: &H256,
        count: usize,
        bytes: usize,
        start: Option<&[u8]>,
    ) -> Result<Vec<Entry>, StateUnavailable>;

    /// Returns the encoded proof of presence or absence of `keys` under the state root of `at`.
    ///
    /// # Errors
    /// As [`Self::storage_at`].
    fn prove_at(&self, at: &H256, keys: &[Vec<u8>]) -> Result<Vec<u8>, StateUnavailable>;

    /// Returns the chain: origin genesis hash and fork.
    fn chain(&self) -> ChainId;

    /// Returns names and kind of node and chain.
    fn chain_info(&self) -> ChainInfo;

    /// Returns the node's clock.
    fn now(&self) -> TimeMs;

    /// Returns how the network takes in identities, as of the newest block.
    fn admission(&self) -> AdmissionPolicy;

    /// Returns the version of the runtime that transactions on top of the block `at` are judged
    /// by: the one that executes the next block.
    ///
    /// # Errors
    /// [`StateUnavailable`] if that block is unknown.
    fn runtime_version(&self, at: &H256) -> Result<RuntimeVersion, StateUnavailable>;

    /// Returns the metadata (`meta`, version byte, …) of [`Self::runtime_version`] in this
    /// metadata version, if there is such a one.
    ///
    /// # Errors
    /// As [`Self::runtime_version`].
    fn metadata(&self, at: &H256, format: u32) -> Result<Option<Vec<u8>>, StateUnavailable>;

    /// Judges an extrinsic's body by the state after the block `at`, and by nothing newer: clients
    /// repeat the question until inclusion, and the pool's answer would come too early.
    ///
    /// # Errors
    /// [`ValidityError`]: unknown block, or why the extrinsic is invalid.
    fn validate_transaction(
        &self,
        at: &H256,
        extrinsic: &[u8],
    ) -> Result<ValidTransaction, ValidityError>;

    /// Returns the account's nonce after the block `at`.
    ///
    /// # Errors
    /// As [`Self::storage_at`].
    fn nonce(&self, at: &H256, account: &PublicKey) -> Result<u32, StateUnavailable>;

    /// Returns the account's next nonce, counting what is in the pool.
    fn next_nonce(&self, account: &PublicKey) -> u32;

    /// Hands extrinsics (bodies, without length prefix) to the pool; answers in their order.
    async fn submit(&self, extrinsics: Vec<Vec<u8>>) -> Vec<Result<H256, PoolError>>;

    /// As [`Self::submit`], and reports what becomes of each. The watch exists before the pool
    /// takes the extrinsic, so that nothing is missed; one that is pending already is watched
    /// too, not refused. [`TxStatus::Finalized`] comes once [`Self::head`] returns that block or a
    /// later one: who was told so finds it when it reads.
    async fn submit_and_watch(&self, extrinsics: Vec<Vec<u8>>) -> Vec<Result<Watched, PoolError>>;

    /// Returns the bodies of pending extrinsics, in the order they would be proposed.
    fn pending(&self) -> Vec<Vec<u8>>;

    /// Returns a receiver of every newly finalized head, sent once [`Self::head`] returns it. It
    /// may lag; the server then catches up by [`Self::hash_of`].
    fn subscribe_heads(&self) -> broadcast::Receiver<HeadInfo>;

    /// Returns at most `count` entries of an identity's log from position `from`, ascending. Reads
    /// the log alone, and nothing of the blocks.
    ///
    /// # Errors
    /// [`StateUnavailable`] if the index cannot be read.
    fn log_entries(
        &self,
        did: &DidId,
        from: u64,
        count: u32,
    ) -> Result<Vec<LogEntry>, StateUnavailable>;

    /// As [`Self::log_entries`], each with its cause: reads the block of each.
    ///
    /// # Errors
    /// As [`Self::log_entries`].
    fn history(
        &self,
        did: &DidId,
        from: u64,
        count: u32,
    ) -> Result<Vec<HistoryItem>, StateUnavailable>;

    /// Returns the peers connected now.
    fn peers(&self) -> Vec<PeerInfo>;

    /// Returns how the node stands to its network.
    fn sync_state(&self) -> SyncState;

    /// Returns the node's metrics in OpenMetrics text.
    fn metrics_text(&self) -> String;
}

/// A storage key that a block changed, and its new value; `None` if the block deleted it.
pub type ChangedKey = (Vec<u8>, Option<Vec<u8>>);

/// A finalized head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadInfo {
    /// Its hash.
    pub hash: H256,
    /// Its header.
    pub header: Header,
}

impl HeadInfo {
    /// Returns its height.
    pub const fn height(&self) -> Height {
        self.header.number
    }

    /// Returns its time.
    pub const fn time(&self) -> TimeMs {
        self.header.digest.time
    }
}

/// The state of a block cannot be read: the block is unknown, its state pruned, or storage failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the state of that block is not available")]
pub struct StateUnavailable;

/// Names and kind of node and chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainInfo {
    /// The chain's name, for people.
    pub chain: String,
    /// `Development`, `Local` or `Live`.
    pub chain_type: String,
    /// The node's program.
    pub node: String,
    /// Its version.
    pub version: String,
}

/// An error of a layer below, by the slug of the one table of codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Slug, such as `did.sequence_stale`.
    pub slug: Cow<'static, str>,
    /// Evidence safe to show.
    pub detail: Option<String>,
}

impl Fault {
    /// Makes a fault without evidence.
    pub const fn new(slug: &'static str) -> Self {
        Self {
            slug: Cow::Borrowed(slug),
            detail: None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.slug)?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

/// What the pool needs to know of a valid extrinsic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValidTransaction {
    /// Higher comes first.
    pub priority: u64,
    /// Tags that others must provide first.
    pub requires: Vec<Vec<u8>>,
    /// Tags it provides.
    pub provides: Vec<Vec<u8>>,
    /// For how many blocks this stays true.
    pub longevity: u64,
}

/// Substrate's reasons why a transaction is invalid, with their codec indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidTransaction {
    /// The call is not expected.
    Call,
    /// It cannot be paid.
    Payment,
    /// Its nonce lies ahead.
    Future,
    /// Its nonce has passed.
    Stale,
    /// Its signature does not verify.
    BadProof,
    /// Its first block is unknown or its era over.
    AncientBirthBlock,
    /// It does not fit into a block.
    ExhaustsResources,
    /// A reason of our own.
    Custom(u8),
    /// An inherent that fails.
    BadMandatory,
    /// An inherent sent from outside.
    MandatoryValidation,
    /// Its sender may not send.
    BadSigner,
}

impl InvalidTransaction {
    /// Returns the SCALE bytes of Substrate's `TransactionValidityError::Invalid(self)`.
    pub fn encode_validity(self) -> Vec<u8> {
        let index = match self {
            Self::Call => 0,
            Self::Payment => 1,
            Self::Future => 2,
            Self::Stale => 3,
            Self::BadProof => 4,
            Self::AncientBirthBlock => 5,
            Self::ExhaustsResources => 6,
            Self::Custom(code) => return vec![0, 7, code],
            Self::BadMandatory => 8,
            Self::MandatoryValidation => 9,
            Self::BadSigner => 10,
        };
        vec![0, index]
    }

    /// Returns Substrate's words for it, which clients show.
    pub fn text(self) -> String {
        let text = match self {
            Self::Call => "Transaction call is not expected",
            Self::Payment => "Inability to pay some fees (e.g. account balance too low)",
            Self::Future => "Transaction will be valid in the future",
            Self::Stale => "Transaction is outdated",
            Self::BadProof => "Transaction has a bad signature",
            Self::AncientBirthBlock => "Transaction has an ancient birth block",
            Self::ExhaustsResources => "Transaction would exhaust the block limits",
            Self::Custom(code) => return format!("Custom error: {code}"),
            Self::BadMandatory => "A call was labelled as mandatory, but resulted in an Error.",
            Self::MandatoryValidation => "Transaction dispatch is mandatory; not from outside",
            Self::BadSigner => "Invalid signing address",
        };
        text.to_owned()
    }
}

/// Why an extrinsic is invalid: Substrate's reason for existing clients, ours for everybody else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid transaction: {fault}")]
pub struct TransactionError {
    /// Substrate's reason.
    pub reason: InvalidTransaction,
    /// Ours.
    pub fault: Fault,
}

/// Why no validity can be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValidityError {
    /// The state of the block is not available.
    #[error(transparent)]
    Unavailable(#[from] StateUnavailable),
    /// The extrinsic is invalid.
    #[error(transparent)]
    Invalid(#[from] TransactionError),
}

/// Why the pool did not take an extrinsic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// It is invalid now.
    #[error(transparent)]
    Invalid(#[from] TransactionError),
    /// It is in the pool already.
    #[error("already in the pool")]
    AlreadyKnown,
    /// It is in a finalized block already: whoever submits again, not having heard the first
    /// answer, learns where.
    #[error("already in the finalized block {}", .0.height)]
    AlreadyFinalized(Box<Finalized>),
    /// It was in a recent block, and where is no longer known.
    #[error("already in a finalized block")]
    AlreadyIncluded,
    /// Another pending extrinsic provides the same tag.
    #[error("another pending extrinsic takes the same place")]
    Conflict,
    /// The pool is full.
    #[error("the pool is full")]
    Full,
    /// It exceeds the maximum size.
    #[error("the extrinsic is too large")]
    TooLarge,
    /// As many extrinsics of this account or identity wait as may.
    #[error("too many extrinsics of this account or identity wait")]
    SubjectFull,
    /// Submissions arrive faster than they are judged.
    #[error("too many submissions wait")]
    Busy,
    /// The node is catching up, so it cannot judge.
    #[error("the node is catching up")]
    NotReady,
}

/// An extrinsic in the pool and the reports about it.
#[derive(Debug)]
pub struct Watched {
    /// Its hash.
    pub hash: H256,
    /// What becomes of it, ending with a final status. A closed channel without one means that
    /// the node gave up watching.
    pub updates: mpsc::Receiver<TxStatus>,
}

/// What becomes of an extrinsic. The last three are final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxStatus {
    /// It is in the pool and waits for another.
    Future,
    /// It is in the pool and could be proposed next.
    Ready,
    /// It was sent to these peers.
    Broadcast(Vec<String>),
    /// It is in a finalized block.
    Finalized(Finalized),
    /// The pool gave it up.
    Dropped,
    /// It became invalid.
    Invalid(TransactionError),
}

/// Where an extrinsic went, and how it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finalized {
    /// Hash of its block.
    pub block: H256,
    /// Height of its block.
    pub height: Height,
    /// Its position in the block.
    pub index: u32,
    /// Why its dispatch failed, if it did.
    pub failure: Option<Fault>,
    /// For a batch: position and error of the items that failed.
    pub item_failures: Vec<(u32, Fault)>,
}

/// One entry of an identity's log, and where to find its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryItem {
    /// The entry.
    pub entry: LogEntry,
    /// Position of the extrinsic in the entry's block; `None` if no extrinsic caused it.
    pub extrinsic_index: Option<u32>,
    /// SCALE `SignedOperation`, where there is one and its bytes are kept.
    pub operation: Option<Vec<u8>>,
    /// What the entry's cause does not tell.
    pub stated: Option<Stated>,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Its libp2p identity.
    pub peer_id: String,
    /// `VALIDATOR` or `OBSERVER`.
    pub role: String,
    /// Its newest block, as far as known.
    pub best_hash: Option<H256>,
    /// Height of that.
    pub best_height: Height,
}

/// How the node stands to its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncState {
    /// Height of the first block after the last start.
    pub starting: Height,
    /// Height of the newest finalized block here.
    pub current: Height,
    /// Highest height heard of.
    pub highest: Height,
    /// Whether it is catching up.
    pub syncing: bool,
    /// Whether it should have peers (a network of one should not).
    pub should_have_peers: bool,
}
