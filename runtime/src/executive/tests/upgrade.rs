//! The slot for another version of the state machine.

use allod_primitives::Height;

use super::{Chain, DAY_MS, propose, trustee, vote_for};
use crate::authority::types::{Action, proposal_hash};
use crate::authority::{self, Error};
use crate::executive::{BlockError, BuildLimits, UpgradeRequired, build_block, check_version};
use crate::frame::{Direct, DispatchError, DispatchResult};
use crate::system;
use crate::version::SPEC_VERSION;

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
