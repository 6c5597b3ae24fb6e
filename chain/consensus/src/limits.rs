//! Every maximum of this crate, in one place.

use std::time::Duration;

pub use allod_primitives::limits::BLOCK_BYTES_MAX;
use allod_primitives::limits::VALIDATORS_MAX;

/// Bytes of one proposal part's payload.
pub const PART_BYTES_MAX: usize = 64 * 1024;
/// Data parts of one block.
pub const PARTS_MAX: usize = BLOCK_BYTES_MAX.div_ceil(PART_BYTES_MAX);
/// Bytes of a stream identifier: publisher's choice, ours are 16.
pub const STREAM_ID_BYTES_MAX: usize = 32;
/// Proposal streams one publisher may have open at once; the oldest is dropped for a newer one.
pub const STREAMS_PER_PUBLISHER_MAX: usize = 4;
/// Publishers with open streams at once; beyond it new publishers are ignored.
pub const PUBLISHERS_MAX: usize = 256;
/// Bytes of all open streams together.
pub const ASSEMBLY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Rounds beyond the current one whose proposals are taken.
pub const FUTURE_ROUNDS_MAX: u32 = 16;
/// Complete blocks of a future height kept per publisher.
pub const PARKED_PER_PUBLISHER_MAX: usize = 2;
/// Bytes of complete blocks kept for later, all publishers together.
pub const PARKED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How many heights beyond the current one a block may be and still be kept.
pub const FUTURE_HEIGHTS_MAX: u64 = 2;
/// Distinct blocks of one height that are handed to the engine.
pub const VALUES_PER_HEIGHT_MAX: usize = 64;
/// Signed proposals remembered per height, to know which blocks have been proposed.
pub const PROPOSALS_SEEN_MAX: usize = 256;
/// Signatures of one certificate: the largest validator set.
pub const SIGNATURES_MAX: usize = VALIDATORS_MAX;
/// Bytes of a libp2p peer id.
pub const PEER_ID_BYTES_MAX: usize = allod_primitives::limits::PEER_ID_BYTES_MAX as usize;
/// Bytes of one consensus message on the wire; the largest is a round certificate of 128 votes.
pub const MESSAGE_BYTES_MAX: usize = 32 * 1024;
/// Blocks of one synchronisation response.
pub const SYNC_BATCH_MAX: usize = 16;
/// Bytes of one synchronisation response: two full blocks and their certificates.
pub const SYNC_RESPONSE_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Bytes of one synchronisation request.
pub const SYNC_REQUEST_BYTES_MAX: usize = 1024;
/// Signatures a sign guard remembers, the last ones of one height: 341 rounds at least.
pub const GUARD_RECORDS_MAX: usize = 1024;
/// Messages of one height that wait for a signer to come back; the oldest give way.
pub const LATE_MESSAGES_MAX: usize = 64;
/// Milliseconds by which a block's time must lie after the loss of a guard for it to be surely
/// later: more than a proposer's clock may be ahead.
pub const GUARD_LOST_MARGIN_MS: u64 = 60_000;
/// Milliseconds after a loss was said before its guard hears an agreement (ADR 0012): as long its
/// node looks for later blocks.
pub const GUARD_AGREED_AFTER_MS: u64 = 600_000;
/// Committed blocks in which a starting node looks for its own signature.
pub const SIGNED_LOOKED_FOR: u64 = 16;
/// How long the engine may leave a liveness probe unanswered before it counts as hung.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(30);
/// How often it is looked whether an application that has not answered makes progress.
pub const PROGRESS_LOOK: Duration = Duration::from_secs(10);
/// Commands to the network that wait for their turn; more are refused.
pub const PEER_COMMANDS_MAX: usize = 64;
/// How often it is looked who takes what this node sends.
pub const PEERS_LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// Looks in a row in which a connected peer takes nothing, until it is connected anew.
pub const DEAF_LOOKS_MAX: u32 = 3;
/// Peers below which the engine takes everybody into a topic's mesh (its `mesh_n_low`).
pub const MESH_PEERS_MIN: usize = 4;
/// Questions for a pulse that wait for the driver.
pub const PULSES_MAX: usize = 4;
