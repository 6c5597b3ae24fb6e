//! What a block as a whole must be, and what it leaves behind.

use allod_primitives::header::{changes_root, next_changes_accumulator};
use allod_primitives::limits::{
    BLOCK_BYTES_MAX, BLOCK_EXTRINSICS_MAX, BLOCK_ITEMS_MAX, BLOCK_SIGNATURE_UNITS_MAX,
};
use allod_primitives::operation::{KeySignature, SignatureProof, SignedOperation};
use allod_primitives::policy::ControlKey;
use allod_primitives::{H256, TimeMs, decode_strict, keys};
use parity_scale_codec::Decode;

use super::{Chain, STEP_MS, bare, config, harmless, propose, registrar, trustee, vote};
use crate::executive::{BlockError, BuildLimits, build_block, signature_checks};
use crate::frame::wire::{EventRecord, Phase};
use crate::frame::{Direct, TransactionError};
use crate::system::storage::EVENTS;
use crate::system::{self, Event};
use crate::{RuntimeCall, RuntimeEvent, did, timestamp};

fn time(now: TimeMs) -> Vec<u8> {
    bare(&RuntimeCall::Timestamp(timestamp::Call::set { now: now.0 }))
}

#[test]
fn time_is_set_once_and_first() {
    let chain = Chain::new();
    let now = chain.next_time();
    assert_eq!(chain.execute(&[]), Err(BlockError::NoTime));
    assert_eq!(chain.execute(&[chain.incept(1)]), Err(BlockError::NoTime));
    let call = RuntimeCall::Timestamp(timestamp::Call::set { now: now.0 });
    let signed = chain.signed(&trustee(0), 0, &call);
    assert_eq!(chain.execute(&[signed]), Err(BlockError::NoTime));
    let twice = chain.execute(&[time(now), time(now.plus_ms(1))]);
    let expected = BlockError::Extrinsic {
        index: 1,
        error: TransactionError::WrongOrigin,
    };
    assert_eq!(twice, Err(expected));
    let executed = chain.execute(&[time(now)]).expect("an empty block");
    assert_eq!(executed.digest.time, now);
    let mut after = Chain::new();
    after.accept(&executed);
    assert_eq!(timestamp::now(&after.state), now);
    assert_eq!(system::number(&after.state).0, 1);
}

#[test]
fn time_increases_strictly() {
    let chain = Chain::new();
    let parent = chain.head.digest.time;
    for time_ms in [0, parent.0 - 1, parent.0] {
        let expected = BlockError::TimeNotIncreasing {
            parent,
            time: TimeMs(time_ms),
        };
        assert_eq!(chain.execute(&[time(TimeMs(time_ms))]), Err(expected));
    }
    assert!(chain.execute(&[time(parent.plus_ms(1))]).is_ok());
    // A proposer whose clock is behind still gets a valid block.
    let limits = BuildLimits::default();
    let built = build_block(&chain.state, &chain.head, TimeMs(5), [], &limits, &Direct);
    assert_eq!(built.unwrap().executed.digest.time, parent.plus_ms(1));
}

#[test]
fn events_are_recorded_by_phase_and_end_with_the_outcome() {
    let mut chain = Chain::new();
    let expires = chain.next_time();
    let good = chain.signed(
        &trustee(0),
        0,
        &propose(vec![harmless()], expires.plus_ms(1)),
    );
    let bad = chain.signed(&trustee(1), 0, &vote(9));
    let built = chain.build(vec![good, bad]);
    let bytes = &built.executed.scratch[&EVENTS.key()];
    let events = Vec::<EventRecord<RuntimeEvent, H256>>::decode(&mut bytes.as_slice()).unwrap();
    assert_eq!(events, built.executed.events);
    assert!(!chain.state.contains_key(&EVENTS.key()), "outside the tree");
    let phases: Vec<Phase> = events.iter().map(|record| record.phase).collect();
    let apply = Phase::ApplyExtrinsic;
    assert_eq!(phases, [apply(0), apply(1), apply(1), apply(1), apply(2)]);
    for index in 0..3 {
        let last = events.iter().rfind(|record| record.phase == apply(index));
        let failed = matches!(
            last.unwrap().event,
            RuntimeEvent::System(Event::ExtrinsicFailed { .. })
        );
        assert_eq!(failed, index == 2);
    }
    // The second record begins: ApplyExtrinsic 1, pallet Authority, event Proposed.
    let second = parity_scale_codec::Encode::encode(&events[1]);
    assert_eq!(&second[..7], &[0, 1, 0, 0, 0, 2, 0]);
    // Success of the first: weights and class Mandatory, no fee, no topics.
    let first = parity_scale_codec::Encode::encode(&events[0]);
    assert_eq!(first, [0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0]);
    // Before the extrinsics of the next block the proposal expires.
    let built = chain.build(Vec::new());
    let phases: Vec<Phase> = built
        .executed
        .events
        .iter()
        .map(|record| record.phase)
        .collect();
    assert_eq!(phases, [Phase::Initialization, apply(0)]);
}

#[test]
fn invalid_candidates_are_dropped_with_the_reason() {
    let mut chain = Chain::new();
    let stranger = chain.signed(&super::key(77), 0, &vote(0));
    let good = chain.incept(1);
    let garbage = vec![1, 2, 3];
    let built = chain.build(vec![stranger, garbage, good.clone(), good.clone()]);
    assert_eq!(built.extrinsics.len(), 2);
    assert_eq!(built.extrinsics[1], good);
    let reasons: Vec<TransactionError> = built.rejected.iter().map(|(_, error)| *error).collect();
    assert_eq!(reasons.len(), 3);
    assert_eq!(reasons[0], TransactionError::NoRole);
    assert_eq!(reasons[1], TransactionError::Undecodable);
    assert_eq!(built.executed.results.len(), 2);
    let hash = allod_primitives::header::extrinsic_hash(&good);
    assert_eq!(built.executed.results[1].hash, hash);
    assert_eq!(built.rejected[2].0, hash, "its own duplicate");
    let root = allod_primitives::header::extrinsics_root(&built.extrinsics);
    assert_eq!(chain.head.extrinsics_root, root);
}

#[test]
fn a_block_with_one_invalid_extrinsic_is_invalid() {
    let chain = Chain::new();
    let good = chain.incept(1);
    let time = time(chain.next_time());
    assert!(chain.execute(&[time.clone(), good.clone()]).is_ok());
    let error = chain.execute(&[time, good.clone(), good]).unwrap_err();
    let BlockError::Extrinsic { index: 2, error } = error else {
        panic!("another error: {error}");
    };
    assert_eq!(error, TransactionError::AlreadyExists);
}

#[test]
fn only_identity_changes_advance_the_accumulator() {
    let mut chain = Chain::new();
    chain.empty_blocks(1);
    assert_eq!(chain.head.digest.changes_count, 0);
    assert_eq!(chain.head.digest.changes_accumulator, H256::ZERO);
    let built = chain.build(vec![chain.incept(1)]);
    let did = chain.inception(1).operation.did;
    let record = keys::did_record(&did);
    assert!(built.executed.changes.contains_key(&record));
    let value = built.executed.changes[&record].as_deref();
    let (root, count) = changes_root([(record.as_slice(), value)]);
    assert_eq!(count, 1);
    let digest = &chain.head.digest;
    assert_eq!((digest.changes_root, digest.changes_count), (root, count));
    let expected = next_changes_accumulator(H256::ZERO, chain.head.number, &root, count);
    assert_eq!(digest.changes_accumulator, expected);
    chain.empty_blocks(1);
    assert_eq!(chain.head.digest.changes_accumulator, expected);
    let header = decode_strict::<super::Header>(&parity_scale_codec::Encode::encode(&chain.head));
    assert_eq!(header.unwrap(), chain.head);
}

/// A batch of `count` items that all fail: no signatures.
fn batch(chain: &Chain, nonce: u32, count: usize) -> Vec<u8> {
    let mut item = chain.inception(1);
    item.signatures = Default::default();
    let items = vec![item; count].try_into().unwrap();
    chain.signed(
        &registrar(),
        nonce,
        &RuntimeCall::Did(did::Call::batch { items }),
    )
}

#[test]
fn blocks_fill_up_to_the_items_and_not_beyond() {
    let mut genesis = config();
    genesis.registrars[0].1 = 100_000;
    let mut chain = Chain::with(&genesis);
    let mut candidates: Vec<Vec<u8>> = (0..17).map(|nonce| batch(&chain, nonce, 512)).collect();
    let small = chain.incept(2);
    candidates.push(small.clone());
    let time_and_batches = 1 + 15;
    let built = chain.build(candidates.clone());
    assert_eq!(
        built.extrinsics.len(),
        time_and_batches + 1,
        "what still fits comes in"
    );
    assert_eq!(built.extrinsics.last(), Some(&small));
    assert!(built.rejected.is_empty(), "what does not fit is kept");
    let items: u32 = built
        .executed
        .results
        .iter()
        .map(|result| result.items)
        .sum();
    assert!(items <= BLOCK_ITEMS_MAX);
    // The same block with one batch more is invalid.
    let chain = Chain::with(&genesis);
    let mut extrinsics = vec![time(chain.next_time())];
    extrinsics.extend(candidates[..16].to_vec());
    let error = chain.execute(&extrinsics).unwrap_err();
    let expected = BlockError::Extrinsic {
        index: 16,
        error: TransactionError::ExhaustsResources,
    };
    assert_eq!(error, expected);
}

#[test]
fn blocks_fill_up_to_the_limits_asked_for() {
    let mut chain = Chain::new();
    let all: Vec<Vec<u8>> = (1..9).map(|seed| chain.incept(seed)).collect();
    let limits = BuildLimits {
        extrinsics: 3,
        ..BuildLimits::default()
    };
    let built = chain.build_at(chain.next_time(), all.clone(), &limits);
    assert_eq!(built.extrinsics.len(), 3);
    let mut chain = Chain::new();
    let bytes = 2048 + 11 + 4 * (all[0].len() + 2);
    let limits = BuildLimits {
        bytes,
        ..BuildLimits::default()
    };
    let built = chain.build_at(chain.next_time(), all.clone(), &limits);
    assert_eq!(built.extrinsics.len(), 1 + 4);
    let mut chain = Chain::new();
    let limits = BuildLimits {
        items: 3,
        ..BuildLimits::default()
    };
    let built = chain.build_at(chain.next_time(), all.clone(), &limits);
    assert_eq!(built.extrinsics.len(), 3);
    let mut chain = Chain::new();
    // An operation's signature and a voucher's each: two units.
    let limits = BuildLimits {
        signature_units: 5,
        ..BuildLimits::default()
    };
    let built = chain.build_at(chain.next_time(), all, &limits);
    assert_eq!(built.extrinsics.len(), 1 + 2);
}

/// Goal: nobody buys more verification than a block may have. Method: a registrar's batch with one
/// P-256 signature too many, and with as many as fit.
#[test]
fn an_extrinsic_of_more_signatures_than_a_block_may_have_is_refused_unverified() {
    let mut genesis = config();
    genesis.registrars[0].1 = 100_000;
    let chain = Chain::with(&genesis);
    let signature = |n: u8| KeySignature {
        key: ControlKey::P256([n; 33]),
        proof: SignatureProof::P256([1; 64]),
        leaf: None,
    };
    let signed_by = |count: u8| SignedOperation {
        signatures: (0..count)
            .map(signature)
            .collect::<Vec<_>>()
            .try_into()
            .unwrap(),
        ..chain.inception(1)
    };
    // The sender's signature is one unit.
    let most = (BLOCK_SIGNATURE_UNITS_MAX - 1) / 5;
    let batch_of = |signatures: u32| {
        let mut items = vec![signed_by(32); (signatures / 32) as usize];
        items.push(signed_by((signatures % 32) as u8));
        let items = items.try_into().unwrap();
        chain.signed(
            &registrar(),
            0,
            &RuntimeCall::Did(did::Call::batch { items }),
        )
    };
    assert!(chain.validate(&batch_of(most)).is_ok());
    let too_many = batch_of(most + 1);
    let expected = TransactionError::ExhaustsResources;
    assert_eq!(chain.validate(&too_many), Err(expected));
    let checks = signature_checks(&chain.state, &chain.head, &too_many);
    assert!(checks.is_empty());
    let error = chain.execute(&[time(chain.next_time()), too_many]);
    assert_eq!(
        error,
        Err(BlockError::Extrinsic {
            index: 1,
            error: expected
        })
    );
}

#[test]
fn blocks_of_too_many_bytes_or_extrinsics_are_invalid() {
    let mut genesis = config();
    genesis.registrars[0].1 = 100_000;
    let chain = Chain::with(&genesis);
    let full = batch(&chain, 0, 512);
    let count = BLOCK_BYTES_MAX / full.len() + 1;
    if count * 512 < BLOCK_ITEMS_MAX as usize {
        let batches = (0..count).map(|nonce| batch(&chain, u32::try_from(nonce).unwrap(), 512));
        let mut extrinsics = vec![time(chain.next_time())];
        extrinsics.extend(batches);
        let error = chain.execute(&extrinsics).unwrap_err();
        let BlockError::Extrinsic { error, .. } = error else {
            panic!("another error: {error}");
        };
        assert_eq!(error, TransactionError::ExhaustsResources);
    }
    let many = vec![time(chain.next_time()); BLOCK_EXTRINSICS_MAX + 1];
    let expected = BlockError::TooManyExtrinsics {
        count: BLOCK_EXTRINSICS_MAX + 1,
    };
    assert_eq!(chain.execute(&many), Err(expected));
}

#[test]
fn two_executions_agree_bit_for_bit_over_many_blocks() {
    let mut one = Chain::new();
    let mut two = Chain::new();
    for seed in 1..20 {
        let built = one.build(vec![one.incept(seed), one.incept(seed + 100)]);
        let executed = two.execute(&built.extrinsics).expect("valid");
        two.accept(&executed);
        assert_eq!(one.head.hash(), two.head.hash());
    }
    assert_eq!(one.state, two.state);
    assert_eq!(one.head.digest.time.0, super::START.0 + 19 * STEP_MS);
}
