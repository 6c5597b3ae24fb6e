//! Goal: many identities, each with its own key; all nodes agree about all of them.

use std::time::Duration;

use allod_rpc_api::hex_bytes::HexHash;
use allod_tests::devnet::Devnet;
use allod_tests::people::{Account, Person};
use jsonrpsee::core::params::ArrayParams;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

use crate::support::{height, submit_batches, until};

const PEOPLE: u64 = 10_000;
const ROTATIONS: usize = 2_000;
const ASKED: usize = 1_000;
const SEED: u64 = 20_261_123;

/// Method: 10,000 inceptions and 2,000 rotations in batches; then four nodes answer the same
/// thousand questions, drawn from the seed, at one height; all state roots are compared; one node
/// is restarted and compared again.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_identities_are_the_same_on_all_four_nodes() {
    let net = Devnet::start(4, &[]).await.unwrap();
    let client = net.client(0).unwrap();
    let context = client.context().await.unwrap();
    let mut registrar = Account::new(&client, net.secret("/keys/registrar").unwrap())
        .await
        .unwrap();
    let mut random = ChaCha20Rng::seed_from_u64(SEED);

    let (mut people, operations): (Vec<Person>, Vec<_>) = (0..PEOPLE)
        .map(|n| Person::new(&context, SEED, n).unwrap())
        .unzip();
    submit_batches(&client, &mut registrar, &operations, 250).await;
    let mut order: Vec<usize> = (0..people.len()).collect();
    order.shuffle(&mut random);
    let rotations: Vec<_> = order[..ROTATIONS]
        .iter()
        .map(|i| people[*i].rotate().unwrap())
        .collect();
    submit_batches(&client, &mut registrar, &rotations, 250).await;

    let tip = height(&client).await.unwrap();
    wait_all(&net, tip).await;
    answers_are_alike(&net, &people, &mut random, tip).await;
    roots_are_alike(&net, tip).await;

    net.restart(2).await.unwrap();
    wait_all(&net, tip).await;
    roots_are_alike(&net, tip).await;
    answers_are_alike(&net, &people, &mut random, tip).await;
    net.stop().await.unwrap();
}

async fn wait_all(net: &Devnet, tip: u64) {
    for index in 0..net.count() {
        let client = net.client(index).unwrap();
        until(
            "every node has the tip",
            Duration::from_secs(60),
            || async { height(&client).await.filter(|h| *h >= tip) },
        )
        .await;
    }
}

async fn answers_are_alike(net: &Devnet, people: &[Person], random: &mut ChaCha20Rng, at: u64) {
    let asked: Vec<&Person> = (0..ASKED)
        .map(|_| &people[random.gen_range(0..people.len())])
        .collect();
    let first = net.client(0).unwrap();
    let others: Vec<_> = (1..net.count()).map(|i| net.client(i).unwrap()).collect();
    for person in asked {
        let expected = first.resolve(&person.did, Some(at)).await.unwrap();
        let key = format!("key-{}", person.method);
        assert_eq!(expected.record.document.methods.len(), 1);
        assert_eq!(
            expected.record.document.methods[0].method.fragment.as_str(),
            key
        );
        assert_eq!(expected.answer.height, at);
        for other in &others {
            let answer = other.resolve(&person.did, Some(at)).await.unwrap();
            assert_eq!(answer.answer, expected.answer);
        }
    }
}

async fn roots_are_alike(net: &Devnet, tip: u64) {
    let clients: Vec<_> = (0..net.count()).map(|i| net.client(i).unwrap()).collect();
    for at in 0..=tip {
        let mut seen: Option<(HexHash, String)> = None;
        for client in &clients {
            let mut params = ArrayParams::new();
            params.insert(at).unwrap();
            let hash: HexHash = client
                .call("chain_getBlockHash", params, Duration::ZERO)
                .await
                .unwrap();
            let mut params = ArrayParams::new();
            params.insert(hash).unwrap();
            let header: serde_json::Value = client
                .call("chain_getHeader", params, Duration::ZERO)
                .await
                .unwrap();
            let root = header["stateRoot"].as_str().unwrap().to_owned();
            let found = (hash, root);
            assert_eq!(
                seen.get_or_insert_with(|| found.clone()),
                &found,
                "height {at}"
            );
        }
    }
}
