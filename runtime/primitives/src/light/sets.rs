//! The validator sets that are trusted, each with the header that shows it.

use parity_scale_codec::{Decode, Encode, Error as CodecError, Input, Output};

use crate::certificate::ValidatorSet;
use crate::hash::H256;
use crate::types::Height;

use super::KnownHeader;
use super::witness::{Witness, ends_set};

/// A validator set that is trusted, and from where on.
///
/// Source: spec/proofs.md §2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedSet {
    set_id: u64,
    since: Height,
    validators: ValidatorSet,
    hash: H256,
    shown_by: Witness,
}

impl TrustedSet {
    /// The set with which trust begins: the one that `shown_by` names as its own.
    pub(super) fn beginning(shown_by: Witness, validators: ValidatorSet) -> Self {
        let digest = &shown_by.header().digest;
        let (set_id, since) = (digest.set_id, digest.set_since);
        Self {
            set_id,
            since,
            hash: validators.hash(),
            validators,
            shown_by,
        }
    }

    /// The set behind `shown_by`; `None` if that does not end its set, or names another.
    pub(super) fn following(shown_by: Witness, validators: ValidatorSet) -> Option<Self> {
        let hash = validators.hash();
        let header = shown_by.header();
        if !ends_set(header) || header.digest.next_validator_set != hash {
            return None;
        }
        Some(Self {
            set_id: header.digest.set_id.checked_add(1)?,
            since: header.number.next(),
            hash,
            validators,
            shown_by,
        })
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

    /// Returns the header that shows it: the last of the set before, or the one with which trust
    /// began. It is kept as long as the set.
    pub const fn shown_by(&self) -> &KnownHeader {
        &self.shown_by.known
    }

    pub(super) const fn hash(&self) -> &H256 {
        &self.hash
    }

    pub(super) const fn witness(&self) -> &Witness {
        &self.shown_by
    }
}

impl Encode for TrustedSet {
    fn encode_to<T: Output + ?Sized>(&self, output: &mut T) {
        self.shown_by.known.encode_to(output);
        self.validators.encode_to(output);
    }
}

impl Decode for TrustedSet {
    fn decode<I: Input>(input: &mut I) -> Result<Self, CodecError> {
        let shown_by = Witness::new(KnownHeader::decode(input)?);
        let validators = ValidatorSet::decode(input)?;
        if let Some(set) = Self::following(shown_by.clone(), validators.clone()) {
            return Ok(set);
        }
        let set = Self::beginning(shown_by, validators);
        match set.hash == set.shown_by.header().digest.validator_set {
            true => Ok(set),
            false => Err("a set kept is not the one that its header shows".into()),
        }
    }
}
