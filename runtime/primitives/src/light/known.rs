//! The headers that were verified, and whether another one can be of the same history.

use parity_scale_codec::{Decode, Encode, Error as CodecError, Input};

use crate::certificate::Certificate;
use crate::codec::{BoundedVec, is_strictly_ascending};
use crate::hash::H256;
use crate::header::Header;
use crate::limits::HEADERS_KEPT_MAX;
use crate::types::{Height, TimeMs};

use super::bundle::{Body, FORMAT_VERSION, read_message};
use super::{CertifiedHeader, LightError};

/// A header that was verified.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KnownHeader {
    /// The header.
    pub header: Header,
    /// What proved it; `None` if it was trusted by its hash (genesis, checkpoint).
    pub certificate: Option<Certificate>,
}

/// How two headers contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ConflictKind {
    /// Two blocks of one height.
    TwoBlocks,
    /// Neighbouring heights, and the lower is not the parent of the higher.
    Parent,
    /// The higher is not later.
    TimeOrder,
}

/// Evidence that more than a third of the power has signed two histories.
///
/// Source: spec/proofs.md §3, 15 to 17.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two histories were certified: blocks {} and {}", first.header.number, second.header.number)]
pub struct Conflict {
    kind: ConflictKind,
    first: KnownHeader,
    second: CertifiedHeader,
}

impl Conflict {
    /// Returns how the two contradict each other.
    pub const fn kind(&self) -> ConflictKind {
        self.kind
    }

    /// Returns the header that was verified before.
    pub const fn first(&self) -> &KnownHeader {
        &self.first
    }

    /// Returns the header, certified as well, that contradicts it.
    pub const fn second(&self) -> &CertifiedHeader {
        &self.second
    }

    /// Returns the form in which the evidence is kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        (FORMAT_VERSION, self.kind, &self.first, &self.second).encode()
    }

    /// Reads evidence from exactly these bytes.
    ///
    /// # Errors
    /// [`LightError::Version`], [`LightError::Encoding`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LightError> {
        read_message(bytes, "conflict")
    }
}

impl Decode for Body<Conflict> {
    fn decode<I: Input>(input: &mut I) -> Result<Self, CodecError> {
        Ok(Self(Conflict {
            kind: ConflictKind::decode(input)?,
            first: KnownHeader::decode(input)?,
            second: CertifiedHeader::decode(input)?,
        }))
    }
}

/// One of the headers kept, with its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    hash: H256,
    known: KnownHeader,
}

impl Entry {
    fn number(&self) -> Height {
        self.known.header.number
    }

    fn time(&self) -> TimeMs {
        self.known.header.digest.time
    }
}

/// The newest headers verified: 1 to [`HEADERS_KEPT_MAX`], ascending by height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownHeaders(Vec<Entry>);

impl KnownHeaders {
    /// Begins with a header that is trusted by its hash.
    pub(super) fn starting_with(header: Header) -> Self {
        let known = KnownHeader {
            header,
            certificate: None,
        };
        let hash = known.header.hash();
        Self(vec![Entry { hash, known }])
    }

    /// Returns number, hash and time of the highest.
    pub(super) fn newest(&self) -> (Height, H256, TimeMs) {
        let newest = self
            .0
            .last()
            .expect("it begins with one and is never emptied");
        (newest.number(), newest.hash, newest.time())
    }

    /// Returns the headers kept, ascending by height.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &KnownHeader> {
        self.0.iter().map(|entry| &entry.known)
    }

    /// Returns whether the header of this number and hash was verified.
    pub(super) fn contains(&self, number: Height, hash: &H256) -> bool {
        let at = self.0.get(self.place(number));
        at.is_some_and(|entry| entry.number() == number && entry.hash == *hash)
    }

    fn place(&self, number: Height) -> usize {
        self.0.partition_point(|entry| entry.number() < number)
    }

    /// Checks that a certified header can be of one history with those kept.
    pub(super) fn check_agreement(
        &self,
        certified: &CertifiedHeader,
        hash: &H256,
    ) -> Result<(), LightError> {
        let header = &certified.header;
        let (number, time) = (header.number, header.digest.time);
        let conflict = |kind, entry: &Entry| {
            LightError::Conflict(Box::new(Conflict {
                kind,
                first: entry.known.clone(),
                second: certified.clone(),
            }))
        };
        let (below, from_here) = self
            .0
            .split_at_checked(self.place(number))
            .unwrap_or_default();
        let same = from_here.first().filter(|entry| entry.number() == number);
        let above = from_here.iter().find(|entry| entry.number() > number);
        if let Some(same) = same {
            ensure!(same.hash == *hash, conflict(ConflictKind::TwoBlocks, same));
        }
        if let Some(below) = below.last() {
            ensure!(
                below.number().next() != number || header.parent_hash == below.hash,
                conflict(ConflictKind::Parent, below)
            );
            ensure!(
                below.time() < time,
                conflict(ConflictKind::TimeOrder, below)
            );
        }
        if let Some(above) = above {
            ensure!(
                number.next() != above.number() || above.known.header.parent_hash == *hash,
                conflict(ConflictKind::Parent, above)
            );
            ensure!(
                time < above.time(),
                conflict(ConflictKind::TimeOrder, above)
            );
        }
        Ok(())
    }

    /// Keeps a verified header; when there are too many, the lowest goes.
    pub(super) fn keep(&mut self, certified: &CertifiedHeader, hash: H256) {
        let place = self.place(certified.header.number);
        let here = self.0.get(place).map(Entry::number);
        if here == Some(certified.header.number) {
            return;
        }
        let known = KnownHeader {
            header: certified.header.clone(),
            certificate: Some(certified.certificate.clone()),
        };
        self.0.insert(place, Entry { hash, known });
        if self.0.len() > HEADERS_KEPT_MAX as usize {
            self.0.remove(0);
        }
    }
}

impl Encode for KnownHeaders {
    fn encode(&self) -> Vec<u8> {
        self.iter().collect::<Vec<_>>().encode()
    }
}

impl Decode for KnownHeaders {
    fn decode<I: Input>(input: &mut I) -> Result<Self, CodecError> {
        let list = BoundedVec::<KnownHeader, HEADERS_KEPT_MAX>::decode(input)?.into_vec();
        if list.is_empty() || !is_strictly_ascending(&list, |known| known.header.number) {
            return Err("headers kept are not ascending".into());
        }
        let entry = |known: KnownHeader| Entry {
            hash: known.header.hash(),
            known,
        };
        Ok(Self(list.into_iter().map(entry).collect()))
    }
}
