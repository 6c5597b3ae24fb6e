//! The runtime's errors, told by the one table of codes.
//!
//! The runtime says `Stale`; whose sequence number was stale follows from the pallet that was
//! called. The node turns what the runtime returns into [`TransactionError`] and [`Fault`] here.

use allod_primitives::extrinsic::RawExtrinsic;
use allod_rpc_api::ErrorCode;
use allod_runtime::frame::{DispatchError, ModuleError, TransactionError as Invalid};
use allod_runtime::{RuntimeEvent, authority, did, grant, revocation};
use parity_scale_codec::DecodeAll;

use crate::view::{Fault, InvalidTransaction, TransactionError};

/// Turns the runtime's refusal of an extrinsic into Substrate's reason and ours.
///
/// `body`: the extrinsic without length prefix.
pub fn transaction(error: &Invalid, body: &[u8]) -> TransactionError {
    // A registrar's batch is refused as its extrinsic; its items are judged one by one, later.
    let bare_pallet = RawExtrinsic::decode_body(body)
        .ok()
        .filter(|extrinsic| extrinsic.signed.is_none())
        .and_then(|extrinsic| extrinsic.call.first().copied());
    TransactionError {
        reason: reason(error),
        fault: Fault {
            slug: code(error, bare_pallet).slug().into(),
            detail: Some(error.to_string()),
        },
    }
}

/// Turns a failed dispatch into a fault.
pub fn dispatch(error: &DispatchError) -> Fault {
    match error {
        DispatchError::Module(module) => module_fault(module),
        DispatchError::BadOrigin => Fault::new(ErrorCode::TransactionNotAllowed.slug()),
        DispatchError::Exhausted => Fault::new(ErrorCode::TransactionExhaustsBlock.slug()),
        other => Fault {
            slug: ErrorCode::TransactionFailed.slug().into(),
            detail: Some(format!("{other:?}")),
        },
    }
}

/// Returns position and fault of a batch's item if `event` reports that it failed.
pub fn item_failure(event: &RuntimeEvent) -> Option<(u32, Fault)> {
    let (index, code, name) = match event {
        RuntimeEvent::Did(did::Event::ItemFailed { index, error }) => {
            (*index, did_code(*error), format!("{error:?}"))
        }
        RuntimeEvent::Revocation(revocation::Event::ItemFailed { index, error }) => {
            (*index, token_code(*error), format!("{error:?}"))
        }
        RuntimeEvent::Grant(grant::Event::ItemFailed { index, error }) => {
            (*index, grant_code(*error), format!("{error:?}"))
        }
        _ => return None,
    };
    let slug = code.slug().into();
    let detail = Some(name);
    Some((index, Fault { slug, detail }))
}

/// Returns Substrate's reason for a refusal, as [`Invalid::validity_error`] encodes it.
fn reason(error: &Invalid) -> InvalidTransaction {
    match error {
        Invalid::Undecodable | Invalid::UnknownCall { .. } => InvalidTransaction::Call,
        Invalid::Future => InvalidTransaction::Future,
        Invalid::Stale | Invalid::AlreadyExists | Invalid::Expired => InvalidTransaction::Stale,
        Invalid::BadProof => InvalidTransaction::BadProof,
        Invalid::AncientBirthBlock => InvalidTransaction::AncientBirthBlock,
        Invalid::ExhaustsResources => InvalidTransaction::ExhaustsResources,
        Invalid::NoRole => InvalidTransaction::BadSigner,
        other => InvalidTransaction::Custom(other.custom()),
    }
}

/// Returns our code for a refusal. `bare_pallet`: the pallet called, if the extrinsic is bare.
fn code(error: &Invalid, bare_pallet: Option<u8>) -> ErrorCode {
    let common = match error {
        Invalid::Undecodable => Some(ErrorCode::TransactionUndecodable),
        Invalid::UnknownCall { .. } => Some(ErrorCode::TransactionUnknownCall),
        Invalid::WrongOrigin => Some(ErrorCode::TransactionNotAllowed),
        Invalid::NoRole => Some(ErrorCode::TransactionSenderNotAllowed),
        Invalid::AncientBirthBlock => Some(ErrorCode::TransactionEraExpired),
        Invalid::UnknownVersion => Some(ErrorCode::UnknownVersion),
        Invalid::OverBudget => Some(ErrorCode::TransactionBudgetExceeded),
        Invalid::ExhaustsResources => Some(ErrorCode::TransactionExhaustsBlock),
        _ => None,
    };
    common.unwrap_or_else(|| match bare_pallet {
        Some(did::PALLET_INDEX) => did_refusal(error),
        Some(revocation::PALLET_INDEX) => token_refusal(error),
        Some(grant::PALLET_INDEX) => grant_refusal(error),
        _ => signed_refusal(error),
    })
}

/// Returns our code for a refusal of a bare call to `Did`.
fn did_refusal(error: &Invalid) -> ErrorCode {
    match error {
        Invalid::OverQuota => ErrorCode::DidQuotaExceeded,
        Invalid::NotAdmitted => ErrorCode::DidAdmissionRefused,
        other => did_code((*other).into()),
    }
}

/// Returns our code for a refusal of a bare call to `Revocation`.
fn token_refusal(error: &Invalid) -> ErrorCode {
    match error {
        Invalid::OverQuota => ErrorCode::TokenQuotaExceeded,
        other => token_code((*other).into()),
    }
}

/// Returns our code for a refusal of a bare call to `Grant`, which revokes.
fn grant_refusal(error: &Invalid) -> ErrorCode {
    match error {
        Invalid::AlreadyExists => ErrorCode::GrantRevoked,
        Invalid::Expired => ErrorCode::GrantMessageExpired,
        Invalid::ValidTooLong => ErrorCode::GrantValidityTooLong,
        other => grant_code((*other).into()),
    }
}

/// Returns our code for a refusal of an extrinsic that an account signed.
fn signed_refusal(error: &Invalid) -> ErrorCode {
    match error {
        Invalid::BadProof => ErrorCode::TransactionBadSignature,
        Invalid::Stale => ErrorCode::TransactionStale,
        Invalid::Future => ErrorCode::TransactionFuture,
        Invalid::Expired => ErrorCode::TransactionEraExpired,
        _ => ErrorCode::TransactionInvalid,
    }
}

fn module_fault(error: &ModuleError) -> Fault {
    let first = &error.error[..1];
    let found = match error.index {
        authority::PALLET_INDEX => authority::Error::decode_all(&mut &*first)
            .ok()
            .map(|it| (authority_code(it), format!("{it:?}"))),
        did::PALLET_INDEX => did::Error::decode_all(&mut &*first)
            .ok()
            .map(|it| (did_code(it), format!("{it:?}"))),
        revocation::PALLET_INDEX => revocation::Error::decode_all(&mut &*first)
            .ok()
            .map(|it| (token_code(it), format!("{it:?}"))),
        grant::PALLET_INDEX => grant::Error::decode_all(&mut &*first)
            .ok()
            .map(|it| (grant_code(it), format!("{it:?}"))),
        _ => None,
    };
    let unknown = || {
        let detail = format!("pallet {}, error {}", error.index, error.error[0]);
        (ErrorCode::TransactionFailed, detail)
    };
    let (code, detail) = found.unwrap_or_else(unknown);
    Fault {
        slug: code.slug().into(),
        detail: Some(detail),
    }
}

/// Returns our code for an error of the `Did` pallet.
pub(crate) fn did_code(error: did::Error) -> ErrorCode {
    use did::Error as E;
    match error {
        E::NotFound => ErrorCode::DidNotFound,
        E::AlreadyExists => ErrorCode::DidAlreadyExists,
        E::Deactivated => ErrorCode::DidDeactivated,
        E::UnknownVersion => ErrorCode::UnknownVersion,
        E::WrongNetwork | E::WrongFork => ErrorCode::DidWrongChain,
        E::Expired => ErrorCode::DidOperationExpired,
        E::ValidTooLong => ErrorCode::DidValidityTooLong,
        E::WrongPayer => ErrorCode::DidPayerRefused,
        E::Malformed => ErrorCode::DidOperationMalformed,
        E::WrongLane => ErrorCode::DidLaneMismatch,
        E::Stale => ErrorCode::DidSequenceStale,
        E::Future => ErrorCode::DidSequenceFuture,
        E::ForkedLane => ErrorCode::DidLaneForked,
        E::BadProof => ErrorCode::DidNotAuthorized,
        E::IdMismatch => ErrorCode::DidIdMismatch,
        E::NoSuchMethod => ErrorCode::DidMethodNotFound,
        E::FragmentUsed => ErrorCode::DidFragmentUsed,
        E::KeyUsed => ErrorCode::DidKeyUsed,
        E::TooManyMethods => ErrorCode::DidTooManyMethods,
        E::NotMonotone | E::InFuture => ErrorCode::DidNotBeforeInvalid,
        E::NotController => ErrorCode::DidNotController,
        E::NotAbove => ErrorCode::DidChangeNotAllowed,
        E::RevealRequired => ErrorCode::DidRevealMissing,
        E::MustWait => ErrorCode::DidMustWait,
        E::NoCapability => ErrorCode::DidCapabilityMissing,
        E::KeyInTwoRanks => ErrorCode::DidKeyInTwoRanks,
        E::SlotTaken | E::HigherPending => ErrorCode::DidPendingConflict,
        E::CoolingDown => ErrorCode::DidCoolingDown,
        E::NoSuchPending => ErrorCode::DidPendingNotFound,
        E::TooLarge => ErrorCode::DidRecordTooLarge,
        E::Refused => ErrorCode::TransactionInvalid,
    }
}

fn token_code(error: revocation::Error) -> ErrorCode {
    use revocation::Error as E;
    match error {
        E::NotFound => ErrorCode::TokenIssuerNotFound,
        E::AlreadyExists => ErrorCode::TokenAlreadyRevoked,
        E::Deactivated => ErrorCode::TokenIssuerDeactivated,
        E::UnknownVersion => ErrorCode::UnknownVersion,
        E::WrongNetwork | E::WrongFork => ErrorCode::TokenWrongChain,
        E::Expired => ErrorCode::TokenExpired,
        E::ValidTooLong => ErrorCode::TokenLifetimeTooLong,
        E::WrongPayer => ErrorCode::TokenPayerRefused,
        E::Malformed => ErrorCode::TokenMalformed,
        E::BadProof => ErrorCode::TokenNotAuthorized,
        E::Refused => ErrorCode::TransactionInvalid,
    }
}

fn grant_code(error: grant::Error) -> ErrorCode {
    use grant::Error as E;
    match error {
        E::NotFound => ErrorCode::GrantNotFound,
        E::AlreadyExists => ErrorCode::GrantAlreadyExists,
        E::UnknownVersion => ErrorCode::UnknownVersion,
        E::WrongNetwork | E::WrongFork => ErrorCode::GrantWrongChain,
        E::Expired => ErrorCode::GrantExpired,
        E::ValidTooLong => ErrorCode::GrantExpiryTooFar,
        E::Malformed => ErrorCode::GrantMalformed,
        E::BadProof => ErrorCode::GrantSignatureInvalid,
        E::Refused => ErrorCode::TransactionInvalid,
    }
}

fn authority_code(error: authority::Error) -> ErrorCode {
    use authority::Error as E;
    match error {
        E::NotFound => ErrorCode::ProposalNotFound,
        E::AlreadyVoted => ErrorCode::AlreadyVoted,
        E::Expired => ErrorCode::ProposalExpired,
        E::TooManyProposals => ErrorCode::TooManyProposals,
        E::ExpiryTooFar
        | E::Empty
        | E::InvalidKey
        | E::InvalidPower
        | E::InvalidPeer
        | E::TooManyObservers
        | E::InvalidWork => ErrorCode::ActionInvalid,
        E::NotMember => ErrorCode::ValidatorNotFound,
        E::AlreadyMember => ErrorCode::ValidatorAlreadyExists,
        E::InvalidSet => ErrorCode::SetTooSmall,
        E::TooManyChanges => ErrorCode::TooManyChanges,
        E::InvalidUpgrade => ErrorCode::UpgradeInvalid,
        E::WrongProposal => ErrorCode::WrongProposal,
        E::NotProposer => ErrorCode::NotProposer,
        E::NotScheduled => ErrorCode::NotScheduled,
        E::InvalidTrustees => ErrorCode::TrusteesInvalid,
        E::Unsatisfiable => ErrorCode::PolicyUnsatisfiable,
        E::InvalidDelay => ErrorCode::DelayOutOfBounds,
        E::InvalidParameters => ErrorCode::ParametersInvalid,
        E::TooMuchPower => ErrorCode::TooMuchPower,
        E::TooFewValidators => ErrorCode::SetTooSmall,
        E::UnknownIdentity => ErrorCode::IdentityUnknown,
        E::InvalidFreeze => ErrorCode::FreezeInvalid,
        E::NotFrozen => ErrorCode::NotFrozen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use allod_rpc_api::submit::{CALL_DID_SUBMIT, CALL_GRANT_REVOKE, CALL_REVOCATION_REVOKE, bare};

    #[test]
    fn one_refusal_has_a_code_per_pallet() {
        let slug = |error: Invalid, call: [u8; 2]| {
            let error = transaction(&error, &bare(call, &[]));
            error.fault.slug.into_owned()
        };
        assert_eq!(slug(Invalid::Stale, CALL_DID_SUBMIT), "did.sequence_stale");
        assert_eq!(slug(Invalid::Stale, [2, 2]), "transaction.stale");
        assert_eq!(
            slug(Invalid::NotFound, CALL_GRANT_REVOKE),
            "grant.not_found"
        );
        assert_eq!(
            slug(Invalid::OverQuota, CALL_DID_SUBMIT),
            "did.quota_exceeded"
        );
        assert_eq!(
            slug(Invalid::AlreadyExists, CALL_GRANT_REVOKE),
            "grant.revoked"
        );
        assert_eq!(
            slug(Invalid::OverQuota, CALL_REVOCATION_REVOKE),
            "token.quota_exceeded"
        );
        assert_eq!(
            slug(Invalid::OverBudget, [3, 2]),
            "transaction.budget_exceeded"
        );
    }

    #[test]
    fn substrates_reason_is_the_one_the_runtime_encodes() {
        let errors = [
            Invalid::Undecodable,
            Invalid::Stale,
            Invalid::Future,
            Invalid::BadProof,
            Invalid::NoRole,
            Invalid::AncientBirthBlock,
            Invalid::ExhaustsResources,
            Invalid::ForkedLane,
            Invalid::OverQuota,
        ];
        for error in errors {
            assert_eq!(reason(&error).encode_validity(), error.validity_error());
        }
    }

    #[test]
    fn a_dispatch_error_is_told_by_its_pallet() {
        let error = did::Error::FragmentUsed.into();
        assert_eq!(dispatch(&error).slug, "did.fragment_used");
        let error = authority::Error::AlreadyVoted.into();
        assert_eq!(dispatch(&error).slug, "authority.already_voted");
        let unknown = DispatchError::Module(ModuleError {
            index: 3,
            error: [200, 0, 0, 0],
        });
        assert_eq!(dispatch(&unknown).slug, "transaction.failed");
    }
}
