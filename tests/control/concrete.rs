//! What the model says in bits and numbers, as the ledger says it.

use std::collections::BTreeMap;

use allod_control_model as model;
use allod_primitives::document::{
    DocumentPatch, Fragment, InitialDocument, Method, MethodKey, Relationships, RetireReason,
    Retirement,
};
use allod_primitives::guardian::{Guardian, make_set};
use allod_primitives::operation::{
    Body, GuardianLeaf, KeySignature, Lane, Operation, Payer, ProposedChange, Reveal,
    SignatureProof, SignedOperation, operation_preimage,
};
use allod_primitives::policy::{
    Capabilities, ControlKey, ControlPolicy, GuardianSet, PolicyChange, Rank, RankChange,
    WeightedKey, next_keys_commitment,
};
use allod_primitives::record::{Pending, PendingChange, Proposer};
use allod_primitives::{
    BoundedVec, ChainId, Did, DidId, ForkId, H256, NetworkId, PublicKey, Signature, Text, TimeMs,
};
use ed25519_dalek::{Signer, SigningKey};

/// Keys that the model can speak of.
pub(crate) const KEYS: u32 = 64;
/// Salt of every commitment and leaf: nobody guesses here.
const SALT: [u8; 16] = [9; 16];

/// Translates, for one identity of one chain.
#[derive(Clone)]
pub(crate) struct Dictionary {
    pub(crate) chain: ChainId,
    /// The identity that the model calls 0.
    pub(crate) did: DidId,
    /// Those it calls 1, 2 and so on.
    pub(crate) others: Vec<DidId>,
    pub(crate) registrar: PublicKey,
    secrets: Vec<SigningKey>,
    publics: Vec<PublicKey>,
    hashes: BTreeMap<model::OperationId, H256>,
}

impl Dictionary {
    pub(crate) fn new(chain: ChainId, registrar: PublicKey) -> Self {
        let secret = |n: u32| SigningKey::from_bytes(&[n as u8 + 100; 32]);
        let secrets: Vec<SigningKey> = (0..KEYS).map(secret).collect();
        let public = |it: &SigningKey| PublicKey(it.verifying_key().to_bytes());
        Self {
            chain,
            did: DidId([0; 32]),
            others: Vec::new(),
            registrar,
            publics: secrets.iter().map(public).collect(),
            secrets,
            hashes: BTreeMap::new(),
        }
    }

    /// Learns the hash of the operation that the model calls `id`.
    pub(crate) fn learn(&mut self, id: model::OperationId, hash: H256) {
        self.hashes.insert(id, hash);
    }

    /// Returns the hash of an operation; of one that was never made, some hash.
    pub(crate) fn hash(&self, id: model::OperationId) -> H256 {
        if id == 0 {
            return H256::ZERO;
        }
        let unknown = H256(std::array::from_fn(|at| {
            (id >> (8 * (at % 4))) as u8 ^ 0xA5
        }));
        self.hashes.get(&id).copied().unwrap_or(unknown)
    }

    fn key(&self, key: u32) -> ControlKey {
        ControlKey::Ed25519(self.publics[key as usize])
    }

    fn keys(&self, set: &model::KeySet) -> BoundedVec<WeightedKey, 16> {
        let weight = |key: u32| if set.heavy & (1 << key) != 0 { 2 } else { 1 };
        let mut keys: Vec<WeightedKey> = bits(set.keys)
            .map(|key| WeightedKey {
                key: self.key(key),
                weight: weight(key),
            })
            .collect();
        keys.sort_by(|a, b| a.key.cmp(&b.key));
        keys.try_into().expect("the world makes small sets")
    }

    fn commitment(&self, set: &model::KeySet) -> H256 {
        next_keys_commitment(&self.keys(set), u32::from(set.threshold), &SALT)
    }

    fn rank(&self, rank: &model::Rank) -> Rank {
        Rank {
            keys: self.keys(&rank.set),
            threshold: u32::from(rank.set.threshold),
            capabilities: Capabilities(rank.capabilities),
            next: rank.next.map(|it| self.commitment(&it)),
        }
    }

    fn set_and_leaves(
        &self,
        guardians: &model::Guardians,
    ) -> (GuardianSet, BTreeMap<u32, GuardianLeaf>) {
        let set = &guardians.set;
        let members: Vec<u32> = bits(set.keys).collect();
        let guardian = |key: &u32| Guardian {
            key: self.key(*key),
            weight: if set.heavy & (1 << key) != 0 { 2 } else { 1 },
            salt: SALT,
        };
        let list: Vec<Guardian> = members.iter().map(guardian).collect();
        let nobody = DidId([0; 32]);
        let threshold = u32::from(set.threshold);
        let made = make_set(&nobody, &list, threshold, guardians.delay);
        let (set, invitations) = made.expect("the world makes sound sets");
        let leaves = members.into_iter().zip(invitations);
        (set, leaves.map(|(key, it)| (key, it.leaf)).collect())
    }

    pub(crate) fn policy(&self, policy: &model::Policy) -> ControlPolicy {
        let mut ranks: Vec<Rank> = policy.ranks.iter().map(|it| self.rank(it)).collect();
        while ranks.last().is_some_and(Rank::is_vacant) {
            ranks.pop();
        }
        ControlPolicy {
            ranks: ranks.try_into().expect("four at most"),
            guardians: policy.guardians.map(|it| self.set_and_leaves(&it).0),
            delay_ms: policy.delay,
        }
    }

    fn change(&self, change: &model::Change) -> PolicyChange {
        let given = (0u8..).zip(&change.ranks);
        let ranks: Vec<RankChange> = given
            .filter_map(|(index, it)| {
                let rank = (*it)?;
                let rank = (!rank.is_vacant()).then(|| self.rank(&rank));
                Some(RankChange { index, rank })
            })
            .collect();
        PolicyChange {
            ranks: ranks.try_into().expect("four at most"),
            guardians: change
                .guardians
                .map(|it| it.map(|it| self.set_and_leaves(&it).0)),
            delay_ms: change.delay,
        }
    }

    fn patch(&self, patch: &model::Patch) -> DocumentPatch {
        let retire = bits(patch.retire).map(|it| Retirement {
            fragment: fragment(it),
            reason: RetireReason::Routine,
        });
        let retire: Vec<Retirement> = retire.collect();
        DocumentPatch {
            retire: retire.try_into().expect("few"),
            add: self.methods(patch.add),
            controllers: patch.controllers.map(|it| self.controllers(it)),
            ..DocumentPatch::default()
        }
    }

    pub(crate) fn methods<const MAX: u32>(&self, methods: u64) -> BoundedVec<Method, MAX> {
        let methods: Vec<Method> = bits(methods).map(method).collect();
        methods.try_into().expect("few")
    }

    pub(crate) fn controllers(&self, controllers: u64) -> BoundedVec<Did, 4> {
        let network = NetworkId::from_genesis(&self.chain.genesis);
        let mut list: Vec<Did> = bits(controllers)
            .map(|it| Did::new(network, self.other(it as u8)))
            .collect();
        list.sort();
        list.try_into().expect("few")
    }

    fn other(&self, number: u8) -> DidId {
        let index = usize::from(number).checked_sub(1);
        let known = index.and_then(|it| self.others.get(it));
        known.copied().unwrap_or(DidId([number; 32]))
    }

    pub(crate) fn document(&self, document: &model::Document) -> InitialDocument {
        InitialDocument {
            methods: self.methods(document.methods),
            controllers: self.controllers(document.controllers),
            ..InitialDocument::default()
        }
    }

    fn body(&self, body: &model::Body) -> Body {
        match body {
            model::Body::UpdateDocument(patch) => Body::UpdateDocument(self.patch(patch)),
            model::Body::Rotate { change, document } => Body::Rotate {
                change: self.change(change),
                document: document.map(|it| self.patch(&it)),
            },
            model::Body::Propose(model::Proposal::Control(change)) => {
                Body::Propose(ProposedChange::Control(self.change(change)))
            }
            model::Body::Propose(model::Proposal::Deactivation) => {
                Body::Propose(ProposedChange::Deactivation)
            }
            model::Body::Propose(model::Proposal::CancelRecovery(id)) => {
                Body::Propose(ProposedChange::CancelRecovery(self.hash(*id)))
            }
            model::Body::Recover(rank) => Body::Recover {
                rank: self.rank(rank),
            },
            model::Body::Cancel(id) => Body::Cancel {
                pending: self.hash(*id),
            },
            model::Body::Deactivate => Body::Deactivate,
            model::Body::SetNotBefore {
                at,
                bump_grant_epoch,
            } => Body::SetNotBefore {
                not_before: TimeMs(*at),
                bump_grant_epoch: *bump_grant_epoch,
            },
        }
    }

    pub(crate) fn operation(&self, operation: &model::Operation) -> Operation {
        let mut genesis = self.chain.genesis;
        genesis.0[7] ^= operation.network;
        let mut did = self.did;
        did.0[7] ^= operation.did;
        Operation {
            version: 1,
            genesis,
            fork_id: ForkId(self.chain.fork_id.0 + u32::from(operation.fork)),
            did,
            lane: lane(operation.lane),
            lane_seq: operation.seq,
            lane_prev: self.hash(operation.prev),
            payer: match operation.payer {
                model::Payer::Own => Payer::Own,
                model::Payer::Sponsor => Payer::Sponsor(self.registrar),
                model::Payer::Any => Payer::Any,
            },
            valid_until: TimeMs(operation.valid_until),
            controller: operation.controller.map(|it| self.other(it)),
            reveal: operation.reveal.map(|it| Reveal {
                keys: self.keys(&it.set),
                threshold: u32::from(it.set.threshold),
                salt: SALT,
                next: it.next.map(|it| self.commitment(&it)),
            }),
            body: self.body(&operation.body),
        }
    }

    /// Signs. `guardians`: the set in force, for the leaves; a stranger claims the first.
    pub(crate) fn signed(
        &self,
        operation: Operation,
        submission: &model::Submission,
        guardians: Option<&model::Guardians>,
    ) -> SignedOperation {
        let preimage = operation_preimage(&operation.chain(), &operation.hash());
        let leaves = guardians.map(|it| self.set_and_leaves(it).1);
        let leaves = leaves.unwrap_or_default();
        let anyone = || GuardianLeaf {
            weight: 1,
            salt: SALT,
            index: 0,
            path: BoundedVec::new(),
        };
        let sign = |key: u32| KeySignature {
            key: self.key(key),
            proof: SignatureProof::Ed25519(Signature(
                self.secrets[key as usize].sign(&preimage).to_bytes(),
            )),
            leaf: (operation.lane == Lane::Guardians)
                .then(|| leaves.get(&key).cloned().unwrap_or_else(anyone)),
        };
        let twice = bits(submission.signers & submission.repeated);
        let keys = bits(submission.signers).chain(twice);
        let mut signatures: Vec<KeySignature> = keys.map(sign).collect();
        signatures.sort_by(|a, b| a.key.cmp(&b.key));
        SignedOperation {
            operation,
            signatures: signatures.try_into().expect("few"),
        }
    }

    /// Returns what waits, as the record must have it.
    pub(crate) fn pending(&self, state: &model::State) -> Vec<Pending> {
        let slots = state.pending.iter().enumerate();
        let waiting = slots.filter_map(|(slot, it)| Some((slot, it.as_ref()?)));
        waiting
            .map(|(slot, it)| Pending {
                id: self.hash(it.id),
                proposer: proposer(slot),
                proposed_at: TimeMs(it.proposed_at),
                effective_at: TimeMs(it.effective_at),
                change: match &it.effect {
                    model::Effect::Control(change) => PendingChange::Control(self.change(change)),
                    model::Effect::Recovery(rank) => PendingChange::Recovery(self.rank(rank)),
                    model::Effect::Deactivation => PendingChange::Deactivation,
                    model::Effect::Cancellation(id) => PendingChange::Cancellation(self.hash(*id)),
                },
            })
            .collect()
    }
}

/// Returns the proposer at a place in the order of standing.
pub(crate) fn proposer(slot: usize) -> Proposer {
    match slot.checked_sub(1) {
        None => Proposer::Guardians,
        Some(index) => Proposer::Rank(index as u8),
    }
}

pub(crate) fn lane(lane: model::Lane) -> Lane {
    match lane {
        model::Lane::Rank(index) => Lane::Rank(index),
        model::Lane::Next(index) => Lane::Next(index),
        model::Lane::Guardians => Lane::Guardians,
        model::Lane::Documents => Lane::Documents,
    }
}

/// Two digits, so that the order of numbers is that of fragments.
pub(crate) fn fragment(method: u32) -> Fragment {
    Text::new(format!("m{method:02}")).expect("short")
}

fn method(number: u32) -> Method {
    Method {
        fragment: fragment(number),
        key: MethodKey::X25519([number as u8 + 1; 32]),
        relationships: Relationships::KEY_AGREEMENT,
        expires: None,
    }
}

/// Returns the positions of the bits that are set.
pub(crate) fn bits(set: u64) -> impl Iterator<Item = u32> + Clone {
    (0..64).filter(move |it| set & (1 << it) != 0)
}
