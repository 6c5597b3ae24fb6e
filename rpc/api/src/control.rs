//! Control in readable JSON: policies, pending changes, cool-downs.
//!
//! Made from a record that is effective at the answer's block; the exact forms are in the record
//! itself, which `identity_resolve` hands out too.
//!
//! Source: spec/rpc.md §3, spec/control.md.

use allod_primitives::document::MethodKey;
use allod_primitives::policy::{
    Capabilities, ControlKey, ControlPolicy, GuardianSet, PolicyChange, Rank, WeightedKey,
};
use allod_primitives::record::{CoolDown, DidRecord, Freeze, Pending, PendingChange, Proposer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::multibase;
use crate::hex_bytes::HexHash;

/// Who may change an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyInfo {
    /// Ranks, the highest first; a vacant one has no keys.
    pub ranks: Vec<RankInfo>,
    /// Guardians, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardians: Option<GuardiansInfo>,
    /// How long a rank's proposal waits, ms.
    pub delay_ms: u64,
}

/// One rank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RankInfo {
    /// Its index, 0 the highest.
    pub index: u8,
    /// Its keys.
    pub keys: Vec<KeyInfo>,
    /// The weight that acts for it.
    pub threshold: u32,
    /// What it may do besides changing the ranks below it.
    pub capabilities: Vec<CapabilityName>,
    /// Whether it is committed to its next keys.
    pub pre_rotated: bool,
    /// The commitment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<HexHash>,
}

/// One key of a rank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyInfo {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: KeyKind,
    /// The key as a Multikey.
    #[schemars(regex(pattern = crate::pattern::MULTIBASE))]
    pub public_key_multibase: String,
    /// What it weighs.
    pub weight: u16,
    /// SHA-256 of the relying party's id; of a passkey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rp_id_hash: Option<HexHash>,
    /// The origin it signs at; of a passkey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

/// Types of control keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum KeyKind {
    /// Ed25519.
    Ed25519,
    /// P-256.
    #[serde(rename = "P-256")]
    P256,
    /// secp256k1.
    #[serde(rename = "secp256k1")]
    Secp256k1,
    /// A passkey, on P-256.
    WebAuthn,
}

/// What a rank may do besides changing the ranks below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CapabilityName {
    /// Update the document.
    Document,
    /// Revoke tokens and grants, log out everywhere.
    TokensAndGrants,
    /// Propose a change upwards.
    ProposeUp,
    /// Cancel pending changes of lower proposers.
    Cancel,
}

/// The guardians, as far as the ledger knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GuardiansInfo {
    /// Commitment to who they are.
    pub root: HexHash,
    /// How many there are.
    pub count: u16,
    /// Weight that recovers.
    pub threshold: u32,
    /// How long a recovery waits, ms.
    pub delay_ms: u64,
}

/// A change that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingInfo {
    /// Hash of the operation that proposed it; a cancellation names it.
    pub id: HexHash,
    /// Who proposed it.
    pub proposer: ProposerName,
    /// Time of the block that took the proposal, ms.
    pub proposed_at: u64,
    /// When it takes effect unless cancelled in a block of an earlier time, ms.
    pub effective_at: u64,
    /// What it does.
    pub change: ChangeInfo,
}

/// Who proposes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum ProposerName {
    /// A quorum of guardians.
    Guardians,
    /// Exposed keys of rank 0.
    Rank0,
    /// Exposed keys of rank 1.
    Rank1,
    /// Exposed keys of rank 2.
    Rank2,
    /// Exposed keys of rank 3.
    Rank3,
}

/// What a pending change does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum ChangeInfo {
    /// Sets ranks, guardians or the delay.
    Control {
        /// Ranks set.
        ranks: Vec<RankInfo>,
        /// Ranks made vacant.
        vacated: Vec<u8>,
        /// Guardians set.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        guardians: Option<GuardiansInfo>,
        /// Whether guardians are removed.
        removes_guardians: bool,
        /// Delay set, ms.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delay_ms: Option<u64>,
    },
    /// Guardians put this rank in the place of all.
    Recovery {
        /// The new rank 0.
        rank: RankInfo,
    },
    /// The end of the identity.
    Deactivation,
    /// The pending recovery does not take place.
    Cancellation {
        /// Id of the recovery.
        recovery: HexHash,
    },
}

/// A proposer that was cancelled and rests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CoolDownInfo {
    /// Who.
    pub proposer: ProposerName,
    /// Until when, ms.
    pub until: u64,
    /// How long the next one will be, ms.
    pub next_ms: u64,
}

/// A freeze: it stops logins only, and ends by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FreezeInfo {
    /// Why, for people.
    pub reason: String,
    /// Until when, ms.
    pub until: u64,
}

/// Parameters of `identity_pending`; a lone string is read as `did`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PendingRequest {
    /// The identity.
    #[schemars(regex(pattern = crate::pattern::DID))]
    pub did: String,
}

/// Result of `identity_pending`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingResponse {
    /// What waits, in order of standing.
    pub pending: Vec<PendingInfo>,
    /// Who must rest.
    pub cool_downs: Vec<CoolDownInfo>,
    /// A freeze in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<FreezeInfo>,
    /// Height the answer is from.
    pub height: u64,
    /// Hash of that block.
    pub block_hash: HexHash,
    /// Its time, ms. What takes effect later can still be cancelled.
    pub time: u64,
}

impl PolicyInfo {
    /// Describes a policy.
    pub fn new(policy: &ControlPolicy) -> Self {
        let ranks = (0u8..).zip(&policy.ranks);
        Self {
            ranks: ranks
                .map(|(index, rank)| RankInfo::new(index, rank))
                .collect(),
            guardians: policy.guardians.as_ref().map(GuardiansInfo::new),
            delay_ms: policy.delay_ms,
        }
    }
}

impl RankInfo {
    /// Describes the rank of this index.
    pub fn new(index: u8, rank: &Rank) -> Self {
        Self {
            index,
            keys: rank.keys.iter().map(KeyInfo::new).collect(),
            threshold: rank.threshold,
            capabilities: CapabilityName::list(rank.capabilities),
            pre_rotated: rank.next.is_some(),
            next: rank.next.map(HexHash),
        }
    }
}

impl KeyInfo {
    /// Describes a key and its weight.
    pub fn new(weighted: &WeightedKey) -> Self {
        let (kind, key) = match &weighted.key {
            ControlKey::Ed25519(key) => (KeyKind::Ed25519, MethodKey::Ed25519(*key)),
            ControlKey::P256(key) => (KeyKind::P256, MethodKey::P256(*key)),
            ControlKey::Secp256k1(key) => (KeyKind::Secp256k1, MethodKey::Secp256k1(*key)),
            ControlKey::WebAuthn(key) => (KeyKind::WebAuthn, MethodKey::P256(key.public_key)),
        };
        let passkey = match &weighted.key {
            ControlKey::WebAuthn(key) => Some(key),
            _ => None,
        };
        Self {
            kind,
            public_key_multibase: multibase(&key),
            weight: weighted.weight,
            rp_id_hash: passkey.map(|key| HexHash(key.rp_id_hash)),
            origin: passkey.map(|key| key.origin.to_string()),
        }
    }
}

impl CapabilityName {
    /// Names every capability of a set.
    pub fn list(set: Capabilities) -> Vec<Self> {
        let all = [
            (Capabilities::DOCUMENT, Self::Document),
            (Capabilities::TOKENS_AND_GRANTS, Self::TokensAndGrants),
            (Capabilities::PROPOSE_UP, Self::ProposeUp),
            (Capabilities::CANCEL, Self::Cancel),
        ];
        let held = all.into_iter().filter(|(bit, _)| set.contains(*bit));
        held.map(|(_, name)| name).collect()
    }
}

impl GuardiansInfo {
    /// Describes guardians.
    pub fn new(set: &GuardianSet) -> Self {
        Self {
            root: HexHash(set.root),
            count: set.count,
            threshold: set.threshold,
            delay_ms: set.delay_ms,
        }
    }
}

impl From<Proposer> for ProposerName {
    fn from(proposer: Proposer) -> Self {
        match proposer {
            Proposer::Guardians => Self::Guardians,
            Proposer::Rank(0) => Self::Rank0,
            Proposer::Rank(1) => Self::Rank1,
            Proposer::Rank(2) => Self::Rank2,
            Proposer::Rank(_) => Self::Rank3,
        }
    }
}

impl ChangeInfo {
    /// Describes what a pending change does.
    pub fn new(change: &PendingChange) -> Self {
        match change {
            PendingChange::Control(change) => Self::control(change),
            PendingChange::Recovery(rank) => Self::Recovery {
                rank: RankInfo::new(0, rank),
            },
            PendingChange::Deactivation => Self::Deactivation,
            PendingChange::Cancellation(recovery) => Self::Cancellation {
                recovery: HexHash(*recovery),
            },
        }
    }

    /// Describes a change of a policy.
    pub fn control(change: &PolicyChange) -> Self {
        let ranks = change.ranks.iter();
        let set = |it: &allod_primitives::policy::RankChange| {
            let rank = it.rank.as_ref()?;
            Some(RankInfo::new(it.index, rank))
        };
        let vacated = ranks.clone().filter(|it| it.rank.is_none());
        Self::Control {
            vacated: vacated.map(|it| it.index).collect(),
            ranks: ranks.filter_map(set).collect(),
            guardians: change
                .guardians
                .iter()
                .flatten()
                .map(GuardiansInfo::new)
                .next(),
            removes_guardians: change.guardians == Some(None),
            delay_ms: change.delay_ms,
        }
    }
}

impl PendingInfo {
    /// Describes a pending change.
    pub fn new(pending: &Pending) -> Self {
        Self {
            id: HexHash(pending.id),
            proposer: pending.proposer.into(),
            proposed_at: pending.proposed_at.0,
            effective_at: pending.effective_at.0,
            change: ChangeInfo::new(&pending.change),
        }
    }

    /// Describes all pending changes of a record, in order of standing.
    pub fn list(record: &DidRecord) -> Vec<Self> {
        record.pending.iter().map(Self::new).collect()
    }
}

impl CoolDownInfo {
    /// Describes a cool-down.
    pub fn new(cool_down: &CoolDown) -> Self {
        Self {
            proposer: cool_down.proposer.into(),
            until: cool_down.until.0,
            next_ms: cool_down.next_ms,
        }
    }

    /// Describes all cool-downs of a record, in order of standing.
    pub fn list(record: &DidRecord) -> Vec<Self> {
        record.cool_downs.iter().map(Self::new).collect()
    }
}

impl FreezeInfo {
    /// Describes a freeze.
    pub fn new(freeze: &Freeze) -> Self {
        Self {
            reason: freeze.reason.to_string(),
            until: freeze.until.0,
        }
    }
}
