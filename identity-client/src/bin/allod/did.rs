//! `allod did …`

mod change;
mod create;
mod rotate;
mod show;

use crate::args::DidCommand;
use crate::console::Report;
use crate::failure::Failure;
use crate::session::Session;

pub(crate) async fn run(session: &Session, command: DidCommand) -> Result<Report, Failure> {
    match command {
        DidCommand::Create(args) => create::run(session, &args).await,
        DidCommand::Rotate(args) => rotate::run(session, &args).await,
        DidCommand::Update(args) => Box::pin(change::update(session, &args)).await,
        DidCommand::Logout(args) => Box::pin(change::logout(session, &args)).await,
        DidCommand::Deactivate { alias, yes, write } => {
            Box::pin(change::deactivate(session, &alias, yes, &write)).await
        }
        DidCommand::Resolve { who, height } => show::resolve(session, &who, height).await,
        DidCommand::History { who, from, count } => show::history(session, &who, from, count).await,
        DidCommand::List => show::list(session),
    }
}
