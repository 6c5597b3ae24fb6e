//! The shared mempool and the task that judges submissions in batches.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use allod_primitives::header::extrinsic_hash;
use allod_primitives::limits::EXTRINSIC_BYTES_MAX;
use allod_primitives::{H256, Height, TimeMs};
use allod_runtime::frame::TransactionError;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::error::{PoolError, REFUSALS};
use super::judge::{Judge, Judged};
use super::pool::{Included, Limits, Pool, PoolSize, Told};
use super::status::{TxStatus, Watch, Watchers};
use crate::limits::{
    ADMISSION_BATCH_MAX, ADMISSION_BEATS_MAX, ADMISSION_QUEUE_MAX, SUBMISSION_MAX,
};
use crate::seams::heavy;

/// Told whether there is work for a block, whenever it may have changed.
pub type OnWork = Arc<dyn Fn(bool) + Send + Sync>;
/// Told of transactions submitted here that were taken; they are not yet known to peers.
pub type OnAccepted = Arc<dyn Fn(Vec<Arc<[u8]>>) + Send + Sync>;

type Results = Vec<Result<H256, PoolError>>;

struct Submission {
    extrinsics: Vec<Arc<[u8]>>,
    /// `None`: they came from a peer, nobody waits and nobody is told.
    reply: Option<oneshot::Sender<Results>>,
}

/// Answered once a round has ended.
type Beat = oneshot::Sender<()>;

struct Shared {
    pool: Mutex<Pool>,
    watchers: Watchers,
    judge: Arc<dyn Judge>,
    /// Waiting is counted from here: a wall clock may jump.
    began: Instant,
    on_work: OnWork,
    /// How often a submission was refused, by [`PoolError::reason`].
    refused: [AtomicU64; REFUSALS.len()],
}

/// The mempool, shared by RPC, gossip and block production. Clones are handles to one pool.
#[derive(Clone)]
pub struct Mempool {
    shared: Arc<Shared>,
    submissions: mpsc::Sender<Submission>,
    /// Of what claims to be a rescue: others cannot fill this queue.
    rescues: mpsc::Sender<Submission>,
    /// Who asks whether admission gets on: no flood can fill this queue.
    beats: mpsc::Sender<Beat>,
}

/// The task that judges submissions; [`Admission::run`] it.
pub struct Admission {
    shared: Arc<Shared>,
    submissions: mpsc::Receiver<Submission>,
    rescues: mpsc::Receiver<Submission>,
    beats: mpsc::Receiver<Beat>,
    on_accepted: OnAccepted,
    /// Least time from one batch to the next, so that batches fill under load.
    spacing: Duration,
}

impl fmt::Debug for Mempool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.size();
        f.debug_struct("Mempool")
            .field("size", &size)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field("spacing", &self.spacing)
            .finish_non_exhaustive()
    }
}

impl Mempool {
    /// Returns an empty mempool on the state of `height`, and its task.
    ///
    /// `on_work` is told whether a transaction is ready, `on_accepted` of transactions that peers
    /// have to be told of. `spacing`: least time from one batch to the next.
    pub fn new(
        limits: Limits,
        height: Height,
        judge: Arc<dyn Judge>,
        spacing: Duration,
        on_work: OnWork,
        on_accepted: OnAccepted,
    ) -> (Self, Admission) {
        let shared = Arc::new(Shared {
            pool: Mutex::new(Pool::new(limits, height)),
            watchers: Watchers::default(),
            judge,
            began: Instant::now(),
            on_work,
            refused: Default::default(),
        });
        let (sender, submissions) = mpsc::channel(ADMISSION_QUEUE_MAX);
        let (rescue_sender, rescues) = mpsc::channel(ADMISSION_QUEUE_MAX);
        let (beat_sender, beats) = mpsc::channel(ADMISSION_BEATS_MAX);
        let mempool = Self {
            shared: shared.clone(),
            submissions: sender,
            rescues: rescue_sender,
            beats: beat_sender,
        };
        let admission = Admission {
            shared,
            submissions,
            rescues,
            beats,
            on_accepted,
            spacing,
        };
        (mempool, admission)
    }

    /// Judges and adds `extrinsics`, each by itself; the results are in their order.
    pub async fn submit(&self, extrinsics: Vec<Vec<u8>>) -> Results {
        let results = self.judged(extrinsics).await;
        for error in results.iter().filter_map(|result| result.as_ref().err()) {
            self.shared.refused[error.reason()].fetch_add(1, Ordering::Relaxed);
        }
        results
    }

    /// Returns how often what was submitted here was refused, in the order of [`REFUSALS`].
    pub fn refused(&self) -> [u64; REFUSALS.len()] {
        let counts = &self.shared.refused;
        std::array::from_fn(|reason| counts[reason].load(Ordering::Relaxed))
    }

    async fn judged(&self, extrinsics: Vec<Vec<u8>>) -> Results {
        let count = extrinsics.len();
        if count > SUBMISSION_MAX {
            let max = SUBMISSION_MAX;
            return vec![Err(PoolError::TooMany { count, max }); count];
        }
        let claims: Vec<bool> = extrinsics.iter().map(|it| self.claims_rescue(it)).collect();
        let extrinsics = extrinsics.into_iter().map(Arc::from);
        let (rescues, others) = split(extrinsics.zip(claims.iter().copied()));
        // Both are queued before either is waited for.
        let (rescues, others) = tokio::join!(
            Self::send(&self.rescues, rescues),
            Self::send(&self.submissions, others)
        );
        let (mut rescues, mut others) = (rescues.into_iter(), others.into_iter());
        let results = claims.iter().map(|is_rescue| match is_rescue {
            true => rescues.next(),
            false => others.next(),
        });
        results
            .map(|result| result.unwrap_or(Err(PoolError::Stopping)))
            .collect()
    }

    async fn send(queue: &mpsc::Sender<Submission>, extrinsics: Vec<Arc<[u8]>>) -> Results {
        let count = extrinsics.len();
        if count == 0 {
            return Vec::new();
        }
        let all = |error: PoolError| vec![Err(error); count];
        let (reply, results) = oneshot::channel();
        let submission = Submission {
            extrinsics,
            reply: Some(reply),
        };
        match queue.try_send(submission) {
            Ok(()) => results.await.unwrap_or_else(|_| all(PoolError::Stopping)),
            Err(mpsc::error::TrySendError::Full(_)) => all(PoolError::Busy),
            Err(mpsc::error::TrySendError::Closed(_)) => all(PoolError::Stopping),
        }
    }

    /// Waits until admission has ended a round, however much waits for the next ones; for ever where
    /// it hangs. `false`: it ended. Cancel safe.
    pub async fn beats(&self) -> bool {
        let (reply, ended) = oneshot::channel();
        self.beats.send(reply).await.is_ok() && ended.await.is_ok()
    }

    /// Takes transactions from a peer. Returns whether there was room to judge all of them.
    pub fn offer(&self, extrinsics: Vec<Arc<[u8]>>) -> bool {
        let claims = |it: Arc<[u8]>| {
            let is_rescue = self.claims_rescue(&it);
            (it, is_rescue)
        };
        let (rescues, others) = split(extrinsics.into_iter().map(claims));
        let taken = |queue: &mpsc::Sender<Submission>, extrinsics: Vec<_>| {
            let reply = None;
            extrinsics.is_empty() || queue.try_send(Submission { extrinsics, reply }).is_ok()
        };
        // Each queue is tried, whether or not the other one is full.
        taken(&self.rescues, rescues) & taken(&self.submissions, others)
    }

    /// Returns whether a transaction says that it is a rescue, without checking that.
    pub fn claims_rescue(&self, transaction: &[u8]) -> bool {
        transaction.len() <= EXTRINSIC_BYTES_MAX
            && self.shared.judge.claims_rescue(transaction).is_some()
    }

    /// Returns the statuses of `hash` from now on, beginning with the present one if it waits.
    pub fn watch(&self, hash: H256) -> Watch {
        let watch = self.shared.watchers.add(hash);
        let status = match self.shared.pool.lock().is_ready(&hash) {
            None => return watch,
            Some(true) => TxStatus::Ready,
            Some(false) => TxStatus::Future,
        };
        self.shared.watchers.tell(&hash, &status);
        watch
    }

    /// Returns how full the pool is.
    pub fn size(&self) -> PoolSize {
        self.shared.pool.lock().size()
    }

    /// Returns ready transactions in order, at most `count` and about `bytes` of them.
    pub fn candidates(&self, count: usize, bytes: usize) -> Vec<Arc<[u8]>> {
        self.shared.pool.lock().candidates(count, bytes)
    }

    /// Returns the bytes of a waiting transaction.
    pub fn get(&self, hash: &H256) -> Option<Arc<[u8]>> {
        self.shared.pool.lock().get(hash)
    }

    /// Returns whether `hash` waits here.
    pub fn contains(&self, hash: &H256) -> bool {
        self.shared.pool.lock().contains(hash)
    }

    /// Returns which of `hashes` are neither waiting here nor in a recent block.
    pub fn unknown(&self, hashes: &[H256]) -> Vec<H256> {
        let pool = self.shared.pool.lock();
        let unknown = hashes.iter().filter(|hash| pool.check_new(**hash).is_ok());
        unknown.copied().collect()
    }

    /// Returns hashes to ask peers about: rescues first, then transactions that have waited for at
    /// least `age`, oldest first; at most `count`.
    pub fn offerable(&self, age: Duration, count: usize) -> Vec<H256> {
        let now = self.shared.now();
        self.shared.pool.lock().offerable(now, age, count)
    }

    /// Removes a transaction that block production found invalid.
    pub fn reject(&self, hash: &H256, error: TransactionError) {
        self.shared
            .update(|pool, told| pool.remove(hash, TxStatus::Invalid(error), told));
    }

    /// Takes note of a committed block. `changed`: the storage keys it changed.
    ///
    /// Must be called after the state has moved on, so that what is doubtful is judged by it.
    pub fn on_block<'a>(
        &self,
        height: Height,
        block: H256,
        included: &[Included],
        changed: impl IntoIterator<Item = &'a Vec<u8>>,
    ) {
        let now = self.shared.now();
        let mut doubtful = Vec::new();
        self.shared.update(|pool, told| {
            pool.expire(now, told);
            let hashes =
                pool.on_block(now, height, block, included, &mut changed.into_iter(), told);
            let found = hashes
                .into_iter()
                .filter_map(|hash| Some((hash, pool.get(&hash)?)));
            doubtful = found.collect();
        });
        if doubtful.is_empty() {
            return;
        }
        let bytes: Vec<&[u8]> = doubtful.iter().map(|(_, bytes)| &bytes[..]).collect();
        let judged = self.shared.judge.judge(&bytes);
        self.shared.update(|pool, told| {
            for ((hash, _), verdict) in doubtful.iter().zip(judged.verdicts) {
                pool.judged_again(hash, verdict, told);
            }
        });
    }
}

impl Shared {
    /// Returns the pool's time: milliseconds since the node began.
    fn now(&self) -> TimeMs {
        TimeMs(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Changes the pool, then tells watchers and pacing.
    fn update<T>(&self, change: impl FnOnce(&mut Pool, &mut Told) -> T) -> T {
        let mut told = Told::new();
        let (result, work) = {
            let mut pool = self.pool.lock();
            let result = change(&mut pool, &mut told);
            (result, pool.size().ready > 0)
        };
        self.watchers.tell_all(told);
        (self.on_work)(work);
        result
    }
}

impl Admission {
    /// Judges submissions until every [`Mempool`] is gone, in rounds of one batch each.
    pub async fn run(mut self) {
        let mut next = Instant::now();
        while let Some(mut round) = self.next().await {
            tokio::time::sleep_until(next).await;
            self.fill(&mut round);
            heavy(|| self.admit(round.batch));
            for beat in round.beats {
                // Who went away wants no answer.
                let _ = beat.send(());
            }
            next = Instant::now() + self.spacing;
        }
    }

    async fn next(&mut self) -> Option<Round> {
        let mut round = Round::default();
        tokio::select! {
            biased;
            Some(rescue) = self.rescues.recv() => round.rescues(rescue),
            Some(other) = self.submissions.recv() => round.others(other),
            Some(beat) = self.beats.recv() => round.beats.push(beat),
            else => return None,
        }
        Some(round)
    }

    /// Adds what waits: rescues first, but what only claims to be one takes no more than half of a
    /// batch, and one submission of each queue goes in however large those of the other are.
    fn fill(&mut self, round: &mut Round) {
        while (round.count < ADMISSION_BATCH_MAX / 2 || !round.has_rescues)
            && let Ok(rescue) = self.rescues.try_recv()
        {
            round.rescues(rescue);
        }
        while (round.count < ADMISSION_BATCH_MAX || !round.has_others)
            && let Ok(other) = self.submissions.try_recv()
        {
            round.others(other);
        }
        while let Ok(beat) = self.beats.try_recv() {
            round.beats.push(beat);
        }
    }

    fn admit(&self, batch: Vec<Submission>) {
        let all = batch.iter().flat_map(|submission| &submission.extrinsics);
        let mut work = Work::new(all);
        self.check_new(&mut work);
        while let Some(judged) = work.judge(&*self.shared.judge) {
            self.shared.update(|pool, told| {
                if judged.height >= pool.height() {
                    work.insert(pool, self.shared.now(), judged, told);
                }
            });
        }
        let mut results = work.results.into_iter();
        let mut accepted = Vec::new();
        for submission in batch {
            let count = submission.extrinsics.len();
            let results: Results = results.by_ref().take(count).collect();
            let Some(reply) = submission.reply else {
                continue;
            };
            let pairs = results.iter().zip(&submission.extrinsics);
            accepted.extend(
                pairs
                    .filter(|(r, _)| r.is_ok())
                    .map(|(_, bytes)| bytes.clone()),
            );
            // A caller that went away wants no answer.
            let _ = reply.send(results);
        }
        if !accepted.is_empty() {
            (self.on_accepted)(accepted);
        }
    }

    /// Answers what need not be judged: known ones, too long ones, repetitions.
    fn check_new(&self, work: &mut Work) {
        let pool = self.shared.pool.lock();
        let mut seen = HashMap::new();
        for index in 0..work.extrinsics.len() {
            let (bytes, hash) = (&work.extrinsics[index], work.hashes[index]);
            let refused = if bytes.len() > EXTRINSIC_BYTES_MAX {
                let bytes = bytes.len();
                Some(PoolError::TooLong { bytes })
            } else if seen.insert(hash, index).is_some() {
                Some(PoolError::AlreadyKnown { hash })
            } else {
                pool.check_new(hash).err()
            };
            match refused {
                Some(error) => work.results[index] = Err(error),
                None => work.open.push(index),
            }
        }
    }
}

/// What is admitted in one go.
#[derive(Default)]
struct Round {
    batch: Vec<Submission>,
    /// Transactions of the batch. Less than [`ADMISSION_BATCH_MAX`] and two submissions.
    count: usize,
    has_rescues: bool,
    has_others: bool,
    beats: Vec<Beat>,
}

impl Round {
    fn rescues(&mut self, submission: Submission) {
        self.has_rescues = true;
        self.add(submission);
    }

    fn others(&mut self, submission: Submission) {
        self.has_others = true;
        self.add(submission);
    }

    fn add(&mut self, submission: Submission) {
        self.count = self.count.saturating_add(submission.extrinsics.len());
        self.batch.push(submission);
    }
}

/// Encoded extrinsics.
type Extrinsics = Vec<Arc<[u8]>>;

/// Splits transactions into those that claim to be rescues and the others.
fn split(extrinsics: impl Iterator<Item = (Arc<[u8]>, bool)>) -> (Extrinsics, Extrinsics) {
    let (mut rescues, mut others) = (Vec::new(), Vec::new());
    for (extrinsic, is_rescue) in extrinsics {
        match is_rescue {
            true => rescues.push(extrinsic),
            false => others.push(extrinsic),
        }
    }
    (rescues, others)
}

/// One batch on its way into the pool.
struct Work {
    extrinsics: Vec<Arc<[u8]>>,
    hashes: Vec<H256>,
    results: Results,
    /// Positions without a result.
    open: Vec<usize>,
}

impl Work {
    fn new<'a>(extrinsics: impl Iterator<Item = &'a Arc<[u8]>>) -> Self {
        let extrinsics: Vec<_> = extrinsics.cloned().collect();
        let hashes: Vec<_> = extrinsics
            .iter()
            .map(|bytes| extrinsic_hash(bytes))
            .collect();
        Self {
            results: hashes.iter().map(|hash| Ok(*hash)).collect(),
            open: Vec::new(),
            extrinsics,
            hashes,
        }
    }

    /// Judges what has no result; `None` if everything has.
    fn judge(&self, judge: &dyn Judge) -> Option<Judged> {
        if self.open.is_empty() {
            return None;
        }
        let open = self
            .open
            .iter()
            .filter_map(|index| self.extrinsics.get(*index));
        let bytes: Vec<&[u8]> = open.map(|bytes| &bytes[..]).collect();
        Some(judge.judge(&bytes))
    }

    fn insert(&mut self, pool: &mut Pool, now: TimeMs, judged: Judged, told: &mut Told) {
        for (index, verdict) in std::mem::take(&mut self.open)
            .into_iter()
            .zip(judged.verdicts)
        {
            let hash = self.hashes[index];
            let result = verdict.map_err(PoolError::from).and_then(|verdict| {
                pool.insert(now, hash, self.extrinsics[index].clone(), verdict, told)
            });
            self.results[index] = result.map(|()| hash);
        }
    }
}
