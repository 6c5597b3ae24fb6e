//! Who the world's identities are controlled by, and what these parties ask for.

use allod_primitives::guardian::{Guardian, make_set};
use allod_primitives::operation::{
    Body, GuardianLeaf, KeySignature, Lane, Operation, ProposedChange, Reveal, SignedOperation,
    operation_preimage,
};
use allod_primitives::policy::{
    Capabilities, ControlKey, ControlPolicy, GuardianSet, PolicyChange, Rank, RankChange,
    WebAuthnKey, WeightedKey, next_keys_commitment,
};
use allod_primitives::record::Proposer;
use allod_primitives::{BoundedVec, DidId, H256};
use rand::Rng;
use rand::seq::SliceRandom;

use super::ledger::{Identity, Ledger};
use super::world::{World, key_signature, public, text};

type Keys = BoundedVec<WeightedKey, 16>;

/// A guardian's signing key and its place.
pub(crate) type Place = (ControlKey, GuardianLeaf);

const HOUR_MS: u64 = 3_600_000;

impl World {
    /// Makes one to three keys with weights, and any threshold.
    fn weighted(&mut self) -> (Keys, u32) {
        let count = self.rng.gen_range(1..4);
        let keys: Vec<WeightedKey> = (0..count)
            .map(|_| WeightedKey {
                key: ControlKey::Ed25519(public(&self.key())),
                weight: self.rng.gen_range(1..4),
            })
            .collect();
        self.within_reach(keys)
    }

    fn within_reach(&mut self, mut keys: Vec<WeightedKey>) -> (Keys, u32) {
        keys.sort_by(|a, b| a.key.cmp(&b.key));
        keys.dedup_by(|a, b| a.key == b.key);
        let sum: u32 = keys.iter().map(|it| u32::from(it.weight)).sum();
        let threshold = self.rng.gen_range(1..=sum);
        (keys.try_into().expect("a few fit"), threshold)
    }

    /// Makes keys for later and returns the commitment to them.
    fn commitment(&mut self) -> H256 {
        let (keys, threshold) = self.weighted();
        let salt = self.rng.r#gen();
        let commitment = next_keys_commitment(&keys, threshold, &salt);
        self.committed.insert(commitment, (keys, threshold, salt));
        commitment
    }

    /// A rank; the lower, the fewer its capabilities.
    pub(crate) fn rank(&mut self, index: u8) -> Rank {
        let (keys, threshold) = self.weighted();
        let all = self.rng.gen_bool(if index == 0 { 0.9 } else { 0.3 });
        Rank {
            keys,
            threshold,
            capabilities: match all {
                true => Capabilities::ALL,
                false => Capabilities(self.rng.gen_range(0..16)),
            },
            next: self.chance(2).then(|| self.commitment()),
        }
    }

    fn delay(&mut self) -> u64 {
        let hours = [1, 2, 5, 24, 24 * 80];
        hours.choose(&mut self.rng).expect("some") * HOUR_MS
    }

    fn guardians(&mut self, did: &DidId) -> GuardianSet {
        let count = self.rng.gen_range(1..4);
        let guardians: Vec<Guardian> = (0..count)
            .map(|_| Guardian {
                key: ControlKey::Ed25519(public(&self.key())),
                weight: self.rng.gen_range(1..3),
                salt: self.rng.r#gen(),
            })
            .collect();
        let threshold = self.rng.gen_range(1..=count);
        let delay = self.delay();
        let (set, invitations) = make_set(did, &guardians, threshold, delay).expect("one to three");
        let places = invitations
            .into_iter()
            .map(|it| (it.key, it.leaf))
            .collect();
        self.places.insert(set.root, places);
        set
    }

    pub(crate) fn policy(&mut self) -> ControlPolicy {
        let count = *[1, 1, 2, 3, 3, 4].choose(&mut self.rng).expect("some");
        let mut ranks: Vec<Rank> = (0..count).map(|index| self.rank(index)).collect();
        if count > 2 && self.chance(4) {
            ranks[1] = Rank::default();
        }
        if self.chance(3) {
            ranks[0].next = None;
        }
        ControlPolicy {
            ranks: ranks.try_into().expect("four at most"),
            guardians: self.chance(3).then(|| self.guardians(&DidId([0; 32]))),
            delay_ms: self.delay(),
        }
    }

    /// A rank for an identity that has others; now and then with a key of one of them.
    fn another_rank(&mut self, identity: &Identity, index: u8) -> Rank {
        let mut rank = self.rank(index);
        let listed: Vec<_> = identity.ranks.iter().flat_map(|it| &it.keys).collect();
        if self.chance(6)
            && let Some(known) = listed.choose(&mut self.rng)
        {
            let mut keys = rank.keys.clone().into_vec();
            keys.push((*known).clone());
            (rank.keys, rank.threshold) = self.within_reach(keys);
        }
        rank
    }

    /// A change by rank `index`, most often of what it may change.
    pub(crate) fn policy_change(
        &mut self,
        identity: &Identity,
        did: &DidId,
        index: u8,
        upwards: bool,
    ) -> PolicyChange {
        let own = upwards || self.chance(2);
        let lowest = match self.chance(12) {
            true => 0,
            false if !upwards && self.chance(5) => index.saturating_sub(1),
            false if own => index,
            false => (index + 1).min(3),
        };
        let mut ranks: Vec<RankChange> = Vec::new();
        for index in lowest..4 {
            if !self.rng.gen_bool(0.45) {
                continue;
            }
            let keep = index == 0 && !self.chance(20) || !self.chance(4);
            ranks.push(RankChange {
                index,
                rank: keep.then(|| self.another_rank(identity, index)),
            });
        }
        let top = if index == 0 && own { 4 } else { 24 };
        PolicyChange {
            ranks: ranks.try_into().expect("four at most"),
            guardians: match self.chance(top) {
                true => Some(self.chance(3).then(|| self.guardians(did))),
                false => None,
            },
            delay_ms: self.chance(top).then(|| self.delay()),
        }
    }

    fn reveal(&mut self, commitment: Option<H256>) -> Reveal {
        let known = commitment.and_then(|it| self.committed.get(&it)).cloned();
        // Keys that nobody committed to open nothing.
        let known = known.filter(|_| !self.chance(10));
        let (keys, threshold, salt) = known.unwrap_or_else(|| {
            let (keys, threshold) = self.weighted();
            (keys, threshold, [0; 16])
        });
        Reveal {
            keys,
            threshold,
            salt,
            next: (!self.chance(8)).then(|| self.commitment()),
        }
    }

    /// The next operation of control of `did` in `lane`.
    pub(crate) fn control(&mut self, model: &Ledger, did: &DidId, lane: Lane) -> Operation {
        let identity = &model.identities[did];
        let mut operation = self.blank(model, *did, lane);
        operation.body = match lane {
            Lane::Rank(index) | Lane::Next(index) => {
                let by_next = matches!(lane, Lane::Next(_));
                if by_next {
                    let next = identity.ranks[usize::from(index)].next;
                    operation.reveal = Some(self.reveal(next));
                }
                let waits = !identity.pending.is_empty();
                match self.rng.gen_range(0..20) {
                    _ if waits && self.chance(3) => self.cancellation(identity),
                    0..8 => self.rotation(model, did, index, by_next),
                    8..16 if !by_next => Body::Propose(self.proposal(identity, did, index)),
                    16..19 => self.cancellation(identity),
                    _ if !by_next && self.chance(2) => self.cut_off(model, did),
                    _ if index == 0 && self.chance(8) => Body::Deactivate,
                    _ => self.rotation(model, did, index, by_next),
                }
            }
            Lane::Guardians if self.chance(2) => self.cancellation(identity),
            _ => Body::Recover {
                rank: self.another_rank(identity, 0),
            },
        };
        operation
    }

    fn rotation(&mut self, model: &Ledger, did: &DidId, index: u8, by_next: bool) -> Body {
        let identity = &model.identities[did];
        // What falls with a rank above is seen where the proposer's own rank stays.
        let waiting = identity.pending.iter().map(|it| it.proposer);
        let lowest = waiting.filter_map(|it| match it {
            Proposer::Rank(rank) => rank.checked_sub(1),
            Proposer::Guardians => None,
        });
        if let Some(above) = lowest.max()
            && above > index
            && self.chance(2)
        {
            let rank = Some(self.another_rank(identity, above));
            let only = RankChange { index: above, rank };
            let ranks = vec![only].try_into().expect("one fits");
            return Body::Rotate {
                change: PolicyChange {
                    ranks,
                    ..PolicyChange::default()
                },
                document: None,
            };
        }
        let with_document = self.chance(4);
        let nothing = if by_next {
            self.chance(2)
        } else {
            with_document
        };
        Body::Rotate {
            change: match nothing {
                true => PolicyChange::default(),
                false => self.policy_change(identity, did, index, false),
            },
            document: with_document.then(|| self.patch(model, did)),
        }
    }

    fn proposal(&mut self, identity: &Identity, did: &DidId, index: u8) -> ProposedChange {
        let mut waiting = identity.pending.iter().map(|it| it.id);
        match self.rng.gen_range(0..12) {
            0 => ProposedChange::Deactivation,
            1..5 if index == 0 && identity.guardians.is_some() => {
                ProposedChange::CancelRecovery(waiting.next().unwrap_or(H256::ZERO))
            }
            5 => ProposedChange::CancelRecovery(waiting.next().unwrap_or(H256::ZERO)),
            6 if self.chance(4) => ProposedChange::Control(self.too_large()),
            dice => {
                let lowest = if dice < 9 { 0 } else { index };
                ProposedChange::Control(self.policy_change(identity, did, lowest, true))
            }
        }
    }

    /// Ranks that fit each by itself, but not together in one pending change.
    fn too_large(&mut self) -> PolicyChange {
        let origin = text(&format!("https://{}.example", "a".repeat(110)));
        let key = |n: u8| WeightedKey {
            key: ControlKey::WebAuthn(WebAuthnKey {
                public_key: std::array::from_fn(|at| if at == 0 { 2 } else { n }),
                rp_id_hash: H256([0; 32]),
                origin: origin.clone(),
            }),
            weight: 1,
        };
        let rank = |keys: Vec<WeightedKey>| Rank {
            keys: keys.try_into().expect("nine fit"),
            threshold: 1,
            capabilities: Capabilities::ALL,
            next: None,
        };
        // Half of all numbers are on the curve.
        let good = |it: &WeightedKey| rank(vec![it.clone()]).check(0).is_ok();
        let keys: Vec<WeightedKey> = (1..=200).map(key).filter(good).collect();
        let rank = |(index, keys): (u8, &[WeightedKey])| RankChange {
            index,
            rank: Some(rank(keys.to_vec())),
        };
        let ranks = (0u8..3).zip(keys.chunks(9));
        let ranks: Vec<RankChange> = ranks.map(rank).collect();
        PolicyChange {
            ranks: ranks.try_into().expect("three fit"),
            ..PolicyChange::default()
        }
    }

    fn cancellation(&mut self, identity: &Identity) -> Body {
        let waiting: Vec<H256> = identity.pending.iter().map(|it| it.id).collect();
        let chosen = waiting.choose(&mut self.rng).copied();
        Body::Cancel {
            pending: chosen.unwrap_or(H256([7; 32])),
        }
    }

    /// A lane in which something may be asked for.
    pub(crate) fn party(&mut self, identity: &Identity) -> Lane {
        // Somebody above looks at what waits, with or without the capability to cancel it.
        let below = identity.pending.iter().find_map(|it| match it.proposer {
            Proposer::Rank(index) if index > 0 => Some(index),
            _ => None,
        });
        if let Some(index) = below
            && self.chance(3)
        {
            return Lane::Rank(self.rng.gen_range(0..index));
        }
        let mut lanes: Vec<Lane> = Vec::new();
        for (index, rank) in (0u8..).zip(&identity.ranks) {
            if !rank.keys.is_empty() || self.chance(30) {
                lanes.push(Lane::Rank(index));
            }
            if rank.next.is_some() || self.chance(30) {
                lanes.push(Lane::Next(index));
            }
        }
        if identity.guardians.is_some() || self.chance(10) {
            lanes.push(Lane::Guardians);
        }
        *lanes.choose(&mut self.rng).unwrap_or(&Lane::Rank(0))
    }

    /// Signs with as few keys as it takes of those who act now, in the order of the rule.
    pub(crate) fn signed(&mut self, model: &Ledger, operation: &Operation) -> SignedOperation {
        let acting = operation.controller.unwrap_or(operation.did);
        let identity = model.identities.get(&acting);
        let hash = operation.hash();
        let signatures = match (&operation.body, operation.lane, identity) {
            (Body::Incept(inception), ..) => {
                let rank = inception.policy.ranks.first();
                rank.map(|it| self.signatures(&it.keys, it.threshold, &hash))
            }
            (_, Lane::Next(_), _) => {
                let reveal = operation.reveal.clone();
                reveal.map(|it| self.signatures(&it.keys, it.threshold, &hash))
            }
            (_, Lane::Guardians, Some(identity)) => {
                let set = identity.guardians.as_ref();
                set.map(|set| self.guardians_sign(set, &hash))
            }
            (_, Lane::Rank(index), Some(identity)) => {
                let rank = identity.ranks.get(usize::from(index));
                rank.map(|it| self.signatures(&it.keys, it.threshold, &hash))
            }
            (body, _, Some(identity)) => {
                let needed = if matches!(body, Body::SetNotBefore { .. }) {
                    2
                } else {
                    1
                };
                Some(self.some_rank_signs(identity, needed, &hash))
            }
            _ => None,
        };
        SignedOperation {
            operation: operation.clone(),
            signatures: signatures.unwrap_or_default(),
        }
    }

    /// Signs for a rank that has the capability, if one has.
    pub(crate) fn some_rank_signs(
        &mut self,
        identity: &Identity,
        capability: u8,
        hash: &H256,
    ) -> BoundedVec<KeySignature, 32> {
        let able: Vec<usize> = (0..4).filter(|it| identity.may(*it, capability)).collect();
        let index = able.choose(&mut self.rng).copied().unwrap_or(0);
        let rank = &identity.ranks[index];
        self.signatures(&rank.keys, rank.threshold, hash)
    }

    fn guardians_sign(&mut self, set: &GuardianSet, hash: &H256) -> BoundedVec<KeySignature, 32> {
        let preimage = operation_preimage(&self.chain, hash);
        let mut places: Vec<Place> = self.places.get(&set.root).cloned().unwrap_or_default();
        if !self.chance(4) {
            places.shuffle(&mut self.rng);
            places.truncate(set.threshold as usize);
        }
        let mut list: Vec<KeySignature> = Vec::new();
        for (key, leaf) in places {
            if let Some(secret) = self.secret(&key) {
                let mut signature = key_signature(&secret, &preimage);
                signature.leaf = Some(leaf);
                list.push(signature);
            }
        }
        list.sort_by(|a, b| a.key.cmp(&b.key));
        list.try_into().expect("three fit")
    }
}

/// Lanes that a burst can be about, so that their quotas are met.
pub(crate) const BURST_LANES: [Lane; 6] = [
    Lane::Documents,
    Lane::Rank(0),
    Lane::Next(0),
    Lane::Guardians,
    Lane::Rank(1),
    Lane::Next(1),
];
