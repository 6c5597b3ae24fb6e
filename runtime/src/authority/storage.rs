//! The pallet's storage.

use allod_primitives::keys::Hasher;
use allod_primitives::{ChainId, H256, PublicKey};

use super::types::{
    ActionKind, AdmissionPolicy, ControlParameters, Observer, OpenProposals, Origin, Parameters,
    PeerId, Proposal, RecentChanges, Registrar, Rule, Schedule, ScheduledUpgrade, SetEntry,
    StoredRule, StoredValidator, Trustees,
};
use crate::frame::{Map, StateRead, StorageEntry, Value};

const PALLET: &str = "Authority";

/// Where the chain comes from.
pub const ORIGIN: Value<Origin> = Value::new(PALLET, "Origin");
/// Numbers that trustees may change within bounds.
pub const PARAMETERS: Value<Parameters> = Value::new(PALLET, "Parameters");
/// Who decides.
pub const TRUSTEES: Value<Trustees> = Value::new(PALLET, "Trustees");
/// What kinds of action take; a kind without entry has [`Rule::default_of`].
pub const RULES: Map<ActionKind, StoredRule> = Map::new(PALLET, "Rules", Hasher::Twox64Concat);
/// Budgets by account.
pub const REGISTRARS: Map<PublicKey, Registrar> =
    Map::new(PALLET, "Registrars", Hasher::Blake2_128Concat);
/// How identities are admitted.
pub const ADMISSION: Value<AdmissionPolicy> = Value::new(PALLET, "Admission");
/// After block h: the set that certifies h+1.
pub const CURRENT_SET: Value<SetEntry> = Value::new(PALLET, "CurrentSet");
/// After block h: the set that certifies h+2.
pub const NEXT_SET: Value<SetEntry> = Value::new(PALLET, "NextSet");
/// Members of the current and the next set, by key.
pub const VALIDATORS: Map<PublicKey, StoredValidator> =
    Map::new(PALLET, "Validators", Hasher::Identity);
/// Admitted peers that do not vote.
pub const OBSERVERS: Map<PeerId, Observer> =
    Map::new(PALLET, "Observers", Hasher::Blake2_128Concat);
/// Changes that count against the limit.
pub const RECENT_CHANGES: Value<RecentChanges> = Value::new(PALLET, "RecentChanges");
/// Proposals, open or approved, by number.
pub const PROPOSALS: Map<u32, Proposal> = Map::new(PALLET, "Proposals", Hasher::Twox64Concat);
/// Numbers of open proposals.
pub const OPEN_PROPOSALS: Value<OpenProposals> = Value::new(PALLET, "OpenProposals");
/// Approved proposals that wait.
pub const SCHEDULE: Value<Schedule> = Value::new(PALLET, "Schedule");
/// The scheduled version.
pub const UPGRADE: Value<ScheduledUpgrade> = Value::new(PALLET, "Upgrade");

/// Returns what operations must be bound to.
///
/// `genesis_hash`: block hash of this chain's own genesis, which is the origin's unless the
/// state says otherwise.
pub fn chain_id(state: &(impl StateRead + ?Sized), genesis_hash: &H256) -> ChainId {
    let origin = ORIGIN.get(state);
    ChainId {
        genesis: origin
            .and_then(|origin| origin.genesis)
            .unwrap_or(*genesis_hash),
        fork_id: origin.map(|origin| origin.fork_id).unwrap_or_default(),
    }
}

/// Returns the numbers that trustees may change within bounds.
pub fn parameters(state: &(impl StateRead + ?Sized)) -> Parameters {
    PARAMETERS.get(state).unwrap_or_default()
}

/// Returns the bounds that every delay of a pending change of control is clamped to when it is
/// proposed.
pub fn control_parameters(state: &(impl StateRead + ?Sized)) -> ControlParameters {
    parameters(state).control
}

/// Returns how identities are admitted; nothing admits in an empty state.
pub fn admission_policy(state: &(impl StateRead + ?Sized)) -> AdmissionPolicy {
    ADMISSION.get(state).unwrap_or(AdmissionPolicy {
        version: super::types::STORED_VERSION,
        vouchers: false,
        work_bits: None,
    })
}

/// Returns what a kind of action takes.
pub fn rule(state: &(impl StateRead + ?Sized), kind: ActionKind) -> Rule {
    let stored = RULES.get(state, &kind);
    stored.map_or(Rule::default_of(kind), |stored| stored.rule)
}

/// Returns whether `account` votes on proposals.
pub fn is_trustee(state: &(impl StateRead + ?Sized), account: &PublicKey) -> bool {
    TRUSTEES
        .get(state)
        .is_some_and(|trustees| trustees.accounts.contains(account))
}

/// Returns whether `account` may send signed extrinsics: trustees and registrars may.
pub fn has_role(state: &(impl StateRead + ?Sized), account: &PublicKey) -> bool {
    REGISTRARS.contains(state, account) || is_trustee(state, account)
}

/// Describes the storage items.
pub fn storage_metadata() -> Vec<StorageEntry> {
    vec![
        StorageEntry::value(&ORIGIN, "Where the chain comes from."),
        StorageEntry::value(
            &PARAMETERS,
            "Numbers that trustees may change within bounds.",
        ),
        StorageEntry::value(&TRUSTEES, "Accounts that decide, and how many it takes."),
        StorageEntry::map(&RULES, "Votes and delay of kinds of action."),
        StorageEntry::map(&REGISTRARS, "Budgets and their use, by account."),
        StorageEntry::value(&ADMISSION, "How new identities are admitted."),
        StorageEntry::value(&CURRENT_SET, "Validators that certify the next block."),
        StorageEntry::value(
            &NEXT_SET,
            "Validators that certify the block after the next.",
        ),
        StorageEntry::map(
            &VALIDATORS,
            "Members of both sets, and where to reach them.",
        ),
        StorageEntry::map(&OBSERVERS, "Admitted peers that do not vote."),
        StorageEntry::value(
            &RECENT_CHANGES,
            "Validator changes that count against the limit.",
        ),
        StorageEntry::map(&PROPOSALS, "Open and approved proposals by number."),
        StorageEntry::value(
            &OPEN_PROPOSALS,
            "Numbers of open proposals and their expiry.",
        ),
        StorageEntry::value(
            &SCHEDULE,
            "Numbers of approved proposals and when they take effect.",
        ),
        StorageEntry::value(
            &UPGRADE,
            "The next version of the state machine, if scheduled.",
        ),
    ]
}
