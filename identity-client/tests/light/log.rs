//! Logs are whole and in order, or refused.

use allod_primitives::log::{LogEntry, LogHead, LogKind};
use allod_primitives::{H256, Height, TimeMs};
use allod_rpc_api::identity::HistoryEntry;

use crate::fixture::node::FakeNode;
use crate::world::{Time, alice, chain, config, lies, open, record_with_log};

fn entry(n: u64) -> LogEntry {
    LogEntry {
        n,
        kind: LogKind::Automatic,
        operation_hash: H256([7; 32]),
        signatures_hash: H256::ZERO,
        record_hash: H256([8; 32]),
        height: Height(n),
        time: TimeMs(n),
    }
}

/// What a node shows of an entry, with a word of its own.
fn shown(n: u64) -> HistoryEntry {
    let entry = entry(n);
    HistoryEntry {
        n,
        kind: "automatic".into(),
        operation_hash: entry.operation_hash.into(),
        signatures_hash: entry.signatures_hash.into(),
        record_hash: entry.record_hash.into(),
        height: n,
        time: n,
        extrinsic_index: Some(3),
        cause: None,
        action: Some("recover".into()),
        operation: None,
        decision: None,
        effective_at: Some(5),
    }
}

/// Goal: of seven entries, fetched in pages, none can be left out, swapped, changed or added; one
/// that was written since the proven block is left out, and so is what nothing proves.
#[tokio::test]
async fn a_log_must_hash_to_the_head_in_the_proven_record() {
    const COUNT: u64 = 7;
    let time = Time::new();
    let node = FakeNode::new("one", chain());
    let did = alice(&node.chain());
    let head = (0..COUNT).fold(LogHead::default(), |head, n| head.append(&entry(n)));
    node.grow(|chain| chain.write(time.now(), vec![record_with_log(&did, 1, head)]));
    let client = open(config(&node.chain(), &time), &[&node]).await.unwrap();
    let whole: Vec<_> = (0..COUNT).map(shown).collect();
    let newer: Vec<_> = (0..=COUNT).map(shown).collect();
    for log in [&whole, &newer] {
        node.lie(lies(|it| it.log = log.clone()));
        let proven = client.history(&did, None).await.unwrap().answer;
        assert_eq!((proven.head, proven.entries.len()), (head, 7));
        let first = &proven.entries[0];
        assert_eq!(
            (first.extrinsic_index, first.action.as_deref()),
            (None, None)
        );
        assert_eq!(first.cause.map(|it| it.0), Some(H256([7; 32])));
    }
    let changes: [fn(&mut Vec<HistoryEntry>); 5] = [
        |log| drop(log.pop()),
        |log| drop(log.remove(2)),
        |log| log.swap(1, 2),
        |log| log[6].height = 5,
        |log| log[4].kind = "miracle".into(),
    ];
    for change in changes {
        let mut log = whole.clone();
        change(&mut log);
        node.lie(lies(|it| it.log = log));
        let refused = client.history(&did, None).await.unwrap_err();
        assert_eq!(refused.slug(), "light.wrong_log");
    }
}
