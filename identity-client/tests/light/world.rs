//! A clock that tests move, a chain with one identity, and clients of its nodes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use allod_identity_client::jwt::{Challenge, login_answer};
use allod_identity_client::keys::{MethodSecret, SecretKey};
use allod_identity_client::light::{Anchor, LightClient, LightConfig, Now, ReadError};
use allod_identity_client::operation::{Signer, login_method};
use allod_primitives::document::{ActiveMethod, Document};
use allod_primitives::log::LogHead;
use allod_primitives::policy::{Capabilities, ControlPolicy, Rank, WeightedKey};
use allod_primitives::record::{DID_RECORD_VERSION, DidRecord, Lanes, Status};
use allod_primitives::{BoundedVec, Did, DidId, Height, TimeMs, keys};
use allod_rpc_api::login::VerifyLoginRequest;
use parity_scale_codec::Encode;

use crate::fixture::chain::Chain;
use crate::fixture::node::{FakeNode, Lies};
use crate::fixture::tree::State;

pub(crate) const START: TimeMs = TimeMs(1_700_000_000_000);
pub(crate) const AUDIENCE: &str = "https://app.example";

/// The clock of a test.
#[derive(Clone, Debug)]
pub(crate) struct Time(Arc<AtomicU64>);

impl Time {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(START.0)))
    }

    pub(crate) fn now(&self) -> TimeMs {
        TimeMs(self.0.load(Ordering::SeqCst))
    }

    pub(crate) fn pass(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) fn go_back(&self, ms: u64) {
        self.0.fetch_sub(ms, Ordering::SeqCst);
    }
}

/// A chain whose third block, a second old, has alice in its state.
pub(crate) fn chain() -> Chain {
    let at = |seconds: u64| TimeMs(START.0 - 1000 * seconds);
    let mut chain = Chain::new(at(60), State::from([(b"other".to_vec(), vec![1])]));
    chain.empty(at(50));
    let alice = alice(&chain);
    chain.write(at(3), vec![record(&alice, 1)]);
    chain.empty(at(1));
    chain
}

pub(crate) fn alice(chain: &Chain) -> Did {
    Did::new(chain.network(), DidId([5; 32]))
}

pub(crate) fn nobody(chain: &Chain) -> Did {
    Did::new(chain.network(), DidId([6; 32]))
}

/// The login method of alice with this seed.
pub(crate) fn method(seed: u8) -> MethodSecret {
    MethodSecret {
        fragment: format!("key-{seed}"),
        key: SecretKey::from_seed([seed; 32]),
        retired: false,
    }
}

/// Key and value of a record of `did` whose only login method has this seed.
pub(crate) fn record(did: &Did, seed: u8) -> (Vec<u8>, Option<Vec<u8>>) {
    record_with_log(did, seed, LogHead::default())
}

/// As [`record`], with a log.
pub(crate) fn record_with_log(did: &Did, seed: u8, log: LogHead) -> (Vec<u8>, Option<Vec<u8>>) {
    let secret = method(seed);
    let method = login_method(&secret.fragment, &secret.key.public()).unwrap();
    let control = WeightedKey {
        key: SecretKey::from_seed([99; 32]).control_key(),
        weight: 1,
    };
    let rank = Rank {
        keys: vec![control].try_into().unwrap(),
        threshold: 1,
        capabilities: Capabilities::DOCUMENT,
        next: None,
    };
    let record = DidRecord {
        version: DID_RECORD_VERSION,
        status: Status::Active,
        created_height: Height(2),
        created: TimeMs(START.0 - 3000),
        updated: TimeMs(START.0 - 3000),
        policy: ControlPolicy {
            ranks: vec![rank].try_into().unwrap(),
            guardians: None,
            delay_ms: 0,
        },
        document: Document {
            methods: vec![ActiveMethod {
                method,
                since: TimeMs(START.0 - 3000),
            }]
            .try_into()
            .unwrap(),
            ..Document::default()
        },
        retired_count: 0,
        method_allowance: 512,
        lanes: Lanes::default(),
        not_before: TimeMs(0),
        grant_epoch: 0,
        pending: BoundedVec::new(),
        cool_downs: BoundedVec::new(),
        frozen: None,
        log,
    };
    (keys::did_record(&did.id()), Some(record.encode()))
}

/// A login of `did` by its method of this seed, answered at `now`.
pub(crate) fn login(did: &Did, seed: u8, now: TimeMs) -> VerifyLoginRequest {
    let challenge = Challenge::new(AUDIENCE, now.seconds(), 120).unwrap();
    VerifyLoginRequest {
        jws: login_answer(did, &method(seed), &challenge, now.seconds()).unwrap(),
        audience: challenge.audience,
        nonce: challenge.nonce,
        time: None,
        max_staleness_ms: None,
    }
}

/// A configuration that keeps nothing, begins at the chain's genesis and compares nothing.
pub(crate) fn config(chain: &Chain, time: &Time) -> LightConfig {
    let time = time.clone();
    LightConfig {
        now: Now::new(move || time.now()),
        compare_every: std::time::Duration::from_secs(3600),
        ..LightConfig::new(Vec::new(), Anchor::Network(chain.network()))
    }
}

/// As [`config`], keeping everything in `folder`.
pub(crate) fn kept(chain: &Chain, time: &Time, folder: &Path) -> LightConfig {
    LightConfig {
        folder: Some(folder.to_owned()),
        ..config(chain, time)
    }
}

pub(crate) async fn open(
    config: LightConfig,
    nodes: &[&FakeNode],
) -> Result<LightClient, ReadError> {
    let nodes = nodes.iter().map(|it| it.node()).collect();
    LightClient::with_nodes(config, nodes).await
}

/// A node of [`chain`] and a client of it that knows the newest block.
pub(crate) async fn pair() -> (Time, FakeNode, LightClient) {
    let time = Time::new();
    let node = FakeNode::new("one", chain());
    let client = open(config(&node.chain(), &time), &[&node]).await.unwrap();
    client.resolve(&alice(&node.chain()), None).await.unwrap();
    (time, node, client)
}

/// Lets a second pass and the node make a block.
pub(crate) fn tick(time: &Time, node: &FakeNode) {
    time.pass(1000);
    node.grow(|chain| chain.empty(time.now()));
}

/// Lies of one kind.
pub(crate) fn lies(change: impl FnOnce(&mut Lies)) -> Lies {
    let mut lies = Lies::default();
    change(&mut lies);
    lies
}
