//! Goal: who believes nobody is answered as long as the network is, and refuses when it is gone.

use std::time::Duration;

use allod_identity_client::light::{LightClient, VerifiedView};
use allod_primitives::Height;
use allod_rpc_api::login::VerifyLoginRequest;
use allod_rpc_api::submit::SubmitItem;
use allod_rpc_api::verify::ReasonCode;
use allod_tests::devnet::Devnet;
use allod_tests::people::{Account, Person};
use allod_tests::verified::{light_client, login, verified_view};

use crate::support::{submit_all, until};

const AUDIENCE: &str = "https://gateway.example";
/// Questions of the healthy run.
const QUESTIONS: usize = 1000;
/// Of these, how many may have no answer.
const UNANSWERED_MAX: usize = QUESTIONS / 1000;

/// Method: a client over all four nodes and a view that follows them judge a login again and again
/// while others register; the key is rotated; one node is killed, then all of them.
#[tokio::test(flavor = "multi_thread")]
async fn proven_answers_come_while_the_network_lives_and_end_with_it() {
    let net = Devnet::start(4, &[]).await.unwrap();
    let node = net.client(1).unwrap();
    let context = node.context().await.unwrap();
    let secret = net.secret("/keys/registrar").unwrap();
    let mut registrar = Account::new(&node, secret).await.unwrap();
    let (mut alice, operation) = Person::new(&context, 11, 0).unwrap();
    submit_all(&node, vec![registrar.batch(&[operation])]).await;
    let folder = tempfile::tempdir().unwrap();
    let client = light_client(&net, Some(folder.path())).await.unwrap();
    let view = verified_view(client.clone()).await.unwrap();

    // Healthy: under load, and with one node gone half-way.
    let request = login(&alice, AUDIENCE, net.now().unwrap().seconds()).unwrap();
    let (mut unanswered, mut why) = (0, Vec::new());
    for question in 0..QUESTIONS {
        if question == QUESTIONS / 2 {
            net.kill(0).await.unwrap();
        }
        if question % 50 == 0 {
            let number = 1 + u64::try_from(question).unwrap();
            let (_, operation) = Person::new(&context, 11, number).unwrap();
            submit_all(&node, vec![registrar.batch(&[operation])]).await;
        }
        let asked = client.verify_login(&request, None).await;
        let told = view.verify_login(&request);
        for answer in [
            asked.map_err(|it| it.to_string()),
            told.map_err(|it| it.to_string()),
        ] {
            match answer {
                Ok(proven) => assert_eq!(proven.answer.reason, ReasonCode::Ok),
                Err(error) => {
                    unanswered += 1;
                    why.push(error);
                }
            }
        }
    }
    assert!(unanswered <= 2 * UNANSWERED_MAX, "{unanswered}: {why:?}");

    // What is acknowledged is denied from that height on.
    let rotation = alice.rotate().unwrap();
    let outcomes = submit_all(&node, vec![SubmitItem::operation(&rotation)]).await;
    let height = Height(outcomes[0].height.unwrap());
    let denied = client.verify_login(&request, Some(height)).await.unwrap();
    assert_eq!(denied.answer.reason, ReasonCode::KeyRetired);
    tokio::time::timeout(Duration::from_secs(20), view.reached(height))
        .await
        .unwrap();
    let denied = view.verify_login(&request).unwrap();
    assert_eq!(denied.answer.reason, ReasonCode::KeyRetired);
    let request = login(&alice, AUDIENCE, net.now().unwrap().seconds()).unwrap();
    assert!(view.verify_login(&request).unwrap().answer.is_allowed());

    for index in 1..4 {
        net.kill(index).await.unwrap();
    }
    refuse(&client, &view, &request).await;
    net.stop().await.unwrap();
}

/// With all nodes gone the client has no answer at once, the view none after the bound, and never
/// again.
async fn refuse(client: &LightClient, view: &VerifiedView, request: &VerifyLoginRequest) {
    assert!(client.verify_login(request, None).await.is_err());
    let bound = client.config().staleness + Duration::from_secs(5);
    until("the view refuses", bound, || async {
        view.verify_login(request).is_err().then_some(())
    })
    .await;
    for _ in 0..QUESTIONS {
        let refused = view.verify_login(request).unwrap_err();
        assert_eq!(refused.slug(), "light.view_stale");
    }
    assert!(client.verify_login(request, None).await.is_err());
}
