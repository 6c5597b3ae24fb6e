//! Countable things as newtypes, and the identity of a chain.

use std::fmt;

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

use crate::hash::H256;

macro_rules! newtype {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone,
            Copy,
            Debug,
            PartialEq,
            Eq,
            PartialOrd,
            Ord,
            Hash,
            Default,
            Encode,
            Decode,
            DecodeWithMemTracking,
            TypeInfo,
        )]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

newtype! {
    /// A block's number; genesis is 0. At most `u32::MAX` (27 years of blocks every 200 ms),
    /// so that Substrate's 32-bit clients can read it.
    Height(u64)
}
newtype! {
    /// Which restart of the network from disaster this is; the first is 0. In every preimage.
    ForkId(u32)
}
newtype! {
    /// Milliseconds since 1970-01-01T00:00:00Z, as block headers count them.
    TimeMs(u64)
}

impl Height {
    /// Returns the next height; saturates.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Returns the height before, or `None` for genesis.
    pub fn previous(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }
}

impl TimeMs {
    /// Returns whole seconds since 1970, rounded down, as JWT's NumericDate counts them.
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// Returns the day since 1970-01-01 UTC, rounded down.
    pub fn day(self) -> u32 {
        u32::try_from(self.0 / 86_400_000).unwrap_or(u32::MAX)
    }

    /// Returns this time moved forward by `ms`; saturates.
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// What every signed message of a chain is bound to: the origin's genesis hash and the fork.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, DecodeWithMemTracking, TypeInfo,
)]
pub struct ChainId {
    /// Block hash of the *origin* genesis: it stays when a network restarts as a new fork.
    pub genesis: H256,
    /// Number of the fork.
    pub fork_id: ForkId,
}

impl ChainId {
    /// Returns `genesis ++ fork_id` (36 bytes), the start of every preimage after its tag.
    pub fn preimage(&self) -> [u8; 36] {
        let mut out = [0; 36];
        out[..32].copy_from_slice(&self.genesis.0);
        out[32..].copy_from_slice(&self.fork_id.0.to_le_bytes());
        out
    }
}
