//! What a chain may start from.

use allod_primitives::{ForkId, H256, Height, PublicKey, decode_strict};
use parity_scale_codec::Encode;

use super::{Chain, config, key, public, registrar, trustee, validator};
use crate::authority;
use crate::executive::genesis;
use crate::genesis::{GenesisConfig, GenesisError};

fn refused(change: impl FnOnce(&mut GenesisConfig)) -> GenesisError {
    let mut config = config();
    change(&mut config);
    genesis(&config).expect_err("it cannot work")
}

#[test]
fn genesis_is_the_same_for_any_order_of_its_lists() {
    let one = genesis(&config()).unwrap();
    let mut other = config();
    other.trustees.reverse();
    other.validators.reverse();
    assert_eq!(genesis(&other).unwrap(), one);
    let decoded: GenesisConfig = decode_strict(&config().encode()).unwrap();
    assert_eq!(decoded, config());
    assert!(one.results.is_empty() && one.events.is_empty());
    assert_eq!(one.digest.changes_count, 0);
    assert_eq!(one.digest.validator_set, one.digest.next_validator_set);
}

#[test]
fn an_origin_and_its_fork_bind_operations_but_not_extrinsics() {
    let chain = Chain::new();
    assert_eq!(chain.id().genesis, chain.genesis_hash);
    let mut fork = config();
    fork.origin = Some(H256([3; 32]));
    fork.fork_id = ForkId(2);
    let mut chain = Chain::with(&fork);
    assert_eq!(chain.id().genesis, H256([3; 32]));
    assert_eq!(chain.id().fork_id, ForkId(2));
    let built = chain.build(vec![chain.incept(1)]);
    assert_eq!(built.extrinsics.len(), 2);
    assert_eq!(refused(|c| c.fork_id = ForkId(1)), GenesisError::Fork);
    let origin_alone = refused(|c| c.origin = Some(H256([3; 32])));
    assert_eq!(origin_alone, GenesisError::Fork);
}

#[test]
fn roles_that_cannot_work_are_refused() {
    assert_eq!(refused(|c| c.trustees.clear()), GenesisError::Trustees);
    let twice = refused(|c| c.trustees[1] = public(&trustee(0)));
    assert_eq!(twice, GenesisError::Trustees);
    for threshold in [0, 4] {
        let error = refused(|c| c.trustee_threshold = threshold);
        let expected = GenesisError::Threshold {
            threshold,
            trustees: 3,
        };
        assert_eq!(error, expected);
    }
    let weak = PublicKey([0; 32]);
    let error = refused(|c| c.trustees[1] = weak);
    assert_eq!(error, GenesisError::Key { key: weak });
    let account = public(&registrar());
    let error = refused(|c| c.registrars.push((account, 5)));
    assert_eq!(error, GenesisError::Registrar { account });
    let error = refused(|c| c.registrars[0].1 = 0);
    assert_eq!(error, GenesisError::Registrar { account });
    let error = refused(|c| c.admission_work_bits = Some(33));
    assert_eq!(error, GenesisError::Work { bits: 33 });
    let hour = 3_600_000;
    for (delay_ms_min, delay_ms_max) in [
        (hour - 1, 168 * hour),
        (169 * hour, 200 * hour),
        (hour, 167 * hour),
        (hour, 91 * 24 * hour),
    ] {
        let error = refused(|c| {
            c.parameters.control = authority::ControlParameters {
                delay_ms_min,
                delay_ms_max,
            };
        });
        assert_eq!(error, GenesisError::Parameters);
    }
}

#[test]
fn validators_and_peers_must_be_unique() {
    let none = refused(|c| c.validators.clear());
    assert!(matches!(none, GenesisError::Validators(_)));
    let twice = refused(|c| {
        c.validators[1] = validator(1);
        c.validators[1].peer_id = vec![77; 38].try_into().unwrap();
    });
    assert!(matches!(twice, GenesisError::Validators(_)));
    let peer = refused(|c| c.validators[1].peer_id = validator(1).peer_id);
    assert_eq!(peer, GenesisError::Peers);
    let empty = refused(|c| c.observers[0].0 = Vec::new().try_into().unwrap());
    assert_eq!(empty, GenesisError::Peers);
    let power = refused(|c| c.validators[0].power = 0);
    assert!(matches!(power, GenesisError::Validators(_)));
}

#[test]
fn roles_are_readable_from_block_zero() {
    let chain = Chain::new();
    assert_eq!(chain.head.number, Height(0));
    assert!(authority::is_trustee(&chain.state, &public(&trustee(2))));
    assert!(!authority::is_trustee(&chain.state, &public(&registrar())));
    assert!(authority::is_registrar(&chain.state, &public(&registrar())));
    assert!(!authority::has_role(&chain.state, &public(&key(1))));
    assert_eq!(authority::peers(&chain.state).len(), 5);
    let (current, next) = authority::validator_sets(&chain.state).unwrap();
    assert_eq!(current.validators().len(), 4);
    assert_eq!(current, next);
    assert_eq!(crate::timestamp::now(&chain.state), super::START);
}
