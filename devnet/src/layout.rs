//! The network's directory: what is where, and that only one `up` uses it.
//!
//! ```text
//! devnet.json         addresses, keys, identities (the manifest)
//! devnet.lock         held while `up` runs
//! control.sock        commands to `up`
//! chain-spec.json     genesis
//! keys/NAME.json      unsafe keys: trustee-0…, registrar
//! identities/         a home for the `allod` command, with alice and bob
//! node-N/             config.toml, keys, data/, node.log
//! ```

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use fs2::FileExt;

const LOCK_POLL: Duration = Duration::from_millis(50);
const LOCK_WAIT: Duration = Duration::from_secs(30);

/// Paths below the directory.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

/// The directory's lock, held as long as this lives.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Layout {
    /// Names the paths below `root`, made absolute.
    pub(crate) fn new(root: &Path) -> anyhow::Result<Self> {
        let root = std::path::absolute(root).context("resolving the directory")?;
        Ok(Self { root })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.root.join("devnet.json")
    }

    pub(crate) fn control(&self) -> PathBuf {
        self.root.join("control.sock")
    }

    pub(crate) fn chain_spec(&self) -> PathBuf {
        self.root.join("chain-spec.json")
    }

    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.root.join("keys").join(format!("{name}.json"))
    }

    pub(crate) fn identities(&self) -> PathBuf {
        self.root.join("identities")
    }

    pub(crate) fn node(&self, index: usize) -> PathBuf {
        self.root.join(format!("node-{index}"))
    }

    pub(crate) fn log(&self, index: usize) -> PathBuf {
        self.node(index).join("node.log")
    }

    /// Takes the lock.
    ///
    /// # Errors
    /// Another `up` holds it, or the directory cannot be made.
    pub(crate) fn lock(&self) -> anyhow::Result<Lock> {
        fs::create_dir_all(&self.root)
            .with_context(|| format!("creating {}", self.root.display()))?;
        let file = self.open_lock().context("opening the lock file")?;
        if file.try_lock_exclusive().is_err() {
            bail!("a network already runs in {}", self.root.display());
        }
        Ok(Lock { _file: file })
    }

    /// Waits until no `up` holds the lock.
    pub(crate) async fn wait_until_free(&self) -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + LOCK_WAIT;
        let file = self.open_lock()?;
        while file.try_lock_exclusive().is_err() {
            if tokio::time::Instant::now() > deadline {
                bail!("the network in {} does not end", self.root.display());
            }
            tokio::time::sleep(LOCK_POLL).await;
        }
        Ok(())
    }

    fn open_lock(&self) -> io::Result<File> {
        let path = self.root.join("devnet.lock");
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
    }

    /// Deletes everything but the lock file. Call with the lock held.
    pub(crate) fn clear(&self) -> anyhow::Result<()> {
        if self.manifest().exists() || self.chain_spec().exists() {
            for entry in fs::read_dir(&self.root)? {
                let entry = entry?;
                if entry.file_name() == "devnet.lock" {
                    continue;
                }
                let path = entry.path();
                let removed = if entry.file_type()?.is_dir() {
                    fs::remove_dir_all(&path)
                } else {
                    fs::remove_file(&path)
                };
                removed.with_context(|| format!("deleting {}", path.display()))?;
            }
        }
        Ok(())
    }
}
