//! One operation, several who sign it.

use allod_primitives::codec::BoundedVec;
use allod_primitives::limits::OPERATION_SIGNATURES_MAX;
use allod_primitives::operation::{
    GuardianLeaf, KeySignature, Lane, Operation, SignedOperation, operation_preimage,
};
use allod_primitives::policy::{ControlKey, ControlPolicy};
use allod_primitives::{Did, H256, NetworkId};
use parity_scale_codec::{Decode, Encode};
use serde_json::Value;

use super::{PartialError, Quorum, describe_operation};
use crate::letter::Letter;
use crate::operation::Signer;

/// Version byte of [`PartialOperation`].
const PARTIAL_VERSION: u8 = 1;

/// An operation on its way through the hands of those who sign it.
///
/// Each signs for themselves, at the same time or one after another: parts of the same operation
/// merge. It says who must sign; that is the word of whoever made it, and the ledger judges by
/// itself. What is signed is the operation alone, so read [`summary`](Self::summary) first.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PartialOperation {
    version: u8,
    operation: Operation,
    quorum: Quorum,
    signatures: BoundedVec<KeySignature, OPERATION_SIGNATURES_MAX>,
}

impl PartialOperation {
    /// Begins with no signature.
    ///
    /// `policy`: of the effective record, or of the controller's if the operation names one.
    ///
    /// # Errors
    /// [`PartialError::NoParty`] if nobody in the policy can sign it.
    pub fn new(operation: Operation, policy: &ControlPolicy) -> Result<Self, PartialError> {
        let quorum = Quorum::of(&operation, policy).ok_or(PartialError::NoParty)?;
        let new = Self {
            version: PARTIAL_VERSION,
            operation,
            quorum,
            signatures: BoundedVec::new(),
        };
        if new.is_formed() {
            Ok(new)
        } else {
            Err(PartialError::Malformed)
        }
    }

    /// Returns what is signed.
    pub const fn operation(&self) -> &Operation {
        &self.operation
    }

    /// Returns who must sign.
    pub const fn quorum(&self) -> &Quorum {
        &self.quorum
    }

    /// Returns the signatures so far, ascending by key.
    pub fn signatures(&self) -> &[KeySignature] {
        &self.signatures
    }

    /// Returns the weight that is missing; 0 if it is complete.
    pub fn missing(&self) -> u32 {
        self.quorum.missing(&self.signatures)
    }

    /// Returns the keys that may still sign; guardians hide who they are.
    pub fn waiting_for(&self) -> Vec<ControlKey> {
        self.quorum.waiting_for(&self.signatures)
    }

    /// Says what signing it does, in lines, and what is missing.
    pub fn summary(&self) -> Vec<String> {
        let mut lines = describe_operation(&self.operation);
        lines.push(match self.missing() {
            0 => "it has all the signatures it needs".into(),
            weight => format!(
                "{} signature(s) so far; weight {weight} is missing",
                self.signatures.len()
            ),
        });
        lines
    }

    /// Signs with one key. Guardians use [`sign_as_guardian`](Self::sign_as_guardian).
    ///
    /// # Errors
    /// [`PartialError`]: the key may not sign this, or has.
    pub fn sign(&mut self, signer: &dyn Signer) -> Result<(), PartialError> {
        self.sign_with(signer, None)
    }

    /// Signs with a guardian's key, `leaf` saying where it is among the guardians.
    ///
    /// # Errors
    /// [`PartialError`]: the key is no guardian's, or has signed.
    pub fn sign_as_guardian(
        &mut self,
        signer: &dyn Signer,
        leaf: GuardianLeaf,
    ) -> Result<(), PartialError> {
        self.sign_with(signer, Some(leaf))
    }

    fn sign_with(
        &mut self,
        signer: &dyn Signer,
        leaf: Option<GuardianLeaf>,
    ) -> Result<(), PartialError> {
        let hash = self.operation.hash();
        let preimage = operation_preimage(&self.operation.chain(), &hash);
        self.add(KeySignature {
            key: signer.control_key(),
            proof: signer.prove(&preimage, &hash),
            leaf,
        })
    }

    /// Adds a signature made elsewhere, such as a passkey's.
    ///
    /// # Errors
    /// [`PartialError`]: its key may not sign this, or has, or it does not verify.
    pub fn add(&mut self, signature: KeySignature) -> Result<(), PartialError> {
        let key = || signature.key.clone();
        if self.signatures.iter().any(|it| it.key == signature.key) {
            return Err(PartialError::Duplicate { key: key() });
        }
        if !self.quorum.admits(&self.signatures, &signature) {
            return Err(PartialError::NotListed { key: key() });
        }
        let hash = self.operation.hash();
        if !verifies(&self.operation, &hash, &signature) {
            return Err(PartialError::BadSignature { key: key() });
        }
        let mut signatures = self.signatures.to_vec();
        signatures.push(signature);
        signatures.sort_by(|a, b| a.key.cmp(&b.key));
        let signatures = BoundedVec::try_from(signatures);
        self.signatures = signatures.map_err(|_| PartialError::TooMany)?;
        Ok(())
    }

    /// Takes over the signatures of another part of the same operation.
    ///
    /// # Errors
    /// [`PartialError`]: it is another operation, or one of its signatures may not be added.
    pub fn merge(&mut self, other: &Self) -> Result<(), PartialError> {
        if self.operation != other.operation || self.quorum != other.quorum {
            return Err(PartialError::OtherOperation);
        }
        for signature in &other.signatures {
            if !self.signatures.iter().any(|it| it.key == signature.key) {
                self.add(signature.clone())?;
            }
        }
        Ok(())
    }

    /// Returns the signed operation, to be sent.
    ///
    /// # Errors
    /// [`PartialError::Incomplete`].
    pub fn complete(&self) -> Result<SignedOperation, PartialError> {
        match self.missing() {
            0 => Ok(SignedOperation {
                operation: self.operation.clone(),
                signatures: self.signatures.clone(),
            }),
            weight => Err(PartialError::Incomplete { weight }),
        }
    }

    /// Returns whether its version is known, and reveal and guardians are where they belong.
    fn is_formed(&self) -> bool {
        let by_guardians = matches!(self.quorum, Quorum::Guardians(_));
        let by_next = matches!(self.operation.lane, Lane::Next(_));
        self.version == PARTIAL_VERSION
            && by_guardians == (self.operation.lane == Lane::Guardians)
            && by_next == self.operation.reveal.is_some()
    }
}

fn verifies(operation: &Operation, hash: &H256, signature: &KeySignature) -> bool {
    let chain = operation.chain();
    let verified = signature
        .key
        .verify_operation(&chain, hash, &signature.proof);
    verified.is_ok()
}

impl Letter for PartialOperation {
    const KIND: &'static str = "partial-operation";
    const CODE: &'static str = "OP1";

    fn fields(&self) -> Vec<(&'static str, Value)> {
        let network = NetworkId::from_genesis(&self.operation.genesis);
        let did = Did::new(network, self.operation.did);
        vec![
            ("did", did.to_string().into()),
            ("operation", self.operation.hash().to_string().into()),
            ("signatures", self.signatures.len().into()),
            ("missing", self.missing().into()),
        ]
    }

    fn is_sound(&self) -> bool {
        let mut again = Self {
            signatures: BoundedVec::new(),
            ..self.clone()
        };
        let all = self.signatures.iter().cloned();
        self.is_formed() && { all }.all(|it| again.add(it).is_ok()) && again == *self
    }
}
