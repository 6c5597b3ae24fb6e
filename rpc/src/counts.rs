//! What the server counts by itself, in OpenMetrics text.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a request or a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Refused {
    /// Its address asked too often.
    Rate,
    /// Its address has too many connections.
    AddressConnections,
    /// All addresses together have too many.
    Connections,
}

const REFUSED: [&str; 3] = ["rate", "address_connections", "connections"];

/// The server's counters.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    refused: [AtomicU64; REFUSED.len()],
}

impl Counts {
    pub(crate) fn refused(&self, reason: Refused) {
        self.refused[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Adds the counters to the metrics in `text`, before their end.
    pub(crate) fn append(&self, text: &str) -> String {
        let mut all = text.trim_end().trim_end_matches("# EOF").to_owned();
        family(
            &mut all,
            "allod_rpc_refused",
            "Requests and connections refused",
            REFUSED.iter().zip(&self.refused),
        );
        all + "# EOF\n"
    }
}

fn family<'c>(
    text: &mut String,
    name: &str,
    help: &str,
    counters: impl Iterator<Item = (&'c &'static str, &'c AtomicU64)>,
) {
    let head = format_args!("# HELP {name} {help}.\n# TYPE {name} counter\n");
    write!(text, "{head}").expect("writing to a string does not fail");
    for (reason, count) in counters {
        let count = count.load(Ordering::Relaxed);
        writeln!(text, "{name}_total{{reason=\"{reason}\"}} {count}")
            .expect("writing to a string does not fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_stand_before_the_end_of_the_metrics() {
        let counts = Counts::default();
        counts.refused(Refused::Rate);
        counts.refused(Refused::Rate);
        let text = counts.append("allod_height 7\n# EOF\n");
        assert!(text.starts_with("allod_height 7\n# HELP allod_rpc_refused "));
        assert!(text.contains("\nallod_rpc_refused_total{reason=\"rate\"} 2\n"));
        assert!(text.contains("\nallod_rpc_refused_total{reason=\"connections\"} 0\n"));
        assert_eq!(text.matches("# EOF").count(), 1);
        assert!(text.ends_with("\n# EOF\n"));
    }
}
