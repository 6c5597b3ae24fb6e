//! What a command prints, and where.

use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use serde_json::Value;

use crate::failure::{Exit, Failure};

/// What a command has to say when it is done.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// Standard output for people: lines of data, without the last line's end.
    pub text: String,
    /// Standard output for programs.
    pub json: Value,
    /// Standard error, for people only.
    pub notes: Vec<String>,
    /// What to do next, for people only.
    pub hint: Option<String>,
    /// Whether the answer is a no (exit 1).
    pub negative: bool,
}

impl Report {
    pub(crate) fn new(text: impl Into<String>, json: Value) -> Self {
        Self {
            text: text.into(),
            json,
            notes: Vec::new(),
            hint: None,
            negative: false,
        }
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

/// Where output goes and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Console {
    json: bool,
    quiet: bool,
    color: bool,
}

const PATIENCE: Duration = Duration::from_secs(2);
const REPEAT: Duration = Duration::from_secs(5);

impl Console {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
        Self {
            json,
            quiet,
            color: wanted && io::stderr().is_terminal(),
        }
    }

    /// Returns whether output is for programs.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Prints the report; returns the exit code.
    pub(crate) fn report(&self, report: &Report) -> u8 {
        for note in &report.notes {
            self.note(note);
        }
        if let Some(hint) = report.hint.as_ref().filter(|_| !self.quiet && !self.json) {
            eprintln!("{} {hint}", self.painted("36", "hint:"));
        }
        if self.json {
            print(&report.json.to_string());
        } else if !report.text.is_empty() {
            print(&report.text);
        }
        u8::from(report.negative)
    }

    /// Prints the failure; returns the exit code.
    pub(crate) fn failure(&self, failure: &Failure) -> u8 {
        if failure.exit == Exit::Printed {
            print(&failure.message);
        } else if self.json {
            eprintln!("{}", failure.json());
        } else {
            let error = self.painted("31;1", "error:");
            let code = failure.code.map(|it| format!(" ({it} {})", failure.slug));
            let code = code.unwrap_or_default();
            eprintln!("allod: {error} {}{code}", failure.message);
            eprintln!("{} {}", self.painted("36", "hint:"), failure.hint);
        }
        failure.exit.code()
    }

    /// Tells people something that is neither data nor an error.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet && !self.json {
            eprintln!("allod: {text}");
        }
    }

    /// Prints a line of data while the command goes on.
    pub(crate) fn line(&self, text: &str) {
        print(text);
    }

    /// Prints news; what is grave in red and with a bell, where there is a person to hear it.
    pub(crate) fn alert(&self, text: &str, grave: bool) {
        if grave && self.color && io::stdout().is_terminal() {
            print(&format!("\x07\x1b[31;1m{text}\x1b[0m"));
        } else {
            print(text);
        }
    }

    /// Waits for `work`, and says so if it takes longer than two seconds.
    pub(crate) fn during<T>(
        &self,
        what: &str,
        work: impl Future<Output = T>,
    ) -> impl Future<Output = T> {
        // On the heap: what asks several nodes and checks their answers is large.
        let mut work = Box::pin(work);
        async move {
            let mut waited = PATIENCE;
            let mut next = PATIENCE;
            loop {
                match tokio::time::timeout(next, &mut work).await {
                    Ok(done) => return done,
                    Err(_) => self.note(&format!("{what} ({} s)", waited.as_secs())),
                }
                next = REPEAT;
                waited = waited.saturating_add(REPEAT);
            }
        }
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.into()
        }
    }
}

/// Prints a line. Whoever closed the other end does not want to hear more.
fn print(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}
