//! A block that somebody vouches for, as text.

use std::fmt;
use std::str::FromStr;

use crate::did::NetworkId;
use crate::hash::H256;
use crate::types::{ForkId, Height};

/// `allod-checkpoint:<network>:<fork_id>:<height>:<block hash, 64 hexadecimal digits>`: where a
/// client begins that has no other trust. It comes from a person, never from a node.
///
/// Source: spec/proofs.md §2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The network.
    pub network: NetworkId,
    /// The fork of it.
    pub fork_id: ForkId,
    /// The block's number.
    pub height: Height,
    /// The block's hash.
    pub hash: H256,
}

/// Why text is not a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Not `allod-checkpoint` and four parts, separated by colons.
    #[error("not allod-checkpoint:<network>:<fork>:<height>:<hash>")]
    Syntax,
    /// The network is not 32 characters of lower-case base32.
    #[error("network is not 32 characters of lower-case base32")]
    Network,
    /// Fork or height is not a number below 2^32 in its shortest form.
    #[error("fork or height is not a number below 2^32 in its shortest form")]
    Number,
    /// The hash is not 64 lower-case hexadecimal digits.
    #[error("hash is not 64 lower-case hexadecimal digits")]
    Hash,
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (network, fork, height) = (self.network, self.fork_id, self.height);
        write!(f, "allod-checkpoint:{network}:{fork}:{height}:")?;
        f.write_str(&data_encoding::HEXLOWER.encode(&self.hash.0))
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["allod-checkpoint", network, fork, height, hash] = parts.as_slice() else {
            return Err(CheckpointError::Syntax);
        };
        let hash = data_encoding::HEXLOWER.decode(hash.as_bytes());
        let hash: Option<[u8; 32]> = hash.ok().and_then(|bytes| bytes.try_into().ok());
        Ok(Self {
            network: network.parse().map_err(|_| CheckpointError::Network)?,
            fork_id: ForkId(number(fork)?),
            height: Height(number(height)?.into()),
            hash: H256(hash.ok_or(CheckpointError::Hash)?),
        })
    }
}

fn number(text: &str) -> Result<u32, CheckpointError> {
    let number: u32 = text.parse().map_err(|_| CheckpointError::Number)?;
    match number.to_string() == *text {
        true => Ok(number),
        false => Err(CheckpointError::Number),
    }
}
