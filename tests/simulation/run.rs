//! One run: boot, chaos, healing, judgement.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::checkers::{
    Survivors, Violation, nobody_equivocates, nobody_stops_by_itself, the_chain_goes_on,
};
use crate::fleet::Fleet;
use crate::plan::{Fault, Plan};
use crate::workload::{Book, client};

/// How long clients may take to settle their last message once everything is healed.
const SETTLING: Duration = Duration::from_secs(180);

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// Hash of everything that was noted.
    pub(crate) trace: String,
    /// Hash of height and hash of every block.
    pub(crate) chain: String,
    pub(crate) height: u64,
    pub(crate) acknowledged: usize,
    pub(crate) messages: u64,
    pub(crate) virtual_s: u64,
}

/// Runs `plan` in virtual time, on this thread.
pub(crate) fn run(plan: &Plan, verbose: bool) -> Result<Report, Violation> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime needs no more than this process has");
    runtime.block_on(play(plan, verbose))
}

async fn play(plan: &Plan, verbose: bool) -> Result<Report, Violation> {
    let fleet = Fleet::new(plan, verbose);
    for node in 0..plan.nodes {
        fleet.boot(node).await;
    }
    let book = Book::default();
    let (stop, stopped) = watch::channel(false);
    let mut clients = JoinSet::new();
    for number in 0..plan.clients as u64 {
        let (fleet, book) = (fleet.clone(), book.clone());
        clients.spawn(client(fleet, book, plan.seed, number, stopped.clone()));
    }
    let operator = tokio::spawn(operator(fleet.clone()));
    let start = tokio::time::Instant::now();
    let mut faults = JoinSet::new();
    for (at, fault) in &plan.faults {
        tokio::time::sleep_until(start + *at).await;
        fleet.trace.note(&format!("{fault:?}"));
        faults.spawn(happen(fleet.clone(), fault.clone()));
    }
    tokio::time::sleep_until(start + plan.chaos).await;
    while let Some(fault) = faults.join_next().await {
        fault.expect("faults do not panic");
    }
    fleet.heal();
    stop.send_replace(true);
    let judged = judge(plan, &fleet, clients, &book).await;
    let height = fleet.highest().0;
    let report = Report {
        chain: chain_hash(&fleet, height),
        trace: fleet.trace.digest(),
        height,
        acknowledged: book
            .lock()
            .expect("no code panics while it holds this lock")
            .len(),
        messages: fleet.messages(),
        virtual_s: fleet.trace.elapsed().as_secs(),
    };
    operator.abort();
    fleet.end().await;
    judged.map(|()| report)
}

/// Looks after the nodes once a second.
async fn operator(fleet: Arc<Fleet>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        fleet.move_logs_away().await;
    }
}

/// Lets a fault happen and come right again.
async fn happen(fleet: Arc<Fleet>, fault: Fault) {
    match fault {
        Fault::Crash {
            nodes,
            down,
            log_lost,
        } => {
            let mut crashed = Vec::new();
            for node in nodes {
                // One that is down already is somebody else's to start.
                if fleet.crash(node).await {
                    crashed.push(node);
                }
            }
            if let Some(node) = log_lost.filter(|node| crashed.contains(node)) {
                fleet.lose_log(node);
            }
            tokio::time::sleep(down).await;
            for node in crashed {
                fleet.boot(node).await;
            }
        }
        Fault::Partition { side, lasts } => {
            fleet.part(&side);
            tokio::time::sleep(lasts).await;
            fleet.heal();
        }
        Fault::Clock { node, offset_ms } => fleet.set_clock(node, offset_ms),
        Fault::DiskFull { node, lasts } => {
            fleet.fill_disk(node, true);
            tokio::time::sleep(lasts).await;
            let ran = fleet.crash(node).await;
            fleet.fill_disk(node, false);
            if ran {
                fleet.boot(node).await;
            }
        }
    }
}

/// Asks every checker, liveness first.
async fn judge(
    plan: &Plan,
    fleet: &Arc<Fleet>,
    mut clients: JoinSet<()>,
    book: &Book,
) -> Result<(), Violation> {
    nobody_stops_by_itself(fleet)?;
    nobody_equivocates(fleet)?;
    if plan.syncs_ignored {
        // Nothing is promised of the future of a chain that has forgotten its past.
        clients.shutdown().await;
    } else {
        the_chain_goes_on(fleet).await?;
        let all = async {
            while let Some(client) = clients.join_next().await {
                client.expect("clients do not panic");
            }
        };
        if tokio::time::timeout(SETTLING, all).await.is_err() {
            return Err(Violation {
                checker: "the_chain_goes_on",
                details: "a client's message was not settled".into(),
            });
        }
        let goal = fleet.highest();
        if !fleet.reach(goal, Duration::from_secs(60)).await {
            return Err(Violation {
                checker: "the_chain_goes_on",
                details: format!("not all nodes reached {goal}"),
            });
        }
    }
    let book = book
        .lock()
        .expect("no code panics while it holds this lock")
        .clone();
    let survivors = Survivors::of(fleet);
    survivors.one_block_per_height()?;
    survivors.nothing_acknowledged_is_lost(&book)?;
    survivors.state_roots_agree()?;
    survivors.certificates_are_genuine()?;
    survivors.logs_are_consistent()?;
    nobody_stops_by_itself(fleet)?;
    nobody_equivocates(fleet)
}

/// Returns a hash over the highest chain, its first 16 hexadecimal digits.
fn chain_hash(fleet: &Fleet, height: u64) -> String {
    use allod_primitives::{Height, sha2_256};
    let shared = (0..fleet.count())
        .filter_map(|node| fleet.shared(node))
        .find(|it| it.chain().store().tip().height().0 == height);
    let hashes: Vec<u8> = shared.map_or_else(Vec::new, |shared| {
        let reader = shared.chain().store().reader();
        let header = |height| reader.header(Height(height)).ok().flatten();
        (0..=height)
            .filter_map(header)
            .flat_map(|it| it.hash().0)
            .collect()
    });
    hex::encode(&sha2_256(&hashes).0[..8])
}
