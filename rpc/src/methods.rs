//! The list of methods.

use std::sync::Arc;

use allod_rpc_api::ErrorCode;
use allod_rpc_api::method::{RPC_DISCOVER, RPC_DISCOVER_DOTTED, RPC_METHODS};
use jsonrpsee::RpcModule;
use jsonrpsee::server::RegisterMethodError;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use crate::answer::failed;
use crate::reads::Reads;
use crate::versions::Replays;
use crate::view::NodeView;
use crate::{authority, blocks, changes, checks, identity, light, openrpc, submit, substrate};

/// A module whose methods see the node.
pub(crate) type Module = RpcModule<Arc<dyn NodeView>>;

/// Returns every method, `rpc_discover`, which describes them, and `rpc_methods`, which lists them. `is_archive`: the node keeps every
/// state.
pub(crate) fn all_methods(
    view: Arc<dyn NodeView>,
    is_archive: bool,
    replays: Arc<Replays>,
) -> Result<Module, RegisterMethodError> {
    let mut module = RpcModule::new(view);
    submit::register(&mut module)?;
    let mut reads = Reads::new(&mut module, replays);
    identity::register(&mut reads)?;
    checks::register(&mut reads)?;
    authority::register(&mut reads)?;
    identity::register_context(&mut module)?;
    changes::register(&mut module)?;
    light::register(&mut module)?;
    blocks::register(&mut module)?;
    substrate::register(&mut module, is_archive)?;

    // Written once: it is large, and never changes while the node runs.
    let document: Option<Arc<RawValue>> = to_raw_value(&openrpc::document(is_archive))
        .ok()
        .map(Arc::from);
    module.register_method(RPC_DISCOVER, move |_, _, _| {
        let document = document.as_deref().map(RawValue::to_owned);
        document.ok_or_else(|| failed(ErrorCode::Internal))
    })?;
    module.register_alias(RPC_DISCOVER_DOTTED, RPC_DISCOVER)?;
    let mut names: Vec<&str> = module.method_names().chain([RPC_METHODS]).collect();
    names.sort_unstable();
    let list = json!({ "methods": names });
    module.register_method(RPC_METHODS, move |_, _, _| list.clone())?;
    Ok(module)
}
