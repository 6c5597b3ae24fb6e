//! Runs the binary in a home of its own, with nothing of this process's environment.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// A home folder and the node to talk to.
pub(crate) struct User {
    pub(crate) home: TempDir,
    pub(crate) node: String,
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl User {
    pub(crate) fn new(node: &str) -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            node: node.to_owned(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Done {
        self.run_with(arguments, &[], "").await
    }

    /// Runs a command that must succeed; returns standard output.
    pub(crate) async fn ok(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments).await;
        assert_eq!(done.code, 0, "{arguments:?}: {done:?}");
        done.stdout.trim_end().to_owned()
    }

    /// Runs a command with `--json` that must succeed; returns its object.
    pub(crate) async fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let text = self.ok(&arguments).await;
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) async fn run_with(
        &self,
        arguments: &[&str],
        environment: &[(&str, &str)],
        input: &str,
    ) -> Done {
        let mut command = Command::new(env!("CARGO_BIN_EXE_allod"));
        command
            .args(arguments)
            .current_dir(self.home.path())
            .env_clear()
            .env("HOME", self.home.path())
            .env("ALLOD_NODE", &self.node)
            .env("ALLOD_UNSAFE_PLAIN", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, value) in environment {
            command.env(name, value);
        }
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // Commands that read nothing may be gone already.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = child.wait_with_output().await.unwrap();
        Done {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Writes a registrar's key file and returns its path.
    pub(crate) async fn registrar(&self) -> String {
        let path = self.path("registrar.json");
        self.ok(&["key", "new", &path]).await;
        assert!(Path::new(&path).exists());
        path
    }
}
