//! The newest headers that were verified.

use parity_scale_codec::{Decode, Encode, Error as CodecError, Input};

use crate::codec::{BoundedVec, is_strictly_ascending};
use crate::hash::H256;
use crate::limits::HEADERS_KEPT_MAX;
use crate::types::{Height, TimeMs};

use super::KnownHeader;
use super::witness::Witness;

/// The newest headers verified: 1 to [`HEADERS_KEPT_MAX`], ascending by height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownHeaders(Vec<Witness>);

impl KnownHeaders {
    /// Begins with a header that is trusted by its hash.
    pub(super) fn starting_with(witness: Witness) -> Self {
        Self(vec![witness])
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
    pub(super) fn iter(&self) -> std::slice::Iter<'_, Witness> {
        self.0.iter()
    }

    /// Keeps a verified header of a height of which none is kept; when there are too many, the
    /// lowest goes.
    pub(super) fn keep(&mut self, witness: Witness) {
        let number = witness.number();
        let place = self.0.partition_point(|it| it.number() < number);
        self.0.insert(place, witness);
        if self.0.len() > HEADERS_KEPT_MAX as usize {
            self.0.remove(0);
        }
    }
}

impl Encode for KnownHeaders {
    fn encode(&self) -> Vec<u8> {
        let headers = self.iter().map(|witness| &witness.known);
        headers.collect::<Vec<_>>().encode()
    }
}

impl Decode for KnownHeaders {
    fn decode<I: Input>(input: &mut I) -> Result<Self, CodecError> {
        let list = BoundedVec::<KnownHeader, HEADERS_KEPT_MAX>::decode(input)?.into_vec();
        if list.is_empty() || !is_strictly_ascending(&list, |known| known.header.number) {
            return Err("headers kept are not ascending".into());
        }
        Ok(Self(list.into_iter().map(Witness::new).collect()))
    }
}
