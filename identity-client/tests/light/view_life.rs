//! A view's life: where it begins, goes on, begins again, and what it refuses meanwhile.

use std::sync::Arc;
use std::time::Duration;

use allod_identity_client::light::{
    LightClient, Prefetch, ReadError, VerifiedView, ViewConfig, ViewError, ViewState,
};
use allod_primitives::light::{PageValue, StatePage};
use allod_primitives::{DidId, H256, Height, keys};
use allod_rpc_api::access::{AccessEvaluateRequest, ActionName};
use allod_rpc_api::grant::GrantCheckRequest;
use allod_rpc_api::login::VerifyJwsRequest;

use crate::fixture::chain::Chain;
use crate::fixture::node::{FakeNode, Lies};
use crate::fork::forked_by_sets;
use crate::view::{begin, client, is_revoked, quick, reach, revoke};
use crate::world::{Time, alice, chain, config, kept, lies, login, open, record, tick};

const LIMIT: Duration = Duration::from_secs(20);

/// Two nodes of one chain, whose newest block is 4.
fn pair_at_4(time: &Time) -> (FakeNode, FakeNode) {
    let mut chain = chain();
    time.pass(100);
    chain.empty(time.now());
    (
        FakeNode::new("first", chain.clone()),
        FakeNode::new("second", chain),
    )
}

/// Lets both make the same block.
fn grow(time: &Time, nodes: [&FakeNode; 2]) {
    time.pass(100);
    for node in nodes {
        node.grow(|chain| chain.empty(time.now()));
    }
}

/// Waits until a node is put aside for this.
async fn aside(client: &LightClient, slug: &str) {
    let seen = async {
        let is_there = || {
            let asides = client.status().asides;
            asides.iter().any(|it| it.fault.slug() == slug)
        };
        while !is_there() {
            tokio::task::yield_now().await;
        }
    };
    let seen = tokio::time::timeout(LIMIT, seen).await;
    assert!(seen.is_ok(), "{slug}: {:?}", client.status().asides);
}

/// Goal: an answer of a view counts for all later ones. Method: the node that it followed goes;
/// the other has lost what is missing, and is a block behind, though fresh.
#[tokio::test]
async fn no_later_answer_is_from_below_a_views() {
    let time = Time::new();
    let (first, second) = pair_at_4(&time);
    let view = begin(&time, &[&first, &second]).await;
    let client = view.client().clone();
    let request = login(&alice(&first.chain()), 1, time.now());
    assert_eq!(client.status().answered, Height(0));
    assert_eq!(view.verify_login(&request).unwrap().height, Height(4));
    assert_eq!(client.status().answered, Height(4));
    second.lie(lies(|it| {
        it.pruned = usize::MAX;
        it.behind = 1;
    }));
    first.lie(lies(|it| it.silent = true));
    aside(&client, "light.head_back").await;
    assert_eq!(view.verify_login(&request).unwrap().height, Height(4));
    assert_eq!(view.status().bootstraps, 1);
    let did = alice(&first.chain());
    let error = client.resolve(&did, None).await.unwrap_err();
    assert_eq!(error.slug(), "light.head_back", "{error}");
    // Once it is not below, the view begins again there.
    second.lie(lies(|it| it.pruned = usize::MAX));
    grow(&time, [&first, &second]);
    reach(&view, 5).await;
    assert_eq!(view.status().bootstraps, 2);
    assert_eq!(view.verify_login(&request).unwrap().height, Height(5));
}

/// Goal: even if nobody asked it, a view does not go back: whoever waited for a height relies on it.
#[tokio::test]
async fn a_view_never_goes_back() {
    let time = Time::new();
    let (first, second) = pair_at_4(&time);
    let view = begin(&time, &[&first, &second]).await;
    second.lie(lies(|it| {
        it.pruned = usize::MAX;
        it.behind = 1;
    }));
    first.lie(lies(|it| it.silent = true));
    aside(view.client(), "light.head_back").await;
    assert_eq!(view.status().head.height, Height(4));
}

#[tokio::test]
async fn what_a_view_answered_from_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let time = Time::new();
    let (node, _) = pair_at_4(&time);
    let settings = || kept(&node.chain(), &time, folder.path());
    let client = open(settings(), &[&node]).await.unwrap();
    let view = VerifiedView::start(client.clone(), quick(Prefetch::None));
    assert!(!is_revoked(&view.await.unwrap(), 1).unwrap());
    client.flush().unwrap();
    node.lie(lies(|it| it.behind = 1));
    let client = open(settings(), &[&node]).await.unwrap();
    assert_eq!(client.status().answered, Height(4));
    let did = alice(&node.chain());
    let refused = client.resolve(&did, None).await.unwrap_err();
    assert_eq!(refused.slug(), "light.head_back", "{refused}");
    let refused = VerifiedView::start(client, quick(Prefetch::None)).await;
    assert_eq!(refused.unwrap_err().slug(), "light.head_back");
}

/// Method: of two views of one client only one gets the next block.
#[tokio::test]
async fn a_view_that_lags_behind_another_of_its_client_refuses() {
    let (time, node) = (Time::new(), FakeNode::new("one", chain()));
    let client = client(&time, &[&node]).await;
    let start = || VerifiedView::start(client.clone(), quick(Prefetch::None));
    let views = [start().await.unwrap(), start().await.unwrap()];
    assert!(views.iter().all(|it| is_revoked(it, 1).is_ok()));
    node.lie(lies(|it| it.blocks_left = Some(1)));
    tick(&time, &node);
    let [one, two] = &views;
    let reached = async {
        tokio::select! {
            () = one.reached(Height(4)) => (one, two),
            () = two.reached(Height(4)) => (two, one),
        }
    };
    let (ahead, behind) = tokio::time::timeout(LIMIT, reached).await.unwrap();
    assert!(is_revoked(behind, 1).is_ok(), "nobody was told more yet");
    assert!(!is_revoked(ahead, 1).unwrap());
    let refused = is_revoked(behind, 1).unwrap_err();
    assert!(
        matches!(
            refused,
            ViewError::Behind {
                height: Height(3),
                at_least: Height(4)
            }
        ),
        "{refused:?}"
    );
    node.lie(Lies::default());
    reach(behind, 4).await;
    assert!(!is_revoked(behind, 1).unwrap());
}

#[tokio::test]
async fn a_question_at_least_as_of_a_height_waits_or_is_refused() {
    let (time, node) = (Time::new(), FakeNode::new("one", chain()));
    let view = begin(&time, &[&node]).await;
    let request = login(&alice(&node.chain()), 1, time.now());
    let later = view.at_least(Height(4));
    assert!(view.at_least(Height(3)).verify_login(&request).is_ok());
    let refused = later.verify_login(&request).unwrap_err();
    assert!(
        matches!(
            refused,
            ViewError::Behind {
                height: Height(3),
                at_least: Height(4)
            }
        ),
        "{refused:?}"
    );
    assert_eq!(refused.slug(), "light.view_behind");
    assert!(later.at_least(Height(2)).verify_login(&request).is_err());
    let fetched = later.verify_login_fetching(&request).await;
    assert_eq!(fetched.unwrap_err().slug(), "light.view_behind");
    assert_eq!(
        is_revoked(&later, 1).unwrap_err().slug(),
        "light.view_behind"
    );
    let wait = Duration::from_millis(1);
    let refused = view.at_least_within(Height(4), wait).await.unwrap_err();
    assert_eq!(refused.slug(), "light.view_behind");
    let waits = tokio::spawn({
        let view = view.clone();
        async move { view.at_least_within(Height(4), LIMIT).await }
    });
    tokio::task::yield_now().await;
    time.pass(1000);
    node.grow(|chain| chain.write(time.now(), vec![revoke(1)]));
    let waited = waits.await.unwrap().unwrap();
    assert!(is_revoked(&waited, 1).unwrap());
    assert!(later.verify_login(&request).is_ok());
    // What is wrong beside is said first: waiting longer does not help.
    time.pass(60_000);
    let refused = view.at_least_within(Height(5), wait).await.unwrap_err();
    assert_eq!(refused.slug(), "light.view_stale");
}

/// Goal: the set after the block where a view begins is in no block that it is sent.
#[tokio::test]
async fn a_view_that_begins_at_the_last_block_of_a_set_goes_on_with_the_next() {
    let time = Time::new();
    let mut chain = chain();
    time.pass(100);
    chain.change_set(time.now(), &[2, 3, 4, 5]);
    let node = FakeNode::new("one", chain);
    let view = begin(&time, &[&node]).await;
    assert_eq!(view.status().head.height, Height(4));
    assert_eq!(view.client().status().set.0, 0);
    tick(&time, &node);
    reach(&view, 5).await;
    assert_eq!(view.client().status().set.0, 1);
    assert_eq!(view.status().refused, 0);
    // One that withholds the set is no use, and another is asked.
    time.pass(100);
    let silent = lies(|it| it.silent = true);
    node.lie(silent);
    node.grow(|chain| chain.change_set(time.now(), &[3, 4, 5, 6]));
    node.grow(|chain| chain.write(time.now().plus_ms(100), vec![revoke(1)]));
    time.pass(200);
    node.lie(lies(|it| {
        it.no_transitions = true;
        it.block = Some(Arc::new(|blocks| drop(blocks.remove(0))));
    }));
    aside(view.client(), "light.transitions_withheld").await;
    assert_eq!(view.status().head.height, Height(5));
    assert!(view.status().refused > 0);
    node.lie(Lies::default());
    reach(&view, 7).await;
    assert!(is_revoked(&view, 1).unwrap());
}

/// Method: the first node's connection is lost, sets change twice, and the second is turned to; or
/// so often that the sets of the blocks missed are no longer kept, while the client went on.
#[tokio::test]
async fn a_view_goes_on_after_changes_of_validators_that_it_missed() {
    let time = Time::new();
    let (first, second) = pair_at_4(&time);
    let view = begin(&time, &[&first, &second]).await;
    let client = view.client().clone();
    let change = |from: u8, to: u8| {
        for seed in from..to {
            time.pass(100);
            let (now, set) = (time.now(), [seed, seed + 1, seed + 2, seed + 3]);
            first.grow(|chain| chain.change_set(now, &set));
            second.grow(|chain| chain.change_set(now, &set));
        }
    };
    first.lie(lies(|it| it.silent = true));
    change(2, 4);
    reach(&view, 6).await;
    second.lie(lies(|it| it.blocks_left = Some(0)));
    time.pass(100);
    for node in [&first, &second] {
        node.grow(|chain| chain.write(time.now(), vec![revoke(1)]));
    }
    let did = alice(&first.chain());
    for from in [4, 14] {
        change(from, from + 10);
        client.resolve(&did, None).await.unwrap();
    }
    assert_eq!(client.status().set.0, 21);
    assert_eq!(view.status().bootstraps, 1);
    second.lie(Lies::default());
    reach(&view, 27).await;
    assert_eq!(view.status().bootstraps, 2);
    grow(&time, [&first, &second]);
    reach(&view, 28).await;
    assert!(is_revoked(&view, 1).unwrap());
}

/// Goal: a fork that contains a change of validators freezes a view as well. Method: the node
/// followed goes, and the blocks of the next are by validators that only its history has.
#[tokio::test]
async fn a_view_that_turns_to_a_fork_with_other_validators_freezes() {
    let time = Time::new();
    let (first, second) = forked_by_sets(&time, true);
    second.lie(lies(|it| it.silent = true));
    let view = begin(&time, &[&first, &second]).await;
    assert!(!is_revoked(&view, 1).unwrap());
    time.pass(1000);
    second.grow(|chain| chain.empty(time.now()));
    second.lie(Lies::default());
    first.lie(lies(|it| it.silent = true));
    let frozen = async {
        while view.status().state != ViewState::Frozen {
            tokio::task::yield_now().await;
        }
    };
    let frozen = tokio::time::timeout(LIMIT, frozen).await;
    assert!(frozen.is_ok(), "{:?}", view.client().status().asides);
    assert_eq!(is_revoked(&view, 1).unwrap_err().slug(), "light.frozen");
}

/// Goal: one node that has lost the blocks is enough to begin anew, if the others are no better.
#[tokio::test]
async fn a_dead_node_does_not_keep_a_view_from_beginning_again() {
    let time = Time::new();
    let (first, second) = pair_at_4(&time);
    let view = begin(&time, &[&first, &second]).await;
    second.lie(lies(|it| it.silent = true));
    first.lie(lies(|it| it.blocks_left = Some(0)));
    grow(&time, [&first, &second]);
    grow(&time, [&first, &second]);
    first.lie(lies(|it| it.pruned = 6));
    reach(&view, 6).await;
    assert_eq!(view.status().bootstraps, 2);
    assert_eq!(view.status().state, ViewState::Following);
    grow(&time, [&first, &second]);
    reach(&view, 7).await;
    assert_eq!(view.status().bootstraps, 2);
}

/// Method: the node that is followed keeps eleven seconds behind, a block every second.
#[tokio::test]
async fn a_node_that_keeps_behind_is_left_for_another() {
    let time = Time::new();
    let (late, prompt) = pair_at_4(&time);
    let view = begin(&time, &[&late, &prompt]).await;
    let mut ledger = late.chain();
    for round in 0..40 {
        time.pass(1000);
        ledger.empty(time.now());
        prompt.grow(|chain| *chain = ledger.clone());
        let behind = ledger.blocks.len().saturating_sub(11).max(5);
        late.grow(|chain| {
            *chain = ledger.clone();
            chain.blocks.truncate(behind);
        });
        let shown = u64::try_from(behind - 1).unwrap();
        reach(&view, shown).await;
        if round > 15 && is_revoked(&view, 1).is_ok() {
            break;
        }
    }
    let tip = ledger.tip().header.number;
    let view = view.at_least_within(tip, LIMIT).await.unwrap();
    assert!(!is_revoked(&view, 1).unwrap());
    let asides = view.client().status().asides;
    assert_eq!(asides.len(), 1, "{asides:?}");
    assert_eq!(asides[0].node, "first");
    assert_eq!(asides[0].fault.slug(), "light.head_stale");
    assert!(ledger.blocks.len() < 40, "{tip}");
}

/// Goal: who catches up over a long gap is not taken for late.
#[tokio::test]
async fn old_blocks_on_the_way_to_a_fresh_one_are_no_fault() {
    let (time, node) = (Time::new(), FakeNode::new("one", chain()));
    let view = begin(&time, &[&node]).await;
    node.lie(lies(|it| it.silent = true));
    for number in 0..200 {
        time.pass(1000);
        node.grow(|chain| chain.write(time.now(), vec![revoke(number)]));
    }
    let fault = view.client().status().asides;
    assert!(fault.iter().all(|it| it.fault.slug() != "light.head_stale"));
    node.lie(Lies::default());
    reach(&view, 203).await;
    assert!(is_revoked(&view, 199).unwrap());
    assert_eq!(view.status().age, Duration::ZERO);
    assert!(view.client().status().asides.is_empty());
}

/// What a view that begins says to a node which gives pages so.
async fn refused_to_begin(lie: Lies, begin: Duration) -> ReadError {
    let (time, node) = (Time::new(), FakeNode::new("one", chain()));
    let writes = (1..9).map(revoke).collect();
    node.grow(|chain: &mut Chain| chain.write(time.now(), writes));
    node.lie(lie);
    let client = open(config(&node.chain(), &time), &[&node]).await.unwrap();
    let config = ViewConfig {
        begin,
        ..quick(Prefetch::None)
    };
    VerifiedView::start(client, config).await.unwrap_err()
}

fn paging(tamper: impl Fn(&mut StatePage) + Send + Sync + 'static) -> Lies {
    lies(|it| it.page = Some(Arc::new(tamper)))
}

#[tokio::test]
async fn pages_that_bring_nothing_or_withhold_values_are_no_beginning() {
    let empty = paging(|it| {
        it.entries.clear();
        it.more = true;
    });
    let error = refused_to_begin(empty, LIMIT).await;
    assert_eq!(error.slug(), "light.page_empty", "{error}");
    let withheld = paging(|it| {
        let tags = keys::item("Revocation", "Tags");
        let entries = it.entries.iter_mut();
        for (_, value) in entries.filter(|(key, _)| key.starts_with(&tags)) {
            *value = PageValue::Hash(value.hash());
        }
    });
    let error = refused_to_begin(withheld, LIMIT).await;
    assert_eq!(error.slug(), "light.value_withheld", "{error}");
}

/// Goal: a node cannot keep a view from asking another. Method: time that only the timers see
/// stands still but for them.
#[tokio::test(start_paused = true)]
async fn a_node_that_gives_the_state_too_slowly_is_left() {
    let hour = Duration::from_secs(3600);
    let trickle = lies(|it| {
        it.page_takes = Duration::from_secs(4);
        it.page = Some(Arc::new(|page| {
            page.entries.truncate(1);
            page.more = true;
        }));
    });
    let begun = tokio::time::Instant::now();
    let error = refused_to_begin(trickle, hour).await;
    assert_eq!(error.slug(), "light.too_slow", "{error}");
    assert_eq!(begun.elapsed().as_secs(), 12, "the third page is too late");
    // As slow a node whose pages are enough for the pace, and do not come in time.
    let slow = lies(|it| it.page_takes = Duration::from_secs(2));
    let error = refused_to_begin(slow, Duration::from_secs(5)).await;
    assert_eq!(error.slug(), "light.too_slow", "{error}");
}

/// Goal: who fetches every value first is not held up either. Method: 300 values, of which the
/// first 256 take 15 seconds.
#[tokio::test(start_paused = true)]
async fn a_node_that_gives_the_values_too_slowly_is_left() {
    let (time, node) = (Time::new(), FakeNode::new("one", chain()));
    let records = (0..300u16).map(|number| {
        let mut id = [9; 32];
        id[..2].copy_from_slice(&number.to_be_bytes());
        (keys::did_record(&DidId(id)), Some(vec![1]))
    });
    node.grow(|chain| chain.write(time.now(), records.collect()));
    node.lie(lies(|it| it.values_take = Duration::from_secs(15)));
    let client = client(&time, &[&node]).await;
    let config = ViewConfig {
        begin: Duration::from_secs(3600),
        ..quick(Prefetch::All)
    };
    let error = VerifiedView::start(client, config).await.unwrap_err();
    assert_eq!(error.slug(), "light.too_slow", "{error}");
    assert_eq!(node.calls("state_queryStorageAt"), 1);
}

/// Method: a block brings a record as its hash, and the value does not come for an hour.
#[tokio::test(start_paused = true)]
async fn a_value_that_does_not_come_holds_a_view_no_longer_than_the_bound() {
    let (time, node) = (Time::new(), FakeNode::new("one", chain()));
    let view = begin(&time, &[&node]).await;
    node.lie(lies(|it| {
        it.values_take = Duration::from_secs(3600);
        it.block = Some(Arc::new(|blocks| {
            let records = keys::item("Did", "Records");
            let changes = blocks.iter_mut().flat_map(|it| &mut it.changes);
            for (_, value) in changes.filter(|(key, _)| key.starts_with(&records)) {
                *value = value.as_ref().map(|it| PageValue::Hash(it.hash()));
            }
        }));
    }));
    let did = alice(&node.chain());
    time.pass(100);
    node.grow(|chain| chain.write(time.now(), vec![record(&did, 2)]));
    time.pass(100);
    node.grow(|chain| chain.write(time.now(), vec![revoke(1)]));
    reach(&view, 5).await;
    assert_eq!(node.calls("state_queryStorageAt"), 2, "it was asked");
    assert!(is_revoked(&view, 1).unwrap());
}

/// What has no answer at all, one line a question.
async fn refusals(view: &VerifiedView, did: &allod_primitives::Did, time: &Time) -> Vec<String> {
    let login = login(did, 1, time.now());
    let jws = VerifyJwsRequest {
        jws: login.jws.clone(),
        audience: login.audience.clone(),
        nonce: None,
        relationship: None,
        max_age_s: None,
        as_of: None,
        evidence: None,
        time: None,
        max_staleness_ms: None,
    };
    let access = AccessEvaluateRequest {
        subject: did.to_string(),
        action: ActionName::Read,
        resource: "https://store.example/a".into(),
        owner: did.to_string(),
        client: None,
        purpose: None,
        media_type: None,
        grants: Vec::new(),
        time: None,
        max_staleness_ms: None,
    };
    let grant = GrantCheckRequest {
        gid: Some(H256([1; 32]).into()),
        ..GrantCheckRequest::default()
    };
    let answers = [
        view.verify_login(&login).map(drop),
        view.verify_login_fetching(&login).await.map(drop),
        view.verify_jws(&jws).map(drop),
        view.verify_jws_fetching(&jws).await.map(drop),
        view.access_evaluate(&access).map(drop),
        view.access_evaluate_fetching(&access).await.map(drop),
        view.grant_check(&grant).map(drop),
        is_revoked(view, 1).map(drop),
        view.resolve(did).map(drop),
        view.resolve_fetching(did).await.map(drop),
        view.at_least(Height(1)).verify_login(&login).map(drop),
    ];
    let count = answers.len();
    let refused: Vec<String> = answers
        .into_iter()
        .filter_map(|it| it.err().map(|it| it.slug()))
        .collect();
    assert!(refused.is_empty() || refused.len() == count, "{refused:?}");
    refused
}

/// Goal: with its nodes gone a view allows nothing once its newest block is older than the bound,
/// until one is back. Method: every kind of question, a quarter of a second apart, and around the
/// bound to the millisecond.
#[tokio::test]
async fn with_its_nodes_gone_a_view_answers_nothing_after_the_bound() {
    let time = Time::new();
    let (first, second) = pair_at_4(&time);
    let view = begin(&time, &[&first, &second]).await;
    let did = alice(&first.chain());
    first.lie(lies(|it| it.silent = true));
    second.lie(lies(|it| it.silent = true));
    let asked = |age: u64| (age, refusals(&view, &did, &time));
    let (mut age, mut refused) = (0, 0);
    for step in [250; 39]
        .into_iter()
        .chain([249, 1, 1, 249])
        .chain([250; 80])
    {
        let (age_now, refusals) = asked(age);
        let refusals = refusals.await;
        if age_now <= 10_000 {
            assert_eq!(refusals, Vec::<String>::new(), "{age_now}");
        } else {
            refused += refusals.len();
            assert!(!refusals.is_empty(), "{age_now}");
            assert!(refusals.iter().all(|it| it == "light.view_stale"));
        }
        time.pass(step);
        age += step;
        tokio::task::yield_now().await;
    }
    assert!(refused > 800, "{refused}");
    assert_eq!(view.status().age, Duration::from_millis(age));
    assert_eq!(view.status().state, ViewState::Reconnecting);
    first.lie(Lies::default());
    tick(&time, &first);
    reach(&view, 5).await;
    assert!(refusals(&view, &did, &time).await.is_empty());
}
