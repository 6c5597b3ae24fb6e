//! Where the node's log goes and how it looks.

use std::sync::OnceLock;

use parking_lot::Mutex;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

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

/// Starts logging to standard error. `filter`: `tracing-subscriber`'s directives, such as
/// `info,allod_chain=debug`; `None` is the default.
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
        LogFormat::Human => registry.with(lines.with_ansi(false)).try_init(),
        LogFormat::Json => registry.with(lines.json()).try_init(),
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
