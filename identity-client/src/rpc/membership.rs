//! Who is admitted to the network: validators, now and next, and observers.
//!
//! Read from the state by its keys, as any Substrate client would, all at one block. A node's
//! word: nothing here is proven.
//!
//! Source: spec/governance.md §2 and §4.

use std::time::Duration;

use allod_primitives::governance::{PeerAddress, PeerId, ValidatorInfo};
use allod_primitives::keys;
use allod_primitives::limits::{OBSERVERS_MAX, VALIDATORS_MAX};
use allod_primitives::{BoundedVec, Height, TimeMs, ValidatorSet, decode_strict};
use jsonrpsee::core::params::ArrayParams;
use parity_scale_codec::Decode;
use serde::Deserialize;

use super::{Client, ClientError};
use crate::hex;

const PALLET: &str = "Authority";
const KEYS: &str = "state_getKeysPaged";
const VALUES: &str = "state_queryStorageAt";

/// Members of a set that has a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedSet {
    /// How many times the set had changed since genesis.
    pub id: u64,
    /// First height that it certifies.
    pub since: Height,
    /// Its members.
    pub set: ValidatorSet,
}

/// A peer that does not vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observer {
    /// Its libp2p identity.
    pub peer_id: PeerId,
    /// Where it listens.
    pub address: PeerAddress,
}

/// Who is admitted, as of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Who certifies the block after it.
    pub current: NumberedSet,
    /// Who certifies the one after that: another set where a change is under way.
    pub next: NumberedSet,
    /// Keys, power and place of the members of both.
    pub validators: Vec<ValidatorInfo>,
    /// Peers that do not vote.
    pub observers: Vec<Observer>,
    /// When the changes of validators were decided that still count against the limit, oldest
    /// first, and how many members there were before the first of them.
    pub recent: Vec<TimeMs>,
    /// See [`recent`](Self::recent); `None` without any.
    pub members_before: Option<u32>,
}

/// SCALE of `SetEntry`, after its version.
type StoredSet = (u8, u64, Height, ValidatorSet);
/// SCALE of `ValidatorChange`: time, members, power, removed, added.
type StoredChange = (TimeMs, u32, u64, u64, u64);
type StoredChanges = (u8, BoundedVec<StoredChange, { VALIDATORS_MAX as u32 }>);

/// What `state_queryStorageAt` answers for one block.
#[derive(Deserialize)]
struct Values {
    changes: Vec<(String, Option<String>)>,
}

impl Client {
    /// Returns who is admitted in the state after block `at`, a hash such as
    /// `identity_context` names.
    ///
    /// Cost: four calls, and at most 384 values.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn membership(&self, at: &str) -> Result<Membership, ClientError> {
        let item = |name: &str| hex::encode(keys::item(PALLET, name));
        let lists = [
            ("Validators", VALIDATORS_MAX),
            ("Observers", OBSERVERS_MAX as usize),
        ];
        let mut wanted = vec![item("CurrentSet"), item("NextSet"), item("RecentChanges")];
        for (name, max) in lists {
            // Both sets are listed: twice as many at most.
            let params = params(KEYS, (item(name), max * 2, None::<String>, at))?;
            let found: Vec<String> = self.call(KEYS, params, Duration::ZERO).await?;
            wanted.extend(found);
        }
        let params = params(VALUES, (&wanted, at))?;
        let values: Vec<Values> = self.call(VALUES, params, Duration::ZERO).await?;
        let values: Vec<(String, String)> = values
            .into_iter()
            .flat_map(|it| it.changes)
            .filter_map(|(key, value)| Some((key, value?)))
            .collect();
        let under = |name: &str| {
            let prefix = item(name);
            let found = values.iter().filter(move |it| it.0.starts_with(&prefix));
            found.map(|it| it.1.as_str())
        };
        let set = |name: &str| -> Result<NumberedSet, ClientError> {
            let value = under(name)
                .next()
                .ok_or_else(|| broken("a set is missing"))?;
            let (_, id, since, set): StoredSet = decoded(value)?;
            Ok(NumberedSet { id, since, set })
        };
        let validators = under("Validators").map(|value| {
            let (_, info): (u8, ValidatorInfo) = decoded(value)?;
            Ok(info)
        });
        let observers = under("Observers").map(|value| {
            let (_, peer_id, address): (u8, PeerId, PeerAddress) = decoded(value)?;
            Ok(Observer { peer_id, address })
        });
        let recent = under("RecentChanges").next();
        let recent = recent.map(decoded::<StoredChanges>).transpose()?;
        let recent: Vec<StoredChange> = recent.map(|it| it.1.to_vec()).unwrap_or_default();
        Ok(Membership {
            current: set("CurrentSet")?,
            next: set("NextSet")?,
            validators: validators.collect::<Result<_, ClientError>>()?,
            observers: observers.collect::<Result<_, ClientError>>()?,
            members_before: recent.first().map(|change| change.1),
            recent: recent.iter().map(|change| change.0).collect(),
        })
    }
}

fn params(method: &'static str, list: impl serde::Serialize) -> Result<ArrayParams, ClientError> {
    let failed = |reason: String| ClientError::Answer { method, reason };
    let list = serde_json::to_value(list).map_err(|error| failed(error.to_string()))?;
    let mut params = ArrayParams::new();
    for value in list.as_array().into_iter().flatten() {
        let inserted = params.insert(value);
        inserted.map_err(|error| failed(error.to_string()))?;
    }
    Ok(params)
}

fn decoded<T: Decode>(value: &str) -> Result<T, ClientError> {
    let bytes = hex::decode(value).map_err(|error| broken(&error.to_string()))?;
    decode_strict(&bytes).map_err(|error| broken(&error.to_string()))
}

fn broken(reason: &str) -> ClientError {
    ClientError::Answer {
        method: VALUES,
        reason: reason.into(),
    }
}
