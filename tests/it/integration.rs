//! Goal: the Rust program of docs/integration.md lets in whoever the ledger lets in, and nobody
//! else. Its programs in other languages are run by the tests of these languages.

use std::collections::HashMap;
use std::sync::Mutex;

use allod_identity_client::clock::Clock;
use allod_identity_client::jwt::login_answer;
use allod_primitives::Height;
use allod_rpc_api::submit::SubmitItem;
use allod_tests::devnet::Devnet;
use allod_tests::people::{Account, Person};
use allod_tests::verified::{light_client, verified_view};

use crate::login_service::Logins;
use crate::support::submit_all;

/// Method: the page shows the very file that is compiled into this test. A login is good once; an
/// answer to no challenge, of another person to the same challenge's nonce, or with a retired key
/// is not.
#[tokio::test(flavor = "multi_thread")]
async fn the_documented_service_lets_in_whom_the_ledger_lets_in() {
    let page = include_str!("../../docs/integration.md");
    let block = format!("```rust\n{}```\n", include_str!("login_service.rs"));
    assert!(page.contains(&block), "docs/integration.md shows this file");

    let net = Devnet::start(1, &[]).await.unwrap();
    let node = net.client(0).unwrap();
    let context = node.context().await.unwrap();
    let secret = net.secret("/keys/registrar").unwrap();
    let mut registrar = Account::new(&node, secret).await.unwrap();
    let (mut alice, operation) = Person::new(&context, 23, 0).unwrap();
    submit_all(&node, vec![registrar.batch(&[operation])]).await;
    let client = light_client(&net, None).await.unwrap();
    let clock = Clock::devnet(net.dir(), &[]).unwrap();
    let service = Logins {
        view: verified_view(client).await.unwrap(),
        clock,
        open: Mutex::new(HashMap::new()),
    };
    let answer = |service: &Logins, alice: &Person| {
        let challenge = service.challenge().unwrap();
        let now = clock.now().seconds();
        let jws = login_answer(&alice.did, &alice.login_method(), &challenge, now).unwrap();
        (jws, challenge.nonce)
    };

    let (jws, nonce) = answer(&service, &alice);
    let did = service.login(jws.clone(), nonce.clone()).await.unwrap();
    assert_eq!(did, alice.did.to_string());
    let again = service.login(jws.clone(), nonce).await.unwrap_err();
    assert_eq!(again.to_string(), "challenge_unknown");
    let other = service.challenge().unwrap().nonce;
    let moved = service.login(jws, other).await.unwrap_err();
    assert_eq!(moved.to_string(), "nonce_mismatch");

    let (old, nonce) = answer(&service, &alice);
    let rotation = SubmitItem::operation(&alice.rotate().unwrap());
    let done = submit_all(&node, vec![rotation]).await;
    service.view.reached(Height(done[0].height.unwrap())).await;
    let retired = service.login(old, nonce).await.unwrap_err();
    assert_eq!(retired.to_string(), "key_retired");
    let (jws, nonce) = answer(&service, &alice);
    assert!(service.login(jws, nonce).await.is_ok());
    net.stop().await.unwrap();
}
