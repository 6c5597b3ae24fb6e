//! Values as they were at recent heights.

use std::collections::BTreeSet;

use allod_primitives::{Height, TimeMs};

use super::backend::{Batch, Column};
use super::error::{HistoryError, StorageError};
use super::reader::{OLDEST, Reader, corrupt, height_key};
use crate::limits::PRUNED_VERSIONS_PER_COMMIT_MAX;
use parity_scale_codec::Encode;

/// Key of the value that the block at `height` replaced.
pub(super) fn history_key(key: &[u8], height: Height) -> Vec<u8> {
    [key, &height_key(height)].concat()
}

/// Splits a history key. Keys shorter than a height are nobody's.
fn split(key: &[u8]) -> Option<(&[u8], Height)> {
    let (key, height) = key.split_last_chunk::<8>()?;
    Some((key, Height(u64::from_be_bytes(*height))))
}

/// Returns the tip, if `height` is within the window.
fn check_window(reader: &Reader<'_>, height: Height) -> Result<Height, HistoryError> {
    let tip = reader.tip()?;
    if height > tip {
        return Err(HistoryError::Unknown { height, tip });
    }
    let oldest = reader.oldest()?;
    if height < oldest {
        return Err(HistoryError::Pruned { height, oldest });
    }
    Ok(tip)
}

pub(super) fn value_at(
    reader: &Reader<'_>,
    height: Height,
    key: &[u8],
) -> Result<Option<Vec<u8>>, HistoryError> {
    let tip = check_window(reader, height)?;
    let value = match height == tip {
        // Nothing has replaced it since: a get is several times cheaper than a seek.
        true => reader.value(key)?,
        false => value_within(reader, height, key)?,
    };
    match value {
        Some(value) => Ok(Some(value)),
        // No key is both: what belongs to one block is never in the state.
        None => Ok(reader.scratch(height, key)?),
    }
}

fn value_within(
    reader: &Reader<'_>,
    height: Height,
    key: &[u8],
) -> Result<Option<Vec<u8>>, StorageError> {
    let from = history_key(key, height.next());
    for pair in reader.view.scan(Column::History, &from) {
        let (found, value) = pair?;
        if !found.starts_with(key) {
            break;
        }
        // A longer key may sort in between; its entries are not ours.
        if found.len() == from.len() {
            let old = allod_primitives::decode_strict(&value);
            return old.map_err(|_| corrupt(Column::History, &found));
        }
    }
    reader.value(key)
}

pub(super) fn keys_at(
    reader: &Reader<'_>,
    height: Height,
    prefix: &[u8],
    start: Option<&[u8]>,
    count: usize,
) -> Result<Vec<Vec<u8>>, HistoryError> {
    check_window(reader, height)?;
    let mut after = start.filter(|start| *start >= prefix).map(<[u8]>::to_vec);
    let mut keys = Vec::new();
    while keys.len() < count {
        let page = current_keys(reader, prefix, after.as_deref(), count - keys.len())?;
        // A full page says nothing about what lies behind its last key.
        let last = page
            .last()
            .filter(|_| keys.len() + page.len() == count)
            .cloned();
        let touched = touched_keys(reader, height, prefix, after.as_deref(), last.as_deref())?;
        let mut all: BTreeSet<&Vec<u8>> = page.iter().collect();
        all.extend(&touched);
        for key in all {
            if !touched.contains(key) || value_within(reader, height, key)?.is_some() {
                keys.push(key.clone());
            }
        }
        match last {
            None => break,
            Some(last) => after = Some(last),
        }
    }
    keys.truncate(count);
    Ok(keys)
}

/// Returns the first `count` keys of the present state that start with `prefix`, above `after`.
fn current_keys(
    reader: &Reader<'_>,
    prefix: &[u8],
    after: Option<&[u8]>,
    count: usize,
) -> Result<Vec<Vec<u8>>, StorageError> {
    let mut keys = Vec::new();
    for pair in reader.view.scan(Column::State, after.unwrap_or(prefix)) {
        let (key, _) = pair?;
        if !key.starts_with(prefix) || keys.len() >= count {
            break;
        }
        if after.is_none_or(|after| *key > *after) {
            keys.push(key);
        }
    }
    Ok(keys)
}

/// Returns the keys that start with `prefix`, lie above `after` and not above `last`, and were
/// changed by a block above `height`. Relies on no storage key being the beginning of another.
fn touched_keys(
    reader: &Reader<'_>,
    height: Height,
    prefix: &[u8],
    after: Option<&[u8]>,
    last: Option<&[u8]>,
) -> Result<BTreeSet<Vec<u8>>, StorageError> {
    let mut touched = BTreeSet::new();
    for pair in reader.view.scan(Column::History, after.unwrap_or(prefix)) {
        let (found, _) = pair?;
        let Some((key, changed)) = split(&found).filter(|_| found.starts_with(prefix)) else {
            break;
        };
        if last.is_some_and(|last| key > last) {
            break;
        }
        if changed > height && after.is_none_or(|after| key > after) {
            touched.insert(key.to_vec());
        }
    }
    Ok(touched)
}

/// How much history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) blocks: u64,
    pub(super) ms: u64,
    pub(super) keep_scratch: bool,
}

/// Returns the writes that forget versions older than `window`, at most
/// [`PRUNED_VERSIONS_PER_COMMIT_MAX`] of them. Repeating it is harmless.
pub(super) fn prune(reader: &Reader<'_>, window: Window) -> Result<Option<Batch>, StorageError> {
    let (tip, first) = (reader.tip()?, reader.oldest()?);
    let now = time_of(reader, tip)?;
    let mut oldest = first;
    let mut batch = Batch::new();
    for _ in 0..PRUNED_VERSIONS_PER_COMMIT_MAX {
        let next = oldest.next();
        let deep = next.0.saturating_add(window.blocks) <= tip.0;
        if !deep || now.0.saturating_sub(time_of(reader, next)?.0) < window.ms {
            break;
        }
        // Version `oldest` needs the entries of `next`; later versions do not.
        for key in reader.changed(next)?.unwrap_or_default() {
            batch.delete(Column::History, history_key(&key, next));
        }
        batch.delete(Column::Changed, height_key(next));
        if !window.keep_scratch {
            for key in reader.scratch_keys(oldest)? {
                batch.delete(Column::Scratch, key);
            }
        }
        oldest = next;
    }
    if oldest == first {
        return Ok(None);
    }
    batch.put(Column::Meta, OLDEST, oldest.encode());
    Ok(Some(batch))
}

fn time_of(reader: &Reader<'_>, height: Height) -> Result<TimeMs, StorageError> {
    let header = reader.header(height)?;
    let header = header.ok_or_else(|| corrupt(Column::Headers, &height_key(height)))?;
    Ok(header.digest.time)
}
