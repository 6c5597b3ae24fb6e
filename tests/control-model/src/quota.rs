//! What is used of a day's quotas, and given back (spec/did.md §2).

use crate::operation::{LANES, Lane};
use crate::rules::Rules;
use crate::state::{Policy, QuotaUse, RANKS, State, Time};

/// Returns what was used on the day of `now`.
pub(crate) fn today(state: &State, rules: &Rules, now: Time) -> QuotaUse {
    let day = now / rules.day;
    if state.quota.day == day {
        return state.quota;
    }
    QuotaUse {
        day,
        used: [0; LANES],
        renewed: 0,
    }
}

/// Gives back what lanes of ranks have used on the day of `now` that have other keys than `before`,
/// but of the rank that did it. Once a day each, unless `always`.
pub(crate) fn give_back(
    state: &mut State,
    rules: &Rules,
    now: Time,
    before: &Policy,
    own: Option<usize>,
    always: bool,
) {
    if state.quota.day != now / rules.day {
        return;
    }
    for index in (0..RANKS).filter(|it| own != Some(*it)) {
        let rank = &state.policy.ranks[index];
        let replaced = !rank.is_vacant() && rank.set.keys != before.ranks[index].set.keys;
        let number = u8::try_from(index).expect("four ranks");
        let slot = rules.lane_slot(Lane::Rank(number));
        let quota = &mut state.quota;
        let done = quota.renewed & (1 << index) != 0 && !always;
        if replaced && !done && quota.used[slot] > 0 {
            quota.used[slot] = 0;
            quota.renewed |= 1 << index;
        }
    }
}
