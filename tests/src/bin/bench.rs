//! `make bench`: what a network of four real validators costs on this machine.
//!
//! Every figure is printed with the load average before it. Throughput is given per second and,
//! because machines are noisy, as CPU time per registration and validator beside the CPU time of
//! one batch signature check measured in the same run.

#![expect(clippy::print_stdout, reason = "a benchmark's figures go to stdout")]

use std::fs;
use std::future::Future;
use std::hint::black_box;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use allod_chain::seams::OsEntropy;
use allod_chain::signatures::Signatures;
use allod_identity_client::keys::{KeyType, SecretKey, TypedSecret};
use allod_identity_client::operation::Signer as _;
use allod_primitives::operation::{SignedOperation, operation_preimage};
use allod_primitives::{ChainId, ForkId, H256};
use allod_rpc_api::submit::{SubmitItem, SubmitStatus, Wait};
use allod_tests::devnet::Devnet;
use allod_tests::people::{Account, Person};
use allod_tests::reads::{Bare, cpu_of, post, serve_bare};
use allod_tests::verified::{checks_us, lag_during, light_client, verified_view};
use anyhow::{Context, ensure};
use clap::Parser;
use jsonrpsee::core::client::ClientT as _;
use jsonrpsee::core::params::{ArrayParams, BatchRequestBuilder};
use jsonrpsee::rpc_params;
use jsonrpsee::ws_client::WsClientBuilder;
use serde_json::{Value, json};

/// Measure a local network of release binaries.
#[derive(Debug, Parser)]
struct Options {
    /// Registrations of the throughput run
    #[arg(long, default_value_t = 30_000)]
    registrations: u64,
    /// Single registrations of the latency run
    #[arg(long, default_value_t = 200)]
    singles: u64,
    /// Seconds of the idle run
    #[arg(long, default_value_t = 20)]
    idle_s: u64,
    /// Operations in one registrar's batch
    #[arg(long, default_value_t = 250)]
    batch: usize,
    /// How often everything is repeated
    #[arg(long, default_value_t = 1)]
    repeats: u32,
    /// Validators
    #[arg(long, default_value_t = 4)]
    validators: u8,
    /// Reads of each kind
    #[arg(long, default_value_t = 40_000)]
    reads: u32,
    /// Only the reads
    #[arg(long)]
    only_reads: bool,
    /// Be the bare server that reads are compared with, which answers so many bytes
    #[arg(long, hide = true)]
    bare: Option<usize>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    if let Some(bytes) = options.bare {
        return runtime.block_on(serve_bare(bytes, |address| println!("{address}")));
    }
    for repeat in 1..=options.repeats {
        println!(
            "run {repeat} of {}, load average {}",
            options.repeats,
            load_average()?
        );
        runtime.block_on(run(&options, u64::from(repeat)))?;
    }
    Ok(())
}

fn load_average() -> anyhow::Result<String> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').take(3).collect::<Vec<_>>().join(" "))
}

async fn run(options: &Options, seed: u64) -> anyhow::Result<()> {
    let check = batch_check_us();
    println!("one signature in a batch of 256     {check:8.1} µs CPU");
    key_types()?;
    let begun = Instant::now();
    let net = Devnet::start(options.validators, &[]).await?;
    println!(
        "devnet up                           {:8.1} s",
        begun.elapsed().as_secs_f64()
    );
    let pids = net.pids().await?;
    if !options.only_reads {
        idle(options, &pids).await?;
        latency(options, &net, seed).await?;
        throughput(options, &net, &pids, seed, check).await?;
    }
    reads(options, &net, &pids, seed).await?;
    Box::pin(following(options, &net, seed)).await?;
    net.stop().await
}

/// Returns the CPU time of one signature check in a batch of 256 different keys, µs.
fn batch_check_us() -> f64 {
    const COUNT: u32 = 256;
    const ROUNDS: u32 = 40;
    let items: Vec<_> = (0..COUNT)
        .map(|n| {
            let mut seed = [7; 32];
            seed[..4].copy_from_slice(&n.to_le_bytes());
            let key = SecretKey::from_seed(seed);
            let message = [seed.as_slice(); 8].concat();
            let signature = key.sign(&message);
            (key.public(), message, signature)
        })
        .collect();
    let begun = own_cpu();
    for _ in 0..ROUNDS {
        // A checker without memory each time, or all rounds but the first would remember.
        Signatures::new(Arc::new(OsEntropy)).prepare(&items);
    }
    (own_cpu() - begun).as_secs_f64() * 1e6 / f64::from(COUNT * ROUNDS)
}

/// Prints the CPU time of one verification under an operation by each type of key, and its ratio
/// to Ed25519 alone; passkeys are P-256 over two short hashes more.
fn key_types() -> anyhow::Result<()> {
    const ROUNDS: u32 = 400;
    let chain = ChainId {
        genesis: H256([1; 32]),
        fork_id: ForkId(0),
    };
    let hash = H256([2; 32]);
    let mut alone = None;
    for key_type in [KeyType::Ed25519, KeyType::Secp256k1, KeyType::P256] {
        let secret = TypedSecret::from_seed(key_type, &[7; 32]).context("a scalar")?;
        let (key, preimage) = (secret.control_key(), operation_preimage(&chain, &hash));
        let proof = secret.prove(&preimage, &hash);
        let begun = own_cpu();
        for _ in 0..ROUNDS {
            let verified = black_box(&key).verify_operation(&chain, &hash, &proof);
            ensure!(verified.is_ok(), "{key_type:?}");
        }
        let each = (own_cpu() - begun).as_secs_f64() * 1e6 / f64::from(ROUNDS);
        let ratio = each / *alone.get_or_insert(each);
        let name = key_type.name();
        println!(
            "one {name:9} signature alone       {each:8.1} µs CPU, {ratio:.2} of Ed25519, {} units",
            key.units()
        );
    }
    Ok(())
}

async fn idle(options: &Options, pids: &[u32]) -> anyhow::Result<()> {
    // The heartbeat needs a while to slow down after the start.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let before = cpu_of(pids)?;
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_secs(options.idle_s)).await;
    let used = cpu_of(pids)? - before;
    let share = used.as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0;
    println!("idle, all validators together       {share:8.2} % of one core");
    Ok(())
}

async fn latency(options: &Options, net: &Devnet, seed: u64) -> anyhow::Result<()> {
    let client = net.client(0)?;
    let context = client.context().await?;
    let mut account = Account::new(&client, net.secret("/keys/registrar")?).await?;
    let mut times = Vec::new();
    for number in 0..options.singles {
        // Alone: after the least spacing of blocks, or it would be the spacing that is measured. Not
        // the same each time, so that no rhythm of the network is hit or missed by design.
        tokio::time::sleep(THINK_TIME + Duration::from_millis(number * 37 % 200)).await;
        let (_, operation) = Person::new(&context, seed << 32 | 1, number)?;
        let item = account.batch(&[operation]);
        let begun = Instant::now();
        let outcomes = client
            .submit(vec![item], Wait::Finalized, Some(30_000))
            .await?;
        ensure!(
            outcomes[0].status == SubmitStatus::Finalized,
            "{:?}",
            outcomes[0]
        );
        times.push(begun.elapsed());
    }
    times.sort();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)].as_millis();
    println!(
        "submit → final, one at a time       {:5} / {:5} ms p50 / p99",
        at(50),
        at(99)
    );
    Ok(())
}

async fn throughput(
    options: &Options,
    net: &Devnet,
    pids: &[u32],
    seed: u64,
    check: f64,
) -> anyhow::Result<()> {
    let client = net.client(0)?;
    let context = client.context().await?;
    let mut account = Account::new(&client, net.secret("/keys/registrar")?).await?;
    let operations: Vec<SignedOperation> = (0..options.registrations)
        .map(|number| Person::new(&context, seed << 32, number).map(|(_, operation)| operation))
        .collect::<anyhow::Result<_>>()?;
    let items: Vec<SubmitItem> = operations
        .chunks(options.batch)
        .map(|chunk| account.batch(chunk))
        .collect();
    let (disk, memory) = (disk_of(net.dir())?, memory_of(pids)?);
    println!("load average before throughput      {}", load_average()?);
    let before = cpu_of(pids)?;
    let begun = Instant::now();
    let mut waiting = tokio::task::JoinSet::new();
    for (index, chunk) in items.chunks(4).enumerate() {
        let client = net.client(index % pids.len())?;
        let chunk = chunk.to_vec();
        if waiting.len() >= 8 {
            finish(waiting.join_next().await)?;
        }
        waiting.spawn(async move { client.submit(chunk, Wait::Finalized, Some(60_000)).await });
    }
    while let Some(result) = waiting.join_next().await {
        finish(Some(result))?;
    }
    let elapsed = begun.elapsed().as_secs_f64();
    let used = (cpu_of(pids)? - before).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let (count, nodes) = (options.registrations as f64, pids.len() as f64);
    let each = used * 1e6 / count / nodes;
    println!(
        "registrations, one key each         {:8.0} per s",
        count / elapsed
    );
    println!(
        "CPU per registration and validator  {each:8.1} µs = {:.1} × a check",
        each / check
    );
    #[expect(clippy::cast_precision_loss, reason = "sizes far below 2^52")]
    let per = |after: u64, before: u64| after.saturating_sub(before) as f64 / count / nodes;
    println!(
        "disk per identity and validator     {:8.0} bytes",
        per(disk_of(net.dir())?, disk)
    );
    println!(
        "memory per identity and validator   {:8.0} bytes",
        per(memory_of(pids)?, memory)
    );
    Ok(())
}

/// What a read costs the node that answers it, with and without proof, beside a bare server that
/// answers as many bytes.
async fn reads(options: &Options, net: &Devnet, pids: &[u32], seed: u64) -> anyhow::Result<()> {
    let client = net.client(0)?;
    let context = client.context().await?;
    let mut account = Account::new(&client, net.secret("/keys/registrar")?).await?;
    let (person, operation) = Person::new(&context, seed << 32 | 2, 0)?;
    let item = account.batch(&[operation]);
    finish(Some(Ok(client
        .submit(vec![item], Wait::Finalized, Some(30_000))
        .await)))?;
    let url = net.text("/nodes/0/rpc")?;
    let address: SocketAddr = url.trim_start_matches("http://").parse()?;
    let node = pids.first().copied().context("a node runs")?;
    // What consensus takes meanwhile is no read's.
    let (before, begun) = (cpu_of(&[node])?, Instant::now());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let idle = (cpu_of(&[node])? - before).as_secs_f64() / begun.elapsed().as_secs_f64();
    println!("load average before reads           {}", load_average()?);
    let did = person.did.to_string();
    let gid = H256([7; 32]).to_string();
    for (name, method, request) in [
        (
            "absent grant",
            "grant_check",
            json!({"gid": gid, "proof": true}),
        ),
        (
            "identity",
            "identity_resolve",
            json!({"did": did, "proof": true}),
        ),
        (
            "identity, unproven",
            "identity_resolve",
            json!({"did": did}),
        ),
    ] {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": request});
        let body = call.to_string();
        let answer = post(address, &body, 1, 1).await?;
        let json: Value = serde_json::from_slice(&answer)?;
        let proof = json["result"]["proof"].as_str();
        let bytes = proof.map_or(0, |text| text.len() / 2 - 1);
        let bare = Bare::start(answer.len()).await?;
        let each = options.reads / CONNECTIONS;
        let load = || post(address, &body, CONNECTIONS, each);
        let limit = cpu_each(bare.pid()?, each * CONNECTIONS, 0.0, || {
            post(bare.address, &body, CONNECTIONS, each)
        })
        .await?;
        let used = cpu_each(node, each * CONNECTIONS, idle, load).await?;
        let batches = options.reads / BATCH;
        let batched = cpu_each(node, batches * BATCH, idle, || {
            batches_over_websocket(url, method, &request, batches)
        })
        .await?;
        println!(
            "read of an {name:18}       {used:8.1} µs CPU = {:.2} × a bare server ({limit:.1} µs); \
             batched {batched:.1} µs = {:.2} ×; proof {bytes} bytes",
            used / limit,
            batched / limit
        );
    }
    at_least(options, net, &mut account, seed).await
}

/// Returns the processor time of `pid` for each of `count` requests, µs; `idle`: its share of a
/// core without them.
async fn cpu_each<T, F: Future<Output = anyhow::Result<T>>>(
    pid: u32,
    count: u32,
    idle: f64,
    load: impl FnOnce() -> F,
) -> anyhow::Result<f64> {
    let (before, begun) = (cpu_of(&[pid])?, Instant::now());
    load().await?;
    let used = (cpu_of(&[pid])? - before).as_secs_f64();
    let own = used - idle * begun.elapsed().as_secs_f64();
    Ok(own * 1e6 / f64::from(count))
}

async fn batches_over_websocket(
    url: &str,
    method: &'static str,
    request: &Value,
    batches: u32,
) -> anyhow::Result<()> {
    let url = url.replace("http://", "ws://");
    let client = WsClientBuilder::default().build(url).await?;
    for _ in 0..batches {
        let mut batch = BatchRequestBuilder::new();
        for _ in 0..BATCH {
            batch.insert(method, rpc_params![request])?;
        }
        let answers = client.batch_request::<Value>(batch).await?;
        ensure!(answers.num_failed_calls() == 0, "a read failed");
    }
    Ok(())
}

/// How long another node takes to answer at least as of the height that a write was told.
async fn at_least(
    options: &Options,
    net: &Devnet,
    account: &mut Account,
    seed: u64,
) -> anyhow::Result<()> {
    let (client, other) = (net.client(0)?, net.client(1)?);
    let context = client.context().await?;
    let mut times = Vec::new();
    for number in 0..options.singles.min(50) {
        let (person, operation) = Person::new(&context, seed << 32 | 3, number)?;
        let item = account.batch(&[operation]);
        let outcomes = client
            .submit(vec![item], Wait::Finalized, Some(30_000))
            .await?;
        let height = outcomes.first().and_then(|outcome| outcome.height);
        let mut params = ArrayParams::new();
        params.insert(json!({"did": person.did.to_string(), "atLeast": height, "proof": true}))?;
        let begun = Instant::now();
        let _found: Value = other
            .call("identity_resolve", params, Duration::from_secs(5))
            .await?;
        times.push(begun.elapsed());
    }
    times.sort();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)];
    println!(
        "atLeast at another node, after final {:6.1} / {:.1} ms p50 / p99",
        at(50).as_secs_f64() * 1e3,
        at(99).as_secs_f64() * 1e3
    );
    Ok(())
}

/// Connections that load a server.
const CONNECTIONS: u32 = 8;
/// Reads of one batch.
const BATCH: u32 = 100;

type Submitted = Result<
    Result<Vec<allod_rpc_api::submit::SubmitOutcome>, allod_identity_client::rpc::ClientError>,
    tokio::task::JoinError,
>;

fn finish(result: Option<Submitted>) -> anyhow::Result<()> {
    for outcome in result.context("a submission is under way")??? {
        ensure!(outcome.status == SubmitStatus::Finalized, "{outcome:?}");
        ensure!(outcome.item_errors.is_empty(), "{outcome:?}");
    }
    Ok(())
}

/// Follows the network while a third as many register, [`CHANGES_PER_S`], and asks the copy.
async fn following(options: &Options, net: &Devnet, seed: u64) -> anyhow::Result<()> {
    let client = light_client(net, None).await?;
    let begun = Instant::now();
    let view = verified_view(client.clone()).await?;
    println!(
        "verified view of {:8} keys        {:8.1} s to begin",
        view.status().keys,
        begun.elapsed().as_secs_f64()
    );
    let node = net.client(0)?;
    let context = node.context().await?;
    let mut account = Account::new(&node, net.secret("/keys/registrar")?).await?;
    let (alice, operation) = Person::new(&context, seed << 32 | 4, 0)?;
    let mut operations = vec![operation];
    for number in 1..options.registrations / 3 {
        operations.push(Person::new(&context, seed << 32 | 4, number)?.1);
    }
    let items: Vec<SubmitItem> = operations
        .chunks(options.batch)
        .map(|chunk| account.batch(chunk))
        .collect();
    let work = async {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        for chunk in items.chunks((CHANGES_PER_S / options.batch.max(1)).max(1)) {
            second.tick().await;
            let sent = node.submit(chunk.to_vec(), Wait::Finalized, Some(60_000));
            finish(Some(Ok(sent.await)))?;
        }
        anyhow::Ok(())
    };
    let begun = Instant::now();
    let (done, mut lags) = Box::pin(lag_during(net, &view, work)).await?;
    done?;
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let rate = operations.len() as f64 / begun.elapsed().as_secs_f64();
    lags.sort_unstable();
    let at = |part: usize| lags.get(lags.len() * part / 100).or(lags.last());
    println!(
        "view behind its node, {rate:5.0} changes/s  {:5} / {:5} / {:5} blocks p50 / p99 / max",
        at(50).unwrap_or(&0),
        at(99).unwrap_or(&0),
        lags.last().unwrap_or(&0)
    );
    let checks = checks_us(&client, &view, &alice, net.now()?.seconds()).await?;
    println!(
        "a login judged from the view        {:8.1} µs",
        checks.login
    );
    println!(
        "a revocation looked up in the view  {:8.1} µs",
        checks.revocation
    );
    println!(
        "a login judged with a proof, HTTP   {:8.1} µs",
        checks.proven_login
    );
    Ok(())
}

/// Changes of a second while a view follows.
const CHANGES_PER_S: usize = 1000;
/// Least time between two single registrations.
const THINK_TIME: Duration = Duration::from_millis(250);

fn own_cpu() -> Duration {
    cpu_of(&[std::process::id()]).unwrap_or_default()
}

fn memory_of(pids: &[u32]) -> anyhow::Result<u64> {
    let mut total = 0;
    for pid in pids {
        let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: u64 = line
            .context("VmRSS is listed")?
            .trim()
            .trim_end_matches(" kB")
            .parse()?;
        total += kib * 1024;
    }
    Ok(total)
}

fn disk_of(path: &Path) -> anyhow::Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        // A file that the database has just deleted counts nothing.
        let Ok(meta) = entry.metadata() else { continue };
        total += if meta.is_dir() {
            disk_of(&entry.path())?
        } else {
            meta.len()
        };
    }
    Ok(total)
}
