//! What all operators agree on before anybody makes a key.

use allod_primitives::limits::VALIDATOR_CHANGE_PERIOD_MS_MIN;
use allod_primitives::{H256, domain_hash};
use allod_rpc_api::hex_bytes::HexHash;
use parity_scale_codec::Encode;
use serde::{Deserialize, Serialize};

use crate::spec::{
    AdmissionSpec, ChainSpec, ChainType, ObserverSpec, ParametersSpec, RegistrarSpec, RuleSpec,
    ValidatorSpec,
};

/// What a draft's `format` says.
const FORMAT: &str = "allod-genesis-draft";
const VERSION: u8 = 1;
/// Most characters of a name.
const NAME_BYTES_MAX: usize = 64;
const VALIDATORS_MAX: usize = allod_primitives::limits::VALIDATORS_MAX;
const TRUSTEES_MAX: usize = allod_primitives::limits::TRUSTEES_MAX as usize;
const REGISTRARS_MAX: usize = 1024;
const OBSERVERS_MAX: usize = allod_primitives::limits::OBSERVERS_MAX as usize;
/// Most voting power of a validator.
pub(super) const POWER_MAX: u64 = allod_primitives::limits::VALIDATOR_POWER_MAX;

/// The draft of a genesis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Draft {
    /// What this is: `allod-genesis-draft`.
    pub format: String,
    /// Version of this format: 1.
    pub version: u8,
    /// The chain's name, for people.
    pub name: String,
    /// What kind of chain it is.
    pub chain_type: ChainType,
    /// Version of the state machine that the chain starts with.
    pub spec_version: u32,
    /// Time of the genesis block, ms since 1970. No block is made before it.
    pub time: u64,
    /// Hash of the network's first genesis, if this one restarts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<HexHash>,
    /// Which restart this is.
    #[serde(default)]
    pub fork_id: u32,
    /// Names and voting power of the validators, ascending by name.
    pub validators: Vec<ValidatorPower>,
    /// Names of the trustees, ascending.
    pub trustees: Vec<String>,
    /// How many of them it takes.
    pub trustee_threshold: u32,
    /// Names and budgets of the registrars, ascending by name.
    #[serde(default)]
    pub registrars: Vec<RegistrarBudget>,
    /// Names of the peers that do not vote, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observers: Vec<String>,
    /// How new identities are taken in.
    pub admission: AdmissionSpec,
    /// Numbers that trustees may change later.
    #[serde(default)]
    pub parameters: ParametersSpec,
    /// What kinds of action take, where it is not the default; ascending by kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleSpec>,
}

/// A validator before its keys are known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValidatorPower {
    /// Its name.
    pub name: String,
    /// Its voting power, 1 to 2^32.
    pub power: u64,
}

/// A registrar before its account is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegistrarBudget {
    /// Its name.
    pub name: String,
    /// Items it may pay for a day.
    pub items_per_day: u32,
}

/// Why a draft is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// Another kind of file, or of a later version.
    #[error("not a genesis draft of version {VERSION}")]
    Form,
    /// No name as names are written.
    #[error("`{name}` is no name: 1 to {NAME_BYTES_MAX} characters a-z, 0-9, `-`, `.`, `_`")]
    Name {
        /// What was found.
        name: String,
    },
    /// A list of names that is empty, too long, not ascending or names somebody twice.
    #[error("{list}: 1 to {max} names, ascending, none twice")]
    List {
        /// Which list.
        list: &'static str,
        /// Most it may have.
        max: usize,
    },
    /// A power out of its range.
    #[error("power {power} of validator `{name}`, allowed are 1 to {POWER_MAX}")]
    Power {
        /// The validator.
        name: String,
        /// The power found.
        power: u64,
    },
    /// A name that is to vote and to observe.
    #[error("`{name}` is a validator and an observer: a peer has one role")]
    TwoRoles {
        /// The name.
        name: String,
    },
    /// A threshold that the trustees cannot reach, or none.
    #[error("threshold {threshold} of {trustees} trustees cannot work")]
    Threshold {
        /// The threshold found.
        threshold: u32,
        /// How many trustees there are.
        trustees: usize,
    },
    /// A live network whose validators could all be replaced within moments.
    #[error(
        "validators may change by a third in {period_ms} ms; a live network takes at least \
         {VALIDATOR_CHANGE_PERIOD_MS_MIN} ms"
    )]
    ChangePeriod {
        /// The period found.
        period_ms: u64,
    },
    /// Rules that are not ascending by kind.
    #[error("rules are ascending by kind, none twice")]
    Rules,
}

impl Draft {
    /// Returns a draft with the defaults for everything that is not asked for here.
    pub fn new(name: impl Into<String>, chain_type: ChainType, time: u64) -> Self {
        Self {
            format: FORMAT.into(),
            version: VERSION,
            name: name.into(),
            chain_type,
            spec_version: 1,
            time,
            origin: None,
            fork_id: 0,
            validators: Vec::new(),
            trustees: Vec::new(),
            trustee_threshold: 1,
            registrars: Vec::new(),
            observers: Vec::new(),
            admission: AdmissionSpec {
                vouchers: true,
                work_bits: None,
            },
            parameters: ParametersSpec::default(),
            rules: Vec::new(),
        }
    }

    /// Checks what can be checked before anybody contributes.
    ///
    /// # Errors
    /// [`DraftError`] names the first rule broken.
    pub fn check(&self) -> Result<(), DraftError> {
        if self.format != FORMAT || self.version != VERSION {
            return Err(DraftError::Form);
        }
        let registrars: Vec<&String> = self.registrars.iter().map(|it| &it.name).collect();
        let validators = self.validators.iter().map(|it| &it.name).collect();
        check_names("validators", validators, VALIDATORS_MAX)?;
        check_names("trustees", self.trustees.iter().collect(), TRUSTEES_MAX)?;
        if !registrars.is_empty() {
            check_names("registrars", registrars, REGISTRARS_MAX)?;
        }
        if !self.observers.is_empty() {
            check_names("observers", self.observers.iter().collect(), OBSERVERS_MAX)?;
        }
        for ValidatorPower { name, power } in &self.validators {
            let (name, power) = (name.clone(), *power);
            if !(1..=POWER_MAX).contains(&power) {
                return Err(DraftError::Power { name, power });
            }
            if self.observers.contains(&name) {
                return Err(DraftError::TwoRoles { name });
            }
        }
        let (threshold, trustees) = (self.trustee_threshold, self.trustees.len());
        if threshold == 0 || threshold as usize > trustees {
            return Err(DraftError::Threshold {
                threshold,
                trustees,
            });
        }
        let period_ms = self.parameters.validator_change_period_ms;
        if self.chain_type == ChainType::Live && period_ms < VALIDATOR_CHANGE_PERIOD_MS_MIN {
            return Err(DraftError::ChangePeriod { period_ms });
        }
        if !self
            .rules
            .windows(2)
            .all(|pair| pair[0].kind < pair[1].kind)
        {
            return Err(DraftError::Rules);
        }
        Ok(())
    }

    /// Returns the hash that all operators compare and every contribution names.
    ///
    /// Source: spec/genesis.md §2.1.
    pub fn hash(&self) -> H256 {
        let chain_type: u8 = match self.chain_type {
            ChainType::Live => 0,
            ChainType::Local => 1,
            ChainType::Development => 2,
        };
        let registrars: Vec<(&String, u32)> = self
            .registrars
            .iter()
            .map(|it| (&it.name, it.items_per_day))
            .collect();
        let control = &self.parameters.control;
        let parameters = (
            self.parameters.validator_change_period_ms,
            control.delay_ms_min,
            control.delay_ms_max,
        );
        let rules = self
            .rules
            .iter()
            .map(|it| (&it.kind, it.votes, it.delay_ms));
        let rules: Vec<_> = rules.collect();
        let head = (self.version, &self.name, chain_type, self.spec_version);
        let origin = self.origin.map(|hash| hash.0);
        let chain = (self.time, origin, self.fork_id);
        let validators: Vec<(&String, u64)> = self
            .validators
            .iter()
            .map(|it| (&it.name, it.power))
            .collect();
        let people = (validators, &self.trustees, self.trustee_threshold);
        let others = (registrars, &self.observers);
        let admission = (self.admission.vouchers, self.admission.work_bits);
        let bytes = (head, chain, people, others, admission, parameters, rules).encode();
        domain_hash("allod/genesis-draft/v1", &[&bytes])
    }

    /// Returns the voting power agreed for a validator, if the draft names it.
    pub fn power(&self, name: &str) -> Option<u64> {
        let named = self.validators.iter().find(|it| it.name == name);
        named.map(|it| it.power)
    }

    /// Returns the specification of these people.
    pub(super) fn fill(
        &self,
        validators: Vec<ValidatorSpec>,
        trustees: Vec<HexHash>,
        registrars: Vec<RegistrarSpec>,
        observers: Vec<ObserverSpec>,
    ) -> ChainSpec {
        ChainSpec {
            version: 1,
            name: self.name.clone(),
            chain_type: self.chain_type,
            spec_version: self.spec_version,
            time: self.time,
            origin: self.origin,
            fork_id: self.fork_id,
            trustees,
            trustee_threshold: self.trustee_threshold,
            registrars,
            validators,
            observers,
            admission: self.admission.clone(),
            parameters: self.parameters.clone(),
            rules: self.rules.clone(),
        }
    }
}

fn check_names(list: &'static str, names: Vec<&String>, max: usize) -> Result<(), DraftError> {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
    for name in &names {
        if !(1..=NAME_BYTES_MAX).contains(&name.len()) || !name.chars().all(is_letter) {
            return Err(DraftError::Name {
                name: (*name).clone(),
            });
        }
    }
    let is_ascending = names.windows(2).all(|pair| pair[0] < pair[1]);
    match (1..=max).contains(&names.len()) && is_ascending {
        true => Ok(()),
        false => Err(DraftError::List { list, max }),
    }
}
