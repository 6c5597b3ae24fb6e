//! Malachite's associated types, each a thin shell around one of ours.

use std::fmt;

use allod_primitives as primitives;
use allod_primitives::{H256, PublicKey, Signature};
use arc_malachitebft_app_channel::app::types::core::{
    self as malachite, LinearTimeouts, NilOrVal, Round, SignedExtension, SigningScheme, VotingPower,
};
use parity_scale_codec::{Decode, Encode};

/// The engine's `Context`: which types it runs on, and who proposes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ctx;

/// A block number, as the engine counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub(crate) struct Height(pub(crate) u64);

/// A validator's address: its public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub(crate) struct Address(pub(crate) PublicKey);

/// A block hash, which is both the value agreed upon and its own identifier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub(crate) struct BlockId(pub(crate) H256);

/// A validator, with its key as address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Validator {
    address: Address,
    power: u64,
}

/// A validator set in the engine's shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValidatorSet {
    /// Sorted by public key, unique.
    validators: Vec<Validator>,
    total_power: u64,
}

/// A vote. Extensions are disabled, so it has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vote {
    pub(crate) kind: malachite::VoteType,
    pub(crate) height: Height,
    pub(crate) round: Round,
    pub(crate) value: NilOrVal<BlockId>,
    pub(crate) validator: Address,
}

/// A proposal: it carries the hash alone, the block travels in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub(crate) height: Height,
    pub(crate) round: Round,
    pub(crate) value: BlockId,
    pub(crate) pol_round: Round,
    pub(crate) validator: Address,
}

/// One message of a proposal stream; see [`crate::parts`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// What the stream is about; the first message.
    Init(PartInit),
    /// A slice of the block, in order.
    Data(Vec<u8>),
}

/// The first message of a stream, signed by the validator that streams.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct PartInit {
    pub(crate) height: Height,
    pub(crate) round: u32,
    pub(crate) pol_round: Option<u32>,
    pub(crate) block_hash: H256,
    pub(crate) block_bytes: u32,
    pub(crate) streamer: PublicKey,
    pub(crate) signature: Signature,
}

/// Ed25519 as the engine's signing scheme: opaque bytes, judged by [`crate::signing`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ed25519;

/// Bytes of a wrong length where a key or signature was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key or signature has the wrong length")]
pub(crate) struct WrongLength;

impl From<primitives::Height> for Height {
    fn from(height: primitives::Height) -> Self {
        Self(height.0)
    }
}

impl From<Height> for primitives::Height {
    fn from(height: Height) -> Self {
        Self(height.0)
    }
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl malachite::Height for Height {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl malachite::Address for Address {}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl malachite::Value for BlockId {
    type Id = Self;

    fn id(&self) -> Self {
        *self
    }
}

impl malachite::Validator<Ctx> for Validator {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &PublicKey {
        &self.address.0
    }

    fn voting_power(&self) -> VotingPower {
        self.power
    }
}

impl From<&primitives::ValidatorSet> for ValidatorSet {
    fn from(set: &primitives::ValidatorSet) -> Self {
        let validator = |validator: &primitives::Validator| Validator {
            address: Address(validator.public_key),
            power: validator.power,
        };
        Self {
            validators: set.validators().iter().map(validator).collect(),
            total_power: set.total_power(),
        }
    }
}

impl malachite::ValidatorSet<Ctx> for ValidatorSet {
    fn count(&self) -> usize {
        self.validators.len()
    }

    fn total_voting_power(&self) -> VotingPower {
        self.total_power
    }

    fn get_by_address(&self, address: &Address) -> Option<&Validator> {
        let found = self
            .validators
            .binary_search_by_key(address, |member| member.address);
        found.ok().and_then(|index| self.validators.get(index))
    }

    fn get_by_index(&self, index: usize) -> Option<&Validator> {
        self.validators.get(index)
    }
}

impl malachite::Vote<Ctx> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<BlockId> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<BlockId> {
        self.value
    }

    fn vote_type(&self) -> malachite::VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.validator
    }

    fn extension(&self) -> Option<&SignedExtension<Ctx>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Ctx>> {
        None
    }

    fn extend(self, _extension: SignedExtension<Ctx>) -> Self {
        self
    }
}

impl malachite::Proposal<Ctx> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &BlockId {
        &self.value
    }

    fn take_value(self) -> BlockId {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Address {
        &self.validator
    }
}

impl malachite::ProposalPart<Ctx> for Part {
    fn is_first(&self) -> bool {
        matches!(self, Self::Init(_))
    }

    /// The end of a stream is the envelope's `Fin`, so no part is the last.
    fn is_last(&self) -> bool {
        false
    }
}

impl SigningScheme for Ed25519 {
    type DecodingError = WrongLength;
    type Signature = Signature;
    type PublicKey = PublicKey;
    /// Private keys never pass through the engine.
    type PrivateKey = ();

    fn decode_signature(bytes: &[u8]) -> Result<Signature, WrongLength> {
        bytes.try_into().map(Signature).map_err(|_| WrongLength)
    }

    fn encode_signature(signature: &Signature) -> Vec<u8> {
        signature.0.to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<PublicKey, WrongLength> {
        bytes.try_into().map(PublicKey).map_err(|_| WrongLength)
    }

    fn encode_public_key(key: &PublicKey) -> Vec<u8> {
        key.0.to_vec()
    }
}

impl malachite::Context for Ctx {
    type Address = Address;
    type Height = Height;
    type ProposalPart = Part;
    type Proposal = Proposal;
    type Validator = Validator;
    type ValidatorSet = ValidatorSet;
    type Timeouts = LinearTimeouts;
    type Value = BlockId;
    type Vote = Vote;
    type Extension = ();
    type SigningScheme = Ed25519;

    fn select_proposer<'a>(
        &self,
        set: &'a ValidatorSet,
        height: Height,
        round: Round,
    ) -> &'a Validator {
        let powers: Vec<u64> = set.validators.iter().map(|member| member.power).collect();
        let index = proposer_at(&powers, height.0, round.as_u32().unwrap_or(0));
        set.validators
            .get(index)
            .expect("proposer_at returns a position of the set")
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        value: BlockId,
        pol_round: Round,
        validator: Address,
    ) -> Proposal {
        Proposal {
            height,
            round,
            value,
            pol_round,
            validator,
        }
    }

    fn new_prevote(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<BlockId>,
        validator: Address,
    ) -> Vote {
        Vote {
            kind: malachite::VoteType::Prevote,
            height,
            round,
            value,
            validator,
        }
    }

    fn new_precommit(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<BlockId>,
        validator: Address,
    ) -> Vote {
        Vote {
            kind: malachite::VoteType::Precommit,
            height,
            round,
            value,
            validator,
        }
    }
}

/// Returns the position of the validator that proposes at `height` and `round`.
///
/// With equal powers, validators take turns in key order: position `(height + round) mod n`.
/// With unequal powers, round 0 belongs to the validator whose interval of the running sum of
/// powers holds the point `H("allod/proposer/v1", height) mod total`, so that each proposes in
/// proportion to its power; further rounds go on from there in key order. Either way every
/// validator gets its turn within `n` rounds, so no set of dead ones can hold up a height, and
/// nothing but the set, the height and the round matters.
pub fn proposer_index(
    set: &primitives::ValidatorSet,
    height: primitives::Height,
    round: u32,
) -> usize {
    let powers: Vec<u64> = set
        .validators()
        .iter()
        .map(|validator| validator.power)
        .collect();
    proposer_at(&powers, height.0, round)
}

/// Like [`proposer_index`]; `powers` is not empty.
fn proposer_at(powers: &[u64], height: u64, round: u32) -> usize {
    let equal = powers.iter().all(|power| Some(power) == powers.first());
    let first = if equal {
        height % powers.len() as u64
    } else {
        weighted(powers, height)
    };
    ((first + u64::from(round)) % powers.len() as u64) as usize
}

/// Returns the position that proposes in round 0 of `height` when powers differ.
fn weighted(powers: &[u64], height: u64) -> u64 {
    let hash = primitives::domain_hash("allod/proposer/v1", &[&height.to_le_bytes()]);
    let mut point = [0; 8];
    point.copy_from_slice(&hash.0[..8]);
    let total = powers.iter().copied().fold(0, u64::saturating_add).max(1);
    let mut point = u64::from_le_bytes(point) % total;
    for (index, power) in (0..).zip(powers) {
        if point < *power {
            return index;
        }
        point -= power;
    }
    unreachable!("the point is below the sum of the powers")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(powers: &[u64], heights: std::ops::Range<u64>, round: u32) -> Vec<usize> {
        heights
            .map(|height| proposer_at(powers, height, round))
            .collect()
    }

    /// Goal: equal validators take turns. Method: list the turns of some heights and rounds.
    #[test]
    fn equal_validators_take_turns() {
        assert_eq!(turns(&[7, 7, 7, 7], 4..10, 0), [0, 1, 2, 3, 0, 1]);
        assert_eq!(
            turns(&[7, 7, 7, 7], 4..6, 1),
            [1, 2],
            "the next round is the next in turn"
        );
        assert_eq!(turns(&[5], 0..3, 9), [0, 0, 0]);
    }

    /// Goal: turns follow power, and rounds reach everybody. Method: count over many heights.
    #[test]
    fn unequal_validators_propose_in_proportion_to_their_power() {
        let powers = [1 << 32, 1 << 31, 1 << 31];
        let proposers = turns(&powers, 0..4000, 0);
        let count = |index| {
            proposers
                .iter()
                .filter(|proposer| **proposer == index)
                .count()
        };
        assert!((1900..2100).contains(&count(0)), "{}", count(0));
        assert!((900..1100).contains(&count(1)), "{}", count(1));
        for height in 0..50 {
            let mut reached: Vec<_> = (0..3)
                .map(|round| proposer_at(&powers, height, round))
                .collect();
            reached.sort_unstable();
            assert_eq!(reached, [0, 1, 2]);
        }
    }
}
