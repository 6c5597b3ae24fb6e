//! What has to be believed, whichever check is missing.

use allod_primitives::did::NetworkId;
use parity_scale_codec::Encode;

use super::follow::{all_pages, changes, steps_with, whole_state};
use super::header::headers;
use super::place::{at_block_5, later};
use super::read::{many_transitions, read};
use super::start::checkpoint;
use super::{Honest, Place, Question};
use crate::world::{World, did, tag};

pub(super) fn cases(world: &World) -> Vec<Honest> {
    let honest = |name, description, question| Honest {
        name,
        description,
        question,
    };
    let trust = || world.trust(&[0, 1], &[0]);
    let mut caught_up = world.read(9, &[did(1), did(7), tag(2)]);
    caught_up.transitions = vec![world.transition(3), world.transition(7)];
    let asleep = Question::Read {
        trust: world.trust(&[0], &[0]),
        proof: caught_up.to_bytes(),
        reads: caught_up.keys.clone(),
    };
    let list = [5, 6, 4, 2, 5].map(|height| world.honest(height));
    let blocks = [2, 3, 5, 6, 7, 9, 10].map(|height| changes(world, height));
    let transition = |trust: Vec<u8>| Question::Transition {
        trust,
        transition: world.transition(3).encode(),
    };
    let place = Place {
        trusting_period: Some((later(3_600_000), 3_600_000)),
        now: Some(later(-10_000)),
        staleness: Some((later(10_000), 10_000)),
        at_least: Some(5),
        at: Some(5),
        answered: Some(5),
    };
    let mut list = vec![
        honest("genesis", "genesis and its set", genesis(world)),
        honest("checkpoint", "block 5 and its set", checkpoint(world, 5).1),
        honest(
            "headers",
            "headers in any order, one of them twice",
            headers(trust(), &list),
        ),
        honest(
            "transition",
            "to the set of block 4",
            transition(world.trust(&[0], &[0])),
        ),
        honest(
            "transition-known",
            "to a set that is trusted already",
            transition(trust()),
        ),
        honest(
            "read",
            "two keys that are there and one that is not",
            read(world, &world.read(5, &[did(1), did(7), tag(2)])),
        ),
        honest(
            "read-after-two-changes-of-set",
            "a client that slept since genesis",
            asleep,
        ),
        honest(
            "steps",
            "from genesis on; blocks without changes left out",
            steps_with(world, &[0], 0, &blocks),
        ),
        honest(
            "pages",
            "the whole state after block 6",
            all_pages(world, &whole_state(world)),
        ),
        honest(
            "place",
            "a head on the edge of every bound",
            at_block_5(world, place),
        ),
    ];
    list.push(honest(
        "read-after-sixteen-changes-of-set",
        "as many transitions as fit",
        many_transitions(16),
    ));
    list
}

fn genesis(world: &World) -> Question {
    let header = world.header(0);
    Question::Genesis {
        network: NetworkId::from_genesis(&header.hash()).to_string(),
        header: header.encode(),
        validators: world.sets[0].set.encode(),
    }
}
