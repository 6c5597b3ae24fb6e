//! The chain's specification: genesis as a JSON file that all operators share.
//!
//! The same file gives the same genesis block, and so the same network: its hash is in every DID.
//! Byte strings are `0x` and hexadecimal digits.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use allod_primitives::tree::value_hash;
use allod_primitives::{BoundedVec, ForkId, H256, Header, PublicKey, Text, TimeMs};
use allod_rpc_api::hex_bytes::{HexBytes, HexHash};
use allod_runtime::authority::types::{
    ActionKind, ControlParameters, Parameters, Rule, STORED_VERSION, ValidatorInfo,
};
use allod_runtime::executive::{self, Executed};
use allod_runtime::genesis::{GenesisConfig, GenesisError};
use allod_runtime::tree::Tree;
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// Most bytes of a specification.
const SPEC_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A chain's specification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChainSpec {
    /// Version of this format: 1.
    pub version: u8,
    /// The chain's name, for people.
    pub name: String,
    /// `Live`, `Local` or `Development`, as Substrate's clients show it.
    pub chain_type: ChainType,
    /// Version of the state machine that the chain starts with. Default 1.
    #[serde(default = "first_version")]
    pub spec_version: u32,
    /// Time of the genesis block, ms since 1970.
    pub time: u64,
    /// Hash of the network's first genesis, if this one restarts it from disaster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<HexHash>,
    /// Which restart this is; 0 for the first genesis.
    #[serde(default)]
    pub fork_id: u32,
    /// Accounts that decide.
    pub trustees: Vec<HexHash>,
    /// How many of them it takes.
    pub trustee_threshold: u32,
    /// Accounts that pay for others.
    pub registrars: Vec<RegistrarSpec>,
    /// First validators.
    pub validators: Vec<ValidatorSpec>,
    /// Admitted peers that do not vote.
    #[serde(default)]
    pub observers: Vec<ObserverSpec>,
    /// How new identities are taken in.
    pub admission: AdmissionSpec,
    /// Numbers that trustees may change later.
    #[serde(default)]
    pub parameters: ParametersSpec,
    /// What kinds of action take, where it is not the default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleSpec>,
}

const fn first_version() -> u32 {
    1
}

/// What a kind of action takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleSpec {
    /// The kind, such as `setTrustees`.
    pub kind: String,
    /// Votes that approve; absent: as many as the trustees' threshold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub votes: Option<u32>,
    /// Milliseconds from approval until it takes effect.
    pub delay_ms: u64,
}

/// What kind of chain it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChainType {
    /// People rely on it.
    Live,
    /// Several machines, for trial.
    Local,
    /// One machine, public keys.
    Development,
}

impl ChainType {
    /// Returns the name Substrate's clients know.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "Live",
            Self::Local => "Local",
            Self::Development => "Development",
        }
    }
}

/// A registrar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegistrarSpec {
    /// Its account.
    pub account: HexHash,
    /// Items it may pay for a day.
    pub items_per_day: u32,
}

/// A validator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValidatorSpec {
    /// Its consensus key.
    pub public_key: HexHash,
    /// Its voting power.
    pub power: u64,
    /// Its libp2p identity.
    pub peer_id: HexBytes,
    /// Its consensus address, a multiaddr without `/p2p`; gossip is at the next port.
    pub address: String,
}

/// An observer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObserverSpec {
    /// Its libp2p identity.
    pub peer_id: HexBytes,
    /// Its consensus address.
    pub address: String,
}

/// How new identities are taken in, besides registrars' batches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdmissionSpec {
    /// Whether a registrar's voucher admits.
    pub vouchers: bool,
    /// Bits of work that admit; absent (as on every live network) where work admits nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_bits: Option<u8>,
}

/// Numbers that trustees may change later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ParametersSpec {
    /// Milliseconds in which at most a third of the validators may change. Default 3,600,000.
    pub validator_change_period_ms: u64,
    /// Bounds of the delays of changes of control.
    pub control: ControlSpec,
}

impl Default for ParametersSpec {
    fn default() -> Self {
        Self {
            validator_change_period_ms: Parameters::default().validator_change_period_ms,
            control: ControlSpec::default(),
        }
    }
}

/// Bounds of the delays that identities give their changes of control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ControlSpec {
    /// Shortest, in milliseconds; 1 hour to 7 days. Default 24 hours.
    pub delay_ms_min: u64,
    /// Longest, in milliseconds; 7 to 90 days. Default 30 days.
    pub delay_ms_max: u64,
}

impl Default for ControlSpec {
    fn default() -> Self {
        let ControlParameters {
            delay_ms_min,
            delay_ms_max,
        } = ControlParameters::default();
        Self {
            delay_ms_min,
            delay_ms_max,
        }
    }
}

/// Why a specification cannot be used. What the state machine thinks of its content is
/// [`allod_runtime::genesis::GenesisError`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// More bytes than a specification has.
    #[error("{path}: larger than {SPEC_BYTES_MAX} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Not JSON of this form.
    #[error("{path}: {source}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// Written by a later version.
    #[error("specification version {version} is not known")]
    Version {
        /// The version found.
        version: u8,
    },
    /// No kind of action.
    #[error("there is no kind of action `{kind}`")]
    Kind {
        /// The name found.
        kind: String,
    },
    /// A peer identity or address longer than allowed.
    #[error("peer {index} of {list} has an identity or address that is too long")]
    Peer {
        /// `validators` or `observers`.
        list: &'static str,
        /// Its position.
        index: usize,
    },
}

/// Returns the genesis header of `config`, and the first state under its root.
///
/// # Errors
/// [`GenesisError`] if the state machine refuses the configuration.
pub fn genesis_header(config: &GenesisConfig) -> Result<(Header, Executed), GenesisError> {
    let executed = executive::genesis(config)?;
    let entries = executed
        .changes
        .iter()
        .filter_map(|(key, value)| value.as_ref().map(|value| (key.clone(), value_hash(value))));
    let tree = Tree::from_entries(entries).expect("a map has no key twice");
    Ok((executive::genesis_header(&executed, tree.root()), executed))
}

impl ChainSpec {
    /// Reads a specification.
    ///
    /// # Errors
    /// [`SpecError`].
    pub fn read(path: &Path) -> Result<Self, SpecError> {
        let file = |source| SpecError::File {
            path: path.to_owned(),
            source,
        };
        if fs::metadata(path).map_err(file)?.len() > SPEC_BYTES_MAX {
            return Err(SpecError::TooLarge {
                path: path.to_owned(),
            });
        }
        let text = fs::read_to_string(path).map_err(file)?;
        let spec: Self = serde_json::from_str(&text).map_err(|source| SpecError::Syntax {
            path: path.to_owned(),
            source,
        })?;
        match spec.version {
            1 => Ok(spec),
            version => Err(SpecError::Version { version }),
        }
    }

    /// Writes the specification.
    ///
    /// # Errors
    /// [`SpecError::File`].
    pub fn write(&self, path: &Path) -> Result<(), SpecError> {
        let text = serde_json::to_string_pretty(self).expect("a specification is plain JSON");
        fs::write(path, text + "\n").map_err(|source| SpecError::File {
            path: path.to_owned(),
            source,
        })
    }

    /// Returns what the state machine starts from.
    ///
    /// # Errors
    /// [`SpecError::Peer`] or [`SpecError::Kind`].
    pub fn genesis(&self) -> Result<GenesisConfig, SpecError> {
        let key = |hash: &HexHash| PublicKey(hash.0.0);
        let peers = |list, index, id: &HexBytes, address: &String| {
            let id = BoundedVec::try_from(id.0.clone()).ok();
            id.zip(Text::new(address.clone()).ok())
                .ok_or(SpecError::Peer { list, index })
        };
        let validators = self.validators.iter().enumerate().map(|(index, v)| {
            let (peer_id, address) = peers("validators", index, &v.peer_id, &v.address)?;
            let public_key = key(&v.public_key);
            Ok(ValidatorInfo {
                public_key,
                power: v.power,
                peer_id,
                address,
            })
        });
        let observers = self.observers.iter().enumerate();
        let observers = observers.map(|(i, o)| peers("observers", i, &o.peer_id, &o.address));
        let rules = self.rules.iter().map(|it| {
            let kind = ActionKind::from_name(&it.kind).ok_or_else(|| SpecError::Kind {
                kind: it.kind.clone(),
            })?;
            let (votes, delay_ms) = (it.votes, it.delay_ms);
            Ok((kind, Rule { votes, delay_ms }))
        });
        Ok(GenesisConfig {
            spec_version: self.spec_version,
            time: TimeMs(self.time),
            origin: self.origin.map(|hash| H256(hash.0.0)),
            fork_id: ForkId(self.fork_id),
            trustees: self.trustees.iter().map(key).collect(),
            trustee_threshold: self.trustee_threshold,
            registrars: self
                .registrars
                .iter()
                .map(|r| (key(&r.account), r.items_per_day))
                .collect(),
            validators: validators.collect::<Result<_, SpecError>>()?,
            observers: observers.collect::<Result<_, _>>()?,
            admission_vouchers: self.admission.vouchers,
            admission_work_bits: self.admission.work_bits,
            parameters: Parameters {
                version: STORED_VERSION,
                validator_change_period_ms: self.parameters.validator_change_period_ms,
                control: ControlParameters {
                    delay_ms_min: self.parameters.control.delay_ms_min,
                    delay_ms_max: self.parameters.control.delay_ms_max,
                },
                ..Parameters::default()
            },
            rules: rules.collect::<Result<_, SpecError>>()?,
        })
    }
}
