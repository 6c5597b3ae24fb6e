//! `chain_*`.

use allod_primitives::Height;
use jsonrpsee::server::RegisterMethodError;
use serde_json::Value;

use super::heads;
use super::json::{self, Arguments};
use crate::answer::{Answer, invalid_params};
use crate::methods::Module;
use crate::view::NodeView;

/// Heights one `chain_getBlockHash` may ask for.
const HEIGHTS_MAX: usize = 1000;

pub(super) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    module.register_method("chain_getBlockHash", |params, view, _| {
        let asked: Option<Value> = Arguments::new(&params).optional()?;
        block_hash(&**view, asked.unwrap_or(Value::Null))
    })?;
    module.register_method("chain_getHeader", |params, view, _| {
        let at = Arguments::new(&params).block()?;
        let hash = at.unwrap_or_else(|| view.head().hash);
        Answer::Ok(view.header(&hash).as_ref().map(json::header))
    })?;
    module.register_blocking_method("chain_getBlock", |params, view, _| {
        let at = Arguments::new(&params).block()?;
        let hash = at.unwrap_or_else(|| view.head().hash);
        let found = view.block(&hash);
        Answer::Ok(
            found.map(|(block, certificate)| json::signed_block(&block, certificate.as_ref())),
        )
    })?;
    module.register_method("chain_getFinalizedHead", |_, view, _| {
        view.head().hash.to_string()
    })?;
    heads::register(module)?;

    let aliases = [
        ("chain_getHead", "chain_getBlockHash"),
        ("chain_getFinalisedHead", "chain_getFinalizedHead"),
        ("chain_subscribeNewHead", "chain_subscribeNewHeads"),
        ("chain_unsubscribeNewHead", "chain_unsubscribeNewHeads"),
        ("subscribe_newHead", "chain_subscribeNewHeads"),
        ("unsubscribe_newHead", "chain_unsubscribeNewHeads"),
        (
            "chain_subscribeFinalisedHeads",
            "chain_subscribeFinalizedHeads",
        ),
        (
            "chain_unsubscribeFinalisedHeads",
            "chain_unsubscribeFinalizedHeads",
        ),
    ];
    aliases
        .into_iter()
        .try_for_each(|(alias, method)| module.register_alias(alias, method))
}

/// Answers for a number, hexadecimal text, a list of either, or (null) the newest block.
fn block_hash(view: &dyn NodeView, asked: Value) -> Answer<Value> {
    match asked {
        Value::Null => Ok(view.head().hash.to_string().into()),
        Value::Array(list) if list.len() <= HEIGHTS_MAX => {
            let hashes = list.iter().map(|one| hash_of(view, one));
            hashes.collect::<Answer<Vec<_>>>().map(Value::Array)
        }
        Value::Array(list) => Err(invalid_params(format_args!("{} heights", list.len()))),
        one => hash_of(view, &one),
    }
}

fn hash_of(view: &dyn NodeView, asked: &Value) -> Answer<Value> {
    let height = height(asked).ok_or_else(|| invalid_params("not a block number"))?;
    let hash = view.hash_of(Height(height));
    Ok(hash.map_or(Value::Null, |hash| hash.to_string().into()))
}

fn height(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => u64::from_str_radix(text.strip_prefix("0x")?, 16).ok(),
        _ => None,
    }
}
