//! Goal: the launcher leaves nothing behind, however it ends, and what it kept can be taken up.

use std::time::Duration;

use allod_tests::devnet::Devnet;

use crate::support::until;

/// Returns whether a process is gone, or dead and only waiting to be counted.
fn is_gone(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.map_or(true, |text| {
        text.rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim_start().starts_with('Z'))
    })
}

/// Method: the launcher is interrupted as by Ctrl-C, or killed outright; every node process it
/// started must end by itself.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_or_killed_launcher_leaves_no_node_behind() {
    for signal in ["INT", "KILL"] {
        let mut net = Devnet::start(2, &[]).await.unwrap();
        let pids = net.pids().await.unwrap();
        assert_eq!(pids.len(), 2);
        assert!(!pids.iter().any(|pid| is_gone(*pid)));
        net.signal_launcher(signal).await.unwrap();
        until(
            "all nodes of an ended launcher end",
            Duration::from_secs(20),
            || async { pids.iter().all(|pid| is_gone(*pid)).then_some(()) },
        )
        .await;
    }
}

/// Method: a second `up` in the same directory is refused while the first runs.
#[tokio::test(flavor = "multi_thread")]
async fn two_networks_cannot_share_a_directory() {
    let net = Devnet::start(1, &[]).await.unwrap();
    let error = net
        .control(&["up", "--validators", "1"])
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("already runs"), "{error}");
    net.stop().await.unwrap();
}
