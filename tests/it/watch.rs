//! Goal: an owner who watches learns of every change once, also when the node goes away meanwhile.

use std::process::Stdio;
use std::time::Duration;

use allod_rpc_api::submit::SubmitItem;
use allod_tests::devnet::{Devnet, program};
use allod_tests::people::{Account, Person};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::{submit_all, wait_height};

const MINUTE: Duration = Duration::from_secs(60);

/// A running `allod watch --json`.
struct Watcher {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watcher {
    fn start(net: &Devnet, node: usize, home: &std::path::Path, words: &[&str]) -> Self {
        let node = net.text(&format!("/nodes/{node}/rpc")).unwrap();
        let mut command = Command::new(program("allod").unwrap());
        command.args(["watch", "--json", "--node", node, "--home"]);
        command.arg(home).args(words);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line that `is` one; others of the kind `state` are passed over.
    async fn next(&mut self, is: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                let line = self.lines.next_line().await.unwrap().expect("a line");
                let line: Value = serde_json::from_str(&line).unwrap();
                if is(&line) {
                    return line;
                }
                assert!(
                    line.get("state").is_some(),
                    "told twice or too early: {line}"
                );
            }
        };
        tokio::time::timeout(MINUTE, found).await.unwrap()
    }

    async fn change(&mut self, n: u64) -> Value {
        self.next(|line| line["entry"]["n"] == n).await
    }

    async fn end(mut self) {
        let status = tokio::time::timeout(MINUTE, self.child.wait()).await;
        assert!(status.unwrap().unwrap().success());
    }
}

/// Method: a watcher sees the first change. Its node is killed, and it says so. The second change
/// is made at another node; when the watcher's node is back it tells that one, and ends because it
/// was to tell two. A second run goes on after what the first has told.
#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_whose_node_dies_misses_nothing_and_tells_nothing_twice() {
    let net = Devnet::start(4, &[]).await.unwrap();
    let client = net.client(0).unwrap();
    let context = client.context().await.unwrap();
    let secret = net.secret("/keys/registrar").unwrap();
    let mut registrar = Account::new(&client, secret).await.unwrap();
    let (mut person, inception) = Person::new(&context, 1, 0).unwrap();
    submit_all(&client, vec![registrar.batch(&[inception])]).await;

    let home = tempfile::tempdir().unwrap();
    let did = person.did.to_string();
    let words = [did.as_str(), "--from", "0", "--count", "2"];
    let mut watcher = Watcher::start(&net, 1, home.path(), &words);
    let first = watcher.change(0).await;
    assert_eq!(first["entry"]["action"], "incept", "{first}");

    net.kill(1).await.unwrap();
    watcher.next(|line| line["state"] == "disconnected").await;
    let rotation = person.rotate().unwrap();
    let outcomes = submit_all(&client, vec![SubmitItem::operation(&rotation)]).await;
    net.restart(1).await.unwrap();
    let second = watcher.change(1).await;
    assert_eq!(second["entry"]["height"], outcomes[0].height.unwrap());
    watcher.end().await;

    let rotation = person.rotate().unwrap();
    let outcomes = submit_all(&client, vec![SubmitItem::operation(&rotation)]).await;
    let height = outcomes[0].height.unwrap();
    wait_height(&net.client(1).unwrap(), height - 1, MINUTE).await;
    let mut again = Watcher::start(&net, 1, home.path(), &[did.as_str(), "--count", "1"]);
    let third = again.change(2).await;
    assert_eq!(third["entry"]["height"], height);
    again.end().await;
    net.stop().await.unwrap();
}
