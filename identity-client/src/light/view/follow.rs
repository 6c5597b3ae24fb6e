//! The beginning, and the way from block to block.

use std::sync::Arc;
use std::time::Duration;

use allod_primitives::Height;
use allod_primitives::light::time::check_head_back;
use allod_primitives::light::{
    BlockChanges, Follower, HeaderMark, LightError, PageValue, StatePages, VerifiedChanges,
    VerifiedHeader, VerifiedState,
};
use allod_primitives::limits::CLOCK_AHEAD_MS_MAX;
use allod_rpc_api::ErrorCode;
use tokio::time::{Instant, sleep, timeout};

use super::copy::{Prefetch, Shared, ViewConfig, ViewState};
use super::table::{Key, Known, Table};
use crate::light::client::Problem;
use crate::light::wire;
use crate::light::{Fault, LightClient, ReadError};

/// Keys whose values are asked for at once.
const VALUES_AT_ONCE: usize = 256;
/// How often a value is asked for that changes while it is on its way.
const FETCHES_MAX: usize = 8;
/// Entries a second that a node has to bring, on average, of the whole state.
const ENTRIES_PER_S_MIN: u64 = 100;
/// How long it may be slower at the beginning.
const PATIENCE: Duration = Duration::from_secs(10);

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

/// Fetches the whole state from the first node whose pages prove themselves, as of a block that is
/// not below `floor` nor any that was answered from.
pub(super) async fn bootstrap(
    client: &LightClient,
    config: &ViewConfig,
    floor: Height,
) -> Result<(Begun, Follower), ReadError> {
    client.check_open()?;
    let mut faults = Vec::new();
    for index in client.nodes().order(client.now()) {
        let begun = timeout(config.begin, bootstrap_from(client, index, config, floor)).await;
        match begun.unwrap_or(Err(Fault::TooSlow.into())) {
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
    floor: Height,
) -> Result<(Begun, Follower), Problem> {
    let head = client.head_of(index).await?;
    check_head_back(&head, floor)?;
    let state = whole_state(client, index, &head).await?;
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

/// Fetches the pages of the whole state at `head`. Nothing of them is proven before the last, so
/// they have to come at a pace.
async fn whole_state(
    client: &LightClient,
    index: usize,
    head: &VerifiedHeader,
) -> Result<VerifiedState, Problem> {
    let node = client.nodes().get(index);
    let (mut pages, mut count, begun) = (StatePages::new(), 0u64, Instant::now());
    loop {
        let page = wire::state_page(node.as_ref(), head.number(), pages.last_key()).await?;
        let more = page.more;
        count = count.saturating_add(u64::try_from(page.entries.len()).unwrap_or(u64::MAX));
        pages.add(page)?;
        if !more {
            return Ok(pages.finish(head)?);
        }
        keep_pace(begun, count)?;
    }
}

/// Checks that a node has brought `count` entries since `begun`, and not less.
fn keep_pace(begun: Instant, count: u64) -> Result<(), Fault> {
    let within = PATIENCE + Duration::from_secs(count / ENTRIES_PER_S_MIN);
    if begun.elapsed() > within {
        return Err(Fault::TooSlow);
    }
    Ok(())
}

/// Fills in every value, each checked against its hash, at the pace of the whole state.
async fn prefetch(
    client: &LightClient,
    index: usize,
    head: &VerifiedHeader,
    table: &mut Table,
) -> Result<(), Problem> {
    let node = client.nodes().get(index);
    let missing: Vec<Key> = table.missing();
    let (mut count, begun) = (0u64, Instant::now());
    for keys in missing.chunks(VALUES_AT_ONCE) {
        keep_pace(begun, count)?;
        count = count.saturating_add(u64::try_from(keys.len()).unwrap_or(u64::MAX));
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
    let (first, longest) = shared.retry_ms();
    let mut pause = first;
    loop {
        let stood = follower.height();
        let Ok(is_gone) = round(&shared, &mut follower).await else {
            return;
        };
        let is_on = follower.height() > stood;
        pause = match is_on {
            true => first,
            false => pause.saturating_mul(2).min(longest),
        };
        // Whatever the others are: of those that answer, one has lost the blocks that are missing,
        // and none brings them.
        if is_gone && !is_on && begin_again(&shared, &mut follower).await.is_err() {
            return;
        }
        sleep(Duration::from_millis(pause)).await;
    }
}

/// Two histories are certified: the view has stopped for good.
struct Stopped;

/// Follows one node after the other until one has brought the follower on. Returns whether there
/// is one that no longer has the blocks that are missing.
async fn round(shared: &Arc<Shared>, follower: &mut Follower) -> Result<bool, Stopped> {
    let (client, stood) = (&shared.client, follower.height());
    let mut is_gone = false;
    for index in client.nodes().order(client.now()) {
        match follow(shared, index, follower).await {
            End::Problem(Problem::Fault(fault)) => {
                if fault.is_lie() {
                    shared.refuse();
                }
                let aside = client.aside(index, fault);
                let why = format!("{}: {}", aside.node, aside.fault);
                shared.set_state(ViewState::Reconnecting, Some(why));
            }
            End::Problem(Problem::Stop(error)) => {
                stopped(shared, &error, ViewState::Reconnecting)?;
            }
            End::Gone => is_gone = true,
        }
        if follower.height() > stood {
            break;
        }
    }
    Ok(is_gone)
}

/// Fetches the whole state anew, if a node gives it as of a block that is not below.
async fn begin_again(shared: &Arc<Shared>, follower: &mut Follower) -> Result<(), Stopped> {
    shared.set_state(ViewState::Bootstrapping, None);
    match bootstrap(&shared.client, &shared.config, follower.height()).await {
        Ok((begun, at)) => {
            *follower = at;
            shared.replace(begun);
            Ok(())
        }
        Err(error) => stopped(shared, &error, ViewState::Bootstrapping),
    }
}

/// Says what went wrong, and whether that is for good.
fn stopped(shared: &Shared, error: &ReadError, state: ViewState) -> Result<(), Stopped> {
    let is_frozen = matches!(error, ReadError::Frozen { .. });
    let state = if is_frozen { ViewState::Frozen } else { state };
    shared.set_state(state, Some(error.to_string()));
    if is_frozen { Err(Stopped) } else { Ok(()) }
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
    let next = follower.height().next();
    if is_forgotten(client, next) {
        return Err(End::Gone);
    }
    let mut blocks = match wire::blocks(node.as_ref(), next).await {
        Err(Fault::Node(error)) if error.known() == Some(ErrorCode::StateUnavailable) => {
            return Err(End::Gone);
        }
        blocks => blocks?,
    };
    let mut fresh_at = client.now();
    loop {
        // A stream without blocks for so long is of no use, whatever it says later.
        let next = timeout(client.config().staleness, blocks.next()).await;
        let next = next.map_err(|_| Fault::Disconnected)?;
        let block = wire::block(next.map_err(Fault::from)?.ok_or(Fault::Disconnected)?)?;
        let head = step(shared, index, follower, block).await?;
        // Nor is one that brings blocks when they are old already, unless it is catching up.
        let now = client.now();
        if shared.too_old(&head, now).is_none() {
            client.nodes().take_back(index);
            fresh_at = now;
        } else if now.0.saturating_sub(fresh_at.0) > client.config().staleness_ms() {
            let time = head.time;
            return Err(LightError::HeadStale { time, now }.into());
        }
    }
}

/// Whether the validators of a block are no longer known: nobody can prove it any more.
fn is_forgotten(client: &LightClient, height: Height) -> bool {
    let state = client.state();
    let oldest = state.kept.trust.sets().first();
    oldest.is_some_and(|oldest| height < oldest.since())
}

/// Takes in one block, if it proves itself. Returns which.
async fn step(
    shared: &Arc<Shared>,
    index: usize,
    follower: &mut Follower,
    block: BlockChanges,
) -> Result<HeaderMark, Problem> {
    let (client, now) = (&shared.client, shared.client.now());
    let time = block.head.header.digest.time;
    if time > now.plus_ms(CLOCK_AHEAD_MS_MAX) {
        return Err(LightError::HeadAhead { time, now }.into());
    }
    let verified = verified(client, index, follower, block).await?;
    shared.apply(&verified);
    if shared.config.prefetch == Prefetch::All {
        // However slowly they come, the view goes on while it may still answer.
        let bound = client.config().staleness;
        let _in_time = timeout(bound, fill(shared, index, &verified)).await;
    }
    client.save(false).map_err(Problem::Stop)?;
    let head = mark(verified.header());
    client.compare_later(index, head);
    Ok(head)
}

/// Verifies a block, fetching the validator sets before it: the stream shows those after the
/// follower's, but not one that ended where the follower stands.
async fn verified(
    client: &LightClient,
    index: usize,
    follower: &mut Follower,
    block: BlockChanges,
) -> Result<VerifiedChanges, Problem> {
    let set_id = block.head.header.digest.set_id;
    let is_newer = set_id > client.state().kept.trust.newest_set().set_id();
    let again = is_newer.then(|| block.clone());
    let mut step = |block| client.with_trust(index, |trust| follower.step(trust, block));
    let mut stepped = step(block);
    if let (Err(Problem::Fault(Fault::Light(LightError::SetUnknown { .. }))), Some(block)) =
        (&stepped, again)
    {
        client.catch_up(index, set_id).await?;
        stepped = step(block);
    }
    client.traced(index, stepped).await
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
