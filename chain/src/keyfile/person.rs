//! Waiting for a person, or for whatever else gives a passphrase, without holding up the process:
//! a signal must end it meanwhile, and leave the terminal as it was.

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::process::{Command, Stdio};

use tokio::sync::oneshot;

/// Has the terminal show again what is typed: whoever asked there for a passphrase will not be
/// there to do so.
pub(crate) fn leave_terminal() {
    if !io::stdin().is_terminal() {
        return;
    }
    let Ok(tty) = File::open("/dev/tty") else {
        return;
    };
    let mut stty = Command::new("stty");
    stty.args(["echo", "-echonl", "icanon", "isig"]).stdin(tty);
    // Where there is no such program a shell does the same.
    let _ = stty.stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// Does `work` on a thread that the end of the process does not wait for.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = oneshot::channel();
    std::thread::spawn(move || {
        // Nobody waits any more if the process ends.
        let _ = done.send(work());
    });
    result.await.expect("the work does not panic")
}
