//! `authority_proposals` and `authority_rules`.

use allod_rpc_api::answers;
use allod_rpc_api::authority::AuthorityRequest;
use allod_rpc_api::method::{AUTHORITY_PROPOSALS, AUTHORITY_RULES};
use allod_rpc_api::read::ReadRequest;
use jsonrpsee::server::RegisterMethodError;
use jsonrpsee::types::Params;

use crate::answer::{Answer, request};
use crate::reads::{Cost, Reads};

pub(crate) fn register(reads: &mut Reads<'_>) -> Result<(), RegisterMethodError> {
    reads.register(
        AUTHORITY_PROPOSALS,
        |_| Cost::Heavy,
        optional,
        |asked, _| answers::proposals(&asked.seen),
    )?;
    reads.register(
        AUTHORITY_RULES,
        |_| Cost::Light,
        optional,
        |asked, _| answers::rules(&asked.seen),
    )
}

/// Reads parameters of which there may be none at all.
fn optional(params: &Params<'_>) -> Answer<ReadRequest<AuthorityRequest>> {
    match params.as_str().map(str::trim) {
        None | Some("" | "[]" | "null") => Ok(AuthorityRequest::default().into()),
        Some(_) => request(params),
    }
}
