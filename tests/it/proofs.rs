//! Goal: nobody has to trust the node that answers. A client that knows nothing but the network's
//! name checks reads of every node, present and absent, old and new, over a change of validators.

use std::time::Duration;

use allod_primitives::header::Header;
use allod_primitives::light::{
    BlockChanges, CertifiedHeader, Follower, ReadProof, StatePage, StatePages, Trust, VerifiedRead,
};
use allod_primitives::{NetworkId, ValidatorSet, decode_strict, keys};
use allod_rpc_api::answers::{self, ProvenView};
use allod_rpc_api::hex_bytes::{from_hex, to_hex};
use allod_rpc_api::identity::ResolveRequest;
use allod_rpc_api::limits::RETIRED_PROVEN_MAX;
use allod_tests::devnet::Devnet;
use allod_tests::people::{Account, Person};
use jsonrpsee::core::ClientError;
use jsonrpsee::core::client::{ClientT, Subscription, SubscriptionClientT};
use jsonrpsee::http_client::{HttpClient, HttpClientBuilder};
use jsonrpsee::rpc_params;
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::ws_client::WsClientBuilder;
use serde_json::{Value, json};

use crate::governance::replace_last_validator;
use crate::support::{submit_all, until};

fn node(net: &Devnet, index: usize) -> HttpClient {
    let url = net.text(&format!("/nodes/{index}/rpc")).unwrap();
    HttpClientBuilder::default().build(url).unwrap()
}

async fn ask(node: &HttpClient, method: &str, request: Value) -> Result<Value, ErrorObjectOwned> {
    match node.request(method, rpc_params![request]).await {
        Ok(answer) => Ok(answer),
        Err(ClientError::Call(error)) => Err(error),
        Err(error) => panic!("{method}: {error}"),
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    from_hex(value.as_str().unwrap_or_else(|| panic!("{value}"))).unwrap()
}

async fn trust(node: &HttpClient, network: &NetworkId) -> Trust {
    let genesis: Value = node.request("light_genesis", rpc_params![]).await.unwrap();
    let header: Header = decode_strict(&bytes(&genesis["header"])).unwrap();
    let set: ValidatorSet = decode_strict(&bytes(&genesis["validators"])).unwrap();
    Trust::from_genesis(network, &header, &set).unwrap()
}

fn verified(trust: &mut Trust, proof: &Value) -> VerifiedRead {
    let proof = ReadProof::from_bytes(&bytes(proof)).unwrap();
    trust.verify_read(&proof).unwrap()
}

/// Works the answer to `identity_resolve` out from the proof, and compares it with the node's.
fn resolves(read: &VerifiedRead, person: &Person, told: &Value) {
    let view = ProvenView::new(read);
    let request = ResolveRequest {
        did: person.did.to_string(),
        ..ResolveRequest::default()
    };
    let own = answers::resolve(&view, &request, RETIRED_PROVEN_MAX).unwrap();
    view.finish().unwrap();
    let mut told = told.clone();
    told.as_object_mut().unwrap().remove("proof");
    assert_eq!(serde_json::to_value(own).unwrap(), told);
}

/// The whole state at `height`, page by page, comes to the certified root.
async fn whole_state(node: &HttpClient, trust: &mut Trust, height: u64) -> usize {
    let answer = ask(node, "light_header", json!({"height": height}))
        .await
        .unwrap();
    let header: CertifiedHeader = decode_strict(&bytes(&answer["header"])).unwrap();
    let header = trust.verify_header(&header).unwrap();
    let mut pages = StatePages::new();
    loop {
        let after = pages.last_key().map(to_hex);
        let request = json!({"at": height, "after": after, "count": 16});
        let answer = ask(node, "light_statePage", request).await.unwrap();
        let page = StatePage::from_bytes(&bytes(&answer["page"])).unwrap();
        let more = page.more;
        pages.add(page).unwrap();
        if !more {
            break;
        }
    }
    pages.finish(&header).unwrap().entries().len()
}

/// Follows from `height` to `newest` and returns how often `key` changed on the way.
async fn follow(
    net: &Devnet,
    trust: &mut Trust,
    (height, newest): (u64, u64),
    key: &[u8],
) -> usize {
    let answer = ask(&node(net, 1), "light_header", json!({"height": height}))
        .await
        .unwrap();
    let header: CertifiedHeader = decode_strict(&bytes(&answer["header"])).unwrap();
    let mut follower = Follower::at(&trust.verify_header(&header).unwrap());
    let url = net
        .text("/nodes/1/rpc")
        .unwrap()
        .replace("http://", "ws://");
    let client = WsClientBuilder::default().build(url).await.unwrap();
    let request = rpc_params![json!({"from": height + 1})];
    let mut blocks: Subscription<Value> = client
        .subscribe("light_subscribeBlocks", request, "light_unsubscribeBlocks")
        .await
        .unwrap();
    let mut count = 0;
    while follower.height().0 < newest {
        let limit = Duration::from_secs(30);
        let message = tokio::time::timeout(limit, blocks.next()).await;
        let message = message.unwrap().unwrap().unwrap();
        let changes = BlockChanges::from_bytes(&bytes(&message["changes"])).unwrap();
        let seen = follower.step(trust, changes).unwrap();
        count += seen.changes().iter().filter(|it| it.0 == key).count();
    }
    count
}

/// Method: an identity is created at one node and read with proof at another, from the
/// acknowledged height on; a stranger's absence is proven; the old block still answers; the pages
/// of the whole state come to its root; validators change, and the client that has slept takes
/// the transition out of its next read; a follower sees every change from the beginning.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_trusts_no_node_checks_reads_of_all_of_them() {
    let net = Devnet::start(4, &[]).await.unwrap();
    let client = net.client(0).unwrap();
    let context = client.context().await.unwrap();
    let network = NetworkId::from_genesis(&context.genesis.0);
    let mut trust = trust(&node(&net, 0), &network).await;
    let asleep = trust.clone();
    let mut registrar = Account::new(&client, net.secret("/keys/registrar").unwrap())
        .await
        .unwrap();
    let (alice, inception) = Person::new(&context, 11, 0).unwrap();
    let (bob, _) = Person::new(&context, 11, 1).unwrap();
    let outcomes = submit_all(&client, vec![registrar.batch(&[inception])]).await;
    let height = outcomes[0].height.unwrap();

    let did = |person: &Person| person.did.to_string();
    for index in 0..4 {
        let node = node(&net, index);
        let request = json!({"did": did(&alice), "proof": true, "atLeast": height});
        let told = ask(&node, "identity_resolve", request).await.unwrap();
        let read = verified(&mut trust, &told["proof"]);
        assert!(read.header().number().0 >= height);
        resolves(&read, &alice, &told);

        let request = json!({"did": did(&bob), "proof": true});
        let refused = ask(&node, "identity_resolve", request).await.unwrap_err();
        let data: Value = serde_json::from_str(refused.data().unwrap().get()).unwrap();
        let read = verified(&mut trust, &data["proof"]);
        let view = ProvenView::new(&read);
        let own = answers::effective_record(&view, &bob.did).unwrap_err();
        assert!(own.is_absence(), "{own}");
        view.finish().unwrap();

        let request = json!({"did": did(&alice), "proof": true, "at": height});
        let told = ask(&node, "identity_resolve", request).await.unwrap();
        let read = verified(&mut trust, &told["proof"]);
        assert_eq!(read.header().number().0, height);
        resolves(&read, &alice, &told);
    }
    for (members, code) in [
        (json!({"at": 0}), 7002),
        (json!({"at": height + 1_000_000}), 7001),
        (json!({"atLeast": height + 1_000_000}), 7006),
    ] {
        let mut request = json!({"did": did(&alice), "proof": true});
        request
            .as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        let refused = ask(&node(&net, 0), "identity_resolve", request)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), code, "{refused:?}");
    }
    assert!(whole_state(&node(&net, 2), &mut trust, height).await > 16);

    replace_last_validator(&net).await;
    let mut trust = asleep;
    let limit = Duration::from_secs(60);
    until("the set changes", limit, || async {
        let steps = ask(&node(&net, 0), "light_transitions", json!({"setId": 0})).await;
        (steps.unwrap()["setId"] == 1).then_some(())
    })
    .await;
    let request = json!({"did": did(&alice), "proof": {"setId": 0}});
    let told = ask(&node(&net, 0), "identity_resolve", request)
        .await
        .unwrap();
    let read = verified(&mut trust, &told["proof"]);
    assert_eq!(trust.newest_set().set_id(), 1);
    resolves(&read, &alice, &told);

    let newest = read.header().number().0;
    let fresh = &mut self::trust(&node(&net, 1), &network).await;
    let record = keys::did_record(&alice.did.id());
    assert_eq!(follow(&net, fresh, (1, newest), &record).await, 1);
    assert_eq!(fresh.newest_set().set_id(), 1);
    net.stop().await.unwrap();
}
