//! What is believed: validator sets and the headers that they certified.

use parity_scale_codec::{Decode, Encode, Error as CodecError, Input};

use crate::certificate::ValidatorSet;
use crate::codec::BoundedVec;
use crate::did::NetworkId;
use crate::hash::H256;
use crate::header::Header;
use crate::limits::SETS_KEPT_MAX;
use crate::types::{ChainId, ForkId, Height, TimeMs};

use super::bundle::{Body, FORMAT_VERSION, read_message};
use super::known::{KnownHeader, KnownHeaders};
use super::{CertifiedHeader, Checkpoint, Conflict, LightError, Transition};

/// A header that a trusted set certified, or that was trusted by its hash. [`Trust`] is the only
/// source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedHeader {
    hash: H256,
    header: Header,
}

impl VerifiedHeader {
    /// Returns the block's hash.
    pub const fn hash(&self) -> &H256 {
        &self.hash
    }

    /// Returns the header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the block's number.
    pub const fn number(&self) -> Height {
        self.header.number
    }

    /// Returns the block's time.
    pub const fn time(&self) -> TimeMs {
        self.header.digest.time
    }

    /// Returns the root of the state after the block.
    pub const fn state_root(&self) -> &H256 {
        &self.header.state_root
    }
}

/// Number, hash and time of a verified header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderMark {
    /// Its number.
    pub height: Height,
    /// Its hash.
    pub hash: H256,
    /// Its time.
    pub time: TimeMs,
}

/// A validator set that is trusted, and from where on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedSet {
    set_id: u64,
    since: Height,
    validators: ValidatorSet,
    hash: H256,
}

impl TrustedSet {
    fn new(set_id: u64, since: Height, validators: ValidatorSet) -> Self {
        let hash = validators.hash();
        Self {
            set_id,
            since,
            validators,
            hash,
        }
    }

    /// Returns how many times the set had changed before it.
    pub const fn set_id(&self) -> u64 {
        self.set_id
    }

    /// Returns the first height that it certifies.
    pub const fn since(&self) -> Height {
        self.since
    }

    /// Returns the set.
    pub const fn validators(&self) -> &ValidatorSet {
        &self.validators
    }
}

/// What a client believes: the chain, the newest validator sets, the newest headers verified.
///
/// Every method that takes a claim either believes all of it or nothing: after an error `self` is
/// as before, but for one case. When two certified headers contradict each other
/// ([`LightError::Conflict`]), it freezes and refuses everything from then on
/// ([`LightError::Frozen`]). That is not part of [`Self::to_bytes`]: whoever keeps bytes must keep
/// the evidence first.
///
/// Source: spec/proofs.md §2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    chain: ChainId,
    /// 1 to [`SETS_KEPT_MAX`], their ids consecutive and ascending.
    sets: Vec<TrustedSet>,
    known: KnownHeaders,
    conflict: Option<Box<Conflict>>,
}

impl Trust {
    /// Trusts the genesis block of `network`, whose name is the beginning of its hash. Fork 0.
    ///
    /// # Errors
    /// [`LightError::GenesisMalformed`], [`LightError::WrongGenesis`],
    /// [`LightError::SetMismatch`].
    pub fn from_genesis(
        network: &NetworkId,
        header: &Header,
        validators: &ValidatorSet,
    ) -> Result<Self, LightError> {
        let (height, digest) = (header.number, &header.digest);
        ensure!(height == Height(0), LightError::GenesisMalformed);
        ensure!(digest.set_id == 0, LightError::GenesisMalformed);
        ensure!(digest.set_since == Height(0), LightError::GenesisMalformed);
        ensure!(
            header.parent_hash == H256::ZERO,
            LightError::GenesisMalformed
        );
        let genesis = header.hash();
        let (network, actual) = (*network, NetworkId::from_genesis(&genesis));
        ensure!(actual == network, LightError::WrongGenesis { network });
        let hash = validators.hash();
        ensure!(
            digest.validator_set == hash,
            LightError::SetMismatch { height }
        );
        ensure!(
            digest.next_validator_set == hash,
            LightError::SetMismatch { height }
        );
        let chain = ChainId {
            genesis,
            fork_id: ForkId(0),
        };
        Ok(Self::starting_at(chain, header, validators))
    }

    /// Trusts the block that a checkpoint names.
    ///
    /// `genesis`: hash of the origin's genesis block, of which the checkpoint has the first 20
    /// bytes. `header`, `validators`: the block's, as a node says.
    ///
    /// # Errors
    /// [`LightError::WrongGenesis`], [`LightError::CheckpointMismatch`],
    /// [`LightError::CheckpointHeight`], [`LightError::SetMismatch`].
    pub fn from_checkpoint(
        checkpoint: &Checkpoint,
        genesis: H256,
        header: &Header,
        validators: &ValidatorSet,
    ) -> Result<Self, LightError> {
        let (network, height) = (checkpoint.network, header.number);
        ensure!(
            NetworkId::from_genesis(&genesis) == network,
            LightError::WrongGenesis { network }
        );
        ensure!(
            header.hash() == checkpoint.hash,
            LightError::CheckpointMismatch
        );
        ensure!(
            height == checkpoint.height,
            LightError::CheckpointHeight {
                expected: checkpoint.height,
                actual: height,
            }
        );
        ensure!(
            header.digest.validator_set == validators.hash(),
            LightError::SetMismatch { height }
        );
        let chain = ChainId {
            genesis,
            fork_id: checkpoint.fork_id,
        };
        Ok(Self::starting_at(chain, header, validators))
    }

    fn starting_at(chain: ChainId, header: &Header, validators: &ValidatorSet) -> Self {
        let digest = &header.digest;
        let set = TrustedSet::new(digest.set_id, digest.set_since, validators.clone());
        Self {
            chain,
            sets: vec![set],
            known: KnownHeaders::starting_with(header.clone()),
            conflict: None,
        }
    }

    /// Returns the chain.
    pub const fn chain(&self) -> &ChainId {
        &self.chain
    }

    /// Returns the sets trusted, ascending.
    pub fn sets(&self) -> &[TrustedSet] {
        &self.sets
    }

    /// Returns the newest set trusted: bundles need to bring transitions from it on.
    pub fn newest_set(&self) -> &TrustedSet {
        self.sets
            .last()
            .expect("it begins with one and is never emptied")
    }

    /// Returns the highest header verified.
    pub fn newest(&self) -> HeaderMark {
        let (height, hash, time) = self.known.newest();
        HeaderMark { height, hash, time }
    }

    /// Returns the headers kept, ascending by height.
    pub fn known_headers(&self) -> impl DoubleEndedIterator<Item = &KnownHeader> {
        self.known.iter()
    }

    /// Returns the evidence that froze it, if any.
    pub fn conflict(&self) -> Option<&Conflict> {
        self.conflict.as_deref()
    }

    /// Verifies that a trusted set certified this header and that it agrees with the others
    /// known, and keeps it.
    ///
    /// Cost: one signature check per signer; one hash if it was verified before.
    ///
    /// # Errors
    /// [`LightError`] names the first check that fails.
    ///
    /// Source: spec/proofs.md §3, 4 to 17.
    pub fn verify_header(
        &mut self,
        certified: &CertifiedHeader,
    ) -> Result<VerifiedHeader, LightError> {
        let verified = self.checked(certified)?;
        self.keep(certified, &verified);
        Ok(verified)
    }

    /// Verifies the last header of a set and trusts the next set; one that is trusted already
    /// changes nothing.
    ///
    /// # Errors
    /// [`LightError`] names the first check that fails.
    ///
    /// Source: spec/proofs.md §3, 13 and 14.
    pub fn advance(&mut self, transition: &Transition) -> Result<VerifiedHeader, LightError> {
        let verified = self.checked(&transition.last)?;
        check_ends_set(&verified.header)?;
        check_next_set(&verified.header, &transition.validators)?;
        self.keep(&transition.last, &verified);
        self.learn(&verified.header, &transition.validators);
        Ok(verified)
    }

    /// Checks a certified header without keeping it; a conflict freezes.
    pub(super) fn checked(
        &mut self,
        certified: &CertifiedHeader,
    ) -> Result<VerifiedHeader, LightError> {
        let checked = self.check(certified);
        if let Err(LightError::Conflict(conflict)) = &checked {
            self.conflict = Some(conflict.clone());
        }
        checked
    }

    fn check(&self, certified: &CertifiedHeader) -> Result<VerifiedHeader, LightError> {
        ensure!(self.conflict.is_none(), LightError::Frozen);
        let header = &certified.header;
        let hash = header.hash();
        if !self.known.contains(header.number, &hash) {
            check_names(certified, &hash)?;
            let set = self.set_of(header)?;
            certified.certificate.verify(&self.chain, &set.validators)?;
            self.known.check_agreement(certified, &hash)?;
        }
        Ok(VerifiedHeader {
            hash,
            header: header.clone(),
        })
    }

    /// Returns the trusted set that certifies `header`, if what the header says of it is true.
    fn set_of(&self, header: &Header) -> Result<&TrustedSet, LightError> {
        let (height, digest) = (header.number, &header.digest);
        let set_id = digest.set_id;
        let set = self.sets.iter().rev().find(|set| set.set_id <= set_id);
        let set = set.or(self.sets.first()).expect("it is never emptied");
        let next = self.sets.iter().find(|next| next.set_id > set.set_id);
        let (oldest, newest) = (set.set_id, set.set_id);
        ensure!(set_id <= newest, LightError::SetUnknown { set_id, newest });
        ensure!(
            set_id >= oldest,
            LightError::SetForgotten { set_id, oldest }
        );
        ensure!(
            digest.validator_set == set.hash,
            LightError::SetMismatch { height }
        );
        let (expected, actual) = (set.since, digest.set_since);
        ensure!(
            actual == expected,
            LightError::SetSince { expected, actual }
        );
        ensure!(
            height >= set.since,
            LightError::SetExpired { set_id, height }
        );
        if let Some(next) = next {
            let ends = digest.next_validator_set != digest.validator_set;
            ensure!(
                height < next.since,
                LightError::SetExpired { set_id, height }
            );
            ensure!(
                ends == (height.next() == next.since),
                LightError::SetSplit { height }
            );
        }
        Ok(set)
    }

    pub(super) fn keep(&mut self, certified: &CertifiedHeader, verified: &VerifiedHeader) {
        self.known.keep(certified, verified.hash);
    }

    /// Trusts `validators`, which the verified `header` names as the next block's.
    pub(super) fn learn(&mut self, header: &Header, validators: &ValidatorSet) {
        if header.digest.set_id != self.newest_set().set_id {
            return;
        }
        let set_id = header.digest.set_id.saturating_add(1);
        let set = TrustedSet::new(set_id, header.number.next(), validators.clone());
        self.sets.push(set);
        if self.sets.len() > SETS_KEPT_MAX as usize {
            self.sets.remove(0);
        }
    }

    /// Takes over the evidence of a copy that met it.
    pub(super) fn freeze_as(&mut self, other: &Self) {
        self.conflict.clone_from(&other.conflict);
    }

    /// Returns the form in which it is kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        let sets: Vec<_> = self
            .sets
            .iter()
            .map(|set| (set.set_id, set.since, &set.validators))
            .collect();
        (FORMAT_VERSION, self.chain, sets, &self.known).encode()
    }

    /// Reads what was kept.
    ///
    /// # Errors
    /// [`LightError::Version`], [`LightError::Encoding`]: as if nothing had been kept.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LightError> {
        read_message(bytes, "trust")
    }
}

impl Decode for Body<Trust> {
    fn decode<I: Input>(input: &mut I) -> Result<Self, CodecError> {
        type Kept = (u64, Height, ValidatorSet);
        let chain = ChainId::decode(input)?;
        let sets = BoundedVec::<Kept, SETS_KEPT_MAX>::decode(input)?.into_vec();
        let follows =
            |pair: (&Kept, &Kept)| pair.0.0.checked_add(1) == Some(pair.1.0) && pair.0.1 < pair.1.1;
        if sets.is_empty() || !sets.iter().zip(sets.iter().skip(1)).all(follows) {
            return Err("sets kept do not follow each other".into());
        }
        let set = |(id, since, validators)| TrustedSet::new(id, since, validators);
        Ok(Self(Trust {
            chain,
            sets: sets.into_iter().map(set).collect(),
            known: KnownHeaders::decode(input)?,
            conflict: None,
        }))
    }
}

/// Checks that the certificate is about this header.
fn check_names(certified: &CertifiedHeader, hash: &H256) -> Result<(), LightError> {
    let (height, named) = (certified.header.number, &certified.certificate);
    ensure!(
        named.height == height,
        LightError::CertificateHeight {
            header: height,
            certificate: named.height,
        }
    );
    ensure!(
        named.block_hash == *hash,
        LightError::CertificateBlock { height }
    );
    Ok(())
}

/// Checks that `header` is the last of its set.
pub(super) fn check_ends_set(header: &Header) -> Result<(), LightError> {
    ensure!(
        header.digest.next_validator_set != header.digest.validator_set,
        LightError::TransitionNone {
            height: header.number,
        }
    );
    Ok(())
}

/// Checks that `validators` is the set that `header` names for the next block.
pub(super) fn check_next_set(header: &Header, validators: &ValidatorSet) -> Result<(), LightError> {
    ensure!(
        validators.hash() == header.digest.next_validator_set,
        LightError::TransitionSet {
            height: header.number,
        }
    );
    Ok(())
}
