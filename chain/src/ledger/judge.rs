//! The mempool's judge: the state machine over the current state, with batched signatures.

use allod_primitives::extrinsic::RawExtrinsic;
use allod_primitives::keys;
use allod_primitives::operation::{Lane, SignatureProof};
use allod_primitives::policy::ControlKey;
use allod_primitives::{ChainId, H256, PublicKey, Signature};
use allod_runtime::executive;
use allod_runtime::frame::SignatureOracle;
use allod_runtime::{RuntimeCall, did, grant, revocation};

use super::chain::Chain;
use crate::mempool::{Judge, Judged, Rescue, Verdict};
use crate::signatures::Signatures;

impl SignatureOracle for Signatures {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        Signatures::verify(self, key, message, signature)
    }

    fn verify_operation(
        &self,
        key: &ControlKey,
        chain: &ChainId,
        hash: &H256,
        proof: &SignatureProof,
    ) -> bool {
        Signatures::verify_operation(self, key, chain, hash, proof)
    }
}

impl Judge for Chain {
    fn judge(&self, batch: &[&[u8]]) -> Judged {
        let state = self.store.state();
        let height = state.height();
        // The tip as the same view sees it; a commit may happen meanwhile.
        let header = self.store.reader().header(height).ok().flatten();
        let parent = header.unwrap_or_else(|| self.store.tip().header);
        let view = self.executive().view(&state, &parent, self.clock.now());
        let checks = batch.iter().flat_map(|body| view.signature_checks(body));
        self.signatures.prepare(&checks.collect::<Vec<_>>());
        let verdicts = batch.iter().map(|body| {
            let valid = view.validate(body, &self.signatures)?;
            let (subjects, account) = subjects(body);
            Ok(Verdict {
                provides: valid.provides,
                requires: valid.requires,
                priority: valid.priority,
                subjects,
                account,
                rescue: rescue(body),
            })
        });
        let verdicts = verdicts.collect();
        Judged { height, verdicts }
    }

    fn claims_rescue(&self, transaction: &[u8]) -> Option<Rescue> {
        rescue(transaction)
    }
}

/// Returns which kind of rescue a bare operation is by its lane.
///
/// Source: spec/gossip.md §4.
fn rescue(body: &[u8]) -> Option<Rescue> {
    let raw = RawExtrinsic::decode_body(body).ok()?;
    if raw.signed.is_some() || raw.call.first() != Some(&did::PALLET_INDEX) {
        return None;
    }
    let Ok(RuntimeCall::Did(did::Call::submit { operation })) = executive::decode_call(&raw.call)
    else {
        return None;
    };
    match operation.operation.lane {
        Lane::Next(_) => Some(Rescue::Next),
        Lane::Guardians => Some(Rescue::Guardians),
        Lane::Rank(0) => Some(Rescue::Rank0),
        Lane::Rank(_) | Lane::Documents => None,
    }
}

/// Returns the storage keys on which a transaction's validity hangs: its identity or grant, and
/// the account that signed it.
fn subjects(body: &[u8]) -> (Vec<Vec<u8>>, Option<Vec<u8>>) {
    let Ok(raw) = RawExtrinsic::decode_body(body) else {
        return (Vec::new(), None);
    };
    let account = raw.signed.map(|part| keys::account(&part.account));
    let subject = match executive::decode_call(&raw.call) {
        Ok(RuntimeCall::Did(
            did::Call::submit { operation } | did::Call::incept { operation, .. },
        )) => Some(keys::did_record(&operation.operation.did)),
        Ok(RuntimeCall::Revocation(revocation::Call::revoke { operation })) => {
            Some(keys::did_record(&operation.operation.did))
        }
        Ok(RuntimeCall::Grant(grant::Call::revoke { message })) => {
            Some(keys::grant(&message.message.gid))
        }
        _ => None,
    };
    (subject.into_iter().collect(), account)
}
