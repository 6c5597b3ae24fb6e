//! What the verifier is asked: honest questions, and lies with one defect each.

mod follow;
mod header;
mod honest;
mod place;
mod read;
mod sets;
mod start;
mod tree;

use allod_primitives::TimeMs;

use crate::world::World;

/// A claim put to the verifier, as bytes.
#[derive(Clone)]
pub(crate) enum Question {
    Genesis {
        network: String,
        header: Vec<u8>,
        validators: Vec<u8>,
    },
    Checkpoint {
        text: String,
        genesis: [u8; 32],
        header: Vec<u8>,
        validators: Vec<u8>,
    },
    /// Certified headers one after the other; the last one's verdict counts.
    Headers {
        trust: Vec<u8>,
        list: Vec<Vec<u8>>,
    },
    Transition {
        trust: Vec<u8>,
        transition: Vec<u8>,
    },
    /// A bundle, and the keys that the question reads.
    Read {
        trust: Vec<u8>,
        proof: Vec<u8>,
        reads: Vec<Vec<u8>>,
    },
    Steps {
        trust: Vec<u8>,
        follower: Vec<u8>,
        blocks: Vec<Vec<u8>>,
    },
    Pages {
        trust: Vec<u8>,
        header: Vec<u8>,
        pages: Vec<Vec<u8>>,
    },
    Place {
        trust: Vec<u8>,
        header: Vec<u8>,
        place: Place,
    },
}

/// Where and when a head has to be.
#[derive(Clone, Default)]
pub(crate) struct Place {
    pub(crate) trusting_period: Option<(TimeMs, u64)>,
    pub(crate) now: Option<TimeMs>,
    pub(crate) staleness: Option<(TimeMs, u64)>,
    pub(crate) at_least: Option<u64>,
    pub(crate) at: Option<u64>,
    pub(crate) answered: Option<u64>,
}

/// A check: the file below `src`, and words that only its `ensure!` there has.
pub(crate) type Check = (&'static str, &'static str);

/// A question that has to be refused.
pub(crate) struct Lie {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) question: Question,
    /// The name of the rule broken.
    pub(crate) slug: &'static str,
    /// The checks without which, all of them, it is believed. More than one: decoding has checked
    /// it before. None: there is nothing that could verify it, whichever check is missing.
    pub(crate) checks: &'static [Check],
}

/// A question that has to be believed.
pub(crate) struct Honest {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) question: Question,
}

pub(crate) fn honest(world: &World) -> Vec<Honest> {
    honest::cases(world)
}

pub(crate) fn lies(world: &World) -> Vec<Lie> {
    let mut lies = start::cases(world);
    lies.extend(header::cases(world));
    lies.extend(header::agreement(world));
    lies.extend(sets::cases(world));
    lies.extend(read::cases(world));
    lies.extend(read::encodings(world));
    lies.extend(tree::cases(world));
    lies.extend(tree::limits(world));
    lies.extend(follow::cases(world));
    lies.extend(follow::pages(world));
    lies.extend(place::cases(world));
    lies
}
