//! The verdicts: `identity_verifyLogin`, `identity_verifyJws`, `revocation_check`, `grant_check`,
//! `access_evaluate`. Each is taken as of one block.

use allod_rpc_api::answers;
use allod_rpc_api::method::{
    ACCESS_EVALUATE, GRANT_CHECK, IDENTITY_VERIFY_JWS, IDENTITY_VERIFY_LOGIN, REVOCATION_CHECK,
};
use jsonrpsee::server::RegisterMethodError;

use crate::answer::request;
use crate::reads::{Cost, Reads};

pub(crate) fn register(reads: &mut Reads<'_>) -> Result<(), RegisterMethodError> {
    reads.register(IDENTITY_VERIFY_LOGIN, Cost::Heavy, request, |asked, it| {
        answers::verify_login(&asked.seen, it, asked.view.now())
    })?;
    reads.register(IDENTITY_VERIFY_JWS, Cost::Heavy, request, |asked, it| {
        answers::verify_jws(&asked.seen, it, asked.view.now())
    })?;
    reads.register(REVOCATION_CHECK, Cost::Light, request, |asked, it| {
        answers::check_revocation(&asked.seen, it)
    })?;
    reads.register(GRANT_CHECK, Cost::Light, request, |asked, it| {
        answers::check_grant(&asked.seen, it)
    })?;
    reads.register(ACCESS_EVALUATE, Cost::Heavy, request, |asked, it| {
        answers::evaluate_access(&asked.seen, it, asked.view.now())
    })
}
