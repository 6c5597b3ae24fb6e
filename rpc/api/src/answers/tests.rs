//! What the functions read, and when they refuse to answer.

use std::collections::BTreeMap;

use allod_primitives::did::{Did, DidId, NetworkId};
use allod_primitives::document::{
    Document, Method, MethodKey, Relationships, RetireReason, RetiredMethod,
};
use allod_primitives::log::LogHead;
use allod_primitives::policy::ControlPolicy;
use allod_primitives::record::{DID_RECORD_VERSION, DidRecord, Lanes, Status};
use allod_primitives::{BoundedVec, ChainId, ForkId, H256, Height, PublicKey, Text, TimeMs, keys};
use parity_scale_codec::Encode;

use super::{AnswerError, AnswerView, Recorder, check_grant, check_revocation, lanes, resolve};
use crate::grant::{GrantCheckRequest, GrantState};
use crate::identity::{LanesRequest, ResolveRequest};
use crate::limits::RETIRED_PROVEN_MAX;
use crate::revocation::RevocationCheckRequest;
use crate::verify::{LedgerView, Unavailable};

const GENESIS: H256 = H256([7; 32]);

#[derive(Default)]
struct Ledger(BTreeMap<Vec<u8>, Vec<u8>>);

impl LedgerView for Ledger {
    fn storage(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        Ok(self.0.get(key).cloned())
    }

    fn chain(&self) -> ChainId {
        ChainId {
            genesis: GENESIS,
            fork_id: ForkId(0),
        }
    }

    fn head(&self) -> (Height, TimeMs) {
        (Height(42), TimeMs(1_000_000))
    }
}

impl AnswerView for Ledger {
    fn block_hash(&self) -> H256 {
        H256([9; 32])
    }

    fn keys_under(&self, prefix: &[u8], count: usize) -> Result<Vec<Vec<u8>>, Unavailable> {
        let keys = self.0.keys().filter(|key| key.starts_with(prefix));
        Ok(keys.take(count).cloned().collect())
    }
}

fn did() -> Did {
    Did::new(NetworkId::from_genesis(&GENESIS), DidId([3; 32]))
}

fn record(retired_count: u32) -> DidRecord {
    DidRecord {
        version: DID_RECORD_VERSION,
        status: Status::Active,
        created_height: Height(1),
        created: TimeMs(1),
        updated: TimeMs(1),
        policy: ControlPolicy {
            ranks: BoundedVec::new(),
            guardians: None,
            delay_ms: allod_primitives::limits::CONTROL_DELAY_MS_DEFAULT,
        },
        document: Document::default(),
        retired_count,
        method_allowance: allod_primitives::limits::METHOD_ALLOWANCE,
        lanes: Lanes::default(),
        not_before: TimeMs(0),
        grant_epoch: 0,
        pending: BoundedVec::new(),
        cool_downs: BoundedVec::new(),
        frozen: None,
        log: LogHead::default(),
    }
}

fn retired(n: u32) -> RetiredMethod {
    RetiredMethod {
        version: 1,
        method: Method {
            fragment: Text::new(format!("k{n}")).unwrap(),
            key: MethodKey::Ed25519(PublicKey([1; 32])),
            relationships: Relationships(1),
            expires: None,
        },
        since: TimeMs(1),
        until: TimeMs(u64::from(n) + 2),
        reason: RetireReason::Routine,
        declared: TimeMs(2),
    }
}

/// A ledger of one identity that says it has retired `said` methods and has written down `kept`.
fn ledger(said: u32, kept: u32) -> Ledger {
    let mut ledger = Ledger::default();
    let id = did().id();
    ledger
        .0
        .insert(keys::did_record(&id), record(said).encode());
    for n in 0..kept {
        let key = keys::did_retired(&id, &format!("k{n}"));
        ledger.0.insert(key, retired(n).encode());
    }
    ledger
}

fn request() -> ResolveRequest {
    ResolveRequest {
        did: did().to_string(),
        ..ResolveRequest::default()
    }
}

#[test]
fn resolve_reads_the_record_and_every_retired_method() {
    let view = Recorder::new(ledger(3, 3));
    let answer = resolve(&view, &request(), RETIRED_PROVEN_MAX).unwrap();
    assert_eq!((answer.retired_count, answer.retired_proven), (3, true));
    assert!(answer.retired[0].id.ends_with("#k2"));
    assert_eq!(answer.block_hash.0, H256([9; 32]));
    let id = did().id();
    let mut expected: Vec<Vec<u8>> = (0..3)
        .map(|n| keys::did_retired(&id, &format!("k{n}")))
        .collect();
    expected.push(keys::did_record(&id));
    expected.sort();
    assert_eq!(view.into_keys(), expected);
}

#[test]
fn a_view_that_lacks_a_retired_method_or_has_one_too_many_cannot_tell() {
    for (said, kept) in [(3, 2), (3, 4), (1, 0)] {
        let answer = resolve(&ledger(said, kept), &request(), RETIRED_PROVEN_MAX);
        assert_eq!(answer, Err(AnswerError::Unavailable(Unavailable)));
    }
}

#[test]
fn too_many_retired_methods_are_not_listed_and_not_read() {
    let view = Recorder::new(ledger(3, 3));
    let answer = resolve(&view, &request(), 2).unwrap();
    assert_eq!((answer.retired.len(), answer.retired_count), (0, 3));
    assert!(!answer.retired_proven);
    assert_eq!(view.into_keys(), [keys::did_record(&did().id())]);
}

#[test]
fn retired_proven_is_a_member_only_where_it_is_false() {
    for (max, expected) in [(3, None), (2, Some(false))] {
        let answer = resolve(&ledger(3, 3), &request(), max).unwrap();
        let json = serde_json::to_value(&answer).unwrap();
        let member = json.get("retiredProven");
        assert_eq!(member.and_then(serde_json::Value::as_bool), expected);
        let read: crate::identity::ResolveResponse = serde_json::from_value(json).unwrap();
        assert_eq!(read, answer);
    }
}

#[test]
fn what_is_absent_is_read_before_it_is_refused() {
    let view = Recorder::new(Ledger::default());
    let asked = LanesRequest {
        did: did().to_string(),
    };
    let refused = lanes(&view, &asked).unwrap_err();
    assert!(refused.is_absence(), "{refused}");
    assert_eq!(view.into_keys(), [keys::did_record(&did().id())]);
}

#[test]
fn a_value_that_does_not_decode_is_not_absent() {
    let mut ledger = Ledger::default();
    ledger.0.insert(keys::did_record(&did().id()), vec![0xff]);
    let asked = LanesRequest {
        did: did().to_string(),
    };
    assert_eq!(lanes(&ledger, &asked), Err(AnswerError::Undecodable));
    assert!(!AnswerError::Undecodable.is_absence());
}

#[test]
fn checks_read_the_tags_the_issuer_and_the_grant() {
    let view = Recorder::new(ledger(0, 0));
    let token = RevocationCheckRequest {
        issuer: Some(did().to_string()),
        exp: Some(1_000),
        jti: Some("j-1".to_owned()),
        ..RevocationCheckRequest::default()
    };
    let answer = check_revocation(&view, &token).unwrap();
    assert!(!answer.revoked);
    let grant = GrantCheckRequest {
        gid: Some(H256([5; 32]).into()),
        grant: None,
    };
    assert_eq!(
        check_grant(&view, &grant).unwrap().status,
        GrantState::Absent
    );
    let mut expected = vec![
        keys::revocation(&answer.tag.0),
        keys::did_record(&did().id()),
        keys::grant(&H256([5; 32])),
    ];
    expected.sort();
    assert_eq!(view.into_keys(), expected);
}
