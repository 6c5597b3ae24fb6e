//! Clients: each submits its own signed messages to nodes at random, one after the other, and
//! remembers what it was told is final.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use allod_chain::mempool::{PoolError, TxStatus};
use allod_primitives::document::{DocumentPatch, Service};
use allod_primitives::extrinsic::{Era, SigningContext};
use allod_primitives::grant::{GRANT_MESSAGE_VERSION, GrantAction, GrantMessage};
use allod_primitives::header::extrinsic_hash;
use allod_primitives::operation::{Admission, Body, Lane, OPERATION_VERSION, Operation, Payer};
use allod_primitives::policy::{PolicyChange, RankChange};
use allod_primitives::record::LaneHead;
use allod_primitives::token::{TOKEN_OPERATION_VERSION, TokenId, TokenOperation};
use allod_primitives::{DidId, H256, Height};
use allod_runtime::frame::TransactionError;
use allod_runtime::version::{SPEC_VERSION, TRANSACTION_VERSION};
use allod_runtime::{RuntimeCall, did, grant, revocation};
use ed25519_dalek::SigningKey;
use parity_scale_codec::Encode;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tokio::sync::watch;

use crate::author::{
    bare, bounded, inception, key, public, rank, sign_message, sign_operation, sign_token, signed,
    text, voucher,
};
use crate::fleet::{Fleet, START};
use crate::plan::rng;

/// How long a client waits for an answer before it asks another node.
const PATIENCE: Duration = Duration::from_secs(8);
/// Everything here is valid for so long.
const VALID_MS: u64 = 20 * 3_600_000;

/// What an acknowledged message must have left in every node.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// These operations, in the identity's log.
    Logged(Vec<(DidId, H256)>),
    /// A revoked token.
    Tag(H256),
    /// Anchored grants, which may have been revoked since.
    Anchored(Vec<H256>),
    /// A revoked grant.
    Revoked(H256),
}

/// A message that a node said is final.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    /// Hash of the extrinsic.
    pub(crate) hash: H256,
    /// Where, if the node said so.
    pub(crate) height: Option<Height>,
    pub(crate) effect: Effect,
}

/// What all clients were told; clones share it.
pub(crate) type Book = Arc<Mutex<Vec<Acknowledged>>>;

/// An identity, or the registrar, with what it has signed so far.
struct Client {
    fleet: Arc<Fleet>,
    book: Book,
    number: u64,
    rng: ChaCha8Rng,
    control: SigningKey,
    did: DidId,
    rank: LaneHead,
    documents: LaneHead,
    nonce: u32,
    grants: Vec<(SigningKey, H256)>,
    made: u64,
}

/// Runs client `number` until `stop`; its last message is settled then. Number 0 is the registrar.
pub(crate) async fn client(
    fleet: Arc<Fleet>,
    book: Book,
    seed: u64,
    number: u64,
    mut stop: watch::Receiver<bool>,
) {
    let control = key("control", number);
    let first = inception(&control, &key("login", number), [7; 16]);
    let mut client = Client {
        fleet,
        book,
        number,
        rng: rng(seed, 100 + number),
        did: first.did_id(),
        control,
        rank: LaneHead::default(),
        documents: LaneHead::default(),
        nonce: 0,
        grants: Vec::new(),
        made: 0,
    };
    while !*stop.borrow() {
        let (body, effect) = client.next();
        client.made += 1;
        client.settle(body, effect).await;
        let pause = Duration::from_millis(client.rng.gen_range(20..700));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => {}
        }
    }
}

impl Client {
    /// Makes the next message.
    fn next(&mut self) -> (Vec<u8>, Effect) {
        match (self.number, self.made) {
            (0, made) if made % 3 == 2 && !self.grants.is_empty() => self.revoke_grant(),
            (0, _) => self.batch(),
            (_, 0) => self.incept(),
            _ => match self.rng.gen_range(0..10) {
                0..2 if self.rank.next_seq < 9 => self.rotate(),
                2..6 if self.documents.next_seq < 25 => self.update(),
                _ => self.revoke_token(),
            },
        }
    }

    /// Submits until some node says that it is final, or that it was before.
    async fn settle(&mut self, body: Vec<u8>, effect: Effect) {
        let hash = extrinsic_hash(&body);
        loop {
            let node = self.rng.gen_range(0..self.fleet.count());
            let mempool = self
                .fleet
                .shared(node)
                .map(|shared| shared.mempool().clone());
            let Some(mempool) = mempool else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let mut watch = mempool.watch(hash);
            let result = mempool.submit(vec![body.clone()]).await.remove(0);
            drop(mempool);
            match result {
                Ok(_) | Err(PoolError::AlreadyKnown { .. }) => {
                    if let Some(height) = finalized(&mut watch).await {
                        return self.note(hash, Some(height), effect);
                    }
                }
                // Only this client signs for this subject, so it is this message that was before.
                Err(
                    PoolError::AlreadyIncluded { .. }
                    | PoolError::Invalid(
                        TransactionError::Stale | TransactionError::AlreadyExists,
                    ),
                ) => return self.note(hash, None, effect),
                Err(
                    PoolError::Stopping | PoolError::Busy | PoolError::Full { .. }
                    // A node that lags has not seen what this builds on.
                    | PoolError::Invalid(
                        TransactionError::NotFound
                        | TransactionError::Future
                        | TransactionError::BadProof
                        | TransactionError::ForkedLane,
                    ),
                ) => tokio::time::sleep(Duration::from_millis(150)).await,
                Err(error) => panic!("client {} made something invalid: {error}", self.number),
            }
        }
    }

    fn note(&self, hash: H256, height: Option<Height>, effect: Effect) {
        let place = height.map(|height| height.0);
        self.fleet
            .trace
            .note(&format!("c{} {hash} final at {place:?}", self.number));
        let mut book = self
            .book
            .lock()
            .expect("no code panics while it holds this lock");
        book.push(Acknowledged {
            hash,
            height,
            effect,
        });
    }

    fn operation(&self, did: DidId, lane: Lane, head: LaneHead, body: Body) -> Operation {
        Operation {
            version: OPERATION_VERSION,
            genesis: self.fleet.genesis.chain.genesis,
            fork_id: self.fleet.genesis.chain.fork_id,
            did,
            lane,
            lane_seq: head.next_seq,
            lane_prev: head.last,
            payer: Payer::Any,
            valid_until: START.plus_ms(VALID_MS),
            controller: None,
            reveal: None,
            body,
        }
    }

    fn incept(&mut self) -> (Vec<u8>, Effect) {
        let first = inception(&self.control, &key("login", self.number), [7; 16]);
        let operation = self.operation(self.did, Lane::Rank(0), self.rank, Body::Incept(first));
        let hash = operation.hash();
        self.rank = LaneHead {
            next_seq: 1,
            last: hash,
        };
        let chain = &self.fleet.genesis.chain;
        let expires = START.plus_ms(VALID_MS);
        let voucher = voucher(chain, &key("registrar", 0), &self.did, expires);
        let call = did::Call::incept {
            operation: sign_operation(operation, &[&self.control]),
            admission: Admission::Voucher(voucher),
        };
        (
            bare(&RuntimeCall::Did(call)),
            Effect::Logged(vec![(self.did, hash)]),
        )
    }

    fn submit(&mut self, lane: Lane, body: Body) -> (Vec<u8>, Effect) {
        let head = if lane == Lane::Documents {
            self.documents
        } else {
            self.rank
        };
        let operation = self.operation(self.did, lane, head, body);
        let next = LaneHead {
            next_seq: head.next_seq + 1,
            last: operation.hash(),
        };
        let effect = Effect::Logged(vec![(self.did, next.last)]);
        let operation = sign_operation(operation, &[&self.control]);
        match lane {
            Lane::Documents => self.documents = next,
            _ => self.rank = next,
        }
        (
            bare(&RuntimeCall::Did(did::Call::submit { operation })),
            effect,
        )
    }

    fn rotate(&mut self) -> (Vec<u8>, Effect) {
        let fresh = key("rotated", self.number << 32 | self.made);
        let change = RankChange {
            index: 0,
            rank: Some(rank(&[&fresh], 1)),
        };
        let body = Body::Rotate {
            change: PolicyChange {
                ranks: bounded([change]),
                ..PolicyChange::default()
            },
            document: None,
        };
        let made = self.submit(Lane::Rank(0), body);
        self.control = fresh;
        made
    }

    fn update(&mut self) -> (Vec<u8>, Effect) {
        let service = Service {
            fragment: text("store"),
            kind: text("PersonalDataStore"),
            endpoints: bounded([text(&format!("https://{}.example", self.made))]),
        };
        let patch = DocumentPatch {
            services: Some(bounded([service])),
            ..DocumentPatch::default()
        };
        self.submit(Lane::Documents, Body::UpdateDocument(patch))
    }

    fn revoke_token(&mut self) -> (Vec<u8>, Effect) {
        let chain = &self.fleet.genesis.chain;
        let operation = TokenOperation {
            version: TOKEN_OPERATION_VERSION,
            genesis: chain.genesis,
            fork_id: chain.fork_id,
            did: self.did,
            payer: Payer::Own,
            valid_until: START.plus_ms(VALID_MS),
            token: TokenId::from_jti(&format!("{}/{}", self.number, self.made)),
            exp: START.seconds() + 86_400,
        };
        let effect = Effect::Tag(operation.tag());
        let operation = sign_token(operation, &[&self.control]);
        (
            bare(&RuntimeCall::Revocation(revocation::Call::revoke {
                operation,
            })),
            effect,
        )
    }

    fn message(&self, gid: H256, action: GrantAction) -> GrantMessage {
        let chain = &self.fleet.genesis.chain;
        GrantMessage {
            version: GRANT_MESSAGE_VERSION,
            genesis: chain.genesis,
            fork_id: chain.fork_id,
            gid,
            action,
            valid_until: START.plus_ms(VALID_MS),
        }
    }

    fn revoke_grant(&mut self) -> (Vec<u8>, Effect) {
        let (key, gid) = self.grants.pop().expect("asked for when there is one");
        let message = sign_message(self.message(gid, GrantAction::Revoke), &key);
        let call = RuntimeCall::Grant(grant::Call::revoke { message });
        (bare(&call), Effect::Revoked(gid))
    }

    /// The registrar's messages: identities and grants, several at once.
    fn batch(&mut self) -> (Vec<u8>, Effect) {
        let numbers = (0..3).map(|n| 1_000_000 + self.made * 3 + n);
        let (call, effect) = if self.made.is_multiple_of(3) {
            let items: Vec<_> = numbers.map(|n| self.newborn(n)).collect();
            let logged = items
                .iter()
                .map(|it| (it.operation.did, it.operation.hash()))
                .collect();
            let items = bounded(items);
            (
                RuntimeCall::Did(did::Call::batch { items }),
                Effect::Logged(logged),
            )
        } else {
            let anchors: Vec<_> = numbers.map(|n| self.anchor(n)).collect();
            let last = 1_000_000 + self.made * 3 + 2;
            self.grants.extend(
                anchors
                    .last()
                    .map(|it| (key("grant", last), it.message.gid)),
            );
            let gids = anchors.iter().map(|it| it.message.gid).collect();
            let items = bounded(anchors);
            (
                RuntimeCall::Grant(grant::Call::anchor { items }),
                Effect::Anchored(gids),
            )
        };
        let context = SigningContext {
            spec_version: SPEC_VERSION,
            transaction_version: TRANSACTION_VERSION,
            genesis_hash: self.fleet.genesis.hash,
        };
        let genesis = self.fleet.genesis.hash;
        let registrar = key("registrar", 0);
        let body = signed(
            &context,
            &registrar,
            Era::Immortal,
            &genesis,
            self.nonce,
            &call,
        );
        self.nonce += 1;
        (body, effect)
    }

    fn newborn(&self, n: u64) -> allod_primitives::operation::SignedOperation {
        let control = key("newborn", n);
        let first = inception(&control, &key("login", n), [8; 16]);
        let did = first.did_id();
        let head = LaneHead::default();
        let operation = self.operation(did, Lane::Rank(0), head, Body::Incept(first));
        sign_operation(operation, &[&control])
    }

    fn anchor(&self, n: u64) -> allod_primitives::grant::SignedGrantMessage {
        let grant_key = key("grant", n);
        let action = GrantAction::Anchor {
            grant_key: public(&grant_key),
            expiry_day: START.day() + 30,
        };
        let gid = allod_primitives::blake2_256(&("gid", n).encode());
        sign_message(self.message(gid, action), &grant_key)
    }
}

/// Waits until the node says that it is final; `None` if it says anything else, or nothing.
async fn finalized(watch: &mut allod_chain::mempool::Watch) -> Option<Height> {
    let last = async {
        while let Some(status) = watch.recv().await {
            match status {
                TxStatus::Ready | TxStatus::Future => {}
                TxStatus::Finalized { height, .. } => return Some(height),
                TxStatus::Dropped(_) | TxStatus::Invalid(_) => return None,
            }
        }
        None
    };
    tokio::time::timeout(PATIENCE, last).await.ok().flatten()
}
