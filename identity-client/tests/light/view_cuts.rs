//! A stream that breaks anywhere and goes on anywhere: nothing is lost, nothing applied twice.

use std::collections::BTreeSet;
use std::time::Duration;

use allod_identity_client::light::{Prefetch, VerifiedView, ViewState};
use allod_primitives::token::{REVOCATION_ENTRY_VERSION, RevocationEntry};
use allod_primitives::{Did, DidId, Height, TimeMs, keys};
use allod_rpc_api::revocation::RevocationCheckRequest;
use parity_scale_codec::Encode;

use crate::fixture::chain::{Chain, Next, is_followed};
use crate::fixture::node::{FakeNode, Lies};
use crate::fixture::stream::sent_from;
use crate::view::{client, quick, reach, tag};
use crate::world::{Time, chain, lies, record};

/// Revocations, and identities, that blocks write and delete.
const TAGS: u8 = 12;
const DIDS: u8 = 5;

/// Numbers that a seed determines (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn byte_below(&mut self, bound: u8) -> u8 {
        u8::try_from(self.below(bound.into())).unwrap()
    }
}

fn did(chain: &Chain, number: u8) -> Did {
    Did::new(chain.network(), DidId([100 + number; 32]))
}

/// Adds a block that changes nothing, some keys, or the validators.
fn grow(ledger: &mut Chain, now: TimeMs, random: &mut Random) {
    let mut next = Next::default();
    let mut written = BTreeSet::new();
    for _ in 0..random.below(4) {
        let (key, value) = match random.below(2) {
            0 => {
                let entry = RevocationEntry {
                    version: REVOCATION_ENTRY_VERSION,
                    exp: 1,
                    revoked_at: now,
                };
                let key = keys::revocation(&tag(random.byte_below(TAGS)));
                (key, Some(entry.encode()))
            }
            _ => record(
                &did(ledger, random.byte_below(DIDS)),
                random.byte_below(200),
            ),
        };
        if written.insert(key.clone()) {
            let is_deleted = random.below(3) == 0;
            next.writes.push((key, value.filter(|_| !is_deleted)));
        }
    }
    if random.below(10) == 0 {
        let seed = random.byte_below(200);
        next.set = Some(vec![seed, seed + 1, seed + 2, seed + 3]);
    }
    ledger.next(now, next);
}

/// Checks that a view holds exactly what the ledger holds after the block it stands at.
fn compare(view: &VerifiedView, ledger: &Chain) {
    let status = view.status();
    let block = ledger.block(status.head.height.0).unwrap();
    assert_eq!(status.head.hash, block.header.hash());
    let followed = block.state.keys().filter(|key| is_followed(key));
    // As many keys, and each as it is: then there is no other.
    assert_eq!(status.keys, followed.count(), "{}", status.head.height);
    for number in 0..TAGS {
        let held = block.state.get(&keys::revocation(&tag(number)));
        let held = held.map(|it| parity_scale_codec::Decode::decode(&mut it.as_slice()).unwrap());
        let request = RevocationCheckRequest {
            tag: Some(tag(number).into()),
            ..RevocationCheckRequest::default()
        };
        let found = view.revocation_check(&request).unwrap();
        assert_eq!(found.height, status.head.height);
        let held = held.map(|it: RevocationEntry| it.revoked_at.0);
        assert_eq!(found.answer.revoked_at, held, "tag {number}");
    }
    for number in 0..DIDS {
        let did = did(ledger, number);
        let held = block.state.get(&keys::did_record(&did.id()));
        match view.resolve(&did) {
            Ok(found) => assert_eq!(Some(&found.answer.record.0), held),
            Err(error) => assert_eq!((error.slug().as_str(), held), ("did.not_found", None)),
        }
    }
}

/// One ledger, and nodes that have it or a beginning of it.
struct Cuts {
    random: Random,
    time: Time,
    ledger: Chain,
    nodes: Vec<FakeNode>,
    view: VerifiedView,
    /// How often a stream was cut with blocks left to send.
    amid: u32,
}

impl Cuts {
    async fn new(seed: u64) -> Self {
        let time = Time::new();
        let names = ["first", "second", "third"];
        let nodes = names.map(|name| FakeNode::new(name, chain()));
        let client = client(&time, &nodes.each_ref()).await;
        let view = VerifiedView::start(client, quick(Prefetch::All));
        let cuts = Self {
            random: Random(seed),
            ledger: chain(),
            nodes: nodes.into(),
            view: view.await.unwrap(),
            time,
            amid: 0,
        };
        cuts.nodes.iter().for_each(|it| it.lie(cut()));
        cuts
    }

    /// Lets the ledger grow, some nodes with it, one of them send so many blocks or what it has,
    /// and all hang up.
    async fn round(&mut self) {
        for _ in 0..self.random.below(4) {
            self.time.pass(100);
            grow(&mut self.ledger, self.time.now(), &mut self.random);
        }
        let open = usize::try_from(self.random.below(3)).unwrap();
        for (index, node) in self.nodes.iter().enumerate() {
            if self.random.below(3) > 0 {
                node.grow(|chain| *chain = self.ledger.clone());
            }
            if index != open {
                let is_silent = self.random.below(2) == 0;
                node.lie(lies(|it| {
                    it.silent = is_silent;
                    it.blocks_left = Some(0);
                }));
            }
        }
        let left = usize::try_from(self.random.below(4)).unwrap();
        let stood = self.view.status().head.height;
        let has = self.nodes[open].chain();
        let from = usize::try_from(stood.0).unwrap() + 1;
        let sent: Vec<usize> = sent_from(&has, from).collect();
        self.amid += u32::from(left < sent.len());
        let last = sent.get(..left).map_or(sent.last(), <[usize]>::last);
        let expected = last.map_or(stood, |it| Height(u64::try_from(*it).unwrap()));
        self.nodes[open].lie(lies(|it| it.blocks_left = Some(left)));
        reach(&self.view, expected.0).await;
        self.nodes.iter().for_each(|it| it.lie(cut()));
        assert_eq!(self.view.status().head.height, expected);
        compare(&self.view, &self.ledger);
    }
}

/// Nothing is sent any more.
fn cut() -> Lies {
    lies(|it| it.blocks_left = Some(0))
}

/// Goal: wherever streams break, and wherever they go on, the view holds what the ledger holds.
/// Method: seeded; three nodes, not all of them up to date, one of which sends up to three blocks
/// and hangs up; the whole table is compared after each.
#[tokio::test]
async fn streams_that_break_anywhere_lose_nothing_and_repeat_nothing() {
    for seed in 1..=4 {
        let mut cuts = Cuts::new(seed).await;
        for _ in 0..60 {
            cuts.round().await;
        }
        let status = cuts.view.status();
        let sent: u64 = cuts.nodes.iter().map(FakeNode::sent).sum();
        assert_eq!(status.blocks, sent, "seed {seed}: each block once");
        assert_eq!((status.bootstraps, status.refused), (1, 0), "seed {seed}");
        assert!(cuts.amid >= 15, "seed {seed}: {} cuts", cuts.amid);
        // At last everything comes.
        cuts.time.pass(100);
        cuts.ledger.empty(cuts.time.now());
        let all = |node: &FakeNode| {
            node.grow(|chain| *chain = cuts.ledger.clone());
            node.lie(Lies::default());
        };
        cuts.nodes.iter().for_each(all);
        reach(&cuts.view, cuts.ledger.tip().header.number.0).await;
        compare(&cuts.view, &cuts.ledger);
        assert_eq!(cuts.view.status().state, ViewState::Following);
    }
}

/// Method: a gap of blocks, cut at each of its boundaries in turn, and made good at another node.
#[tokio::test]
async fn a_gap_that_breaks_at_any_block_is_made_good_elsewhere() {
    let mut ledger = chain();
    let mut random = Random(5);
    for number in 0..12u64 {
        let now = crate::world::START.plus_ms(100 * number + 100);
        grow(&mut ledger, now, &mut random);
    }
    let boundaries = sent_from(&ledger, 4).count();
    for boundary in 0..=boundaries {
        let time = Time::new();
        let nodes = ["first", "second"].map(|name| FakeNode::new(name, chain()));
        let client = client(&time, &nodes.each_ref()).await;
        let view = VerifiedView::start(client, quick(Prefetch::All));
        let view = view.await.unwrap();
        time.pass(1300);
        let [first, second] = &nodes;
        second.lie(lies(|it| it.silent = true));
        first.lie(lies(|it| it.blocks_left = Some(boundary)));
        let sent = sent_from(&ledger, 4).take(boundary).last();
        nodes
            .iter()
            .for_each(|node| node.grow(|chain| *chain = ledger.clone()));
        reach(&view, sent.map_or(3, |it| u64::try_from(it).unwrap())).await;
        first.lie(lies(|it| it.silent = true));
        compare(&view, &ledger);
        second.lie(Lies::default());
        reach(&view, ledger.tip().header.number.0).await;
        compare(&view, &ledger);
        let status = view.status();
        assert_eq!(status.blocks, u64::try_from(boundaries).unwrap());
        assert_eq!(status.bootstraps, 1);
        let limit = Duration::from_secs(2);
        assert!(status.age < limit, "{:?}", status.age);
    }
}
