//! Everybody who signs: a seeded world that makes good transactions, most of them.

use std::collections::BTreeMap;

use allod_primitives::document::{InitialDocument, Method, Service};
use allod_primitives::grant::{GrantAction, GrantMessage, SignedGrantMessage};
use allod_primitives::operation::{
    Admission, Body, Inception, KeySignature, Lane, Operation, Payer, SignatureProof, Voucher,
    operation_preimage, voucher_preimage, work_bits,
};
use allod_primitives::policy::{ControlKey, WeightedKey};
use allod_primitives::token::{SignedTokenOperation, TokenId, TokenOperation};
use allod_primitives::{BoundedVec, ChainId, DidId, H256, PublicKey, Signature, Text, TimeMs};
use ed25519_dalek::{Signer, SigningKey};
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::ledger::{Action, DAY_MS, Ledger};
use super::parties::Place;

/// A transaction and who signs it.
#[derive(Clone, Debug)]
pub(crate) struct Tx {
    /// Key and nonce; `None` if it is bare.
    pub(crate) sender: Option<(SigningKey, u32)>,
    /// What it asks for.
    pub(crate) action: Action,
}

/// Keys and dice.
pub(crate) struct World {
    pub(crate) rng: ChaCha8Rng,
    pub(crate) chain: ChainId,
    pub(crate) registrars: Vec<SigningKey>,
    /// Every key that was ever made, to sign for whoever is listed.
    keys: BTreeMap<PublicKey, SigningKey>,
    inceptions: Vec<Operation>,
    grants: Vec<(H256, SigningKey)>,
    /// What commitments were made to: keys, threshold and salt.
    pub(crate) committed: BTreeMap<H256, (BoundedVec<WeightedKey, 16>, u32, [u8; 16])>,
    /// Guardians by their root.
    pub(crate) places: BTreeMap<H256, Vec<Place>>,
    /// Whose operations all of a burst are, and in which lane.
    pub(crate) focus: Option<(DidId, Lane)>,
}

impl World {
    pub(crate) fn new(rng: ChaCha8Rng, chain: ChainId, registrars: Vec<SigningKey>) -> Self {
        Self {
            rng,
            chain,
            registrars,
            keys: BTreeMap::new(),
            inceptions: Vec::new(),
            grants: Vec::new(),
            committed: BTreeMap::new(),
            places: BTreeMap::new(),
            focus: None,
        }
    }

    pub(crate) fn chance(&mut self, one_in: u32) -> bool {
        self.rng.gen_ratio(1, one_in)
    }

    pub(crate) fn key(&mut self) -> SigningKey {
        let key = SigningKey::from_bytes(&self.rng.r#gen());
        self.keys.insert(public(&key), key.clone());
        key
    }

    /// Picks an identity, one of the first few more often, so that limits are met.
    pub(crate) fn someone(&mut self, model: &Ledger) -> Option<DidId> {
        let dids: Vec<DidId> = self.inceptions.iter().map(|it| it.did).collect();
        let few = if self.rng.gen_bool(0.7) {
            2
        } else {
            dids.len()
        };
        let dead_too = self.chance(20);
        let acts = |did: &&DidId| {
            let identity = model.identities.get(*did);
            identity.is_some_and(|it| dead_too || it.ended.is_none())
        };
        let pool: Vec<&DidId> = dids.iter().filter(acts).take(few).collect();
        pool.choose(&mut self.rng).map(|did| **did)
    }

    /// Makes one transaction, good as far as the world knows.
    pub(crate) fn transaction(&mut self, model: &Ledger) -> Tx {
        match self.rng.gen_range(0..100) {
            0..10 => self.inception(model),
            10..62 => {
                let operation = self.operation(model);
                let signed = self.signed(model, &operation);
                self.bare_or_batch(model, signed, Action::Submit, Action::Batch)
            }
            62..77 => {
                let operation = self.token(model);
                let signed = self.signed_token(model, &operation);
                self.bare_or_batch(model, signed, Action::RevokeToken, Action::RevokeTokens)
            }
            77..90 => {
                let items = (0..self.rng.gen_range(1..4))
                    .map(|_| self.anchoring(model))
                    .collect();
                self.by_registrar(model, Action::Anchor(items))
            }
            _ => Tx {
                sender: None,
                action: Action::RevokeGrant(self.grant_revocation(model)),
            },
        }
    }

    fn bare_or_batch<T: Clone>(
        &mut self,
        model: &Ledger,
        item: T,
        bare: impl Fn(T) -> Action,
        batch: impl Fn(Vec<T>) -> Action,
    ) -> Tx {
        if self.chance(3) {
            // A copy in the same batch must fail without harm.
            let copies = if self.chance(8) { 2 } else { 1 };
            return self.by_registrar(model, batch(vec![item; copies]));
        }
        Tx {
            sender: None,
            action: bare(item),
        }
    }

    pub(crate) fn by_registrar(&mut self, model: &Ledger, action: Action) -> Tx {
        let index = if self.chance(6) { 1 } else { 0 };
        let key = self.registrars[index].clone();
        let nonce = model.registrars[&public(&key)].nonce;
        Tx {
            sender: Some((key, nonce)),
            action,
        }
    }

    fn inception(&mut self, model: &Ledger) -> Tx {
        let operation = self.inception_operation(model);
        let did = operation.did;
        let signed = self.signed(model, &operation);
        let admission = match self.rng.gen_range(0..3) {
            0 => return self.by_registrar(model, Action::Batch(vec![signed])),
            1 => self.voucher(model, &did),
            _ => self.work(&did),
        };
        Tx {
            sender: None,
            action: Action::Incept(signed, admission),
        }
    }

    fn inception_operation(&mut self, model: &Ledger) -> Operation {
        if self.chance(5)
            && let Some(known) = self.inceptions.choose(&mut self.rng)
        {
            let mut again = known.clone();
            again.valid_until = TimeMs(model.now + 3_600_000);
            return again;
        }
        let count = self.rng.gen_range(0..4);
        let methods: Vec<Method> = (0..count).map(|index| self.method(index)).collect();
        let services = if self.chance(3) {
            vec![service("s0")]
        } else {
            Vec::new()
        };
        let inception = Inception {
            version: 1,
            policy: self.policy(),
            document: InitialDocument {
                methods: methods.try_into().expect("four fit"),
                services: services.try_into().expect("one fits"),
                ..InitialDocument::default()
            },
            salt: self.rng.r#gen(),
        };
        let mut operation = self.blank(model, inception.did_id(), Lane::Rank(0));
        operation.body = Body::Incept(inception);
        self.inceptions.push(operation.clone());
        operation
    }

    pub(crate) fn voucher(&mut self, model: &Ledger, did: &DidId) -> Admission {
        let late = self.rng.gen_range(0..40 * DAY_MS);
        let expires = TimeMs((model.now + late).saturating_sub(DAY_MS));
        let key = match self.rng.gen_range(0..8) {
            0 => self.key(),
            1 => self.registrars[1].clone(),
            _ => self.registrars[0].clone(),
        };
        let mut preimage = voucher_preimage(&self.chain, did, expires);
        if self.chance(10) {
            preimage.push(0);
        }
        Admission::Voucher(Voucher {
            registrar: public(&key),
            expires,
            signature: sign(&key, &preimage),
        })
    }

    fn work(&mut self, did: &DidId) -> Admission {
        let bits = if self.chance(4) { 0 } else { 4 };
        let enough = |nonce: &u64| work_bits(&self.chain, did, *nonce) >= bits;
        let nonce = (0..).find(enough).expect("sixteen tries do on average");
        Admission::Work { nonce }
    }

    /// An operation of the right lane, in turn, that nobody is named to pay for.
    pub(crate) fn blank(&mut self, model: &Ledger, did: DidId, lane: Lane) -> Operation {
        let head = model.identities.get(&did).map(|it| it.head(lane));
        let head = head.unwrap_or_default();
        Operation {
            version: 1,
            genesis: self.chain.genesis,
            fork_id: self.chain.fork_id,
            did,
            lane,
            lane_seq: head.next_seq,
            lane_prev: head.last,
            payer: Payer::Any,
            valid_until: TimeMs(model.now + self.rng.gen_range(0..3_600_000)),
            controller: None,
            reveal: None,
            body: Body::Deactivate,
        }
    }

    /// The next operation of someone, or of the burst.
    pub(crate) fn operation(&mut self, model: &Ledger) -> Operation {
        let focus = self.focus.filter(|it| model.identities.contains_key(&it.0));
        let Some(did) = focus.map(|it| it.0).or_else(|| self.someone(model)) else {
            return self.inception_operation(model);
        };
        let lane = match focus {
            Some((_, lane)) => lane,
            None if self.rng.gen_bool(0.5) => Lane::Documents,
            None => self.party(&model.identities[&did]),
        };
        if lane != Lane::Documents {
            return self.control(model, &did, lane);
        }
        let mut operation = self.blank(model, did, lane);
        operation.body = if self.chance(6) {
            self.cut_off(model, &did)
        } else {
            Body::UpdateDocument(self.patch(model, &did))
        };
        let controllers = &model.identities[&did].document.controllers;
        if matches!(operation.body, Body::UpdateDocument(_)) && self.chance(4) {
            operation.controller = controllers.choose(&mut self.rng).map(|it| it.id());
        }
        operation
    }

    pub(crate) fn secret(&self, key: &ControlKey) -> Option<SigningKey> {
        let ControlKey::Ed25519(key) = key else {
            return None;
        };
        self.keys.get(key).cloned()
    }

    pub(crate) fn signatures(
        &mut self,
        keys: &[WeightedKey],
        threshold: u32,
        hash: &H256,
    ) -> BoundedVec<KeySignature, 32> {
        let preimage = operation_preimage(&self.chain, hash);
        let mut list = Vec::new();
        let mut sum = 0;
        for listed in keys {
            if let Some(secret) = self.secret(&listed.key).filter(|_| sum < threshold) {
                list.push(key_signature(&secret, &preimage));
                sum += u32::from(listed.weight);
            }
        }
        list.try_into().expect("three fit")
    }

    pub(crate) fn token(&mut self, model: &Ledger) -> TokenOperation {
        let did = self.someone(model).unwrap_or(DidId([0; 32]));
        let now = model.now / 1000;
        let exp = match self.rng.gen_range(0..10) {
            0 => (now - 60) + self.rng.gen_range(0..3),
            1 => now + 31 * 86_400 + 60 + self.rng.gen_range(0..2),
            _ => now + self.rng.gen_range(0..86_400),
        };
        let name = format!("{}", self.rng.gen_range(0..100_000));
        TokenOperation {
            version: 1,
            genesis: self.chain.genesis,
            fork_id: self.chain.fork_id,
            did,
            payer: Payer::Any,
            valid_until: TimeMs(model.now + 1000),
            token: match self.chance(4) {
                true => TokenId::from_signing_input(name.as_bytes()),
                false => TokenId::from_jti(&name),
            },
            exp,
        }
    }

    pub(crate) fn signed_token(
        &mut self,
        model: &Ledger,
        operation: &TokenOperation,
    ) -> SignedTokenOperation {
        let identity = model.identities.get(&operation.did);
        let hash = operation.hash();
        SignedTokenOperation {
            operation: *operation,
            signatures: identity
                .map(|it| self.some_rank_signs(it, 2, &hash))
                .unwrap_or_default(),
        }
    }

    pub(crate) fn anchoring(&mut self, model: &Ledger) -> SignedGrantMessage {
        let key = self.key();
        let gid = match self.chance(8) {
            true => self.grants.choose(&mut self.rng).map(|it| it.0),
            false => None,
        };
        let gid = gid.unwrap_or(H256(self.rng.r#gen()));
        self.grants.push((gid, key.clone()));
        let today = model.day() as u32;
        let action = GrantAction::Anchor {
            grant_key: public(&key),
            expiry_day: match self.rng.gen_range(0..10) {
                0 => today - 1,
                1 => today + 3660 + self.rng.gen_range(0..2),
                _ => today + self.rng.gen_range(0..3),
            },
        };
        self.message(model, gid, action, &key)
    }

    fn grant_revocation(&mut self, model: &Ledger) -> SignedGrantMessage {
        let recent = self.grants.len().saturating_sub(12);
        let known = self.grants[recent..].choose(&mut self.rng).cloned();
        let (gid, key) = known.unwrap_or((H256::ZERO, self.registrars[0].clone()));
        self.message(model, gid, GrantAction::Revoke, &key)
    }

    pub(crate) fn message(
        &mut self,
        model: &Ledger,
        gid: H256,
        action: GrantAction,
        key: &SigningKey,
    ) -> SignedGrantMessage {
        let message = GrantMessage {
            version: 1,
            genesis: self.chain.genesis,
            fork_id: self.chain.fork_id,
            gid,
            action,
            valid_until: TimeMs(model.now + 1000),
        };
        SignedGrantMessage {
            message,
            signature: sign(key, &operation_preimage(&self.chain, &message.hash())),
        }
    }
}

pub(crate) fn key_signature(key: &SigningKey, preimage: &[u8]) -> KeySignature {
    KeySignature {
        key: ControlKey::Ed25519(public(key)),
        proof: SignatureProof::Ed25519(sign(key, preimage)),
        leaf: None,
    }
}

pub(crate) fn public(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key().to_bytes())
}

fn sign(key: &SigningKey, message: &[u8]) -> Signature {
    Signature(key.sign(message).to_bytes())
}

pub(crate) fn text<const MAX: u32>(text: &str) -> Text<MAX> {
    Text::new(text).expect("short")
}

pub(crate) fn service(fragment: &str) -> Service {
    Service {
        fragment: text(fragment),
        kind: text("PersonalDataStore"),
        endpoints: vec![text("https://store.example/")]
            .try_into()
            .expect("one fits"),
    }
}
