//! `make soak`: 200 WebSocket clients with every subscription on a network of four validators, ten of
//! which read nothing. Aims: memory grows by less than 5 % from the first minute to the second, the
//! 99th percentile of finality stays within 1.5 times that of a quiet run, and those who read
//! nothing are cut off. Before, so many identities are registered that what a young node fills once,
//! tables in memory and the window of recent states, is full: else the growth is theirs. Exits with 1 if one is missed. Not a test: it takes real minutes.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "figures go to stdout, progress to stderr"
)]

use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use allod_rpc_api::submit::{SubmitStatus, Wait};
use allod_tests::devnet::Devnet;
use allod_tests::people::{Account, Person};
use anyhow::{Context as _, ensure};
use clap::Parser;
use jsonrpsee::core::client::SubscriptionClientT as _;
use jsonrpsee::core::params::ArrayParams;
use jsonrpsee::ws_client::{WsClient, WsClientBuilder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// Soak a local network.
#[derive(Debug, Parser)]
struct Options {
    /// WebSocket clients
    #[arg(long, default_value_t = 200)]
    clients: usize,
    /// Of these, the ones that read nothing
    #[arg(long, default_value_t = 10)]
    silent: usize,
    /// Seconds of the quiet run, and of each of the two halves of the loud one
    #[arg(long, default_value_t = 60)]
    minute_s: u64,
    /// Identities that are registered before anything is measured
    #[arg(long, default_value_t = 60_000)]
    warm_up: u64,
}

/// Between two words about the warm-up.
const TELL: Duration = Duration::from_secs(2);
/// Between two registrations, so that there are blocks to tell of.
const PAUSE: Duration = Duration::from_millis(150);
/// Identities in an item of the warm-up, and items in a call.
const WARM_ITEM: u64 = 4;
const WARM_CALL: u64 = 64;
/// Most growth of memory, and most slowing of finality.
const GROWTH_MAX: f64 = 0.05;
const SLOWING_MAX: f64 = 1.5;
/// How long after the end a client that reads nothing may still be connected: what a ping waits for.
const CUT_MAX: Duration = Duration::from_secs(130);

/// Subscription, parameters, and what ends it.
fn subscriptions(did: &str) -> [(&'static str, Value, &'static str); 8] {
    [
        (
            "chain_subscribeNewHeads",
            json!([]),
            "chain_unsubscribeNewHeads",
        ),
        (
            "chain_subscribeAllHeads",
            json!([]),
            "chain_unsubscribeAllHeads",
        ),
        (
            "chain_subscribeFinalizedHeads",
            json!([]),
            "chain_unsubscribeFinalizedHeads",
        ),
        (
            "state_subscribeStorage",
            json!([["0x3a636f6465"]]),
            "state_unsubscribeStorage",
        ),
        (
            "state_subscribeRuntimeVersion",
            json!([]),
            "state_unsubscribeRuntimeVersion",
        ),
        (
            "chainHead_v1_follow",
            json!([false]),
            "chainHead_v1_unfollow",
        ),
        (
            "identity_subscribeChanges",
            json!([{"dids": [{"did": did}]}]),
            "identity_unsubscribeChanges",
        ),
        (
            "light_subscribeBlocks",
            json!([{}]),
            "light_unsubscribeBlocks",
        ),
    ]
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    ensure!(
        options.silent <= options.clients,
        "--silent is above --clients"
    );
    let net = Devnet::start(4, &[]).await?;
    let is_met = Box::pin(soak(&options, &net)).await?;
    net.stop().await?;
    Ok(ExitCode::from(u8::from(!is_met)))
}

async fn soak(options: &Options, net: &Devnet) -> anyhow::Result<bool> {
    let minute = Duration::from_secs(options.minute_s);
    let client = net.client(0)?;
    let context = client.context().await?;
    let mut account = Account::new(&client, net.secret("/keys/registrar")?).await?;
    let (person, operation) = Person::new(&context, 1 << 40, 0)?;
    let item = account.batch(&[operation]);
    client
        .submit(vec![item], Wait::Finalized, Some(30_000))
        .await?;
    let did = person.did.to_string();
    let mut number = 1;

    warm_up(net, &mut account, &mut number, options.warm_up).await?;
    let pids = net.pids().await?;
    let at_rest = memory(&pids)?;
    let quiet = register(net, &mut account, &mut number, minute).await?;
    let grown = memory(&pids)? as f64 / at_rest as f64 - 1.0;
    let mut reading = JoinSet::new();
    let mut silent = Vec::new();
    for index in 0..options.clients {
        let address = address(net, index % net.count())?;
        if index < options.silent {
            silent.push(mute(&address, &did).await?);
        } else {
            let client = WsClientBuilder::default()
                .build(format!("ws://{address}"))
                .await?;
            reading.spawn(read_all(client, did.clone()));
        }
    }
    let first = register(net, &mut account, &mut number, minute).await?;
    let before = memory(&pids)?;
    let second = register(net, &mut account, &mut number, minute).await?;
    let after = memory(&pids)?;
    ensure!(
        reading.try_join_next().is_none(),
        "a client that reads was cut off"
    );

    let loud: Vec<Duration> = first.into_iter().chain(second).collect();
    let (quiet_p99, loud_p99) = (percentile_99(quiet), percentile_99(loud));
    let growth = (after as f64 - before as f64) / before as f64;
    let slowing = loud_p99.as_secs_f64() / quiet_p99.as_secs_f64();
    let mut cut = 0;
    for socket in silent {
        cut += usize::from(is_cut(socket).await);
    }
    println!(
        "memory of four nodes    {:7.1} → {:7.1} MiB",
        mib(before),
        mib(after)
    );
    println!(
        "growth                  {:7.2} %  (aim: below {} %)",
        growth * 100.0,
        GROWTH_MAX * 100.0
    );
    println!(
        "growth without clients  {:7.2} %  (in the quiet run)",
        grown * 100.0
    );
    println!("finality p99, quiet     {:7} ms", quiet_p99.as_millis());
    println!(
        "finality p99, loud      {:7} ms (aim: at most {SLOWING_MAX} times)",
        loud_p99.as_millis()
    );
    println!(
        "cut off                 {cut:7} of {} that read nothing",
        options.silent
    );
    let is_met = growth < GROWTH_MAX && slowing <= SLOWING_MAX && cut == options.silent;
    println!(
        "{}",
        if is_met {
            "every aim is met"
        } else {
            "an aim is missed"
        }
    );
    Ok(is_met)
}

fn address(net: &Devnet, index: usize) -> anyhow::Result<String> {
    let url = net.text(&format!("/nodes/{index}/rpc"))?;
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    Ok(address.to_owned())
}

/// Registers `count` people or a few more, and says every two seconds how far it is.
async fn warm_up(
    net: &Devnet,
    account: &mut Account,
    number: &mut u64,
    count: u64,
) -> anyhow::Result<()> {
    let client = net.client(0)?;
    let (end, mut told) = (*number + count, Instant::now());
    while *number < end {
        let context = client.context().await?;
        let mut items = Vec::new();
        while (items.len() as u64) < WARM_CALL && *number < end {
            let mut operations = Vec::new();
            for _ in 0..WARM_ITEM {
                operations.push(Person::new(&context, 1 << 40, *number)?.1);
                *number += 1;
            }
            items.push(account.batch(&operations));
        }
        let outcomes = client.submit(items, Wait::Finalized, Some(30_000)).await?;
        for outcome in outcomes {
            ensure!(outcome.status == SubmitStatus::Finalized, "{outcome:?}");
        }
        if told.elapsed() >= TELL {
            told = Instant::now();
            let left = end.saturating_sub(*number);
            eprintln!("warming up: {} of {count} identities", count - left);
        }
    }
    Ok(())
}

/// Registers one person after another; returns how long each took to be final.
async fn register(
    net: &Devnet,
    account: &mut Account,
    number: &mut u64,
    how_long: Duration,
) -> anyhow::Result<Vec<Duration>> {
    let client = net.client(0)?;
    let context = client.context().await?;
    let (began, mut times) = (Instant::now(), Vec::new());
    while began.elapsed() < how_long {
        tokio::time::sleep(PAUSE).await;
        let (_, operation) = Person::new(&context, 1 << 40, *number)?;
        *number += 1;
        let item = account.batch(&[operation]);
        let asked = Instant::now();
        let outcomes = client
            .submit(vec![item], Wait::Finalized, Some(30_000))
            .await?;
        let is_final = outcomes[0].status == SubmitStatus::Finalized;
        ensure!(is_final, "{:?}", outcomes[0]);
        times.push(asked.elapsed());
    }
    Ok(times)
}

fn percentile_99(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times
        .get(times.len() * 99 / 100)
        .copied()
        .unwrap_or_default()
}

/// Takes every subscription and reads all that comes, until the connection ends. One that ends by
/// itself, as `chainHead_v1_follow` does when nothing is unpinned, is begun anew.
async fn read_all(client: WsClient, did: String) {
    let client = Arc::new(client);
    let mut all = JoinSet::new();
    for (subscribe, params, unsubscribe) in subscriptions(&did) {
        let client = client.clone();
        all.spawn(async move {
            loop {
                let mut list = ArrayParams::new();
                for value in params.as_array().into_iter().flatten() {
                    list.insert(value).expect("JSON is JSON");
                }
                let Ok(mut taken) = client
                    .subscribe::<Value, _>(subscribe, list, unsubscribe)
                    .await
                else {
                    return;
                };
                while let Some(Ok(message)) = taken.next().await {
                    if message["event"] == "stop" {
                        break;
                    }
                }
            }
        });
    }
    all.join_next().await;
}

/// Takes every subscription and reads nothing.
async fn mute(address: &str, did: &str) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(16 * 1024)?;
    let mut stream = socket
        .connect(address.parse().context("an address")?)
        .await?;
    let upgrade = "GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await?;
    for (id, (method, params, _)) in subscriptions(did).into_iter().enumerate() {
        let call = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let call = call.to_string();
        let length = u16::try_from(call.len())?.to_be_bytes();
        // A text frame, masked by zeros.
        let head = [0x81, 0x80 | 126, length[0], length[1], 0, 0, 0, 0];
        stream.write_all(&[&head, call.as_bytes()].concat()).await?;
    }
    Ok(stream)
}

/// Whether the node has closed, or closes before it has waited too long, a socket: what it sent
/// before is read first.
async fn is_cut(mut socket: TcpStream) -> bool {
    let mut piece = vec![0; 1 << 16];
    // Pings are never answered, so this ends although reading has begun.
    let all = async { while !matches!(socket.read(&mut piece).await, Ok(0) | Err(_)) {} };
    tokio::time::timeout(CUT_MAX, all).await.is_ok()
}

/// Returns the resident memory of processes, bytes.
fn memory(pids: &[u32]) -> anyhow::Result<u64> {
    let of = |pid: &u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.map(|kib| kib * 1024).context("VmRSS")
    };
    pids.iter().map(of).sum()
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
