//! Two certified headers that cannot be of one history, as evidence.

use parity_scale_codec::{Decode, Encode, Error as CodecError, Input};

use crate::certificate::Certificate;
use crate::header::Header;

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
    /// The two tell different histories of validator sets.
    SetHistory,
}

impl ConflictKind {
    /// Returns the name of the rule broken, as spec/proofs.md has it.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::TwoBlocks => "two_blocks",
            Self::Parent => "parent",
            Self::TimeOrder => "time_order",
            Self::SetHistory => "set_history",
        }
    }
}

/// Evidence that more than a third of the power has signed two histories.
///
/// Source: spec/proofs.md §3, 12 and 15 to 17.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two histories were certified: blocks {} and {}", first.header.number, second.header.number)]
pub struct Conflict {
    kind: ConflictKind,
    first: KnownHeader,
    second: CertifiedHeader,
}

impl Conflict {
    /// Puts together what was verified before and what contradicts it.
    pub(super) const fn new(
        kind: ConflictKind,
        first: KnownHeader,
        second: CertifiedHeader,
    ) -> Self {
        Self {
            kind,
            first,
            second,
        }
    }

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
