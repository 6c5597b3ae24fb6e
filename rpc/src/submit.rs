//! `identity_submit`.

use std::time::Duration;

use allod_primitives::header::extrinsic_hash;
use allod_rpc_api::error::{ErrorCode, Failure, RpcError};
use allod_rpc_api::limits::{SUBMIT_ITEMS_MAX, SUBMIT_TIMEOUT_MS_DEFAULT, SUBMIT_TIMEOUT_MS_MAX};
use allod_rpc_api::method::IDENTITY_SUBMIT;
use allod_rpc_api::submit::{
    BatchItemError, SubmitOutcome, SubmitRequest, SubmitResponse, SubmitStatus, Wait,
};
use futures::future::join_all;
use jsonrpsee::server::RegisterMethodError;
use tokio::time::{Instant, timeout_at};

use crate::answer::{Answer, failed, request};
use crate::methods::Module;
use crate::view::{Fault, Finalized, NodeView, PoolError, TxStatus, Watched};

pub(crate) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    module.register_async_method(IDENTITY_SUBMIT, |params, view, _| async move {
        let request: SubmitRequest = request(&params)?;
        submit(&**view, request).await
    })?;
    Ok(())
}

/// Hands the items that decode to the pool and puts their outcomes back in the items' order.
async fn submit(view: &dyn NodeView, request: SubmitRequest) -> Answer<SubmitResponse> {
    let count = request.items.len();
    if count == 0 || count > SUBMIT_ITEMS_MAX {
        let detail = format_args!("{count} items");
        return Err(failed(ErrorCode::TooManyItems.with(detail)));
    }
    let mut outcomes: Vec<Option<SubmitOutcome>> = Vec::with_capacity(count);
    let mut bodies = Vec::with_capacity(count);
    for item in &request.items {
        match item.to_extrinsic() {
            Ok(body) => {
                bodies.push(body);
                outcomes.push(None);
            }
            Err(error) => outcomes.push(Some(rejected(error))),
        }
    }
    let mut submitted = match request.wait {
        Wait::Accepted => accept(view, bodies).await,
        Wait::Finalized => {
            let wanted = request.timeout_ms.unwrap_or(SUBMIT_TIMEOUT_MS_DEFAULT);
            let timeout = Duration::from_millis(wanted.min(SUBMIT_TIMEOUT_MS_MAX));
            finalize(view, bodies, Instant::now() + timeout).await
        }
    }
    .into_iter();
    let missing = || rejected(ErrorCode::Internal);
    let items = outcomes
        .into_iter()
        .map(|outcome| outcome.or_else(|| submitted.next()).unwrap_or_else(missing))
        .collect();
    Ok(SubmitResponse { items })
}

async fn accept(view: &dyn NodeView, bodies: Vec<Vec<u8>>) -> Vec<SubmitOutcome> {
    let hashes: Vec<_> = bodies.iter().map(|body| extrinsic_hash(body)).collect();
    let answers = view.submit(bodies).await;
    let outcome = |(hash, answer): (_, Result<_, PoolError>)| match answer {
        // Submitting twice is not an error: the client may not have heard the first answer.
        Ok(_) | Err(PoolError::AlreadyKnown) => with_hash(hash, status(SubmitStatus::Accepted)),
        Err(error) => with_hash(hash, refused(error)),
    };
    hashes.into_iter().zip(answers).map(outcome).collect()
}

async fn finalize(
    view: &dyn NodeView,
    bodies: Vec<Vec<u8>>,
    deadline: Instant,
) -> Vec<SubmitOutcome> {
    let hashes: Vec<_> = bodies.iter().map(|body| extrinsic_hash(body)).collect();
    let answers = view.submit_and_watch(bodies).await;
    let outcomes = hashes
        .into_iter()
        .zip(answers)
        .map(|(hash, answer)| async move {
            let outcome = match answer {
                Ok(watched) => match timeout_at(deadline, watch(watched)).await {
                    Ok(outcome) => outcome,
                    Err(_elapsed) => not_final(),
                },
                Err(PoolError::AlreadyKnown) => not_final(),
                Err(error) => refused(error),
            };
            with_hash(hash, outcome)
        });
    join_all(outcomes).await
}

/// Returns the outcome of an extrinsic that the pool did not take.
fn refused(error: PoolError) -> SubmitOutcome {
    match error {
        PoolError::AlreadyFinalized(finalized) => finalized_outcome(&finalized),
        error => rejected(pool_error(&error)),
    }
}

/// Waits for the end of one extrinsic.
async fn watch(mut watched: Watched) -> SubmitOutcome {
    while let Some(update) = watched.updates.recv().await {
        match update {
            TxStatus::Future | TxStatus::Ready | TxStatus::Broadcast(_) => {}
            TxStatus::Finalized(finalized) => return finalized_outcome(&finalized),
            TxStatus::Dropped => return rejected(ErrorCode::TransactionDropped),
            TxStatus::Invalid(error) => return rejected(fault_error(&error.fault)),
        }
    }
    not_final()
}

fn finalized_outcome(finalized: &Finalized) -> SubmitOutcome {
    let item_errors = finalized.item_failures.iter().map(|(index, fault)| {
        let error = fault_error(fault).into();
        BatchItemError {
            index: *index,
            error,
        }
    });
    let error: Option<Failure> = finalized.failure.as_ref().map(|it| fault_error(it).into());
    SubmitOutcome {
        height: Some(finalized.height.0),
        block_hash: Some(finalized.block.into()),
        index: Some(finalized.index),
        item_errors: item_errors.collect(),
        ..match error {
            None => status(SubmitStatus::Finalized),
            error => SubmitOutcome {
                error,
                ..status(SubmitStatus::Failed)
            },
        }
    }
}

fn status(status: SubmitStatus) -> SubmitOutcome {
    SubmitOutcome {
        status,
        hash: None,
        height: None,
        block_hash: None,
        index: None,
        error: None,
        item_errors: Vec::new(),
    }
}

fn rejected(error: impl Into<RpcError>) -> SubmitOutcome {
    SubmitOutcome {
        error: Some(error.into().into()),
        ..status(SubmitStatus::Rejected)
    }
}

fn not_final() -> SubmitOutcome {
    let error: RpcError = ErrorCode::TransactionNotFinalInTime.into();
    SubmitOutcome {
        error: Some(error.into()),
        ..status(SubmitStatus::Accepted)
    }
}

fn with_hash(hash: allod_primitives::H256, outcome: SubmitOutcome) -> SubmitOutcome {
    SubmitOutcome {
        hash: Some(hash.into()),
        ..outcome
    }
}

/// Returns the row of the table for a fault of a layer below.
pub(crate) fn fault_error(fault: &Fault) -> RpcError {
    let Some(code) = ErrorCode::from_slug(&fault.slug) else {
        return ErrorCode::TransactionFailed.with(fault);
    };
    RpcError {
        code,
        detail: fault.detail.clone(),
    }
}

/// Returns the row of the table for a refusal by the pool.
pub(crate) fn pool_error(error: &PoolError) -> RpcError {
    match error {
        PoolError::Invalid(error) => fault_error(&error.fault),
        PoolError::AlreadyKnown | PoolError::AlreadyFinalized(_) | PoolError::AlreadyIncluded => {
            ErrorCode::TransactionAlreadyKnown.into()
        }
        PoolError::Conflict => ErrorCode::TransactionConflict.into(),
        PoolError::Full | PoolError::SubjectFull => ErrorCode::TransactionPoolFull.with(error),
        PoolError::Busy => ErrorCode::Busy.into(),
        PoolError::TooLarge => ErrorCode::TransactionTooLarge.into(),
        PoolError::NotReady => ErrorCode::NotReady.into(),
    }
}
