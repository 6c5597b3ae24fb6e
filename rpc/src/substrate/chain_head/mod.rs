//! `chainHead_v1_*`: the head of the chain, and what is asked about blocks that a client holds.
//!
//! Every block is final at once: a block is announced, best and final together. A subscription
//! holds ("pins") the blocks it was told of until it lets them go; only of these it asks.
//!
//! Source: spec/substrate.md §3.

mod follow;
mod follows;
mod operations;

use std::sync::Arc;

use allod_primitives::H256;
use allod_rpc_api::HexHash;
use allod_rpc_api::hex_bytes::{HexBytes, to_hex};
use jsonrpsee::Extensions;
use jsonrpsee::server::{ConnectionId, RegisterMethodError, ResponsePayload};
use jsonrpsee::types::{ErrorObject, ErrorObjectOwned, Params};
use parity_scale_codec::Encode;
use serde::Deserialize;
use serde_json::{Value, json};

use self::follows::{Follow, Follows, Resumed};
use self::operations::Work;
use super::json::Arguments;
use super::query::StorageItem;
use crate::answer::{Answer, failed, invalid_params};
use crate::ending::subscribed;
use crate::methods::Module;
use allod_rpc_api::ErrorCode;

/// A connection has as many subscriptions as it may.
const TOO_MANY_FOLLOWS: i32 = -32800;
/// A block that the subscription was not told of, or let go.
const NOT_PINNED: i32 = -32801;
/// A call by a subscription without runtimes.
const WITHOUT_RUNTIME: i32 = -32802;
/// An operation that waits for nothing.
const NOT_WAITING: i32 = -32803;
/// A block twice in one list.
const REPEATED: i32 = -32804;

pub(super) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    let follows = Arc::new(Follows::default());
    let all = follows.clone();
    module.register_subscription(
        "chainHead_v1_follow",
        "chainHead_v1_followEvent",
        "chainHead_v1_unfollow",
        move |params, pending, view, of| {
            subscribed(&of, follow::run(params, pending, view, all.clone()))
        },
    )?;
    let all = follows.clone();
    module.register_method("chainHead_v1_header", move |params, view, extensions| {
        let mut arguments = Arguments::new(&params);
        let follow = followed(&all, &mut arguments, extensions)?;
        let hash: HexHash = arguments.next()?;
        let Some(follow) = follow else {
            return Answer::Ok(None);
        };
        check_pinned(&follow, &hash.0)?;
        let header = view.header(&hash.0);
        let header = header.ok_or_else(|| failed(ErrorCode::Internal))?;
        Ok(Some(HexBytes(header.encode())))
    })?;
    let all = follows.clone();
    module.register_method("chainHead_v1_unpin", move |params, _, extensions| {
        let mut arguments = Arguments::new(&params);
        let follow = followed(&all, &mut arguments, extensions)?;
        let hashes = arguments.next::<OneOrMany>()?.into_list();
        let Some(follow) = follow else {
            return Answer::Ok(());
        };
        match follow.unpin(&hashes) {
            Ok(()) => Ok(()),
            Err(follows::UnpinError::NotPinned) => Err(not_pinned()),
            Err(follows::UnpinError::Repeated) => Err(error(REPEATED, "a block is listed twice")),
        }
    })?;
    register_operations(module, &follows)?;
    register_control(module, &follows)
}

fn register_operations(
    module: &mut Module,
    follows: &Arc<Follows>,
) -> Result<(), RegisterMethodError> {
    let all = follows.clone();
    module.register_method("chainHead_v1_body", move |params, view, extensions| {
        let asked = |params: &Params<'_>| {
            let mut arguments = Arguments::new(params);
            let follow = followed(&all, &mut arguments, extensions)?;
            let hash: HexHash = arguments.next()?;
            Ok((follow, hash.0, Work::Body))
        };
        operations::start(asked(&params), view)
    })?;
    let all = follows.clone();
    module.register_method("chainHead_v1_call", move |params, view, extensions| {
        let asked = |params: &Params<'_>| {
            let mut arguments = Arguments::new(params);
            let follow = followed(&all, &mut arguments, extensions)?;
            let hash: HexHash = arguments.next()?;
            let function: String = arguments.next()?;
            let HexBytes(parameters) = arguments.next()?;
            if follow.as_ref().is_some_and(|it| !it.with_runtime) {
                return Err(error(WITHOUT_RUNTIME, "the subscription has no runtimes"));
            }
            let work = Work::Call {
                function,
                parameters,
            };
            Ok((follow, hash.0, work))
        };
        operations::start(asked(&params), view)
    })?;
    let all = follows.clone();
    module.register_method("chainHead_v1_storage", move |params, view, extensions| {
        let asked = |params: &Params<'_>| {
            let mut arguments = Arguments::new(params);
            let follow = followed(&all, &mut arguments, extensions)?;
            let hash: HexHash = arguments.next()?;
            let items: Vec<StorageItem> = arguments.next()?;
            let child: Option<HexBytes> = arguments.optional()?;
            if let Some(fault) = items.iter().find_map(StorageItem::fault) {
                return Err(invalid_params(fault));
            }
            // There are no child tries: nothing is found in one.
            let items = if child.is_some() { Vec::new() } else { items };
            Ok((follow, hash.0, Work::Storage(items)))
        };
        operations::start(asked(&params), view)
    })?;
    Ok(())
}

/// Registers how an operation is continued and stopped.
fn register_control(
    module: &mut Module,
    follows: &Arc<Follows>,
) -> Result<(), RegisterMethodError> {
    let all = follows.clone();
    module.register_method("chainHead_v1_continue", move |params, _, extensions| {
        let mut arguments = Arguments::new(&params);
        let follow = followed(&all, &mut arguments, extensions)?;
        let operation: String = arguments.next()?;
        match follow.map(|follow| follow.resume(&operation)) {
            Some(Resumed::NotWaiting) => Err(error(NOT_WAITING, "the operation does not wait")),
            Some(Resumed::Yes | Resumed::Unknown) | None => Answer::Ok(()),
        }
    })?;
    let all = follows.clone();
    module.register_method(
        "chainHead_v1_stopOperation",
        move |params, _, extensions| {
            let mut arguments = Arguments::new(&params);
            let follow = followed(&all, &mut arguments, extensions)?;
            let operation: String = arguments.next()?;
            if let Some(follow) = follow {
                follow.stop_operation(&operation);
            }
            Answer::Ok(())
        },
    )?;
    Ok(())
}

/// Reads a subscription's id and returns it if it is one of this connection.
fn followed(
    follows: &Follows,
    arguments: &mut Arguments<'_>,
    extensions: &Extensions,
) -> Answer<Option<Arc<Follow>>> {
    let id: String = arguments.next()?;
    let connection = extensions.get::<ConnectionId>();
    Ok(connection.and_then(|connection| follows.get(*connection, &id)))
}

fn check_pinned(follow: &Follow, hash: &H256) -> Answer<()> {
    match follow.has_pinned(hash) {
        true => Ok(()),
        false => Err(not_pinned()),
    }
}

fn not_pinned() -> ErrorObjectOwned {
    error(NOT_PINNED, "the block is not pinned by this subscription")
}

fn error(code: i32, message: &'static str) -> ErrorObjectOwned {
    ErrorObject::owned(code, message, None::<()>)
}

/// An answer to the start of an operation: JSON, or an error.
type Started = ResponsePayload<'static, Value>;

fn limit_reached() -> Value {
    json!({ "result": "limitReached" })
}

/// One hash, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(HexHash),
    Many(Vec<HexHash>),
}

impl OneOrMany {
    fn into_list(self) -> Vec<H256> {
        match self {
            Self::One(hash) => vec![hash.0],
            Self::Many(hashes) => hashes.into_iter().map(|hash| hash.0).collect(),
        }
    }
}

fn hash_text(hash: &H256) -> String {
    to_hex(&hash.0)
}
