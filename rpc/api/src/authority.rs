//! `authority_proposals` and `authority_rules`: what trustees decide, and how.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hex_bytes::{HexBytes, HexHash};

/// Parameters of `authority_proposals` and `authority_rules`: none but those of every read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthorityRequest {}

/// Result of `authority_proposals`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProposalsResponse {
    /// Proposals that are open, then those that are approved and wait, each by number.
    pub proposals: Vec<ProposalEntry>,
    /// Number that the next one gets.
    pub next: u32,
    /// Height of the block this is as of.
    pub height: u64,
    /// Hash of that block.
    pub block_hash: HexHash,
    /// Time of that block, ms.
    pub time: u64,
}

/// A proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProposalEntry {
    /// Its number.
    pub number: u32,
    /// What votes name. Who votes computes it from the other members.
    pub hash: HexHash,
    /// Account of the trustee that made it.
    pub proposer: HexHash,
    /// SCALE `Actions`, carried out in this order, all or nothing.
    pub actions: HexBytes,
    /// Kinds of the actions, in the same order.
    pub kinds: Vec<String>,
    /// Void in blocks of a later time, ms, unless it is approved before.
    pub expires: u64,
    /// Accounts in favour.
    pub votes: Vec<HexHash>,
    /// How many it takes, as the rules are now.
    pub votes_needed: u32,
    /// How long it waits once it is approved, ms, as the rules are now.
    pub delay_ms: u64,
    /// When it takes effect, ms; absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<u64>,
    /// Accounts against it since it was approved.
    pub vetoes: Vec<HexHash>,
    /// How many cancel it, as the rules are now.
    pub vetoes_needed: u32,
}

/// Result of `authority_rules`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RulesResponse {
    /// Accounts that decide, ascending.
    pub trustees: Vec<HexHash>,
    /// Votes it takes where a rule says nothing else.
    pub threshold: u32,
    /// What each kind of action takes, by the kinds' indices.
    pub rules: Vec<RuleEntry>,
    /// The network's parameters.
    pub parameters: ParametersEntry,
    /// The next version of the state machine, if one is scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<UpgradeEntry>,
    /// Height of the block this is as of.
    pub height: u64,
    /// Hash of that block.
    pub block_hash: HexHash,
    /// Time of that block, ms.
    pub time: u64,
}

/// What a kind of action takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleEntry {
    /// The kind.
    pub kind: String,
    /// Votes that approve.
    pub votes: u32,
    /// Whether that is the trustees' threshold, and moves with it.
    pub by_threshold: bool,
    /// Milliseconds from approval until it takes effect.
    pub delay_ms: u64,
}

/// The network's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParametersEntry {
    /// Least distance between blocks under load, ms.
    pub block_spacing_ms: u32,
    /// Shortest distance between blocks when idle, ms.
    pub heartbeat_ms_min: u32,
    /// Longest distance between blocks when idle, ms.
    pub heartbeat_ms_max: u32,
    /// Period of the limits of validator changes, ms.
    pub validator_change_period_ms: u64,
    /// Shortest delay of a change of control, ms.
    pub control_delay_ms_min: u64,
    /// Longest delay of a change of control, ms.
    pub control_delay_ms_max: u64,
}

/// A scheduled version of the state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeEntry {
    /// The version.
    pub spec_version: u32,
    /// First block it executes.
    pub height: u64,
}
