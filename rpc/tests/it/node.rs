//! A node of one process: the real state machine over a plain map, a block per submission.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::ThreadId;

use allod_primitives::certificate::{CommitSignature, VoteType, vote_preimage};
use allod_primitives::header::extrinsic_hash;
use allod_primitives::log::LogEntry;
use allod_primitives::operation::SignedOperation;
use allod_primitives::tree::value_hash;
use allod_primitives::{
    Block, Certificate, ChainId, DidId, ForkId, H256, Header, Height, PublicKey, Text, TimeMs,
    ValidatorSet,
};
use allod_rpc::view::Entry;
use allod_rpc::{
    ChainInfo, ChangedKey, Finalized, HeadInfo, HistoryItem, NodeView, PeerInfo, PoolError,
    RuntimeVersion, StateUnavailable, SyncState, TxStatus, ValidTransaction, ValidityError,
    Watched, fault,
};
use allod_rpc_api::context::AdmissionPolicy;
use allod_runtime::authority::types::{Parameters, ValidatorInfo};
use allod_runtime::executive::{self, BuildLimits, Executed};
use allod_runtime::frame::{Direct, StateRead, TransactionError};
use allod_runtime::genesis::GenesisConfig;
use allod_runtime::tree::Tree;
use allod_runtime::{RuntimeCall, RuntimeEvent, authority, did, is_identity_key, system};
use parity_scale_codec::Encode;
use tokio::sync::{broadcast, mpsc};

use crate::people;

type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// Time of genesis.
pub(crate) const START: TimeMs = TimeMs(20_000 * 86_400_000);
const VALIDATOR_SEED: u8 = 1;
/// Bytes of one value that a block seems to have changed.
const PAD_BYTES: usize = 16 * 1024;
/// Between blocks.
pub(crate) const STEP_MS: u64 = 1000;

struct Stored {
    head: HeadInfo,
    extrinsics: Vec<Vec<u8>>,
    state: State,
    /// Items of this block alone, outside the tree.
    scratch: State,
    changes: Vec<ChangedKey>,
    /// Every key of the tree that the block changed.
    changed: Vec<Vec<u8>>,
}

struct Inner {
    blocks: Vec<Stored>,
    pool: Vec<(Vec<u8>, Option<mpsc::Sender<TxStatus>>)>,
    history: BTreeMap<DidId, Vec<HistoryItem>>,
    sets: Vec<ValidatorSet>,
    /// Whether a submission makes a block at once.
    is_automatic: bool,
    is_syncing: bool,
    refusal: Option<PoolError>,
    /// States below this height are gone.
    pruned_below: u64,
    clock: TimeMs,
    /// Bytes of values that every block seems to have changed beside its own.
    padding: usize,
    /// Threads that changes were read on.
    readers: Vec<ThreadId>,
    /// For how many keys was looked, and on which thread.
    scans: Vec<(ThreadId, usize)>,
    entry_bytes_read: usize,
    /// How often entries were read with their causes.
    blocks_read: usize,
}

/// Where reads can be made to wait.
#[derive(Default)]
pub(crate) struct Gate {
    /// Whether it is shut, and how many wait before it.
    state: Mutex<(bool, usize)>,
    opened: Condvar,
}

impl Gate {
    pub(crate) fn shut(&self) {
        self.state.lock().unwrap().0 = true;
    }

    pub(crate) fn open(&self) {
        self.state.lock().unwrap().0 = false;
        self.opened.notify_all();
    }

    /// Returns once as many wait before it.
    pub(crate) async fn gathers(&self, count: usize) {
        while self.state.lock().unwrap().1 < count {
            tokio::task::yield_now().await;
        }
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        let mut state = self.opened.wait_while(state, |it| it.0).unwrap();
        state.1 -= 1;
    }
}

/// While it lives, the node's reads wait.
pub(crate) struct Busy<'n>(#[expect(dead_code, reason = "held, not read")] MutexGuard<'n, Inner>);

pub(crate) struct Node {
    inner: Mutex<Inner>,
    /// Before reads of histories with their blocks.
    pub(crate) histories: Gate,
    /// Before reads of single values.
    pub(crate) values: Gate,
    /// Before the text of `/metrics`.
    pub(crate) metrics: Gate,
    heads: broadcast::Sender<HeadInfo>,
    genesis_hash: H256,
}

impl Node {
    pub(crate) fn new() -> Arc<Self> {
        let executed = executive::genesis(&config()).unwrap();
        let mut state = State::new();
        apply(&mut state, &executed);
        let header = executive::genesis_header(&executed, tree(&state).root());
        let genesis_hash = header.hash();
        let genesis = Stored {
            head: HeadInfo {
                hash: genesis_hash,
                header,
            },
            extrinsics: Vec::new(),
            state,
            scratch: executed.scratch.clone(),
            changes: Vec::new(),
            changed: Vec::new(),
        };
        let (current, next) = executed.next_sets;
        Arc::new(Self {
            inner: Mutex::new(Inner {
                blocks: vec![genesis],
                pool: Vec::new(),
                history: BTreeMap::new(),
                sets: vec![current, next],
                is_automatic: true,
                is_syncing: false,
                refusal: None,
                pruned_below: 0,
                clock: START,
                padding: 0,
                readers: Vec::new(),
                scans: Vec::new(),
                entry_bytes_read: 0,
                blocks_read: 0,
            }),
            histories: Gate::default(),
            values: Gate::default(),
            metrics: Gate::default(),
            // Small, so that a slow subscriber lags.
            heads: broadcast::channel(4).0,
            genesis_hash,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Makes every read of the node wait as long as what is returned lives.
    pub(crate) fn busy(&self) -> Busy<'_> {
        Busy(self.lock())
    }

    pub(crate) fn hold(&self) {
        self.lock().is_automatic = false;
    }

    /// Returns how many transactions wait for a block.
    pub(crate) fn pending_count(&self) -> usize {
        self.lock().pool.len()
    }

    pub(crate) fn refuse(&self, error: Option<PoolError>) {
        self.lock().refusal = error;
    }

    pub(crate) fn set_syncing(&self, is_syncing: bool) {
        self.lock().is_syncing = is_syncing;
    }

    pub(crate) fn prune_below(&self, height: u64) {
        self.lock().pruned_below = height;
    }

    /// From now on every block seems to have changed `bytes` more.
    pub(crate) fn pad_changes(&self, bytes: usize) {
        self.lock().padding = bytes;
    }

    /// Returns the threads that changes of blocks were read on.
    pub(crate) fn readers(&self) -> Vec<ThreadId> {
        self.lock().readers.clone()
    }

    /// Returns for how many keys was looked, and on which threads.
    pub(crate) fn scans(&self) -> Vec<(ThreadId, usize)> {
        self.lock().scans.clone()
    }

    /// Returns the bytes of entries that were read for pages of the state.
    pub(crate) fn entry_bytes_read(&self) -> usize {
        self.lock().entry_bytes_read
    }

    /// Returns how often entries of logs were read with their causes.
    pub(crate) fn blocks_read(&self) -> usize {
        self.lock().blocks_read
    }

    /// Puts values into the newest state that no block has made.
    pub(crate) fn stuff(&self, entries: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) {
        let mut inner = self.lock();
        inner.blocks.last_mut().unwrap().state.extend(entries);
    }

    pub(crate) fn advance_clock(&self, ms: u64) {
        let mut inner = self.lock();
        inner.clock = inner.clock.plus_ms(ms);
    }

    /// Returns the newest block's time.
    pub(crate) fn time(&self) -> TimeMs {
        self.lock().blocks.last().unwrap().head.time()
    }

    /// Makes a block `ms` later than the next one would be.
    pub(crate) fn jump(&self, ms: u64) {
        let mut inner = self.lock();
        self.produce_after(&mut inner, STEP_MS + ms);
    }

    /// Shows the newest block as one `ms` later, and with what it had written down before.
    pub(crate) fn show_later(&self, ms: u64) {
        let mut inner = self.lock();
        let newest = inner.blocks.last_mut().unwrap();
        let time = &mut newest.head.header.digest.time;
        *time = time.plus_ms(ms);
    }

    pub(crate) fn genesis(&self) -> H256 {
        self.genesis_hash
    }

    /// Drops every pending extrinsic.
    pub(crate) fn drop_pool(&self) {
        for (_, watcher) in self.lock().pool.drain(..) {
            tell(watcher.as_ref(), TxStatus::Dropped);
        }
    }

    /// Makes `count` blocks.
    pub(crate) fn produce(&self, count: u32) {
        for _ in 0..count {
            let mut inner = self.lock();
            self.produce_one(&mut inner);
        }
    }

    fn produce_one(&self, inner: &mut Inner) {
        self.produce_after(inner, STEP_MS);
    }

    fn produce_after(&self, inner: &mut Inner, ms: u64) {
        let parent = inner.blocks.last().unwrap();
        let time = parent.head.time().plus_ms(ms);
        let mut state = parent.state.clone();
        let parent = parent.head.header.clone();
        let pool = std::mem::take(&mut inner.pool);
        let bodies = pool.iter().map(|(body, _)| body.clone());
        let limits = BuildLimits::default();
        let built = executive::build_block(&state, &parent, time, bodies, &limits, &Direct);
        let built = built.unwrap();
        apply(&mut state, &built.executed);
        let root = tree(&state).root();
        let header = executive::header(&parent, &built.executed, root, PublicKey([9; 32]));
        let head = HeadInfo {
            hash: header.hash(),
            header,
        };
        let (current, next) = built.executed.next_sets.clone();
        inner.sets.extend([current, next]);
        let changed = built.executed.changes.iter();
        let changed = changed.map(|(key, _)| key.clone()).collect();
        let changes = built.executed.changes.clone().into_iter();
        let changes = changes.filter(|(key, _)| is_identity_key(key)).collect();
        record_history(inner, &built.extrinsics, &built.executed);
        for (body, watcher) in pool {
            let status = match built.extrinsics.iter().position(|it| *it == body) {
                Some(index) => {
                    TxStatus::Finalized(finalized(&head, u32::try_from(index).unwrap(), &built))
                }
                None => {
                    let hash = extrinsic_hash(&body);
                    let found = built.rejected.iter().find(|it| it.0 == hash);
                    let error = found.map_or(TransactionError::Future, |it| it.1);
                    TxStatus::Invalid(fault::transaction(&error, &body))
                }
            };
            tell(watcher.as_ref(), status);
        }
        inner.clock = inner.clock.max(head.time());
        inner.blocks.push(Stored {
            head: head.clone(),
            extrinsics: built.extrinsics,
            state,
            scratch: built.executed.scratch,
            changes,
            changed,
        });
        // Nobody may be subscribed.
        let _nobody = self.heads.send(head);
    }

    fn take(
        &self,
        body: Vec<u8>,
        watcher: Option<mpsc::Sender<TxStatus>>,
    ) -> Result<H256, PoolError> {
        let mut inner = self.lock();
        if let Some(error) = &inner.refusal {
            return Err(error.clone());
        }
        if inner.pool.iter().any(|(known, _)| *known == body) {
            return Err(PoolError::AlreadyKnown);
        }
        let newest = inner.blocks.last().unwrap();
        executive::validate_transaction(
            &newest.state,
            &newest.head.header,
            newest.head.time(),
            &body,
            &Direct,
        )
        .map_err(|error| fault::transaction(&error, &body))?;
        let hash = extrinsic_hash(&body);
        tell(watcher.as_ref(), TxStatus::Ready);
        inner.pool.push((body, watcher));
        Ok(hash)
    }

    fn produce_if_automatic(&self) {
        let mut inner = self.lock();
        if inner.is_automatic {
            self.produce_one(&mut inner);
        }
    }

    fn with_state<T>(
        &self,
        at: &H256,
        read: impl FnOnce(&Stored) -> T,
    ) -> Result<T, StateUnavailable> {
        let inner = self.lock();
        let stored = inner.blocks.iter().find(|it| it.head.hash == *at);
        let kept = stored.filter(|it| it.head.height().0 >= inner.pruned_below);
        kept.map(read).ok_or(StateUnavailable)
    }
}

/// The only validator, with this power.
pub(crate) fn validator(power: u64) -> ValidatorInfo {
    ValidatorInfo {
        public_key: people::public(&people::key(VALIDATOR_SEED)),
        power,
        peer_id: vec![1; 38].try_into().unwrap(),
        address: Text::new("/ip4/127.0.0.1/tcp/3001").unwrap(),
    }
}

fn config() -> GenesisConfig {
    GenesisConfig {
        spec_version: 1,
        time: START,
        origin: None,
        fork_id: ForkId(0),
        trustees: vec![people::public(&people::key(100))],
        trustee_threshold: 1,
        registrars: vec![(people::public(&people::registrar()), 1000)],
        validators: vec![validator(1)],
        observers: Vec::new(),
        admission_vouchers: true,
        admission_work_bits: Some(4),
        parameters: Parameters::default(),
        rules: Vec::new(),
    }
}

fn tree(state: &State) -> Tree {
    let entries = state.iter();
    Tree::from_entries(entries.map(|(key, value)| (key, value_hash(value)))).unwrap()
}

/// Every validator of a set of the double votes. Their keys are known by their seeds.
fn certificate(chain: &ChainId, head: &HeadInfo, set: &ValidatorSet) -> Certificate {
    let message = vote_preimage(
        chain,
        VoteType::Precommit,
        head.height(),
        0,
        Some(&head.hash),
    );
    let sign = |seed: u8| CommitSignature {
        signer: u16::try_from(set.position(&people::public(&people::key(seed))).unwrap()).unwrap(),
        signature: people::sign(&people::key(seed), &message),
    };
    Certificate {
        version: 1,
        height: head.height(),
        round: 0,
        block_hash: head.hash,
        signatures: vec![sign(VALIDATOR_SEED)],
    }
}

fn apply(state: &mut State, executed: &Executed) {
    for (key, value) in &executed.changes {
        match value {
            Some(value) => state.insert(key.clone(), value.clone()),
            None => state.remove(key),
        };
    }
}

fn tell(watcher: Option<&mpsc::Sender<TxStatus>>, status: TxStatus) {
    if let Some(watcher) = watcher {
        // Whoever has stopped listening wants to hear no more.
        let told = watcher.try_send(status);
        assert!(!matches!(told, Err(mpsc::error::TrySendError::Full(_))));
    }
}

/// Where and how the extrinsic at `index` ended.
fn finalized(head: &HeadInfo, index: u32, built: &executive::Built) -> Finalized {
    let of_this = built.executed.events.iter().filter(|it| {
        matches!(it.phase, allod_runtime::frame::wire::Phase::ApplyExtrinsic(at) if at == index)
    });
    let result = &built.executed.results[index as usize];
    Finalized {
        block: head.hash,
        height: head.height(),
        index,
        failure: result.outcome.as_ref().err().map(fault::dispatch),
        item_failures: of_this
            .filter_map(|it| fault::item_failure(&it.event))
            .collect(),
    }
}

fn record_history(inner: &mut Inner, extrinsics: &[Vec<u8>], executed: &Executed) {
    let mut operations: BTreeMap<H256, SignedOperation> = BTreeMap::new();
    for body in extrinsics {
        let call = &allod_primitives::extrinsic::RawExtrinsic::decode_body(body)
            .unwrap()
            .call;
        let found = match executive::decode_call(call).unwrap() {
            RuntimeCall::Did(
                did::Call::submit { operation } | did::Call::incept { operation, .. },
            ) => vec![operation],
            RuntimeCall::Did(did::Call::batch { items }) => items.into_vec(),
            _ => Vec::new(),
        };
        operations.extend(found.into_iter().map(|it| (it.operation.hash(), it)));
    }
    for record in &executed.events {
        if let RuntimeEvent::Did(did::Event::Logged { did, entry, stated }) = &record.event {
            let operation = operations.get(&entry.operation_hash);
            inner.history.entry(*did).or_default().push(HistoryItem {
                entry: *entry,
                extrinsic_index: Some(1),
                operation: operation.map(Encode::encode),
                stated: stated.clone(),
            });
        }
    }
}

#[async_trait::async_trait]
impl NodeView for Node {
    fn head(&self) -> HeadInfo {
        self.lock().blocks.last().unwrap().head.clone()
    }

    fn header(&self, hash: &H256) -> Option<Header> {
        self.block(hash).map(|(block, _)| block.header)
    }

    fn hash_of(&self, height: Height) -> Option<H256> {
        let index = usize::try_from(height.0).unwrap();
        self.lock().blocks.get(index).map(|it| it.head.hash)
    }

    fn block(&self, hash: &H256) -> Option<(Block, Option<Certificate>)> {
        let inner = self.lock();
        let stored = inner.blocks.iter().find(|it| it.head.hash == *hash)?;
        let height = stored.head.height();
        let named = stored.head.header.digest.validator_set;
        let set = inner.sets.iter().find(|set| set.hash() == named).unwrap();
        let chain = self.chain();
        let certificate = (height.0 > 0).then(|| certificate(&chain, &stored.head, set));
        let block = Block {
            header: stored.head.header.clone(),
            extrinsics: stored.extrinsics.clone(),
        };
        Some((block, certificate))
    }

    fn storage_at(&self, at: &H256, key: &[u8]) -> Result<Option<Vec<u8>>, StateUnavailable> {
        self.values.pass();
        self.with_state(at, |stored| {
            let found = StateRead::get(&stored.state, key);
            found.or_else(|| stored.scratch.get(key).cloned())
        })
    }

    fn validator_set(&self, hash: &H256) -> Option<ValidatorSet> {
        let inner = self.lock();
        inner.sets.iter().find(|set| set.hash() == *hash).cloned()
    }

    fn changes_of(&self, at: &H256) -> Result<Vec<ChangedKey>, StateUnavailable> {
        let mut changes = self.with_state(at, |stored| stored.changes.clone())?;
        let mut inner = self.lock();
        inner.readers.push(std::thread::current().id());
        let values = inner.padding / PAD_BYTES;
        let pads = (0..values).map(|n| (vec![255, n as u8], Some(vec![0; PAD_BYTES])));
        changes.extend(pads);
        Ok(changes)
    }

    fn changed_keys(&self, at: &H256) -> Result<Vec<Vec<u8>>, StateUnavailable> {
        self.with_state(at, |stored| stored.changed.clone())
    }

    fn entries_at(
        &self,
        at: &H256,
        count: usize,
        bytes: usize,
        start: Option<&[u8]>,
    ) -> Result<Vec<Entry>, StateUnavailable> {
        let found: Vec<Entry> = self.with_state(at, |stored| {
            let entries = stored.state.iter();
            let mut read = 0;
            entries
                .filter(|(key, _)| start.is_none_or(|start| key.as_slice() > start))
                .take(count)
                .take_while(|(key, value)| {
                    let is_wanted = read < bytes;
                    read += key.len() + value.len();
                    is_wanted
                })
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect()
        })?;
        let bytes = found.iter().map(|(key, value)| key.len() + value.len());
        self.lock().entry_bytes_read += bytes.sum::<usize>();
        Ok(found)
    }

    fn keys_at(
        &self,
        at: &H256,
        prefix: &[u8],
        count: usize,
        start: Option<&[u8]>,
    ) -> Result<Vec<Vec<u8>>, StateUnavailable> {
        let scan = (std::thread::current().id(), count);
        self.lock().scans.push(scan);
        self.with_state(at, |stored| {
            let keys = stored.state.keys();
            keys.filter(|key| key.starts_with(prefix))
                .filter(|key| start.is_none_or(|start| key.as_slice() > start))
                .take(count)
                .cloned()
                .collect()
        })
    }

    fn prove_at(&self, at: &H256, keys: &[Vec<u8>]) -> Result<Vec<u8>, StateUnavailable> {
        self.with_state(at, |stored| {
            let lookup = |key: &[u8], _: &H256| stored.state.get(key).cloned();
            let proof = tree(&stored.state).view().prove(keys, lookup);
            proof.unwrap().encode()
        })
    }

    fn chain(&self) -> ChainId {
        ChainId {
            genesis: self.genesis_hash,
            fork_id: ForkId(0),
        }
    }

    fn chain_info(&self) -> ChainInfo {
        ChainInfo {
            chain: "Allod Test".to_owned(),
            chain_type: "Development".to_owned(),
            node: "allod-node".to_owned(),
            version: "0.1.0".to_owned(),
        }
    }

    fn now(&self) -> TimeMs {
        self.lock().clock
    }

    fn admission(&self) -> AdmissionPolicy {
        let inner = self.lock();
        let policy = authority::admission_policy(&inner.blocks.last().unwrap().state);
        AdmissionPolicy {
            vouchers: policy.vouchers,
            work_bits: policy.work_bits,
        }
    }

    fn runtime_version(&self, at: &H256) -> Result<RuntimeVersion, StateUnavailable> {
        self.header(at).ok_or(StateUnavailable)?;
        Ok(executive::runtime_version())
    }

    fn metadata(&self, at: &H256, format: u32) -> Result<Option<Vec<u8>>, StateUnavailable> {
        self.header(at).ok_or(StateUnavailable)?;
        Ok(matches!(format, 14 | 15).then(|| [b"meta", [format as u8].as_slice()].concat()))
    }

    fn validate_transaction(
        &self,
        at: &H256,
        extrinsic: &[u8],
    ) -> Result<ValidTransaction, ValidityError> {
        let judged = self.with_state(at, |stored| {
            executive::validate_transaction(
                &stored.state,
                &stored.head.header,
                stored.head.time(),
                extrinsic,
                &Direct,
            )
        })?;
        let valid = judged.map_err(|error| fault::transaction(&error, extrinsic))?;
        Ok(ValidTransaction {
            priority: valid.priority,
            requires: valid.requires,
            provides: valid.provides,
            longevity: valid.longevity,
        })
    }

    fn nonce(&self, at: &H256, account: &PublicKey) -> Result<u32, StateUnavailable> {
        self.with_state(at, |stored| system::storage::nonce(&stored.state, account))
    }

    fn next_nonce(&self, account: &PublicKey) -> u32 {
        let head = self.head().hash;
        let pending = self.lock().pool.len();
        self.nonce(&head, account).unwrap() + u32::try_from(pending).unwrap()
    }

    async fn submit(&self, extrinsics: Vec<Vec<u8>>) -> Vec<Result<H256, PoolError>> {
        let bodies = extrinsics.into_iter();
        let answers = bodies.map(|body| self.take(body, None)).collect();
        self.produce_if_automatic();
        answers
    }

    async fn submit_and_watch(&self, extrinsics: Vec<Vec<u8>>) -> Vec<Result<Watched, PoolError>> {
        let bodies = extrinsics.into_iter();
        let answers = bodies.map(|body| {
            let (sender, updates) = mpsc::channel(8);
            let hash = self.take(body, Some(sender))?;
            Ok(Watched { hash, updates })
        });
        let answers = answers.collect();
        self.produce_if_automatic();
        answers
    }

    fn pending(&self) -> Vec<Vec<u8>> {
        let inner = self.lock();
        inner.pool.iter().map(|(body, _)| body.clone()).collect()
    }

    fn subscribe_heads(&self) -> broadcast::Receiver<HeadInfo> {
        self.heads.subscribe()
    }

    fn log_entries(
        &self,
        did: &DidId,
        from: u64,
        count: u32,
    ) -> Result<Vec<LogEntry>, StateUnavailable> {
        let inner = self.lock();
        let items = inner.history.get(did).into_iter().flatten();
        let skipped = items.skip(usize::try_from(from).unwrap_or(usize::MAX));
        Ok(skipped.take(count as usize).map(|it| it.entry).collect())
    }

    fn history(
        &self,
        did: &DidId,
        from: u64,
        count: u32,
    ) -> Result<Vec<HistoryItem>, StateUnavailable> {
        self.histories.pass();
        let mut inner = self.lock();
        inner.blocks_read += 1;
        let items = inner.history.get(did).into_iter().flatten();
        let skipped = items.skip(usize::try_from(from).unwrap_or(usize::MAX));
        Ok(skipped.take(count as usize).cloned().collect())
    }

    fn peers(&self) -> Vec<PeerInfo> {
        vec![PeerInfo {
            peer_id: "12D3KooW".to_owned(),
            role: "VALIDATOR".to_owned(),
            best_hash: None,
            best_height: Height(7),
        }]
    }

    fn sync_state(&self) -> SyncState {
        let inner = self.lock();
        let current = inner.blocks.last().unwrap().head.height();
        SyncState {
            starting: Height(0),
            current,
            highest: current,
            syncing: inner.is_syncing,
            should_have_peers: true,
        }
    }

    fn metrics_text(&self) -> String {
        self.metrics.pass();
        self.lock().readers.push(std::thread::current().id());
        "# EOF\n".to_owned()
    }
}
