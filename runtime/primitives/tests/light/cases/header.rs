//! Lies about headers, certificates, transitions, and second histories.

use allod_primitives::light::{CertifiedHeader, Transition};
use allod_primitives::{Certificate, H256, Height};
use parity_scale_codec::Encode;

use super::sets::{Claim, claimed};
use super::{Lie, Question};
use crate::world::World;

const TRUST: &str = "light/trust.rs";
const WITNESS: &str = "light/witness.rs";
const CERTIFICATE: &str = "certificate.rs";

pub(super) fn headers(trust: Vec<u8>, list: &[CertifiedHeader]) -> Question {
    Question::Headers {
        trust,
        list: list.iter().map(Encode::encode).collect(),
    }
}

fn transition(world: &World, transition: &Transition) -> Question {
    Question::Transition {
        trust: world.trust(&[0], &[0]),
        transition: transition.encode(),
    }
}

pub(super) fn cases(world: &World) -> Vec<Lie> {
    let mut lies = certificate_cases(world);
    let mut none = world.transition(3);
    none.last = world.honest(2);
    none.validators = world.sets[0].set.clone();
    let mut other = world.transition(3);
    other.validators = world.sets[2].set.clone();
    lies.push(Lie {
        name: "transition-none",
        description: "a transition behind a block that keeps its set",
        question: transition(world, &none),
        slug: "transition_none",
        checks: &[(TRUST, "ends_set(header)")],
    });
    lies.push(Lie {
        name: "transition-set",
        description: "a transition to another set than the block names",
        question: transition(world, &other),
        slug: "transition_set",
        checks: &[(
            TRUST,
            "validators.hash() == header.digest.next_validator_set",
        )],
    });
    lies
}

fn certificate_cases(world: &World) -> Vec<Lie> {
    let (header, set, chain) = (world.header(5), &world.sets[1], &world.id);
    let lie = |name, description, slug, checks, certificate: Certificate| {
        let certified = CertifiedHeader {
            header: header.clone(),
            certificate,
        };
        Lie {
            name,
            description,
            question: headers(world.trust(&[0, 1], &[0]), &[certified]),
            slug,
            checks,
        }
    };
    let (number, hash) = (header.number, header.hash());
    let by = |signers: &[u16]| set.certify(chain, &header, signers);
    let mut version = by(&[0, 1, 2]);
    version.version = 2;
    let mut altered = by(&[0, 1, 2]);
    altered.signatures[1].signature.0[40] ^= 1;
    vec![
        lie(
            "certificate-height",
            "a certificate of another height for this block",
            "certificate_height",
            &[(TRUST, "named.height == height")],
            set.certify_as(chain, Height(6), hash, &[0, 1, 2]),
        ),
        lie(
            "certificate-block",
            "a certificate of another block of this height",
            "certificate_block",
            &[(TRUST, "named.block_hash == *hash")],
            set.certify_as(chain, number, H256([9; 32]), &[0, 1, 2]),
        ),
        lie(
            "certificate-version",
            "a certificate of version 2",
            "encoding",
            &[
                (CERTIFICATE, "self.version == CERTIFICATE_VERSION"),
                (CERTIFICATE, "certificate.version == CERTIFICATE_VERSION"),
            ],
            version,
        ),
        lie(
            "certificate-one-signer-three-times",
            "one validator's power counted three times",
            "encoding",
            &[
                (CERTIFICATE, "is_strictly_ascending(&self.signatures"),
                (CERTIFICATE, "is_strictly_ascending(&certificate.signatures"),
            ],
            by(&[0, 0, 0]),
        ),
        lie(
            "certificate-stranger",
            "a signer beyond the set rides along",
            "certificate_signer",
            &[(CERTIFICATE, "signers.len() == self.signatures.len()")],
            by(&[0, 1, 2, 9]),
        ),
        lie(
            "certificate-two-of-four",
            "half of the power",
            "certificate_power",
            &[(CERTIFICATE, "set.is_quorum(power)")],
            by(&[0, 1]),
        ),
        lie(
            "certificate-signature",
            "one bit of one signature",
            "certificate_signature",
            &[(CERTIFICATE, "verdict.is_ok()")],
            altered,
        ),
        lie(
            "certificate-of-another-fork",
            "precommits of the same set on another fork",
            "certificate_signature",
            &[(CERTIFICATE, "verdict.is_ok()")],
            {
                let mut fork = *chain;
                fork.fork_id.0 = 1;
                set.certify(&fork, &header, &[0, 1, 2])
            },
        ),
    ]
}

/// Double-signers: certified headers that cannot be of one history.
pub(super) fn agreement(world: &World) -> Vec<Lie> {
    let base = || Claim {
        name: "",
        description: "",
        slug: "parent",
        checks: &[],
        trust: (&[0, 1], &[0, 5]),
        height: 6,
        by: 1,
        change: |_, _| {},
    };
    let mut lies = claimed(
        world,
        vec![
            Claim {
                name: "two-blocks",
                description: "a second certified block of one height",
                slug: "two_blocks",
                checks: &[(WITNESS, "same.hash == *hash")],
                height: 5,
                change: |it, _| it.state_root = H256([9; 32]),
                ..base()
            },
            Claim {
                name: "parent-below",
                description: "a block that is no child of the known block before it",
                checks: &[(WITNESS, "header.parent_hash == below.hash")],
                change: |it, _| it.parent_hash = H256([9; 32]),
                ..base()
            },
            Claim {
                name: "parent-above",
                description: "a block that is not the parent of the known block after it",
                checks: &[(WITNESS, "above.header().parent_hash == *hash")],
                height: 4,
                change: |it, _| it.state_root = H256([9; 32]),
                ..base()
            },
            Claim {
                name: "time-below",
                description: "a block that is not later than a lower one",
                slug: "time_order",
                checks: &[(WITNESS, "below.time() < time")],
                change: |it, world| it.digest.time = world.header(5).digest.time,
                ..base()
            },
            Claim {
                name: "time-above",
                description: "a block that is not earlier than a higher one",
                slug: "time_order",
                checks: &[(WITNESS, "time < above.time()")],
                height: 1,
                by: 0,
                change: |it, world| it.digest.time = world.header(5).digest.time,
                ..base()
            },
        ],
    );
    // It contradicts two neighbours, so that one check fewer does not keep it from freezing.
    let mut second = world.header(5);
    second.state_root = H256([9; 32]);
    let list = [world.certified(second), world.honest(7)];
    lies.push(Lie {
        name: "frozen",
        description: "a good header after a second history was seen",
        question: headers(world.trust(&[0, 1], &[0, 5, 6]), &list),
        slug: "frozen",
        checks: &[(TRUST, "self.conflict.is_none()")],
    });
    lies
}
