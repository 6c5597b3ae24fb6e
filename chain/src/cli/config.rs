//! `allod-node config`: checks a configuration, shows what is in effect, writes a template.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;

use super::output::{Failure, print_json, say};
use crate::config::{Inspection, Machine, NodeConfig, table};
use crate::node::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Say everything that is wrong with a configuration, and what to know about it. Code 0: it
    /// can be used; 2: it cannot.
    Check {
        #[command(flatten)]
        file: FileArgs,
        /// Code 1 if there are warnings.
        #[arg(long)]
        strict: bool,
    },
    /// Print the value of every key, and whether it is from the file or a default.
    Show {
        #[command(flatten)]
        file: FileArgs,
    },
    /// Print a configuration of comments: every key, its meaning, its range, its default.
    Template,
}

#[derive(Debug, Args)]
pub(super) struct FileArgs {
    /// Configuration file (TOML).
    #[arg(long, default_value = "config.toml")]
    config: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &ConfigCommand) -> Result<ExitCode, Failure> {
    match command {
        ConfigCommand::Check { file, strict } => check(file, *strict),
        ConfigCommand::Show { file } => show(file),
        ConfigCommand::Template => {
            say!("{}", table::template().trim_end());
            Ok(ExitCode::Stopped)
        }
    }
}

fn inspect(file: &Path) -> Result<Inspection, Failure> {
    let found = NodeConfig::inspect(file, &Machine::this());
    Ok(found.context("reading the configuration")?)
}

fn check(args: &FileArgs, strict: bool) -> Result<ExitCode, Failure> {
    let found = inspect(&args.config)?;
    if args.json {
        print_json(&json!({
            "file": args.config,
            "usable": found.errors.is_empty(),
            "errors": found.errors,
            "warnings": found.warnings,
        }));
    } else {
        let all = [("error", &found.errors), ("warning", &found.warnings)];
        for (kind, problem) in all
            .iter()
            .flat_map(|(kind, of)| of.iter().map(move |p| (kind, p)))
        {
            say!("{kind:<8} {problem}");
        }
        let (file, errors) = (args.config.display(), found.errors.len());
        match errors {
            0 => say!("{file} can be used, warnings: {}", found.warnings.len()),
            _ => say!("{file} cannot be used, errors: {errors}"),
        }
    }
    Ok(match (found.errors.is_empty(), found.warnings.is_empty()) {
        (false, _) => ExitCode::Usage,
        (true, false) if strict => ExitCode::Negative,
        (true, _) => ExitCode::Stopped,
    })
}

fn show(args: &FileArgs) -> Result<ExitCode, Failure> {
    let found = inspect(&args.config)?;
    if found.config.is_none() {
        return Err(Failure {
            code: ExitCode::Usage,
            message: format!("{} cannot be used", args.config.display()),
            hint: Some("`allod-node config check` says why".into()),
        });
    }
    if args.json {
        print_json(&json!({ "file": args.config, "keys": found.effective }));
        return Ok(ExitCode::Stopped);
    }
    for value in &found.effective {
        let from = match value.line {
            Some(line) => format!("line {line}"),
            None => "default".into(),
        };
        say!("{:<28} {:<32} # {from}", value.key, value.text());
    }
    Ok(ExitCode::Stopped)
}
