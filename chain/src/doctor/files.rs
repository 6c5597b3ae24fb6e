//! Files of the operator: keys and passphrases.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Findings;
use crate::config::NodeConfig;
use crate::keyfile::KeyFile;
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

/// Looks whether the keys are encrypted where people rely on the chain.
pub(super) fn encrypted(config: &NodeConfig, spec: &ChainSpec, findings: &mut Findings) {
    let files = [Some(&config.keys.network), config.keys.validator.as_ref()];
    for path in files.into_iter().flatten() {
        let Ok(file) = KeyFile::read(path) else {
            continue;
        };
        if spec.chain_type == ChainType::Live && !file.is_encrypted() {
            let found = format!("{file:?} on a chain that people rely on");
            findings.warn(
                "keys",
                found,
                "`allod-node keys change-passphrase` encrypts it",
            );
        }
    }
}
