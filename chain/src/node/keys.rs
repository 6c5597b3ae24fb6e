//! The node's keys: its identity, and what signs for its validator.

use std::path::Path;
use std::sync::Arc;

use allod_consensus::{FileGuard, GuardFile, Keys, LocalSigner, ValidatorSigner};
use allod_primitives::{ChainId, PublicKey};

use super::run::RunError;
use crate::config::NodeConfig;
use crate::keyfile;
use crate::seams::Clock;

/// Opens the keys that the configuration names. Called before the database is opened, by whose
/// presence a lost guard is told from one that never was.
pub(super) fn open(
    config: &NodeConfig,
    chain: ChainId,
    clock: &dyn Clock,
) -> Result<Keys, RunError> {
    let network = keyfile::read(&config.keys.network)?;
    let validator: Option<Arc<dyn ValidatorSigner>> = match &config.keys.validator {
        None => None,
        Some(path) => {
            let key = keyfile::read(path)?;
            let public = PublicKey(key.verifying_key().to_bytes());
            let guard = guard(&config.data, chain, public, clock)?;
            Some(Arc::new(LocalSigner::new(chain, key, Arc::new(guard))))
        }
    };
    Ok(Keys { network, validator })
}

/// Opens the guard of a key that this process holds. A data directory with a database and
/// without a guard has lost it.
fn guard(
    data: &Path,
    chain: ChainId,
    key: PublicKey,
    clock: &dyn Clock,
) -> Result<FileGuard, RunError> {
    let path = data.join("sign-guard");
    let expected = match (path.exists(), data.join("db").exists()) {
        (true, _) => GuardFile::Existing,
        (false, false) => GuardFile::New,
        (false, true) => {
            tracing::error!(
                "{} is missing: nothing is signed until the chain has a block of a minute from now",
                path.display()
            );
            GuardFile::Lost { now: clock.now() }
        }
    };
    Ok(FileGuard::open(path, chain, key, expected)?)
}
