//! `allod-devnet`: launches, keeps and breaks a local network of real node processes.
//!
//! `up` owns the nodes: it starts them, watches them, and ends them when it ends, however that
//! happens (each node holds the reading end of a pipe and stops when the pipe closes). The other
//! commands talk to it over a Unix socket in its directory.

#![expect(clippy::print_stdout, reason = "a command's data goes to stdout")]

mod advance;
mod cli;
mod control;
mod genesis;
mod identities;
mod keys;
mod layout;
mod report;
mod supervisor;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

/// Returns the command line's description, for completions and manual pages.
pub fn command() -> clap::Command {
    cli::Cli::command()
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return report::fail(&cli, &error.into()),
    };
    match runtime.block_on(cli::run(&cli)) {
        Ok(code) => code,
        Err(error) => report::fail(&cli, &error),
    }
}
