//! What operations do to an identity of the model.

use allod_primitives::TimeMs;
use allod_primitives::document::{ActiveMethod, Document, DocumentPatch, RetireReason};
use allod_primitives::operation::Body;

use super::ledger::{Identity, Name, ended};

impl Identity {
    /// Does what `body` says; on failure the identity is spoilt.
    pub(crate) fn change(&mut self, now: u64, body: &Body) -> Result<(), Name> {
        match body {
            Body::UpdateDocument(patch) => self.patch(now, patch),
            Body::Rotate(change) => {
                for change in &change.ranks {
                    self.rank = change.rank.clone().ok_or("RankNotRemovable")?;
                }
                match &change.document {
                    Some(patch) => self.patch(now, patch),
                    None => Ok(()),
                }
            }
            Body::Deactivate => {
                let document = std::mem::take(&mut self.document);
                for active in document.methods.into_vec() {
                    self.retired.push(ended(active, now, RetireReason::Routine));
                }
                self.ended = Some(now);
                Ok(())
            }
            Body::SetNotBefore {
                not_before,
                bump_grant_epoch,
            } => {
                if not_before.0 < self.not_before {
                    return Err("NotMonotone");
                }
                if not_before.0 > now {
                    return Err("InFuture");
                }
                self.not_before = not_before.0;
                if *bump_grant_epoch {
                    self.epoch += 1;
                }
                Ok(())
            }
            _ => Err("NotSupported"),
        }
    }

    fn patch(&mut self, now: u64, patch: &DocumentPatch) -> Result<(), Name> {
        let mut methods = self.document.methods.clone().into_vec();
        for retirement in &patch.retire {
            let found = methods
                .iter()
                .position(|it| it.method.fragment == retirement.fragment);
            let active = methods.remove(found.ok_or("NoSuchMethod")?);
            match retirement.reason {
                RetireReason::CompromisedSince(since) if since.0 > now => return Err("InFuture"),
                reason => self.retired.push(ended(active, now, reason)),
            }
        }
        let services = match &patch.services {
            Some(services) => services.clone(),
            None => self.document.services.clone(),
        };
        let retired = self.retired.iter().map(|it| &it.method);
        let known: Vec<_> = methods.iter().map(|it| &it.method).chain(retired).collect();
        for method in &patch.add {
            let named = known.iter().any(|it| it.fragment == method.fragment);
            if named || services.iter().any(|it| it.fragment == method.fragment) {
                return Err("FragmentUsed");
            }
            if known.iter().any(|it| it.key == method.key) {
                return Err("KeyUsed");
            }
        }
        for method in &patch.add {
            methods.push(ActiveMethod {
                method: method.clone(),
                since: TimeMs(now),
            });
        }
        let full = methods.len() > 32 || methods.len() + self.retired.len() > 1024;
        if full && !patch.add.is_empty() {
            return Err("TooManyMethods");
        }
        let retired = self.retired.iter().map(|it| &it.method);
        let mut names = methods.iter().map(|it| &it.method).chain(retired);
        if names.any(|it| {
            services
                .iter()
                .any(|service| service.fragment == it.fragment)
        }) {
            return Err("FragmentUsed");
        }
        methods.sort_by_key(|it| it.method.fragment.clone());
        self.document = Document {
            methods: methods.try_into().map_err(|_| "TooManyMethods")?,
            services,
            also_known_as: match &patch.also_known_as {
                Some(names) => names.clone(),
                None => self.document.also_known_as.clone(),
            },
            controllers: match &patch.controllers {
                Some(controllers) => controllers.clone(),
                None => self.document.controllers.clone(),
            },
        };
        Ok(())
    }
}
