//! The node's keys: its identity, and what signs for its validator.

use std::path::Path;
use std::sync::Arc;

use allod_consensus::{FileGuard, GuardFile, Keys, LocalSigner, ValidatorSigner};
use allod_primitives::{ChainId, PublicKey};
use ed25519_dalek::SigningKey;

use super::run::{RunError, RunOptions};
use crate::config::NodeConfig;
use crate::keyfile::{KeyFile, KeyFileError, PassphraseSource};
use crate::seams::Clock;
use crate::signer::RemoteSigner;
use crate::spec::{ChainSpec, ChainType};

/// The keys of the files that the configuration names.
pub(super) struct Files {
    network: SigningKey,
    validator: Option<SigningKey>,
}

/// Opens the key files, by one passphrase unless a person is asked for each.
pub(super) fn unlock(
    options: &RunOptions,
    config: &NodeConfig,
    spec: &ChainSpec,
) -> Result<Files, RunError> {
    let network = KeyFile::read(&config.keys.network)?;
    let validator = config.keys.validator.as_deref().map(KeyFile::read);
    let validator = validator.transpose()?;
    check_guard(config, spec, validator.is_some())?;
    let files = [
        ("network", Some(&network)),
        ("validator", validator.as_ref()),
    ];
    let mut is_sealed = false;
    for (name, file) in files {
        let Some(file) = file else { continue };
        is_sealed |= file.is_encrypted();
        if !file.is_encrypted() && spec.chain_type == ChainType::Live {
            tracing::warn!(
                "the {name} key is not encrypted: `allod-node keys change-passphrase` encrypts it"
            );
        }
    }
    let configured = config.keys.passphrase_file.clone();
    let source = options.passphrase.clone();
    let source = source.or_else(|| configured.map(PassphraseSource::File));
    let source = match is_sealed {
        true => source.unwrap_or_else(PassphraseSource::usual).lasting(),
        false => Ok(PassphraseSource::Nowhere),
    };
    let source = source.map_err(KeyFileError::from)?;
    Ok(Files {
        network: network.open(&source)?,
        validator: validator.map(|file| file.open(&source)).transpose()?,
    })
}

/// Refuses a validator without guard and database, as after the loss of a disk: its key may have
/// signed at any height. In development networks nobody relies on it.
fn check_guard(config: &NodeConfig, spec: &ChainSpec, is_validator: bool) -> Result<(), RunError> {
    let path = config.data.join("sign-guard");
    let is_known = path.exists() || config.data.join("db").exists();
    if is_validator && !is_known && spec.chain_type != ChainType::Development {
        return Err(RunError::NoGuard { path });
    }
    Ok(())
}

/// Makes of the keys what signs, and waits for the signer if the configuration names one. Called
/// before the database is opened, by whose presence a lost guard is told from one that never was.
pub(super) async fn open(
    config: &NodeConfig,
    files: Files,
    chain: ChainId,
    clock: &dyn Clock,
) -> Result<Keys, RunError> {
    let validator: Option<Arc<dyn ValidatorSigner>> = match (files.validator, &config.keys.signer) {
        (_, Some(path)) => Some(Arc::new(RemoteSigner::connect(path, chain).await?)),
        (None, None) => None,
        (Some(key), None) => {
            let public = PublicKey(key.verifying_key().to_bytes());
            let guard = guard(&config.data, chain, public, clock)?;
            Some(Arc::new(LocalSigner::new(chain, key, Arc::new(guard))))
        }
    };
    let network = files.network;
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
