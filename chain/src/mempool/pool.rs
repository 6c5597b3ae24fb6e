//! The pool itself: pure, deterministic, told the time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use allod_primitives::{H256, Height, TimeMs};
use allod_runtime::frame::TransactionError;

use super::error::PoolError;
use super::judge::Verdict;
use super::reserve::{RESCUE_PRECEDENCE, Reserve};
use super::status::{DropReason, TxStatus};
use crate::limits;

/// What transactions provide and require.
pub(super) type Tag = Vec<u8>;

/// The pool's bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Transactions.
    pub count: usize,
    /// Bytes of all together.
    pub bytes: usize,
    /// Transactions of one account or identity.
    pub per_subject: usize,
    /// Rescues, beside these.
    pub rescues: usize,
    /// Bytes of all rescues together.
    pub rescue_bytes: usize,
    /// Rescues of one kind and one identity.
    pub rescues_per_subject: usize,
    /// Longest wait.
    pub age: Duration,
    /// Longest wait for a transaction that is required.
    pub future_age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            count: limits::POOL_COUNT_MAX,
            bytes: limits::POOL_BYTES_MAX,
            per_subject: limits::POOL_PER_SUBJECT_MAX,
            rescues: limits::POOL_RESCUES_MAX,
            rescue_bytes: limits::POOL_RESCUE_BYTES_MAX,
            rescues_per_subject: limits::POOL_RESCUES_PER_SUBJECT_MAX,
            age: limits::POOL_AGE_MAX,
            future_age: limits::POOL_FUTURE_AGE_MAX,
        }
    }
}

/// How full the pool is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolSize {
    /// Transactions that may be in the next block.
    pub ready: usize,
    /// Transactions that wait for another.
    pub future: usize,
    /// Bytes of all.
    pub bytes: usize,
}

/// A transaction that a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Included {
    /// Its hash.
    pub hash: H256,
    /// Its place in the block.
    pub index: u32,
}

/// Place among those that may have to give way: precedence, then arrival.
pub(super) type Standing = (u64, u64);

/// Place among the ready: high priority first, then in the order of becoming ready.
pub(super) type Order = (Reverse<u64>, u64);

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) bytes: Arc<[u8]>,
    pub(super) verdict: Verdict,
    /// Required tags that no ready transaction provides.
    pub(super) missing: BTreeSet<Tag>,
    pub(super) added: TimeMs,
    pub(super) arrival: u64,
    pub(super) order: Option<Order>,
    /// Whether it is in the room of the rescues.
    pub(super) is_reserved: bool,
}

impl Entry {
    /// Returns its place among those that may have to go: the lowest first, the oldest first.
    pub(super) fn standing(&self) -> Standing {
        (self.verdict.precedence(), self.arrival)
    }

    fn subjects(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.verdict.subjects.iter().chain(&self.verdict.account)
    }
}

/// What happened to transactions by one call, in order.
pub(super) type Told = Vec<(H256, TxStatus)>;

/// The pool. Hash maps are only looked up, never walked: runs with one seed are alike.
#[derive(Debug, Default)]
pub struct Pool {
    pub(super) limits: Limits,
    pub(super) height: Height,
    pub(super) next: u64,
    pub(super) bytes: usize,
    pub(super) entries: HashMap<H256, Entry>,
    pub(super) ready: BTreeMap<Order, H256>,
    pub(super) arrivals: BTreeMap<u64, H256>,
    pub(super) future: BTreeMap<u64, H256>,
    /// Those of the future that are not reserved.
    pub(super) idle: BTreeMap<Standing, H256>,
    pub(super) reserve: Reserve,
    pub(super) providers: HashMap<Tag, H256>,
    pub(super) requirers: HashMap<Tag, BTreeSet<H256>>,
    pub(super) subjects: HashMap<Vec<u8>, BTreeSet<H256>>,
    included: HashSet<H256>,
    included_order: VecDeque<H256>,
}

impl Pool {
    /// Returns an empty pool on the state of `height`.
    pub fn new(limits: Limits, height: Height) -> Self {
        Self {
            limits,
            height,
            ..Self::default()
        }
    }

    /// Returns the height of the last block the pool was told of.
    pub fn height(&self) -> Height {
        self.height
    }

    /// Returns how full it is.
    pub fn size(&self) -> PoolSize {
        PoolSize {
            ready: self.ready.len(),
            future: self.future.len(),
            bytes: self.bytes,
        }
    }

    /// Returns whether `hash` waits.
    pub fn contains(&self, hash: &H256) -> bool {
        self.entries.contains_key(hash)
    }

    /// Returns the bytes of a waiting transaction.
    pub fn get(&self, hash: &H256) -> Option<Arc<[u8]>> {
        self.entries.get(hash).map(|entry| entry.bytes.clone())
    }

    /// Returns whether a waiting transaction is ready; `None` if it does not wait.
    pub fn is_ready(&self, hash: &H256) -> Option<bool> {
        self.entries.get(hash).map(|entry| entry.order.is_some())
    }

    /// Refuses cheaply what need not be judged.
    ///
    /// # Errors
    /// [`PoolError::AlreadyKnown`] and [`PoolError::AlreadyIncluded`].
    pub fn check_new(&self, hash: H256) -> Result<(), PoolError> {
        if self.entries.contains_key(&hash) {
            return Err(PoolError::AlreadyKnown { hash });
        }
        if self.included.contains(&hash) {
            return Err(PoolError::AlreadyIncluded { hash });
        }
        Ok(())
    }

    /// Returns ready transactions in order, at most `count` and about `bytes` of them.
    pub fn candidates(&self, count: usize, bytes: usize) -> Vec<Arc<[u8]>> {
        let mut sum = 0usize;
        let list = self.ready.values().take(count);
        let list = list.filter_map(|hash| self.get(hash));
        list.take_while(|tx| {
            sum = sum.saturating_add(tx.len());
            sum <= bytes
        })
        .collect()
    }

    /// Returns what peers should be asked about, if they lack it: rescues first, then the oldest of
    /// those that arrived at least `age` before `now`; at most `count`.
    pub fn offerable(&self, now: TimeMs, age: Duration, count: usize) -> Vec<H256> {
        let rescues = self.reserve.newest_first();
        let rescues: Vec<H256> = rescues.take(count.div_ceil(2)).collect();
        let old = self.older_than(now, age, count);
        let old = old.into_iter().map(|(hash, _)| hash);
        let mut list = rescues.clone();
        list.extend(old.filter(|hash| !rescues.contains(hash)));
        list.truncate(count);
        list
    }

    /// Returns every waiting transaction that arrived at least `age` before `now`, oldest first,
    /// at most `count`.
    pub fn older_than(&self, now: TimeMs, age: Duration, count: usize) -> Vec<(H256, Arc<[u8]>)> {
        let old =
            |entry: &Entry| u128::from(now.0.saturating_sub(entry.added.0)) >= age.as_millis();
        let list = self.arrivals.values();
        let list = list.filter_map(|hash| Some((*hash, self.entries.get(hash)?)));
        list.take_while(|(_, entry)| old(entry))
            .take(count)
            .map(|(hash, entry)| (hash, entry.bytes.clone()))
            .collect()
    }

    /// Adds a transaction that was judged by a state of at least [`Self::height`].
    ///
    /// # Errors
    /// [`PoolError`] if there is no place for it; nothing has changed then.
    pub(super) fn insert(
        &mut self,
        now: TimeMs,
        hash: H256,
        bytes: Arc<[u8]>,
        verdict: Verdict,
        told: &mut Told,
    ) -> Result<(), PoolError> {
        self.check_new(hash)?;
        self.check_bounds(&bytes, &verdict)?;
        let is_reserved = self.reserve(bytes.len(), &verdict, told);
        if !is_reserved {
            self.check_subjects(&verdict)?;
            self.make_room(bytes.len(), verdict.precedence(), told)?;
        }
        let arrival = self.tick();
        for tag in &verdict.provides {
            self.providers.insert(tag.clone(), hash);
        }
        for tag in &verdict.requires {
            self.requirers.entry(tag.clone()).or_default().insert(hash);
        }
        let entry = Entry {
            bytes,
            verdict,
            missing: BTreeSet::new(),
            added: now,
            arrival,
            order: None,
            is_reserved,
        };
        if is_reserved {
            self.reserve.add(hash, &entry);
        } else {
            self.idle.insert(entry.standing(), hash);
        }
        for subject in entry.subjects() {
            self.subjects
                .entry(subject.clone())
                .or_default()
                .insert(hash);
        }
        self.bytes = self.bytes.saturating_add(entry.bytes.len());
        self.arrivals.insert(arrival, hash);
        self.future.insert(arrival, hash);
        self.entries.insert(hash, entry);
        self.settle(hash, told);
        if self.is_ready(&hash) == Some(false) {
            told.push((hash, TxStatus::Future));
        }
        Ok(())
    }

    /// Takes note of a final block: its transactions leave, those that waited for them become
    /// ready. `changed`: storage keys it changed. Returns the transactions to judge again: those
    /// it touched, and some that have waited for long, whose time may be over.
    pub(super) fn on_block(
        &mut self,
        now: TimeMs,
        height: Height,
        block: H256,
        included: &[Included],
        changed: &mut dyn Iterator<Item = &Vec<u8>>,
        told: &mut Told,
    ) -> Vec<H256> {
        self.height = height;
        let mut own_accounts = BTreeSet::new();
        for &Included { hash, index } in included {
            self.remember_included(hash);
            if let Some(entry) = self.take(&hash) {
                own_accounts.extend(entry.verdict.account.clone());
                self.satisfy(&entry.verdict.provides, told);
            }
            let status = TxStatus::Finalized {
                block,
                height,
                index,
            };
            told.push((hash, status));
        }
        let mut doubtful = BTreeSet::new();
        for key in changed.filter(|key| !own_accounts.contains(*key)) {
            doubtful.extend(self.subjects.get(key).into_iter().flatten());
        }
        let old = self.older_than(
            now,
            limits::POOL_RECHECK_AGE,
            limits::POOL_RECHECKED_PER_COMMIT_MAX,
        );
        doubtful.extend(old.into_iter().map(|(hash, _)| hash));
        doubtful.into_iter().collect()
    }

    /// Applies a new verdict on a waiting transaction.
    pub(super) fn judged_again(
        &mut self,
        hash: &H256,
        verdict: Result<Verdict, TransactionError>,
        told: &mut Told,
    ) {
        let verdict = match verdict {
            Err(error) => return self.remove(hash, TxStatus::Invalid(error), told),
            Ok(verdict) => verdict,
        };
        let Some(entry) = self.entries.get_mut(hash) else {
            return;
        };
        if entry.verdict.requires == verdict.requires {
            return;
        }
        let old = std::mem::replace(&mut entry.verdict.requires, verdict.requires.clone());
        for tag in old {
            self.forget_requirer(&tag, hash);
        }
        for tag in verdict.requires {
            self.requirers.entry(tag).or_default().insert(*hash);
        }
        self.settle(*hash, told);
    }

    /// Removes transactions that waited too long.
    pub(super) fn expire(&mut self, now: TimeMs, told: &mut Told) {
        let mut old = self.waited_longer(&self.future, now, self.limits.future_age);
        old.extend(self.waited_longer(&self.arrivals, now, self.limits.age));
        for hash in old {
            self.drop_one(&hash, DropReason::Expired, told);
        }
    }

    /// Returns the entries of `list`, which is in order of arrival, that waited longer than `age`.
    fn waited_longer(&self, list: &BTreeMap<u64, H256>, now: TimeMs, age: Duration) -> Vec<H256> {
        let waited = |hash: &H256| {
            let entry = self.entries.get(hash)?;
            Some(u128::from(now.0.saturating_sub(entry.added.0)))
        };
        let old = list.values().copied();
        old.take_while(|hash| waited(hash).is_some_and(|waited| waited > age.as_millis()))
            .collect()
    }

    /// Removes a transaction without a block.
    pub(super) fn remove(&mut self, hash: &H256, status: TxStatus, told: &mut Told) {
        if let Some(entry) = self.take(hash) {
            self.withdraw(&entry.verdict.provides);
            told.push((*hash, status));
        }
    }

    fn drop_one(&mut self, hash: &H256, reason: DropReason, told: &mut Told) {
        self.remove(hash, TxStatus::Dropped(reason), told);
    }

    fn check_bounds(&self, bytes: &[u8], verdict: &Verdict) -> Result<(), PoolError> {
        let tags = verdict.provides.len().max(verdict.requires.len());
        if tags > limits::POOL_TAGS_MAX || verdict.subjects.len() > limits::POOL_SUBJECTS_MAX {
            return Err(PoolError::TooLong { bytes: bytes.len() });
        }
        let taken = verdict
            .provides
            .iter()
            .find_map(|tag| self.providers.get(tag));
        if let Some(by) = taken {
            return Err(PoolError::TagTaken { by: *by });
        }
        Ok(())
    }

    /// Checks that there are not too many of one account or identity; rescues in their own room
    /// do not count.
    fn check_subjects(&self, verdict: &Verdict) -> Result<(), PoolError> {
        let max = self.limits.per_subject;
        let mut subjects = verdict.subjects.iter().chain(&verdict.account);
        let count = |subject: &Vec<u8>| {
            let all = self.subjects.get(subject).map_or(0, BTreeSet::len);
            all.saturating_sub(self.reserve.count_of(subject))
        };
        if subjects.any(|subject| count(subject) >= max) {
            return Err(PoolError::SubjectFull { max });
        }
        Ok(())
    }

    /// Makes room for one ordinary transaction: one that waits for others goes first, the lowest
    /// and oldest of them, then the last ready one if its precedence is lower. No rescue makes room
    /// for what has a lower precedence, whether it waits for others or not.
    fn make_room(
        &mut self,
        bytes: usize,
        precedence: u64,
        told: &mut Told,
    ) -> Result<(), PoolError> {
        let fits = |pool: &Self| {
            let count = pool.entries.len().saturating_sub(pool.reserve.len());
            let sum = pool.bytes.saturating_sub(pool.reserve.bytes());
            count < pool.limits.count && sum.saturating_add(bytes) <= pool.limits.bytes
        };
        while !fits(self) {
            let oldest = self.idle.first_key_value();
            let may_go = |lowest: u64| lowest <= precedence.max(RESCUE_PRECEDENCE - 1);
            let oldest = oldest.filter(|((lowest, _), _)| may_go(*lowest));
            let oldest = oldest.map(|(_, hash)| *hash);
            let last = self.last_ready();
            let last = last.filter(|((Reverse(lowest), _), _)| *lowest < precedence);
            match oldest.or(last.map(|(_, hash)| *hash)) {
                Some(victim) => self.drop_one(&victim, DropReason::Evicted, told),
                None => {
                    let count = self.entries.len();
                    return Err(PoolError::Full { count });
                }
            }
        }
        Ok(())
    }

    /// Returns the last of the ready that is not reserved.
    fn last_ready(&self) -> Option<(&Order, &H256)> {
        let is_ordinary = |hash: &H256| self.entries.get(hash).is_some_and(|it| !it.is_reserved);
        self.ready.iter().rev().find(|(_, hash)| is_ordinary(hash))
    }

    /// Takes an entry out of every index.
    fn take(&mut self, hash: &H256) -> Option<Entry> {
        let entry = self.entries.remove(hash)?;
        if let Some(order) = entry.order {
            self.ready.remove(&order);
        }
        self.future.remove(&entry.arrival);
        self.idle.remove(&entry.standing());
        if entry.is_reserved {
            self.reserve.remove(&entry);
        }
        self.arrivals.remove(&entry.arrival);
        self.bytes = self.bytes.saturating_sub(entry.bytes.len());
        for tag in &entry.verdict.provides {
            if self.providers.get(tag) == Some(hash) {
                self.providers.remove(tag);
            }
        }
        for tag in &entry.verdict.requires {
            self.forget_requirer(tag, hash);
        }
        for subject in entry.subjects() {
            if let Some(set) = self.subjects.get_mut(subject) {
                set.remove(hash);
                if set.is_empty() {
                    self.subjects.remove(subject);
                }
            }
        }
        Some(entry)
    }

    fn forget_requirer(&mut self, tag: &Tag, hash: &H256) {
        if let Some(set) = self.requirers.get_mut(tag) {
            set.remove(hash);
            if set.is_empty() {
                self.requirers.remove(tag);
            }
        }
    }

    fn remember_included(&mut self, hash: H256) {
        if self.included.insert(hash) {
            self.included_order.push_back(hash);
            if self.included_order.len() > limits::POOL_INCLUDED_MAX
                && let Some(oldest) = self.included_order.pop_front()
            {
                self.included.remove(&oldest);
            }
        }
    }

    pub(super) fn tick(&mut self) -> u64 {
        self.next = self.next.wrapping_add(1);
        self.next
    }
}
