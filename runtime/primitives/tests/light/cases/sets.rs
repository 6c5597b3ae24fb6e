//! Lies about which set certifies a header, and second histories of sets.

use allod_primitives::{Header, Height};

use super::header::headers;
use super::{Check, Lie};
use crate::world::World;

const TRUST: &str = "light/trust.rs";
const WITNESS: &str = "light/witness.rs";

/// One header that a set of `by` certifies, put to a client that trusts `sets` and knows `known`.
pub(super) struct Claim {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) slug: &'static str,
    pub(super) checks: &'static [Check],
    pub(super) trust: (&'static [usize], &'static [usize]),
    pub(super) height: usize,
    pub(super) by: usize,
    pub(super) change: fn(&mut Header, &World),
}

pub(super) fn claimed(world: &World, claims: Vec<Claim>) -> Vec<Lie> {
    let lie = |claim: Claim| {
        let mut header = world.header(claim.height);
        (claim.change)(&mut header, world);
        let certified = world.certified_by(&world.sets[claim.by], header);
        Lie {
            name: claim.name,
            description: claim.description,
            question: headers(world.trust(claim.trust.0, claim.trust.1), &[certified]),
            slug: claim.slug,
            checks: claim.checks,
        }
    };
    claims.into_iter().map(lie).collect()
}

pub(super) fn cases(world: &World) -> Vec<Lie> {
    let mut lies = claimed(world, unknown());
    lies.extend(claimed(world, histories()));
    lies.extend(claimed(world, ends()));
    let mut early = world.header(5);
    early.number = Height(3);
    lies.push(Lie {
        name: "set-not-yet",
        description: "a block below the height at which it says that its set began",
        question: headers(
            world.trust_since(6),
            &[world.certified_by(&world.sets[1], early)],
        ),
        slug: "set_expired",
        checks: &[(TRUST, "height >= digest.set_since")],
    });
    lies
}

fn base() -> Claim {
    Claim {
        name: "",
        description: "",
        slug: "set_history",
        checks: &[],
        trust: (&[0, 1], &[0]),
        height: 5,
        by: 1,
        change: |_, _| {},
    }
}

/// Names another set than its own, by its hash; it stays.
fn name_set(header: &mut Header, world: &World, set: usize) {
    header.digest.validator_set = world.sets[set].set.hash();
    header.digest.next_validator_set = header.digest.validator_set;
}

/// Blocks of sets that nobody has shown, or no longer keeps.
fn unknown() -> Vec<Claim> {
    vec![
        Claim {
            name: "set-mismatch",
            description: "the header names a set that is not trusted, by a set id that is",
            slug: "set_mismatch",
            change: |it, world| name_set(it, world, 2),
            ..base()
        },
        Claim {
            name: "set-unknown",
            description: "a set that was replaced says that it has come back",
            slug: "set_unknown",
            checks: &[(TRUST, "set_id <= newest")],
            height: 9,
            by: 0,
            change: |it, world| name_set(it, world, 0),
            ..base()
        },
        Claim {
            name: "set-forgotten",
            description: "the set kept says that it was there before, too",
            slug: "set_forgotten",
            checks: &[(TRUST, "set_id >= oldest")],
            trust: (&[2], &[8]),
            height: 2,
            by: 2,
            change: |it, world| name_set(it, world, 2),
        },
    ]
}

/// Double-signers: another history of who certifies what.
fn histories() -> Vec<Claim> {
    vec![
        Claim {
            name: "set-since",
            description: "the header says that its set began elsewhere",
            checks: &[(WITNESS, "then.set_since == since")],
            change: |it, _| it.digest.set_since = Height(3),
            ..base()
        },
        Claim {
            name: "set-id-of-another",
            description: "a set that was replaced certifies by the number of the one after it",
            checks: &[(WITNESS, "then.validator_set == *next_set")],
            by: 0,
            change: |it, world| name_set(it, world, 0),
            ..base()
        },
        Claim {
            name: "set-follows-itself",
            description: "the newest trusted set calls itself a newer one",
            checks: &[
                (WITNESS, "!is_next || then.validator_set != *next_set"),
                (TRUST, "set_id <= newest"),
            ],
            height: 9,
            change: |it, world| name_set(it, world, 1),
            ..base()
        },
        Claim {
            name: "set-two-at-once",
            description: "a newer set began where the newest trusted one did",
            checks: &[
                (WITNESS, "then.set_since > behind"),
                (TRUST, "set_id <= newest"),
            ],
            height: 9,
            by: 0,
            change: |it, world| {
                name_set(it, world, 0);
                it.digest.set_since = Height(4);
            },
            ..base()
        },
    ]
}

/// Double-signers: a set that ends otherwise than the set behind it says.
fn ends() -> Vec<Claim> {
    vec![
        Claim {
            name: "set-expired",
            description: "a set that was replaced certifies a later block",
            checks: &[(WITNESS, "then.set_id >= set_id")],
            by: 0,
            change: |it, world| {
                name_set(it, world, 0);
                it.digest.set_id = 0;
                it.digest.set_since = Height(0);
            },
            ..base()
        },
        Claim {
            name: "set-split-early",
            description: "a block ends its set before the next one begins",
            checks: &[(WITNESS, "then.set_id >= set_id")],
            height: 1,
            by: 0,
            change: |it, world| it.digest.next_validator_set = world.sets[2].set.hash(),
            ..base()
        },
        Claim {
            name: "set-split-late",
            description: "the last block of a set keeps it",
            slug: "two_blocks",
            checks: &[(WITNESS, "same.hash == *hash")],
            height: 3,
            by: 0,
            change: |it, world| name_set(it, world, 0),
            ..base()
        },
        Claim {
            name: "set-split-other",
            description: "the last block of a set names another set than the one that came",
            slug: "two_blocks",
            checks: &[(WITNESS, "same.hash == *hash")],
            height: 3,
            by: 0,
            change: |it, world| it.digest.next_validator_set = world.sets[2].set.hash(),
            ..base()
        },
    ]
}
