//! The state machine: dispatch, storage, events, metadata and the pallets.
//!
//! Pure: a block's result is a function of the state before it, its parent's header and its
//! extrinsics. No clock, entropy, thread, file or log; signatures are asked of an oracle, so that
//! the node can answer from its batch-verified cache.

pub mod did;
pub mod frame;
pub mod grant;
pub mod revocation;
pub mod tree;

use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

/// Every call, by pallet. Indices stay below 0x20, so that no payload begins like ASCII text.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum RuntimeCall {
    /// Identities.
    #[codec(index = 3)]
    Did(did::Call),
    /// Revoked tokens.
    #[codec(index = 4)]
    Revocation(revocation::Call),
    /// Grants.
    #[codec(index = 5)]
    Grant(grant::Call),
}

/// Every event, by pallet.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum RuntimeEvent {
    /// Identities.
    #[codec(index = 3)]
    Did(did::Event),
    /// Revoked tokens.
    #[codec(index = 4)]
    Revocation(revocation::Event),
    /// Grants.
    #[codec(index = 5)]
    Grant(grant::Event),
}

macro_rules! event_from {
    ($($pallet:ident($event:ty)),*) => {
        $(impl From<$event> for RuntimeEvent {
            fn from(event: $event) -> Self {
                Self::$pallet(event)
            }
        })*
    };
}

event_from!(
    Did(did::Event),
    Revocation(revocation::Event),
    Grant(grant::Event)
);
