//! The three kinds of file, and everything that is refused of them.

use std::path::Path;

use allod_primitives::limits::VALIDATOR_CHANGE_PERIOD_MS_MIN;
use allod_rpc_api::hex_bytes::{HexBytes, HexHash};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::json;

use super::contribution::preimage;
use super::*;
use crate::spec::{ChainType, genesis_header};

fn key(byte: u8) -> SigningKey {
    SigningKey::from_bytes(&[byte; 32])
}

fn draft() -> Draft {
    let names = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect();
    Draft {
        validators: ["alpha", "beta", "gamma"]
            .map(|name| ValidatorPower {
                name: name.into(),
                power: 1,
            })
            .to_vec(),
        trustees: names(&["anna", "bert"]),
        trustee_threshold: 2,
        registrars: vec![RegistrarBudget {
            name: "city".into(),
            items_per_day: 1000,
        }],
        observers: names(&["watch"]),
        ..Draft::new("Three", ChainType::Local, 1_790_000_000_000)
    }
}

fn validator(draft: &Draft, name: &str, byte: u8) -> Contribution {
    let signers = Signers::Validator {
        validator: &key(byte),
        network: &key(byte + 100),
        address: format!("/ip4/127.0.0.{byte}/tcp/30333"),
    };
    Contribution::sign(draft, name, &signers).unwrap()
}

fn observer(draft: &Draft, name: &str, byte: u8) -> Contribution {
    let signers = Signers::Observer {
        network: &key(byte),
        address: format!("/ip4/127.0.0.{byte}/tcp/30333"),
    };
    Contribution::sign(draft, name, &signers).unwrap()
}

/// Signs a claim that this code does not make.
fn forged(draft: &Draft, name: &str, claim: Claim, keys: &[u8]) -> Contribution {
    let message = preimage(&draft.hash(), name, &claim);
    let signatures = keys.iter().map(|byte| {
        let signature = key(*byte).sign(&message);
        HexBytes(signature.to_bytes().to_vec())
    });
    Contribution {
        version: 1,
        draft: HexHash(draft.hash()),
        name: name.into(),
        signatures: signatures.collect(),
        claim,
    }
}

fn all(draft: &Draft) -> Vec<Contribution> {
    vec![
        validator(draft, "alpha", 1),
        validator(draft, "beta", 2),
        validator(draft, "gamma", 3),
        Contribution::sign(draft, "anna", &Signers::Trustee(&key(11))).unwrap(),
        Contribution::sign(draft, "bert", &Signers::Trustee(&key(12))).unwrap(),
        Contribution::sign(draft, "city", &Signers::Registrar(&key(13))).unwrap(),
        observer(draft, "watch", 14),
    ]
}

fn refusals(draft: &Draft, contributions: &[Contribution]) -> Vec<String> {
    let errors = assemble(draft, contributions).unwrap_err();
    errors.iter().map(ToString::to_string).collect()
}

/// Method: every rotation of the files, and its reverse, as JSON.
#[test]
fn the_same_contributions_in_any_order_make_the_same_bytes() {
    let draft = draft();
    let mut files = all(&draft);
    let text = |files: &[Contribution]| {
        serde_json::to_string_pretty(&assemble(&draft, files).unwrap()).unwrap()
    };
    let first = text(&files);
    for _ in 0..files.len() {
        files.rotate_left(1);
        assert_eq!(text(&files), first);
        files.reverse();
        assert_eq!(text(&files), first);
        files.reverse();
    }
    let again = [files.clone(), files.clone()].concat();
    assert_eq!(text(&again), first, "a file given twice");
    let spec = assemble(&draft, &files).unwrap();
    assert_eq!((spec.validators.len(), spec.observers.len()), (3, 1));
    assert!(verify(&draft, &files, &spec).is_ok());
    for file in &files {
        assert!(verify(&draft, std::slice::from_ref(file), &spec).is_ok());
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let draft = draft();
    let other = Draft {
        time: draft.time + 1,
        ..draft.clone()
    };
    let mut files = all(&draft);
    files[0] = validator(&other, "alpha", 1);
    files[1].signatures[1].0[0] ^= 1;
    files[3] = Contribution::sign(&draft, "anna", &Signers::Trustee(&key(12))).unwrap();
    files.truncate(5);
    files.push(validator(&draft, "gamma", 4));
    let told = refusals(&draft, &files);
    let wanted = [
        format!(
            "contribution of validator `alpha`: it is for another draft, {}",
            other.hash()
        ),
        format!(
            "contribution of validator `beta`: the signature of key {} is missing or wrong",
            files[1].claim.keys()[1]
        ),
        "validator `gamma` has contributed twice, differently".into(),
        "validator `alpha` has not contributed".into(),
        "validator `beta` has not contributed".into(),
        "registrar `city` has not contributed".into(),
        "observer `watch` has not contributed".into(),
        format!("key {} is in two places", files[3].claim.keys()[0]),
    ];
    assert_eq!(told, wanted);
}

/// Method: one defect each in a contribution that is signed anew where it can be.
#[test]
fn a_contribution_that_breaks_a_rule_is_refused() {
    let draft = draft();
    let good = validator(&draft, "alpha", 1);
    assert_eq!(good.check(&draft), Ok(()));
    let mut file = good.clone();
    file.version = 2;
    assert!(matches!(
        file.check(&draft),
        Err(ContributionError::Version { version: 2 })
    ));
    let mut file = good.clone();
    file.name = "beta".into();
    assert!(matches!(
        file.check(&draft),
        Err(ContributionError::Signature { .. })
    ));
    let mut file = good.clone();
    file.signatures.push(HexBytes(vec![0; 64]));
    assert!(matches!(
        file.check(&draft),
        Err(ContributionError::Signature { .. })
    ));
    file.signatures.truncate(1);
    assert!(matches!(
        file.check(&draft),
        Err(ContributionError::Signature { .. })
    ));

    let made = |name: &str, network: u8, address: &str| {
        let signers = Signers::Validator {
            validator: &key(1),
            network: &key(network),
            address: address.into(),
        };
        Contribution::sign(&draft, name, &signers).map(|_| ())
    };
    let address = "/ip4/10.0.0.1/tcp/30333";
    assert!(made("alpha", 2, address).is_ok());
    let named = made("anna", 2, address);
    assert!(matches!(named, Err(ContributionError::NotNamed { .. })));
    assert_eq!(made("alpha", 1, address), Err(ContributionError::SameKey));
    for claimed in [0, 2] {
        let mut claim = good.claim.clone();
        if let Claim::Validator { power, .. } = &mut claim {
            *power = claimed;
        }
        let found = forged(&draft, "alpha", claim, &[1, 101]).check(&draft);
        let agreed = 1;
        assert_eq!(found, Err(ContributionError::Power { agreed, claimed }));
    }
    let watch = observer(&draft, "watch", 14);
    assert_eq!(watch.check(&draft), Ok(()));
    let unnamed = forged(&draft, "alpha", watch.claim.clone(), &[14]).check(&draft);
    assert!(matches!(unnamed, Err(ContributionError::NotNamed { .. })));
    let other = forged(&draft, "watch", watch.claim, &[15]).check(&draft);
    assert!(matches!(other, Err(ContributionError::Signature { .. })));
    for address in [
        "",
        "/ip4/0.0.0.0/tcp/30333",
        "/ip4/10.0.0.1/tcp/0",
        "/ip4/10.0.0.1/udp/30333",
        "/ip4/10.0.0.1/tcp/30333/p2p/12D3KooWGVWm79oZukm4wzd3aQfpZWxSEHerD6YhvureYP4EPKj3",
    ] {
        let found = made("alpha", 2, address);
        assert!(
            matches!(found, Err(ContributionError::Address { .. })),
            "{address}"
        );
    }
    let live = Draft {
        chain_type: ChainType::Live,
        ..draft.clone()
    };
    let mut file = validator(&draft, "alpha", 1);
    file.draft = HexHash(live.hash());
    assert!(matches!(
        file.check(&live),
        Err(ContributionError::Address { .. })
    ));
}

/// Method: whoever collects leaves one out, exchanges a key, and changes a number.
#[test]
fn a_collector_who_cheats_is_noticed_by_the_one_it_concerns() {
    let draft = draft();
    let files = all(&draft);
    let spec = assemble(&draft, &files).unwrap();
    let mut swapped = files.clone();
    swapped[1] = validator(&draft, "beta", 9);
    let forged = assemble(&draft, &swapped).unwrap();
    let told = |spec, of: &[Contribution]| {
        let errors = verify(&draft, of, spec).unwrap_err();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let beta = told(&forged, &files[1..2]);
    assert_eq!(
        beta,
        ["validator `beta` is not in the specification as it contributed"]
    );
    let mut fewer = spec.clone();
    fewer.validators.pop();
    let differs = "the specification is not what the draft and the contributions make";
    assert_eq!(told(&fewer, &files[3..4]), [differs]);
    let mut richer = spec.clone();
    richer.registrars[0].items_per_day += 1;
    assert!(told(&richer, &files[3..4]).contains(&differs.to_owned()));
    let mut stronger = spec.clone();
    stronger.validators.iter_mut().for_each(|it| it.power += 1);
    assert_eq!(told(&stronger, &files[..1]).len(), 2);
    // Power is the draft's, so that it shows without any validator's contribution.
    assert_eq!(told(&stronger, &files[3..4]), [differs]);
    let mut blind = spec;
    blind.observers.clear();
    assert_eq!(told(&blind, &files[3..4]), [differs]);
    assert_eq!(told(&blind, &files[6..]).len(), 2);
}

#[test]
fn a_draft_that_could_never_work_is_refused() {
    let bad = |change: fn(&mut Draft)| {
        let mut draft = draft();
        change(&mut draft);
        draft.check().unwrap_err()
    };
    assert_eq!(bad(|it| it.version = 2), DraftError::Form);
    assert!(matches!(
        bad(|it| it.validators.clear()),
        DraftError::List { .. }
    ));
    assert!(matches!(
        bad(|it| it.validators.swap(0, 1)),
        DraftError::List { .. }
    ));
    assert!(matches!(
        bad(|it| it.trustees[1] = "anna".into()),
        DraftError::List { .. }
    ));
    assert!(matches!(
        bad(|it| it.trustees[0] = "Anna".into()),
        DraftError::Name { .. }
    ));
    for power in [0, (1 << 32) + 1] {
        let mut draft = draft();
        draft.validators[0].power = power;
        let name = "alpha".into();
        assert_eq!(draft.check(), Err(DraftError::Power { name, power }));
    }
    let name = "beta".into();
    assert_eq!(
        bad(|it| it.observers = vec!["beta".into()]),
        DraftError::TwoRoles { name }
    );
    assert!(matches!(
        bad(|it| it.trustee_threshold = 3),
        DraftError::Threshold { .. }
    ));
    assert!(matches!(
        bad(|it| it.trustee_threshold = 0),
        DraftError::Threshold { .. }
    ));
    let period_ms = VALIDATOR_CHANGE_PERIOD_MS_MIN - 1;
    let mut draft = draft();
    draft.parameters.validator_change_period_ms = period_ms;
    for (chain_type, judged) in [
        (ChainType::Live, Err(DraftError::ChangePeriod { period_ms })),
        (ChainType::Local, Ok(())),
        (ChainType::Development, Ok(())),
    ] {
        draft.chain_type = chain_type;
        assert_eq!(draft.check(), judged);
    }
    draft.chain_type = ChainType::Live;
    draft.parameters.validator_change_period_ms += 1;
    assert_eq!(draft.check(), Ok(()));
}

/// Method: made here of fixed keys, and compared. `ALLOD_BLESS=1` writes it.
#[test]
fn the_vector_of_a_ceremony_is_what_the_code_makes() {
    let draft = draft();
    let files = all(&draft);
    let spec = assemble(&draft, &files).unwrap();
    let genesis = genesis_header(&spec.genesis().unwrap()).unwrap().0.hash();
    let contributions = files.iter().map(|file| {
        let message = preimage(&draft.hash(), &file.name, &file.claim);
        json!({ "preimage": HexBytes(message), "file": file })
    });
    let vector = json!({
        "description": "a draft, every contribution to it with what was signed, and what it comes to",
        "draft": draft,
        "draftHash": HexHash(draft.hash()),
        "contributions": contributions.collect::<Vec<_>>(),
        "specification": spec,
        "genesis": HexHash(genesis),
    });
    let path = "../spec/vectors/valid/genesis-ceremony.json";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("ALLOD_BLESS").is_some() {
        std::fs::write(&path, format!("{vector:#}\n")).unwrap();
    }
    let found: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(found, vector);
    let read: Draft = serde_json::from_value(found["draft"].clone()).unwrap();
    assert_eq!(read.hash(), draft.hash());
    let read: Contribution =
        serde_json::from_value(found["contributions"][0]["file"].clone()).unwrap();
    assert_eq!(read.check(&draft), Ok(()));
}
