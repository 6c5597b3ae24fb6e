//! The forms of what nodes are asked for and answer: nothing here is believed.

use std::collections::BTreeMap;

use allod_primitives::light::{
    BlockChanges, CertifiedHeader, Checkpoint, ReadProof, StatePage, Transition,
};
use allod_primitives::{H256, Header, Height, ValidatorSet, decode_strict};
use allod_rpc_api::context::ContextResponse;
use allod_rpc_api::hex_bytes::{from_hex, to_hex};
use allod_rpc_api::light::{
    BlockNotification, LightGenesisResponse, LightHeaderRequest, LightHeaderResponse,
    LightStatePageRequest, LightStatePageResponse, LightTransitionsRequest,
    LightTransitionsResponse, SubscribeBlocksRequest,
};
use allod_rpc_api::{HexBytes, method};
use parity_scale_codec::Decode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::Fault;
use super::node::{Node, Notifications};
use crate::rpc::ClientError;

type Answer<T> = Result<T, Fault>;

/// Which header is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    Newest,
    At(Height),
    Of(H256),
}

/// `light_genesis`: the first block and its set.
pub(super) async fn genesis(node: &dyn Node) -> Answer<(Header, ValidatorSet)> {
    let method = method::LIGHT_GENESIS;
    let answer: LightGenesisResponse = ask(node, method, Value::Null).await?;
    Ok((
        scale(method, &answer.header, "header")?,
        scale(method, &answer.validators, "validators")?,
    ))
}

/// `light_header`: a header with its certificate.
pub(super) async fn header(node: &dyn Node, wanted: Wanted) -> Answer<CertifiedHeader> {
    let method = method::LIGHT_HEADER;
    let answer: LightHeaderResponse = ask(node, method, json(&wanted.request())).await?;
    scale(method, &answer.header, "header")
}

/// The block of a checkpoint, its set, and what is said to be the origin's genesis hash.
pub(super) async fn checkpoint(
    node: &dyn Node,
    checkpoint: &Checkpoint,
) -> Answer<(H256, CertifiedHeader, ValidatorSet)> {
    let context: ContextResponse = ask(node, method::IDENTITY_CONTEXT, Value::Null).await?;
    let method = method::LIGHT_HEADER;
    let request = Wanted::Of(checkpoint.hash).request();
    let answer: LightHeaderResponse = ask(node, method, json(&request)).await?;
    let certified = scale(method, &answer.header, "header")?;
    let validators = scale(method, &answer.validators, "validators")?;
    Ok((context.genesis.0, certified, validators))
}

/// `light_transitions`: the changes of validators from set `set_id` on, the first of them.
pub(super) async fn transitions(node: &dyn Node, set_id: u64) -> Answer<Vec<Transition>> {
    let method = method::LIGHT_TRANSITIONS;
    let count = None;
    let request = LightTransitionsRequest { set_id, count };
    let answer: LightTransitionsResponse = ask(node, method, json(&request)).await?;
    let list = answer.transitions.iter();
    list.map(|it| scale(method, it, "transition")).collect()
}

/// `light_statePage`: the entries of the state at `at` behind the key `after`.
pub(super) async fn state_page(
    node: &dyn Node,
    at: Height,
    after: Option<&[u8]>,
) -> Answer<StatePage> {
    let method = method::LIGHT_STATE_PAGE;
    let request = LightStatePageRequest {
        at: Some(at.0),
        after: after.map(|it| it.to_vec().into()),
        count: None,
    };
    let answer: LightStatePageResponse = ask(node, method, json(&request)).await?;
    Ok(StatePage::from_bytes(&answer.page.0)?)
}

/// `light_subscribeBlocks`: what blocks from `from` on change.
pub(super) async fn blocks(node: &dyn Node, from: Height) -> Answer<Box<dyn Notifications>> {
    let request = SubscribeBlocksRequest { from: Some(from.0) };
    let (method, end) = (
        method::LIGHT_SUBSCRIBE_BLOCKS,
        method::LIGHT_UNSUBSCRIBE_BLOCKS,
    );
    Ok(node.subscribe(method, json(&request), end).await?)
}

/// Reads a notification of [`blocks`].
pub(super) fn block(notification: Value) -> Answer<BlockChanges> {
    let method = method::LIGHT_SUBSCRIBE_BLOCKS;
    let read: Result<BlockNotification, _> = serde_json::from_value(notification);
    let read = read.map_err(|_| undecodable(method, "notification"))?;
    Ok(BlockChanges::from_bytes(&read.changes.0)?)
}

/// `state_getStorage`: a value at a block, to be compared with a hash that is known.
pub(super) async fn value(node: &dyn Node, key: &[u8], block: &H256) -> Answer<Option<Vec<u8>>> {
    let method = "state_getStorage";
    let params = Value::Array(vec![to_hex(key).into(), block.to_string().into()]);
    let answer = node.request(method, params).await?;
    match answer {
        Value::Null => Ok(None),
        Value::String(text) => {
            let value = from_hex(&text).map_err(|_| undecodable(method, "value"))?;
            Ok(Some(value))
        }
        _ => Err(undecodable(method, "value")),
    }
}

/// `state_queryStorageAt`: the values under `keys` at a block, in their order, to be compared with
/// hashes that are known.
pub(super) async fn values<K: AsRef<[u8]>>(
    node: &dyn Node,
    keys: &[K],
    block: &H256,
) -> Answer<Vec<Option<Vec<u8>>>> {
    let method = "state_queryStorageAt";
    let names: Vec<String> = keys.iter().map(|key| to_hex(key.as_ref())).collect();
    let params = serde_json::json!([names, block.to_string()]);
    let sets: Vec<StorageChangeSet> = ask(node, method, params).await?;
    let changes = sets.into_iter().flat_map(|set| set.changes);
    let mut found: BTreeMap<String, HexBytes> = changes
        .filter_map(|(key, value)| Some((key, value?)))
        .collect();
    let values = names.iter().map(|name| found.remove(name).map(|it| it.0));
    Ok(values.collect())
}

/// Substrate's form of values at a block.
#[derive(Deserialize)]
struct StorageChangeSet {
    changes: Vec<(String, Option<HexBytes>)>,
}

/// Any read with a proof: its bundle. What else the answer says is not looked at.
pub(super) async fn proof(
    node: &dyn Node,
    method: &'static str,
    request: Value,
) -> Answer<ReadProof> {
    let bytes = match node.request(method, request).await {
        Ok(answer) => {
            let proof = answer.get("proof").and_then(Value::as_str);
            let proof = proof.ok_or(Fault::Unproven { method })?;
            from_hex(proof).map_err(|_| undecodable(method, "proof"))?
        }
        Err(ClientError::Refused(mut refusal)) => match refusal.proof.take() {
            Some(bytes) => bytes.into_vec(),
            None => return Err(ClientError::Refused(refusal).into()),
        },
        Err(error) => return Err(error.into()),
    };
    Ok(ReadProof::from_bytes(&bytes)?)
}

impl Wanted {
    fn request(self) -> LightHeaderRequest {
        let mut request = LightHeaderRequest::default();
        match self {
            Self::Newest => {}
            Self::At(height) => request.height = Some(height.0),
            Self::Of(hash) => request.hash = Some(hash.into()),
        }
        request
    }
}

pub(super) async fn ask<T: DeserializeOwned>(
    node: &dyn Node,
    method: &'static str,
    request: Value,
) -> Answer<T> {
    let answer = node.request(method, request).await?;
    serde_json::from_value(answer).map_err(|_| undecodable(method, "the answer"))
}

pub(super) fn json(request: &impl Serialize) -> Value {
    serde_json::to_value(request).expect("the contract's requests are text, numbers and lists")
}

fn scale<T: Decode>(method: &'static str, bytes: &HexBytes, what: &'static str) -> Answer<T> {
    decode_strict(&bytes.0).map_err(|_| undecodable(method, what))
}

const fn undecodable(method: &'static str, what: &'static str) -> Fault {
    Fault::Undecodable { method, what }
}
