//! Goal: nothing acknowledged is ever lost, whatever is killed.

use std::time::Duration;

use allod_rpc_api::submit::{SubmitItem, SubmitStatus, Wait};
use allod_tests::devnet::Devnet;
use allod_tests::people::{Account, Person};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::support::{height, submit_all, until, wait_height};

/// What a load of single registrations saw.
#[derive(Default)]
pub(crate) struct Acknowledged {
    pub(crate) people: Vec<Person>,
    within_5s: usize,
    submitted: usize,
}

impl Acknowledged {
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.people.extend(other.people);
        self.within_5s += other.within_5s;
        self.submitted += other.submitted;
        self
    }
}

/// How many register at once.
const LOADS: u64 = 8;

/// Registers one person after another through the nodes in turn until told to stop; those whose
/// node says *finalized* are kept.
pub(crate) async fn load(
    net: &Devnet,
    seed: u64,
    nodes: &[usize],
    stop: watch::Receiver<bool>,
) -> Acknowledged {
    let mut seen = Acknowledged::default();
    let clients: Vec<_> = nodes.iter().map(|i| net.client(*i).unwrap()).collect();
    let mut context = clients[0].context().await.unwrap();
    let registrar = net.secret("/keys/registrar").unwrap();
    let chain = allod_identity_client::rpc::chain_id(&context);
    for number in 0.. {
        if *stop.borrow() {
            break;
        }
        let client = &clients[usize::try_from(number).unwrap() % clients.len()];
        let (person, operation) = Person::new(&context, seed, number).unwrap();
        let expires = allod_primitives::TimeMs(context.node_time + 3_600_000);
        let admission =
            allod_identity_client::operation::voucher(&registrar, &chain, &person.id(), expires);
        let item = SubmitItem::inception(&operation, &admission);
        let begun = Instant::now();
        seen.submitted += 1;
        let answer = client
            .submit(vec![item], Wait::Finalized, Some(5_000))
            .await;
        if answer.is_ok_and(|outcomes| outcomes[0].status == SubmitStatus::Finalized) {
            seen.within_5s += usize::from(begun.elapsed() <= Duration::from_secs(5));
            seen.people.push(person);
        } else if let Ok(now) = client.context().await {
            // Perhaps the time is another one.
            context = now;
        }
    }
    seen
}

pub(crate) async fn all_there(net: &Devnet, node: usize, people: &[Person]) {
    let client = net.client(node).unwrap();
    for person in people {
        let found = client.lookup(&person.did).await.unwrap();
        assert!(
            found.is_some(),
            "node {node} lost the acknowledged {}",
            person.did
        );
    }
}

/// Method: registrations go on through the three others while one validator is killed and comes
/// back.
#[tokio::test(flavor = "multi_thread")]
async fn one_validator_killed_under_load_costs_nothing() {
    let net = Devnet::start(4, &[]).await.unwrap();
    let (stop, stopped) = watch::channel(false);
    let loads = (1..=LOADS).map(|seed| load(&net, seed, &[0, 1, 2], stopped.clone()));
    let (acknowledged, ()) = tokio::join!(futures::future::join_all(loads), async {
        let client = net.client(0).unwrap();
        let before = wait_height(&client, 5, Duration::from_secs(30)).await;
        net.kill(3).await.unwrap();
        let during = wait_height(&client, before + 20, Duration::from_secs(60)).await;
        let back = Instant::now();
        net.restart(3).await.unwrap();
        let third = net.client(3).unwrap();
        until(
            "the killed validator is at the tip again",
            Duration::from_secs(30),
            || async {
                let (own, tip) = (height(&third).await?, height(&client).await?);
                (own >= tip && own > during).then_some(())
            },
        )
        .await;
        eprintln!("rejoined after {:?}", back.elapsed());
        assert!(
            back.elapsed() < Duration::from_secs(10),
            "rejoined after {:?}",
            back.elapsed()
        );
        stop.send(true).unwrap();
    });
    let acknowledged = acknowledged.into_iter().reduce(Acknowledged::and).unwrap();
    eprintln!(
        "{} of {} within 5 s",
        acknowledged.within_5s, acknowledged.submitted
    );
    assert!(acknowledged.within_5s * 100 >= acknowledged.submitted * 95);
    assert!(acknowledged.people.len() > 100, "the load was real");
    let tip = height(&net.client(0).unwrap()).await.unwrap();
    for node in 0..4 {
        wait_height(&net.client(node).unwrap(), tip - 1, Duration::from_secs(20)).await;
        all_there(&net, node, &acknowledged.people).await;
    }
    net.stop().await.unwrap();
}

/// Method: two of four are killed: the height stands still while submissions wait; then they are
/// started again and the network goes on without a fork.
#[tokio::test(flavor = "multi_thread")]
async fn two_of_four_killed_stop_the_chain_and_restarted_go_on() {
    let net = Devnet::start(4, &[]).await.unwrap();
    let client = net.client(0).unwrap();
    let mut registrar = Account::new(&client, net.secret("/keys/registrar").unwrap())
        .await
        .unwrap();
    let context = client.context().await.unwrap();
    let (first, operation) = Person::new(&context, 2, 0).unwrap();
    submit_all(&client, vec![registrar.batch(&[operation])]).await;
    net.kill(2).await.unwrap();
    net.kill(3).await.unwrap();
    let (second, operation) = Person::new(&context, 2, 1).unwrap();
    let item = registrar.batch(&[operation]);
    // A block that was decided before the kill may still arrive; the wait below sees it settle.
    let outcomes = client
        .submit(vec![item], Wait::Finalized, Some(6_000))
        .await
        .unwrap();
    assert_ne!(
        outcomes[0].status,
        SubmitStatus::Finalized,
        "two of four finalize nothing"
    );
    let stuck = height(&client).await.unwrap();
    net.restart(2).await.unwrap();
    net.restart(3).await.unwrap();
    wait_height(&client, stuck, Duration::from_secs(30)).await;
    until(
        "the waiting registration is taken in",
        Duration::from_secs(30),
        || async { client.lookup(&second.did).await.unwrap() },
    )
    .await;
    for node in 0..4 {
        wait_height(&net.client(node).unwrap(), stuck, Duration::from_secs(30)).await;
        all_there(&net, node, std::slice::from_ref(&first)).await;
    }
    net.stop().await.unwrap();
}

/// Method: five times, all four are killed at once right after an acknowledgement and started
/// again; everything acknowledged must be on every node.
#[tokio::test(flavor = "multi_thread")]
async fn all_four_killed_five_times_lose_nothing_acknowledged() {
    let net = Devnet::start(4, &[]).await.unwrap();
    let mut people = Vec::new();
    for round in 0..5u64 {
        let client = net.client(0).unwrap();
        until("the network answers", Duration::from_secs(60), || {
            height(&client)
        })
        .await;
        let context = client.context().await.unwrap();
        let mut registrar = Account::new(&client, net.secret("/keys/registrar").unwrap())
            .await
            .unwrap();
        let (added, operations): (Vec<_>, Vec<_>) = (0..20)
            .map(|n| Person::new(&context, 100 + round, n).unwrap())
            .unzip();
        submit_all(&client, vec![registrar.batch(&operations)]).await;
        people.extend(added);
        for node in 0..4 {
            net.kill(node).await.unwrap();
        }
        for node in 0..4 {
            net.restart(node).await.unwrap();
        }
    }
    let client = net.client(0).unwrap();
    let tip = until("the network answers", Duration::from_secs(60), || {
        height(&client)
    })
    .await;
    wait_height(&client, tip, Duration::from_secs(60)).await;
    for node in 0..4 {
        wait_height(&net.client(node).unwrap(), tip, Duration::from_secs(60)).await;
        all_there(&net, node, &people).await;
    }
    net.stop().await.unwrap();
}
