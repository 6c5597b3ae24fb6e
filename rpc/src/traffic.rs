//! What one connection has asked and not yet taken: a client that asks and does not read is not
//! read from either.
//!
//! jsonrpsee starts a task for every message of a WebSocket and keeps the answer in it until there
//! is room in the connection's queue. So calls begin in turns, none begins while bytes of answers
//! wait, and meanwhile no further message is read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use jsonrpsee::core::middleware::{Batch, Notification, RpcServiceT};
use jsonrpsee::server::MethodResponse;
use jsonrpsee::types::Request;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tower::Layer;

use crate::connection::Connection;

/// Bytes of answers that wait for the client, above which no further call of it begins.
pub(crate) const UNSENT_BYTES_MAX: usize = 1024 * 1024;
/// Calls that are worked on at a time, those that wait for something aside.
pub(crate) const TURNS_MAX: usize = 8;
/// Calls that have come and are not answered, above which no further message is read.
pub(crate) const CALLS_MAX: usize = 128;
/// Bytes of the parameters of these, above which no further message is read.
const ASKED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Methods that mostly wait, and answer in few bytes: they take no turn.
const WAITING: [&str; 1] = ["identity_submit"];

/// What one connection has asked and not yet taken.
#[derive(Debug)]
pub(crate) struct Traffic {
    state: Mutex<State>,
    /// Rung when bytes have been sent.
    sent: Notify,
    turns: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes of answers that the socket has not taken.
    unsent: usize,
    /// Calls that have come and are not answered.
    calls: usize,
    /// Bytes of their parameters.
    asked: usize,
    /// Whether the socket takes nothing at the moment.
    is_blocked: bool,
    /// Whether messages are read no matter what was answered.
    is_websocket: bool,
    reader: Option<Waker>,
}

impl State {
    fn may_read(&self) -> bool {
        let is_full = self.unsent >= UNSENT_BYTES_MAX
            || self.calls >= CALLS_MAX
            || self.asked >= ASKED_BYTES_MAX;
        // HTTP asks anew when it was answered; of HTTP/2 what makes room must be read.
        !self.is_websocket || !(is_full || self.is_blocked)
    }

    fn wake_reader(&mut self) {
        if self.may_read()
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
    }
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            sent: Notify::new(),
            turns: Arc::new(Semaphore::new(TURNS_MAX)),
        }
    }
}

impl Traffic {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on messages come one after another, answered or not.
    pub(crate) fn is_websocket(&self) {
        self.lock().is_websocket = true;
    }

    /// Ready if another message may be read; else wakes the task once one may.
    pub(crate) fn poll_may_read(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.may_read() {
            return Poll::Ready(());
        }
        state.reader = Some(context.waker().clone());
        Poll::Pending
    }

    /// The socket took `written` bytes, or takes none at the moment.
    pub(crate) fn wrote(&self, written: Option<usize>) {
        let mut state = self.lock();
        state.is_blocked = written.is_none();
        state.unsent = state.unsent.saturating_sub(written.unwrap_or_default());
        state.wake_reader();
        let has_room = state.unsent < UNSENT_BYTES_MAX;
        drop(state);
        if has_room {
            self.sent.notify_waiters();
        }
    }

    /// A call has come, with as many bytes of parameters.
    fn begin(self: &Arc<Self>, asked: usize) -> Call {
        let mut state = self.lock();
        state.calls += 1;
        state.asked += asked;
        drop(state);
        Call {
            traffic: self.clone(),
            asked,
        }
    }

    /// Waits until a call may be worked on.
    async fn turn(&self) -> Turn {
        let place = self.turns.clone().acquire_owned().await.ok();
        loop {
            let sent = self.sent.notified();
            tokio::pin!(sent);
            // Listens before it looks, so that nothing slips through between.
            sent.as_mut().enable();
            if self.lock().unsent < UNSENT_BYTES_MAX {
                return Turn(Arc::new(Mutex::new(place)));
            }
            sent.await;
        }
    }

    /// Returns calls not answered, and bytes of answers not sent.
    #[cfg(test)]
    fn held(&self) -> (usize, usize) {
        let state = self.lock();
        (state.calls, state.unsent)
    }
}

/// A call that has come and is not answered.
struct Call {
    traffic: Arc<Traffic>,
    asked: usize,
}

impl Call {
    fn answered(self, response: &MethodResponse) {
        if !response.is_notification() {
            self.traffic.lock().unsent += response.as_json().get().len();
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut state = self.traffic.lock();
        state.calls -= 1;
        state.asked -= self.asked;
        state.wake_reader();
    }
}

/// A call's turn, which it finds among its extensions.
#[derive(Clone, Debug)]
pub(crate) struct Turn(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Turn {
    /// Lets another call begin, because this one is done or waits for something.
    pub(crate) fn end(&self) {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(place.take());
    }

    /// Gives up the turn of the call with these extensions, which is about to wait. Returns what
    /// gets it another.
    pub(crate) fn pause(extensions: &http::Extensions) -> Option<Paused> {
        let turn = extensions.get::<Self>()?.clone();
        turn.end();
        let traffic = Connection::of(extensions).traffic.clone();
        Some(Paused { turn, traffic })
    }
}

/// A call that has given up its turn.
pub(crate) struct Paused {
    turn: Turn,
    traffic: Arc<Traffic>,
}

impl Paused {
    /// Waits for another turn.
    pub(crate) async fn resume(self) {
        let next = self.traffic.turn().await;
        let place = next.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        *self.turn.0.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }
}

/// Lets a connection's calls begin in turns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TurnLayer;

/// See [`TurnLayer`].
#[derive(Clone, Debug)]
pub(crate) struct InTurns<S>(S);

impl<S> Layer<S> for TurnLayer {
    type Service = InTurns<S>;

    fn layer(&self, inner: S) -> InTurns<S> {
        InTurns(inner)
    }
}

impl<S> RpcServiceT for InTurns<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(
        &self,
        mut request: Request<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        let service = self.0.clone();
        let traffic = Connection::of(request.extensions()).traffic.clone();
        let call = traffic.begin(length(request.params.as_ref().map(AsRef::as_ref)));
        async move {
            let turn = traffic.turn().await;
            if WAITING.contains(&request.method_name()) {
                turn.end();
            }
            request.extensions_mut().insert(turn.clone());
            let response = service.call(request).await;
            call.answered(&response);
            // What it answered counts already.
            turn.end();
            response
        }
    }

    fn batch<'a>(&self, mut batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let service = self.0.clone();
        let traffic = Connection::of(batch.extensions()).traffic.clone();
        let entries = batch.iter().flatten();
        let asked = entries.map(|it| length(it.params().map(AsRef::as_ref)));
        let call = traffic.begin(asked.sum());
        async move {
            let turn = traffic.turn().await;
            let response = service.batch(batch).await;
            call.answered(&response);
            turn.end();
            response
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.0.notification(notification)
    }
}

fn length(params: Option<&serde_json::value::RawValue>) -> usize {
    params.map_or(0, |it| it.get().len())
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use futures::stream::FuturesUnordered;
    use jsonrpsee::core::server::ResponsePayload;
    use jsonrpsee::types::Id;

    use super::*;

    const ANSWER_BYTES: usize = UNSENT_BYTES_MAX / 2;

    /// Answers everything with as many bytes.
    #[derive(Clone)]
    struct Large;

    #[expect(
        clippy::manual_async_fn,
        reason = "the trait says how long the futures live"
    )]
    impl RpcServiceT for Large {
        type MethodResponse = MethodResponse;
        type NotificationResponse = MethodResponse;
        type BatchResponse = MethodResponse;

        fn call<'a>(
            &self,
            request: Request<'a>,
        ) -> impl Future<Output = MethodResponse> + Send + 'a {
            async move {
                tokio::task::yield_now().await;
                let answer = ResponsePayload::success("x".repeat(ANSWER_BYTES));
                MethodResponse::response(request.id, answer, usize::MAX)
            }
        }

        fn batch<'a>(&self, _: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
            async { MethodResponse::notification() }
        }

        fn notification<'a>(
            &self,
            _: Notification<'a>,
        ) -> impl Future<Output = MethodResponse> + Send + 'a {
            async { MethodResponse::notification() }
        }
    }

    fn may_read(traffic: &Traffic) -> bool {
        let context = Context::from_waker(Waker::noop());
        traffic.poll_may_read(&context).is_ready()
    }

    fn calls(
        connection: &Arc<Connection>,
        count: usize,
    ) -> FuturesUnordered<impl Future<Output = MethodResponse> + use<>> {
        let service = TurnLayer.layer(Large);
        let call = |n| {
            let mut request = Request::borrowed("any", None, Id::Number(n as u64));
            request.extensions_mut().insert(connection.clone());
            let service = service.clone();
            async move { service.call(request).await }
        };
        (0..count).map(call).collect()
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_worked_for_in_a_few_turns_only() {
        let connection = Arc::<Connection>::default();
        let traffic = &connection.traffic;
        traffic.is_websocket();
        assert!(may_read(traffic));
        let mut all = calls(&connection, CALLS_MAX);
        let mut answered = 0;
        // Long enough for every call to come as far as it gets.
        for _ in 0..16 * CALLS_MAX {
            match futures::poll!(all.next()) {
                Poll::Ready(_) => answered += 1,
                Poll::Pending => tokio::task::yield_now().await,
            }
        }
        // Two fill the room; the others had begun.
        assert!((2..=TURNS_MAX).contains(&answered), "{answered}");
        let (under_way, unsent) = traffic.held();
        assert_eq!(under_way, CALLS_MAX - answered);
        let most = TURNS_MAX * (ANSWER_BYTES + 64);
        assert!((UNSENT_BYTES_MAX..=most).contains(&unsent), "{unsent}");
        assert!(!may_read(traffic), "too much is not sent");
        traffic.wrote(Some(unsent));
        assert!(may_read(traffic));
        while answered < CALLS_MAX {
            assert!(all.next().await.is_some());
            answered += 1;
            traffic.wrote(Some(2 * ANSWER_BYTES));
        }
        assert_eq!(traffic.held().0, 0);
    }

    #[test]
    fn a_socket_that_takes_nothing_is_not_read_from_but_of_http() {
        let traffic = Traffic::default();
        traffic.wrote(None);
        assert!(may_read(&traffic), "HTTP asks anew when it was answered");
        traffic.is_websocket();
        assert!(!may_read(&traffic));
        traffic.wrote(Some(1));
        assert!(may_read(&traffic));
    }

    #[tokio::test]
    async fn a_call_that_waits_gives_up_its_turn_and_gets_another() {
        let connection = Arc::<Connection>::default();
        let traffic = &connection.traffic;
        let mut extensions = http::Extensions::new();
        extensions.insert(connection.clone());
        extensions.insert(traffic.turn().await);
        let left = || traffic.turns.available_permits();
        assert_eq!(left(), TURNS_MAX - 1);
        let paused = Turn::pause(&extensions).unwrap();
        assert_eq!(left(), TURNS_MAX);
        paused.resume().await;
        assert_eq!(left(), TURNS_MAX - 1);
        extensions.get::<Turn>().unwrap().end();
        assert_eq!(left(), TURNS_MAX);
    }
}
