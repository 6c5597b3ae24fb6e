//! The pallet's events.

use allod_primitives::{DidId, H256, Height, PublicKey, TimeMs};
use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

use super::Error;
use super::types::{ActionKind, Parameters, PeerId, Rule};

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
        /// What votes must name.
        hash: H256,
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
    /// A proposal was carried out.
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
    /// A proposal was approved and waits.
    #[codec(index = 11)]
    Scheduled {
        /// Its number.
        proposal: u32,
        /// When it takes effect.
        due: TimeMs,
    },
    /// A trustee vetoed an approved proposal.
    #[codec(index = 12)]
    Vetoed {
        /// Its number.
        proposal: u32,
        /// The trustee.
        voter: PublicKey,
        /// Vetoes so far.
        vetoes: u32,
    },
    /// Vetoes cancelled an approved proposal.
    #[codec(index = 13)]
    Cancelled {
        /// Its number.
        proposal: u32,
    },
    /// Its proposer withdrew a proposal.
    #[codec(index = 14)]
    Withdrawn {
        /// Its number.
        proposal: u32,
    },
    /// A change of the trustees closed an open proposal.
    #[codec(index = 15)]
    Closed {
        /// Its number.
        proposal: u32,
    },
    /// An approved proposal was due and could not be carried out; nothing of it stays.
    #[codec(index = 16)]
    ExecutionFailed {
        /// Its number.
        proposal: u32,
        /// What its first failing action failed with.
        error: Error,
    },
    /// Others decide from now on.
    #[codec(index = 17)]
    TrusteesSet {
        /// How many there are.
        count: u32,
        /// Votes it takes where a rule says nothing else.
        threshold: u32,
    },
    /// A kind of action has another rule.
    #[codec(index = 18)]
    RuleSet {
        /// The kind.
        kind: ActionKind,
        /// Its rule.
        rule: Rule,
    },
    /// The network's parameters changed.
    #[codec(index = 19)]
    ParametersSet {
        /// The parameters.
        parameters: Parameters,
    },
    /// An identity's logins are stopped.
    #[codec(index = 20)]
    IdentityFrozen {
        /// The identity.
        did: DidId,
        /// Until when.
        until: TimeMs,
    },
    /// A freeze was ended early.
    #[codec(index = 21)]
    IdentityUnfrozen {
        /// The identity.
        did: DidId,
    },
    /// Another version of the state machine took over.
    #[codec(index = 22)]
    UpgradeActivated {
        /// The version.
        spec_version: u32,
    },
}
