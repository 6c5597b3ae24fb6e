//! What the operator of a running node asks it: over its socket, and nowhere else.

use std::path::{Path, PathBuf};
use std::time::Duration;

use allod_tests::devnet::{Devnet, program};
use serde_json::{Value, json};

use crate::support::until;

fn socket(net: &Devnet) -> PathBuf {
    let mut found = Vec::new();
    let mut folders = vec![net.dir().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.ends_with("admin.sock") => found.push(path),
                false => {}
            }
        }
    }
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

async fn admin(socket: &Path, arguments: &[&str]) -> (i32, Value, String) {
    let output = tokio::process::Command::new(program("allod-node").unwrap())
        .args(["admin", "--json", "--socket"])
        .arg(socket)
        .args(arguments)
        .output()
        .await
        .unwrap();
    let answer = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), answer, stderr)
}

/// Goal: the operator learns how the node stands, sets its log and has files read again; nothing
/// of that is there over TCP, and a socket that a killed node left is in nobody's way.
#[tokio::test]
async fn the_operator_asks_over_a_socket_of_his_own() {
    let net = Devnet::start(1, &[]).await.unwrap();
    let socket = socket(&net);
    let (code, status, _) = admin(&socket, &["status"]).await;
    assert_eq!(code, 0, "{status}");
    assert_eq!(status["pid"], json!(net.pids().await.unwrap()[0]));
    assert!(status["genesis"].as_str().unwrap().starts_with("0x"));
    let (_, log, _) = admin(&socket, &["log", "info,allod_chain=debug"]).await;
    assert_eq!(log["filter"], "info,allod_chain=debug");
    let (_, log, _) = admin(&socket, &["log"]).await;
    assert_eq!(log["filter"], "info,allod_chain=debug");
    let (code, _, stderr) = admin(&socket, &["log", "a=b=c"]).await;
    assert!(
        code == 2 && stderr.starts_with("allod-node: error: "),
        "{stderr}"
    );
    let (code, reloaded, _) = admin(&socket, &["reload"]).await;
    assert_eq!(
        (code, reloaded),
        (0, json!({"apiKeys": null, "certificate": false}))
    );
    assert_eq!(admin(&socket, &["peers"]).await.1, json!([]));

    net.kill(0).await.unwrap();
    let (code, _, stderr) = admin(&socket, &["status"]).await;
    assert!(
        code == 3 && stderr.contains("hint: does the node run"),
        "{stderr}"
    );
    assert!(socket.exists(), "it was killed");
    net.restart(0).await.unwrap();
    // The launcher tells of the process, not of what it listens on.
    let limit = Duration::from_secs(60);
    let again = until("the node listens again", limit, || async {
        let (code, again, _) = admin(&socket, &["status"]).await;
        (code == 0).then_some(again)
    });
    assert_eq!(again.await["genesis"], status["genesis"]);
    net.stop().await.unwrap();
}
