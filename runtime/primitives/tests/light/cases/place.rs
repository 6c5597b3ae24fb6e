//! True heads that are of no use: too old, too new, too low, elsewhere.

use allod_primitives::TimeMs;
use parity_scale_codec::Encode;

use super::{Lie, Place, Question};
use crate::world::{BLOCK_MS, GENESIS_TIME, World};

const TIME: &str = "light/time.rs";

/// Block 5 by a client that knows it as the newest.
pub(super) fn at_block_5(world: &World, place: Place) -> Question {
    Question::Place {
        trust: world.trust(&[0, 1], &[0]),
        header: world.honest(5).encode(),
        place,
    }
}

/// The time of block 5, and so many milliseconds more.
pub(super) fn later(ms: i64) -> TimeMs {
    TimeMs(
        (GENESIS_TIME + 5 * BLOCK_MS)
            .checked_add_signed(ms)
            .unwrap(),
    )
}

pub(super) fn cases(world: &World) -> Vec<Lie> {
    let lie = |name, description, slug, checks, place| Lie {
        name,
        description,
        question: at_block_5(world, place),
        slug,
        checks,
    };
    let none = Place::default;
    vec![
        lie(
            "trust-expired",
            "the newest header is a millisecond older than the trusting period",
            "trust_expired",
            &[(TIME, "LightError::TrustExpired")],
            Place {
                trusting_period: Some((later(3_600_001), 3_600_000)),
                ..none()
            },
        ),
        lie(
            "head-ahead",
            "the head is 10,001 ms ahead of the clock",
            "head_ahead",
            &[(TIME, "LightError::HeadAhead")],
            Place {
                now: Some(later(-10_001)),
                ..none()
            },
        ),
        lie(
            "head-stale",
            "the head is 10,001 ms old where 10,000 are allowed",
            "head_stale",
            &[(TIME, "LightError::HeadStale")],
            Place {
                staleness: Some((later(10_001), 10_000)),
                ..none()
            },
        ),
        lie(
            "head-too-low",
            "block 5 where at least 6 was asked for",
            "head_too_low",
            &[(TIME, "LightError::HeadTooLow")],
            Place {
                at_least: Some(6),
                ..none()
            },
        ),
        lie(
            "head-other",
            "block 5 where 4 was asked for",
            "head_other",
            &[(TIME, "LightError::HeadOther")],
            Place {
                at: Some(4),
                ..none()
            },
        ),
        lie(
            "head-back",
            "block 5 after an answer as of 6",
            "head_back",
            &[(TIME, "LightError::HeadBack")],
            Place {
                answered: Some(6),
                ..none()
            },
        ),
    ]
}
