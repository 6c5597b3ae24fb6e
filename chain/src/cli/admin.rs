//! `allod-node admin`: asks a running node on this machine.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::output::{Failure, print_json, say};
use crate::admin::{AskError, ask, socket_of};
use crate::config::NodeConfig;
use crate::node::ExitCode;

#[derive(Debug, Args)]
pub(super) struct AdminArgs {
    /// The node's configuration file, which says where its socket is.
    #[arg(long, default_value = "config.toml", global = true)]
    config: PathBuf,
    /// The socket, instead of the configuration's.
    #[arg(long, global = true)]
    socket: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Say how the node stands.
    Status,
    /// List the peers that it is connected to.
    Peers,
    /// Show what is logged, or set it until the node is started again.
    Log {
        /// Directives such as `info,allod_chain=debug`.
        filter: Option<String>,
    },
    /// Read API keys and certificates again; connections stay.
    Reload,
    /// Stop the node in order.
    Stop,
}

pub(super) fn run(args: &AdminArgs) -> Result<ExitCode, Failure> {
    let socket = match &args.socket {
        Some(socket) => socket.clone(),
        None => {
            let config = NodeConfig::read(&args.config).map_err(|error| Failure {
                code: ExitCode::Usage,
                message: error.to_string(),
                hint: Some("name the node's file by --config, or its socket by --socket".into()),
            })?;
            socket_of(&config)
        }
    };
    let (method, params) = match &args.command {
        AdminCommand::Status => ("admin_status", Value::Null),
        AdminCommand::Peers => ("admin_peers", Value::Null),
        AdminCommand::Log { filter: None } => ("admin_logFilter", Value::Null),
        AdminCommand::Log { filter } => ("admin_logFilter", json!({ "filter": filter })),
        AdminCommand::Reload => ("admin_reload", Value::Null),
        AdminCommand::Stop => ("admin_stop", Value::Null),
    };
    let answer = ask(&socket, method, &params).map_err(|error| {
        let (code, hint) = match &error {
            AskError::Refused(_) => (ExitCode::Usage, None),
            _ => (
                ExitCode::Unavailable,
                Some("does the node run, and as this user?".to_owned()),
            ),
        };
        Failure {
            code,
            message: error.to_string(),
            hint,
        }
    })?;
    match args.json {
        true => print_json(&answer),
        false => print(&answer),
    }
    Ok(ExitCode::Stopped)
}

/// Prints an answer for people: a line for each member, or for each entry of a list.
fn print(answer: &Value) {
    match answer {
        Value::Object(members) => {
            for (name, value) in members {
                say!("{name:<12} {}", word(value));
            }
        }
        Value::Array(entries) => {
            for entry in entries {
                let members = entry.as_object().into_iter().flat_map(|it| it.values());
                let words: Vec<String> = members.map(word).collect();
                say!("{}", words.join(" "));
            }
        }
        other => say!("{}", word(other)),
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    }
}
