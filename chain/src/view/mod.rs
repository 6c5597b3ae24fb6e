//! The node as the RPC server sees it: reads of the store and the tree, the mempool's door, and
//! what became of a transaction.
//!
//! It is *not* on the way of a block: nothing here can delay consensus but by using the processor.

mod outcomes;
mod state;

use std::fmt;
use std::sync::Arc;

use allod_primitives::did::DidId;
use allod_primitives::extrinsic::RawExtrinsic;
use allod_primitives::header::extrinsic_hash;
use allod_primitives::log::{LogEntry, LogKind};
use allod_primitives::operation::SignedOperation;
use allod_primitives::{
    Block, Certificate, ChainId, H256, Header, Height, PublicKey, TimeMs, ValidatorSet,
};
use allod_rpc::fault;
use allod_rpc::view::{
    ChainInfo, ChangedKey, Entry, Fault, Finalized, HeadInfo, HistoryItem, NodeView, PeerInfo,
    PoolError, StateUnavailable, SyncState, TxStatus, ValidTransaction, ValidityError, Watched,
};
use allod_rpc_api::context::AdmissionPolicy;
use allod_runtime::authority::PeerRole;
use allod_runtime::executive;
use allod_runtime::frame::wire::RuntimeVersion;
use allod_runtime::version::Version;
use allod_runtime::{RuntimeCall, authority, did, is_identity_key, system};
use parity_scale_codec::Encode;
use tokio::sync::{broadcast, mpsc};

use self::outcomes::Outcomes;
use self::state::StateAt;
use crate::ledger::Chain;
use crate::limits::{POOL_BYTES_MAX, POOL_COUNT_MAX, WATCH_EVENTS_MAX};
use crate::mempool;
use crate::node::Shared;
use crate::storage::{IndexedEntry, Tip};

/// The node's side of the RPC server.
pub struct ChainView {
    node: Arc<Shared>,
    info: ChainInfo,
    outcomes: Arc<Outcomes>,
}

impl fmt::Debug for ChainView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainView")
            .field("chain", self.node.chain())
            .finish_non_exhaustive()
    }
}

impl ChainView {
    /// Makes a view of `node`, which goes by the names in `info`.
    pub fn new(node: Arc<Shared>, info: ChainInfo) -> Self {
        let outcomes = Arc::new(Outcomes::new(node.chain().clone()));
        Self {
            node,
            info,
            outcomes,
        }
    }

    fn chain(&self) -> &Chain {
        self.node.chain()
    }

    /// Returns the height of a block, if it is a finalized one.
    fn height(&self, at: &H256) -> Result<Height, StateUnavailable> {
        // Nearly everybody asks about the newest.
        let tip = self.chain().store().tip();
        if tip.hash == *at {
            return Ok(tip.height());
        }
        let found = self.chain().store().reader().height_of(at);
        found.ok().flatten().ok_or(StateUnavailable)
    }

    /// Returns the version of the state machine that a transaction on top of the block `at` is
    /// judged by: that of the next block, or if this program lacks it and so is about to halt,
    /// the version that executed the block.
    fn version_after(&self, at: &H256) -> Result<&'static Version, StateUnavailable> {
        let header = NodeView::header(self, at).ok_or(StateUnavailable)?;
        let executive = self.chain().executive();
        let next = header.number.next();
        let reader = self.chain().store().reader();
        let spec_version = match reader.header(next).ok().flatten() {
            Some(next) => next.digest.spec_version,
            None => authority::required_version(&self.state_at(at)?, next),
        };
        let known = executive.version(spec_version);
        let known = known.or_else(|| executive.version(header.digest.spec_version));
        known.ok_or(StateUnavailable)
    }

    fn state_at(&self, at: &H256) -> Result<StateAt<'_>, StateUnavailable> {
        let height = self.height(at)?;
        StateAt::new(self.chain().store().reader(), height)
    }

    /// Returns the operation with this hash inside an extrinsic.
    fn operation_in(body: &[u8], hash: &H256) -> Option<SignedOperation> {
        let call = RawExtrinsic::decode_body(body).ok()?.call;
        let matching = |signed: &SignedOperation| signed.operation.hash() == *hash;
        match executive::decode_call(&call).ok()? {
            RuntimeCall::Did(
                did::Call::submit { operation } | did::Call::incept { operation, .. },
            ) => Some(operation).filter(matching),
            RuntimeCall::Did(did::Call::batch { items }) => {
                items.into_vec().into_iter().find(matching)
            }
            _ => None,
        }
    }

    /// Follows one transaction from the mempool to its end, in the server's words.
    fn follow(&self, mut watch: mempool::Watch, body: Vec<u8>) -> mpsc::Receiver<TxStatus> {
        let (sender, receiver) = mpsc::channel(WATCH_EVENTS_MAX);
        let outcomes = self.outcomes.clone();
        tokio::spawn(async move {
            while let Some(status) = watch.recv().await {
                let told = match status {
                    mempool::TxStatus::Ready => TxStatus::Ready,
                    mempool::TxStatus::Future => TxStatus::Future,
                    mempool::TxStatus::Finalized {
                        block,
                        height,
                        index,
                    } => TxStatus::Finalized(outcomes.finalized(block, height, index)),
                    mempool::TxStatus::Dropped(_) => TxStatus::Dropped,
                    mempool::TxStatus::Invalid(error) => {
                        TxStatus::Invalid(fault::transaction(&error, &body))
                    }
                };
                // Whoever has stopped listening wants to hear no more.
                if sender.send(told).await.is_err() {
                    break;
                }
            }
        });
        receiver
    }

    /// Returns where a transaction went that is in a block already, and how.
    fn where_is(&self, hash: &H256) -> Option<Finalized> {
        let reader = self.chain().store().reader();
        let (height, index) = reader.extrinsic(hash).ok().flatten()?;
        let block = reader.header(height).ok().flatten()?.hash();
        drop(reader);
        Some(self.outcomes.finalized(block, height, index))
    }

    /// Returns a transaction that is in a block already, as one that has just been finalized.
    fn included(&self, hash: H256) -> Option<Watched> {
        let (sender, updates) = mpsc::channel(1);
        let finalized = self.where_is(&hash)?;
        sender.try_send(TxStatus::Finalized(finalized)).ok()?;
        Some(Watched { hash, updates })
    }
}

/// Turns the mempool's refusal into the server's.
fn pool_error(error: mempool::PoolError, body: &[u8]) -> PoolError {
    use mempool::PoolError as Pool;
    match error {
        Pool::Invalid(error) => PoolError::Invalid(fault::transaction(&error, body)),
        Pool::AlreadyKnown { .. } => PoolError::AlreadyKnown,
        Pool::AlreadyIncluded { .. } => PoolError::AlreadyIncluded,
        Pool::TagTaken { .. } => PoolError::Conflict,
        Pool::TooLong { .. } | Pool::TooMany { .. } => PoolError::TooLarge,
        Pool::SubjectFull { .. } => PoolError::SubjectFull,
        Pool::Busy => PoolError::Busy,
        Pool::Stopping => PoolError::NotReady,
        _ => PoolError::Full,
    }
}

#[async_trait::async_trait]
impl NodeView for ChainView {
    fn head(&self) -> HeadInfo {
        let Tip { header, hash } = self.chain().store().tip();
        // A block is on disk a moment before its state is in the tree.
        let is_proven = |height: Height| {
            let root = self.chain().with_tree(|tree| tree.root_at(height));
            root.is_some()
        };
        let newest = HeadInfo { hash, header };
        if is_proven(newest.height()) {
            return newest;
        }
        let before = Height(newest.height().0.saturating_sub(1));
        self.header_at(before).unwrap_or(newest)
    }

    fn header(&self, hash: &H256) -> Option<Header> {
        self.chain().store().reader().header_of(hash).ok().flatten()
    }

    fn hash_of(&self, height: Height) -> Option<H256> {
        let header = self.chain().store().reader().header(height).ok().flatten();
        header.map(|header| header.hash())
    }

    fn block(&self, hash: &H256) -> Option<(Block, Option<Certificate>)> {
        let reader = self.chain().store().reader();
        let height = reader.height_of(hash).ok().flatten()?;
        let block = reader.block(height).ok().flatten()?;
        Some((block, reader.certificate(height).ok().flatten()))
    }

    fn header_at(&self, height: Height) -> Option<HeadInfo> {
        let header = self
            .chain()
            .store()
            .reader()
            .header(height)
            .ok()
            .flatten()?;
        Some(HeadInfo {
            hash: header.hash(),
            header,
        })
    }

    fn certificate(&self, hash: &H256) -> Option<Certificate> {
        let reader = self.chain().store().reader();
        let height = reader.height_of(hash).ok().flatten()?;
        reader.certificate(height).ok().flatten()
    }

    fn validator_set(&self, hash: &H256) -> Option<ValidatorSet> {
        let reader = self.chain().store().reader();
        reader.validator_set(hash).ok().flatten()
    }

    fn changes_of(&self, at: &H256) -> Result<Vec<ChangedKey>, StateUnavailable> {
        let reader = self.chain().store().reader();
        let height = reader.height_of(at).ok().flatten();
        let height = height.ok_or(StateUnavailable)?;
        let keys = reader.changed(height).map_err(|_| StateUnavailable)?;
        let keys = keys.ok_or(StateUnavailable)?;
        let keys = keys.into_iter().filter(|key| is_identity_key(key));
        let valued = keys.map(|key| {
            let value = reader.value_at(height, &key);
            Ok((key, value.map_err(|_| StateUnavailable)?))
        });
        valued.collect()
    }

    fn changed_keys(&self, at: &H256) -> Result<Vec<Vec<u8>>, StateUnavailable> {
        let reader = self.chain().store().reader();
        let height = reader.height_of(at).ok().flatten();
        let height = height.ok_or(StateUnavailable)?;
        let keys = reader.changed(height).map_err(|_| StateUnavailable)?;
        keys.ok_or(StateUnavailable)
    }

    fn storage_at(&self, at: &H256, key: &[u8]) -> Result<Option<Vec<u8>>, StateUnavailable> {
        let height = self.height(at)?;
        let reader = self.chain().store().reader();
        reader.value_at(height, key).map_err(|_| StateUnavailable)
    }

    fn keys_at(
        &self,
        at: &H256,
        prefix: &[u8],
        count: usize,
        start: Option<&[u8]>,
    ) -> Result<Vec<Vec<u8>>, StateUnavailable> {
        let height = self.height(at)?;
        let reader = self.chain().store().reader();
        reader
            .keys_at(height, prefix, start, count)
            .map_err(|_| StateUnavailable)
    }

    fn entries_at(
        &self,
        at: &H256,
        count: usize,
        bytes: usize,
        start: Option<&[u8]>,
    ) -> Result<Vec<Entry>, StateUnavailable> {
        let height = self.height(at)?;
        let reader = self.chain().store().reader();
        let keys = reader.keys_at(height, &[], start, count);
        let keys = keys.map_err(|_| StateUnavailable)?;
        let (mut entries, mut read) = (Vec::with_capacity(keys.len()), 0usize);
        for key in keys {
            if read >= bytes {
                break;
            }
            let value = reader.value_at(height, &key);
            let value = value.ok().flatten().ok_or(StateUnavailable)?;
            read = read.saturating_add(key.len()).saturating_add(value.len());
            entries.push((key, value));
        }
        Ok(entries)
    }

    fn prove_at(&self, at: &H256, keys: &[Vec<u8>]) -> Result<Vec<u8>, StateUnavailable> {
        let height = self.height(at)?;
        let reader = self.chain().store().reader();
        let read = |key: &[u8], _: &H256| reader.value_at(height, key).ok().flatten();
        let proof = self
            .chain()
            .with_tree(|tree| tree.prove(height, keys, read));
        proof
            .map(|proof| proof.encode())
            .map_err(|_| StateUnavailable)
    }

    fn chain(&self) -> ChainId {
        self.node.chain().id()
    }

    fn chain_info(&self) -> ChainInfo {
        self.info.clone()
    }

    fn now(&self) -> TimeMs {
        self.node.chain().clock().now()
    }

    fn admission(&self) -> AdmissionPolicy {
        let policy = authority::storage::admission_policy(&self.node.chain().store().state());
        AdmissionPolicy {
            vouchers: policy.vouchers,
            work_bits: policy.work_bits,
        }
    }

    fn runtime_version(&self, at: &H256) -> Result<RuntimeVersion, StateUnavailable> {
        self.version_after(at).map(Version::describe)
    }

    fn metadata(&self, at: &H256, format: u32) -> Result<Option<Vec<u8>>, StateUnavailable> {
        let version = self.version_after(at)?;
        Ok((version.metadata)(&version.describe(), format))
    }

    fn validate_transaction(
        &self,
        at: &H256,
        extrinsic: &[u8],
    ) -> Result<ValidTransaction, ValidityError> {
        let header = NodeView::header(self, at).ok_or(StateUnavailable)?;
        let state = self.state_at(at)?;
        let view = self.chain().executive().view(&state, &header, self.now());
        let valid = view
            .validate(extrinsic, self.node.chain().signatures())
            .map_err(|error| fault::transaction(&error, extrinsic))?;
        Ok(ValidTransaction {
            priority: valid.priority,
            requires: valid.requires,
            provides: valid.provides,
            longevity: valid.longevity,
        })
    }

    fn nonce(&self, at: &H256, account: &PublicKey) -> Result<u32, StateUnavailable> {
        Ok(system::nonce(&self.state_at(at)?, account))
    }

    fn next_nonce(&self, account: &PublicKey) -> u32 {
        let now = system::nonce(&self.node.chain().store().state(), account);
        let pending = self.pending().into_iter().filter_map(|body| {
            let signed = RawExtrinsic::decode_body(&body).ok()?.signed?;
            (signed.account == *account).then_some(signed.nonce.saturating_add(1))
        });
        pending.max().unwrap_or(now).max(now)
    }

    async fn submit(&self, extrinsics: Vec<Vec<u8>>) -> Vec<Result<H256, PoolError>> {
        let results = self.node.mempool().submit(extrinsics.clone()).await;
        let pairs = results.into_iter().zip(&extrinsics);
        pairs
            .map(|(result, body)| {
                result.map_err(|error| match error {
                    mempool::PoolError::AlreadyIncluded { hash } => self
                        .where_is(&hash)
                        .map_or(PoolError::AlreadyIncluded, |found| {
                            PoolError::AlreadyFinalized(Box::new(found))
                        }),
                    error => pool_error(error, body),
                })
            })
            .collect()
    }

    async fn submit_and_watch(&self, extrinsics: Vec<Vec<u8>>) -> Vec<Result<Watched, PoolError>> {
        let watches: Vec<_> = extrinsics
            .iter()
            .map(|body| {
                let hash = extrinsic_hash(body);
                (hash, self.node.mempool().watch(hash))
            })
            .collect();
        let results = self.node.mempool().submit(extrinsics.clone()).await;
        let all = results.into_iter().zip(watches).zip(&extrinsics);
        all.map(|((result, (hash, watch)), body)| match result {
            Ok(_) | Err(mempool::PoolError::AlreadyKnown { .. }) => Ok(Watched {
                hash,
                updates: self.follow(watch, body.clone()),
            }),
            Err(mempool::PoolError::AlreadyIncluded { .. }) => {
                self.included(hash).ok_or(PoolError::AlreadyKnown)
            }
            Err(error) => Err(pool_error(error, body)),
        })
        .collect()
    }

    fn pending(&self) -> Vec<Vec<u8>> {
        let all = self
            .node
            .mempool()
            .candidates(POOL_COUNT_MAX, POOL_BYTES_MAX);
        all.into_iter().map(|body| body.to_vec()).collect()
    }

    fn subscribe_heads(&self) -> broadcast::Receiver<HeadInfo> {
        self.node.subscribe_heads()
    }

    fn log_entries(
        &self,
        did: &DidId,
        from: u64,
        count: u32,
    ) -> Result<Vec<LogEntry>, StateUnavailable> {
        let reader = self.chain().store().reader();
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let entries = reader.log(did, from, count).map_err(|_| StateUnavailable)?;
        Ok(entries.into_iter().map(|it| it.entry).collect())
    }

    fn history(
        &self,
        did: &DidId,
        from: u64,
        count: u32,
    ) -> Result<Vec<HistoryItem>, StateUnavailable> {
        let reader = self.chain().store().reader();
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let entries = reader.log(did, from, count).map_err(|_| StateUnavailable)?;
        let item = |indexed: IndexedEntry| {
            let entry = indexed.entry;
            // Time and governance change records during extrinsics too, but not because of them.
            let caused = entry.kind == LogKind::Operation;
            let index = indexed.extrinsic.filter(|_| caused);
            let body = match index {
                Some(index) => reader.extrinsic_at(entry.height, index),
                None => Ok(None),
            };
            let body = body.map_err(|_| StateUnavailable)?;
            let operation = body
                .and_then(|body| Self::operation_in(&body, &entry.operation_hash))
                .map(|signed| signed.encode());
            Ok(HistoryItem {
                entry,
                extrinsic_index: index,
                operation,
                stated: indexed.stated,
            })
        };
        entries.into_iter().map(item).collect()
    }

    fn peers(&self) -> Vec<PeerInfo> {
        let state = self.node.chain().store().state();
        let admitted = authority::peers(&state);
        let head = self.head();
        let info = |peer_id: String| {
            let validator = admitted.iter().any(|peer| {
                let id = crate::keyfile::peer_id(&peer.peer_id);
                matches!(peer.role, PeerRole::Validator(_))
                    && id.is_some_and(|id| id.to_base58() == peer_id)
            });
            let role = if validator { "VALIDATOR" } else { "OBSERVER" };
            PeerInfo {
                peer_id,
                role: role.to_owned(),
                best_hash: None,
                best_height: head.height(),
            }
        };
        self.node.connected().into_iter().map(info).collect()
    }

    fn sync_state(&self) -> SyncState {
        let head = self.head();
        let state = self.node.chain().store().state();
        SyncState {
            starting: self.node.starting(),
            current: head.height(),
            highest: head.height(),
            syncing: !self.node.is_ready(),
            should_have_peers: authority::peers(&state).len() > 1,
        }
    }

    fn metrics_text(&self) -> String {
        self.node.metrics_text()
    }
}

/// What became of an extrinsic in its block, of which nothing more can be said.
fn unknown_outcome(block: H256, height: Height, index: u32) -> Finalized {
    Finalized {
        block,
        height,
        index,
        failure: Some(Fault::new(
            allod_rpc_api::ErrorCode::TransactionFailed.slug(),
        )),
        item_failures: Vec::new(),
    }
}
