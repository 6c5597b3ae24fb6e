//! Goal: what README and tutorial show is what a user sees.
//! Method: every `console` block of the pages is run, line by line, in one shell against a fresh
//! network. A line that starts with `$ ` is a command; the lines after it are what it must print,
//! in order, on either output; `…` stands for any text.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use allod_tests::devnet::{Devnet, program};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

#[derive(Debug)]
struct Step {
    line: usize,
    command: String,
    expected: Vec<String>,
}

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if inside {
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step {
                    line: number + 1,
                    command: command.to_owned(),
                    expected: Vec::new(),
                }),
                // A command goes on after a backslash.
                (None, Some(step)) if step.command.ends_with('\\') => {
                    step.command.push('\n');
                    step.command.push_str(line);
                }
                (None, Some(step)) => step.expected.push(line.to_owned()),
                (None, None) => panic!("line {}: output before any command", number + 1),
            }
        }
    }
    steps
}

/// Returns whether `line` is `pattern`, where `…` stands for any text.
fn matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.trim_end().split('…');
    let line = line.trim_end();
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn an_ellipsis_stands_for_any_text() {
    assert!(matches("did … at height …", "did abc at height 7"));
    assert!(matches("a … b", "a x b b"));
    assert!(matches("exact", "exact"));
    assert!(!matches("exact", "exactly"));
    assert!(!matches("a … b", "a x c"));
}

async fn run_page(name: &str, net: &Devnet, folder: &Path) {
    let text = std::fs::read_to_string(page(name)).unwrap();
    let steps = steps(&text);
    assert!(steps.len() > 3, "{name} has commands");
    let programs = program("allod").unwrap().parent().unwrap().to_owned();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash")
        .current_dir(folder)
        .env("PATH", path)
        .env("ALLOD_HOME", folder.join("home"))
        .env("ALLOD_NODE", net.text("/nodes/0/rpc").unwrap())
        .env(
            "ALLOD_REGISTRAR_KEY",
            net.text("/keys/registrar/file").unwrap(),
        )
        .env("ALLOD_DEVNET", net.dir())
        .env("ALLOD_UNSAFE_PLAIN", "true")
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = shell.stdin.take().unwrap();
    let mut output = BufReader::new(shell.stdout.take().unwrap()).lines();
    input.write_all(b"exec 2>&1\n").await.unwrap();
    let mut wrong = Vec::new();
    for step in steps {
        let script = format!("{}\necho; echo \"=== done\"\n", step.command);
        input.write_all(script.as_bytes()).await.unwrap();
        let mut printed = Vec::new();
        loop {
            let line = output.next_line().await.unwrap().expect("the shell lives");
            if line == "=== done" {
                break;
            }
            printed.push(line);
        }
        // The `echo` that makes sure the marker begins a line.
        printed.pop();
        let same = printed.len() == step.expected.len()
            && step
                .expected
                .iter()
                .zip(&printed)
                .all(|(pattern, line)| matches(pattern, line));
        if !same {
            wrong.push(format!(
                "{name}:{}: $ {}\n--- expected\n{}\n--- printed\n{}",
                step.line,
                step.command,
                step.expected.join("\n"),
                printed.join("\n")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_show_what_a_user_sees() {
    let net = Devnet::start(4, &[]).await.unwrap();
    for name in ["README.md", "docs/tutorial.md", "docs/recovery.md"] {
        let folder = tempfile::tempdir().unwrap();
        run_page(name, &net, folder.path()).await;
    }
    net.stop().await.unwrap();
}

/// Method: the same three days later, with a home in the network's folder as the README has it.
#[tokio::test(flavor = "multi_thread")]
async fn the_pages_hold_on_a_network_that_has_travelled() {
    let net = Devnet::start(4, &[]).await.unwrap();
    net.advance(std::time::Duration::from_secs(72 * 3600)).await;
    run_page("README.md", &net, net.dir()).await;
    std::fs::remove_dir_all(net.dir().join("home")).unwrap();
    run_page("docs/tutorial.md", &net, net.dir()).await;
    net.stop().await.unwrap();
}
