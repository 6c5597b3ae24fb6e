//! Requests damaged at random: each is answered, none as an internal error, and none has effect.

use allod_rpc::NodeView as _;
use allod_rpc_api::submit::SubmitItem;
use parity_scale_codec::Encode;
use rand::Rng as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::node::START;
use crate::people::{AUDIENCE, registrar, signed};
use crate::wire::Harness;

const ROUNDS_PER_REQUEST: u64 = 150;

/// One good request per method that takes any parameters.
fn requests(harness: &Harness) -> Vec<(&'static str, Value)> {
    let (alice, bob) = (harness.person(1), harness.person(2));
    let did = alice.did().to_string();
    let now = START.seconds() + 1;
    let jws = alice.jws(1, now, "nonce");
    let grant = alice.grant(bob.did(), "https://store.example/photos/");
    let grant = format!("0x{}", hex::encode(grant.encode()));
    let genesis = harness.node.genesis();
    let batch = signed(&registrar(), genesis, 0, [3, 2], &vec![bob.inception()]);
    let wire = format!("0x{}", hex::encode(batch.encode()));
    let key = format!("0x{}", "11".repeat(40));
    let token = SubmitItem::token(&bob.revoke_token(now));
    vec![
        ("identity_submit", json!({"items": [bob.incept_item()]})),
        (
            "identity_submit",
            json!({"items": [token], "wait": "accepted"}),
        ),
        ("identity_resolve", json!({"did": did, "height": 1})),
        (
            "identity_history",
            json!({"did": did, "from": 0, "count": 5}),
        ),
        ("identity_lanes", json!([did])),
        (
            "identity_verifyLogin",
            json!({"jws": jws, "audience": AUDIENCE, "nonce": "nonce"}),
        ),
        (
            "identity_verifyJws",
            json!({"jws": jws, "audience": AUDIENCE, "maxAgeS": 5}),
        ),
        (
            "revocation_check",
            json!({"issuer": did, "exp": now, "jti": "j-1"}),
        ),
        ("grant_check", json!({"grant": grant})),
        (
            "access_evaluate",
            json!({"subject": bob.did().to_string(), "action": "read", "owner": did,
                "resource": "https://store.example/photos/1", "grants": [grant]}),
        ),
        ("chain_getBlockHash", json!([[0, "0x1"]])),
        ("chain_getBlock", json!([genesis.to_string()])),
        ("state_getStorage", json!([key, genesis.to_string()])),
        ("state_queryStorageAt", json!([[key], genesis.to_string()])),
        (
            "state_getKeysPaged",
            json!([key, 10, key, genesis.to_string()]),
        ),
        (
            "state_call",
            json!(["Metadata_metadata_at_version", "0x0e000000"]),
        ),
        ("system_accountNextIndex", json!([genesis.to_string()])),
        ("author_submitExtrinsic", json!([wire])),
    ]
}

/// Flips, inserts, removes or repeats a few bytes.
fn damaged(text: &str, random: &mut ChaCha8Rng) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..random.gen_range(1..4) {
        let at = random.gen_range(0..bytes.len());
        match random.gen_range(0..4) {
            0 => bytes[at] = random.gen_range(32..127),
            1 => bytes.insert(at, random.gen_range(32..127)),
            2 => drop(bytes.remove(at)),
            _ => {
                let end = (at + random.gen_range(1..20)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn damaged_requests_are_answered_and_have_no_effect() {
    let harness = Harness::start().await;
    harness.incept(&harness.person(1)).await;
    harness.node.hold();
    for (index, (method, params)) in requests(&harness).into_iter().enumerate() {
        let whole = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let params = params.to_string();
        for round in 0..ROUNDS_PER_REQUEST {
            let seed = index as u64 * 1000 + round;
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let body = match round % 3 {
                0 => damaged(&whole.to_string(), &mut random),
                _ => whole
                    .to_string()
                    .replace(&params, &damaged(&params, &mut random)),
            };
            let (status, answer) = harness.post(&body).await;
            assert!(status < 500, "seed {seed}: {status}");
            let code = serde_json::from_str::<Value>(&answer)
                .ok()
                .and_then(|it| it["error"]["code"].as_i64());
            assert!(
                !matches!(code, Some(1006 | -32603)),
                "seed {seed}: {body} got {answer}"
            );
        }
    }
    assert_eq!(harness.node.head().height().0, 1);
    let did = json!([harness.person(2).did().to_string()]);
    assert_eq!(harness.refused("identity_resolve", did).await.0, 2003);
}
