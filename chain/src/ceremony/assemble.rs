//! Contributions become a specification, and a specification is held against them.

use std::collections::BTreeMap;

use allod_primitives::PublicKey;
use allod_rpc_api::hex_bytes::HexBytes;
use allod_runtime::genesis::GenesisError;

use super::contribution::HexKey;
use super::{Claim, Contribution, ContributionError, Draft, DraftError};
use crate::keyfile;
use crate::spec::{
    ChainSpec, ObserverSpec, RegistrarSpec, SpecError, ValidatorSpec, genesis_header,
};

/// Why contributions make no genesis, or not the one that was shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssembleError {
    /// The draft is none.
    #[error("the draft: {0}")]
    Draft(#[from] DraftError),
    /// A contribution that does not count.
    #[error("contribution of {role} `{name}`: {reason}")]
    Contribution {
        /// Whose role.
        role: &'static str,
        /// Whose name, as it says.
        name: String,
        /// Why.
        reason: ContributionError,
    },
    /// Two contributions that are not the same, of one name in one role.
    #[error("{role} `{name}` has contributed twice, differently")]
    Twice {
        /// The role.
        role: &'static str,
        /// The name.
        name: String,
    },
    /// A name that the draft lists and that has not contributed.
    #[error("{role} `{name}` has not contributed")]
    Missing {
        /// The role.
        role: &'static str,
        /// The name.
        name: String,
    },
    /// A key in two places.
    #[error("key {key} is in two places")]
    SharedKey {
        /// The key.
        key: PublicKey,
    },
    /// Two peers at one address.
    #[error("two peers are at {address}")]
    SharedAddress {
        /// The address.
        address: String,
    },
    /// The specification says something else than the draft, or than all contributions.
    #[error("the specification is not what the draft and the contributions make")]
    Differs,
    /// A contribution that is not in the specification.
    #[error("{role} `{name}` is not in the specification as it contributed")]
    NotIn {
        /// The role.
        role: &'static str,
        /// The name.
        name: String,
    },
    /// The specification cannot be read as genesis.
    #[error("the specification: {0}")]
    Spec(#[from] SpecError),
    /// Nothing can start from it.
    #[error("the specification: {0}")]
    Genesis(#[from] GenesisError),
}

/// Makes the specification of `draft` and all of its contributions, in any order.
///
/// # Errors
/// Everything that is wrong, at least one [`AssembleError`].
///
/// Source: spec/genesis.md §2.3.
pub fn assemble(
    draft: &Draft,
    contributions: &[Contribution],
) -> Result<ChainSpec, Vec<AssembleError>> {
    draft.check().map_err(|error| vec![error.into()])?;
    let mut errors = Vec::new();
    let good = counted(draft, contributions, &mut errors);
    missing(draft, &good, &mut errors);
    shared(&good, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    let spec = filled(draft, &good);
    let executed = spec.genesis().map_err(AssembleError::from);
    let executed = executed.and_then(|config| Ok(genesis_header(&config)?));
    match executed {
        Ok(_) => Ok(spec),
        Err(error) => Err(vec![error]),
    }
}

/// Checks that `spec` is a specification of `draft` in which every one of `contributions` is as it
/// was made. Those of all names prove the whole; one's own alone proves oneself and the draft.
///
/// # Errors
/// Everything that is wrong.
pub fn verify(
    draft: &Draft,
    contributions: &[Contribution],
    spec: &ChainSpec,
) -> Result<(), Vec<AssembleError>> {
    draft.check().map_err(|error| vec![error.into()])?;
    let mut errors = Vec::new();
    let good = counted(draft, contributions, &mut errors);
    let (validators, trustees) = (spec.validators.clone(), spec.trustees.clone());
    let (registrars, observers) = (spec.registrars.clone(), spec.observers.clone());
    let same = draft.fill(validators, trustees, registrars, observers);
    let is_counted = sorted(spec.validators.iter().map(|it| it.power))
        == sorted(draft.validators.iter().map(|it| it.power))
        && spec.trustees.len() == draft.trustees.len()
        && spec.observers.len() == draft.observers.len()
        && sorted(spec.registrars.iter().map(|it| it.items_per_day))
            == sorted(draft.registrars.iter().map(|it| it.items_per_day));
    if same != *spec || !is_counted {
        errors.push(AssembleError::Differs);
    }
    let own = filled(draft, &good);
    for ((role, name), contribution) in &good {
        let keys = contribution.claim.keys();
        let key = keys.first();
        let is_in = match &contribution.claim {
            Claim::Validator { .. } => own
                .validators
                .iter()
                .filter(|it| key == Some(&PublicKey(it.public_key.0.0)))
                .all(|it| spec.validators.contains(it)),
            Claim::Trustee { .. } => spec
                .trustees
                .iter()
                .any(|it| key == Some(&PublicKey(it.0.0))),
            Claim::Registrar { .. } => own
                .registrars
                .iter()
                .filter(|it| key == Some(&PublicKey(it.account.0.0)))
                .all(|it| spec.registrars.contains(it)),
            Claim::Observer {
                network_key,
                address,
            } => spec.observers.contains(&observer(network_key, address)),
        };
        if !is_in {
            let (role, name) = (*role, (*name).to_owned());
            errors.push(AssembleError::NotIn { role, name });
        }
    }
    match errors.is_empty() {
        true => Ok(()),
        false => Err(errors),
    }
}

type Counted<'a> = BTreeMap<(&'static str, &'a str), &'a Contribution>;

/// Returns those that count, by role and name.
fn counted<'a>(
    draft: &Draft,
    contributions: &'a [Contribution],
    errors: &mut Vec<AssembleError>,
) -> Counted<'a> {
    let mut good = Counted::new();
    for contribution in contributions {
        let (role, name) = (contribution.claim.role(), contribution.name.as_str());
        if let Err(reason) = contribution.check(draft) {
            let name = name.to_owned();
            errors.push(AssembleError::Contribution { role, name, reason });
            continue;
        }
        let before = good.insert((role, name), contribution);
        // The same file given twice says nothing new; another signature of it neither.
        if before.is_some_and(|before| before.claim != contribution.claim) {
            let name = name.to_owned();
            errors.push(AssembleError::Twice { role, name });
        }
    }
    good
}

fn missing(draft: &Draft, good: &Counted<'_>, errors: &mut Vec<AssembleError>) {
    let validators = draft.validators.iter().map(|it| ("validator", &it.name));
    let trustees = draft.trustees.iter().map(|name| ("trustee", name));
    let registrars = draft.registrars.iter().map(|it| ("registrar", &it.name));
    let observers = draft.observers.iter().map(|name| ("observer", name));
    let all = validators.chain(trustees).chain(registrars);
    for (role, name) in all.chain(observers) {
        if !good.contains_key(&(role, name.as_str())) {
            let name = name.clone();
            errors.push(AssembleError::Missing { role, name });
        }
    }
}

fn shared(good: &Counted<'_>, errors: &mut Vec<AssembleError>) {
    let mut keys: Vec<PublicKey> = good.values().flat_map(|it| it.claim.keys()).collect();
    keys.sort_unstable();
    for pair in keys.windows(2).filter(|pair| pair[0] == pair[1]) {
        errors.push(AssembleError::SharedKey { key: pair[0] });
    }
    let addresses = good.values().filter_map(|it| it.claim.address());
    let mut addresses: Vec<&String> = addresses.collect();
    addresses.sort_unstable();
    for pair in addresses.windows(2).filter(|pair| pair[0] == pair[1]) {
        let address = pair[0].clone();
        errors.push(AssembleError::SharedAddress { address });
    }
}

/// Returns the specification of those who count.
fn filled(draft: &Draft, good: &Counted<'_>) -> ChainSpec {
    let (mut validators, mut trustees) = (Vec::new(), Vec::new());
    let (mut registrars, mut observers) = (Vec::new(), Vec::new());
    for ((_, name), contribution) in good {
        match &contribution.claim {
            Claim::Validator {
                public_key,
                network_key,
                power,
                address,
            } => {
                validators.push(ValidatorSpec {
                    public_key: public_key.0,
                    power: *power,
                    peer_id: peer(network_key),
                    address: address.clone(),
                });
            }
            Claim::Trustee { account } => trustees.push(account.0),
            Claim::Registrar { account } => {
                let budget = draft.registrars.iter().find(|it| it.name == *name);
                registrars.push(RegistrarSpec {
                    account: account.0,
                    items_per_day: budget.map_or(0, |it| it.items_per_day),
                });
            }
            Claim::Observer {
                network_key,
                address,
            } => observers.push(observer(network_key, address)),
        }
    }
    validators.sort_unstable_by_key(|it| it.public_key);
    trustees.sort_unstable();
    registrars.sort_unstable_by_key(|it| it.account);
    observers.sort_unstable_by(|a, b| a.peer_id.0.cmp(&b.peer_id.0));
    draft.fill(validators, trustees, registrars, observers)
}

fn peer(network: &HexKey) -> HexBytes {
    let peer = keyfile::peer_of(&network.public().0);
    let peer = peer.expect("a key that may enter the ledger is one of libp2p");
    HexBytes(peer.to_bytes())
}

fn observer(network: &HexKey, address: &str) -> ObserverSpec {
    ObserverSpec {
        peer_id: peer(network),
        address: address.into(),
    }
}

fn sorted<T: Ord>(of: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = of.collect();
    all.sort_unstable();
    all
}
