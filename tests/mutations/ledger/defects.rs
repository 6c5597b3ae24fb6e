//! Rules that inceptions, rotations and patches share: keys, ranks, documents.

use allod_primitives::PublicKey;
use allod_primitives::document::{
    DocumentPatch, InitialDocument, MethodKey, Relationships, Service,
};
use allod_primitives::policy::{ControlKey, Rank, WeightedKey};
use allod_runtime::frame::TransactionError;

use crate::author::{bounded, key, method, public, text};

/// The point of order 1, canonical.
pub(crate) const SMALL_ORDER: PublicKey = PublicKey({
    let mut bytes = [0; 32];
    bytes[0] = 1;
    bytes
});

/// The same point as `y` = p + 1.
pub(crate) const NON_CANONICAL: PublicKey = PublicKey({
    let mut bytes = [0xff; 32];
    bytes[0] = 0xee;
    bytes[31] = 0x7f;
    bytes
});

/// No point at all: `y` = 2 has no `x`.
pub(crate) const OFF_CURVE: PublicKey = PublicKey({
    let mut bytes = [0; 32];
    bytes[0] = 2;
    bytes
});

type BadRank = (&'static str, TransactionError, fn(&mut Rank));

fn add(rank: &mut Rank, key: ControlKey) {
    let mut keys = rank.keys.to_vec();
    keys.push(WeightedKey { key, weight: 1 });
    keys.sort_by(|a, b| a.key.cmp(&b.key));
    rank.keys = bounded(keys);
}

/// Ranks that no policy may have.
pub(crate) const BAD_RANKS: &[BadRank] = &[
    ("no key", TransactionError::Malformed, |it| {
        it.keys = bounded([])
    }),
    ("threshold of zero", TransactionError::Malformed, |it| {
        it.threshold = 0
    }),
    (
        "threshold above the weights",
        TransactionError::Malformed,
        |it| it.threshold = 99,
    ),
    ("weight of zero", TransactionError::Malformed, |it| {
        it.keys.as_mut_slice()[0].weight = 0
    }),
    ("unknown capability", TransactionError::Malformed, |it| {
        it.capabilities.0 |= 0x80
    }),
    ("a key twice", TransactionError::Malformed, |it| {
        let mut keys = it.keys.to_vec();
        keys.insert(0, keys[0].clone());
        it.keys = bounded(keys);
    }),
    ("keys in another order", TransactionError::Malformed, |it| {
        add(it, ControlKey::Ed25519(public(&key("second", 0))));
        it.keys.as_mut_slice().reverse();
    }),
    ("a key of small order", TransactionError::Malformed, |it| {
        add(it, ControlKey::Ed25519(SMALL_ORDER));
    }),
    ("a key not canonical", TransactionError::Malformed, |it| {
        add(it, ControlKey::Ed25519(NON_CANONICAL));
    }),
    (
        "a key not on the curve",
        TransactionError::Malformed,
        |it| {
            add(it, ControlKey::Ed25519(OFF_CURVE));
        },
    ),
    (
        "a P-256 key not on the curve",
        TransactionError::Malformed,
        |it| add(it, ControlKey::P256([3; 33])),
    ),
    (
        "a secp256k1 key not compressed",
        TransactionError::Malformed,
        |it| add(it, ControlKey::Secp256k1([4; 33])),
    ),
];

type BadDocument = (&'static str, fn(&mut InitialDocument));

fn only(document: &mut InitialDocument) -> &mut allod_primitives::document::Method {
    &mut document.methods.as_mut_slice()[0]
}

fn serve(document: &mut InitialDocument, kind: &str, endpoints: &[&str]) {
    let endpoints: Vec<_> = endpoints.iter().map(|it| text(it)).collect();
    document.services = bounded([Service {
        fragment: text("service"),
        kind: text(kind),
        endpoints: bounded(endpoints),
    }]);
}

/// Documents that nobody may have; each begins with one method, `new`.
pub(crate) const BAD_DOCUMENTS: &[BadDocument] = &[
    ("empty fragment", |it| only(it).fragment = text("")),
    ("fragment with a space", |it| {
        only(it).fragment = text("a b")
    }),
    ("fragment beyond ASCII", |it| {
        only(it).fragment = text("clé")
    }),
    ("no relationship", |it| {
        only(it).relationships = Relationships(0)
    }),
    ("unknown relationship", |it| {
        only(it).relationships.0 |= 0x40
    }),
    ("signing key for agreement", |it| {
        only(it).relationships = Relationships::KEY_AGREEMENT
    }),
    ("agreement key for signing", |it| {
        only(it).key = MethodKey::X25519([9; 32])
    }),
    ("method key of small order", |it| {
        only(it).key = MethodKey::Ed25519(SMALL_ORDER)
    }),
    ("method key not canonical", |it| {
        only(it).key = MethodKey::Ed25519(NON_CANONICAL)
    }),
    ("method key not on the curve", |it| {
        only(it).key = MethodKey::Ed25519(OFF_CURVE)
    }),
    ("uncompressed P-256", |it| {
        only(it).key = MethodKey::P256([4; 33])
    }),
    ("uncompressed secp256k1", |it| {
        only(it).key = MethodKey::Secp256k1([0; 33])
    }),
    ("one key in two methods", |it| {
        let mut methods = it.methods.to_vec();
        methods.push(methods[0].clone());
        methods[1].fragment = text("zzz");
        it.methods = bounded(methods);
    }),
    ("one fragment twice", |it| {
        let fragment = it.methods[0].fragment.as_str().to_owned();
        let mut methods = it.methods.to_vec();
        methods.push(method(&fragment, &key("second", 0)));
        it.methods = bounded(methods);
    }),
    ("methods in another order", |it| {
        let mut methods = it.methods.to_vec();
        methods.push(method("aaa", &key("second", 0)));
        it.methods = bounded(methods);
    }),
    ("service without a type", |it| {
        serve(it, "", &["https://a.example"])
    }),
    ("service without an endpoint", |it| serve(it, "Store", &[])),
    ("endpoint without a scheme", |it| {
        serve(it, "Store", &["a.example"])
    }),
    ("endpoint with a space", |it| {
        serve(it, "Store", &["https://a b"])
    }),
    ("another name twice", |it| {
        it.also_known_as = bounded([text("did:web:a.example"), text("did:web:a.example")]);
    }),
    ("another name without a scheme", |it| {
        it.also_known_as = bounded([text("alice")])
    }),
];

/// Returns the patch that adds what `document` holds.
pub(crate) fn patch(document: InitialDocument) -> DocumentPatch {
    DocumentPatch {
        retire: bounded([]),
        declare: bounded([]),
        add: document.methods,
        services: Some(document.services),
        also_known_as: Some(document.also_known_as),
        controllers: Some(document.controllers),
    }
}
