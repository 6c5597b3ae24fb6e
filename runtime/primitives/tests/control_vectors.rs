//! The vectors `control-*` in `spec/vectors`: operations of every party with the policy they are
//! judged by, what guardians are given and sign, and records before and after their time came.
//! Made here from fixed inputs and compared byte for byte; `ALLOD_BLESS=1` rewrites the files.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]
#![expect(clippy::disallowed_methods, reason = "reads and writes the vectors")]

use std::path::PathBuf;

use allod_primitives::control::{effective, is_authorized};
use allod_primitives::document::{ActiveMethod, Document, Method, MethodKey, Relationships};
use allod_primitives::guardian::{Guardian, Invitation, acknowledgement_preimage, make_set};
use allod_primitives::limits::METHOD_ALLOWANCE;
use allod_primitives::log::LogHead;
use allod_primitives::operation::{
    Body, KeySignature, Lane, Operation, Payer, ProposedChange, Reveal, SignatureProof,
    SignedOperation, operation_preimage,
};
use allod_primitives::policy::{
    Capabilities, ControlKey, ControlPolicy, GuardianSet, PolicyChange, Rank, RankChange,
    WeightedKey,
};
use allod_primitives::record::{
    CoolDown, DidRecord, Lanes, Pending, PendingChange, Proposer, Status,
};
use allod_primitives::{
    ChainId, DidId, ForkId, H256, Height, PublicKey, Signature, Text, TimeMs, decode_strict,
};
use ed25519_dalek::{Signer, SigningKey};
use parity_scale_codec::Encode;
use serde_json::{Value, json};

const DAY: u64 = 86_400_000;
const NOW: TimeMs = TimeMs(1_790_000_000_000);
const CHAIN: ChainId = ChainId {
    genesis: H256([0xaa; 32]),
    fork_id: ForkId(0),
};
const DID: DidId = DidId([0xbb; 32]);

fn hex(bytes: impl AsRef<[u8]>) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// Compares a vector with its file, or writes it.
fn settle(kind: &str, name: &str, vector: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../spec/vectors")
        .join(kind)
        .join(format!("control-{name}.json"));
    let text = format!("{}\n", serde_json::to_string_pretty(vector).unwrap());
    if std::env::var_os("ALLOD_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let file = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(file, text, "{} differs", path.display());
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn control(seed: u8) -> ControlKey {
    ControlKey::Ed25519(PublicKey(key(seed).verifying_key().to_bytes()))
}

fn rank(seed: u8) -> Rank {
    let key = WeightedKey {
        key: control(seed),
        weight: 1,
    };
    Rank {
        keys: vec![key].try_into().unwrap(),
        threshold: 1,
        capabilities: Capabilities::ALL,
        next: None,
    }
}

fn reveal() -> Reveal {
    Reveal {
        keys: rank(31).keys,
        threshold: 1,
        salt: [0x31; 16],
        next: Some(H256([0x41; 32])),
    }
}

fn guardians() -> (GuardianSet, Vec<Invitation>) {
    let list: Vec<Guardian> = (51..=53)
        .map(|seed| Guardian {
            key: control(seed),
            weight: if seed == 53 { 2 } else { 1 },
            salt: [seed; 16],
        })
        .collect();
    make_set(&DID, &list, 3, 3 * DAY).unwrap()
}

/// Ranks with the keys 21 and 22, rank 0 committed to the key 31, guardians 51 to 53.
fn policy() -> ControlPolicy {
    let mut first = rank(21);
    first.next = Some(reveal().commitment());
    ControlPolicy {
        ranks: vec![first, rank(22)].try_into().unwrap(),
        guardians: Some(guardians().0),
        delay_ms: 3 * DAY,
    }
}

fn change(index: u8, seed: u8) -> PolicyChange {
    let change = RankChange {
        index,
        rank: Some(rank(seed)),
    };
    PolicyChange {
        ranks: vec![change].try_into().unwrap(),
        ..PolicyChange::default()
    }
}

fn operation(lane: Lane, body: Body) -> Operation {
    Operation {
        version: 1,
        genesis: CHAIN.genesis,
        fork_id: CHAIN.fork_id,
        did: DID,
        lane,
        lane_seq: 0,
        lane_prev: H256::ZERO,
        payer: Payer::Any,
        valid_until: NOW.plus_ms(DAY),
        controller: None,
        reveal: matches!(lane, Lane::Next(_)).then(reveal),
        body,
    }
}

/// Signs with these keys; guardians bring their leaves.
fn sign(operation: Operation, seeds: &[u8]) -> SignedOperation {
    let message = operation_preimage(&CHAIN, &operation.hash());
    let (_, invitations) = guardians();
    let by_guardians = operation.lane == Lane::Guardians;
    let mut list: Vec<KeySignature> = seeds
        .iter()
        .map(|seed| {
            let invited = invitations.iter().find(|it| it.key == control(*seed));
            KeySignature {
                key: control(*seed),
                proof: SignatureProof::Ed25519(Signature(key(*seed).sign(&message).to_bytes())),
                leaf: invited.filter(|_| by_guardians).map(|it| it.leaf.clone()),
            }
        })
        .collect();
    list.sort_by(|a, b| a.key.cmp(&b.key));
    SignedOperation {
        operation,
        signatures: list.try_into().unwrap(),
    }
}

/// Decodes what it encodes and judges it by `policy`.
fn vector(description: &str, policy: &ControlPolicy, signed: &SignedOperation) -> Value {
    let bytes = signed.encode();
    let decoded: SignedOperation = decode_strict(&bytes).unwrap();
    assert_eq!(decoded, *signed);
    let operation = &signed.operation;
    let hash = operation.hash();
    json!({
        "description": description,
        "kind": "signed_operation",
        "bytes": hex(&bytes),
        "hash": hex(hash),
        "preimage": hex(operation_preimage(&CHAIN, &hash)),
        "policy": hex(policy.encode()),
        "well_formed": signed.is_well_formed(),
        "authorized": is_authorized(policy, operation, &signed.signatures),
    })
}

fn rotate(change: PolicyChange) -> Body {
    Body::Rotate {
        change,
        document: None,
    }
}

fn recover() -> Body {
    Body::Recover { rank: rank(61) }
}

#[test]
fn operations_of_every_party_are_as_the_vectors_have_them() {
    let id = H256([0x77; 32]);
    let patch = allod_primitives::document::DocumentPatch {
        also_known_as: Some(
            vec![Text::new("https://a.example/").unwrap()]
                .try_into()
                .unwrap(),
        ),
        ..Default::default()
    };
    let mut by_controller = operation(Lane::Documents, Body::UpdateDocument(patch));
    by_controller.controller = Some(DidId([0xcc; 32]));
    let proposal = Body::Propose(ProposedChange::Control(change(0, 62)));
    let cancellation = Body::Propose(ProposedChange::CancelRecovery(id));
    let cancel = || Body::Cancel { pending: id };
    let own = [
        (
            "next",
            "rank 0 rotates to its next keys (31) and sets rank 1",
            Lane::Next(0),
            rotate(change(1, 63)),
            31,
        ),
        (
            "next-cancel",
            "next keys cancel a pending change",
            Lane::Next(0),
            cancel(),
            31,
        ),
        (
            "propose",
            "rank 1 proposes another rank 0",
            Lane::Rank(1),
            proposal,
            22,
        ),
        (
            "propose-cancellation",
            "rank 0 proposes to cancel a recovery",
            Lane::Rank(0),
            cancellation,
            21,
        ),
        (
            "cancel",
            "rank 0 cancels a pending change",
            Lane::Rank(0),
            cancel(),
            21,
        ),
    ];
    let mut vectors: Vec<(&str, Value)> = Vec::new();
    for (name, description, lane, body, seed) in own {
        let signed = sign(operation(lane, body), &[seed]);
        vectors.push((name, vector(description, &policy(), &signed)));
    }
    let signed = sign(operation(Lane::Guardians, recover()), &[51, 53]);
    let description = "guardians of weight 1 and 2 of threshold 3 recover to the key 61";
    vectors.push(("recover", vector(description, &policy(), &signed)));
    let mut controller = policy();
    controller.ranks = vec![rank(71)].try_into().unwrap();
    let signed = sign(by_controller, &[71]);
    let description = "a controller changes the document; the policy is the controller's";
    vectors.push(("controller", vector(description, &controller, &signed)));
    for (name, value) in vectors {
        assert_eq!(value["well_formed"], json!(true), "{name}");
        assert_eq!(value["authorized"], json!(true), "{name}");
        settle("valid", name, &value);
    }
}

/// Changes a good operation, signs it again with `seeds`, and says what is wrong with it.
fn spoilt(
    good: Operation,
    seeds: &[u8],
    change: impl FnOnce(&mut SignedOperation),
) -> SignedOperation {
    let mut signed = sign(good, seeds);
    change(&mut signed);
    signed
}

#[test]
fn operations_that_break_one_rule_are_not_taken() {
    let next = || operation(Lane::Next(0), rotate(PolicyChange::default()));
    let guarded = || operation(Lane::Guardians, recover());
    let leaf = |it: &mut SignedOperation,
                change: &dyn Fn(&mut allod_primitives::operation::GuardianLeaf)| {
        change(it.signatures.as_mut_slice()[0].leaf.as_mut().unwrap());
    };
    let mut salted = next();
    salted.reveal.as_mut().unwrap().salt = [0; 16];
    let mut bare = next();
    bare.reveal = None;
    let mut revealing = operation(Lane::Rank(1), rotate(change(1, 63)));
    revealing.reveal = Some(reveal());
    let cases = [
        (
            "reveal-another-salt",
            "the reveal does not open the commitment",
            sign(salted, &[31]),
        ),
        (
            "reveal-exposed-signer",
            "signed by the exposed key instead of the revealed",
            sign(next(), &[21]),
        ),
        (
            "reveal-missing",
            "lane Next without a reveal",
            sign(bare, &[31]),
        ),
        (
            "reveal-out-of-place",
            "a reveal in lane Rank",
            sign(revealing, &[22]),
        ),
        (
            "guardians-below-quorum",
            "weight 2 of 3",
            sign(guarded(), &[53]),
        ),
        (
            "guardians-padded",
            "a quorum and somebody else",
            sign(guarded(), &[51, 53, 21]),
        ),
        (
            "guardian-weight",
            "a leaf of another weight",
            spoilt(guarded(), &[51, 53], |it| leaf(it, &|it| it.weight = 9)),
        ),
        (
            "guardian-salt",
            "a leaf of another salt",
            spoilt(guarded(), &[51, 53], |it| leaf(it, &|it| it.salt = [0; 16])),
        ),
        (
            "guardian-index",
            "a leaf at another place",
            spoilt(guarded(), &[51, 53], |it| leaf(it, &|it| it.index ^= 1)),
        ),
        (
            "guardian-path",
            "a path without its last sibling",
            spoilt(guarded(), &[51, 53], |it| {
                leaf(it, &|it| {
                    let mut path = it.path.clone().into_vec();
                    path.pop();
                    it.path = path.try_into().unwrap();
                });
            }),
        ),
        (
            "guardian-leaf-missing",
            "a guardian without a leaf",
            spoilt(guarded(), &[51, 53], |it| {
                it.signatures.as_mut_slice()[0].leaf = None;
            }),
        ),
        (
            "signer-of-another-rank",
            "rank 1 in the lane of rank 0",
            sign(operation(Lane::Rank(0), rotate(change(1, 63))), &[22]),
        ),
        (
            "signers-of-two-ranks",
            "a key of each rank",
            sign(operation(Lane::Rank(0), rotate(change(1, 63))), &[21, 22]),
        ),
    ];
    for (name, description, signed) in cases {
        let value = vector(description, &policy(), &signed);
        let taken = value["well_formed"] == json!(true) && value["authorized"] == json!(true);
        assert!(!taken, "{name}");
        settle("invalid", name, &value);
    }
}

#[test]
fn what_guardians_are_given_and_sign_is_as_the_vector_has_it() {
    let (set, invitations) = guardians();
    let rows: Vec<Value> = invitations
        .iter()
        .map(|it| {
            assert_eq!(it.check(), Ok(()));
            let leaf = (&it.key, it.leaf.weight, it.leaf.salt).encode();
            let hash = it.hash();
            json!({ "leaf_bytes": hex(leaf), "invitation": hex(it.encode()), "hash": hex(hash),
                "acknowledgement_preimage": hex(acknowledgement_preimage(&CHAIN, &hash)) })
        })
        .collect();
    let value = json!({ "description": "three guardians of weights 1, 1, 2; threshold 3; genesis 0xaa…",
        "set": hex(set.encode()), "root": hex(set.root), "guardians": rows });
    settle("valid", "guardians", &value);
}

fn record(pending: Vec<Pending>) -> DidRecord {
    let method = Method {
        fragment: Text::new("login").unwrap(),
        key: MethodKey::Ed25519(PublicKey(key(12).verifying_key().to_bytes())),
        relationships: Relationships::AUTHENTICATION,
        expires: None,
    };
    let active = ActiveMethod { method, since: NOW };
    let rest = CoolDown {
        proposer: Proposer::Rank(1),
        until: NOW,
        next_ms: 2 * DAY,
    };
    DidRecord {
        version: 1,
        status: Status::Active,
        created_height: Height(5),
        created: NOW,
        updated: NOW,
        policy: policy(),
        document: Document {
            methods: vec![active].try_into().unwrap(),
            ..Document::default()
        },
        retired_count: 0,
        method_allowance: METHOD_ALLOWANCE,
        lanes: Lanes::default(),
        not_before: TimeMs(0),
        grant_epoch: 0,
        pending: pending.try_into().unwrap(),
        cool_downs: vec![rest].try_into().unwrap(),
        frozen: None,
        log: LogHead::default(),
    }
}

fn waiting(proposer: Proposer, days: u64, change: PendingChange) -> Pending {
    let id = match proposer {
        Proposer::Guardians => 0xf0,
        Proposer::Rank(index) => 0xe0 + index,
    };
    Pending {
        id: H256([id; 32]),
        proposer,
        proposed_at: NOW,
        effective_at: NOW.plus_ms(days * DAY),
        change,
    }
}

#[test]
fn records_become_with_time_what_the_vector_says() {
    let guardians = |days| waiting(Proposer::Guardians, days, PendingChange::Recovery(rank(61)));
    let by_rank = |index, days, change| waiting(Proposer::Rank(index), days, change);
    let to = |index, seed| PendingChange::Control(change(index, seed));
    let cancellation = || PendingChange::Cancellation(H256([0xf0; 32]));
    let cases = [
        (
            "a change of rank 0 by rank 1",
            vec![by_rank(1, 3, to(0, 62))],
        ),
        (
            "a rank that would share a key with one above becomes vacant",
            vec![by_rank(1, 3, to(1, 21))],
        ),
        ("a recovery", vec![guardians(3)]),
        (
            "a cancellation before its recovery",
            vec![guardians(3), by_rank(0, 2, cancellation())],
        ),
        (
            "a cancellation at the time of its recovery",
            vec![guardians(3), by_rank(0, 3, cancellation())],
        ),
        (
            "a deactivation",
            vec![by_rank(0, 3, PendingChange::Deactivation)],
        ),
    ];
    let rows: Vec<Value> = cases
        .into_iter()
        .map(|(description, pending)| {
            let before = record(pending);
            let last = before
                .pending
                .iter()
                .map(|it| it.effective_at)
                .max()
                .unwrap();
            let early = TimeMs(
                before
                    .pending
                    .iter()
                    .map(|it| it.effective_at.0)
                    .min()
                    .unwrap()
                    - 1,
            );
            assert_eq!(effective(&before, early).record, before, "{description}");
            let after = effective(&before, last);
            assert_ne!(after.record, before, "{description}");
            let retired: Vec<String> = after.retired.iter().map(|it| hex(it.encode())).collect();
            json!({ "description": description, "before": hex(before.encode()), "time": last.0,
                "after": hex(after.record.encode()), "retired": retired })
        })
        .collect();
    let value = json!({ "description": "effective(record, time): records before and after", "cases": rows });
    settle("valid", "effective", &value);
}
