//! Transcripts: what a command prints is compared with `tests/cli/transcripts/*.txt`.
//!
//! ```text
//! $ command           run in a shell of one user's empty home, without a node
//! line                of standard output
//! ! line              of standard error
//! ? 2                 exit code, if not 0
//! ```
//!
//! `ALLOD_BLESS=1` writes what is printed now into the files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::User;

/// Nothing listens on port 1.
const NOWHERE: &str = "http://127.0.0.1:1";

async fn check(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/transcripts");
    let path: PathBuf = folder.join(format!("{name}.txt"));
    let expected = fs::read_to_string(&path).unwrap();
    let user = User::new(NOWHERE);
    let mut actual = String::new();
    for line in expected.lines() {
        let command = match line.strip_prefix("$ ") {
            Some(command) => command,
            None if line.starts_with('#') => {
                actual.push_str(line);
                actual.push('\n');
                continue;
            }
            None => continue,
        };
        actual.push_str(&transcript(&user, line, command).await);
    }
    if std::env::var_os("ALLOD_BLESS").is_some() {
        fs::write(&path, &actual).unwrap();
        return;
    }
    let difference = expected.lines().zip(actual.lines()).find(|(a, b)| a != b);
    let hint = "if it is meant, run with ALLOD_BLESS=1";
    assert_eq!(expected, actual, "first difference {difference:?}; {hint}");
}

async fn transcript(user: &User, line: &str, command: &str) -> String {
    let mut words: Vec<&str> = command.split_whitespace().collect();
    assert_eq!(words.remove(0), "allod");
    let done = user.run(&words).await;
    let mut out = format!("{line}\n");
    for text in done.stdout.lines() {
        out.push_str(text.trim_end());
        out.push('\n');
    }
    for text in done.stderr.lines() {
        out.push_str(format!("! {}", text.trim_end()).trim_end());
        out.push('\n');
    }
    if done.code != 0 {
        out.push_str(&format!("? {}\n", done.code));
    }
    let home = user.home.path().display().to_string();
    random_digits(&out.replace(&home, "HOME"))
}

/// Replaces keys and addresses, which are random.
fn random_digits(text: &str) -> String {
    let name = |word: &str| match word.len() {
        66 if word.starts_with("0x") => "0xKEY".to_owned(),
        48 if word.starts_with('5') => "ADDRESS".to_owned(),
        _ => word.to_owned(),
    };
    let (mut out, mut word) = (String::new(), String::new());
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            word.push(c);
        } else {
            out.push_str(&name(&word));
            out.push(c);
            word.clear();
        }
    }
    out + &name(&word)
}

#[tokio::test]
async fn help_of_every_command_is_as_written() {
    check("help").await;
}

#[tokio::test]
async fn wrong_usage_is_told_with_a_hint() {
    check("usage").await;
}

#[tokio::test]
async fn key_files_are_made_and_shown() {
    check("keys").await;
}
