//! The pool under random use against its invariants, and the shared mempool with a fake judge.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use allod_primitives::header::extrinsic_hash;
use allod_primitives::{H256, Height, TimeMs};
use allod_runtime::frame::TransactionError;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

/// Transactions of this test: account, number, priority.
fn tx(account: u8, number: u8, priority: u8) -> Vec<u8> {
    vec![account, number, priority]
}

fn tag(account: u8, number: u8) -> Vec<u8> {
    vec![b't', account, number]
}

/// Priorities of this test's rescues.
pub(super) const RANK0: u8 = 201;
pub(super) const GUARDIANS: u8 = 202;
pub(super) const NEXT: u8 = 203;

fn claim(tx: &[u8]) -> Option<Rescue> {
    match tx {
        [.., RANK0] => Some(Rescue::Rank0),
        [.., GUARDIANS] => Some(Rescue::Guardians),
        [.., NEXT] => Some(Rescue::Next),
        _ => None,
    }
}

/// Numbers of an account must follow each other; the next one is state.
#[derive(Debug, Default)]
struct Numbers {
    next: Mutex<BTreeMap<u8, u8>>,
    height: AtomicU64,
}

impl Numbers {
    fn verdict(&self, tx: &[u8]) -> Result<Verdict, TransactionError> {
        let &[account, number, priority] = tx else {
            return Err(TransactionError::Undecodable);
        };
        let next = self.next.lock().get(&account).copied().unwrap_or(0);
        if number < next {
            return Err(TransactionError::Stale);
        }
        let requires = (number > next).then(|| tag(account, number - 1));
        Ok(Verdict {
            provides: vec![tag(account, number)],
            requires: requires.into_iter().collect(),
            priority: u64::from(priority),
            subjects: vec![vec![account]],
            account: None,
            rescue: claim(tx),
        })
    }

    /// Makes a block of `txs`, which must be valid in this order.
    fn apply(&self, txs: &[Arc<[u8]>]) -> (Height, Vec<Vec<u8>>) {
        let mut changed = Vec::new();
        for tx in txs {
            let verdict = self
                .verdict(tx)
                .expect("a block holds valid transactions only");
            assert_eq!(
                verdict.requires,
                Vec::<Vec<u8>>::new(),
                "candidates are in order"
            );
            self.next.lock().insert(tx[0], tx[1] + 1);
            changed.push(vec![tx[0]]);
        }
        (
            Height(self.height.fetch_add(1, Ordering::Relaxed) + 1),
            changed,
        )
    }
}

impl Judge for Numbers {
    fn judge(&self, batch: &[&[u8]]) -> Judged {
        Judged {
            height: Height(self.height.load(Ordering::Relaxed)),
            verdicts: batch.iter().map(|tx| self.verdict(tx)).collect(),
        }
    }

    fn claims_rescue(&self, transaction: &[u8]) -> Option<Rescue> {
        claim(transaction)
    }
}

fn hash(tx: &[u8]) -> H256 {
    extrinsic_hash(tx)
}

fn included(txs: &[Arc<[u8]>]) -> Vec<Included> {
    let list = (0u32..).zip(txs);
    list.map(|(index, tx)| Included {
        hash: hash(tx),
        index,
    })
    .collect()
}

struct Fixture {
    pool: Pool,
    judge: Numbers,
    now: TimeMs,
}

impl Fixture {
    fn new(limits: Limits) -> Self {
        Self {
            pool: Pool::new(limits, Height(0)),
            judge: Numbers::default(),
            now: TimeMs(0),
        }
    }

    fn insert(&mut self, tx: &[u8]) -> Result<(), PoolError> {
        let verdict = self.judge.verdict(tx)?;
        self.pool
            .insert(self.now, hash(tx), Arc::from(tx), verdict, &mut Vec::new())
    }

    fn block(&mut self, txs: &[Arc<[u8]>]) {
        let (height, changed) = self.judge.apply(txs);
        let told = &mut Vec::new();
        let block = H256([1; 32]);
        let doubtful = self.pool.on_block(
            self.now,
            height,
            block,
            &included(txs),
            &mut changed.iter(),
            told,
        );
        for hash in doubtful {
            let bytes = self
                .pool
                .get(&hash)
                .expect("only waiting ones are doubtful");
            let verdict = self.judge.verdict(&bytes);
            self.pool.judged_again(&hash, verdict, told);
        }
    }

    fn candidates(&self) -> Vec<Vec<u8>> {
        let list = self.pool.candidates(usize::MAX, usize::MAX);
        list.iter().map(|tx| tx.to_vec()).collect()
    }
}

#[test]
fn transactions_become_ready_in_their_turn_whatever_the_order_of_arrival() {
    let mut fixture = Fixture::new(Limits::default());
    fixture.insert(&tx(1, 2, 9)).unwrap();
    fixture.insert(&tx(1, 1, 0)).unwrap();
    assert_eq!(fixture.candidates(), Vec::<Vec<u8>>::new());
    fixture.insert(&tx(1, 0, 5)).unwrap();
    fixture.insert(&tx(2, 0, 3)).unwrap();
    let order = [tx(1, 0, 5), tx(2, 0, 3), tx(1, 1, 0), tx(1, 2, 9)];
    assert_eq!(fixture.candidates(), order);
    fixture.pool.check().unwrap();
}

#[test]
fn one_transaction_stands_for_a_tag() {
    let mut fixture = Fixture::new(Limits::default());
    fixture.insert(&tx(1, 0, 0)).unwrap();
    let by = hash(&tx(1, 0, 0));
    assert_eq!(
        fixture.insert(&tx(1, 0, 1)),
        Err(PoolError::TagTaken { by })
    );
    assert_eq!(
        fixture.insert(&tx(1, 0, 0)),
        Err(PoolError::AlreadyKnown { hash: by })
    );
    fixture.block(&[Arc::from(tx(1, 0, 0))]);
    assert_eq!(
        fixture.pool.check_new(by),
        Err(PoolError::AlreadyIncluded { hash: by })
    );
}

#[test]
fn a_block_with_another_transaction_for_the_tag_removes_ours() {
    let mut fixture = Fixture::new(Limits::default());
    fixture.insert(&tx(1, 0, 0)).unwrap();
    fixture.insert(&tx(1, 1, 0)).unwrap();
    fixture.block(&[Arc::from(tx(1, 0, 7))]);
    assert_eq!(fixture.candidates(), [tx(1, 1, 0)]);
    fixture.pool.check().unwrap();
}

#[test]
fn a_full_pool_keeps_the_more_important() {
    let limits = Limits {
        count: 2,
        ..Limits::default()
    };
    let mut fixture = Fixture::new(limits);
    fixture.insert(&tx(1, 0, 1)).unwrap();
    fixture.insert(&tx(2, 5, 9)).unwrap();
    fixture.insert(&tx(3, 0, 1)).unwrap();
    assert_eq!(
        fixture.candidates(),
        [tx(1, 0, 1), tx(3, 0, 1)],
        "the waiting one went"
    );
    assert_eq!(
        fixture.insert(&tx(4, 0, 1)),
        Err(PoolError::Full { count: 2 })
    );
    fixture.insert(&tx(4, 0, 2)).unwrap();
    assert_eq!(fixture.candidates(), [tx(4, 0, 2), tx(1, 0, 1)]);
}

#[test]
fn one_identity_cannot_fill_the_pool() {
    let limits = Limits {
        per_subject: 3,
        ..Limits::default()
    };
    let mut fixture = Fixture::new(limits);
    (0..3).for_each(|number| fixture.insert(&tx(1, number, 0)).unwrap());
    assert_eq!(
        fixture.insert(&tx(1, 3, 0)),
        Err(PoolError::SubjectFull { max: 3 })
    );
    fixture.insert(&tx(2, 0, 0)).unwrap();
}

#[test]
fn old_transactions_leave() {
    let mut fixture = Fixture::new(Limits::default());
    fixture.insert(&tx(1, 0, 0)).unwrap();
    fixture.insert(&tx(1, 2, 0)).unwrap();
    fixture.pool.expire(TimeMs(61_000), &mut Vec::new());
    assert_eq!(fixture.pool.size().future, 0);
    assert_eq!(fixture.pool.size().ready, 1);
    fixture.pool.expire(TimeMs(601_000), &mut Vec::new());
    assert_eq!(fixture.pool.size(), PoolSize::default());
}

/// Random inserts, removals, expiries and blocks (of candidates, of a part of them, of strangers'
/// transactions) with small bounds: the invariants hold after every step, and candidates are
/// always applicable in their order.
#[test]
fn invariants_hold_under_random_use() {
    for seed in 0..60 {
        let mut rng = StdRng::seed_from_u64(seed);
        let limits = Limits {
            count: 24,
            bytes: 66,
            per_subject: 6,
            ..Limits::default()
        };
        let limits = Limits {
            rescues: 5,
            rescue_bytes: 14,
            rescues_per_subject: 2,
            ..limits
        };
        let mut fixture = Fixture::new(limits);
        for step in 0..400 {
            fixture.now.0 += rng.gen_range(0..2000);
            let (account, number) = (rng.gen_range(0..6), rng.gen_range(0..12));
            let priority = match rng.gen_range(0..4) {
                0 => rng.gen_range(RANK0..=NEXT),
                _ => rng.gen_range(0..3),
            };
            let tx = tx(account, number, priority);
            let told = &mut Vec::new();
            match rng.gen_range(0..20) {
                0 => fixture.pool.remove(
                    &hash(&tx),
                    TxStatus::Invalid(TransactionError::Stale),
                    told,
                ),
                1 => fixture.pool.expire(fixture.now, told),
                2..4 => {
                    let count = rng.gen_range(0..8);
                    let txs = fixture.pool.candidates(count, usize::MAX);
                    fixture.block(&txs);
                }
                4 => {
                    let next = fixture
                        .judge
                        .next
                        .lock()
                        .get(&account)
                        .copied()
                        .unwrap_or(0);
                    fixture.block(&[Arc::from([account, next, 77])]);
                }
                _ => {
                    let _ = fixture.insert(&tx);
                }
            }
            let checked = fixture.pool.check();
            assert_eq!(checked, Ok(()), "seed {seed} step {step}");
        }
    }
}

struct Shared {
    mempool: Mempool,
    judge: Arc<Numbers>,
    work: Arc<AtomicBool>,
    accepted: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// Starts a mempool within a paused runtime.
fn shared() -> Shared {
    let judge = Arc::new(Numbers::default());
    let work = Arc::new(AtomicBool::new(false));
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let (told_work, told_accepted) = (work.clone(), accepted.clone());
    let (mempool, admission) = Mempool::new(
        Limits::default(),
        Height(0),
        judge.clone(),
        Duration::from_millis(5),
        Arc::new(move |pending| told_work.store(pending, Ordering::Relaxed)),
        Arc::new(move |txs| {
            told_accepted
                .lock()
                .extend(txs.iter().map(|tx| tx.to_vec()))
        }),
    );
    tokio::spawn(admission.run());
    Shared {
        mempool,
        judge,
        work,
        accepted,
    }
}

#[tokio::test(start_paused = true)]
async fn a_submission_is_answered_in_order_watched_and_finalized() {
    let shared = shared();
    let (good, bad) = (tx(1, 0, 0), vec![1]);
    let mut watch = shared.mempool.watch(hash(&good));
    let results = shared
        .mempool
        .submit(vec![good.clone(), bad, good.clone()])
        .await;
    let known = PoolError::AlreadyKnown { hash: hash(&good) };
    let invalid = PoolError::Invalid(TransactionError::Undecodable);
    assert_eq!(results, [Ok(hash(&good)), Err(invalid), Err(known)]);
    assert!(shared.work.load(Ordering::Relaxed));
    assert_eq!(*shared.accepted.lock(), std::slice::from_ref(&good));
    assert_eq!(watch.recv().await, Some(TxStatus::Ready));
    let txs = shared.mempool.candidates(10, 1000);
    let (height, changed) = shared.judge.apply(&txs);
    let block = H256([1; 32]);
    shared
        .mempool
        .on_block(height, block, &included(&txs), &changed);
    let last = TxStatus::Finalized {
        block,
        height,
        index: 0,
    };
    assert_eq!(watch.recv().await, Some(last));
    assert_eq!(watch.recv().await, None);
    assert!(!shared.work.load(Ordering::Relaxed));
    let again = shared.mempool.submit(vec![good.clone()]).await;
    assert_eq!(
        again,
        [Err(PoolError::AlreadyIncluded { hash: hash(&good) })]
    );
}

#[tokio::test(start_paused = true)]
async fn what_peers_send_is_judged_and_not_announced() {
    let shared = shared();
    assert!(
        shared
            .mempool
            .offer(vec![Arc::from(tx(1, 0, 0)), Arc::from([1u8])])
    );
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(shared.mempool.size().ready, 1);
    assert_eq!(shared.accepted.lock().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lone_transaction_is_not_held_back() {
    let shared = shared();
    let start = tokio::time::Instant::now();
    shared.mempool.submit(vec![tx(1, 0, 0)]).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    shared.mempool.submit(vec![tx(2, 0, 0)]).await;
    assert_eq!(
        start.elapsed(),
        Duration::from_millis(5),
        "the second one waits for a batch"
    );
}

#[tokio::test(start_paused = true)]
async fn more_than_one_submission_may_hold_is_refused() {
    let shared = shared();
    let count = crate::limits::SUBMISSION_MAX + 1;
    let results = shared.mempool.submit(vec![vec![1]; count]).await;
    let max = crate::limits::SUBMISSION_MAX;
    assert_eq!(results, vec![Err(PoolError::TooMany { count, max }); count]);
}
