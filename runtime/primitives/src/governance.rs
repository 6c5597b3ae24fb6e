//! What trustees decide about, as it is proposed and stored.

use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

use crate::limits::{
    BLOCK_INTERVAL_MS_MAX, BLOCK_SPACING_MS_MIN, CONTROL_DELAY_MS_MAX_CEILING,
    CONTROL_DELAY_MS_MAX_FLOOR, CONTROL_DELAY_MS_MIN_CEILING, CONTROL_DELAY_MS_MIN_FLOOR,
    VALIDATOR_CHANGE_PERIOD_MS_MAX, VALIDATOR_CHANGE_PERIOD_MS_MIN,
};

/// Version byte of the stored types of governance.
pub const GOVERNANCE_VERSION: u8 = 1;

/// Bounds that every delay of an identity's pending change of control is clamped to when the
/// change is proposed. A later change of the bounds leaves what is pending as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct ControlParameters {
    /// Shortest delay, in milliseconds.
    pub delay_ms_min: u64,
    /// Longest delay, in milliseconds.
    pub delay_ms_max: u64,
}

impl ControlParameters {
    /// Returns `delay_ms` moved into the bounds.
    pub const fn clamp(&self, delay_ms: u64) -> u64 {
        if delay_ms < self.delay_ms_min {
            self.delay_ms_min
        } else if delay_ms > self.delay_ms_max {
            self.delay_ms_max
        } else {
            delay_ms
        }
    }

    /// Returns whether both lie within the bounds that nobody can leave: trustees can neither let
    /// a thief win at once nor lock owners out for good.
    pub fn are_valid(&self) -> bool {
        (CONTROL_DELAY_MS_MIN_FLOOR..=CONTROL_DELAY_MS_MIN_CEILING).contains(&self.delay_ms_min)
            && (CONTROL_DELAY_MS_MAX_FLOOR..=CONTROL_DELAY_MS_MAX_CEILING)
                .contains(&self.delay_ms_max)
    }
}

impl Default for ControlParameters {
    fn default() -> Self {
        Self {
            delay_ms_min: 24 * 3_600_000,
            delay_ms_max: 30 * 86_400_000,
        }
    }
}

/// Numbers that trustees may change within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Parameters {
    /// [`GOVERNANCE_VERSION`].
    pub version: u8,
    /// Least distance between blocks under load, in milliseconds; a hint to proposers.
    pub block_spacing_ms: u32,
    /// Shortest distance between blocks when idle, in milliseconds; a hint to proposers.
    pub heartbeat_ms_min: u32,
    /// Longest distance between blocks when idle, in milliseconds; a hint to proposers.
    pub heartbeat_ms_max: u32,
    /// Milliseconds in which at most a third of the validators, and of their power, may change.
    pub validator_change_period_ms: u64,
    /// Bounds of the delays of changes of control.
    pub control: ControlParameters,
}

impl Parameters {
    /// Returns whether trustees may put these in the place of `present`. The period of validator
    /// changes may stay what it is even where genesis set it below the bound, as development
    /// networks do.
    pub fn may_follow(&self, present: &Self) -> bool {
        let period = self.validator_change_period_ms;
        self.are_valid_at_genesis()
            && (period >= VALIDATOR_CHANGE_PERIOD_MS_MIN
                || period == present.validator_change_period_ms)
    }

    /// Returns whether a chain may start with these.
    pub fn are_valid_at_genesis(&self) -> bool {
        self.version == GOVERNANCE_VERSION
            && (BLOCK_SPACING_MS_MIN..=BLOCK_INTERVAL_MS_MAX).contains(&self.block_spacing_ms)
            && self.block_spacing_ms <= self.heartbeat_ms_min
            && self.heartbeat_ms_min <= self.heartbeat_ms_max
            && self.heartbeat_ms_max <= BLOCK_INTERVAL_MS_MAX
            && self.validator_change_period_ms <= VALIDATOR_CHANGE_PERIOD_MS_MAX
            && self.control.are_valid()
    }
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            version: GOVERNANCE_VERSION,
            block_spacing_ms: 200,
            heartbeat_ms_min: 1_000,
            heartbeat_ms_max: 5_000,
            validator_change_period_ms: 3_600_000,
            control: ControlParameters::default(),
        }
    }
}
