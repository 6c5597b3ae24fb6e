//! Goal: a validator whose key is in a signer of its own votes while the signer is there, follows
//! while it is not, and never signs twice, whatever is lost on the node's side.
//!
//! Everything is a real process: four nodes, and `allod-node signer` beside them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use allod_identity_client::rpc::Client;
use allod_tests::devnet::{Devnet, program};
use jsonrpsee::core::params::ArrayParams;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::support::{height, until, wait_height};

const MINUTE: Duration = Duration::from_secs(60);

/// The signer of one of a network's validators.
struct Signer {
    dir: PathBuf,
    chain_spec: PathBuf,
    child: Option<Child>,
}

impl Signer {
    /// Moves node `index`'s key and guard, which must not be running, to a signer that runs.
    fn take_over(net: &Devnet, index: usize) -> Self {
        let dir = net.dir().join("signer");
        std::fs::create_dir(&dir).unwrap();
        let node = net.dir().join(format!("node-{index}"));
        let rename = |from: &Path, to: &str| std::fs::rename(from, dir.join(to)).unwrap();
        rename(&node.join("validator.key"), "validator.key");
        rename(&node.join("data/sign-guard"), "sign-guard");
        let mut signer = Self {
            dir,
            chain_spec: net.dir().join("chain-spec.json"),
            child: None,
        };
        signer.use_by(net, index);
        signer.start();
        signer
    }

    /// Has node `index` ask this signer from its next start on.
    fn use_by(&self, net: &Devnet, index: usize) {
        let config = net.dir().join(format!("node-{index}/config.toml"));
        let text = std::fs::read_to_string(&config).unwrap();
        let key = "validator = \"validator.key\"";
        assert!(text.contains(key), "{text}");
        let socket = format!("signer = {:?}", self.dir.join("socket"));
        std::fs::write(config, text.replace(key, &socket)).unwrap();
    }

    fn command(&self, flags: &[&str]) -> Command {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.join("log"))
            .unwrap();
        let mut command = Command::new(program("allod-node").unwrap());
        command.arg("signer").args(flags);
        for (flag, file) in [
            ("--key", "validator.key"),
            ("--guard", "sign-guard"),
            ("--listen", "socket"),
        ] {
            command.arg(flag).arg(self.dir.join(file));
        }
        command.arg("--chain-spec").arg(&self.chain_spec);
        command.stderr(log).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    fn start(&mut self) {
        self.start_with(&[]);
    }

    fn start_with(&mut self, flags: &[&str]) {
        assert!(self.child.is_none());
        self.child = Some(self.command(flags).spawn().unwrap());
    }

    /// Ends it by `signal` and returns its exit code, if it has one.
    async fn end(&mut self, signal: &str) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        let id = child.id().unwrap().to_string();
        let sent = Command::new("kill")
            .args(["-s", signal, &id])
            .status()
            .await;
        assert!(sent.unwrap().success());
        child.wait().await.unwrap().code()
    }

    /// Runs it with other flags, which it must refuse; returns exit code and words.
    async fn refused(&self, flags: &[&str]) -> (i32, String) {
        let mut command = self.command(flags);
        let output = command.stderr(Stdio::piped()).output().await.unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), words)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap()
    }
}

/// Returns a metric of a node, if it answers and has it.
async fn metric(net: &Devnet, index: usize, name: &str) -> Option<u64> {
    let url = net.text(&format!("/nodes/{index}/rpc")).unwrap();
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.ok()?;
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

async fn reachable(net: &Devnet, index: usize, expected: u64) {
    until("the node knows about its signer", MINUTE, || async {
        let found = metric(net, index, "allod_signer_reachable ").await;
        found.filter(|found| *found == expected)
    })
    .await;
}

/// Waits until nodes are a few blocks further than `index` is now.
async fn go_on(net: &Devnet, index: usize) {
    let client = net.client(index).unwrap();
    let tip = until("a node answers", MINUTE, || height(&client)).await;
    wait_height(&client, tip + 3, MINUTE).await;
}

async fn nobody_signed_twice(net: &Devnet, nodes: &[usize]) {
    for node in nodes {
        let evidence = metric(net, *node, "allod_evidence_total ").await;
        assert_eq!(evidence, Some(0), "node {node} has proof of double signing");
    }
}

/// Method: validator 3 gets a signer. With validator 2 dead every block needs validator 3's vote,
/// which shows that it votes; without its signer the chain then stands, and goes on by itself when
/// the signer, killed amid voting, is back. Then the node loses its disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_validator_with_a_signer_outlives_both_signer_and_disk() {
    let net = Devnet::start(4, &[]).await.unwrap();
    net.kill(3).await.unwrap();
    let mut signer = Signer::take_over(&net, 3);
    net.restart(3).await.unwrap();
    reachable(&net, 3, 1).await;
    net.kill(2).await.unwrap();
    go_on(&net, 0).await;

    // Three times: killed while all votes are needed.
    let third = net.client(3).unwrap();
    for _ in 0..3 {
        signer.end("KILL").await;
        reachable(&net, 3, 0).await;
        let stuck = height(&third).await.unwrap();
        assert!(height(&net.client(0).unwrap()).await.unwrap() <= stuck + 1);
        signer.start();
        reachable(&net, 3, 1).await;
        go_on(&net, 0).await;
    }

    // While it is away and not needed, its node follows.
    net.restart(2).await.unwrap();
    go_on(&net, 2).await;
    assert_eq!(signer.end("TERM").await, Some(0), "{}", signer.log());
    assert!(!signer.dir.join("socket").exists());
    reachable(&net, 3, 0).await;
    go_on(&net, 3).await;

    // Nobody starts over by accident.
    let (code, words) = signer.refused(&["--new-guard"]).await;
    assert_eq!(code, 13);
    assert!(words.contains("there is a sign guard at"), "{words}");
    let kept = signer.dir.join("sign-guard.kept");
    std::fs::rename(signer.dir.join("sign-guard"), &kept).unwrap();
    let (code, words) = signer.refused(&[]).await;
    assert_eq!(code, 13);
    assert!(words.contains("there is no sign guard at"), "{words}");
    std::fs::rename(&kept, signer.dir.join("sign-guard")).unwrap();
    signer.start();
    reachable(&net, 3, 1).await;

    // The node loses everything but its configuration; the signer knows what was signed.
    net.kill(3).await.unwrap();
    std::fs::remove_dir_all(net.dir().join("node-3/data")).unwrap();
    net.restart(3).await.unwrap();
    let tip = height(&net.client(0).unwrap()).await.unwrap();
    wait_height(&third, tip, 2 * MINUTE).await;
    net.kill(2).await.unwrap();
    go_on(&net, 0).await;
    nobody_signed_twice(&net, &[0, 1, 3]).await;
    net.stop().await.unwrap();
}

/// Method: two nodes are set up for one signer. The second gives up, loudly; when the first is
/// killed, it takes the signer over and votes in the same name; then the first comes back. Every
/// block needs that name's vote.
#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_with_one_signer_take_turns_and_never_sign_twice() {
    let net = Devnet::start(4, &[]).await.unwrap();
    net.kill(3).await.unwrap();
    net.kill(2).await.unwrap();
    let signer = Signer::take_over(&net, 3);
    signer.use_by(&net, 2);
    net.restart(3).await.unwrap();
    reachable(&net, 3, 1).await;
    go_on(&net, 0).await;
    for (first, second) in [(3, 2), (2, 3)] {
        net.restart(second).await.unwrap();
        let ended = until("the second node gives up", MINUTE, || async {
            let status = net.control(&["status"]).await.ok()?;
            let ended = &status["nodes"][second]["ended"];
            ended.as_str().map(str::to_owned)
        });
        assert_eq!(ended.await, "exit status: 3");
        let log = net.dir().join(format!("node-{second}/node.log"));
        let log = std::fs::read_to_string(log).unwrap();
        assert!(log.contains("serves another node"), "{log}");
        net.kill(first).await.unwrap();
        net.restart(second).await.unwrap();
        reachable(&net, second, 1).await;
        go_on(&net, 0).await;
        nobody_signed_twice(&net, &[0, 1, second]).await;
    }
    assert!(
        signer
            .log()
            .contains("two nodes are set up for one validator")
    );
    net.stop().await.unwrap();
}

/// Method: a validator that holds its own key loses its guard, then the whole of its data, and
/// comes back as docs/node.md says. It keeps silent for a good minute of the chain's time, which
/// the network travels, and then votes: every block needs it.
#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_lost_its_guard_keeps_silent_and_comes_back() {
    let net = Devnet::start(4, &[]).await.unwrap();
    net.kill(3).await.unwrap();
    std::fs::remove_file(net.dir().join("node-3/data/sign-guard")).unwrap();
    net.restart(3).await.unwrap();
    go_on(&net, 3).await;
    let log = net.dir().join("node-3/node.log");
    let silent = std::fs::read_to_string(&log).unwrap();
    assert!(
        silent.contains("is missing: nothing is signed until"),
        "{silent}"
    );
    assert!(silent.contains("the guard was lost"), "{silent}");
    net.advance(2 * MINUTE).await;
    net.kill(2).await.unwrap();
    go_on(&net, 0).await;
    net.restart(2).await.unwrap();

    // Everything is lost: first as an observer, then with the key again.
    net.kill(3).await.unwrap();
    std::fs::remove_dir_all(net.dir().join("node-3/data")).unwrap();
    let config = net.dir().join("node-3/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let without = text.replace("validator = \"validator.key\"", "");
    assert_ne!(text, without);
    std::fs::write(&config, without).unwrap();
    net.restart(3).await.unwrap();
    let tip = height(&net.client(0).unwrap()).await.unwrap();
    wait_height(&net.client(3).unwrap(), tip, 2 * MINUTE).await;
    net.kill(3).await.unwrap();
    std::fs::write(&config, text).unwrap();
    net.restart(3).await.unwrap();
    go_on(&net, 3).await;
    net.advance(2 * MINUTE).await;
    net.kill(2).await.unwrap();
    go_on(&net, 0).await;
    nobody_signed_twice(&net, &[0, 1, 3]).await;
    net.stop().await.unwrap();
}

/// Starts a node again whose log was lost, as docs/node.md says: a log that contradicts itself is
/// moved away, the guard never.
async fn restart_without_log(net: &Devnet, index: usize) {
    let log = net.dir().join(format!("node-{index}/data/consensus.wal"));
    std::fs::remove_file(&log).unwrap();
    net.restart(index).await.unwrap();
    let client = net.client(index).unwrap();
    until("the node is back", 2 * MINUTE, || async {
        let status = net.control(&["status"]).await.ok()?;
        if status["nodes"][index]["ended"] == "exit status: 13" {
            std::fs::remove_file(&log).unwrap();
            net.restart(index).await.unwrap();
        }
        height(&client).await
    })
    .await;
}

/// Goal: what docs/node.md and spec/storage.md §5 say of a log that is lost, with the guard still
/// there: nothing is signed twice, and the validator votes on. Method: again and again it is killed
/// amid voting and loses its log; every block needs its vote, and the others look for evidence.
/// The other way round is the test above.
#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_lost_its_log_but_not_its_guard_votes_on_and_never_twice() {
    let net = Devnet::start(4, &[]).await.unwrap();
    net.kill(2).await.unwrap();
    for _ in 0..4 {
        go_on(&net, 0).await;
        net.kill(3).await.unwrap();
        restart_without_log(&net, 3).await;
        go_on(&net, 0).await;
        nobody_signed_twice(&net, &[0, 1, 3]).await;
    }
    net.stop().await.unwrap();
}

/// Goal: a network that stands because half of it lost its guards goes on by the agreement of its
/// operators, as docs/operator.md §6 has it, and no sooner. Method: its commands, with real nodes, one
/// of which has a signer; the ten minutes' wait is had by setting back when the losses were said.
#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_lost_half_its_guards_goes_on_by_agreement() {
    let net = Devnet::start(4, &[]).await.unwrap();
    go_on(&net, 0).await;
    for node in [2, 3] {
        net.kill(node).await.unwrap();
    }
    let mut signer = Signer::take_over(&net, 3);
    until("the signer runs", MINUTE, || async {
        signer.log().contains("the signer runs").then_some(())
    })
    .await;
    signer.end("TERM").await;
    let guards = [
        net.dir().join("node-2/data/sign-guard"),
        signer.dir.join("sign-guard"),
    ];
    for guard in &guards {
        std::fs::remove_file(guard).unwrap();
    }
    signer.start_with(&["--guard-lost"]);
    for node in [2, 3] {
        net.restart(node).await.unwrap();
    }
    for node in [2, 3] {
        let log = net.dir().join(format!("node-{node}/node.log"));
        until("the guard is silent", MINUTE, || async {
            let log = std::fs::read_to_string(&log).ok()?;
            log.contains("the guard was lost").then_some(())
        })
        .await;
    }
    let tip = one_last_block(&net).await;
    // Each guard was asked about the height that stands, too.
    for guard in &guards {
        until("the guard was told of the last block", MINUTE, || async {
            let bytes = std::fs::read(guard).ok()?;
            (bytes.get(86..94)? == tip.to_le_bytes()).then_some(())
        })
        .await;
    }
    let first = net.client(0).unwrap();
    let hash = block_hash(&first, tip).await;
    let before = block_hash(&first, tip - 1).await;
    for node in [2, 3] {
        net.kill(node).await.unwrap();
    }
    signer.end("TERM").await;

    let agree = |height: u64, hash: &str| {
        let height = height.to_string();
        let said = ["--height", &height, "--hash", hash];
        let config = ["guard", "agree", "--config", "node-2/config.toml"];
        by_hand(&net, &[&config[..], &said].concat())
    };
    let refused = |child: Child, why: &'static str| async move {
        let refused = child.wait_with_output().await.unwrap();
        let words = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{words}");
        assert!(words.contains(why), "{words}");
    };
    let soon = "less than 10 minutes ago";
    refused(agree(tip, &hash), soon).await;
    let (last, other) = (tip.to_string(), (tip - 1).to_string());
    let (code, words) = signer.refused(&["--guard-agreed", &last]).await;
    assert!(code == 13 && words.contains(soon), "{code}: {words}");
    for guard in &guards {
        set_back(guard, 11 * MINUTE);
    }
    let not_it = "is not what was agreed upon";
    refused(agree(tip - 1, &before), not_it).await;
    refused(agree(tip, &before), not_it).await;
    let (code, words) = signer.refused(&["--guard-agreed", &other]).await;
    assert!(code == 13 && words.contains("the node told"), "{words}");
    let done = agree(tip, &hash).wait_with_output().await.unwrap();
    assert!(done.status.success(), "{done:?}");
    signer.start_with(&["--guard-agreed", &last]);
    for node in [2, 3] {
        net.restart(node).await.unwrap();
    }
    for node in 0..4 {
        wait_height(&net.client(node).unwrap(), tip + 3, MINUTE).await;
    }
    // A flag that was left in a unit file changes nothing more.
    signer.end("TERM").await;
    signer.start_with(&["--guard-agreed", &last]);
    reachable(&net, 3, 1).await;
    go_on(&net, 3).await;
    signer.end("TERM").await;
    net.stop().await.unwrap();
}

/// Waits until four nodes, of which two vote, have one last block.
async fn one_last_block(net: &Devnet) -> u64 {
    let first = net.client(0).unwrap();
    until("all have one last block", MINUTE, || async {
        let tip = height(&first).await?;
        for node in 1..4 {
            let found = height(&net.client(node).ok()?).await?;
            if found != tip {
                return None;
            }
        }
        Some(tip)
    })
    .await
}

/// Makes of a loss that a node was told about one that was said earlier (spec/storage.md §1).
fn set_back(guard: &Path, by: Duration) {
    let mut bytes = std::fs::read(guard).unwrap();
    assert_eq!(bytes[77], 2, "it was lost, and asked since");
    let since = u64::from_le_bytes(bytes[78..86].try_into().unwrap());
    let earlier = since - u64::try_from(by.as_millis()).unwrap();
    bytes[78..86].copy_from_slice(&earlier.to_le_bytes());
    std::fs::write(guard, bytes).unwrap();
}

async fn block_hash(client: &Client, height: u64) -> String {
    let mut parameters = ArrayParams::new();
    parameters.insert(height).unwrap();
    let asked = client.call("chain_getBlockHash", parameters, Duration::ZERO);
    asked.await.unwrap()
}

/// Runs `allod-node` in the folder of a network.
fn by_hand(net: &Devnet, arguments: &[&str]) -> Child {
    Command::new(program("allod-node").unwrap())
        .args(arguments)
        .current_dir(net.dir())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Sends SIGTERM, on which the process must end as after any orderly stop.
async fn ends_at_sigterm(child: Child) {
    let id = child.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-s", "TERM", &id]).status();
    assert!(sent.await.unwrap().success());
    let ended = tokio::time::timeout(Duration::from_secs(10), child.wait_with_output());
    let ended = ended.await.expect("it ends long before it would by itself");
    let ended = ended.unwrap();
    let words = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "{words}");
    assert!(words.contains("stopped before it ran"), "{words}");
}

/// Goal: whoever waits at its start, for a signer or for a passphrase, ends when it is told to.
/// Method: a socket where nobody listens; a passphrase that comes from a pipe, which has been
/// opened when the process waits at it.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_or_signer_that_waits_at_its_start_ends_at_sigterm() {
    let net = Devnet::start(1, &[]).await.unwrap();
    net.kill(0).await.unwrap();
    let (pipe, word) = (net.dir().join("pipe"), net.dir().join("passphrase"));
    let made = Command::new("mkfifo")
        .args(["-m", "600"])
        .arg(&pipe)
        .status();
    assert!(made.await.unwrap().success());
    std::fs::write(&word, "correct horse\n").unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&word, private).unwrap();
    for key in ["node-0/network.key", "node-0/validator.key"] {
        let new = ["--new-passphrase-file", "passphrase"];
        let changed = by_hand(
            &net,
            &[&["keys", "change-passphrase", key], &new[..]].concat(),
        );
        let changed = changed.wait_with_output().await.unwrap();
        assert!(changed.status.success(), "{changed:?}");
    }
    let node = ["run", "--config", "node-0/config.toml"];
    let signer = [
        ["signer", "--key"],
        ["node-0/validator.key", "--guard"],
        ["node-0/data/sign-guard", "--listen"],
        ["socket", "--chain-spec"],
    ];
    let signer = [signer.as_flattened(), &["chain-spec.json"]].concat();
    for waits in [&node[..], &signer] {
        let child = by_hand(&net, &[waits, &["--passphrase-file", "pipe"]].concat());
        let pipe = pipe.clone();
        let opened = tokio::task::spawn_blocking(|| std::fs::File::create(pipe));
        let _writer = tokio::time::timeout(MINUTE, opened).await.unwrap().unwrap();
        ends_at_sigterm(child).await;
    }

    let config = net.dir().join("node-0/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let key = "validator = \"validator.key\"";
    assert!(text.contains(key), "{text}");
    std::fs::write(&config, text.replace(key, "signer = \"nobody\"")).unwrap();
    let mut child = by_hand(
        &net,
        &[&node[..], &["--passphrase-file", "passphrase"]].concat(),
    );
    let mut read = String::new();
    let stderr = child.stderr.as_mut().unwrap();
    while !read.contains("waiting for the signer") {
        let mut bytes = [0; 1024];
        let count = stderr.read(&mut bytes).await.unwrap();
        assert_ne!(count, 0, "{read}");
        read.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    ends_at_sigterm(child).await;
    net.stop().await.unwrap();
}
