use std::collections::BTreeSet;

use allod_primitives::decode_strict;
use frame_metadata::{RuntimeMetadata, RuntimeMetadataPrefixed};
use scale_info::{PortableRegistry, TypeDef};

fn decoded(version: u32) -> RuntimeMetadata {
    let bytes = crate::executive::metadata(version).expect("the version exists");
    assert_eq!(&bytes[..5], &[b'm', b'e', b't', b'a', version as u8]);
    decode_strict::<RuntimeMetadataPrefixed>(&bytes)
        .expect("the crate's own decoder takes it")
        .1
}

/// Pallet, name and variant names of a call enum.
fn variants(types: &PortableRegistry, id: u32) -> BTreeSet<String> {
    match &types.resolve(id).expect("registered").type_def {
        TypeDef::Variant(list) => list.variants.iter().map(|v| v.name.clone()).collect(),
        other => panic!("not an enum: {other:?}"),
    }
}

fn path_exists(types: &PortableRegistry, path: &str) -> bool {
    types
        .types
        .iter()
        .any(|ty| ty.ty.path.segments.join("::") == path)
}

const CALLS: [(&str, &[&str]); 5] = [
    ("Timestamp", &["set"]),
    ("Authority", &["propose", "vote"]),
    ("Did", &["submit", "incept", "batch"]),
    ("Revocation", &["revoke", "batch"]),
    ("Grant", &["revoke", "anchor"]),
];

fn assert_calls<'a>(types: &PortableRegistry, calls: impl Iterator<Item = (&'a str, Option<u32>)>) {
    let found: Vec<(String, BTreeSet<String>)> = calls
        .filter_map(|(name, ty)| Some((name.to_owned(), variants(types, ty?))))
        .collect();
    for (pallet, names) in CALLS {
        let (_, found) = found
            .iter()
            .find(|(name, _)| name == pallet)
            .expect("a pallet with calls");
        for name in names {
            assert!(found.contains(*name), "{pallet}.{name} is missing");
        }
    }
}

#[test]
fn every_version_decodes_and_lists_every_call() {
    let RuntimeMetadata::V14(v14) = decoded(14) else {
        panic!("another version");
    };
    let pallets = v14.pallets.iter();
    assert_calls(
        &v14.types,
        pallets.map(|p| (p.name.as_str(), p.calls.as_ref().map(|c| c.ty.id))),
    );
    let RuntimeMetadata::V15(v15) = decoded(15) else {
        panic!("another version");
    };
    let pallets = v15.pallets.iter();
    assert_calls(
        &v15.types,
        pallets.map(|p| (p.name.as_str(), p.calls.as_ref().map(|c| c.ty.id))),
    );
    let RuntimeMetadata::V16(v16) = decoded(16) else {
        panic!("another version");
    };
    let pallets = v16.pallets.iter();
    assert_calls(
        &v16.types,
        pallets.map(|p| (p.name.as_str(), p.calls.as_ref().map(|c| c.ty.id))),
    );
    assert_eq!(v16.extrinsic.versions, [4]);
    let names: Vec<&str> = v16
        .extrinsic
        .transaction_extensions
        .iter()
        .map(|extension| extension.identifier.as_str())
        .collect();
    let expected = [
        "CheckSpecVersion",
        "CheckTxVersion",
        "CheckGenesis",
        "CheckMortality",
        "CheckNonce",
    ];
    assert_eq!(names, expected);
    assert!(crate::executive::metadata(13).is_none() && crate::executive::metadata(17).is_none());
}

#[test]
fn types_have_the_paths_that_clients_look_for() {
    let RuntimeMetadata::V14(v14) = decoded(14) else {
        panic!("another version");
    };
    let RuntimeMetadata::V15(v15) = decoded(15) else {
        panic!("another version");
    };
    let RuntimeMetadata::V16(v16) = decoded(16) else {
        panic!("another version");
    };
    for types in [&v14.types, &v15.types, &v16.types] {
        for path in [
            "sp_core::crypto::AccountId32",
            "sp_runtime::generic::era::Era",
            "sp_runtime::multiaddress::MultiAddress",
            "sp_runtime::MultiSignature",
            "frame_system::EventRecord",
            "sp_runtime::generic::unchecked_extrinsic::UncheckedExtrinsic",
            "primitive_types::H256",
            "allod_runtime::RuntimeCall",
            "allod_runtime::RuntimeEvent",
            "sp_weights::weight_v2::Weight",
            "sp_runtime::DispatchError",
        ] {
            assert!(path_exists(types, path), "{path} is missing");
        }
    }
    assert!(path_exists(&v16.types, "allod_runtime::RuntimeError"));
}

#[test]
fn system_lists_what_clients_need_to_sign_and_to_read_events() {
    let RuntimeMetadata::V14(v14) = decoded(14) else {
        panic!("another version");
    };
    let system = v14
        .pallets
        .iter()
        .find(|p| p.name == "System")
        .expect("System");
    assert_eq!(system.index, 0);
    let storage = system.storage.as_ref().expect("it has storage");
    let entries: Vec<&str> = storage.entries.iter().map(|e| e.name.as_str()).collect();
    let expected = [
        "Account",
        "Number",
        "BlockHash",
        "Events",
        "LastRuntimeUpgrade",
    ];
    assert_eq!(entries, expected);
    let constants: Vec<&str> = system.constants.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(constants, ["BlockHashCount", "Version", "SS58Prefix"]);
    let era = v14
        .types
        .types
        .iter()
        .find(|ty| ty.ty.path.segments.last().is_some_and(|name| name == "Era"))
        .expect("era");
    let TypeDef::Variant(era) = &era.ty.type_def else {
        panic!("an enum");
    };
    assert_eq!(era.variants.len(), 256);
    assert_eq!(era.variants[255].name, "Mortal255");
    assert_eq!(era.variants[255].index, 255);
}

/// Names of what clients show to people, and whether it is documented.
fn documented(types: &PortableRegistry, pallet: &str, id: u32) -> Vec<(String, bool)> {
    let TypeDef::Variant(list) = &types.resolve(id).expect("registered").type_def else {
        panic!("not an enum");
    };
    let variants = list.variants.iter();
    variants
        .map(|it| (format!("{pallet}.{}", it.name), !it.docs.is_empty()))
        .collect()
}

#[test]
fn every_call_event_and_error_is_documented() {
    let RuntimeMetadata::V16(v16) = decoded(16) else {
        panic!("another version");
    };
    let mut found = Vec::new();
    for pallet in &v16.pallets {
        let calls = pallet.calls.iter().map(|it| it.ty.id);
        let events = pallet.event.iter().map(|it| it.ty.id);
        let errors = pallet.error.iter().map(|it| it.ty.id);
        for id in calls.chain(events).chain(errors) {
            found.extend(documented(&v16.types, &pallet.name, id));
        }
    }
    assert!(found.len() > 60, "{}", found.len());
    let bare: Vec<&str> = found
        .iter()
        .filter(|(_, is_documented)| !is_documented)
        .map(|(name, _)| name.as_str())
        .collect();
    assert!(bare.is_empty(), "{bare:?}");
}
