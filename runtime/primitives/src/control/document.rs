//! Changes of a document: as a whole, or as far as they can be.

use crate::codec::BoundedVec;
use crate::document::{
    ActiveMethod, Declaration, DocumentPatch, Fragment, Method, RetireReason, RetiredMethod,
    Retirement, Service,
};
use crate::limits::{METHOD_ALLOWANCE, METHOD_RESERVE, METHODS_MAX};
use crate::record::DidRecord;
use crate::types::TimeMs;

use super::{Outcome, Party, Refusal, UsedMethods};

/// Version byte of [`RetiredMethod`].
const RETIRED_METHOD_VERSION: u8 = 1;

/// Returns how many methods, active and retired, the identity may have had by `now`; `party` is
/// who adds. Only rank 0 may use up the last [`METHOD_RESERVE`].
///
/// Source: spec/did.md §4.
pub fn allowed_methods(record: &DidRecord, now: TimeMs, party: Option<Party>) -> u32 {
    let age = now.day().saturating_sub(record.created.day());
    let all = record.method_allowance.saturating_add(age);
    match party.and_then(Party::rank) {
        Some(0) => all,
        _ => all.saturating_sub(METHOD_RESERVE),
    }
}

/// Lets the identity have as many methods again as a new one.
pub(super) fn renew_allowance(record: &mut DidRecord) {
    let had = had(record);
    let fresh = had.saturating_add(METHOD_ALLOWANCE);
    record.method_allowance = record.method_allowance.max(fresh);
}

fn had(record: &DidRecord) -> u32 {
    let active = u32::try_from(record.document.methods.len()).unwrap_or(u32::MAX);
    record.retired_count.saturating_add(active)
}

/// A patch on its way.
pub(super) struct Patching<'a> {
    pub(super) record: &'a mut DidRecord,
    pub(super) used: &'a dyn UsedMethods,
    pub(super) now: TimeMs,
    pub(super) party: Option<Party>,
    /// Methods retired or declared anew by this patch.
    pub(super) retired: Vec<RetiredMethod>,
}

impl Patching<'_> {
    /// Applies `patch` as a whole. On error the record is spoilt.
    ///
    /// Source: spec/did.md §4.
    pub(super) fn whole(&mut self, patch: &DocumentPatch) -> Result<(), Refusal> {
        for retirement in &patch.retire {
            self.retire(retirement)?;
        }
        for declaration in &patch.declare {
            self.declare(declaration)?;
        }
        let services = patch.services.as_deref();
        let services = services.unwrap_or(&self.record.document.services).to_vec();
        for method in &patch.add {
            self.add(method, &services)?;
        }
        if let Some(services) = &patch.services {
            self.check_services(services)?;
            self.record.document.services = services.clone();
        }
        self.names(patch);
        Ok(())
    }

    /// Applies every item of `patch` that can be.
    ///
    /// Source: spec/control.md §2.
    pub(super) fn far(&mut self, patch: &DocumentPatch) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut note = |fragment: Option<&Fragment>, result: Result<(), Refusal>| {
            if let Err(refusal) = result {
                let fragment = fragment.cloned();
                outcomes.push(Outcome::Skipped { fragment, refusal });
            }
        };
        for it in &patch.retire {
            // Somebody may have retired it first, as routine.
            let declaration = match it.reason {
                RetireReason::CompromisedSince(since) => Some(Declaration {
                    fragment: it.fragment.clone(),
                    since,
                }),
                RetireReason::Routine => None,
            };
            let done = match (self.retire(it), declaration) {
                (Err(Refusal::NoSuchMethod), Some(declaration)) => self.declare(&declaration),
                (done, _) => done,
            };
            note(Some(&it.fragment), done);
        }
        for it in &patch.declare {
            note(Some(&it.fragment), self.declare(it));
        }
        if let Some(services) = &patch.services {
            let mut kept = services.clone();
            kept.retain(|it| {
                let done = self.check_services(std::slice::from_ref(it));
                let is_kept = done.is_ok();
                note(Some(&it.fragment), done);
                is_kept
            });
            self.record.document.services = kept;
        }
        let services = self.record.document.services.to_vec();
        for it in &patch.add {
            note(Some(&it.fragment), self.add(it, &services));
        }
        self.names(patch);
        outcomes
    }

    fn names(&mut self, patch: &DocumentPatch) {
        if let Some(also_known_as) = &patch.also_known_as {
            self.record.document.also_known_as = also_known_as.clone();
        }
        if let Some(controllers) = &patch.controllers {
            self.record.document.controllers = controllers.clone();
        }
    }

    fn retire(&mut self, retirement: &Retirement) -> Result<(), Refusal> {
        let methods = &mut self.record.document.methods;
        let is_meant = |it: &ActiveMethod| it.method.fragment == retirement.fragment;
        let active = methods.iter().find(|it| is_meant(it)).cloned();
        let active = active.ok_or(Refusal::NoSuchMethod)?;
        if matches!(retirement.reason, RetireReason::CompromisedSince(since) if since > self.now) {
            return Err(Refusal::InFuture);
        }
        methods.retain(|it| !is_meant(it));
        self.record.retired_count = self.record.retired_count.saturating_add(1);
        self.retired
            .push(ended(self.now, active, retirement.reason));
        Ok(())
    }

    /// Declares a retired method compromised; a declaration can only reach further back.
    fn declare(&mut self, declaration: &Declaration) -> Result<(), Refusal> {
        let Declaration { fragment, since } = declaration;
        let now = self.now;
        let is_meant = |it: &&mut RetiredMethod| it.method.fragment == *fragment;
        let here = self.retired.iter_mut().find(is_meant);
        let kept = here.as_deref().cloned();
        let mut method = kept
            .or_else(|| self.used.retired(fragment))
            .ok_or(Refusal::NoSuchMethod)?;
        if *since > now {
            return Err(Refusal::InFuture);
        }
        if matches!(method.reason, RetireReason::CompromisedSince(present) if present <= *since) {
            return Err(Refusal::NotMonotone);
        }
        method.reason = RetireReason::CompromisedSince(*since);
        method.declared = now;
        match here {
            Some(here) => *here = method,
            None => self.retired.push(method),
        }
        Ok(())
    }

    fn add(&mut self, new: &Method, services: &[Service]) -> Result<(), Refusal> {
        let active = || self.record.document.methods.iter().map(|it| &it.method);
        let known = || active().chain(self.retired.iter().map(|it| &it.method));
        if known().any(|it| it.fragment == new.fragment)
            || services.iter().any(|it| it.fragment == new.fragment)
            || self.used.retired(&new.fragment).is_some()
        {
            return Err(Refusal::FragmentUsed);
        }
        if known().any(|it| it.key == new.key) || self.used.is_key_retired(&new.key) {
            return Err(Refusal::KeyUsed);
        }
        let mut methods = self.record.document.methods.clone().into_vec();
        let allowed = allowed_methods(self.record, self.now, self.party);
        if methods.len() >= METHODS_MAX as usize || had(self.record) >= allowed {
            return Err(Refusal::TooManyMethods);
        }
        methods.push(ActiveMethod {
            method: new.clone(),
            since: self.now,
        });
        methods.sort_by(|a, b| a.method.fragment.cmp(&b.method.fragment));
        self.record.document.methods =
            BoundedVec::try_from(methods).map_err(|_| Refusal::TooManyMethods)?;
        Ok(())
    }

    /// Checks that no service has the fragment of a method, in force or retired.
    fn check_services(&self, services: &[Service]) -> Result<(), Refusal> {
        let taken = |fragment: &Fragment| {
            let mut active = self.record.document.methods.iter();
            active.any(|it| it.method.fragment == *fragment)
                || self
                    .retired
                    .iter()
                    .any(|it| it.method.fragment == *fragment)
                || self.used.retired(fragment).is_some()
        };
        if services.iter().any(|it| taken(&it.fragment)) {
            return Err(Refusal::FragmentUsed);
        }
        Ok(())
    }
}

/// Takes every method out of the document and returns them retired.
pub(super) fn retire_all(
    record: &mut DidRecord,
    at: TimeMs,
    reason: RetireReason,
) -> Vec<RetiredMethod> {
    let methods = std::mem::take(&mut record.document.methods).into_vec();
    let more = u32::try_from(methods.len()).unwrap_or(u32::MAX);
    record.retired_count = record.retired_count.saturating_add(more);
    let ended = |active| ended(at, active, reason);
    methods.into_iter().map(ended).collect()
}

fn ended(now: TimeMs, active: ActiveMethod, reason: RetireReason) -> RetiredMethod {
    RetiredMethod {
        version: RETIRED_METHOD_VERSION,
        method: active.method,
        since: active.since,
        until: now,
        reason,
        declared: now,
    }
}
