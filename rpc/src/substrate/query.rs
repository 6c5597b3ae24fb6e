//! Questions about storage as the newer families put them: by kind, page by page.

use allod_primitives::hash::{blake2_256, domain_hash};
use allod_primitives::{H256, Height};
use allod_rpc_api::hex_bytes::{HexBytes, to_hex};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::state;
use crate::view::{NodeView, StateUnavailable};

/// Bytes of a storage key.
const KEY_BYTES_MAX: usize = 512;
/// Keys of one page of descendants.
const PAGE_KEYS: usize = 256;
/// Bytes of values after which a page of descendants ends.
const PAGE_BYTES: usize = 1024 * 1024;
/// Blocks for which a mark of change may stand; how many blocks are looked through for one.
const MARK_BLOCKS: u64 = 64;
/// Domain of marks of change.
const MARK_TAG: &str = "allod/change-mark/v1";

/// What is asked of one key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StorageItem {
    /// The key, or what keys begin with.
    key: HexBytes,
    /// What is asked.
    #[serde(rename = "type")]
    kind: Kind,
    /// Of descendants: the key after which they begin.
    #[serde(default)]
    pagination_start_key: Option<HexBytes>,
}

/// Kinds of questions, by their names in the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(rename = "StorageKind")]
#[serde(rename_all = "camelCase")]
enum Kind {
    Value,
    Hash,
    ClosestDescendantMerkleValue,
    DescendantsValues,
    DescendantsHashes,
}

/// Part of an answer.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// What was found, in the interface's form.
    pub(super) items: Vec<Value>,
    /// The key after which the next page begins; `None` for the last.
    pub(super) next: Option<Vec<u8>>,
}

impl StorageItem {
    /// Says what is wrong with the question, if anything is.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let is_descendants = matches!(self.kind, Kind::DescendantsValues | Kind::DescendantsHashes);
        let start = self.pagination_start_key.as_ref();
        let long = |key: &HexBytes| key.0.len() > KEY_BYTES_MAX;
        match start {
            _ if long(&self.key) => Some("storage key is too long"),
            Some(start) if long(start) => Some("paginationStartKey is too long"),
            Some(_) if !is_descendants => Some("paginationStartKey is for descendants only"),
            _ => None,
        }
    }

    /// Returns the key after which the first page begins.
    pub(super) fn start(&self) -> Option<Vec<u8>> {
        self.pagination_start_key.as_ref().map(|key| key.0.clone())
    }

    /// Reads one page of the answer from the state after the block `at`; `after`: the key that the
    /// page before ended with.
    pub(super) fn page(
        &self,
        view: &dyn NodeView,
        at: &H256,
        after: Option<&[u8]>,
    ) -> Result<Page, StateUnavailable> {
        let key = &self.key.0;
        let found = match self.kind {
            Kind::DescendantsValues | Kind::DescendantsHashes => {
                return self.descendants(view, at, after);
            }
            Kind::Value => value(view, at, key)?.map(|value| item(key, "value", &value)),
            Kind::Hash => value(view, at, key)?.map(|value| hash_item(key, &value)),
            Kind::ClosestDescendantMerkleValue => change_mark(view, at, key)?
                .map(|mark| item(key, "closestDescendantMerkleValue", &mark.0)),
        };
        Ok(Page {
            items: found.into_iter().collect(),
            next: None,
        })
    }

    fn descendants(
        &self,
        view: &dyn NodeView,
        at: &H256,
        after: Option<&[u8]>,
    ) -> Result<Page, StateUnavailable> {
        let keys = view.keys_at(at, &self.key.0, PAGE_KEYS, after)?;
        let is_full = keys.len() == PAGE_KEYS;
        let mut page = Page::default();
        let mut bytes = 0;
        let count = keys.len();
        for (index, key) in keys.into_iter().enumerate() {
            let Some(value) = value(view, at, &key)? else {
                continue;
            };
            bytes += value.len();
            page.items.push(match self.kind {
                Kind::DescendantsHashes => hash_item(&key, &value),
                _ => item(&key, "value", &value),
            });
            let is_last = index + 1 == count;
            if (is_last && is_full) || (!is_last && bytes >= PAGE_BYTES) {
                page.next = Some(key);
                break;
            }
        }
        Ok(page)
    }
}

fn value(view: &dyn NodeView, at: &H256, key: &[u8]) -> Result<Option<Vec<u8>>, StateUnavailable> {
    state::stored(view, at, key)
}

fn item(key: &[u8], member: &str, value: &[u8]) -> Value {
    json!({ "key": to_hex(key), member: to_hex(value) })
}

fn hash_item(key: &[u8], value: &[u8]) -> Value {
    item(key, "hash", &blake2_256(value).0)
}

/// Returns a mark that two blocks share only if nothing below `prefix` changed between them;
/// `None` if there is nothing below it.
///
/// The state tree is ordered by hashes of keys, so that a prefix is no subtree of it and has no
/// root. Clients compare the value, which the interface calls a Merkle value, and do no more with
/// it. It is made of the last height at which a key below the prefix changed, looked for down to
/// the last multiple of [`MARK_BLOCKS`], else of that multiple.
///
/// Source: spec/substrate.md §3.
fn change_mark(
    view: &dyn NodeView,
    at: &H256,
    prefix: &[u8],
) -> Result<Option<H256>, StateUnavailable> {
    if view.keys_at(at, prefix, 1, None)?.is_empty() {
        // Not in the tree, but what stands for the code and a block's own items are read like it.
        let value = value(view, at, prefix)?;
        return Ok(value.map(|value| domain_hash(MARK_TAG, &[&value])));
    }
    let height = view.header(at).ok_or(StateUnavailable)?.number.0;
    let first = height - height % MARK_BLOCKS;
    let mut mark = first;
    for looked_at in (first + 1..=height).rev() {
        let hash = view.hash_of(Height(looked_at)).ok_or(StateUnavailable)?;
        let changed = view.changed_keys(&hash)?;
        if changed.iter().any(|key| key.starts_with(prefix)) {
            mark = looked_at;
            break;
        }
    }
    Ok(Some(domain_hash(MARK_TAG, &[&mark.to_le_bytes()])))
}
