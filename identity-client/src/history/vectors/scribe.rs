//! Writes histories: honest ones through the ledger in memory, and others past it.

use allod_primitives::control::{Outcome, Setting, advance, apply};
use allod_primitives::document::DocumentPatch;
use allod_primitives::guardian::{Guardian, Invitation, make_set};
use allod_primitives::log::{LogHead, LogKind, Stated};
use allod_primitives::operation::{
    Body, GuardianLeaf, KeySignature, Lane, Operation, ProposedChange, SignatureProof,
    SignedOperation, operation_preimage,
};
use allod_primitives::policy::{ControlKey, GuardianSet, PolicyChange, Rank, RankChange};
use allod_primitives::record::Freeze;
use allod_primitives::{DidId, H256, Text, sha2_256};
use data_encoding::BASE64URL_NOPAD;
use p256::ecdsa::signature::Signer as _;

use super::super::tests::export;
use super::super::{Export, ExportedEntry};
use crate::control::{Generation, RankTemplate};
use crate::operation::{Act, Author, DocumentChange, Signer};
use crate::testing::{DAY, World, public, secret, sheet};

pub(super) const HOUR: u64 = DAY / 24;

/// Keys 20, 21 and 22 guard, with weights 1, 1 and 2; three of that recover.
pub(super) fn circle() -> (GuardianSet, Vec<Invitation>) {
    let guardians: Vec<Guardian> = [(20, 1), (21, 1), (22, 2)]
        .map(|(key, weight)| Guardian {
            key: public(key),
            weight,
            salt: [key; 16],
        })
        .to_vec();
    make_set(&DidId([0; 32]), &guardians, 3, 4 * DAY).unwrap()
}

pub(super) fn generation(rank: u8, number: u32) -> Generation {
    sheet().generation(rank, number)
}

pub(super) fn rank(number: u8) -> Rank {
    RankTemplate::single(public(number)).rank(0).unwrap()
}

pub(super) fn sets(index: u8, rank: Option<Rank>) -> PolicyChange {
    PolicyChange {
        ranks: vec![RankChange { index, rank }].try_into().unwrap(),
        ..PolicyChange::default()
    }
}

pub(super) fn delay(delay_ms: u64) -> PolicyChange {
    PolicyChange {
        delay_ms: Some(delay_ms),
        ..PolicyChange::default()
    }
}

pub(super) const fn rotate(change: PolicyChange, document: Option<DocumentPatch>) -> Body {
    Body::Rotate { change, document }
}

pub(super) const fn propose(change: PolicyChange) -> Body {
    Body::Propose(ProposedChange::Control(change))
}

pub(super) fn patch(change: DocumentChange) -> DocumentPatch {
    change.patch().unwrap()
}

pub(super) fn freeze(world: &World, reason: &str, ms: u64) -> Stated {
    Stated::Frozen(Freeze {
        reason: Text::new(reason).unwrap(),
        until: world.now.plus_ms(ms),
    })
}

/// The next operation of a lane, unsigned. In lanes `Next` it reveals generation `number`.
pub(super) fn next(world: &World, lane: Lane, number: u32, body: Body) -> Operation {
    let mut author = Author::new(world.terms(), world.did.id(), world.record.lanes);
    let reveal = match lane {
        Lane::Next(index) => Some(generation(index, number).reveal()),
        _ => None,
    };
    let act = Act {
        lane,
        controller: None,
        reveal,
        body,
    };
    author.act(act).unwrap()
}

/// Signs, whoever may.
pub(super) fn sign(operation: Operation, signers: &[&dyn Signer]) -> SignedOperation {
    let hash = operation.hash();
    let preimage = operation_preimage(&operation.chain(), &hash);
    let signatures = signers.iter().map(|signer| KeySignature {
        key: signer.control_key(),
        proof: signer.prove(&preimage, &hash),
        leaf: leaf(&operation, &signer.control_key()),
    });
    let mut signatures: Vec<KeySignature> = signatures.collect();
    signatures.sort_by(|a, b| a.key.cmp(&b.key));
    SignedOperation {
        operation,
        signatures: signatures.try_into().unwrap(),
    }
}

fn leaf(operation: &Operation, key: &ControlKey) -> Option<GuardianLeaf> {
    let (_, invitations) = circle();
    let found = invitations.into_iter().find(|it| it.key == *key);
    let found = found.filter(|_| operation.lane == Lane::Guardians);
    found.map(|it| it.leaf)
}

/// An operation signed by these keys, taken as an honest ledger does. Whether the kernel refuses
/// it is the caller's affair: it is logged either way.
pub(super) fn act(world: &mut World, lane: Lane, body: Body, numbers: &[u8]) -> H256 {
    let operation = next(world, lane, 0, body);
    let keys: Vec<_> = numbers.iter().map(|it| secret(*it)).collect();
    let keys: Vec<&dyn Signer> = keys.iter().map(|it| it as &dyn Signer).collect();
    take(world, sign(operation, &keys))
}

/// The same by next keys of generation `number`.
pub(super) fn reveal(world: &mut World, index: u8, number: u32, body: Body) -> H256 {
    let operation = next(world, Lane::Next(index), number, body);
    let key = generation(index, number).key;
    take(world, sign(operation, &[&key]))
}

pub(super) fn take(world: &mut World, signed: SignedOperation) -> H256 {
    let hash = signed.operation.hash();
    let refused = world.take(signed).err();
    assert!(refused.is_none() || world.log.last().unwrap().0.operation_hash == hash);
    hash
}

/// Takes an operation without looking at who signed it, as no honest ledger does.
pub(super) fn force(world: &mut World, signed: SignedOperation) {
    world.pass(1000);
    force_now(world, signed);
}

/// The same in the block that is there, with nothing settled before.
pub(super) fn force_now(world: &mut World, signed: SignedOperation) {
    let operation = &signed.operation;
    let hash = operation.hash();
    advance(&mut world.record, operation.lane, hash);
    let setting = Setting {
        now: world.now,
        parameters: world.parameters,
        used: world,
    };
    if let Ok(applied) = apply(&world.record, operation, hash, setting) {
        let n = world.record.log.count;
        for outcome in &applied.outcomes {
            if let Outcome::Proposed { effective_at, .. } = outcome {
                let stated = Stated::EffectiveAt(*effective_at);
                world.stated.insert(n, stated);
            }
        }
        world.record = applied.record;
        for it in applied.retired {
            world.retired.insert(it.method.fragment.clone(), it);
        }
    }
    world.record.updated = world.now;
    world.append(LogKind::Operation, hash, Some(signed));
}

/// What governance decides.
pub(super) fn decide(world: &mut World, decision: Stated) {
    world.record.frozen = match &decision {
        Stated::Frozen(freeze) => Some(freeze.clone()),
        _ => None,
    };
    world.record.updated = world.now;
    world.stated.insert(world.record.log.count, decision);
    world.append(LogKind::Governance, H256([42; 32]), None);
}

/// An export of which one entry was changed, its head made anew to fit.
pub(super) fn changed(world: &World, n: usize, change: impl FnOnce(&mut ExportedEntry)) -> Export {
    let mut export = export(world);
    change(&mut export.entries[n]);
    rehash(&mut export);
    export
}

pub(super) fn rehash(export: &mut Export) {
    export.head = LogHead::default();
    for it in &export.entries {
        export.head = export.head.append(&it.entry);
    }
}

/// A passkey of `https://wallet.example`, as an authenticator behaves.
pub(super) struct Passkey(pub(super) p256::ecdsa::SigningKey);

impl Passkey {
    pub(super) fn new(number: u8) -> Self {
        Self(p256::ecdsa::SigningKey::from_slice(&[number; 32]).unwrap())
    }
}

impl Signer for Passkey {
    fn control_key(&self) -> ControlKey {
        let point = self.0.verifying_key().to_sec1_point(true);
        ControlKey::WebAuthn(allod_primitives::policy::WebAuthnKey {
            public_key: point.as_bytes().try_into().unwrap(),
            rp_id_hash: sha2_256(b"wallet.example"),
            origin: Text::new("https://wallet.example").unwrap(),
        })
    }

    fn prove(&self, _: &[u8], challenge: &H256) -> SignatureProof {
        let challenge = BASE64URL_NOPAD.encode(&challenge.0);
        let client_data = format!(
            "{{\"type\":\"webauthn.get\",\"challenge\":\"{challenge}\",\
             \"origin\":\"https://wallet.example\",\"crossOrigin\":false}}"
        );
        let mut data = sha2_256(b"wallet.example").0.to_vec();
        data.extend([5, 0, 0, 0, 0]);
        let mut message = data.clone();
        message.extend(sha2_256(client_data.as_bytes()).0);
        let signature: p256::ecdsa::Signature = self.0.sign(&message);
        let signature = signature.normalize_s();
        SignatureProof::WebAuthn {
            authenticator_data: data.try_into().unwrap(),
            client_data: client_data.into_bytes().try_into().unwrap(),
            signature: signature.to_bytes().into(),
        }
    }
}
