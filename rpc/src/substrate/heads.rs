//! Subscriptions to heads. Every block is final at once, so that all three kinds are one stream.

use std::sync::Arc;

use allod_primitives::{Header, Height};
use jsonrpsee::server::{PendingSubscriptionSink, RegisterMethodError, SubscriptionSink};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::json;
use crate::ending::{End, note, send, subscribed};
use crate::methods::Module;
use crate::view::{HeadInfo, NodeView};

/// A subscriber further behind than this is cut off: it would take states that are gone.
const CATCH_UP_MAX: u64 = 1024;

pub(super) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    let kinds = [
        (
            "chain_subscribeNewHeads",
            "chain_newHead",
            "chain_unsubscribeNewHeads",
        ),
        (
            "chain_subscribeAllHeads",
            "chain_allHead",
            "chain_unsubscribeAllHeads",
        ),
        (
            "chain_subscribeFinalizedHeads",
            "chain_finalizedHead",
            "chain_unsubscribeFinalizedHeads",
        ),
    ];
    for (subscribe, notification, unsubscribe) in kinds {
        module.register_subscription(
            subscribe,
            notification,
            unsubscribe,
            |_, pending, view, of| subscribed(&of, follow(pending, view)),
        )?;
    }
    Ok(())
}

/// Sends the newest header, then every following one, without gaps.
async fn follow(pending: PendingSubscriptionSink, view: Arc<Arc<dyn NodeView>>) {
    let mut heads = Heads::new(&**view);
    let Ok(sink) = pending.accept().await else {
        return;
    };
    while let Some(headers) = heads.next(&sink).await {
        for header in headers {
            if !send(&sink, &json::header(&header)).await {
                return;
            }
        }
    }
}

/// The heads of a node as one subscriber has seen them.
pub(super) struct Heads<'a> {
    view: &'a dyn NodeView,
    receiver: broadcast::Receiver<HeadInfo>,
    /// The last height handed out; none before the first.
    last: Option<Height>,
}

impl<'a> Heads<'a> {
    /// Starts with the newest head, which is handed out first.
    pub(super) fn new(view: &'a dyn NodeView) -> Self {
        Self {
            view,
            receiver: view.subscribe_heads(),
            last: None,
        }
    }

    /// Waits for heads not handed out yet; `None` once the subscriber or the node is gone.
    pub(super) async fn next(&mut self, sink: &SubscriptionSink) -> Option<Vec<Header>> {
        loop {
            let head = self.view.head();
            let Some(new) = self.since_last(&head) else {
                note(End::TooSlow);
                return None;
            };
            if !new.is_empty() {
                return Some(new);
            }
            tokio::select! {
                () = sink.closed() => return None,
                received = self.receiver.recv() => match received {
                    // The view's own head counts; the message only says that it moved.
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    /// Returns the heads not handed out yet; `None` if there are too many, or one is missing.
    fn since_last(&mut self, head: &HeadInfo) -> Option<Vec<Header>> {
        let newest = head.height();
        let first = match self.last {
            Some(last) if last >= newest => return Some(Vec::new()),
            Some(last) if newest.0 - last.0 <= CATCH_UP_MAX => last.0 + 1,
            Some(_) => return None,
            None => newest.0,
        };
        self.last = Some(newest);
        let between = (first..newest.0).map(|height| {
            let hash = self.view.hash_of(Height(height))?;
            self.view.header(&hash)
        });
        between.chain([Some(head.header.clone())]).collect()
    }
}
