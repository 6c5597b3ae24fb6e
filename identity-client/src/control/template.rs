//! Policies to begin with.

use allod_primitives::H256;
use allod_primitives::document::{InitialDocument, Method};
use allod_primitives::limits::CONTROL_DELAY_MS_DEFAULT;
use allod_primitives::operation::{INCEPTION_VERSION, Inception};
use allod_primitives::policy::{
    Capabilities, ControlKey, ControlPolicy, GuardianSet, Rank, WeightedKey,
};

use super::NextSeed;
use crate::operation::BuildError;

/// What a device may do by default: daily work, but neither propose upwards nor cancel.
pub const DEVICE_CAPABILITIES: Capabilities =
    Capabilities::DOCUMENT.union(Capabilities::TOKENS_AND_GRANTS);

/// One rank in plain terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RankTemplate {
    /// Keys of any type and their weights, in any order.
    pub keys: Vec<(ControlKey, u16)>,
    /// Weight that acts.
    pub threshold: u32,
    /// What it may do.
    pub capabilities: Capabilities,
    /// Commitment to its next keys.
    pub next: Option<H256>,
}

impl RankTemplate {
    /// Returns a rank of one key.
    pub fn single(key: ControlKey) -> Self {
        Self::shared(vec![(key, 1)], 1)
    }

    /// Returns a rank of several keys of which some, `threshold` by weight, must sign together.
    pub const fn shared(keys: Vec<(ControlKey, u16)>, threshold: u32) -> Self {
        Self {
            keys,
            threshold,
            capabilities: Capabilities::ALL,
            next: None,
        }
    }

    /// Lets it do only this.
    #[must_use]
    pub const fn with(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// Commits it to next keys.
    #[must_use]
    pub const fn pre_rotated(mut self, next: Option<H256>) -> Self {
        self.next = next;
        self
    }

    /// Returns the rank, as `index` of a policy.
    ///
    /// # Errors
    /// [`BuildError`] if the ledger would refuse it.
    pub fn rank(self, index: u8) -> Result<Rank, BuildError> {
        let keys = self.keys.into_iter();
        let mut keys: Vec<WeightedKey> = keys
            .map(|(key, weight)| WeightedKey { key, weight })
            .collect();
        keys.sort_by(|a, b| a.key.cmp(&b.key));
        let rank = Rank {
            keys: keys.try_into()?,
            threshold: self.threshold,
            capabilities: self.capabilities,
            next: self.next,
        };
        rank.check(index)?;
        Ok(rank)
    }
}

/// A policy in plain terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyTemplate {
    /// One to four ranks, the highest first.
    pub ranks: Vec<RankTemplate>,
    /// Guardians.
    pub guardians: Option<GuardianSet>,
    /// Milliseconds that a proposal waits; the network may move it into its bounds.
    pub delay_ms: u64,
}

impl PolicyTemplate {
    /// One rank of one key. Stolen, it is lost.
    pub fn simple(key: ControlKey) -> Self {
        Self::of(RankTemplate::single(key))
    }

    /// One rank of one key that is pre-rotated: the keys of the recovery sheet stand above it.
    pub fn recoverable(key: ControlKey, sheet: &NextSeed) -> Self {
        let next = sheet.commitment(0, 0);
        Self::of(RankTemplate::single(key).pre_rotated(Some(next)))
    }

    /// A policy of one rank.
    pub fn of(rank: RankTemplate) -> Self {
        Self {
            ranks: vec![rank],
            guardians: None,
            delay_ms: CONTROL_DELAY_MS_DEFAULT,
        }
    }

    /// Adds a rank below the others that holds a device's key for daily work.
    #[must_use]
    pub fn with_device(self, key: ControlKey) -> Self {
        self.with_rank(RankTemplate::single(key).with(DEVICE_CAPABILITIES))
    }

    /// Adds a rank below the others.
    #[must_use]
    pub fn with_rank(mut self, rank: RankTemplate) -> Self {
        self.ranks.push(rank);
        self
    }

    /// Puts guardians beside rank 0.
    #[must_use]
    pub fn with_guardians(mut self, guardians: Option<GuardianSet>) -> Self {
        self.guardians = guardians;
        self
    }

    /// Lets proposals wait so long.
    #[must_use]
    pub const fn with_delay_ms(mut self, delay_ms: u64) -> Self {
        self.delay_ms = delay_ms;
        self
    }

    /// Returns the policy.
    ///
    /// # Errors
    /// [`BuildError`] if the ledger would refuse it.
    pub fn policy(self) -> Result<ControlPolicy, BuildError> {
        let ranks = (0u8..).zip(self.ranks);
        let ranks = ranks.map(|(index, rank)| rank.rank(index));
        let ranks = ranks.collect::<Result<Vec<Rank>, _>>()?;
        let policy = ControlPolicy {
            ranks: ranks.try_into()?,
            guardians: self.guardians,
            delay_ms: self.delay_ms,
        };
        policy.check()?;
        Ok(policy)
    }
}

/// Returns the body that an identity of this policy and these methods begins with.
///
/// `salt`: 16 random bytes, so that equal keys do not make equal names.
///
/// # Errors
/// [`BuildError`] if the ledger would refuse it.
pub fn inception(
    policy: PolicyTemplate,
    mut methods: Vec<Method>,
    salt: [u8; 16],
) -> Result<Inception, BuildError> {
    methods.sort_by(|a, b| a.fragment.cmp(&b.fragment));
    let document = InitialDocument {
        methods: methods.try_into()?,
        ..InitialDocument::default()
    };
    document.check()?;
    Ok(Inception {
        version: INCEPTION_VERSION,
        policy: policy.policy()?,
        document,
        salt,
    })
}
