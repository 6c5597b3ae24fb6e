//! Carrying out what trustees decided.

use allod_primitives::certificate::Validator;
use allod_primitives::limits::{FREEZE_MS_MAX, VALIDATOR_POWER_MAX, WORK_BITS_MAX};
use allod_primitives::record::Freeze;
use allod_primitives::{DidId, H256, Height, PublicKey};

use super::error::Error;
use super::event::Event;
use super::sets::set_entries;
use super::storage::{
    ADMISSION, OBSERVERS, PARAMETERS, REGISTRARS, UPGRADE, VALIDATORS, parameters,
};
use super::turnover::count_change;
use super::types::{
    Action, AdmissionPolicy, OBSERVER_COUNT_MAX, Observer, Parameters, PeerAddress, PeerId,
    Registrar, STORED_VERSION, ScheduledUpgrade, StoredValidator, ValidatorInfo,
};
use super::upgrade::present_version;
use super::{rules, sets};
use crate::did::freeze::{FreezeRefused, set_freeze};
use crate::frame::{Context, StateRead};

/// Blocks that a scheduled version must at least be ahead.
const UPGRADE_NOTICE_BLOCKS: u64 = 2;

/// Carries out one action. The caller rolls back if it fails.
///
/// `cause`: hash of the proposal that decided it.
pub(super) fn execute(
    context: &mut Context<'_>,
    action: &Action,
    cause: H256,
) -> Result<(), Error> {
    match action {
        Action::ReplaceValidator { remove, add } => {
            replace_validator(context, remove.as_ref(), add.as_ref())
        }
        Action::SetRegistrar {
            account,
            items_per_day,
        } => set_registrar(context, account, *items_per_day),
        Action::SetAdmission {
            vouchers,
            work_bits,
        } => set_admission(context, *vouchers, *work_bits),
        Action::ScheduleUpgrade {
            spec_version,
            height,
        } => schedule_upgrade(context, *spec_version, *height),
        Action::AdmitObserver { peer_id, address } => admit_observer(context, peer_id, address),
        Action::RemoveObserver { peer_id } => remove_observer(context, peer_id),
        Action::SetTrustees {
            accounts,
            threshold,
        } => rules::set_trustees(context, accounts, *threshold),
        Action::SetRule { kind, rule } => rules::set_rule(context, *kind, *rule),
        Action::SetParameters { parameters } => set_parameters(context, *parameters),
        Action::FreezeIdentity { did, reason, until } => {
            let reason = reason.clone();
            let until = *until;
            freeze(context, *did, Freeze { reason, until }, cause)
        }
        Action::UnfreezeIdentity { did } => unfreeze(context, *did, cause),
    }
}

/// Checks a validator by itself: key, power, peer.
pub(crate) fn check_validator(info: &ValidatorInfo) -> Result<(), Error> {
    if info.public_key.check_registrable().is_err() {
        return Err(Error::InvalidKey);
    }
    if info.power == 0 || info.power > VALIDATOR_POWER_MAX {
        return Err(Error::InvalidPower);
    }
    if info.peer_id.is_empty() {
        return Err(Error::InvalidPeer);
    }
    Ok(())
}

fn replace_validator(
    context: &mut Context<'_>,
    remove: Option<&PublicKey>,
    add: Option<&ValidatorInfo>,
) -> Result<(), Error> {
    if remove.is_none() && add.is_none() {
        return Err(Error::Empty);
    }
    let (current, next) = set_entries(&context.state).ok_or(Error::InvalidSet)?;
    let mut validators = next.set.validators().to_vec();
    if let Some(key) = remove {
        let index = next.set.position(key).ok_or(Error::NotMember)?;
        validators.remove(index);
        // A member of the current set still certifies a block; rotation forgets it after that.
        if current.set.position(key).is_none() {
            VALIDATORS.remove(&mut context.state, key);
        }
    }
    if let Some(info) = add {
        check_validator(info)?;
        check_peer_is_new(&context.state, &info.peer_id, remove)?;
        let place = validators.binary_search_by(|v| v.public_key.cmp(&info.public_key));
        let Err(place) = place else {
            return Err(Error::AlreadyMember);
        };
        let validator = Validator {
            public_key: info.public_key,
            power: info.power,
        };
        validators.insert(place, validator);
        let stored = StoredValidator {
            version: STORED_VERSION,
            info: info.clone(),
        };
        VALIDATORS.put(&mut context.state, &info.public_key, &stored);
    }
    count_change(context, &next.set, &validators)?;
    let entry = sets::set_next(&mut context.state, context.block.height, validators)?;
    context.deposit(Event::ValidatorsChanged {
        set_id: entry.id,
        since: entry.since,
    });
    Ok(())
}

/// Checks that no member has `peer_id`, but the validator that leaves.
fn check_peer_is_new(
    state: &dyn StateRead,
    peer_id: &PeerId,
    leaving: Option<&PublicKey>,
) -> Result<(), Error> {
    let validators = VALIDATORS.values(state);
    let taken = validators
        .iter()
        .any(|stored| &stored.info.peer_id == peer_id && Some(&stored.info.public_key) != leaving);
    if taken || OBSERVERS.contains(state, peer_id) {
        return Err(Error::InvalidPeer);
    }
    Ok(())
}

fn set_registrar(
    context: &mut Context<'_>,
    account: &PublicKey,
    items_per_day: u32,
) -> Result<(), Error> {
    if items_per_day == 0 {
        REGISTRARS.remove(&mut context.state, account);
    } else {
        account.check_registrable().map_err(|_| Error::InvalidKey)?;
        let present = REGISTRARS.get(&context.state, account);
        let registrar = Registrar {
            version: STORED_VERSION,
            items_per_day,
            day: present.map_or(0, |registrar| registrar.day),
            used: present.map_or(0, |registrar| registrar.used),
        };
        REGISTRARS.put(&mut context.state, account, &registrar);
    }
    context.deposit(Event::RegistrarSet {
        account: *account,
        items_per_day,
    });
    Ok(())
}

fn set_admission(
    context: &mut Context<'_>,
    vouchers: bool,
    work_bits: Option<u8>,
) -> Result<(), Error> {
    if work_bits.is_some_and(|bits| bits > WORK_BITS_MAX) {
        return Err(Error::InvalidWork);
    }
    let policy = AdmissionPolicy {
        version: STORED_VERSION,
        vouchers,
        work_bits,
    };
    ADMISSION.put(&mut context.state, &policy);
    context.deposit(Event::AdmissionSet {
        vouchers,
        work_bits,
    });
    Ok(())
}

fn schedule_upgrade(
    context: &mut Context<'_>,
    spec_version: u32,
    height: Height,
) -> Result<(), Error> {
    let present = present_version(&context.state);
    if spec_version == present {
        UPGRADE.kill(&mut context.state);
        context.deposit(Event::UpgradeCancelled);
        return Ok(());
    }
    let earliest = Height(context.block.height.0.saturating_add(UPGRADE_NOTICE_BLOCKS));
    if spec_version < present || height < earliest {
        return Err(Error::InvalidUpgrade);
    }
    let slot = ScheduledUpgrade {
        version: STORED_VERSION,
        spec_version,
        height,
    };
    UPGRADE.put(&mut context.state, &slot);
    context.deposit(Event::UpgradeScheduled {
        spec_version,
        height,
    });
    Ok(())
}

fn admit_observer(
    context: &mut Context<'_>,
    peer_id: &PeerId,
    address: &PeerAddress,
) -> Result<(), Error> {
    if peer_id.is_empty() {
        return Err(Error::InvalidPeer);
    }
    check_peer_is_new(&context.state, peer_id, None)?;
    if OBSERVERS.values(&context.state).len() >= OBSERVER_COUNT_MAX {
        return Err(Error::TooManyObservers);
    }
    let observer = Observer {
        version: STORED_VERSION,
        peer_id: peer_id.clone(),
        address: address.clone(),
    };
    OBSERVERS.put(&mut context.state, peer_id, &observer);
    context.deposit(Event::ObserverAdmitted {
        peer_id: peer_id.clone(),
    });
    Ok(())
}

fn remove_observer(context: &mut Context<'_>, peer_id: &PeerId) -> Result<(), Error> {
    if !OBSERVERS.contains(&context.state, peer_id) {
        return Err(Error::NotMember);
    }
    OBSERVERS.remove(&mut context.state, peer_id);
    context.deposit(Event::ObserverRemoved {
        peer_id: peer_id.clone(),
    });
    Ok(())
}

fn set_parameters(context: &mut Context<'_>, new: Parameters) -> Result<(), Error> {
    if !new.may_follow(&parameters(&context.state)) {
        return Err(Error::InvalidParameters);
    }
    PARAMETERS.put(&mut context.state, &new);
    context.deposit(Event::ParametersSet { parameters: new });
    Ok(())
}

fn freeze(context: &mut Context<'_>, did: DidId, freeze: Freeze, cause: H256) -> Result<(), Error> {
    let (now, until) = (context.block.time, freeze.until);
    if freeze.reason.as_str().is_empty() || until <= now || until > now.plus_ms(FREEZE_MS_MAX) {
        return Err(Error::InvalidFreeze);
    }
    set_freeze(context, did, Some(freeze), cause)?;
    context.deposit(Event::IdentityFrozen { did, until });
    Ok(())
}

fn unfreeze(context: &mut Context<'_>, did: DidId, cause: H256) -> Result<(), Error> {
    set_freeze(context, did, None, cause)?;
    context.deposit(Event::IdentityUnfrozen { did });
    Ok(())
}

impl From<FreezeRefused> for Error {
    fn from(refused: FreezeRefused) -> Self {
        match refused {
            FreezeRefused::Unknown => Self::UnknownIdentity,
            FreezeRefused::NotFrozen => Self::NotFrozen,
        }
    }
}
