//! How every read is answered: as of one pinned block, not before the height it asks for, and with
//! a proof of exactly the keys that were read, if one is wanted.
//!
//! Source: spec/rpc.md §2.1, spec/proofs.md §4.

use std::sync::Arc;
use std::time::Duration;

use allod_rpc_api::ErrorCode;
use allod_rpc_api::answers::{AnswerError, Recorder};
use allod_rpc_api::limits::{
    LONG_READ_WAIT_MS_MAX, LONG_READS_MAX, READ_WAIT_MS_MAX, READ_WAITERS_MAX,
};
use allod_rpc_api::read::{ReadOptions, ReadRequest};
use http::Extensions;
use jsonrpsee::server::RegisterMethodError;
use jsonrpsee::types::{ErrorObject, ErrorObjectOwned, Params};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::sync::broadcast::error::RecvError;

use crate::answer::{Answer, failed, unanswered};
use crate::connection::{Connection, Place};
use crate::methods::Module;
use crate::proofs::{HeadDigits, bundle};
use crate::snapshot::Snapshot;
use crate::threads::{Threads, Undone};
use crate::traffic::Turn;
use crate::versions::Replays;
use crate::view::NodeView;

/// A question being answered.
pub(crate) struct Asked<'a> {
    /// The block it is answered from, which remembers the keys read.
    pub(crate) seen: Recorder<&'a Snapshot<'a>>,
    /// The block, unobserved: for what no proof covers.
    pub(crate) at: &'a Snapshot<'a>,
    /// The node.
    pub(crate) view: &'a dyn NodeView,
    /// Places for rebuilding earlier versions.
    pub(crate) replays: &'a Replays,
    /// How it is to be answered.
    pub(crate) options: ReadOptions,
}

/// Works out an answer. Why it cannot is either about the state, or a JSON-RPC error already.
type Answering<Q, A> = fn(&Asked<'_>, &Q) -> Result<A, AnswerError>;

/// An answer, and its proof if one was wanted.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Proven<A> {
    #[serde(flatten)]
    answer: A,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<String>,
}

/// Registers reads. Those of one node share what they keep.
pub(crate) struct Reads<'m> {
    module: &'m mut Module,
    shared: Arc<Shared>,
}

/// What the reads of one node share.
struct Shared {
    digits: HeadDigits,
    replays: Arc<Replays>,
    /// Places for waiting until a height is reached.
    waiters: Arc<Semaphore>,
    /// For what is not answered where it arrives.
    threads: Threads,
}

/// How much a read costs the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// A few point reads, mostly: done where the request arrives, because to hand it to another
    /// thread costs more than the read. One that takes more than [`READS_AT_ONCE`] begins again
    /// there.
    Light,
    /// Signatures to verify, or a log to replay: moved off the event loop.
    Heavy,
}

/// Keys read, and so proven, where the request arrives.
const READS_AT_ONCE: u32 = 24;

impl<'m> Reads<'m> {
    pub(crate) fn new(module: &'m mut Module, replays: Arc<Replays>) -> Self {
        let shared = Shared {
            digits: HeadDigits::default(),
            replays,
            waiters: Arc::new(Semaphore::new(READ_WAITERS_MAX)),
            threads: Threads::new(LONG_READS_MAX, LONG_READ_WAIT_MS_MAX),
        };
        Self {
            module,
            shared: Arc::new(shared),
        }
    }

    /// Registers a method. `cost` says what a request takes, `parse` reads its parameters.
    pub(crate) fn register<Q, A>(
        &mut self,
        name: &'static str,
        cost: fn(&Q) -> Cost,
        parse: fn(&Params<'_>) -> Answer<ReadRequest<Q>>,
        answer: Answering<Q, A>,
    ) -> Result<(), RegisterMethodError>
    where
        Q: Send + 'static,
        A: Serialize + Clone + Send + 'static,
    {
        let shared = self.shared.clone();
        let method =
            move |params: Params<'static>, view: Arc<Arc<dyn NodeView>>, extensions: Extensions| {
                let shared = shared.clone();
                async move {
                    let ReadRequest { request, options } = parse(&params)?;
                    let connection = Connection::of(&extensions);
                    wait(&**view, &options, &shared.waiters, &extensions).await?;
                    let question = Question {
                        request,
                        options,
                        answer,
                        replays: shared.replays.of(connection),
                    };
                    if cost(&question.request) == Cost::Light && !lags(&**view, &options) {
                        let at_once = respond(&**view, &shared, &question, Some(READS_AT_ONCE));
                        if let Some(answered) = at_once {
                            return answered;
                        }
                    }
                    let threads = shared.threads.clone();
                    let respond = move || respond(&**view, &shared, &question, None);
                    match threads.run(respond).await {
                        Ok(Some(answered)) => answered,
                        Ok(None) | Err(Undone::Failed) => Err(failed(ErrorCode::Internal)),
                        Err(Undone::Busy) => {
                            let detail = "as many long reads as may are under way";
                            Err(failed(ErrorCode::Busy.with(detail)))
                        }
                    }
                }
            };
        self.module.register_async_method(name, method)?;
        Ok(())
    }
}

/// A request, how it is to be answered, and by what.
struct Question<Q, A> {
    request: Q,
    options: ReadOptions,
    answer: Answering<Q, A>,
    replays: Replays,
}

/// Whether the asker wants to be shown validator sets, up to sixteen of them.
fn lags(view: &dyn NodeView, options: &ReadOptions) -> bool {
    let newest = || view.head().header.digest.set_id;
    options.set_id().is_some_and(|known| known < newest())
}

/// Waits until the newest block reaches the height asked for, if it must.
async fn wait(
    view: &dyn NodeView,
    options: &ReadOptions,
    waiters: &Arc<Semaphore>,
    extensions: &Extensions,
) -> Answer<()> {
    let Some(least) = options.at_least else {
        return Ok(());
    };
    if options.at.is_some_and(|at| at < least) {
        let detail = "at lies below atLeast";
        return Err(failed(ErrorCode::InvalidParams.with(detail)));
    }
    let is_reached = || view.head().height().0 >= least;
    if is_reached() {
        return Ok(());
    }
    let place = Place::take(waiters, &Connection::of(extensions).waiters);
    let _place = place.ok_or_else(|| {
        let detail = "as many reads as may wait for a height";
        failed(ErrorCode::Busy.with(detail))
    })?;
    let paused = Turn::pause(extensions);
    // Listens before it looks again, so that no head slips through between.
    let mut heads = view.subscribe_heads();
    let heard = async {
        while !is_reached() {
            // The view's own head counts; the message only says that it moved.
            if let Err(RecvError::Closed) = heads.recv().await {
                break;
            }
        }
    };
    let limit = Duration::from_millis(READ_WAIT_MS_MAX);
    // The look below decides, whether the time was up or not.
    let _in_time = tokio::time::timeout(limit, heard).await;
    if let Some(paused) = paused {
        paused.resume().await;
    }
    if is_reached() {
        return Ok(());
    }
    let detail = format_args!("height {}, not {least}", view.head().height());
    Err(failed(ErrorCode::Behind.with(detail)))
}

/// Answers as of one block, with the proof of what was read. `None` if that takes more than
/// `reads_max` reads.
fn respond<Q, A>(
    view: &dyn NodeView,
    shared: &Shared,
    question: &Question<Q, A>,
    reads_max: Option<u32>,
) -> Option<Answer<Proven<A>>> {
    let options = question.options;
    let at = match Snapshot::at(view, options.at) {
        Ok(at) => at.with_reads_max(reads_max),
        Err(error) => return Some(Err(error)),
    };
    let asked = Asked {
        seen: Recorder::new(&at),
        at: &at,
        view,
        replays: &question.replays,
        options,
    };
    let answered = (question.answer)(&asked, &question.request);
    let keys = asked.seen.into_keys();
    if at.is_exhausted() {
        return None;
    }
    Some(prove(view, shared, &at, options, answered, keys))
}

/// Adds the proof of `keys`, which the answer was worked out from, if one is wanted.
fn prove<A>(
    view: &dyn NodeView,
    shared: &Shared,
    at: &Snapshot<'_>,
    options: ReadOptions,
    answered: Result<A, AnswerError>,
    keys: Vec<Vec<u8>>,
) -> Answer<Proven<A>> {
    let is_proven = match &answered {
        Ok(_) => options.wants_proof(),
        Err(error) => options.wants_proof() && error.is_absence(),
    };
    // What reads nothing follows from the request alone; there is nothing to prove.
    let proof = match is_proven && !keys.is_empty() {
        true => {
            let (digits, set_id) = (&shared.digits, options.set_id());
            Some(bundle(view, digits, &at.head, &keys, set_id)?)
        }
        false => None,
    };
    match answered {
        Ok(answer) => Ok(Proven { answer, proof }),
        Err(error) => Err(with_proof(unanswered(error), proof)),
    }
}

/// Adds the member `proof` to the error's data.
fn with_proof(error: ErrorObjectOwned, proof: Option<String>) -> ErrorObjectOwned {
    let Some(proof) = proof else {
        return error;
    };
    let data = error.data().map(|data| serde_json::from_str(data.get()));
    let mut data = match data {
        Some(Ok(serde_json::Value::Object(data))) => data,
        _ => serde_json::Map::new(),
    };
    data.insert("proof".to_owned(), proof.into());
    ErrorObject::owned(error.code(), error.message(), Some(data))
}
