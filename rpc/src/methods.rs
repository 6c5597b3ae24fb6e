//! The list of methods.

use std::sync::Arc;

use jsonrpsee::RpcModule;
use jsonrpsee::server::RegisterMethodError;
use serde_json::json;

use crate::reads::Reads;
use crate::versions::Replays;
use crate::view::NodeView;
use crate::{authority, blocks, changes, checks, identity, light, submit, substrate};

/// A module whose methods see the node.
pub(crate) type Module = RpcModule<Arc<dyn NodeView>>;

/// Returns every method, and `rpc_methods`, which lists them. `is_archive`: the node keeps every
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

    let mut names: Vec<&str> = module.method_names().chain(["rpc_methods"]).collect();
    names.sort_unstable();
    let list = json!({ "methods": names });
    module.register_method("rpc_methods", move |_, _, _| list.clone())?;
    Ok(module)
}
