//! Invitations and their answers.

use allod_primitives::guardian::{Invitation, acknowledgement_preimage};
use allod_primitives::hash::blake2_256;
use allod_primitives::operation::SignatureProof;
use allod_primitives::policy::{ControlKey, ControlPolicy};
use allod_primitives::{ChainId, Did, H256, NetworkId};
use parity_scale_codec::{Decode, Encode};
use serde_json::Value;

use super::GuardianshipError;
use crate::control::{key_name, span};
use crate::letter::Letter;
use crate::operation::Signer;

const VERSION: u8 = 1;

/// An invitation to guard, on its way to a guardian, who keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct InvitationLetter {
    version: u8,
    /// The chain of the identity.
    pub chain: ChainId,
    /// What the guardian needs one day.
    pub invitation: Invitation,
}

/// A guardian's answer: it holds the invitation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Acknowledgement {
    version: u8,
    /// The chain of the identity.
    pub chain: ChainId,
    /// Hash of the invitation.
    pub invitation: H256,
    /// The guardian's key.
    pub key: ControlKey,
    /// Its signature.
    pub proof: SignatureProof,
}

impl InvitationLetter {
    /// Addresses an invitation.
    pub const fn new(chain: ChainId, invitation: Invitation) -> Self {
        Self {
            version: VERSION,
            chain,
            invitation,
        }
    }

    /// Returns the identity to guard.
    pub fn did(&self) -> Did {
        Did::new(
            NetworkId::from_genesis(&self.chain.genesis),
            self.invitation.did,
        )
    }

    /// Returns whether the identity still has the guardians that this invites to.
    pub fn is_current(&self, policy: &ControlPolicy) -> bool {
        policy.guardians.as_ref() == Some(&self.invitation.set)
    }
}

/// Answers an invitation, after looking whether it can serve one day: the leaf is in the set, and
/// `signer` has the key that was invited. The guardian then keeps `letter`.
///
/// # Errors
/// [`GuardianshipError`]: the invitation is void, or for another key.
pub fn acknowledge(
    letter: &InvitationLetter,
    signer: &dyn Signer,
) -> Result<Acknowledgement, GuardianshipError> {
    letter.invitation.check()?;
    let key = signer.control_key();
    if key != letter.invitation.key {
        return Err(GuardianshipError::OtherKey);
    }
    let invitation = letter.invitation.hash();
    let preimage = acknowledgement_preimage(&letter.chain, &invitation);
    Ok(Acknowledgement {
        version: VERSION,
        chain: letter.chain,
        invitation,
        key,
        proof: signer.prove(&preimage, &blake2_256(&preimage)),
    })
}

impl Acknowledgement {
    /// Verifies that this answers `letter`.
    ///
    /// # Errors
    /// [`GuardianshipError`]: it answers another invitation, is by another key, or its signature
    /// does not verify.
    pub fn verify(&self, letter: &InvitationLetter) -> Result<(), GuardianshipError> {
        if self.chain != letter.chain || self.invitation != letter.invitation.hash() {
            return Err(GuardianshipError::OtherInvitation);
        }
        if self.key != letter.invitation.key {
            return Err(GuardianshipError::OtherKey);
        }
        let preimage = acknowledgement_preimage(&self.chain, &self.invitation);
        let verified = self
            .key
            .verify(&preimage, &blake2_256(&preimage), &self.proof);
        verified.map_err(|_| GuardianshipError::BadSignature)
    }
}

impl Letter for InvitationLetter {
    const KIND: &'static str = "guardian-invitation";
    const CODE: &'static str = "GI1";

    fn fields(&self) -> Vec<(&'static str, Value)> {
        let set = &self.invitation.set;
        vec![
            ("did", self.did().to_string().into()),
            ("key", key_name(&self.invitation.key).into()),
            ("weight", self.invitation.leaf.weight.into()),
            ("guardians", set.count.into()),
            ("threshold", set.threshold.into()),
            ("delay", span(set.delay_ms).into()),
        ]
    }

    fn is_sound(&self) -> bool {
        self.version == VERSION && self.invitation.check().is_ok()
    }
}

impl Letter for Acknowledgement {
    const KIND: &'static str = "guardian-acknowledgement";
    const CODE: &'static str = "GA1";

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("invitation", self.invitation.to_string().into()),
            ("key", key_name(&self.key).into()),
        ]
    }

    fn is_sound(&self) -> bool {
        self.version == VERSION
    }
}
