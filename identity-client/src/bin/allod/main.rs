//! `allod`: the command line of the identity ledger.
//!
//! Data goes to standard output, everything else to standard error: notes, progress, and errors as
//! `allod: error: …` with a `hint: …`. With `--json` each is one JSON object. Exit codes: 0 ok, 1 a
//! negative answer, 2 wrong usage, 3 unavailable, 70 a bug. See docs/cli.md.

mod amounts;
mod args;
mod chain;
mod console;
mod did;
mod effect;
mod failure;
mod gov;
mod grant;
mod key;
mod light;
mod login;
mod peers;
mod reads;
mod registrar;
mod session;
mod sheet;
mod token;
mod usage;
mod watch;

use std::process::ExitCode;

use args::{Cli, Command};
use console::{Console, Report};
use failure::{Exit, Failure};
use session::Session;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("allod: error: {panic}");
        eprintln!("hint: this is a bug; please report it with the command that you typed");
        std::process::exit(Exit::Bug.code().into());
    }));
    let (cli, console) = match usage::parse() {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(cli, console)),
        Err(error) => Err(Failure::unavailable("client.runtime", error.to_string())),
    };
    let code = match result {
        Ok(report) => console.report(&report),
        Err(failure) => console.failure(&failure),
    };
    ExitCode::from(code)
}

async fn run(cli: Cli, console: Console) -> Result<Report, Failure> {
    let session = Session::new(cli.global, console)?;
    let done = dispatch(&session, cli.command).await;
    session.tell_comparison();
    done
}

async fn dispatch(session: &Session, command: Command) -> Result<Report, Failure> {
    match command {
        Command::Did(command) => Box::pin(did::run(session, command)).await,
        Command::Token(command) => Box::pin(token::run(session, command)).await,
        Command::Login(command) => login::run(session, command).await,
        Command::Grant(command) => grant::run(session, command).await,
        Command::Registrar(command) => registrar::run(session, command).await,
        Command::Watch(args) => Box::pin(watch::run(session, &args)).await,
        Command::Gov(command) => Box::pin(gov::run(session, command)).await,
        Command::Chain(command) => chain::run(session, command).await,
        Command::Light(command) => light::run(session, command).await,
        Command::Key(command) => key::run(session, command),
    }
}
