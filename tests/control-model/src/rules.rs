//! The numbers of the rules, and the flaws that can be planted in them.

use crate::operation::{LANES, Lane};
use crate::state::Time;

/// What the rules leave to numbers, and the planted flaws. `Rules::default()` is the specification
/// with its own numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Shortest delay the network allows, in milliseconds.
    pub delay_min: Time,
    /// Longest delay the network allows, in milliseconds.
    pub delay_max: Time,
    /// First cool-down, in milliseconds.
    pub cool_down_first: Time,
    /// Longest cool-down, in milliseconds.
    pub cool_down_max: Time,
    /// Length of a day of quotas, in milliseconds.
    pub day: Time,
    /// Furthest that `valid_until` may lie ahead, in milliseconds.
    pub validity_max: Time,
    /// Bare operations of one day, by [`Lane::slot`].
    pub quotas: [u16; LANES],
    /// What is wrong with them; by default nothing.
    pub flaws: Flaws,
}

const HOUR: Time = 3_600_000;

impl Default for Rules {
    fn default() -> Self {
        let mut quotas = [10; LANES];
        quotas[Lane::Documents.slot()] = 30;
        Self {
            delay_min: HOUR,
            delay_max: 90 * 24 * HOUR,
            cool_down_first: 24 * HOUR,
            cool_down_max: 64 * 24 * HOUR,
            day: 24 * HOUR,
            validity_max: 31_622_400_000,
            quotas,
            flaws: Flaws::default(),
        }
    }
}

impl Rules {
    /// Returns how long the `count`th cool-down in a row lasts, counted from 1.
    pub fn cool_down(&self, count: u8) -> Time {
        let doublings = u32::from(count.saturating_sub(1)).min(32);
        let length = self.cool_down_first.saturating_mul(1 << doublings);
        length.min(self.cool_down_max)
    }

    /// Returns the number of cool-downs after which they grow no longer.
    pub fn cool_down_count_max(&self) -> u8 {
        (1..=40)
            .find(|count| self.cool_down(*count) == self.cool_down_max)
            .unwrap_or(40)
    }

    /// Returns `delay` within the network's bounds.
    pub fn clamped(&self, delay: Time) -> Time {
        delay.clamp(self.delay_min, self.delay_max)
    }

    /// Returns where the head of `lane` is kept.
    pub fn lane_slot(&self, lane: Lane) -> usize {
        match lane {
            Lane::Next(rank) if self.flaws.reveal_shares_lane_with_exposed => {
                Lane::Rank(rank).slot()
            }
            lane => lane.slot(),
        }
    }
}

/// Rules that somebody could have written instead. Each is found by a property.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flaws {
    /// Rank 0's exposed keys cancel a recovery at once.
    pub exposed_keys_cancel_recovery: bool,
    /// Next keys queue behind the exposed keys of their rank.
    pub reveal_shares_lane_with_exposed: bool,
    /// A recovery replaces rank 0 and leaves the ranks below.
    pub recovery_keeps_lower_ranks: bool,
    /// A proposal of rank 0 is not refused while a recovery is pending, but takes its place.
    pub proposal_of_rank0_displaces_recovery: bool,
    /// A rank that is set must not share a key with any rank, also below.
    pub key_in_two_ranks_refused: bool,
    /// A cancellation hits whatever is pending.
    pub cancel_needs_no_id: bool,
    /// A pending change takes effect whatever the time.
    pub effect_ignores_time: bool,
    /// Of several due changes the highest standing goes first, not the earliest.
    pub effects_by_standing: bool,
    /// A guardian who signs twice counts twice.
    pub guardian_counts_twice: bool,
    /// A rank may give itself and others capabilities it does not have.
    pub capabilities_escalate: bool,
    /// A rank that is set must not share a key with a rank between it and the acting one.
    pub rank_between_blocks: bool,
    /// A `Cancel` is judged after the reveal of the same operation has cleared everything.
    pub cancel_after_reveal: bool,
    /// A cool-down stays when the rank gets new keys.
    pub cool_down_outlives_thief: bool,
    /// A cancellation stays when its recovery goes.
    pub cancellation_outlives_recovery: bool,
    /// A change that takes effect does not look at keys that ranks got meanwhile.
    pub effect_shares_keys: bool,
    /// A vacant rank keeps its commitment.
    pub vacant_keeps_commitment: bool,
    /// The guardians' cool-down also keeps them from cancelling.
    pub cool_down_stops_cancelling: bool,
    /// A rank's pending change survives a change of that rank by a party above.
    pub change_clears_nothing: bool,
}
