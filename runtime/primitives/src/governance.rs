//! What trustees decide about, as it is proposed and stored: actions, rules, parameters.
//!
//! There is no action that reaches into the control of an identity, so no rule can allow one.

use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

use crate::codec::{BoundedVec, Text};
use crate::crypto::PublicKey;
use crate::did::DidId;
use crate::hash::{H256, domain_hash};
use crate::limits::{
    AMENDMENT_DELAY_MS_MIN, BLOCK_INTERVAL_MS_MAX, BLOCK_SPACING_MS_MIN,
    CONTROL_DELAY_MS_MAX_CEILING, CONTROL_DELAY_MS_MAX_FLOOR, CONTROL_DELAY_MS_MIN_CEILING,
    CONTROL_DELAY_MS_MIN_FLOOR, FREEZE_REASON_BYTES_MAX, PEER_ADDRESS_BYTES_MAX, PEER_ID_BYTES_MAX,
    PROPOSAL_ACTIONS_MAX, PROPOSALS_MAX, RULE_DELAY_MS_MAX, TRUSTEES_MAX,
    VALIDATOR_CHANGE_PERIOD_MS_MAX, VALIDATOR_CHANGE_PERIOD_MS_MIN,
};
use crate::types::{ChainId, Height, TimeMs};

/// Version byte of the stored types of governance.
pub const GOVERNANCE_VERSION: u8 = 1;

/// A peer's libp2p identity, as bytes.
pub type PeerId = BoundedVec<u8, PEER_ID_BYTES_MAX>;
/// A peer's multiaddr, as text.
pub type PeerAddress = Text<PEER_ADDRESS_BYTES_MAX>;
/// Why an identity is frozen, for people.
pub type FreezeReason = Text<FREEZE_REASON_BYTES_MAX>;
/// Accounts that decide, strictly ascending.
pub type TrusteeAccounts = BoundedVec<PublicKey, TRUSTEES_MAX>;
/// The list of actions of one proposal, carried out in this order, all or nothing.
pub type Actions = BoundedVec<Action, PROPOSAL_ACTIONS_MAX>;

/// A validator and where to reach it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct ValidatorInfo {
    /// Ed25519 key of its votes.
    pub public_key: PublicKey,
    /// Voting power, 1 to 2^32.
    pub power: u64,
    /// Its libp2p identity.
    pub peer_id: PeerId,
    /// Where it listens.
    pub address: PeerAddress,
}

/// What trustees can decide. An action's index is its [`ActionKind`]'s.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Action {
    /// Removes a validator, adds one, or both at once.
    #[codec(index = 0)]
    ReplaceValidator {
        /// Key of the one that goes.
        remove: Option<PublicKey>,
        /// The one that comes.
        add: Option<ValidatorInfo>,
    },
    /// Makes an account a registrar, or changes its budget.
    #[codec(index = 1)]
    SetRegistrar {
        /// The account.
        account: PublicKey,
        /// Items it may pay for on one day; 0 ends its role.
        items_per_day: u32,
    },
    /// Changes how new identities are admitted.
    #[codec(index = 2)]
    SetAdmission {
        /// Whether registrars' vouchers admit.
        vouchers: bool,
        /// Bits of work that admit, if any do.
        work_bits: Option<u8>,
    },
    /// Schedules another version of the state machine, or (the present version) unschedules it.
    #[codec(index = 3)]
    ScheduleUpgrade {
        /// The version.
        spec_version: u32,
        /// First block it executes.
        height: Height,
    },
    /// Admits a peer that does not vote.
    #[codec(index = 4)]
    AdmitObserver {
        /// Its libp2p identity.
        peer_id: PeerId,
        /// Where it listens.
        address: PeerAddress,
    },
    /// Shuts a peer out.
    #[codec(index = 5)]
    RemoveObserver {
        /// Its libp2p identity.
        peer_id: PeerId,
    },
    /// Puts other trustees, or another threshold, in the place of the present ones.
    #[codec(index = 6)]
    SetTrustees {
        /// Who decides from then on.
        accounts: TrusteeAccounts,
        /// Votes it takes where a rule says nothing else.
        threshold: u32,
    },
    /// Changes how many votes a kind of action takes, and how long it waits.
    #[codec(index = 7)]
    SetRule {
        /// The kind.
        kind: ActionKind,
        /// Its rule from then on.
        rule: Rule,
    },
    /// Changes the network's parameters, all of them.
    #[codec(index = 8)]
    SetParameters {
        /// The parameters from then on.
        parameters: Parameters,
    },
    /// Stops the logins of an identity for a time. Its operations are not hindered.
    #[codec(index = 9)]
    FreezeIdentity {
        /// The identity.
        did: DidId,
        /// Why; not empty.
        reason: FreezeReason,
        /// Ends by itself then; at most [`crate::limits::FREEZE_MS_MAX`] ahead.
        until: TimeMs,
    },
    /// Ends a freeze early.
    #[codec(index = 10)]
    UnfreezeIdentity {
        /// The identity.
        did: DidId,
    },
}

impl Action {
    /// Returns what kind of action it is.
    pub const fn kind(&self) -> ActionKind {
        match self {
            Self::ReplaceValidator { .. } => ActionKind::ReplaceValidator,
            Self::SetRegistrar { .. } => ActionKind::SetRegistrar,
            Self::SetAdmission { .. } => ActionKind::SetAdmission,
            Self::ScheduleUpgrade { .. } => ActionKind::ScheduleUpgrade,
            Self::AdmitObserver { .. } => ActionKind::AdmitObserver,
            Self::RemoveObserver { .. } => ActionKind::RemoveObserver,
            Self::SetTrustees { .. } => ActionKind::SetTrustees,
            Self::SetRule { .. } => ActionKind::SetRule,
            Self::SetParameters { .. } => ActionKind::SetParameters,
            Self::FreezeIdentity { .. } => ActionKind::FreezeIdentity,
            Self::UnfreezeIdentity { .. } => ActionKind::UnfreezeIdentity,
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $index:literal, $name:literal;)*) => {
        /// What kind of action something is: what rules are about.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, TypeInfo,
        )]
        pub enum ActionKind {
            $($(#[$doc])* #[codec(index = $index)] $kind,)*
        }

        impl ActionKind {
            /// Every kind, by index.
            pub const ALL: [Self; 11] = [$(Self::$kind),*];

            /// Returns the kind's name in JSON and on the command line.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// [`Action::ReplaceValidator`].
    ReplaceValidator = 0, "replaceValidator";
    /// [`Action::SetRegistrar`].
    SetRegistrar = 1, "setRegistrar";
    /// [`Action::SetAdmission`].
    SetAdmission = 2, "setAdmission";
    /// [`Action::ScheduleUpgrade`].
    ScheduleUpgrade = 3, "scheduleUpgrade";
    /// [`Action::AdmitObserver`].
    AdmitObserver = 4, "admitObserver";
    /// [`Action::RemoveObserver`].
    RemoveObserver = 5, "removeObserver";
    /// [`Action::SetTrustees`].
    SetTrustees = 6, "setTrustees";
    /// [`Action::SetRule`].
    SetRule = 7, "setRule";
    /// [`Action::SetParameters`].
    SetParameters = 8, "setParameters";
    /// [`Action::FreezeIdentity`].
    FreezeIdentity = 9, "freezeIdentity";
    /// [`Action::UnfreezeIdentity`].
    UnfreezeIdentity = 10, "unfreezeIdentity";
}

impl ActionKind {
    /// Returns the kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns whether it changes who decides or how, and so can never take effect at once.
    pub const fn is_amendment(self) -> bool {
        matches!(self, Self::SetTrustees | Self::SetRule)
    }
}

/// What a kind of action takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Rule {
    /// Votes that approve; `None`: as many as the trustees' threshold.
    pub votes: Option<u32>,
    /// Milliseconds from approval until it takes effect; zero: at once.
    pub delay_ms: u64,
}

impl Rule {
    /// Returns the rule of a kind that none is stored for.
    pub const fn default_of(kind: ActionKind) -> Self {
        let delay_ms = match kind {
            ActionKind::SetTrustees | ActionKind::SetRule | ActionKind::SetParameters => {
                24 * 3_600_000
            }
            _ => 0,
        };
        Self {
            votes: None,
            delay_ms,
        }
    }

    /// Returns whether `kind` may wait as long as this says.
    pub const fn is_delay_valid(&self, kind: ActionKind) -> bool {
        self.delay_ms <= RULE_DELAY_MS_MAX
            && (!kind.is_amendment() || self.delay_ms >= AMENDMENT_DELAY_MS_MIN)
    }
}

/// Returns what a vote names:
/// `H("allod/proposal/v1", chain preimage ++ SCALE(number, proposer, actions, expires))`.
///
/// Source: spec/governance.md §3.
pub fn proposal_hash(
    chain: &ChainId,
    number: u32,
    proposer: &PublicKey,
    actions: &Actions,
    expires: TimeMs,
) -> H256 {
    let content = (number, proposer, actions, expires).encode();
    domain_hash("allod/proposal/v1", &[&chain.preimage(), &content])
}

/// Accounts that decide, and how many of them it takes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Trustees {
    /// [`GOVERNANCE_VERSION`].
    pub version: u8,
    /// Strictly ascending.
    pub accounts: TrusteeAccounts,
    /// Votes that approve a proposal, where no rule says otherwise.
    pub threshold: u32,
}

/// The rule of one kind of action, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct StoredRule {
    /// [`GOVERNANCE_VERSION`].
    pub version: u8,
    /// The rule.
    pub rule: Rule,
}

/// A proposal that is open, or approved and waiting.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Proposal {
    /// [`GOVERNANCE_VERSION`].
    pub version: u8,
    /// The trustee that made it.
    pub proposer: PublicKey,
    /// What it does, in this order, all or nothing.
    pub actions: Actions,
    /// Void in blocks of a later time, unless it is approved before.
    pub expires: TimeMs,
    /// What votes name.
    pub hash: H256,
    /// Trustees in favour, in order of their votes.
    pub votes: BoundedVec<PublicKey, TRUSTEES_MAX>,
    /// When it takes effect; `None` while it is open.
    pub due: Option<TimeMs>,
    /// Trustees against it since it was approved, in order of their vetoes.
    pub vetoes: BoundedVec<PublicKey, TRUSTEES_MAX>,
}

/// Numbers of the proposals that can still be voted for, with their expiry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct OpenProposals {
    /// [`GOVERNANCE_VERSION`].
    pub version: u8,
    /// Number the next proposal gets.
    pub next: u32,
    /// Open ones, ascending by number.
    pub open: BoundedVec<(u32, TimeMs), PROPOSALS_MAX>,
}

/// Numbers of the approved proposals that wait, with the time they take effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Schedule {
    /// [`GOVERNANCE_VERSION`].
    pub version: u8,
    /// Ascending by time, then number.
    pub due: BoundedVec<(TimeMs, u32), PROPOSALS_MAX>,
}

/// Another version of the state machine, due at a height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct ScheduledUpgrade {
    /// [`GOVERNANCE_VERSION`].
    pub version: u8,
    /// The version.
    pub spec_version: u32,
    /// First block it executes.
    pub height: Height,
}

/// What a proposal takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Votes that approve it.
    pub votes: u32,
    /// Vetoes that cancel it once it is approved: as many as could have kept it from that.
    pub vetoes: u32,
    /// Milliseconds it waits once it is approved; zero: none.
    pub delay_ms: u64,
}

/// Returns what a proposal of `actions` takes: the most that any of them does, by the rules that
/// `rule` reads. Without trustees nothing passes.
///
/// # Errors
/// Those of `rule`.
///
/// Source: spec/governance.md §3.
pub fn requirement<E>(
    trustees: Option<&Trustees>,
    actions: &Actions,
    mut rule: impl FnMut(ActionKind) -> Result<Rule, E>,
) -> Result<Requirement, E> {
    let (count, threshold) = trustee_counts(trustees);
    let (mut votes, mut delay_ms) = (1, 0);
    let mut take = |kind| {
        let rule = rule(kind)?;
        votes = votes.max(rule.votes.unwrap_or(threshold));
        delay_ms = delay_ms.max(rule.delay_ms);
        Ok(())
    };
    for action in actions {
        take(action.kind())?;
        // Else a protection could be taken away by fewer, or sooner, than it holds.
        if let Action::SetRule { kind, .. } = action {
            take(*kind)?;
        }
    }
    Ok(Requirement {
        votes,
        vetoes: count.saturating_sub(votes).saturating_add(1),
        delay_ms,
    })
}

/// Returns how many trustees there are, and their threshold.
pub fn trustee_counts(trustees: Option<&Trustees>) -> (u32, u32) {
    trustees.map_or((0, u32::MAX), |trustees| {
        let count = u32::try_from(trustees.accounts.len()).unwrap_or(u32::MAX);
        (count, trustees.threshold)
    })
}

/// Bounds that every delay of an identity's pending change of control is clamped to when the
/// change is proposed. A later change of the bounds leaves what is pending as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct ControlParameters {
    /// Shortest delay, in milliseconds.
    pub delay_ms_min: u64,
    /// Longest delay, in milliseconds.
    pub delay_ms_max: u64,
}

impl ControlParameters {
    /// Returns `delay_ms` moved into the bounds.
    pub const fn clamp(&self, delay_ms: u64) -> u64 {
        if delay_ms < self.delay_ms_min {
            self.delay_ms_min
        } else if delay_ms > self.delay_ms_max {
            self.delay_ms_max
        } else {
            delay_ms
        }
    }

    /// Returns bounds that trustees may set and that turn a delay of `delay_ms` into one of
    /// `clamped_ms`; `None` if there are none. For those who replay a log and know what came of a
    /// proposal, but not which bounds were in force.
    ///
    /// Source: spec/did.md §6.
    pub fn that_clamp(delay_ms: u64, clamped_ms: u64) -> Option<Self> {
        let mut bounds = Self {
            delay_ms_min: CONTROL_DELAY_MS_MIN_FLOOR,
            delay_ms_max: CONTROL_DELAY_MS_MAX_CEILING,
        };
        if clamped_ms > delay_ms {
            bounds.delay_ms_min = clamped_ms;
        } else if clamped_ms < delay_ms {
            bounds.delay_ms_max = clamped_ms;
        }
        (bounds.are_valid() && bounds.clamp(delay_ms) == clamped_ms).then_some(bounds)
    }

    /// Returns whether both lie within the bounds that nobody can leave: trustees can neither let
    /// a thief win at once nor lock owners out for good.
    pub fn are_valid(&self) -> bool {
        (CONTROL_DELAY_MS_MIN_FLOOR..=CONTROL_DELAY_MS_MIN_CEILING).contains(&self.delay_ms_min)
            && (CONTROL_DELAY_MS_MAX_FLOOR..=CONTROL_DELAY_MS_MAX_CEILING)
                .contains(&self.delay_ms_max)
    }
}

impl Default for ControlParameters {
    fn default() -> Self {
        Self {
            delay_ms_min: 24 * 3_600_000,
            delay_ms_max: 30 * 86_400_000,
        }
    }
}

/// Numbers that trustees may change within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Parameters {
    /// [`GOVERNANCE_VERSION`].
    pub version: u8,
    /// Least distance between blocks under load, in milliseconds; a hint to proposers.
    pub block_spacing_ms: u32,
    /// Shortest distance between blocks when idle, in milliseconds; a hint to proposers.
    pub heartbeat_ms_min: u32,
    /// Longest distance between blocks when idle, in milliseconds; a hint to proposers.
    pub heartbeat_ms_max: u32,
    /// Milliseconds in which at most a third of the validators, and of their power, may change.
    pub validator_change_period_ms: u64,
    /// Bounds of the delays of changes of control.
    pub control: ControlParameters,
}

impl Parameters {
    /// Returns whether trustees may put these in the place of `present`. The period of validator
    /// changes may stay what it is even where genesis set it below the bound, as development
    /// networks do.
    pub fn may_follow(&self, present: &Self) -> bool {
        let period = self.validator_change_period_ms;
        self.are_valid_at_genesis()
            && (period >= VALIDATOR_CHANGE_PERIOD_MS_MIN
                || period == present.validator_change_period_ms)
    }

    /// Returns whether a chain may start with these.
    pub fn are_valid_at_genesis(&self) -> bool {
        self.version == GOVERNANCE_VERSION
            && (BLOCK_SPACING_MS_MIN..=BLOCK_INTERVAL_MS_MAX).contains(&self.block_spacing_ms)
            && self.block_spacing_ms <= self.heartbeat_ms_min
            && self.heartbeat_ms_min <= self.heartbeat_ms_max
            && self.heartbeat_ms_max <= BLOCK_INTERVAL_MS_MAX
            && self.validator_change_period_ms <= VALIDATOR_CHANGE_PERIOD_MS_MAX
            && self.control.are_valid()
    }
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            version: GOVERNANCE_VERSION,
            block_spacing_ms: 200,
            heartbeat_ms_min: 1_000,
            heartbeat_ms_max: 5_000,
            validator_change_period_ms: 3_600_000,
            control: ControlParameters::default(),
        }
    }
}
