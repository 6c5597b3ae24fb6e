//! What is believed: validator sets and the headers that they certified.

use parity_scale_codec::{Decode, Encode, Error as CodecError, Input};

use crate::certificate::ValidatorSet;
use crate::codec::BoundedVec;
use crate::hash::H256;
use crate::header::Header;
use crate::limits::SETS_KEPT_MAX;
use crate::types::{ChainId, Height, TimeMs};

use super::bundle::{Body, FORMAT_VERSION, read_message};
use super::known::KnownHeaders;
use super::witness::{Witness, check_agreement, ends_set};
use super::{CertifiedHeader, Conflict, KnownHeader, LightError, Transition, TrustedSet};

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
    /// `validators` are those that `header` names as its own.
    pub(super) fn starting_at(chain: ChainId, header: &Header, validators: &ValidatorSet) -> Self {
        let witness = Witness::new(KnownHeader {
            header: header.clone(),
            certificate: None,
        });
        Self {
            chain,
            sets: vec![TrustedSet::beginning(witness.clone(), validators.clone())],
            known: KnownHeaders::starting_with(witness),
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
        self.known.iter().map(|witness| &witness.known)
    }

    /// Every header that another one must agree with.
    fn witnesses(&self) -> impl Iterator<Item = &Witness> + Clone {
        self.known
            .iter()
            .chain(self.sets.iter().map(TrustedSet::witness))
    }

    /// Returns the witness of this height, if there is one.
    fn witness_at(&self, number: Height) -> Option<&Witness> {
        self.witnesses().find(|it| it.number() == number)
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
        let witness = self.witness_at(header.number);
        if witness.is_none_or(|it| it.hash != hash) {
            check_names(certified, &hash)?;
            // The certificate comes before what the header says of its set's number and place: no
            // such word may hide that a trusted set has certified a second history.
            let set = self.set_named(header)?;
            let certificate = &certified.certificate;
            certificate.verify(&self.chain, set.validators())?;
            check_agreement(self.witnesses(), certified, &hash)?;
            self.check_set_id(header)?;
        }
        Ok(VerifiedHeader {
            hash,
            header: header.clone(),
        })
    }

    /// Returns the trusted set that `header` names by its hash. A set may come back under another
    /// number: either entry has the same validators.
    fn set_named(&self, header: &Header) -> Result<&TrustedSet, LightError> {
        let (height, digest) = (header.number, &header.digest);
        let (set_id, (oldest, newest)) = (digest.set_id, self.set_ids());
        let named = self.sets.iter().rev();
        let mut named = named.filter(|set| *set.hash() == digest.validator_set);
        named.next().ok_or(if set_id > newest {
            LightError::SetUnknown { set_id, newest }
        } else if set_id < oldest {
            LightError::SetForgotten { set_id, oldest }
        } else {
            LightError::SetMismatch { height }
        })
    }

    /// Checks that a header, which agrees with all witnesses, is of one of the sets trusted.
    fn check_set_id(&self, header: &Header) -> Result<(), LightError> {
        let (height, digest) = (header.number, &header.digest);
        let (set_id, (oldest, newest)) = (digest.set_id, self.set_ids());
        ensure!(set_id <= newest, LightError::SetUnknown { set_id, newest });
        ensure!(
            set_id >= oldest,
            LightError::SetForgotten { set_id, oldest }
        );
        ensure!(
            height >= digest.set_since,
            LightError::SetExpired { set_id, height }
        );
        Ok(())
    }

    /// Returns the numbers of the oldest and the newest set kept.
    fn set_ids(&self) -> (u64, u64) {
        let newest = self.newest_set().set_id();
        let oldest = self.sets.first().map_or(newest, TrustedSet::set_id);
        (oldest, newest)
    }

    /// Keeps a header that was [checked](Self::checked). Of one that was known before, the
    /// certificate given now was not looked at.
    pub(super) fn keep(&mut self, certified: &CertifiedHeader, verified: &VerifiedHeader) {
        if self.witness_at(verified.number()).is_none() {
            self.known.keep(Witness {
                hash: verified.hash,
                known: KnownHeader {
                    header: certified.header.clone(),
                    certificate: Some(certified.certificate.clone()),
                },
            });
        }
    }

    /// Trusts `validators`, which the header of this block, checked and [kept](Self::keep), names
    /// as the next block's.
    pub(super) fn learn(&mut self, header: &Header, validators: &ValidatorSet) {
        if header.digest.set_id != self.newest_set().set_id() {
            return;
        }
        let shown_by = self.witness_at(header.number).cloned();
        let set = shown_by.and_then(|it| TrustedSet::following(it, validators.clone()));
        self.sets.extend(set);
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
        (FORMAT_VERSION, self.chain, &self.sets, &self.known).encode()
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
        let chain = ChainId::decode(input)?;
        let sets = BoundedVec::<TrustedSet, SETS_KEPT_MAX>::decode(input)?.into_vec();
        let follows = |pair: (&TrustedSet, &TrustedSet)| {
            pair.0.set_id().checked_add(1) == Some(pair.1.set_id())
                && pair.0.since() < pair.1.since()
        };
        if sets.is_empty() || !sets.iter().zip(sets.iter().skip(1)).all(follows) {
            return Err("sets kept do not follow each other".into());
        }
        Ok(Self(Trust {
            chain,
            sets,
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
        ends_set(header),
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
