//! One defect put into a good transaction; most are signed again, so that only the rule is broken.

use allod_primitives::grant::{GrantAction, SignedGrantMessage};
use allod_primitives::operation::{
    Admission, Body, GuardianLeaf, KeySignature, Lane, Operation, Payer, ProposedChange, Reveal,
    SignatureProof, SignedOperation, operation_preimage,
};
use allod_primitives::policy::{ControlKey, GuardianSet, PolicyChange, Rank};
use allod_primitives::token::SignedTokenOperation;
use allod_primitives::{BoundedVec, ForkId, H256, TimeMs};
use rand::Rng;

use super::ledger::{Action, DAY_MS, Ledger};
use super::world::{Tx, World, key_signature, public, service};

type Signatures = BoundedVec<KeySignature, 32>;

impl World {
    /// Breaks one rule, or (by chance) none.
    pub(crate) fn spoil(&mut self, model: &Ledger, tx: &mut Tx) {
        if self.chance(8) {
            return self.spoil_sender(model, tx);
        }
        match &mut tx.action {
            Action::Submit(signed) => *signed = self.spoil_operation(model, signed),
            Action::Incept(signed, admission) => {
                if self.chance(3) {
                    *admission = Admission::Work { nonce: 0 };
                }
                *signed = self.spoil_operation(model, signed);
            }
            Action::Batch(items) => self.spoil_list(items, |world, item| {
                *item = world.spoil_operation(model, item);
            }),
            Action::RevokeToken(signed) => *signed = self.spoil_token(model, signed),
            Action::RevokeTokens(items) => self.spoil_list(items, |world, item| {
                *item = world.spoil_token(model, item);
            }),
            Action::RevokeGrant(signed) => *signed = self.spoil_message(model, signed),
            Action::Anchor(items) => self.spoil_list(items, |world, item| {
                *item = world.spoil_message(model, item);
            }),
        }
    }

    fn spoil_list<T>(&mut self, items: &mut Vec<T>, spoil: impl FnOnce(&mut Self, &mut T)) {
        if self.chance(10) {
            items.clear();
        } else {
            let index = self.rng.gen_range(0..items.len());
            spoil(self, &mut items[index]);
        }
    }

    fn spoil_sender(&mut self, model: &Ledger, tx: &mut Tx) {
        let key = self.registrars[0].clone();
        let nonce = model.registrars[&public(&key)].nonce;
        tx.sender = match (tx.sender.take(), self.rng.gen_range(0..4)) {
            (Some(_), 0) => None,
            (Some(_), 1) => Some((self.key(), 0)),
            (Some((key, nonce)), 2) => Some((key, nonce.saturating_sub(1))),
            (Some((key, nonce)), _) => Some((key, nonce + 1)),
            (None, _) => Some((key, nonce)),
        };
    }

    fn spoil_operation(&mut self, model: &Ledger, signed: &SignedOperation) -> SignedOperation {
        let mut operation = signed.operation.clone();
        let dice = self.rng.gen_range(0..24);
        match dice {
            0 => operation.version = 2,
            1 => operation.genesis.0[3] ^= 4,
            2 => operation.fork_id = ForkId(1),
            3 => operation.valid_until = TimeMs(model.now - 1),
            4 => {
                operation.valid_until = TimeMs(model.now + 366 * DAY_MS + self.rng.gen_range(0..2))
            }
            5 => operation.payer = self.payer(),
            6 => operation.lane = self.lane(),
            7 => operation.lane_seq += 1,
            8 => operation.lane_seq = operation.lane_seq.saturating_sub(1),
            9 => operation.lane_seq += self.rng.gen_range(0..40),
            10 => operation.lane_prev.0[0] ^= 1,
            11 => operation.did.0[31] ^= 1,
            12..17 => self.spoil_body(model, &mut operation),
            _ => {
                let mut spoilt = signed.clone();
                if dice == 17 {
                    // Somebody else's signatures under a changed operation.
                    spoilt.operation.valid_until.0 += 1;
                } else {
                    spoilt.signatures =
                        self.spoil_signatures(&signed.signatures, &operation.hash());
                }
                return spoilt;
            }
        }
        self.signed(model, &operation)
    }

    fn payer(&mut self) -> Payer {
        match self.rng.gen_range(0..3) {
            0 => Payer::Own,
            1 => Payer::Sponsor(public(&self.registrars[0])),
            _ => Payer::Sponsor(public(&self.registrars[1])),
        }
    }

    fn lane(&mut self) -> Lane {
        let index = self.rng.gen_range(0..6);
        match self.rng.gen_range(0..4) {
            0 => Lane::Rank(index),
            1 => Lane::Next(index),
            2 => Lane::Documents,
            _ => Lane::Guardians,
        }
    }

    fn spoil_body(&mut self, model: &Ledger, operation: &mut Operation) {
        let guardians = GuardianSet {
            root: H256::ZERO,
            count: 3,
            threshold: 1,
            delay_ms: 1,
        };
        let dice = self.rng.gen_range(0..3);
        match &mut operation.body {
            Body::Incept(inception) => {
                let mut ranks = inception.policy.ranks.clone().into_vec();
                match self.rng.gen_range(0..6) {
                    0 => inception.version = 2,
                    1 => inception.policy.guardians = Some(guardians),
                    2 => ranks.push(Rank::default()),
                    3 => ranks[0].keys = BoundedVec::new(),
                    4 => ranks[0].threshold = 100,
                    _ => {
                        let name = inception.document.methods.first();
                        let name = name.map_or("m0", |it| it.fragment.as_str()).to_owned();
                        let services = vec![service(&name)];
                        inception.document.services = services.try_into().expect("one fits");
                    }
                }
                ranks.truncate(4);
                inception.policy.ranks = ranks.try_into().expect("four fit");
                operation.did = inception.did_id();
            }
            Body::UpdateDocument(patch) if dice == 0 => {
                let mut add = patch.add.clone().into_vec();
                add.reverse();
                patch.add = add.try_into().expect("as many as before");
            }
            Body::UpdateDocument(patch) if dice == 1 => *patch = Default::default(),
            Body::Rotate { change, .. } if dice == 0 => change.guardians = Some(Some(guardians)),
            Body::Rotate { change, .. } if dice == 1 => {
                let mut ranks = change.ranks.clone().into_vec();
                for rank in &mut ranks {
                    rank.index = rank.index.saturating_sub(1);
                }
                change.ranks = ranks.try_into().expect("as many as before");
            }
            body => {
                *body = match self.rng.gen_range(0..8) {
                    0 => Body::Propose(ProposedChange::Control(PolicyChange::default())),
                    1 => Body::Rotate {
                        change: PolicyChange::default(),
                        document: None,
                    },
                    2 => Body::Cancel {
                        pending: H256::ZERO,
                    },
                    3 => Body::Recover { rank: self.rank(0) },
                    4 => return self.spoil_reveal(operation),
                    5 => return operation.controller = Some(operation.did),
                    6 => Body::Deactivate,
                    _ => return self.oversize(model, operation),
                }
            }
        }
    }

    fn spoil_reveal(&mut self, operation: &mut Operation) {
        match &mut operation.reveal {
            Some(reveal) => match self.rng.gen_range(0..4) {
                0 => reveal.salt[0] ^= 1,
                1 => reveal.threshold += 1,
                2 => reveal.keys = BoundedVec::new(),
                _ => operation.reveal = None,
            },
            none => {
                *none = Some(Reveal {
                    keys: self.rank(0).keys,
                    threshold: 1,
                    salt: [0; 16],
                    next: None,
                });
            }
        }
    }

    /// Fits the maximum of every list, but not that of the operation.
    fn oversize(&mut self, model: &Ledger, operation: &mut Operation) {
        let Some(did) = self.someone(model) else {
            return;
        };
        let mut patch = self.patch(model, &did);
        let services: Vec<_> = (0..16)
            .map(|index| {
                let mut service = service(&format!("s{index:02}"));
                let uri = format!("https://{}/", "a".repeat(247));
                let uri = allod_primitives::Text::new(uri).expect("256 bytes fit");
                service.endpoints = vec![uri; 4].try_into().expect("four fit");
                service
            })
            .collect();
        patch.services = Some(services.try_into().expect("sixteen fit"));
        operation.body = Body::UpdateDocument(patch);
    }

    fn spoil_signatures(&mut self, good: &Signatures, hash: &H256) -> Signatures {
        let mut list = good.clone().into_vec();
        let stranger = self.key();
        match self.rng.gen_range(0..8) {
            0 => drop(list.pop()),
            6 => self.spoil_leaf(&mut list),
            7 => {
                for signature in &mut list {
                    signature.leaf = None;
                }
            }
            1 => list.push(key_signature(
                &stranger,
                &operation_preimage(&self.chain, hash),
            )),
            2 => list.extend(list.last().cloned()),
            3 => list.reverse(),
            4 => {
                if let Some(SignatureProof::Ed25519(proof)) =
                    list.first_mut().map(|it| &mut it.proof)
                {
                    proof.0[self.rng.gen_range(0..64)] ^= 1;
                }
            }
            _ => list.push(KeySignature {
                key: ControlKey::P256([2; 33]),
                proof: match self.rng.r#gen() {
                    true => SignatureProof::P256([1; 64]),
                    false => SignatureProof::Secp256k1([1; 64]),
                },
                leaf: None,
            }),
        }
        if self.rng.r#gen() {
            list.sort_by(|a, b| a.key.cmp(&b.key));
        }
        list.try_into().expect("a few fit")
    }

    fn spoil_leaf(&mut self, list: &mut [KeySignature]) {
        let Some((first, rest)) = list.split_first_mut() else {
            return;
        };
        let Some(leaf) = &mut first.leaf else {
            first.leaf = Some(GuardianLeaf {
                weight: 1,
                salt: [0; 16],
                index: 0,
                path: BoundedVec::new(),
            });
            return;
        };
        match self.rng.gen_range(0..4) {
            0 => leaf.weight += 1,
            1 => leaf.index ^= 1,
            2 => leaf.salt[3] ^= 1,
            _ => {
                if let Some(other) = rest.first() {
                    first.leaf = other.leaf.clone();
                }
            }
        }
    }

    fn spoil_token(
        &mut self,
        model: &Ledger,
        signed: &SignedTokenOperation,
    ) -> SignedTokenOperation {
        let mut operation = signed.operation;
        match self.rng.gen_range(0..9) {
            0 => operation.version = 0,
            1 => operation.genesis.0[0] ^= 1,
            2 => operation.fork_id = ForkId(1),
            3 => operation.valid_until = TimeMs(model.now - 1),
            4 => operation.valid_until = TimeMs(model.now + 367 * DAY_MS),
            5 => operation.payer = self.payer(),
            6 => operation.did.0[0] ^= 1,
            7 => operation.exp = self.rng.r#gen(),
            _ => {
                let mut spoilt = signed.clone();
                spoilt.signatures = self.spoil_signatures(&signed.signatures, &operation.hash());
                return spoilt;
            }
        }
        self.signed_token(model, &operation)
    }

    fn spoil_message(&mut self, model: &Ledger, signed: &SignedGrantMessage) -> SignedGrantMessage {
        let mut message = signed.message;
        let key = self.registrars[0].clone();
        let again =
            |world: &mut Self, action| world.message(model, signed.message.gid, action, &key);
        match self.rng.gen_range(0..8) {
            0 => message.version = 2,
            1 => message.genesis.0[0] ^= 1,
            2 => message.fork_id = ForkId(1),
            3 => message.valid_until = TimeMs(model.now - 1),
            4 => message.valid_until = TimeMs(model.now + 367 * DAY_MS),
            5 => return again(self, GrantAction::Revoke),
            6 => {
                let action = GrantAction::Anchor {
                    grant_key: allod_primitives::PublicKey([0; 32]),
                    expiry_day: model.day() as u32,
                };
                return again(self, action);
            }
            _ => {
                let mut spoilt = *signed;
                spoilt.signature.0[5] ^= 1;
                return spoilt;
            }
        }
        SignedGrantMessage {
            message,
            signature: signed.signature,
        }
    }
}
