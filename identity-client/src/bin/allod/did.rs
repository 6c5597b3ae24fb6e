//! `allod did …`

mod change;
mod control;
mod create;
mod export;
mod guardians;
mod pending;
mod policy;
mod recover;
mod rotate;
mod show;

use allod_rpc_api::versions::VersionAsked;

use crate::amounts::Moment;
use crate::args::DidCommand;
use crate::console::Report;
use crate::failure::Failure;
use crate::session::Session;

pub(crate) async fn run(session: &Session, command: DidCommand) -> Result<Report, Failure> {
    match command {
        DidCommand::Create(args) => Box::pin(create::run(session, &args)).await,
        DidCommand::Rotate(args) => Box::pin(rotate::run(session, &args)).await,
        DidCommand::Update(args) => Box::pin(change::update(session, &args)).await,
        DidCommand::Logout(args) => Box::pin(change::logout(session, &args)).await,
        DidCommand::Deactivate {
            alias,
            yes,
            sheet,
            write,
        } => {
            Box::pin(change::deactivate(
                session,
                &alias,
                yes,
                sheet.as_deref(),
                &write,
            ))
            .await
        }
        DidCommand::Pending { who } => pending::show(session, &who).await,
        DidCommand::Cancel(args) => Box::pin(pending::cancel(session, &args)).await,
        DidCommand::Policy(command) => Box::pin(policy::run(session, command)).await,
        DidCommand::Guardians(command) => Box::pin(guardians::run(session, command)).await,
        DidCommand::Recover(command) => Box::pin(recover::run(session, command)).await,
        DidCommand::Resolve {
            who,
            height,
            version_id,
            version_time,
        } => {
            let asked = match (version_id, version_time) {
                (Some(id), _) => Some(VersionAsked::Id(id.0)),
                (None, Some(Moment::At(time))) => Some(VersionAsked::Time(time)),
                (None, Some(Moment::Now) | None) => None,
            };
            match asked {
                Some(asked) => show::version(session, &who, &asked).await,
                None => show::resolve(session, &who, height).await,
            }
        }
        DidCommand::History { who, from, count } => show::history(session, &who, from, count).await,
        DidCommand::Export { who, file } => export::export(session, &who, &file).await,
        DidCommand::VerifyLog { file, ledger, head } => {
            export::verify(session, &file, ledger, head).await
        }
        DidCommand::List => show::list(session),
    }
}
