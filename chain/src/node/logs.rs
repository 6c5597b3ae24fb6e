//! Where the node's log goes and how it looks.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

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

/// Starts logging to standard error. `filter`: `tracing-subscriber`'s directives, such as
/// `info,allod_chain=debug`; `None` is the default.
///
/// # Errors
/// The filter does not parse.
pub fn start_logs(format: LogFormat, filter: Option<&str>) -> Result<(), ParseError> {
    let filter = EnvFilter::try_new(filter.unwrap_or(FILTER))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Fails only where something else logs already, which then goes on.
    let _ = match format {
        LogFormat::Human => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    Ok(())
}
