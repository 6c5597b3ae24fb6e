//! A thief and strangers flood a node; the owner's next keys are in the next block.

use allod_consensus::Application;
use allod_primitives::extrinsic::RawExtrinsic;
use allod_primitives::limits::{QUOTA_DOCUMENTS_PER_DAY, QUOTA_RANK_PER_DAY, QUOTA_TOKENS_PER_DAY};
use allod_primitives::operation::{
    Body, KeySignature, Lane, OPERATION_VERSION, Operation, Payer, Reveal, SignatureProof,
    SignedOperation, operation_preimage,
};
use allod_primitives::policy::{ControlKey, PolicyChange, Rank, RankChange, WeightedKey};
use allod_primitives::token::{
    SignedTokenOperation, TOKEN_OPERATION_VERSION, TokenId, TokenOperation,
};
use allod_primitives::{Block, ChainId, DidId, H256, TimeMs, decode_strict};
use allod_runtime::{RuntimeCall, did, revocation};
use ed25519_dalek::SigningKey;
use parity_scale_codec::Encode;

use super::*;
use crate::mempool::PoolError;
use crate::storage::MemoryStore;
use crate::testing::*;

const VICTIM: u32 = 1;

fn weighted(key: &SigningKey) -> WeightedKey {
    WeightedKey {
        key: ControlKey::Ed25519(public(key)),
        weight: 1,
    }
}

/// What opens the victim's commitment.
fn reveal() -> Reveal {
    Reveal {
        keys: vec![weighted(&key(900))].try_into().unwrap(),
        threshold: 1,
        salt: [6; 16],
        next: None,
    }
}

fn signature(chain: &ChainId, key: &SigningKey, hash: &H256) -> KeySignature {
    KeySignature {
        key: ControlKey::Ed25519(public(key)),
        proof: SignatureProof::Ed25519(sign(key, &operation_preimage(chain, hash))),
        leaf: None,
    }
}

fn bare(call: &RuntimeCall) -> Vec<u8> {
    let raw = RawExtrinsic {
        signed: None,
        call: call.encode(),
    };
    raw.encode_body()
}

/// Returns an operation at `lane_seq` and its hash.
fn operation(
    chain: &ChainId,
    did: DidId,
    signer: &SigningKey,
    (lane, lane_seq, lane_prev): (Lane, u64, H256),
    body: Body,
) -> (H256, Vec<u8>) {
    let operation = Operation {
        version: OPERATION_VERSION,
        genesis: chain.genesis,
        fork_id: chain.fork_id,
        did,
        lane,
        lane_seq,
        lane_prev,
        payer: Payer::Any,
        valid_until: START.plus_ms(3_600_000),
        controller: None,
        reveal: matches!(lane, Lane::Next(_)).then(reveal),
        body,
    };
    let hash = operation.hash();
    let signatures = vec![signature(chain, signer, &hash)];
    let operation = SignedOperation {
        operation,
        signatures: signatures.try_into().unwrap(),
    };
    (
        hash,
        bare(&RuntimeCall::Did(did::Call::submit { operation })),
    )
}

/// Everything the thief of the victim's exposed key can have waiting at once.
fn thefts(chain: &ChainId, did: DidId, incepted: H256) -> Vec<Vec<u8>> {
    let thief = key(VICTIM);
    let mut list = Vec::new();
    let mut last = H256::ZERO;
    for n in 0..u64::from(QUOTA_DOCUMENTS_PER_DAY) {
        let logout = Body::SetNotBefore {
            not_before: TimeMs(0),
            bump_grant_epoch: true,
        };
        let place = (Lane::Documents, n, last);
        let (hash, body) = operation(chain, did, &thief, place, logout);
        last = hash;
        list.push(body);
    }
    last = incepted;
    for n in 1..=u64::from(QUOTA_RANK_PER_DAY) {
        let rank = Rank {
            keys: vec![weighted(&key(700 + n as u32))].try_into().unwrap(),
            threshold: 1,
            ..Rank::default()
        };
        let change = PolicyChange {
            ranks: vec![RankChange {
                index: 1,
                rank: Some(rank),
            }]
            .try_into()
            .unwrap(),
            ..PolicyChange::default()
        };
        let rotate = Body::Rotate {
            change,
            document: None,
        };
        let (hash, body) = operation(chain, did, &thief, (Lane::Rank(0), n, last), rotate);
        last = hash;
        list.push(body);
    }
    for n in 0..QUOTA_TOKENS_PER_DAY {
        let operation = TokenOperation {
            version: TOKEN_OPERATION_VERSION,
            genesis: chain.genesis,
            fork_id: chain.fork_id,
            did,
            payer: Payer::Own,
            valid_until: START.plus_ms(3_600_000),
            token: TokenId::from_jti(&n.to_string()),
            exp: START.seconds() + 3600,
        };
        let hash = operation.hash();
        let operation = SignedTokenOperation {
            operation,
            signatures: vec![signature(chain, &thief, &hash)].try_into().unwrap(),
        };
        list.push(bare(&RuntimeCall::Revocation(revocation::Call::revoke {
            operation,
        })));
    }
    list
}

/// Builds the next block at `node` and commits it; returns its extrinsics.
fn produce(genesis: &Genesis, node: &mut TestLedger) -> Vec<Vec<u8>> {
    let height = node.ledger.tip().next();
    let block = node.ledger.build(height, 0).unwrap();
    let hash = block.hash;
    node.ledger
        .put_undecided(height, hash, &block.bytes)
        .unwrap();
    let certificate = certificate(&genesis.chain, genesis, height, hash, 2);
    node.ledger.commit(hash, certificate).unwrap();
    let block: Block = decode_strict(&block.bytes).unwrap();
    block.extrinsics
}

#[tokio::test(start_paused = true)]
async fn next_keys_are_in_the_next_block_whatever_a_thief_and_strangers_send() {
    let genesis = Genesis::new(&genesis_config(2)).unwrap();
    let chain = genesis.chain;
    let mut node = TestLedger::open(&MemoryStore::new(), &genesis, 0).unwrap();
    let (did, body) = inception_with(&chain, VICTIM, START, Some(reveal().commitment()));
    let results = node.mempool.submit(vec![body]).await;
    assert!(results[0].is_ok(), "{results:?}");
    produce(&genesis, &mut node);
    let reader = node.chain.store().reader();
    let incepted = reader.log(&did, 0, 1).unwrap()[0].entry.operation_hash;
    drop(reader);

    let thefts = thefts(&chain, did, incepted);
    let strangers = (100..400).map(|seed| inception(&chain, seed, START).1);
    for flood in [thefts.clone(), strangers.collect()] {
        let results = node.mempool.submit(flood).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }
    // Room for the time and one more.
    node.ledger.config.limits.items = 2;
    let empty = || Body::Rotate {
        change: PolicyChange::default(),
        document: None,
    };
    let place = (Lane::Next(0), 0, H256::ZERO);
    let (rotated, rescue) = operation(&chain, did, &key(900), place, empty());
    // By the new keys, which are not in force yet: it has to wait until they are.
    let place = (Lane::Rank(0), 1, incepted);
    let cancel = Body::Cancel {
        pending: H256([1; 32]),
    };
    let (_, ahead) = operation(&chain, did, &key(900), place, cancel);
    let results = node
        .mempool
        .submit(vec![rescue.clone(), ahead.clone()])
        .await;
    assert!(results[0].is_ok(), "{results:?}");
    let refused = allod_runtime::frame::TransactionError::BadProof;
    assert_eq!(results[1], Err(PoolError::Invalid(refused)));
    let extrinsics = produce(&genesis, &mut node);
    assert_eq!(extrinsics[1..], [rescue]);
    let reader = node.chain.store().reader();
    let second = reader.log(&did, 1, 1).unwrap();
    assert_eq!(second[0].entry.operation_hash, rotated);
    drop(reader);

    // What the thief still had waiting went with its key.
    for theft in &thefts {
        let hash = allod_primitives::header::extrinsic_hash(theft);
        assert!(!node.mempool.contains(&hash));
    }
    let results = node.mempool.submit(vec![ahead]).await;
    assert!(results[0].is_ok(), "{results:?}");
}
