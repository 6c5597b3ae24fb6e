//! What is left to a validator whose guard forgot: to keep silent until the chain is surely past
//! everything that the key may have signed. Pure; the file stores it.

use allod_primitives::{Height, TimeMs};
use parity_scale_codec::{Decode, Encode};

use super::GuardError;
use crate::limits::GUARD_LOST_MARGIN_MS;
use crate::signer::Seen;

/// At which heights nothing is signed, whatever the records say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct Silence {
    /// Nothing is signed at or below it.
    pub(super) floor: Height,
    /// When the guard was said to be lost, until a block is known to be later.
    pub(super) since: Option<TimeMs>,
}

impl Silence {
    /// Judges whether `height` may be signed for; `last`: the last height that the records know.
    /// Returns whether this has changed, which is to be written down first. Refused, what has
    /// changed may be forgotten: it is found out again.
    ///
    /// Everything the key signed before the loss is at most one above the network's tip of that
    /// moment. A block whose time is a minute later than the loss was proposed after it, so that
    /// its height is the bound.
    pub(super) fn judge(
        &mut self,
        height: Height,
        last: Height,
        seen: &Seen,
    ) -> Result<bool, GuardError> {
        let ended = match self.since {
            Some(since) if seen.tip_time.0 <= since.0.saturating_add(GUARD_LOST_MARGIN_MS) => {
                return Err(GuardError::Lost { since });
            }
            Some(_) => {
                self.since = None;
                self.floor = self.floor.max(seen.tip);
                true
            }
            None => false,
        };
        let known = last.max(self.floor);
        if seen.signed > known {
            let signed = seen.signed;
            return Err(GuardError::Outdated { signed, known });
        }
        let floor = self.floor.max(seen.tip);
        if height <= floor {
            return Err(GuardError::Below { floor });
        }
        Ok(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(tip: u64, tip_time: u64, signed: u64) -> Seen {
        Seen {
            tip: Height(tip),
            tip_time: TimeMs(tip_time),
            signed: Height(signed),
        }
    }

    #[test]
    fn nothing_is_signed_at_or_below_the_tip() {
        let mut silence = Silence::default();
        let seen = seen(9, 0, 8);
        for height in [1, 8, 9] {
            let refused = silence.judge(Height(height), Height(8), &seen);
            assert!(matches!(refused, Err(GuardError::Below { floor }) if floor.0 == 9));
        }
        assert!(!silence.judge(Height(10), Height(8), &seen).unwrap());
    }

    #[test]
    fn a_guard_that_knows_less_than_the_chain_refuses() {
        let mut silence = Silence::default();
        let refused = silence.judge(Height(10), Height(8), &seen(9, 0, 9));
        let Err(GuardError::Outdated { signed, known }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((signed, known), (Height(9), Height(8)));
    }

    /// Method: heights of the time before the loss, of the minute after it, and later ones.
    #[test]
    fn a_lost_guard_is_silent_until_a_block_is_surely_later() {
        let lost_at = 1_000_000;
        let mut silence = Silence {
            floor: Height(0),
            since: Some(TimeMs(lost_at)),
        };
        for (tip, time) in [(90, 5), (99, lost_at), (120, lost_at + 60_000)] {
            let refused = silence.judge(Height(tip + 1), Height(0), &seen(tip, time, tip));
            assert!(matches!(refused, Err(GuardError::Lost { .. })));
        }
        let later = seen(130, lost_at + 60_001, 100);
        let first = silence.judge(Height(131), Height(0), &later);
        assert!(first.unwrap(), "to be written down");
        assert_eq!(silence.since, None);
        let refused = silence.judge(Height(130), Height(0), &seen(100, 0, 0));
        assert!(matches!(refused, Err(GuardError::Below { floor }) if floor.0 == 130));
        assert!(!silence.judge(Height(131), Height(0), &later).unwrap());
    }
}
