//! `state_*`.

use std::sync::Arc;

use allod_primitives::hash::blake2_256;
use allod_primitives::{H256, Header};
use allod_rpc_api::hex_bytes::{HexBytes, HexHash, to_hex};
use allod_rpc_api::{ErrorCode, hex_bytes};
use jsonrpsee::server::{PendingSubscriptionSink, RegisterMethodError};
use jsonrpsee::types::Params;
use serde_json::{Value, json};

use super::heads::Heads;
use super::json::{self as form, Arguments};
use super::runtime_call;
use crate::answer::{Answer, block_or_head, failed, invalid_params, unavailable};
use crate::ending::send;
use crate::ending::{End, note, subscribed};
use crate::methods::Module;
use crate::view::{NodeView, StateUnavailable};

/// Where Substrate keeps its runtime's code. There is none here; clients hash the value to notice
/// upgrades, so it changes with the version.
const CODE_KEY: &[u8] = b":code";
/// Keys one answer holds.
const KEYS_MAX: usize = 1000;
/// Keys one subscription watches.
const WATCHED_KEYS_MAX: usize = 256;
/// Bytes of a storage key.
const KEY_BYTES_MAX: usize = 512;

pub(super) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    module.register_method("state_getStorage", |params, view, _| {
        let value = value_asked(&**view, &params)?;
        Answer::Ok(value.map(HexBytes))
    })?;
    module.register_method("state_getStorageHash", |params, view, _| {
        let value = value_asked(&**view, &params)?;
        Answer::Ok(value.map(|value| HexHash(blake2_256(&value))))
    })?;
    module.register_method("state_getStorageSize", |params, view, _| {
        Answer::Ok(value_asked(&**view, &params)?.map(|value| value.len()))
    })?;
    module.register_blocking_method("state_queryStorageAt", |params, view, _| {
        query(&**view, &params)
    })?;
    module.register_blocking_method("state_getKeysPaged", |params, view, _| {
        keys_paged(&**view, &params)
    })?;
    module.register_method("state_getRuntimeVersion", |params, view, _| {
        let at = block_or_head(&**view, Arguments::new(&params).block()?)?;
        let version = view.runtime_version(&at).map_err(unavailable)?;
        Answer::Ok(form::version(&version))
    })?;
    module.register_method("state_getMetadata", |params, view, _| {
        let at = block_or_head(&**view, Arguments::new(&params).block()?)?;
        let metadata = view.metadata(&at, runtime_call::METADATA_LEGACY);
        let metadata = metadata.map_err(unavailable)?;
        metadata
            .map(HexBytes)
            .ok_or_else(|| failed(ErrorCode::Internal))
    })?;
    module.register_blocking_method("state_call", |params, view, _| {
        let mut arguments = Arguments::new(&params);
        let name: String = arguments.next()?;
        let data: HexBytes = arguments.next()?;
        let at = block_or_head(&**view, arguments.block()?)?;
        let output = runtime_call::call(&**view, &name, &data.0, &at)?;
        Answer::Ok(HexBytes(output))
    })?;
    register_subscriptions(module)?;

    let aliases = [
        ("state_getStorageAt", "state_getStorage"),
        ("state_getStorageHashAt", "state_getStorageHash"),
        ("state_getStorageSizeAt", "state_getStorageSize"),
        ("state_getKeysPagedAt", "state_getKeysPaged"),
        ("state_callAt", "state_call"),
        ("chain_getRuntimeVersion", "state_getRuntimeVersion"),
        (
            "chain_subscribeRuntimeVersion",
            "state_subscribeRuntimeVersion",
        ),
        (
            "chain_unsubscribeRuntimeVersion",
            "state_unsubscribeRuntimeVersion",
        ),
    ];
    aliases
        .into_iter()
        .try_for_each(|(alias, method)| module.register_alias(alias, method))
}

fn register_subscriptions(module: &mut Module) -> Result<(), RegisterMethodError> {
    module.register_subscription(
        "state_subscribeStorage",
        "state_storage",
        "state_unsubscribeStorage",
        |params, pending, view, of| subscribed(&of, watch_storage(params, pending, view)),
    )?;
    module.register_subscription(
        "state_subscribeRuntimeVersion",
        "state_runtimeVersion",
        "state_unsubscribeRuntimeVersion",
        |_, pending, view, of| subscribed(&of, watch_version(pending, view)),
    )?;
    Ok(())
}

/// Reads (key, block?) and returns the value.
fn value_asked(view: &dyn NodeView, params: &Params<'_>) -> Answer<Option<Vec<u8>>> {
    let mut arguments = Arguments::new(params);
    let key: HexBytes = arguments.next()?;
    let at = block_or_head(view, arguments.block()?)?;
    value(view, &at, &key.0)
}

fn value(view: &dyn NodeView, at: &H256, key: &[u8]) -> Answer<Option<Vec<u8>>> {
    if key.len() > KEY_BYTES_MAX {
        return Err(invalid_params("storage key is too long"));
    }
    stored(view, at, key).map_err(unavailable)
}

/// Returns the value under `key` after the block `at`, or what stands for the code.
pub(super) fn stored(
    view: &dyn NodeView,
    at: &H256,
    key: &[u8],
) -> Result<Option<Vec<u8>>, StateUnavailable> {
    if key == CODE_KEY {
        let version = view.runtime_version(at)?;
        let stand_in = format!("{}-{}", version.spec_name, version.spec_version);
        return Ok(Some(stand_in.into_bytes()));
    }
    view.storage_at(at, key)
}

fn query(view: &dyn NodeView, params: &Params<'_>) -> Answer<Value> {
    let mut arguments = Arguments::new(params);
    let keys: Vec<HexBytes> = arguments.next()?;
    let at = block_or_head(view, arguments.block()?)?;
    if keys.len() > KEYS_MAX {
        return Err(failed(ErrorCode::TooManyKeys));
    }
    let changes = keys
        .iter()
        .map(|key| Ok((key.0.clone(), value(view, &at, &key.0)?)))
        .collect::<Answer<Vec<_>>>()?;
    Ok(json!([change_set(&at, &changes)]))
}

fn change_set(block: &H256, changes: &[(Vec<u8>, Option<Vec<u8>>)]) -> Value {
    let changes: Vec<Value> = changes
        .iter()
        .map(|(key, value)| json!([to_hex(key), value.as_deref().map(hex_bytes::to_hex)]))
        .collect();
    json!({ "block": block.to_string(), "changes": changes })
}

/// Reads (prefix or null, count, start after?, block?).
fn keys_paged(view: &dyn NodeView, params: &Params<'_>) -> Answer<Vec<HexBytes>> {
    let mut arguments = Arguments::new(params);
    let prefix: Option<HexBytes> = arguments.optional()?;
    let count: usize = arguments.next()?;
    let start: Option<HexBytes> = arguments.optional()?;
    let at = block_or_head(view, arguments.block()?)?;
    if count > KEYS_MAX {
        return Err(failed(ErrorCode::TooManyKeys));
    }
    let prefix = prefix.unwrap_or_default();
    let start = start.filter(|start| !start.0.is_empty());
    let start = start.as_ref().map(|start| start.0.as_slice());
    let keys = view
        .keys_at(&at, &prefix.0, count, start)
        .map_err(unavailable)?;
    Ok(keys.into_iter().map(HexBytes).collect())
}

/// Sends the values of all keys, then those that a block changed.
async fn watch_storage(
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    view: Arc<Arc<dyn NodeView>>,
) {
    let asked = Arguments::new(&params).next::<Vec<HexBytes>>();
    let keys = match asked {
        Ok(keys) if (1..=WATCHED_KEYS_MAX).contains(&keys.len()) => keys,
        Ok(_) => {
            let error = invalid_params(format_args!("1 to {WATCHED_KEYS_MAX} keys are watched"));
            return pending.reject(error).await;
        }
        Err(error) => return pending.reject(error).await,
    };
    let mut heads = Heads::new(&**view);
    let Ok(sink) = pending.accept().await else {
        return;
    };
    let mut known: Vec<Option<Option<Vec<u8>>>> = vec![None; keys.len()];
    while let Some(headers) = heads.next(&sink).await {
        // Each block: what changed and changed back is told, too.
        for block in headers.iter().map(Header::hash) {
            let mut changes = Vec::new();
            for (key, known) in keys.iter().zip(&mut known) {
                let Ok(value) = value(&**view, &block, &key.0) else {
                    return note(End::NoState);
                };
                if known.as_ref() != Some(&value) {
                    *known = Some(value.clone());
                    changes.push((key.0.clone(), value));
                }
            }
            if !changes.is_empty() && !send(&sink, &change_set(&block, &changes)).await {
                return;
            }
        }
    }
}

/// Sends the runtime's version, and again whenever it changes.
async fn watch_version(pending: PendingSubscriptionSink, view: Arc<Arc<dyn NodeView>>) {
    let mut heads = Heads::new(&**view);
    let Ok(sink) = pending.accept().await else {
        return;
    };
    let mut known = None;
    while let Some(headers) = heads.next(&sink).await {
        for block in headers.iter().map(Header::hash) {
            let Ok(version) = view.runtime_version(&block) else {
                return note(End::NoState);
            };
            if known.as_ref() != Some(&version) {
                if !send(&sink, &form::version(&version)).await {
                    return;
                }
                known = Some(version);
            }
        }
    }
}
