//! A chain of opaque blocks in memory, which survives the crash of its node.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, mpsc};

use allod_consensus::{
    Application, BlockLoad, Evidence, FatalError, InvalidBlock, ProposedBlock, ValidationContext,
    WorkSignal,
};
use allod_primitives::{Certificate, H256, Height, TimeMs, ValidatorSet, blake2_256};
use parity_scale_codec::{Decode, Encode};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

/// A block of the test chain; its hash is the hash of its encoding.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct TestBlock {
    pub(crate) height: u64,
    pub(crate) parent: H256,
    pub(crate) builder: u8,
    pub(crate) round: u32,
    /// Blocks marked so are refused by everybody but their builder.
    pub(crate) bad: bool,
    pub(crate) payload: Vec<u8>,
}

/// What a node has on disk, and knobs for the test. Clones share it.
#[derive(Clone)]
pub(crate) struct Store(Arc<Mutex<State>>, watch::Sender<u64>);

struct State {
    set: ValidatorSet,
    builder: u8,
    blocks: Vec<(H256, Vec<u8>, Certificate, Instant)>,
    undecided: BTreeMap<(u64, H256), Vec<u8>>,
    evidence: Vec<Evidence>,
    builds_bad: bool,
    fails: bool,
    /// If set: whom the next commit tells that it waits, and whom it then waits for.
    holds: Option<(oneshot::Sender<()>, mpsc::Receiver<()>)>,
    payload: Vec<u8>,
    /// If set: pending work fills the next block built, and a block with work clears it.
    mempool: Option<WorkSignal>,
}

impl Store {
    pub(crate) fn new(set: ValidatorSet, builder: u8) -> Self {
        let state = State {
            set,
            builder,
            blocks: Vec::new(),
            undecided: BTreeMap::new(),
            evidence: Vec::new(),
            builds_bad: false,
            fails: false,
            holds: None,
            payload: Vec::new(),
            mempool: None,
        };
        Self(Arc::new(Mutex::new(state)), watch::Sender::new(0))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn build_bad_blocks(&self) {
        self.lock().builds_bad = true;
    }

    pub(crate) fn fail_commits(&self) {
        self.lock().fails = true;
    }

    /// Makes the next commit hang until the first is dropped; the second hears when it does.
    pub(crate) fn hold_a_commit(&self) -> (mpsc::Sender<()>, oneshot::Receiver<()>) {
        let ((hold, let_go), (hangs, heard)) = (mpsc::channel(), oneshot::channel());
        self.lock().holds = Some((hangs, let_go));
        (hold, heard)
    }

    pub(crate) fn set_payload(&self, payload: Vec<u8>) {
        self.lock().payload = payload;
    }

    /// Makes blocks take what is pending, as from a mempool that one block empties.
    pub(crate) fn take_work_from(&self, work: &WorkSignal) {
        self.lock().mempool = Some(work.clone());
    }

    pub(crate) async fn reach(&self, height: u64) {
        self.1
            .subscribe()
            .wait_for(|tip| *tip >= height)
            .await
            .unwrap();
    }

    pub(crate) fn height(&self) -> u64 {
        *self.1.borrow()
    }

    pub(crate) fn hashes(&self) -> Vec<H256> {
        self.lock().blocks.iter().map(|block| block.0).collect()
    }

    pub(crate) fn blocks(&self) -> Vec<TestBlock> {
        let decode = |bytes: &Vec<u8>| TestBlock::decode(&mut bytes.as_slice()).unwrap();
        self.lock()
            .blocks
            .iter()
            .map(|block| decode(&block.1))
            .collect()
    }

    pub(crate) fn certificates(&self) -> Vec<Certificate> {
        self.lock()
            .blocks
            .iter()
            .map(|block| block.2.clone())
            .collect()
    }

    /// When each block was committed.
    pub(crate) fn times(&self) -> Vec<Instant> {
        self.lock().blocks.iter().map(|block| block.3).collect()
    }

    pub(crate) fn evidence(&self) -> Vec<Evidence> {
        self.lock().evidence.clone()
    }
}

impl State {
    fn tip_hash(&self) -> H256 {
        self.blocks.last().map_or(H256::ZERO, |block| block.0)
    }
}

impl Application for Store {
    fn tip(&self) -> Height {
        Height(self.lock().blocks.len() as u64)
    }

    fn tip_time(&self) -> TimeMs {
        TimeMs(0)
    }

    fn validator_set(&self, _height: Height) -> Option<ValidatorSet> {
        Some(self.lock().set.clone())
    }

    fn build(&mut self, height: Height, round: u32) -> Result<ProposedBlock, FatalError> {
        let state = self.lock();
        let block = TestBlock {
            height: height.0,
            parent: state.tip_hash(),
            builder: state.builder,
            round,
            bad: state.builds_bad,
            payload: match &state.mempool {
                Some(work) if work.pending() => vec![1],
                _ => state.payload.clone(),
            },
        };
        let bytes = block.encode();
        Ok(ProposedBlock {
            hash: blake2_256(&bytes),
            bytes,
        })
    }

    fn validate(
        &mut self,
        height: Height,
        bytes: &[u8],
        _context: ValidationContext,
    ) -> Result<H256, InvalidBlock> {
        let state = self.lock();
        let block = TestBlock::decode(&mut &*bytes).map_err(|error| InvalidBlock::Malformed {
            reason: error.to_string(),
        })?;
        let hash = blake2_256(bytes);
        let refuse = |reason: &str| InvalidBlock::Refused {
            hash,
            reason: reason.into(),
        };
        if block.height != height.0 || block.parent != state.tip_hash() {
            return Err(refuse("not a child of the tip"));
        }
        if block.bad && block.builder != state.builder {
            return Err(refuse("marked as bad"));
        }
        Ok(hash)
    }

    fn put_undecided(
        &mut self,
        height: Height,
        hash: H256,
        bytes: &[u8],
    ) -> Result<(), FatalError> {
        self.lock()
            .undecided
            .insert((height.0, hash), bytes.to_vec());
        Ok(())
    }

    fn undecided(&self, height: Height) -> Vec<(H256, Vec<u8>)> {
        let state = self.lock();
        let range = (height.0, H256::ZERO)..(height.0 + 1, H256::ZERO);
        state
            .undecided
            .range(range)
            .map(|((_, hash), bytes)| (*hash, bytes.clone()))
            .collect()
    }

    fn commit(&mut self, hash: H256, certificate: Certificate) -> Result<BlockLoad, FatalError> {
        let holds = self.lock().holds.take();
        if let Some((hangs, let_go)) = holds {
            hangs.send(()).unwrap();
            // An error, as nothing is ever sent: the test let go.
            let_go.recv().unwrap_err();
        }
        let mut state = self.lock();
        if state.fails {
            return Err(FatalError::new("the disk is full"));
        }
        let height = certificate.height.0;
        assert_eq!(height, state.blocks.len() as u64 + 1);
        let bytes = state
            .undecided
            .get(&(height, hash))
            .expect("decided blocks are stored")
            .clone();
        state.undecided.retain(|(stored, _), _| *stored > height);
        let block = TestBlock::decode(&mut bytes.as_slice()).unwrap();
        state
            .blocks
            .push((hash, bytes, certificate, Instant::now()));
        let load = if block.payload.is_empty() {
            BlockLoad::Empty
        } else {
            BlockLoad::Useful
        };
        if let (Some(work), BlockLoad::Useful) = (&state.mempool, load) {
            work.set(false);
        }
        drop(state);
        self.1.send_replace(height);
        Ok(load)
    }

    fn extend_certificate(&mut self, certificate: Certificate) -> Result<(), FatalError> {
        let mut state = self.lock();
        let tip = state.blocks.last_mut().unwrap();
        assert_eq!(tip.2.height, certificate.height);
        tip.2 = certificate;
        Ok(())
    }

    fn decided(&self, height: Height) -> Option<(Vec<u8>, Certificate)> {
        let state = self.lock();
        let index = usize::try_from(height.0.checked_sub(1)?).ok()?;
        state
            .blocks
            .get(index)
            .map(|block| (block.1.clone(), block.2.clone()))
    }

    fn history_min(&self) -> Height {
        Height(1)
    }

    fn report_evidence(&mut self, evidence: Evidence) {
        self.lock().evidence.push(evidence);
    }
}
