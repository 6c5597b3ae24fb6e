//! Lies about where trust begins.

use allod_primitives::did::NetworkId;
use allod_primitives::light::Checkpoint;
use allod_primitives::{ForkId, H256, Header, Height};
use parity_scale_codec::Encode;

use super::{Lie, Question};
use crate::world::{Set, World};

fn genesis(header: &Header, set: &Set) -> Question {
    Question::Genesis {
        network: NetworkId::from_genesis(&header.hash()).to_string(),
        header: header.encode(),
        validators: set.set.encode(),
    }
}

pub(super) fn checkpoint(world: &World, height: usize) -> (Checkpoint, Question) {
    let header = world.header(height);
    let checkpoint = Checkpoint {
        network: NetworkId::from_genesis(&world.id.genesis),
        fork_id: ForkId(0),
        height: header.number,
        hash: header.hash(),
    };
    (checkpoint, of(world, &checkpoint, &header))
}

fn of(world: &World, checkpoint: &Checkpoint, header: &Header) -> Question {
    Question::Checkpoint {
        text: checkpoint.to_string(),
        genesis: world.id.genesis.0,
        header: header.encode(),
        validators: world.set(header.number.0).set.encode(),
    }
}

pub(super) fn cases(world: &World) -> Vec<Lie> {
    const ANCHOR: &str = "light/anchor.rs";
    let spoilt = |change: &dyn Fn(&mut Header)| {
        let mut header = world.header(0);
        change(&mut header);
        genesis(&header, &world.sets[0])
    };
    let mut lies = vec![
        Lie {
            name: "genesis-number",
            description: "the genesis header has a number",
            question: spoilt(&|it| it.number = Height(1)),
            slug: "genesis_malformed",
            checks: &[(ANCHOR, "height == Height(0)")],
        },
        Lie {
            name: "genesis-set-id",
            description: "the set of genesis has changed before",
            question: spoilt(&|it| it.digest.set_id = 1),
            slug: "genesis_malformed",
            checks: &[(ANCHOR, "digest.set_id == 0")],
        },
        Lie {
            name: "genesis-set-since",
            description: "the set of genesis begins later",
            question: spoilt(&|it| it.digest.set_since = Height(1)),
            slug: "genesis_malformed",
            checks: &[(ANCHOR, "digest.set_since == Height(0)")],
        },
        Lie {
            name: "genesis-parent",
            description: "the genesis header has a parent",
            question: spoilt(&|it| it.parent_hash = H256([1; 32])),
            slug: "genesis_malformed",
            checks: &[(ANCHOR, "header.parent_hash == H256::ZERO")],
        },
    ];
    let mut question = genesis(&world.header(0), &world.sets[0]);
    if let Question::Genesis { network, .. } = &mut question {
        *network = NetworkId([7; 20]).to_string();
    }
    lies.push(Lie {
        name: "genesis-of-another-network",
        description: "the genesis hash does not begin with the network",
        question,
        slug: "wrong_genesis",
        checks: &[(ANCHOR, "actual == network")],
    });
    let mut header = world.header(0);
    header.digest.next_validator_set = world.sets[1].set.hash();
    lies.push(Lie {
        name: "genesis-set",
        description: "the set is not the one that certifies genesis, but the next one",
        question: genesis(&header, &world.sets[1]),
        slug: "set_mismatch",
        checks: &[(ANCHOR, "digest.validator_set == hash")],
    });
    lies.push(Lie {
        name: "genesis-next-set",
        description: "block 1 is of another set than genesis",
        question: genesis(&header, &world.sets[0]),
        slug: "set_mismatch",
        checks: &[(ANCHOR, "digest.next_validator_set == hash")],
    });
    lies.extend(checkpoints(world));
    lies
}

fn checkpoints(world: &World) -> Vec<Lie> {
    const ANCHOR: &str = "light/anchor.rs";
    let (good, question) = checkpoint(world, 5);
    let (mut other_genesis, mut other_set) = (question.clone(), question);
    if let Question::Checkpoint { genesis, .. } = &mut other_genesis {
        *genesis = [9; 32];
    }
    if let Question::Checkpoint { validators, .. } = &mut other_set {
        *validators = world.sets[0].set.encode();
    }
    let mut header = world.header(5);
    header.state_root = H256([9; 32]);
    let height = Checkpoint {
        height: Height(6),
        ..good
    };
    vec![
        Lie {
            name: "checkpoint-genesis",
            description: "the genesis hash does not begin with the checkpoint's network",
            question: other_genesis,
            slug: "wrong_genesis",
            checks: &[(ANCHOR, "NetworkId::from_genesis(&genesis) == network")],
        },
        Lie {
            name: "checkpoint-header",
            description: "another header than the checkpoint names",
            question: of(world, &good, &header),
            slug: "checkpoint_mismatch",
            checks: &[(ANCHOR, "header.hash() == checkpoint.hash")],
        },
        Lie {
            name: "checkpoint-height",
            description: "the checkpoint names another height than its header has",
            question: of(world, &height, &world.header(5)),
            slug: "checkpoint_height",
            checks: &[(ANCHOR, "height == checkpoint.height")],
        },
        Lie {
            name: "checkpoint-set",
            description: "another set than the one that certifies the checkpoint's block",
            question: other_set,
            slug: "set_mismatch",
            checks: &[(ANCHOR, "digest.validator_set == validators.hash()")],
        },
    ]
}
