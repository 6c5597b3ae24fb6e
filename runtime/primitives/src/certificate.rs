//! Validator sets, votes and the commit certificate that makes a block final.
//!
//! ```text
//! vote     = "allod/vote/v1"     ++ genesis(32) ++ fork_id(4 LE) ++ type(1) ++ height(8 LE)
//!            ++ round(4 LE) ++ (0x00 | 0x01 ++ block_hash(32))
//! proposal = "allod/proposal/v1" ++ genesis(32) ++ fork_id(4 LE) ++ height(8 LE) ++ round(4 LE)
//!            ++ (0x00 | 0x01 ++ pol_round(4 LE)) ++ block_hash(32)
//! ```
//!
//! A certificate is precommits of more than two thirds of the voting power for one block. Two
//! nodes may hold different certificates of one block, so its bytes never enter the state.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode, Error, Input};
use scale_info::TypeInfo;

use crate::codec::is_strictly_ascending;
use crate::crypto::{PublicKey, Signature};
use crate::hash::{H256, domain_hash};
use crate::limits::{VALIDATOR_POWER_MAX, VALIDATORS_MAX};
use crate::types::{ChainId, Height};

/// Version byte of [`Certificate`].
pub const CERTIFICATE_VERSION: u8 = 1;

/// A vote's type, as it is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum VoteType {
    /// First vote of a round.
    Prevote = 1,
    /// Second vote of a round; more than two thirds of these finalize.
    Precommit = 2,
}

/// Returns the bytes a validator signs for a vote. `block_hash`: `None` votes nil.
///
/// Source: spec/consensus.md §2.
pub fn vote_preimage(
    chain: &ChainId,
    vote: VoteType,
    height: Height,
    round: u32,
    block_hash: Option<&H256>,
) -> Vec<u8> {
    let mut out = b"allod/vote/v1".to_vec();
    out.extend_from_slice(&chain.preimage());
    out.push(vote as u8);
    out.extend_from_slice(&height.0.to_le_bytes());
    out.extend_from_slice(&round.to_le_bytes());
    match block_hash {
        None => out.push(0),
        Some(hash) => {
            out.push(1);
            out.extend_from_slice(&hash.0);
        }
    }
    out
}

/// Returns the bytes a proposer signs for a proposal.
///
/// `pol_round`: the earlier round whose polka the proposal leans on, if any.
///
/// Source: spec/consensus.md §2.
pub fn proposal_preimage(
    chain: &ChainId,
    height: Height,
    round: u32,
    pol_round: Option<u32>,
    block_hash: &H256,
) -> Vec<u8> {
    let mut out = b"allod/proposal/v1".to_vec();
    out.extend_from_slice(&chain.preimage());
    out.extend_from_slice(&height.0.to_le_bytes());
    out.extend_from_slice(&round.to_le_bytes());
    match pol_round {
        None => out.push(0),
        Some(round) => {
            out.push(1);
            out.extend_from_slice(&round.to_le_bytes());
        }
    }
    out.extend_from_slice(&block_hash.0);
    out
}

/// Returns the bytes a validator key signs to bind the libp2p identity `peer_id` to itself.
pub fn peer_preimage(chain: &ChainId, validator: &PublicKey, peer_id: &[u8]) -> Vec<u8> {
    let mut out = b"allod/peer/v1".to_vec();
    out.extend_from_slice(&chain.preimage());
    out.extend_from_slice(&validator.0);
    peer_id.encode_to(&mut out);
    out
}

/// One validator: its consensus key and its voting power.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Validator {
    /// Ed25519 key of its votes.
    pub public_key: PublicKey,
    /// Voting power, 1 to 2^32.
    pub power: u64,
}

/// The validators of a height: 1 to 128, sorted by public key, unique, power within its limit.
#[derive(Clone, Debug, PartialEq, Eq, Encode, DecodeWithMemTracking, TypeInfo)]
pub struct ValidatorSet(Vec<Validator>);

/// Why a list is not a validator set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValidatorSetError {
    /// No validator, or more than the maximum.
    #[error("{count} validators where 1 to {VALIDATORS_MAX} are allowed")]
    Count {
        /// How many there were.
        count: usize,
    },
    /// Not sorted by public key, or one key twice.
    #[error("validators are not sorted by key and unique")]
    NotSortedUnique,
    /// Power of zero or above the maximum.
    #[error("voting power {power} is not within 1 to {VALIDATOR_POWER_MAX}")]
    Power {
        /// The power found.
        power: u64,
    },
}

impl ValidatorSet {
    /// Checks and wraps `validators`, which must already be sorted by public key.
    ///
    /// # Errors
    /// [`ValidatorSetError`] names the rule broken.
    pub fn new(validators: Vec<Validator>) -> Result<Self, ValidatorSetError> {
        if validators.is_empty() || validators.len() > VALIDATORS_MAX {
            return Err(ValidatorSetError::Count {
                count: validators.len(),
            });
        }
        if !is_strictly_ascending(&validators, |v| v.public_key) {
            return Err(ValidatorSetError::NotSortedUnique);
        }
        match validators
            .iter()
            .find(|v| v.power == 0 || v.power > VALIDATOR_POWER_MAX)
        {
            Some(v) => Err(ValidatorSetError::Power { power: v.power }),
            None => Ok(Self(validators)),
        }
    }

    /// Returns the validators, sorted by public key.
    pub fn validators(&self) -> &[Validator] {
        &self.0
    }

    /// Returns the position of `key`, if it is a member.
    pub fn position(&self, key: &PublicKey) -> Option<usize> {
        self.0.binary_search_by(|v| v.public_key.cmp(key)).ok()
    }

    /// Returns the sum of all powers; at most 2^39, so it cannot overflow.
    pub fn total_power(&self) -> u64 {
        self.0.iter().fold(0, |sum, v| sum.saturating_add(v.power))
    }

    /// Returns whether `power` is more than two thirds of the total.
    pub fn is_quorum(&self, power: u64) -> bool {
        power.saturating_mul(3) > self.total_power().saturating_mul(2)
    }

    /// Returns the hash by which headers name this set.
    ///
    /// Source: spec/consensus.md §1.
    pub fn hash(&self) -> H256 {
        domain_hash("allod/validator-set/v1", &[&self.encode()])
    }
}

impl Decode for ValidatorSet {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        const MAX: u32 = VALIDATORS_MAX as u32;
        let list = crate::codec::BoundedVec::<Validator, MAX>::decode(input)?;
        Self::new(list.into_vec()).map_err(|_| "not a validator set".into())
    }
}

/// One validator's precommit inside a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct CommitSignature {
    /// Position of the signer in the height's validator set.
    pub signer: u16,
    /// Its signature over [`vote_preimage`] of a precommit for the block.
    pub signature: Signature,
}

/// Proof that more than two thirds of the power precommitted a block.
#[derive(Clone, Debug, PartialEq, Eq, Encode, DecodeWithMemTracking, TypeInfo)]
pub struct Certificate {
    /// [`CERTIFICATE_VERSION`].
    pub version: u8,
    /// Height of the block.
    pub height: Height,
    /// Round in which it was decided.
    pub round: u32,
    /// Hash of its header.
    pub block_hash: H256,
    /// Precommits, strictly ascending by signer.
    pub signatures: Vec<CommitSignature>,
}

/// Why a certificate proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A version this code does not know.
    #[error("certificate version {version} is not known")]
    Version {
        /// The version found.
        version: u8,
    },
    /// Signers not strictly ascending.
    #[error("signers are not sorted and unique")]
    SignersNotSortedUnique,
    /// A signer beyond the set.
    #[error("signer {signer} is not in the set of {count}")]
    UnknownSigner {
        /// Position claimed.
        signer: u16,
        /// Size of the set.
        count: usize,
    },
    /// A signature that does not verify by ZIP-215.
    #[error("signature of signer {signer} does not verify")]
    BadSignature {
        /// Position of the signer.
        signer: u16,
    },
    /// Two thirds of the power or less.
    #[error("power {power} of {total} is not more than two thirds")]
    NoQuorum {
        /// Power that signed.
        power: u64,
        /// Power of the whole set.
        total: u64,
    },
}

impl Certificate {
    /// Verifies that more than two thirds of `set` precommitted this block on `chain`.
    ///
    /// Cost: one signature check per signer; structure and power are checked first.
    ///
    /// # Errors
    /// [`CertificateError`]; nothing is proven then.
    ///
    /// Source: spec/consensus.md §3.
    pub fn verify(&self, chain: &ChainId, set: &ValidatorSet) -> Result<(), CertificateError> {
        let signers = self.check_structure(set)?;
        let message = vote_preimage(
            chain,
            VoteType::Precommit,
            self.height,
            self.round,
            Some(&self.block_hash),
        );
        for (validator, commit) in signers {
            let verdict = validator.public_key.verify(&message, &commit.signature);
            ensure!(
                verdict.is_ok(),
                CertificateError::BadSignature {
                    signer: commit.signer,
                }
            );
        }
        Ok(())
    }

    /// Checks everything but the signatures themselves; returns who made them.
    fn check_structure<'a>(
        &'a self,
        set: &'a ValidatorSet,
    ) -> Result<Vec<(&'a Validator, &'a CommitSignature)>, CertificateError> {
        ensure!(
            self.version == CERTIFICATE_VERSION,
            CertificateError::Version {
                version: self.version,
            }
        );
        ensure!(
            is_strictly_ascending(&self.signatures, |s| s.signer),
            CertificateError::SignersNotSortedUnique
        );
        let validators = set.validators();
        let commits = self.signatures.iter();
        let signers: Vec<_> = commits
            .filter_map(|commit| Some((validators.get(usize::from(commit.signer))?, commit)))
            .collect();
        ensure!(
            signers.len() == self.signatures.len(),
            CertificateError::UnknownSigner {
                signer: self.signatures.last().map_or(0, |last| last.signer),
                count: validators.len(),
            }
        );
        let powers = signers.iter().map(|(validator, _)| validator.power);
        let power = powers.fold(0u64, u64::saturating_add);
        ensure!(
            set.is_quorum(power),
            CertificateError::NoQuorum {
                power,
                total: set.total_power(),
            }
        );
        Ok(signers)
    }
}

impl Decode for Certificate {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        const MAX: u32 = VALIDATORS_MAX as u32;
        let certificate = Self {
            version: u8::decode(input)?,
            height: Height::decode(input)?,
            round: u32::decode(input)?,
            block_hash: H256::decode(input)?,
            signatures: crate::codec::BoundedVec::<_, MAX>::decode(input)?.into_vec(),
        };
        ensure!(
            certificate.version == CERTIFICATE_VERSION,
            "unknown certificate version"
        );
        ensure!(
            is_strictly_ascending(&certificate.signatures, |s: &CommitSignature| s.signer),
            "signers are not sorted and unique"
        );
        Ok(certificate)
    }
}
