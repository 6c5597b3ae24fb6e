//! Where the node's log goes and how it looks.

use std::sync::OnceLock;

use parking_lot::Mutex;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{ParseError, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt, reload};

/// What is logged unless the operator says otherwise: the engine below us is talkative.
const FILTER: &str = concat!(
    "info,allod_consensus::driver::finality=warn,arc_malachitebft=warn,",
    "arc_malachitebft_engine::node=error,libp2p=warn,ractor=warn"
);

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// What is logged now, and what changes it; nothing before logging has begun here.
static LOG: OnceLock<Log> = OnceLock::new();

struct Log {
    filter: Mutex<String>,
    handle: reload::Handle<EnvFilter, Registry>,
}

/// What begins the names of libraries that log, below [`Level::INFO`], what clients send them:
/// tokens and keys among it. Theirs is left out whatever the operator asks for.
const CONTENTS: [&str; 6] = [
    "jsonrpsee",
    "soketto",
    "hyper",
    "h2",
    "rustls",
    "tower_http",
];

/// Returns whether an event holds nothing that a client has sent.
fn may_be_shown(metadata: &Metadata<'_>) -> bool {
    let is_detail = *metadata.level() > Level::INFO;
    let target = metadata.target();
    !(is_detail && CONTENTS.iter().any(|name| target.starts_with(name)))
}

/// Starts logging to standard error. `filter`: `tracing-subscriber`'s directives, such as
/// `info,allod_chain=debug`; `None` is the default. What libraries log of what clients send is
/// never shown (docs/node.md, "Logs").
///
/// # Errors
/// The filter does not parse.
pub fn start_logs(format: LogFormat, filter: Option<&str>) -> Result<(), ParseError> {
    let text = filter.unwrap_or(FILTER);
    let filter = EnvFilter::try_new(text)?;
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    // Fails only where something else logs already, which then goes on.
    let _ = match format {
        LogFormat::Human => {
            let lines = lines.with_ansi(false).with_filter(filter_fn(may_be_shown));
            registry.with(lines).try_init()
        }
        LogFormat::Json => {
            let lines = lines.json().with_filter(filter_fn(may_be_shown));
            registry.with(lines).try_init()
        }
    };
    let filter = Mutex::new(text.to_owned());
    let _already = LOG.set(Log { filter, handle });
    Ok(())
}

/// Returns what is logged; `None` if logging did not begin here.
pub(super) fn filter() -> Option<String> {
    LOG.get().map(|log| log.filter.lock().clone())
}

/// Sets what is logged from now on.
pub(super) fn set_filter(text: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(text).map_err(|error| error.to_string())?;
    let log = LOG.get().ok_or("logging did not begin here")?;
    let mut current = log.filter.lock();
    let set = log.handle.reload(filter);
    set.map_err(|error| error.to_string())?;
    *current = text.to_owned();
    Ok(())
}
