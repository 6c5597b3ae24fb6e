//! What one extrinsic must be to enter a block.

use allod_primitives::TimeMs;
use allod_primitives::extrinsic::Era;
use allod_primitives::limits::BLOCK_HASH_COUNT;
use parity_scale_codec::Encode;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Chain, bare, harmless, key, propose, registrar, trustee, vote};
use crate::executive::{BlockError, known_call, signature_checks};
use crate::frame::{DispatchError, TransactionError};
use crate::system;
use crate::{RuntimeCall, timestamp};

const LATER: TimeMs = TimeMs(20_001 * super::DAY_MS);

#[test]
fn nonces_go_up_by_one_and_never_come_back() {
    let mut chain = Chain::new();
    let trustee = trustee(0);
    let call = propose(vec![harmless()], LATER);
    let first = chain.signed(&trustee, 0, &call);
    let second = chain.signed(&trustee, 1, &call);

    let waiting = chain.validate(&second).expect("valid after the first");
    let ready = chain.validate(&first).expect("valid now");
    assert!(ready.requires.is_empty());
    assert_eq!(waiting.requires, ready.provides);

    let built = chain.build(vec![second.clone(), first.clone()]);
    assert_eq!(built.extrinsics.len(), 2, "the second came before its turn");
    assert!(built.rejected.is_empty(), "and is kept for a later block");
    assert_eq!(system::nonce(&chain.state, &super::public(&trustee)), 1);

    let built = chain.build(vec![first.clone(), second]);
    assert_eq!(built.rejected.len(), 1);
    assert_eq!(built.rejected[0].1, TransactionError::Stale);
    assert_eq!(chain.validate(&first), Err(TransactionError::Stale));
    assert_eq!(system::nonce(&chain.state, &super::public(&trustee)), 2);
    let last = chain.signed(&trustee, u32::MAX, &call);
    assert_eq!(chain.validate(&last), Err(TransactionError::Stale));
}

#[test]
fn a_nonce_ahead_of_its_turn_makes_a_block_invalid() {
    let chain = Chain::new();
    let ahead = chain.signed(&trustee(0), 1, &vote(0));
    let error = chain.execute(&[time(&chain), ahead]).unwrap_err();
    let expected = BlockError::Extrinsic {
        index: 1,
        error: TransactionError::Future,
    };
    assert_eq!(error, expected);
}

fn time(chain: &Chain) -> Vec<u8> {
    let now = chain.next_time().0;
    bare(&RuntimeCall::Timestamp(timestamp::Call::set { now }))
}

#[test]
fn an_account_without_role_cannot_send() {
    let chain = Chain::new();
    let stranger = chain.signed(&key(77), 0, &vote(0));
    assert_eq!(chain.validate(&stranger), Err(TransactionError::NoRole));
    // A registrar has a role, but does not vote.
    let registrar = chain.signed(&registrar(), 0, &vote(0));
    assert_eq!(chain.validate(&registrar), Err(TransactionError::NoRole));
    let bare = bare(&vote(0));
    assert_eq!(chain.validate(&bare), Err(TransactionError::WrongOrigin));
}

#[test]
fn a_mortal_extrinsic_lives_as_long_as_its_era() {
    let mut chain = Chain::new();
    chain.empty_blocks(5);
    let height = chain.head.number.0;
    let era = Era::mortal(4, height);
    let extrinsic = chain.signed_in(&trustee(0), 0, &vote(9), era, &chain.head.hash());
    let valid = chain.validate(&extrinsic).expect("born in the head");
    assert_eq!(valid.longevity, 3);
    chain.empty_blocks(2);
    assert!(chain.validate(&extrinsic).is_ok(), "in its last block");
    chain.empty_blocks(1);
    let expired = chain.validate(&extrinsic);
    assert_eq!(expired, Err(TransactionError::AncientBirthBlock));
    chain.empty_blocks(1);
    // In the next era of the same phase the birth block is another.
    assert_eq!(chain.validate(&extrinsic), Err(TransactionError::BadProof));
}

#[test]
fn an_era_that_began_before_the_hashes_kept_is_refused() {
    let mut chain = Chain::new();
    chain.empty_blocks(BLOCK_HASH_COUNT + 3);
    let hashes = (1..=3).map(|height| system::block_hash(&chain.state, super::Height(height)));
    let kept: Vec<bool> = hashes.map(|hash| hash.is_some()).collect();
    assert_eq!(kept, [false, false, true]);
    let genesis = system::block_hash(&chain.state, super::Height(0));
    assert_eq!(genesis, Some(chain.genesis_hash));
    let era = Era::Mortal {
        period: 8192,
        phase: 2,
    };
    let extrinsic = chain.signed_in(&trustee(0), 0, &vote(9), era, &chain.genesis_hash);
    let refused = chain.validate(&extrinsic);
    assert_eq!(refused, Err(TransactionError::AncientBirthBlock));
}

#[test]
fn the_pool_and_the_block_agree_on_the_oldest_birth() {
    let mut chain = Chain::new();
    chain.empty_blocks(BLOCK_HASH_COUNT + 4);
    // Block 4 is still in the state, but the next block begins by forgetting it.
    let refused = Err(TransactionError::AncientBirthBlock);
    for (phase, longevity) in [(4, refused), (6, Ok(2))] {
        let period = 8192;
        let era = Era::Mortal { period, phase };
        let birth = system::block_hash(&chain.state, super::Height(phase)).expect("still there");
        let extrinsic = chain.signed_in(&trustee(0), 0, &vote(9), era, &birth);
        let judged = chain.validate(&extrinsic).map(|valid| valid.longevity);
        assert_eq!(
            judged, longevity,
            "its birth is forgotten before its era ends"
        );
        let executed = chain.execute(&[time(&chain), extrinsic]);
        assert_eq!(executed.is_ok(), longevity.is_ok(), "the block agrees");
    }
}

#[test]
fn a_signature_binds_call_nonce_era_versions_and_genesis() {
    let chain = Chain::new();
    let good = chain.signed(&trustee(0), 0, &propose(vec![harmless()], LATER));
    assert!(chain.validate(&good).is_ok());
    let mut other_chain = Chain::new();
    other_chain.genesis_hash = super::H256([1; 32]);
    let foreign = other_chain.signed(&trustee(0), 0, &propose(vec![harmless()], LATER));
    assert_eq!(chain.validate(&foreign), Err(TransactionError::BadProof));
    // Every bit after the account (offset 34) is signed or is the signature.
    for index in 35..good.len() {
        let mut bad = good.clone();
        bad[index] ^= 1;
        assert!(chain.validate(&bad).is_err(), "byte {index}");
    }
}

#[test]
fn signature_checks_list_what_validation_asks_for() {
    let chain = Chain::new();
    let extrinsic = chain.signed(&trustee(0), 0, &propose(vec![harmless()], LATER));
    let checks = signature_checks(&chain.state, &chain.head, &extrinsic);
    assert_eq!(checks.len(), 1);
    let (key, message, signature) = &checks[0];
    assert!(key.verify(message, signature).is_ok());
    let checks = signature_checks(&chain.state, &chain.head, &chain.incept(1));
    assert_eq!(checks.len(), 2, "the operation's and the voucher's");
    for (key, message, signature) in &checks {
        assert!(key.verify(message, signature).is_ok());
    }
    assert!(signature_checks(&chain.state, &chain.head, &[4, 9]).is_empty());
}

#[test]
fn nobody_but_a_registrar_makes_nodes_check_the_signatures_of_a_batch() {
    let mut chain = Chain::new();
    let items = vec![chain.inception(1); 100].try_into().unwrap();
    let call = RuntimeCall::Did(crate::did::Call::batch { items });
    let checks = |chain: &Chain, body: &[u8]| {
        let checks = signature_checks(&chain.state, &chain.head, body);
        checks.len()
    };
    let batch = chain.signed(&registrar(), 0, &call);
    assert_eq!(checks(&chain, &batch), 101);
    let stranger = chain.signed(&key(77), 0, &call);
    assert_eq!(checks(&chain, &stranger), 0);
    // Whoever has read the registrar's account can write it down.
    let mut forged = stranger;
    forged[2..34].copy_from_slice(&super::public(&registrar()).0);
    assert_eq!(checks(&chain, &forged), 0);
    chain.build(vec![batch.clone()]);
    assert_eq!(checks(&chain, &batch), 0, "its nonce is used");
}

#[test]
fn other_encodings_of_an_extrinsic_are_refused() {
    let chain = Chain::new();
    let good = chain.signed(&trustee(0), 0, &vote(0));
    let undecodable = Err(TransactionError::Undecodable);
    let trailing = [good.as_slice(), &[0]].concat();
    assert_eq!(chain.validate(&trailing), undecodable);
    assert_eq!(chain.validate(&good[..good.len() - 1]), undecodable);
    assert_eq!(chain.validate(&[]), undecodable);
    // Nonce 0 as a two-byte compact.
    let mut compact = good.clone();
    assert_eq!(compact[100], 0);
    compact.splice(100..101, [1, 0]);
    assert_eq!(chain.validate(&compact), undecodable);
    // Address by index, signature by Sr25519, version 5.
    for (offset, byte) in [(1, 1), (34, 1), (0, 0x85), (0, 0x05)] {
        let mut other = good.clone();
        other[offset] = byte;
        assert_eq!(chain.validate(&other), undecodable);
    }
    // A list longer than its bound.
    let long = (4u8, 2u8, 1u8, vec![harmless(); 9], LATER).encode();
    assert_eq!(chain.validate(&long), undecodable);
}

#[test]
fn unknown_calls_are_named() {
    let chain = Chain::new();
    for (pallet, call) in [(0, 0), (2, 0), (6, 0), (1, 1), (0x7b, 0x22)] {
        let refused = chain.validate(&[4, pallet, call]);
        assert_eq!(refused, Err(TransactionError::UnknownCall { pallet, call }));
        assert!(!known_call(pallet, call));
    }
    assert!(known_call(2, 1) && known_call(3, 0) && known_call(5, 1));
    let refused = chain.validate(&[4, 3, 0]);
    assert_eq!(refused, Err(TransactionError::Undecodable));
}

#[test]
fn the_time_cannot_be_sent() {
    let chain = Chain::new();
    let refused = chain.validate(&time(&chain));
    assert_eq!(refused, Err(TransactionError::WrongOrigin));
    let now = chain.next_time().0;
    let call = RuntimeCall::Timestamp(timestamp::Call::set { now });
    let refused = chain.validate(&chain.signed(&trustee(0), 0, &call));
    assert_eq!(refused, Err(TransactionError::WrongOrigin));
}

#[test]
fn a_failed_dispatch_costs_its_nonce_and_nothing_else_changes() {
    let mut chain = Chain::new();
    let before = chain.state.clone();
    let built = chain.build(vec![chain.signed(&trustee(0), 0, &vote(9))]);
    let failed = built.executed.results[1].outcome;
    assert_eq!(
        failed,
        Err(DispatchError::from(crate::authority::Error::NotFound))
    );
    let mut changed: Vec<&Vec<u8>> = built.executed.changes.keys().collect();
    let account = allod_primitives::keys::account(&super::public(&trustee(0)));
    changed.retain(|key| **key != account);
    let per_block = [
        system::storage::NUMBER.key(),
        system::storage::BLOCK_HASH.key(&0),
        timestamp::storage::NOW.key(),
    ];
    assert!(changed.iter().all(|key| per_block.contains(key)));
    assert_eq!(system::nonce(&chain.state, &super::public(&trustee(0))), 1);
    assert_eq!(
        before.len() + 2,
        chain.state.len(),
        "account and block hash"
    );
}

/// Goal: no bytes make the judgement panic, and no other bytes than the signed ones pass.
/// Method: seeded damage (bits, bytes, cuts, insertions) to a signed and a bare extrinsic.
#[test]
fn damaged_extrinsics_are_refused_without_panic() {
    let chain = Chain::new();
    let good = [
        chain.signed(&trustee(0), 0, &propose(vec![harmless()], LATER)),
        chain.incept(1),
    ];
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut refused = std::collections::BTreeMap::<String, u32>::new();
    for round in 0..20_000 {
        let original = &good[round % good.len()];
        let mut body = original.clone();
        for _ in 0..random.gen_range(1..4) {
            let at = random.gen_range(0..body.len());
            match random.gen_range(0..6) {
                0 => body.truncate(at.max(1)),
                1 => body.insert(at, random.r#gen()),
                2 => drop(body.remove(at)),
                3 => body[at] = random.r#gen(),
                _ => body[at] ^= 1 << random.gen_range(0..8),
            }
            if body.is_empty() {
                break;
            }
        }
        match chain.validate(&body) {
            Ok(_) => assert_eq!(&body, original, "round {round}"),
            Err(error) => *refused.entry(format!("{error:?}")).or_default() += 1,
        }
    }
    assert!(refused.len() >= 8, "many rules were reached: {refused:?}");
}
