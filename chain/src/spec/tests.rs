use super::*;

fn spec() -> ChainSpec {
    let hash = |n: u8| {
        let key = ed25519_dalek::SigningKey::from_bytes(&[n; 32]);
        HexHash(H256(key.verifying_key().to_bytes()))
    };
    ChainSpec {
        version: 1,
        name: "test".into(),
        chain_type: ChainType::Development,
        spec_version: 1,
        time: 1_790_000_000_000,
        origin: None,
        fork_id: 0,
        trustees: vec![hash(1), hash(2)],
        trustee_threshold: 2,
        registrars: vec![RegistrarSpec {
            account: hash(3),
            items_per_day: 1000,
        }],
        validators: vec![ValidatorSpec {
            public_key: hash(4),
            power: 1,
            peer_id: HexBytes(vec![1, 2, 3]),
            address: "/ip4/127.0.0.1/tcp/1".into(),
        }],
        observers: Vec::new(),
        admission: AdmissionSpec {
            vouchers: true,
            work_bits: None,
        },
        parameters: ParametersSpec::default(),
        rules: vec![RuleSpec {
            kind: "setTrustees".into(),
            votes: Some(2),
            delay_ms: 3_600_000,
        }],
    }
}

#[test]
fn a_specification_survives_its_file_and_makes_a_genesis() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spec.json");
    spec().write(&path).unwrap();
    let read = ChainSpec::read(&path).unwrap();
    assert_eq!(read, spec());
    let (header, _) = genesis_header(&read.genesis().unwrap()).unwrap();
    assert_eq!(header.number.0, 0);
}

#[test]
fn unknown_fields_versions_and_long_addresses_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spec.json");
    let mut value = serde_json::to_value(spec()).unwrap();
    value["extra"] = 1.into();
    fs::write(&path, value.to_string()).unwrap();
    assert!(matches!(
        ChainSpec::read(&path),
        Err(SpecError::Syntax { .. })
    ));
    ChainSpec {
        version: 2,
        ..spec()
    }
    .write(&path)
    .unwrap();
    assert!(matches!(
        ChainSpec::read(&path),
        Err(SpecError::Version { version: 2 })
    ));
    let mut long = spec();
    long.validators[0].address = "x".repeat(300);
    assert!(matches!(
        long.genesis(),
        Err(SpecError::Peer {
            list: "validators",
            index: 0
        })
    ));
}
