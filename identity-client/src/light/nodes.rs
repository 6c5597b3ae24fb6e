//! Several nodes, and which to ask first.
//!
//! A node that cannot be reached, lags, refuses without proof or lies is *put aside*: it is asked
//! after the others for [`ASIDE_MS`], and remembered with the reason. It is never given up: with
//! one node left, that one is asked. A true answer takes it back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use allod_primitives::TimeMs;

use super::config::is_within;
use super::error::Fault;
use super::node::Node;

/// How long a node that failed is asked last, ms.
pub const ASIDE_MS: u64 = 30_000;
/// Nodes of one client at most.
pub const NODES_MAX: usize = 16;

/// Why and since when a node is asked last.
#[derive(Clone, Debug)]
pub struct Aside {
    /// The node.
    pub node: String,
    /// When it failed, by this client's clock.
    pub since: TimeMs,
    /// How.
    pub fault: Arc<Fault>,
}

/// The nodes of a client, the preferred first.
#[derive(Debug)]
pub(super) struct Nodes {
    list: Vec<Arc<dyn Node>>,
    asides: Mutex<Vec<Option<Aside>>>,
    /// How often others were asked for: whose turn it is.
    turns: AtomicUsize,
}

impl Nodes {
    pub(super) fn new(list: Vec<Arc<dyn Node>>) -> Self {
        let asides = Mutex::new(vec![None; list.len()]);
        let turns = AtomicUsize::new(0);
        Self {
            list,
            asides,
            turns,
        }
    }

    pub(super) fn get(&self, index: usize) -> &Arc<dyn Node> {
        &self.list[index]
    }

    /// Returns the nodes in the order in which to ask them at `now`.
    pub(super) fn order(&self, now: TimeMs) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.list.len()).collect();
        // Of those aside the one that failed longest ago first: it may well be back.
        order.sort_by_key(|index| self.aside_since(*index, now));
        order
    }

    /// Returns the nodes other than `index` in the order in which to compare with them at `now`:
    /// each time another one first, those put aside last.
    pub(super) fn others(&self, index: usize, now: TimeMs) -> Vec<usize> {
        let others = self.order(now).into_iter().filter(|it| *it != index);
        let (mut others, last): (Vec<usize>, Vec<usize>) =
            others.partition(|it| self.aside_since(*it, now).is_none());
        if !others.is_empty() {
            let turn = self.turns.fetch_add(1, Ordering::Relaxed);
            let place = turn.checked_rem(others.len()).unwrap_or(0);
            others.rotate_left(place);
        }
        others.extend(last);
        others
    }

    /// Returns whether there is more than one node.
    pub(super) fn are_several(&self) -> bool {
        self.list.len() > 1
    }

    fn aside_since(&self, index: usize, now: TimeMs) -> Option<TimeMs> {
        let asides = self.asides.lock().unwrap_or_else(PoisonError::into_inner);
        let aside = asides.get(index).and_then(Option::as_ref);
        let since = aside.map(|it| it.since);
        since.filter(|since| is_within(*since, now, ASIDE_MS))
    }

    /// Describes a fault of a node.
    pub(super) fn blame(&self, index: usize, since: TimeMs, fault: Arc<Fault>) -> Aside {
        Aside {
            node: self.list[index].name().to_owned(),
            since,
            fault,
        }
    }

    pub(super) fn put_aside(&self, index: usize, since: TimeMs, fault: Arc<Fault>) -> Aside {
        let aside = self.blame(index, since, fault);
        self.set(index, Some(aside.clone()));
        aside
    }

    pub(super) fn take_back(&self, index: usize) {
        self.set(index, None);
    }

    /// Returns the nodes put aside.
    pub(super) fn asides(&self) -> Vec<Aside> {
        let asides = self.asides.lock().unwrap_or_else(PoisonError::into_inner);
        asides.iter().flatten().cloned().collect()
    }

    fn set(&self, index: usize, aside: Option<Aside>) {
        let mut asides = self.asides.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = asides.get_mut(index) {
            *slot = aside;
        }
    }
}
