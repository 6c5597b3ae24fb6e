//! The verified view: true as of one block, complete, or silent.

use std::sync::Arc;
use std::time::Duration;

use allod_identity_client::light::{
    LightClient, LightConfig, Prefetch, VerifiedView, ViewConfig, ViewError, ViewState,
};
use allod_primitives::light::{BlockChanges, PageValue};
use allod_primitives::token::{REVOCATION_ENTRY_VERSION, RevocationEntry};
use allod_primitives::{H256, Height, keys};
use allod_rpc_api::revocation::RevocationCheckRequest;
use allod_rpc_api::verify::ReasonCode;
use parity_scale_codec::Encode;

use crate::fixture::node::{FakeNode, Lies};
use crate::world::{Time, alice, chain, config, kept, lies, login, nobody, open, record, tick};

pub(crate) fn quick(prefetch: Prefetch) -> ViewConfig {
    ViewConfig {
        prefetch,
        cached_max: 8,
        begin: Duration::from_secs(20),
        retry: (Duration::from_millis(1), Duration::from_millis(4)),
    }
}

pub(crate) async fn client(time: &Time, nodes: &[&FakeNode]) -> LightClient {
    open(config(&nodes[0].chain(), time), nodes).await.unwrap()
}

pub(crate) async fn begin(time: &Time, nodes: &[&FakeNode]) -> VerifiedView {
    let client = client(time, nodes).await;
    VerifiedView::start(client, quick(Prefetch::All))
        .await
        .unwrap()
}

pub(crate) fn tag(number: u8) -> H256 {
    H256([number; 32])
}

/// A write that revokes the token of this tag.
pub(crate) fn revoke(number: u8) -> (Vec<u8>, Option<Vec<u8>>) {
    let entry = RevocationEntry {
        version: REVOCATION_ENTRY_VERSION,
        exp: 1,
        revoked_at: crate::world::START,
    };
    (keys::revocation(&tag(number)), Some(entry.encode()))
}

pub(crate) fn is_revoked(view: &VerifiedView, number: u8) -> Result<bool, ViewError> {
    let request = RevocationCheckRequest {
        tag: Some(tag(number).into()),
        ..RevocationCheckRequest::default()
    };
    Ok(view.revocation_check(&request)?.answer.revoked)
}

/// Waits for a height; the streams of these tests bring it or the test fails.
pub(crate) async fn reach(view: &VerifiedView, height: u64) {
    let reached = view.reached(Height(height));
    let limit = Duration::from_secs(20);
    let reached = tokio::time::timeout(limit, reached).await;
    assert!(reached.is_ok(), "{:?}", view.status());
}

#[tokio::test]
async fn a_view_answers_from_memory_and_follows_each_block() {
    let (time, node) = (Time::new(), FakeNode::new("one", chain()));
    let did = alice(&node.chain());
    let view = begin(&time, &[&node]).await;
    let request = login(&did, 1, time.now());
    let asked = node.calls("identity_verifyLogin") + node.calls("state_getStorage");
    assert_eq!(
        view.verify_login(&request).unwrap().answer.reason,
        ReasonCode::Ok
    );
    assert!(!is_revoked(&view, 1).unwrap());
    let unknown = view.resolve(&nobody(&node.chain())).unwrap_err();
    assert_eq!(unknown.slug(), "did.not_found");
    time.pass(1000);
    node.grow(|chain| chain.write(time.now(), vec![record(&did, 2), revoke(1)]));
    reach(&view, 4).await;
    let verdict = view.verify_login(&request).unwrap();
    assert_eq!(
        (verdict.answer.reason, verdict.height),
        (ReasonCode::KeyUnknown, Height(4))
    );
    assert!(is_revoked(&view, 1).unwrap());
    // Also of identities that were not there at the beginning.
    let nobody = nobody(&node.chain());
    time.pass(1000);
    node.grow(|chain| chain.write(time.now(), vec![record(&nobody, 7)]));
    reach(&view, 5).await;
    let verdict = view.verify_login(&login(&nobody, 7, time.now())).unwrap();
    assert_eq!(verdict.answer.reason, ReasonCode::Ok);
    time.pass(1000);
    let delete = (keys::revocation(&tag(1)), None);
    node.grow(|chain| chain.write(time.now(), vec![delete]));
    reach(&view, 6).await;
    assert!(
        !is_revoked(&view, 1).unwrap(),
        "what is pruned is absent again"
    );
    let now = node.calls("identity_verifyLogin") + node.calls("state_getStorage");
    assert_eq!(now, asked, "no node learns what is looked up");
}

#[tokio::test]
async fn values_are_fetched_when_first_needed_and_checked() {
    let (time, node) = (Time::new(), FakeNode::new("one", chain()));
    let did = alice(&node.chain());
    let client = client(&time, &[&node]).await;
    let view = VerifiedView::start(client, quick(Prefetch::None))
        .await
        .unwrap();
    let request = login(&did, 1, time.now());
    let missing = view.verify_login(&request).unwrap_err();
    assert!(matches!(missing, ViewError::NotHere { .. }), "{missing:?}");
    node.lie(lies(|it| it.value = Some(b"another".to_vec())));
    let lied = view.verify_login_fetching(&request).await.unwrap_err();
    assert_eq!(lied.slug(), "light.wrong_value");
    node.lie(Lies::default());
    let verdict = view.verify_login_fetching(&request).await.unwrap();
    assert_eq!(verdict.answer.reason, ReasonCode::Ok);
    // From then on the stream keeps it up to date.
    time.pass(1000);
    node.grow(|chain| chain.write(time.now(), vec![record(&did, 2)]));
    reach(&view, 4).await;
    let verdict = view.verify_login(&request).unwrap();
    assert_eq!(verdict.answer.reason, ReasonCode::KeyUnknown);
}

#[tokio::test]
async fn a_view_refuses_when_its_newest_block_is_too_old() {
    let (time, node) = (Time::new(), FakeNode::new("one", chain()));
    let view = begin(&time, &[&node]).await;
    let request = login(&alice(&node.chain()), 1, time.now());
    view.verify_login(&request).unwrap();
    node.lie(lies(|it| it.silent = true));
    time.pass(9_000);
    view.verify_login(&request).unwrap();
    time.pass(1);
    let stale = view.verify_login(&request).unwrap_err();
    assert!(
        matches!(
            stale,
            ViewError::Stale {
                height: Height(3),
                ..
            }
        ),
        "{stale:?}"
    );
    node.lie(Lies::default());
    tick(&time, &node);
    reach(&view, 4).await;
    view.verify_login(&request).unwrap();
}

#[tokio::test]
async fn a_view_refuses_when_the_clock_went_back() {
    let (time, node) = (Time::new(), FakeNode::new("one", chain()));
    let view = begin(&time, &[&node]).await;
    let request = login(&alice(&node.chain()), 1, time.now());
    view.verify_login(&request).unwrap();
    time.go_back(20_000);
    let refused = view.verify_login(&request).unwrap_err();
    assert_eq!(refused.slug(), "light.clock_back", "{refused}");
}

/// Goal: after a lost connection, and blocks made meanwhile, nothing is missing.
#[tokio::test]
async fn a_view_goes_on_without_a_gap_at_the_same_node_or_another() {
    let time = Time::new();
    let (first, second) = (
        FakeNode::new("first", chain()),
        FakeNode::new("second", chain()),
    );
    let view = begin(&time, &[&first, &second]).await;
    for (round, silent) in [(1, &first), (2, &second)] {
        silent.lie(lies(|it| it.silent = true));
        for number in 0..4 {
            time.pass(100);
            let write = vec![revoke(10 * round + number)];
            let now = time.now();
            first.grow(|chain| chain.write(now, write.clone()));
            second.grow(|chain| chain.write(now, write));
        }
        reach(&view, 3 + 4 * u64::from(round)).await;
        for number in 0..4 {
            assert!(is_revoked(&view, 10 * round + number).unwrap());
        }
        silent.lie(Lies::default());
    }
    assert_eq!(view.status().bootstraps, 1);
    assert_eq!(view.status().state, ViewState::Following);
}

#[tokio::test]
async fn a_view_begins_again_where_the_client_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (time, node) = (Time::new(), FakeNode::new("one", chain()));
    for round in 0..2 {
        let config = kept(&node.chain(), &time, folder.path());
        let client = open(config, &[&node]).await.unwrap();
        let view = VerifiedView::start(client.clone(), quick(Prefetch::None));
        let view = view.await.unwrap();
        time.pass(1000);
        let (now, set) = (time.now(), [2 + round, 3 + round, 4 + round, 5 + round]);
        node.grow(|chain| chain.change_set(now, &set));
        tick(&time, &node);
        tick(&time, &node);
        reach(&view, 6 + 3 * u64::from(round)).await;
        assert_eq!(client.status().set.0, 1 + u64::from(round));
        assert!(!is_revoked(&view, 1).unwrap());
        client.flush().unwrap();
    }
    assert_eq!(node.calls("light_genesis"), 1);
}

/// Has a node tell `lie` about its next two blocks, of which the first changes something; the view
/// must refuse it by the check `slug`, take nothing from it, and go on when it is told the truth.
async fn lied_to(lie: impl Fn(&mut Vec<BlockChanges>) + Send + Sync + 'static, slug: &str) {
    lied_to_after(lie, slug, 5).await;
}

/// As [`lied_to`], where up to the block `true_until` nothing is wrong.
async fn lied_to_after(
    lie: impl Fn(&mut Vec<BlockChanges>) + Send + Sync + 'static,
    slug: &str,
    true_until: u64,
) {
    let (time, node) = (Time::new(), FakeNode::new("one", chain()));
    let view = begin(&time, &[&node]).await;
    let client = view.client().clone();
    node.lie(lies(|it| it.silent = true));
    node.grow(|chain| {
        let at = |ms| crate::world::START.plus_ms(ms);
        chain.write(at(100), vec![revoke(1), revoke(2)]);
        chain.write(at(200), vec![revoke(3)]);
        chain.write(at(300), vec![revoke(4)]);
    });
    time.pass(400);
    let slug = slug.to_owned();
    node.lie(lies(|it| it.block = Some(Arc::new(lie))));
    let seen = async {
        loop {
            let asides = client.status().asides;
            if asides.iter().any(|it| it.fault.slug() == slug) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let seen = tokio::time::timeout(Duration::from_secs(20), seen).await;
    let asides = client.status().asides;
    assert!(seen.is_ok(), "{slug}: {asides:?}");
    let head = view.status().head.height;
    assert!(head <= Height(true_until), "{head}");
    assert!(true_until >= 6 || !is_revoked(&view, 4).unwrap());
    assert!(!is_revoked(&view, 9).unwrap());
    node.lie(Lies::default());
    reach(&view, 6).await;
    for number in 1..=4 {
        assert!(is_revoked(&view, number).unwrap());
    }
}

#[tokio::test]
async fn a_stream_that_omits_a_block_is_refused() {
    lied_to(|it| drop(it.remove(0)), "light.changes_gap").await;
}

#[tokio::test]
async fn a_stream_that_omits_one_key_is_refused() {
    let lie = |it: &mut Vec<BlockChanges>| drop(it[0].changes.remove(0));
    lied_to(lie, "light.changes_count").await;
}

#[tokio::test]
async fn a_stream_that_reorders_blocks_is_refused() {
    lied_to(|it| it.swap(0, 1), "light.changes_gap").await;
}

#[tokio::test]
async fn a_stream_that_reorders_keys_is_refused() {
    let lie = |it: &mut Vec<BlockChanges>| it[0].changes.swap(0, 1);
    lied_to(lie, "light.changes_order").await;
}

#[tokio::test]
async fn a_stream_that_replays_a_block_is_refused() {
    let lie = |it: &mut Vec<BlockChanges>| it.insert(1, it[0].clone());
    lied_to_after(lie, "light.step_back", 6).await;
}

#[tokio::test]
async fn a_stream_that_invents_a_key_is_refused() {
    let lie = |it: &mut Vec<BlockChanges>| {
        let (key, value) = revoke(9);
        it[0].changes.push((key, value.and_then(PageValue::whole)));
        it[0].changes.sort_by(|a, b| a.0.cmp(&b.0));
    };
    lied_to(lie, "light.changes_count").await;
    // Nor can it take the place of a true one.
    let lie = |it: &mut Vec<BlockChanges>| {
        let (key, value) = revoke(9);
        it[0].changes[1] = (key, value.and_then(PageValue::whole));
    };
    lied_to(lie, "light.changes_root").await;
}

#[tokio::test]
async fn a_stream_that_changes_a_value_or_hides_a_deletion_is_refused() {
    let lie = |it: &mut Vec<BlockChanges>| it[0].changes[0].1 = None;
    lied_to(lie, "light.changes_root").await;
    let lie = |it: &mut Vec<BlockChanges>| {
        let last = it.last_mut().unwrap();
        last.changes[0].1 = PageValue::whole(vec![1]);
    };
    lied_to(lie, "light.changes_root").await;
}

#[tokio::test]
async fn a_stream_of_uncertified_blocks_is_refused() {
    let lie = |it: &mut Vec<BlockChanges>| it[0].head.certificate.signatures.truncate(2);
    lied_to(lie, "light.certificate_power").await;
}

#[tokio::test]
async fn pages_that_leave_out_or_change_a_key_are_no_beginning() {
    let (time, node) = (Time::new(), FakeNode::new("one", chain()));
    node.grow(|chain| chain.write(time.now(), vec![revoke(1), revoke(2)]));
    for tamper in [
        |it: &mut allod_primitives::light::StatePage| drop(it.entries.pop()),
        |it: &mut allod_primitives::light::StatePage| {
            let (key, _) = it.entries[0].clone();
            it.entries[0] = (key, PageValue::whole(vec![3]).unwrap());
        },
        |it: &mut allod_primitives::light::StatePage| it.more = false,
    ] {
        node.lie(lies(|it| it.page = Some(Arc::new(tamper))));
        let client = client(&time, &[&node]).await;
        let refused = VerifiedView::start(client, quick(Prefetch::None)).await;
        assert_eq!(refused.unwrap_err().slug(), "light.state_root");
    }
}

#[tokio::test]
async fn two_certified_streams_freeze_the_view() {
    let time = Time::new();
    let (first, second) = (
        FakeNode::new("first", chain()),
        FakeNode::new("second", chain()),
    );
    let config = LightConfig {
        compare_every: Duration::ZERO,
        ..config(&first.chain(), &time)
    };
    let client = open(config, &[&first, &second]).await.unwrap();
    let view = VerifiedView::start(client.clone(), quick(Prefetch::All))
        .await
        .unwrap();
    time.pass(100);
    let now = time.now();
    second.grow(|chain| {
        chain.empty(now);
        chain.forge_tip(|header| header.extrinsics_root = H256([1; 32]));
    });
    first.grow(|chain| chain.empty(now));
    let frozen = async {
        while !client.is_frozen() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), frozen)
        .await
        .unwrap();
    let refused = view.verify_login(&login(&alice(&first.chain()), 1, now));
    assert_eq!(refused.unwrap_err().slug(), "light.frozen");
}
