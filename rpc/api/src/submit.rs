//! `identity_submit`, and how its items become extrinsics.

use allod_primitives::decode_strict;
use allod_primitives::extrinsic::RawExtrinsic;
use allod_primitives::grant::SignedGrantMessage;
use allod_primitives::operation::{Admission, Body, SignedOperation};
use allod_primitives::token::SignedTokenOperation;
use parity_scale_codec::{Decode, DecodeAll, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{ErrorCode, Failure, RpcError};
use crate::hex_bytes::{HexBytes, HexHash};

/// Pallet and call index of `Did.submit`.
pub const CALL_DID_SUBMIT: [u8; 2] = [3, 0];
/// Pallet and call index of `Did.incept`.
pub const CALL_DID_INCEPT: [u8; 2] = [3, 1];
/// Pallet and call index of `Did.batch`.
pub const CALL_DID_BATCH: [u8; 2] = [3, 2];
/// Pallet and call index of `Revocation.revoke`.
pub const CALL_REVOCATION_REVOKE: [u8; 2] = [4, 0];
/// Pallet and call index of `Revocation.batch`.
pub const CALL_REVOCATION_BATCH: [u8; 2] = [4, 1];
/// Pallet and call index of `Grant.revoke`.
pub const CALL_GRANT_REVOKE: [u8; 2] = [5, 0];
/// Pallet and call index of `Grant.anchor`.
pub const CALL_GRANT_ANCHOR: [u8; 2] = [5, 1];

/// Parameters of `identity_submit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmitRequest {
    /// 1 to 1024 items; each succeeds or fails by itself, in this order where it matters.
    pub items: Vec<SubmitItem>,
    /// What to wait for.
    #[serde(default)]
    pub wait: Wait,
    /// How long to wait for finality, ms; 10,000 if absent, at most 60,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// One thing to submit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmitItem {
    /// What the bytes are.
    pub kind: ItemKind,
    /// The bytes, SCALE.
    pub data: HexBytes,
    /// SCALE `Admission`; for `inception`, and only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admission: Option<HexBytes>,
}

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ItemKind {
    /// `SignedOperation` paid from the identity's own quota.
    Operation,
    /// `SignedOperation` that incepts, with an admission.
    Inception,
    /// `SignedTokenOperation` paid from the issuer's own quota.
    Token,
    /// `SignedGrantMessage` that revokes.
    GrantRevoke,
    /// A whole extrinsic with its length prefix, such as a registrar's signed batch.
    Extrinsic,
}

/// What `identity_submit` waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Wait {
    /// The node's pool has taken the item. It can still be lost.
    #[default]
    Accepted,
    /// The item is in a finalized block. It cannot be lost any more.
    Finalized,
}

/// Result of `identity_submit`: one outcome per item, in the items' order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubmitResponse {
    /// The outcomes.
    pub items: Vec<SubmitOutcome>,
}

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SubmitStatus {
    /// It never entered the pool, or left it without getting into a block; see `error`.
    Rejected,
    /// It is in the pool. Nothing is promised yet.
    Accepted,
    /// It is in a finalized block and took effect.
    Finalized,
    /// It is in a finalized block and failed there; see `error`.
    Failed,
}

/// What became of one item, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubmitOutcome {
    /// What became of it.
    pub status: SubmitStatus,
    /// Hash of its extrinsic; absent if the item did not decode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<HexHash>,
    /// Height of its block, once finalized.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// Hash of its block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_hash: Option<HexHash>,
    /// Position in its block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Why it was rejected, failed or (`transaction.not_final_in_time`) is not final yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// For a registrar's batch: the items that failed. The others took effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub item_errors: Vec<BatchItemError>,
}

/// One failed item of a registrar's batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchItemError {
    /// Its position in the batch, from 0.
    pub index: u32,
    /// Why.
    pub error: Failure,
}

impl SubmitItem {
    /// Makes an item of an operation that the identity's own quota pays for.
    pub fn operation(operation: &SignedOperation) -> Self {
        Self::new(ItemKind::Operation, operation)
    }

    /// Makes an item of an inception and why the ledger should take it in.
    pub fn inception(operation: &SignedOperation, admission: &Admission) -> Self {
        Self {
            admission: Some(HexBytes(admission.encode())),
            ..Self::new(ItemKind::Inception, operation)
        }
    }

    /// Makes an item of a token's revocation.
    pub fn token(operation: &SignedTokenOperation) -> Self {
        Self::new(ItemKind::Token, operation)
    }

    /// Makes an item of a grant's revocation.
    pub fn grant_revoke(message: &SignedGrantMessage) -> Self {
        Self::new(ItemKind::GrantRevoke, message)
    }

    /// Makes an item of an extrinsic's body (the bytes after its length prefix).
    pub fn extrinsic(body: &[u8]) -> Self {
        Self {
            kind: ItemKind::Extrinsic,
            data: HexBytes(body.encode()),
            admission: None,
        }
    }

    fn new(kind: ItemKind, value: &impl Encode) -> Self {
        Self {
            kind,
            data: HexBytes(value.encode()),
            admission: None,
        }
    }

    /// Returns the extrinsic's body: the bytes after the length prefix, as blocks hold them. Its
    /// hash is [`allod_primitives::header::extrinsic_hash`].
    ///
    /// # Errors
    /// [`ErrorCode::Undecodable`] if the bytes are not what `kind` says, and
    /// [`ErrorCode::InvalidParams`] if an admission is missing or out of place.
    pub fn to_extrinsic(&self) -> Result<Vec<u8>, RpcError> {
        if self.admission.is_some() != (self.kind == ItemKind::Inception) {
            return Err(ErrorCode::InvalidParams.with("an admission goes with an inception alone"));
        }
        match self.kind {
            ItemKind::Operation => {
                let operation: SignedOperation = self.decoded("SignedOperation")?;
                if matches!(operation.operation.body, Body::Incept(_)) {
                    let detail = "an operation that incepts is submitted as an inception";
                    return Err(ErrorCode::InvalidParams.with(detail));
                }
                Ok(bare(CALL_DID_SUBMIT, &self.data.0))
            }
            ItemKind::Inception => {
                self.decoded::<SignedOperation>("SignedOperation")?;
                let admission = self.admission.as_ref().map_or(&[][..], |it| &it.0);
                decode_strict::<Admission>(admission)
                    .map_err(|error| undecodable("Admission", &error))?;
                Ok(bare(CALL_DID_INCEPT, &[&self.data.0, admission].concat()))
            }
            ItemKind::Token => {
                self.decoded::<SignedTokenOperation>("SignedTokenOperation")?;
                Ok(bare(CALL_REVOCATION_REVOKE, &self.data.0))
            }
            ItemKind::GrantRevoke => {
                self.decoded::<SignedGrantMessage>("SignedGrantMessage")?;
                Ok(bare(CALL_GRANT_REVOKE, &self.data.0))
            }
            ItemKind::Extrinsic => {
                extrinsic_body(&self.data.0).ok_or(ErrorCode::TransactionUndecodable.into())
            }
        }
    }

    fn decoded<T: Decode>(&self, name: &str) -> Result<T, RpcError> {
        decode_strict(&self.data.0).map_err(|error| undecodable(name, &error))
    }
}

/// Takes the length prefix off an extrinsic; `None` if it does not say the length exactly.
pub fn extrinsic_body(wire: &[u8]) -> Option<Vec<u8>> {
    Vec::<u8>::decode_all(&mut &wire[..]).ok()
}

/// Returns the body of a bare extrinsic: `call` and its encoded arguments.
pub fn bare(call: [u8; 2], arguments: &[u8]) -> Vec<u8> {
    let extrinsic = RawExtrinsic {
        signed: None,
        call: [call.as_slice(), arguments].concat(),
    };
    extrinsic.encode_body()
}

fn undecodable(name: &str, error: &parity_scale_codec::Error) -> RpcError {
    ErrorCode::Undecodable.with(format_args!("not a {name}: {error}"))
}
