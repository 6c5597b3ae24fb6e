//! What nodes send: certified headers, transitions, proofs, changes, pages; and their bytes.
//!
//! Each that is a message of its own begins with the format's version, which is no field: there is
//! one version.

use parity_scale_codec::{Compact, Decode, Encode, Error as CodecError, Input};

use crate::certificate::{Certificate, ValidatorSet};
use crate::codec::{BoundedVec, decode_strict};
use crate::hash::{H256, sha2_256};
use crate::header::Header;
use crate::limits::{CHANGES_MAX, PAGE_ENTRIES_MAX, TRANSITIONS_MAX, VALUE_BYTES_MAX};
use crate::tree::{KEY_BYTES_MAX, KEYS_MAX, PROOF_BYTES_MAX};

use super::LightError;

/// First byte of every message and of everything kept.
pub const FORMAT_VERSION: u8 = 1;

/// A header, and precommits for it: a claim until [`Trust`](super::Trust) has checked it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CertifiedHeader {
    /// The header.
    pub header: Header,
    /// Its certificate.
    pub certificate: Certificate,
}

/// The step from one validator set to the next.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Transition {
    /// The last block that the old set certifies.
    pub last: CertifiedHeader,
    /// The new set.
    pub validators: ValidatorSet,
}

/// What comes with an answer so that nobody has to believe it.
///
/// Source: spec/proofs.md §1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadProof {
    /// Changes of the validator set that the asker lacks, ascending; at most
    /// [`TRANSITIONS_MAX`].
    pub transitions: Vec<Transition>,
    /// The block the answer is as of.
    pub head: CertifiedHeader,
    /// The storage keys that the question reads: 1 to 1,024, strictly ascending.
    pub keys: Vec<Vec<u8>>,
    /// Proof of exactly these keys, a [`tree::Proof`](crate::tree::Proof) encoded.
    pub state: Vec<u8>,
}

/// What one block changed of identities, revocations and grants.
///
/// Source: spec/proofs.md §5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockChanges {
    /// The set that certifies the next block, if it is another.
    pub transition: Option<ValidatorSet>,
    /// The block.
    pub head: CertifiedHeader,
    /// Storage keys, each with its new value or `None` if it was deleted, strictly ascending; at
    /// most [`CHANGES_MAX`].
    pub changes: Vec<Change>,
}

/// A part of the whole state, ascending by key.
///
/// Source: spec/proofs.md §6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatePage {
    /// Storage keys with their values; at most [`PAGE_ENTRIES_MAX`].
    pub entries: Vec<Entry>,
    /// Whether another page follows.
    pub more: bool,
}

/// A value, or the hash that stands for it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PageValue {
    /// sha256 of the value.
    Hash(H256),
    /// The value; at most [`VALUE_BYTES_MAX`] bytes.
    Value(ValueBytes),
}

/// A storage key with its new value, or `None` if it was deleted.
pub type Change = (Vec<u8>, Option<PageValue>);

/// A storage key with its value.
pub type Entry = (Vec<u8>, PageValue);

/// The bytes of a stored value.
pub type ValueBytes = BoundedVec<u8, { VALUE_BYTES_MAX as u32 }>;

impl PageValue {
    /// Wraps a value; `None` if it is too long to be stored.
    pub fn whole(value: Vec<u8>) -> Option<Self> {
        ValueBytes::try_from(value).ok().map(Self::Value)
    }

    /// Returns the value's hash, which the tree commits.
    pub fn hash(&self) -> H256 {
        match self {
            Self::Hash(hash) => *hash,
            Self::Value(value) => sha2_256(value),
        }
    }

    /// Returns the value, if it came whole.
    pub fn value(&self) -> Option<&[u8]> {
        match self {
            Self::Hash(_) => None,
            Self::Value(value) => Some(value),
        }
    }
}

/// Reads a message from exactly these bytes: version, then body.
pub(super) fn read_message<T>(bytes: &[u8], what: &'static str) -> Result<T, LightError>
where
    Body<T>: Decode,
{
    let (version, body) = bytes.split_first().ok_or(LightError::Encoding { what })?;
    ensure!(
        *version == FORMAT_VERSION,
        LightError::Version { actual: *version }
    );
    let body: Body<T> = decode_strict(body).map_err(|_| LightError::Encoding { what })?;
    Ok(body.0)
}

/// What follows the version byte of a message.
pub(super) struct Body<T>(pub(super) T);

/// Reads a byte string at once: a list would read it byte by byte.
fn read_bytes<I: Input>(input: &mut I, max: usize) -> Result<Vec<u8>, CodecError> {
    let length = usize::try_from(Compact::<u32>::decode(input)?.0).unwrap_or(usize::MAX);
    ensure!(length <= max, "more bytes than the maximum");
    let rest = input.remaining_len()?;
    if rest.is_some_and(|rest| rest < length) {
        return Err("the bytes end too early".into());
    }
    let mut bytes = vec![0; length];
    input.read(&mut bytes)?;
    Ok(bytes)
}

/// A storage key as messages carry it.
struct Key(Vec<u8>);

impl Decode for Key {
    fn decode<I: Input>(input: &mut I) -> Result<Self, CodecError> {
        read_bytes(input, KEY_BYTES_MAX).map(Self)
    }
}

impl Decode for Body<ReadProof> {
    fn decode<I: Input>(input: &mut I) -> Result<Self, CodecError> {
        let transitions = BoundedVec::<_, TRANSITIONS_MAX>::decode(input)?.into_vec();
        let head = CertifiedHeader::decode(input)?;
        let keys = BoundedVec::<Key, { KEYS_MAX as u32 }>::decode(input)?.into_vec();
        Ok(Self(ReadProof {
            transitions,
            head,
            keys: keys.into_iter().map(|key| key.0).collect(),
            state: read_bytes(input, PROOF_BYTES_MAX)?,
        }))
    }
}

impl Decode for Body<BlockChanges> {
    fn decode<I: Input>(input: &mut I) -> Result<Self, CodecError> {
        let transition = Option::decode(input)?;
        let head = CertifiedHeader::decode(input)?;
        let list = BoundedVec::<(Key, Option<PageValue>), CHANGES_MAX>::decode(input)?;
        let list = list.into_vec().into_iter();
        Ok(Self(BlockChanges {
            transition,
            head,
            changes: list.map(|(key, value)| (key.0, value)).collect(),
        }))
    }
}

impl Decode for Body<StatePage> {
    fn decode<I: Input>(input: &mut I) -> Result<Self, CodecError> {
        let list = BoundedVec::<(Key, PageValue), PAGE_ENTRIES_MAX>::decode(input)?;
        let list = list.into_vec().into_iter();
        Ok(Self(StatePage {
            entries: list.map(|(key, value)| (key.0, value)).collect(),
            more: bool::decode(input)?,
        }))
    }
}

impl ReadProof {
    /// Returns the wire form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let body = (&self.transitions, &self.head, &self.keys, &self.state);
        (FORMAT_VERSION, body).encode()
    }

    /// Reads a proof from exactly these bytes; nothing of it is proven yet.
    ///
    /// # Errors
    /// [`LightError::Version`], [`LightError::Encoding`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LightError> {
        read_message(bytes, "read proof")
    }
}

impl BlockChanges {
    /// Returns the wire form.
    pub fn to_bytes(&self) -> Vec<u8> {
        (FORMAT_VERSION, &self.transition, &self.head, &self.changes).encode()
    }

    /// Reads changes from exactly these bytes; nothing of them is proven yet.
    ///
    /// # Errors
    /// [`LightError::Version`], [`LightError::Encoding`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LightError> {
        read_message(bytes, "block changes")
    }
}

impl StatePage {
    /// Returns the wire form.
    pub fn to_bytes(&self) -> Vec<u8> {
        (FORMAT_VERSION, &self.entries, self.more).encode()
    }

    /// Reads a page from exactly these bytes; nothing of it is proven yet.
    ///
    /// # Errors
    /// [`LightError::Version`], [`LightError::Encoding`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LightError> {
        read_message(bytes, "state page")
    }
}
