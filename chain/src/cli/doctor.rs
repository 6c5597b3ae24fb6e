//! `allod-node doctor`: everything an operator should know, and what to do about it.

use std::path::PathBuf;

use allod_runtime::executive::Executive;
use clap::Args;
use serde_json::json;

use super::output::{Failure, print_json, say};
use crate::doctor::{Level, examine};
use crate::node::ExitCode;
use crate::seams::{Clock, SystemClock};

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Configuration file (TOML). The node may run or not; nothing is changed.
    #[arg(long, default_value = "config.toml")]
    config: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &DoctorArgs, executive: Executive) -> Result<ExitCode, Failure> {
    let findings = examine(&args.config, executive, SystemClock.now().0);
    let worst = findings.iter().map(|it| it.level).max();
    let worst = worst.unwrap_or(Level::Ok);
    if args.json {
        print_json(&json!({ "level": worst, "findings": findings }));
    } else {
        for finding in &findings {
            let level = match finding.level {
                Level::Ok => "ok",
                Level::Warn => "warn",
                Level::Fail => "FAIL",
            };
            say!("{level:<5} {:<12} {}", finding.check, finding.found);
            if let Some(todo) = &finding.todo {
                say!("{:<19}{todo}", "");
            }
        }
    }
    Ok(match worst {
        Level::Ok => ExitCode::Stopped,
        Level::Warn => ExitCode::Negative,
        Level::Fail => ExitCode::Usage,
    })
}
