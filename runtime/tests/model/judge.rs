//! Which transactions the model takes: the tables of spec/did.md, revocation.md and grants.md,
//! read aloud. Each question is asked of whole histories.

use allod_primitives::document::DocumentPatch;
use allod_primitives::grant::{GrantAction, GrantStatus, SignedGrantMessage};
use allod_primitives::operation::{
    Admission, Body, KeySignature, Lane, Operation, Payer, ProposedChange, SignatureProof,
    SignedOperation, operation_preimage, voucher_preimage, work_bits,
};
use allod_primitives::policy::{
    Capabilities, ControlKey, PolicyChange, Rank, WeightedKey, next_keys_commitment,
};
use allod_primitives::token::SignedTokenOperation;
use allod_primitives::{ChainId, Did, H256, NetworkId, PublicKey, Signature, TimeMs};
use ed25519_dalek::{Verifier, VerifyingKey};
use parity_scale_codec::Encode;

use super::ledger::{Action, DAY_MS, Identity, Ledger, Name};

/// Fails with a name unless something holds.
pub(crate) fn must(holds: bool, name: Name) -> Result<(), Name> {
    if holds { Ok(()) } else { Err(name) }
}

impl Ledger {
    /// Says whether it is a transaction's turn, or why it never will be.
    pub(crate) fn judge(
        &self,
        sender: Option<(PublicKey, u32)>,
        action: &Action,
    ) -> Result<bool, Name> {
        let mut turn = true;
        if let Some((account, nonce)) = sender {
            let registrar = self.registrars.get(&account).ok_or("NoRole")?;
            must(nonce >= registrar.nonce, "Stale")?;
            turn = nonce == registrar.nonce;
        }
        let bare = || must(sender.is_none(), "WrongOrigin");
        match action {
            Action::Submit(signed) => {
                bare()?;
                return self.refuse_operation(signed, None);
            }
            Action::Incept(signed, admission) => {
                bare()?;
                self.refuse_inception(signed, Some(admission), None)?;
            }
            Action::RevokeToken(signed) => {
                bare()?;
                self.refuse_token(signed, None)?;
            }
            Action::RevokeGrant(signed) => {
                bare()?;
                self.refuse_grant_revocation(signed)?;
            }
            Action::Batch(items) => self.refuse_batch(sender, items.len())?,
            Action::RevokeTokens(items) => self.refuse_batch(sender, items.len())?,
            Action::Anchor(items) => self.refuse_batch(sender, items.len())?,
        }
        Ok(turn)
    }

    fn refuse_batch(&self, sender: Option<(PublicKey, u32)>, items: usize) -> Result<(), Name> {
        let (account, _) = sender.ok_or("WrongOrigin")?;
        must(items > 0, "Malformed")?;
        must(items <= self.left(&account), "OverBudget")
    }

    /// Returns how many items a registrar can still pay for today.
    fn left(&self, account: &PublicKey) -> usize {
        let today = self.day();
        self.registrars.get(account).map_or(0, |it| {
            let paid = it.paid.iter().filter(|day| **day == today).count();
            it.per_day - paid.min(it.per_day)
        })
    }

    fn refuse_elsewhere(&self, version: u8, chain: ChainId, until: TimeMs) -> Result<(), Name> {
        must(version == 1, "UnknownVersion")?;
        must(chain.genesis == self.chain.genesis, "WrongNetwork")?;
        must(chain.fork_id == self.chain.fork_id, "WrongFork")?;
        must(self.now <= until.0, "Expired")?;
        must(until.0 <= self.now + 366 * DAY_MS, "ValidTooLong")
    }

    fn refuse_form(&self, signed: &SignedOperation, payer: Option<PublicKey>) -> Result<(), Name> {
        let operation = &signed.operation;
        self.refuse_elsewhere(operation.version, operation.chain(), operation.valid_until)?;
        refuse_payer(&operation.payer, payer)?;
        must(signed.encode().len() <= 16 * 1024, "Malformed")?;
        refuse_signers(&signed.signatures)?;
        refuse_place(signed)?;
        refuse_body(operation)
    }

    /// Says whether it is the operation's turn, or why it never will be.
    pub(crate) fn refuse_operation(
        &self,
        signed: &SignedOperation,
        payer: Option<PublicKey>,
    ) -> Result<bool, Name> {
        self.refuse_form(signed, payer)?;
        let operation = &signed.operation;
        must(!matches!(operation.body, Body::Incept(_)), "Malformed")?;
        let identity = self.identities.get(&operation.did).ok_or("NotFound")?;
        must(identity.ended.is_none(), "Deactivated")?;
        let acting = self.acting(operation, identity)?;
        let lane = operation.lane;
        let head = identity.head(lane);
        let per_day = if lane == Lane::Documents { 30 } else { 10 };
        must(operation.lane_seq >= head.next_seq, "Stale")?;
        let turn = operation.lane_seq == head.next_seq;
        must(!turn || operation.lane_prev == head.last, "ForkedLane")?;
        must(operation.lane_seq - head.next_seq < per_day, "Future")?;
        if payer.is_none() {
            let paid = identity.paid_on(self.day(), Some(lane)) as u64;
            must(paid < per_day, "OverQuota")?;
        }
        must(may_sign(acting, signed), "BadProof")?;
        self.refuse_proofs(&operation.hash(), &signed.signatures)?;
        Ok(turn)
    }

    /// Returns whose keys sign: the identity's, or those of a controller that it lists.
    fn acting<'a>(
        &'a self,
        operation: &Operation,
        identity: &'a Identity,
    ) -> Result<&'a Identity, Name> {
        let Some(named) = operation.controller else {
            return Ok(identity);
        };
        let network = NetworkId::from_genesis(&self.chain.genesis);
        let listed = &identity.document.controllers;
        must(listed.contains(&Did::new(network, named)), "NotController")?;
        let controller = self.identities.get(&named).ok_or("NotController")?;
        must(controller.ended.is_none(), "NotController")?;
        Ok(controller)
    }

    pub(crate) fn refuse_inception(
        &self,
        signed: &SignedOperation,
        admission: Option<&Admission>,
        payer: Option<PublicKey>,
    ) -> Result<(), Name> {
        self.refuse_form(signed, payer)?;
        let operation = &signed.operation;
        let Body::Incept(inception) = &operation.body else {
            return Err("Malformed");
        };
        must(inception.did_id() == operation.did, "IdMismatch")?;
        must(operation.lane == Lane::Rank(0), "WrongLane")?;
        must(operation.lane_seq == 0, "WrongLane")?;
        must(operation.lane_prev == H256::ZERO, "ForkedLane")?;
        must(
            !self.identities.contains_key(&operation.did),
            "AlreadyExists",
        )?;
        match admission {
            None => {}
            Some(Admission::Work { nonce }) => {
                let bits = self.work_bits.ok_or("NotAdmitted")?;
                let done = work_bits(&self.chain, &operation.did, *nonce);
                must(done >= u32::from(bits), "NotAdmitted")?;
            }
            Some(Admission::Voucher(voucher)) => {
                must(self.vouchers, "NotAdmitted")?;
                must(voucher.expires.0 >= self.now, "Expired")?;
                must(voucher.expires.0 <= self.now + 31 * DAY_MS, "ValidTooLong")?;
                must(
                    self.registrars.contains_key(&voucher.registrar),
                    "NotAdmitted",
                )?;
                must(self.left(&voucher.registrar) > 0, "OverBudget")?;
                let message = voucher_preimage(&self.chain, &operation.did, voucher.expires);
                let good = verifies(&voucher.registrar, &message, &voucher.signature);
                must(good, "BadProof")?;
            }
        }
        let rank = &inception.policy.ranks[0];
        let signatures = &signed.signatures;
        must(reach(&rank.keys, rank.threshold, signatures), "BadProof")?;
        self.refuse_proofs(&operation.hash(), signatures)
    }

    pub(crate) fn refuse_token(
        &self,
        signed: &SignedTokenOperation,
        payer: Option<PublicKey>,
    ) -> Result<(), Name> {
        let operation = &signed.operation;
        self.refuse_elsewhere(operation.version, operation.chain(), operation.valid_until)?;
        refuse_payer(&operation.payer, payer)?;
        refuse_signers(&signed.signatures)?;
        let seconds = self.now / 1000;
        must(seconds < operation.exp.saturating_add(60), "Expired")?;
        must(operation.exp <= seconds + 31 * 86_400 + 60, "ValidTooLong")?;
        let identity = self.identities.get(&operation.did).ok_or("NotFound")?;
        must(identity.ended.is_none(), "Deactivated")?;
        let tag = operation.tag();
        must(self.tokens.iter().all(|it| it.0 != tag), "AlreadyExists")?;
        if payer.is_none() {
            must(identity.paid_on(self.day(), None) < 200, "OverQuota")?;
        }
        let signatures = &signed.signatures;
        must(signatures.iter().all(|it| it.leaf.is_none()), "Malformed")?;
        must(one_rank(identity, 2, signatures), "BadProof")?;
        self.refuse_proofs(&operation.hash(), signatures)
    }

    pub(crate) fn refuse_anchor(&self, signed: &SignedGrantMessage) -> Result<(), Name> {
        let message = &signed.message;
        self.refuse_elsewhere(message.version, message.chain(), message.valid_until)?;
        let GrantAction::Anchor {
            grant_key,
            expiry_day,
        } = message.action
        else {
            return Err("Malformed");
        };
        must(grant_key.check_registrable().is_ok(), "Malformed")?;
        let day = u64::from(expiry_day);
        must(self.day() <= day, "Expired")?;
        must(day <= self.day() + 3660, "ValidTooLong")?;
        must(
            self.grants.iter().all(|it| it.0 != message.gid),
            "AlreadyExists",
        )?;
        self.refuse_grant_proof(&grant_key, signed)
    }

    fn refuse_grant_revocation(&self, signed: &SignedGrantMessage) -> Result<(), Name> {
        let message = &signed.message;
        self.refuse_elsewhere(message.version, message.chain(), message.valid_until)?;
        must(message.action == GrantAction::Revoke, "Malformed")?;
        let (_, entry) = self
            .grants
            .iter()
            .find(|it| it.0 == message.gid)
            .ok_or("NotFound")?;
        must(entry.status == GrantStatus::Active, "AlreadyExists")?;
        self.refuse_grant_proof(&entry.grant_key, signed)
    }

    fn refuse_grant_proof(&self, key: &PublicKey, signed: &SignedGrantMessage) -> Result<(), Name> {
        let preimage = operation_preimage(&self.chain, &signed.message.hash());
        must(verifies(key, &preimage, &signed.signature), "BadProof")
    }

    fn refuse_proofs(&self, hash: &H256, signatures: &[KeySignature]) -> Result<(), Name> {
        let preimage = operation_preimage(&self.chain, hash);
        for signature in signatures {
            let good = match (&signature.key, &signature.proof) {
                (ControlKey::Ed25519(key), SignatureProof::Ed25519(proof)) => {
                    verifies(key, &preimage, proof)
                }
                (key, proof) => key.verify(&preimage, hash, proof).is_ok(),
            };
            must(good, "BadProof")?;
        }
        Ok(())
    }
}

/// Returns whether all signers are listed and weigh enough. Nobody is never enough.
fn reach(keys: &[WeightedKey], threshold: u32, signatures: &[KeySignature]) -> bool {
    let weigh = |it: &KeySignature| keys.iter().find(|key| key.key == it.key);
    let weights: Vec<u32> = signatures
        .iter()
        .filter_map(weigh)
        .map(|it| u32::from(it.weight))
        .collect();
    let all_known = weights.len() == signatures.len();
    all_known && !weights.is_empty() && weights.iter().sum::<u32>() >= threshold
}

/// Returns whether the signers are one rank that has the capability.
fn one_rank(identity: &Identity, capability: u8, signatures: &[KeySignature]) -> bool {
    (0..4).any(|index| {
        let rank = &identity.ranks[index];
        identity.may(index, capability) && reach(&rank.keys, rank.threshold, signatures)
    })
}

/// Returns whether the signers are who acts in the operation's lane: spec/control.md §1.
fn may_sign(identity: &Identity, signed: &SignedOperation) -> bool {
    let operation = &signed.operation;
    let signatures = &signed.signatures;
    let cut_off = matches!(operation.body, Body::SetNotBefore { .. });
    match operation.lane {
        Lane::Documents => one_rank(identity, if cut_off { 2 } else { 1 }, signatures),
        Lane::Rank(index) => {
            let rank = &identity.ranks[usize::from(index)];
            let able = !cut_off || identity.may(usize::from(index), 2);
            able && reach(&rank.keys, rank.threshold, signatures)
        }
        Lane::Next(index) => {
            let index = usize::from(index);
            let reveal = operation.reveal.as_ref().expect("judged to be there");
            let (keys, threshold) = (&reveal.keys, reveal.threshold);
            let opened = next_keys_commitment(keys, threshold, &reveal.salt);
            let above = identity.ranks[..index].iter().flat_map(|it| &it.keys);
            identity.ranks[index].next == Some(opened)
                && above
                    .clone()
                    .all(|it| keys.iter().all(|key| key.key != it.key))
                && reach(keys, threshold, signatures)
        }
        Lane::Guardians => {
            let Some(set) = &identity.guardians else {
                return false;
            };
            let leaves: Vec<_> = signatures
                .iter()
                .filter_map(|it| it.leaf.as_ref().map(|leaf| (&it.key, leaf)))
                .collect();
            let mut places: Vec<u16> = leaves.iter().map(|it| it.1.index).collect();
            places.sort_unstable();
            places.dedup();
            let weight: u32 = leaves.iter().map(|it| u32::from(it.1.weight)).sum();
            places.len() == signatures.len()
                && leaves.iter().all(|it| set.contains(it.0, it.1))
                && weight >= set.threshold
        }
    }
}

fn refuse_payer(named: &Payer, payer: Option<PublicKey>) -> Result<(), Name> {
    let fits = match named {
        Payer::Any => true,
        Payer::Own => payer.is_none(),
        Payer::Sponsor(account) => payer == Some(*account),
    };
    must(fits, "WrongPayer")
}

fn refuse_signers(signatures: &[KeySignature]) -> Result<(), Name> {
    let keys: Vec<&ControlKey> = signatures.iter().map(|it| &it.key).collect();
    let mut sorted = keys.clone();
    sorted.sort();
    sorted.dedup();
    must(sorted == keys, "Malformed")?;
    // Key types and proof types are numbered alike.
    let kind = |encoded: Vec<u8>| encoded[0];
    let same = |it: &KeySignature| kind(it.key.encode()) == kind(it.proof.encode());
    must(signatures.iter().all(same), "Malformed")
}

/// Which body belongs in which lane, and what comes with it: spec/did.md §2.
fn refuse_place(signed: &SignedOperation) -> Result<(), Name> {
    let operation = &signed.operation;
    let (documents, rank, next, guardians) = match operation.body {
        Body::UpdateDocument(_) => (true, false, false, false),
        Body::SetNotBefore { .. } => (true, true, false, false),
        Body::Rotate { .. } => (false, true, true, false),
        Body::Propose(_) => (false, true, false, false),
        Body::Recover { .. } => (false, false, false, true),
        Body::Cancel { .. } => (false, true, true, true),
        Body::Deactivate | Body::Incept(_) => {
            let top = matches!(operation.lane, Lane::Rank(0) | Lane::Next(0));
            (false, top, top && operation.body == Body::Deactivate, false)
        }
    };
    let fits = match operation.lane {
        Lane::Documents => documents,
        Lane::Guardians => guardians,
        Lane::Rank(index) => rank && index < 4,
        Lane::Next(index) => next && index < 4,
    };
    must(fits, "Malformed")?;
    let guards = operation.lane == Lane::Guardians;
    let leaves = |it: &KeySignature| it.leaf.is_some() == guards;
    must(signed.signatures.iter().all(leaves), "Malformed")?;
    let reveals = matches!(operation.lane, Lane::Next(_));
    must(operation.reveal.is_some() == reveals, "Malformed")?;
    let writes = matches!(operation.body, Body::UpdateDocument(_));
    must(operation.controller.is_none() || writes, "Malformed")
}

fn refuse_body(operation: &Operation) -> Result<(), Name> {
    let (index, by_next) = match operation.lane {
        Lane::Rank(index) => (index, false),
        Lane::Next(index) => (index, true),
        _ => (0, false),
    };
    let revealed = operation.reveal.as_ref().map(|it| Rank {
        keys: it.keys.clone(),
        threshold: it.threshold,
        capabilities: Capabilities(0),
        next: it.next,
    });
    if let Some(revealed) = &revealed {
        must(revealed.check(index).is_ok(), "Malformed")?;
    }
    match &operation.body {
        Body::Incept(inception) => {
            must(inception.version == 1, "UnknownVersion")?;
            must(inception.policy.check().is_ok(), "Malformed")?;
            let document = &inception.document;
            must(document.check().is_ok(), "Malformed")?;
            for service in &document.services {
                let shared = document
                    .methods
                    .iter()
                    .any(|it| it.fragment == service.fragment);
                must(!shared, "Malformed")?;
            }
            Ok(())
        }
        Body::UpdateDocument(patch) => refuse_patch(patch),
        Body::Rotate { change, document } => {
            let nothing = *change == PolicyChange::default() && document.is_none();
            must(by_next || !nothing, "Malformed")?;
            must(change.check().is_ok(), "Malformed")?;
            if let Some(revealed) = &revealed {
                let ranks = &change.ranks;
                must(ranks.iter().all(|it| it.index >= index), "Malformed")?;
                must(index == 0 || !whole(change), "Malformed")?;
                // The revealed keys are the rank's, unless the same operation sets it anew.
                let kept = ranks.iter().all(|it| it.index != index);
                let mut set = ranks.iter().filter_map(|it| it.rank.as_ref());
                let twice = set.any(|it| it.shares_key_with(revealed));
                must(!(kept && twice), "Malformed")?;
            }
            document.as_ref().map_or(Ok(()), refuse_patch)
        }
        Body::Propose(ProposedChange::Control(change)) => {
            let not_below = change.ranks.iter().any(|it| it.index <= index);
            must(not_below || whole(change), "Malformed")?;
            must(change.check().is_ok(), "Malformed")
        }
        Body::Recover { rank } => must(rank.check(0).is_ok(), "Malformed"),
        _ => Ok(()),
    }
}

fn whole(change: &PolicyChange) -> bool {
    change.guardians.is_some() || change.delay_ms.is_some()
}

fn refuse_patch(patch: &DocumentPatch) -> Result<(), Name> {
    must(*patch != DocumentPatch::default(), "Malformed")?;
    must(patch.check().is_ok(), "Malformed")
}

fn verifies(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(&key.0) else {
        return false;
    };
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    key.verify(message, &signature).is_ok()
}
