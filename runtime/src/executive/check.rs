//! Judging one extrinsic against a state, the same in the mempool and in a block.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use allod_primitives::crypto::UNITS_ED25519;
use allod_primitives::extrinsic::{Era, RawExtrinsic, SignedPart, SigningContext};
use allod_primitives::limits::{BLOCK_HASH_COUNT, BLOCK_SIGNATURE_UNITS_MAX};
use allod_primitives::{H256, Header, Height, PublicKey, TimeMs, decode_strict};
use parity_scale_codec::Encode;
use scale_info::TypeDef;

use super::versions::Executive;
use crate::RuntimeCall;
use crate::authority;
use crate::frame::{
    BlockEnv, Direct, Origin, PalletCall, SignatureCheck, SignatureOracle, StateRead,
    TransactionError, Validity,
};
use crate::runtime::pallets;
use crate::system;
use crate::timestamp;
use crate::version::runtime_version;

/// An extrinsic that may be in a block, now or after those it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidTransaction {
    /// Tags it provides; two that provide one tag exclude each other.
    pub provides: Vec<Vec<u8>>,
    /// Tags that must be provided before it; empty if it is its turn.
    pub requires: Vec<Vec<u8>>,
    /// Higher goes first.
    pub priority: u64,
    /// Items it attempts.
    pub items: u32,
    /// Units of its signatures.
    pub signature_units: u32,
    /// Blocks after which it must be judged again; an era's rest.
    pub longevity: u64,
}

/// A decoded extrinsic that passed its checks.
pub(super) struct Checked {
    pub(super) call: RuntimeCall,
    pub(super) origin: Origin,
    pub(super) validity: Validity,
    pub(super) units: u32,
    pub(super) longevity: u64,
}

/// Versions that every signed extrinsic names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SignedVersions {
    pub(super) spec: u32,
    pub(super) transaction: u32,
}

/// What extrinsics of the next block are judged against: its parent and the parent's state.
pub struct View<'a> {
    state: &'a dyn StateRead,
    block: BlockEnv,
    versions: SignedVersions,
}

impl std::fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View")
            .field("block", &self.block)
            .finish_non_exhaustive()
    }
}

impl<'a> View<'a> {
    /// Looks at the block after `parent`, whose state is `state`, at `time`, which is raised to
    /// one past the parent's time if it is not later.
    pub fn new(state: &'a dyn StateRead, parent: &Header, time: TimeMs) -> Self {
        Executive::default().view(state, parent, time)
    }

    pub(super) fn with(
        state: &'a dyn StateRead,
        block: BlockEnv,
        versions: SignedVersions,
    ) -> Self {
        Self {
            state,
            block,
            versions,
        }
    }

    /// Judges an extrinsic, without its length prefix.
    ///
    /// # Errors
    /// [`TransactionError`] names the first rule broken.
    pub fn validate(
        &self,
        body: &[u8],
        oracle: &dyn SignatureOracle,
    ) -> Result<ValidTransaction, TransactionError> {
        let most = BLOCK_SIGNATURE_UNITS_MAX;
        let (state, block) = (self.state, &self.block);
        let checked = check(state, block, self.versions, body, most, oracle)?;
        Ok(ValidTransaction {
            provides: checked.validity.provides,
            requires: checked.validity.requires,
            priority: checked.validity.priority,
            items: checked.call.items(),
            signature_units: checked.units,
            longevity: checked.longevity,
        })
    }

    /// Returns the Ed25519 checks the extrinsic needs; none if it does not decode, has
    /// more than a block may have, or is signed and its sender's own signature, role or nonce
    /// refuses it.
    ///
    /// The sender is checked here and first: else a stranger's half megabyte of rubbish, called a
    /// batch, would buy thousands of checks.
    pub fn signature_checks(&self, body: &[u8]) -> Vec<SignatureCheck> {
        let Ok((raw, call)) = decode(body) else {
            return Vec::new();
        };
        if signature_units(&raw, &call) > BLOCK_SIGNATURE_UNITS_MAX {
            return Vec::new();
        }
        let Some(part) = &raw.signed else {
            return call.signature_checks();
        };
        let sender = check_sender(self.state, part);
        let (state, block, versions) = (self.state, &self.block, self.versions);
        let message = sender.and_then(|_| signing_payload(state, block, versions, part, &raw.call));
        match message {
            Ok(message) if Direct.verify(&part.account, &message, &part.signature) => {
                let mut checks = call.signature_checks();
                checks.push((part.account, message, part.signature));
                checks
            }
            _ => Vec::new(),
        }
    }
}

/// Returns what the block after `parent` is for those who run in it.
pub(super) fn block_env(state: &dyn StateRead, parent: &Header, time: TimeMs) -> BlockEnv {
    let parent_hash = parent.hash();
    let genesis_hash = match parent.number {
        Height(0) => parent_hash,
        _ => system::block_hash(state, Height(0)).unwrap_or_default(),
    };
    BlockEnv {
        height: parent.number.next(),
        time: TimeMs(time.0.max(parent.digest.time.0.saturating_add(1))),
        parent_hash,
        chain: authority::chain_id(state, &genesis_hash),
        genesis_hash,
    }
}

/// Judges an extrinsic: cheap checks first, its signature, then what the call asks for.
///
/// `units_left`: units of signatures that it may have; none is verified of one that has more.
pub(super) fn check(
    state: &dyn StateRead,
    block: &BlockEnv,
    versions: SignedVersions,
    body: &[u8],
    units_left: u32,
    oracle: &dyn SignatureOracle,
) -> Result<Checked, TransactionError> {
    let (raw, call) = decode(body)?;
    let units = signature_units(&raw, &call);
    if units > units_left {
        return Err(TransactionError::ExhaustsResources);
    }
    let (origin, nonce, longevity) = match &raw.signed {
        None => (Origin::Bare, None, u64::MAX),
        Some(part) => {
            let present = check_sender(state, part)?;
            let message = signing_payload(state, block, versions, part, &raw.call)?;
            if !oracle.verify(&part.account, &message, &part.signature) {
                return Err(TransactionError::BadProof);
            }
            let rest = era_end(&part.era, block.height).saturating_sub(block.height.0);
            (Origin::Signed(part.account), Some((part, present)), rest)
        }
    };
    let mut validity = call.validate(origin, state, block, oracle)?;
    if let Some((part, present)) = nonce {
        validity.provides.push(nonce_tag(&part.account, part.nonce));
        if let Some(before) = part.nonce.checked_sub(1).filter(|_| part.nonce > present) {
            validity.requires.push(nonce_tag(&part.account, before));
        }
    }
    Ok(Checked {
        call,
        origin,
        validity,
        units,
        longevity,
    })
}

/// Returns the units of all signatures in an extrinsic, its sender's included.
///
/// Source: spec/signatures.md §6.
fn signature_units(raw: &RawExtrinsic, call: &RuntimeCall) -> u32 {
    let sender = if raw.signed.is_some() {
        UNITS_ED25519
    } else {
        0
    };
    call.signature_units().saturating_add(sender)
}

/// Checks role and nonce; returns the nonce that is the account's turn.
fn check_sender(state: &dyn StateRead, part: &SignedPart) -> Result<u32, TransactionError> {
    if !authority::has_role(state, &part.account) {
        return Err(TransactionError::NoRole);
    }
    let present = system::nonce(state, &part.account);
    // The last number is never used, so that the next always exists.
    if part.nonce < present || part.nonce == u32::MAX {
        return Err(TransactionError::Stale);
    }
    Ok(present)
}

fn nonce_tag(account: &PublicKey, nonce: u32) -> Vec<u8> {
    (b"nonce", account, nonce).encode()
}

/// Returns what the sender signed, if the era's first block is remembered.
fn signing_payload(
    state: &dyn StateRead,
    block: &BlockEnv,
    versions: SignedVersions,
    part: &SignedPart,
    call: &[u8],
) -> Result<Vec<u8>, TransactionError> {
    let birth_hash = birth_hash(state, block, &part.era);
    let birth_hash = birth_hash.ok_or(TransactionError::AncientBirthBlock)?;
    let context = SigningContext {
        spec_version: versions.spec,
        transaction_version: versions.transaction,
        genesis_hash: block.genesis_hash,
    };
    Ok(context.payload(call, &part.era, part.nonce, &birth_hash))
}

/// Returns the first block in which an era that holds `height` no longer counts: after its end,
/// or when the hash it is bound to is no longer remembered.
fn era_end(era: &Era, height: Height) -> u64 {
    let remembered = match era {
        Era::Immortal => u64::MAX,
        Era::Mortal { .. } => era
            .birth(height.0)
            .saturating_add(u64::from(BLOCK_HASH_COUNT) + 1),
    };
    era.death(height.0).min(remembered)
}

/// Returns the hash of the era's first block. The age is checked beside the state, for the state
/// before a block still has one hash that the block will forget.
fn birth_hash(state: &dyn StateRead, block: &BlockEnv, era: &Era) -> Option<H256> {
    if era_end(era, block.height) <= block.height.0 {
        return None;
    }
    match Height(era.birth(block.height.0)) {
        Height(0) => Some(block.genesis_hash),
        birth if birth.next() == block.height => Some(block.parent_hash),
        birth if birth < block.height => system::block_hash(state, birth),
        _ => None,
    }
}

fn decode(body: &[u8]) -> Result<(RawExtrinsic, RuntimeCall), TransactionError> {
    let raw = RawExtrinsic::decode_body(body).map_err(|_| TransactionError::Undecodable)?;
    let call = decode_call(&raw.call)?;
    Ok((raw, call))
}

/// Decodes a call that fills `bytes` exactly.
///
/// # Errors
/// [`TransactionError::UnknownCall`] if there is no such call, else
/// [`TransactionError::Undecodable`].
pub fn decode_call(bytes: &[u8]) -> Result<RuntimeCall, TransactionError> {
    decode_strict(bytes).map_err(|_| match bytes {
        [pallet, call, ..] if !known_call(*pallet, *call) => TransactionError::UnknownCall {
            pallet: *pallet,
            call: *call,
        },
        _ => TransactionError::Undecodable,
    })
}

/// Returns whether there is a call of these indices.
pub fn known_call(pallet: u8, call: u8) -> bool {
    static KNOWN: OnceLock<BTreeMap<u8, BTreeSet<u8>>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let calls = pallets(&runtime_version())
            .into_iter()
            .filter_map(|pallet| {
                let TypeDef::Variant(calls) = pallet.calls?.type_info().type_def else {
                    return None;
                };
                Some((
                    pallet.index,
                    calls.variants.iter().map(|v| v.index).collect(),
                ))
            });
        calls.collect()
    });
    known
        .get(&pallet)
        .is_some_and(|calls| calls.contains(&call))
}

/// Returns the time that `body` sets, if it is the time's inherent.
pub(super) fn inherent_time(body: &[u8]) -> Option<TimeMs> {
    match decode(body).ok()? {
        (raw, RuntimeCall::Timestamp(timestamp::Call::set { now })) if raw.signed.is_none() => {
            Some(TimeMs(now))
        }
        _ => None,
    }
}
