//! The ledger without consensus: two of them fed by hand with the same blocks.

use std::time::Duration;

use allod_consensus::{Application, BlockLoad, InvalidBlock, ValidationContext};
use allod_primitives::{Block, H256, Height, PublicKey, decode_strict, keys};
use parity_scale_codec::Encode;

use super::*;
use crate::storage::{Batch, Column, Durability, KeyValue, MemoryStore};
use crate::testing::*;

const FIRST: ValidationContext = ValidationContext::FirstProposal;
const REPLAY: ValidationContext = ValidationContext::Replay;

fn genesis() -> Genesis {
    Genesis::new(&genesis_config(2)).unwrap()
}

/// Builds at `from`, judges at `to`, commits at both; returns hash and bytes.
fn advance(genesis: &Genesis, from: &mut TestLedger, to: &mut TestLedger) -> (H256, Vec<u8>) {
    let height = from.ledger.tip().next();
    let block = from.ledger.build(height, 0).unwrap();
    let hash = to.ledger.validate(height, &block.bytes, FIRST).unwrap();
    assert_eq!(hash, block.hash);
    for node in [from, to] {
        node.ledger
            .put_undecided(height, hash, &block.bytes)
            .unwrap();
        let certificate = certificate(&genesis.chain, genesis, height, hash, 2);
        certificate
            .verify(&genesis.chain, &node.ledger.validator_set(height).unwrap())
            .unwrap();
        node.ledger.commit(hash, certificate).unwrap();
    }
    (hash, block.bytes)
}

#[tokio::test(start_paused = true)]
async fn two_ledgers_agree_on_registrations_and_a_reopened_one_has_the_same_root() {
    let genesis = genesis();
    let (disk_a, disk_b) = (MemoryStore::new(), MemoryStore::new());
    let mut a = TestLedger::open(&disk_a, &genesis, 0).unwrap();
    let mut b = TestLedger::open(&disk_b, &genesis, 1).unwrap();
    let people: Vec<_> = (0..20)
        .map(|seed| inception(&genesis.chain, seed, START))
        .collect();
    let bodies: Vec<_> = people.iter().map(|(_, body)| body.clone()).collect();
    let results = a.mempool.submit(bodies).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    tokio::time::advance(Duration::from_millis(200)).await;
    advance(&genesis, &mut a, &mut b);
    assert_eq!(a.mempool.size().ready, 0);
    tokio::time::advance(Duration::from_millis(200)).await;
    advance(&genesis, &mut b, &mut a);
    let tip = a.chain.store().tip();
    assert_eq!(tip, b.chain.store().tip());
    assert_eq!(tip.height(), Height(2));
    let reader = b.chain.store().reader();
    for (did, _) in &people {
        assert!(reader.value(&keys::did_record(did)).unwrap().is_some());
        let log = reader.log(did, 0, 10).unwrap();
        assert_eq!(log.len(), 1);
        assert_eq!(log[0].entry.height, Height(1));
        let extrinsic = log[0].extrinsic.unwrap() as usize;
        let block = reader.block(Height(1)).unwrap().unwrap();
        assert!(
            people
                .iter()
                .any(|(_, body)| *body == block.extrinsics[extrinsic])
        );
    }
    drop(reader);
    drop(b);
    disk_b.crash();
    let reopened = TestLedger::open(&disk_b, &genesis, 1).unwrap();
    assert_eq!(reopened.chain.store().tip(), tip);
    assert_eq!(
        reopened.chain.with_tree(|tree| tree.root()),
        tip.header.state_root
    );
}

#[tokio::test(start_paused = true)]
async fn signatures_are_checked_once_from_pool_to_block() {
    let genesis = genesis();
    let mut a = TestLedger::open(&MemoryStore::new(), &genesis, 0).unwrap();
    let mut b = TestLedger::open(&MemoryStore::new(), &genesis, 1).unwrap();
    let bodies = (0..10)
        .map(|seed| inception(&genesis.chain, seed, START).1)
        .collect();
    a.mempool.submit(bodies).await;
    advance(&genesis, &mut a, &mut b);
    for node in [&a, &b] {
        let counts = node.chain.signatures().counts();
        let load = |counter: &std::sync::atomic::AtomicU64| {
            counter.load(std::sync::atomic::Ordering::Relaxed)
        };
        assert_eq!((load(&counts.batched), load(&counts.single)), (20, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_block_is_useful_when_it_holds_more_than_the_time() {
    let genesis = genesis();
    let mut a = TestLedger::open(&MemoryStore::new(), &genesis, 0).unwrap();
    for (extrinsic, load) in [
        (None, BlockLoad::Empty),
        (
            Some(inception(&genesis.chain, 1, START).1),
            BlockLoad::Useful,
        ),
    ] {
        a.mempool.submit(extrinsic.into_iter().collect()).await;
        let height = a.ledger.tip().next();
        let hash = a.ledger.build(height, 0).unwrap().hash;
        let certificate = certificate(&genesis.chain, &genesis, height, hash, 2);
        assert_eq!(a.ledger.commit(hash, certificate).unwrap(), load);
    }
}

#[tokio::test(start_paused = true)]
async fn time_is_judged_by_the_clock_at_first_and_by_order_later() {
    let genesis = genesis();
    let mut a = TestLedger::open(&MemoryStore::new(), &genesis, 0).unwrap();
    let mut b = TestLedger::open(&MemoryStore::new(), &genesis, 1).unwrap();
    for (offset, allowed) in [
        (5_000, true),
        (5_001, false),
        (-60_000, true),
        (-60_001, false),
    ] {
        a.clock.set_offset_ms(offset.max(-900));
        b.clock
            .set_offset_ms(if offset < -900 { -900 - offset } else { 0 });
        tokio::time::advance(Duration::from_secs(100)).await;
        let bytes = a.ledger.build(Height(1), 0).unwrap().bytes;
        let first = b.ledger.validate(Height(1), &bytes, FIRST);
        assert_eq!(first.is_ok(), allowed, "offset {offset}: {first:?}");
        b.ledger.validate(Height(1), &bytes, REPLAY).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn forged_blocks_are_told_from_bad_ones() {
    let genesis = genesis();
    let mut a = TestLedger::open(&MemoryStore::new(), &genesis, 0).unwrap();
    let mut b = TestLedger::open(&MemoryStore::new(), &genesis, 1).unwrap();
    let (_, body) = inception(&genesis.chain, 1, START);
    a.mempool.submit(vec![body]).await;
    let bytes = a.ledger.build(Height(1), 0).unwrap().bytes;
    let good: Block = decode_strict(&bytes).unwrap();
    let mut judge = |block: &Block| b.ledger.validate(Height(1), &block.encode(), FIRST);
    let mut forged = good.clone();
    forged.extrinsics.pop();
    assert!(matches!(
        judge(&forged),
        Err(InvalidBlock::Malformed { .. })
    ));
    let spoil: [fn(&mut Block); 8] = [
        |block| block.header.state_root = H256([1; 32]),
        |block| block.header.parent_hash = H256([1; 32]),
        |block| block.header.number = Height(2),
        |block| block.header.proposer = PublicKey([1; 32]),
        |block| block.header.digest.time.0 += 1,
        |block| block.header.digest.changes_root = H256([1; 32]),
        |block| block.header.digest.set_id = 9,
        |block| block.header.digest.next_validator_set = H256([1; 32]),
    ];
    for (index, spoil) in spoil.iter().enumerate() {
        let mut block = good.clone();
        spoil(&mut block);
        let verdict = judge(&block);
        let refused = matches!(&verdict, Err(InvalidBlock::Refused { hash, .. })
            if *hash == block.header.hash());
        assert!(refused, "{index}: {verdict:?}");
    }
    judge(&good).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_decided_block_is_found_on_disk_after_a_crash() {
    let genesis = genesis();
    let disk = MemoryStore::new();
    let mut a = TestLedger::open(&disk, &genesis, 0).unwrap();
    let block = a.ledger.build(Height(1), 0).unwrap();
    a.ledger
        .put_undecided(Height(1), block.hash, &block.bytes)
        .unwrap();
    drop(a);
    disk.crash();
    let mut a = TestLedger::open(&disk, &genesis, 0).unwrap();
    assert_eq!(
        a.ledger.undecided(Height(1)),
        [(block.hash, block.bytes.clone())]
    );
    let certificate = certificate(&genesis.chain, &genesis, Height(1), block.hash, 2);
    a.ledger.commit(block.hash, certificate.clone()).unwrap();
    assert_eq!(
        a.ledger.decided(Height(1)),
        Some((block.bytes, certificate))
    );
    assert_eq!(a.ledger.undecided(Height(1)), []);
}

#[tokio::test(start_paused = true)]
async fn the_same_block_is_proposed_again_while_it_is_fresh() {
    let genesis = genesis();
    let mut a = TestLedger::open(&MemoryStore::new(), &genesis, 0).unwrap();
    let first = a.ledger.build(Height(1), 0).unwrap();
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(a.ledger.build(Height(1), 4).unwrap(), first);
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_ne!(a.ledger.build(Height(1), 8).unwrap(), first);
}

/// Goal: whoever watches over a node sees a block get on, and a start. Method: the steps of each,
/// of which those of a block are the keys that it reads, and those of a start all there are.
#[tokio::test(start_paused = true)]
async fn opening_a_chain_and_each_of_its_blocks_show_progress() {
    let genesis = genesis();
    let (disk_a, disk_b) = (MemoryStore::new(), MemoryStore::new());
    let mut a = TestLedger::open(&disk_a, &genesis, 0).unwrap();
    let mut b = TestLedger::open(&disk_b, &genesis, 1).unwrap();
    let mut keys = 0;
    let counted = a.chain.store().reader().each_value(|_, _| keys += 1);
    counted.unwrap();
    let (of_a, of_b) = (a.ledger.progress(), b.ledger.progress());
    assert_eq!((of_a.count(), of_b.count()), (keys, keys));
    let height = a.ledger.tip().next();
    let built = a.ledger.build(height, 0).unwrap();
    assert!(of_a.count() > keys + 4, "{} of {keys}", of_a.count());
    b.ledger.validate(height, &built.bytes, FIRST).unwrap();
    let validated = of_b.count();
    assert!(validated > keys + 4, "{validated} of {keys}");
    tokio::time::advance(Duration::from_millis(200)).await;
    advance(&genesis, &mut a, &mut b);
    assert!(of_b.count() >= validated + 4);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_state_is_not_opened() {
    let genesis = genesis();
    let disk = MemoryStore::new();
    TestLedger::open(&disk, &genesis, 0).unwrap();
    let mut batch = Batch::new();
    batch.put(Column::State, b"stray".to_vec(), b"value".to_vec());
    disk.write(batch, Durability::Synced).unwrap();
    let opened = TestLedger::open(&disk, &genesis, 0);
    assert!(matches!(
        opened.err(),
        Some(OpenChainError::StateRoot { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_failing_disk_stops_the_node_before_it_commits() {
    let genesis = genesis();
    let disk = MemoryStore::new();
    let mut a = TestLedger::open(&disk, &genesis, 0).unwrap();
    let block = a.ledger.build(Height(1), 0).unwrap();
    disk.break_writes(true);
    assert!(
        a.ledger
            .put_undecided(Height(1), block.hash, &block.bytes)
            .is_err()
    );
    assert!(matches!(a.halts.try_recv(), Ok(Halt::Storage(_))));
    let certificate = certificate(&genesis.chain, &genesis, Height(1), block.hash, 2);
    assert!(a.ledger.commit(block.hash, certificate).is_err());
    assert_eq!(a.ledger.tip(), Height(0));
}

#[tokio::test(start_paused = true)]
async fn a_decided_block_that_is_not_here_stops_the_node() {
    let genesis = genesis();
    let mut a = TestLedger::open(&MemoryStore::new(), &genesis, 0).unwrap();
    let hash = H256([1; 32]);
    let certificate = certificate(&genesis.chain, &genesis, Height(1), hash, 2);
    assert!(a.ledger.commit(hash, certificate).is_err());
    let height = Height(1);
    assert_eq!(
        a.halts.try_recv(),
        Ok(Halt::DecidedUnknown { height, hash })
    );
}
