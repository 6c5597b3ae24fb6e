//! Goal: what changes on the ledger is denied within one block, on every node.

use std::time::Duration;

use allod_identity_client::jwt::{Challenge, TokenRequest, issue_token, login_answer};
use allod_identity_client::operation::{sign_token_operation, token_operation};
use allod_identity_client::rpc::chain_id;
use allod_primitives::token::TokenId;
use allod_rpc_api::login::{VerifyJwsRequest, VerifyLoginRequest};
use allod_rpc_api::submit::SubmitItem;
use allod_rpc_api::verify::Decision;
use allod_tests::devnet::Devnet;
use allod_tests::people::{Account, Person, terms};

use crate::support::{submit_all, wait_height};

const AUDIENCE: &str = "https://gateway.example";

fn reason(decision: &Decision) -> String {
    serde_json::to_value(decision).unwrap()["reason"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn allowed(decision: &Decision) -> bool {
    serde_json::to_value(decision).unwrap()["decision"] == "allow"
}

/// Method: a login with the key before a rotation and with the one after it, and a token before
/// and after its revocation, are judged by all four nodes at the height of the acknowledgement.
#[tokio::test(flavor = "multi_thread")]
async fn a_retired_key_and_a_revoked_token_are_denied_from_the_acknowledged_height_on() {
    let net = Devnet::start(4, &[]).await.unwrap();
    let client = net.client(0).unwrap();
    let context = client.context().await.unwrap();
    let mut registrar = Account::new(&client, net.secret("/keys/registrar").unwrap())
        .await
        .unwrap();
    let (mut alice, operation) = Person::new(&context, 7, 0).unwrap();
    submit_all(&client, vec![registrar.batch(&[operation])]).await;

    let now = client.context().await.unwrap().node_time / 1000;
    let request = TokenRequest {
        audience: Some(AUDIENCE.into()),
        lifetime_s: 3600,
        ..TokenRequest::default()
    };
    let token = issue_token(&alice.did, &alice.login_method(), &request, now).unwrap();
    let judge = VerifyJwsRequest {
        as_of: None,
        evidence: None,
        jws: token.jwt.clone(),
        audience: AUDIENCE.into(),
        nonce: None,
        relationship: None,
        max_age_s: None,
        time: None,
        max_staleness_ms: None,
    };
    assert!(allowed(&client.verify_jws(&judge).await.unwrap()));
    let chain = chain_id(&context);
    let revocation = token_operation(
        &terms(&chain, &context),
        alice.id(),
        TokenId::from_jti(&token.jti),
        token.exp,
    );
    let signed = sign_token_operation(revocation, &[&alice.control]).unwrap();
    let height = submit_all(&client, vec![SubmitItem::token(&signed)]).await[0]
        .height
        .unwrap();
    for node in 0..4 {
        let client = net.client(node).unwrap();
        wait_height(&client, height - 1, Duration::from_secs(10)).await;
        assert_eq!(
            reason(&client.verify_jws(&judge).await.unwrap()),
            "token_revoked"
        );
    }

    let old = alice.login_method();
    let challenge = Challenge::new(AUDIENCE, now, 120).unwrap();
    let judge = |jws: String| VerifyLoginRequest {
        jws,
        audience: AUDIENCE.into(),
        nonce: challenge.nonce.clone(),
        time: None,
        max_staleness_ms: None,
    };
    let before = judge(login_answer(&alice.did, &old, &challenge, now).unwrap());
    assert!(allowed(&client.verify_login(&before).await.unwrap()));
    let rotation = alice.rotate().unwrap();
    let height = submit_all(&client, vec![SubmitItem::operation(&rotation)]).await[0]
        .height
        .unwrap();
    let after = judge(login_answer(&alice.did, &alice.login_method(), &challenge, now).unwrap());
    for node in 0..4 {
        let client = net.client(node).unwrap();
        wait_height(&client, height - 1, Duration::from_secs(10)).await;
        assert_eq!(
            reason(&client.verify_login(&before).await.unwrap()),
            "key_retired"
        );
        assert!(allowed(&client.verify_login(&after).await.unwrap()));
    }
    net.stop().await.unwrap();
}
