//! The slot for another version of the state machine.

use allod_primitives::Height;
use allod_primitives::extrinsic::{Era, RawExtrinsic, SignedPart, SigningContext};

use super::{Chain, DAY_MS, propose, trustee, vote_for};
use crate::authority::types::{Action, proposal_hash};
use crate::authority::{self, Error};
use crate::executive::{
    BlockError, BuildLimits, Executive, UpgradeRequired, build_block, check_version,
};
use crate::frame::wire::Phase;
use crate::frame::{Direct, DispatchError, DispatchResult, TransactionError, Value};
use crate::system;
use crate::version::{SPEC_VERSION, VERSIONS, Version};

fn schedule(chain: &mut Chain, spec_version: u32, height: u64) -> DispatchResult {
    let expires = chain.next_time().plus_ms(DAY_MS);
    let action = Action::ScheduleUpgrade {
        spec_version,
        height: Height(height),
    };
    let number = authority::open_proposals(&chain.state).next;
    let proposer = super::public(&trustee(0));
    let actions = vec![action.clone()].try_into().unwrap();
    let hash = proposal_hash(&chain.id(), number, &proposer, &actions, expires);
    let nonce = |chain: &Chain, index| system::nonce(&chain.state, &super::public(&trustee(index)));
    let first = chain.signed(
        &trustee(0),
        nonce(chain, 0),
        &propose(vec![action], expires),
    );
    let second = chain.signed(&trustee(1), nonce(chain, 1), &vote_for(number, hash));
    chain.build(vec![first, second]).executed.results[2].outcome
}

#[test]
fn a_node_without_the_version_halts_before_its_block() {
    let mut chain = Chain::new();
    assert_eq!(schedule(&mut chain, SPEC_VERSION + 1, 5), Ok(()));
    let slot = authority::scheduled_upgrade(&chain.state).expect("scheduled");
    assert_eq!((slot.spec_version, slot.height), (2, Height(5)));
    chain.empty_blocks(3);
    assert_eq!(chain.head.number, Height(4));
    let halt = UpgradeRequired {
        spec_version: 2,
        height: Height(5),
    };
    assert_eq!(check_version(&chain.state, Height(4)), Ok(()));
    assert_eq!(check_version(&chain.state, Height(5)), Err(halt));
    let time = chain.next_time();
    let limits = BuildLimits::default();
    let built = build_block(&chain.state, &chain.head, time, [], &limits, &Direct);
    assert_eq!(built.unwrap_err(), BlockError::UpgradeRequired(halt));
    let inherent = crate::RuntimeCall::Timestamp(crate::timestamp::Call::set { now: time.0 });
    let executed = chain.execute(&[super::bare(&inherent)]);
    assert_eq!(executed, Err(BlockError::UpgradeRequired(halt)));
}

#[test]
fn a_schedule_can_be_taken_back() {
    let mut chain = Chain::new();
    assert_eq!(schedule(&mut chain, SPEC_VERSION + 1, 4), Ok(()));
    assert_eq!(schedule(&mut chain, SPEC_VERSION, 0), Ok(()));
    assert_eq!(authority::scheduled_upgrade(&chain.state), None);
    chain.empty_blocks(5);
}

#[test]
fn a_schedule_must_be_newer_and_ahead() {
    let mut chain = Chain::new();
    let refused = Err(DispatchError::from(Error::InvalidUpgrade));
    assert_eq!(schedule(&mut chain, SPEC_VERSION - 1, 100), refused);
    // Executed in block 2: block 4 is the first that all validators can still prepare for.
    assert_eq!(schedule(&mut chain, SPEC_VERSION + 1, 3), refused);
    assert_eq!(schedule(&mut chain, SPEC_VERSION + 1, 5), Ok(()));
}

#[test]
fn a_state_written_by_a_newer_version_is_refused() {
    let mut chain = Chain::new();
    let newer = system::LastRuntimeUpgradeInfo {
        spec_version: SPEC_VERSION + 1,
        spec_name: "allod".into(),
    };
    let key = system::storage::LAST_RUNTIME_UPGRADE.key();
    chain
        .state
        .insert(key, parity_scale_codec::Encode::encode(&newer));
    let error = check_version(&chain.state, Height(1)).unwrap_err();
    assert_eq!(error.spec_version, SPEC_VERSION + 1);
}

/// A program that knows two versions more; each migration leaves its number, and the third reads
/// what the second left.
const WITH_NEXT: &[Version] = &[
    VERSIONS[0],
    Version {
        spec_version: 2,
        migrate: |context| MARK.put(&mut context.state, &vec![2]),
        ..VERSIONS[0]
    },
    Version {
        spec_version: 3,
        migrate: |context| {
            let mut mark = MARK.get(&context.state).unwrap_or_default();
            mark.push(3);
            MARK.put(&mut context.state, &mark);
        },
        ..VERSIONS[0]
    },
];
const MARK: Value<Vec<u8>> = Value::new("Test", "Mark");

#[test]
fn the_activation_block_runs_every_migration_in_order_under_its_root() {
    let next = Executive::new(WITH_NEXT);
    let mut chain = Chain::new();
    assert_eq!(schedule(&mut chain, 3, 4), Ok(()));
    let limits = BuildLimits::default();
    // Before the height both programs build the same.
    chain.empty_blocks(1);
    let time = chain.next_time();
    let (state, head) = (&chain.state, &chain.head);
    let by_old = build_block(state, head, time, [], &limits, &Direct).unwrap();
    let by_next = next.build_block(state, head, time, [], &limits, &Direct);
    assert_eq!(by_old, by_next.unwrap());
    assert_eq!(by_old.executed.digest.spec_version, 1);
    chain.accept(&by_old.executed);
    assert_eq!(chain.head.number, Height(3));

    // A transaction of the next block is signed for the version that executes it.
    let signed = |chain: &Chain, spec_version| {
        let call = super::vote(9);
        let call = parity_scale_codec::Encode::encode(&call);
        let context = SigningContext {
            spec_version,
            transaction_version: 1,
            genesis_hash: chain.genesis_hash,
        };
        let nonce = system::nonce(&chain.state, &super::public(&trustee(0)));
        let payload = context.payload(&call, &Era::Immortal, nonce, &chain.genesis_hash);
        let part = SignedPart {
            account: super::public(&trustee(0)),
            signature: super::sign(&trustee(0), &payload),
            era: Era::Immortal,
            nonce,
        };
        let signed = Some(part);
        RawExtrinsic { signed, call }.encode_body()
    };
    let time = chain.next_time();
    let candidates = [signed(&chain, 1), signed(&chain, 3)];
    let view = next.view(&chain.state, &chain.head, time);
    let refused = view.validate(&candidates[0], &Direct);
    assert_eq!(refused, Err(TransactionError::BadProof));
    assert!(view.validate(&candidates[1], &Direct).is_ok());
    let (state, head) = (&chain.state, &chain.head);
    let built = next.build_block(state, head, time, candidates.clone(), &limits, &Direct);
    let built = built.unwrap();
    assert_eq!(built.rejected.len(), 1);
    assert_eq!(built.extrinsics[1], candidates[1]);
    let again = next.execute_block(state, head, &built.extrinsics, &Direct);
    assert_eq!(again.unwrap(), built.executed);
    assert_eq!(built.executed.digest.spec_version, 3);
    let first = &built.executed.events[0];
    assert_eq!(first.phase, Phase::Initialization);
    let activated = authority::Event::UpgradeActivated { spec_version: 3 };
    assert_eq!(first.event, activated.into());
    chain.accept(&built.executed);
    assert_eq!(MARK.get(&chain.state), Some(vec![2, 3]));
    assert_eq!(authority::present_version(&chain.state), 3);
    assert_eq!(authority::scheduled_upgrade(&chain.state), None);

    // It happens once, and the old program is out.
    let time = chain.next_time();
    let (state, head) = (&chain.state, &chain.head);
    let after = next.build_block(state, head, time, [], &limits, &Direct);
    let after = after.unwrap().executed;
    assert!(!after.changes.contains_key(&MARK.key()));
    let version = next.runtime_version(state, Height(5)).unwrap();
    assert_eq!(version.spec_version, 3);
    assert!(check_version(state, Height(5)).is_err());
}
