//! A small ledger to judge by, and the tests of the access function.

mod access;
mod as_of;
mod effect;
mod jws;
mod login;

use std::collections::BTreeMap;

use allod_primitives::document::{
    ActiveMethod, Document, Method, MethodKey, Relationships, RetireReason, RetiredMethod,
};
use allod_primitives::log::LogHead;
use allod_primitives::policy::ControlPolicy;
use allod_primitives::record::{DID_RECORD_VERSION, DidRecord, Freeze, Lanes, Status};
use allod_primitives::token::{REVOCATION_ENTRY_VERSION, RevocationEntry, TokenId};
use allod_primitives::{
    BoundedVec, ChainId, Did, DidId, ForkId, H256, Height, NetworkId, PublicKey, TimeMs, keys,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use parity_scale_codec::Encode;
use serde_json::{Value, json};

use super::{LedgerView, ReasonCode, Unavailable};

/// The verifier's clock and the newest block's time, seconds.
const NOW_S: u64 = 1_800_000_000;
const NOW: TimeMs = TimeMs(NOW_S * 1000);
const GENESIS: H256 = H256([7; 32]);
const AUDIENCE: &str = "https://app.example";
const NONCE: &str = "n-0123456789abcdef";

struct Ledger {
    state: BTreeMap<Vec<u8>, Vec<u8>>,
    time: TimeMs,
    is_broken: bool,
}

impl LedgerView for Ledger {
    fn storage(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        match self.is_broken {
            true => Err(Unavailable),
            false => Ok(self.state.get(key).cloned()),
        }
    }

    fn chain(&self) -> ChainId {
        ChainId {
            genesis: GENESIS,
            fork_id: ForkId(0),
        }
    }

    fn head(&self) -> (Height, TimeMs) {
        (Height(42), self.time)
    }
}

/// Somebody with a method `k1` for everything but key agreement.
struct Person {
    did: Did,
    key: SigningKey,
}

fn did(seed: u8) -> Did {
    Did::new(NetworkId::from_genesis(&GENESIS), DidId([seed; 32]))
}

impl Person {
    fn new(seed: u8) -> Self {
        Self {
            did: did(seed),
            key: SigningKey::from_bytes(&[seed; 32]),
        }
    }

    fn public(&self) -> PublicKey {
        PublicKey(self.key.verifying_key().to_bytes())
    }

    fn kid(&self) -> String {
        format!("{}#k1", self.did)
    }

    fn method(&self) -> Method {
        Method {
            fragment: fragment("k1"),
            key: MethodKey::Ed25519(self.public()),
            relationships: Relationships(1 | 2 | 8 | 16),
            expires: None,
        }
    }

    fn record(&self) -> DidRecord {
        let active = ActiveMethod {
            method: self.method(),
            since: TimeMs(1),
        };
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
            document: Document {
                methods: BoundedVec::try_from(vec![active]).unwrap(),
                ..Document::default()
            },
            retired_count: 0,
            method_allowance: allod_primitives::limits::METHOD_ALLOWANCE,
            lanes: Lanes::default(),
            not_before: TimeMs(0),
            grant_epoch: 3,
            pending: BoundedVec::new(),
            cool_downs: BoundedVec::new(),
            frozen: None,
            log: LogHead::default(),
        }
    }

    /// Signs a JWS over `header` (`alg` and `kid` filled in unless set) and `claims`.
    fn sign(&self, header: &Value, claims: &Value) -> String {
        let mut whole = json!({"alg": "EdDSA", "kid": self.kid()});
        for (name, value) in header.as_object().unwrap() {
            match value {
                Value::Null => whole.as_object_mut().unwrap().remove(name),
                value => whole
                    .as_object_mut()
                    .unwrap()
                    .insert(name.clone(), value.clone()),
            };
        }
        self.sign_raw(&whole.to_string(), &claims.to_string())
    }

    fn sign_raw(&self, header: &str, claims: &str) -> String {
        let input = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature = self.key.sign(input.as_bytes()).to_bytes();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The claims of a good login, with `changes` applied (`null` removes).
    fn claims(&self, changes: &Value) -> Value {
        let did = self.did.to_string();
        let mut claims = json!({
            "iss": did, "sub": did, "aud": AUDIENCE, "nonce": NONCE, "jti": "j-1",
            "iat": NOW_S - 10, "exp": NOW_S + 50,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        claims
    }
}

fn fragment(text: &str) -> allod_primitives::document::Fragment {
    allod_primitives::Text::new(text).unwrap()
}

impl Ledger {
    fn new() -> Self {
        Self {
            state: BTreeMap::new(),
            time: NOW,
            is_broken: false,
        }
    }

    /// A ledger that holds `person` as it is.
    fn with(person: &Person) -> Self {
        let mut ledger = Self::new();
        ledger.put(person, |_| {});
        ledger
    }

    /// Stores the record of `person` after `change`.
    fn put(&mut self, person: &Person, change: impl FnOnce(&mut DidRecord)) {
        let mut record = person.record();
        change(&mut record);
        let key = keys::did_record(&person.did.id());
        self.state.insert(key, record.encode());
    }

    /// Moves the method `k1` of `person` to the retired ones.
    fn retire(&mut self, person: &Person) {
        self.put(person, |record| {
            record.document.methods = BoundedVec::new();
        });
        let retired = RetiredMethod {
            version: 1,
            method: person.method(),
            since: TimeMs(1),
            until: TimeMs(2),
            reason: RetireReason::Routine,
            declared: TimeMs(2),
        };
        let key = keys::did_retired(&person.did.id(), "k1");
        self.state.insert(key, retired.encode());
    }

    fn revoke(&mut self, issuer: &Did, token: TokenId, exp: u64) {
        let entry = RevocationEntry {
            version: REVOCATION_ENTRY_VERSION,
            exp,
            revoked_at: NOW,
        };
        let tag = token.tag(&GENESIS, &issuer.id(), exp);
        self.state.insert(keys::revocation(&tag), entry.encode());
    }
}

fn freeze_until(until: TimeMs) -> Option<Freeze> {
    Some(Freeze {
        reason: allod_primitives::Text::new("under review").unwrap(),
        until,
    })
}

/// Rewrite with `ALLOD_BLESS=1`; reasons are part of the contract.
#[test]
fn the_reasons_equal_their_golden_file() {
    let rows = ReasonCode::ALL
        .iter()
        .map(|it| format!("{} | {} | {}\n", it.slug(), it.message(), it.hint()));
    let list: String = rows.collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/reason-codes.txt");
    if std::env::var_os("ALLOD_BLESS").is_some() {
        std::fs::write(path, &list).unwrap();
    }
    assert_eq!(list, std::fs::read_to_string(path).unwrap());
}

#[test]
fn every_reason_but_ok_denies_and_survives_json() {
    let ledger = Ledger::new();
    for reason in ReasonCode::ALL {
        let decision = super::Decision::new(&ledger, *reason);
        assert_eq!(decision.is_allowed(), *reason == ReasonCode::Ok);
        let json = serde_json::to_value(&decision).unwrap();
        assert_eq!(json["reason"], reason.slug());
        assert_eq!(json["height"], 42);
        let back: super::Decision = serde_json::from_value(json).unwrap();
        assert_eq!(back, decision);
    }
}
