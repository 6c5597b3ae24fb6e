//! Every maximum of the node, in one place. Those of the wire and the state are
//! `allod_primitives::limits`, those of consensus `allod_consensus::limits`.

use std::time::Duration;

/// Versions of the state readable at old heights: at least this many blocks.
pub const HISTORY_BLOCKS_MIN: u64 = 1024;
/// And at least this many milliseconds, whichever is longer.
pub const HISTORY_MS_MIN: u64 = 10 * 60 * 1000;
/// Old versions removed after one commit, so that a backlog never delays a block much.
pub const PRUNED_VERSIONS_PER_COMMIT_MAX: usize = 4;
/// Blocks stored for one height before agreement.
pub const UNDECIDED_PER_HEIGHT_MAX: usize = 64;
/// Executed but undecided blocks kept in memory.
pub const OUTCOMES_MAX: usize = 8;

/// How long building or executing a block may take; the next ones hold as many items as that.
/// Well below the time that validators wait for a proposal.
pub const BLOCK_WORK_MAX: Duration = Duration::from_millis(250);
/// Items of a block before the first one was measured.
pub const BLOCK_ITEMS_FIRST: u32 = 1024;
/// Items that a block must have to say something about the time per item.
pub const BLOCK_ITEMS_MEASURED_MIN: u32 = 64;
/// Nodes of all versions of the state tree together, about 80 bytes each; beyond it old versions
/// can no longer be proven (their values stay readable).
pub const TREE_NODES_MAX: usize = 8_000_000;
/// Versions of the state tree kept in any case.
pub const TREE_VERSIONS_MIN: u64 = 64;

/// Verified signatures remembered.
pub const SIGNATURE_CACHE_MAX: usize = 1 << 17;
/// Signatures of one batch verification.
pub const SIGNATURE_BATCH_MAX: usize = 256;

/// Transactions in the mempool.
pub const POOL_COUNT_MAX: usize = 50_000;
/// Bytes of all transactions in the mempool.
pub const POOL_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Transactions in the mempool of one account or identity.
pub const POOL_PER_SUBJECT_MAX: usize = 256;
/// Rescues that the mempool keeps room for, beside all other transactions.
pub const POOL_RESCUES_MAX: usize = 8192;
/// Bytes that the mempool keeps for rescues.
pub const POOL_RESCUE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Rescues of one kind and one identity in that room; more are ordinary transactions.
pub const POOL_RESCUES_PER_SUBJECT_MAX: usize = 4;
/// Tags a transaction may provide or require.
pub const POOL_TAGS_MAX: usize = 1024;
/// Identities or accounts one transaction is counted for.
pub const POOL_SUBJECTS_MAX: usize = 1024;
/// How long a transaction may wait in the mempool.
pub const POOL_AGE_MAX: Duration = Duration::from_secs(10 * 60);
/// How long a transaction may wait for one that it requires.
pub const POOL_FUTURE_AGE_MAX: Duration = Duration::from_secs(60);
/// Hashes of included transactions remembered, to refuse them cheaply.
pub const POOL_INCLUDED_MAX: usize = 1 << 16;
/// Waiting transactions judged again after one commit besides those it touched.
pub const POOL_RECHECKED_PER_COMMIT_MAX: usize = 32;
/// How long such a transaction must have waited: most are in a block long before.
pub const POOL_RECHECK_AGE: Duration = Duration::from_secs(10);
/// Transactions watched by subscribers at once.
pub const WATCHED_MAX: usize = 1 << 16;
/// Status changes buffered for one watcher.
pub const WATCH_EVENTS_MAX: usize = 8;
/// Submissions that wait for admission; more are refused as busy.
pub const ADMISSION_QUEUE_MAX: usize = 1024;
/// Questions whether admission gets on that wait for an answer; one is asked at a time.
pub const ADMISSION_BEATS_MAX: usize = 8;
/// Transactions judged in one go, and at most what one submission of each kind holds.
pub const ADMISSION_BATCH_MAX: usize = 256;
/// Least time from one batch of judged transactions to the next, so that batches fill under load.
pub const ADMISSION_SPACING: Duration = Duration::from_millis(5);
/// Heads buffered for a slow subscriber.
pub const HEADS_BUFFERED_MAX: usize = 256;
/// Transactions of one submission.
pub const SUBMISSION_MAX: usize = 1024;

/// Transactions of one gossip message.
pub const GOSSIP_BATCH_MAX: usize = 256;
/// Payload bytes of one gossip message, unless a single transaction is longer.
pub const GOSSIP_BATCH_BYTES_MAX: usize = 256 * 1024;
/// Bytes of one gossip message as read from the wire.
pub const GOSSIP_MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Hashes of one offer.
pub const GOSSIP_OFFER_MAX: usize = 4096;
/// Transactions queued for one peer; the oldest are dropped for newer ones and heal by offers.
pub const GOSSIP_QUEUE_MAX: usize = 16_384;
/// Bytes queued for one peer.
pub const GOSSIP_QUEUE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Rescues queued for one peer, beside these.
pub const GOSSIP_RESCUES_MAX: usize = 1024;
/// Unanswered messages to one peer.
pub const GOSSIP_IN_FLIGHT_MAX: usize = 4;
/// Peers a node may be connected to.
pub const GOSSIP_PEERS_MAX: u32 = 384;
/// Connections being set up at once.
pub const GOSSIP_PENDING_MAX: u32 = 64;
/// Least time from one message to the next to the same peers, so that messages fill under load.
pub const GOSSIP_SPACING: Duration = Duration::from_millis(25);
/// How often waiting transactions are looked through and lost peers dialled.
pub const GOSSIP_TICK: Duration = Duration::from_millis(500);
/// How long a transaction waits here before peers are asked whether they lack it.
pub const GOSSIP_OFFER_AGE: Duration = Duration::from_secs(1);
/// How often a silent connection is probed.
pub const GOSSIP_PROBE: Duration = Duration::from_secs(15);
/// First wait before a lost peer is dialled again; doubles up to the next constant.
pub const GOSSIP_REDIAL_MIN: Duration = Duration::from_millis(500);
/// Longest wait before a lost peer is dialled again.
pub const GOSSIP_REDIAL_MAX: Duration = Duration::from_secs(8);
/// How long a message may stay unanswered before the connection counts as dead.
pub const GOSSIP_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Failed rounds of one block that are looked at for whose turn they were.
pub const ROUNDS_COUNTED_MAX: u32 = 1024;

/// How far the clocks of a development network may be ahead of the system's: ten years.
pub const CLOCK_AHEAD_MAX: Duration = Duration::from_secs(3650 * 24 * 60 * 60);
/// Bytes of one line that the launcher writes to a node's standard input.
pub const STDIN_LINE_BYTES_MAX: u64 = 256;
/// Most milliseconds that a first proposal's time may be allowed to be ahead of a validator's
/// clock. A guard that was lost waits for a block that is surely later than the loss (ADR 0012):
/// what is left of its margin is for that machine's own clock.
pub const AHEAD_MS_MAX: u64 = 30_000;
const _: () = assert!(AHEAD_MS_MAX * 2 <= allod_consensus::limits::GUARD_LOST_MARGIN_MS);
/// Bytes of a frame's body between node and signer; the largest is a binding of an identity.
pub const SIGNER_FRAME_BYTES_MAX: usize = 256;
/// Bytes of a libp2p identity that a signer binds.
pub const SIGNER_PEER_ID_BYTES_MAX: u32 = allod_primitives::limits::PEER_ID_BYTES_MAX;
/// How long a signer keeps a client that asks nothing.
pub const SIGNER_IDLE_MAX: Duration = Duration::from_secs(15);
/// How long a signer tries to write an answer, or to say that it is busy.
pub const SIGNER_WRITE_TIMEOUT: Duration = Duration::from_secs(1);
/// Connections that a signer tells at once that it is busy.
pub const SIGNER_TURNED_AWAY_MAX: usize = 8;
/// How often a node asks its signer for a sign of life.
pub const SIGNER_HELLO_EVERY: Duration = Duration::from_secs(5);
/// How long a node waits for an answer of its signer; consensus waits with it.
pub const SIGNER_ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two attempts of a node to reach its signer.
pub const SIGNER_RETRY: Duration = Duration::from_millis(250);
/// How long a starting node waits for its signer.
pub const SIGNER_START_WAIT: Duration = Duration::from_secs(30);
/// Requests of a node that wait for its signer: consensus asks one at a time, in two tasks.
pub const SIGNER_QUEUE_MAX: usize = 16;
/// How long a signer that cannot accept connections waits before it tries again.
pub const SIGNER_ACCEPT_PAUSE: Duration = Duration::from_secs(1);
