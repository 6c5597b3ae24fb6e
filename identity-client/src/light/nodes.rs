//! Several nodes, and which to ask first.
//!
//! A node that cannot be reached, lags, refuses without proof or lies is *put aside*: it is asked
//! after the others for [`ASIDE_MS`], and remembered with the reason. It is never given up: with
//! one node left, that one is asked. A true answer takes it back.

use std::sync::{Arc, Mutex, PoisonError};

use allod_primitives::TimeMs;

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
}

impl Nodes {
    pub(super) fn new(list: Vec<Arc<dyn Node>>) -> Self {
        let asides = Mutex::new(vec![None; list.len()]);
        Self { list, asides }
    }

    pub(super) fn get(&self, index: usize) -> &Arc<dyn Node> {
        &self.list[index]
    }

    /// Returns the nodes in the order in which to ask them at `now`.
    pub(super) fn order(&self, now: TimeMs) -> Vec<usize> {
        let asides = self.asides.lock().unwrap_or_else(PoisonError::into_inner);
        let mut order: Vec<usize> = (0..self.list.len()).collect();
        order.sort_by_key(|index| {
            let aside = asides.get(*index).and_then(Option::as_ref);
            let aside = aside.filter(|it| now.0.saturating_sub(it.since.0) < ASIDE_MS);
            // Of those aside the one that failed longest ago first: it may well be back.
            aside.map(|it| it.since)
        });
        order
    }

    /// Returns another node than `index` to compare with, one that is not aside if there is one.
    pub(super) fn other(&self, index: usize, now: TimeMs) -> Option<usize> {
        self.order(now).into_iter().find(|it| *it != index)
    }

    pub(super) fn put_aside(&self, index: usize, since: TimeMs, fault: Arc<Fault>) -> Aside {
        let aside = Aside {
            node: self.list[index].name().to_owned(),
            since,
            fault,
        };
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
