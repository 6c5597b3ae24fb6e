//! The client: which node is asked, what its answer must prove, what is kept of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use allod_primitives::light::{Checkpoint, HeaderMark, VerifiedHeader, VerifiedRead};
use allod_primitives::{ChainId, H256, Height, NetworkId, TimeMs};
use allod_rpc_api::answers::{AnswerError, AnswerView, ProvenView};
use allod_rpc_api::{ErrorCode, RpcError};
use serde_json::{Value, json};

use super::anchor;
use super::blind::BlindView;
use super::compare::{Comparing, Comparison};
use super::config::LightConfig;
use super::error::{ConfigError, Fault, ReadError};
use super::evidence::Evidence;
use super::kept::Kept;
use super::node::{Node, RemoteNode};
use super::nodes::{Aside, NODES_MAX, Nodes};
use super::store::Store;
use super::wire;
use crate::rpc::ClientError;

/// As of which block an answer is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// The newest, within the staleness bound.
    Now,
    /// The same, and not below this height: what a write has returned.
    AtLeast(Height),
    /// This block, however old.
    At(Height),
}

/// An answer worked out here from what a node has proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven<T> {
    /// The answer.
    pub answer: T,
    /// Height of the block it is as of.
    pub height: Height,
    /// Hash of that block.
    pub block_hash: H256,
    /// Its time.
    pub time: TimeMs,
}

impl<T> Proven<Result<T, RpcError>> {
    /// A proven "no" is an error like any other of the caller's.
    fn into_answer(self) -> Result<Proven<T>, ReadError> {
        Ok(Proven {
            answer: self.answer.map_err(ReadError::Refused)?,
            height: self.height,
            block_hash: self.block_hash,
            time: self.time,
        })
    }
}

/// What goes wrong while one node is asked.
pub(super) enum Problem {
    /// Its fault: the next is asked.
    Fault(Fault),
    /// Nobody else could do better.
    Stop(ReadError),
}

impl<E: Into<Fault>> From<E> for Problem {
    fn from(fault: E) -> Self {
        Self::Fault(fault.into())
    }
}

/// Reads a ledger without believing the nodes that answer. Cheap to clone; clones share what they
/// have verified.
#[derive(Clone, Debug)]
pub struct LightClient {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) config: LightConfig,
    pub(super) nodes: Nodes,
    pub(super) store: Option<Store>,
    pub(super) chain: ChainId,
    pub(super) state: Mutex<State>,
    /// Whether `state` is frozen, for those who must not wait for its lock.
    pub(super) is_frozen: AtomicBool,
    /// The highest block that a view of this client has answered from, for views must not wait
    /// for `state` either.
    pub(super) viewed: AtomicU64,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) kept: Kept,
    pub(super) frozen: Option<Frozen>,
    /// When it was last written, and with which set; `None` before the first time.
    pub(super) saved: Option<(TimeMs, u64)>,
    /// What this process wrote last: anything else on disk is another's.
    pub(super) written: Option<Vec<u8>>,
    pub(super) comparing: Comparing,
}

#[derive(Clone, Debug)]
pub(super) struct Frozen {
    pub(super) evidence: Box<Evidence>,
    pub(super) on_disk: bool,
}

/// Where a light client stands.
#[derive(Clone, Debug)]
pub struct LightStatus {
    /// The chain it follows.
    pub chain: ChainId,
    /// The highest block verified.
    pub newest: HeaderMark,
    /// The highest block that an answer as of now was from, a view's included.
    pub answered: Height,
    /// Number of the newest validator set trusted, and how many validators it has.
    pub set: (u64, usize),
    /// Nodes that are asked last, and why.
    pub asides: Vec<Aside>,
    /// How comparing with other nodes went; `None` with one node.
    pub comparison: Option<Comparison>,
}

impl LightClient {
    /// Begins where it ended last, or else at the anchor, which it asks the nodes for.
    ///
    /// # Errors
    /// [`ReadError`]: also if evidence of two histories is there.
    pub async fn open(config: LightConfig) -> Result<Self, ReadError> {
        let nodes = config.endpoints.iter().map(|url| {
            let node = RemoteNode::new(url, config.timeout, config.access.clone())?;
            Ok(Arc::new(node) as Arc<dyn Node>)
        });
        let nodes = nodes.collect::<Result<Vec<_>, ClientError>>();
        let nodes = nodes.map_err(ConfigError::from)?;
        Self::with_nodes(config, nodes).await
    }

    /// As [`open`](Self::open), with nodes that are reached in another way than by endpoints.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn with_nodes(
        config: LightConfig,
        nodes: Vec<Arc<dyn Node>>,
    ) -> Result<Self, ReadError> {
        config.check()?;
        if nodes.is_empty() || nodes.len() > NODES_MAX {
            return Err(ConfigError::Endpoint(ClientError::NoEndpoint).into());
        }
        let nodes = Nodes::new(nodes);
        let (store, kept) = anchor::load(&config)?;
        let (kept, written) = match kept {
            Some((kept, bytes)) => (kept, Some(bytes)),
            None => (Kept::new(anchor::begin(&config, &nodes).await?), None),
        };
        let client = Self {
            inner: Arc::new(Inner {
                nodes,
                store,
                chain: *kept.trust.chain(),
                state: Mutex::new(State {
                    kept,
                    frozen: None,
                    saved: None,
                    written,
                    comparing: Comparing::beginning(config.now.get()),
                }),
                is_frozen: AtomicBool::new(false),
                viewed: AtomicU64::new(0),
                config,
            }),
        };
        client.check_age()?;
        client.save(true)?;
        client.confirm().await?;
        Ok(client)
    }

    /// Returns the chain it follows.
    pub fn chain(&self) -> ChainId {
        self.inner.chain
    }

    /// Returns the network it follows, as DIDs name it.
    pub fn network(&self) -> NetworkId {
        NetworkId::from_genesis(&self.inner.chain.genesis)
    }

    /// Returns what it was told.
    pub fn config(&self) -> &LightConfig {
        &self.inner.config
    }

    /// Tells where it stands.
    pub fn status(&self) -> LightStatus {
        let comparison = self.comparison();
        let state = self.state();
        let trust = &state.kept.trust;
        let set = trust.newest_set();
        LightStatus {
            chain: self.inner.chain,
            newest: trust.newest(),
            answered: state.kept.answered,
            set: (set.set_id(), set.validators().validators().len()),
            asides: self.inner.nodes.asides(),
            comparison,
        }
    }

    /// Asks for the newest block and verifies it: what a checkpoint can be made of.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn head(&self) -> Result<HeaderMark, ReadError> {
        self.check_open()?;
        let now = self.now();
        let mut faults = Vec::new();
        for index in self.inner.nodes.order(now) {
            match self.head_of(index).await {
                Ok(head) => return Ok(mark(&head)),
                Err(Problem::Fault(fault)) => faults.push(self.aside(index, fault)),
                Err(Problem::Stop(error)) => return Err(error),
            }
        }
        Err(ReadError::Unanswered { faults })
    }

    /// Returns the newest block verified as a checkpoint, for another client to begin at.
    pub fn checkpoint(&self) -> Checkpoint {
        let newest = self.state().kept.trust.newest();
        Checkpoint {
            network: self.network(),
            fork_id: self.inner.chain.fork_id,
            height: newest.height,
            hash: newest.hash,
        }
    }

    /// Writes down what was verified, if it is not.
    ///
    /// # Errors
    /// [`ReadError::Store`], [`ReadError::Frozen`].
    pub fn flush(&self) -> Result<(), ReadError> {
        self.save(true)
    }

    /// Asks a question of the nodes until one proves its answer, which is worked out by `work`.
    pub(super) async fn ask<T>(
        &self,
        method: &'static str,
        request: Value,
        as_of: AsOf,
        work: impl Fn(&dyn AnswerView) -> Result<T, AnswerError>,
    ) -> Result<Proven<T>, ReadError> {
        self.check_open()?;
        if let Some(answer) = self.without_looking(&work) {
            return answer;
        }
        let mut faults = Vec::new();
        for index in self.inner.nodes.order(self.now()) {
            let attempt = self.attempt(index, method, request.clone(), as_of, &work);
            match attempt.await {
                Ok(proven) => return proven.into_answer(),
                Err(Problem::Fault(fault)) => faults.push(self.aside(index, fault)),
                Err(Problem::Stop(error)) => return Err(error),
            }
        }
        Err(ReadError::Unanswered { faults })
    }

    /// A question that needs no state has its answer here: a malformed token, another network.
    fn without_looking<T>(
        &self,
        work: &impl Fn(&dyn AnswerView) -> Result<T, AnswerError>,
    ) -> Option<Result<Proven<T>, ReadError>> {
        let newest = self.state().kept.trust.newest();
        let now = self.now().max(newest.time);
        let view = BlindView::new(self.inner.chain, newest, now);
        let _needs_none = work(&view);
        if view.looked() {
            return None;
        }
        let view = BlindView::new(self.inner.chain, newest, newest.time);
        Some(match work(&view) {
            Ok(answer) => Ok(Proven {
                answer,
                height: newest.height,
                block_hash: newest.hash,
                time: newest.time,
            }),
            Err(AnswerError::Refused(error)) => Err(ReadError::Refused(error)),
            Err(_) => return None,
        })
    }

    async fn attempt<T>(
        &self,
        index: usize,
        method: &'static str,
        mut request: Value,
        as_of: AsOf,
        work: &impl Fn(&dyn AnswerView) -> Result<T, AnswerError>,
    ) -> Result<Proven<Result<T, RpcError>>, Problem> {
        let (answered, set) = {
            let state = self.state();
            (state.kept.answered, state.kept.trust.newest_set().set_id())
        };
        options(&mut request, as_of, answered, set);
        let node = self.inner.nodes.get(index);
        let proof = match wire::proof(node.as_ref(), method, request.clone()).await {
            Err(Fault::Node(error)) if error.known() == Some(ErrorCode::TooManySets) => {
                self.catch_up(index, u64::MAX).await?;
                wire::proof(node.as_ref(), method, request).await?
            }
            other => other?,
        };
        let read = self.verify_read(index, &proof).await?;
        self.check_place(read.header(), as_of)?;
        let answer = worked_out(&read, work)?;
        let head = mark(read.header());
        if !matches!(as_of, AsOf::At(_)) {
            let mut state = self.state();
            state.kept.answered = state.kept.answered.max(head.height);
        }
        self.save(false).map_err(Problem::Stop)?;
        // Before comparing, which may put it aside.
        self.inner.nodes.take_back(index);
        self.compare(index, &head).await.map_err(Problem::Stop)?;
        Ok(Proven {
            answer,
            height: head.height,
            block_hash: head.hash,
            time: head.time,
        })
    }

    pub(super) fn aside(&self, index: usize, fault: Fault) -> Aside {
        let fault = Arc::new(fault);
        self.inner.nodes.put_aside(index, self.now(), fault)
    }

    pub(super) fn now(&self) -> TimeMs {
        self.inner.config.now.get()
    }

    pub(super) fn nodes(&self) -> &Nodes {
        &self.inner.nodes
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A panic in another thread leaves nothing half-done here: `Trust` changes as a whole.
        let state = self.inner.state.lock();
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        let viewed = Height(self.inner.viewed.load(Ordering::Acquire));
        state.kept.answered = state.kept.answered.max(viewed);
        state
    }
}

/// Works an answer out, and checks that the question read exactly what is proven.
pub(super) fn worked_out<T>(
    read: &VerifiedRead,
    work: &impl Fn(&dyn AnswerView) -> Result<T, AnswerError>,
) -> Result<Result<T, RpcError>, Problem> {
    let view = ProvenView::new(read);
    let answer = work(&view);
    view.finish()?;
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(AnswerError::Refused(error)) => Ok(Err(error)),
        Err(error) => Err(Fault::Answer(error).into()),
    }
}

/// Adds what every read can be asked for.
pub(super) fn options(request: &mut Value, as_of: AsOf, answered: Height, set: u64) {
    let at_least = match as_of {
        AsOf::Now => answered,
        AsOf::AtLeast(height) => height.max(answered),
        AsOf::At(height) => {
            request["at"] = json!(height.0);
            Height(0)
        }
    };
    if at_least > Height(0) {
        request["atLeast"] = json!(at_least.0);
    }
    request["proof"] = json!({ "setId": set });
}

pub(super) fn mark(head: &VerifiedHeader) -> HeaderMark {
    HeaderMark {
        height: head.number(),
        hash: *head.hash(),
        time: head.time(),
    }
}
