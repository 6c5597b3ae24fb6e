//! Where nodes live: two slabs, one of inner nodes and one of leaves, with 32-bit references.

use std::num::NonZeroU32;
use std::sync::Arc;

use allod_primitives::hash::H256;
use allod_primitives::tree::Path;

/// Entries of one allocation: growing never moves nodes.
const CHUNK_BITS: u32 = 12;
const CHUNK: usize = 1 << CHUNK_BITS;

/// A node by its place: `place << 3 | fresh << 2 | leaf << 1 | 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeRef(NonZeroU32);

/// The greatest number of inner nodes, and of leaves, in an arena.
pub(super) const NODES_MAX: usize = 1 << 29;

impl NodeRef {
    fn new(place: usize, leaf: bool, fresh: bool) -> Option<Self> {
        let place = u32::try_from(place).ok().filter(|_| place < NODES_MAX)?;
        let flags = u32::from(fresh) << 2 | u32::from(leaf) << 1 | 1;
        NonZeroU32::new(place << 3 | flags).map(Self)
    }

    /// A reference to an inner node of a preview.
    pub(super) fn fresh_inner(place: usize) -> Option<Self> {
        Self::new(place, false, true)
    }

    /// A reference to a leaf of a preview.
    pub(super) fn fresh_leaf(place: usize) -> Option<Self> {
        Self::new(place, true, true)
    }

    fn place(self) -> usize {
        (self.0.get() >> 3) as usize
    }

    /// Whether it is a leaf, known without a visit.
    pub(super) fn is_leaf(self) -> bool {
        self.0.get() & 2 != 0
    }

    fn is_fresh(self) -> bool {
        self.0.get() & 4 != 0
    }
}

/// A node as its parent knows it. The hash is here so that a parent can be hashed, and a proof
/// made, without visiting the other child.
#[derive(Clone, Copy, Debug)]
pub(super) struct Child {
    pub(super) hash: H256,
    pub(super) node: NodeRef,
}

/// An inner node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inner {
    pub(super) left: Child,
    pub(super) right: Child,
    pub(super) bit: u8,
}

impl Inner {
    /// Where the walk of a path goes on.
    pub(super) fn toward(&self, path: &Path) -> NodeRef {
        let child = if path.bit(self.bit) {
            &self.right
        } else {
            &self.left
        };
        child.node
    }
}

/// A leaf. Versions of one key share its bytes.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) key: Arc<[u8]>,
    pub(super) value_hash: H256,
}

/// A node behind a reference.
pub(super) enum Node<'a> {
    Inner(&'a Inner),
    Leaf(&'a Leaf),
}

#[derive(Debug)]
struct Slab<T> {
    chunks: Vec<Vec<Option<T>>>,
    free: Vec<usize>,
    /// One past the last place ever used.
    end: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            free: Vec::new(),
            end: 0,
        }
    }
}

impl<T> Slab<T> {
    fn get(&self, place: usize) -> Option<&T> {
        self.chunks
            .get(place >> CHUNK_BITS)?
            .get(place & (CHUNK - 1))?
            .as_ref()
    }

    fn insert(&mut self, value: T) -> usize {
        let place = self.free.pop();
        if let Some((place, slot)) = place.and_then(|place| Some((place, self.slot(place)?))) {
            *slot = Some(value);
            return place;
        }
        let place = self.end;
        if place >> CHUNK_BITS == self.chunks.len() {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(Some(value));
        }
        self.end += 1;
        place
    }

    fn remove(&mut self, place: usize) {
        let removed = self.slot(place).and_then(Option::take);
        if removed.is_some() {
            self.free.push(place);
        }
    }

    fn slot(&mut self, place: usize) -> Option<&mut Option<T>> {
        self.chunks
            .get_mut(place >> CHUNK_BITS)?
            .get_mut(place & (CHUNK - 1))
    }

    fn used(&self) -> usize {
        self.end - self.free.len()
    }

    /// Whether `more` values surely fit.
    fn has_room(&self, more: usize) -> bool {
        self.used().saturating_add(more) < NODES_MAX
    }
}

/// All nodes of all versions.
#[derive(Debug, Default)]
pub(super) struct Arena {
    inners: Slab<Inner>,
    leaves: Slab<Leaf>,
}

impl Arena {
    /// The node behind a reference; `None` only for references of another arena.
    pub(super) fn node(&self, node: NodeRef) -> Option<Node<'_>> {
        if node.is_leaf() {
            self.leaf(node).map(Node::Leaf)
        } else {
            self.inner(node).map(Node::Inner)
        }
    }

    /// As [`Self::node`], for a reference to an inner node.
    pub(super) fn inner(&self, node: NodeRef) -> Option<&Inner> {
        let known = !node.is_leaf() && !node.is_fresh();
        self.inners.get(node.place()).filter(|_| known)
    }

    /// As [`Self::node`], for a reference to a leaf.
    pub(super) fn leaf(&self, node: NodeRef) -> Option<&Leaf> {
        let known = node.is_leaf() && !node.is_fresh();
        self.leaves.get(node.place()).filter(|_| known)
    }

    /// Whether so many more nodes have references.
    pub(super) fn has_room(&self, inners: usize, leaves: usize) -> bool {
        self.inners.has_room(inners) && self.leaves.has_room(leaves)
    }

    /// Inner nodes and leaves of all versions.
    pub(super) fn node_counts(&self) -> (usize, usize) {
        (self.inners.used(), self.leaves.used())
    }

    /// Takes a preview's nodes, children before their parents, and returns the root with its
    /// reference into this arena.
    pub(super) fn adopt(
        &mut self,
        inners: Vec<Inner>,
        leaves: Vec<Leaf>,
        root: Option<Child>,
    ) -> Option<Child> {
        let leaf_places: Vec<usize> = leaves
            .into_iter()
            .map(|leaf| self.leaves.insert(leaf))
            .collect();
        let mut inner_places: Vec<usize> = Vec::with_capacity(inners.len());
        for inner in inners {
            let left = settle(inner.left, &inner_places, &leaf_places);
            let right = settle(inner.right, &inner_places, &leaf_places);
            let settled = Inner {
                left,
                right,
                bit: inner.bit,
            };
            inner_places.push(self.inners.insert(settled));
        }
        root.map(|root| settle(root, &inner_places, &leaf_places))
    }

    /// Gives back nodes that no version shows any more.
    pub(super) fn free(&mut self, nodes: &[NodeRef]) {
        for node in nodes {
            if node.is_leaf() {
                self.leaves.remove(node.place());
            } else {
                self.inners.remove(node.place());
            }
        }
    }
}

/// The child with a reference into the arena, once its own place there is known.
fn settle(child: Child, inner_places: &[usize], leaf_places: &[usize]) -> Child {
    if !child.node.is_fresh() {
        return child;
    }
    let leaf = child.node.is_leaf();
    let places = if leaf { leaf_places } else { inner_places };
    let place = places.get(child.node.place()).copied();
    let node = place.and_then(|place| NodeRef::new(place, leaf, false));
    let node = node.expect("children come before parents, and a preview checks the room");
    Child { node, ..child }
}
