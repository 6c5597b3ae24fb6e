//! Files of the operator: keys and their place in the network.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Findings;
use crate::config::NodeConfig;
use crate::keyfile::{self, KeyFile};
use crate::spec::{ChainSpec, ChainType};

/// Looks at the key files and at the directory they and the data are in.
pub(super) fn keys(config: &NodeConfig, findings: &mut Findings) {
    let files = [
        ("network", Some(&config.keys.network)),
        ("validator", config.keys.validator.as_ref()),
    ];
    for (name, path) in files {
        let Some(path) = path else { continue };
        match KeyFile::read(path) {
            Ok(_) => findings.ok("keys", format!("the {name} key is private and readable")),
            Err(error) => {
                let todo = "the node does not start like this; see docs/node.md, Files";
                findings.fail("keys", format!("the {name} key: {error}"), todo);
            }
        }
    }
    if let Some(path) = &config.keys.passphrase_file
        && mode(path).is_some_and(|mode| mode & 0o077 != 0)
    {
        let found = format!("{}: others may read the passphrase", path.display());
        findings.fail("keys", found, "chmod 600 it, and change the passphrase");
    }
    if let Some(mode) = mode(&config.data).filter(|mode| mode & 0o022 != 0) {
        let found = format!(
            "others may write into {} (mode {mode:o})",
            config.data.display()
        );
        findings.fail(
            "keys",
            found,
            "chmod 700 it: who replaces the guard makes it sign twice",
        );
    }
}

fn mode(path: &Path) -> Option<u32> {
    let metadata = fs::metadata(path).ok()?;
    Some(metadata.permissions().mode() & 0o777)
}

/// Looks whether the keys are those that the specification lists, and whether they are encrypted.
pub(super) fn place(config: &NodeConfig, spec: &ChainSpec, findings: &mut Findings) {
    let network = KeyFile::read(&config.keys.network).ok();
    let validator = config.keys.validator.as_deref();
    let validator = validator.and_then(|path| KeyFile::read(path).ok());
    for file in network.iter().chain(&validator) {
        if spec.chain_type == ChainType::Live && !file.is_encrypted() {
            let found = format!("{file:?} on a chain that people rely on");
            findings.warn(
                "keys",
                found,
                "`allod-node keys change-passphrase` encrypts it",
            );
        }
    }
    let Some(validator) = validator else {
        let says = match config.keys.signer {
            Some(_) => "a signer votes for this node",
            None => "this node observes",
        };
        findings.ok("role", says);
        return;
    };
    let key = validator.public();
    let Some(listed) = spec.validators.iter().find(|it| it.public_key.0.0 == key) else {
        let found = "this validator's key is not in the genesis: the node follows, and votes once \
                     the trustees have admitted it";
        findings.warn(
            "role",
            found,
            "`allod chain validators` says who votes today",
        );
        return;
    };
    let peer = network.and_then(|it| keyfile::peer_of(&it.public()));
    if peer.is_some_and(|peer| peer.to_bytes() == listed.peer_id.0) {
        findings.ok("role", "a validator of the genesis, with its network key");
    } else {
        let found = "the genesis lists another peer id for this validator: unless governance has \
                     changed it since, nobody talks to this node";
        findings.warn(
            "role",
            found,
            "use the network key that belongs to the validator key",
        );
    }
}
