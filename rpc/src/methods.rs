//! The list of methods.

use std::sync::Arc;

use jsonrpsee::RpcModule;
use jsonrpsee::server::RegisterMethodError;
use serde_json::json;

use crate::view::NodeView;
use crate::{authority, changes, checks, identity, submit, substrate};

/// A module whose methods see the node.
pub(crate) type Module = RpcModule<Arc<dyn NodeView>>;

/// Returns every method, and `rpc_methods`, which lists them.
pub(crate) fn all_methods(view: Arc<dyn NodeView>) -> Result<Module, RegisterMethodError> {
    let mut module = RpcModule::new(view);
    submit::register(&mut module)?;
    identity::register(&mut module)?;
    changes::register(&mut module)?;
    checks::register(&mut module)?;
    authority::register(&mut module)?;
    substrate::register(&mut module)?;

    let mut names: Vec<&str> = module.method_names().chain(["rpc_methods"]).collect();
    names.sort_unstable();
    let list = json!({ "methods": names });
    module.register_method("rpc_methods", move |_, _, _| list.clone())?;
    Ok(module)
}
