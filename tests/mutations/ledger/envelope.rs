//! Signed extrinsics around valid calls, calls that do not exist, and calls from the wrong side.

use allod_primitives::extrinsic::{Era, RawExtrinsic, SigningContext};
use allod_primitives::limits::EXTRINSIC_BYTES_MAX;
use allod_primitives::operation::{Body, Lane};
use allod_primitives::{H256, TimeMs};
use allod_runtime::authority::Action;
use allod_runtime::frame::TransactionError as E;
use allod_runtime::{RuntimeCall, authority, did, grant, revocation, timestamp};
use ed25519_dalek::SigningKey;
use parity_scale_codec::Encode;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::judge::Bench;
use super::world::{World, logout};
use crate::author::{bare, bounded, key, public, sign_message, sign_operation, sign_token, signed};
use crate::tally::{Half, Tally};

/// A signed extrinsic in the making.
struct Letter {
    context: SigningContext,
    key: SigningKey,
    era: Era,
    birth_hash: H256,
    nonce: u32,
    call: Vec<u8>,
}

/// Encodes a call that is bytes already.
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Encode for Bytes {
    fn using_encoded<R, F: FnOnce(&[u8]) -> R>(&self, f: F) -> R {
        f(&self.0)
    }
}

impl Letter {
    fn new(world: &World, key: &SigningKey, call: &RuntimeCall) -> Self {
        Self {
            context: world.context(),
            key: key.clone(),
            era: Era::Immortal,
            birth_hash: world.genesis_hash,
            nonce: world.nonce(&public(key)),
            call: call.encode(),
        }
    }

    fn sign(self) -> Vec<u8> {
        let call = Bytes(self.call);
        signed(
            &self.context,
            &self.key,
            self.era,
            &self.birth_hash,
            self.nonce,
            &call,
        )
    }
}

/// Returns a registrar's batch that would succeed.
fn batch(world: &World, rng: &mut ChaCha8Rng) -> RuntimeCall {
    let author = &world.alive[rng.gen_range(0..5)];
    let operation = sign_operation(
        world.operation(author, Lane::Documents, logout()),
        &[&author.control[0]],
    );
    let grant_key = key("grant", rng.r#gen());
    match rng.gen_range(0..3) {
        0 => RuntimeCall::Did(did::Call::batch {
            items: bounded([operation]),
        }),
        1 => {
            let token = world.token(author, &format!("{}", rng.r#gen::<u64>()));
            let items = bounded([sign_token(token, &[&author.control[0]])]);
            RuntimeCall::Revocation(revocation::Call::batch { items })
        }
        _ => {
            let message = world.grant(&grant_key, H256(rng.r#gen()), true);
            let items = bounded([sign_message(message, &grant_key)]);
            RuntimeCall::Grant(grant::Call::anchor { items })
        }
    }
}

type Defect = (&'static str, E, fn(&World, &mut Letter, &mut ChaCha8Rng));

const DEFECTS: &[Defect] = &[
    ("an account without a role", E::NoRole, |_, it, rng| {
        it.key = key("nobody", rng.r#gen());
        it.nonce = 0;
    }),
    ("a nonce used", E::Stale, |_, it, _| it.nonce -= 1),
    ("the last nonce there is", E::Stale, |_, it, _| {
        it.nonce = u32::MAX
    }),
    ("a nonce ahead", E::Future, |_, it, rng| {
        it.nonce += rng.gen_range(1..u32::MAX / 2)
    }),
    ("another genesis", E::BadProof, |_, it, rng| {
        it.context.genesis_hash = H256(rng.r#gen());
    }),
    ("another spec version", E::BadProof, |_, it, rng| {
        it.context.spec_version += rng.gen_range(1..9);
    }),
    ("another transaction version", E::BadProof, |_, it, rng| {
        it.context.transaction_version += rng.gen_range(1..9);
    }),
    ("another birth block", E::BadProof, |_, it, rng| {
        it.birth_hash = H256(rng.r#gen())
    }),
    ("an era that has passed", E::BadProof, |world, it, _| {
        // Signed for the four blocks before the last four: today the same bytes mean others.
        let then = world.parent.number.0 - 8;
        it.era = Era::mortal(4, then);
        let birth = it.era.birth(then);
        let height = allod_primitives::Height(birth);
        let hash = allod_runtime::system::block_hash(&world.state, height);
        it.birth_hash = hash.expect("remembered");
    }),
    (
        "an era that has not begun",
        E::AncientBirthBlock,
        |world, it, rng| {
            let phase = world.parent.number.0 + rng.gen_range(2..1000);
            it.era = Era::Mortal {
                period: 4096,
                phase,
            };
        },
    ),
    ("an empty batch", E::Malformed, |_, it, rng| {
        it.call = match rng.gen_range(0..3) {
            0 => RuntimeCall::Did(did::Call::batch { items: bounded([]) }),
            1 => RuntimeCall::Revocation(revocation::Call::batch { items: bounded([]) }),
            _ => RuntimeCall::Grant(grant::Call::anchor { items: bounded([]) }),
        }
        .encode();
    }),
    ("no budget", E::OverBudget, |world, it, _| {
        it.key = world.poor.clone();
        it.nonce = world.nonce(&public(&world.poor));
    }),
    ("a trustee's batch", E::NoRole, |world, it, _| {
        it.key = world.trustees[1].clone();
        it.nonce = world.nonce(&public(&it.key));
    }),
    ("a registrar's vote", E::NoRole, |_, it, rng| {
        it.call = vote(rng.gen_range(0..9)).encode();
    }),
    ("a registrar's proposal", E::NoRole, |world, it, _| {
        it.call = proposal(world).encode()
    }),
    ("the time from outside", E::WrongOrigin, |world, it, _| {
        it.call = time(world).encode()
    }),
    ("a bare call, signed", E::WrongOrigin, |world, it, rng| {
        it.call = bare_call(world, rng).encode();
    }),
    ("bytes after the call", E::Undecodable, |_, it, rng| {
        it.call.push(rng.r#gen())
    }),
    ("a call cut short", E::Undecodable, |_, it, _| {
        it.call.pop();
    }),
    (
        "a pallet of tomorrow",
        E::UnknownCall { pallet: 6, call: 0 },
        |_, it, _| {
            it.call = vec![6, 0];
        },
    ),
    (
        "the certificate's inherent",
        E::UnknownCall { pallet: 2, call: 0 },
        |_, it, _| {
            it.call = vec![2, 0, 1, 2, 3];
        },
    ),
    (
        "more items than a batch holds",
        E::Undecodable,
        |_, it, _| {
            // Compact(513), and nothing that follows is looked at.
            it.call = vec![3, 2, 0x05, 0x08];
        },
    ),
];

fn vote(proposal: u32) -> RuntimeCall {
    vote_for(proposal, H256::ZERO)
}

fn vote_for(proposal: u32, hash: H256) -> RuntimeCall {
    RuntimeCall::Authority(authority::Call::vote { proposal, hash })
}

fn proposal(world: &World) -> RuntimeCall {
    let action = Action::SetAdmission {
        vouchers: false,
        work_bits: None,
    };
    RuntimeCall::Authority(authority::Call::propose {
        actions: bounded([action]),
        expires: world.now().plus_ms(1000),
    })
}

fn time(world: &World) -> RuntimeCall {
    RuntimeCall::Timestamp(timestamp::Call::set { now: world.now().0 })
}

/// Returns a call that would succeed bare.
fn bare_call(world: &World, rng: &mut ChaCha8Rng) -> RuntimeCall {
    let author = &world.alive[rng.gen_range(0..5)];
    let control = &author.control[0];
    match rng.gen_range(0..3) {
        0 => {
            let operation = world.operation(author, Lane::Rank(0), Body::Deactivate);
            let operation = sign_operation(operation, &[control]);
            RuntimeCall::Did(did::Call::submit { operation })
        }
        1 => {
            let token = world.token(author, &format!("{}", rng.r#gen::<u64>()));
            let operation = sign_token(token, &[control]);
            RuntimeCall::Revocation(revocation::Call::revoke { operation })
        }
        _ => {
            let (key, gid) = &world.grants[0];
            let message = sign_message(world.grant(key, *gid, false), key);
            RuntimeCall::Grant(grant::Call::revoke { message })
        }
    }
}

type Bare = (&'static str, E, fn(&World, &mut ChaCha8Rng) -> Vec<u8>);

/// What nobody has signed.
const BARE: &[Bare] = &[
    ("a batch, bare", E::WrongOrigin, |world, rng| {
        bare(&batch(world, rng))
    }),
    ("a vote, bare", E::WrongOrigin, |_, rng| {
        bare(&vote(rng.gen_range(0..9)))
    }),
    ("a proposal, bare", E::WrongOrigin, |world, _| {
        bare(&proposal(world))
    }),
    ("a second time", E::WrongOrigin, |world, _| {
        bare(&time(world))
    }),
    ("another version", E::Undecodable, |world, rng| {
        let mut body = bare(&bare_call(world, rng));
        body[0] = [0x00, 0x03, 0x05, 0x44, 0x45, 0x80, 0x83, 0x85, 0xff][rng.gen_range(0..9)];
        body
    }),
    ("another form of address", E::Undecodable, |world, rng| {
        let mut body = world.signed(&world.registrar, &batch(world, rng));
        body[1] = rng.gen_range(1..=255);
        body
    }),
    ("another kind of signature", E::Undecodable, |world, rng| {
        let mut body = world.signed(&world.registrar, &batch(world, rng));
        body[34] = rng.gen_range(1..=255);
        body
    }),
    ("a nonce in a longer form", E::Undecodable, |world, rng| {
        let mut body = world.signed(&world.registrar, &batch(world, rng));
        let nonce = body[100];
        assert_eq!(nonce & 3, 0, "a nonce of one byte");
        body.splice(100..=100, [nonce | 1, 0]);
        body
    }),
    ("too many bytes", E::Undecodable, |world, rng| {
        let mut body = bare(&bare_call(world, rng));
        body.resize(EXTRINSIC_BYTES_MAX + rng.gen_range(1..9), 0);
        body
    }),
    ("nothing", E::Undecodable, |_, _| Vec::new()),
    ("no call", E::Undecodable, |_, _| {
        RawExtrinsic {
            signed: None,
            call: vec![],
        }
        .encode_body()
    }),
];

/// Judges envelopes with one rule broken, unknown calls, and governance that fails.
pub(crate) fn field_half(rounds: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let mut bench = Bench::new();
    for round in 0..rounds {
        let n = round % (DEFECTS.len() + BARE.len() + 2);
        let (name, expected, body) = if let Some((name, expected, defect)) = DEFECTS.get(n) {
            let call = batch(&bench.world, rng);
            let mut letter = Letter::new(&bench.world, &bench.world.registrar, &call);
            defect(&bench.world, &mut letter, rng);
            (*name, *expected, letter.sign())
        } else if let Some((name, expected, make)) = BARE.get(n - DEFECTS.len()) {
            (*name, *expected, make(&bench.world, rng))
        } else {
            let (pallet, call) = unknown_call(rng);
            let body = bare(&Bytes(vec![pallet, call, rng.r#gen()]));
            ("no such call", E::UnknownCall { pallet, call }, body)
        };
        let verdict = bench.expect(name, &body, expected);
        tally.count("extrinsic", Half::Fields, verdict);
    }
    judge_governance(&mut bench, rounds / 10, rng, tally);
    bench.settle();
}

fn unknown_call(rng: &mut ChaCha8Rng) -> (u8, u8) {
    loop {
        let (pallet, call) = (rng.r#gen(), rng.r#gen());
        let known = matches!(
            (pallet, call),
            (1, 0) | (2, 1..=2) | (3, 0..=2) | (4 | 5, 0..=1)
        );
        if !known {
            return (pallet, call);
        }
    }
}

/// Judges trustees' calls that are taken and fail: their nonce is spent, nothing else changes.
fn judge_governance(bench: &mut Bench, rounds: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    for _ in 0..rounds {
        let now = bench.world.now();
        let propose = |actions: Vec<Action>, expires| {
            let actions = bounded(actions);
            RuntimeCall::Authority(authority::Call::propose { actions, expires })
        };
        let open = authority::proposal(&bench.world.state, 0).expect("the world proposes");
        let hash = open.hash;
        let withdraw = RuntimeCall::Authority(authority::Call::withdraw { proposal: 0 });
        let veto = |proposal| RuntimeCall::Authority(authority::Call::veto { proposal });
        let some = Action::RemoveObserver {
            peer_id: bounded(*b"peer"),
        };
        let cases = [
            ("NotFound", 1, vote(rng.gen_range(1..u32::MAX))),
            ("AlreadyVoted", 0, vote_for(0, hash)),
            ("WrongProposal", 1, vote_for(0, H256(rng.r#gen()))),
            ("NotProposer", 1, withdraw),
            ("NotScheduled", 1, veto(0)),
            ("NotFound", 1, veto(rng.gen_range(1..u32::MAX))),
            ("Empty", 1, propose(vec![], now.plus_ms(1000))),
            (
                "Expired",
                1,
                propose(vec![some.clone()], TimeMs(now.0 - rng.gen_range(0..9))),
            ),
            ("ExpiryTooFar", 1, propose(vec![some], now.plus_ms(1 << 50))),
        ];
        for (error, trustee, call) in cases {
            let body = bench.world.signed(&bench.world.trustees[trustee], &call);
            let expected = format!("authority::Error::{error}");
            let verdict = bench.expect_failure(error, &body, &expected);
            tally.count("Authority", Half::Fields, verdict);
        }
    }
}
