//! The verdicts: `identity_verifyLogin`, `identity_verifyJws`, `revocation_check`, `grant_check`,
//! `access_evaluate`. Each is taken as of one block.

use allod_rpc_api::answers;
use allod_rpc_api::method::{
    ACCESS_EVALUATE, GRANT_CHECK, IDENTITY_VERIFY_JWS, IDENTITY_VERIFY_LOGIN, REVOCATION_CHECK,
};
use jsonrpsee::server::RegisterMethodError;

use crate::answer::{request, unanswered};
use crate::methods::Module;
use crate::snapshot::Snapshot;

pub(crate) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    module.register_blocking_method(IDENTITY_VERIFY_LOGIN, |params, view, _| {
        let at = Snapshot::newest(&**view);
        answers::verify_login(&at, &request(&params)?, view.now()).map_err(unanswered)
    })?;
    module.register_blocking_method(IDENTITY_VERIFY_JWS, |params, view, _| {
        let at = Snapshot::newest(&**view);
        answers::verify_jws(&at, &request(&params)?, view.now()).map_err(unanswered)
    })?;
    module.register_method(REVOCATION_CHECK, |params, view, _| {
        let at = Snapshot::newest(&**view);
        answers::check_revocation(&at, &request(&params)?).map_err(unanswered)
    })?;
    module.register_method(GRANT_CHECK, |params, view, _| {
        let at = Snapshot::newest(&**view);
        answers::check_grant(&at, &request(&params)?).map_err(unanswered)
    })?;
    module.register_blocking_method(ACCESS_EVALUATE, |params, view, _| {
        let at = Snapshot::newest(&**view);
        answers::evaluate_access(&at, &request(&params)?, view.now()).map_err(unanswered)
    })?;
    Ok(())
}
