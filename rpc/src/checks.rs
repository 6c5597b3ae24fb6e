//! The verdicts: `identity_verifyLogin`, `identity_verifyJws`, `revocation_check`, `grant_check`,
//! `access_evaluate`. Each is taken as of one block.

use allod_rpc_api::answers::{self, AnswerError};
use allod_rpc_api::login::VerifyJwsRequest;
use allod_rpc_api::method::{
    ACCESS_EVALUATE, GRANT_CHECK, IDENTITY_VERIFY_JWS, IDENTITY_VERIFY_LOGIN, REVOCATION_CHECK,
};
use allod_rpc_api::verify::{Decision, SignatureVerdict};
use jsonrpsee::server::RegisterMethodError;
use serde::Serialize;

use crate::answer::request;
use crate::reads::{Asked, Cost, Reads};

/// What `identity_verifyJws` answers: with `asOf`, no decision.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum JwsAnswer {
    Decision(Decision),
    AsOf(SignatureVerdict),
}

pub(crate) fn register(reads: &mut Reads<'_>) -> Result<(), RegisterMethodError> {
    reads.register(
        IDENTITY_VERIFY_LOGIN,
        |_| Cost::Heavy,
        request,
        |asked, it| answers::verify_login(&asked.seen, it, asked.view.now()),
    )?;
    reads.register(IDENTITY_VERIFY_JWS, |_| Cost::Heavy, request, verify_jws)?;
    reads.register(
        REVOCATION_CHECK,
        |_| Cost::Light,
        request,
        |asked, it| answers::check_revocation(&asked.seen, it),
    )?;
    reads.register(
        GRANT_CHECK,
        |_| Cost::Light,
        request,
        |asked, it| answers::check_grant(&asked.seen, it),
    )?;
    reads.register(
        ACCESS_EVALUATE,
        |_| Cost::Heavy,
        request,
        |asked, it| answers::evaluate_access(&asked.seen, it, asked.view.now()),
    )
}

fn verify_jws(asked: &Asked<'_>, it: &VerifyJwsRequest) -> Result<JwsAnswer, AnswerError> {
    let (seen, now) = (&asked.seen, asked.view.now());
    Ok(match it.as_of {
        None => JwsAnswer::Decision(answers::verify_jws(seen, it, now)?),
        Some(_) => JwsAnswer::AsOf(answers::verify_jws_as_of(seen, it, now)?),
    })
}
