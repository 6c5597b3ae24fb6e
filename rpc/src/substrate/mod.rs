//! Substrate's methods, so that its clients work unmodified: `chain_*`, `state_*`, `system_*`,
//! `author_*`, and the families of the newer interface, `chainHead_v1_*`, `chainSpec_v1_*`,
//! `transaction_v1_*`, `transactionWatch_v1_*` and `archive_v1_*`.
//!
//! Only complete families are listed: clients pick their way of working from `rpc_methods`. So
//! `archive_v1_*` is there only where every state is kept, and there is no `state_getReadProof`,
//! whose proofs would be of another kind of tree.
//!
//! Source: spec/substrate.md.

mod archive;
mod author;
mod blocking;
mod chain;
mod chain_head;
mod chain_spec;
pub(crate) mod heads;
mod json;
mod query;
mod runtime_call;
mod state;
mod system;
mod transaction;

pub(crate) use archive::DiffItem;
pub(crate) use blocking::READERS_MAX;
pub(crate) use query::StorageItem;

use jsonrpsee::server::RegisterMethodError;

use crate::methods::Module;

/// Adds the methods; `is_archive`: the node keeps every state.
pub(crate) fn register(module: &mut Module, is_archive: bool) -> Result<(), RegisterMethodError> {
    chain::register(module)?;
    state::register(module)?;
    system::register(module)?;
    author::register(module)?;
    chain_head::register(module)?;
    chain_spec::register(module)?;
    transaction::register(module)?;
    if is_archive {
        archive::register(module)?;
    }
    Ok(())
}
