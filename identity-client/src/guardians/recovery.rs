//! The guardians' side of a recovery.

use allod_primitives::H256;
use allod_primitives::operation::{Body, Lane};

use super::{GuardianshipError, InvitationLetter};
use crate::control::{Available, PartialOperation, Plan, RankTemplate, View, plan_recovery};
use crate::operation::{Act, Author, Signer, Terms};

/// Begins a recovery: `rank`, the owner's new key, is to be rank 0 and the only one. Nobody has
/// signed yet; see [`approve`]. The plan says when it takes effect and who can stop it.
///
/// `view`: of the identity to recover. `letter`: the invitation of whoever begins.
///
/// # Errors
/// [`GuardianshipError::OutOfDate`] if the identity has other guardians by now, or why the ledger
/// would refuse.
pub fn start_recovery(
    view: &View,
    terms: &Terms,
    letter: &InvitationLetter,
    rank: RankTemplate,
) -> Result<(PartialOperation, Plan), GuardianshipError> {
    check_current(view, terms, letter)?;
    let available = Available {
        keys: vec![letter.invitation.key.clone()],
        invitations: vec![letter.invitation.clone()],
        ..Available::default()
    };
    let plan = plan_recovery(view, rank, &available)?;
    let partial = begin(view, terms, letter, plan.act.clone())?;
    Ok((partial, plan))
}

/// Begins the guardians' cancellation of the pending change `id`, their own recovery too.
///
/// # Errors
/// As [`start_recovery`].
pub fn cancel_as_guardian(
    view: &View,
    terms: &Terms,
    letter: &InvitationLetter,
    id: H256,
) -> Result<PartialOperation, GuardianshipError> {
    check_current(view, terms, letter)?;
    let act = Act {
        lane: Lane::Guardians,
        controller: None,
        reveal: None,
        body: Body::Cancel { pending: id },
    };
    begin(view, terms, letter, act)
}

/// Signs what guardians do together, with the key that `letter` invites. Show
/// [`summary`](PartialOperation::summary) first, and talk to the owner: whoever holds the new key
/// will hold the identity.
///
/// # Errors
/// [`GuardianshipError`]: it is for another identity, another key, or signed already.
pub fn approve(
    partial: &mut PartialOperation,
    letter: &InvitationLetter,
    signer: &dyn Signer,
) -> Result<(), GuardianshipError> {
    let operation = partial.operation();
    if operation.did != letter.invitation.did || operation.chain() != letter.chain {
        return Err(GuardianshipError::OtherIdentity);
    }
    if signer.control_key() != letter.invitation.key {
        return Err(GuardianshipError::OtherKey);
    }
    partial.sign_as_guardian(signer, letter.invitation.leaf.clone())?;
    Ok(())
}

fn check_current(
    view: &View,
    terms: &Terms,
    letter: &InvitationLetter,
) -> Result<(), GuardianshipError> {
    if terms.chain != letter.chain {
        return Err(GuardianshipError::OtherIdentity);
    }
    if !letter.is_current(view.policy()) {
        return Err(GuardianshipError::OutOfDate);
    }
    Ok(())
}

fn begin(
    view: &View,
    terms: &Terms,
    letter: &InvitationLetter,
    act: Act,
) -> Result<PartialOperation, GuardianshipError> {
    let mut author = Author::new(*terms, letter.invitation.did, view.record.lanes);
    let operation = author.act(act)?;
    Ok(PartialOperation::new(operation, view.policy())?)
}
