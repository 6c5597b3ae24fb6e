//! One identity, its time, and what it has retired.

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;

use crate::codec::{BoundedVec, Text};
use crate::control::{
    Applied, Outcome, Refusal, Setting, UsedMethods, advance, apply, next_effect,
};
use crate::document::{
    ActiveMethod, Declaration, Document, DocumentPatch, Fragment, Method, MethodKey, Relationships,
    RetireReason, RetiredMethod, Retirement, Service,
};
use crate::governance::ControlParameters;
use crate::hash::H256;
use crate::limits::METHOD_ALLOWANCE;
use crate::log::LogHead;
use crate::operation::{Body, Lane, Operation, Payer, ProposedChange, Reveal};
use crate::policy::{
    Capabilities, ControlKey, ControlPolicy, GuardianSet, PolicyChange, Rank, RankChange,
    WeightedKey, next_keys_commitment,
};
use crate::record::{DidRecord, Lanes, Pending, Proposer, Status};
use crate::{DidId, ForkId, Height, PublicKey, TimeMs};

pub(super) const HOUR: u64 = 3_600_000;
pub(super) const DAY: u64 = 24 * HOUR;
/// Delay of ranks.
pub(super) const DELAY: u64 = 3 * DAY;
/// Delay of guardians.
pub(super) const GUARDIANS_DELAY: u64 = 5 * DAY;
/// An hour into a day.
pub(super) const START: TimeMs = TimeMs(20_000 * DAY + HOUR);

/// A control key from a small number.
pub(super) fn key(seed: u8) -> ControlKey {
    let key = SigningKey::from_bytes(&[seed; 32]).verifying_key();
    ControlKey::Ed25519(PublicKey(key.to_bytes()))
}

fn weighted(seeds: &[u8]) -> BoundedVec<WeightedKey, 16> {
    let mut keys: Vec<WeightedKey> = seeds
        .iter()
        .map(|seed| WeightedKey {
            key: key(*seed),
            weight: 1,
        })
        .collect();
    keys.sort_by(|a, b| a.key.cmp(&b.key));
    keys.try_into().unwrap()
}

/// A rank of these keys that may do everything, alone each.
pub(super) fn rank(seeds: &[u8]) -> Rank {
    Rank {
        keys: weighted(seeds),
        threshold: 1,
        capabilities: Capabilities::ALL,
        next: None,
    }
}

/// The same with a commitment to the key `next`.
pub(super) fn committed(seeds: &[u8], next: u8) -> Rank {
    Rank {
        next: Some(commitment(next)),
        ..rank(seeds)
    }
}

/// The same with these capabilities only.
pub(super) fn able(rank: Rank, capabilities: Capabilities) -> Rank {
    Rank {
        capabilities,
        ..rank
    }
}

pub(super) fn commitment(seed: u8) -> H256 {
    next_keys_commitment(&weighted(&[seed]), 1, &[seed; 16])
}

/// Opens [`commitment`] of `seed` and commits to `next`.
pub(super) fn reveal(seed: u8, next: Option<u8>) -> Reveal {
    Reveal {
        keys: weighted(&[seed]),
        threshold: 1,
        salt: [seed; 16],
        next: next.map(commitment),
    }
}

pub(super) fn guardians(root: u8) -> GuardianSet {
    GuardianSet {
        root: H256([root; 32]),
        count: 3,
        threshold: 2,
        delay_ms: GUARDIANS_DELAY,
    }
}

/// A change of these ranks.
pub(super) fn setting(ranks: Vec<(u8, Option<Rank>)>) -> PolicyChange {
    let ranks = ranks.into_iter();
    let ranks: Vec<RankChange> = ranks
        .map(|(index, rank)| RankChange { index, rank })
        .collect();
    PolicyChange {
        ranks: ranks.try_into().unwrap(),
        ..PolicyChange::default()
    }
}

/// A change of one rank to these keys.
pub(super) fn to(index: u8, seeds: &[u8]) -> PolicyChange {
    setting(vec![(index, Some(rank(seeds)))])
}

pub(super) fn no_guardians() -> PolicyChange {
    PolicyChange {
        guardians: Some(None),
        ..PolicyChange::default()
    }
}

pub(super) fn delay(delay_ms: u64) -> PolicyChange {
    PolicyChange {
        delay_ms: Some(delay_ms),
        ..PolicyChange::default()
    }
}

pub(super) fn rotate(change: PolicyChange) -> Body {
    Body::Rotate {
        change,
        document: None,
    }
}

pub(super) fn rotate_with(change: PolicyChange, patch: DocumentPatch) -> Body {
    Body::Rotate {
        change,
        document: Some(patch),
    }
}

pub(super) fn propose(change: PolicyChange) -> Body {
    Body::Propose(ProposedChange::Control(change))
}

pub(super) fn cancel(pending: H256) -> Body {
    Body::Cancel { pending }
}

pub(super) fn cancel_recovery(recovery: H256) -> Body {
    Body::Propose(ProposedChange::CancelRecovery(recovery))
}

pub(super) fn recover(seed: u8) -> Body {
    Body::Recover {
        rank: rank(&[seed]),
    }
}

pub(super) fn fragment(text: &str) -> Fragment {
    Text::new(text).unwrap()
}

/// A method whose key is `seed` as well.
pub(super) fn method(name: &str, seed: u16) -> Method {
    let mut bytes = [1; 32];
    bytes[..2].copy_from_slice(&seed.to_le_bytes());
    Method {
        fragment: fragment(name),
        key: MethodKey::Ed25519(PublicKey(bytes)),
        relationships: Relationships::AUTHENTICATION,
        expires: None,
    }
}

pub(super) fn service(name: &str) -> Service {
    Service {
        fragment: fragment(name),
        kind: Text::new("Store").unwrap(),
        endpoints: vec![Text::new("https://a.example/").unwrap()]
            .try_into()
            .unwrap(),
    }
}

pub(super) fn adding(methods: Vec<Method>) -> DocumentPatch {
    DocumentPatch {
        add: methods.try_into().unwrap(),
        ..DocumentPatch::default()
    }
}

pub(super) fn retiring(name: &str, reason: RetireReason) -> DocumentPatch {
    let fragment = fragment(name);
    DocumentPatch {
        retire: vec![Retirement { fragment, reason }].try_into().unwrap(),
        ..DocumentPatch::default()
    }
}

pub(super) fn declaring(name: &str, since: TimeMs) -> DocumentPatch {
    let fragment = fragment(name);
    DocumentPatch {
        declare: vec![Declaration { fragment, since }].try_into().unwrap(),
        ..DocumentPatch::default()
    }
}

/// What an identity has retired, by fragment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Used(pub(super) BTreeMap<Fragment, RetiredMethod>);

/// So many retired methods, with keys from 1,000.
pub(super) fn filled(count: u16) -> Used {
    let retired = |index: u16| {
        let method = method(&format!("old{index}"), 1000 + index);
        let fragment = method.fragment.clone();
        let retired = RetiredMethod {
            version: 1,
            method,
            since: START,
            until: START,
            reason: RetireReason::Routine,
            declared: START,
        };
        (fragment, retired)
    };
    Used((0..count).map(retired).collect())
}

impl UsedMethods for Used {
    fn retired(&self, fragment: &Fragment) -> Option<RetiredMethod> {
        self.0.get(fragment).cloned()
    }

    fn is_key_retired(&self, key: &MethodKey) -> bool {
        self.0.values().any(|it| it.method.key == *key)
    }
}

/// An identity at some time.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) record: DidRecord,
    pub(super) now: TimeMs,
    pub(super) used: Used,
    pub(super) parameters: ControlParameters,
    serial: u64,
}

/// Id of an operation and what happened.
pub(super) type Done = Result<(H256, Vec<Outcome>), Refusal>;

impl World {
    /// An identity with these ranks, a method `login` (key 1) and a service `store`.
    pub(super) fn new(ranks: Vec<Rank>) -> Self {
        let login = ActiveMethod {
            method: method("login", 1),
            since: START,
        };
        Self {
            record: DidRecord {
                version: 1,
                status: Status::Active,
                created_height: Height(1),
                created: START,
                updated: START,
                policy: ControlPolicy {
                    ranks: ranks.try_into().unwrap(),
                    guardians: None,
                    delay_ms: DELAY,
                },
                document: Document {
                    methods: vec![login].try_into().unwrap(),
                    services: vec![service("store")].try_into().unwrap(),
                    ..Document::default()
                },
                retired_count: 0,
                method_allowance: METHOD_ALLOWANCE,
                lanes: Lanes::default(),
                not_before: TimeMs(0),
                grant_epoch: 0,
                pending: BoundedVec::new(),
                cool_downs: BoundedVec::new(),
                frozen: None,
                log: LogHead::default(),
            },
            now: START,
            used: Used::default(),
            parameters: ControlParameters {
                delay_ms_min: HOUR,
                delay_ms_max: 30 * DAY,
            },
            serial: 0,
        }
    }

    /// Three ranks with keys 1, 2, 3, nothing above rank 0.
    pub(super) fn bare() -> Self {
        Self::new(vec![rank(&[1]), rank(&[2]), rank(&[3])])
    }

    /// The same with commitments of ranks 0 and 1 to keys 11 and 12.
    pub(super) fn pre_rotated() -> Self {
        Self::new(vec![committed(&[1], 11), committed(&[2], 12), rank(&[3])])
    }

    /// The same with guardians.
    pub(super) fn guarded(mut self) -> Self {
        self.record.policy.guardians = Some(guardians(7));
        self
    }

    pub(super) fn operation(
        &mut self,
        lane: Lane,
        reveal: Option<Reveal>,
        body: Body,
    ) -> Operation {
        self.serial += 1;
        let head = *self.record.lanes.get(lane).unwrap();
        Operation {
            version: 1,
            genesis: H256([9; 32]),
            fork_id: ForkId(0),
            did: DidId([8; 32]),
            lane,
            lane_seq: head.next_seq,
            lane_prev: head.last,
            payer: Payer::Any,
            // Two operations in one test are never the same.
            valid_until: TimeMs(self.serial),
            controller: None,
            reveal,
            body,
        }
    }

    /// Applies an operation as the ledger does. What fails changes nothing but its lane.
    pub(super) fn apply(&mut self, operation: &Operation) -> Done {
        self.settle();
        let hash = operation.hash();
        advance(&mut self.record, operation.lane, hash);
        let setting = Setting {
            now: self.now,
            parameters: self.parameters,
            used: &self.used,
        };
        let applied = apply(&self.record, operation, hash, setting)?;
        let Applied {
            record,
            retired,
            outcomes,
        } = applied;
        self.record = record;
        self.keep(retired);
        assert_eq!(self.record.policy.check(), Ok(()));
        Ok((hash, outcomes))
    }

    fn keep(&mut self, retired: Vec<RetiredMethod>) {
        for method in retired {
            self.used.0.insert(method.method.fragment.clone(), method);
        }
        assert_eq!(self.record.retired_count as usize, self.used.0.len());
    }

    /// Writes down what time has brought about, and returns the ids of what took effect.
    pub(super) fn settle(&mut self) -> Vec<H256> {
        let mut ids = Vec::new();
        while let Some(effect) = next_effect(&self.record, self.now) {
            ids.push(effect.pending.id);
            self.record = effect.record;
            self.keep(effect.retired);
            assert_eq!(self.record.policy.check(), Ok(()));
        }
        ids
    }

    /// Lets time pass and settles.
    pub(super) fn wait(&mut self, ms: u64) -> Vec<H256> {
        self.now = self.now.plus_ms(ms);
        self.settle()
    }

    pub(super) fn by_rank(&mut self, index: u8, body: Body) -> Done {
        let operation = self.operation(Lane::Rank(index), None, body);
        self.apply(&operation)
    }

    pub(super) fn by_next(&mut self, index: u8, reveal: Reveal, body: Body) -> Done {
        let operation = self.operation(Lane::Next(index), Some(reveal), body);
        self.apply(&operation)
    }

    pub(super) fn by_guardians(&mut self, body: Body) -> Done {
        let operation = self.operation(Lane::Guardians, None, body);
        self.apply(&operation)
    }

    pub(super) fn update(&mut self, patch: DocumentPatch) -> Done {
        let operation = self.operation(Lane::Documents, None, Body::UpdateDocument(patch));
        self.apply(&operation)
    }

    pub(super) fn rank(&self, index: usize) -> &Rank {
        &self.record.policy.ranks[index]
    }

    /// Proposers with a pending change.
    pub(super) fn waiting(&self) -> Vec<Proposer> {
        self.record.pending.iter().map(|it| it.proposer).collect()
    }

    pub(super) fn pending(&self, id: H256) -> &Pending {
        self.record.pending.iter().find(|it| it.id == id).unwrap()
    }

    /// Until when and how long next a proposer rests.
    pub(super) fn rests(&self, proposer: Proposer) -> Option<(TimeMs, u64)> {
        let mut list = self.record.cool_downs.iter();
        let found = list.find(|it| it.proposer == proposer);
        found.map(|it| (it.until, it.next_ms))
    }
}

/// The refusal of an operation that must fail.
pub(super) fn refusal(done: Done) -> Refusal {
    done.expect_err("it must fail")
}
