//! Which transactions the model takes: the tables of spec/did.md, revocation.md and grants.md,
//! read aloud. Each question is asked of whole histories.

use allod_primitives::grant::{GrantAction, GrantStatus, SignedGrantMessage};
use allod_primitives::operation::{
    Admission, Body, ControlChange, KeySignature, Lane, Payer, SignatureProof, SignedOperation,
    operation_preimage, voucher_preimage, work_bits,
};
use allod_primitives::policy::{ControlKey, ControlPolicy, Rank};
use allod_primitives::token::SignedTokenOperation;
use allod_primitives::{ChainId, H256, PublicKey, Signature, TimeMs};
use ed25519_dalek::{Verifier, VerifyingKey};
use parity_scale_codec::Encode;

use super::ledger::{Action, DAY_MS, Ledger, Name};

/// Fails with a name unless something holds.
fn must(holds: bool, name: Name) -> Result<(), Name> {
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
        refuse_body(&operation.body)
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
        let lane = match operation.body {
            Body::Rotate(_) | Body::Deactivate => Lane::Rank(0),
            _ => Lane::Documents,
        };
        must(operation.lane == lane, "WrongLane")?;
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
        let capability = match operation.body {
            Body::UpdateDocument(_) => 1,
            Body::SetNotBefore { .. } => 2,
            _ => 0,
        };
        let hash = operation.hash();
        self.refuse_proof(&identity.rank, capability, &hash, &signed.signatures)?;
        Ok(turn)
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
        self.refuse_proof(rank, 0, &operation.hash(), &signed.signatures)
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
        self.refuse_proof(&identity.rank, 2, &operation.hash(), &signed.signatures)
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

    fn refuse_proof(
        &self,
        rank: &Rank,
        capability: u8,
        hash: &H256,
        signatures: &[KeySignature],
    ) -> Result<(), Name> {
        let preimage = operation_preimage(&self.chain, hash);
        let mut sum = 0;
        for signature in signatures {
            let listed = rank.keys.iter().find(|it| it.key == signature.key);
            sum += u32::from(listed.ok_or("BadProof")?.weight);
            let good = match (&signature.key, &signature.proof) {
                (ControlKey::Ed25519(key), SignatureProof::Ed25519(proof)) => {
                    verifies(key, &preimage, proof)
                }
                (key, proof) => key.verify(&preimage, hash, proof).is_ok(),
            };
            must(good, "BadProof")?;
        }
        must(rank.capabilities.0 & capability == capability, "BadProof")?;
        must(sum >= rank.threshold, "BadProof")
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

fn refuse_body(body: &Body) -> Result<(), Name> {
    match body {
        Body::Incept(inception) => {
            must(inception.version == 1, "UnknownVersion")?;
            refuse_policy(&inception.policy)?;
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
        Body::UpdateDocument(patch) => {
            must(*patch != Default::default(), "Malformed")?;
            must(patch.check().is_ok(), "Malformed")
        }
        Body::Rotate(change) => refuse_control_change(change),
        Body::SetNotBefore { .. } | Body::Deactivate => Ok(()),
        _ => Err("NotSupported"),
    }
}

fn refuse_control_change(change: &ControlChange) -> Result<(), Name> {
    let indices: Vec<u8> = change.ranks.iter().map(|it| it.index).collect();
    must(indices.is_sorted_by(|a, b| a < b), "Malformed")?;
    let later = change.guardians.is_some() || change.reveal.is_some();
    let nothing = indices.is_empty() && change.document.is_none() && !later;
    must(!nothing, "Malformed")?;
    must(!later && indices.iter().all(|it| *it == 0), "NotSupported")?;
    for change in &change.ranks {
        if let Some(rank) = &change.rank {
            refuse_policy(&ControlPolicy {
                ranks: vec![rank.clone()].try_into().expect("one fits"),
                guardians: None,
                delay_ms: allod_primitives::limits::CONTROL_DELAY_MS_DEFAULT,
            })?;
        }
    }
    match &change.document {
        None => Ok(()),
        Some(patch) => refuse_body(&Body::UpdateDocument(patch.clone())),
    }
}

fn refuse_policy(policy: &ControlPolicy) -> Result<(), Name> {
    must(policy.check().is_ok(), "Malformed")?;
    must(
        policy.ranks.len() == 1 && policy.guardians.is_none(),
        "NotSupported",
    )?;
    let rank = &policy.ranks[0];
    must(rank.next.is_none(), "NotSupported")
}

fn verifies(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(&key.0) else {
        return false;
    };
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    key.verify(message, &signature).is_ok()
}
