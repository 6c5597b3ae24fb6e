//! `chainSpec_v1_*`: what never changes of a chain.

use allod_primitives::Height;
use allod_rpc_api::ErrorCode;
use jsonrpsee::server::RegisterMethodError;

use super::system::properties;
use crate::answer::{Answer, failed};
use crate::methods::Module;

pub(super) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    module.register_method("chainSpec_v1_chainName", |_, view, _| {
        view.chain_info().chain
    })?;
    module.register_method("chainSpec_v1_genesisHash", |_, view, _| {
        let genesis = view.hash_of(Height(0));
        let genesis = genesis.ok_or_else(|| failed(ErrorCode::Internal))?;
        Answer::Ok(genesis.to_string())
    })?;
    module.register_method("chainSpec_v1_properties", |_, _, _| properties())?;
    Ok(())
}
