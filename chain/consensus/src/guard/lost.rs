//! What is left to a validator whose guard forgot: to keep silent until the chain is surely past
//! everything that the key may have signed, or until its operators agree that it goes on from
//! where it stands. Pure; the file stores it.

use allod_primitives::{Height, TimeMs};
use parity_scale_codec::{Decode, Encode};

use super::GuardError;
use crate::limits::{GUARD_AGREED_AFTER_MS, GUARD_LOST_MARGIN_MS};
use crate::signer::Seen;

/// At which heights nothing is signed, whatever the records say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct Silence {
    /// Nothing is signed at or below it.
    pub(super) floor: Height,
    pub(super) loss: Loss,
}

/// How far a loss has got. The first two are the bytes of the `Option<u64>` that earlier programs
/// wrote; they take a file with one of the others for damaged, and sign nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) enum Loss {
    /// None, or it is over.
    #[default]
    #[codec(index = 0)]
    None,
    /// The guard was said to be lost at this time, and no node has asked since.
    #[codec(index = 1)]
    Said { since: TimeMs },
    /// And a node has asked; this is the newest block that it told of, which is not surely later.
    #[codec(index = 2)]
    Told { since: TimeMs, tip: Height },
    /// And the operators agree that this block, which is the floor, is the last one.
    #[codec(index = 3)]
    Agreed { since: TimeMs },
}

/// Why a guard does not sign above a block that was agreed upon.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotAgreed {
    /// The guard is whole: it needs no agreement, and must not get one.
    #[error("this guard was not lost: it signs by what it knows")]
    NotLost,
    /// Later blocks may still be on their way.
    #[error(
        "the loss was said less than {} minutes ago, at {since:?}: the node must have looked for later blocks as long",
        GUARD_AGREED_AFTER_MS / 60_000
    )]
    TooSoon {
        /// When the loss was said, by the system's clock.
        since: TimeMs,
    },
    /// No node has asked since the loss was said.
    #[error("no node has asked this guard since it was lost: run the node with its peers first")]
    NotTold,
    /// The node told of another block last.
    #[error("the newest block that the node told this guard of is {tip}")]
    OtherTip {
        /// Its height.
        tip: Height,
    },
    /// The guard knows that a later block is final.
    #[error("this guard knows that block {height} is final")]
    Later {
        /// The height of that block.
        height: Height,
    },
    /// It cannot be written down.
    #[error("cannot write the sign guard")]
    Io(#[from] std::io::Error),
}

impl Loss {
    pub(super) const fn since(&self) -> Option<TimeMs> {
        match *self {
            Self::None => None,
            Self::Said { since } | Self::Told { since, .. } | Self::Agreed { since } => Some(since),
        }
    }
}

impl Silence {
    /// Judges whether `height` may be signed for; `last`: the last height that the records know.
    /// What has changed is to be written down before anything is signed or refused.
    ///
    /// Everything the key signed before the loss is at most one above the network's tip of that
    /// moment. A block whose time is a minute later than the loss was proposed after it, so that
    /// its height is the bound. An agreement holds for the block it names and no later one: who
    /// is told of one was wrong about the last, and waits for the minute as if nothing was said.
    pub(super) fn judge(
        &mut self,
        height: Height,
        last: Height,
        seen: &Seen,
    ) -> Result<(), GuardError> {
        if let Some(since) = self.loss.since() {
            let is_agreed = matches!(self.loss, Loss::Agreed { .. });
            if is_agreed && seen.tip < self.floor {
                let floor = self.floor;
                return Err(GuardError::Below { floor });
            }
            let is_later = seen.tip_time.0 > since.0.saturating_add(GUARD_LOST_MARGIN_MS);
            let is_at_it = is_agreed && seen.tip == self.floor;
            if !(is_later || is_at_it) {
                let tip = match self.loss {
                    Loss::Told { tip, .. } => tip.max(seen.tip),
                    _ => seen.tip,
                };
                self.loss = Loss::Told { since, tip };
                return Err(GuardError::Lost { since });
            }
            self.loss = Loss::None;
            self.floor = self.floor.max(seen.tip);
        }
        let known = last.max(self.floor);
        if seen.signed > known {
            let signed = seen.signed;
            return Err(GuardError::Outdated { signed, known });
        }
        let floor = self.floor.max(seen.tip);
        if height <= floor {
            return Err(GuardError::Below { floor });
        }
        Ok(())
    }

    /// Notes at `now` that the block of `height` is the last one, if nothing speaks against it;
    /// `last`: the last height that the records know.
    ///
    /// Said once more it changes nothing.
    pub(super) fn agree(
        &mut self,
        height: Height,
        last: Height,
        now: TimeMs,
    ) -> Result<(), NotAgreed> {
        // What the key signed at a height, it signed upon a final block.
        let known = self.floor.max(Height(last.0.saturating_sub(1)));
        if height < known {
            return Err(NotAgreed::Later { height: known });
        }
        let (since, tip) = match self.loss {
            Loss::None | Loss::Agreed { .. } if self.floor == height => return Ok(()),
            Loss::None => return Err(NotAgreed::NotLost),
            Loss::Agreed { .. } => return Err(NotAgreed::OtherTip { tip: self.floor }),
            Loss::Said { .. } => return Err(NotAgreed::NotTold),
            Loss::Told { since, tip } => (since, tip),
        };
        if tip != height {
            return Err(NotAgreed::OtherTip { tip });
        }
        if now.0 < since.0.saturating_add(GUARD_AGREED_AFTER_MS) {
            return Err(NotAgreed::TooSoon { since });
        }
        self.floor = height;
        self.loss = Loss::Agreed { since };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOST_AT: u64 = 1_000_000;
    const SINCE: TimeMs = TimeMs(LOST_AT);
    /// The first moment at which an agreement is heard.
    const WAITED: TimeMs = TimeMs(LOST_AT + GUARD_AGREED_AFTER_MS);

    fn seen(tip: u64, tip_time: u64, signed: u64) -> Seen {
        Seen {
            tip: Height(tip),
            tip_time: TimeMs(tip_time),
            signed: Height(signed),
        }
    }

    fn lost() -> Silence {
        Silence {
            floor: Height(0),
            loss: Loss::Said { since: SINCE },
        }
    }

    /// One that was told of this block while it was lost.
    fn told(tip: u64) -> Silence {
        let mut silence = lost();
        let refused = silence.judge(Height(tip + 1), Height(0), &seen(tip, LOST_AT - 1, tip));
        assert!(matches!(refused, Err(GuardError::Lost { since }) if since == SINCE));
        silence
    }

    #[test]
    fn nothing_is_signed_at_or_below_the_tip() {
        let mut silence = Silence::default();
        let seen = seen(9, 0, 8);
        for height in [1, 8, 9] {
            let refused = silence.judge(Height(height), Height(8), &seen);
            assert!(matches!(refused, Err(GuardError::Below { floor }) if floor.0 == 9));
        }
        silence.judge(Height(10), Height(8), &seen).unwrap();
        assert_eq!(silence, Silence::default(), "nothing to write down");
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
        let mut silence = lost();
        for (tip, time) in [(90, 5), (99, LOST_AT), (120, LOST_AT + 60_000)] {
            let refused = silence.judge(Height(tip + 1), Height(0), &seen(tip, time, tip));
            assert!(matches!(refused, Err(GuardError::Lost { .. })));
        }
        let later = seen(130, LOST_AT + 60_001, 100);
        silence.judge(Height(131), Height(0), &later).unwrap();
        assert_eq!((silence.floor, &silence.loss), (Height(130), &Loss::None));
        let refused = silence.judge(Height(130), Height(0), &seen(100, 0, 0));
        assert!(matches!(refused, Err(GuardError::Below { floor }) if floor.0 == 130));
        silence.judge(Height(131), Height(0), &later).unwrap();
    }

    /// Method: each thing that speaks against an agreement, alone, then none of them.
    #[test]
    fn an_agreement_is_heard_when_nothing_speaks_against_it() {
        let agree = |mut silence: Silence, height, last, now| {
            silence.agree(Height(height), Height(last), now)?;
            Ok::<_, NotAgreed>(silence)
        };
        let whole = agree(Silence::default(), 99, 99, WAITED);
        assert!(matches!(whole, Err(NotAgreed::NotLost)));
        let alone = agree(lost(), 99, 0, WAITED);
        assert!(matches!(alone, Err(NotAgreed::NotTold)));
        let soon = agree(told(99), 99, 0, TimeMs(WAITED.0 - 1));
        assert!(matches!(soon, Err(NotAgreed::TooSoon { since }) if since == SINCE));
        for other in [98, 100] {
            let refused = agree(told(99), other, 0, WAITED);
            assert!(matches!(refused, Err(NotAgreed::OtherTip { tip }) if tip.0 == 99));
        }
        // An older copy of the guard that signed at 101 says that 100 is final.
        let signed = agree(told(99), 99, 101, WAITED);
        assert!(matches!(signed, Err(NotAgreed::Later { height }) if height.0 == 100));

        let agreed = agree(told(99), 99, 100, WAITED).unwrap();
        assert_eq!(agreed.loss, Loss::Agreed { since: SINCE });
        let again = agree(agreed.clone(), 99, 100, TimeMs(0)).unwrap();
        assert_eq!(again, agreed, "said once more it changes nothing");
        let other = agree(agreed, 100, 100, WAITED);
        assert!(matches!(other, Err(NotAgreed::OtherTip { tip }) if tip.0 == 99));
    }

    /// The newest block that was told of counts, not the last: a node may be restored meanwhile.
    #[test]
    fn an_old_database_makes_no_guard_forget_what_it_was_told() {
        let mut silence = told(99);
        let refused = silence.judge(Height(41), Height(0), &seen(40, 7, 40));
        assert!(matches!(refused, Err(GuardError::Lost { .. })));
        let refused = silence.agree(Height(40), Height(0), WAITED);
        assert!(matches!(refused, Err(NotAgreed::OtherTip { tip }) if tip.0 == 99));
    }

    /// Method: a node that still catches up, one that has the block, one that goes on.
    #[test]
    fn an_agreement_lets_a_lost_guard_sign_above_its_block() {
        let mut silence = told(99);
        silence.agree(Height(99), Height(0), WAITED).unwrap();
        let refused = silence.judge(Height(41), Height(0), &seen(40, 7, 40));
        assert!(matches!(refused, Err(GuardError::Below { floor }) if floor.0 == 99));
        let at_it = seen(99, LOST_AT - 1, 99);
        silence.judge(Height(100), Height(0), &at_it).unwrap();
        assert_eq!((silence.floor, &silence.loss), (Height(99), &Loss::None));
        let next = seen(100, WAITED.0, 100);
        silence.judge(Height(101), Height(100), &next).unwrap();
    }

    /// A later block of before the loss: the agreement was wrong, and the key may have signed
    /// above that block too.
    #[test]
    fn an_agreement_ends_when_a_later_block_is_told() {
        let mut silence = told(99);
        silence.agree(Height(99), Height(0), WAITED).unwrap();
        for _ in 0..2 {
            let refused = silence.judge(Height(101), Height(0), &seen(100, LOST_AT, 100));
            assert!(matches!(refused, Err(GuardError::Lost { since }) if since == SINCE));
        }
        let refused = silence.judge(Height(100), Height(0), &seen(99, LOST_AT - 1, 99));
        assert!(matches!(refused, Err(GuardError::Lost { .. })), "for good");
        let later = seen(101, LOST_AT + 60_001, 100);
        silence.judge(Height(102), Height(0), &later).unwrap();
        assert_eq!(silence.floor, Height(101));
    }
}
