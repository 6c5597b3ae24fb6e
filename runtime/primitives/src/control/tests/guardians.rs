//! Sets of guardians, invitations and acknowledgements: spec/control.md §8.

use super::world::*;
use crate::codec::BoundedVec;
use crate::guardian::{Guardian, GuardianError, acknowledgement_preimage, make_set};
use crate::hash::H256;
use crate::limits::GUARDIANS_MAX;
use crate::merkle::{Domain, root};
use crate::operation::GuardianLeaf;
use crate::policy::GuardianSet;
use crate::types::ChainId;
use crate::{DidId, ForkId};

const DID: DidId = DidId([8; 32]);

fn guardian(seed: u8) -> Guardian {
    Guardian {
        key: key(seed),
        weight: 2,
        salt: [seed; 16],
    }
}

fn list(count: u8) -> Vec<Guardian> {
    (1..=count).map(guardian).collect()
}

fn refused(list: &[Guardian], threshold: u32) -> GuardianError {
    make_set(&DID, list, threshold, DAY).unwrap_err()
}

#[test]
fn a_set_has_one_to_32_guardians() {
    let most = GUARDIANS_MAX as u8;
    assert_eq!(refused(&[], 1), GuardianError::Count(0));
    assert_eq!(refused(&list(most + 1), 1), GuardianError::Count(33));
    for count in [1, most] {
        let (set, invitations) = make_set(&DID, &list(count), 2, DAY).unwrap();
        assert_eq!(set.check(), Ok(()));
        assert_eq!((set.count, set.delay_ms), (u16::from(count), DAY));
        assert_eq!(invitations.len(), usize::from(count));
        for (index, invitation) in invitations.iter().enumerate() {
            assert_eq!(invitation.check(), Ok(()));
            assert_eq!(usize::from(invitation.leaf.index), index);
            assert_eq!((invitation.did, &invitation.set), (DID, &set));
        }
    }
}

#[test]
fn weights_thresholds_and_keys_are_checked() {
    let threshold = |threshold| GuardianError::Threshold { threshold, sum: 6 };
    assert_eq!(refused(&list(3), 0), threshold(0));
    assert_eq!(refused(&list(3), 7), threshold(7));
    assert!(make_set(&DID, &list(3), 6, DAY).is_ok());
    let mut weightless = list(3);
    weightless[1].weight = 0;
    assert_eq!(refused(&weightless, 1), GuardianError::ZeroWeight);
    let mut twice = list(3);
    twice[2].key = key(1);
    assert_eq!(refused(&twice, 1), GuardianError::KeyTwice);
}

/// Sets are made by owners: one may list what [`make_set`] refuses.
#[test]
fn a_leaf_without_weight_is_no_guardian_though_it_is_listed() {
    let lists = |weight| {
        let listed = Guardian {
            weight,
            ..guardian(1)
        };
        let bytes = listed.leaf_bytes();
        let set = GuardianSet {
            root: root(Domain::Guardians, [bytes.as_slice()]),
            count: 1,
            threshold: 1,
            delay_ms: DAY,
        };
        let leaf = GuardianLeaf {
            weight,
            salt: listed.salt,
            index: 0,
            path: BoundedVec::default(),
        };
        set.contains(&listed.key, &leaf)
    };
    assert!(lists(1));
    assert!(!lists(0));
}

#[test]
fn an_invitation_to_another_set_is_void() {
    let (_, mut invitations) = make_set(&DID, &list(3), 2, DAY).unwrap();
    invitations[0].set.root = H256([1; 32]);
    assert_eq!(invitations[0].check(), Err(GuardianError::NotInSet));
}

#[test]
fn an_acknowledgement_is_of_one_invitation_on_one_chain() {
    let (_, invitations) = make_set(&DID, &list(2), 2, DAY).unwrap();
    let hashes: Vec<H256> = invitations.iter().map(|it| it.hash()).collect();
    assert_ne!(hashes[0], hashes[1]);
    let chain = |fork_id| ChainId {
        genesis: H256([9; 32]),
        fork_id: ForkId(fork_id),
    };
    let preimage = acknowledgement_preimage(&chain(0), &hashes[0]);
    assert_eq!(preimage.len(), 101);
    assert!(preimage.starts_with(b"allod/guardian-acknowledgement/v1"));
    assert!(preimage.ends_with(&hashes[0].0));
    assert_ne!(preimage, acknowledgement_preimage(&chain(1), &hashes[0]));
}
