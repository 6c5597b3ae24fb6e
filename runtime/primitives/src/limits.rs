//! Every maximum of the wire and of the state, in one place.
//!
//! Decoding enforces them; spec/limits.md lists them. Units are the names' last word but one.

/// Encoded bytes of one block, header and extrinsics together.
pub const BLOCK_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Encoded bytes of one extrinsic, length prefix excluded.
pub const EXTRINSIC_BYTES_MAX: usize = 512 * 1024;
/// Extrinsics in one block.
pub const BLOCK_EXTRINSICS_MAX: usize = 8192;
/// Attempted items in one block, counting each operation of a batch.
pub const BLOCK_ITEMS_MAX: u32 = 8192;
/// Units of signatures in one block; see [`ControlKey::units`](crate::policy::ControlKey::units).
pub const BLOCK_SIGNATURE_UNITS_MAX: u32 = 20_480;
/// Items in one registrar batch.
pub const BATCH_ITEMS_MAX: u32 = 512;
/// Digest items of a header.
pub const DIGEST_ITEMS_MAX: usize = 2;
/// Bytes of one digest item's payload.
pub const DIGEST_ITEM_BYTES_MAX: usize = 1024;
/// Validators of one set.
pub const VALIDATORS_MAX: usize = 128;
/// Voting power of one validator.
pub const VALIDATOR_POWER_MAX: u64 = 1 << 32;
/// Trustees.
pub const TRUSTEES_MAX: u32 = 32;
/// Proposals open at once.
pub const PROPOSALS_MAX: u32 = 64;
/// Admitted observers.
pub const OBSERVERS_MAX: u32 = 256;
/// Milliseconds a proposal may stay open.
pub const PROPOSAL_VALIDITY_MS_MAX: u64 = 31 * 86_400_000;
/// Actions of one proposal.
pub const PROPOSAL_ACTIONS_MAX: u32 = 8;
/// Milliseconds between blocks under load that trustees may not go below.
pub const BLOCK_SPACING_MS_MIN: u32 = 50;
/// Milliseconds between blocks, under load or idle, that trustees may not go above.
pub const BLOCK_INTERVAL_MS_MAX: u32 = 60_000;
/// Milliseconds of the period of validator changes that trustees may not go below.
pub const VALIDATOR_CHANGE_PERIOD_MS_MIN: u64 = 60_000;
/// Milliseconds of the period of validator changes that trustees may not go above.
pub const VALIDATOR_CHANGE_PERIOD_MS_MAX: u64 = 30 * 86_400_000;
/// Milliseconds below which trustees cannot set the least delay of a change of control.
pub const CONTROL_DELAY_MS_MIN_FLOOR: u64 = 3_600_000;
/// Milliseconds above which trustees cannot set the least delay of a change of control.
pub const CONTROL_DELAY_MS_MIN_CEILING: u64 = 7 * 86_400_000;
/// Milliseconds below which trustees cannot set the longest delay of a change of control.
pub const CONTROL_DELAY_MS_MAX_FLOOR: u64 = 7 * 86_400_000;
/// Milliseconds above which trustees cannot set the longest delay of a change of control.
pub const CONTROL_DELAY_MS_MAX_CEILING: u64 = 90 * 86_400_000;
/// Approved proposals carried out in one block.
pub const SCHEDULED_PER_BLOCK_MAX: u32 = 8;
/// Milliseconds an approved proposal may have to wait.
pub const RULE_DELAY_MS_MAX: u64 = 30 * 86_400_000;
/// Milliseconds that a change of the trustees or of a rule waits at least.
pub const AMENDMENT_DELAY_MS_MIN: u64 = 3_600_000;
/// Members of a validator set that removals leave at least.
pub const VALIDATORS_KEPT_MIN: usize = 4;
/// Milliseconds an identity may be frozen by one decision.
pub const FREEZE_MS_MAX: u64 = 31 * 86_400_000;
/// Bytes of the reason of a freeze.
pub const FREEZE_REASON_BYTES_MAX: u32 = 128;
/// Bytes of a peer's libp2p identity.
pub const PEER_ID_BYTES_MAX: u32 = 64;
/// Bytes of a peer's address (a multiaddr as text).
pub const PEER_ADDRESS_BYTES_MAX: u32 = 256;

/// Ranks of a control policy.
pub const RANKS_MAX: u32 = 4;
/// Keys of one rank.
pub const RANK_KEYS_MAX: u32 = 16;
/// Guardian leaves a recovery may reveal.
pub const GUARDIANS_MAX: u32 = 32;
/// Siblings of one guardian's path.
pub const GUARDIAN_PATH_MAX: u32 = 8;
/// Signatures of one operation.
pub const OPERATION_SIGNATURES_MAX: u32 = 32;
/// Encoded bytes of one rank.
pub const RANK_BYTES_MAX: usize = 2048;
/// Pending changes of one DID: one slot per rank and one for guardians.
pub const PENDING_MAX: u32 = 5;
/// Encoded bytes of one pending change.
pub const PENDING_BYTES_MAX: usize = 4096;
/// Records whose pending changes are written down at the beginning of one block.
pub const SETTLED_PER_BLOCK_MAX: u32 = 256;
/// Delay of pending changes that the SDK chooses, in milliseconds: three days.
pub const CONTROL_DELAY_MS_DEFAULT: u64 = 3 * 86_400_000;
/// First cool-down of a proposer whose change was cancelled, in milliseconds.
pub const COOL_DOWN_MS_FIRST: u64 = 86_400_000;
/// Longest cool-down, in milliseconds.
pub const COOL_DOWN_MS_MAX: u64 = 64 * 86_400_000;
/// Active verification methods of one document.
pub const METHODS_MAX: u32 = 32;
/// Verification methods, active and retired, that an identity may have had at first; one more a
/// day of its age, and as many anew after a recovery or a reveal by rank 0.
pub const METHOD_ALLOWANCE: u32 = 512;
/// Of these, the ones that only rank 0 may use up.
pub const METHOD_RESERVE: u32 = 128;
/// Services of one document.
pub const SERVICES_MAX: u32 = 16;
/// Endpoints of one service.
pub const SERVICE_ENDPOINTS_MAX: u32 = 4;
/// `alsoKnownAs` entries of one document.
pub const ALSO_KNOWN_AS_MAX: u32 = 8;
/// Controllers of one document.
pub const CONTROLLERS_MAX: u32 = 4;
/// Bytes of a fragment.
pub const FRAGMENT_BYTES_MAX: u32 = 32;
/// Bytes of a URI.
pub const URI_BYTES_MAX: u32 = 256;
/// Bytes of a service type.
pub const SERVICE_TYPE_BYTES_MAX: u32 = 64;
/// Bytes of a web origin.
pub const ORIGIN_BYTES_MAX: u32 = 128;
/// Bytes of a WebAuthn `clientDataJSON`.
pub const CLIENT_DATA_BYTES_MAX: u32 = 512;
/// Bytes of a WebAuthn `authenticatorData`.
pub const AUTHENTICATOR_DATA_BYTES_MAX: u32 = 256;
/// Encoded bytes of one signed operation.
pub const OPERATION_BYTES_MAX: usize = 16 * 1024;
/// Bytes of any stored value.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;

/// Milliseconds an operation may be valid beyond the block that takes it.
pub const OPERATION_VALIDITY_MS_MAX: u64 = 366 * 86_400_000;
/// Milliseconds a registrar's voucher may be valid.
pub const VOUCHER_VALIDITY_MS_MAX: u64 = 31 * 86_400_000;
/// Seconds a token may live, from `iat` to `exp`.
pub const TOKEN_LIFETIME_S_MAX: u64 = 31 * 86_400;
/// Seconds of clock difference a verifier forgives, and that a revocation outlives its token.
pub const TOKEN_LEEWAY_S: u64 = 60;
/// Days a grant may run.
pub const GRANT_DAYS_MAX: u32 = 3660;
/// Bytes of an encoded grant body.
pub const GRANT_BODY_BYTES_MAX: usize = 8 * 1024;
/// Resources of one grant body.
pub const GRANT_RESOURCES_MAX: u32 = 32;
/// Constraints of one grant body.
pub const GRANT_CONSTRAINTS_MAX: u32 = 16;
/// Grants of one delegation chain.
pub const GRANT_CHAIN_MAX: u32 = 8;
/// Bytes of the resource in a typed runtime call.
pub const CALL_RESOURCE_BYTES_MAX: u32 = 2048;
/// Bytes of the reason that a typed runtime call gives.
pub const CALL_REASON_BYTES_MAX: u32 = 64;
/// Expired entries (revocations, grants, proposals) removed in one block, each kind.
pub const PRUNED_PER_BLOCK_MAX: u32 = 256;

/// Document operations of one DID a day.
pub const QUOTA_DOCUMENTS_PER_DAY: u16 = 30;
/// Control operations of one rank's lane a day.
pub const QUOTA_RANK_PER_DAY: u16 = 10;
/// Operations of the next keys' lane of one rank a day.
pub const QUOTA_NEXT_PER_DAY: u16 = 10;
/// Operations of the guardians' lane a day.
pub const QUOTA_GUARDIANS_PER_DAY: u16 = 10;
/// Token operations of one DID a day.
pub const QUOTA_TOKENS_PER_DAY: u16 = 200;

/// Block hashes kept in state, and so the longest period of a mortal extrinsic.
pub const BLOCK_HASH_COUNT: u32 = 4096;
/// Bits of work a development network may ask for.
pub const WORK_BITS_MAX: u8 = 32;

/// Changes of the validator set that one bundle brings.
pub const TRANSITIONS_MAX: u32 = 16;
/// Encoded bytes of a read's bundle: no more than its parts come to.
pub const READ_PROOF_BYTES_MAX: usize = 6 * 1024 * 1024;
/// Validator sets that a light client keeps.
pub const SETS_KEPT_MAX: u32 = 16;
/// Verified headers that a light client keeps, to notice a second history.
pub const HEADERS_KEPT_MAX: u32 = 256;
/// Milliseconds that a head may be ahead of a light client's clock.
pub const CLOCK_AHEAD_MS_MAX: u64 = 10_000;
/// Changed keys of one block that a follower takes.
pub const CHANGES_MAX: u32 = 1 << 19;
/// Entries of one page of the whole state.
pub const PAGE_ENTRIES_MAX: u32 = 4096;
/// Entries of the whole state that a follower takes.
pub const STATE_ENTRIES_MAX: usize = 1 << 24;
/// Bytes of the keys, values and hashes of the whole state that a follower takes.
pub const STATE_BYTES_MAX: usize = 1 << 31;
