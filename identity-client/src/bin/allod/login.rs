//! `allod login …`

use std::path::Path;

use allod_identity_client::jwt::{Challenge, login_answer};
use allod_rpc_api::login::VerifyLoginRequest;
use serde_json::json;

use crate::args::LoginCommand;
use crate::console::Report;
use crate::failure::Failure;
use crate::session::Session;
use crate::token::{no_method, verdict};

pub(crate) async fn run(session: &Session, command: LoginCommand) -> Result<Report, Failure> {
    match command {
        LoginCommand::Challenge { audience, lifetime } => {
            let challenge = Challenge::new(&audience, session.clock.now().seconds(), lifetime.0)?;
            let json = json!(challenge);
            Ok(Report::new(json.to_string(), json))
        }
        LoginCommand::Answer {
            alias,
            challenge,
            key,
        } => answer(session, &alias, &challenge, key.as_deref()),
        LoginCommand::Verify { challenge, answer } => verify(session, &challenge, &answer).await,
    }
}

fn answer(
    session: &Session,
    alias: &str,
    challenge: &Path,
    key: Option<&str>,
) -> Result<Report, Failure> {
    let challenge = read_challenge(session, challenge)?;
    let identity = session.unlock(alias)?;
    let method = match key {
        None => identity.login_method().ok_or_else(|| no_method(alias))?,
        Some(fragment) => identity.method(fragment).ok_or_else(|| {
            let message = format!("{alias} has no method {fragment}");
            Failure::usage(message, format!("`allod key show {alias}` lists them"))
        })?,
    };
    let now = session.clock.now_for(&identity.genesis).seconds();
    if challenge.expires <= now {
        let hint = "ask for a new challenge";
        return Err(Failure::negative(
            "login.expired",
            "the challenge has expired",
            hint,
        ));
    }
    let jwt = login_answer(&identity.did, method, &challenge, now)?;
    let fields = json!({
        "answer": jwt,
        "did": identity.did.to_string(),
        "method": format!("{}#{}", identity.did, method.fragment),
        "retired": method.retired,
    });
    let report = Report::new(jwt, fields);
    Ok(if method.retired {
        report.note(format!("{} is retired; verifiers deny it", method.fragment))
    } else {
        report
    })
}

async fn verify(session: &Session, challenge: &Path, answer: &str) -> Result<Report, Failure> {
    let challenge = read_challenge(session, challenge)?;
    if challenge.expires <= session.clock.now().seconds() {
        let hint = "make a new challenge";
        return Err(Failure::negative(
            "login.expired",
            "the challenge has expired",
            hint,
        ));
    }
    let request = VerifyLoginRequest {
        jws: session.token(answer)?,
        audience: challenge.audience,
        nonce: challenge.nonce,
        time: None,
        max_staleness_ms: None,
    };
    let asked = session.verify_login(&request);
    let decision = session
        .console
        .during("waiting for the node", asked)
        .await?;
    Ok(verdict(&decision))
}

fn read_challenge(session: &Session, path: &Path) -> Result<Challenge, Failure> {
    let bytes = session.read(path)?;
    serde_json::from_slice(&bytes).map_err(|_| {
        let message = format!("{} is not a challenge", path.display());
        Failure::usage(message, "`allod login challenge --audience URI` makes one")
    })
}
