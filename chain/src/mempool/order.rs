//! Who is ready, and in which order: each transaction after those that it requires.

use std::cmp::Reverse;
use std::collections::{BTreeSet, VecDeque};

use allod_primitives::H256;

use super::pool::{Entry, Order, Pool, Tag, Told};
use super::status::TxStatus;

impl Pool {
    /// Works out whether `hash` is ready, and what follows for those that require it.
    pub(super) fn settle(&mut self, hash: H256, told: &mut Told) {
        let mut queue = VecDeque::from([hash]);
        while let Some(hash) = queue.pop_front() {
            let Some(entry) = self.entries.get(&hash) else {
                continue;
            };
            let (order, provides) = (entry.order, entry.verdict.provides.clone());
            let (missing, after) = self.place(&hash, entry);
            let is_ready = missing.is_empty();
            if let Some(entry) = self.entries.get_mut(&hash) {
                entry.missing = missing;
            }
            match order {
                None if is_ready => {
                    self.make_ready(&hash, after);
                    told.push((hash, TxStatus::Ready));
                    queue.extend(self.requirers_of(&provides));
                }
                // Not ready, or ready but before one that it requires: out, and in again later.
                Some(order) if !is_ready || after.is_some_and(|after| after > order) => {
                    self.unready(&hash);
                    queue.extend(self.requirers_of(&provides));
                    queue.push_back(hash);
                }
                _ => {}
            }
        }
    }

    /// Returns the tags that `entry` misses, and the last place among the ready of those that
    /// provide what it requires.
    fn place(&self, hash: &H256, entry: &Entry) -> (BTreeSet<Tag>, Option<Order>) {
        let (mut missing, mut after) = (BTreeSet::new(), None);
        for tag in &entry.verdict.requires {
            let provider = self.providers.get(tag).filter(|by| *by != hash);
            let provider = provider.and_then(|by| self.entries.get(by));
            match provider.and_then(|provider| provider.order) {
                Some(order) => after = after.max(Some(order)),
                None => {
                    missing.insert(tag.clone());
                }
            }
        }
        (missing, after)
    }

    /// Puts an entry among the ready, after `after` whatever its priority.
    fn make_ready(&mut self, hash: &H256, after: Option<Order>) {
        let seq = self.tick();
        let Some(entry) = self.entries.get_mut(hash) else {
            return;
        };
        let priority = Reverse(entry.verdict.precedence());
        let order = (
            after.map_or(priority, |(after, _)| after.max(priority)),
            seq,
        );
        entry.order = Some(order);
        let standing = entry.standing();
        self.future.remove(&entry.arrival);
        self.idle.remove(&standing);
        self.ready.insert(order, *hash);
    }

    fn unready(&mut self, hash: &H256) {
        if let Some(entry) = self.entries.get_mut(hash)
            && let Some(order) = entry.order.take()
        {
            self.ready.remove(&order);
            self.future.insert(entry.arrival, *hash);
            if !entry.is_reserved {
                self.idle.insert(entry.standing(), *hash);
            }
        }
    }

    fn requirers_of(&self, tags: &[Tag]) -> Vec<H256> {
        let lists = tags.iter().filter_map(|tag| self.requirers.get(tag));
        lists.flatten().copied().collect()
    }

    /// The chain provides `tags` from now on: nobody waits for them any more.
    pub(super) fn satisfy(&mut self, tags: &[Tag], told: &mut Told) {
        for tag in tags {
            for hash in self.requirers.remove(tag).unwrap_or_default() {
                if let Some(entry) = self.entries.get_mut(&hash) {
                    entry.verdict.requires.retain(|required| required != tag);
                }
                self.settle(hash, told);
            }
        }
    }

    /// Nobody provides `tags` any more: those that require them wait again.
    pub(super) fn withdraw(&mut self, tags: &[Tag]) {
        let mut ignored = Told::new();
        for hash in self.requirers_of(tags) {
            self.settle(hash, &mut ignored);
        }
    }

    /// Checks every invariant; for tests.
    ///
    /// # Errors
    /// The invariant that does not hold.
    pub fn check(&self) -> Result<(), &'static str> {
        let must = |holds: bool, what: &'static str| if holds { Ok(()) } else { Err(what) };
        self.reserve.check(&self.limits)?;
        let reserved = self.entries.values().filter(|it| it.is_reserved).count();
        must(reserved == self.reserve.len(), "reserve")?;
        let ordinary = self.entries.len().saturating_sub(reserved);
        must(ordinary <= self.limits.count, "too many")?;
        let bytes = self.bytes.saturating_sub(self.reserve.bytes());
        must(bytes <= self.limits.bytes, "too many bytes")?;
        let idle = self.future.values().filter(|hash| {
            let entry = self.entries.get(hash);
            entry.is_some_and(|entry| self.idle.get(&entry.standing()) == Some(hash))
        });
        must(idle.count() == self.idle.len(), "idle")?;
        must(self.entries.len() == self.arrivals.len(), "arrivals")?;
        let split = self.ready.len().saturating_add(self.future.len());
        must(self.entries.len() == split, "ready and future")?;
        let bytes: usize = self.entries.values().map(|entry| entry.bytes.len()).sum();
        must(bytes == self.bytes, "bytes do not add up")?;
        let ordinary = |(subject, all): (&Vec<u8>, &BTreeSet<H256>)| {
            all.len().saturating_sub(self.reserve.count_of(subject))
        };
        let largest = self.subjects.iter().map(ordinary).max();
        must(
            largest.unwrap_or(0) <= self.limits.per_subject,
            "per subject",
        )?;
        let mut provided = BTreeSet::new();
        for hash in self.ready.values() {
            let entry = self.entries.get(hash).ok_or("ready without entry")?;
            let requires = entry.verdict.requires.iter();
            must(requires.clone().all(|tag| provided.contains(tag)), "order")?;
            for tag in &entry.verdict.provides {
                must(provided.insert(tag.clone()), "tag provided twice")?;
                must(self.providers.get(tag) == Some(hash), "providers")?;
            }
        }
        for hash in self.future.values() {
            let entry = self.entries.get(hash).ok_or("future without entry")?;
            must(
                !entry.missing.is_empty(),
                "future although nothing is missing",
            )?;
            let provided = entry.missing.iter().any(|tag| provided.contains(tag));
            must(!provided, "missing what is provided")?;
        }
        Ok(())
    }
}
