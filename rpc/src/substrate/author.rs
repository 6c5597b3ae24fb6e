//! `author_*`. Errors carry Substrate's codes, which its clients know.

use std::sync::Arc;
use std::time::Duration;

use allod_rpc_api::HexBytes;
use allod_rpc_api::error::ErrorCode;
use allod_rpc_api::submit::extrinsic_body;
use jsonrpsee::server::{PendingSubscriptionSink, RegisterMethodError, SubscriptionSink};
use jsonrpsee::types::{ErrorObject, ErrorObjectOwned, Params};
use parity_scale_codec::Encode;
use serde_json::{Value, json};

use super::json::Arguments;
use crate::answer::{Answer, failed};
use crate::ending::send;
use crate::ending::subscribed;
use crate::methods::Module;
use crate::submit::pool_error;
use crate::view::{NodeView, PoolError, TxStatus, Watched};

/// What lies between `inBlock` and `finalized`. Both are true at once, but polkadot.js drops the
/// first of two statuses that arrive together; 50 ms were measured to be enough.
const BETWEEN_STATUSES: Duration = Duration::from_millis(50);
/// Bytes of extrinsics that `author_pendingExtrinsics` returns.
const PENDING_BYTES_MAX: usize = 4 * 1024 * 1024;

pub(super) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    module.register_async_method("author_submitExtrinsic", |params, view, _| async move {
        let body = extrinsic(&params)?;
        let mut answers = view.submit(vec![body]).await;
        match answers.pop() {
            Some(Ok(hash)) => Answer::Ok(hash.to_string()),
            Some(Err(error)) => Err(refused(&error)),
            None => Err(failed(ErrorCode::Internal)),
        }
    })?;
    module.register_method("author_pendingExtrinsics", |_, view, _| {
        let mut bytes = 0;
        let pending = view.pending().into_iter().take_while(|body| {
            bytes += body.len();
            bytes <= PENDING_BYTES_MAX
        });
        pending
            .map(|body| HexBytes(body.encode()))
            .collect::<Vec<_>>()
    })?;
    module.register_subscription(
        "author_submitAndWatchExtrinsic",
        "author_extrinsicUpdate",
        "author_unwatchExtrinsic",
        |params, pending, view, of| subscribed(&of, submit_and_watch(params, pending, view)),
    )?;
    Ok(())
}

fn extrinsic(params: &Params<'_>) -> Answer<Vec<u8>> {
    let wire: HexBytes = Arguments::new(params).next()?;
    extrinsic_body(&wire.0).ok_or_else(|| failed(ErrorCode::TransactionUndecodable))
}

async fn submit_and_watch(
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    view: Arc<Arc<dyn NodeView>>,
) {
    let body = match extrinsic(&params) {
        Ok(body) => body,
        Err(error) => return pending.reject(error).await,
    };
    let mut answers = view.submit_and_watch(vec![body]).await;
    let watched = match answers.pop() {
        Some(Ok(watched)) => watched,
        Some(Err(error)) => return pending.reject(refused(&error)).await,
        None => return pending.reject(failed(ErrorCode::Internal)).await,
    };
    if let Ok(sink) = pending.accept().await {
        report(&sink, watched).await;
    }
}

/// Reports what becomes of an extrinsic, until its end or until nobody listens any more.
async fn report(sink: &SubscriptionSink, mut watched: Watched) {
    loop {
        let update = tokio::select! {
            () = sink.closed() => return,
            update = watched.updates.recv() => update,
        };
        let (status, is_last) = match update {
            None => (json!("dropped"), true),
            Some(TxStatus::Future) => (json!("future"), false),
            Some(TxStatus::Ready) => (json!("ready"), false),
            Some(TxStatus::Broadcast(peers)) => (json!({ "broadcast": peers }), false),
            Some(TxStatus::Dropped) => (json!("dropped"), true),
            Some(TxStatus::Invalid(_)) => (json!("invalid"), true),
            Some(TxStatus::Finalized(finalized)) => {
                let block = finalized.block.to_string();
                if !send(sink, &json!({ "inBlock": block })).await {
                    return;
                }
                tokio::time::sleep(BETWEEN_STATUSES).await;
                (json!({ "finalized": block }), true)
            }
        };
        if !send(sink, &status).await || is_last {
            return;
        }
    }
}

/// Returns a refusal under Substrate's code; `data` says it in Substrate's words and by our slug.
fn refused(error: &PoolError) -> ErrorObjectOwned {
    let ours = pool_error(error);
    let (code, message, data): (i32, &str, Value) = match error {
        PoolError::Invalid(invalid) => {
            let data = format!("{} ({})", invalid.reason.text(), ours.code.slug());
            (1010, "Invalid Transaction", Value::String(data))
        }
        PoolError::AlreadyKnown | PoolError::AlreadyFinalized(_) | PoolError::AlreadyIncluded => {
            (1013, "Transaction Already Imported", Value::Null)
        }
        PoolError::Conflict => (
            1014,
            "Priority is too low",
            Value::String(ours.code.message().to_owned()),
        ),
        PoolError::Full | PoolError::SubjectFull => (1016, "Immediately Dropped", Value::Null),
        PoolError::TooLarge | PoolError::Busy | PoolError::NotReady => return failed(ours),
    };
    let data = (!data.is_null()).then_some(data);
    ErrorObject::owned(code, message, data)
}
