//! Gives the engine's messages to the validator's signer, and judges those of others: Ed25519
//! by ZIP-215.
//!
//! When the guard refuses a vote because the validator voted otherwise in the same place before
//! (its log was lost), the earlier vote is signed again: that is safe, and a round in which too
//! many keep silent would never end. Whatever else there is no signature for is *withheld*: its
//! signature is 64 bytes that verify under no key. The engine checks its own messages like
//! anybody's, drops this one, and lives on; the codec refuses to send it. What was withheld only
//! because the signer was gone is said later ([`crate::late`]). Only a guard that cannot write is
//! an error, which ends the engine.

use std::sync::{Arc, Mutex, MutexGuard};

use allod_primitives::certificate::peer_preimage;
use allod_primitives::{ChainId, H256, PublicKey, Signature};
use arc_malachitebft_app_channel::app::types::core::{
    self as malachite, NilOrVal, Round, SignedMessage, ValidatorProof, VoteExtensionScope,
};
use arc_malachitebft_signing::{Error, Signer, VerificationResult, Verifier};
use async_trait::async_trait;
use tokio::sync::Notify;
use tracing::{error, warn};

use crate::context::{BlockId, Ctx, PartInit, Proposal, Vote};
use crate::guard::{GuardError, SignKind, SignRecord};
use crate::late::{Late, LateMessage};
use crate::proposals::SeenProposals;
use crate::seen::SharedSeen;
use crate::signer::{SignError, SignMessage, ValidatorSigner, parts_preimage};

/// 64 bytes that are never a signature: `s` is not reduced, so ZIP-215 refuses them for any key.
pub(crate) const WITHHELD: Signature = Signature([0xff; 64]);

/// The validator's signer, as the engine and the driver ask it.
#[derive(Clone, Debug)]
pub(crate) struct EngineSigner {
    pub(crate) signer: Arc<dyn ValidatorSigner>,
    pub(crate) seen: SharedSeen,
    pub(crate) failure: GuardFailure,
    pub(crate) late: Late,
}

/// Where the signer leaves the guard's failure, whoever asked, for the supervisor: consensus ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct GuardFailure(Arc<Failure>);

#[derive(Debug, Default)]
struct Failure {
    error: Mutex<Option<GuardError>>,
    told: Notify,
}

impl GuardFailure {
    fn tell(&self, error: GuardError) {
        *self.lock() = Some(error);
        self.0.told.notify_one();
    }

    /// Waits for a failure.
    pub(crate) async fn told(&self) {
        self.0.told.notified().await;
    }

    /// Returns the failure, if there was one.
    pub(crate) fn take(&self) -> Option<GuardError> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<GuardError>> {
        let error = self.0.error.lock();
        error.expect("no code panics holding this lock")
    }
}

/// Verifies what anybody says.
#[derive(Clone, Debug)]
pub(crate) struct Zip215Verifier {
    pub(crate) chain: ChainId,
    pub(crate) proposals: SeenProposals,
}

/// Vote extensions are disabled; the engine never asks for one.
#[derive(Debug, thiserror::Error)]
#[error("vote extensions are disabled")]
struct ExtensionsDisabled;

/// The sign guard failed; the cause is in [`GuardFailure`].
#[derive(Debug, thiserror::Error)]
#[error("the sign guard failed")]
struct GuardFailed;

/// The signer did not bind the node's network identity to the validator.
#[derive(Debug, thiserror::Error)]
#[error("the signer does not vouch for the node's network identity")]
struct NotVouchedFor;

/// A vote or proposal without a round; the engine signs none.
#[derive(Debug, thiserror::Error)]
#[error("a message without a round")]
struct NoRound;

/// What came of asking for a signature.
#[derive(Debug)]
pub(crate) enum Asked {
    /// The signature.
    Signed(Signature),
    /// None; this was signed in the same place.
    Conflict(SignRecord),
    /// None, and there will not be one.
    Refused,
    /// None: nobody answers.
    Unreachable,
}

impl EngineSigner {
    pub(crate) fn public_key(&self) -> PublicKey {
        self.signer.public_key()
    }

    /// Asks for a signature.
    ///
    /// # Errors
    /// The guard failed: nothing may be signed any more, and consensus ends.
    pub(crate) async fn ask(&self, message: &SignMessage) -> Result<Asked, Error> {
        match self.signer.sign(message, &self.seen.get()).await {
            Ok(signature) => Ok(Asked::Signed(signature)),
            Err(SignError::Unreachable) => {
                warn!(?message, "the signer cannot be reached; keeping silent");
                Ok(Asked::Unreachable)
            }
            Err(SignError::Guard(error @ GuardError::Unavailable(_))) => {
                error!(%error, "the sign guard failed; signing nothing any more");
                self.failure.tell(error);
                Err(Error::from_source(GuardFailed))
            }
            Err(SignError::Guard(GuardError::Conflict { signed })) => {
                warn!(?message, ?signed, "signed otherwise before");
                Ok(Asked::Conflict(signed))
            }
            Err(refusal) => {
                warn!(?message, %refusal, "no signature; keeping silent");
                Ok(Asked::Refused)
            }
        }
    }

    /// Asks for a vote, or for the other one that was signed in its place: saying the same again
    /// is safe, and others may need it to leave this round. Returns the vote that was asked for
    /// last.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(crate) async fn ask_vote(&self, vote: Vote) -> Result<(Vote, Asked), Error> {
        match self.ask(&vote_message(&vote)?).await? {
            Asked::Conflict(signed) => {
                let value = signed.block_hash.map(BlockId);
                let vote = Vote {
                    value: value.map_or(NilOrVal::Nil, NilOrVal::Val),
                    ..vote
                };
                let asked = self.ask(&vote_message(&vote)?).await?;
                Ok((vote, asked))
            }
            asked => Ok((vote, asked)),
        }
    }

    /// Signs the head of a stream; `Ok(None)` if it must not be sent.
    pub(crate) async fn sign_init(&self, init: PartInit) -> Result<Option<PartInit>, Error> {
        let message = SignMessage::Parts {
            height: init.height.into(),
            round: init.round,
            pol_round: init.pol_round,
            block_hash: init.block_hash,
            block_bytes: init.block_bytes,
        };
        Ok(match self.ask(&message).await? {
            Asked::Signed(signature) => Some(PartInit {
                streamer: self.public_key(),
                signature,
                ..init
            }),
            Asked::Conflict(_) | Asked::Refused | Asked::Unreachable => None,
        })
    }
}

#[async_trait]
impl Signer<Ctx> for EngineSigner {
    async fn sign_vote(&self, vote: Vote) -> Result<SignedMessage<Ctx, Vote>, Error> {
        let (vote, asked) = self.ask_vote(vote).await?;
        let signature = match asked {
            Asked::Signed(signature) => signature,
            Asked::Unreachable => {
                self.late.keep(LateMessage::Vote(vote.clone()));
                WITHHELD
            }
            Asked::Conflict(_) | Asked::Refused => WITHHELD,
        };
        Ok(SignedMessage::new(vote, signature))
    }

    async fn sign_proposal(
        &self,
        proposal: Proposal,
    ) -> Result<SignedMessage<Ctx, Proposal>, Error> {
        let signature = match self.ask(&proposal_message(&proposal)?).await? {
            Asked::Signed(signature) => signature,
            Asked::Unreachable => {
                self.late.keep(LateMessage::Proposal(proposal.clone()));
                WITHHELD
            }
            Asked::Conflict(_) | Asked::Refused => WITHHELD,
        };
        Ok(SignedMessage::new(proposal, signature))
    }

    async fn sign_vote_extension(
        &self,
        _scope: VoteExtensionScope<Ctx>,
        _extension: (),
    ) -> Result<SignedMessage<Ctx, ()>, Error> {
        Err(Error::from_source(ExtensionsDisabled))
    }

    async fn sign_validator_proof(
        &self,
        public_key: Vec<u8>,
        peer_id: Vec<u8>,
    ) -> Result<ValidatorProof<Ctx>, Error> {
        let message = SignMessage::Peer {
            peer_id: peer_id.clone(),
        };
        match self.ask(&message).await? {
            Asked::Signed(signature) => Ok(ValidatorProof::new(public_key, peer_id, signature)),
            Asked::Conflict(_) | Asked::Refused | Asked::Unreachable => {
                Err(Error::from_source(NotVouchedFor))
            }
        }
    }
}

/// Returns what is signed for a vote.
fn vote_message(vote: &Vote) -> Result<SignMessage, Error> {
    let round = vote.round.as_u32();
    let round = round.ok_or_else(|| Error::from_source(NoRound))?;
    Ok(SignMessage::Record(vote_record(vote, round)))
}

/// Returns what is signed for a proposal.
pub(crate) fn proposal_message(proposal: &Proposal) -> Result<SignMessage, Error> {
    let round = proposal.round.as_u32();
    let round = round.ok_or_else(|| Error::from_source(NoRound))?;
    Ok(SignMessage::Record(proposal_record(proposal, round)))
}

fn vote_record(vote: &Vote, round: u32) -> SignRecord {
    SignRecord {
        height: vote.height.into(),
        round,
        kind: match vote.kind {
            malachite::VoteType::Prevote => SignKind::Prevote,
            malachite::VoteType::Precommit => SignKind::Precommit,
        },
        block_hash: hash_of(&vote.value),
        pol_round: None,
    }
}

fn proposal_record(proposal: &Proposal, round: u32) -> SignRecord {
    SignRecord {
        height: proposal.height.into(),
        round,
        kind: SignKind::Proposal,
        block_hash: Some(proposal.value.0),
        pol_round: proposal.pol_round.as_u32(),
    }
}

#[async_trait]
impl Verifier<Ctx> for Zip215Verifier {
    async fn verify_signed_vote(
        &self,
        vote: &Vote,
        signature: &Signature,
        key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        Ok(verdict(key, &vote_bytes(&self.chain, vote), signature))
    }

    async fn verify_signed_proposal(
        &self,
        proposal: &Proposal,
        signature: &Signature,
        key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        let verdict = verdict(key, &proposal_bytes(&self.chain, proposal), signature);
        if verdict.is_valid() {
            let locked = proposal.pol_round.is_defined();
            self.proposals
                .note(proposal.height.into(), proposal.value.0, locked);
        }
        Ok(verdict)
    }

    async fn verify_signed_vote_extension(
        &self,
        _scope: &VoteExtensionScope<Ctx>,
        _extension: &(),
        _signature: &Signature,
        _key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        Ok(VerificationResult::Invalid)
    }

    async fn verify_validator_proof(
        &self,
        proof: &ValidatorProof<Ctx>,
    ) -> Result<VerificationResult, Error> {
        let Ok(key) = proof.public_key.as_slice().try_into().map(PublicKey) else {
            return Ok(VerificationResult::Invalid);
        };
        let preimage = peer_preimage(&self.chain, &key, &proof.peer_id);
        Ok(verdict(&key, &preimage, &proof.signature))
    }
}

fn verdict(key: &PublicKey, preimage: &[u8], signature: &Signature) -> VerificationResult {
    VerificationResult::from_bool(key.verify(preimage, signature).is_ok())
}

fn hash_of(value: &NilOrVal<BlockId>) -> Option<H256> {
    match value {
        NilOrVal::Nil => None,
        NilOrVal::Val(block) => Some(block.0),
    }
}

/// Returns the preimage of a vote. A vote without a round has none that verifies: the round
/// is signed as a number, and `u32::MAX` stands for "no round", which no validator signs.
fn vote_bytes(chain: &ChainId, vote: &Vote) -> Vec<u8> {
    let record = vote_record(vote, number(vote.round));
    SignMessage::Record(record).preimage(chain, &vote.validator.0)
}

fn proposal_bytes(chain: &ChainId, proposal: &Proposal) -> Vec<u8> {
    let record = proposal_record(proposal, number(proposal.round));
    SignMessage::Record(record).preimage(chain, &proposal.validator.0)
}

fn number(round: Round) -> u32 {
    round.as_u32().unwrap_or(u32::MAX)
}

/// Returns whether the head of a stream is signed by its streamer.
pub(crate) fn verify_init(chain: &ChainId, init: &PartInit) -> bool {
    let preimage = parts_preimage(
        chain,
        init.height.into(),
        init.round,
        init.pol_round,
        &init.block_hash,
        init.block_bytes,
    );
    init.streamer.verify(&preimage, &init.signature).is_ok()
}

#[cfg(test)]
mod tests {
    use allod_primitives::ForkId;
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::context::{Address, Height};
    use crate::guard::MemoryGuard;
    use crate::signer::LocalSigner;

    fn signer() -> (EngineSigner, Zip215Verifier, PublicKey) {
        let chain = ChainId {
            genesis: H256([9; 32]),
            fork_id: ForkId(1),
        };
        let key = SigningKey::from_bytes(&[3; 32]);
        let public = PublicKey(key.verifying_key().to_bytes());
        let guard = Arc::new(MemoryGuard::new());
        let verifier = Zip215Verifier {
            chain,
            proposals: SeenProposals::default(),
        };
        let signer = EngineSigner {
            signer: Arc::new(LocalSigner::new(chain, key, guard)),
            seen: SharedSeen::default(),
            failure: GuardFailure::default(),
            late: Late::default(),
        };
        (signer, verifier, public)
    }

    fn prevote(public: PublicKey, round: u32, hash: u8) -> Vote {
        Vote {
            kind: malachite::VoteType::Prevote,
            height: Height(4),
            round: Round::new(round),
            value: NilOrVal::Val(BlockId(H256([hash; 32]))),
            validator: Address(public),
        }
    }

    /// Goal: no second, different vote is ever signed. Method: ask for two of one place, then for
    /// one of an earlier place.
    #[tokio::test]
    async fn the_signer_repeats_itself_or_keeps_silent() {
        let (signer, verifier, public) = signer();
        let first = signer.sign_vote(prevote(public, 0, 1)).await.unwrap();
        let valid = verifier
            .verify_signed_vote(&first, &first.signature, &public)
            .await;
        assert!(valid.unwrap().is_valid());
        let second = signer.sign_vote(prevote(public, 0, 2)).await.unwrap();
        assert_eq!(second, first);

        signer.sign_vote(prevote(public, 2, 3)).await.unwrap();
        let silent = signer.sign_vote(prevote(public, 1, 3)).await.unwrap();
        assert_eq!(silent.signature, WITHHELD);
        let valid = verifier
            .verify_signed_vote(&silent, &silent.signature, &public)
            .await;
        assert!(valid.unwrap().is_invalid());
    }
}
