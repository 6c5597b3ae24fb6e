//! The execution of one block, step by step.

use std::collections::BTreeMap;

use allod_primitives::extrinsic::RawExtrinsic;
use allod_primitives::header::{
    LEDGER_DIGEST_VERSION, LedgerDigest, changes_root, extrinsic_hash, next_changes_accumulator,
};
use allod_primitives::limits::{BLOCK_BYTES_MAX, BLOCK_ITEMS_MAX, BLOCK_SIGNATURE_UNITS_MAX};
use allod_primitives::merkle::{self, Domain};
use allod_primitives::{H256, Header, Height, TimeMs, keys};
use parity_scale_codec::{CompactLen, Encode};

use super::check::{SignedVersions, block_env, check};
use super::error::BlockError;
use super::types::{BuildLimits, Executed, ExtrinsicResult};
use super::versions::Executive;
use crate::authority::sets::set_entries;
use crate::authority::types::SetEntry;
use crate::frame::wire::{DispatchClass, DispatchEventInfo, EventRecord, Phase};
use crate::frame::{
    Context, DispatchResult, Origin, Overlay, PalletCall, SignatureOracle, StateRead,
    TransactionError,
};
use crate::genesis::{self, GenesisConfig, GenesisError};
use crate::runtime::{IDENTITY_ITEMS, on_initialize};
use crate::system::{self, Event};
use crate::timestamp;
use crate::version::Version;
use crate::{RuntimeCall, RuntimeEvent};

/// Bytes of a block kept for its header and its extrinsics' count.
const HEADER_BYTES_RESERVED: usize = 2048;

/// A block being executed.
pub(super) struct BlockExecution<'a> {
    context: Context<'a>,
    parent: &'a Header,
    sets: (SetEntry, SetEntry),
    version: &'static Version,
    bytes: usize,
    events: Vec<EventRecord<RuntimeEvent, H256>>,
    results: Vec<ExtrinsicResult>,
}

impl<'a> BlockExecution<'a> {
    /// Checks version, height and time, and does what precedes the extrinsics.
    pub(super) fn start(
        executive: Executive,
        state: &'a dyn StateRead,
        parent: &'a Header,
        time: TimeMs,
        oracle: &'a dyn SignatureOracle,
    ) -> Result<Self, BlockError> {
        let height = parent.number.next();
        let version = executive.due(state, height)?;
        let number = u32::try_from(height.0).map_err(|_| BlockError::TooHigh)?;
        if time <= parent.digest.time {
            return Err(BlockError::TimeNotIncreasing {
                parent: parent.digest.time,
                time,
            });
        }
        let sets = set_entries(state).ok_or(BlockError::NoGenesis)?;
        let env = block_env(state, parent, time);
        let mut context = Context::new(Overlay::new(state), env, oracle);
        executive.activate(&mut context, version);
        system::storage::begin_block(&mut context.state, number, &env.parent_hash);
        on_initialize(&mut context);
        let mut block = Self {
            context,
            parent,
            sets,
            version,
            bytes: HEADER_BYTES_RESERVED,
            events: Vec::new(),
            results: Vec::new(),
        };
        block.keep_events(Phase::Initialization);
        Ok(block)
    }

    /// Returns how many items the block has attempted so far.
    pub(super) fn items(&self) -> u32 {
        self.context.items
    }

    /// Returns how many units of signatures the block has so far.
    pub(super) fn signature_units(&self) -> u32 {
        self.context.signature_units
    }

    /// Applies the time's inherent; returns its bytes.
    pub(super) fn apply_time(&mut self) -> Result<Vec<u8>, BlockError> {
        let now = self.context.block.time.0;
        let call = RuntimeCall::Timestamp(timestamp::Call::set { now });
        let raw = RawExtrinsic {
            signed: None,
            call: call.encode(),
        };
        let body = raw.encode_body();
        timestamp::storage::NOW.put(&mut self.context.state, &now);
        self.count(&body, 1);
        self.end_extrinsic(&body, 1, DispatchClass::Mandatory, Ok(()));
        Ok(body)
    }

    /// Judges an extrinsic and applies it; nothing changes if it is refused.
    pub(super) fn apply(
        &mut self,
        body: &[u8],
        limits: &BuildLimits,
    ) -> Result<(), TransactionError> {
        let bytes = self.bytes.saturating_add(wire_bytes(body));
        if bytes > limits.bytes.min(BLOCK_BYTES_MAX) {
            return Err(TransactionError::ExhaustsResources);
        }
        let context = &mut self.context;
        let units_left = limits
            .signature_units
            .min(BLOCK_SIGNATURE_UNITS_MAX)
            .saturating_sub(context.signature_units);
        let versions = SignedVersions {
            spec: self.version.spec_version,
            transaction: self.version.transaction_version,
        };
        let (state, env) = (&context.state, &context.block);
        let checked = check(state, env, versions, body, units_left, context.oracle)?;
        if !checked.validity.requires.is_empty() {
            return Err(TransactionError::Future);
        }
        let items = checked.call.items();
        if context.items.saturating_add(items) > limits.items.min(BLOCK_ITEMS_MAX) {
            return Err(TransactionError::ExhaustsResources);
        }
        self.count(body, items);
        let context = &mut self.context;
        context.signature_units = context.signature_units.saturating_add(checked.units);
        let (call, origin) = (checked.call, checked.origin);
        if let Origin::Signed(account) = origin {
            system::storage::bump_nonce(&mut context.state, &account);
        }
        call.consume(origin, context);
        let outcome = context.transactional(|context| call.dispatch(origin, context));
        self.end_extrinsic(body, items, DispatchClass::Normal, outcome);
        Ok(())
    }

    fn count(&mut self, body: &[u8], items: u32) {
        self.bytes = self.bytes.saturating_add(wire_bytes(body));
        self.context.items = self.context.items.saturating_add(items);
    }

    /// Closes an extrinsic with its outcome's event.
    fn end_extrinsic(
        &mut self,
        body: &[u8],
        items: u32,
        class: DispatchClass,
        outcome: DispatchResult,
    ) {
        let dispatch_info = DispatchEventInfo::of(class);
        self.context.deposit(match outcome {
            Ok(()) => Event::ExtrinsicSuccess { dispatch_info },
            Err(dispatch_error) => Event::ExtrinsicFailed {
                dispatch_error,
                dispatch_info,
            },
        });
        let index = u32::try_from(self.results.len()).unwrap_or(u32::MAX);
        self.keep_events(Phase::ApplyExtrinsic(index));
        self.context.state.commit();
        self.results.push(ExtrinsicResult {
            hash: extrinsic_hash(body),
            outcome,
            items,
        });
    }

    fn keep_events(&mut self, phase: Phase) {
        let events = self.context.events.drain(..).map(|event| EventRecord {
            phase,
            event,
            topics: Vec::new(),
        });
        self.events.extend(events);
    }

    /// Does what follows the extrinsics.
    pub(super) fn finalize(self) -> Executed {
        let (validator_set, next_validator_set) = (&self.sets.0, &self.sets.1);
        let parts = DigestParts {
            spec_version: self.version.spec_version,
            time: self.context.block.time,
            validator_set: validator_set.set.hash(),
            next_validator_set: next_validator_set.set.hash(),
            set_id: validator_set.id,
            set_since: validator_set.since,
            accumulator: self.parent.digest.changes_accumulator,
        };
        let (current, next) = set_entries(&self.context.state).unwrap_or(self.sets);
        Executed::new(
            self.context.block.height,
            self.context.state,
            parts,
            self.results,
            self.events,
            (current, next),
        )
    }
}

/// What the digest says that the changes do not.
struct DigestParts {
    spec_version: u32,
    time: TimeMs,
    validator_set: H256,
    next_validator_set: H256,
    set_id: u64,
    set_since: Height,
    accumulator: H256,
}

impl Executed {
    fn new(
        number: Height,
        state: Overlay<'_>,
        parts: DigestParts,
        results: Vec<ExtrinsicResult>,
        events: Vec<EventRecord<RuntimeEvent, H256>>,
        next_sets: (SetEntry, SetEntry),
    ) -> Self {
        let changes = state.into_changes();
        let (root, count) = identity_changes_root(&changes);
        let digest = LedgerDigest {
            version: LEDGER_DIGEST_VERSION,
            spec_version: parts.spec_version,
            time: parts.time,
            validator_set: parts.validator_set,
            next_validator_set: parts.next_validator_set,
            set_id: parts.set_id,
            set_since: parts.set_since,
            changes_root: root,
            changes_count: count,
            changes_accumulator: next_changes_accumulator(parts.accumulator, number, &root, count),
        };
        let hashes = results.iter().map(|result| result.hash.0.as_slice());
        Self {
            number,
            extrinsics_root: merkle::root(Domain::Extrinsics, hashes),
            scratch: BTreeMap::from([(system::storage::EVENTS.key(), events.encode())]),
            changes,
            digest,
            results,
            events,
            next_sets: (next_sets.0.set, next_sets.1.set),
        }
    }
}

/// Returns root and count over the changed keys of identities, revocations and grants.
fn identity_changes_root(changes: &BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> (H256, u32) {
    let mut prefixes = IDENTITY_ITEMS.map(|(pallet, item)| keys::item(pallet, item));
    prefixes.sort_unstable();
    let changes = prefixes.iter().flat_map(|prefix| {
        let from = changes.range::<Vec<u8>, _>(prefix..);
        from.take_while(move |(key, _)| key.starts_with(prefix))
    });
    changes_root(changes.map(|(key, value)| (key.as_slice(), value.as_deref())))
}

/// Returns the bytes of an extrinsic in a block, length prefix included.
fn wire_bytes(body: &[u8]) -> usize {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let prefix = parity_scale_codec::Compact::<u32>::compact_len(&length);
    body.len().saturating_add(prefix)
}

/// Makes the first state.
pub(super) fn genesis(
    executive: Executive,
    config: &GenesisConfig,
) -> Result<Executed, GenesisError> {
    let spec_version = config.spec_version;
    if executive.version(spec_version).is_none() {
        return Err(GenesisError::Version { spec_version });
    }
    let empty = BTreeMap::<Vec<u8>, Vec<u8>>::new();
    let mut state = Overlay::new(&empty);
    genesis::write(&mut state, config)?;
    let (current, next) = set_entries(&state).ok_or(GenesisError::Trustees)?;
    let parts = DigestParts {
        spec_version: config.spec_version,
        time: config.time,
        validator_set: current.set.hash(),
        next_validator_set: next.set.hash(),
        set_id: 0,
        set_since: Height(0),
        accumulator: H256::ZERO,
    };
    Ok(Executed::new(
        Height(0),
        state,
        parts,
        Vec::new(),
        Vec::new(),
        (current, next),
    ))
}
