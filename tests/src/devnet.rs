//! A network of real node processes for one test: on a loopback address of its own, in a
//! directory of its own, ended with its value.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use allod_identity_client::clock::Clock;
use allod_identity_client::keys::SecretKey;
use allod_identity_client::rpc::{Client, ClientConfig};
use allod_primitives::TimeMs;
use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Networks of this process run one after another: several at once on few cores would measure
/// each other.
static ONE_AT_A_TIME: LazyLock<Arc<Mutex<()>>> = LazyLock::new(Arc::default);

/// Waits for the turn of a network that is no devnet; it ends with the guard.
pub async fn turn() -> OwnedMutexGuard<()> {
    ONE_AT_A_TIME.clone().lock_owned().await
}

/// A running network.
#[derive(Debug)]
pub struct Devnet {
    child: Child,
    _turn: OwnedMutexGuard<()>,
    program: PathBuf,
    dir: TempDir,
    /// What `allod-devnet up --json` printed.
    pub manifest: Value,
}

/// What changes later, while the tests run, is not for them.
static BEGINNING: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);

/// Returns the path of one of our programs: beside the tests' own, where cargo puts it. Cargo does
/// not build the programs of other packages for a test, so what is there may be of another day.
///
/// # Errors
/// It has not been built, or its source has changed since.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let beside = own.parent().context("a program is in a directory")?;
    let places = [beside.join(name), beside.join("..").join(name)];
    let found = places.into_iter().find(|path| path.exists());
    let found = found.with_context(|| format!("{name} is not built: run `make build`"))?;
    check_current(&found, *BEGINNING)?;
    Ok(found)
}

/// Checks that no source that cargo noted beside a program has changed between the program's build
/// and `now`.
fn check_current(program: &Path, now: SystemTime) -> anyhow::Result<()> {
    let Ok(noted) = std::fs::read_to_string(program.with_extension("d")) else {
        return Ok(());
    };
    let built = program.metadata()?.modified()?;
    let (_, sources) = noted.split_once(": ").unwrap_or_default();
    // A space in a path is written with a backslash before it.
    let sources = sources.trim_end().replace("\\ ", "\0");
    for source in sources.split(' ').map(|it| it.replace('\0', " ")) {
        let changed = Path::new(&source).metadata().and_then(|it| it.modified());
        let is_current = changed.is_ok_and(|changed| changed <= built || changed > now);
        let program = program.display();
        ensure!(
            is_current,
            "{program} is older than {source}: run `make build`"
        );
    }
    Ok(())
}

impl Devnet {
    /// Starts a network and waits until it finalizes blocks.
    ///
    /// # Errors
    /// The network's own error, from its standard error.
    pub async fn start(validators: u8, more: &[&str]) -> anyhow::Result<Self> {
        let turn = ONE_AT_A_TIME.clone().lock_owned().await;
        Self::launch(turn, tempfile::tempdir()?, validators, more).await
    }

    /// Ends the network and its launcher, and starts it again in the same directory.
    ///
    /// # Errors
    /// As [`start`](Self::start) and [`stop`](Self::stop).
    pub async fn stop_and_start(mut self) -> anyhow::Result<Self> {
        self.control(&["stop"]).await?;
        self.child.wait().await?;
        let validators = self.manifest["validators"].as_u64();
        let validators = validators.context("the manifest counts validators")?;
        let Self { _turn, dir, .. } = self;
        Self::launch(_turn, dir, u8::try_from(validators)?, &[]).await
    }

    async fn launch(
        turn: OwnedMutexGuard<()>,
        dir: TempDir,
        validators: u8,
        more: &[&str],
    ) -> anyhow::Result<Self> {
        let program = program("allod-devnet")?;
        let mut child = Command::new(&program)
            .arg("--dir")
            .arg(dir.path())
            .args([
                "--json",
                "up",
                "--isolated",
                "--validators",
                &validators.to_string(),
            ])
            .args(more)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().context("standard output is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).await?;
        let manifest = serde_json::from_str(&line).context("the network did not start")?;
        Ok(Self {
            child,
            _turn: turn,
            program,
            dir,
            manifest,
        })
    }

    /// Returns the text at a JSON pointer of the manifest.
    ///
    /// # Errors
    /// There is none.
    pub fn text(&self, pointer: &str) -> anyhow::Result<&str> {
        let value = self.manifest.pointer(pointer).and_then(Value::as_str);
        value.with_context(|| format!("the manifest has no {pointer}"))
    }

    /// Returns the secret key at a JSON pointer of the manifest, such as `/keys/registrar`.
    ///
    /// # Errors
    /// There is none.
    pub fn secret(&self, pointer: &str) -> anyhow::Result<SecretKey> {
        let text = self.text(&format!("{pointer}/secretUnsafe"))?;
        let bytes = hex::decode(text.trim_start_matches("0x"))?;
        Ok(SecretKey::from_seed(bytes.as_slice().try_into()?))
    }

    /// Returns how many nodes the manifest lists.
    pub fn count(&self) -> usize {
        self.manifest["nodes"].as_array().map_or(0, Vec::len)
    }

    /// Returns a client of node `index` alone.
    ///
    /// # Errors
    /// The manifest has no such node.
    pub fn client(&self, index: usize) -> anyhow::Result<Client> {
        let url = self.text(&format!("/nodes/{index}/rpc"))?;
        Ok(Client::new(&ClientConfig::new(url))?)
    }

    /// Runs `allod-devnet` with `arguments` on this network and returns what it printed.
    ///
    /// # Errors
    /// What it printed on standard error.
    pub async fn control(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let output = Command::new(&self.program)
            .arg("--dir")
            .arg(self.dir.path())
            .arg("--json")
            .args(arguments)
            .output()
            .await?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Kills node `index` as a power cut would.
    ///
    /// # Errors
    /// It does not run.
    pub async fn kill(&self, index: usize) -> anyhow::Result<()> {
        self.control(&["kill", &index.to_string()])
            .await
            .map(|_| ())
    }

    /// Starts node `index` again.
    ///
    /// # Errors
    /// It cannot be started.
    pub async fn restart(&self, index: usize) -> anyhow::Result<()> {
        self.control(&["restart", &index.to_string()])
            .await
            .map(|_| ())
    }

    /// Starts node `index` again with `binary`, which it runs from then on.
    ///
    /// # Errors
    /// It cannot be started.
    pub async fn restart_with(&self, index: usize, binary: &std::path::Path) -> anyhow::Result<()> {
        let binary = binary.to_str().context("a path of text")?;
        self.control(&["restart", &index.to_string(), "--binary", binary])
            .await
            .map(|_| ())
    }

    /// Sets the clocks of all nodes forward and waits until every running node has a finalized
    /// block of the new time. Offsets add up, and survive restarts. Returns the time of the newest
    /// block then, on the node that is furthest behind.
    ///
    /// `by`: at most ten years in sum; parts of a second are rounded up.
    ///
    /// # Panics
    /// The network did not get there within a minute, such as without a quorum of running nodes.
    pub async fn advance(&self, by: Duration) -> TimeMs {
        let told = self.try_advance(by).await;
        told.unwrap_or_else(|error| panic!("the network did not travel {by:?}: {error:#}"))
    }

    async fn try_advance(&self, by: Duration) -> anyhow::Result<TimeMs> {
        let seconds = by.as_secs() + u64::from(by.subsec_nanos() > 0);
        let told = self.control(&["advance", &format!("{seconds}s")]).await?;
        let time = told["advanced"]["time"].as_u64();
        time.map(TimeMs).context("the answer names the time")
    }

    /// Returns the time of the nodes' clocks: this machine's, and what it was set forward.
    ///
    /// # Errors
    /// The network's file cannot be read.
    pub fn now(&self) -> anyhow::Result<TimeMs> {
        Ok(Clock::devnet(self.dir(), &[])?.now())
    }

    /// Returns the directory of the network.
    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Returns the process ids of the nodes that run.
    ///
    /// # Errors
    /// The network does not answer.
    pub async fn pids(&self) -> anyhow::Result<Vec<u32>> {
        let status = self.control(&["status"]).await?;
        let nodes = status["nodes"].as_array().context("status lists nodes")?;
        let pids = nodes.iter().filter_map(|node| node["pid"].as_u64());
        Ok(pids.filter_map(|pid| u32::try_from(pid).ok()).collect())
    }

    /// Ends `allod-devnet` itself by `signal` (`KILL`, `INT`) and waits for it.
    ///
    /// # Errors
    /// It cannot be signalled.
    pub async fn signal_launcher(&mut self, signal: &str) -> anyhow::Result<()> {
        let id = self.child.id().context("the launcher runs")?;
        let sent = Command::new("kill")
            .args(["-s", signal, &id.to_string()])
            .status();
        ensure!(sent.await?.success(), "the launcher cannot be signalled");
        self.child.wait().await?;
        Ok(())
    }

    /// Ends the network and waits for it.
    ///
    /// # Errors
    /// It did not end by itself.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.control(&["stop"]).await?;
        self.child.wait().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, write};

    use super::*;

    #[test]
    fn a_program_older_than_its_source_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (program, source) = (at("node"), at("a source.rs"));
        let time = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let written = |path: &Path, seconds| {
            write(path, "").unwrap();
            let file = File::options().write(true).open(path).unwrap();
            file.set_modified(time(seconds)).unwrap();
        };
        written(&program, 100);
        assert!(check_current(&program, time(200)).is_ok(), "nothing noted");
        let name = source.display().to_string().replace(' ', "\\ ");
        let noted = format!("{}: {name} {name}\n", program.display());
        write(program.with_extension("d"), noted).unwrap();
        assert!(check_current(&program, time(200)).is_err(), "it is gone");
        for (changed, is_current) in [(99, true), (100, true), (101, false), (201, true)] {
            written(&source, changed);
            let found = check_current(&program, time(200));
            assert_eq!(found.is_ok(), is_current, "{changed}");
        }
    }
}
