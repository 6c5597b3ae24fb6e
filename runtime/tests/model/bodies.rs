//! What the world's operations say: changes of documents, of keys, cut-offs.

use std::collections::BTreeMap;

use allod_primitives::document::{
    Declaration, DocumentPatch, Method, MethodKey, Relationships, RetireReason, Retirement,
};
use allod_primitives::operation::Body;
use allod_primitives::{Did, DidId, NetworkId, Text, TimeMs};
use ed25519_dalek::SigningKey;
use rand::Rng;
use rand::seq::SliceRandom;

use super::ledger::Ledger;
use super::world::{World, public, service, text};

impl World {
    pub(crate) fn cut_off(&mut self, model: &Ledger, did: &DidId) -> Body {
        let before = model.identities[did].not_before;
        let not_before = match self.rng.gen_range(0..6) {
            0 => before.saturating_sub(1),
            1 => model.now + self.rng.gen_range(0..3),
            _ => self.rng.gen_range(before..=model.now),
        };
        Body::SetNotBefore {
            not_before: TimeMs(not_before),
            bump_grant_epoch: self.rng.r#gen(),
        }
    }

    /// A change of a document. Fragments and keys come from small pools, so that they collide.
    pub(crate) fn patch(&mut self, model: &Ledger, did: &DidId) -> DocumentPatch {
        let document = &model.identities[did].document;
        let mut patch = DocumentPatch::default();
        let mut retire: Vec<Retirement> = Vec::new();
        let share = if self.chance(4) { 0.9 } else { 0.15 };
        for active in &document.methods {
            if self.rng.gen_bool(share) {
                retire.push(self.retirement(model, active.method.fragment.clone()));
            }
        }
        if self.chance(15) {
            retire.push(self.retirement(model, text("nothing")));
        }
        retire.sort_by_key(|it| it.fragment.clone());
        let most = if self.chance(5) { 24 } else { 4 };
        let count = self.rng.gen_range(0..most);
        let mut add: BTreeMap<_, Method> = BTreeMap::new();
        for _ in 0..count {
            let index = self.rng.gen_range(0..700);
            let method = self.method(index);
            if add.values().all(|it| it.key != method.key) {
                add.insert(method.fragment.clone(), method);
            }
        }
        patch.retire = retire.try_into().expect("as many as active, and one");
        let add: Vec<Method> = add.into_values().collect();
        patch.add = add.try_into().expect("24 fit");
        if self.chance(6) {
            let name = if self.chance(3) { "m1" } else { "s1" };
            patch.services = Some(vec![service(name)].try_into().expect("one fits"));
        }
        if self.chance(10) {
            let names = vec![text("https://alice.example/")];
            patch.also_known_as = Some(names.try_into().expect("one fits"));
            let network = NetworkId::from_genesis(&self.chain.genesis);
            let other = self.someone(model).unwrap_or(*did);
            let controllers = vec![Did::new(network, other)];
            patch.controllers = Some(controllers.try_into().expect("one fits"));
        }
        let retired = &model.identities[did].retired;
        if self.chance(5)
            && let Some(method) = retired.choose(&mut self.rng)
        {
            let since = model.now + 2 - self.rng.gen_range(0..100);
            let declare = vec![Declaration {
                fragment: method.method.fragment.clone(),
                since: TimeMs(since),
            }];
            patch.declare = declare.try_into().expect("one fits");
        }
        patch
    }

    fn retirement(&mut self, model: &Ledger, fragment: Text<32>) -> Retirement {
        let since = TimeMs(model.now - 10 + self.rng.gen_range(0..12));
        Retirement {
            fragment,
            reason: match self.chance(3) {
                true => RetireReason::CompromisedSince(since),
                false => RetireReason::Routine,
            },
        }
    }

    /// A method of a small pool; its key goes with its fragment, most of the time.
    pub(crate) fn method(&mut self, index: u16) -> Method {
        let key = if self.chance(8) { index ^ 1 } else { index };
        let mut bytes = [3; 32];
        bytes[..2].copy_from_slice(&key.to_le_bytes());
        Method {
            fragment: text(&format!("m{index}")),
            key: MethodKey::Ed25519(public(&SigningKey::from_bytes(&bytes))),
            relationships: Relationships::AUTHENTICATION,
            expires: None,
        }
    }
}
