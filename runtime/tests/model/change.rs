//! What operations do to an identity of the model: spec/did.md §4 and §5.

use allod_primitives::document::{
    ActiveMethod, DocumentPatch, Method, RetireReason, Retirement, Service,
};
use allod_primitives::operation::{Body, Operation};
use allod_primitives::{H256, TimeMs};

use super::judge::must;
use super::ledger::{DAY_MS, Identity, Name, ended};

impl Identity {
    /// Does what `operation` says; on failure the identity is spoilt.
    pub(crate) fn change(&mut self, now: u64, operation: &Operation, id: H256) -> Result<(), Name> {
        match &operation.body {
            Body::UpdateDocument(patch) => self.patch(now, patch),
            Body::SetNotBefore {
                not_before,
                bump_grant_epoch,
            } => {
                must(not_before.0 >= self.not_before, "NotMonotone")?;
                must(not_before.0 <= now, "InFuture")?;
                self.not_before = not_before.0;
                self.epoch += u32::from(*bump_grant_epoch);
                Ok(())
            }
            _ => self.control(now, operation, id),
        }
    }

    /// Applies the whole of `patch` or fails.
    fn patch(&mut self, now: u64, patch: &DocumentPatch) -> Result<(), Name> {
        for one in &patch.retire {
            self.retire(now, one)?;
        }
        for one in &patch.declare {
            self.declare(now, one.fragment.as_str(), one.since.0)?;
        }
        let services = match &patch.services {
            Some(services) => services.clone(),
            None => self.document.services.clone(),
        };
        for method in &patch.add {
            self.add(now, method, &services, false)?;
        }
        if patch.services.is_some() {
            self.refuse_services(&services)?;
        }
        self.document.services = services;
        self.name(patch);
        Ok(())
    }

    pub(crate) fn name(&mut self, patch: &DocumentPatch) {
        if let Some(names) = &patch.also_known_as {
            self.document.also_known_as = names.clone();
        }
        if let Some(controllers) = &patch.controllers {
            self.document.controllers = controllers.clone();
        }
    }

    pub(crate) fn retire(&mut self, now: u64, retirement: &Retirement) -> Result<(), Name> {
        let mut methods = self.document.methods.clone().into_vec();
        let meant = |it: &ActiveMethod| it.method.fragment == retirement.fragment;
        let found = methods.iter().position(meant).ok_or("NoSuchMethod")?;
        if let RetireReason::CompromisedSince(since) = retirement.reason {
            must(since.0 <= now, "InFuture")?;
        }
        let active = methods.remove(found);
        self.retired.push(ended(active, now, retirement.reason));
        self.document.methods = methods.try_into().expect("one less");
        Ok(())
    }

    /// Declares a retired method compromised, or since an earlier time than was known.
    pub(crate) fn declare(&mut self, now: u64, fragment: &str, since: u64) -> Result<(), Name> {
        let mut retired = self.retired.iter_mut();
        let method = retired.find(|it| it.method.fragment.as_str() == fragment);
        let method = method.ok_or("NoSuchMethod")?;
        must(since <= now, "InFuture")?;
        if let RetireReason::CompromisedSince(known) = method.reason {
            must(since < known.0, "NotMonotone")?;
        }
        method.reason = RetireReason::CompromisedSince(TimeMs(since));
        method.declared = TimeMs(now);
        Ok(())
    }

    /// Every method the identity has or had.
    fn had(&self) -> impl Iterator<Item = &Method> {
        let active = self.document.methods.iter().map(|it| &it.method);
        active.chain(self.retired.iter().map(|it| &it.method))
    }

    pub(crate) fn add(
        &mut self,
        now: u64,
        method: &Method,
        services: &[Service],
        by_rank_0: bool,
    ) -> Result<(), Name> {
        let named = self.had().any(|it| it.fragment == method.fragment);
        let served = services.iter().any(|it| it.fragment == method.fragment);
        must(!named && !served, "FragmentUsed")?;
        must(self.had().all(|it| it.key != method.key), "KeyUsed")?;
        let age = now / DAY_MS - self.created.1 / DAY_MS;
        let reserve = if by_rank_0 { 0 } else { 128 };
        let allowed = self.allowance + age as usize - reserve;
        must(self.had().count() < allowed, "TooManyMethods")?;
        let mut methods = self.document.methods.clone().into_vec();
        methods.push(ActiveMethod {
            method: method.clone(),
            since: TimeMs(now),
        });
        methods.sort_by_key(|it| it.method.fragment.clone());
        self.document.methods = methods.try_into().map_err(|_| "TooManyMethods")?;
        Ok(())
    }

    pub(crate) fn refuse_services(&self, services: &[Service]) -> Result<(), Name> {
        let shared = |it: &Method| services.iter().any(|one| one.fragment == it.fragment);
        must(!self.had().any(shared), "FragmentUsed")
    }
}
