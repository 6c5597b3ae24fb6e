//! The data directory: database, guard, log, and how long the disk lasts.

use std::fs::File;
use std::path::Path;

use allod_consensus::{FileGuard, GuardFile, OpenGuardError};
use allod_primitives::{Header, PublicKey};
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::statvfs::statvfs;

use super::Findings;
use crate::config::NodeConfig;
use crate::keyfile::KeyFile;
use crate::ledger::Genesis;
use crate::spec::{ChainSpec, ChainType};
use crate::storage::{BlockBytes, Inspected, SCHEMA, directory_bytes, inspect};

/// Blocks below which a database says nothing of its growth: what it takes empty is most of it.
const FORECAST_BLOCKS_MIN: u64 = 1000;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// A tip older than this is not that of a network that goes on.
const TIP_AGE_MS_MAX: u64 = 15_000;
/// A clock further behind a block than this is wrong.
const BEHIND_MS_MAX: u64 = 5_000;
/// Days until the disk is full below which somebody should act, and below which it is late.
const DAYS_WARN: u64 = 30;
const DAYS_FAIL: u64 = 3;
/// Free bytes below which it is late, whatever the growth.
const FREE_BYTES_MIN: u64 = 1 << 30;

/// How fast a database grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// Bytes of a block of late, with everything that it leaves behind.
    pub block_bytes: u64,
    /// Bytes of a day at the measured pace.
    pub day_bytes: u64,
    /// Days until nothing is free.
    pub days_left: u64,
}

/// Forecasts growth from a database's own history: `bytes` for `height` blocks, the last `blocks`
/// of them made in `ms`, and as large against the mean of all as `sizes` says. What a block leaves
/// behind beside itself (indexes, logs, state) is taken to grow with it. `None` before there is a
/// history of a thousand blocks.
pub fn forecast(
    (bytes, height): (u64, u64),
    (blocks, ms): (u64, u64),
    sizes: BlockBytes,
    free: u64,
) -> Option<Growth> {
    if height < FORECAST_BLOCKS_MIN {
        return None;
    }
    let mean = bytes.checked_div(height)?;
    let scaled = u128::from(mean) * u128::from(sizes.recent);
    let scaled = scaled.checked_div(sizes.all.into())?;
    let block_bytes = u64::try_from(scaled).unwrap_or(u64::MAX);
    let day_blocks = (u128::from(blocks) * u128::from(DAY_MS)).checked_div(ms.into())?;
    let day_bytes = u64::try_from(day_blocks * u128::from(block_bytes)).unwrap_or(u64::MAX);
    let days_left = free.checked_div(day_bytes).unwrap_or(u64::MAX);
    Some(Growth {
        block_bytes,
        day_bytes,
        days_left,
    })
}

/// Looks at the database: who holds it, whose it is, how far it is, how fast it grows.
pub(super) fn database(
    config: &NodeConfig,
    genesis: &Genesis,
    now_ms: u64,
    findings: &mut Findings,
) -> Option<Inspected> {
    let path = config.data.join("db");
    if !path.exists() {
        findings.ok("database", "there is none yet: the node fetches everything");
        return None;
    }
    let holder = holder(&path);
    let seen = match inspect(&path) {
        Ok(seen) => seen,
        Err(error) => {
            let todo = "if the node runs, ask again; else check the disk, and synchronise into a \
                        new data directory";
            findings.fail("database", error.to_string(), todo);
            return None;
        }
    };
    if seen.schema.is_some_and(|found| found != SCHEMA) {
        let found = format!("its layout is another than {SCHEMA}, which this version reads");
        findings.fail("database", found, "install the version that wrote it");
    }
    if seen.genesis.is_some_and(|found| found != genesis.hash) {
        let found = "it belongs to another chain than the specification";
        findings.fail(
            "database",
            found,
            "data directory or specification is the wrong one",
        );
        return None;
    }
    let height = seen.tip.as_ref().map_or(0, |tip| tip.number.0);
    match holder {
        Some(pid) => findings.ok("database", format!("process {pid} runs at height {height}")),
        None => findings.ok(
            "database",
            format!("no node runs; it is at height {height}"),
        ),
    }
    tip(&seen, holder.is_some(), now_ms, findings);
    growth(&path, &seen, findings);
    Some(seen)
}

/// Returns the process that holds the database, by the lock that it has.
fn holder(database: &Path) -> Option<i32> {
    let file = File::open(database.join("LOCK")).ok()?;
    let mut lock = nix::libc::flock {
        l_type: nix::libc::F_WRLCK as i16,
        l_whence: nix::libc::SEEK_SET as i16,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_GETLK(&mut lock)).ok()?;
    (i32::from(lock.l_type) != nix::libc::F_UNLCK).then_some(lock.l_pid)
}

const fn time_of(header: &Header) -> u64 {
    header.digest.time.0
}

fn tip(seen: &Inspected, is_running: bool, now_ms: u64, findings: &mut Findings) {
    let Some(time) = seen.tip.as_ref().map(time_of) else {
        return;
    };
    if time > now_ms.saturating_add(BEHIND_MS_MAX) {
        let seconds = (time - now_ms) / 1000;
        let found = format!("the newest block is {seconds} s ahead of this machine's clock");
        findings.fail(
            "clock",
            found,
            "synchronise the clock (NTP) before the node runs",
        );
    } else if is_running && now_ms.saturating_sub(time) > TIP_AGE_MS_MAX {
        let seconds = (now_ms - time) / 1000;
        let found = format!(
            "the newest block is {seconds} s old: the node catches up, has no peers, or the \
             network stands"
        );
        findings.warn(
            "tip",
            found,
            "ask again; compare with another operator's height",
        );
    } else {
        findings.ok(
            "tip",
            "the newest block's time agrees with this machine's clock",
        );
    }
}

fn growth(path: &Path, seen: &Inspected, findings: &mut Findings) {
    let (Some(tip), Some(earlier), Some(sizes)) = (&seen.tip, &seen.earlier, seen.block_bytes)
    else {
        return;
    };
    let (to, from) = (time_of(tip), time_of(earlier));
    let blocks = tip.number.0.saturating_sub(earlier.number.0);
    let bytes = directory_bytes(path);
    let free = free_bytes(path).unwrap_or(u64::MAX);
    let ms = to.saturating_sub(from);
    let Some(growth) = forecast((bytes, tip.number.0), (blocks, ms), sizes, free) else {
        let found = format!("no forecast before there are {FORECAST_BLOCKS_MIN} blocks");
        findings.ok("growth", found);
        return;
    };
    let found = format!(
        "{} bytes a block, {} MiB a day as of the last {blocks} blocks; full in {} days",
        growth.block_bytes,
        growth.day_bytes >> 20,
        growth.days_left
    );
    let todo = "a larger disk, or `storage.archive` off; blocks are always kept";
    if growth.days_left <= DAYS_FAIL {
        findings.fail("growth", found, todo);
    } else if growth.days_left <= DAYS_WARN {
        findings.warn("growth", found, todo);
    } else {
        findings.ok("growth", found);
    }
}

fn free_bytes(path: &Path) -> Option<u64> {
    // The directory may not be there yet; its file system is.
    let there = path.ancestors().find(|it| it.exists())?;
    let space = statvfs(there).ok()?;
    Some(
        space
            .blocks_available()
            .saturating_mul(space.fragment_size()),
    )
}

/// Looks at the room on the disk.
pub(super) fn disk(config: &NodeConfig, findings: &mut Findings) {
    match free_bytes(&config.data) {
        Some(free) if free < FREE_BYTES_MIN => {
            let found = format!("{} MiB are free for {}", free >> 20, config.data.display());
            findings.fail(
                "disk",
                found,
                "make room: a full disk ends the node with code 10",
            );
        }
        Some(free) => findings.ok("disk", format!("{} GiB are free", free >> 30)),
        None => findings.warn("disk", "its room is not known", "see that it is mounted"),
    }
}

/// Looks whether the guard is this key's, and fits the database; and at the log beside it.
pub(super) fn guard(
    config: &NodeConfig,
    spec: &ChainSpec,
    genesis: &Genesis,
    seen: Option<&Inspected>,
    findings: &mut Findings,
) {
    let Some(key) = config.keys.validator.as_deref() else {
        return;
    };
    let Ok(key) = KeyFile::read(key) else { return };
    let (path, key) = (config.data.join("sign-guard"), PublicKey(key.public()));
    if !path.exists() {
        let told = "there is no sign guard";
        match (seen, spec.chain_type) {
            (None, ChainType::Development) => findings.ok("guard", "none yet"),
            (None, _) => findings.fail(
                "guard",
                format!("{told}: the validator does not start"),
                "`allod-node guard new` if the key has never signed, else `guard lost`",
            ),
            (Some(_), _) => findings.warn(
                "guard",
                format!("{told} beside the database: it counts as lost, and is silent for a while"),
                "say `allod-node guard lost`, or see what became of it",
            ),
        }
        return;
    }
    let opened = FileGuard::open(&path, genesis.chain, key, GuardFile::Existing);
    // In use: by the node, which has looked at it as it is looked at here.
    if let Err(error) = opened
        && !matches!(error, OpenGuardError::InUse { .. })
    {
        let todo = "never delete it: `allod-node guard lost`, after docs/operator.md §6";
        findings.fail("guard", error.to_string(), todo);
        return;
    }
    let height = seen
        .and_then(|it| it.tip.as_ref())
        .map_or(0, |tip| tip.number.0);
    let Some(guard) = FileGuard::glance(&path) else {
        return;
    };
    let signed = guard.signed.0;
    if let Some(agreed) = guard.agreed {
        let found = format!("it was lost: it signs above block {agreed}, by agreement");
        findings.warn(
            "guard",
            found,
            "nothing; it begins when the node has that block",
        );
    } else if guard.is_lost {
        let found = "it was lost: the validator is silent until a block of a minute after that";
        findings.warn(
            "guard",
            found,
            "nothing; it ends by itself while the network goes on",
        );
    } else if signed > height.saturating_add(1) {
        let found = format!(
            "it knows of signatures at {signed}, the database ends at {height}: it is an older copy"
        );
        findings.warn(
            "guard",
            found,
            "nothing: the node catches up, and the guard protects it",
        );
    } else {
        findings.ok(
            "guard",
            format!("of this key; it last signed at height {signed}"),
        );
    }
    if height > 0 && !config.data.join("consensus.wal").exists() {
        let found = "consensus.wal is missing beside a database: locks on values were forgotten";
        findings.warn(
            "log",
            found,
            "start no other validator without its own at the same time",
        );
    }
}
