//! Valid extrinsics of every call, mutated without knowledge of the format.

use allod_primitives::extrinsic::{Era, RawExtrinsic};
use allod_primitives::operation::{Admission, Body, Lane, Payer};
use allod_primitives::{H256, decode_strict};
use allod_runtime::executive::Executed;
use allod_runtime::{RuntimeCall, authority, did, grant, revocation};
use ed25519_dalek::SigningKey;
use rand_chacha::ChaCha8Rng;

use super::envelope::Bytes;
use super::judge::{Bench, Judged, item_errors};
use super::world::{Author, World, logout, rotation};
use crate::author::{
    bare, bounded, inception, key, public, sign_message, sign_operation, sign_token, signed,
    voucher,
};
use crate::bytes;
use crate::tally::{Tally, Verdict};

/// Judges byte mutants of extrinsics, call by call.
pub(crate) fn byte_half(rounds: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let mut bench = Bench::new();
    for (name, samples) in samples(&bench.world) {
        for sample in &samples {
            let judged = bench.judge(sample);
            assert!(matches!(judged, Judged::Included(_)), "{name}: {judged:?}");
        }
        let share = rounds / 10;
        bytes::run(name, &samples, share, rng, tally, |_, mutant| {
            match bench.judge(mutant) {
                Judged::Refused(error) => Verdict::refused("TransactionError", &error),
                Judged::Included(executed) => taken(name, &executed),
            }
        });
    }
    bench.settle();
}

/// Judges byte mutants of a batch's call inside a genuine envelope: the registrar signs whatever
/// bytes it was sent, and no item gets in that its author did not sign.
pub(crate) fn resigned_half(rounds: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let mut bench = Bench::new();
    let calls: Vec<Vec<u8>> = [
        did_batch(&bench.world, &bench.world.alive[0]),
        anchors(&bench.world),
    ]
    .map(|body| RawExtrinsic::decode_body(&body).expect("it is one").call)
    .into();
    bytes::run(
        "batch, signed again",
        &calls,
        rounds,
        rng,
        tally,
        |original, mutant| {
            let body = bench
                .world
                .signed(&bench.world.registrar, &Bytes(mutant.to_vec()));
            match bench.judge(&body) {
                Judged::Refused(error) => Verdict::refused("TransactionError", &error),
                Judged::Included(executed) => judge_items(original, mutant, &executed),
            }
        },
    );
    bench.settle();
}

/// Checks that a batch's items succeeded exactly as far as they are the original's.
fn judge_items(original: &[u8], mutant: &[u8], executed: &Executed) -> Verdict {
    let call = |bytes| decode_strict::<RuntimeCall>(bytes).expect("it was executed");
    let (genuine, items): (usize, usize) = match (call(original), call(mutant)) {
        (
            RuntimeCall::Did(did::Call::batch { items: original }),
            RuntimeCall::Did(did::Call::batch { items }),
        ) => (
            items.iter().filter(|it| original.contains(it)).count(),
            items.len(),
        ),
        (
            RuntimeCall::Grant(grant::Call::anchor { items: original }),
            RuntimeCall::Grant(grant::Call::anchor { items }),
        ) => (
            items.iter().filter(|it| original.contains(it)).count(),
            items.len(),
        ),
        (original, mutant) => panic!("{original:?} became {mutant:?}"),
    };
    let errors = item_errors(executed);
    assert_eq!(items - errors.len(), genuine, "{errors:?}");
    match errors.into_iter().next() {
        Some(error) => Verdict::Refused(error),
        None => Verdict::Taken("a batch that lost an item, for which its registrar signed"),
    }
}

/// Says why an included mutant is harmless. Everything in an extrinsic is under a signature; what
/// is not in this list panics.
fn taken(name: &str, executed: &Executed) -> Verdict {
    let errors = item_errors(executed);
    panic!(
        "{name}: a mutant was included: {:?}, items {errors:?}",
        executed.results[1]
    )
}

/// Returns valid extrinsics by call.
fn samples(world: &World) -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let (first, second) = (&world.alive[0], &world.alive[1]);
    vec![
        ("Did.submit", submissions(world)),
        ("Did.submit, control", super::control::samples(world)),
        (
            "Did.incept",
            vec![birth(world, 1), birth(world, 2), by_work(world)],
        ),
        (
            "Did.batch",
            vec![did_batch(world, first), did_batch(world, second)],
        ),
        (
            "Revocation.revoke",
            vec![bare(&revoke(world, first)), bare(&revoke(world, second))],
        ),
        ("Revocation.batch", vec![revocations(world)]),
        (
            "Grant.revoke",
            (0..3).map(|n| grant_revocation(world, n)).collect(),
        ),
        ("Grant.anchor", vec![anchors(world)]),
        ("Authority.vote", vec![vote(world, 1), vote(world, 2)]),
        ("mortal extrinsic", vec![mortal(world)]),
    ]
}

fn submissions(world: &World) -> Vec<Vec<u8>> {
    let submit = |author: &Author, lane, body| {
        let operation = world.operation(author, lane, body);
        let keys: Vec<&SigningKey> = author.control.iter().take(2).collect();
        let operation = sign_operation(operation, &keys);
        bare(&RuntimeCall::Did(did::Call::submit { operation }))
    };
    let rotate = rotation(&[&key("fresh", 0), &key("fresh", 1)], 1);
    vec![
        submit(&world.alive[0], Lane::Documents, logout()),
        submit(&world.alive[1], Lane::Rank(0), rotate),
        submit(&world.alive[5], Lane::Rank(0), Body::Deactivate),
    ]
}

fn newborn(world: &World, n: u64) -> (Author, allod_primitives::operation::SignedOperation) {
    let (control, login) = (key("newborn", n), key("login", n));
    let inception = inception(&control, &login, [n as u8; 16]);
    let author = Author {
        did: inception.did_id(),
        control: vec![control.clone()],
        login,
        old: control.clone(),
    };
    let operation = world.operation(&author, Lane::Rank(0), Body::Incept(inception));
    (author, sign_operation(operation, &[&control]))
}

fn birth(world: &World, n: u64) -> Vec<u8> {
    let (author, operation) = newborn(world, n);
    let expires = world.now().plus_ms(5000);
    let voucher = voucher(&world.chain(), &world.registrar, &author.did, expires);
    let admission = Admission::Voucher(voucher);
    bare(&RuntimeCall::Did(did::Call::incept {
        operation,
        admission,
    }))
}

fn by_work(world: &World) -> Vec<u8> {
    let (author, operation) = newborn(world, 3);
    let bits = |nonce: &u64| {
        allod_primitives::operation::work_bits(&world.chain(), &author.did, *nonce) >= 8
    };
    let nonce = (0..).find(bits).expect("one in 256 will do");
    let admission = Admission::Work { nonce };
    bare(&RuntimeCall::Did(did::Call::incept {
        operation,
        admission,
    }))
}

fn did_batch(world: &World, author: &Author) -> Vec<u8> {
    let mut operation = world.operation(author, Lane::Documents, logout());
    operation.payer = Payer::Sponsor(public(&world.registrar));
    let items = bounded([
        sign_operation(operation, &[&author.control[0]]),
        newborn(world, 4).1,
    ]);
    world.signed(
        &world.registrar,
        &RuntimeCall::Did(did::Call::batch { items }),
    )
}

fn revoke(world: &World, author: &Author) -> RuntimeCall {
    let operation = sign_token(world.token(author, "a token"), &[&author.control[0]]);
    RuntimeCall::Revocation(revocation::Call::revoke { operation })
}

fn revocations(world: &World) -> Vec<u8> {
    let token = |n: usize| {
        let author = &world.alive[n];
        sign_token(world.token(author, "another token"), &[&author.control[0]])
    };
    let items = bounded([token(0), token(1)]);
    world.signed(
        &world.registrar,
        &RuntimeCall::Revocation(revocation::Call::batch { items }),
    )
}

fn grant_revocation(world: &World, n: usize) -> Vec<u8> {
    let (key, gid) = &world.grants[n];
    let message = sign_message(world.grant(key, *gid, false), key);
    bare(&RuntimeCall::Grant(grant::Call::revoke { message }))
}

fn anchors(world: &World) -> Vec<u8> {
    let anchor = |n: u8| {
        let key = key("grant", 50 + u64::from(n));
        sign_message(world.grant(&key, H256([50 + n; 32]), true), &key)
    };
    let items = bounded([anchor(0), anchor(1)]);
    world.signed(
        &world.registrar,
        &RuntimeCall::Grant(grant::Call::anchor { items }),
    )
}

fn vote(world: &World, trustee: usize) -> Vec<u8> {
    let open = authority::proposal(&world.state, 0).expect("the world proposes");
    let hash = open.hash;
    let call = RuntimeCall::Authority(authority::Call::vote { proposal: 0, hash });
    world.signed(&world.trustees[trustee], &call)
}

fn mortal(world: &World) -> Vec<u8> {
    let era = Era::mortal(64, world.parent.number.0);
    let birth = allod_primitives::Height(era.birth(world.parent.number.next().0));
    let hash = match birth {
        allod_primitives::Height(0) => world.genesis_hash,
        birth if birth == world.parent.number => world.parent.hash(),
        birth => allod_runtime::system::block_hash(&world.state, birth).expect("remembered"),
    };
    let call = revoke(world, &world.alive[2]);
    let RuntimeCall::Revocation(revocation::Call::revoke { operation }) = call else {
        unreachable!("a revocation is one")
    };
    let items = bounded([operation]);
    let call = RuntimeCall::Revocation(revocation::Call::batch { items });
    let nonce = world.nonce(&public(&world.registrar));
    signed(&world.context(), &world.registrar, era, &hash, nonce, &call)
}
