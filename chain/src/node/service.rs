//! Telling systemd how the node is: `READY=1` once it serves, `STOPPING=1`, and signs of life where
//! the unit asks for them (`Type=notify`, `WatchdogSec`). Nothing is told where nothing listens.
//!
//! The protocol is datagrams of text to the socket that `NOTIFY_SOCKET` names (`sd_notify(3)`); a
//! crate for it would not be shorter.

use std::convert::Infallible;
use std::env;
use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use allod_consensus::Progress;
use tokio::time::MissedTickBehavior;

/// How often it is looked whether a start makes progress.
const START_LOOK: Duration = Duration::from_secs(10);
/// How long each such look lets the start go on, whatever the unit says: what comes after the last
/// key was read takes a part of that.
const START_EXTENSION: Duration = Duration::from_secs(600);

/// Who started the node, if it wants to be told.
#[derive(Debug, Default)]
pub(super) struct Supervisor {
    to: Option<(UnixDatagram, SocketAddr)>,
    /// How often it wants a sign of life.
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// Finds the supervisor by the environment.
    pub(super) fn of_environment() -> Self {
        // What is meant for another process, as the variable's contract says, is not for this one.
        let own = std::process::id().to_string();
        let is_ours = env::var("WATCHDOG_PID").map_or(true, |pid| pid == own);
        let micros = env::var("WATCHDOG_USEC").ok().filter(|_| is_ours);
        let micros = micros.and_then(|micros| micros.parse().ok());
        Self {
            to: env::var_os("NOTIFY_SOCKET").and_then(listener),
            watchdog: micros.map(Duration::from_micros),
        }
    }

    /// Tells the supervisor `state`, such as `READY=1`.
    pub(super) fn tell(&self, state: &str) {
        if let Some((socket, address)) = &self.to
            && let Err(error) = socket.send_to_addr(state.as_bytes(), address)
        {
            tracing::warn!(%error, state, "the supervisor was not told");
        }
    }

    /// Asks for more time to start, for as long as it is polled and the start makes progress.
    pub(super) async fn keep_starting(&self, progress: Progress) -> Infallible {
        let mut tick = tokio::time::interval(START_LOOK);
        let mut seen = progress.count();
        loop {
            tick.tick().await;
            let count = progress.count();
            if count != seen {
                seen = count;
                let micros = START_EXTENSION.as_micros();
                self.tell(&format!("EXTEND_TIMEOUT_USEC={micros}"));
            }
        }
    }

    /// Gives signs of life, if they are wanted, for as long as it is polled: each after `beat`,
    /// which ends when the node's tasks have answered, so that there is none when one hangs.
    pub(super) async fn keep_telling(&self, beat: impl AsyncFn()) -> Infallible {
        let Some(every) = self.watchdog.filter(|every| !every.is_zero()) else {
            return std::future::pending().await;
        };
        let mut tick = tokio::time::interval(every / 2);
        // After a late answer no burst of them.
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            beat().await;
            self.tell("WATCHDOG=1");
        }
    }
}

/// Returns a socket, and the address in `name`: a path, or `@` and an abstract name.
fn listener(name: OsString) -> Option<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(&name),
    };
    UnixDatagram::unbound().ok().zip(address.ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supervisor_hears_that_the_node_is_ready() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let heard = UnixDatagram::bind(&path).expect("a socket");
        let supervisor = Supervisor {
            to: listener(path.into()),
            watchdog: None,
        };
        supervisor.tell("READY=1");
        let mut bytes = [0; 64];
        let length = heard.recv(&mut bytes).expect("it was told");
        assert_eq!(&bytes[..length], b"READY=1");
    }

    #[test]
    fn an_abstract_name_begins_with_an_at_sign() {
        let (_, address) = listener("@allod-test".into()).expect("an address");
        assert_eq!(address.as_abstract_name(), Some(&b"allod-test"[..]));
        assert!(listener("".into()).is_none_or(|(_, it)| it.is_unnamed()));
        Supervisor::default().tell("READY=1");
    }

    /// Goal: opening a large database takes as long as it takes, and a start that stands still does
    /// not. Method: virtual time; steps for a minute, and none for another.
    #[tokio::test(start_paused = true)]
    async fn a_start_that_gets_on_asks_for_more_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let heard = UnixDatagram::bind(&path).expect("a socket");
        let supervisor = Supervisor {
            to: listener(path.into()),
            watchdog: None,
        };
        let progress = Progress::default();
        let starts = async {
            for _ in 0..58 {
                progress.step();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            tokio::time::sleep(Duration::from_secs(60)).await;
        };
        tokio::select! {
            never = supervisor.keep_starting(progress.clone()) => match never {},
            () = starts => {}
        }
        heard.set_nonblocking(true).expect("a socket's option");
        let mut bytes = [0; 64];
        let asked = std::iter::from_fn(|| {
            let length = heard.recv(&mut bytes).ok()?;
            Some(bytes[..length].to_vec())
        });
        let asked: Vec<_> = asked.collect();
        assert!(
            (5..=7).contains(&asked.len()),
            "every ten seconds: {}",
            asked.len()
        );
        assert!(
            asked
                .iter()
                .all(|it| it == b"EXTEND_TIMEOUT_USEC=600000000")
        );
    }

    /// Goal: signs of life come at half the interval at most. Method: virtual time.
    #[tokio::test(start_paused = true)]
    async fn signs_of_life_come_twice_as_often_as_they_must() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let heard = UnixDatagram::bind(&path).expect("a socket");
        let supervisor = Supervisor {
            to: listener(path.into()),
            watchdog: Some(Duration::from_secs(10)),
        };
        let alive = supervisor.keep_telling(async || ());
        let ended = tokio::time::timeout(Duration::from_secs(14), alive).await;
        assert!(ended.is_err(), "it goes on");
        heard.set_nonblocking(true).expect("a socket's option");
        let mut bytes = [0; 64];
        let count = std::iter::from_fn(|| heard.recv(&mut bytes).ok()).count();
        assert_eq!(count, 3, "at 0, 5 and 10 seconds");
    }

    /// Goal: a node of which a part hangs is silent. Method: it answers twice and then never.
    #[tokio::test(start_paused = true)]
    async fn there_is_no_sign_of_life_when_a_task_hangs() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let heard = UnixDatagram::bind(&path).expect("a socket");
        let supervisor = Supervisor {
            to: listener(path.into()),
            watchdog: Some(Duration::from_secs(10)),
        };
        let answers = std::cell::Cell::new(2);
        let alive = supervisor.keep_telling(async || {
            if answers.replace(answers.get() - 1) == 0 {
                std::future::pending().await
            }
        });
        let ended = tokio::time::timeout(Duration::from_secs(60), alive).await;
        assert!(ended.is_err(), "it goes on");
        heard.set_nonblocking(true).expect("a socket's option");
        let mut bytes = [0; 64];
        let count = std::iter::from_fn(|| heard.recv(&mut bytes).ok()).count();
        assert_eq!(count, 2, "and none after the last answer");
    }
}
