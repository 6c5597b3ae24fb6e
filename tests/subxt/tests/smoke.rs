//! Goal: an unmodified subxt, with no types of ours, connects, reads metadata, submits through
//! the registrar, sees the event and reads what it stored.
//! Method: a devnet of one validator on a loopback address of its own; one grant is anchored.
//! `ALLOD_DEVNET_PROGRAM` names the allod-devnet binary.

mod common;

use ed25519_dalek::{Signer as _, SigningKey};
use subxt::dynamic::{self, Value};
use subxt::{OnlineClient, SubstrateConfig};

use common::{Devnet, Ed25519, domain_hash, now_ms, preimage, random};

/// One anchoring as a dynamic value, signed by its own fresh key (spec/grants.md).
fn anchoring(genesis: [u8; 32], fork_id: u32, gid: [u8; 32]) -> Value {
    let key = SigningKey::from_bytes(&random());
    let day = u32::try_from(now_ms() / 86_400_000).unwrap() + 30;
    let valid_until = now_ms() + 600_000;
    let public = key.verifying_key().to_bytes();
    let mut message = vec![1];
    message.extend_from_slice(&genesis);
    message.extend_from_slice(&fork_id.to_le_bytes());
    message.extend_from_slice(&gid);
    message.push(0);
    message.extend_from_slice(&public);
    message.extend_from_slice(&day.to_le_bytes());
    message.extend_from_slice(&valid_until.to_le_bytes());
    let hash = domain_hash("allod/grant-message/v1", &message);
    let preimage = preimage(genesis, fork_id, hash);
    let signature = key.sign(&preimage).to_bytes();
    let action = Value::named_variant(
        "Anchor",
        [("grant_key", Value::from_bytes(public)), ("expiry_day", Value::u128(day.into()))],
    );
    let message = Value::named_composite([
        ("version", Value::u128(1)),
        ("genesis", Value::from_bytes(genesis)),
        ("fork_id", Value::u128(fork_id.into())),
        ("gid", Value::from_bytes(gid)),
        ("action", action),
        ("valid_until", Value::u128(valid_until.into())),
    ]);
    Value::named_composite([("message", message), ("signature", Value::from_bytes(signature))])
}

#[tokio::test]
async fn an_unmodified_subxt_submits_through_the_registrar_and_sees_the_event() {
    let devnet = Devnet::start();
    let url = devnet.manifest["nodes"][0]["ws"].as_str().unwrap();
    let api = OnlineClient::<SubstrateConfig>::from_insecure_url(url).await.unwrap();
    let registrar = Ed25519(SigningKey::from_bytes(&devnet.bytes32("/keys/registrar/secretUnsafe")));
    let fork_id = devnet.manifest["chain"]["forkId"].as_u64().unwrap();
    let gid = random();
    let item = anchoring(devnet.bytes32("/chain/genesis"), u32::try_from(fork_id).unwrap(), gid);
    let call = dynamic::transaction("Grant", "anchor", vec![Value::unnamed_composite([item])]);

    let at = api.at_current_block().await.unwrap();
    let progress =
        at.transactions().sign_and_submit_then_watch_default(&call, &registrar).await.unwrap();
    let events = progress.wait_for_finalized_success().await.unwrap();
    let names: Vec<String> = events
        .iter()
        .map(|event| event.unwrap())
        .map(|event| format!("{}.{}", event.pallet_name(), event.event_name()))
        .collect();
    assert!(names.contains(&"Grant.Anchored".to_owned()), "{names:?}");
    assert_eq!(names.last().map(String::as_str), Some("System.ExtrinsicSuccess"));

    let address = dynamic::storage::<([u8; 32],), Value>("Grant", "Grants");
    let at = api.at_current_block().await.unwrap();
    let entry = at.storage().fetch(address, (gid,)).await.unwrap().decode().unwrap();
    assert!(entry.to_string().contains("Active"), "{entry}");
}
