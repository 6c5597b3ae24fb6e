//! What registrars pay for.

use allod_primitives::operation::{Admission, Voucher, voucher_preimage};
use allod_primitives::{PublicKey, TimeMs};

use super::{Chain, DAY_MS, bare, config, key, public, registrar, sign};
use crate::executive::BuildLimits;
use crate::frame::TransactionError;
use crate::{RuntimeCall, authority, did};

fn small_budget() -> Chain {
    let mut genesis = config();
    genesis.registrars[0].1 = 2;
    Chain::with(&genesis)
}

fn left(chain: &Chain) -> u32 {
    let day = chain.head.digest.time.day();
    authority::remaining_budget(&chain.state, &public(&registrar()), day)
}

#[test]
fn a_budget_is_used_up_and_comes_back_with_the_day() {
    let mut chain = small_budget();
    let candidates: Vec<Vec<u8>> = (1..4).map(|seed| chain.incept(seed)).collect();
    let built = chain.build(candidates.clone());
    assert_eq!(built.extrinsics.len(), 3, "two of three");
    assert_eq!(built.rejected[0].1, TransactionError::OverBudget);
    assert_eq!(left(&chain), 0);
    let midnight = TimeMs((u64::from(chain.head.digest.time.day()) + 1) * DAY_MS);
    let limits = BuildLimits::default();
    let built = chain.build_at(TimeMs(midnight.0 - 1), candidates[2..].to_vec(), &limits);
    assert_eq!(built.extrinsics.len(), 1, "still the same day");
    let built = chain.build_at(midnight, candidates[2..].to_vec(), &limits);
    assert_eq!(built.extrinsics.len(), 2);
    assert_eq!(left(&chain), 1);
}

#[test]
fn a_batch_is_charged_for_every_item_it_attempts() {
    let mut chain = small_budget();
    let mut bad = chain.inception(2);
    bad.signatures = Default::default();
    let items = |list: Vec<_>| {
        RuntimeCall::Did(did::Call::batch {
            items: list.try_into().unwrap(),
        })
    };
    let three = items(vec![bad.clone(), bad.clone(), bad.clone()]);
    let refused = chain.validate(&chain.signed(&registrar(), 0, &three));
    assert_eq!(refused, Err(TransactionError::OverBudget));
    let two = items(vec![chain.inception(1), bad]);
    let built = chain.build(vec![chain.signed(&registrar(), 0, &two)]);
    assert!(
        built.executed.results[1].outcome.is_ok(),
        "a batch is not atomic"
    );
    assert_eq!(built.executed.results[1].items, 2);
    assert_eq!(left(&chain), 0);
    let did = chain.inception(1).operation.did;
    assert!(did::record(&chain.state, &did).is_some());
}

/// The inception of seed 1 with a voucher by `registrar` that expires at `expires`.
fn vouched(chain: &Chain, by: PublicKey, signer: u8, expires: TimeMs) -> Vec<u8> {
    let operation = chain.inception(1);
    let message = voucher_preimage(&chain.id(), &operation.operation.did, expires);
    bare(&RuntimeCall::Did(did::Call::incept {
        operation,
        admission: Admission::Voucher(Voucher {
            registrar: by,
            expires,
            signature: sign(&key(signer), &message),
        }),
    }))
}

#[test]
fn a_voucher_needs_a_registrar_its_signature_and_its_time() {
    let chain = Chain::new();
    let by = public(&registrar());
    let now = chain.next_time();
    let verdict = |body: Vec<u8>| chain.validate(&body).map(|_| ());
    let soon = now.plus_ms(1000);
    assert_eq!(verdict(vouched(&chain, by, 150, soon)), Ok(()));
    assert_eq!(
        verdict(vouched(&chain, by, 150, now)),
        Ok(()),
        "its last moment"
    );
    let expired = vouched(&chain, by, 150, TimeMs(now.0 - 1));
    assert_eq!(verdict(expired), Err(TransactionError::Expired));
    let forged = vouched(&chain, by, 151, soon);
    assert_eq!(verdict(forged), Err(TransactionError::BadProof));
    let unknown = vouched(&chain, public(&key(151)), 151, soon);
    assert_eq!(verdict(unknown), Err(TransactionError::NotAdmitted));
    let long = vouched(&chain, by, 150, now.plus_ms(32 * DAY_MS));
    assert_eq!(verdict(long), Err(TransactionError::ValidTooLong));
}

#[test]
fn work_admits_only_where_the_network_says_so() {
    let incept = |chain: &Chain, nonce| {
        bare(&RuntimeCall::Did(did::Call::incept {
            operation: chain.inception(1),
            admission: Admission::Work { nonce },
        }))
    };
    let chain = Chain::new();
    let refused = chain.validate(&incept(&chain, 0));
    assert_eq!(refused, Err(TransactionError::NotAdmitted));
    let mut genesis = config();
    genesis.admission_vouchers = false;
    genesis.admission_work_bits = Some(6);
    let chain = Chain::with(&genesis);
    let verdicts: Vec<bool> = (0..400)
        .map(|nonce| chain.validate(&incept(&chain, nonce)).is_ok())
        .collect();
    assert!(verdicts.contains(&true) && verdicts.contains(&false));
    let refused = chain.validate(&chain.incept(1));
    assert_eq!(
        refused,
        Err(TransactionError::NotAdmitted),
        "no vouchers here"
    );
}
