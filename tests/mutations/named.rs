//! The attacks that have names, each with the exact error that answers it.

use allod_primitives::extrinsic::Era;
use allod_primitives::limits::{BATCH_ITEMS_MAX, BLOCK_ITEMS_MAX};
use allod_primitives::operation::{Admission, Body, Lane, Payer, SignedOperation};
use allod_primitives::{ForkId, H256, Height, TimeMs};
use allod_runtime::executive::{BlockError, execute_block};
use allod_runtime::frame::{Direct, TransactionError as E};
use allod_runtime::{RuntimeCall, authority, did, grant, revocation, system, timestamp};
use ed25519_dalek::SigningKey;

use crate::author::{
    bare, bounded, inception, key, public, rank, sign_message, sign_operation, sign_token, signed,
    voucher,
};
use crate::ledger::defects::{NON_CANONICAL, OFF_CURVE, SMALL_ORDER};
use crate::ledger::envelope::Bytes;
use crate::ledger::judge::Bench;
use crate::ledger::world::{Author, World, logout};

/// Checks that an extrinsic is refused with `expected`, everywhere and without a trace.
fn assert_refused(world: World, body: &[u8], expected: E) {
    let mut bench = Bench::of(world);
    bench.expect("named", body, expected);
    bench.settle();
}

fn submit(operation: SignedOperation) -> Vec<u8> {
    bare(&RuntimeCall::Did(did::Call::submit { operation }))
}

/// Returns a valid operation of the first identity, changed before it is signed.
fn operation(
    world: &World,
    change: impl FnOnce(&mut allod_primitives::operation::Operation),
) -> SignedOperation {
    let author = &world.alive[0];
    let mut operation = world.operation(author, Lane::Documents, logout());
    change(&mut operation);
    sign_operation(operation, &[&author.control[0]])
}

/// Returns a registrar's batch of one item.
fn batch(item: SignedOperation) -> RuntimeCall {
    RuntimeCall::Did(did::Call::batch {
        items: bounded([item]),
    })
}

#[test]
fn an_operation_for_another_network_is_refused() {
    let world = World::new();
    let body = submit(operation(&world, |it| it.genesis = H256([9; 32])));
    assert_refused(world, &body, E::WrongNetwork);
}

#[test]
fn an_operation_for_another_fork_is_refused() {
    let world = World::new();
    let body = submit(operation(&world, |it| it.fork_id = ForkId(1)));
    assert_refused(world, &body, E::WrongFork);
}

#[test]
fn a_signed_extrinsic_of_another_network_is_refused() {
    let world = World::new();
    let call = batch(operation(&world, |_| {}));
    let mut context = world.context();
    context.genesis_hash = H256([9; 32]);
    let (genesis, nonce) = (H256([9; 32]), world.nonce(&public(&world.registrar)));
    let body = signed(
        &context,
        &world.registrar,
        Era::Immortal,
        &genesis,
        nonce,
        &call,
    );
    assert_refused(world, &body, E::BadProof);
}

#[test]
fn an_operation_is_taken_once() {
    let mut world = World::new();
    let body = submit(operation(&world, |_| {}));
    world.block(vec![body.clone()]);
    assert_refused(world, &body, E::Stale);
}

#[test]
fn a_signed_extrinsic_is_taken_once() {
    let mut world = World::new();
    let call = batch(operation(&world, |_| {}));
    let body = world.signed(&world.registrar, &call);
    world.block(vec![body.clone()]);
    assert_refused(world, &body, E::Stale);
}

#[test]
fn an_inception_is_taken_once() {
    let mut world = World::new();
    let body = birth(&world, &key("newborn", 0), None);
    world.block(vec![body.clone()]);
    assert_refused(world, &body, E::AlreadyExists);
}

#[test]
fn a_token_is_revoked_once() {
    let mut world = World::new();
    let token = world.token(&world.alive[0], "a token");
    let operation = sign_token(token, &[&world.alive[0].control[0]]);
    let body = bare(&RuntimeCall::Revocation(revocation::Call::revoke {
        operation,
    }));
    world.block(vec![body.clone()]);
    assert_refused(world, &body, E::AlreadyExists);
}

#[test]
fn a_grant_is_revoked_once() {
    let mut world = World::new();
    let (key, gid) = world.grants[0].clone();
    let message = sign_message(world.grant(&key, gid, false), &key);
    let body = bare(&RuntimeCall::Grant(grant::Call::revoke { message }));
    world.block(vec![body.clone()]);
    assert_refused(world, &body, E::AlreadyExists);
}

#[test]
fn a_forked_lane_is_refused() {
    let world = World::new();
    let body = submit(operation(&world, |it| it.lane_prev = H256([9; 32])));
    assert_refused(world, &body, E::ForkedLane);
}

#[test]
fn a_stale_sequence_is_refused() {
    let world = World::new();
    let body = submit(operation(&world, |it| it.lane_seq = 0));
    assert_refused(world, &body, E::Stale);
}

#[test]
fn a_future_sequence_waits_outside_of_blocks() {
    let world = World::new();
    let body = submit(operation(&world, |it| it.lane_seq += 1));
    assert_refused(world, &body, E::Future);
}

#[test]
fn a_stale_nonce_is_refused() {
    let world = World::new();
    let call = batch(operation(&world, |_| {}));
    let (context, genesis) = (world.context(), world.genesis_hash);
    let body = signed(
        &context,
        &world.registrar,
        Era::Immortal,
        &genesis,
        0,
        &call,
    );
    assert_refused(world, &body, E::Stale);
}

#[test]
fn a_future_nonce_waits_outside_of_blocks() {
    let world = World::new();
    let call = batch(operation(&world, |_| {}));
    let nonce = world.nonce(&public(&world.registrar)) + 1;
    let (context, genesis) = (world.context(), world.genesis_hash);
    let body = signed(
        &context,
        &world.registrar,
        Era::Immortal,
        &genesis,
        nonce,
        &call,
    );
    assert_refused(world, &body, E::Future);
}

/// An era of four blocks, four blocks later, names another birth block: the signature is over
/// the old one.
#[test]
fn an_expired_era_is_refused() {
    let mut world = World::new();
    let call = batch(operation(&world, |_| {}));
    let next = world.parent.number.next().0;
    let era = Era::mortal(4, next);
    let birth = match Height(era.birth(next)) {
        // The birth block would be the one being built, whose hash nobody knows yet.
        birth if birth.0 == next => {
            world.block(vec![]);
            world.parent.hash()
        }
        birth if birth == world.parent.number => world.parent.hash(),
        birth => system::block_hash(&world.state, birth).expect("remembered"),
    };
    let nonce = world.nonce(&public(&world.registrar));
    let body = signed(
        &world.context(),
        &world.registrar,
        era,
        &birth,
        nonce,
        &call,
    );
    assert_eq!(
        world.build(vec![body.clone()]).rejected,
        [],
        "valid in its time"
    );
    (0..4).for_each(|_| world.block(vec![]));
    assert_refused(world, &body, E::BadProof);
}

#[test]
fn an_expired_operation_is_refused() {
    let world = World::new();
    let past = TimeMs(world.now().0 - 1);
    let body = submit(operation(&world, |it| it.valid_until = past));
    assert_refused(world, &body, E::Expired);
}

/// A registrar takes an operation from the pool that its author pays for, into its own batch.
#[test]
fn an_operation_stolen_into_a_batch_is_refused() {
    let world = World::new();
    let stolen = operation(&world, |it| it.payer = Payer::Own);
    let body = world.signed(&world.registrar, &batch(stolen));
    Bench::of(world).expect_items("stolen", &body, &["did::Error::WrongPayer".into()]);
}

/// A registrar takes an operation out of another registrar's batch.
#[test]
fn an_operation_stolen_from_a_batch_is_refused() {
    let world = World::new();
    let sponsor = Payer::Sponsor(public(&world.poor));
    let stolen = operation(&world, |it| it.payer = sponsor);
    let body = world.signed(&world.registrar, &batch(stolen));
    Bench::of(world).expect_items("stolen", &body, &["did::Error::WrongPayer".into()]);
}

/// Somebody takes an operation out of a batch and sends it bare, at its author's expense.
#[test]
fn an_operation_unwrapped_from_a_batch_is_refused() {
    let world = World::new();
    let sponsor = Payer::Sponsor(public(&world.registrar));
    let body = submit(operation(&world, |it| it.payer = sponsor));
    assert_refused(world, &body, E::WrongPayer);
}

/// An operation that anybody may pay for is taken once, whoever wraps it again.
#[test]
fn an_operation_rewrapped_is_taken_once() {
    let mut world = World::new();
    let operation = operation(&world, |_| {});
    let wrapped = world.signed(&world.registrar, &batch(operation.clone()));
    world.block(vec![wrapped]);
    assert_refused(world, &submit(operation), E::Stale);
}

/// A registrar keeps what it was given to itself. The owner sends it, or signs it again for itself;
/// what was withheld is worth nothing afterwards.
#[test]
fn an_operation_that_its_sponsor_withholds_is_sent_by_its_owner() {
    for payer in [Payer::Any, Payer::Sponsor(public(&World::new().registrar))] {
        let mut world = World::new();
        let withheld = operation(&world, |it| it.payer = payer);
        let own = match payer {
            Payer::Any => withheld.clone(),
            _ => operation(&world, |it| it.payer = Payer::Own),
        };
        world.block(vec![submit(own)]);
        let late = world.signed(&world.registrar, &batch(withheld));
        Bench::of(world).expect_items("withheld", &late, &["did::Error::Stale".into()]);
    }
}

/// A registrar wraps the owner's rescue and withholds the batch: bare, it is in the next block.
#[test]
fn a_rescue_that_is_withheld_is_sent_bare_by_its_owner() {
    let mut world = World::new();
    let rescues = crate::ledger::control::samples(&world);
    let rescue = rescues[0].clone();
    world.block(vec![rescue.clone()]);
    assert_refused(world, &rescue, E::Stale);
}

#[test]
fn a_number_in_a_longer_form_is_refused() {
    let world = World::new();
    let mut body = world.signed(&world.registrar, &batch(operation(&world, |_| {})));
    let nonce = body[100];
    body.splice(100..=100, [nonce | 1, 0]);
    assert_refused(world, &body, E::Undecodable);
}

#[test]
fn bytes_after_the_call_are_refused() {
    let world = World::new();
    let mut body = submit(operation(&world, |_| {}));
    body.push(0);
    assert_refused(world, &body, E::Undecodable);
}

#[test]
fn signers_in_another_order_are_refused() {
    let world = World::new();
    let author = world.alive[5].clone();
    let keys: Vec<&SigningKey> = author.control.iter().take(2).collect();
    let draft = world.operation(&author, Lane::Documents, logout());
    let mut operation = sign_operation(draft, &keys);
    operation.signatures.as_mut_slice().reverse();
    assert_refused(world, &submit(operation), E::Malformed);
}

#[test]
fn small_order_and_foreign_encodings_are_no_control_keys() {
    for bad in [SMALL_ORDER, NON_CANONICAL, OFF_CURVE] {
        let world = World::new();
        let body = birth(&world, &key("newborn", 0), Some(bad));
        assert_refused(world, &body, E::Malformed);
    }
}

#[test]
fn an_unknown_pallet_is_refused() {
    let body = bare(&Bytes(vec![6, 0]));
    assert_refused(World::new(), &body, E::UnknownCall { pallet: 6, call: 0 });
}

#[test]
fn an_unknown_call_is_refused() {
    let body = bare(&Bytes(vec![3, 3]));
    assert_refused(World::new(), &body, E::UnknownCall { pallet: 3, call: 3 });
}

#[test]
fn the_parents_certificate_is_no_call_yet() {
    let body = bare(&Bytes(vec![2, 0]));
    assert_refused(World::new(), &body, E::UnknownCall { pallet: 2, call: 0 });
}

#[test]
fn the_time_comes_from_the_proposer_alone() {
    let world = World::new();
    let now = world.now().0;
    let body = bare(&RuntimeCall::Timestamp(timestamp::Call::set { now }));
    assert_refused(world, &body, E::WrongOrigin);
}

#[test]
fn an_identity_over_its_quota_is_refused() {
    let world = World::new();
    let author = world.spent.clone();
    let draft = world.operation(&author, Lane::Documents, logout());
    let body = submit(sign_operation(draft, &[&author.control[0]]));
    assert_refused(world, &body, E::OverQuota);
}

#[test]
fn a_registrar_over_its_budget_is_refused() {
    let world = World::new();
    let call = batch(operation(&world, |_| {}));
    let body = world.signed(&world.poor, &call);
    assert_refused(world, &body, E::OverBudget);
}

#[test]
fn an_inception_without_admission_is_refused() {
    let world = World::new();
    let body = {
        let control = key("newborn", 0);
        let operation = first(&world, &control, None);
        let nobody = key("nobody", 0);
        let voucher = voucher(
            &world.chain(),
            &nobody,
            &operation.operation.did,
            world.now(),
        );
        let admission = Admission::Voucher(voucher);
        bare(&RuntimeCall::Did(did::Call::incept {
            operation,
            admission,
        }))
    };
    assert_refused(world, &body, E::NotAdmitted);
}

#[test]
fn an_account_without_a_role_is_refused() {
    let world = World::new();
    let call = RuntimeCall::Authority(authority::Call::vote {
        proposal: 0,
        hash: H256::ZERO,
    });
    let body = world.signed(&key("nobody", 7), &call);
    assert_refused(world, &body, E::NoRole);
}

/// A block holds so many items and no more, however they are spread over batches.
#[test]
fn a_block_with_too_many_items_is_invalid() {
    let world = World::new();
    let template = operation(&world, |it| it.version = 9);
    let items = vec![template; BATCH_ITEMS_MAX as usize];
    let call = RuntimeCall::Did(did::Call::batch {
        items: bounded(items),
    });
    let first = world.nonce(&public(&world.registrar));
    let (context, genesis) = (world.context(), world.genesis_hash);
    let batch = |n: u32| {
        signed(
            &context,
            &world.registrar,
            Era::Immortal,
            &genesis,
            first + n,
            &call,
        )
    };
    let full = BLOCK_ITEMS_MAX / BATCH_ITEMS_MAX;
    let mut block = vec![world.build(vec![]).extrinsics.remove(0)];
    block.extend((0..full).map(batch));
    // The time is an item too, so the last batch does not fit any more.
    let error = execute_block(&world.state, &world.parent, &block, &Direct);
    let expected = BlockError::Extrinsic {
        index: full,
        error: E::ExhaustsResources,
    };
    assert_eq!(error, Err(expected));
    assert_eq!(
        world.build(block[1..].to_vec()).extrinsics.len(),
        full as usize
    );
}

#[test]
fn a_block_without_its_time_is_invalid() {
    let world = World::new();
    let body = submit(operation(&world, |_| {}));
    let error = execute_block(&world.state, &world.parent, &[body], &Direct);
    assert_eq!(error, Err(BlockError::NoTime));
    let error = execute_block(&world.state, &world.parent, &[], &Direct);
    assert_eq!(error, Err(BlockError::NoTime));
}

/// Returns the operation that creates an identity of `control` and maybe another key.
fn first(
    world: &World,
    control: &SigningKey,
    other: Option<allod_primitives::PublicKey>,
) -> SignedOperation {
    let mut inception = inception(control, &key("login", 0), [0; 16]);
    let mut rank = rank(&[control], 1);
    if let Some(other) = other {
        let mut keys = rank.keys.to_vec();
        let mut weighted = keys[0].clone();
        weighted.key = allod_primitives::policy::ControlKey::Ed25519(other);
        keys.push(weighted);
        keys.sort_by(|a, b| a.key.cmp(&b.key));
        rank.keys = bounded(keys);
    }
    inception.policy.ranks = bounded([rank]);
    let author = Author {
        did: inception.did_id(),
        control: vec![control.clone()],
        login: key("login", 0),
        old: control.clone(),
    };
    let draft = world.operation(&author, Lane::Rank(0), Body::Incept(inception));
    sign_operation(draft, &[control])
}

fn birth(
    world: &World,
    control: &SigningKey,
    other: Option<allod_primitives::PublicKey>,
) -> Vec<u8> {
    let operation = first(world, control, other);
    let did = operation.operation.did;
    let admission =
        Admission::Voucher(voucher(&world.chain(), &world.registrar, &did, world.now()));
    bare(&RuntimeCall::Did(did::Call::incept {
        operation,
        admission,
    }))
}
