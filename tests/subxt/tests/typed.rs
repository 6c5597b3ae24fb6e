//! Goal: types that subxt generates from a running node are enough to register an identity through
//! the registrar, watch it become final, decode events and failures by name, and read storage by
//! key and by iteration at two blocks.

mod common;

use codec::Encode;
use ed25519_dalek::{Signer as _, SigningKey};
use subxt::{OnlineClient, SubstrateConfig};

use common::{Devnet, Ed25519, domain_hash, now_ms, preimage, random};

#[subxt::subxt(
    runtime_metadata_path = "$OUT_DIR/metadata.scale",
    derive_for_all_types = "codec::Encode"
)]
pub mod allod {}

use allod::runtime_types::allod_primitives as ledger;
use ledger::crypto::{PublicKey, Signature};
use ledger::did::DidId;
use ledger::document::InitialDocument;
use ledger::operation::{
    Body, Inception, KeySignature, Lane, Operation, Payer, SignatureProof, SignedOperation,
};
use ledger::policy::{Capabilities, ControlKey, ControlPolicy, Rank, WeightedKey};

/// A new identity and its first operation, made of the generated types alone.
fn inception(devnet: &Devnet) -> ([u8; 32], SignedOperation) {
    let genesis = devnet.bytes32("/chain/genesis");
    let fork_id = devnet.manifest["chain"]["forkId"].as_u64().unwrap();
    let fork_id = u32::try_from(fork_id).unwrap();
    let control = SigningKey::from_bytes(&random());
    let key = || ControlKey::Ed25519(PublicKey(control.verifying_key().to_bytes()));
    let rank = Rank {
        keys: vec![WeightedKey { key: key(), weight: 1 }],
        threshold: 1,
        capabilities: Capabilities(15),
        next: None,
    };
    let policy = ControlPolicy { ranks: vec![rank], guardians: None, delay_ms: 72 * 3_600_000 };
    let document = InitialDocument {
        methods: vec![],
        services: vec![],
        also_known_as: vec![],
        controllers: vec![],
    };
    let salt = random()[..16].try_into().unwrap();
    let inception = Inception { version: 1, policy, document, salt };
    let id = domain_hash("allod/did/v1", &inception.encode());
    let operation = Operation {
        version: 1,
        genesis: genesis.into(),
        fork_id: ledger::types::ForkId(fork_id),
        did: DidId(id),
        lane: Lane::Rank(0),
        lane_seq: 0,
        lane_prev: [0; 32].into(),
        payer: Payer::Any,
        valid_until: ledger::types::TimeMs(now_ms() + 600_000),
        controller: None,
        reveal: None,
        body: Body::Incept(inception),
    };
    let hash = domain_hash("allod/operation/v1", &operation.encode());
    let signature = control.sign(&preimage(genesis, fork_id, hash)).to_bytes();
    let signature = KeySignature {
        key: key(),
        proof: SignatureProof::Ed25519(Signature(signature)),
        leaf: None,
    };
    (id, SignedOperation { operation, signatures: vec![signature] })
}

#[tokio::test]
async fn an_identity_is_registered_and_read_by_generated_types() {
    let devnet = Devnet::start();
    let url = devnet.manifest["nodes"][0]["ws"].as_str().unwrap();
    let api = OnlineClient::<SubstrateConfig>::from_insecure_url(url).await.unwrap();
    let registrar = Ed25519(SigningKey::from_bytes(&devnet.bytes32("/keys/registrar/secretUnsafe")));
    let before = api.at_current_block().await.unwrap();

    let (id, item) = inception(&devnet);
    let (_, other) = inception(&devnet);
    let call = allod::transactions().did().batch(vec![item, other]);
    let submitted = api.at_current_block().await.unwrap();
    let mut transactions = submitted.transactions();
    let progress = transactions.sign_and_submit_then_watch_default(&call, &registrar);
    let included = progress.await.unwrap().wait_for_finalized().await.unwrap();
    let events = included.wait_for_success().await.unwrap();
    let incepted: Vec<_> = events
        .find::<allod::did::events::Incepted>()
        .map(|event| event.unwrap().did.0)
        .collect();
    assert!(incepted.contains(&id), "{incepted:?}");

    let after = api.at_block(included.block_hash()).await.unwrap();
    let records = allod::storage().did().records();
    let record = after.storage().fetch(&records, (DidId(id),)).await.unwrap().decode().unwrap();
    assert_eq!(record.log.count, 1);
    assert!(before.storage().try_fetch(&records, (DidId(id),)).await.unwrap().is_none());
    let mut count = [0, 0];
    for (at, count) in [&before, &after].into_iter().zip(&mut count) {
        let mut all = at.storage().iter(&records, ()).await.unwrap();
        while let Some(entry) = all.next().await {
            entry.unwrap();
            *count += 1;
        }
    }
    assert_eq!(count[1], count[0] + 2);
    compare_calls(&before, &after, DidId(id), &record).await;
}

type At = subxt::client::OnlineClientAtBlock<SubstrateConfig>;

/// The functions about identities answer at the block they are called at, by generated types.
async fn compare_calls(
    before: &At,
    after: &At,
    id: DidId,
    record: &ledger::record::DidRecord,
) {
    let calls = || allod::runtime_apis().identity_api();
    let again = || DidId(id.0);
    let absent = before.runtime_apis().call(calls().record(again())).await.unwrap();
    assert!(absent.is_none(), "it was not there yet");
    let found = after.runtime_apis().call(calls().record(again())).await.unwrap();
    assert_eq!(found.unwrap().encode(), record.encode());
    let effective = after.runtime_apis().call(calls().effective(again())).await.unwrap();
    let effective = effective.unwrap();
    assert_eq!(effective.record.encode(), record.encode());
    assert!(effective.retired.is_empty());
    let needed = ledger::document::Relationships(1);
    let asked = calls().resolve_key(again(), "k1".into(), needed);
    let key = after.runtime_apis().call(asked).await.unwrap();
    assert_eq!(key.unwrap_err(), "key_unknown");
    let standing = allod::runtime_apis().access_api().grant([7; 32].into());
    let standing = after.runtime_apis().call(standing).await.unwrap();
    assert!(matches!(standing.standing, ledger::calls::GrantStanding::Absent));
}

#[tokio::test]
async fn a_call_that_fails_names_its_error() {
    let devnet = Devnet::start();
    let url = devnet.manifest["nodes"][0]["ws"].as_str().unwrap();
    let api = OnlineClient::<SubstrateConfig>::from_insecure_url(url).await.unwrap();
    let trustee = devnet.bytes32("/keys/trustees/0/secretUnsafe");
    let trustee = Ed25519(SigningKey::from_bytes(&trustee));
    let call = allod::transactions().authority().vote(999, [2; 32].into());
    let at = api.at_current_block().await.unwrap();
    let mut transactions = at.transactions();
    let progress = transactions.sign_and_submit_then_watch_default(&call, &trustee);
    let failed = progress.await.unwrap().wait_for_finalized_success().await.unwrap_err();
    let text = failed.to_string();
    assert!(text.contains("Authority") && text.contains("NotFound"), "{text}");
}
