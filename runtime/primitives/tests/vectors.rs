//! The vectors in `spec/vectors`: made here from fixed inputs, compared byte for byte with the
//! files, and checked against the decoders. `ALLOD_BLESS=1` rewrites the files, which approves a
//! change of format.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]
#![expect(clippy::disallowed_methods, reason = "reads and writes the vectors")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use allod_primitives::certificate::{VoteType, proposal_preimage, vote_preimage};
use allod_primitives::crypto::verify_jws_ed25519;
use allod_primitives::document::{InitialDocument, Method, MethodKey, Relationships};
use allod_primitives::extrinsic::{Era, RawExtrinsic, SignedPart, SigningContext};
use allod_primitives::grant::{
    Actions, AnchorOpening, Assignee, GrantAction, GrantBody, GrantEntry, GrantMessage,
    GrantStatus, SignedGrant,
};
use allod_primitives::header::{
    LedgerDigest, changes_root, extrinsic_hash, extrinsics_root, next_changes_accumulator,
};
use allod_primitives::log::{LogEntry, LogHead, LogKind};
use allod_primitives::operation::{
    Body, Inception, KeySignature, Lane, Operation, Payer, SignatureProof, SignedOperation,
    operation_preimage, voucher_preimage,
};
use allod_primitives::policy::{
    Capabilities, ControlKey, ControlPolicy, Rank, WeightedKey, next_keys_commitment,
};
use allod_primitives::token::{TokenId, TokenOperation};
use allod_primitives::{
    Block, BoundedVec, Certificate, ChainId, CommitSignature, Did, ForkId, H256, Header, Height,
    NetworkId, PublicKey, Signature, Text, TimeMs, Validator, ValidatorSet, decode_strict, keys,
};
use curve25519_dalek::constants::EIGHT_TORSION;
use ed25519_dalek::{Signer, SigningKey};
use parity_scale_codec::{Decode, Encode};
use serde_json::{Value, json};

type Vectors = BTreeMap<&'static str, Value>;

fn directory(kind: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../spec/vectors")
        .join(kind)
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn unhex(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap().trim_start_matches("0x")).unwrap()
}

/// Compares `vectors` with the files, or writes them.
fn settle(kind: &str, vectors: &Vectors) {
    for (name, vector) in vectors {
        let path = directory(kind).join(format!("{name}.json"));
        let text = format!("{}\n", serde_json::to_string_pretty(vector).unwrap());
        if std::env::var_os("ALLOD_BLESS").is_some() {
            std::fs::write(&path, text).unwrap();
        } else {
            let file = std::fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(
                file,
                text,
                "{} differs from what the code makes",
                path.display()
            );
        }
    }
}

fn signing_key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn public(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key().to_bytes())
}

fn chain() -> ChainId {
    ChainId {
        genesis: H256([0xaa; 32]),
        fork_id: ForkId(0),
    }
}

fn sign(key: &SigningKey, message: &[u8]) -> Signature {
    Signature(key.sign(message).to_bytes())
}

fn header() -> Header {
    Header {
        parent_hash: H256([1; 32]),
        number: Height(70_000),
        state_root: H256([2; 32]),
        extrinsics_root: H256([3; 32]),
        proposer: public(&signing_key(1)),
        digest: LedgerDigest {
            version: 1,
            spec_version: 1,
            time: TimeMs(1_790_000_000_000),
            validator_set: validator_set().hash(),
            next_validator_set: validator_set().hash(),
            set_id: 3,
            set_since: Height(69_000),
            changes_root: H256([4; 32]),
            changes_count: 2,
            changes_accumulator: H256([5; 32]),
        },
    }
}

fn validator_keys() -> Vec<SigningKey> {
    let mut keys: Vec<SigningKey> = (1..=4).map(signing_key).collect();
    keys.sort_by_key(public);
    keys
}

fn validator_set() -> ValidatorSet {
    let validators = validator_keys()
        .iter()
        .map(|k| Validator {
            public_key: public(k),
            power: 1,
        })
        .collect();
    ValidatorSet::new(validators).unwrap()
}

fn certificate(signers: &[u16]) -> Certificate {
    let block_hash = header().hash();
    let message = vote_preimage(
        &chain(),
        VoteType::Precommit,
        Height(70_000),
        1,
        Some(&block_hash),
    );
    let keys = validator_keys();
    let signatures = signers
        .iter()
        .map(|signer| {
            let key = &keys[usize::from(*signer) % keys.len()];
            CommitSignature {
                signer: *signer,
                signature: sign(key, &message),
            }
        })
        .collect();
    Certificate {
        version: 1,
        height: Height(70_000),
        round: 1,
        block_hash,
        signatures,
    }
}

fn inception() -> Inception {
    let key = WeightedKey {
        key: ControlKey::Ed25519(public(&signing_key(11))),
        weight: 1,
    };
    let rank = Rank {
        keys: vec![key].try_into().unwrap(),
        threshold: 1,
        capabilities: Capabilities::ALL,
        next: None,
    };
    let method = Method {
        fragment: Text::new("key-1").unwrap(),
        key: MethodKey::Ed25519(public(&signing_key(12))),
        relationships: Relationships::AUTHENTICATION.union(Relationships::ASSERTION_METHOD),
        expires: None,
    };
    Inception {
        version: 1,
        policy: ControlPolicy {
            ranks: vec![rank].try_into().unwrap(),
            guardians: None,
            delay_ms: allod_primitives::limits::CONTROL_DELAY_MS_DEFAULT,
        },
        document: InitialDocument {
            methods: vec![method].try_into().unwrap(),
            ..InitialDocument::default()
        },
        salt: [0x5a; 16],
    }
}

fn operation() -> Operation {
    let inception = inception();
    Operation {
        version: 1,
        genesis: chain().genesis,
        fork_id: chain().fork_id,
        did: inception.did_id(),
        lane: Lane::Rank(0),
        lane_seq: 0,
        lane_prev: H256::ZERO,
        payer: Payer::Any,
        valid_until: TimeMs(1_790_000_600_000),
        controller: None,
        reveal: None,
        body: Body::Incept(inception),
    }
}

fn signed_operation() -> SignedOperation {
    let operation = operation();
    let key = signing_key(11);
    let message = operation_preimage(&chain(), &operation.hash());
    let signature = KeySignature {
        key: ControlKey::Ed25519(public(&key)),
        proof: SignatureProof::Ed25519(sign(&key, &message)),
        leaf: None,
    };
    SignedOperation {
        operation,
        signatures: vec![signature].try_into().unwrap(),
    }
}

fn signed_grant() -> SignedGrant {
    let network = NetworkId::from_genesis(&chain().genesis);
    let owner = Did::new(network, inception().did_id());
    let body = GrantBody {
        version: 1,
        owner,
        assignee: Assignee::Uri(Text::new("https://app.example/client.json").unwrap()),
        resources: vec![Text::new("https://alice.example/store/photos/").unwrap()]
            .try_into()
            .unwrap(),
        actions: Actions::READ,
        constraints: BoundedVec::new(),
        parent: None,
        delegation_depth: 0,
        epoch: 0,
        not_before: 1_790_000_000,
        expires: 1_790_086_400,
    };
    SignedGrant {
        body,
        grant_key: public(&signing_key(21)),
        expiry_day: 20_719,
        salt: [0x77; 32],
        method: Text::new("key-1").unwrap(),
        signature: Signature([0; 64]),
    }
}

#[test]
fn valid_vectors_are_what_the_code_makes_and_decode_to_themselves() {
    let mut vectors = Vectors::new();
    header_vectors(&mut vectors);
    consensus_vectors(&mut vectors);
    extrinsic_vectors(&mut vectors);
    identity_vectors(&mut vectors);
    token_and_grant_vectors(&mut vectors);
    storage_key_vectors(&mut vectors);
    settle("valid", &vectors);
    for (name, vector) in &vectors {
        let Some(kind) = vector["kind"].as_str() else {
            continue;
        };
        assert_eq!(decode_as(kind, &unhex(&vector["bytes"])), Ok(()), "{name}");
    }
}

/// Decodes `bytes` strictly as the named type and checks that they are its one encoding.
fn decode_as(kind: &str, bytes: &[u8]) -> Result<(), String> {
    fn round<T: Decode + Encode>(bytes: &[u8]) -> Result<(), String> {
        let value: T = decode_strict(bytes).map_err(|error| error.to_string())?;
        assert_eq!(value.encode(), bytes, "a second encoding of one value");
        Ok(())
    }
    match kind {
        "header" => round::<Header>(bytes),
        "block" => round::<Block>(bytes),
        "certificate" => round::<Certificate>(bytes),
        "validator_set" => round::<ValidatorSet>(bytes),
        "signed_operation" => round::<SignedOperation>(bytes),
        "inception" => round::<Inception>(bytes),
        "token_operation" => round::<TokenOperation>(bytes),
        "signed_grant" => round::<SignedGrant>(bytes),
        "grant_entry" => round::<GrantEntry>(bytes),
        "grant_message" => round::<GrantMessage>(bytes),
        "extrinsic" => {
            let value = RawExtrinsic::decode_body(bytes).map_err(|error| error.to_string())?;
            assert_eq!(
                value.encode_body(),
                bytes,
                "a second encoding of one extrinsic"
            );
            Ok(())
        }
        other => panic!("unknown kind {other}"),
    }
}

fn header_vectors(vectors: &mut Vectors) {
    let header = header();
    vectors.insert(
        "header",
        json!({ "description": "a header, its digest items and its hash", "kind": "header",
            "bytes": hex(header.encode()), "hash": hex(header.hash()),
            "digest_items": header.digest_items().map(hex) }),
    );
    let extrinsics = vec![vec![0x04, 1, 0, 4], vec![0x04, 9, 9, 9]];
    vectors.insert(
        "block",
        json!({ "description": "a block of two extrinsics (not valid calls)", "kind": "block",
            "bytes": hex(Block { header, extrinsics: extrinsics.clone() }.encode()),
            "extrinsic_hashes": extrinsics.iter().map(|x| hex(extrinsic_hash(x))).collect::<Vec<_>>(),
            "extrinsics_root": hex(extrinsics_root(&extrinsics)) }),
    );
    let changes: [(&[u8], Option<&[u8]>); 2] = [(b"a", Some(b"1")), (b"b", None)];
    let (root, count) = changes_root(changes);
    let (empty, _) = changes_root([]);
    let previous = H256([9; 32]);
    vectors.insert(
        "changes-root",
        json!({ "description": "key 0x61 set to 0x31, key 0x62 deleted, at height 7",
            "root": hex(root), "count": count, "empty_root": hex(empty),
            "accumulator_before": hex(previous),
            "accumulator_after": hex(next_changes_accumulator(previous, Height(7), &root, count)),
            "accumulator_after_no_change":
                hex(next_changes_accumulator(previous, Height(8), &empty, 0)) }),
    );
}

fn consensus_vectors(vectors: &mut Vectors) {
    let set = validator_set();
    vectors.insert(
        "validator-set",
        json!({ "description": "four validators of power 1", "kind": "validator_set",
            "bytes": hex(set.encode()), "hash": hex(set.hash()) }),
    );
    let hash = header().hash();
    let vote = |kind, hash| hex(vote_preimage(&chain(), kind, Height(70_000), 1, hash));
    let proposal = |pol| hex(proposal_preimage(&chain(), Height(70_000), 1, pol, &hash));
    vectors.insert(
        "vote-preimages",
        json!({ "description": "what validators sign; genesis 0xaa…, fork 0", "block_hash": hex(hash),
            "prevote": vote(VoteType::Prevote, Some(&hash)), "prevote_nil": vote(VoteType::Prevote, None),
            "precommit": vote(VoteType::Precommit, Some(&hash)),
            "proposal": proposal(None), "proposal_pol_0": proposal(Some(0)) }),
    );
    let certificate = certificate(&[0, 1, 3]);
    assert_eq!(certificate.verify(&chain(), &set), Ok(()));
    vectors.insert(
        "certificate",
        json!({ "description": "three of four precommits; genesis 0xaa…, fork 0",
            "kind": "certificate", "validator_set": hex(set.encode()),
            "bytes": hex(certificate.encode()) }),
    );
}

fn extrinsic_vectors(vectors: &mut Vectors) {
    let key = signing_key(8);
    let call = [vec![0x0a, 0], vec![1; 32], vec![2; 32]].concat();
    let genesis_hash: [u8; 32] =
        hex::decode("d98096204958dda43278aff5166e12106a23214854f7b82e569314633864a354")
            .unwrap()
            .try_into()
            .unwrap();
    let context = SigningContext {
        spec_version: 100,
        transaction_version: 1,
        genesis_hash: H256(genesis_hash),
    };
    let payload = context.payload(&call, &Era::Immortal, 0, &context.genesis_hash);
    let signed = SignedPart {
        account: public(&key),
        signature: sign(&key, &payload),
        era: Era::Immortal,
        nonce: 0,
    };
    let body = RawExtrinsic {
        signed: Some(signed),
        call,
    }
    .encode_body();
    // The figures polkadot.js gives for the same input.
    assert_eq!(
        hex(extrinsic_hash(&body)),
        "0xe80b59fbb5915f88eb03dbf6b1449a2b37633345683155ae9a4ed330d5c30e54"
    );
    vectors.insert(
        "extrinsic-signed",
        json!({ "description": "agrees with polkadot.js: seed 0x08…, immortal, nonce 0, versions 100 and 1",
            "kind": "extrinsic", "bytes": hex(&body), "payload": hex(payload),
            "hash": hex(extrinsic_hash(&body)) }),
    );
    let eras: Vec<Value> = [(64, 42), (32768, 20000), (4, 1_000_001), (65536, 999_999)]
        .into_iter()
        .map(|(period, current)| {
            let era = Era::mortal(period, current);
            json!({ "period": period, "current": current, "bytes": hex(era.encode()),
                "birth": era.birth(current), "death": era.death(current) })
        })
        .collect();
    vectors.insert(
        "eras",
        json!({ "description": "mortal eras", "eras": eras }),
    );
}

fn identity_vectors(vectors: &mut Vectors) {
    let inception = inception();
    let did = Did::new(
        NetworkId::from_genesis(&chain().genesis),
        inception.did_id(),
    );
    assert_eq!(did.to_string().parse::<Did>(), Ok(did));
    vectors.insert(
        "inception",
        json!({ "description": "an inception body and the DID it names; genesis 0xaa…",
            "kind": "inception", "bytes": hex(inception.encode()), "did": did.to_string(),
            "did_id": hex(inception.did_id().0) }),
    );
    let signed = signed_operation();
    let hash = signed.operation.hash();
    vectors.insert(
        "operation",
        json!({ "description": "that inception as a signed operation", "kind": "signed_operation",
            "bytes": hex(signed.encode()), "hash": hex(hash),
            "preimage": hex(operation_preimage(&chain(), &hash)),
            "signatures_hash": hex(signed.signatures_hash()),
            "voucher_preimage":
                hex(voucher_preimage(&chain(), &inception.did_id(), TimeMs(1_790_000_600_000))) }),
    );
    let entry = LogEntry {
        n: 0,
        kind: LogKind::Operation,
        operation_hash: hash,
        signatures_hash: signed.signatures_hash(),
        record_hash: H256([6; 32]),
        height: Height(5),
        time: TimeMs(1_790_000_000_000),
    };
    let first = LogHead::default().append(&entry);
    let second = first.append(&LogEntry {
        n: 1,
        kind: LogKind::Governance,
        ..entry
    });
    vectors.insert(
        "log",
        json!({ "description": "two log entries and the heads after them",
            "entries": [hex(entry.encode()), hex(LogEntry { n: 1, kind: LogKind::Governance, ..entry }.encode())],
            "heads": [hex(first.head), hex(second.head)] }),
    );
    let keys = &inception.policy.ranks[0].keys;
    vectors.insert(
        "next-keys",
        json!({ "description": "commitment to the inception's keys as next keys, threshold 1, salt 0x11…",
            "keys": hex(keys.encode()), "commitment": hex(next_keys_commitment(keys, 1, &[0x11; 16])) }),
    );
}

fn token_and_grant_vectors(vectors: &mut Vectors) {
    let did = inception().did_id();
    let operation = TokenOperation {
        version: 1,
        genesis: chain().genesis,
        fork_id: chain().fork_id,
        did,
        payer: Payer::Own,
        valid_until: TimeMs(1_790_000_600_000),
        token: TokenId::from_jti("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
        exp: 1_790_003_600,
    };
    vectors.insert(
        "token-revocation",
        json!({ "description": "revocation of jti f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "kind": "token_operation", "bytes": hex(operation.encode()),
            "hash": hex(operation.hash()), "tag": hex(operation.tag()) }),
    );
    let grant = signed_grant();
    let gid = grant.gid(&chain().genesis);
    vectors.insert(
        "grant",
        json!({ "description": "a grant (signature zero) and its gid", "kind": "signed_grant",
            "bytes": hex(grant.encode()), "gid": hex(gid) }),
    );
    let jws = "eyJhbGciOiJFZERTQSJ9.e30.AA";
    let opening = AnchorOpening {
        grant_key: grant.grant_key,
        expiry_day: grant.expiry_day,
        salt: grant.salt,
    };
    vectors.insert(
        "anchor",
        json!({ "description": "the gid of the anchor of a (meaningless) JWS", "jws": jws,
            "genesis": hex(chain().genesis), "grant_key": hex(opening.grant_key.0),
            "expiry_day": opening.expiry_day, "salt": hex(opening.salt),
            "gid": hex(opening.gid(&chain().genesis, jws)) }),
    );
    let entry = GrantEntry {
        version: 1,
        grant_key: grant.grant_key,
        expiry_day: grant.expiry_day,
        anchored: TimeMs(1_790_000_000_000),
        status: GrantStatus::Revoked {
            at: TimeMs(1_790_000_500_000),
        },
    };
    vectors.insert(
        "grant-entry",
        json!({ "description": "that grant's entry, anchored and revoked", "kind": "grant_entry",
            "bytes": hex(entry.encode()) }),
    );
    let action = GrantAction::Anchor {
        grant_key: grant.grant_key,
        expiry_day: grant.expiry_day,
    };
    let message = GrantMessage {
        version: 1,
        genesis: chain().genesis,
        fork_id: chain().fork_id,
        gid,
        action,
        valid_until: TimeMs(1_790_000_600_000),
    };
    vectors.insert(
        "grant-message",
        json!({ "description": "that grant's anchoring", "kind": "grant_message",
            "bytes": hex(message.encode()), "hash": hex(message.hash()) }),
    );
}

fn storage_key_vectors(vectors: &mut Vectors) {
    let account = public(&signing_key(8));
    let key = hex(keys::account(&account));
    assert!(key.starts_with("0x26aa394eea5630e07c48ae0c9558cef7b99d880ec681799c0cf30e8886371da9"));
    vectors.insert(
        "storage-keys",
        json!({ "description": "storage keys; account of seed 0x08…, identity and hashes of 0x01…",
            "System.Account": key, "System.Events": hex(keys::item("System", "Events")),
            "Timestamp.Now": hex(keys::item("Timestamp", "Now")),
            "Did.Records": hex(keys::did_record(&allod_primitives::DidId([1; 32]))),
            "Did.Retired key-1": hex(keys::did_retired(&allod_primitives::DidId([1; 32]), "key-1")),
            "Revocation.Tags": hex(keys::revocation(&H256([1; 32]))),
            "Grant.Grants": hex(keys::grant(&H256([1; 32]))) }),
    );
}

#[test]
fn invalid_vectors_are_refused_for_the_stated_reason() {
    let mut vectors = Vectors::new();
    let mut add = |name, kind: &str, description: &str, bytes: Vec<u8>| {
        let error = decode_as(kind, &bytes).expect_err(name);
        vectors.insert(
            name,
            json!({ "description": description, "kind": kind, "bytes": hex(bytes), "expect": error }),
        );
    };
    let good = header().encode();
    add(
        "header-trailing-byte",
        "header",
        "a byte after the value",
        [good.clone(), vec![0]].concat(),
    );
    let mut bytes = good.clone();
    bytes.splice(32..36, [0x03, 0x70, 0x11, 0x01, 0x00]);
    add(
        "header-number-not-canonical",
        "header",
        "the number in more bytes than it needs",
        bytes,
    );
    let mut bytes = good.clone();
    bytes[100] = 0x0c;
    add(
        "header-three-digest-items",
        "header",
        "three digest items",
        bytes,
    );
    let mut bytes = good.clone();
    bytes[101] = 5;
    add(
        "header-seal-instead-of-proposer",
        "header",
        "a seal where the proposer belongs",
        bytes,
    );
    let mut bytes = good.clone();
    let version = good.len() - header().digest.encode().len();
    bytes[version] = 2;
    add(
        "header-unknown-digest-version",
        "header",
        "version 2 of the ledger item",
        bytes,
    );

    add(
        "certificate-signer-twice",
        "certificate",
        "one signer twice",
        certificate(&[0, 1, 1]).encode(),
    );
    add(
        "certificate-signers-unsorted",
        "certificate",
        "signers descending",
        certificate(&[1, 0, 2]).encode(),
    );
    let mut bytes = certificate(&[0, 1, 3]).encode();
    bytes[0] = 2;
    add(
        "certificate-unknown-version",
        "certificate",
        "version 2",
        bytes,
    );

    let mut set = validator_set().validators().to_vec();
    set.swap(0, 1);
    add(
        "validator-set-unsorted",
        "validator_set",
        "not sorted by key",
        set.encode(),
    );
    set.swap(0, 1);
    set[2].power = 0;
    add(
        "validator-set-power-zero",
        "validator_set",
        "a validator of power zero",
        set.encode(),
    );
    add(
        "validator-set-empty",
        "validator_set",
        "no validator",
        vec![0],
    );

    let good = signed_operation().encode();
    add(
        "operation-truncated",
        "signed_operation",
        "the last byte is missing",
        good[..good.len() - 1].to_vec(),
    );
    let mut bytes = good.clone();
    bytes[69] = 4;
    add(
        "operation-unknown-lane",
        "signed_operation",
        "lane variant 4",
        bytes,
    );
    let ranks = [vec![1, 5 << 2], vec![0; 200]].concat();
    add(
        "inception-five-ranks",
        "inception",
        "five ranks announced",
        ranks,
    );
    let document = [&inception().encode()[..], &[0]].concat();
    add(
        "inception-trailing-byte",
        "inception",
        "a byte after the value",
        document,
    );
    let mut bytes = inception().encode();
    let at = bytes.windows(5).position(|w| w == b"key-1").unwrap();
    bytes[at] = 7;
    add(
        "inception-control-character",
        "inception",
        "a control character in a fragment",
        bytes,
    );

    add(
        "extrinsic-version-5",
        "extrinsic",
        "a bare version 5",
        vec![0x05, 1, 0, 4],
    );
    add(
        "extrinsic-sr25519",
        "extrinsic",
        "an sr25519 signature",
        [vec![0x84, 0], vec![1; 32], vec![1], vec![2; 64], vec![0, 0]].concat(),
    );
    add(
        "extrinsic-address-index",
        "extrinsic",
        "an account index for an address",
        [vec![0x84, 1], vec![1; 32], vec![0], vec![2; 64], vec![0, 0]].concat(),
    );
    add(
        "extrinsic-era-phase",
        "extrinsic",
        "an era whose phase is not within its period",
        [
            vec![0x84, 0],
            vec![1; 32],
            vec![0],
            vec![2; 64],
            vec![0xf1, 0xff, 0],
        ]
        .concat(),
    );
    settle("invalid", &vectors);
}

#[test]
fn certificates_that_prove_nothing_are_refused() {
    let set = validator_set();
    let (chain, other) = (
        chain(),
        ChainId {
            fork_id: ForkId(1),
            ..chain()
        },
    );
    let verdict = |certificate: &Certificate| certificate.verify(&chain, &set).unwrap_err();
    assert!(
        verdict(&certificate(&[0, 1]))
            .to_string()
            .contains("not more than two thirds")
    );
    assert!(
        verdict(&certificate(&[0, 1, 4]))
            .to_string()
            .contains("is not in the set")
    );
    let mut bad = certificate(&[0, 1, 2]);
    bad.round = 2;
    assert!(verdict(&bad).to_string().contains("does not verify"));
    let good = certificate(&[0, 1, 2]);
    assert!(good.verify(&other, &set).is_err(), "another fork");
    assert_eq!(good.verify(&chain, &set), Ok(()));
}

/// Every encoding of a point of small order, canonical or not: 14 of them, as ZIP 215 counts.
fn small_order_encodings() -> Vec<[u8; 32]> {
    let mut out: Vec<[u8; 32]> = EIGHT_TORSION
        .iter()
        .map(|point| point.compress().to_bytes())
        .collect();
    let p_plus = |low: u8| {
        let mut bytes = [0xff; 32];
        bytes[0] = 0xed + low;
        bytes[31] = 0x7f;
        bytes
    };
    let minus_one = {
        let mut bytes = p_plus(0);
        bytes[0] = 0xec;
        bytes
    };
    let one = {
        let mut bytes = [0; 32];
        bytes[0] = 1;
        bytes
    };
    for base in [p_plus(0), p_plus(1), minus_one, one] {
        for sign in [0, 0x80] {
            let mut bytes = base;
            bytes[31] |= sign;
            out.push(bytes);
        }
    }
    out.sort();
    out.dedup();
    out
}

#[test]
fn small_order_signatures_count_by_zip_215_and_nowhere_else() {
    let encodings = small_order_encodings();
    assert_eq!(encodings.len(), 14);
    let mut cases = Vec::new();
    for key in &encodings {
        assert!(PublicKey(*key).check_registrable().is_err());
        for commitment in &encodings {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(commitment);
            let (key, signature) = (PublicKey(*key), Signature(signature));
            assert_eq!(key.verify(b"Zcash", &signature), Ok(()), "valid by ZIP-215");
            assert!(
                verify_jws_ed25519(&key, b"Zcash", &signature).is_err(),
                "refused by JWS"
            );
            cases.push(json!({ "key": hex(key.0), "signature": hex(signature.0),
                "registration": key.check_registrable().unwrap_err().to_string() }));
        }
    }
    let mut vectors = Vectors::new();
    vectors.insert(
        "signature-small-order",
        json!({ "description": "ZIP-215: valid; JWS and registration: refused; message 0x5a63617368",
            "cases": cases }),
    );
    settle("valid", &vectors);
}

#[test]
fn s_beyond_the_order_is_refused_everywhere() {
    let key = signing_key(3);
    let good = key.sign(b"message").to_bytes();
    assert_eq!(public(&key).verify(b"message", &Signature(good)), Ok(()));
    assert_eq!(
        verify_jws_ed25519(&public(&key), b"message", &Signature(good)),
        Ok(())
    );
    // s + ℓ, which satisfies the equation but is a second encoding.
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut bad = good;
    let mut carry = 0u16;
    for (byte, add) in bad[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = (carry & 0xff) as u8;
        carry >>= 8;
    }
    assert!(public(&key).verify(b"message", &Signature(bad)).is_err());
    assert!(verify_jws_ed25519(&public(&key), b"message", &Signature(bad)).is_err());
    let mut vectors = Vectors::new();
    vectors.insert(
        "signature-s-not-reduced",
        json!({ "description": "s + ℓ; message 0x6d657373616765", "expect": "refused by every rule",
            "key": hex(public(&key).0), "signature": hex(bad) }),
    );
    settle("invalid", &vectors);
}

#[test]
fn dids_have_one_spelling() {
    let did = Did::new(NetworkId([7; 20]), allod_primitives::DidId([0; 32]));
    let text = did.to_string();
    assert_eq!(text.parse::<Did>(), Ok(did));
    let bad = [
        text.to_uppercase(),
        text.replace("allod", "plc"),
        text.replace(":z", ":"),
        format!("{text}1"),
        format!("{text}:x"),
        text.replacen("did:", "", 1),
        text.replace(&NetworkId([7; 20]).to_string(), "abc"),
    ];
    for text in bad {
        assert!(text.parse::<Did>().is_err(), "{text}");
    }
}

#[test]
fn the_limits_page_lists_every_limit() {
    let source = include_str!("../src/limits.rs");
    let page = include_str!("../../../spec/limits.md");
    let names = source.lines().filter_map(|l| l.strip_prefix("pub const "));
    let mut count = 0;
    for name in names.filter_map(|l| l.split(':').next()) {
        assert!(
            page.contains(&format!("| `{name}` |")),
            "spec/limits.md lacks {name}"
        );
        count += 1;
    }
    let rows = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(
        rows, count,
        "spec/limits.md lists a limit that does not exist"
    );
}
