//! Who is admitted: by the newest state of the database, or by the genesis where there is none.

use std::fmt;

use allod_primitives::PublicKey;
use allod_runtime::authority::{self, PeerRole};

use super::Findings;
use crate::config::NodeConfig;
use crate::keyfile::{self, KeyFile};
use crate::spec::ChainSpec;
use crate::storage::Inspected;

/// Where members are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The state after this height.
    State(u64),
    /// The specification: there is no database.
    Genesis,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(height) => write!(f, "the set of height {height}"),
            Self::Genesis => f.write_str("the genesis (there is no database yet)"),
        }
    }
}

/// A validator and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) key: PublicKey,
    pub(super) power: u64,
    pub(super) peer_id: Vec<u8>,
    pub(super) address: String,
}

/// Who is admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Members {
    pub(super) source: Source,
    /// Who certifies the next block.
    pub(super) validators: Vec<Member>,
    /// Peers that do not vote now: observers, and validators that only come.
    others: Vec<Vec<u8>>,
    /// Validators of the block after the next.
    next: Vec<PublicKey>,
}

impl Members {
    /// Returns those of the newest state, or of the genesis.
    pub(super) fn of(spec: &ChainSpec, seen: Option<&Inspected>) -> Self {
        let today = seen.and_then(Self::of_state);
        today.unwrap_or_else(|| {
            let validators = spec.validators.iter().map(|it| Member {
                key: PublicKey(it.public_key.0.0),
                power: it.power,
                peer_id: it.peer_id.0.clone(),
                address: it.address.clone(),
            });
            let validators: Vec<Member> = validators.collect();
            Self {
                source: Source::Genesis,
                others: spec
                    .observers
                    .iter()
                    .map(|it| it.peer_id.0.clone())
                    .collect(),
                next: validators.iter().map(|it| it.key).collect(),
                validators,
            }
        })
    }

    fn of_state(seen: &Inspected) -> Option<Self> {
        let (current, next) = authority::validator_sets(&seen.membership)?;
        let (mut validators, mut others) = (Vec::new(), Vec::new());
        for peer in authority::peers(&seen.membership) {
            let power = match peer.role {
                PeerRole::Validator(key) => current
                    .position(&key)
                    .and_then(|at| current.validators().get(at))
                    .map(|it| (key, it.power)),
                PeerRole::Observer => None,
            };
            let peer_id = peer.peer_id.to_vec();
            match power {
                Some((key, power)) => validators.push(Member {
                    key,
                    power,
                    peer_id,
                    address: peer.address.as_str().to_owned(),
                }),
                None => others.push(peer_id),
            }
        }
        Some(Self {
            source: Source::State(seen.tip.as_ref().map_or(0, |tip| tip.number.0)),
            validators,
            others,
            next: next.validators().iter().map(|it| it.public_key).collect(),
        })
    }
}

/// Looks at what the node is among those who are admitted.
pub(super) fn role(config: &NodeConfig, members: &Members, findings: &mut Findings) {
    let network = KeyFile::read(&config.keys.network).ok();
    let Some(peer) = network.and_then(|it| keyfile::peer_of(&it.public())) else {
        // That it cannot be read is said elsewhere.
        return;
    };
    let (peer_id, source) = (peer.to_bytes(), members.source);
    let listed = members.validators.iter().find(|it| it.peer_id == peer_id);
    let is_peer = listed.is_some() || members.others.contains(&peer_id);
    let admit = format!(
        "trustees admit it: `allod gov propose observer --admit {peer} --address MULTIADDR`"
    );
    let validator = config.keys.validator.as_deref();
    let Some(validator) = validator.and_then(|path| KeyFile::read(path).ok()) else {
        match (&config.keys.signer, listed) {
            (Some(_), Some(_)) => findings.ok(
                "role",
                format!("a signer votes for this node, which {source} lists"),
            ),
            (None, Some(it)) => {
                let found = format!(
                    "{source} lists it as validator {}, whose key it lacks",
                    it.key
                );
                findings.warn("role", found, "set keys.validator, or keys.signer");
            }
            (_, None) if is_peer => findings.ok("role", format!("an observer, by {source}")),
            (_, None) => {
                let found = format!("{source} does not list this node: nobody talks to it");
                findings.warn("role", found, &admit);
            }
        }
        return;
    };
    let key = PublicKey(validator.public());
    match members.validators.iter().find(|it| it.key == key) {
        Some(it) if it.peer_id == peer_id => {
            let says = format!("a validator of {source}, with its network key");
            match members.next.contains(&key) {
                true => findings.ok("role", says),
                false => findings.warn("role", says + ", for the last block", "retire it"),
            }
        }
        Some(_) => {
            let found = format!(
                "{source} lists another peer id for this validator: nobody talks \
                                 to this node"
            );
            findings.warn(
                "role",
                found,
                "use the network key that belongs to the validator key",
            );
        }
        None if members.next.contains(&key) => {
            findings.ok("role", "a validator from the next block but one on");
        }
        None if is_peer => {
            let found = format!("an observer, by {source}; its validator key does not vote");
            let todo = format!(
                "trustees vote it in: `allod gov propose validator --add {key} --peer-id {peer} \
                 --address MULTIADDR`; if it was replaced, delete the key"
            );
            findings.warn("role", found, &todo);
        }
        None => {
            let found = format!(
                "{source} lists neither its validator key nor its peer id: nobody \
                                 talks to it"
            );
            findings.warn("role", found, &admit);
        }
    }
}
