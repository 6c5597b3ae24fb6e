//! What one operator adds: public keys, proven by signatures of their secrets.

use std::net::IpAddr;

use allod_primitives::{H256, PublicKey, Signature};
use allod_rpc_api::hex_bytes::{HexBytes, HexHash};
use ed25519_dalek::{Signer as _, SigningKey};
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use parity_scale_codec::Encode;
use serde::{Deserialize, Serialize};

use super::Draft;
use crate::spec::ChainType;

const TAG: &[u8] = b"allod/genesis-contribution/v1";
const VERSION: u8 = 1;

/// Who somebody is in a genesis.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Claim {
    /// A validator.
    #[serde(rename_all = "camelCase")]
    Validator {
        /// Its consensus key.
        public_key: HexKey,
        /// The key of its libp2p identity.
        network_key: HexKey,
        /// Its voting power, as the draft has it.
        power: u64,
        /// Where consensus listens, a multiaddr without `/p2p`.
        address: String,
    },
    /// A trustee.
    Trustee {
        /// Its account.
        account: HexKey,
    },
    /// A registrar.
    Registrar {
        /// Its account.
        account: HexKey,
    },
    /// A peer that does not vote.
    #[serde(rename_all = "camelCase")]
    Observer {
        /// The key of its libp2p identity.
        network_key: HexKey,
        /// Where consensus listens, a multiaddr without `/p2p`.
        address: String,
    },
}

/// A public key: 32 bytes, `0x` and hexadecimal digits in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HexKey(pub HexHash);

impl Encode for HexKey {
    fn size_hint(&self) -> usize {
        32
    }

    fn encode_to<T: parity_scale_codec::Output + ?Sized>(&self, output: &mut T) {
        output.write(&self.0.0.0);
    }
}

impl HexKey {
    pub(super) const fn public(self) -> PublicKey {
        PublicKey(self.0.0.0)
    }

    fn of(key: &SigningKey) -> Self {
        Self(HexHash(H256(key.verifying_key().to_bytes())))
    }
}

/// The secrets behind a claim.
#[derive(Debug)]
pub enum Signers<'a> {
    /// Of a validator.
    Validator {
        /// Its consensus key.
        validator: &'a SigningKey,
        /// Its network key.
        network: &'a SigningKey,
        /// Where it is reached.
        address: String,
    },
    /// Of a trustee.
    Trustee(&'a SigningKey),
    /// Of a registrar.
    Registrar(&'a SigningKey),
    /// Of a peer that does not vote.
    Observer {
        /// Its network key.
        network: &'a SigningKey,
        /// Where it is reached.
        address: String,
    },
}

/// A contribution as a file holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Contribution {
    /// Version of this format: 1.
    pub version: u8,
    /// Hash of the draft that it is for.
    pub draft: HexHash,
    /// Who it is, as the draft names it.
    pub name: String,
    /// What it wants to be.
    pub claim: Claim,
    /// Signatures of the claim's keys, in their order.
    pub signatures: Vec<HexBytes>,
}

/// What is wrong with a contribution.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContributionError {
    /// Written by a later version.
    #[error("version {version} of contributions is not known")]
    Version {
        /// The version found.
        version: u8,
    },
    /// Made for another draft.
    #[error("it is for another draft, {found}")]
    OtherDraft {
        /// The draft that it names.
        found: H256,
    },
    /// The draft does not list the name in that role.
    #[error("the draft names no {role} `{name}`")]
    NotNamed {
        /// The role claimed.
        role: &'static str,
        /// The name.
        name: String,
    },
    /// A key that may not enter the ledger.
    #[error("key {key} may not enter the ledger")]
    Key {
        /// The key.
        key: PublicKey,
    },
    /// One key for two purposes.
    #[error("its validator key and its network key are one")]
    SameKey,
    /// Another power than all have agreed on.
    #[error("it claims power {claimed}; the draft gives it {agreed}")]
    Power {
        /// The draft's.
        agreed: u64,
        /// The power found.
        claimed: u64,
    },
    /// An address that others cannot reach.
    #[error("address {address}: wanted is an IP address or name and a TCP port that others reach")]
    Address {
        /// The address found.
        address: String,
    },
    /// A signature that is missing, wrong, or one too many.
    #[error("the signature of key {key} is missing or wrong")]
    Signature {
        /// The key that has not signed.
        key: PublicKey,
    },
}

impl Claim {
    /// Returns the role's name.
    pub const fn role(&self) -> &'static str {
        match self {
            Self::Validator { .. } => "validator",
            Self::Trustee { .. } => "trustee",
            Self::Registrar { .. } => "registrar",
            Self::Observer { .. } => "observer",
        }
    }

    /// Returns its keys, in the order in which they sign.
    pub fn keys(&self) -> Vec<PublicKey> {
        match self {
            Self::Validator {
                public_key,
                network_key,
                ..
            } => vec![public_key.public(), network_key.public()],
            Self::Trustee { account } | Self::Registrar { account } => vec![account.public()],
            Self::Observer { network_key, .. } => vec![network_key.public()],
        }
    }

    /// Returns where it is reached, if it is a peer.
    pub fn address(&self) -> Option<&String> {
        match self {
            Self::Validator { address, .. } | Self::Observer { address, .. } => Some(address),
            Self::Trustee { .. } | Self::Registrar { .. } => None,
        }
    }
}

/// Returns what the keys of `claim` sign.
///
/// Source: spec/genesis.md §2.2.
pub(super) fn preimage(draft: &H256, name: &str, claim: &Claim) -> Vec<u8> {
    let mut bytes = TAG.to_vec();
    bytes.extend_from_slice(&draft.0);
    (name, claim).encode_to(&mut bytes);
    bytes
}

impl Contribution {
    /// Makes a contribution of `name` to `draft`, and checks it as the others will. A validator
    /// claims the power that the draft has for it.
    ///
    /// # Errors
    /// [`ContributionError`].
    pub fn sign(
        draft: &Draft,
        name: impl Into<String>,
        signers: &Signers<'_>,
    ) -> Result<Self, ContributionError> {
        let name = name.into();
        let (claim, keys) = match signers {
            Signers::Validator {
                validator,
                network,
                address,
            } => {
                let claim = Claim::Validator {
                    public_key: HexKey::of(validator),
                    network_key: HexKey::of(network),
                    // Of a name that the draft does not have, the check says so.
                    power: draft.power(&name).unwrap_or_default(),
                    address: address.clone(),
                };
                (claim, vec![*validator, *network])
            }
            Signers::Trustee(key) => {
                let account = HexKey::of(key);
                (Claim::Trustee { account }, vec![*key])
            }
            Signers::Registrar(key) => {
                let account = HexKey::of(key);
                (Claim::Registrar { account }, vec![*key])
            }
            Signers::Observer { network, address } => {
                let claim = Claim::Observer {
                    network_key: HexKey::of(network),
                    address: address.clone(),
                };
                (claim, vec![*network])
            }
        };
        let hash = draft.hash();
        let message = preimage(&hash, &name, &claim);
        let sign = |key: &SigningKey| HexBytes(key.sign(&message).to_bytes().to_vec());
        let contribution = Self {
            version: VERSION,
            draft: HexHash(hash),
            name,
            claim,
            signatures: keys.into_iter().map(sign).collect(),
        };
        contribution.check(draft)?;
        Ok(contribution)
    }

    /// Checks a contribution by itself.
    ///
    /// # Errors
    /// [`ContributionError`] names the first rule broken.
    pub fn check(&self, draft: &Draft) -> Result<(), ContributionError> {
        if self.version != VERSION {
            return Err(ContributionError::Version {
                version: self.version,
            });
        }
        let hash = draft.hash();
        if self.draft.0 != hash {
            return Err(ContributionError::OtherDraft {
                found: self.draft.0,
            });
        }
        if !self.is_named(draft) {
            return Err(ContributionError::NotNamed {
                role: self.claim.role(),
                name: self.name.clone(),
            });
        }
        self.check_claim(draft)?;
        let message = preimage(&hash, &self.name, &self.claim);
        let keys = self.claim.keys();
        for (index, key) in keys.iter().enumerate() {
            let signature = self.signatures.get(index);
            let signature = signature.and_then(|it| it.0.as_slice().try_into().ok());
            let good = signature.is_some_and(|it| key.verify(&message, &Signature(it)).is_ok());
            if !good || self.signatures.len() != keys.len() {
                return Err(ContributionError::Signature { key: *key });
            }
        }
        Ok(())
    }

    fn is_named(&self, draft: &Draft) -> bool {
        match self.claim {
            Claim::Validator { .. } => draft.power(&self.name).is_some(),
            Claim::Trustee { .. } => draft.trustees.contains(&self.name),
            Claim::Registrar { .. } => draft.registrars.iter().any(|it| it.name == self.name),
            Claim::Observer { .. } => draft.observers.contains(&self.name),
        }
    }

    fn check_claim(&self, draft: &Draft) -> Result<(), ContributionError> {
        let keys = self.claim.keys();
        let weak = keys.iter().find(|key| key.check_registrable().is_err());
        if let Some(key) = weak {
            return Err(ContributionError::Key { key: *key });
        }
        if keys.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(ContributionError::SameKey);
        }
        if let Claim::Validator { power, .. } = &self.claim {
            let (agreed, claimed) = (draft.power(&self.name).unwrap_or_default(), *power);
            if claimed != agreed {
                return Err(ContributionError::Power { agreed, claimed });
            }
        }
        let address = self.claim.address();
        if let Some(address) = address.filter(|it| !is_reachable(it, draft.chain_type)) {
            let address = address.clone();
            return Err(ContributionError::Address { address });
        }
        Ok(())
    }
}

/// Returns whether `address` is a host and a TCP port, and one that others may reach.
fn is_reachable(address: &str, chain_type: ChainType) -> bool {
    let Ok(address) = address.parse::<Multiaddr>() else {
        return false;
    };
    let parts: Vec<Protocol<'_>> = address.iter().collect();
    let ip = match parts.first() {
        Some(Protocol::Ip4(ip)) => Some(IpAddr::V4(*ip)),
        Some(Protocol::Ip6(ip)) => Some(IpAddr::V6(*ip)),
        Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)) => None,
        _ => return false,
    };
    let is_port = matches!(parts.get(1), Some(Protocol::Tcp(port)) if *port != 0);
    let is_own =
        |ip: IpAddr| ip.is_unspecified() || ip.is_loopback() && chain_type == ChainType::Live;
    parts.len() == 2 && is_port && !ip.is_some_and(is_own)
}
