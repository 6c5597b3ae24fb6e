//! Goal: what README and tutorial show is what a user sees.
//! Method: every `console` block of the pages is run, line by line, in one shell against a fresh
//! network. A line that starts with `$ ` is a command; the lines after it are what it must print,
//! in order, on either output; `…` stands for any text.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use allod_tests::devnet::{Devnet, program};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

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

/// A shell in which pages are run, in a process group of its own that ends with it.
pub(crate) struct Shell {
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    group: u32,
    _child: Child,
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Whatever a page left in the background.
        let group = format!("-{}", self.group);
        let _ = std::process::Command::new("kill")
            .args(["-KILL", "--", &group])
            .status();
    }
}

impl Shell {
    /// Starts a shell in `folder` that finds our programs, with more variables.
    pub(crate) async fn start(folder: &Path, variables: &[(&str, &OsStr)]) -> Self {
        let programs = program("allod").unwrap().parent().unwrap().to_owned();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let mut child = Command::new("bash")
            .current_dir(folder)
            .env("PATH", path)
            .env("ALLOD_HOME", folder.join("home"))
            .env("NO_COLOR", "1")
            .envs(variables.iter().copied())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        input.write_all(b"exec 2>&1\n").await.unwrap();
        Self {
            input,
            output,
            group: child.id().unwrap(),
            _child: child,
        }
    }

    /// Runs a page's commands; each must print what the page says.
    pub(crate) async fn run_page(&mut self, name: &str) {
        let text = std::fs::read_to_string(page(name)).unwrap();
        let steps = steps(&text);
        assert!(steps.len() > 3, "{name} has commands");
        let mut wrong = Vec::new();
        for step in steps {
            let printed = self.run(&step.command).await;
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

    /// Runs a command and returns the lines that it printed.
    pub(crate) async fn run(&mut self, command: &str) -> Vec<String> {
        let script = format!("{command}\necho; echo \"=== done\"\n");
        self.input.write_all(script.as_bytes()).await.unwrap();
        let mut printed = Vec::new();
        loop {
            let line = self.output.next_line().await.unwrap();
            let line = line.expect("the shell lives");
            if line == "=== done" {
                break;
            }
            printed.push(line);
        }
        // The `echo` that makes sure the marker begins a line.
        printed.pop();
        printed
    }
}

async fn run_page(name: &str, net: &Devnet, folder: &Path) {
    let variables = [
        ("ALLOD_NODE", net.text("/nodes/0/rpc").unwrap().as_ref()),
        (
            "ALLOD_REGISTRAR_KEY",
            net.text("/keys/registrar/file").unwrap().as_ref(),
        ),
        ("ALLOD_DEVNET", net.dir().as_os_str()),
        ("ALLOD_UNSAFE_PLAIN", "true".as_ref()),
    ];
    Shell::start(folder, &variables).await.run_page(name).await;
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
