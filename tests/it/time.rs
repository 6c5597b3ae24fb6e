//! Goal: three days pass at once, and nothing else changes.

use std::process::Stdio;
use std::time::Duration;

use allod_identity_client::jwt::{TokenRequest, issue_token};
use allod_identity_client::operation::{sign_token_operation, token_operation};
use allod_identity_client::rpc::{Client, chain_id};
use allod_primitives::keys::{Hasher, map};
use allod_primitives::token::TokenId;
use allod_primitives::{TimeMs, decode_strict};
use allod_rpc_api::revocation::RevocationCheckRequest;
use allod_rpc_api::submit::{SubmitItem, Wait};
use allod_runtime::authority::types::Registrar;
use allod_tests::devnet::{Devnet, program};
use allod_tests::people::{Account, Person, terms};
use jsonrpsee::core::params::ArrayParams;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::faults::{Acknowledged, all_there, load};
use crate::support::{height, submit_all, until, wait_height};

const HOUR: Duration = Duration::from_secs(3600);
const DAYS_3: Duration = Duration::from_secs(3 * 24 * 3600);

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

/// Returns how far a node's clock is ahead of this machine's, to the minute.
async fn ahead(client: &Client) -> Duration {
    let system = allod_identity_client::clock::Clock::system().now().0;
    let node = client.context().await.unwrap().node_time;
    let minutes = node.saturating_sub(system).saturating_add(30_000) / 60_000;
    Duration::from_secs(minutes * 60)
}

async fn block_hash(client: &Client, height: u64) -> Option<String> {
    let mut params = ArrayParams::new();
    params.insert(height).unwrap();
    let asked = client.call("chain_getBlockHash", params, Duration::ZERO);
    asked.await.ok().flatten()
}

/// Waits until all nodes have the block of the highest node's tip, and checks that it is the same.
async fn agree(net: &Devnet) -> u64 {
    let clients: Vec<_> = (0..net.count()).map(|i| net.client(i).unwrap()).collect();
    let mut tip = 0;
    for client in &clients {
        tip = height(client).await.unwrap().max(tip);
    }
    let mut hashes = Vec::new();
    for client in &clients {
        let limit = Duration::from_secs(30);
        hashes.push(until("a node has the block", limit, || block_hash(client, tip)).await);
    }
    assert!(hashes.windows(2).all(|two| two[0] == two[1]), "{hashes:?}");
    tip
}

/// Method: the clocks go forward, once, then twice at the same moment; every node has blocks of the
/// time asked for, and offsets that make no sense are refused with what to write instead.
#[tokio::test(flavor = "multi_thread")]
async fn clocks_go_forward_by_what_is_asked_and_offsets_add_up() {
    let net = Devnet::start(2, &[]).await.unwrap();
    let before = net.client(0).unwrap().context().await.unwrap().node_time;
    let head = net.advance(DAYS_3).await;
    assert!(head >= TimeMs(before).plus_ms(ms(DAYS_3)));
    tokio::join!(net.advance(HOUR), net.advance(HOUR * 2));
    for node in 0..2 {
        let client = net.client(node).unwrap();
        assert_eq!(ahead(&client).await, DAYS_3 + HOUR * 3);
        let time = client.context().await.unwrap().time;
        assert!(time >= before + ms(DAYS_3 + HOUR * 3));
    }
    for (by, why) in [
        ("-5m", "forward only"),
        ("0s", "no time at all"),
        ("0", "write 90s"),
        ("1000000d", "at most 3650d"),
        ("3648d", "3d 3h ahead"),
    ] {
        let refused = net.control(&["advance", by]).await.unwrap_err().to_string();
        assert!(refused.contains(why), "{by}: {refused}");
    }
    assert_eq!(ahead(&net.client(0).unwrap()).await, DAYS_3 + HOUR * 3);
    agree(&net).await;
    net.stop().await.unwrap();
}

/// Method: registrations go on through three nodes while the clocks of all go forward four times,
/// twice of it without the fourth node, which is killed and comes back.
#[tokio::test(flavor = "multi_thread")]
async fn days_that_pass_under_load_lose_nothing_and_fork_nothing() {
    let net = Devnet::start(4, &[]).await.unwrap();
    let (stop, stopped) = watch::channel(false);
    let loads = (1..=4).map(|seed| load(&net, seed, &[0, 1, 2], stopped.clone()));
    let (acknowledged, ()) = tokio::join!(futures::future::join_all(loads), async {
        let client = net.client(0).unwrap();
        for down in [false, false, true, true] {
            if down && height(&net.client(3).unwrap()).await.is_some() {
                net.kill(3).await.unwrap();
            }
            let tip = height(&client).await.unwrap();
            wait_height(&client, tip + 5, Duration::from_secs(30)).await;
            let begun = Instant::now();
            net.advance(DAYS_3).await;
            eprintln!("three days took {:?} under load", begun.elapsed());
            assert!(begun.elapsed() < Duration::from_secs(15));
        }
        net.restart(3).await.unwrap();
        let (third, tip) = (net.client(3).unwrap(), height(&client).await.unwrap());
        wait_height(&third, tip + 5, Duration::from_secs(30)).await;
        stop.send(true).unwrap();
    });
    let acknowledged = acknowledged.into_iter().reduce(Acknowledged::and).unwrap();
    eprintln!("{} acknowledged", acknowledged.people.len());
    assert!(acknowledged.people.len() > 50, "the load was real");
    let tip = agree(&net).await;
    for node in 0..4 {
        let client = net.client(node).unwrap();
        assert_eq!(ahead(&client).await, DAYS_3 * 4, "node {node}");
        wait_height(&client, tip - 1, Duration::from_secs(20)).await;
        all_there(&net, node, &acknowledged.people).await;
    }
    net.stop().await.unwrap();
}

/// Method: two of four are down when the clocks are set; the command waits, and ends when one is
/// back. Then the whole network ends and starts again in its directory.
#[tokio::test(flavor = "multi_thread")]
async fn an_offset_waits_for_a_quorum_and_survives_every_restart() {
    let net = Devnet::start(4, &[]).await.unwrap();
    net.kill(2).await.unwrap();
    net.kill(3).await.unwrap();
    let (head, ()) = tokio::join!(net.advance(DAYS_3), async {
        let first = net.client(0).unwrap();
        let limit = Duration::from_secs(10);
        until("the clock is set", limit, || async {
            (ahead(&first).await == DAYS_3).then_some(())
        })
        .await;
        net.restart(2).await.unwrap();
    });
    assert!(head >= TimeMs(net.now().unwrap().0 - 60_000));
    let net = net.stop_and_start().await.unwrap();
    assert_eq!(net.manifest["clockAheadMs"], ms(DAYS_3));
    for node in 0..4 {
        let client = net.client(node).unwrap();
        until("every node answers", Duration::from_secs(30), || {
            height(&client)
        })
        .await;
        assert_eq!(ahead(&client).await, DAYS_3, "node {node}");
    }
    agree(&net).await;
    for node in 0..4 {
        net.kill(node).await.unwrap();
    }
    let refused = net.control(&["advance", "1h"]).await.unwrap_err();
    assert!(refused.to_string().contains("no node runs"), "{refused}");
    net.stop().await.unwrap();
}

/// Starts node `index` of the network by hand, with `more` arguments.
fn by_hand(net: &Devnet, config: &str, more: &[&str]) -> Child {
    Command::new(program("allod-node").unwrap())
        .args(["run", "--stop-on-stdin-eof", "--config"])
        .arg(net.dir().join("node-3").join(config))
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Method: one of four is started without the offset, and its clock is told what only others would
/// obey. It is three days behind: it refuses what the others propose, which they do without it, and
/// proposes itself the least time possible. All go on, the one that is behind too.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_the_offset_neither_stalls_nor_forks_the_others() {
    let net = Devnet::start(4, &[]).await.unwrap();
    let client = net.client(0).unwrap();
    net.kill(3).await.unwrap();
    net.advance(DAYS_3).await;
    let mut behind = by_hand(&net, "config.toml", &[]);
    let mut stdin = behind.stdin.take().unwrap();
    stdin
        .write_all(b"clock-ahead-ms 259200000\n")
        .await
        .unwrap();
    let third = net.client(3).unwrap();
    let limit = Duration::from_secs(60);
    until("the node answers", limit, || height(&third)).await;
    let tip = height(&client).await.unwrap();
    let begun = Instant::now();
    let reached = wait_height(&client, tip + 5, limit).await;
    eprintln!("{} blocks in {:?}", reached - tip, begun.elapsed());
    wait_height(&third, tip + 4, limit).await;
    assert_eq!(ahead(&third).await, Duration::ZERO, "nobody can set it");
    assert_eq!(ahead(&client).await, DAYS_3);
    net.advance(HOUR).await;
    agree(&net).await;
    drop(stdin);
    behind.wait().await.unwrap();
    net.restart(3).await.unwrap();
    until("the node answers", limit, || height(&third)).await;
    assert_eq!(ahead(&third).await, DAYS_3 + HOUR);
    agree(&net).await;
    net.stop().await.unwrap();
}

/// Method: the same chain specification, but of a network that people rely on: the node refuses to
/// start with a clock that can be set.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_any_other_network_refuses_a_clock_that_can_be_set() {
    let net = Devnet::start(1, &["--fresh"]).await.unwrap();
    let folder = net.dir().join("node-3");
    std::fs::create_dir(&folder).unwrap();
    let own = net.dir().join("node-0");
    for key in ["network.key", "validator.key"] {
        std::fs::copy(own.join(key), folder.join(key)).unwrap();
    }
    let spec = std::fs::read_to_string(net.dir().join("chain-spec.json")).unwrap();
    let config = std::fs::read_to_string(own.join("config.toml")).unwrap();
    for name in ["Live", "Local"] {
        let other = spec.replace("\"Development\"", &format!("\"{name}\""));
        assert_ne!(other, spec);
        let path = folder.join("chain-spec.json");
        std::fs::write(&path, other).unwrap();
        let lines = config
            .lines()
            .map(|line| match line.starts_with("chain_spec") {
                true => format!("chain_spec = {:?}", path),
                false => line.to_owned(),
            });
        let lines: Vec<String> = lines.collect();
        std::fs::write(folder.join("other.toml"), lines.join("\n")).unwrap();
        let node = by_hand(&net, "other.toml", &["--clock-ahead-ms-unsafe", "0"]);
        let output = node.wait_with_output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains(&format!("{name} networks keep the system's")),
            "{said}"
        );
    }
    net.stop().await.unwrap();
}

async fn registrar(client: &Client, account: &Account) -> Registrar {
    let key = map(
        "Authority",
        "Registrars",
        Hasher::Blake2_128Concat,
        &account.public(),
    );
    let mut params = ArrayParams::new();
    params.insert(format!("0x{}", hex::encode(key))).unwrap();
    let asked = client.call("state_getStorage", params, Duration::ZERO);
    let value: String = asked.await.unwrap();
    decode_strict(&hex::decode(value.trim_start_matches("0x")).unwrap()).unwrap()
}

/// Method: an identity uses up its quota of rotations, a registrar pays for it, a token is revoked;
/// three days later the quota and the budget are whole, and the revocation is forgotten because the
/// token has expired.
#[tokio::test(flavor = "multi_thread")]
async fn quotas_and_budgets_begin_anew_and_revocations_of_expired_tokens_are_forgotten() {
    let net = Devnet::start(2, &[]).await.unwrap();
    let client = net.client(0).unwrap();
    if net.now().unwrap().seconds() % 86_400 > 85_800 {
        // The day would end by itself.
        net.advance(HOUR).await;
    }
    let context = client.context().await.unwrap();
    let secret = net.secret("/keys/registrar").unwrap();
    let mut payer = Account::new(&client, secret).await.unwrap();
    let (mut alice, operation) = Person::new(&context, 9, 0).unwrap();
    submit_all(&client, vec![payer.batch(&[operation])]).await;
    let before = registrar(&client, &payer).await;
    assert!(before.used >= 1);
    for _ in 0..allod_primitives::limits::QUOTA_RANK_PER_DAY {
        submit_all(
            &client,
            vec![SubmitItem::operation(&alice.rotate().unwrap())],
        )
        .await;
    }
    let operation = SubmitItem::operation(&alice.clone().rotate().unwrap());
    let refused = client
        .submit(vec![operation], Wait::Finalized, Some(5000))
        .await
        .unwrap();
    let slug = refused[0].error.as_ref().map(|error| error.slug.clone());
    assert_eq!(slug.as_deref(), Some("did.quota_exceeded"), "{refused:?}");

    let request = TokenRequest {
        audience: Some("https://gateway.example".into()),
        lifetime_s: 3600,
        ..TokenRequest::default()
    };
    let now = net.now().unwrap().seconds();
    let token = issue_token(&alice.did, &alice.login_method(), &request, now).unwrap();
    let name = TokenId::from_jti(&token.jti);
    let terms = terms(&chain_id(&context), &context);
    let revocation = token_operation(&terms, alice.id(), name, token.exp);
    let tag = revocation.tag();
    let signed = sign_token_operation(revocation, &[&alice.control]).unwrap();
    submit_all(&client, vec![SubmitItem::token(&signed)]).await;
    let request = RevocationCheckRequest {
        tag: Some(tag.into()),
        ..RevocationCheckRequest::default()
    };
    assert!(client.revocation_check(&request).await.unwrap().revoked);

    net.advance(DAYS_3).await;
    let context = client.context().await.unwrap();
    assert!(!client.revocation_check(&request).await.unwrap().revoked);
    alice.renew(&context);
    submit_all(
        &client,
        vec![SubmitItem::operation(&alice.rotate().unwrap())],
    )
    .await;
    let (_, operation) = Person::new(&context, 9, 1).unwrap();
    submit_all(&client, vec![payer.batch(&[operation])]).await;
    let after = registrar(&client, &payer).await;
    assert_eq!((after.day, after.used), (before.day + 3, 1));
    net.stop().await.unwrap();
}
