//! Signs and verifies the engine's messages: Ed25519, made by dalek, judged by ZIP-215.
//!
//! When the guard refuses a vote because the validator voted otherwise in the same place before
//! (its log was lost), the signer repeats the earlier vote: that is safe, and a round in which
//! too many keep silent would never end. When the guard refuses anything else, the signer
//! *withholds* the signature: it returns 64 bytes that verify under no key. The engine checks
//! its own messages like anybody's, drops this one, and lives on; the codec refuses to send it.
//! Only a guard that cannot write is an error, which ends the engine.

use std::sync::{Arc, Mutex};

use allod_primitives::certificate::{VoteType, peer_preimage, proposal_preimage, vote_preimage};
use allod_primitives::{ChainId, PublicKey, Signature};
use arc_malachitebft_app_channel::app::types::core::{
    self as malachite, NilOrVal, Round, SignedMessage, ValidatorProof, VoteExtensionScope,
};
use arc_malachitebft_signing::{Error, Signer, VerificationResult, Verifier};
use async_trait::async_trait;
use ed25519_dalek::{Signer as _, SigningKey};
use tracing::{error, warn};

use crate::context::{BlockId, Ctx, PartInit, Proposal, Vote};
use crate::guard::{GuardError, SignGuard, SignKind, SignRecord};
use crate::proposals::SeenProposals;

/// 64 bytes that are never a signature: `s` is not reduced, so ZIP-215 refuses them for any key.
pub(crate) const WITHHELD: Signature = Signature([0xff; 64]);

/// Signs what this validator says, if its guard agrees.
pub(crate) struct GuardedSigner {
    pub(crate) chain: ChainId,
    pub(crate) key: Arc<SigningKey>,
    pub(crate) guard: Arc<dyn SignGuard>,
    pub(crate) failure: GuardFailure,
}

/// Where the signer leaves the guard's failure, which ends the engine, for the supervisor.
pub(crate) type GuardFailure = Arc<Mutex<Option<GuardError>>>;

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

/// A vote or proposal without a round; the engine signs none.
#[derive(Debug, thiserror::Error)]
#[error("a message without a round")]
struct NoRound;

impl GuardedSigner {
    /// Asks the guard: `Ok(None)` to sign, `Ok(Some(refusal))` not to sign this.
    fn ask(&self, record: &SignRecord) -> Result<Option<GuardError>, Error> {
        match self.guard.check_and_record(record) {
            Ok(()) => Ok(None),
            Err(error @ GuardError::Unavailable(_)) => {
                error!(%error, "the sign guard failed; signing nothing any more");
                let mut failure = self
                    .failure
                    .lock()
                    .expect("no code panics holding this lock");
                *failure = Some(error);
                Err(Error::from_source(GuardFailed))
            }
            Err(refusal) => {
                warn!(?record, %refusal, "the sign guard refuses");
                Ok(Some(refusal))
            }
        }
    }
}

pub(crate) fn sign(key: &SigningKey, preimage: &[u8]) -> Signature {
    Signature(key.sign(preimage).to_bytes())
}

#[async_trait]
impl Signer<Ctx> for GuardedSigner {
    async fn sign_vote(&self, vote: Vote) -> Result<SignedMessage<Ctx, Vote>, Error> {
        let record = SignRecord {
            height: vote.height.into(),
            round: vote
                .round
                .as_u32()
                .ok_or_else(|| Error::from_source(NoRound))?,
            kind: match vote.kind {
                malachite::VoteType::Prevote => SignKind::Prevote,
                malachite::VoteType::Precommit => SignKind::Precommit,
            },
            block_hash: hash_of(&vote.value),
            pol_round: None,
        };
        let vote = match self.ask(&record)? {
            None => vote,
            // Saying the same again is safe, and others may need it to leave this round.
            Some(GuardError::Conflict { signed }) => Vote {
                value: signed
                    .block_hash
                    .map_or(NilOrVal::Nil, |hash| NilOrVal::Val(BlockId(hash))),
                ..vote
            },
            Some(_) => return Ok(SignedMessage::new(vote, WITHHELD)),
        };
        let signature = sign(&self.key, &vote_bytes(&self.chain, &vote));
        Ok(SignedMessage::new(vote, signature))
    }

    async fn sign_proposal(
        &self,
        proposal: Proposal,
    ) -> Result<SignedMessage<Ctx, Proposal>, Error> {
        let record = SignRecord {
            height: proposal.height.into(),
            round: proposal
                .round
                .as_u32()
                .ok_or_else(|| Error::from_source(NoRound))?,
            kind: SignKind::Proposal,
            block_hash: Some(proposal.value.0),
            pol_round: proposal.pol_round.as_u32(),
        };
        let signature = match self.ask(&record)? {
            None => sign(&self.key, &proposal_bytes(&self.chain, &proposal)),
            Some(_) => WITHHELD,
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
        let validator = PublicKey(self.key.verifying_key().to_bytes());
        let signature = sign(&self.key, &peer_preimage(&self.chain, &validator, &peer_id));
        Ok(ValidatorProof::new(public_key, peer_id, signature))
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

fn hash_of(value: &NilOrVal<BlockId>) -> Option<allod_primitives::H256> {
    match value {
        NilOrVal::Nil => None,
        NilOrVal::Val(block) => Some(block.0),
    }
}

/// Returns the preimage of a vote. A vote without a round has none that verifies: the round
/// is signed as a number, and `u32::MAX` stands for "no round", which no validator signs.
fn vote_bytes(chain: &ChainId, vote: &Vote) -> Vec<u8> {
    let kind = match vote.kind {
        malachite::VoteType::Prevote => VoteType::Prevote,
        malachite::VoteType::Precommit => VoteType::Precommit,
    };
    let hash = hash_of(&vote.value);
    vote_preimage(
        chain,
        kind,
        vote.height.into(),
        number(vote.round),
        hash.as_ref(),
    )
}

fn proposal_bytes(chain: &ChainId, proposal: &Proposal) -> Vec<u8> {
    proposal_preimage(
        chain,
        proposal.height.into(),
        number(proposal.round),
        proposal.pol_round.as_u32(),
        &proposal.value.0,
    )
}

fn number(round: Round) -> u32 {
    round.as_u32().unwrap_or(u32::MAX)
}

/// Returns what a streamer signs at the head of a proposal stream:
/// `"allod/parts/v1" ++ genesis ++ fork_id ++ height(8 LE) ++ round(4 LE) ++
/// (0x00 | 0x01 ++ pol_round(4 LE)) ++ block_hash ++ block_bytes(4 LE)`.
fn part_preimage(chain: &ChainId, init: &PartInit) -> Vec<u8> {
    let mut out = b"allod/parts/v1".to_vec();
    out.extend_from_slice(&chain.preimage());
    out.extend_from_slice(&init.height.0.to_le_bytes());
    out.extend_from_slice(&init.round.to_le_bytes());
    match init.pol_round {
        None => out.push(0),
        Some(round) => {
            out.push(1);
            out.extend_from_slice(&round.to_le_bytes());
        }
    }
    out.extend_from_slice(&init.block_hash.0);
    out.extend_from_slice(&init.block_bytes.to_le_bytes());
    out
}

/// Signs the head of a stream.
pub(crate) fn sign_init(chain: &ChainId, key: &SigningKey, init: &mut PartInit) {
    init.streamer = PublicKey(key.verifying_key().to_bytes());
    init.signature = sign(key, &part_preimage(chain, init));
}

/// Returns whether the head of a stream is signed by its streamer.
pub(crate) fn verify_init(chain: &ChainId, init: &PartInit) -> bool {
    init.streamer
        .verify(&part_preimage(chain, init), &init.signature)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use allod_primitives::{ForkId, H256};

    use super::*;
    use crate::context::{Address, Height};
    use crate::guard::MemoryGuard;

    fn signer() -> (GuardedSigner, Zip215Verifier, PublicKey) {
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
        let failure = GuardFailure::default();
        (
            GuardedSigner {
                chain,
                key: Arc::new(key),
                guard,
                failure,
            },
            verifier,
            public,
        )
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
