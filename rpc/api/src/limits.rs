//! Every maximum of the contract, in one place. spec/rpc.md lists them.

/// Items of one `identity_submit`.
pub const SUBMIT_ITEMS_MAX: usize = 1024;
/// Milliseconds `identity_submit` waits for finality unless told otherwise.
pub const SUBMIT_TIMEOUT_MS_DEFAULT: u64 = 10_000;
/// Milliseconds `identity_submit` waits at most.
pub const SUBMIT_TIMEOUT_MS_MAX: u64 = 60_000;
/// Entries `identity_history` returns unless told otherwise.
pub const HISTORY_COUNT_DEFAULT: u32 = 64;
/// Entries `identity_history` returns at most.
pub const HISTORY_COUNT_MAX: u32 = 256;
/// Entries of a log that an answer about an earlier version holds at most.
pub const VERSION_ENTRIES_MAX: usize = 1024;
/// Entries of a log that are replayed at most to rebuild an earlier version.
pub const VERSION_REPLAY_MAX: u64 = 8192;
/// Earlier versions that are rebuilt at a time.
pub const VERSION_REPLAYS_MAX: usize = 2;
/// Questions about earlier versions that wait until one of those is done.
pub const VERSION_REPLAYS_WAITING_MAX: usize = 32;
/// Milliseconds that such a question waits at most.
pub const VERSION_REPLAY_WAIT_MS_MAX: u64 = 2_000;
/// Identities one `identity_subscribeChanges` watches at most.
pub const WATCHED_DIDS_MAX: usize = 64;
/// Retired verification methods `identity_resolve` lists at most.
pub const RETIRED_LISTED_MAX: usize = 64;
/// Retired verification methods read to find the newest. Of an identity that has more, none is
/// listed.
pub const RETIRED_READ_MAX: u32 = 4096;
/// Retired verification methods that an answer with a proof reads at most.
pub const RETIRED_PROVEN_MAX: u32 = 256;
/// Characters of a DID.
pub const DID_CHARS_MAX: usize = 128;
/// Characters of a compact JWS.
pub const JWS_CHARS_MAX: usize = 8 * 1024;
/// Characters of an audience.
pub const AUDIENCE_CHARS_MAX: usize = 512;
/// Audiences a token may list.
pub const AUDIENCES_MAX: usize = 16;
/// Characters of a nonce.
pub const NONCE_CHARS_MAX: usize = 256;
/// Characters of a `jti`.
pub const JTI_CHARS_MAX: usize = 256;
/// Characters of a resource, subject, client, purpose or media type in an access request.
pub const URI_CHARS_MAX: usize = 2048;
/// Seconds a login may live, from `iat` to `exp`.
pub const LOGIN_LIFETIME_S_MAX: u64 = 900;
/// Milliseconds the newest finalized block may lie behind the verifier's clock, by default.
pub const STALENESS_MS_DEFAULT: u64 = 10_000;
/// Milliseconds a caller may relax that to.
pub const STALENESS_MS_MAX: u64 = 3_600_000;
/// Bytes of the target of a DID resolution request: path and query.
pub const RESOLUTION_TARGET_BYTES_MAX: usize = 8 * 1024;
/// Bytes of the body of a DID resolution request.
pub const RESOLUTION_BODY_BYTES_MAX: usize = 16 * 1024;
/// Milliseconds within which the body of a DID resolution request must have come.
pub const RESOLUTION_BODY_MS_MAX: u64 = 10_000;
/// DID resolution requests of which everything has come, at a time.
pub const RESOLUTIONS_MAX: usize = 64;
/// Bodies of DID resolution requests that are waited for at a time.
pub const RESOLUTION_BODIES_MAX: usize = 256;
/// Milliseconds within which a connection must have sent the head of its first request.
pub const REQUEST_HEAD_MS_MAX: u64 = 10_000;
/// Milliseconds within which the body of a request must have come, beside what its length adds.
pub const REQUEST_BODY_MS_MAX: u64 = 10_000;
/// Bytes of a body that give it another second.
pub const REQUEST_BODY_BYTES_PER_S_MIN: u64 = 16 * 1024;
/// Messages of a WebSocket one after another that are no calls, at which it is closed.
pub const GARBAGE_MESSAGES_MAX: u32 = 32;
/// Characters of a DID URL, decoded.
pub const DID_URL_CHARS_MAX: usize = 2048;
/// Parameters and options of a DID resolution request, together.
pub const DID_PARAMETERS_MAX: usize = 16;
/// Milliseconds a read waits at most for the height it asks for.
pub const READ_WAIT_MS_MAX: u64 = 5_000;
/// Reads that wait for a height at a time.
pub const READ_WAITERS_MAX: usize = 512;
/// Of these, of one connection.
pub const READ_WAITERS_PER_CONNECTION_MAX: usize = 64;
/// Reads that take a thread of their own, at a time.
pub const LONG_READS_MAX: usize = 64;
/// Milliseconds that another one waits for a thread at most.
pub const LONG_READ_WAIT_MS_MAX: u64 = 2_000;
/// Answers to `/metrics` that are written at a time.
pub const METRICS_MAX: usize = 2;
/// Milliseconds that another one waits for its turn at most.
pub const METRICS_WAIT_MS_MAX: u64 = 2_000;
/// Bytes of the entries of one `light_statePage`, above which the page ends.
pub const STATE_PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes of the keys and values read for one `light_statePage`, above which the page ends.
pub const STATE_PAGE_READ_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of the key after which a `light_statePage` begins.
pub const STATE_KEY_BYTES_MAX: usize = 512;
/// Bytes of one block's changed values, above which `light_subscribeBlocks` gives hashes of
/// records.
pub const BLOCK_VALUES_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Subscriptions to blocks at a time.
pub const BLOCK_FOLLOWERS_MAX: usize = 64;
/// Of these, of one connection.
pub const BLOCK_FOLLOWERS_PER_CONNECTION_MAX: usize = 4;
/// Bytes of blocks that wait for one connection to take them, unless one block alone has more.
pub const FOLLOWER_QUEUED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Milliseconds within which a follower must have taken enough for the next block to be queued.
pub const FOLLOWER_STALL_MS_MAX: u64 = 30_000;
/// Blocks that followers catch up with, read at a time.
pub const BLOCK_READS_MAX: usize = 4;
