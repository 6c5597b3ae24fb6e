use allod_primitives::operation::operation_preimage;
use allod_primitives::{DidId, ForkId, NetworkId};

use super::*;

const SEED: [u8; 32] = [8; 32];

fn chain() -> ChainId {
    ChainId {
        genesis: H256([9; 32]),
        fork_id: ForkId(0),
    }
}

fn did(byte: u8) -> Did {
    let network = NetworkId::from_genesis(&chain().genesis);
    Did::new(network, DidId([byte; 32]))
}

fn method() -> MethodSecret {
    MethodSecret {
        fragment: "key-1".into(),
        key: SecretKey::from_seed([1; 32]),
        retired: false,
    }
}

fn request() -> GrantRequest {
    GrantRequest {
        owner: did(1),
        assignee: did(2).to_string(),
        resources: vec!["https://store.example/alice/photos/".into()],
        actions: parse_actions(["read", "modify"]).unwrap(),
        constraints: Vec::new(),
        delegation_depth: 1,
        epoch: 0,
        not_before: 1000,
        expires: 1000 + 10 * DAY_S,
        parent: None,
    }
}

fn signed(request: &GrantRequest, salt: u8) -> SignedGrant {
    let body = request.body().unwrap();
    sign_grant(&chain(), body, &method(), &SEED, [salt; 32]).unwrap()
}

#[test]
fn a_grant_is_signed_by_its_owner_and_outlives_its_last_second_on_the_ledger() {
    let grant = signed(&request(), 3);
    let preimage = grant_preimage(&chain(), &grant.gid(&chain().genesis));
    let owner = method().key.public();
    owner.verify(&preimage, &grant.signature).unwrap();
    assert!(u64::from(grant.expiry_day) * DAY_S <= grant.body.expires);
    assert!(grant.body.expires < u64::from(grant.expiry_day + 1) * DAY_S);
}

#[test]
fn every_salt_makes_another_key_and_another_identifier() {
    let (first, second) = (signed(&request(), 3), signed(&request(), 4));
    assert_ne!(first.grant_key, second.grant_key);
    assert_ne!(first.gid(&chain().genesis), second.gid(&chain().genesis));
    assert_eq!(grant_key(&SEED, &[3; 32]).public(), first.grant_key);
}

#[test]
fn anchor_and_revocation_are_signed_by_the_grants_own_key() {
    let grant = signed(&request(), 3);
    let until = TimeMs(5000);
    for message in [
        anchor_message(&chain(), &grant, &SEED, until).unwrap(),
        revoke_message(&chain(), &grant, &SEED, until).unwrap(),
    ] {
        let preimage = operation_preimage(&chain(), &message.message.hash());
        grant
            .grant_key
            .verify(&preimage, &message.signature)
            .unwrap();
        assert_eq!(message.message.gid, grant.gid(&chain().genesis));
        let bytes = message.encode();
        assert_eq!(
            decode_strict::<SignedGrantMessage>(&bytes).unwrap(),
            message
        );
    }
    let stranger = revoke_message(&chain(), &grant, &[7; 32], until);
    assert!(matches!(stranger, Err(GrantError::NotOurs)));
}

#[test]
fn a_grant_file_says_the_same_after_a_journey() {
    let parent = GrantChain {
        genesis: chain().genesis,
        grants: vec![signed(&request(), 3)],
    };
    let narrower = GrantRequest {
        owner: did(2),
        assignee: "https://app.example/client.json".into(),
        actions: Actions::READ,
        delegation_depth: 0,
        parent: Some(parent.gid()),
        ..request()
    };
    let both = parent.delegate(signed(&narrower, 5)).unwrap();
    let back = GrantChain::from_json(both.to_json().as_bytes()).unwrap();
    assert_eq!(back, both);
    assert_eq!(back.gids().len(), 2);
    assert!(both.to_json().contains("https://app.example/client.json"));
}

#[test]
fn a_delegation_only_narrows() {
    let parent = GrantChain {
        genesis: chain().genesis,
        grants: vec![signed(&request(), 3)],
    };
    let fitting = GrantRequest {
        delegation_depth: 0,
        parent: Some(parent.gid()),
        ..request()
    };
    assert!(parent.delegate(signed(&fitting, 5)).is_ok());
    let wrong = [
        GrantRequest {
            actions: Actions::ALL,
            ..fitting.clone()
        },
        GrantRequest {
            expires: fitting.expires + 1,
            ..fitting.clone()
        },
        GrantRequest {
            delegation_depth: 1,
            ..fitting.clone()
        },
        GrantRequest {
            parent: None,
            ..fitting.clone()
        },
    ];
    for request in wrong {
        let refused = parent.delegate(signed(&request, 5));
        assert!(matches!(refused, Err(GrantError::Delegation { .. })));
    }
    let last = parent.delegate(signed(&fitting, 5)).unwrap();
    assert!(last.delegate(signed(&fitting, 6)).is_err());
}

#[test]
fn changed_grant_files_are_refused() {
    let file = GrantChain {
        genesis: chain().genesis,
        grants: vec![signed(&request(), 3)],
    };
    let text = file.to_json();
    let other = signed(&request(), 4).gid(&chain().genesis).to_string();
    let changed = [
        text.replace(&file.gid().to_string(), &other),
        text.replace("allod-grant", "something"),
        text.replace("\"version\": 1", "\"version\": 2"),
        text.replace("\"grants\"", "\"grant\""),
        text.replacen("0x01", "0x", 1),
    ];
    for text in changed {
        assert!(GrantChain::from_json(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn requests_that_mean_nothing_are_refused() {
    let empty = GrantRequest {
        resources: Vec::new(),
        ..request()
    };
    assert!(matches!(empty.body(), Err(GrantError::Empty)));
    let never = GrantRequest {
        expires: 1000,
        ..request()
    };
    assert!(matches!(never.body(), Err(GrantError::Interval)));
    let long = GrantRequest {
        expires: 1001 + 3660 * DAY_S,
        ..request()
    };
    assert!(matches!(long.body(), Err(GrantError::Interval)));
    let no_uri = GrantRequest {
        resources: vec!["photos".into()],
        ..request()
    };
    assert!(matches!(no_uri.body(), Err(GrantError::Uri { .. })));
    let large = GrantRequest {
        resources: vec![format!("a:{}", "b".repeat(250)); 33],
        ..request()
    };
    assert!(matches!(large.body(), Err(GrantError::TooMany(_))));
    assert!(matches!(
        parse_actions(["fly"]),
        Err(GrantError::Action { .. })
    ));
    assert_eq!(action_names(Actions::ALL).len(), 5);
}
