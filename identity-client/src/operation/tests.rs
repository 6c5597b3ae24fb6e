use allod_primitives::document::{Relationships, RetireReason};
use allod_primitives::extrinsic::{Era, RawExtrinsic, SigningContext};
use allod_primitives::operation::{
    Admission, Body, Lane, Operation, Payer, SignatureProof, SignedOperation, operation_preimage,
    voucher_preimage, work_bits,
};
use allod_primitives::policy::Capabilities;
use allod_primitives::record::Lanes;
use allod_primitives::token::{SignedTokenOperation, TokenId};
use allod_primitives::{ChainId, DidId, ForkId, H256, TimeMs, decode_strict};
use parity_scale_codec::{Compact, Decode, Encode};

use super::*;
use crate::keys::SecretKey;

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

fn chain() -> ChainId {
    ChainId {
        genesis: H256([9; 32]),
        fork_id: ForkId(2),
    }
}

fn terms() -> Terms {
    Terms {
        chain: chain(),
        payer: Payer::Any,
        valid_until: TimeMs(60_000),
    }
}

fn created() -> SignedOperation {
    let body = inception(&key(1).public(), &key(2).public(), [3; 16]).unwrap();
    sign_operation(incept(&terms(), body), &[&key(1)]).unwrap()
}

fn rank_of(operation: &Operation) -> allod_primitives::policy::Rank {
    match &operation.body {
        Body::Incept(inception) => inception.policy.ranks[0].clone(),
        other => panic!("not an inception: {other:?}"),
    }
}

/// Decodes what was encoded, and verifies every signature over the operation's preimage.
fn check(signed: &SignedOperation) {
    assert_eq!(
        &decode_strict::<SignedOperation>(&signed.encode()).unwrap(),
        signed
    );
    assert!(signed.is_well_formed());
    let operation = &signed.operation;
    let preimage = operation_preimage(&operation.chain(), &operation.hash());
    for signature in &signed.signatures {
        match (&signature.key, &signature.proof) {
            (allod_primitives::policy::ControlKey::Ed25519(key), SignatureProof::Ed25519(it)) => {
                key.verify(&preimage, it).unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_inception_names_itself_and_follows_nothing() {
    let signed = created();
    check(&signed);
    let operation = &signed.operation;
    let Body::Incept(inception) = &operation.body else {
        panic!("not an inception");
    };
    assert_eq!(operation.did, inception.did_id());
    assert_eq!((operation.lane, operation.lane_seq), (Lane::Rank(0), 0));
    assert_eq!(operation.lane_prev, H256::ZERO);
    assert_eq!(operation.chain(), chain());
    inception.policy.check().unwrap();
    inception.document.check().unwrap();
    assert_eq!(inception.policy.ranks[0].capabilities, Capabilities::ALL);
    let method = &inception.document.methods[0];
    assert_eq!(method.fragment.as_str(), "key-1");
    assert!(!method.relationships.contains(Relationships::KEY_AGREEMENT));
    assert!(method.relationships.contains(Relationships::AUTHENTICATION));
}

#[test]
fn salt_keys_and_document_all_make_the_name() {
    let id = |control, login, salt| {
        let (control, login) = (key(control).public(), key(login).public());
        inception(&control, &login, [salt; 16]).unwrap().did_id()
    };
    let names = [id(1, 2, 3), id(4, 2, 3), id(1, 4, 3), id(1, 2, 4)];
    for (index, name) in names.iter().enumerate() {
        assert!(!names[index + 1..].contains(name));
    }
    assert_eq!(id(1, 2, 3), created().operation.did);
}

#[test]
fn a_key_that_may_not_be_registered_is_refused_before_it_is_sent() {
    let small_order = allod_primitives::PublicKey([0; 32]);
    let refused = inception(&small_order, &key(2).public(), [3; 16]);
    assert!(matches!(refused, Err(BuildError::Policy(_))));
    let refused = inception(&key(1).public(), &small_order, [3; 16]);
    assert!(matches!(refused, Err(BuildError::Document(_))));
}

#[test]
fn a_rotation_replaces_the_key_and_the_method_and_keeps_the_capabilities() {
    let created = created().operation;
    let mut lanes = Lanes::default();
    lanes.ranks[0].next_seq = 1;
    lanes.ranks[0].last = created.hash();
    let mut author = Author::new(terms(), created.did, lanes);
    let new = key(5).public();
    let body = rotation(Rotation {
        rank: 0,
        current: &rank_of(&created),
        control: &new,
        retire: vec![retirement("key-1", RetireReason::CompromisedSince(TimeMs(7))).unwrap()],
        add: vec![login_method("key-2", &key(6).public()).unwrap()],
    });
    let operation = author.next(0, body.unwrap()).unwrap();
    assert_eq!((operation.lane, operation.lane_seq), (Lane::Rank(0), 1));
    assert_eq!(operation.lane_prev, created.hash());
    check(&sign_operation(operation.clone(), &[&key(1)]).unwrap());
    let Body::Rotate { change, document } = operation.body else {
        panic!("not a rotation");
    };
    let rank = change.ranks[0].rank.as_ref().unwrap();
    assert_eq!(
        rank.weight_of(&allod_primitives::policy::ControlKey::Ed25519(new)),
        1
    );
    assert_eq!(rank.capabilities, Capabilities::ALL);
    let document = document.unwrap();
    assert_eq!(document.retire[0].fragment.as_str(), "key-1");
    assert_eq!(document.add[0].fragment.as_str(), "key-2");
}

#[test]
fn one_signs_ahead_and_lanes_do_not_mix() {
    let mut author = Author::new(terms(), DidId([1; 32]), Lanes::default());
    let not_before = |ms| Body::SetNotBefore {
        not_before: TimeMs(ms),
        bump_grant_epoch: false,
    };
    let first = author.next(0, not_before(1)).unwrap();
    let end = author.next(3, Body::Deactivate).unwrap();
    let second = author.next(0, not_before(2)).unwrap();
    assert_eq!((first.lane, first.lane_seq), (Lane::Documents, 0));
    assert_eq!((second.lane_seq, second.lane_prev), (1, first.hash()));
    assert_eq!(
        (end.lane, end.lane_seq, end.lane_prev),
        (Lane::Rank(0), 0, H256::ZERO)
    );
    assert_eq!(author.lanes().documents.next_seq, 2);
    assert_eq!(author.lanes().documents.last, second.hash());
    let cancel = Body::Cancel {
        pending: H256([1; 32]),
    };
    assert_eq!(author.next(2, cancel.clone()).unwrap().lane, Lane::Rank(2));
    assert!(matches!(
        author.next(4, cancel),
        Err(BuildError::NoSuchRank { rank: 4 })
    ));
}

#[test]
fn document_changes_are_sorted_checked_and_never_empty() {
    let did = |byte| {
        let network = allod_primitives::NetworkId::from_genesis(&H256([9; 32]));
        allod_primitives::Did::new(network, DidId([byte; 32]))
    };
    let service = |fragment: &str| (fragment.into(), "Store".into(), vec!["https://a.b".into()]);
    let change = DocumentChange {
        retire: vec![
            retirement("key-2", RetireReason::Routine).unwrap(),
            retirement("key-1", RetireReason::Routine).unwrap(),
        ],
        declare: Vec::new(),
        add: vec![login_method("key-3", &key(3).public()).unwrap()],
        services: Some(vec![service("store"), service("inbox")]),
        also_known_as: Some(vec!["acct:alice@example.org".into()]),
        controllers: Some(vec![did(2), did(1)]),
    };
    let patch = change.patch().unwrap();
    assert_eq!(patch.retire[0].fragment.as_str(), "key-1");
    assert_eq!(patch.services.unwrap()[0].fragment.as_str(), "inbox");
    assert!(patch.controllers.unwrap()[0] < did(2));
    let nothing = DocumentChange::default().patch();
    assert_eq!(nothing.unwrap_err(), BuildError::Nothing);
    let bad = DocumentChange {
        also_known_as: Some(vec!["no scheme".into()]),
        ..DocumentChange::default()
    };
    assert!(matches!(bad.patch(), Err(BuildError::Document(_))));
}

#[test]
fn fragments_go_on_from_the_highest_number_ever_used() {
    assert_eq!(next_fragment([]).unwrap(), "key-1");
    let used = ["key-2", "phone", "key-10", "key-x", "key-"];
    assert_eq!(next_fragment(used).unwrap(), "key-11");
    assert_eq!(
        next_fragment(["key-4294967295"]),
        Err(BuildError::NoFragment)
    );
}

#[test]
fn signers_are_sorted_and_count_once() {
    let operation = created().operation;
    let keys = [key(7), key(1), key(7), key(3)];
    let keys: Vec<&SecretKey> = keys.iter().collect();
    let signed = sign_operation(operation.clone(), &keys).unwrap();
    assert_eq!(signed.signatures.len(), 3);
    check(&signed);
    assert_eq!(
        sign_operation::<SecretKey>(operation, &[]),
        Err(BuildError::NoKey)
    );
}

#[test]
fn a_token_revocation_sets_the_tag_of_its_token() {
    let token = TokenId::from_jti("abc");
    let operation = token_operation(&terms(), DidId([1; 32]), token, 99);
    assert_eq!(
        operation.tag(),
        token.tag(&chain().genesis, &DidId([1; 32]), 99)
    );
    let signed = sign_token_operation(operation, &[&key(1)]).unwrap();
    let bytes = signed.encode();
    assert_eq!(
        decode_strict::<SignedTokenOperation>(&bytes).unwrap(),
        signed
    );
    let preimage = operation_preimage(&chain(), &operation.hash());
    match &signed.signatures[0].proof {
        SignatureProof::Ed25519(it) => key(1).public().verify(&preimage, it).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_voucher_is_for_one_identity_until_one_time() {
    let did = DidId([1; 32]);
    let Admission::Voucher(voucher) = voucher(&key(4), &chain(), &did, TimeMs(5)) else {
        panic!("not a voucher");
    };
    assert_eq!(
        (voucher.registrar, voucher.expires),
        (key(4).public(), TimeMs(5))
    );
    let preimage = voucher_preimage(&chain(), &did, TimeMs(5));
    voucher
        .registrar
        .verify(&preimage, &voucher.signature)
        .unwrap();
}

#[test]
fn work_is_found_and_goes_on_where_it_stopped() {
    let did = DidId([1; 32]);
    let Some(Admission::Work { nonce }) = find_work(&chain(), &did, 8, 0, 100_000) else {
        panic!("8 bits take 256 tries on average");
    };
    assert!(work_bits(&chain(), &did, nonce) >= 8);
    assert!(
        find_work(&chain(), &did, 8, 0, nonce).is_none(),
        "it is the first"
    );
    assert!(find_work(&chain(), &did, 8, nonce, 1).is_some());
    assert!(find_work(&chain(), &did, 32, u64::MAX, 5).is_none());
}

#[test]
fn calls_carry_their_indices_and_nothing_but_their_arguments() {
    let signed = created();
    let admission = voucher(&key(4), &chain(), &signed.operation.did, TimeMs(5));
    let submit = call::did_submit(&signed);
    assert_eq!((submit[0], submit[1]), (3, 0));
    assert_eq!(
        decode_strict::<SignedOperation>(&submit[2..]).unwrap(),
        signed
    );
    let incept = call::did_incept(&signed, &admission);
    let decoded = decode_strict::<(u8, u8, SignedOperation, Admission)>(&incept).unwrap();
    assert_eq!(decoded, (3, 1, signed.clone(), admission));
    let batch = call::did_batch(&[signed.clone(), signed.clone()]);
    let decoded = decode_strict::<(u8, u8, Vec<SignedOperation>)>(&batch).unwrap();
    assert_eq!(decoded, (3, 2, vec![signed.clone(), signed]));
    let token = token_operation(&terms(), DidId([1; 32]), TokenId::from_jti("abc"), 99);
    let token = sign_token_operation(token, &[&key(1)]).unwrap();
    assert_eq!(call::revocation_revoke(&token)[..2], [4, 0]);
    assert_eq!(call::revocation_batch(&[token])[..3], [4, 1, 4]);
    assert_eq!(call::grant_anchor(&[]), [5, 1, 0]);
}

#[test]
fn a_bare_extrinsic_is_its_call_behind_length_and_version() {
    let bytes = extrinsic::bare(vec![3, 0, 1, 2]);
    assert_eq!(bytes, [5 << 2, 4, 3, 0, 1, 2]);
}

#[test]
fn a_registrars_extrinsic_is_signed_over_substrates_payload() {
    let context = SigningContext {
        spec_version: 1,
        transaction_version: 1,
        genesis_hash: H256([9; 32]),
    };
    let envelope = extrinsic::Envelope {
        context,
        era: Era::mortal(64, 1000),
        birth_hash: H256([7; 32]),
        nonce: 5,
    };
    let call = call::did_batch(&[created()]);
    let bytes = envelope.sign(&key(4), call.clone());
    let mut input = bytes.as_slice();
    let length = Compact::<u32>::decode(&mut input).unwrap().0;
    assert_eq!(length as usize, input.len());
    let raw = RawExtrinsic::decode_body(input).unwrap();
    let signed = raw.signed.unwrap();
    assert_eq!(
        (signed.account, signed.nonce, signed.era),
        (key(4).public(), 5, envelope.era)
    );
    assert_eq!(raw.call, call);
    let payload = context.payload(&call, &envelope.era, 5, &H256([7; 32]));
    signed.account.verify(&payload, &signed.signature).unwrap();
}
