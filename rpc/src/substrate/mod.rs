//! Substrate's basic methods, so that its clients work unmodified: `chain_*`, `state_*`,
//! `system_*`, `author_*`.
//!
//! Only complete families are listed: clients pick their way of working from `rpc_methods`, so
//! there is no `chainHead_v1_*`, `archive_v1_*` or `state_getReadProof` (whose proofs would be of
//! another kind of tree).

mod author;
mod chain;
pub(crate) mod heads;
mod json;
mod runtime_call;
mod state;
mod system;

use jsonrpsee::server::RegisterMethodError;

use crate::methods::Module;

pub(crate) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    chain::register(module)?;
    state::register(module)?;
    system::register(module)?;
    author::register(module)
}
