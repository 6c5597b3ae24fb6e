//! What the system says about this process, under the names that every Prometheus client uses.
//!
//! Of `/proc` only the process's own part is read, which a hardened service may still see.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::time::TimeValLike;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::{Number, Real, gauge, gauge_of};

/// Memory, processor time and files of this process.
#[derive(Debug)]
pub(super) struct Process {
    cpu: Counter<f64, AtomicU64>,
    resident: Number,
    virtual_memory: Number,
    open_files: Number,
    open_files_max: Number,
    threads: Number,
    pub(super) start: Real,
}

impl Process {
    /// Registers under names without a prefix, as is the custom.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let r = registry.sub_registry_with_prefix("process");
        let cpu = Counter::default();
        let help = "User and system processor time spent";
        r.register_with_unit("cpu", help, Unit::Seconds, cpu.clone());
        let start = Gauge::default();
        let help = "When the process began, since the epoch";
        r.register_with_unit("start_time", help, Unit::Seconds, start.clone());
        Self {
            cpu,
            resident: gauge_of(r, "resident_memory", Unit::Bytes, "Resident memory"),
            virtual_memory: gauge_of(r, "virtual_memory", Unit::Bytes, "Virtual memory"),
            open_files: gauge(r, "open_fds", "Open file descriptors"),
            open_files_max: gauge(r, "max_fds", "File descriptors that may be open"),
            threads: gauge(r, "threads", "Threads of the operating system"),
            start,
        }
    }

    /// Asks the system again. What it does not tell keeps its last value.
    pub(super) fn update(&self) {
        if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
            let micros =
                usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
            // Exact for three hundred years of processor time.
            let seconds = micros as f64 / 1e6;
            self.cpu.inner().store(seconds.to_bits(), Ordering::Relaxed);
        }
        if let Ok(status) = fs::read_to_string("/proc/self/status") {
            let kib = |key| field(&status, key).map(|kib| kib.saturating_mul(1024));
            set(&self.resident, kib("VmRSS:"));
            set(&self.virtual_memory, kib("VmSize:"));
            set(&self.threads, field(&status, "Threads:"));
        }
        let open = fs::read_dir("/proc/self/fd").map(|entries| entries.count() as u64);
        set(&self.open_files, open.ok());
        let limit = getrlimit(Resource::RLIMIT_NOFILE).map(|(soft, _)| soft);
        set(&self.open_files_max, limit.ok());
    }
}

fn set(gauge: &Number, value: Option<u64>) {
    if let Some(value) = value {
        gauge.set(value);
    }
}

/// Returns the number in the line of `/proc/self/status` that begins with `key`.
fn field(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_status_file_is_found_by_its_key() {
        let status = "VmPeak:\t  9 kB\nVmRSS:\t  512 kB\nThreads:\t7\n";
        assert_eq!(field(status, "VmRSS:"), Some(512));
        assert_eq!(field(status, "Threads:"), Some(7));
        assert_eq!(field(status, "VmSwap:"), None);
    }

    #[test]
    fn the_system_tells_something_about_this_process() {
        let mut registry = Registry::default();
        let process = Process::new(&mut registry);
        process.update();
        assert!(process.cpu.get() > 0.0);
        assert!(process.resident.get() > 1024 * 1024);
        assert!(process.virtual_memory.get() >= process.resident.get());
        assert!(process.open_files.get() >= 3);
        assert!(process.open_files_max.get() >= process.open_files.get());
        assert!(process.threads.get() >= 1);
    }
}
