//! From block to block without missing a change.

use parity_scale_codec::{Decode, Encode, Error as CodecError, Input};

use crate::hash::H256;
use crate::header::{Header, next_changes_accumulator};
use crate::keys;
use crate::merkle::{Domain, root};
use crate::types::Height;

use super::bundle::{Body, FORMAT_VERSION, read_message};
use super::pages::Whole;
use super::trust::{check_ends_set, check_next_set};
use super::{BlockChanges, Change, LightError, PageValue, Trust, VerifiedHeader};

/// The items whose changes headers commit to: spec/block.md §4.
const ITEMS: [(&str, &str); 4] = [
    ("Did", "Records"),
    ("Did", "Retired"),
    ("Revocation", "Tags"),
    ("Grant", "Grants"),
];

/// Where a follower stands: it has seen every change up to this block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follower {
    height: Height,
    hash: H256,
    accumulator: H256,
}

/// All that one block changed. [`Follower::step`] is the only source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedChanges {
    header: VerifiedHeader,
    changes: Vec<Change>,
}

impl VerifiedChanges {
    /// Returns the block's header.
    pub const fn header(&self) -> &VerifiedHeader {
        &self.header
    }

    /// Returns the changed keys, each with its new value or `None` if it was deleted, ascending.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Returns header and changes apart.
    pub fn into_parts(self) -> (VerifiedHeader, Vec<Change>) {
        (self.header, self.changes)
    }
}

impl Follower {
    /// Begins behind a verified header, whose state the caller has or does not need.
    pub const fn at(header: &VerifiedHeader) -> Self {
        Self {
            height: header.number(),
            hash: *header.hash(),
            accumulator: header.header().digest.changes_accumulator,
        }
    }

    /// Returns the height of the block it stands at.
    pub const fn height(&self) -> Height {
        self.height
    }

    /// Returns the hash of the block it stands at.
    pub const fn hash(&self) -> &H256 {
        &self.hash
    }

    /// Steps to a later block, if nothing changed in between that it has not seen.
    ///
    /// On success `self` and `trust` have moved; on an error neither has, except that a conflict
    /// freezes `trust`.
    /// Cost: as [`Trust::verify_header`], and one to three hashes per change.
    ///
    /// # Errors
    /// [`LightError`] names the first check that fails.
    ///
    /// Source: spec/proofs.md §5.
    pub fn step(
        &mut self,
        trust: &mut Trust,
        block: BlockChanges,
    ) -> Result<VerifiedChanges, LightError> {
        let header = trust.checked(&block.head)?;
        self.check_place(header.header())?;
        check_changes(header.header(), &block.changes)?;
        self.check_no_gap(header.header())?;
        match &block.transition {
            Some(validators) => {
                check_ends_set(header.header())?;
                check_next_set(header.header(), validators)?;
                trust.keep(&block.head, &header);
                trust.learn(header.header(), validators);
            }
            None => {
                check_keeps_set(header.header())?;
                trust.keep(&block.head, &header);
            }
        }
        *self = Self::at(&header);
        Ok(VerifiedChanges {
            header,
            changes: block.changes,
        })
    }

    fn check_place(&self, header: &Header) -> Result<(), LightError> {
        let (at, height) = (self.height, header.number);
        ensure!(height > at, LightError::StepBack { at, actual: height });
        ensure!(
            height != at.next() || header.parent_hash == self.hash,
            LightError::StepParent { height }
        );
        Ok(())
    }

    fn check_no_gap(&self, header: &Header) -> Result<(), LightError> {
        let digest = &header.digest;
        let accumulator = next_changes_accumulator(
            self.accumulator,
            header.number,
            &digest.changes_root,
            digest.changes_count,
        );
        ensure!(
            accumulator == digest.changes_accumulator,
            LightError::ChangesGap {
                from: self.height,
                to: header.number,
            }
        );
        Ok(())
    }

    /// Returns the form in which it is kept.
    pub fn to_bytes(self) -> Vec<u8> {
        (FORMAT_VERSION, self.height, self.hash, self.accumulator).encode()
    }

    /// Reads what was kept.
    ///
    /// # Errors
    /// [`LightError::Version`], [`LightError::Encoding`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LightError> {
        read_message(bytes, "follower")
    }
}

impl Decode for Body<Follower> {
    fn decode<I: Input>(input: &mut I) -> Result<Self, CodecError> {
        let (height, hash, accumulator) = Decode::decode(input)?;
        Ok(Self(Follower {
            height,
            hash,
            accumulator,
        }))
    }
}

/// Checks that `changes` are all that the header commits to.
fn check_changes(header: &Header, changes: &[Change]) -> Result<(), LightError> {
    let digest = &header.digest;
    ensure!(
        changes.is_sorted_by(|(lower, _), (upper, _)| lower < upper),
        LightError::ChangesOrder
    );
    let (expected, actual) = (digest.changes_count, changes.len());
    ensure!(
        u32::try_from(actual) == Ok(expected),
        LightError::ChangesCount { expected, actual }
    );
    let leaf = |(key, value): &Change| (key, value.as_ref().map(PageValue::hash)).encode();
    let leaves: Vec<Vec<u8>> = changes.iter().map(leaf).collect();
    let actual = root(Domain::Changes, leaves.iter().map(Vec::as_slice));
    ensure!(actual == digest.changes_root, LightError::ChangesRoot);
    let prefixes = ITEMS.map(|(pallet, item)| keys::item(pallet, item));
    let whole = Whole::new();
    for (key, value) in changes {
        ensure!(
            prefixes.iter().any(|prefix| key.starts_with(prefix)),
            LightError::ChangesForeign { key: key.clone() }
        );
        ensure!(
            value.as_ref().is_none_or(|it| whole.accepts(key, it)),
            LightError::ValueWithheld { key: key.clone() }
        );
    }
    Ok(())
}

/// Checks that the next block has the same set.
fn check_keeps_set(header: &Header) -> Result<(), LightError> {
    ensure!(
        header.digest.next_validator_set == header.digest.validator_set,
        LightError::TransitionNone {
            height: header.number,
        }
    );
    Ok(())
}
