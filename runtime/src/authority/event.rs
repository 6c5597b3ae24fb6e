//! The pallet's events.

use allod_primitives::{Height, PublicKey};
use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

use super::types::PeerId;

/// Events of the `Authority` pallet.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Event {
    /// A trustee proposed something, and so voted for it.
    #[codec(index = 0)]
    Proposed {
        /// Its number.
        proposal: u32,
        /// The trustee.
        proposer: PublicKey,
    },
    /// A trustee voted.
    #[codec(index = 1)]
    Voted {
        /// What for.
        proposal: u32,
        /// The trustee.
        voter: PublicKey,
        /// Votes so far.
        votes: u32,
    },
    /// A proposal reached its threshold and was carried out.
    #[codec(index = 2)]
    Executed {
        /// Its number.
        proposal: u32,
    },
    /// A proposal's time passed.
    #[codec(index = 3)]
    ProposalExpired {
        /// Its number.
        proposal: u32,
    },
    /// Another set certifies from a height on.
    #[codec(index = 4)]
    ValidatorsChanged {
        /// Number of the set.
        set_id: u64,
        /// First height it certifies.
        since: Height,
    },
    /// A registrar's budget was set; 0 ends its role.
    #[codec(index = 5)]
    RegistrarSet {
        /// The account.
        account: PublicKey,
        /// Items a day.
        items_per_day: u32,
    },
    /// Admission changed.
    #[codec(index = 6)]
    AdmissionSet {
        /// Whether vouchers admit.
        vouchers: bool,
        /// Bits of work that admit.
        work_bits: Option<u8>,
    },
    /// Another version of the state machine was scheduled.
    #[codec(index = 7)]
    UpgradeScheduled {
        /// The version.
        spec_version: u32,
        /// First block it executes.
        height: Height,
    },
    /// A scheduled version was unscheduled.
    #[codec(index = 8)]
    UpgradeCancelled,
    /// A peer was admitted.
    #[codec(index = 9)]
    ObserverAdmitted {
        /// Its libp2p identity.
        peer_id: PeerId,
    },
    /// A peer was shut out.
    #[codec(index = 10)]
    ObserverRemoved {
        /// Its libp2p identity.
        peer_id: PeerId,
    },
}
