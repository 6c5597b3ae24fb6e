//! New identities: bodies, names, admissions.

use allod_primitives::document::Service;
use allod_primitives::limits::{
    CONTROL_DELAY_MS_DEFAULT, CONTROL_DELAY_MS_MIN_FLOOR, GUARDIANS_MAX, OPERATION_VALIDITY_MS_MAX,
    VOUCHER_VALIDITY_MS_MAX,
};
use allod_primitives::operation::{
    Admission, Body, Inception, Lane, Payer, SignedOperation, work_bits,
};
use allod_primitives::policy::{GuardianSet, Rank};
use allod_primitives::{DidId, ForkId, H256, TimeMs};
use allod_runtime::frame::TransactionError as E;
use allod_runtime::{RuntimeCall, did};
use ed25519_dalek::SigningKey;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::defects::{BAD_DOCUMENTS, BAD_RANKS};
use super::draft::{Draft, TAMPERINGS};
use super::judge::Bench;
use super::world::{Author, World};
use crate::author::{bare, bounded, inception, key, method, public, rank, sign, text, voucher};
use crate::tally::{Half, Tally, Verdict, variant};

/// An identity to be, signed for by two keys.
struct Birth {
    inception: Inception,
    keys: Vec<SigningKey>,
    /// Fields of the operation that are changed after the identity was named.
    operation: fn(&World, &mut Draft, &mut ChaCha8Rng),
    tamper: usize,
}

impl Birth {
    fn new(rng: &mut ChaCha8Rng) -> Self {
        let n = rng.r#gen();
        let keys = vec![key("newborn", n), key("newborn", n ^ 1)];
        let mut inception = inception(&keys[0], &key("login", n), rng.r#gen());
        inception.policy.ranks = bounded([rank(&[&keys[0], &keys[1]], 2)]);
        let operation = |_: &World, _: &mut Draft, _: &mut ChaCha8Rng| {};
        let tamper = usize::MAX;
        Self {
            inception,
            keys,
            operation,
            tamper,
        }
    }

    fn sign(self, world: &World, payer: Payer, rng: &mut ChaCha8Rng) -> SignedOperation {
        let author = Author {
            did: self.inception.did_id(),
            control: Vec::new(),
            login: self.keys[0].clone(),
            old: self.keys[0].clone(),
        };
        let body = Body::Incept(self.inception);
        let mut draft = Draft {
            operation: world.operation(&author, Lane::Rank(0), body),
            keys: self.keys,
            after: TAMPERINGS.get(self.tamper).map(|it| it.2),
        };
        draft.operation.payer = payer;
        (self.operation)(world, &mut draft, rng);
        draft.sign()
    }
}

/// Gives an inception guardians that differ from good ones by `spoil`.
fn guard(inception: &mut Inception, spoil: fn(&mut GuardianSet)) {
    let mut set = GuardianSet {
        root: H256::ZERO,
        count: 3,
        threshold: 1,
        delay_ms: CONTROL_DELAY_MS_DEFAULT,
    };
    spoil(&mut set);
    inception.policy.guardians = Some(set);
}

type BadBody = (&'static str, E, fn(&mut Inception));

const BAD_BODIES: &[BadBody] = &[
    ("unknown version of the body", E::UnknownVersion, |it| {
        it.version = 2
    }),
    ("no rank", E::Malformed, |it| it.policy.ranks = bounded([])),
    ("a key in two ranks", E::Malformed, |it| {
        let rank = it.policy.ranks[0].clone();
        it.policy.ranks = bounded([rank.clone(), rank]);
    }),
    ("a vacant rank 0", E::Malformed, |it| {
        let first = it.policy.ranks[0].clone();
        it.policy.ranks = bounded([Rank::default(), first]);
    }),
    ("a vacant rank at the end", E::Malformed, |it| {
        let first = it.policy.ranks[0].clone();
        it.policy.ranks = bounded([first, Rank::default()]);
    }),
    ("a delay of a moment", E::Malformed, |it| {
        it.policy.delay_ms = CONTROL_DELAY_MS_MIN_FLOOR - 1;
    }),
    ("a delay for ever", E::Malformed, |it| {
        it.policy.delay_ms = u64::MAX
    }),
    ("no guardian", E::Malformed, |it| {
        guard(it, |set| set.count = 0)
    }),
    ("too many guardians", E::Malformed, |it| {
        guard(it, |set| set.count = GUARDIANS_MAX as u16 + 1);
    }),
    ("guardians without threshold", E::Malformed, |it| {
        guard(it, |set| set.threshold = 0);
    }),
    ("guardians without delay", E::Malformed, |it| {
        guard(it, |set| set.delay_ms = 0)
    }),
    (
        "a method and a service of one fragment",
        E::Malformed,
        |it| {
            it.document.services = bounded([Service {
                fragment: text("login"),
                kind: text("Store"),
                endpoints: bounded([text("https://a.example")]),
            }]);
        },
    ),
];

type BadOperation = (&'static str, E, fn(&World, &mut Draft, &mut ChaCha8Rng));

const BAD_OPERATIONS: &[BadOperation] = &[
    ("unknown version", E::UnknownVersion, |_, it, _| {
        it.operation.version = 0
    }),
    ("another network", E::WrongNetwork, |_, it, rng| {
        it.operation.genesis = H256(rng.r#gen())
    }),
    ("another fork", E::WrongFork, |_, it, _| {
        it.operation.fork_id = ForkId(1)
    }),
    ("expired", E::Expired, |world, it, _| {
        it.operation.valid_until = TimeMs(world.now().0 - 1);
    }),
    ("valid too long", E::ValidTooLong, |world, it, _| {
        it.operation.valid_until = world.now().plus_ms(OPERATION_VALIDITY_MS_MAX + 1);
    }),
    ("a name of another body", E::IdMismatch, |_, it, rng| {
        it.operation.did = DidId(rng.r#gen())
    }),
    ("another salt", E::IdMismatch, |_, it, rng| {
        if let Body::Incept(inception) = &mut it.operation.body {
            inception.salt = rng.r#gen();
        }
    }),
    (
        "another key under the same name",
        E::IdMismatch,
        |_, it, rng| {
            let thief = key("thief", rng.r#gen());
            if let Body::Incept(inception) = &mut it.operation.body {
                inception.policy.ranks = bounded([rank(&[&thief], 1)]);
            }
            it.keys = vec![thief];
        },
    ),
    ("another lane", E::Malformed, |_, it, _| {
        it.operation.lane = Lane::Documents
    }),
    ("not the first", E::WrongLane, |_, it, rng| {
        it.operation.lane_seq = rng.gen_range(1..9)
    }),
    ("a predecessor", E::ForkedLane, |_, it, rng| {
        it.operation.lane_prev = H256(rng.r#gen())
    }),
    ("a stranger's keys", E::BadProof, |_, it, rng| {
        it.keys = vec![key("stranger", rng.r#gen()), key("stranger", rng.r#gen())];
    }),
    ("not an inception", E::Malformed, |_, it, _| {
        it.operation.body = Body::Deactivate;
    }),
    (
        "an identity that is there",
        E::AlreadyExists,
        |world, it, _| {
            let author = &world.alive[1];
            let body = Body::Incept(inception(&author.old, &author.login, [1; 16]));
            it.operation.did = author.did;
            it.operation.body = body;
            it.keys = vec![author.old.clone()];
        },
    ),
];

type BadAdmission = (
    &'static str,
    E,
    fn(&World, &DidId, &mut ChaCha8Rng) -> Admission,
);

const BAD_ADMISSIONS: &[BadAdmission] = &[
    ("a voucher of nobody", E::NotAdmitted, |world, did, rng| {
        let nobody = key("stranger", rng.r#gen());
        Admission::Voucher(voucher(&world.chain(), &nobody, did, world.now()))
    }),
    ("a voucher of a trustee", E::NotAdmitted, |world, did, _| {
        Admission::Voucher(voucher(
            &world.chain(),
            &world.trustees[0],
            did,
            world.now(),
        ))
    }),
    ("an expired voucher", E::Expired, |world, did, rng| {
        let expires = TimeMs(world.now().0 - rng.gen_range(1..99));
        Admission::Voucher(voucher(&world.chain(), &world.registrar, did, expires))
    }),
    (
        "a voucher that lasts too long",
        E::ValidTooLong,
        |world, did, rng| {
            let expires = world
                .now()
                .plus_ms(VOUCHER_VALIDITY_MS_MAX + rng.gen_range(1..99));
            Admission::Voucher(voucher(&world.chain(), &world.registrar, did, expires))
        },
    ),
    (
        "a voucher without budget",
        E::OverBudget,
        |world, did, _| Admission::Voucher(voucher(&world.chain(), &world.poor, did, world.now())),
    ),
    ("a voucher for another", E::BadProof, |world, _, rng| {
        let did = DidId(rng.r#gen());
        Admission::Voucher(voucher(&world.chain(), &world.registrar, &did, world.now()))
    }),
    (
        "a voucher of another network",
        E::BadProof,
        |world, did, rng| {
            let mut chain = world.chain();
            chain.genesis = H256(rng.r#gen());
            Admission::Voucher(voucher(&chain, &world.registrar, did, world.now()))
        },
    ),
    ("a voucher prolonged", E::BadProof, |world, did, rng| {
        let mut voucher = voucher(&world.chain(), &world.registrar, did, world.now());
        voucher.expires = voucher.expires.plus_ms(rng.gen_range(1..999));
        Admission::Voucher(voucher)
    }),
    (
        "a voucher in the registrar's name",
        E::BadProof,
        |world, did, rng| {
            let mut voucher = voucher(&world.chain(), &world.registrar, did, world.now());
            voucher.signature = sign(&key("stranger", rng.r#gen()), b"I am a registrar");
            Admission::Voucher(voucher)
        },
    ),
    ("too little work", E::NotAdmitted, |world, did, rng| {
        loop {
            let nonce = rng.r#gen();
            if work_bits(&world.chain(), did, nonce) < 8 {
                break Admission::Work { nonce };
            }
        }
    }),
    ("work for another", E::NotAdmitted, |world, did, rng| {
        let other = DidId(rng.r#gen());
        let good = |nonce: &u64| {
            work_bits(&world.chain(), &other, *nonce) >= 8
                && work_bits(&world.chain(), did, *nonce) < 8
        };
        let nonce = (0..).find(good).expect("one in 256 will do");
        Admission::Work { nonce }
    }),
];

/// Draws an inception with one rule broken before admission is asked for.
fn defective(
    world: &World,
    round: usize,
    payer: Payer,
    rng: &mut ChaCha8Rng,
) -> (&'static str, E, SignedOperation) {
    let mut birth = Birth::new(rng);
    let parts = [
        BAD_OPERATIONS.len(),
        BAD_BODIES.len(),
        BAD_RANKS.len(),
        BAD_DOCUMENTS.len(),
    ];
    let mut n = round % (parts.iter().sum::<usize>() + TAMPERINGS.len());
    let part = parts.iter().position(|length| {
        let here = n < *length;
        n -= if here { 0 } else { *length };
        here
    });
    let (name, expected) = match part {
        Some(0) => {
            let (name, expected, defect) = BAD_OPERATIONS[n];
            birth.operation = defect;
            (name, expected)
        }
        Some(1) => {
            let (name, expected, spoil) = BAD_BODIES[n];
            spoil(&mut birth.inception);
            (name, expected)
        }
        Some(2) => {
            let (name, expected, spoil) = BAD_RANKS[n];
            spoil(&mut birth.inception.policy.ranks.as_mut_slice()[0]);
            (name, expected)
        }
        Some(_) => {
            let (name, spoil) = BAD_DOCUMENTS[n];
            birth.inception.document.methods = bounded([method("new", &key("login", 7))]);
            spoil(&mut birth.inception.document);
            (name, E::Malformed)
        }
        None => {
            birth.tamper = n;
            (TAMPERINGS[n].0, TAMPERINGS[n].1)
        }
    };
    (name, expected, birth.sign(world, payer, rng))
}

/// Returns the admission that a voucher of the registrar gives.
fn admitted(world: &World, did: &DidId) -> Admission {
    Admission::Voucher(voucher(&world.chain(), &world.registrar, did, world.now()))
}

/// Judges inceptions with one rule broken: bare, in batches, and by their admissions.
pub(crate) fn field_half(rounds: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let mut bench = Bench::new();
    let mut batch = Vec::new();
    for round in 0..rounds {
        match round % 3 {
            0 => {
                let (name, expected, operation) =
                    defective(&bench.world, round / 3, Payer::Any, rng);
                let admission = admitted(&bench.world, &operation.operation.did);
                let call = did::Call::incept {
                    operation,
                    admission,
                };
                let verdict = bench.expect(name, &bare(&RuntimeCall::Did(call)), expected);
                tally.count("Did.incept", Half::Fields, verdict);
            }
            1 => {
                let payer = Payer::Sponsor(public(&bench.world.registrar));
                let (name, expected, operation) = defective(&bench.world, round / 3, payer, rng);
                batch.push((name, expected, operation));
            }
            _ => judge_admission(&mut bench, round, rng, tally),
        }
        if batch.len() == 16 {
            judge_batch(&mut bench, std::mem::take(&mut batch), tally);
        }
    }
    bench.settle();
}

fn judge_admission(bench: &mut Bench, round: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let (name, expected, admit) = BAD_ADMISSIONS[round % BAD_ADMISSIONS.len()];
    let operation = Birth::new(rng).sign(&bench.world, Payer::Own, rng);
    let admission = admit(&bench.world, &operation.operation.did, rng);
    let call = did::Call::incept {
        operation,
        admission,
    };
    let verdict = bench.expect(name, &bare(&RuntimeCall::Did(call)), expected);
    tally.count("Did.incept", Half::Fields, verdict);
}

fn judge_batch(bench: &mut Bench, batch: Vec<(&str, E, SignedOperation)>, tally: &mut Tally) {
    // An operation that is no inception is judged as one of an identity that does not exist.
    let expected = |(name, error, _): &(&str, E, SignedOperation)| match *name {
        "not an inception" => "did::Error::NotFound".to_owned(),
        _ => format!("did::Error::{}", variant(error)),
    };
    let expected: Vec<String> = batch.iter().map(expected).collect();
    let names: Vec<&str> = batch.iter().map(|it| it.0).collect();
    let items = bounded(batch.into_iter().map(|it| it.2).collect::<Vec<_>>());
    let call = RuntimeCall::Did(did::Call::batch { items });
    let body = bench.world.signed(&bench.world.registrar, &call);
    bench.expect_items(&format!("{names:?}"), &body, &expected);
    for error in expected {
        tally.count("Did.batch", Half::Fields, Verdict::Refused(error));
    }
}
