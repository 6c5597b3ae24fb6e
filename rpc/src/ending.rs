//! How subscriptions end before their client wants it: by a last notification that says why, and
//! counted by reason. None skips what its client has not taken.

use std::cell::Cell;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use allod_rpc_api::ErrorCode;
use allod_rpc_api::limits::FOLLOWER_STALL_MS_MAX;
use http::Extensions;
use jsonrpsee::core::SubscriptionResult;
use jsonrpsee::core::server::SendTimeoutError;
use jsonrpsee::server::SubscriptionSink;
use serde_json::value::to_raw_value;

use crate::connection::Connection;
use crate::counts::Counts;
use crate::guard::key_lost;

/// How long a client may take nothing before its subscription ends.
const STALL_MAX: Duration = Duration::from_millis(FOLLOWER_STALL_MS_MAX);

/// Why a subscription ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The client takes too little.
    TooSlow,
    /// The state of a block that is next is gone.
    NoState,
    /// The node stops.
    Stopping,
    /// The connection's API key was taken away.
    Key,
}

impl End {
    pub(crate) const ALL: [Self; 4] = [Self::TooSlow, Self::NoState, Self::Stopping, Self::Key];

    /// Returns its name in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::TooSlow => "slow",
            Self::NoState => "state",
            Self::Stopping => "stopping",
            Self::Key => "key",
        }
    }

    const fn code(self) -> ErrorCode {
        match self {
            Self::TooSlow => ErrorCode::TooSlow,
            Self::NoState => ErrorCode::StateUnavailable,
            Self::Stopping => ErrorCode::Stopping,
            Self::Key => ErrorCode::Unauthorized,
        }
    }
}

tokio::task_local! {
    /// Why the subscription that this task serves ends.
    static END: Cell<Option<End>>;
}

/// Notes why the subscription that this task serves ends now.
pub(crate) fn note(end: End) {
    // What helps a subscription in a task of its own leaves it to the one that serves it.
    let _elsewhere = END.try_with(|it| it.set(Some(end)));
}

/// Sends one notification; false if nobody listens any more, or takes anything.
pub(crate) async fn send(sink: &SubscriptionSink, message: &impl serde::Serialize) -> bool {
    let Ok(json) = to_raw_value(message) else {
        return false;
    };
    match sink.send_timeout(json, STALL_MAX).await {
        Ok(()) => true,
        Err(SendTimeoutError::Timeout(_)) => {
            note(End::TooSlow);
            false
        }
        Err(SendTimeoutError::Closed(_)) => false,
    }
}

/// What serving a subscription comes to.
pub(crate) trait Served {
    fn result(self) -> SubscriptionResult;
}

impl Served for () {
    fn result(self) -> SubscriptionResult {
        Ok(())
    }
}

impl Served for SubscriptionResult {
    fn result(self) -> SubscriptionResult {
        self
    }
}

/// Serves a subscription, counted, until it ends by itself, the node stops, or its key is gone.
/// `extensions`: of its call.
pub(crate) fn subscribed<F>(
    extensions: &Extensions,
    serving: F,
) -> impl Future<Output = SubscriptionResult> + use<F>
where
    F: Future<Output: Served>,
{
    let counts = extensions.get::<Arc<Counts>>().cloned();
    let open = counts.as_ref().map(|it| it.subscribed());
    let stopping = Connection::of(extensions).stopping.clone();
    let key_lost = key_lost(extensions);
    END.scope(Cell::new(None), async move {
        let served = tokio::select! {
            served = serving => served.result(),
            () = stopping.cancelled() => {
                note(End::Stopping);
                Ok(())
            }
            () = key_lost => {
                note(End::Key);
                Ok(())
            }
        };
        let result = match END.with(Cell::take) {
            Some(end) => {
                if let Some(counts) = counts {
                    counts.cut_off(end);
                }
                let code = end.code();
                Err(format!("{}: {}", code.slug(), code.message()).into())
            }
            None => served,
        };
        drop(open);
        result
    })
}
