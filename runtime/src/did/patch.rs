//! Applying a change of a document.

use allod_primitives::document::{
    ActiveMethod, DocumentPatch, Method, RetireReason, RetiredMethod, Retirement, Service,
};
use allod_primitives::limits::RETIRED_METHODS_MAX;
use allod_primitives::record::DidRecord;
use allod_primitives::{BoundedVec, DidId, TimeMs};

use super::Error;
use super::storage::{RETIRED_KEYS, is_retired_fragment, key_hash};
use crate::frame::StateRead;

/// Version byte of [`RetiredMethod`].
const RETIRED_METHOD_VERSION: u8 = 1;

/// Applies `patch` to `record` and returns the methods it retired. On error `record` is spoilt.
///
/// Source: spec/did.md §4.
pub(super) fn apply(
    state: &dyn StateRead,
    now: TimeMs,
    did: &DidId,
    record: &mut DidRecord,
    patch: &DocumentPatch,
) -> Result<Vec<RetiredMethod>, Error> {
    let mut retired = Vec::new();
    for retirement in &patch.retire {
        retired.push(retire(now, record, retirement)?);
    }
    let services = patch.services.as_ref();
    let services = services.unwrap_or(&record.document.services).clone();
    for method in &patch.add {
        check_new(state, did, record, &retired, &services, method)?;
    }
    add(now, record, &patch.add)?;
    if patch.services.is_some() {
        for service in &services {
            check_service(state, did, record, &retired, service)?;
        }
        record.document.services = services;
    }
    if let Some(also_known_as) = &patch.also_known_as {
        record.document.also_known_as = also_known_as.clone();
    }
    if let Some(controllers) = &patch.controllers {
        record.document.controllers = controllers.clone();
    }
    Ok(retired)
}

/// Empties the document and returns its methods, retired as routine.
pub(super) fn retire_all(now: TimeMs, record: &mut DidRecord) -> Vec<RetiredMethod> {
    let document = std::mem::take(&mut record.document);
    let methods = document.methods.into_vec();
    let retired: Vec<RetiredMethod> = methods
        .into_iter()
        .map(|active| ended(now, active, RetireReason::Routine))
        .collect();
    count(record, retired.len());
    retired
}

fn retire(
    now: TimeMs,
    record: &mut DidRecord,
    retirement: &Retirement,
) -> Result<RetiredMethod, Error> {
    let methods = &mut record.document.methods;
    let is_meant = |it: &ActiveMethod| it.method.fragment == retirement.fragment;
    let active = methods.iter().find(|it| is_meant(it)).cloned();
    let active = active.ok_or(Error::NoSuchMethod)?;
    if matches!(retirement.reason, RetireReason::CompromisedSince(since) if since > now) {
        return Err(Error::InFuture);
    }
    methods.retain(|it| !is_meant(it));
    count(record, 1);
    Ok(ended(now, active, retirement.reason))
}

fn ended(now: TimeMs, active: ActiveMethod, reason: RetireReason) -> RetiredMethod {
    RetiredMethod {
        version: RETIRED_METHOD_VERSION,
        method: active.method,
        since: active.since,
        until: now,
        reason,
    }
}

fn count(record: &mut DidRecord, more: usize) {
    let more = u32::try_from(more).unwrap_or(u32::MAX);
    record.retired_count = record.retired_count.saturating_add(more);
}

/// Checks that neither fragment nor key was ever used by this identity.
fn check_new(
    state: &dyn StateRead,
    did: &DidId,
    record: &DidRecord,
    retired: &[RetiredMethod],
    services: &[Service],
    new: &Method,
) -> Result<(), Error> {
    let active = || record.document.methods.iter().map(|it| &it.method);
    let in_force = || active().chain(retired.iter().map(|it| &it.method));
    if in_force().any(|it| it.fragment == new.fragment)
        || services.iter().any(|it| it.fragment == new.fragment)
        || is_retired_fragment(state, did, &new.fragment)
    {
        return Err(Error::FragmentUsed);
    }
    if in_force().any(|it| it.key == new.key)
        || RETIRED_KEYS.contains(state, &(*did, key_hash(&new.key)))
    {
        return Err(Error::KeyUsed);
    }
    Ok(())
}

fn add(now: TimeMs, record: &mut DidRecord, new: &[Method]) -> Result<(), Error> {
    if new.is_empty() {
        return Ok(());
    }
    let mut methods = record.document.methods.clone().into_vec();
    methods.extend(new.iter().map(|method| ActiveMethod {
        method: method.clone(),
        since: now,
    }));
    methods.sort_by(|a, b| a.method.fragment.cmp(&b.method.fragment));
    let methods = BoundedVec::try_from(methods).map_err(|_| Error::TooManyMethods)?;
    let active = u32::try_from(methods.len()).unwrap_or(u32::MAX);
    if record.retired_count.saturating_add(active) > RETIRED_METHODS_MAX {
        return Err(Error::TooManyMethods);
    }
    record.document.methods = methods;
    Ok(())
}

/// Checks that a service's fragment is not that of a method, in force or retired.
fn check_service(
    state: &dyn StateRead,
    did: &DidId,
    record: &DidRecord,
    retired: &[RetiredMethod],
    service: &Service,
) -> Result<(), Error> {
    let fragment = &service.fragment;
    let mut active = record.document.methods.iter();
    let taken = active.any(|it| it.method.fragment == *fragment)
        || retired.iter().any(|it| it.method.fragment == *fragment)
        || is_retired_fragment(state, did, fragment);
    if taken {
        return Err(Error::FragmentUsed);
    }
    Ok(())
}
