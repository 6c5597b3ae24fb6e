//! The beginning, and the way from block to block.

use std::sync::Arc;
use std::time::Duration;

use allod_primitives::light::{
    Follower, HeaderMark, LightError, PageValue, StatePages, VerifiedChanges, VerifiedHeader,
};
use allod_primitives::limits::CLOCK_AHEAD_MS_MAX;
use allod_rpc_api::ErrorCode;
use tokio::time::{sleep, timeout};

use super::copy::{Prefetch, Shared, ViewConfig, ViewState};
use super::table::{Key, Known, Table};
use crate::light::client::Problem;
use crate::light::wire;
use crate::light::{Fault, LightClient, ReadError};

/// Keys whose values are asked for at once.
const VALUES_AT_ONCE: usize = 256;
/// How often a value is asked for that changes while it is on its way.
const FETCHES_MAX: usize = 8;

/// A state that was fetched and proven.
pub(super) struct Begun {
    pub(super) head: HeaderMark,
    pub(super) table: Table,
}

/// How following one node ended.
enum End {
    Problem(Problem),
    /// The node no longer has the blocks that are missing.
    Gone,
}

impl<E: Into<Problem>> From<E> for End {
    fn from(problem: E) -> Self {
        Self::Problem(problem.into())
    }
}

/// Fetches the whole state from the first node whose pages prove themselves.
pub(super) async fn bootstrap(
    client: &LightClient,
    config: &ViewConfig,
) -> Result<(Begun, Follower), ReadError> {
    client.check_open()?;
    let mut faults = Vec::new();
    for index in client.nodes().order(client.now()) {
        match bootstrap_from(client, index, config).await {
            Ok(begun) => {
                client.nodes().take_back(index);
                return Ok(begun);
            }
            Err(Problem::Fault(fault)) => faults.push(client.aside(index, fault)),
            Err(Problem::Stop(error)) => return Err(error),
        }
    }
    Err(ReadError::Unanswered { faults })
}

async fn bootstrap_from(
    client: &LightClient,
    index: usize,
    config: &ViewConfig,
) -> Result<(Begun, Follower), Problem> {
    let node = client.nodes().get(index);
    let head = client.head_of(index).await?;
    let mut pages = StatePages::new();
    loop {
        let page = wire::state_page(node.as_ref(), head.number(), pages.last_key()).await?;
        let (more, is_empty) = (page.more, page.entries.is_empty());
        pages.add(page)?;
        if !more {
            break;
        }
        if is_empty {
            return Err(LightError::PageOrder.into());
        }
    }
    let state = pages.finish(&head)?;
    let mut table = Table::new(match config.prefetch {
        Prefetch::None => config.cached_max,
        Prefetch::All => usize::MAX,
    });
    for (key, value) in state.entries() {
        table.insert(key, value);
    }
    if config.prefetch == Prefetch::All {
        prefetch(client, index, &head, &mut table).await?;
    }
    let begun = Begun {
        head: mark(&head),
        table,
    };
    Ok((begun, Follower::at(&head)))
}

/// Fills in every value, each checked against its hash.
async fn prefetch(
    client: &LightClient,
    index: usize,
    head: &VerifiedHeader,
    table: &mut Table,
) -> Result<(), Problem> {
    let node = client.nodes().get(index);
    let missing: Vec<Key> = table.missing();
    for keys in missing.chunks(VALUES_AT_ONCE) {
        let values = wire::values(node.as_ref(), keys, head.hash()).await?;
        for (key, value) in keys.iter().zip(values) {
            let value = value.ok_or(Fault::WrongValue)?;
            if !table.fill(key, &value) {
                return Err(Fault::WrongValue.into());
            }
        }
    }
    Ok(())
}

/// Follows, at one node after the other, until two histories are certified or the task is ended.
pub(super) async fn run(shared: Arc<Shared>, mut follower: Follower) {
    let client = shared.client.clone();
    let (first, longest) = shared.retry_ms();
    let mut pause = first;
    loop {
        let stood = follower.height();
        let order = client.nodes().order(client.now());
        let mut gone = 0;
        let asked = order.len();
        for index in order {
            match follow(&shared, index, &mut follower).await {
                End::Problem(Problem::Fault(fault)) => {
                    let aside = client.aside(index, fault);
                    let why = format!("{}: {}", aside.node, aside.fault);
                    shared.set_state(ViewState::Reconnecting, Some(why));
                }
                End::Problem(Problem::Stop(error @ ReadError::Frozen { .. })) => {
                    shared.set_state(ViewState::Frozen, Some(error.to_string()));
                    return;
                }
                End::Problem(Problem::Stop(error)) => {
                    shared.set_state(ViewState::Reconnecting, Some(error.to_string()));
                }
                End::Gone => gone += 1,
            }
            if follower.height() > stood {
                break;
            }
        }
        if gone == asked {
            shared.set_state(ViewState::Bootstrapping, None);
            match bootstrap(&client, &shared.config).await {
                Ok((begun, at)) => {
                    follower = at;
                    shared.replace(begun);
                }
                Err(error) => {
                    shared.set_state(ViewState::Bootstrapping, Some(error.to_string()));
                }
            }
        }
        pause = match follower.height() > stood {
            true => first,
            false => pause.saturating_mul(2).min(longest),
        };
        sleep(Duration::from_millis(pause)).await;
    }
}

/// Follows one node from where the follower stands; returns why that ended.
async fn follow(shared: &Arc<Shared>, index: usize, follower: &mut Follower) -> End {
    match steps(shared, index, follower).await {
        Ok(never) => match never {},
        Err(end) => end,
    }
}

/// Nobody.
enum Never {}

async fn steps(shared: &Arc<Shared>, index: usize, follower: &mut Follower) -> Result<Never, End> {
    let client = &shared.client;
    let node = client.nodes().get(index);
    let mut blocks = match wire::blocks(node.as_ref(), follower.height().next()).await {
        Err(Fault::Node(error)) if error.known() == Some(ErrorCode::StateUnavailable) => {
            return Err(End::Gone);
        }
        blocks => blocks?,
    };
    loop {
        // A stream without blocks for so long is of no use, whatever it says later.
        let next = timeout(client.config().staleness, blocks.next()).await;
        let next = next.map_err(|_| Fault::Disconnected)?;
        let block = wire::block(next.map_err(Fault::from)?.ok_or(Fault::Disconnected)?)?;
        let (time, now) = (block.head.header.digest.time, client.now());
        if time > now.plus_ms(CLOCK_AHEAD_MS_MAX) {
            return Err(LightError::HeadAhead { time, now }.into());
        }
        let step = client.with_trust(index, |trust| follower.step(trust, block));
        let verified = step?;
        shared.apply(&verified);
        if shared.config.prefetch == Prefetch::All {
            fill(shared, index, &verified).await;
        }
        client.nodes().take_back(index);
        client.save(false).map_err(Problem::Stop)?;
        client.compare_later(index, mark(verified.header()));
    }
}

/// Fetches the values that a large block brought as hashes only. What does not come now is fetched
/// when it is needed.
async fn fill(shared: &Arc<Shared>, index: usize, block: &VerifiedChanges) {
    let node = shared.client.nodes().get(index);
    let changes = block.changes().iter();
    let hashed = changes.filter(|(_, value)| matches!(value, Some(PageValue::Hash(_))));
    let keys: Vec<&Vec<u8>> = hashed.map(|(key, _)| key).collect();
    for keys in keys.chunks(VALUES_AT_ONCE) {
        let Ok(values) = wire::values(node.as_ref(), keys, block.header().hash()).await else {
            return;
        };
        for (key, value) in keys.iter().zip(values) {
            if let Some(value) = value {
                shared.fill(key, &value);
            }
        }
    }
}

/// Fetches one value that is known by its hash.
pub(super) async fn fetch_value(shared: &Arc<Shared>, key: &[u8]) -> Result<(), ReadError> {
    let client = &shared.client;
    let mut faults = Vec::new();
    for _ in 0..FETCHES_MAX {
        faults.clear();
        let (before, block) = shared.known(key);
        if !matches!(before, Known::Hash(_)) {
            return Ok(());
        }
        for index in client.nodes().order(client.now()) {
            let node = client.nodes().get(index);
            let fault = match wire::value(node.as_ref(), key, &block).await {
                Ok(Some(value)) if shared.fill(key, &value) => {
                    client.nodes().take_back(index);
                    return Ok(());
                }
                Ok(_) => Fault::WrongValue,
                Err(fault) => fault,
            };
            // A block may have changed it meanwhile; then nobody lied.
            if shared.known(key).0 != before {
                break;
            }
            faults.push(client.aside(index, fault));
        }
        if !faults.is_empty() {
            break;
        }
    }
    Err(ReadError::Unanswered { faults })
}

fn mark(head: &VerifiedHeader) -> HeaderMark {
    HeaderMark {
        height: head.number(),
        hash: *head.hash(),
        time: head.time(),
    }
}
