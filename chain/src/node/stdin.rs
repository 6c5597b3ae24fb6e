//! What a launcher says to its node on standard input: that it is gone, by the end, and on
//! development networks how far the clock is to be ahead, one line each:
//!
//! ```text
//! clock-ahead-ms 259200000
//! ```
//!
//! Only the process that started the node can write there, which is why this is the way and not a
//! method of RPC (ADR 0007). Without a clock that can be set, lines are read and dropped.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::limits::STDIN_LINE_BYTES_MAX;
use crate::seams::AheadClock;

/// Reads standard input to its end on a thread of its own: a read cannot be cancelled, and must
/// not hold up the end of the process. The answer comes when it has ended.
pub(super) fn watch(clock: Option<Arc<AheadClock>>) -> oneshot::Receiver<()> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        obey(BufReader::new(std::io::stdin()), clock.as_deref());
        // The node may have stopped for another reason.
        let _ = sender.send(());
    });
    receiver
}

/// Does what the lines say until they end.
fn obey(mut input: impl BufRead, clock: Option<&AheadClock>) {
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut input)
            .take(STDIN_LINE_BYTES_MAX)
            .read_until(b'\n', &mut line);
        match (read, clock) {
            (Ok(0) | Err(_), _) => return,
            // Nobody can say it, or it was cut off: by the end, or for its length.
            (Ok(_), None) => {}
            (Ok(_), Some(_)) if !line.ends_with(b"\n") => {}
            (Ok(_), Some(clock)) => set(clock, &String::from_utf8_lossy(&line)),
        }
    }
}

fn set(clock: &AheadClock, line: &str) {
    let mut words = line.split_whitespace();
    let (name, ms) = (words.next(), words.next().map(str::parse));
    let (Some("clock-ahead-ms"), Some(Ok(ms)), None) = (name, ms, words.next()) else {
        tracing::error!(?line, "the launcher says what this node does not know");
        return;
    };
    match clock.set_ahead(Duration::from_millis(ms)) {
        Ok(ahead) => tracing::warn!(?ahead, "UNSAFE: the launcher has set the clock"),
        Err(error) => tracing::error!(%error, "the launcher cannot set the clock"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ahead_after(text: &str) -> Duration {
        let clock = AheadClock::default();
        obey(text.as_bytes(), Some(&clock));
        clock.set_ahead(Duration::ZERO).unwrap()
    }

    #[test]
    fn lines_set_the_clock_ahead_and_never_back() {
        assert_eq!(ahead_after("clock-ahead-ms 5\n"), Duration::from_millis(5));
        let text = "clock-ahead-ms 7000\nclock-ahead-ms 5\n";
        assert_eq!(ahead_after(text), Duration::from_secs(7));
        let torn = "clock-ahead-ms 7000\nclock-ahead-ms 9000";
        assert_eq!(
            ahead_after(torn),
            Duration::from_secs(7),
            "no end of line, no order"
        );
    }

    #[test]
    fn other_lines_change_nothing() {
        let long = format!("{}\n", "clock-ahead-ms 1 ".repeat(1000));
        for text in [
            "\n",
            "clock-ahead-ms\n",
            "clock-ahead-ms -5\n",
            "clock-ahead-ms 5 6\n",
            "clock-ahead-ms 99999999999999999999999\n",
            "clock-ahead-ms 999999999999999\n",
            "clock 5\n",
            &long,
        ] {
            assert_eq!(ahead_after(text), Duration::ZERO, "{text}");
        }
        obey("clock-ahead-ms 5\n".as_bytes(), None);
    }
}
