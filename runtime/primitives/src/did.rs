//! Identifiers: `did:allod:<network>:<id>`.
//!
//! `<network>` is the first 20 bytes of the origin's genesis hash in lower-case base32 without
//! padding (RFC 4648, 32 characters): the trust anchor is in the name. `<id>` is `z` and the
//! base58btc of the 32-byte [`DidId`], the hash of the inception body: self-certifying, usable
//! before it is anchored, independent of later keys.

use std::fmt;
use std::str::FromStr;

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

use crate::hash::H256;

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone,
            Copy,
            PartialEq,
            Eq,
            PartialOrd,
            Ord,
            Hash,
            Encode,
            Decode,
            DecodeWithMemTracking,
            TypeInfo,
        )]
        pub struct $name(pub $inner);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

id_type! {
    /// The method-specific identity of one DID: `H("allod/did/v1", inception body)`.
    DidId([u8; 32])
}
id_type! {
    /// A network: the first 20 bytes of its origin's genesis hash.
    NetworkId([u8; 20])
}
id_type! {
    /// A whole DID.
    Did(DidParts)
}

/// Network and identity of a [`Did`].
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
)]
pub struct DidParts {
    /// The network.
    pub network: NetworkId,
    /// The identity on it.
    pub id: DidId,
}

/// Why text is not a DID of this method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DidError {
    /// Not `did:` with a method and an identifier.
    #[error("not a DID")]
    Syntax,
    /// A DID of another method.
    #[error("method is not allod")]
    Method,
    /// The network part is not 20 bytes of canonical base32.
    #[error("network is not 32 characters of lower-case base32")]
    Network,
    /// The identity part is not `z` and base58btc of 32 bytes.
    #[error("identifier is not z and the base58btc of 32 bytes")]
    Id,
}

impl NetworkId {
    /// Returns the network whose origin has this genesis hash.
    pub fn from_genesis(genesis: &H256) -> Self {
        let mut out = [0; 20];
        out.copy_from_slice(genesis.0.split_at(20).0);
        Self(out)
    }
}

impl Did {
    /// Puts a DID together.
    pub const fn new(network: NetworkId, id: DidId) -> Self {
        Self(DidParts { network, id })
    }

    /// Returns the network part.
    pub const fn network(&self) -> NetworkId {
        self.0.network
    }

    /// Returns the identity part.
    pub const fn id(&self) -> DidId {
        self.0.id
    }
}

impl fmt::Display for DidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "z{}", bs58::encode(self.0).into_string())
    }
}

impl FromStr for DidId {
    type Err = DidError;

    fn from_str(text: &str) -> Result<Self, DidError> {
        let text = text.strip_prefix('z').ok_or(DidError::Id)?;
        let mut out = [0; 32];
        if text.len() > 44 {
            return Err(DidError::Id);
        }
        match bs58::decode(text).onto(&mut out) {
            Ok(32) => Ok(Self(out)),
            _ => Err(DidError::Id),
        }
    }
}

impl fmt::Display for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            &data_encoding::BASE32_NOPAD
                .encode(&self.0)
                .to_ascii_lowercase(),
        )
    }
}

impl FromStr for NetworkId {
    type Err = DidError;

    fn from_str(text: &str) -> Result<Self, DidError> {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(DidError::Network);
        }
        let upper = text.to_ascii_uppercase();
        let bytes = data_encoding::BASE32_NOPAD.decode(upper.as_bytes());
        let bytes = bytes.map_err(|_| DidError::Network)?;
        Ok(Self(bytes.try_into().map_err(|_| DidError::Network)?))
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "did:allod:{}:{}", self.0.network, self.0.id)
    }
}

impl FromStr for Did {
    type Err = DidError;

    fn from_str(text: &str) -> Result<Self, DidError> {
        let mut parts = text.split(':');
        if parts.next() != Some("did") {
            return Err(DidError::Syntax);
        }
        match parts.next() {
            None | Some("") => return Err(DidError::Syntax),
            Some("allod") => {}
            Some(_) => return Err(DidError::Method),
        }
        let (Some(network), Some(id), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(DidError::Syntax);
        };
        Ok(Self::new(network.parse()?, id.parse()?))
    }
}
