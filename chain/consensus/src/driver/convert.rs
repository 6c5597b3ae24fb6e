//! The engine's certificates and evidence, and ours.

use allod_primitives::certificate::CERTIFICATE_VERSION;
use allod_primitives::{Certificate, CommitSignature, ValidatorSet};
use arc_malachitebft_app_channel::app::types::MisbehaviorEvidence;
use arc_malachitebft_app_channel::app::types::core::{
    self as malachite, CommitCertificate, ExtendedCommitCertificate, ExtendedCommitSignature,
    NilOrVal, Round, SignedProposal, SignedVote,
};

use crate::application::{Evidence, EvidenceKind, SignedChoice};
use crate::context::{Address, BlockId, Ctx};

/// Returns our form of `certificate`: signers by position in `set`, ascending. Signers that are
/// not in the set are left out; the certificate is verified afterwards.
pub(super) fn certificate(certificate: &CommitCertificate<Ctx>, set: &ValidatorSet) -> Certificate {
    let mut signatures: Vec<_> = certificate
        .commit_signatures
        .iter()
        .filter_map(|commit| {
            let position = set.position(&commit.address.0)?;
            let signer = u16::try_from(position).expect("a set has at most 128 members");
            Some(CommitSignature {
                signer,
                signature: commit.signature,
            })
        })
        .collect();
    signatures.sort_unstable_by_key(|commit| commit.signer);
    signatures.dedup_by_key(|commit| commit.signer);
    Certificate {
        version: CERTIFICATE_VERSION,
        height: certificate.height.into(),
        round: certificate.round.as_u32().unwrap_or(u32::MAX),
        block_hash: certificate.value_id.0,
        signatures,
    }
}

/// Returns the engine's form of a stored certificate, for a peer that catches up.
pub(super) fn extended(
    certificate: &Certificate,
    set: &ValidatorSet,
) -> Option<ExtendedCommitCertificate<Ctx>> {
    let commit = |commit: &CommitSignature| {
        let validator = set.validators().get(usize::from(commit.signer))?;
        let address = Address(validator.public_key);
        Some(ExtendedCommitSignature::new(
            address,
            commit.signature,
            None,
        ))
    };
    Some(ExtendedCommitCertificate {
        height: certificate.height.into(),
        round: Round::new(certificate.round),
        value_id: BlockId(certificate.block_hash),
        commit_signatures: certificate
            .signatures
            .iter()
            .map(commit)
            .collect::<Option<_>>()?,
    })
}

/// Returns the pairs of conflicting messages that the engine saw.
pub(super) fn evidence(evidence: &MisbehaviorEvidence<Ctx>) -> Vec<Evidence> {
    let votes = evidence.votes.iter().flat_map(|(validator, pairs)| {
        pairs
            .iter()
            .map(|(first, second)| votes(*validator, first, second))
    });
    let proposals = evidence.proposals.iter().flat_map(|(validator, pairs)| {
        pairs
            .iter()
            .map(|(first, second)| proposals(*validator, first, second))
    });
    votes.chain(proposals).collect()
}

fn votes(validator: Address, first: &SignedVote<Ctx>, second: &SignedVote<Ctx>) -> Evidence {
    let choice = |vote: &SignedVote<Ctx>| SignedChoice {
        block_hash: match vote.value {
            NilOrVal::Nil => None,
            NilOrVal::Val(block) => Some(block.0),
        },
        pol_round: None,
        signature: vote.signature,
    };
    Evidence {
        validator: validator.0,
        height: first.height.into(),
        round: first.round.as_u32().unwrap_or(u32::MAX),
        kind: match first.kind {
            malachite::VoteType::Prevote => EvidenceKind::Prevote,
            malachite::VoteType::Precommit => EvidenceKind::Precommit,
        },
        first: choice(first),
        second: choice(second),
    }
}

fn proposals(
    validator: Address,
    first: &SignedProposal<Ctx>,
    second: &SignedProposal<Ctx>,
) -> Evidence {
    let choice = |proposal: &SignedProposal<Ctx>| SignedChoice {
        block_hash: Some(proposal.value.0),
        pol_round: proposal.pol_round.as_u32(),
        signature: proposal.signature,
    };
    Evidence {
        validator: validator.0,
        height: first.height.into(),
        round: first.round.as_u32().unwrap_or(u32::MAX),
        kind: EvidenceKind::Proposal,
        first: choice(first),
        second: choice(second),
    }
}
