//! The first state: who holds which role, and the numbers everything starts with.
//!
//! Genesis holds raw keys, no identities: seed identities are incepted from block 1.

use allod_primitives::certificate::{Validator, ValidatorSetError};
use allod_primitives::codec::TooMany;
use allod_primitives::limits::WORK_BITS_MAX;
use allod_primitives::{BoundedVec, ForkId, H256, Height, PublicKey, TimeMs, ValidatorSet};
use parity_scale_codec::{Decode, Encode};

use crate::authority::rules::check_satisfiable;
use crate::authority::storage as authority;
use crate::authority::types::{
    ActionKind, AdmissionPolicy, OBSERVER_COUNT_MAX, Observer, Origin, Parameters, PeerAddress,
    PeerId, Registrar, Rule, STORED_VERSION, SetEntry, StoredRule, StoredValidator, Trustees,
    ValidatorInfo,
};
use crate::frame::Overlay;
use crate::system::storage::{LAST_RUNTIME_UPGRADE, NUMBER};
use crate::system::types::LastRuntimeUpgradeInfo;
use crate::timestamp::storage::NOW;
use crate::version::SPEC_NAME;

/// What a chain starts from.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GenesisConfig {
    /// Version of the state machine that the chain starts with.
    pub spec_version: u32,
    /// Time of the genesis header.
    pub time: TimeMs,
    /// Hash of the network's first genesis, if this one restarts a network; `None` if it is it.
    pub origin: Option<H256>,
    /// Which restart this is; 0 exactly if `origin` is `None`.
    pub fork_id: ForkId,
    /// Accounts that decide. In any order.
    pub trustees: Vec<PublicKey>,
    /// How many of them it takes, 1 to all.
    pub trustee_threshold: u32,
    /// Accounts that pay for others, and how many items a day.
    pub registrars: Vec<(PublicKey, u32)>,
    /// First validators. In any order.
    pub validators: Vec<ValidatorInfo>,
    /// Admitted peers that do not vote.
    pub observers: Vec<(PeerId, PeerAddress)>,
    /// Whether registrars' vouchers admit new identities.
    pub admission_vouchers: bool,
    /// Bits of work that admit new identities, if any do; for development networks only.
    pub admission_work_bits: Option<u8>,
    /// Numbers that trustees may change later.
    pub parameters: Parameters,
    /// What kinds of action take, where it is not [`Rule::default_of`].
    pub rules: Vec<(ActionKind, Rule)>,
}

/// Why nothing can start from a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenesisError {
    /// No trustee, too many, or one twice.
    #[error("trustees must be 1 to 32 different accounts")]
    Trustees,
    /// A threshold nobody can reach, or none.
    #[error("threshold {threshold} of {trustees} trustees cannot work")]
    Threshold {
        /// The threshold found.
        threshold: u32,
        /// How many trustees there are.
        trustees: usize,
    },
    /// A key that may not enter the ledger.
    #[error("key {key} may not enter the ledger")]
    Key {
        /// The key.
        key: PublicKey,
    },
    /// A registrar twice, or without budget.
    #[error("registrar {account} is listed twice or has no budget")]
    Registrar {
        /// Its account.
        account: PublicKey,
    },
    /// Not a validator set.
    #[error("validators: {0}")]
    Validators(#[from] ValidatorSetError),
    /// A peer identity twice, or empty; or too many observers.
    #[error("peer identities are not unique, one is empty, or there are too many")]
    Peers,
    /// More bits of work than can be asked for.
    #[error("work of {bits} bits is more than {WORK_BITS_MAX}")]
    Work {
        /// The bits found.
        bits: u8,
    },
    /// Numbers out of their bounds.
    #[error("parameters lie outside their bounds")]
    Parameters,
    /// A version of the state machine that this program does not know.
    #[error("version {spec_version} of the state machine is not known")]
    Version {
        /// The version found.
        spec_version: u32,
    },
    /// A kind twice, votes that the trustees cannot reach, or a delay out of its bounds.
    #[error("rules are contradictory or cannot be satisfied")]
    Rules,
    /// A fork without origin, or an origin without fork.
    #[error("origin and fork number contradict each other")]
    Fork,
}

impl From<TooMany> for GenesisError {
    fn from(_: TooMany) -> Self {
        Self::Trustees
    }
}

/// Writes the first state.
///
/// # Errors
/// [`GenesisError`] names the first rule broken.
pub(crate) fn write(state: &mut Overlay<'_>, config: &GenesisConfig) -> Result<(), GenesisError> {
    if config.origin.is_some() != (config.fork_id.0 > 0) {
        return Err(GenesisError::Fork);
    }
    NUMBER.put(state, &0);
    NOW.put(state, &config.time.0);
    let last = LastRuntimeUpgradeInfo {
        spec_version: config.spec_version,
        spec_name: SPEC_NAME.into(),
    };
    LAST_RUNTIME_UPGRADE.put(state, &last);
    let origin = Origin {
        version: STORED_VERSION,
        genesis: config.origin,
        fork_id: config.fork_id,
    };
    authority::ORIGIN.put(state, &origin);
    if !config.parameters.are_valid_at_genesis() {
        return Err(GenesisError::Parameters);
    }
    authority::PARAMETERS.put(state, &config.parameters);
    write_trustees(state, config)?;
    write_rules(state, config)?;
    write_registrars(state, config)?;
    write_peers(state, config)?;
    if let Some(bits) = config.admission_work_bits.filter(|b| *b > WORK_BITS_MAX) {
        return Err(GenesisError::Work { bits });
    }
    let policy = AdmissionPolicy {
        version: STORED_VERSION,
        vouchers: config.admission_vouchers,
        work_bits: config.admission_work_bits,
    };
    authority::ADMISSION.put(state, &policy);
    Ok(())
}

fn check_key(key: PublicKey) -> Result<(), GenesisError> {
    let checked = key.check_registrable();
    checked.map_err(|_| GenesisError::Key { key })
}

fn write_trustees(state: &mut Overlay<'_>, config: &GenesisConfig) -> Result<(), GenesisError> {
    let mut accounts = config.trustees.clone();
    accounts.sort_unstable();
    accounts.dedup();
    if accounts.is_empty() || accounts.len() != config.trustees.len() {
        return Err(GenesisError::Trustees);
    }
    accounts.iter().try_for_each(|key| check_key(*key))?;
    let threshold = config.trustee_threshold;
    if threshold == 0 || threshold as usize > accounts.len() {
        return Err(GenesisError::Threshold {
            threshold,
            trustees: accounts.len(),
        });
    }
    let trustees = Trustees {
        version: STORED_VERSION,
        accounts: BoundedVec::try_from(accounts)?,
        threshold,
    };
    authority::TRUSTEES.put(state, &trustees);
    Ok(())
}

fn write_rules(state: &mut Overlay<'_>, config: &GenesisConfig) -> Result<(), GenesisError> {
    for (kind, rule) in &config.rules {
        if authority::RULES.contains(state, kind) || !rule.is_delay_valid(*kind) {
            return Err(GenesisError::Rules);
        }
        let stored = StoredRule {
            version: STORED_VERSION,
            rule: *rule,
        };
        authority::RULES.put(state, kind, &stored);
    }
    check_satisfiable(state).map_err(|_| GenesisError::Rules)
}

fn write_registrars(state: &mut Overlay<'_>, config: &GenesisConfig) -> Result<(), GenesisError> {
    for (account, items_per_day) in &config.registrars {
        check_key(*account)?;
        if *items_per_day == 0 || authority::REGISTRARS.contains(state, account) {
            return Err(GenesisError::Registrar { account: *account });
        }
        let registrar = Registrar {
            version: STORED_VERSION,
            items_per_day: *items_per_day,
            day: 0,
            used: 0,
        };
        authority::REGISTRARS.put(state, account, &registrar);
    }
    Ok(())
}

fn write_peers(state: &mut Overlay<'_>, config: &GenesisConfig) -> Result<(), GenesisError> {
    let mut peers: Vec<&PeerId> = config.validators.iter().map(|v| &v.peer_id).collect();
    peers.extend(config.observers.iter().map(|(peer_id, _)| peer_id));
    let count = peers.len();
    peers.sort_unstable();
    peers.dedup();
    if peers.len() != count
        || peers.iter().any(|peer| peer.is_empty())
        || config.observers.len() > OBSERVER_COUNT_MAX
    {
        return Err(GenesisError::Peers);
    }
    let mut validators = Vec::new();
    for info in &config.validators {
        check_key(info.public_key)?;
        validators.push(Validator {
            public_key: info.public_key,
            power: info.power,
        });
        let stored = StoredValidator {
            version: STORED_VERSION,
            info: info.clone(),
        };
        authority::VALIDATORS.put(state, &info.public_key, &stored);
    }
    validators.sort_unstable_by_key(|validator| validator.public_key);
    let entry = SetEntry {
        version: STORED_VERSION,
        id: 0,
        since: Height(0),
        set: ValidatorSet::new(validators)?,
    };
    authority::CURRENT_SET.put(state, &entry);
    authority::NEXT_SET.put(state, &entry);
    for (peer_id, address) in &config.observers {
        let observer = Observer {
            version: STORED_VERSION,
            peer_id: peer_id.clone(),
            address: address.clone(),
        };
        authority::OBSERVERS.put(state, peer_id, &observer);
    }
    Ok(())
}
