//! Floods against rescues: what fills the pool, the queue and the block keeps none of them out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use allod_primitives::header::extrinsic_hash;
use allod_primitives::{H256, Height, TimeMs};
use allod_runtime::frame::TransactionError;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::pool::Told;
use super::*;
use crate::limits::{
    ADMISSION_BATCH_MAX, ADMISSION_QUEUE_MAX, POOL_BYTES_MAX, POOL_COUNT_MAX, POOL_RESCUES_MAX,
    POOL_RESCUES_PER_SUBJECT_MAX,
};

/// How many transactions a flood has.
const FLOOD: u64 = 100_000;
/// Priorities as the runtime gives them.
const GOVERNANCE: u64 = u64::MAX;
const NEXT: u64 = 700;
const GUARDIANS: u64 = 600;
const RANK: u64 = 500;
const TOKENS: u64 = 400;
const DOCUMENTS: u64 = 300;
const BATCH: u64 = 100;

/// One of whose validity nothing else hangs.
#[derive(Clone, Debug)]
struct Tx {
    subject: u64,
    number: u64,
    priority: u64,
    rescue: Option<Rescue>,
    is_signed: bool,
    is_ahead: bool,
}

impl Tx {
    fn of(subject: u64, number: u64, priority: u64) -> Self {
        Self {
            subject,
            number,
            priority,
            rescue: None,
            is_signed: false,
            is_ahead: false,
        }
    }

    fn rescue(subject: u64, number: u64, rescue: Rescue) -> Self {
        let priority = match rescue {
            Rescue::Next => NEXT,
            Rescue::Guardians => GUARDIANS,
            Rescue::Rank0 => RANK,
        };
        Self {
            rescue: Some(rescue),
            ..Self::of(subject, number, priority)
        }
    }

    fn bytes(&self) -> Arc<[u8]> {
        let kind = self.rescue.map_or(0, |rescue| rescue as u8 + 1);
        let numbers = [self.subject, self.number, self.priority];
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|it| it.to_le_bytes()).collect();
        bytes.extend([kind, u8::from(self.is_ahead)]);
        bytes.into()
    }

    fn hash(&self) -> H256 {
        extrinsic_hash(&self.bytes())
    }

    fn verdict(&self) -> Verdict {
        let subject = self.subject.to_le_bytes().to_vec();
        let tag = |n: u64| {
            let kind = self.rescue.map_or(0, |rescue| rescue as u8 + 1);
            [
                &subject[..],
                &n.to_le_bytes(),
                &[kind],
                &self.priority.to_le_bytes(),
            ]
            .concat()
        };
        let signed = self.is_signed;
        Verdict {
            provides: vec![tag(self.number)],
            requires: match self.is_ahead {
                true => vec![tag(u64::MAX)],
                false => Vec::new(),
            },
            priority: self.priority,
            subjects: if signed {
                Vec::new()
            } else {
                vec![subject.clone()]
            },
            account: signed.then(|| subject.clone()),
            rescue: self.rescue,
        }
    }
}

fn insert(pool: &mut Pool, tx: &Tx) -> Result<(), PoolError> {
    pool.insert(
        TimeMs(0),
        tx.hash(),
        tx.bytes(),
        tx.verdict(),
        &mut Told::new(),
    )
}

fn pool() -> Pool {
    Pool::new(Limits::default(), Height(0))
}

/// Checks that all kinds of rescues of `victim` go into `pool` and are first in the next block,
/// the highest kind first, although blocks hold as little as these three.
fn assert_rescued(pool: &mut Pool, victim: u64) {
    let kinds = [Rescue::Rank0, Rescue::Guardians, Rescue::Next];
    let rescues = kinds.map(|kind| Tx::rescue(victim, 0, kind));
    for rescue in &rescues {
        assert_eq!(insert(pool, rescue), Ok(()), "{rescue:?}");
    }
    pool.check().expect("a sound pool");
    let first = pool.candidates(usize::MAX, usize::MAX);
    let place = |tx: &Tx| first.iter().position(|it| *it == tx.bytes());
    let [rank0, guardians, next] = rescues.each_ref().map(place);
    assert!(
        next < guardians && guardians < rank0,
        "{next:?} {guardians:?} {rank0:?}"
    );
    assert_eq!(next, Some(0));
}

#[test]
fn a_hundred_thousand_batches_of_registrars_keep_no_rescue_out() {
    let mut pool = pool();
    for n in 0..FLOOD {
        let batch = Tx {
            is_signed: true,
            ..Tx::of(n / 200, n, BATCH)
        };
        let _ = insert(&mut pool, &batch);
    }
    assert_eq!(
        pool.size().ready,
        POOL_COUNT_MAX,
        "the flood has filled the pool"
    );
    assert_rescued(&mut pool, u64::MAX);
}

#[test]
fn a_hundred_thousand_operations_of_other_identities_keep_no_rescue_out() {
    let mut pool = pool();
    for n in 0..FLOOD {
        let priority = [DOCUMENTS, TOKENS, RANK - 1][n as usize % 3];
        let _ = insert(&mut pool, &Tx::of(n / 30, n, priority));
    }
    assert_eq!(pool.size().ready, POOL_COUNT_MAX);
    assert_rescued(&mut pool, u64::MAX);
}

/// Rescues of other identities fill the room of the rescues, and then the pool. What stands above
/// them still goes in, and is first.
#[test]
fn a_hundred_thousand_rescues_of_other_identities_keep_no_higher_one_out() {
    let mut pool = pool();
    for n in 0..FLOOD {
        let _ = insert(&mut pool, &Tx::rescue(n / 10, n, Rescue::Rank0));
    }
    assert_eq!(pool.size().ready, POOL_COUNT_MAX + POOL_RESCUES_MAX);
    for kind in [Rescue::Guardians, Rescue::Next] {
        let rescue = Tx::rescue(u64::MAX, 0, kind);
        assert_eq!(insert(&mut pool, &rescue), Ok(()));
        let first = pool.candidates(1, usize::MAX);
        assert_eq!(first, [rescue.bytes()]);
    }
    pool.check().expect("a sound pool");
}

/// The thief holds the exposed keys of the victim and fills whatever is counted by identity.
#[test]
fn a_thief_who_fills_the_victims_own_lanes_keeps_no_rescue_out() {
    let mut pool = pool();
    let victim = 7;
    for n in 0..FLOOD {
        let priority = [DOCUMENTS, TOKENS, RANK - 1, RANK - 3][n as usize % 4];
        let _ = insert(&mut pool, &Tx::of(victim, n, priority));
        let _ = insert(&mut pool, &Tx::rescue(victim, n + 1, Rescue::Rank0));
    }
    assert_eq!(
        insert(&mut pool, &Tx::of(victim, u64::MAX, DOCUMENTS)),
        Err(PoolError::SubjectFull {
            max: Limits::default().per_subject
        })
    );
    for kind in [Rescue::Guardians, Rescue::Next] {
        assert_eq!(insert(&mut pool, &Tx::rescue(victim, 0, kind)), Ok(()));
    }
    let first = pool.candidates(2, usize::MAX);
    let expected = [Rescue::Next, Rescue::Guardians].map(|it| Tx::rescue(victim, 0, it).bytes());
    assert_eq!(first, expected);
    pool.check().expect("a sound pool");
}

#[test]
fn bytes_are_kept_for_rescues_too() {
    let limits = Limits {
        bytes: 10_000,
        ..Limits::default()
    };
    let mut pool = Pool::new(limits, Height(0));
    for n in 0..FLOOD / 100 {
        let _ = insert(&mut pool, &Tx::of(n, n, RANK - 1));
    }
    assert!(pool.size().bytes > 9_900 && POOL_BYTES_MAX > 10_000);
    assert_rescued(&mut pool, u64::MAX);
}

#[test]
fn governance_goes_after_rescues() {
    let mut pool = pool();
    insert(&mut pool, &Tx::of(1, 0, GOVERNANCE)).expect("there is room");
    insert(&mut pool, &Tx::rescue(2, 0, Rescue::Rank0)).expect("there is room");
    let first = pool.candidates(1, usize::MAX);
    assert_eq!(first, [Tx::rescue(2, 0, Rescue::Rank0).bytes()]);
}

#[test]
fn nothing_lower_evicts_a_rescue() {
    let limits = Limits {
        count: 4,
        rescues: 2,
        ..Limits::default()
    };
    let mut pool = Pool::new(limits, Height(0));
    // Two in the room of the rescues, one of them ahead of its turn, and four beside it.
    for n in 0..6 {
        let rescue = Tx {
            is_ahead: n % 2 == 0,
            ..Tx::rescue(n, n, Rescue::Guardians)
        };
        insert(&mut pool, &rescue).expect("there is room");
    }
    let lower = [
        Tx::of(100, 0, RANK - 1),
        Tx::of(101, 0, GOVERNANCE),
        Tx::rescue(102, 0, Rescue::Rank0),
    ];
    for tx in lower {
        assert!(
            matches!(insert(&mut pool, &tx), Err(PoolError::Full { .. })),
            "{tx:?}"
        );
    }
    insert(&mut pool, &Tx::rescue(103, 0, Rescue::Next)).expect("it is higher");
    pool.check().expect("a sound pool");
}

#[test]
fn one_identity_has_a_share_of_the_room_and_competes_for_more() {
    let mut pool = pool();
    for n in 0..POOL_RESCUES_PER_SUBJECT_MAX as u64 + 3 {
        insert(&mut pool, &Tx::rescue(1, n, Rescue::Rank0)).expect("there is room");
    }
    assert_eq!(pool.reserve.len(), POOL_RESCUES_PER_SUBJECT_MAX);
    pool.check().expect("a sound pool");
}

#[test]
fn rescues_are_offered_to_peers_before_all_that_has_waited_longer() {
    let mut pool = pool();
    for n in 0..100 {
        insert(&mut pool, &Tx::of(n, n, DOCUMENTS)).expect("there is room");
    }
    let rescue = Tx::rescue(7, 0, Rescue::Next);
    insert(&mut pool, &rescue).expect("there is room");
    let offered = pool.offerable(TimeMs(10), Duration::from_secs(1), 50);
    assert_eq!(offered, [rescue.hash()], "at once");
    let offered = pool.offerable(TimeMs(1000), Duration::from_secs(1), 50);
    assert_eq!((offered.len(), offered[0]), (50, rescue.hash()));
}

/// A judge that waits until it is told to go on.
#[derive(Debug, Default)]
struct Stuck {
    judged: Mutex<Vec<Vec<u8>>>,
}

impl Judge for Stuck {
    fn judge(&self, batch: &[&[u8]]) -> Judged {
        self.judged
            .lock()
            .extend(batch.iter().map(|tx| tx.to_vec()));
        Judged {
            height: Height(0),
            verdicts: vec![Err(TransactionError::BadProof); batch.len()],
        }
    }

    fn claims_rescue(&self, transaction: &[u8]) -> Option<Rescue> {
        (transaction.first() == Some(&b'r')).then_some(Rescue::Next)
    }
}

/// As many submissions wait to be judged as may: a rescue is still taken, and judged first.
#[tokio::test(start_paused = true)]
async fn a_full_queue_of_submissions_keeps_no_rescue_waiting() {
    let judge = Arc::new(Stuck::default());
    let (mempool, admission) = Mempool::new(
        Limits::default(),
        Height(0),
        judge.clone(),
        Duration::ZERO,
        Arc::new(|_| {}),
        Arc::new(|_| {}),
    );
    for n in 0..ADMISSION_QUEUE_MAX {
        let [low, high, ..] = n.to_le_bytes();
        assert!(mempool.offer(vec![Arc::from([0, low, high])]));
    }
    assert!(!mempool.offer(vec![Arc::from([9])]), "the queue is full");
    let busy = mempool.submit(vec![vec![1]]).await;
    assert_eq!(busy, [Err(PoolError::Busy)]);
    assert!(!mempool.offer(vec![Arc::from([8]), Arc::from(*b"r1")]));
    let done = Arc::new(Notify::new());
    let submitted = tokio::spawn({
        let (mempool, done) = (mempool.clone(), done.clone());
        async move {
            let results = mempool.submit(vec![vec![2], b"r2".to_vec()]).await;
            done.notify_one();
            results
        }
    });
    tokio::task::yield_now().await;
    tokio::spawn(admission.run());
    done.notified().await;
    let results = submitted.await.expect("it does not panic");
    let refused = PoolError::Invalid(TransactionError::BadProof);
    assert_eq!(results, [Err(PoolError::Busy), Err(refused)]);
    let judged = judge.judged.lock();
    assert_eq!(judged[..2], [b"r1".to_vec(), b"r2".to_vec()]);
}

/// A judge to whom more rescues are brought whenever it judges, by whom it judges for.
#[derive(Debug, Default)]
struct Besieged {
    mempool: std::sync::OnceLock<Mempool>,
    number: AtomicU64,
}

impl Besieged {
    /// Offers as many transactions that only say that they are rescues as fill a round.
    fn besiege(&self) {
        let mempool = self.mempool.get().expect("set before the first round");
        let first = self.number.fetch_add(1, Ordering::Relaxed) * ADMISSION_BATCH_MAX as u64;
        let numbers = (0..ADMISSION_BATCH_MAX as u64).map(|n| (first + n).to_le_bytes());
        let rescues = numbers.map(|n| Arc::from([&b"r"[..], &n].concat()));
        mempool.offer(rescues.collect());
    }
}

impl Judge for Besieged {
    fn judge(&self, batch: &[&[u8]]) -> Judged {
        self.besiege();
        Judged {
            height: Height(0),
            verdicts: vec![Err(TransactionError::BadProof); batch.len()],
        }
    }

    fn claims_rescue(&self, transaction: &[u8]) -> Option<Rescue> {
        (transaction.first() == Some(&b'r')).then_some(Rescue::Next)
    }
}

/// Returns a mempool for which there is always another full round of claimed rescues.
fn besieged() -> Mempool {
    let judge = Arc::new(Besieged::default());
    let (mempool, admission) = Mempool::new(
        Limits::default(),
        Height(0),
        judge.clone(),
        Duration::from_millis(5),
        Arc::new(|_| {}),
        Arc::new(|_| {}),
    );
    judge.mempool.set(mempool.clone()).expect("set once");
    judge.besiege();
    judge.besiege();
    tokio::spawn(admission.run());
    mempool
}

/// Goal: who says "rescue" without end keeps nothing else waiting. Method: each round brings the
/// next full one, in virtual time; an ordinary transaction has a second for an answer.
#[tokio::test(start_paused = true)]
async fn rounds_full_of_rescues_keep_nobody_else_waiting() {
    let mempool = besieged();
    let submitted = mempool.submit(vec![vec![1]]);
    let results = tokio::time::timeout(Duration::from_secs(1), submitted).await;
    let refused = PoolError::Invalid(TransactionError::BadProof);
    assert_eq!(results, Ok(vec![Err(refused)]));
}

/// Goal: a flood is not taken for a task that hangs, else it has the supervisor kill the node.
/// Method: as above, and the queue of what is no rescue is full, too.
#[tokio::test(start_paused = true)]
async fn admission_shows_signs_of_life_whatever_floods_it() {
    let mempool = besieged();
    for n in 0..ADMISSION_QUEUE_MAX {
        let [low, high, ..] = n.to_le_bytes();
        assert!(mempool.offer(vec![Arc::from([0, low, high])]));
    }
    let beat = tokio::time::timeout(Duration::from_millis(100), mempool.beats()).await;
    assert_eq!(beat, Ok(true));
}
