//! Bytes that Substrate's own clients produced.
//!
//! Source: spec/runtime.md §7.

use allod_primitives::extrinsic::{Era, RawExtrinsic, SigningContext};
use allod_primitives::header::extrinsic_hash;
use allod_primitives::{H256, PublicKey, keys};
use parity_scale_codec::Encode;

use super::{key, public, sign};
use crate::system::storage::{BLOCK_HASH, EVENTS, NUMBER};
use crate::timestamp::storage::NOW;

const GENESIS: &str = "d98096204958dda43278aff5166e12106a23214854f7b82e569314633864a354";
const EXTRINSIC: &str = "9d0284001398f62c6d1a457c51ba6a4b5f3dbd2f69fca93216218dc8997e416bd17d93ca\
00162d754e216341d0609ce96ab384d94279f66e388689e3e8d8ec2802e8e2224459da631efe913ab6be35759fe46c\
6105cc2e3728a37530564f3e040456c00d020000";

/// Pallet 10, call 0, then 32 bytes of 1 and 32 of 2.
fn call() -> String {
    format!("0a00{}{}", "01".repeat(32), "02".repeat(32))
}

fn hash(hex: &str) -> H256 {
    H256(hex::decode(hex).unwrap().try_into().unwrap())
}

#[test]
fn storage_keys_are_those_of_substrate() {
    let account = PublicKey(public(&key(8)).0);
    let expected = "26aa394eea5630e07c48ae0c9558cef7b99d880ec681799c0cf30e8886371da9279bb075cc25e7\
09de756ee8518860ca1398f62c6d1a457c51ba6a4b5f3dbd2f69fca93216218dc8997e416bd17d93ca";
    assert_eq!(hex::encode(keys::account(&account)), expected);
    let expected = "26aa394eea5630e07c48ae0c9558cef780d41e5e16056765bc8461851072c9d7";
    assert_eq!(hex::encode(EVENTS.key()), expected);
    let expected = "26aa394eea5630e07c48ae0c9558cef702a5c1b19ab7a04f536c519aca4983ac";
    assert_eq!(hex::encode(NUMBER.key()), expected);
    let expected = "26aa394eea5630e07c48ae0c9558cef7a44704b568d21667356a5a050c118746b4def25cfda6ef\
3a00000000";
    assert_eq!(hex::encode(BLOCK_HASH.key(&0)), expected);
    let expected = "f0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb";
    assert_eq!(hex::encode(NOW.key()), expected);
}

#[test]
fn eras_encode_as_substrate_encodes_them() {
    assert_eq!(Era::Immortal.encode(), [0]);
    assert_eq!(Era::mortal(64, 42).encode(), [0xa5, 0x02]);
    assert_eq!(Era::mortal(32_768, 20_000).encode(), [0x4e, 0x9c]);
    let era = Era::mortal(64, 42);
    assert_eq!((era.birth(42), era.death(42)), (42, 106));
    assert_eq!((era.birth(105), era.death(105)), (42, 106));
    assert_eq!(era.birth(106), 106);
}

#[test]
fn signing_payload_extrinsic_and_hash_are_those_of_polkadot_js() {
    let call = hex::decode(call()).unwrap();
    let context = SigningContext {
        spec_version: 100,
        transaction_version: 1,
        genesis_hash: hash(GENESIS),
    };
    let payload = context.payload(&call, &Era::Immortal, 0, &hash(GENESIS));
    let expected = format!("{}00006400000001000000{GENESIS}{GENESIS}", self::call());
    assert_eq!(hex::encode(&payload), expected);
    assert_eq!(payload.len(), 140);

    let wire = hex::decode(format!("{EXTRINSIC}{}", self::call())).unwrap();
    let raw = RawExtrinsic::decode_body(&wire[2..]).unwrap();
    let part = raw.signed.as_ref().unwrap();
    assert_eq!(part.account, public(&key(8)));
    assert_eq!(part.signature, sign(&key(8), &payload));
    assert!(part.account.verify(&payload, &part.signature).is_ok());
    assert_eq!(raw.encode_body(), &wire[2..]);
    let expected = hash("e80b59fbb5915f88eb03dbf6b1449a2b37633345683155ae9a4ed330d5c30e54");
    assert_eq!(extrinsic_hash(&wire[2..]), expected);
}
